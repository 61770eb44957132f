"""What a gateway that is gone, or as good as gone, left behind: its lock, its process. Never those
of another state directory.
"""

from __future__ import annotations

import os
import time
from typing import Any, Mapping, Optional

from ..context import Context
from ..errors import CannotPlan
from ..model import NOT_SERVING, EndProcess, Move, Plan, Repair, Risk, Text
from ..openclaw.gateway import ProcessInfo, info_of, is_ours, lock_holder
from . import common

GRACE_S = 10.0


def stale(ctx: Context) -> Optional[ProcessInfo]:
    """The process that must go: who holds our lock, or the pid of the verdict when it still is a
    gateway.
    """
    holder = lock_holder(ctx.host, ctx.home)
    if holder is not None:
        return holder
    row = ctx.host.process(ctx.verdict.pid) if ctx.verdict.pid else None
    return info_of(row) if row is not None and is_ours(ctx.host, ctx.home, row) else None


def end_process(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """End a frozen, busy or port-less gateway of our own state directory, then start it."""
    if ctx.verdict.state not in NOT_SERVING:
        raise CannotPlan(
            Text.of(
                "a gateway that is {} is not ended",
                "状态为 {} 的网关不结束",
                ctx.verdict.state.value,
            )
        )
    process = stale(ctx)
    if process is None:
        raise CannotPlan(
            Text("no process of this state directory is left", "没有属于此状态目录的进程")
        )
    if not process.started:
        raise CannotPlan(
            Text.of("pid {} belongs to another account", "pid {} 属于另一个账户", process.pid)
        )
    return Plan(
        "end-stale-process",
        (
            EndProcess(process.pid, process.started, 0.0 if process.status == "T" else GRACE_S),
            common.bring_up(),
        ),
        Risk.SAFE,
        Text(
            "pid {} holds this gateway's place and does not answer".format(process.pid),
            "进程 {} 占着本网关的位置却没有响应".format(process.pid),
        ),
    )


END_PROCESS = Repair(
    "end-stale-process",
    Risk.SAFE,
    Text("End a gateway process that does not answer, then start", "结束没有响应的网关进程并启动"),
    end_process,
)


def clear_lock(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Move a gateway lock aside whose owner is proven dead. OpenClaw reclaims most by itself."""
    from ..openclaw import lock
    from ..openclaw.gateway import doctor_running

    if lock_holder(ctx.host, ctx.home) is not None or doctor_running(ctx.host, ctx.home):
        raise CannotPlan(Text("the lock's owner is alive", "锁的持有者还活着"))
    if not lock.proven_dead(ctx.host, ctx.home):
        raise CannotPlan(
            Text(
                "whether the lock's owner is gone cannot be told",
                "无法确认锁的持有者是否已退出",
            )
        )
    files = lock.files(ctx.host, ctx.home) + lock.guards(ctx.host, ctx.home)
    if not files:
        raise CannotPlan(Text("there is no lock", "没有锁"))
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now()))
    aside = ctx.home.doctor_dir / "quarantine" / (stamp + "-locks")
    return Plan(
        "clear-stale-lock",
        tuple(Move(path, str(aside / os.path.basename(path))) for path in files)
        + (common.bring_up(),),
        Risk.SAFE,
        Text("the process that held the lock is gone", "持有锁的进程已经不存在"),
    )


CLEAR_LOCK = Repair(
    "clear-stale-lock", Risk.SAFE, Text("Move a dead lock aside", "移走失效的锁"), clear_lock
)
