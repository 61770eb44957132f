"""What OpenClaw's updater left on disk about its last failure. Read only; no command is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Tuple

REASON_KEYS = ("reasonCode", "reason", "failedPhase", "code")


class Failure(NamedTuple):
    path: Path
    at: float  # epoch seconds of the file
    reason: str  # OpenClaw's own reason code; "" when the file holds none


def last_failure(state_dir: Path, since: float) -> Optional[Failure]:
    """The newest saved failure that is younger than `since`, as far as it can be read."""
    found = []
    try:
        for path in (state_dir / "logs" / "support").glob("openclaw-update-failure-*.json"):
            found.append((path.stat().st_mtime, path))
    except OSError:
        return None
    at, path = max(found, default=(0.0, state_dir))
    if not found or at <= since:
        return None
    return Failure(path, at, _reason(path))


def _reason(path: Path) -> str:
    try:
        value = json.loads(path.read_bytes()[:262144].decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return ""
    told = sorted(_told(value, 0))
    return told[0][1] if told else ""


def _told(value: Any, depth: int) -> Iterator[Tuple[Tuple[int, int], str]]:
    """Every reason in it with its rank: the plainest name first, the outermost first."""
    if not isinstance(value, dict) or depth > 3:
        return
    for rank, key in enumerate(REASON_KEYS):
        said = value.get(key)
        if isinstance(said, str) and 2 < len(said) <= 60 and " " not in said:
            yield (rank, depth), said
    for inner in value.values():
        yield from _told(inner, depth + 1)
