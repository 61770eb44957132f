"""The installation: the same version again, or its native modules built for this node."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, List, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, State, Text
from . import common

CERTAIN = ("installation/missing-file", "installation/missing")
VERSION = re.compile(r"^\d{4}\.\d+\.\d+([.-][0-9A-Za-z.-]+)?$")


def wanted_version(ctx: Context) -> str:
    from ..openclaw import install

    version = install.version(install.package_dir(ctx.host, ctx.platform))
    inventory = (ctx.last_good or {}).get("inventory") or {}
    for key in ("openclaw", "openclaw_version", "version"):
        kept = inventory.get(key)
        kept = kept.get("version") if isinstance(kept, Mapping) else kept
        version = version or str(kept or "")
    if not VERSION.match(version):
        raise CannotPlan(
            Text("it is not known which version was installed", "不知道装的是哪个版本")
        )
    return version


def target(ctx: Context) -> Tuple[List[str], Path]:
    """(npm arguments that name the place, package folder): a global prefix or a local project."""
    from ..openclaw import install

    package = install.package_dir(ctx.host, ctx.platform)
    if package is None:
        inventory = (ctx.last_good or {}).get("inventory") or {}
        package = (
            Path(str(inventory.get("package") or inventory.get("package_dir") or ""))
            if inventory
            else None
        )
    if package is None or package.name != "openclaw" or package.parent.name != "node_modules":
        raise CannotPlan(
            Text("it is not known where npm put openclaw", "不知道 npm 把 openclaw 装在哪里")
        )
    above = package.parent.parent
    if above.name == "lib":
        return ["--global", "--prefix", str(above.parent)], package
    return ["--prefix", str(above)], package


def npm(ctx: Context) -> str:
    found = ctx.host.which("npm")
    if not found:
        raise CannotPlan(
            Text("npm was not found", "找不到 npm"),
            hint=Text("install Node.js with npm", "请安装带 npm 的 Node.js"),
        )
    return found


def plan_openclaw(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Install the same version again where it lies, for files that are certainly gone."""
    if ctx.verdict.state is State.UPDATING or ctx.findings("installation/updating"):
        raise CannotPlan(Text("an installation is under way", "正在安装中"))
    if not any(ctx.findings(check) for check in CERTAIN):
        raise CannotPlan(
            Text("nothing says that files of the installation are gone", "没有迹象表明安装文件缺失")
        )
    version = wanted_version(ctx)
    place, package = target(ctx)
    spec = "openclaw@" + version
    return Plan(
        "reinstall-openclaw",
        (
            Run(
                (npm(ctx), "install", *place, "--ignore-scripts", "--no-audit", "--no-fund", spec),
                900.0,
            ),
            Run(
                (npm(ctx), "ls", *place, "--depth=0", spec), 60.0
            ),  # exits 1 when the version is another one
            common.bring_up(),
        ),
        Risk.GUARDED,
        Text(
            "files of {} are gone; the same version is installed again".format(package),
            "{} 的文件缺失；重新安装同一版本".format(package),
        ),
    )


OPENCLAW = Repair(
    "reinstall-openclaw",
    Risk.GUARDED,
    Text("Install the same version of OpenClaw again", "重新安装同一版本的 OpenClaw"),
    plan_openclaw,
)


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


def plan_native(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """Install the same version again where it lies, for files that are certainly gone. npm only."""
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


NATIVE = Repair(
    "rebuild-native-module",
    Risk.GUARDED,
    Text("Rebuild a native module", "重新编译原生模块"),
    plan_native,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"module": {"type": "string", "pattern": NAME.pattern}},
    },
)
