"""One config key: taken out where OpenClaw does not know it, or set to a value that is safe for
everybody.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Tuple

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


def plan_unset(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Remove a key that OpenClaw does not know. Only keys that a validation finding names."""
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


UNSET_KEY = Repair(
    "unset-config-key",
    Risk.SAFE,
    Text("Remove one config key that OpenClaw rejects", "移除一个 OpenClaw 不接受的配置项"),
    plan_unset,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"path": {"type": "string", "minLength": 1, "maxLength": 300}},
    },
)


# (dotted path, value, the finding that must be there). Narrower than before in every case: never
# opens anything.
ALLOWED: Tuple[Tuple[str, Any, Tuple[str, ...]], ...] = (
    ("gateway.mode", "local", ("config/mode-missing",)),
    ("gateway.bind", "loopback", ("config/bind-without-auth", "config/invalid-value")),
    ("gateway.tls.enabled", False, ("config/tls-files",)),
    ("gateway.reload.mode", "hybrid", ("config/invalid-value",)),
)


def plan_set(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Set one key to one of a few values that are safe for everybody. Nothing else can be set, no
    matter who asks."""
    name, value = str(params.get("path", "")), params.get("value")
    rule = [row for row in ALLOWED if row[0] == name and row[1] == value]
    if not rule:
        raise CannotPlan(
            Text.of("{} may not be set to that by anybody but you", "{} 只能由你自己改成该值", name)
        )
    if not any(ctx.findings(check) for check in rule[0][2]):
        raise CannotPlan(Text.of("no finding asks for {}", "没有检查结果要求 {}", name))
    data = common.current(ctx).data
    path = json_edit.split(data, name)
    if json_edit.value_at(data, path) == value:
        raise CannotPlan(Text.of("{} has that value already", "{} 已是该值", name))
    if (
        name == "gateway.tls.enabled"
        and str(json_edit.value_at(data, ("gateway", "bind"), "loopback")) != "loopback"
    ):
        raise CannotPlan(
            Text(
                "without TLS a gateway that others reach would speak in clear text",
                "没有 TLS 时，别人可达的网关会以明文通信",
            )
        )
    steps = list(common.writes(ctx, [(path, value)]))
    return Plan(
        "set-config-key",
        tuple(common.rejected(ctx)) + tuple(steps) + (common.bring_up(),),
        Risk.GUARDED,
        Text("{} is set to {}".format(name, value), "将 {} 设为 {}".format(name, value)),
        touches=tuple(step.path for step in steps),
        config_paths=(name,),
    )


SET_KEY = Repair(
    "set-config-key",
    Risk.GUARDED,
    Text("Set one missing config key to its safe value", "把缺失的配置项设为安全值"),
    plan_set,
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "value"],
        "properties": {
            "path": {"enum": sorted({row[0] for row in ALLOWED})},
            "value": {"enum": ["local", "loopback", "hybrid", False]},
        },
    },
)
