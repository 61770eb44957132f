"""Memory and file descriptors of the gateway, against what a healthy gateway of this size uses; and
kills for want of memory.
"""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING, Iterable, Iterator, Optional

from ..model import Check, Finding, Text
from ..openclaw import abilities, logs, processes
from .base import Look, error, looking, warning

if TYPE_CHECKING:
    from .base import Seen

MEMORY_MB = 1000.0  # the user's table: > 1 GB is a warning
HEALTHY_MB = 720.0  # a healthy idle 2026.9.6 (measured: 600 to 865)
RAISE = ("Raise LimitNOFILE of the service", "提高服务的 LimitNOFILE")
RAISE_MEMORY = (
    "raise MemoryMax (systemctl --user edit {}), a healthy gateway needs about 1 GB",
    "提高 MemoryMax(systemctl --user edit {})，健康的网关约需 1 GB",
)
RAISE_SPACE = ("Set LimitAS=infinity of the service", "将服务的 LimitAS 设为 infinity")
RAISE_TASKS = ("Raise TasksMax of the service", "提高服务的 TasksMax")
RAISE_SIZE = (
    "Set LimitFSIZE=infinity of the service, or take `ulimit -f` out of what starts it",
    "将服务的 LimitFSIZE 设为 infinity，或从启动它的脚本中删除 `ulimit -f`",
)
FILE_SIZE = (-25, 128 + 25)  # SIGXFSZ, as the kernel and as a shell tell it
_TOO_LARGE = re.compile(r"\bEFBIG\b|SIGXFSZ|File size limit exceeded")
LITTLE_SPACE = 8e9  # bytes of address space; node 24 reserves more than it ever uses
_NO_SPACE = re.compile(r"Failed to reserve virtual memory|allocate virtual memory|SegmentedTable")
_NO_FORK = re.compile(
    r"spawn\w* [^\n]{0,80}EAGAIN|fork: (?:retry|Resource)|pthread_create[^\n]*fail"
)
FEW_FDS = 512  # below this limit a gateway dies or loses files at the start


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    for row in look.gateways[:1]:
        used = processes.usage(look.host, row.pid)
        memory, normal = (
            used.get("memory_mb", 0.0),
            float(look.inventory.get("memory_mb") or HEALTHY_MB),
        )
        limit = max(MEMORY_MB, normal * 1.6)
        if memory > limit:
            yield warning(
                "resources/memory-high",
                "The gateway (pid {}) uses {:.0f} MB; {:.0f} MB was usual".format(
                    row.pid, memory, normal
                ),
                "网关（pid {}）占用 {:.0f} MB，平时约 {:.0f} MB".format(row.pid, memory, normal),
                "",
                None,
                pid=row.pid,
                memory_mb=int(memory),
                usual_mb=int(normal),
            )
        fds, most = used.get("fds", 0.0), used.get("fd_limit", 0.0)
        if most > 0 and fds > 0.85 * most:
            yield error(
                "resources/fd-limit",
                "The gateway (pid {}) has {:.0f} of {:.0f} files open".format(row.pid, fds, most),
                "网关（pid {}）已打开 {:.0f}/{:.0f} 个文件".format(row.pid, fds, most),
                "",
                RAISE,
                pid=row.pid,
                fds=int(fds),
                limit=int(most),
            )
    if not look.up and re.search(r"EMFILE|too many open files|ENFILE", look.log, re.I):
        yield error(
            "resources/fd-limit",
            "The gateway ran out of file descriptors",
            "网关的文件描述符已用尽",
            "",
            RAISE,
            limit=None,
        )
    elif not look.up:
        yield from _few_files(look)
    yield from _limits(look)
    yield from _file_size(look)
    yield from _no_more_processes(look)
    state = look.service
    killed = state is not None and ("oom" in str(state.result) or "oom" in str(state.sub))
    if not look.up and (
        killed
        or re.search(r"oom-kill|Out of memory: Killed process|killed by the OOM killer", look.log)
    ):
        unit = str(getattr(state, "path", "") or "")
        cap = _set_in(unit, "MemoryMax")
        hint = (
            RAISE_MEMORY[0].format(os.path.basename(unit)),
            RAISE_MEMORY[1].format(os.path.basename(unit)),
        )
        yield error(
            "resources/oom-killed",
            "The system killed the gateway for want of memory"
            + (" (the service may use {})".format(cap) if cap else ""),
            "系统因内存不足杀死了网关" + ("（服务的内存上限为 {}）".format(cap) if cap else ""),
            unit if cap else "",
            hint if cap else None,
            limit=cap,
        )


def _limits(look: Look) -> Iterator[Finding]:
    """The real limits of the gateway, of one that is about to be it, or of the keeper that starts
    it: where none of them lives, what a service would set is not known here.
    """
    keepers = [row for row in look.processes if "keeper" in row.argv and "run" in row.argv]
    for row in (look.gateways or look.starting or keepers)[:1]:
        used = processes.usage(look.host, row.pid)
        files, space = used.get("fd_limit", -1.0), used.get("as_limit", -1.0)
        if 0 < files < FEW_FDS:
            yield error(
                "resources/fd-limit",
                "The gateway may open only {:.0f} files (pid {})".format(files, row.pid),
                "网关最多只能打开 {:.0f} 个文件（pid {}）".format(files, row.pid),
                "",
                RAISE,
                pid=row.pid,
                limit=int(files),
            )
        if 0 < space < LITTLE_SPACE:
            yield error(
                "resources/address-space",
                "The gateway may use only {:.1f} GB of address space (pid {}): node does not live "
                "in that".format(space / 1e9, row.pid),
                "网关的地址空间上限只有 {:.1f} GB（pid {}）：node 无法运行".format(
                    space / 1e9, row.pid
                ),
                "",
                RAISE_SPACE,
                pid=row.pid,
                limit=int(space),
            )
            return
    if not look.up and _NO_SPACE.search(look.crash_log):
        yield error(
            "resources/address-space",
            "Node could not reserve address space",
            "node 无法保留地址空间",
            "",
            RAISE_SPACE,
            limit=None,
        )


def _no_more_processes(look: Look) -> Iterator[Finding]:
    """The control group of the gateway is full, or the newest boot says so."""
    said = next((line for line in look.log.splitlines() if _NO_FORK.search(line)), "")
    used, most = (0, 0)
    for row in look.gateways[:1]:
        group = processes.usage(look.host, row.pid)
        used, most = int(group.get("tasks", 0)), int(group.get("task_limit", 0))
    if most and used >= most * 0.95:
        yield error(
            "resources/process-limit",
            "The gateway's service has {} of {} processes and threads".format(used, most),
            "网关服务的进程与线程数已达 {}/{}".format(used, most),
            "",
            RAISE_TASKS,
            used=used,
            limit=most,
        )
    elif said and not logs.quoted(said):
        yield warning(
            "resources/process-limit",
            "A program could not be started: no more processes are allowed",
            "无法启动子进程：进程数已达上限",
            "",
            RAISE_TASKS,
            limit=most or None,
            line=said[:300],
        )


def _few_files(look: Look) -> Iterator[Finding]:
    """A low limit shows in the unit file; or as a database that the gateway could not open although
    this account can.
    """
    limit = _limit_of(str(getattr(look.service, "path", "") or ""))
    database = str(look.home.state_dir / "state" / "openclaw.sqlite")
    unopened = "Gateway failed to start: unable to open database file" in look.log
    fine = os.access(database, os.R_OK | os.W_OK) and os.access(os.path.dirname(database), os.W_OK)
    node = abilities.without_sqlite(look.log)  # measured: 24 files, and node loads no SQLite
    if node and "--no-experimental-sqlite" in look.service_env.get("NODE_OPTIONS", ""):
        return
    if (limit is not None and limit < FEW_FDS) or (unopened and fine and limit is None) or node:
        en = (
            "The gateway may open only {} files".format(limit)
            if limit
            else "Node {} is new enough and could not load its SQLite: too few files may be "
            "open".format(node)
            if node
            else "The gateway could not open its database, and this account can: too few files"
        )
        zh = (
            "网关最多只能打开 {} 个文件".format(limit)
            if limit
            else "node {} 版本足够新，却无法加载 SQLite：可打开的文件数过少".format(node)
            if node
            else "网关无法打开数据库，而本账户可以：可打开的文件数过少"
        )
        yield error("resources/fd-limit", en, zh, "", RAISE, limit=limit)


def _file_size(look: Look) -> Iterator[Finding]:
    """A bound on the size of a file: the kernel ends a process that writes past it (SIGXFSZ)."""
    if look.up:
        return
    code = look.verdict.exit_code
    if code is None:
        code = getattr(look.service, "exit_code", None)
    set_to = _set_in(str(getattr(look.service, "path", "") or ""), "LimitFSIZE")
    ended = code in FILE_SIZE or bool(_TOO_LARGE.search(look.crash_log))
    if not ended and not set_to:
        return
    yield (error if ended else warning)(
        "resources/file-size",
        "A limit on the size of files ended the gateway"
        if ended
        else "The service may write files up to {} only".format(set_to),
        "文件大小上限使网关退出" if ended else "服务写入的文件最大只能到 {}".format(set_to),
        "",
        RAISE_SIZE,
        limit=set_to,
    )


def _limit_of(unit: str) -> Optional[int]:
    """LimitNOFILE (the soft one) of a systemd unit and its drop-ins, the last that is set; None
    when none is.
    """
    number = re.match(r"\d+", _set_in(unit, "LimitNOFILE"))
    return int(number.group(0)) if number else None


def _set_in(unit: str, key: str) -> str:
    """What a systemd unit and its drop-ins say last of a key; "" when nothing does, or it is no
    systemd unit.
    """
    found = ""
    for name in (
        [unit] + sorted(glob.glob(glob.escape(unit) + ".d/*.conf"))
        if unit.endswith(".service")
        else []
    ):
        try:
            with open(name, encoding="utf-8", errors="replace") as handle:
                for value in re.findall(r"^{}=[ \t]*(\S*)".format(key), handle.read(200000), re.M):
                    found = "" if value == "infinity" else value
        except OSError:
            continue
    return found


CHECK = Check("resources", Text("Memory and file descriptors", "内存与文件描述符"), run)
