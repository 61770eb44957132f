"""`npm rebuild` of one native module that was built for another Node."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, Text
from . import common
from .reinstall_openclaw import npm, target

NAME = re.compile(r"^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]{0,100}$")


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    finding = ctx.finding("installation/native-module")
    if finding is None:
        raise CannotPlan("no native module is known to be broken")
    name = str(params.get("module") or finding.evidence.get("module") or "")
    if not NAME.match(name):
        raise CannotPlan("it is not known which module")
    _place, package = target(ctx)
    return Plan(
        "rebuild-native-module",
        (Run((npm(ctx), "rebuild", "--prefix", str(package), name), 600.0), common.bring_up()),
        Risk.GUARDED,
        Text("{} was built for another Node".format(name), "{} 是为另一个 Node 版本编译的".format(name)),
    )


REPAIR = Repair(
    "rebuild-native-module",
    Risk.GUARDED,
    Text("Rebuild a native module", "重新编译原生模块"),
    plan,
    {"type": "object", "additionalProperties": False, "properties": {"module": {"type": "string", "pattern": NAME.pattern}}},
)
