"""OpenClaw's own `doctor --fix`, under guard: it may change the keys that are at fault and nothing
else of the config.

Why guarded: it has dropped whole sections and disabled some 30 skills. The healer runs it in its
own process group (an orphan would hold the lock), takes only the implicated keys from its result,
and puts every other byte back.
"""

from __future__ import annotations

import os
import re
from typing import Any, List, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, Service, Text
from ..openclaw import config as openclaw_config
from . import common

TIMEOUT_S = 200.0  # 2 to 25 s measured; over 150 s when a registry is unreachable


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    from ..openclaw.cli import find

    program = find(ctx.host, ctx.platform)
    if not program:
        raise CannotPlan(Text("openclaw was not found", "找不到 openclaw"))
    view = openclaw_config.load(ctx.home.config_path)
    if view.error:
        # Measured on ten versions: it repaired a file that does not parse on none of them (text
        # before the JSON is taken out by restore-config), and put a stub in its place on four.
        raise CannotPlan(
            Text(
                "doctor --fix cannot repair a config that does not parse; some versions put a stub "
                "in its place",
                "doctor --fix 无法修复不能解析的配置；有些版本会用空壳替换它",
            )
        )
    paths = implicated(ctx)
    return Plan(
        "openclaw-doctor-fix",
        (
            Service("stop", 60.0),  # it refuses beside a running gateway
            Run((*program, "doctor", "--fix", "--non-interactive"), TIMEOUT_S, ok_codes=(0, 1)),
            common.bring_up(),
        ),
        Risk.GUARDED,
        Text(
            "OpenClaw's own doctor, allowed to change only: {}".format(
                ", ".join(paths) or "nothing in the config"
            ),
            "运行 OpenClaw 自带的 doctor，只允许它修改：{}".format(
                "、".join(paths) or "（不得修改配置）"
            ),
        ),
        touches=common.config_files(ctx)
        + ((str(ctx.home.env_file),) if os.path.isfile(ctx.home.env_file) else ()),
        config_paths=tuple(paths),
    )


def implicated(ctx: Context) -> List[str]:
    """Dotted paths that validation complains about."""
    found = [
        f.path
        for f in ctx.verdict.findings
        if f.check_id.startswith(("config/", "plugins/")) and f.path and not os.path.isabs(f.path)
    ]
    try:
        from ..openclaw.validation import validate

        for issue in validate(ctx).issues:
            path, message = str(issue.get("path", "")), str(issue.get("message", ""))
            path = "" if path == "<root>" else path
            keys = re.findall(r'"([^"]{1,80})"', message) if "nrecognized key" in message else []
            found += [".".join(part for part in (path, key) if part) for key in keys] or (
                [path] if path else []
            )
    except Exception:  # what the findings say is enough
        pass
    return [path for path in dict.fromkeys(found) if path and path != "<root>"]


REPAIR = Repair(
    "openclaw-doctor-fix",
    Risk.GUARDED,
    Text("OpenClaw's own doctor --fix, under guard", "在保护下运行 OpenClaw 自带的 doctor --fix"),
    plan,
)
