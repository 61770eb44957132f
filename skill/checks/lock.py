"""The lock of the state directory: who holds it, or who left it behind. Starting beside a live
owner ends in exit 78.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..model import Check, Finding, Text
from ..openclaw import processes
from ..openclaw.gateway import lock_files, read_lock
from .base import info, looking, warning


def run(ctx: Any) -> Iterable[Finding]:
    look = looking(ctx)
    for row in look.processes:
        if processes.is_doctor(row) and processes.state_dir(row) in (look.home.state_dir, None):
            yield warning(
                "lock/doctor-running",
                "An `openclaw doctor` (pid {}) is at work: "
                "the gateway cannot start beside it".format(row.pid),
                "`openclaw doctor`(pid {})正在运行：此时网关无法启动".format(row.pid),
                "",
                None,
                pid=row.pid,
                started=row.started,
                command=row.line[:120],
            )
    held, files = read_lock(look.home), lock_files(look.home)
    owner = processes.owner_of_lock(look.home, look.processes)
    if owner is not None:
        if not look.up:
            yield info(
                "lock/live-owner",
                "pid {} holds the gateway's lock".format(owner.pid),
                "网关锁由 pid {} 持有".format(owner.pid),
                files[0] if files else "",
                None,
                pid=owner.pid,
                command=owner.line[:120],
                started=owner.started,
            )
    elif files:
        broken = not held
        yield info(
            "lock/stale",
            "Stale lock left by a dead process; the gateway reclaims it on start",
            "已退出的进程留下了锁文件；网关启动时会自行接管",
            files[0],
            None,
            pid=held.get("pid"),
            files=[str(f) for f in files],
            unreadable=broken,
        )
    if look.gateways and not files and not look.up and "practice" not in look.gateways[0].line:
        yield info(
            "lock/none",
            "A gateway runs and holds no lock yet: it is starting",
            "网关正在运行但尚未持锁：仍在启动",
        )


CHECK = Check("lock", Text("Lock of the state directory", "状态目录锁"), run)
