"""Put back only the keys that changed since the last good copy and are implicated; everything else
in the file stays as it is.

Implicated: `paths` when given, else the paths of the config findings, else every changed key (a
valid config that the gateway refuses, or that it dies of right after the edit). variables: names of
.env that were there in the good copy and are gone now.
"""

from __future__ import annotations

import os
import re
from typing import Any, List, Mapping, Sequence

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Severity, Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit
from ..store.good_copies import Good, candidates
from . import common
from .common import KeyPath

IMPLICATING = (
    "config/unrecognized-key",
    "config/invalid-value",
    "config/bind-without-auth",
    "config/tls-files",
    "config/mode-missing",
    "config/secret-missing",
    "config/channel-plugin-missing",
    "config/auth-missing",
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    steps: List[Any] = []
    good = _good(ctx, _about_stamps(params))
    names = [str(name) for name in params.get("variables", ())]
    changed = ctx.finding("config/changed")
    suspected = not (params or _finding_paths(ctx))
    if suspected and changed is not None and changed.evidence.get("served"):
        raise CannotPlan(
            Text(
                "a gateway came up with exactly this config: it is not the cause",
                "网关曾用完全相同的配置启动成功：它不是原因",
            )
        )
    paths: List[KeyPath] = []
    if names:
        steps += _variables(ctx, good, names)
    if not names or params.get("paths"):
        paths = (
            _lost(ctx, good)
            if params.get("lost")
            else _implicated(ctx, good, [str(p) for p in params.get("paths", ())])
        )
        steps += common.rejected(ctx) + _as_it_was(ctx, good, paths)
    if not steps:
        raise CannotPlan(
            Text(
                "nothing that is implicated changed since the last good copy",
                "自上次可用副本以来，相关内容没有变化",
            )
        )
    shown = [json_edit.dotted(path) for path in paths] + [
        "{} (.env)".format(name) for name in names
    ]
    certain = not suspected
    return Plan(
        "revert-config-keys",
        tuple(steps) + (common.bring_up(),),
        Risk.SAFE if certain and good.verified else Risk.GUARDED,
        Text(
            "changed since the gateway last ran well ({}), put back: {}".format(
                good.source, ", ".join(shown)
            ),
            "自网关上次正常运行（{}）以来被改动、现恢复原值：{}".format(
                good.source, "、".join(shown)
            ),
        ),
        touches=tuple(
            step.path for step in steps if not step.path.startswith(str(ctx.home.doctor_dir))
        ),
        config_paths=tuple(json_edit.dotted(path) for path in paths),
    )


def _as_it_was(ctx: Context, good: Good, paths: Sequence[KeyPath]) -> List[Any]:
    """The edits; where a lost key comes back and the file then says what the good copy says, the
    good copy's bytes (order, comments).
    """
    steps: List[Any] = []
    lost = any(not json_edit.has(common.current(ctx).data, path) for path in paths)
    for write in common.writes(ctx, common.reverting(ctx, good, paths)):
        before = good.files.get(write.path)
        if lost and before is not None:
            text, known = (
                openclaw_config.parse(raw.decode("utf-8-sig")) for raw in (write.content, before)
            )
            write = Write(write.path, before) if not json_edit.changes(text, known) else write
        steps.append(write)
    return steps


def _about_stamps(params: Mapping[str, Any]) -> bool:
    """OpenClaw's own stamps are no change of the owner's, unless the finding is about exactly such
    a stamp.
    """
    return any(
        str(path).split(".")[0] == own[0]
        for path in params.get("paths", ())
        for own in common.OWN_KEYS
        if len(own) == 1
    )


def _good(ctx: Context, stamps: bool = False) -> Good:
    """The newest copy that differs from now: the one before the edit. A copy that is already the
    present state explains nothing.
    """
    now = openclaw_config.load(ctx.home.config_path)
    env = _read(str(ctx.home.env_file))
    for good in candidates(ctx.home):
        changed = now.ok and bool(
            json_edit.changes(good.data, now.data) if stamps else common.changed_since(ctx, good)
        )
        if (changed or good.files.get(str(ctx.home.env_file), env) != env) and common.usable(
            ctx, good
        ):
            return good
    raise CannotPlan(
        Text(
            "no good copy of the config differs from what is there now",
            "所有可用备份都与当前配置相同",
        )
    )


def _lost(ctx: Context, good: Good) -> List[KeyPath]:
    """What the good copy has and the config has not; what its owner added since stays."""
    now = common.current(ctx).data
    lost = [path for path in common.changed_since(ctx, good) if not json_edit.has(now, path)]
    if not lost:
        raise CannotPlan(
            Text("nothing was lost since the last good copy", "自上次备份以来没有丢失")
        )
    return lost


def _finding_paths(ctx: Context) -> List[str]:
    found = [
        f
        for f in ctx.verdict.findings
        if f.check_id in IMPLICATING and f.severity is not Severity.INFO
    ]
    return [f.path for f in found if f.path and not os.path.isabs(f.path)]


def _implicated(ctx: Context, good: Good, wanted: Sequence[str]) -> List[KeyPath]:
    now = common.current(ctx).data
    changed = (
        json_edit.changes(good.data, now)
        if _about_stamps({"paths": wanted})
        else common.changed_since(ctx, good)
    )
    named = wanted or _finding_paths(ctx)
    if named and not any(name in ("", "<root>") for name in named):
        targets = [json_edit.split(now, name) for name in named] + [
            json_edit.split(good.data, name) for name in named
        ]
        related = [
            path for path in changed if any(common.related(path, target) for target in targets)
        ]
        # What a warning names may be older than the fault: then every change since is looked at,
        # not none.
        changed = related if related or wanted else changed
    if not changed:
        raise CannotPlan(
            Text(
                "the implicated keys did not change since the last good copy",
                "自上次可用副本以来，相关的键没有变化",
            )
        )
    return changed


def _variables(ctx: Context, good: Good, names: Sequence[str]) -> List[Write]:
    """The lines of .env that define these names, as they were in the good copy."""
    path = str(ctx.home.env_file)
    before, now = good.files.get(path, b""), _read(path)
    have = openclaw_config.read_env_file(ctx.home.env_file)
    lines = [
        line
        for line in before.decode("utf-8", "surrogateescape").splitlines()
        for name in names
        if not have.get(name) and re.match(r"\s*(?:export\s+)?{}\s*=".format(re.escape(name)), line)
    ]
    if not lines:
        raise CannotPlan(
            Text.of("no good copy defines {}", "没有可用副本定义 {}", ", ".join(names))
        )
    start = now if not now or now.endswith(b"\n") else now + b"\n"
    return [Write(path, start + "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


_NAMES = {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 50}
REPAIR = Repair(
    "revert-config-keys",
    Risk.GUARDED,
    Text(
        "Put back the config keys that changed since it last worked",
        "恢复上次正常之后被改动的配置项",
    ),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"paths": _NAMES, "variables": _NAMES, "lost": {"type": "boolean"}},
    },
)
