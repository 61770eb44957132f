"""The watchdog under test: the real program, as its own process; and a reader of the log it
writes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from ..host import end_group
from .bench import ROOT, Bench

RESTART_AFTER_S = (
    1.0  # as RestartSec of its systemd unit would: one that cannot start must not spin
)


class Watcher:
    """`python -m skill watch`. When a fault ends it, keep_alive() starts it again, as its service
    manager would.
    """

    def __init__(self, bench: Bench, command: Optional[List[str]] = None) -> None:
        self.bench = bench
        self.command = command or [sys.executable, "-m", "skill", "watch"]
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.starts = 0

    def start(self) -> None:
        env = dict(self.bench.env)
        env["PYTHONPATH"] = os.pathsep.join(p for p in (ROOT, env.get("PYTHONPATH", "")) if p)
        with open(self.bench.root / "watchdog.out", "ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=env,
                cwd=str(self.bench.root),
                start_new_session=os.name != "nt",
            )
        self.starts += 1

    @property
    def pid(self) -> Optional[int]:
        return self.process.pid if self.process and self.process.poll() is None else None

    def keep_alive(self) -> bool:
        """Start it again when it is gone; True when that was necessary."""
        if self.process is None or self.process.poll() is None:
            return False
        time.sleep(RESTART_AFTER_S)
        self.start()
        return True

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            end_group(self.process, 5.0)

    def words(self) -> str:
        """The end of what it said on its terminal, for the report of a drill that could not run."""
        try:
            return (
                (self.bench.root / "watchdog.out")
                .read_bytes()[-1500:]
                .decode("utf-8", "replace")
                .strip()
            )
        except OSError:
            return ""


class LogReader:
    """New JSON lines of watchdog.log, from where the last read ended; a rotated or truncated file
    is read from its start.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.offset, self.rest = path, 0, b""

    def new(self) -> Iterator[Dict[str, Any]]:
        try:
            with open(self.path, "rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                if size < self.offset:
                    self.offset, self.rest = 0, b""
                handle.seek(self.offset)
                raw = handle.read()
        except OSError:
            return
        self.offset += len(raw)
        *lines, self.rest = (self.rest + raw).split(b"\n")
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value
