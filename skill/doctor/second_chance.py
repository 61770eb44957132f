"""A revert that helped proves little: an outside cause may have ended in the same minute. The edit
that it took out is put back once, under watch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

from ..context import Context
from ..errors import RepairError
from ..model import Outcome, Plan, Risk, State, Text, Wait, Write
from ..openclaw import gateway
from ..store import served, snapshots
from . import execute, verify

NOTICED_S = 10.0  # OpenClaw has seen the edit, and has begun to start again where it must
WATCHED_S = 30.0


def give(ctx: Context, reverted: Outcome) -> Optional[Outcome]:
    """Put the edit back that this revert took out; it stays when the gateway stays ready with it.
    None when there is nothing to try, or this edit had its second chance before.
    """
    main = str(ctx.home.config_path)
    try:
        snapshot = snapshots.load(snapshots.folder_of(ctx.home) / reverted.snapshot)
        edit = snapshot.raw(main)
        now = Path(main).read_bytes()
    except (OSError, RepairError):
        return None
    if not edit or edit == now or not served.put_back_once(ctx.home, edit, ctx.host.now()):
        return None
    plan = Plan(
        "put-edit-back",
        (Write(main, edit), Wait(NOTICED_S)),
        Risk.GUARDED,
        Text(
            "the edit that was taken out is put back under watch: it may not have been the cause",
            "在观察下放回被撤销的改动：它也许不是原因",
        ),
        touches=(main,),
        config_paths=("*",),
        settle_s=WATCHED_S,
        seen={main: snapshots.digest_of(now)},
    )
    up = replace(ctx.verdict, state=State.HEALTHY)
    outcome = execute.execute(ctx.with_verdict(up), plan)
    if not outcome.healed and not outcome.serves:
        # It was taken out again, and what had been ready before comes up once more.
        budget = float(ctx.settings.get("start_budget", 300))
        gateway.wait_ready(ctx.host, verify.fresh(ctx).home, budget, ctx.platform)
    return outcome
