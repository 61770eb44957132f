"""The process that holds this state directory: its lock, its port, and how it is ended. Reads only,
except end_process().

<state>/tmp/openclaw-<uid>/gateway.state.lock names pid, port and stateDir of the process that holds
this state directory (2026.9.6).
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, Iterable, Optional, Tuple

from ..files import json_bounded
from ..host import Host, Process
from ..machine import KILL, children
from . import lock
from .home import Home
from .lock import Life
from .processes import is_doctor, is_main, shown, state_dir


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


STOPPED = ("stopped", "tracing-stop")


def look_at(host: Host, pid: int) -> Optional[ProcessInfo]:
    """The process behind a pid, None when there is none (a zombie entry of the process table counts
    as none).
    """
    return info_of(host.process(pid))


def info_of(row: Optional[Process]) -> Optional[ProcessInfo]:
    status = _SHORT.get(row.state, "S") if row else "Z"
    if row is None or status == "Z":
        return None
    return ProcessInfo(row.pid, row.started, status, shown(row.argv, 300), row.rss, row.uid)


def lock_holder(host: Host, home: Home) -> Optional[ProcessInfo]:
    """The living gateway that holds this state directory; None when nobody does, or none that can
    be seen from here (lock.holding() tells these apart).
    """
    held = lock.holding(host, home)
    return info_of(held.row) if held.life is Life.ALIVE else None


FACTS_FRESH_S = 60.0  # the plugin writes them every 10 s


def active_runs(host: Host, home: Home) -> int:
    """Agent runs under way, as our plugin inside the gateway tells (gateway-facts.json); 0 when it
    does not, or not lately.
    """
    try:
        facts = json_bounded((home.doctor_dir / "gateway-facts.json").read_bytes()[:8192])
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


def doctor_running(host: Host, home: Home) -> bool:
    """True while an `openclaw doctor` (or its orphaned child) runs, or another OpenClaw program
    holds the lock: no gateway can start.
    """
    for held in lock.locks(host, home):
        if held.readable and held.role != "gateway":
            if lock.life_of(host, home, held)[0] is not Life.DEAD:
                return True
    return any(is_doctor(row) and _may_work_here(host, home, row) for row in host.processes())


def _may_work_here(host: Host, home: Home, row: Process) -> bool:
    """Whether a process works on this state directory, by its environment. Where that may not be
    read it does only when it is our own account's (another account has another state directory).
    """
    place = state_dir(row)
    if place is not None:
        return lock.same_place(place, home.state_dir)
    me = host.process(os.getpid())
    return me is None or not row.user or row.user == me.user


class Ended(str, Enum):
    """How an attempt to end a process went. Only GONE means that it is gone."""

    GONE = "gone"
    ALIVE = "alive"  # it outlived its signals, or may not be signalled by us
    ANSWERS = "answers"  # the last probe before a signal was answered: it was left alone
    NOT_OURS = "not-ours"  # it is not the verified gateway of this state directory
    RUNS = "runs"  # it was judged because it was stopped (SIGSTOP), and runs again
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
    ours: Callable[[Process], bool],
    note: Callable[[str], bool],
) -> Ended:
    """SIGTERM, up to `grace_s` seconds, SIGKILL of exactly this process; then its children that
    outlived it. For callers there is gateway.end_gateway(), which knows the rest.

    Pid and start time are compared just before each signal: a reused pid is never touched. probe:
    whether the gateway serves at this moment (<= 1 s), asked last before each signal. ours: whether
    it is the verified gateway of this place. note: keep on disk that "terminate" or "kill" comes
    next; False forbids it.
    """

    first = host.process(target.pid)
    if first is None or not _is_target(first, target):
        return Ended.GONE

    def same() -> Optional[Process]:
        row = host.process(target.pid)
        return row if row is not None and row.state != "zombie" and first.is_same(row) else None

    below = children(target.pid, host.processes())
    for act, number, wait in (("terminate", signal.SIGTERM, grace_s), ("kill", KILL, 10.0)):
        if act == "terminate" and (target.status == "T" or grace_s <= 0):
            continue  # a stopped process never sees SIGTERM
        if same() is None:
            break
        if probe():
            return Ended.ANSWERS
        row = same()  # the probe took its time
        if row is None:
            break
        if not ours(row):
            return Ended.NOT_OURS
        if target.status == "T" and row.state not in STOPPED:
            return Ended.RUNS
        if not note(act):
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


def _is_target(row: Process, target: ProcessInfo) -> bool:
    """Whether this is the process that was judged. Its title may have changed since, as a starting
    gateway's does.
    """
    now = info_of(row)
    if now is None or (target.started and abs(now.started - target.started) > 1.0):
        return False
    return now.command == target.command or is_main(row)


def is_ours(host: Host, home: Home, row: Process) -> bool:
    """Whether this process may be signalled as the gateway of this state directory: it holds the
    lock (or launched who does), or is a gateway whose environment names this place. Never this
    process or one above it.
    """
    if row.state == "zombie" or row.pid in lock.own_tree(host):
        return False
    held = lock.holding(host, home)
    if held.life is Life.ALIVE and held.row is not None:
        return held.row.is_same(row) or (is_main(row) and held.row.ppid == row.pid)
    place = state_dir(row) if is_main(row) else None
    return place is not None and lock.same_place(place, home.state_dir)


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
