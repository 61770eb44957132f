"""Correct the environment the gateway is started in: NODE_OPTIONS, HOME, node program, open-file
limit. OpenClaw's own service file stays.

The platform writes an override beside it (drop-in, keeper file); a NODE_OPTIONS in <state dir>/.env
is taken out of that file.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Service, Text, Write
from ..openclaw.config import read_env_file
from . import common

HEAP_MB = 2048  # a healthy gateway uses 600 to 865 MB (measured, 2026.9.6)
HEAP = re.compile(r"--max[-_]old[-_]space[-_]size(?:=|\s+)\d+")
FILES = 65536
FLAGS = re.compile(r"bad option: |is not allowed in NODE_OPTIONS")
CHECKS = (
    "service/environment",
    "service/environment-changed",
    "node/bad-options",
    "node/small-heap",
    "node/too-old",
    "node/missing",
    "service/node-missing",
    "resources/fd-limit",
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    if ctx.platform is None:
        raise CannotPlan(Text("no service manager is known", "没有可用的系统服务管理器"))
    if not any(ctx.findings(check) for check in CHECKS):
        raise CannotPlan(
            Text(
                "nothing says that the service's environment is at fault",
                "没有迹象表明服务环境有问题",
            )
        )
    values: Dict[str, str] = {}
    unset: List[str] = []
    done_en: List[str] = []
    done_zh: List[str] = []
    steps: List[Any] = []
    _options(ctx, values, unset, steps, done_en, done_zh)
    _home(ctx, values, done_en, done_zh)
    _as_before(ctx, bool(params.get("changed")), values, unset, done_en, done_zh)
    _node(ctx, values, done_en, done_zh)
    if ctx.findings("resources/fd-limit"):
        values["LimitNOFILE"] = str(FILES)
        done_en.append("open files up to {}".format(FILES))
        done_zh.append("打开文件数上限 {}".format(FILES))
    touched: Tuple[str, ...] = tuple(step.path for step in steps)
    if values or unset:
        more, also = ctx.platform.environment_override(values, unset)
        steps += [
            step
            for step in more
            if not (isinstance(step, Service) and step.action in ("restart", "start"))
        ]
        touched += tuple(also)
    if not steps:
        raise CannotPlan(
            Text("the service's environment holds nothing to correct", "服务环境中没有可更正的内容")
        )
    return Plan(
        "repair-service-env",
        tuple(steps) + (common.bring_up(),),
        Risk.SAFE,
        Text(
            "the gateway's start environment: {}".format("; ".join(done_en)),
            "网关的启动环境：{}".format(";".join(done_zh)),
        ),
        touches=touched,
    )


def _options(
    ctx: Context,
    values: Dict[str, str],
    unset: List[str],
    steps: List[Any],
    en: List[str],
    zh: List[str],
) -> None:
    """A bad flag ends node at once, a small heap after seconds: flags go, a heap becomes large
    enough.
    """
    bad = bool(ctx.findings("node/bad-options"))
    small = bool(ctx.findings("node/small-heap"))
    named = [
        f
        for f in ctx.findings("service/environment")
        if "NODE_OPTIONS" in (str(f.evidence.get("name", "")), f.path)
        or "NODE_OPTIONS" in f.evidence
    ]
    if not (bad or small or named):
        return
    in_service = ctx.platform.environment().get("NODE_OPTIONS", "") if ctx.platform else ""
    in_file = read_env_file(ctx.home.env_file).get("NODE_OPTIONS", "")
    flag = _heap_flag(ctx) if small and not bad else None
    if flag is not None:  # what stands on the command line wins over NODE_OPTIONS
        if flag[1] >= HEAP_MB:
            return
        values["ExecStart[{}]".format(flag[0])] = "--max-old-space-size={}".format(HEAP_MB)
        en.append("heap {} MB instead of {}".format(HEAP_MB, flag[1]))
        zh.append("堆内存由 {} 改为 {} MB".format(flag[1], HEAP_MB))
        return
    if small and not bad:
        kept = HEAP.sub("", in_service or in_file).strip()
        values["NODE_OPTIONS"] = (kept + " " if kept else "") + "--max-old-space-size={}".format(
            HEAP_MB
        )
        en.append("heap {} MB".format(HEAP_MB))
        zh.append("堆内存 {} MB".format(HEAP_MB))
    else:
        unset.append("NODE_OPTIONS")
        en.append("NODE_OPTIONS removed")
        zh.append("移除 NODE_OPTIONS")
    if in_file:
        steps.append(Write(str(ctx.home.env_file), _without_line(ctx, "NODE_OPTIONS")))
        en.append("NODE_OPTIONS taken out of .env")
        zh.append("从 .env 移除 NODE_OPTIONS")


def _heap_flag(ctx: Context) -> Optional[Tuple[int, int]]:
    """(place, MB) of a heap size on the service's own command line, as OpenClaw's installer writes
    it; None without one.
    """
    if ctx.platform is None or ctx.platform.name not in ("systemd", "launchd"):
        return None
    words = enumerate(ctx.platform.command()[:10])
    return next(
        ((at, int(re.sub(r"\D", "", word))) for at, word in words if HEAP.fullmatch(word)), None
    )


def _without_line(ctx: Context, name: str) -> bytes:
    raw = ctx.home.env_file.read_bytes()
    kept = [
        line
        for line in raw.splitlines(True)
        if not re.match(rb"\s*(?:export\s+)?" + name.encode() + rb"\s*=", line)
    ]
    return b"".join(kept)


def _home(ctx: Context, values: Dict[str, str], en: List[str], zh: List[str]) -> None:
    named = [
        f
        for f in ctx.findings("service/environment")
        if "HOME" in (str(f.evidence.get("name", "")), f.path) or "HOME" in f.evidence
    ]
    if named:
        from ..platforms import account_home

        values["HOME"] = str(account_home(ctx.host))
        en.append("HOME set")
        zh.append("设置 HOME")


def _as_before(
    ctx: Context,
    changed: bool,
    values: Dict[str, str],
    unset: List[str],
    en: List[str],
    zh: List[str],
) -> None:
    """Names back to their value in the last healthy run. changed: also those that are no certain
    cause.
    """
    found = ctx.findings("service/environment") + (
        ctx.findings("service/environment-changed") if changed else []
    )
    restore = {
        str(name): old for f in found for name, old in dict(f.evidence.get("restore") or {}).items()
    }
    for name, old in restore.items():
        if name in values or name in unset:
            continue
        if old is None:
            unset.append(name)
        else:
            values[name] = str(old)
    if restore:
        en.append("{} as in the last healthy run".format(", ".join(restore)))
        zh.append("{} 恢复为上次健康运行时的值".format("、".join(restore)))


def _node(ctx: Context, values: Dict[str, str], en: List[str], zh: List[str]) -> None:
    """Another node of this machine that OpenClaw accepts; CannotPlan when it is needed and there is
    none.
    """
    if not any(
        ctx.findings(check) for check in ("node/too-old", "node/missing", "service/node-missing")
    ):
        return
    found = better_node(ctx)
    if found is None:
        raise CannotPlan(
            Text(
                "no Node.js that OpenClaw accepts is on this machine",
                "这台机器上没有 OpenClaw 接受的 Node.js",
            ),
            hint=Text("install Node.js 24", "请安装 Node.js 24"),
        )
    values["ExecStart[0]"] = found
    en.append("node program {}".format(found))
    zh.append("node 程序 {}".format(found))


def better_node(ctx: Context) -> Optional[str]:
    from ..openclaw import abilities, install

    engines = install.manifest(install.package_dir(ctx.host, ctx.platform)).get("engines")
    wanted = str(engines.get("node", "")) if isinstance(engines, Mapping) else ""
    home = str(ctx.host.home)
    places = [folder for folder in ctx.host.env.get("PATH", "").split(os.pathsep) if folder]
    places += ["/usr/local/bin", "/opt/homebrew/bin", home + "/.local/bin", home + "/.volta/bin"]
    nvm = home + "/.nvm/versions/node"
    places += (
        [os.path.join(nvm, name, "bin") for name in sorted(os.listdir(nvm), reverse=True)]
        if os.path.isdir(nvm)
        else []
    )
    for folder in places:
        program = os.path.join(folder, "node")
        if os.path.isfile(program) and os.access(program, os.X_OK):
            version = abilities.node_version(ctx.host, program)
            if version and abilities.satisfies(version, wanted or ">=24.16.0 <25 || >=26.1.0"):
                return program
    return None


REPAIR = Repair(
    "repair-service-env",
    Risk.SAFE,
    Text("Correct the gateway's start environment", "修正网关的启动环境"),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"changed": {"type": "boolean"}},
    },
)
