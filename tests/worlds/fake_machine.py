"""A machine in memory: its process and socket tables are values, and signals end rows. Hand its
`fields()` to a Host.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from skill.host import Listener, Process


class Machine:
    """rows: pid -> row. deaf: pids that only SIGKILL ends. sent: every (pid, signal)."""

    def __init__(self, *rows: Process) -> None:
        self.rows: Dict[int, Process] = {row.pid: row for row in rows}
        self.sockets: List[Listener] = []
        self.used: Dict[int, Dict[str, float]] = {}
        self.deaf: set = set()
        self.deleted: Dict[int, Dict[str, int]] = {}
        self.sent: List[Tuple[int, int]] = []
        self.boot = "boot-1"
        self.on_look: Callable[[], None] = lambda: None

    def fields(self) -> Mapping[str, Any]:
        return {
            "processes": lambda: list(self.rows.values()),
            "process": self.process,
            "environ": lambda pid: self.rows[pid].env if pid in self.rows else None,
            "deleted": lambda pid: dict(self.deleted.get(pid, {})),
            "usage": lambda pid: dict(self.used.get(pid, {})),
            "listeners": lambda pid: [s for s in self.sockets if pid in (None, s.pid)],
            "signal": self.signal,
            "boot": lambda: self.boot,
            "hostname": lambda: "vm",
            "tmp": "/nonexistent",
        }

    def process(self, pid: int) -> Optional[Process]:
        self.on_look()
        return self.rows.get(pid)

    def signal(self, target: Process, number: int) -> bool:
        row = self.rows.get(target.pid)
        if not target.is_same(row):
            return False
        self.sent.append((target.pid, int(number)))
        if number == signal.SIGSTOP:
            self.rows[target.pid] = replace(target, state="stopped")
        elif number == signal.SIGKILL or (
            target.pid not in self.deaf and row is not None and row.state != "stopped"
        ):
            self.end(target.pid)
        return True

    def end(self, pid: int) -> None:
        self.rows.pop(pid, None)
        self.sockets = [s for s in self.sockets if s.pid != pid]
