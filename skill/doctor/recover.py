"""A repair that kill -9 interrupted: its journal says how far it came. It is finished, rolled back,
or left as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

from ..context import Context
from ..errors import RepairError, SettingsError
from ..files import read_json, set_aside
from ..locks import owned_lock
from ..model import Outcome, Plan, Risk, Text
from ..openclaw import config as openclaw_config
from ..openclaw import gateway
from ..repairs import config_guard
from ..store import snapshots
from . import execute, steps

# s after an interrupted repair: what was written later is not its work, and not its to put back
SETTLED_S = 600.0
ORPHAN_WAIT_S = 120.0  # an `openclaw doctor` of ours that outlived us is waited for


def recover(ctx: Context) -> Optional[Outcome]:
    """Finish or roll back a repair that kill -9 interrupted. None when there is none. Raises
    AlreadyRunning while one is under way.

    Nothing is put back under a gateway that is ready, nor over files that were written long after
    the repair died.
    """
    if not execute.journal_path(ctx.home).exists():
        return None
    with owned_lock(execute.lock_path(ctx.home), "a repair"):
        try:
            journal: Any = read_json(execute.journal_path(ctx.home))
            snapshot = snapshots.load(Path(str(journal["snapshot"])))
        except (SettingsError, RepairError, KeyError, TypeError):
            set_aside(execute.journal_path(ctx.home))
            return None
        return _recover(ctx, journal, snapshot)


def _recover(ctx: Context, journal: Mapping[str, Any], snapshot: snapshots.Snapshot) -> Outcome:
    why = journal.get("why") or ["", ""]
    plan = Plan(
        str(journal.get("repair", "?")),
        (),
        Risk.SAFE,
        Text(str(why[0]), str(why[1])),
        config_paths=tuple(journal.get("config_paths", ())),
        verify=str(journal.get("verify", "ready")),
    )
    began = ctx.host.monotonic()
    if journal.get("runs"):
        _await_orphan(ctx)
    # Put back under a gateway that is just reading its config, the fault would be its answer.
    begun = journal.get("phase") in ("starting", "verify")
    up = plan.verify != "none" and (_ready_now(ctx) if begun else _answers_ready(ctx))
    if up and not _lost_since(ctx, snapshot, plan):
        execute.forget_journal(ctx.home)
        detail = Text(
            "an interrupted repair was finished: the gateway is ready",
            "已完成一次被中断的修复：网关已就绪",
        )
        return Outcome(plan, True, detail, seconds=ctx.host.monotonic() - began)
    if _written_since(ctx, snapshot, journal.get("moves", ())):
        set_aside(execute.journal_path(ctx.home))
        detail = Text(
            "an interrupted repair is left as it is: its files were changed long after it",
            "被中断的修复保持原样：其文件之后又被修改过",
        )
        return Outcome(plan, False, detail, seconds=ctx.host.monotonic() - began)
    execute.undo(ctx, snapshot, journal.get("moves", ()))
    execute.forget_journal(ctx.home)
    return Outcome(
        plan,
        False,
        Text("an interrupted repair was rolled back", "已回滚一次被中断的修复"),
        True,
        ctx.host.monotonic() - began,
    )


def _ready_now(ctx: Context) -> bool:
    """Ready, or on its way: a gateway that was started by the interrupted repair gets its start
    budget.
    """
    ctx = execute.fresh(ctx)
    if steps.live_process(ctx):
        return gateway.wait_ready(
            ctx.host, ctx.home, float(ctx.settings.get("start_budget", 300)), ctx.platform
        )
    return False


def _answers_ready(ctx: Context) -> bool:
    """Ready at this moment, several times in a row; a gateway that is not up is not waited for."""
    ctx = execute.fresh(ctx)
    if gateway.ask(ctx.host, ctx.home, 5.0)["answer"] != "ready":
        return False
    return gateway.wait_ready(ctx.host, ctx.home, 15.0, ctx.platform)


def _written_since(
    ctx: Context, snapshot: snapshots.Snapshot, moves: Sequence[Sequence[str]]
) -> bool:
    """Whether anything that a rollback would overwrite was written later than the repair can have
    done.
    """
    try:
        died = os.stat(str(execute.journal_path(ctx.home))).st_mtime
    except OSError:
        return False
    for path in [*snapshot.files, *(path for path, _to in moves)]:
        try:
            if os.stat(path).st_mtime > died + SETTLED_S:
                return True
        except OSError:
            continue
    return False


def _lost_since(ctx: Context, snapshot: snapshots.Snapshot, plan: Plan) -> List[str]:
    """Config keys that the snapshot has and the config has not, outside the plan."""
    path = ctx.home.config_path
    try:
        before = openclaw_config.parse((snapshot.raw(str(path)) or b"").decode("utf-8-sig"))
        after = openclaw_config.parse(path.read_text("utf-8-sig"))
    except (
        OSError,
        ValueError,
        # it did not parse before: there is nothing to lose; it does not now: the gateway would not
        # be ready
    ):
        return []
    return config_guard.keys_lost(before, after, plan.config_paths)


def _await_orphan(ctx: Context) -> None:
    until = ctx.host.monotonic() + ORPHAN_WAIT_S
    while gateway.doctor_running(ctx.home) and ctx.host.monotonic() < until:
        ctx.host.sleep(1.0)
