"""Who owns the gateway's port. The gateway's own message ("another gateway instance") is wrong for
foreign programs.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Iterable, Tuple

from ..model import Check, Finding, Text
from ..openclaw import processes
from .base import error, info, looking, warning


def run(ctx: Any) -> Iterable[Finding]:
    look = looking(ctx)
    port = look.home.port
    rows = look.listeners
    if not rows:
        if look.health["answer"] == "refused":
            yield info(
                "port/free",
                "Port {} is free".format(port),
                "端口 {} 空闲".format(port),
                "",
                None,
                port=port,
            )
        return
    mine = {row.pid for row in look.gateways}
    pids = sorted({row.pid for row in rows if row.pid is not None})
    if not pids:
        # Somebody else's socket, or no right to see it: only what answers can tell.
        if not look.up:
            yield warning(
                "port/unknown-owner",
                "Port {} is taken by a process that this account may not see".format(port),
                "端口 {} 被本账户无权查看的进程占用".format(port),
                "",
                None,
                port=port,
            )
        return
    by_pid = {row.pid: row for row in look.processes}
    for pid in pids:
        if pid in mine:
            continue
        row = by_pid.get(pid)
        if row is None or row.ppid in mine:
            continue
        if pid == getattr(look.service, "main_pid", None):
            continue  # our own service, started for another place: service/environment says so
        line, user = row.line[:200], row.user
        if processes.is_gateway(row):
            place = processes.state_dir(row)
            yield error(
                "port/other-gateway",
                "Another gateway (pid {}, state directory {}) holds port {}".format(
                    pid, place or "?", port
                ),
                "另一个网关（pid {}，状态目录 {}）占用了端口 {}".format(pid, place or "?", port),
                "",
                _move(look, "Give one of the two another port.", "请让其中一个改用其他端口。"),
                pid=pid,
                command=line,
                user=user,
                state_dir=str(place or ""),
                port=port,
                started=row.started,
            )
        else:
            yield error(
                "port/foreign-owner",
                "Another program holds port {}: pid {} ({}): {}".format(port, pid, user, line),
                "端口 {} 被其他程序占用：pid {}（{}）：{}".format(port, pid, user, line),
                "",
                _move(
                    look,
                    "Stop that program, or move the gateway.\nkill {}".format(pid),
                    "请停止该程序，或给网关换端口。\nkill {}".format(pid),
                ),
                pid=pid,
                command=line,
                user=user,
                port=port,
                answers=look.health["answer"],
                started=row.started,
            )


def _move(look: Any, en: str, zh: str) -> Tuple[str, str]:
    """What to type for another port: one that is free. OpenClaw's own service passes --port, so it
    is written again where a service manager starts it.
    """
    command = "openclaw config set gateway.port {}".format(free(look.home.port))
    if getattr(look.platform, "name", "direct") != "direct":
        command += " && openclaw gateway install --force"
    return en + "\n" + command, zh + "\n" + command


def free(port: int) -> int:
    """Return a port near this one that nothing listens on. OpenClaw uses the ports just above its
    own too, so that gateways stand 20 apart.
    """
    for candidate in range(port + 20, min(port + 2000, 65500), 20):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", candidate))
            return candidate
    return port + 20


CHECK = Check("port", Text("Port and its owner", "端口及其占用者"), run)
