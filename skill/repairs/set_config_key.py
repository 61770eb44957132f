"""Set one key to one of a few values that are safe for everybody. Nothing else can be set, no
matter who asks.
"""

from __future__ import annotations

from typing import Any, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Text
from ..openclaw import json_edit
from . import common

# (dotted path, value, the finding that must be there). Narrower than before in every case: never
# opens anything.
ALLOWED: Tuple[Tuple[str, Any, Tuple[str, ...]], ...] = (
    ("gateway.mode", "local", ("config/mode-missing",)),
    ("gateway.bind", "loopback", ("config/bind-without-auth", "config/invalid-value")),
    ("gateway.tls.enabled", False, ("config/tls-files",)),
    ("gateway.reload.mode", "hybrid", ("config/invalid-value",)),
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
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


REPAIR = Repair(
    "set-config-key",
    Risk.GUARDED,
    Text("Set one missing config key to its safe value", "把缺失的配置项设为安全值"),
    plan,
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
