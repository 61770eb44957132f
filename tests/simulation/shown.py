"""What the machine shows of its processes: states, CPU, I/O, and /proc."""

from __future__ import annotations

from typing import List

from .machine import Proc


class Shown:
    """A part of World."""

    def state_of(self, proc: Proc) -> str:
        return proc.state

    def cpu_of(self, proc: Proc) -> float:
        if proc.state == "R":
            return proc.cpu + (self.mono % 100000.0)
        return proc.cpu + 3.0

    def io_of(self, proc: Proc) -> int:
        gateway = next((g for g in self.gateways if g.proc is proc), None)
        if (
            gateway is not None
            and not gateway.ready
            and (gateway.birth.busy or gateway.birth.talks)
        ):
            return int(self.mono * 1000)
        return 1000

    def open_files(self, _proc: Proc) -> List[str]:
        return []

    def proc_file(self, name: str) -> bytes:
        parts = name.split("/")
        if name == "/proc/stat":
            return "cpu 1 1 1 1\nbtime {}\n".format(int(self.machine.boot_epoch())).encode()
        if name.endswith("boot_id"):
            return "boot-{}\n".format(self.machine.boot_id).encode()
        pid = self.getpid() if parts[2] == "self" else int(parts[2]) if parts[2].isdigit() else -1
        if pid == 1 and parts[3] == "stat":
            return b"1 (init) S 0 " + b"0 " * 17 + b"5 0 0"
        proc = self.machine.table.get(pid)
        if proc is None:
            raise FileNotFoundError(2, "No such file or directory", name)
        if parts[3] == "stat":
            fields = ["0"] * 40
            fields[0], fields[1], fields[19] = proc.state, str(proc.ppid), str(proc.ticks)
            fields[11] = str(int(self.cpu_of(proc) * 100))
            return "{} ({}) {}".format(pid, proc.name, " ".join(fields)).encode()
        if parts[3] == "cmdline":
            return b"\0".join(a.encode() for a in proc.argv) + b"\0"
        if parts[3] == "environ":
            if proc.uid:
                raise PermissionError(13, "Permission denied", name)
            return b"\0".join("{}={}".format(k, v).encode() for k, v in proc.env.items())
        if parts[3] in ("comm", "status"):
            return proc.name.encode() + b"\n"
        raise FileNotFoundError(2, "No such file or directory", name)
