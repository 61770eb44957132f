"""Remove a key that OpenClaw does not know. Only keys that a validation finding names."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Text
from ..openclaw import json_edit
from ..openclaw.json_edit import UNSET
from . import common

INVALID = "config/invalid-value"  # the key is known, its value is not: the default takes its place
# A default must not open what the owner had (wrongly) closed.
NOT_BY_DEFAULT = re.compile(
    r"auth|bind|allow|deny|policy|approv|sandbox|secur|tls|token|secret|password|elevated|exec|tools|port|proxy",
    re.I,
)
NAMED_BY = (
    "config/unrecognized-key",
    "config/channel-plugin-missing",
    "plugins/missing",
    "plugins/slot-missing",
    "config/version-newer",
)
# A whole section never goes, whatever is asked: removing it would lose more than the fault.
SECTIONS = (
    "gateway",
    "agents",
    "models",
    "channels",
    "plugins",
    "env",
    "skills",
    "auth",
    "secrets",
    "commands",
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    named = [f.path for f in ctx.verdict.findings if f.check_id in NAMED_BY and f.path]
    values = [
        f.path
        for f in ctx.verdict.findings
        if f.check_id == INVALID and f.path and not NOT_BY_DEFAULT.search(f.path)
    ]
    wanted = [str(params["path"])] if params.get("path") else list(dict.fromkeys(named))
    if not wanted:
        raise CannotPlan(Text("no finding names a key to remove", "没有检查结果指明要删除的键"))
    data = common.current(ctx).data
    edits = []
    for name in wanted:
        path = json_edit.split(data, name)
        if name not in named and name not in values:
            raise CannotPlan(Text.of("{} is not named by any finding", "没有检查结果指向 {}", name))
        if len(path) < 2 and path[:1] and path[0] in SECTIONS:
            raise CannotPlan(Text.of("{} is a whole section", "{} 是一整段", name))
        if json_edit.has(data, path):
            edits.append((path, UNSET))
    if not edits:
        raise CannotPlan(Text.of("{} is not in the config", "{} 不在配置中", ", ".join(wanted)))
    steps = list(common.writes(ctx, edits))
    return Plan(
        "unset-config-key",
        tuple(common.rejected(ctx)) + tuple(steps) + (common.bring_up(),),
        Risk.GUARDED if any(name in values for name in wanted) else Risk.SAFE,
        Text(
            "OpenClaw does not accept {}; it is removed, its value is kept in the snapshot".format(
                ", ".join(wanted)
            ),
            "OpenClaw 不认识 {}；将其移除，原值保存在快照中".format("、".join(wanted)),
        ),
        touches=tuple(step.path for step in steps),
        config_paths=tuple(json_edit.dotted(path) for path, _value in edits),
    )


REPAIR = Repair(
    "unset-config-key",
    Risk.SAFE,
    Text("Remove one config key that OpenClaw rejects", "移除一个 OpenClaw 不接受的配置项"),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"path": {"type": "string", "minLength": 1, "maxLength": 300}},
    },
)
