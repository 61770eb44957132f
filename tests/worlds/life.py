"""A gateway's life on disk, as the watchdog and the doctor would have kept it: for charts, metrics
and pages.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any, Dict, List

from skill.store.samples import Row

NOW = 1_795_800_000.0


def rows(now: float = NOW, minutes: int = 1440, seed: int = 3) -> List[Row]:
    """A day in which it was down for four minutes, and then began to leak."""
    dice = random.Random(seed)
    made = []
    for back in range(minutes, 0, -1):
        at, leak = now - 60.0 * back, max(0, 200 - back) * 6.0
        down = minutes > 600 and 600 < back < 605
        made.append(
            Row(
                at=at,
                state="down" if down else "healthy",
                pid=None if down else 4242,
                started=now - 36_000.0,
                ms=dice.uniform(3, 30),
                rss=0.0 if down else 720.0 + dice.uniform(0, 30) + leak,
                children=0.0 if down else 170.0,
                disk_free=50_000.0 + back,
                databases=120.0,
            )
        )
    return made


def days(now: float = NOW, count: int = 60) -> Dict[str, Dict[str, float]]:
    names = [time.strftime("%Y-%m-%d", time.localtime(now - 86400.0 * b)) for b in range(count)]
    return {
        day: {"up": 86400.0 - 120.0 * (place % 7 == 3), "down": 120.0 * (place % 7 == 3)}
        for place, day in enumerate(names)
    }


RECORDS: List[Dict[str, Any]] = [
    {
        "id": "20261128T024500-452c",
        "opened": NOW - 36_300.0,
        "first_failed_probe": NOW - 36_300.0,
        "closed": NOW - 36_252.0,
        "errors": ["config/syntax"],
        "healed_s": 48.0,
        "state": "misconfigured",
        "by": "restore-config",
        "level": 3,
        "verified": True,
        "outcome": "healed",
        "case": "CASE-004",
        "cause": "openclaw.json ends in the middle <script>alert(1)</script>",
        "actions": [{"repair": "restore-config", "outcome": "healed"}],
        "config_diff": ["agents.list", "gateway.port"],
    },
    {
        "id": "20261120T014500-aa11",
        "opened": NOW - 700_000.0,
        "first_failed_probe": NOW - 700_000.0,
        "state": "impostor",
        "level": 4,
        "verified": False,
        "outcome": "escalate",
    },
]


def write(doctor_dir: Path, now: float = NOW) -> None:
    """Put that life into a doctor's folder."""
    doctor_dir.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row._asdict()) + "\n" for row in rows(now))
    (doctor_dir / "samples.jsonl").write_text(lines)
    (doctor_dir / "days.json").write_text(json.dumps(days(now)))
    shift = now - NOW
    times = ("opened", "first_failed_probe", "closed")
    records = [
        {key: value + shift if key in times else value for key, value in record.items()}
        for record in RECORDS
    ]
    (doctor_dir / "records.json").write_text(json.dumps({"version": 1, "records": records}))
    sent = [
        {"event": "sent", "way": "feishu:x", "at": now - 36_000.0},
        {"event": "failed", "way": "discord"},
        {"event": "note"},
    ]
    (doctor_dir / "notify.log").write_text("".join(json.dumps(row) + "\n" for row in sent))
