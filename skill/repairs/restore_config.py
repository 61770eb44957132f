"""Put the whole config back from the newest good copy: for a missing, empty, broken, cut or
clobbered file, or lost includes.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional

from ..context import Context
from ..errors import CannotPlan
from ..files import is_something_else
from ..model import Move, Plan, Repair, Risk, Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit
from ..store.good_copies import candidates
from . import common
from .mend_json import mended, salvaged


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    view = openclaw_config.load(ctx.home.config_path)
    main = str(ctx.home.config_path)
    if view.error == "unreadable" and not is_something_else(main):
        raise CannotPlan(
            Text.of("the config cannot be read: {}", "配置无法读取：{}", view.message),
            hint=Text(
                "give it back to the account that runs the gateway",
                "请把它的属主改回运行网关的账户",
            ),
        )
    if view.ok:  # whatever it lost: what parses is somebody's, and is repaired key by key
        raise CannotPlan(Text("the config parses", "配置可以解析"))
    if view.error == "syntax":
        cured = _cured(ctx, view)
        if cured is not None:
            return cured
    try:
        good = common.best_good(ctx)
    except CannotPlan:
        if view.error == "syntax":
            return _rest(ctx, view)
        raise
    steps: List[Any] = []
    if view.error == "include":
        # The person's own main file stays: only include files that are gone or broken come back.
        steps = [
            Write(path, raw)
            for path, raw in good.files.items()
            if _include_is_broken(path, main, ctx)
        ]
        if not steps:  # the main file parses: of it only that $include is at fault
            return _without_bad_includes(ctx, view, good.data)
    if not steps:
        steps = common.rejected(ctx) + _aside(ctx, main)
        steps += [Write(main, good.files[main])]
        steps += [
            Write(path, raw)
            for path, raw in good.files.items()
            if path != main and _belongs(path, ctx) and not os.path.isfile(path)
        ]
    touched = tuple(
        step.path
        for step in steps
        if isinstance(step, Write) and not step.path.startswith(str(ctx.home.doctor_dir))
    )
    for path in touched:
        if not os.path.isdir(Path(path).parent):
            raise CannotPlan(Text.of("the folder of {} is gone", "{} 所在的文件夹不见了", path))
    return Plan(
        "restore-config",
        tuple(steps) + (common.bring_up(),),
        Risk.SAFE if good.verified else Risk.GUARDED,
        Text(
            "{} {}; restored from {}, {}".format(
                main,
                _en(view.error),
                good.source,
                "with which the gateway was ready"
                if good.verified
                else "a backup that OpenClaw left",
            ),
            "{} {}；将恢复副本 {}（{}）".format(
                main,
                _zh(view.error),
                good.source,
                "网关最近一次正常运行时的版本" if good.verified else "OpenClaw 自己留下的备份",
            ),
        ),
        touches=touched,
        config_paths=("*",),
    )


def _cured(ctx: Context, view: openclaw_config.ConfigView) -> Optional[Plan]:
    """The owner's own text with the smallest cure, when OpenClaw takes the result."""
    known = candidates(ctx.home, newest_first=True)
    measure = next((good for good in known if good.verified), known[0] if known else None)
    cured = mended(view.raw, measure.data if measure else None, lambda data: _valid(ctx, data))
    if cured is None:
        return None
    # Brackets added at the very end, and nothing to compare with: what stood there is not known.
    cut = measure is None and cured.strip().startswith(view.raw.strip())
    return _write(ctx, cured, _UNKNOWN_END if cut else _WHOLE, Risk.NEVER if cut else Risk.SAFE)


def _without_bad_includes(
    ctx: Context, view: openclaw_config.ConfigView, good: Mapping[str, Any]
) -> Plan:
    """The owner's file, with what stood in the place of each $include that leads nowhere."""
    text = view.raw.decode("utf-8-sig", "replace")
    data = openclaw_config.parse(text)
    paths = list(_bad_includes(data, ctx.home.config_path.parent))
    edits = [
        (path, json_edit.value_at(good, path) if json_edit.has(good, path) else json_edit.UNSET)
        for path in paths
    ]
    mended = json_edit.apply(text, edits) if paths and () not in paths else ""
    if not mended or _valid(ctx, openclaw_config.parse(mended)) is False:
        raise CannotPlan(
            Text(
                "the config itself parses; only a file that it includes is missing or broken",
                "配置本身可以解析；只是它引用的某个文件缺失或损坏",
            ),
            hint=Text(
                "write that file, or take its $include out of the config",
                "请写好该文件，或从配置中去掉对应的 $include",
            ),
        )
    names = ", ".join(json_edit.dotted(path) for path in paths)
    why = Text(
        "{{}}: the $include of {} leads nowhere; what stood there before comes back".format(names),
        "{{}}：{} 的 $include 指向的文件不可用；恢复该处原来的内容".format(names),
    )
    return _write(ctx, mended.encode("utf-8"), why, Risk.SAFE)


def _bad_includes(value: Any, folder: Path, at: json_edit.Path = ()) -> Iterator[json_edit.Path]:
    """Where an object includes a file that cannot be read or parsed."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _bad_includes(item, folder, (*at, str(index)))
    elif isinstance(value, dict):
        if "$include" in value:
            try:
                openclaw_config.merged({"$include": value["$include"]}, folder)
            except (OSError, ValueError, RecursionError):
                yield at
                return
        for key, item in value.items():
            if key != "$include":
                yield from _bad_includes(item, folder, (*at, key))


def _rest(ctx: Context, view: openclaw_config.ConfigView) -> Plan:
    """What can be read of a file of which no copy exists: only for a person to agree to, because
    nobody knows what is missing (a list of who may write, a rule of what is denied).
    """
    text = salvaged(view.raw)
    data = openclaw_config.parse(text) if text is not None else {}
    mode = openclaw_config.get(data, "gateway.mode")
    if text is None or not mode or _valid(ctx, data) is False:
        raise CannotPlan(
            Text("no good copy of the config is known", "没有可用的配置备份"),
            hint=Text(
                "restore openclaw.json from your own backup", "请从你自己的备份还原 openclaw.json"
            ),
        )
    return _write(ctx, text.encode("utf-8"), _UNKNOWN_END, Risk.NEVER)


def _valid(ctx: Context, data: Mapping[str, Any]) -> Optional[bool]:
    try:
        whole = openclaw_config.merged(data, ctx.home.config_path.parent)
    except (OSError, ValueError, RecursionError):
        return False
    return common.valid(ctx, whole)


_WHOLE = Text(
    "{} does not parse; text before it, a bracket, comma or quote is corrected, every key is there",
    "{} 无法解析；去掉多余文字或补上缺失的括号、逗号或引号即可，所有配置项都在",
)
_UNKNOWN_END = Text(
    "{} breaks off; what can be read of it is kept, what stood after that is not known",
    "{} 不完整；保留可读出的部分，其后的内容无从得知",
)


def _write(ctx: Context, content: bytes, why: Text, risk: Risk) -> Plan:
    """The owner's own file, parsable again."""
    main = str(ctx.home.config_path)
    return Plan(
        "restore-config",
        (*common.rejected(ctx), Write(main, content), common.bring_up()),
        risk,
        Text.of(why.en, why.zh, main),
        touches=(main,),
        config_paths=("*",),
    )


def _aside(ctx: Context, main: str) -> List[Any]:
    """A directory or a pipe in the config's place, or a link into a folder that is gone, has to go
    first. Both are kept.
    """
    dead = os.path.islink(main) and not os.path.isdir(os.path.dirname(os.path.realpath(main)))
    if not dead and not is_something_else(main):
        return []
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now()))
    return [
        Move(
            main,
            str(ctx.home.doctor_dir / "quarantine" / "{}-{}".format(stamp, os.path.basename(main))),
        )
    ]


def _belongs(path: str, ctx: Context) -> bool:
    """Config files only: a service file or .env comes back by its own repair."""
    return path.endswith((".json", ".json5")) and path != str(ctx.home.env_file)


def _include_is_broken(path: str, main: str, ctx: Context) -> bool:
    if path == main or not _belongs(path, ctx):
        return False
    try:
        openclaw_config.parse(Path(path).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return True
    return False


def _en(error: str) -> str:
    names = {
        "missing": "is missing",
        "empty": "is empty",
        "syntax": "has a syntax error",
        "include": "includes a file that is gone",
    }
    return names.get(error, "cannot be used")


def _zh(error: str) -> str:
    names = {
        "missing": "不存在",
        "empty": "是空的",
        "syntax": "有语法错误",
        "include": "引用的文件缺失",
    }
    return names.get(error, "无法使用")


REPAIR = Repair(
    "restore-config",
    Risk.SAFE,
    Text("Restore the config from the newest good copy", "从最近的可用副本恢复配置"),
    plan,
)
