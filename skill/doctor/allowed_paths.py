"""What a repair may touch. Nobody repairs workspace, sessions, memory or credentials."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List, Sequence

from ..context import Context
from ..errors import RepairError
from ..files import is_something_else
from ..model import Delete, EndProcess, Move, Plan, Run, Service, Text, Wait, Write
from ..openclaw import config as openclaw_config
from ..openclaw import lock
from ..repairs.free_disk import OLD_LOG, log_dir, old_logs, own_spare
from ..store.good_copies import candidates, service_files

ACTIONS = ("start", "stop", "restart", "reset-failed", "reload", "install")
PROGRAMS = ("openclaw", "npm")  # what a Run may start, besides node with openclaw's own entry file
DATABASE = re.compile(r"\.sqlite(-wal|-shm|-journal)?$")


def refuse(ctx: Context, plan: Plan) -> None:
    """Raise RepairError for a step that may not be."""
    for step in plan.steps:
        if isinstance(step, Write) and not _may_write(ctx, step.path):
            raise RepairError(Text.of("a repair may not write {}", "修复不得写入 {}", step.path))
        if isinstance(step, Move) and not _may_move(ctx, step.path, step.to):
            raise RepairError(Text.of("a repair may not move {}", "修复不得移动 {}", step.path))
        if isinstance(step, Delete) and not _may_delete(ctx, step.path):
            raise RepairError(Text.of("a repair may not delete {}", "修复不得删除 {}", step.path))
        if isinstance(step, Run) and not _may_run(ctx, step.argv):
            raise RepairError(
                Text.of(
                    "a repair may not run {}", "修复不得运行 {}", step.argv[0] if step.argv else "-"
                )
            )
        if isinstance(step, Service) and step.action not in ACTIONS:
            raise RepairError(
                Text.of("unknown service action {}", "未知的服务动作 {}", step.action)
            )
        if not isinstance(step, (Write, Move, Delete, Run, Service, Wait, EndProcess)):
            raise RepairError(Text.of("unknown step {}", "未知的步骤 {}", type(step).__name__))


def _real(path: str) -> str:
    return os.path.realpath(path)


def _inside(path: str, folder: Path) -> bool:
    return _real(path).startswith(_real(str(folder)) + os.sep)


def is_own(ctx: Context, path: str) -> bool:
    """Whether a path lies in our own directory."""
    return _inside(path, ctx.home.doctor_dir)


def writable_files(ctx: Context) -> List[str]:
    """Every file that a repair may write, beside our own directory."""
    view = openclaw_config.load(ctx.home.config_path)
    good = (ctx.last_good or {}).get("files") or {}
    includes = [str(path) for path in view.files] + [
        str(path) for path in good if str(path).endswith((".json", ".json5"))
    ]
    files = (
        [str(ctx.home.config_path), str(ctx.home.env_file)]
        + includes
        + [str(path) for path in service_files(ctx)]
    )
    return [_real(path) for path in files + _service_paths(ctx)]


def _service_paths(ctx: Context) -> List[str]:
    """The files in which this service manager keeps the gateway's environment, as the platform
    itself names them (no effects).
    """
    if ctx.platform is None:
        return []
    try:
        return [str(path) for path in ctx.platform.environment_override({}, ())[1]]
    except (
        Exception
    ):  # no manager, or nothing that can be read: then nothing of it may be written either
        return []


def _may_write(ctx: Context, path: str) -> bool:
    if _inside(path, ctx.home.doctor_dir) or _real(path) in writable_files(ctx):
        return True
    if any(_real(path) == _real(known) for good in candidates(ctx.home) for known in good.files):
        return True
    folder = (
        Path(ctx.host.env.get("XDG_CONFIG_HOME") or Path(ctx.host.home) / ".config")
        / "systemd"
        / "user"
    )
    return _inside(path, folder) and bool(
        re.search(r"openclaw-gateway[A-Za-z0-9_.-]*\.service\.d/[A-Za-z0-9_.-]+\.conf$", path)
    )


def _may_move(ctx: Context, path: str, to: str) -> bool:
    if not _inside(to, ctx.home.doctor_dir / "quarantine"):
        return False
    if path == str(ctx.home.config_path):
        return is_something_else(path) or os.path.islink(
            path
        )  # never the file itself: that one is written, and snapshotted first
    if _inside(path, ctx.home.state_dir / "extensions"):
        return (
            os.path.dirname(_real(path)) == _real(str(ctx.home.state_dir / "extensions"))
            or "@" in path
        )
    if DATABASE.search(path) and (
        _inside(path, ctx.home.state_dir / "state") or _inside(path, ctx.home.state_dir / "agents")
    ):
        return True
    if path in lock.old_places(ctx.host, ctx.home):
        return True
    return _inside(path, ctx.home.state_dir / "tmp") and bool(
        re.search(r"gateway\.[A-Za-z0-9]+\.lock(?:\.reclaim)?$", path)
    )


def _may_delete(ctx: Context, path: str) -> bool:
    if OLD_LOG.match(os.path.basename(path)) and os.path.dirname(_real(path)) == _real(
        str(log_dir(ctx))
    ):
        return path in [str(item) for item in old_logs(ctx)]
    if is_own(ctx, path):
        return path in [str(item) for item in own_spare(ctx)]
    return _inside(path, ctx.home.logs_dir) and os.path.basename(path).startswith("watchdog.log.")


def _may_run(ctx: Context, argv: Sequence[str]) -> bool:
    if not argv:
        return False
    name = os.path.basename(argv[0]).lower()
    name = name[:-4] if name.endswith((".cmd", ".exe")) else name
    if name in PROGRAMS:
        return True
    return (
        name.startswith("node")
        and len(argv) > 1
        and os.path.basename(argv[1]) in ("openclaw.mjs", "openclaw.js", "entry.js", "openclaw")
    )
