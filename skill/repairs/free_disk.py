"""Free room with our own files and OpenClaw's rotated old logs only. Reports bytes; nothing of the
person is counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any, List, Mapping, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Delete, Plan, Repair, Risk, Text
from ..store import growth
from . import common

OLD_LOG = re.compile(r"^openclaw-(\d{4}-\d{2}-\d{2})(\.\d+)?\.log(\.gz)?$")


def log_dir(ctx: Context) -> Path:
    """/tmp/openclaw on Unix, %TEMP%\\openclaw on Windows."""
    return (
        Path("/tmp/openclaw")
        if ctx.host.system != "win32"
        else Path(ctx.host.env.get("TEMP") or tempfile.gettempdir()) / "openclaw"
    )


def old_logs(ctx: Context) -> List[Path]:
    """Rotated logs of days before today, owned by us."""
    today = time.strftime("%Y-%m-%d", time.localtime(ctx.host.now()))
    found: List[Path] = []
    try:
        for path in sorted(log_dir(ctx).iterdir()):
            match = OLD_LOG.match(path.name)
            if match and match.group(1) < today and os.path.isfile(path) and not path.is_symlink():
                if not hasattr(os, "geteuid") or path.stat().st_uid == os.geteuid():
                    found.append(path)
    except OSError:
        pass
    return found


def own_spare(ctx: Context) -> List[Path]:
    """Our own rotated logs, and what of our copies may go when a disk is full."""
    logs = [
        path for path in sorted(ctx.home.logs_dir.glob("watchdog.log.*")) if os.path.isfile(path)
    ]
    return logs + growth.files_of(growth.over(ctx.home, ctx.host.now(), tight=True))


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    if not (ctx.findings("disk/full") or ctx.findings("disk/low") or ctx.findings("disk/inodes")):
        raise CannotPlan(Text("no finding says that the disk is full", "检查结果并不表明磁盘已满"))
    chosen, size = _size(old_logs(ctx) + own_spare(ctx))
    if not chosen:
        raise CannotPlan(
            Text(
                "none of the files that fill the disk is ours to delete",
                "占满磁盘的文件都不归我们删除",
            ),
            hint=Text("free space, then: iflow-doctor heal", "请腾出空间，然后：iflow-doctor heal"),
        )
    return Plan(
        "free-disk",
        tuple(Delete(str(path)) for path in chosen) + (common.bring_up(),),
        Risk.SAFE,
        Text(
            "{} old log files and spare copies of our own, {:.1f} MB".format(
                len(chosen), size / 1e6
            ),
            "删除 {} 个旧日志和我们自己的多余副本，共 {:.1f} MB".format(len(chosen), size / 1e6),
        ),
    )


def make_room(ctx: Context) -> int:
    """The same under a gateway that runs: nothing is restarted for it. Returns the bytes that were
    freed.
    """
    chosen, size = _size(old_logs(ctx) + own_spare(ctx))
    for path in chosen:
        with contextlib.suppress(OSError):
            path.unlink()
    return size


def _size(paths: List[Path]) -> Tuple[List[Path], int]:
    total, kept = 0, []
    for path in paths:
        try:
            total += path.stat().st_size
            kept.append(path)
        except OSError:
            continue
    return kept, total


REPAIR = Repair(
    "free-disk",
    Risk.SAFE,
    Text(
        "Delete old rotated logs and our own spare copies", "删除旧的轮转日志和我们自己的多余副本"
    ),
    plan,
)
