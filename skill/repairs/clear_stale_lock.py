"""Move a gateway lock aside whose owner is dead. OpenClaw reclaims most by itself; one that it does
not is left to us.
"""

from __future__ import annotations

import os
import time
from typing import Any, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Move, Plan, Repair, Risk, Text
from . import common


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    from ..openclaw import lock
    from ..openclaw.gateway import doctor_running, lock_holder

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


REPAIR = Repair("clear-stale-lock", Risk.SAFE, Text("Move a dead lock aside", "移走失效的锁"), plan)
