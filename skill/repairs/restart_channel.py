"""Restart one channel account, or start those that OpenClaw's crash-loop breaker keeps silent,
without restarting the gateway.

channels.stop and channels.start keep pairing and credentials (OpenClaw docs, cli/channels).
channels.start is a manual override of the breaker's suppression.
"""

from __future__ import annotations

import json
import re
from typing import Any, List, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, State, Text

NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")

# a broken channel takes 10 s to stop (measured), and a call gives up after 10 s by itself
CALL_MS = "45000"


def _calls(ctx: Context, verbs: Tuple[str, ...], names: List[str], account: str = "") -> List[Run]:
    from ..openclaw.cli import find

    program = find(ctx.host, ctx.platform)
    if not program:
        raise CannotPlan(Text("openclaw was not found", "找不到 openclaw"))
    steps = []
    for name in names:
        params = {"channel": name}
        if account:
            params["accountId"] = account
        for verb in verbs:
            words = (
                "gateway",
                "call",
                "channels." + verb,
                "--params",
                json.dumps(params),
                "--timeout",
                CALL_MS,
                "--json",
            )
            steps.append(Run((*program, *words), 60.0))
    return steps


def _alive(ctx: Context) -> None:
    if ctx.verdict.state not in (State.HEALTHY, State.DEGRADED, State.SAFE_MODE):
        raise CannotPlan(
            Text.of(
                "the gateway is {}: its channels cannot be reached",
                "网关状态为 {}：无法访问其频道",
                ctx.verdict.state.value,
            )
        )


def restart(ctx: Context, params: Mapping[str, Any]) -> Plan:
    _alive(ctx)
    finding = ctx.finding("channels/failing")
    name = str(params.get("channel") or (finding.evidence.get("channel", "") if finding else ""))
    if not NAME.match(name) or not (finding or name in ctx.verdict.failing):
        raise CannotPlan(Text("no channel is named", "没有指明频道"))
    steps = _calls(ctx, ("stop", "start"), [name], str(params.get("account", "")))
    why = Text("the channel {} does not work".format(name), "频道 {} 不工作".format(name))
    return Plan("restart-channel", tuple(steps), Risk.SAFE, why)


def resume(ctx: Context, params: Mapping[str, Any]) -> Plan:
    _alive(ctx)
    finding = ctx.finding("channels/suppressed") or ctx.finding("health/suppressed")
    names = (
        [
            str(n)
            for n in (finding.evidence.get("channels") or finding.evidence.get("suppressed") or ())
        ]
        if finding
        else []
    )
    names = [name for name in (names or list(ctx.verdict.failing)) if NAME.match(name)]
    if not names or not (finding or ctx.verdict.state is State.SAFE_MODE):
        raise CannotPlan(Text("no channel is suppressed", "没有被停用的频道"))
    why = Text(
        "OpenClaw's crash-loop breaker keeps these channels silent: {}".format(", ".join(names)),
        "OpenClaw 的崩溃循环保护停用了以下频道：{}".format("、".join(names)),
    )
    return Plan(
        "resume-channels", tuple(_calls(ctx, ("start",), names)), Risk.SAFE, why, verify="channels"
    )


_ACCOUNT = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}
REPAIR = Repair(
    "restart-channel",
    Risk.SAFE,
    Text("Restart one channel", "重启一个频道"),
    restart,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"channel": {"type": "string", "pattern": NAME.pattern}, "account": _ACCOUNT},
    },
)
RESUME = Repair(
    "resume-channels",
    Risk.SAFE,
    Text("Start the channels that the breaker silenced", "恢复被保护机制停用的频道"),
    resume,
)
