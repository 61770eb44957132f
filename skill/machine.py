"""This machine's processes and sockets, and signals to exactly one process. The only user of psutil
and of os.kill; `Host` hands these functions out, so that a test or a simulation can be the machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

WINDOWS = os.name == "nt"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
CLOCK_SLACK = 1.0  # s: psutil's start times move a little with the clock; ticks do not


@dataclass(frozen=True)
class Process:
    """One row of the process table. started: epoch seconds. state: psutil's word (running,
    sleeping, stopped, zombie).

    started and ticks are 0.0 and None where the system does not tell.
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
    ticks: Optional[int] = None  # clock ticks after boot at which it started (Linux)
    uid: int = -1
    rss: int = 0  # bytes

    @property
    def line(self) -> str:
        return " ".join(self.argv) or self.name

    def is_same(self, other: Optional["Process"]) -> bool:
        """Whether `other` is this very process: a pid alone is given to somebody else one day."""
        if other is None or other.pid != self.pid:
            return False
        if self.ticks is not None and other.ticks is not None:
            return self.ticks == other.ticks
        if not self.started or not other.started:
            return self.argv == other.argv
        return abs(self.started - other.started) <= CLOCK_SLACK


@dataclass(frozen=True)
class Listener:
    port: int
    address: str
    pid: Optional[int]  # None: belongs to somebody whose sockets we may not see


_ROW = ["pid", "ppid", "name", "cmdline", "status", "create_time", "username"]


def process_table() -> List[Process]:
    """All processes. env and cwd are looked up for those that speak of OpenClaw only."""
    import psutil

    rows = []
    for item in psutil.process_iter(_ROW):
        row = _row(item.info)
        if row.state != psutil.STATUS_ZOMBIE and speaks_of_openclaw(row):
            row = _whole(item, row)
        rows.append(row)
    return rows


def speaks_of_openclaw(row: Process) -> bool:
    """A first sieve, never a proof: a file name or a host name may hold the word."""
    return "openclaw" in row.name or any("openclaw" in part for part in row.argv)


def process_of(pid: int) -> Optional[Process]:
    """One process with all that may be read of it; None when there is none."""
    import psutil

    try:
        item = psutil.Process(pid)
        with item.oneshot():
            return _whole(item, _row(item.as_dict(_ROW)))
    except (psutil.NoSuchProcess, ValueError, OSError, OverflowError):
        return None
    except psutil.AccessDenied:
        return Process(pid, 0, "", state="sleeping", ticks=ticks_of(pid))


def _row(info: Mapping[str, Any]) -> Process:
    return Process(
        info["pid"],
        info["ppid"] or 0,
        info["name"] or "",
        tuple(info["cmdline"] or ()),
        info["status"] or "",
        info["create_time"] or 0.0,
        info["username"] or "",
    )


def _whole(item: Any, row: Process) -> Process:
    import psutil

    found: Dict[str, Any] = {"ticks": ticks_of(row.pid)}
    readers = {
        "env": item.environ,
        "cwd": item.cwd,
        "rss": lambda: item.memory_info().rss,
        "uid": lambda: item.uids().real if hasattr(item, "uids") else -1,
    }
    for name, read in readers.items():
        try:
            found[name] = read()
        except (psutil.Error, OSError, ValueError):
            pass
    return replace(row, **found)


def ticks_of(pid: int) -> Optional[int]:
    """Clock ticks since boot at which a process started, as the lock's startTime; None where there
    is no /proc.
    """
    try:
        with open("/proc/{}/stat".format(pid), "rb") as handle:
            return int(handle.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def deleted_files(pid: int) -> Mapping[str, int]:
    """Files that a process holds open although they were deleted: path -> descriptor. {} where
    there is no /proc, or it may not be read.
    """
    folder, mark = "/proc/{}/fd".format(pid), " (deleted)"
    found: Dict[str, int] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            path = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        if path.endswith(mark) and name.isdigit():
            found[path[: -len(mark)]] = int(name)
    return found


def environ_of(pid: int) -> Optional[Mapping[str, str]]:
    """The environment a process was started with; None when it may not be read."""
    import psutil

    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError, ValueError):
        return None


def listeners(pid: Optional[int] = None) -> List[Listener]:
    """Who listens on which TCP port: the whole machine, or one process. Raise OSError when the
    table cannot be read.
    """
    import psutil

    try:
        if pid is None:
            rows: List[Any] = list(psutil.net_connections("tcp"))
        else:
            item = psutil.Process(pid)
            look = getattr(item, "net_connections", None) or item.connections
            rows = [_Row(r.status, r.laddr, pid) for r in look(kind="tcp")]
    except psutil.NoSuchProcess:
        return []
    except psutil.Error as error:
        raise OSError("the table of sockets cannot be read") from error
    listening = (r for r in rows if r.status == psutil.CONN_LISTEN and r.laddr)
    return [Listener(r.laddr.port, r.laddr.ip, r.pid) for r in listening]


@dataclass(frozen=True)
class _Row:
    status: str
    laddr: Any
    pid: Optional[int]


def usage_of(pid: int) -> Dict[str, float]:
    """{"memory_mb", "cpu_s", "io_mb", "moved_mb", "fds", "fd_limit", "as_limit", "tasks",
    "task_limit"} of one process (a limit of -1 is none); what may not be read is absent.
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
        if hasattr(item, "io_counters"):
            counted = item.io_counters()
            found["io_mb"] = (counted.read_bytes + counted.write_bytes) / 1e6
            if hasattr(counted, "read_chars"):  # also what the disk's cache served (Linux)
                found["moved_mb"] = (counted.read_chars + counted.write_chars) / 1e6
    except (psutil.Error, OSError, ValueError):
        pass
    return {**found, **_tasks(pid)}


def family_rss(pid: int) -> int:
    """Return the resident bytes of a process's children, theirs included; 0 where unknown."""
    import psutil

    total = 0
    try:
        for child in psutil.Process(pid).children(recursive=True):
            try:
                total += child.memory_info().rss
            except psutil.Error:
                continue
    except (psutil.Error, OSError):
        return 0
    return total


def _tasks(pid: int) -> Dict[str, float]:
    """Processes and threads of its control group, where that has a bound."""
    try:
        with open("/proc/{}/cgroup".format(pid), encoding="ascii") as handle:
            group = next(line.split("::", 1)[1].strip() for line in handle if "::" in line)
        folder = "/sys/fs/cgroup" + group
        with open(folder + "/pids.max", encoding="ascii") as handle:
            most = handle.read().strip()
        with open(folder + "/pids.current", encoding="ascii") as handle:
            found = {"tasks": float(int(handle.read())), "task_limit": float(int(most))}
    except (OSError, StopIteration, ValueError, IndexError):
        return {}
    return found


def send_signal(target: Process, number: int) -> bool:
    """Signal exactly this process; False when it is gone, or its pid is somebody else's by now.
    Raise PermissionError when it is not ours to signal.

    Linux: a pidfd is opened before the look, so that no reuse between look and signal can matter.
    """
    handle = None
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            try:
                handle = os.pidfd_open(target.pid)
            except ProcessLookupError:
                return False
            except OSError:  # an old kernel or a sandbox
                handle = None
        if not target.is_same(process_of(target.pid)):
            return False
        try:
            if handle is not None:
                signal.pidfd_send_signal(handle, number)
            elif WINDOWS:
                _end_windows(target.pid, number)
            else:
                os.kill(target.pid, number)
        except ProcessLookupError:
            return False
        return True
    finally:
        if handle is not None:
            os.close(handle)


def _end_windows(pid: int, number: int) -> None:
    import psutil

    try:
        (psutil.Process(pid).terminate if number == signal.SIGTERM else psutil.Process(pid).kill)()
    except psutil.AccessDenied as error:
        raise PermissionError(str(error)) from error
    except psutil.Error:
        pass


def end_rows(rows: Iterable[Process], grace_s: float) -> None:
    """End processes of our own making: SIGTERM, up to `grace_s` seconds, SIGKILL. 0 s: at once."""
    left = [row for row in rows if lives(row)]
    for number, wait in ((signal.SIGTERM, grace_s), (KILL, 2.0)):
        if not wait:
            continue
        for row in left:
            with contextlib.suppress(OSError):
                send_signal(row, number)
        until = time.monotonic() + wait
        while left and time.monotonic() < until:
            left = [row for row in left if lives(row)]
            time.sleep(0.02)


def lives(row: Process) -> bool:
    now = process_of(row.pid)
    return now is not None and now.state != "zombie" and row.is_same(now)


def boot_mark() -> str:
    """Differs after a reboot of the machine; "" where that cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def children(pid: int, rows: Iterable[Process]) -> List[Process]:
    """Every process below `pid`, at any depth."""
    known = list(rows)
    found: List[Process] = []
    parents = {pid}
    while True:
        more = [r for r in known if r.ppid in parents and r.pid != pid and r not in found]
        if not more:
            return found
        found += more
        parents = {r.pid for r in more}
