"""Take a variable out of the gateway's start environment, or give it the value of the last healthy
run. Only variables that a finding names, never one that holds a secret or guards something.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Service, Text
from ..redact import is_secret_key
from . import common

NAMED_BY = ("service/environment", "service/environment-changed", "service/environment-named")
# Without these it would not run at all, be another's gateway, or let somebody in.
NEVER = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|SHELL|OPENCLAW_(STATE_DIR|CONFIG_PATH|PROFILE|HOME|SERVICE_\w+"
    r"|GATEWAY_TOKEN"
    r"|GATEWAY_PASSWORD|CONFIG_READONLY|NIX_MODE|SYSTEMD_UNIT|LAUNCHD_LABEL|WINDOWS_TASK_NAME)"
    r"|\w*(AUTH|ALLOW|SECUR|SANDBOX)\w*)$"
)


def named(ctx: Context) -> List[str]:
    found: List[str] = []
    for check in NAMED_BY:
        for finding in ctx.findings(check):
            evidence = finding.evidence
            found += [str(evidence["name"])] if evidence.get("name") else []
            found += [str(name) for name in evidence.get("names") or ()]
            found += [str(name) for name in dict(evidence.get("restore") or {})]
    return list(dict.fromkeys(found))


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    if ctx.platform is None:
        raise CannotPlan(Text("no service manager is known", "没有可用的系统服务管理器"))
    wanted = [str(name) for name in params["names"]]
    there = dict(ctx.platform.environment() or {})
    before: Dict[str, Any] = {}
    for finding in ctx.verdict.findings:
        if finding.check_id in NAMED_BY:
            before.update(dict(finding.evidence.get("restore") or {}))
    for name in wanted:
        if name not in named(ctx):
            raise CannotPlan(Text.of("no finding names {}", "没有发现项指到 {}", name[:60]))
        if NEVER.match(name) or is_secret_key(name):
            raise CannotPlan(Text.of("{} is only changed by you", "{} 只能由你更改", name))
        if name not in there and before.get(name) is None:
            raise CannotPlan(Text.of("the service does not set {}", "服务没有设置 {}", name))
    values = {name: str(before[name]) for name in wanted if before.get(name) is not None}
    unset = [name for name in wanted if name not in values]
    steps, also = ctx.platform.environment_override(values, unset)
    kept = [
        step
        for step in steps
        if not (isinstance(step, Service) and step.action in ("restart", "start"))
    ]
    if not kept:
        raise CannotPlan(Text("this service manager cannot be told so", "该服务管理器无法这样设置"))
    return Plan(
        "unset-service-variable",
        tuple(kept) + (common.bring_up(),),
        Risk.GUARDED,
        Text(
            "the gateway's start environment without {}".format(", ".join(wanted))
            if not values
            else "{} as in the last healthy run".format(", ".join(wanted)),
            "网关的启动环境中去掉 {}".format("、".join(wanted))
            if not values
            else "{} 恢复为上次健康运行时的值".format("、".join(wanted)),
        ),
        touches=tuple(also),
    )


REPAIR = Repair(
    "unset-service-variable",
    Risk.GUARDED,
    Text(
        "Take variables that a finding names out of the gateway's start environment",
        "把发现项指明的变量从网关的启动环境中去掉",
    ),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["names"],
        "properties": {
            "names": {
                "type": "array",
                "minItems": 1,
                "maxItems": 4,
                "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,80}$"},
            }
        },
    },
)
