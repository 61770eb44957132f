"""Move a corrupt database aside (never delete it), put a verified backup in its place when there is
one, say what is lost.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, List, Mapping, Optional

from ..context import Context
from ..errors import CannotPlan
from ..model import Move, Plan, Repair, Risk, Run, Service, Text
from ..openclaw.database import PARTS

LOST = Text(
    "pairings of chats and devices, scheduled jobs, stored secrets and the session index that "
    "were in it; conversations and memory "
    "files on disk stay. Channels may ask for pairing again",
    "其中的聊天与设备配对、定时任务、保存的密钥和会话索引；磁盘上的对话与记忆文件不受影响。频道"
    "可能需要重新配对",
)
AGENT_LOST = Text(
    "this agent's conversations index that was in it; workspace and memory files stay",
    "该智能体的会话索引；工作区与记忆文件不受影响",
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    findings = ctx.findings("database/corrupt") + (
        ctx.findings("database/zero-bytes") if params.get("zero") else []
    )
    paths = list(dict.fromkeys(f.path for f in findings if f.path and os.path.isfile(f.path)))
    if not paths:
        raise CannotPlan(Text("no database is known to be corrupt", "没有已知损坏的数据库"))
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now()))
    steps: List[Any] = [Service("stop", 60.0)]
    sources: List[str] = []
    for path in paths:
        aside = ctx.home.doctor_dir / "quarantine" / "{}-{}".format(stamp, os.path.basename(path))
        steps += [
            Move(path + part, str(aside / (os.path.basename(path) + part)))
            for part in PARTS
            if os.path.exists(path + part)
        ]
        backup = newest_backup(ctx, path) if params.get("backup", True) else None
        if backup is not None:
            from ..openclaw.cli import find

            program = find(ctx.host, ctx.platform) or ("openclaw",)
            steps += [
                Run((*program, "backup", "sqlite", "verify", str(backup)), 120.0),
                Run(
                    (*program, "backup", "sqlite", "restore", str(backup), "--target", path), 120.0
                ),
            ]
            sources.append(str(backup))
    main = any(os.path.basename(path) == "openclaw.sqlite" for path in paths)
    lost = LOST if main else AGENT_LOST
    names = ", ".join(os.path.basename(path) for path in paths)
    where = str(ctx.home.doctor_dir / "quarantine")
    after = Text(
        " A backup takes its place: {}.".format(", ".join(sources)),
        "将用备份代替：{}。".format("、".join(sources)),
    )
    none = Text(
        " There is no backup: lost is {}.".format(lost.en), "没有备份：将丢失{}。".format(lost.zh)
    )
    return Plan(
        "quarantine-database",
        tuple(steps) + (Service("start", 120.0),),
        Risk.GUARDED,
        Text(
            "{} is corrupt and is moved to {} (not deleted).{}".format(
                names, where, (after if sources else none).en
            ),
            "{} 已损坏，移至 {}（不删除）。{}".format(
                names, where, (after if sources else none).zh
            ),
        ),
        advice=Text(
            "Lost: {}. The damaged file is in {}; for the next time: openclaw backup sqlite "
            "create --global --repository DIR".format(lost.en, where),
            "丢失：{}。损坏的文件在 {}；今后可用 `openclaw backup sqlite create --global "
            "--repository DIR` 做备份".format(lost.zh, where),
        ),
    )


def newest_backup(ctx: Context, path: str) -> Optional[Path]:
    """The newest completed snapshot of `openclaw backup sqlite create` below the usual places, for
    the global database only.
    """
    if os.path.basename(path) != "openclaw.sqlite":
        return None
    roots = [
        ctx.home.state_dir / "backups",
        Path(ctx.host.home) / "Backups",
        Path(ctx.host.home) / "backups",
    ]
    found: List[Path] = []
    for root in roots:
        for pattern in ("*/database.sqlite", "*/*/database.sqlite"):
            try:
                found += [item.parent for item in root.glob(pattern)]
            except OSError:
                continue
    return max(found, key=lambda folder: folder.stat().st_mtime) if found else None


REPAIR = Repair(
    "quarantine-database",
    Risk.GUARDED,
    Text("Move a corrupt database aside", "隔离损坏的数据库"),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {"backup": {"type": "boolean"}, "zero": {"type": "boolean"}},
    },
)
