"""Take a repair back. Only what is still ours goes: bytes that somebody else wrote stay, nothing is
put back under a gateway that answers, and what we stopped is started again.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import Callable, List, Sequence, Tuple

from ..context import Context
from ..errors import HealerError
from ..openclaw import gateway
from ..openclaw.database import PARTS
from ..openclaw.ledger import Ledger
from ..store import snapshots, unit_files
from ..store.snapshots import digest_of, set_owner
from . import steps
from .allowed_paths import DATABASE
from .journal import Journal
from .verify import fresh


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
    journal: Journal,
    save: Callable[[Journal], None],
) -> Undone:
    """Put everything back that is still ours. Raises OSError when that is impossible; the journal
    stays then.
    """
    if gateway.serves(ctx.host, fresh(ctx).home):
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
    if down:
        _set_new_databases_aside(moved)
    for path, to in reversed(moved):
        if os.path.lexists(path) or DATABASE.search(path) and not down:
            left.append(path)  # the place was taken meanwhile: that is somebody's work and stays
        else:
            steps.move_back(path, to)
    if any(unit_files.defines_service(path) for path in snapshot.files):
        with contextlib.suppress(HealerError, OSError):
            # the manager must not go on with what was undone
            steps.service(ctx, "reload", 30.0)
    start_again(ctx, journal)
    return Undone(tuple(left))


def start_again(ctx: Context, journal: Journal) -> bool:
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


def _file_back(snapshot: snapshots.Snapshot, path: str, journal: Journal) -> bool:
    """True when the file is as it was before; False when it holds what is not ours."""
    raw = snapshot.raw(path)
    now = digest_of(path)
    if now == (digest_of(raw) if raw is not None else ""):
        if journal.ran and raw is not None:  # `openclaw doctor` tightens modes
            set_owner(path, snapshot.owners.get(path))
        return True
    if not journal.ours(path):
        return False
    snapshots.put_back(snapshot, path, must_keep=False)
    return True


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
        if os.path.isdir(path) and set_owner(path, owner)
    ]
