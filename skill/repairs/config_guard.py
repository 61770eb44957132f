"""After a repair the config differs only where the fault was. What else changed is put back, byte
for byte.
"""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

from ..context import Context
from ..errors import RepairError
from ..model import Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit
from ..openclaw.json_edit import UNSET
from ..store.snapshots import Snapshot, digest_of

OWN_STAMPS = ("meta",)  # OpenClaw's own stamps of its last write


def allowed(path: str, config_paths: Sequence[str]) -> bool:
    """Is this dotted path, or one above or below it, in the plan?"""
    if "*" in config_paths:
        return True
    return any(
        path == one or path.startswith(one + ".") or one.startswith(path + ".")
        for one in config_paths
    )


def keys_lost(before: Any, after: Any, config_paths: Sequence[str]) -> List[str]:
    """Leaves that were there and are not any more, outside the plan and OpenClaw's own stamps."""
    now = {path for path, _value in openclaw_config.leaves(after)}
    lost = [path for path, _value in openclaw_config.leaves(before) if path not in now]
    return [path for path in lost if not allowed(path, tuple(config_paths) + OWN_STAMPS)]


def measure(ctx: Context, before: Any) -> Optional[Mapping[str, Any]]:
    """What the config should hold: as it was when it parsed, else as it was in the last good
    copy.
    """
    if isinstance(before, Mapping) and before:
        return before
    kept = (ctx.last_good or {}).get("config")
    return kept if isinstance(kept, Mapping) else None


def taken_out(before: Any, after: Any) -> List[str]:
    """Return the dotted paths whose values `after` has not, or has otherwise."""
    now = openclaw_config.meant(after)
    return [
        path
        for path, value in openclaw_config.meant(before).items()
        if path not in now or now[path] != value
    ]


def undo_the_rest(
    ctx: Context,
    snapshot: Snapshot,
    before: Any,
    config_paths: Sequence[str],
    write: Callable[[str, bytes], None],
) -> Tuple[bool, List[str]]:
    """After a foreign program edited the config: start from the bytes before and take over only the
    allowed changes. write(path, content): puts content in place of what the program wrote.

    Return (all well, dotted paths that were put back). Not well: the result does not parse.
    """
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok:
        return False, []
    changed = json_edit.changes(before, view.data)
    outside = [path for path in changed if not allowed(json_edit.dotted(path), config_paths)]
    inside = [path for path in changed if path not in outside]
    _same_bytes(snapshot, write)
    if not changed:
        return True, []
    edits: List[Tuple[Tuple[str, ...], Any]] = []
    for path in inside:
        edits += _narrow(before, view.data, path, config_paths)
    from .common import writes

    for step in writes(ctx, edits):
        write(step.path, step.content)
    return openclaw_config.load(ctx.home.config_path).ok, [
        json_edit.dotted(path) for path in outside
    ]


def _narrow(
    before: Any, after: Any, path: Tuple[str, ...], config_paths: Sequence[str]
) -> List[Tuple[Tuple[str, ...], Any]]:
    """A change that is wider than what is allowed (a whole section vanished) shrinks to the allowed
    keys in it.
    """
    name = json_edit.dotted(path)
    if "*" in config_paths or any(
        name == one or name.startswith(one + ".") for one in config_paths
    ):
        return [(path, json_edit.value_at(after, path) if json_edit.has(after, path) else UNSET)]
    below = [json_edit.split(before, one) for one in config_paths if one.startswith(name + ".")]
    below = [one for one in below if json_edit.has(before, one) or json_edit.has(after, one)]
    return [
        (one, json_edit.value_at(after, one) if json_edit.has(after, one) else UNSET)
        for one in below
    ]


def _same_bytes(snapshot: Snapshot, write: Callable[[str, bytes], None]) -> None:
    for path, name in snapshot.files.items():
        raw = snapshot.raw(path) if name else None
        if (
            raw is not None
            and path.endswith((".json", ".json5"))
            and digest_of(path) != digest_of(raw)
        ):
            write(path, raw)


def bring_back(
    ctx: Context, snapshot: Snapshot, keys: Sequence[str]
) -> Tuple[List[Write], List[str]]:
    """Return (writes, dotted paths) that give the present config the values which the snapshot has:
    of these keys, or of all that are gone or changed. A text that did not parse gives what can be
    read of it. Raises RepairError when there is nothing to bring back.
    """
    from .common import writes
    from .mend_json import salvage

    raw = snapshot.raw(str(ctx.home.config_path)) or b""
    try:
        before: Any = openclaw_config.parse(raw.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        before = salvage(raw)
    now = openclaw_config.load(ctx.home.config_path)
    if not now.ok:
        raise RepairError(Text.of("the config does not parse: {}", "配置无法解析：{}", now.message))
    wanted = list(keys) or taken_out(before, now.data)
    paths = [json_edit.split(before, key) for key in wanted]
    unknown = [key for key, path in zip(wanted, paths) if not json_edit.has(before, path)]
    if unknown or not paths:
        raise RepairError(
            Text.of("the snapshot has no {}", "快照中没有 {}", ", ".join(unknown) or "-"),
            hint="iflow-doctor snapshots list",
        )
    edits = [(path, json_edit.value_at(before, path)) for path in _whole_lists(before, paths)]
    return writes(ctx, edits), wanted


def _whole_lists(data: Any, paths: Sequence[Tuple[str, ...]]) -> List[Tuple[str, ...]]:
    """A list comes back as a whole: its items have no names."""
    found: List[Tuple[str, ...]] = []
    for path in paths:
        for length in range(1, len(path)):
            if isinstance(json_edit.value_at(data, path[:length]), list):
                path = path[:length]
                break
        if path not in found:
            found.append(path)
    return found
