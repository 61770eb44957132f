"""A person's words, weighed by what was seen. They rank what the evidence allows; on a gateway that
is fine they are answered: what was checked for them, what is fine, what to look at.
"""

from __future__ import annotations

import os
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..cases import signature
from ..context import Context
from ..model import (
    FINE,
    NOT_SERVING,
    Case,
    Confidence,
    Finding,
    Match,
    Severity,
    State,
    Text,
    Verdict,
)
from ..openclaw.config import get, load
from . import repair_table

# One word of a channel's name in the config is enough: plugins of one platform have many names.
ALIASES: Dict[str, Tuple[str, ...]] = {
    "feishu": ("feishu", "lark"),
    "dingtalk": ("dingtalk",),
    "imessage": ("imessage", "bluebubbles"),
}
NAMES = {
    "channel": Text("channel", "频道"),
    "macos": Text("macOS", "macOS"),
    "windows": Text("Windows", "Windows"),
    "systemd": Text("systemd", "systemd"),
    "container": Text("a container", "容器"),
}
# What was found to be fine, by the room that looked.
SOUND: Dict[str, Text] = {
    "health": Text("/readyz says ready", "/readyz 显示就绪"),
    "process": Text("one process runs", "进程正常运行"),
    "port": Text("nobody else holds the port", "端口没有被其他程序占用"),
    "config": Text("the config is valid", "配置有效"),
    "service": Text("the service is in order", "服务正常"),
    "database": Text("the databases are sound", "数据库完好"),
    "disk": Text("the disk has room", "磁盘空间充足"),
    "permissions": Text("the permissions are right", "权限正确"),
    "resources": Text("memory and files are within their limits", "内存与文件数在限制之内"),
    "plugins": Text("the plugins are loaded", "插件已加载"),
    "channels": Text("no configured channel reports a fault", "已配置的频道没有报告故障"),
    "models": Text("the model providers can be reached", "模型服务商可以访问"),
    "node": Text("node fits", "node 版本合适"),
    "installation": Text("the installation is whole", "安装完整"),
    "lock": Text("nobody else holds the lock", "没有其他程序占用锁"),
    "duplicates": Text("no second gateway or watchdog", "没有第二个网关或守护进程"),
    "clock": Text("the clock is right", "时钟正确"),
    "serving": Text("messages come in and go out", "消息收发没有异常"),
}
ROOMS = {
    "gateway": ("health", "process", "port", "config", "database", "disk"),
    "channel": ("channels", "serving"),
    "model": ("models", "serving"),
    "session": ("serving", "database"),
    "client": ("config", "serving"),
    "feature": ("plugins", "serving"),
}
# Commands that only look: one of these may be given as the next step on a gateway that is fine.
LOOKS = (" status", " list", " logs", " probe", " doctor --lint", " runs", " validate", " audit")


class Here(NamedTuple):
    """What this machine has: channels that are configured, system, manager, container."""

    channels: FrozenSet[str]
    platforms: FrozenSet[str]
    config: Mapping[str, object]


class Reply(NamedTuple):
    said: Text  # what was checked for these words, and what came of it
    step: Optional[Text]  # what to look at; None: what the examination says


def here(ctx: Context) -> Here:
    """Find out what can be true on this machine at all."""
    view = load(ctx.home.config_path)
    data = view.data if isinstance(view.data, Mapping) else {}
    section = data.get("channels")
    names = [
        str(name).lower()
        for name, value in (section.items() if isinstance(section, Mapping) else ())
        if not (isinstance(value, Mapping) and value.get("enabled") is False)
    ]
    found = {"macos": ctx.host.system == "darwin", "windows": ctx.host.system.startswith("win")}
    found["systemd"] = getattr(ctx.platform, "name", "") == "systemd"
    found["container"] = os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")
    found["container"] = found["container"] or "KUBERNETES_SERVICE_HOST" in ctx.host.env
    return Here(frozenset(names), frozenset(name for name, yes in found.items() if yes), data)


def missing(case: Case, place: Here) -> Optional[Text]:
    """Return what this case needs and this machine has not; None when it is possible here."""
    for need in case.raw.get("needs") or ():
        kind, _colon, name = str(need).partition(":")
        if kind == "channel":
            words = ALIASES.get(name, (name,))
            if not any(name == "*" or word in one for one in place.channels for word in words):
                shown = "" if name == "*" else " " + name
                return Text(
                    "no channel{} is configured".format(shown), "没有配置{}频道".format(shown)
                )
        elif kind == "platform" and name not in place.platforms:
            shown_name = NAMES[name]
            return Text("this is not {}".format(shown_name.en), "这里不是 {}".format(shown_name.zh))
        elif kind == "config" and get(place.config, name) in (None, "", "off", False, {}):
            return Text("{} is not set".format(name), "没有设置 {}".format(name))
    return None


def possible(case: Case, verdict: Verdict, place: Here) -> bool:
    """Return whether what was seen allows the case to be the answer.

    Only what breaks the gateway explains one that is down; nothing that breaks it is true of one
    that is ready. Evidence that was looked for and not found contradicts it.
    """
    if missing(case, place) is not None:
        return False
    evidence, breaks = case.evidence, case.raw.get("breaks", "gateway")
    if verdict.state in NOT_SERVING and breaks != "gateway":
        return False
    if verdict.state is State.HEALTHY and breaks == "gateway" and not evidence.any + evidence.all:
        return False
    return repair_table.holds(evidence, verdict)


def borne_out(found: Sequence[Match], verdict: Verdict, place: Here) -> List[Match]:
    """Return what the log says and what was seen does not contradict.

    A truncated config makes the gateway say "gateway.mode is missing": a tired person would set
    that key in half a file.
    """
    return [one for one in found if possible(one.case, verdict, place)]


def counting(log: str) -> str:
    """Return the lines that count: written since the newest boot became ready, all of a boot that
    never did. What a boot survived is not why it ended.
    """
    lines = log.splitlines()
    ready = [n for n, line in enumerate(lines) if signature.READY.search(line)]
    return "\n".join(lines[ready[-1] + 1 :]) if ready else log


def by_words(words: Sequence[Match], verdict: Verdict, place: Here) -> Optional[Match]:
    """Return the first case that fits the words and whose own evidence was seen; None without."""
    for one in words:
        asked = one.case.evidence.any + one.case.evidence.all
        if any("/" in term for term in asked) and possible(one.case, verdict, place):
            return one
    return None


def reply(words: Sequence[Match], ctx: Context, place: Here, cause: Optional[Finding]) -> Reply:
    """Answer the words of a person: what they sound like, what was checked for it, what to do."""
    verdict = ctx.verdict
    lacking = missing(words[0].case, place) if words else None
    if not words or lacking is not None:
        looked = _sound(verdict, ("health", "channels", "models", "config", "database"))
        if lacking is not None:
            return Reply(
                Text.of(
                    'Your words sound like "{}" ({}), and {} here. Checked: {}.',
                    "你的描述像是“{}”（{}），但这里{}。已检查：{}。",
                    words[0].case.title,
                    words[0].case.id,
                    lacking,
                    looked,
                ),
                None,
            )
        return Reply(
            Text.of(
                "Your words fit no known case. Checked: {}.",
                "你的描述不符合任何已知案例。已检查：{}。",
                looked,
            ),
            None,
        )
    case = words[0].case
    if verdict.state not in FINE and _vague(words) and not (cause and _speaks_of(case, cause)):
        return Reply(
            Text.of(
                "Your words fit several known cases and none of them clearly. Checked: {}.",
                "你的描述可能对应多个已知案例，无法确定是哪一个。已检查：{}。",
                _sound(verdict, ("health", "channels", "models", "config", "database")),
            ),
            None,
        )
    breaks = str(case.raw.get("breaks", "gateway"))
    if verdict.state not in FINE and breaks != "gateway" or verdict.state is State.STOPPED:
        return Reply(
            Text.of(
                'What you describe sounds like "{}" ({}). While the gateway is down this cannot '
                "be checked: look again once it is ready.",
                "你的描述像是“{}”（{}）。网关没有运行时无法判断：等它就绪后再看。",
                case.title,
                case.id,
            ),
            None,
        )
    if cause is not None and _speaks_of(case, cause):
        return Reply(
            Text.of(
                'Your words and what was seen agree: "{}" ({}).',
                "你的描述与检查结果一致：“{}”（{}）。",
                case.title,
                case.id,
            ),
            None,
        )
    rooms = tuple(
        dict.fromkeys(
            [term.split("/")[0] for term in case.evidence.any + case.evidence.all if "/" in term]
            + list(ROOMS.get(breaks, ()))
        )
    )
    return Reply(
        Text.of(
            'Your words sound like "{}" ({}). Checked for it: {}. More: iflow-doctor explain {}',
            "你的描述像是“{0}”（{1}）。为此已检查：{2}。详情：iflow-doctor explain {3}",
            case.title,
            case.id,
            _sound(verdict, rooms),
            case.id,
        ),
        _look(case),
    )


def _vague(words: Sequence[Match]) -> bool:
    """Whether the best case is no more than possible, and others come close to it."""
    if words[0].confidence is not Confidence.POSSIBLE or len(words) < 2:
        return False
    return words[1].score >= 0.6 * words[0].score


def _speaks_of(case: Case, cause: Finding) -> bool:
    return cause.check_id in case.evidence.any + case.evidence.all


def _sound(verdict: Verdict, rooms: Sequence[str]) -> Text:
    """What these rooms found: the fault where there is one, else that it is fine."""
    parts: List[Text] = []
    for room in rooms:
        found = [f for f in verdict.findings if f.check_id.startswith(room + "/")]
        worst = next((f for f in found if f.severity is not Severity.INFO), None)
        if worst is not None:
            parts.append(worst.message)
        elif room in SOUND and not any(f.check_id == room + "/unknown" for f in found):
            if not (room in ("health", "process") and verdict.state is not State.HEALTHY):
                parts.append(SOUND[room])
    return Text(
        ", ".join(part.en for part in parts) or "nothing that was seen speaks for it",
        "、".join(part.zh for part in parts) or "没有发现相关迹象",
    )


def _look(case: Case) -> Text:
    """A command of the case that only looks; else its explanation."""
    for command in case.raw.get("commands") or ():
        if command.startswith("openclaw ") and any(word in command for word in LOOKS):
            return Text(command, command)
    step = {
        "channel": "openclaw channels status --probe",
        "model": "openclaw models status --probe",
        "client": "openclaw devices list",
    }.get(str(case.raw.get("breaks")), "iflow-doctor explain " + case.id)
    return Text(step, step)
