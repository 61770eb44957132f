"""What several repairs share: which file a key lives in, edits as Write steps, good copies that may
be used.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..files import read_file
from ..model import Service, Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit
from ..openclaw.json_edit import UNSET
from ..store.good_copies import Good, candidates

KeyPath = Tuple[str, ...]
OWN_KEYS = openclaw_config.STAMPS  # never the cause, never reverted


def config_files(ctx: Context) -> Tuple[str, ...]:
    """The config and its includes, as text paths."""
    view = openclaw_config.load(ctx.home.config_path)
    return tuple(dict.fromkeys(str(path) for path in (ctx.home.config_path, *view.files)))


def current(ctx: Context) -> openclaw_config.ConfigView:
    """The config as it is; CannotPlan when it does not parse."""
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok:
        raise CannotPlan(
            Text.of(
                "the config cannot be edited by key: {} ({})",
                "配置不能按键编辑：{}（{}）",
                view.error,
                view.message,
            )
        )
    return view


def mounts(path: Path, prefix: KeyPath = (), depth: int = 0) -> List[Tuple[Path, KeyPath]]:
    """Each file of a config with the key path at which its content appears, main file first."""
    found = [(path, prefix)]
    if depth > 10:
        return found
    try:
        data = openclaw_config.parse(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return found
    return found + _mounts_in(data, path.parent, prefix, depth)


def _mounts_in(data: Any, folder: Path, prefix: KeyPath, depth: int) -> List[Tuple[Path, KeyPath]]:
    found: List[Tuple[Path, KeyPath]] = []
    if isinstance(data, Mapping):
        names = data.get("$include", [])
        for name in names if isinstance(names, list) else [names]:
            found += mounts(folder / str(name), prefix, depth + 1)
        for key, item in data.items():
            found += _mounts_in(item, folder, prefix + (str(key),), depth)
    return found


def writes(ctx: Context, edits: Iterable[Tuple[KeyPath, Any]]) -> List[Write]:
    """Edits of merged key paths as whole-file writes; each key is edited in the file that defines
    it, new keys in the main file.
    """
    files = mounts(ctx.home.config_path)
    texts: Dict[Path, str] = {}
    original: Dict[Path, str] = {}
    for path, value in edits:
        target, rest = _file_of(files, path, texts)
        if target not in texts:
            original[target] = texts[target] = target.read_bytes().decode("utf-8-sig")
        texts[target] = json_edit.apply(texts[target], [(rest, value)])
    return [Write(str(p), text.encode("utf-8")) for p, text in texts.items() if text != original[p]]


def _file_of(
    files: Sequence[Tuple[Path, KeyPath]], path: KeyPath, texts: Mapping[Path, str]
) -> Tuple[Path, KeyPath]:
    for target, mount in files:
        if path[: len(mount)] != mount:
            continue
        text = texts[target] if target in texts else target.read_text("utf-8-sig")
        if json_edit.has(openclaw_config.parse(text), path[len(mount) :]):
            return target, path[len(mount) :]
    return files[0][0], path


def related(path: KeyPath, other: KeyPath) -> bool:
    """One is the other or lies above or below it."""
    length = min(len(path), len(other))
    return path[:length] == other[:length]


def changed_since(ctx: Context, good: Good) -> List[KeyPath]:
    """Key paths that differ between now and a good copy, without those that nobody set on
    purpose.
    """
    found = json_edit.changes(good.data, current(ctx).data)
    return [path for path in found if not any(path[: len(own)] == own for own in OWN_KEYS)]


def reverting(ctx: Context, good: Good, paths: Iterable[KeyPath]) -> List[Tuple[KeyPath, Any]]:
    return [
        (path, json_edit.value_at(good.data, path) if json_edit.has(good.data, path) else UNSET)
        for path in paths
    ]


def valid(ctx: Context, data: Mapping[str, Any]) -> Optional[bool]:
    """Return what OpenClaw itself, or else its schema, says of a config; None when neither can."""
    from ..openclaw.validation import validate

    with tempfile.TemporaryDirectory(prefix="iflow-doctor-") as folder:
        trial = Path(folder) / "openclaw.json"
        trial.write_text(json.dumps(data), "utf-8")
        home = replace(ctx.home, config_path=trial)
        try:
            found = validate(replace(ctx, home=home, logs=""), 30.0)
        except Exception:  # a validator that fails says nothing about the config
            return None
    return bool(found.valid) if found.known else None


def usable(ctx: Context, good: Good) -> Optional[bool]:
    """Return whether a copy is valid; None when nobody can say.

    A copy the gateway was ready with is not asked about again (seconds), unless OpenClaw is another
    version since.
    """
    if good.verified and not ctx.findings("installation/version-changed"):
        return True
    return valid(ctx, good.data)


def best_good(ctx: Context) -> Good:
    """Return the newest copy that is valid, ours or OpenClaw's; where nobody can say, the first of
    ours, then of OpenClaw's. CannotPlan when there is none.

    A copy that no gateway was seen ready with (what OpenClaw refused or found clobbered among them)
    outranks one of ours only when nothing of that is missing from it.
    """
    doubtful: List[Good] = []
    known = candidates(ctx.home, newest_first=True)
    proven = next((good for good in known if good.verified), None)
    for good in known:
        if proven is not None and not good.verified and _lacks(good.data, proven.data):
            continue
        said = usable(ctx, good)
        if said:
            return good
        if said is None:
            doubtful.append(good)
    if doubtful:
        return max(doubtful, key=lambda good: (good.verified, good.taken))
    raise CannotPlan(
        Text("no good copy of the config is known", "没有可用的配置备份"),
        hint=Text(
            "restore openclaw.json from your own backup", "请从你自己的备份还原 openclaw.json"
        ),
    )


def _lacks(data: Any, other: Any) -> bool:
    """Whether something that was written on purpose into `other` has no place in `data`."""
    return bool(set(openclaw_config.meant(other)) - set(openclaw_config.meant(data)))


def rejected(ctx: Context) -> List[Write]:
    """Keep the person's own version of the config aside, where it survives a successful repair.
    The same bytes are kept once.
    """
    import time

    try:
        raw = read_file(ctx.home.config_path)
    except OSError:
        return []
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now()))
    target = (
        ctx.home.doctor_dir
        / "snapshots"
        / "{}.rejected-by-doctor.{}".format(ctx.home.config_path.name, stamp)
    )
    with contextlib.suppress(OSError):
        for path in target.parent.glob("*.rejected-by-doctor.*"):
            if path.stat().st_size == len(raw) and path.read_bytes() == raw:
                return []
    return [Write(str(target), raw)] if raw else []


def bring_up() -> Service:
    """Start it, or restart it when a process is still there (a gateway that stays alive with a bad
    config has to go first).
    """
    return Service("restart", 120.0)
