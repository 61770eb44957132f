"""The state databases: sound, of a schema that this build reads, and not silently emptied."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from ..model import Check, Finding, Text
from ..openclaw import database, install
from .base import error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

WAL_LARGE = 512 * 1024 * 1024  # bytes; OpenClaw folds it back at a few MB
LOST = {
    "state": (
        "pairings, cron jobs, approvals and the session index",
        "配对、定时任务、授权和会话索引",
    ),
    "agent": ("that agent's conversations", "该智能体的会话"),
}


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    supported = install.schema_versions(look.package)
    known = look.inventory.get("databases")
    known = known if isinstance(known, Mapping) else {}
    for found in database.inspect_all(look.home, thorough=not look.up):
        before = known.get(str(found.path))
        before = before if isinstance(before, Mapping) else {}
        yield from _beside(found)
        yield from _one(found, supported.get(found.kind), before, _set_aside(look, found.path.name))
        yield from _wal(found)


def _beside(found: database.Database) -> Iterable[Finding]:
    """What SQLite writes beside a database has to be a file: else every start is an I/O error."""
    for tail in ("-wal", "-shm", "-journal"):
        path = str(found.path) + tail
        try:
            kind = os.lstat(path).st_mode
        except OSError:
            continue
        if stat.S_ISREG(kind) and os.access(path, os.R_OK | os.W_OK):
            continue
        folder = stat.S_ISDIR(kind)
        yield error(
            "database/unreadable",
            "{} {}, so the database beside it cannot be opened".format(
                path, "is a folder" if folder else "cannot be written as a file"
            ),
            "{} {}，因此旁边的数据库无法打开".format(
                path, "是文件夹" if folder else "不是可写的文件"
            ),
            path,
            (
                "look what it is: ls -ld '{0}'; then move it away".format(path),
                "查看它是什么：ls -ld '{0}'；然后移走它".format(path),
            ),
            kind=found.kind,
        )


def _wal(found: database.Database) -> Iterable[Finding]:
    """A write-ahead log that nobody can fold back: slow starts, and a disk that fills."""
    try:
        size = os.stat(str(found.path) + "-wal").st_size
    except OSError:
        return
    if size > WAL_LARGE and size > 2 * found.size:
        yield warning(
            "database/wal-large",
            "The write-ahead log of {} has grown to {:.1f} GB: starts are slow, and it is not "
            "folded back".format(found.path, size / 1e9),
            "{} 的预写日志已增长到 {:.1f} GB：启动会变慢，且没有被合并回去".format(
                found.path, size / 1e9
            ),
            found.path,
            ("lsof {}".format(found.path), "lsof {}".format(found.path)),
            size=size,
        )


def _one(
    found: database.Database, supported: Any, before: Mapping[str, Any], aside: bool = False
) -> Iterable[Finding]:
    path, lost = found.path, LOST[found.kind]
    if found.problem in ("header", "corrupt", "not-a-file"):
        yield error(
            "database/corrupt",
            "The database {} is damaged: {}".format(path, found.detail or found.problem),
            "数据库 {} 已损坏：{}".format(path, found.detail or found.problem),
            path,
            (
                "Stop the gateway, then: iflow-doctor heal. What may be lost: " + lost[0],
                "停止网关后运行：iflow-doctor heal。可能丢失：" + lost[1],
            ),
            kind=found.kind,
            problem=found.problem,
            size=found.size,
        )
    elif found.problem == "zero" or (found.problem == "missing" and before):
        yield error(
            "database/zero-bytes",
            "The database {} is {}: OpenClaw would start empty and lose {}".format(
                path, "empty" if found.problem == "zero" else "gone", lost[0]
            ),
            "数据库 {} {}：OpenClaw 会以空数据启动，丢失{}".format(
                path, "为空" if found.problem == "zero" else "已消失", lost[1]
            ),
            path,
            None,
            kind=found.kind,
            problem=found.problem,
            before_size=before.get("size"),
        )
    elif found.problem == "unreadable":
        yield error(
            "database/unreadable",
            "The database {} cannot be opened: {}".format(path, found.detail),
            "数据库 {} 无法打开：{}".format(path, found.detail),
            path,
            None,
            kind=found.kind,
        )
    elif found.problem == "locked":
        yield info(
            "database/locked",
            "The database {} is in use".format(path),
            "数据库 {} 正在使用中".format(path),
            path,
            None,
            kind=found.kind,
        )
    if supported and found.user_version > supported and not found.problem:
        yield error(
            "database/newer",
            "The database {} has schema {}, and the installed OpenClaw reads up to {}".format(
                path, found.user_version, supported
            ),
            "数据库 {} 的结构版本是 {}，当前安装的 OpenClaw 最高支持 {}".format(
                path, found.user_version, supported
            ),
            path,
            (
                "Install the OpenClaw that wrote it, or restore a backup from before the update",
                "安装写入它的 OpenClaw 版本，或恢复升级前的备份",
            ),
            kind=found.kind,
            schema=found.user_version,
            supported=supported,
        )
    if (
        not found.problem
        and before.get("created")
        and found.created
        and found.created != before["created"]
    ):
        say = info if aside else warning
        yield say(
            "database/replaced",
            "The database {} is not that of the last healthy run: it was created again, and {} in "
            "it are gone".format(path, lost[0]),
            "数据库 {} 已不是上次健康运行时的那个：它被重新创建过，原有的{}已丢失".format(
                path, lost[1]
            ),
            path,
            (
                "If you did not do this: stop the gateway and put a backup back (openclaw "
                "backup sqlite restore)",
                "如果不是你本人所为：停止网关并恢复备份（openclaw backup sqlite restore）",
            ),
            kind=found.kind,
            before_size=before.get("size"),
            size=found.size,
            set_aside_by_us=aside,
        )


def _set_aside(look: Any, name: str) -> bool:
    """Did we move this database aside since the last healthy run? Then a new one is what was meant,
    and its owner knows.
    """
    good = look.last_good or {}
    since = float(good.get("inventoried") or good.get("taken") or 0)
    try:
        return any(
            place.stat().st_ctime >= since
            for place in (look.home.doctor_dir / "quarantine").glob("*-" + name)
        )
    except OSError:
        return False


CHECK = Check("database", Text("State databases", "状态数据库"), run)
