"""OpenClaw's own `doctor --fix`, under guard: it may change the keys that are at fault and nothing
else of the config.

Why guarded: it has dropped whole sections and disabled some 30 skills. The healer runs it in its
own process group (an orphan would hold the lock), takes only the implicated keys from its result,
and puts every other byte back.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, List, Mapping, Sequence

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Run, Service, Severity, Text
from ..openclaw import abilities, database, install
from ..openclaw import config as openclaw_config
from . import common

BACKUP_S = 300.0  # 20 to 90 s measured on a busy machine, most of it OpenClaw's own start
SPARE_BYTES = 500 * 1024 * 1024
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
    copy = () if _of_the_config(ctx) else (_copied(ctx, program),)
    return Plan(
        "openclaw-doctor-fix",
        (
            Service("stop", 60.0),  # it refuses beside a running gateway
            *copy,
            Run((*program, "doctor", "--fix", "--non-interactive"), TIMEOUT_S, ok_codes=(0, 1)),
            common.bring_up(),
        ),
        Risk.GUARDED,
        Text.of(
            "{}OpenClaw's own doctor, allowed to change only: {}",
            "{}运行 OpenClaw 自带的 doctor，只允许它修改：{}",
            Text.of(
                "a verified backup of config, databases and sessions in {}, then ",
                "先在 {} 备份并校验配置、数据库和会话，再",
                ctx.host.home,
            )
            if copy
            else Text("", ""),
            Text(
                ", ".join(paths) or "nothing in the config",
                "、".join(paths) or "（不得修改配置）",
            ),
        ),
        touches=common.config_files(ctx)
        + ((str(ctx.home.env_file),) if os.path.isfile(ctx.home.env_file) else ()),
        config_paths=tuple(paths),
    )


def _of_the_config(ctx: Context) -> bool:
    """Whether a wrong config is the reason. For any other doctor --fix is to change state, as a
    refused migration asks for: databases and sessions, which no snapshot of ours holds.
    """
    return any(
        f.severity is Severity.ERROR and f.check_id.startswith(("config/", "plugins/"))
        for f in ctx.verdict.findings
    )


def _copied(ctx: Context, program: Sequence[str]) -> Run:
    """OpenClaw's own backup, verified by it: where that fails, doctor --fix does not run. Raise
    CannotPlan where this version is not known to make one, or the disk has no room.
    """
    version = install.version(install.package_dir(ctx.host, ctx.platform))
    if abilities.can(version, "backup-create") is not True:
        raise CannotPlan(
            Text.of(
                "doctor --fix would change databases, and OpenClaw {} is not known to copy them "
                "first",
                "doctor --fix 会修改数据库，而 OpenClaw {} 不能确定可先行备份",
                version or "?",
            )
        )
    size = sum(found.size for found in database.inspect_all(ctx.home, thorough=False))
    if shutil.disk_usage(str(ctx.host.home)).free < 3 * size + SPARE_BYTES:
        raise CannotPlan(
            Text("there is no room for a backup of the databases", "磁盘空间不足以备份数据库")
        )
    words = ("backup", "create", "--verify", "--no-include-workspace", "--json", "--output")
    return Run((*program, *words, str(ctx.host.home)), BACKUP_S)


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
