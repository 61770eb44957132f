"""Who runs and who listens, as this machine's process table says. Read only; what may not be read
is simply absent.

A gateway renames itself to `openclaw-gateway` (2026.9.6); before that, and on Windows, its command
line has `openclaw ... gateway`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Optional

from ..host import Host, Listener, Process
from ..machine import speaks_of_openclaw
from .gateway_process import read_lock
from .home import Home, state_dir_of


def table(host: Host) -> List[Process]:
    return list(host.processes())


def is_gateway(row: Process) -> bool:
    """Is this a gateway's main process? Its node children and other openclaw commands are not."""
    if row.state == "zombie":
        return False
    title = row.argv[0] if row.argv else ""
    if title == "openclaw-gateway" or (row.name.startswith("openclaw-gatewa") and not row.argv):
        return True
    words = list(row.argv[:8])
    program = next(
        (
            i
            for i, w in enumerate(words)
            if re.search(
                r"(^|[\\/])openclaw(\.mjs|\.cmd|\.exe)?$|openclaw[\\/](dist[\\/])?(index|entry)"
                r"\.m?js$",
                w,
            )
        ),
        None,
    )
    if program is None:
        return False
    rest = [w for w in words[program + 1 :] if not w.startswith("-")]
    return (
        bool(rest)
        and rest[0] == "gateway"
        and (len(rest) == 1 or rest[1] in ("run", "start") or rest[1].isdigit())
        and "--help" not in words
    )


def may_be_starting(home: Home, row: Process) -> bool:
    """A main openclaw process on this state directory that has not taken its final name yet, and is
    no child of ours.
    """
    if (
        row.state == "zombie"
        or row.ppid == os.getpid()
        or row.line.strip() not in ("openclaw", "openclaw.mjs")
    ):
        return False
    place = state_dir(row)
    return place is not None and os.path.realpath(str(place)) == os.path.realpath(
        str(home.state_dir)
    )


def is_doctor(row: Process) -> bool:
    """An `openclaw doctor` (it holds the gateway's lock while it works)."""
    return (
        row.state != "zombie"
        and bool(row.argv)
        and (
            row.argv[0] == "openclaw-doctor"
            or ("openclaw" in row.line and "doctor" in row.argv[:6])
        )
    )


def state_dir(row: Process) -> Optional[Path]:
    """The state directory a process works on, from its environment; None when that may not be
    read.
    """
    if row.env is None:
        return None
    argv = list(row.argv)
    env = dict(row.env)
    for index, word in enumerate(argv):
        if word == "--profile" and index + 1 < len(argv):
            env["OPENCLAW_PROFILE"] = argv[index + 1]
            env.pop("OPENCLAW_STATE_DIR", None)
    return state_dir_of(Host(env=env))


def owner_of_lock(home: Home, rows: List[Process]) -> Optional[Process]:
    """The live gateway that holds this state directory's lock; None when the lock is free or left
    behind by a dead one.
    """
    held = read_lock(home)
    row = next((r for r in rows if r.pid == held.get("pid")), None)
    if (
        row is None
        or row.state == "zombie"
        or not (speaks_of_openclaw(row) or "node" in row.name.lower() or "practice" in row.line)
    ):
        return None
    if (
        row.ticks is not None
        and isinstance(held.get("startTime"), int)
        and abs(row.ticks - held["startTime"]) > 200
    ):
        return None
    return row


def ours(home: Home, rows: List[Process]) -> List[Process]:
    """Gateways that work on this state directory, oldest first."""
    holder = owner_of_lock(home, rows)
    wanted = os.path.realpath(str(home.state_dir))
    found = []
    for row in rows:
        if holder is not None and row.pid == holder.pid:
            found.append(row)
        elif is_gateway(row):
            place = state_dir(row)
            if place is not None and os.path.realpath(str(place)) == wanted:
                found.append(row)
    found = [
        r for r in found if not any(r.ppid == other.pid for other in found)
    ]  # the launcher's child counts once
    return sorted(found, key=lambda r: r.started)


def listeners(host: Host, port: int) -> List[Listener]:
    """Who listens on a TCP port. [] when nobody does. Raises OSError when the table cannot be
    read.
    """
    try:
        return [row for row in host.listeners(None) if row.port == port]
    except OSError:
        return _lsof(host, port)


def _lsof(host: Host, port: int) -> List[Listener]:
    """macOS lets only root read the whole table; lsof shows at least our own sockets."""
    done = host.run(["lsof", "-nP", "-iTCP:{}".format(port), "-sTCP:LISTEN", "-Fpn"], timeout=4.0)
    if done.missing or done.timed_out:
        raise OSError("the table of sockets cannot be read")
    found, pid = [], None
    for line in done.out.splitlines():
        if line[:1] == "p" and line[1:].isdigit():
            pid = int(line[1:])
        elif line[:1] == "n":
            found.append(Listener(port, line[1:].rsplit(":", 1)[0], pid))
    return found


def is_busy(host: Host, pid: int, seconds: float = 0.6) -> bool:
    """Does a process want the CPU all the time? Runnable in nearly every sample, or most of a core
    used.

    The share of a core alone will not do: on a crowded machine a busy loop gets a tenth of one.
    """
    samples = 8
    before, runnable = usage(host, pid).get("cpu_s"), 0
    for _ in range(samples):
        host.sleep(seconds / samples)
        row = host.process(pid)
        if row is None:
            return False
        runnable += row.state == "running"
    after = usage(host, pid).get("cpu_s")
    used = (after - before) / seconds if before is not None and after is not None else 0.0
    return used >= 0.85 or (runnable >= samples - 1 and used > 0.02)


def usage(host: Host, pid: int) -> Dict[str, float]:
    """{"memory_mb", "cpu_s", "io_mb", "fds", "fd_limit", "as_limit", "tasks", "task_limit"} of one
    process (a limit of -1 is none); what may not be read is absent.
    """
    return dict(host.usage(pid))
