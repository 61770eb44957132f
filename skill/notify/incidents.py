"""Open incidents: who still needs reminding, and who said "I have seen it".

<doctor_dir>/incidents-open/<incident>.json is written when an incident is told, removed when it
recovered; <incident>.ack is the person's answer. The folder is normally empty, so that looking is
nearly free.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping

from ..files import json_bounded, private_dir, write_atomic
from ..model import Alert, Text

if TYPE_CHECKING:
    from ..context import Context
    from ..openclaw.home import Home


def folder(home: "Home") -> Path:
    return home.doctor_dir / "incidents-open"


def code(incident: str) -> str:
    """What a person types to acknowledge: the last part of the incident's id ("3f2a")."""
    return incident.rsplit("-", 1)[-1][:12]


def opened(home: "Home", alert: Alert) -> None:
    """Note an incident. An escalation keeps time and title of the opening and raises the level."""
    from .outbox import safe

    path = private_dir(folder(home)) / (safe(alert.incident) + ".json")
    before = _read(path)
    if before.get("level") == alert.level:
        return
    value = {
        "incident": alert.incident,
        "at": before.get("at", alert.at),
        "level": alert.level,
        "title": before.get("title") or list(alert.title),
        "next_step": list(alert.next_step) if alert.next_step else before.get("next_step"),
        "reminded": before.get("reminded", 0),
    }
    write_atomic(path, json.dumps(value, ensure_ascii=False) + "\n")


def closed(home: "Home", incident: str) -> None:
    from .outbox import safe

    for suffix in (".json", ".ack"):
        with contextlib.suppress(OSError):
            os.unlink(folder(home) / (safe(incident) + suffix))


def open_incidents(home: "Home") -> List[Dict[str, Any]]:
    """Told and not recovered, oldest first; "acked" says whether a person answered."""
    from .outbox import known, safe

    try:
        names = [
            name
            for name in os.listdir(folder(home))
            if name.endswith(".json") and not name.startswith(".")
        ]
    except OSError:
        return []
    found = []
    for name in names:
        value = _read(folder(home) / name)
        if not value:
            continue
        incident = str(value["incident"])
        if known(home, incident, "recovered"):  # killed between the two writes of the recovery
            closed(home, incident)
            continue
        found.append(
            {
                **value,
                "code": code(incident),
                "acked": os.path.exists(folder(home) / (safe(incident) + ".ack")),
            }
        )
    return sorted(found, key=lambda item: (float(item["at"]), str(item["incident"])))


def ack(home: "Home", word: str, now: float) -> List[str]:
    """Given a code or an incident id ("" = every open one), return the incidents that stop
    reminding. [] when none fits.
    """
    from .outbox import safe

    word = word.strip().lower()
    names = [
        str(i["incident"])
        for i in open_incidents(home)
        if word in ("", i["code"].lower(), str(i["incident"]).lower())
    ]
    for incident in names:
        write_atomic(folder(home) / (safe(incident) + ".ack"), "{}\n".format(int(now)))
    return names


def remind(ctx: "Context", now: float) -> int:
    """Enqueue the newest reminder that is due for each open, unacknowledged incident. Returns how
    many.
    """
    from .outbox import enqueue, safe

    steps = sorted(
        float(step) for step in ctx.settings.get("notify.reminders", [1800, 7200, 28800])
    )
    count = 0
    for incident in open_incidents(ctx.home):
        lasted = now - float(incident["at"])
        due = sum(1 for step in steps if lasted >= step)
        once = incident["level"] == "warning"  # the gateway serves; a part of it does not
        if once or incident["acked"] or due <= int(incident["reminded"]):
            continue
        step = steps[due - 1]
        en, zh = span(lasted)
        alert = Alert(
            str(incident["incident"]),
            "reminder",
            str(incident["level"]),
            Text(*incident["title"]),
            float(incident["at"]) + step,
            Text("Still not working after {}.".format(en), "已经 {}，仍未恢复。".format(zh)),
            next_step=Text(*incident["next_step"]) if incident.get("next_step") else None,
        )
        enqueue(ctx, alert)
        raw = {key: value for key, value in incident.items() if key not in ("code", "acked")}
        write_atomic(
            folder(ctx.home) / (safe(alert.incident) + ".json"),
            json.dumps({**raw, "reminded": due}, ensure_ascii=False) + "\n",
        )
        count += 1
    return count


def span(seconds: float) -> Text:
    """A length of time as a person says it: "12 s", "5 min 20 s", "2 h 5 min", "3 d 4 h"."""
    total = max(0, int(round(seconds)))
    days, hours, minutes, rest = total // 86400, total // 3600 % 24, total // 60 % 60, total % 60
    parts = [(days, "d", "天"), (hours, "h", "小时"), (minutes, "min", "分"), (rest, "s", "秒")]
    first = next((i for i, part in enumerate(parts) if part[0]), 3)
    shown = [part for part in parts[first : first + 2] if part[0]] or [parts[3]]
    zh_shown = " ".join("{} {}".format(n, zh) for n, _, zh in shown)
    return Text(
        " ".join("{} {}".format(n, en) for n, en, _ in shown),
        zh_shown + ("钟" if zh_shown.endswith("分") else ""),
    )


def _read(path: Path) -> Dict[str, Any]:
    try:
        value = json_bounded(path.read_text("utf-8"))
        return (
            dict(value)
            if isinstance(value, Mapping) and "incident" in value and "at" in value
            else {}
        )
    except (OSError, ValueError):
        return {}
