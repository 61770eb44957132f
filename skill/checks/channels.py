"""Channels, one finding per channel (and account where the log names it). A broken channel never
calls for a restart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, Iterable, Mapping, Tuple

from ..model import Check, Finding, Text
from ..openclaw import gateway
from .base import looking, warning

if TYPE_CHECKING:
    from .base import Seen

_LINE = re.compile(
    r"\[(?:channels/)?(?P<channel>[a-z0-9-]+)\](?: \[(?P<account>[A-Za-z0-9_.-]+)\])? (?P<text>.*)"
)
_CREDENTIAL = re.compile(
    r"\b401\b|Unauthorized|invalid (?:bot )?token|token is invalid|bad token|Not Found "
    r"\(404|Improper token|TokenInvalid|invalid_auth|"
    r"not_authed|app secret|"
    r"99991663|99991661|10003|invalid (?:appid|app_id|app id)|authentication failed",
    re.I,
)
_NETWORK = re.compile(
    r"EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|fetch "
    r"failed|Network request .* failed|"
    r"request-timeout|SELF_SIGNED",
    re.I,
)


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    data = look.config.data if isinstance(look.config.data, Mapping) else {}
    section = data.get("channels")
    named = set(section) if isinstance(section, Mapping) else set()
    causes = causes_of(look.log, named)
    failing = [
        n
        for n in look.health.get("failing", ())
        if gateway.kind_of(n) == "channel" and (n in named or not re.search(r"[:\s]|^gateway", n))
    ]
    for name in failing:
        kind = next((k for (channel, _), k in causes.items() if channel == name), "")
        yield warning(
            "channels/failing",
            "Channel {} does not work{}".format(
                name,
                {
                    "credential": ": its credential is refused",
                    "unreachable": ": its service cannot be reached",
                }.get(kind, ""),
            ),
            "频道 {} 无法工作{}".format(
                name, {"credential": "：凭据被拒绝", "unreachable": "：服务不可达"}.get(kind, "")
            ),
            "channels." + name,
            None,
            channel=name,
            cause=kind,
        )
    for (name, account), kind in causes.items():
        if kind == "credential":
            yield warning(
                "channels/credential",
                "Channel {} ({}): the platform refuses the credential".format(name, account),
                "频道 {}（{}）：平台拒绝了凭据".format(name, account),
                "channels." + name,
                (
                    "Put a valid credential into channels.{}".format(name),
                    "在 channels.{} 中填写有效凭据".format(name),
                ),
                channel=name,
                account=account,
            )
        else:
            yield warning(
                "channels/unreachable",
                "Channel {} ({}): its service cannot be reached from here".format(name, account),
                "频道 {}（{}）：从本机无法访问其服务".format(name, account),
                "channels." + name,
                None,
                channel=name,
                account=account,
            )
    suppressed = list(look.health.get("suppressed", ()))
    if suppressed:
        yield warning(
            "channels/suppressed",
            "Not started because the crash-loop breaker is tripped: {}".format(
                ", ".join(suppressed)
            ),
            "因崩溃循环保护触发而未启动：{}".format(", ".join(suppressed)),
            "",
            None,
            channels=suppressed,
        )


def causes_of(log: str, named: "set[str]") -> Dict[Tuple[str, str], str]:
    """(channel, account) -> credential | unreachable, as the newest of its lines says. Only for
    configured channels.
    """
    found: Dict[Tuple[str, str], str] = {}
    for line in log.splitlines():
        match = _LINE.search(line)
        if not match or match.group("channel") not in named:
            continue
        key = (match.group("channel"), match.group("account") or "default")
        text = match.group("text")
        if _CREDENTIAL.search(text):
            found[key] = "credential"
        elif _NETWORK.search(text) and found.get(key) != "credential":
            found[key] = "unreachable"
        elif re.search(r"connected|logged in|ready|polling started", text, re.I):
            found.pop(key, None)
    return found


CHECK = Check("channels", Text("Channels", "频道"), run)
