"""What the gateway itself answers: /readyz first, then /healthz; never `/`, which answers 200 to
everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Mapping

from ..model import Check, Finding, Text
from ..openclaw import gateway
from .base import error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

# a healthy 2026.9.6 answers in 0.01 s; the user's table warns past 5 s, which the probe's own limit
# of 2 s covers
SLOW_S = 1.5


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    seen = look.health
    answer, port = seen["answer"], look.home.port
    if answer == "refused":
        yield error(
            "health/refused",
            "Nothing listens on port {}".format(port),
            "没有进程监听端口 {}".format(port),
            "",
            None,
            port=port,
        )
    elif answer == "silent":
        yield error(
            "health/hung",
            "Port {} accepts connections but nothing responds".format(port),
            "端口 {} 可以连接，但没有响应".format(port),
            "",
            None,
            port=port,
        )
    elif answer == "not-ready":
        failing = list(seen.get("failing", ()))
        kinds = {name: gateway.kind_of(name) for name in failing}
        starting = "starting" in kinds.values() or seen.get("startup") in ("starting", "draining")
        say = info if starting else warning
        yield say(
            "health/not-ready",
            "The gateway is not ready: {}".format(", ".join(failing) or seen.get("startup") or "?"),
            "网关未就绪：{}".format(", ".join(failing) or seen.get("startup") or "?"),
            "",
            None,
            failing=failing,
            startup=seen.get("startup", ""),
        )
        yield from _named(kinds)
    suppressed = list(seen.get("suppressed", ()))
    if suppressed:
        yield error(
            "health/suppressed",
            "OpenClaw's crash-loop breaker is tripped: green, "
            "and these channels do not run: {}".format(", ".join(suppressed)),
            "OpenClaw 的崩溃循环保护已触发：看似正常，但这些频道未运行：{}".format(
                ", ".join(suppressed)
            ),
            "",
            None,
            suppressed=suppressed,
            channels=suppressed,
        )
    if seen.get("event_loop_degraded") and answer == "ready":
        yield info(
            "health/event-loop", "The gateway reports a busy event loop", "网关报告事件循环繁忙"
        )
    if answer in ("ready", "live") and seen.get("seconds", 0) > SLOW_S:
        yield warning(
            "health/slow",
            "The gateway took {:.1f} s to answer".format(seen["seconds"]),
            "网关响应耗时 {:.1f} 秒".format(seen["seconds"]),
            "",
            None,
            seconds=round(seen["seconds"], 2),
        )


def _named(kinds: Mapping[str, str]) -> Iterator[Finding]:
    """What a name in failing[] means where it is no channel's."""
    agents = [name.partition(":")[2] for name, kind in kinds.items() if kind == "agent-database"]
    if agents:
        yield warning(
            "health/agent-database",
            "The database of agent {} is refused: its conversations do not open".format(
                ", ".join(agents)
            ),
            "智能体 {} 的数据库被拒绝打开：它的会话不可用".format("、".join(agents)),
            "",
            (
                "keep a copy of the state directory, then: openclaw doctor --fix",
                "先备份状态目录，再运行：openclaw doctor --fix",
            ),
            agents=agents,
        )
    if "plugin-reload" in kinds.values():
        yield warning(
            "health/plugin-reload",
            "A plugin reload has not ended; the gateway waits for it",
            "插件重新加载尚未结束，网关在等待",
            "plugins",
            ("openclaw logs --follow", "openclaw logs --follow"),
        )


CHECK = Check("health", Text("Health endpoints", "健康检查端点"), run)
