"""Who runs and who listens, as this machine's process table says. Read only; what may not be read
is simply absent.

A gateway renames itself to `openclaw-gateway` (2026.9.6); before that, and on Windows, its command
line has `openclaw ... gateway`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple

from ..host import Host
from .gateway_process import read_lock
from .home import Home, state_dir_of


@dataclass(frozen=True)
class Process:
    """One row of the process table. started: epoch seconds. state: psutil's word (running,
    sleeping, stopped, zombie).
    """

    pid: int
    ppid: int
    name: str
    argv: Tuple[str, ...] = ()
    state: str = ""
    started: float = 0.0
    user: str = ""
    env: Optional[Mapping[str, str]] = None  # None: may not be read
    cwd: str = ""

    @property
    def line(self) -> str:
        return " ".join(self.argv) or self.name


@dataclass(frozen=True)
class Listener:
    port: int
    address: str
    pid: Optional[int]  # None: belongs to somebody whose sockets we may not see


def table(host: Host) -> List[Process]:
    """All processes. A host with a `processes` function (a test's) answers from that."""
    given = getattr(host, "processes", None)
    if given is not None:
        return list(given())
    import psutil

    rows = []
    for item in psutil.process_iter(
        ["pid", "ppid", "name", "cmdline", "status", "create_time", "username"]
    ):
        info = item.info
        row = Process(
            info["pid"],
            info["ppid"] or 0,
            info["name"] or "",
            tuple(info["cmdline"] or ()),
            info["status"] or "",
            info["create_time"] or 0.0,
            info["username"] or "",
        )
        if row.state != psutil.STATUS_ZOMBIE and _interesting(row):
            try:
                row = replace(row, env=item.environ(), cwd=item.cwd())
            except (psutil.Error, OSError):
                pass
        rows.append(row)
    return rows


def _interesting(row: Process) -> bool:
    return "openclaw" in row.name or any("openclaw" in part for part in row.argv)


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


def start_ticks(pid: int) -> Optional[int]:
    """Clock ticks since boot at which a process started, as the lock's startTime; None where there
    is no /proc.
    """
    try:
        with open("/proc/{}/stat".format(pid), "rb") as handle:
            return int(handle.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def owner_of_lock(home: Home, rows: List[Process]) -> Optional[Process]:
    """The live gateway that holds this state directory's lock; None when the lock is free or left
    behind by a dead one.
    """
    held = read_lock(home)
    row = next((r for r in rows if r.pid == held.get("pid")), None)
    if (
        row is None
        or row.state == "zombie"
        or not (_interesting(row) or "node" in row.name.lower() or "practice" in row.line)
    ):
        return None
    ticks = start_ticks(row.pid)
    if (
        ticks is not None
        and isinstance(held.get("startTime"), int)
        and abs(ticks - held["startTime"]) > 200
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
    given = getattr(host, "listeners", None)
    if given is not None:
        return list(given(port))
    import psutil

    try:
        rows = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return _lsof(host, port)
    return [
        Listener(port, r.laddr.ip, r.pid)
        for r in rows
        if r.status == psutil.CONN_LISTEN and r.laddr and r.laddr.port == port
    ]


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
    given = getattr(host, "busy", None)
    if given is not None:
        return bool(given(pid))
    import psutil

    samples = 8
    before, runnable = usage(pid).get("cpu_s"), 0
    try:
        item = psutil.Process(pid)
        for _ in range(samples):
            host.sleep(seconds / samples)
            runnable += item.status() == psutil.STATUS_RUNNING
    except (psutil.Error, OSError):
        return False
    after = usage(pid).get("cpu_s")
    used = (after - before) / seconds if before is not None and after is not None else 0.0
    return used >= 0.85 or (runnable >= samples - 1 and used > 0.02)


def usage(pid: int) -> Dict[str, float]:
    """{"memory_mb", "cpu_s", "fds", "fd_limit", "as_limit"} of one process (a limit of -1 is none);
    what may not be read is absent.
    """
    import psutil

    found: Dict[str, float] = {}
    try:
        item = psutil.Process(pid)
        found["memory_mb"] = item.memory_info().rss / 1e6
        times = item.cpu_times()
        found["cpu_s"] = times.user + times.system
        if hasattr(item, "num_fds"):
            found["fds"] = float(item.num_fds())
        if hasattr(item, "rlimit"):
            found["fd_limit"] = float(item.rlimit(psutil.RLIMIT_NOFILE)[0])
            found["as_limit"] = float(item.rlimit(psutil.RLIMIT_AS)[0])
    except (psutil.Error, OSError, ValueError):
        pass
    return found


def tasks(pid: int) -> "tuple[int, int]":
    """(used, most) processes and threads of a process's control group; (0, 0) when it has no bound
    or none can be read.
    """
    try:
        with open("/proc/{}/cgroup".format(pid), encoding="ascii") as handle:
            group = next(line.split("::", 1)[1].strip() for line in handle if "::" in line)
        folder = "/sys/fs/cgroup" + group
        with open(folder + "/pids.max", encoding="ascii") as handle:
            most = handle.read().strip()
        with open(folder + "/pids.current", encoding="ascii") as handle:
            return (int(handle.read()), int(most)) if most.isdigit() else (0, 0)
    except (OSError, StopIteration, ValueError, IndexError):
        return 0, 0
