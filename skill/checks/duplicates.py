"""Others that tend or hold the same gateway: a second gateway, another watchdog, a second service.
Named, never fought.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Iterable, Iterator, List, Tuple

from ..model import Check, Finding, Text
from ..openclaw import processes
from .base import Look, error, info, looking, warning

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


def run(ctx: Any) -> Iterable[Finding]:
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
        found.append((row.pid, row.line[:160]))
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
        if Path(name).exists() and own and os.path.realpath(own) != os.path.realpath(name):
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
