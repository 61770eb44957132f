"""End a frozen, busy or port-less gateway of OUR state directory (never another's), then start
it.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ..context import Context
from ..errors import CannotPlan
from ..model import NOT_SERVING, EndProcess, Plan, Repair, Risk, Text
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


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
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


REPAIR = Repair(
    "end-stale-process",
    Risk.SAFE,
    Text("End a gateway process that does not answer, then start", "结束没有响应的网关进程并启动"),
    plan,
)
