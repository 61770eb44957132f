"""What the watchdog sees, kept for charts, metrics and forecasts: one row a minute, one sum a day.

Files of the doctor's folder: `samples.jsonl` (a week of minutes, about 1 MB at most) and
`days.json` (400 days of seconds per state group). Losing them loses charts, nothing else: every
error is swallowed here, no error reaches the watch.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..errors import SettingsError
from ..files import json_bounded, private_dir, read_json, tail_bytes, write_atomic, write_json
from ..model import BROKEN, SERVING, State
from ..openclaw.home import Home

EVERY = 60.0  # s between two rows
WEEK = 7 * 86400.0
ROWS_MAX = 1_600_000  # bytes after which the file is cut to a week
DAYS = 400
LOST = 180.0  # s: a longer step between two looks was watched by nobody
GROUPS = ("up", "down", "other")
COUNTS = ("starts", "restarts", "crashes")  # of a day, beside its seconds


class Row(NamedTuple):
    """One minute. Memory, disk and databases in MB; ms: how long the last probe took."""

    at: float
    state: str
    pid: Optional[int] = None
    started: float = 0.0
    ms: float = 0.0
    rss: float = 0.0
    children: float = 0.0
    disk_free: float = 0.0
    databases: float = 0.0
    logs: float = 0.0
    failing: Tuple[str, ...] = ()
    exit_code: Optional[int] = None


def group_of(state: State, outage: bool = False) -> str:
    """Return up, down or other: what a second in this state counts as. The start that ends an
    outage belongs to it.
    """
    if state in SERVING:
        return "up"
    return "down" if state in BROKEN or outage else "other"


class Samples:
    """Takes every look, writes once a minute."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._last = 0.0
        self._written = 0.0
        self._state = ""  # as it was at the last look: a change is a row at once
        self._sums: Dict[str, Dict[str, float]] = {}

    def look(self, now: float, state: State, outage: bool) -> bool:
        """Count the time since the last look; return whether a row is due."""
        step = now - self._last
        if self._last and 0.0 < step <= LOST:
            day = self._sums.setdefault(time.strftime("%Y-%m-%d", time.localtime(now)), {})
            group = group_of(state, outage)
            day[group] = day.get(group, 0.0) + step
        changed = state.value != self._state
        self._last, self._state = now, state.value
        return changed or now - self._written >= EVERY or now < self._written

    def count(self, now: float, name: str, number: int = 1) -> None:
        """Add to what the day counts: starts, restarts, crashes."""
        if number > 0:
            day = self._sums.setdefault(time.strftime("%Y-%m-%d", time.localtime(now)), {})
            day[name] = day.get(name, 0.0) + number

    def write(self, row: Row) -> None:
        """Append the row and add the sums to the days. Never raises."""
        self._written = row.at
        with contextlib.suppress(Exception):
            private_dir(self.home.doctor_dir)
            path = self.home.doctor_dir / "samples.jsonl"
            # the line break comes first: a row that was cut by a full disk ends there
            text = "\n" + json.dumps(row._asdict(), separators=(",", ":"))
            handle = os.open(str(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, text.encode())
            finally:
                os.close(handle)
            if path.stat().st_size > ROWS_MAX:
                self._cut(row.at)
            self._add_days()

    def _cut(self, now: float) -> None:
        kept = [row for row in rows(self.home) if row.at > now - WEEK]
        text = "".join(json.dumps(r._asdict(), separators=(",", ":")) + "\n" for r in kept)
        write_atomic(self.home.doctor_dir / "samples.jsonl", text.encode()[-ROWS_MAX // 2 :], 0o600)

    def _add_days(self) -> None:
        known = days(self.home)
        for day, sums in self._sums.items():
            row = known.setdefault(day, {})
            for group, seconds in sums.items():
                row[group] = round(row.get(group, 0.0) + seconds, 1)
        write_json(
            self.home.doctor_dir / "days.json", {day: known[day] for day in sorted(known)[-DAYS:]}
        )
        self._sums = {}


def rows(home: Home, limit: int = ROWS_MAX) -> List[Row]:
    """Return the kept minutes, oldest first; a damaged line is left out."""
    with contextlib.suppress(OSError):
        return _rows_of(tail_bytes(home.doctor_dir / "samples.jsonl", limit))
    return []


def _rows_of(raw: bytes) -> List[Row]:
    found = []
    for line in raw.splitlines():
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            value = json_bounded(line)
            row = Row(**{k: v for k, v in value.items() if k in Row._fields})
            found.append(row._replace(at=float(row.at), failing=tuple(row.failing or ())))
    return found


class Reader:
    """Reads the minutes for somebody who asks again and again: only what was added is parsed."""

    def __init__(self) -> None:
        self._file: Tuple[int, int] = (0, 0)  # inode, bytes that were read
        self._rows: List[Row] = []

    def rows(self, home: Home) -> List[Row]:
        """Return what rows() returns, at the cost of what is new."""
        path = home.doctor_dir / "samples.jsonl"
        try:
            with path.open("rb") as source:
                seen = os.fstat(source.fileno())
                inode, done = self._file
                if inode != seen.st_ino or seen.st_size < done:
                    self._rows, done = rows(home), seen.st_size
                else:
                    source.seek(done)
                    raw = source.read(seen.st_size - done)
                    self._rows += _rows_of(raw)
                    done += len(raw)
                self._file = (seen.st_ino, done)
        except OSError:
            self._file, self._rows = (0, 0), []
        return self._rows


def days(home: Home) -> Dict[str, Dict[str, float]]:
    """Return day -> group -> seconds; {} where nothing is kept or it is damaged."""
    try:
        value: Any = read_json(home.doctor_dir / "days.json", {})
    except (SettingsError, OSError):
        return {}
    found: Dict[str, Dict[str, float]] = {}
    for day, sums in value.items() if isinstance(value, Mapping) else ():
        if isinstance(sums, Mapping):
            found[str(day)] = {
                group: float(sums[group])
                for group in GROUPS + COUNTS
                if isinstance(sums.get(group), (int, float))
            }
    return found


def availability(known: Mapping[str, Mapping[str, float]], last: int) -> Optional[float]:
    """Return the share of watched seconds of the last `last` days in which it served; None: none.

    Seconds that are nobody's fault (a start, an update, an operator's stop) count for neither side.
    """
    chosen = [known[day] for day in sorted(known)[-last:]]
    up, down = (sum(row.get(group, 0.0) for row in chosen) for group in ("up", "down"))
    return up / (up + down) if up + down else None
