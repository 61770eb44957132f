"""Others at the gateway's place: on its port, or tending the same gateway. Named, never fought.

The gateway's own message ("another gateway instance") is wrong for foreign programs on its port.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Tuple

from ..model import Check, Finding, Text
from ..openclaw import processes
from .base import Look, error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen


# -- the port --------------------------------------------------------------------------------------
def run_port(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    port = look.home.port
    there = look.health.get("endpoint")
    if there:
        yield _mismatch(look, *there)
        return
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
        line, user = processes.shown(row.argv), row.user
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
                    "Stop that program, or move the gateway: one of the two.\n"
                    "kill {}    # stops that program".format(pid),
                    "请停止该程序，或给网关换端口，二选一。\nkill {}    # 停止该程序".format(pid),
                ),
                pid=pid,
                command=line,
                user=user,
                port=port,
                answers=look.health["answer"],
                started=row.started,
            )


# Behind the second of two ways: a person who pastes both would do both.
OR_MOVE = Text("    # or: moves the gateway", "    # 或者：给网关换端口")


def _move(look: Any, en: str, zh: str) -> Tuple[str, str]:
    """What to type for another port: one that is free. OpenClaw's own service passes --port, so it
    is written again where a service manager starts it.
    """
    command = "openclaw config set gateway.port {}".format(free(look.home.port))
    if getattr(look.platform, "name", "direct") != "direct":
        command += " && openclaw gateway install --force"
    either = OR_MOVE if "\n" in en else Text("", "")
    return en + "\n" + command + either.en, zh + "\n" + command + either.zh


def free(port: int) -> int:
    """Return a port near this one that nothing listens on. OpenClaw uses the ports just above its
    own too, so that gateways stand 20 apart.
    """
    for candidate in range(port + 20, min(port + 2000, 65500), 20):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", candidate))
            return candidate
    return port + 20


def _mismatch(look: Look, port: int, scheme: str) -> Finding:
    """The gateway runs, and not where the config says: clients of the config find nobody."""
    pid = look.gateways[0].pid if look.gateways else None
    return warning(
        "port/mismatch",
        "The gateway answers on {}://127.0.0.1:{}; its config says {}://127.0.0.1:{}".format(
            scheme, port, look.home.scheme, look.home.port
        ),
        "网关实际在 {}://127.0.0.1:{} 上响应，而配置为 {}://127.0.0.1:{}".format(
            scheme, port, look.home.scheme, look.home.port
        ),
        look.home.config_path,
        (
            "Make the service use the config: openclaw gateway install --force; or restart it when "
            "that suits you",
            "让服务采用配置：openclaw gateway install --force；或在方便时重启网关",
        ),
        pid=pid,
        port=port,
        scheme=scheme,
        configured=look.home.port,
    )


PORT = Check("port", Text("Port and its owner", "端口及其占用者"), run_port)


# -- other gateways, watchdogs, services -----------------------------------------------------------
_OTHERS = re.compile(r"openclaw|clawdbot|moltbot", re.I)
_TENDS = re.compile(
    r"watch-?dog|health-?check|guardian|self-?heal|auto-?heal|keep-?alive|monit\b|pm2\b|supervi"
    r"sord",
    re.I,
)
_OURS = re.compile(
    r"iflow-doctor|-m skill\b|skill[/\\](?:platforms[/\\])?keeper|skill\.(?:platforms\.)?keeper"
    r"|skill\.(?:drill\.)?practice|pytest|openclaw-gateway$"
)


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    if len(look.gateways) > 1:
        pids = [row.pid for row in look.gateways]
        yield error(
            "duplicates/gateway",
            "{} gateways work on {}".format(len(pids), look.home.state_dir),
            "有 {} 个网关同时使用 {}".format(len(pids), look.home.state_dir),
            look.home.state_dir,
            None,
            pids=pids,
        )
    for pid, line in watchdogs(look):
        yield warning(
            "duplicates/watchdog",
            "Another watchdog tends an OpenClaw here: pid {}: {}".format(pid, line),
            "另有守护进程在管理 OpenClaw：pid {}：{}".format(pid, line),
            "",
            (
                "Stop one of the two: two watchdogs fight each other",
                "停用其中之一：两个守护进程会互相干扰",
            ),
            pid=pid,
            name=line,
        )
    yield from _units(look)


def watchdogs(look: Look) -> List[Tuple[int, str]]:
    """(pid, command line) of programs that look like another watchdog of this gateway."""
    me, found = os.getpid(), []
    for row in look.processes:
        # The program's own name must say so: an argument that talks about watchdogs is only talk.
        program = " ".join(
            word
            for word in row.argv[:3]
            if len(word) < 200 and not word.startswith("-") and " " not in word
        )
        if (
            row.pid == me
            or row.state == "zombie"
            or _OURS.search(row.line)
            or not (_OTHERS.search(program) and _TENDS.search(program))
        ):
            continue
        if processes.is_gateway(row) or re.match(
            r"(?:\S*/)?(?:grep|vi|vim|nano|less|tail|cat|ps|journalctl|git)\b", row.line
        ):
            continue
        place = processes.state_dir(row)
        if place is not None and os.path.realpath(str(place)) != os.path.realpath(
            str(look.home.state_dir)
        ):
            continue
        found.append((row.pid, processes.shown(row.argv, 160)))
    return found


def _units(look: Look) -> Iterator[Finding]:
    """A system unit beside the user unit (Linux), a daemon beside the agent (macOS)."""
    own = str(getattr(look.service, "path", "") or "")
    suffix = "-" + look.home.profile if look.home.profile else ""
    names = [
        "/etc/systemd/system/openclaw-gateway{}.service".format(suffix),
        "/Library/LaunchDaemons/ai.openclaw.{}.plist".format(look.home.profile or "gateway"),
    ]
    for name in names:
        if os.path.exists(Path(name)) and own and os.path.realpath(own) != os.path.realpath(name):
            yield warning(
                "service/duplicate",
                "A second service for the same gateway: {}".format(name),
                "同一网关存在第二个服务：{}".format(name),
                name,
                None,
                first=own,
                second=name,
            )
    others = [
        row
        for row in look.processes
        if processes.is_gateway(row) and row.pid not in {g.pid for g in look.gateways}
    ]
    if others:
        yield info(
            "duplicates/other-gateways",
            "{} more gateway(s) run on this machine, with other state directories".format(
                len(others)
            ),
            "本机还运行着 {} 个使用其他状态目录的网关".format(len(others)),
            "",
            None,
            pids=[row.pid for row in others][:10],
        )


CHECK = Check("duplicates", Text("Duplicates", "重复的网关或守护进程"), run)
