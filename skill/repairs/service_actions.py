"""The repairs that are one action of the service manager: start, restart, reset-failed,
reload-keepalive, reinstall-service; and to take variables out of what it starts the gateway with.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Service, State, Text
from ..redact import is_secret_key
from . import common


def _plan(
    repair: str, actions: Tuple[str, ...], risk: Risk, why: Text
) -> Callable[[Context, Mapping[str, Any]], Plan]:
    def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
        if ctx.platform is None:
            raise CannotPlan(Text("no service manager is known", "没有可用的系统服务管理器"))
        if ctx.verdict.state in (State.STOPPED, State.UPDATING, State.DRAINING, State.IMPOSTOR):
            raise CannotPlan(
                Text.of(
                    "the gateway is {}: nothing to start",
                    "网关状态为 {}：无需启动",
                    ctx.verdict.state.value,
                )
            )
        if repair == "start" and ctx.verdict.state is State.HEALTHY:
            raise CannotPlan(Text("the gateway is up", "网关在运行"))
        return Plan(repair, tuple(Service(action, 120.0) for action in actions), risk, why)

    return plan


def _repair(repair: str, actions: Tuple[str, ...], risk: Risk, title: Text) -> Repair:
    return Repair(repair, risk, title, _plan(repair, actions, risk, title))


START = _repair("start", ("start",), Risk.SAFE, Text("Start the gateway", "启动网关"))
RESTART = _repair("restart", ("restart",), Risk.SAFE, Text("Restart the gateway", "重启网关"))
RESET_FAILED = _repair(
    "reset-failed",
    ("reset-failed", "start"),
    Risk.SAFE,
    Text("Clear the service manager's failed state and start", "清除服务管理器的失败状态并启动"),
)
RELOAD_KEEPALIVE = _repair(
    "reload-keepalive",
    ("reload", "start"),
    Risk.SAFE,
    Text("Load and enable the service again, then start", "重新加载并启用服务，然后启动"),
)
REINSTALL_SERVICE = _repair(
    "reinstall-service",
    ("install", "start"),
    Risk.GUARDED,
    Text(
        "Install OpenClaw's own service again, then start", "重新安装 OpenClaw 自己的服务，然后启动"
    ),
)


NAMED_BY = ("service/environment", "service/environment-changed", "service/environment-named")
# Without these it would not run at all, be another's gateway, or let somebody in.
NEVER = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|SHELL|OPENCLAW_(STATE_DIR|CONFIG_PATH|PROFILE|HOME|SERVICE_\w+"
    r"|GATEWAY_TOKEN"
    r"|GATEWAY_PASSWORD|CONFIG_READONLY|NIX_MODE|SYSTEMD_UNIT|LAUNCHD_LABEL|WINDOWS_TASK_NAME)"
    r"|\w*(AUTH|ALLOW|SECUR|SANDBOX)\w*)$"
)


def named_variables(ctx: Context) -> List[str]:
    found: List[str] = []
    for check in NAMED_BY:
        for finding in ctx.findings(check):
            evidence = finding.evidence
            found += [str(evidence["name"])] if evidence.get("name") else []
            found += [str(name) for name in evidence.get("names") or ()]
            found += [str(name) for name in dict(evidence.get("restore") or {})]
    return list(dict.fromkeys(found))


def _unset_variable(ctx: Context, params: Mapping[str, Any]) -> Plan:
    if ctx.platform is None:
        raise CannotPlan(Text("no service manager is known", "没有可用的系统服务管理器"))
    wanted = [str(name) for name in params["names"]]
    there = dict(ctx.platform.environment() or {})
    before: Dict[str, Any] = {}
    for finding in ctx.verdict.findings:
        if finding.check_id in NAMED_BY:
            before.update(dict(finding.evidence.get("restore") or {}))
    for name in wanted:
        if name not in named_variables(ctx):
            raise CannotPlan(Text.of("no finding names {}", "没有检查结果指到 {}", name[:60]))
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


UNSET_VARIABLE = Repair(
    "unset-service-variable",
    Risk.GUARDED,
    Text(
        "Take variables that a finding names out of the gateway's start environment",
        "把检查结果指明的变量从网关的启动环境中去掉",
    ),
    _unset_variable,
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
