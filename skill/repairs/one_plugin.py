"""One plugin that stops or breaks the gateway: disabled, or its folder moved aside."""

from __future__ import annotations

import os
import re
import time
from typing import Any, List, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Move, Plan, Repair, Risk, Text
from . import common

BLAMED_BY = (
    "plugins/crash",
    "plugins/last-words",
    "plugins/load-failed",
    "plugins/missing",
    "log/plugin",
)
NAME = re.compile(r"^[A-Za-z0-9@][A-Za-z0-9@/_.-]{0,100}$")


def blamed(ctx: Context) -> List[str]:
    """Plugins that a finding names, surest first; then those that are new since the last good
    run.
    """
    names = [
        str(f.evidence["plugin"])
        for check in BLAMED_BY
        for f in ctx.findings(check)
        if f.evidence.get("plugin")
    ]
    for finding in ctx.findings("plugins/new-since-good") + ctx.findings("plugins/suspect"):
        names += [str(name) for name in finding.evidence.get("plugins", ())]
    return list(dict.fromkeys(names))


def plan_disable(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Set plugins.entries.<id>.enabled = false for a plugin that stops or breaks the gateway."""
    names = blamed(ctx)
    name = str(params.get("plugin") or (names[0] if names else ""))
    if not name or not NAME.match(name):
        raise CannotPlan(Text("no plugin is named", "没有指明插件"))
    if name not in names:
        raise CannotPlan(
            Text.of(
                "nothing on this machine points at the plugin {}",
                "这台机器上没有迹象指向插件 {}",
                name,
            )
        )
    data = common.current(ctx).data
    entry = ("plugins", "entries", name, "enabled")
    from ..openclaw.json_edit import value_at

    if value_at(data, entry) is False:
        raise CannotPlan(Text.of("{} is disabled already", "{} 已停用", name))
    steps = list(common.writes(ctx, [(entry, False)]))
    return Plan(
        "disable-plugin",
        tuple(common.rejected(ctx)) + tuple(steps) + (common.bring_up(),),
        Risk.GUARDED,
        Text(
            "the plugin {} stops the gateway; it is disabled, its files stay. Enable it again "
            "with: openclaw plugins enable {}".format(name, name),
            "插件 {} 使网关停止；将其停用，文件保留。重新启用：openclaw plugins enable {}".format(
                name, name
            ),
        ),
        touches=tuple(step.path for step in steps),
        config_paths=("plugins.entries.{}".format(name),),
    )


DISABLE = Repair(
    "disable-plugin",
    Risk.GUARDED,
    Text("Disable one plugin", "停用一个插件"),
    plan_disable,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"plugin": {"type": "string", "pattern": NAME.pattern}},
    },
)


def plan_quarantine(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Move a plugin's folder out of <state>/extensions: it breaks the start even when disabled."""
    names = blamed(ctx)
    name = str(params.get("plugin") or (names[0] if names else ""))
    if not name or not NAME.match(name) or ".." in name or name not in names:
        raise CannotPlan(
            Text(
                "no plugin is named that something on this machine points at",
                "没有指明这台机器上有迹象指向的插件",
            )
        )
    folder = ctx.home.state_dir / "extensions" / name
    if not os.path.isdir(folder) or folder.is_symlink():
        raise CannotPlan(
            Text.of(
                "{} is not a folder of this state directory", "{} 不是此状态目录中的文件夹", folder
            )
        )
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now()))
    aside = (
        ctx.home.doctor_dir / "quarantine" / "{}-plugin-{}".format(stamp, os.path.basename(name))
    )
    return Plan(
        "quarantine-plugin",
        (Move(str(folder), str(aside)), common.bring_up()),
        Risk.GUARDED,
        Text(
            "the plugin {} stops the gateway; its folder is moved to {} (not deleted)".format(
                name, aside
            ),
            "插件 {} 使网关停止；其目录移至 {}（不删除）".format(name, aside),
        ),
    )


QUARANTINE = Repair(
    "quarantine-plugin",
    Risk.GUARDED,
    Text("Move one plugin's folder aside", "移走一个插件的目录"),
    plan_quarantine,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"plugin": {"type": "string", "pattern": NAME.pattern}},
    },
)
