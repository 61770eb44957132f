"""The repairs that are one action of the service manager: start, restart, reset-failed,
reload-keepalive, reinstall-service.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Service, State, Text


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
