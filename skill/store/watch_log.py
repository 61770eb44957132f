"""One structured line per decision, in <state dir>/logs/watchdog.log: rotated by day, kept
`log_days` days.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from ..files import append_line, private_dir
from ..openclaw.home import Home
from ..redact import Redactor


class WatchLog:
    """Given a file, append JSON lines with time and event. A log that cannot be written never stops
    the watch.
    """

    def __init__(self, path: Path, days: int = 14, echo: bool = False) -> None:
        self.path, self.days, self.echo = path, days, echo
        self._clean: Optional[Redactor] = None

    def line(self, event: str, now: float, **fields: Any) -> None:
        stamp = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
            + ".{:03d}".format(int(now * 1000) % 1000)
            + time.strftime("%z", time.localtime(now))
        )
        with contextlib.suppress(Exception):
            text = json.dumps(
                {"time": stamp, "at": round(now, 3), "event": event, **fields},
                ensure_ascii=False,
                default=str,
            )
            self._clean = self._clean or Redactor.shapes_only()
            text = self._clean.clean(text)
            try:
                private_dir(self.path.parent) if not os.path.exists(self.path.parent) else None
                self._rotate(now)
                append_line(self.path, text, max_bytes=10_000_000, keep=5)
            finally:
                if self.echo:  # last: a terminal that cannot show it must not lose the line
                    self._show(text)

    @staticmethod
    def _show(text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)

    def _rotate(self, now: float) -> None:
        """A file whose last line is of an earlier day is renamed to that day; files older than
        `days` days go.
        """
        with contextlib.suppress(OSError):
            day = time.strftime("%Y-%m-%d", time.localtime(self.path.stat().st_mtime))
            if day != time.strftime("%Y-%m-%d", time.localtime(now)):
                os.replace(self.path, "{}.{}".format(self.path, day))
                for old in self.path.parent.glob(self.path.name + ".*"):
                    if now - old.stat().st_mtime > self.days * 86400:
                        old.unlink()


def entries(home: Home) -> Iterator[Dict[str, Any]]:
    """Every line of the watchdog's log and of its older files, the oldest first."""
    folder = home.logs_dir
    if not os.path.isdir(folder):
        return
    older = sorted(folder.glob("watchdog.log.*"), key=lambda one: one.stat().st_mtime)
    for path in [*older, folder / "watchdog.log"]:
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        yield from (entry for entry in map(entry_of, lines) if entry)


def entry_of(line: str) -> Dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
