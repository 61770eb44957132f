"""The gateway's process: there, awake, listening, alone. And who holds its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ..model import Check, Finding, Text
from ..openclaw import database, lock, processes
from .base import error, info, looking, warning

if TYPE_CHECKING:
    from .base import Look, Seen

# of 2026.8 and later; renewed every 30 s by its owner, and for 300 s
LEASE_WORDS = "owner lease is still active"
RENEWED_S = 45.0
GRACE_S = 300.0  # start budget: a start without registry access took 259 s


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    rows, answer = look.gateways, look.health["answer"]
    if not rows and look.starting:
        pid = look.starting[0].pid
        yield info(
            "process/starting",
            "A gateway is starting (pid {})".format(pid),
            "网关正在启动（pid {}）".format(pid),
            "",
            None,
            pid=pid,
        )
        return
    if not rows:
        yield error(
            "process/none",
            "No gateway process runs for {}".format(look.home.state_dir),
            "没有为 {} 运行的网关进程".format(look.home.state_dir),
        )
        return
    row, age = rows[0], look.host.now() - rows[0].started
    if row.state in ("stopped", "tracing-stop"):
        yield error(
            "process/stopped",
            "The gateway (pid {}) is suspended (state T): it answers nothing and ignores "
            "SIGTERM".format(row.pid),
            "网关进程（pid {}）已被挂起（状态 T）：没有响应，SIGTERM 也无效".format(row.pid),
            "",
            None,
            pid=row.pid,
            started=row.started,
        )
    elif answer in ("silent", "refused", "unreachable") and look.busy:
        if age > (GRACE_S if answer == "refused" else 60.0):  # a boot fills a core too
            yield error(
                "process/busy",
                "The gateway (pid {}) uses a whole core and answers nothing".format(row.pid),
                "网关进程（pid {}）占满一个核心且没有响应".format(row.pid),
                pid=row.pid,
                started=row.started,
            )
    if answer == "refused" and row.state not in ("stopped", "tracing-stop"):
        stays = "Process will stay alive" in look.log
        if stays or age > GRACE_S:
            yield error(
                "process/zombie-no-port",
                "The gateway (pid {}) lives and does not listen on port {}".format(
                    row.pid, look.home.port
                ),
                "网关进程（pid {}）存活但未监听端口 {}".format(row.pid, look.home.port),
                "",
                None,
                pid=row.pid,
                started=row.started,
                age_s=int(age),
                said_so=stays,
            )
    if len(rows) > 1:
        yield error(
            "process/duplicate",
            "{} gateways run on the same state directory: pids {}".format(
                len(rows), ", ".join(str(r.pid) for r in rows)
            ),
            "同一状态目录上运行着 {} 个网关：pid {}".format(
                len(rows), ", ".join(str(r.pid) for r in rows)
            ),
            "",
            None,
            pids=[r.pid for r in rows],
        )


CHECK = Check("process", Text("Gateway process", "网关进程"), run)


# -- the lock of the state directory ---------------------------------------------------------------
def run_lock(ctx: Seen) -> Iterable[Finding]:
    """Who holds the lock, or who left it behind: starting beside a live owner ends in exit 78."""
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
                command=processes.shown(row.argv, 120),
            )
    held, files = lock.holding(look.host, look.home), lock.files(look.host, look.home)
    owner = held.row if held.life is lock.Life.ALIVE else None
    if owner is not None:
        if not look.up:
            yield info(
                "lock/live-owner",
                "pid {} holds the gateway's lock".format(owner.pid),
                "网关锁由 pid {} 持有".format(owner.pid),
                files[0] if files else "",
                None,
                pid=owner.pid,
                command=processes.shown(owner.argv, 120),
                started=owner.started,
            )
    elif held.life is lock.Life.UNKNOWN:
        yield _held_elsewhere(held)
    elif files:
        yield info(
            "lock/stale",
            "Stale lock left by a dead process; the gateway reclaims it on start",
            "已退出的进程留下了锁文件；网关启动时会自行接管",
            files[0],
            None,
            pid=held.lock.pid if held.lock else None,
            files=[str(f) for f in files],
            unreadable=held.lock is None,
        )
    if not look.up and LEASE_WORDS in look.crash_log:
        lease = database.owner_lease(look.home)
        if lease is not None and lease.ends > look.host.now():
            yield _leased(look, lease)
    guards = lock.guards(look.host, look.home)
    if guards and not look.up and lock.proven_dead(look.host, look.home):
        yield error(
            "lock/reclaim-guard",
            "A crash while the lock was taken over left {}: no start gets past it".format(
                guards[0]
            ),
            "接管锁时的崩溃留下了 {}：任何启动都无法越过它".format(guards[0]),
            guards[0],
            ("rmdir {}".format(guards[0]), "rmdir {}".format(guards[0])),
            files=guards,
        )
    if look.gateways and not files and not look.up:
        yield info(
            "lock/none",
            "A gateway runs and holds no lock yet: it is starting",
            "网关正在运行但尚未持锁：仍在启动",
        )


def _leased(look: Look, lease: database.Lease) -> Finding:
    """OpenClaw refuses every start until it ends. Where an engine starts it again by itself that is
    all there is to say.
    """
    from time import localtime, strftime

    left = lease.ends - look.host.now()
    alive = look.host.now() - lease.renewed < RENEWED_S and lease.host != look.host.hostname()
    at = strftime("%H:%M:%S", localtime(lease.ends))
    told = error if getattr(look.service, "blind", False) else warning
    return told(
        "lock/owner-lease",
        "A gateway on {} (pid {}) has the owner lease of this state directory until {} ({:.0f} s); "
        "no start succeeds before that".format(lease.host, lease.pid, at, left),
        "{} 上的网关（进程 {}）持有此状态目录的 owner 租约，"
        "直至 {}（{:.0f} 秒）；在此之前无法启动".format(lease.host, lease.pid, at, left),
        "",
        (
            "It may still be alive there and renew it: stop that one, or give this one a state "
            "directory of its own",
            "它可能仍在那里运行并续租：停止那一个，或为本网关使用单独的状态目录",
        )
        if alive
        else (
            "Wait until then and delete nothing; the start after that succeeds",
            "请等到那时，不要删除任何文件；此后的启动会成功",
        ),
        until=lease.ends,
        seconds=round(left),
        host=lease.host,
        pid=lease.pid,
    )


def _held_elsewhere(held: lock.Holding) -> Finding:
    path = held.lock.path if held.lock else ""
    return warning(
        "lock/elsewhere",
        "The lock is kept by a process that cannot be seen from here, in another container or on "
        "another host of the same volume: nothing of it is moved",
        "锁由本机看不到的进程持有（同一卷上的另一容器或主机）：不会移动它",
        path,
        (
            "Stop the other gateway, or give this one a state directory of its own",
            "停止另一个网关，或为本网关使用单独的状态目录",
        ),
        pid=held.lock.pid if held.lock else None,
    )


LOCK = Check("lock", Text("Lock of the state directory", "状态目录锁"), run_lock)
