"""The process that holds this state directory: its lock, its port, and how it is ended. Reads only,
except end_process().

<state>/tmp/openclaw-<uid>/gateway.state.lock names pid, port and stateDir of the process that holds
this state directory (2026.9.6).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ..host import Host, Process
from ..machine import KILL, children
from .home import Home


@dataclass(frozen=True)
class ProcessInfo:
    """One process. started: epoch seconds. status: R S D T Z. rss: bytes."""

    pid: int
    started: float
    status: str = ""
    command: str = ""
    rss: int = 0
    uid: int = -1


_SHORT = {
    "running": "R",
    "sleeping": "S",
    "disk-sleep": "D",
    "stopped": "T",
    "tracing-stop": "T",
    "zombie": "Z",
    "idle": "S",
}


def look_at(host: Host, pid: int) -> Optional[ProcessInfo]:
    """The process behind a pid, None when there is none (a zombie entry of the process table counts
    as none).
    """
    return info_of(host.process(pid))


def info_of(row: Optional[Process]) -> Optional[ProcessInfo]:
    status = _SHORT.get(row.state, "S") if row else "Z"
    if row is None or status == "Z":
        return None
    return ProcessInfo(row.pid, row.started, status, row.line[:300], row.rss, row.uid)


def lock_files(home: Home) -> List[str]:
    """This state directory's gateway locks, as files."""
    found: List[str] = []
    base = home.state_dir / "tmp"
    try:
        for folder in sorted(base.glob("openclaw-*")):
            found += [str(path) for path in sorted(folder.glob("gateway.*.lock"))]
    except OSError:
        pass
    return sorted(found, key=lambda name: not name.endswith("gateway.state.lock"))


def read_lock(home: Home) -> Dict[str, Any]:
    """The first readable lock of this state directory: pid, port, stateDir, createdAt, ...; {} when
    there is none.
    """
    for name in lock_files(home):
        try:
            with open(name, "rb") as handle:
                value = json.loads(handle.read(8192).decode("utf-8", "replace"))
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and isinstance(value.get("pid"), int):
            return value
    return {}


def is_gateway(process: Optional[ProcessInfo]) -> bool:
    return bool(process) and "openclaw" in (process.command if process else "").lower()


def lock_holder(host: Host, home: Home) -> Optional[ProcessInfo]:
    """The living process that the lock names, provided it really is an OpenClaw that is not younger
    than the lock.

    A lock with another role than a gateway's (agent-embedded, sqlite-maintenance: 2026.9.6) names
    no gateway: see doctor_running().
    """
    lock = read_lock(home)
    if lock.get("role", "gateway") != "gateway":
        return None
    pid = lock.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return None
    process = look_at(host, pid)
    if process is None:
        return None
    created = _epoch(str(lock.get("createdAt", "")))
    # A pid that was given to somebody else since: it began after the lock was written (2 s for
    # clock rounding).
    if created and process.started and process.started > created + 2 and not is_gateway(process):
        return None
    return process if is_gateway(process) or not process.command or is_practice(process) else None


def is_practice(process: ProcessInfo) -> bool:
    return "skill.drill.practice" in process.command or "practice" in process.command


def _epoch(stamp: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


FACTS_FRESH_S = 60.0  # the plugin writes them every 10 s


def active_runs(host: Host, home: Home) -> int:
    """Agent runs under way, as our plugin inside the gateway tells (gateway-facts.json); 0 when it
    does not, or not lately.
    """
    try:
        facts = json.loads((home.doctor_dir / "gateway-facts.json").read_bytes()[:8192])
        fresh, runs, pid = (
            0 <= host.now() - float(facts["at"]) + 5 <= FACTS_FRESH_S + 5,
            int(facts["activeRuns"]),
            int(facts["pid"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    holder = lock_holder(host, home)
    return runs if fresh and holder is not None and holder.pid == pid else 0


def listens(host: Host, pid: int, port: int) -> Optional[bool]:
    """Whether this process listens on the port; None when the system does not let us look."""
    try:
        return any(row.port == port for row in host.listeners(pid))
    except OSError:
        return None


def port_owner(host: Host, port: int) -> Tuple[bool, Optional[ProcessInfo]]:
    """(could look, the listener on 127.0.0.1/any:port). (False, None) when the system does not
    tell.
    """
    try:
        rows = [row for row in host.listeners(None) if row.port == port]
    except OSError:
        return False, None
    for row in rows:
        if row.pid:
            return True, look_at(host, row.pid)
    return not rows, None


def work_of(host: Host, pid: int) -> Tuple[Optional[float], Optional[float]]:
    """(CPU seconds, bytes read and written) of a process and all below it since they began; None
    where that may not be read.
    """
    used = [host.usage(pid)] + [host.usage(row.pid) for row in children(pid, host.processes())]
    if "cpu_s" not in used[0]:
        return None, None
    moved = [one.get("moved_mb", one.get("io_mb")) for one in used]
    known = [value for value in moved if value is not None]
    return sum(one.get("cpu_s", 0.0) for one in used), 1e6 * sum(known) if known else None


def doctor_running(host: Host, home: Home) -> bool:
    """True while an `openclaw doctor` (or its orphaned child) runs, or another OpenClaw program
    holds the lock: no gateway can start.
    """
    lock = read_lock(home)
    user = look_at(host, lock["pid"]) if lock.get("role", "gateway") != "gateway" else None
    if user is not None and (is_gateway(user) or not user.command):
        return True
    return any(
        (row.name.startswith("openclaw-docto") or row.line.startswith("openclaw-doctor"))
        and row.state != "zombie"
        and _state_dir_matches(row, home)
        for row in host.processes()
    )


def _state_dir_matches(row: Process, home: Home) -> bool:
    """Whether a process works on this state directory, by its environment; True when the system
    does not tell.
    """
    if not row.env:
        return True
    from .home import state_dir_of

    return os.path.realpath(str(state_dir_of(Host(env=row.env)))) == os.path.realpath(
        str(home.state_dir)
    )


class Ended(str, Enum):
    """How an attempt to end a process went. Only GONE means that it is gone."""

    GONE = "gone"
    ALIVE = "alive"  # it outlived its signals, or may not be signalled by us
    ANSWERS = "answers"  # the last probe before a signal was answered: it was left alone
    LIMIT = "limit"  # two hard kills within five minutes: a third was not made

    @property
    def gone(self) -> bool:
        return self is Ended.GONE


def end_process(
    host: Host,
    target: ProcessInfo,
    grace_s: float,
    keepalive: Any = None,
    *,
    probe: Callable[[], bool],
    note: Callable[[str], bool],
) -> Ended:
    """SIGTERM, up to `grace_s` seconds, SIGKILL of exactly this process; then its children that
    outlived it. For callers there is store.ledger.end_gateway(), which knows probe and note.

    Pid, start time and command line are compared just before each signal: a reused pid is never
    touched. probe: whether the gateway serves at this moment (<= 1 s), asked last before each
    signal. note: keep on disk that "terminate" or "kill" comes next; False forbids it.
    """

    def same() -> Optional[Process]:
        row = host.process(target.pid)
        now = info_of(row)
        if (
            now is None
            or (target.started and abs(now.started - target.started) > 1.0)
            or now.command != target.command
        ):
            return None
        return row

    if same() is None:
        return Ended.GONE
    below = children(target.pid, host.processes())
    for number, wait in ((signal.SIGTERM, grace_s), (KILL, 10.0)):
        if number == signal.SIGTERM and (target.status == "T" or grace_s <= 0):
            continue  # a stopped process never sees SIGTERM
        if same() is None:
            break
        if probe():
            return Ended.ANSWERS
        row = same()  # the probe took its time
        if row is None:
            break
        if not note("terminate" if wait is grace_s else "kill"):
            return Ended.LIMIT
        try:
            host.signal(row, number)
        except OSError:
            return Ended.ALIVE
        until = host.monotonic() + wait
        while host.monotonic() < until and same() is not None:
            if keepalive:
                keepalive()
            host.sleep(0.2)
    if same() is not None:
        return Ended.ALIVE
    _end_orphans(host, below)
    return Ended.GONE


def _end_orphans(host: Host, rows: Iterable[Process]) -> None:
    left = list(rows)
    for number in (signal.SIGTERM, KILL):
        left = [row for row in left if _lives(host, row)]
        for row in left:
            with contextlib.suppress(OSError):
                host.signal(row, number)
        until = host.monotonic() + 1.0
        while host.monotonic() < until and any(_lives(host, row) for row in left):
            host.sleep(0.1)


def _lives(host: Host, row: Process) -> bool:
    now = host.process(row.pid)
    return now is not None and now.state != "zombie" and row.is_same(now)
