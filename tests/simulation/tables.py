"""The process and socket tables of the simulated machine as the product's Host hands them out."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

WORDS = {"R": "running", "S": "sleeping", "D": "disk-sleep", "T": "stopped", "Z": "zombie"}


class Tables:
    """One world's tables in the product's own values (skill/machine.py)."""

    def __init__(self, world: Any, machine: Any) -> None:
        self.world, self.Process, self.Listener = world, machine.Process, machine.Listener

    def _row(self, proc: Any) -> Any:
        world = self.world
        task = world.current
        base = world.machine.boot_epoch()
        if task is not None:
            if task.boot_epoch is None:
                task.boot_epoch = base
            base = task.boot_epoch
        mine = proc.uid == 0
        return self.Process(
            proc.pid,
            proc.ppid,
            proc.name,
            tuple(proc.argv),
            WORDS[proc.state],
            round(base + proc.ticks / 100.0, 2),
            "user{}".format(proc.uid),
            dict(proc.env) if mine else None,
            proc.cwd if mine else "",
            proc.ticks,
            proc.uid,
            proc.rss,
        )

    def process(self, pid: int) -> Optional[Any]:
        proc = self.world.machine.table.get(pid)
        return None if proc is None else self._row(proc)

    def processes(self) -> List[Any]:
        table = self.world.machine.table
        return [self._row(table[pid]) for pid in sorted(table)]

    def environ(self, pid: int) -> Optional[Mapping[str, str]]:
        proc = self.world.machine.table.get(pid)
        return None if proc is None or proc.uid else dict(proc.env)

    def deleted(self, pid: int) -> Mapping[str, int]:
        return {}

    def usage(self, pid: int) -> Dict[str, float]:
        world, proc = self.world, self.world.machine.table.get(pid)
        if proc is None or proc.state == "Z":
            return {}
        return {
            "memory_mb": proc.rss / 1e6,
            "cpu_s": world.cpu_of(proc),
            "fds": 40.0,
            "fd_limit": 65536.0,
            "as_limit": -1.0,
            "io_mb": 2 * world.io_of(proc) / 1e6,
        }

    def listeners(self, pid: Optional[int] = None) -> List[Any]:
        machine = self.world.machine
        if pid is None:
            return [self.Listener(port, "127.0.0.1", proc.pid) for port, proc in machine.sockets()]
        proc = machine.table.get(pid)
        return (
            [] if proc is None else [self.Listener(port, "127.0.0.1", pid) for port in proc.ports]
        )

    def signal(self, target: Any, number: int) -> bool:
        if not target.is_same(self.process(target.pid)):
            return False
        try:
            self.world.kill_call(target.pid, int(number))
        except ProcessLookupError:
            return False
        return True

    def boot(self) -> str:
        return "boot-{}".format(self.world.machine.boot_id)
