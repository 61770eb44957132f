"""A repair that kill -9 interrupted: its journal says how far it came. It is finished, taken back,
or left to those who went on in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from ..context import Context
from ..errors import RepairError, SettingsError
from ..files import set_aside
from ..locks import owned_lock
from ..model import Outcome, Plan, Risk, Text
from ..openclaw import config as openclaw_config
from ..openclaw import gateway
from ..openclaw.home import Home
from ..repairs import config_guard
from ..store import snapshots
from . import journal as journals
from . import steps, undo, verify

ORPHAN_WAIT_S = 120.0  # an `openclaw doctor` of ours that outlived us is waited for


def recover(ctx: Context) -> Optional[Outcome]:
    """Finish or take back what kill -9 interrupted. None when there is nothing.

    Raises AlreadyRunning while a repair is under way, and OSError when the disk does not let it be
    taken back: then it is tried again later.
    """
    if not journals.pending(ctx.home):
        return None
    with owned_lock(lock_path(ctx.home), "a repair"):
        return finish(ctx)


def lock_path(home: Home) -> Path:
    return home.doctor_dir / "healer.lock"


def finish(ctx: Context) -> Optional[Outcome]:
    """As recover(), for the holder of the lock. The newest repair goes first: it stands on what the
    older ones left.
    """
    last: Optional[Outcome] = None
    for path in journals.pending(ctx.home):
        try:
            journal = journals.load(path)
        except SettingsError:
            set_aside(path)
            continue
        last = _finish_one(ctx, journal, path)
        journals.forget(path)
    return last


def _finish_one(ctx: Context, journal: journals.Journal, path: Path) -> Outcome:
    plan = Plan(
        journal.repair,
        (),
        Risk.SAFE,
        journal.why,
        config_paths=journal.config_paths,
        verify=journal.verify,
    )
    try:
        snapshot = snapshots.load(Path(journal.snapshot))
    except RepairError:  # somebody took it away: moves and the start are still owed
        snapshot = snapshots.Snapshot(Path(journal.snapshot), journal.repair, 0.0, {})
    began = ctx.host.monotonic()
    if journal.runs:
        _await_orphan(ctx)
    # Put back under a gateway that is just reading its config, the fault would be its answer.
    begun = journal.phase in ("starting", "verify")
    edited = journal.edited()
    if plan.verify != "none" and (_ready_soon(ctx) if begun else _ready_now(ctx)):
        return Outcome(
            plan,
            not edited,
            Text(
                "an interrupted repair was finished: the gateway is ready",
                "已完成一次被中断的修复：网关已就绪",
            ),
            seconds=ctx.host.monotonic() - began,
            edited=edited,
            lost=tuple(_lost_since(ctx, snapshot, plan)),
            serves=True,
            snapshot=snapshot.id,
        )
    undone = undo.undo(ctx, snapshot, journal, lambda value: journals.save(path, value))
    left = tuple(dict.fromkeys((*edited, *undone.left)))
    return Outcome(
        plan,
        False,
        _said(undone, left),
        not left and not undone.serves,
        ctx.host.monotonic() - began,
        edited=left,
        serves=undone.serves,
        snapshot=snapshot.id,
    )


def _said(undone: undo.Undone, left: "tuple[str, ...]") -> Text:
    if undone.serves:
        return Text(
            "an interrupted repair is left as it is: the gateway answers",
            "被中断的修复保持原样：网关有响应",
        )
    if left:
        return Text.of(
            "an interrupted repair was taken back except for {}, which somebody else changed since",
            "已撤销一次被中断的修复，但 {} 之后被他人改动，保持原样",
            ", ".join(left),
        )
    return Text("an interrupted repair was rolled back", "已回滚一次被中断的修复")


def _ready_soon(ctx: Context) -> bool:
    """Ready, or on its way: a gateway that was started by the interrupted repair gets its start
    budget.
    """
    if not steps.live_process(ctx):
        return False
    budget = float(ctx.settings.get("start_budget", 300))
    until = ctx.host.monotonic() + budget
    while ctx.host.monotonic() < until:
        ctx = verify.fresh(ctx)
        if gateway.wait_ready(ctx.host, ctx.home, verify.LOOK_EVERY_S, ctx.platform):
            return True
        if not steps.live_process(ctx):
            return False
    return False


def _ready_now(ctx: Context) -> bool:
    """Ready at this moment, several times in a row; a gateway that is not up is not waited for."""
    if not verify.ready_now(ctx):
        return False
    return gateway.wait_ready(ctx.host, verify.fresh(ctx).home, 15.0, ctx.platform)


def _lost_since(ctx: Context, snapshot: snapshots.Snapshot, plan: Plan) -> List[str]:
    """Config keys that the snapshot has and the config has not, outside the plan."""
    path = ctx.home.config_path
    try:
        before = openclaw_config.parse((snapshot.raw(str(path)) or b"").decode("utf-8-sig"))
        after = openclaw_config.parse(path.read_text("utf-8-sig"))
    except (OSError, ValueError):  # what did not parse had nothing that could be lost
        return []
    return config_guard.keys_lost(before, after, plan.config_paths)


def _await_orphan(ctx: Context) -> None:
    until = ctx.host.monotonic() + ORPHAN_WAIT_S
    while gateway.doctor_running(ctx.home) and ctx.host.monotonic() < until:
        ctx.host.sleep(1.0)
