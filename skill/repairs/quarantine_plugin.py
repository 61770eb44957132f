"""Move a plugin's folder out of <state>/extensions, for one that breaks the start even when it is
disabled.
"""

from __future__ import annotations

import os
import time
from typing import Any, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Move, Plan, Repair, Risk, Text
from . import common
from .disable_plugin import NAME, blamed


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
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
    if not folder.is_dir() or folder.is_symlink():
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


REPAIR = Repair(
    "quarantine-plugin",
    Risk.GUARDED,
    Text("Move one plugin's folder aside", "移走一个插件的目录"),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"plugin": {"type": "string", "pattern": NAME.pattern}},
    },
)
