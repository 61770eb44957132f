"""The node that runs the gateway: there, new enough, not misled by NODE_OPTIONS, with enough
heap.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Iterable

from ..model import Check, Finding, Text
from ..openclaw import abilities, install
from .base import error, looking

if TYPE_CHECKING:
    from .base import Seen

SMALL_HEAP_MB = (
    400  # a healthy idle gateway has a heap of some 250 MB; 64 and 128 abort at the start
)


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    yield from _options(look)
    node = abilities.node_of(look.host, look.platform)
    if node is None or not os.path.exists(node):
        if not look.up and not look.elsewhere:
            yield error(
                "node/missing",
                "There is no node program{}".format(" at " + node if node else " in PATH"),
                "找不到 node 程序{}".format(":" + node if node else ""),
                node or "",
                None,
                node=node or "",
            )
        return
    engines = install.manifest(look.package).get("engines")
    wanted = (
        str(engines.get("node") or abilities.ENGINES)
        if isinstance(engines, dict)
        else abilities.ENGINES
    )
    found = abilities.node_version(look.host, node)
    if found and not abilities.satisfies(found, wanted):
        yield error(
            "node/too-old",
            "{} is node {}, and OpenClaw needs {}".format(node, found, wanted),
            "{} 的版本是 {},OpenClaw 需要 {}".format(node, found, wanted),
            node,
            None,
            node=node,
            version=found,
            wanted=wanted,
        )
    elif not found and not look.up and not os.access(node, os.X_OK):
        yield error(
            "node/missing",
            "{} cannot be run".format(node),
            "{} 无法运行".format(node),
            node,
            None,
            node=node,
        )


def _options(look: Any) -> Iterable[Finding]:
    if look.up:
        return
    options = (
        look.service_env.get("NODE_OPTIONS") or look.host.env.get("NODE_OPTIONS", "")
        if look.platform is None
        else look.service_env.get("NODE_OPTIONS", "")
    )
    refused = re.search(
        r"^.*?(?:node|openclaw)?: (\S+) is not allowed in NODE_OPTIONS", look.log, re.M
    )
    broken = re.search(
        r"(?:node|openclaw): bad option: (\S+)|Cannot find module "
        r"'([^']+)'\s*$(?=[\s\S]{0,400}--require|[\s\S]{0,400}internal/preload)",
        look.log,
        re.M,
    )
    if refused or broken:
        word = next(g for g in ((refused or broken).groups()) if g)  # type: ignore[union-attr]
        yield error(
            "node/bad-options",
            "Node refuses {} in NODE_OPTIONS: the gateway ends at once (exit 9)".format(word),
            "NODE_OPTIONS 中的 {} 不被 Node 接受：网关立即退出（退出码 9）".format(word),
            "NODE_OPTIONS",
            ("Remove NODE_OPTIONS from the service's environment", "从服务环境中移除 NODE_OPTIONS"),
            option=word,
            value=options[:200],
        )
    elif "--no-experimental-sqlite" in options and abilities.without_sqlite(look.log):
        yield error(
            "node/bad-options",
            "NODE_OPTIONS takes SQLite away from node (--no-experimental-sqlite)",
            "NODE_OPTIONS 关闭了 node 的 SQLite(--no-experimental-sqlite)",
            "NODE_OPTIONS",
            ("Remove NODE_OPTIONS from the service's environment", "从服务环境中移除 NODE_OPTIONS"),
            option="--no-experimental-sqlite",
            value=options[:200],
        )
    heap = re.search(r"max[-_]old[-_]space[-_]size=(\d+)", options)
    fatal = "JavaScript heap out of memory" in look.log
    if (heap and int(heap.group(1)) < SMALL_HEAP_MB) or (fatal and heap):
        size = int(heap.group(1))
        yield error(
            "node/small-heap",
            "Node may use only {} MB of heap (NODE_OPTIONS): the gateway aborts".format(size),
            "NODE_OPTIONS 把堆内存限制为 {} MB：网关会中止".format(size),
            "NODE_OPTIONS",
            (
                "Remove --max-old-space-size from the service's NODE_OPTIONS",
                "从服务的 NODE_OPTIONS 中移除 --max-old-space-size",
            ),
            heap_mb=size,
            value=options[:200],
        )
    elif fatal:
        yield error(
            "node/small-heap",
            "The gateway ran out of heap",
            "网关堆内存耗尽",
            "NODE_OPTIONS",
            None,
            heap_mb=_heap_of(look.log),
        )


def _heap_of(log: str) -> int:
    found = re.search(r"Mark-Compact (?:\(reduce\) )?(\d+)", log)
    return int(found.group(1)) if found else 0


CHECK = Check("node", Text("Node.js of the service", "服务使用的 Node.js"), run)
