"""Take a repair back: one that did not help, or one that kill -9 interrupted.

Only what is still ours goes: bytes that somebody else wrote stay, nothing is put back under a
gateway that answers, and what we stopped is started again.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

from ..context import Context
from ..errors import HealerError, RepairError, SettingsError
from ..files import set_aside
from ..locks import owned_lock
from ..model import Outcome, Plan, Risk, Text
from ..openclaw import config as openclaw_config
from ..openclaw import database, gateway
from ..openclaw.database import PARTS
from ..openclaw.home import Home
from ..openclaw.ledger import Ledger
from ..repairs import config_guard
from ..store import good_copies, snapshots
from . import journal as journals
from . import steps, verify
from .allowed_paths import DATABASE

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
        ledger = Ledger(ctx.host, ctx.home)
        if ledger.owed_start() is not None:  # the stop never came, or somebody started it since
            ledger.note("serving", who="level 3")
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
    undone = undo(ctx, snapshot, journal, lambda value: journals.save(path, value))
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


def _said(undone: Undone, left: "tuple[str, ...]") -> Text:
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
    plan = Plan("recover", (), Risk.SAFE, Text("", ""), verify="ready")
    return verify.wait(ctx, plan, lambda: ()).ready


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
    while gateway.doctor_running(ctx.host, ctx.home) and ctx.host.monotonic() < until:
        ctx.host.sleep(1.0)


# -- taking back -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Undone:
    """left: paths that hold what is not ours, and stay as they are. serves: it answers, so nothing
    was touched.
    """

    left: Tuple[str, ...] = ()
    serves: bool = False


def undo(
    ctx: Context,
    snapshot: snapshots.Snapshot,
    journal: journals.Journal,
    save: Callable[[journals.Journal], None],
) -> Undone:
    """Put everything back that is still ours. Raises OSError when that is impossible; the journal
    stays then.
    """
    if gateway.serves(ctx.host, verify.fresh(ctx).home):
        return Undone(serves=True)
    moved = [(path, to) for path, to in journal.moves if os.path.lexists(to)]
    if any(DATABASE.search(path) for path, _to in moved) and steps.live_process(ctx):
        journal = replace(journal, stopped=True)
        save(journal)
        with contextlib.suppress(HealerError):
            steps.service(ctx, "stop", 60.0)
    left = [path for path in snapshot.files if not _file_back(snapshot, path, journal)]
    if journal.ran:
        owners_back(snapshot)
    down = not steps.live_process(ctx)
    sound = _sound_by_now(moved)
    if down:
        _set_new_databases_aside([row for row in moved if row[0] not in sound])
    for path, to in reversed(moved):
        if path in sound or os.path.lexists(path) or DATABASE.search(path) and not down:
            left.append(path)  # the place was taken meanwhile: that is somebody's work and stays
        else:
            steps.move_back(path, to)
    if any(good_copies.defines_service(path) for path in snapshot.files):
        with contextlib.suppress(HealerError, OSError):
            # the manager must not go on with what was undone
            steps.service(ctx, "reload", 30.0)
    start_again(ctx, journal)
    return Undone(tuple(left))


def start_again(ctx: Context, journal: journals.Journal) -> bool:
    """Start what this repair stopped, or what was up when it began; False where nothing is owed."""
    if not (journal.stopped or journal.served) or steps.live_process(ctx):
        return False
    state = gateway.service_of(ctx.platform)
    owed = Ledger(ctx.host, ctx.home).owed_start() is not None
    if getattr(state, "stopped_by_operator", None) is True and not owed:
        return False  # a stop that is not in our ledger is its owner's
    with contextlib.suppress(HealerError, OSError):
        steps.service(ctx, "start", 60.0)
        return True
    return False


def _file_back(snapshot: snapshots.Snapshot, path: str, journal: journals.Journal) -> bool:
    """True when the file is as it was before; False when it holds what is not ours."""
    raw = snapshot.raw(path)
    now = snapshots.digest_of(path)
    if now == (snapshots.digest_of(raw) if raw is not None else ""):
        if journal.ran and raw is not None:  # `openclaw doctor` tightens modes
            snapshots.set_owner(path, snapshot.owners.get(path))
        return True
    if not journal.ours(path):
        return False
    try:
        over = (*journal.known.get(path, ()), now)
        snapshots.put_back(snapshot, path, must_keep=False, over=over)
    except snapshots.Changed:
        return False
    return True


def _sound_by_now(moved: Sequence[Tuple[str, str]]) -> List[str]:
    """What was moved away as damaged and has a sound database in its place by now: that one holds
    what came in since, and the damaged one never comes back over it.
    """
    bases = {DATABASE.sub(".sqlite", path) for path, _to in moved if DATABASE.search(path)}
    whole = {
        base
        for base in bases
        if os.path.isfile(base) and database.inspect(Path(base), "state").problem == ""
    }
    return [path for path, _to in moved if DATABASE.sub(".sqlite", path) in whole]


def _set_new_databases_aside(moved: Sequence[Tuple[str, str]]) -> None:
    """Every start makes a new database where there is none. It gives way to the old one, whole (its
    -wal would be taken for the old one's), and is kept beside it.
    """
    for path, to in moved:
        base = DATABASE.sub(".sqlite", path)
        for part in PARTS if DATABASE.search(path) else ():
            if os.path.lexists(base + part):
                steps.move(base + part, free_name(DATABASE.sub(".sqlite", to) + part))


def free_name(path: str) -> str:
    """Return a name beside `path` that nothing has."""
    number = 1
    while os.path.lexists("{}.made-meanwhile.{}".format(path, number)):
        number += 1
    return "{}.made-meanwhile.{}".format(path, number)


def owners_back(snapshot: snapshots.Snapshot) -> List[str]:
    """Give folders back the modes they had; return those that changed."""
    return [
        path
        for path, owner in snapshot.owners.items()
        if os.path.isdir(path) and snapshots.set_owner(path, owner)
    ]
