"""`npm rebuild` of one native module that was built for another Node: OpenClaw's own or a
plugin's.
"""

from __future__ import annotations

import os
import re
from typing import Any, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, Text
from . import common
from .reinstall_openclaw import npm, target

NAME = re.compile(r"^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]{0,100}$")


def _folder(ctx: Context, said: str, name: str) -> str:
    """Where npm is to work: the project whose node_modules hold the module, below OpenClaw's
    package or the state directory only.
    """
    _place, package = target(ctx)
    if not said or not os.path.isdir(os.path.join(said, "node_modules", *name.split("/"))):
        return str(package)
    allowed = (package, package.parent.parent, ctx.home.state_dir)
    if not any(
        (os.path.realpath(said) + os.sep).startswith(os.path.realpath(str(place)) + os.sep)
        for place in allowed
    ):
        raise CannotPlan(
            Text.of(
                "{} belongs neither to OpenClaw nor to one of its plugins",
                "{} 既不属于 OpenClaw 也不属于它的插件",
                said,
            )
        )
    return said


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    finding = ctx.finding("installation/native-module")
    if finding is None:
        raise CannotPlan(Text("no native module is known to be broken", "没有已知损坏的原生模块"))
    name = str(params.get("module") or finding.evidence.get("module") or "")
    if not NAME.match(name):
        raise CannotPlan(Text("it is not known which module", "不知道是哪个模块"))
    folder = _folder(ctx, str(finding.evidence.get("folder") or ""), name)
    return Plan(
        "rebuild-native-module",
        (Run((npm(ctx), "rebuild", "--prefix", folder, name), 600.0), common.bring_up()),
        Risk.GUARDED,
        Text(
            "{} was built for another Node".format(name),
            "{} 是为另一个 Node 版本编译的".format(name),
        ),
    )


REPAIR = Repair(
    "rebuild-native-module",
    Risk.GUARDED,
    Text("Rebuild a native module", "重新编译原生模块"),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"module": {"type": "string", "pattern": NAME.pattern}},
    },
)
