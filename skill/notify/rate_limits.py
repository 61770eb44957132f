"""How fast each way may be used, and how long it rests after a failure. On disk, so that a restart
does not start a flood.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Tuple

from ..errors import NotifyError
from ..files import private_dir, write_atomic
from ..openclaw.channels import Way

# (platform, kind) -> [(messages, seconds)]. Sources: the vendors' public documents, kept one below
# their limit where it is a block.
LIMITS: Dict[Tuple[str, str], List[Tuple[int, float]]] = {
    ("feishu", "app"): [(5, 1)],
    ("feishu", "hook"): [(5, 1), (99, 60)],
    ("dingtalk", "app"): [(5, 1)],
    ("dingtalk", "robot"): [(19, 60)],  # over 20 in a minute blocks the robot for ten
    ("discord", "bot"): [(5, 5)],
    ("discord", "hook"): [(5, 2), (30, 60)],
    ("telegram", "bot"): [(1, 1), (20, 60)],
    ("slack", "bot"): [(1, 1)],
    ("slack", "hook"): [(1, 1)],
    ("wecom", "hook"): [(19, 60)],
}
OTHER = [(5, 1.0)]
BACKOFF = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
    30.0,
    60.0,
)  # seconds after the 1st, 2nd, ... failure in a row
# a refusal that trying cannot help is tried again this rarely: somebody may have added the bot to
# the group
PERMANENT_S = 600.0


@dataclass
class Pace:
    path: Path
    ways: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Pace":
        try:
            value = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            value = {}
        return cls(
            path,
            {k: v for k, v in value.items() if isinstance(v, dict)}
            if isinstance(value, dict)
            else {},
        )

    def save(self) -> None:
        try:
            private_dir(self.path.parent)
            write_atomic(self.path, json.dumps(self.ways) + "\n")
        except OSError:  # a full disk must not stop the alert about it
            pass

    def ready_at(self, way: Way, now: float) -> float:
        """Epoch seconds from which the way may be used; <= now: at once."""
        entry = self.ways.get(way.id, {})
        start = float(entry.get("not_before", 0))
        start = 0.0 if start > now + 4 * 3600 else start  # the clock was set back
        recent = [t for t in entry.get("recent", []) if now - 3600 < t <= now + 1]
        for count, period in LIMITS.get((way.platform, way.kind), OTHER):
            if len(recent) >= count and recent[-count] + period > now:
                start = max(start, recent[-count] + period)
        return start

    def resting(self, way: Way, now: float) -> bool:
        """True while a failure of this way is not over (a mere rate limit is not a failure)."""
        entry = self.ways.get(way.id, {})
        return (
            bool(entry.get("fails")) and now < float(entry.get("not_before", 0)) <= now + 4 * 3600
        )

    def using(self, way: Way, now: float) -> None:
        """Reserve a slot before sending: a send that is killed counts too."""
        entry = self.ways.setdefault(way.id, {})
        entry["recent"] = [t for t in entry.get("recent", []) if now - 61 < t <= now + 1][-99:] + [
            now
        ]
        self.save()

    def accepted(self, way: Way) -> None:
        entry = self.ways.setdefault(way.id, {})
        for key in ("fails", "not_before", "permanent", "error"):
            entry.pop(key, None)

    def failed(self, way: Way, error: NotifyError, now: float) -> None:
        entry = self.ways.setdefault(way.id, {})
        entry["fails"] = int(entry.get("fails", 0)) + 1
        rest = PERMANENT_S if error.permanent else BACKOFF[min(entry["fails"], len(BACKOFF)) - 1]
        if error.retry_after is not None and not error.permanent:
            rest = max(error.retry_after, min(rest, 10.0))  # the platform knows best
        entry.update(not_before=now + rest, permanent=error.permanent, error=error.message[:200])
        self.save()
