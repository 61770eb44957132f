"""The process table, the sockets and the signals of the simulated machine."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

from .scheduler import Task

HERTZ = 100
FIRST_PID = 5_000_300  # no real process can have such a number, whatever slips through


@dataclass
class Proc:
    """One process. kind: gateway | helper (a child of a gateway) | ours (watchdog, doctor, keeper) | owner | openclaw | npm | other."""

    pid: int
    kind: str
    argv: List[str]
    ticks: int
    name: str = ""
    ppid: int = 1
    env: Dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    uid: int = 0
    state: str = "S"
    alive: bool = True
    code: Optional[int] = None
    rss: int = 200 << 20
    cpu: float = 0.0
    task: Optional[Task] = None
    handler: Optional[Callable[[int], None]] = None  # what it does with a signal
    ports: Dict[int, Any] = field(
        default_factory=dict
    )  # port -> callable(path, scheme, timeout) that serves it
    on_exit: List[Callable[["Proc"], None]] = field(default_factory=list)
    ended_by: str = ""


class Machine:
    """Processes come and go here; every signal passes `signal()`, where the invariants see it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.table: Dict[int, Proc] = {}
        self.next_pid = FIRST_PID
        self.boot_id = 1
        self.boot_mono = world.mono
        self.unreaped_for = 0.0  # s that who ended stays in the table as a zombie entry
        self.wanted_pids: List[
            int
        ] = []  # numbers that the next processes get (pids repeat after a reboot)

    # -- time ---------------------------------------------------------------------------------------------------------
    def uptime(self) -> float:
        return self.world.mono - self.boot_mono + 60.0

    def boot_epoch(self) -> float:
        """btime of /proc/stat: it moves with the wall clock."""
        return self.world.wall() - self.uptime()

    # -- processes ----------------------------------------------------------------------------------------------------
    def start(self, kind: str, argv: List[str], **more: Any) -> Proc:
        while self.next_pid in self.table:
            self.next_pid += 1
        pid = self.next_pid
        if self.wanted_pids and self.wanted_pids[0] not in self.table:
            pid = self.wanted_pids.pop(0)
        else:
            self.next_pid += 1 + (self.next_pid * 7919) % 5
        proc = Proc(pid, kind, argv, int(self.uptime() * HERTZ), **more)
        proc.name = proc.name or argv[0].rsplit("/", 1)[-1][:15]
        self.table[pid] = proc
        return proc

    def get(self, pid: Any) -> Optional[Proc]:
        return self.table.get(pid)

    def exit(self, proc: Proc, code: int, by: str = "") -> None:
        """The process is gone; who waits for it is told."""
        if not proc.alive:
            return
        proc.alive, proc.code, proc.ended_by = False, code, by
        proc.ports.clear()
        if self.unreaped_for and proc.kind == "gateway":
            proc.state = "Z"
            self.world.after(self.unreaped_for, lambda: self._reap(proc))
        else:
            self._reap(proc)
        for work in list(proc.on_exit):
            work(proc)

    def _reap(self, proc: Proc) -> None:
        if self.table.get(proc.pid) is proc:
            del self.table[proc.pid]

    def listener(self, port: int) -> Optional[Proc]:
        for proc in self.table.values():
            if port in proc.ports:
                return proc
        return None

    def children(self, pid: int) -> List[Proc]:
        return [p for p in self.table.values() if p.ppid == pid]

    # -- signals ------------------------------------------------------------------------------------------------------
    def signal(self, pid: int, number: int, by: str) -> None:
        """by: who sends it ("watchdog", "treat", "keeper", "owner", "systemd", ...). Raises ProcessLookupError."""
        proc = self.table.get(pid)
        if proc is None:
            raise ProcessLookupError(3, "No such process")
        if number == 0 or proc.state == "Z":
            return
        self.world.signalled(proc, number, by)
        self.deliver(proc, number, by)

    def deliver(self, proc: Proc, number: int, by: str) -> None:
        world = self.world
        if number == signal.SIGKILL:
            if proc.task is not None:
                world.kill(proc.task)
            self.exit(proc, -9, by)
        elif number == signal.SIGSTOP:
            proc.state = "T"
        elif number == signal.SIGCONT:
            if proc.state == "T":
                proc.state = "S"
                if proc.handler is not None:
                    proc.handler(number)
        elif proc.handler is not None:
            proc.handler(number)
        elif proc.task is not None:
            world.kill(
                proc.task
            )  # a Python program of ours that is told to end: near enough to kill
            self.exit(proc, -number, by)
        elif proc.state != "T":
            self.exit(proc, -number, by)

    def sockets(self) -> List[Tuple[int, Proc]]:
        return [(port, proc) for proc in self.table.values() for port in proc.ports]
