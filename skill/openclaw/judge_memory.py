"""What judging remembers from look to look, and what can be told from two looks: time, patience,
work. Pure: an observation and a memory give a memory.

A process that computes, reads or writes is told from one that does nothing: the one gets patience,
the other is found within half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .gateway import Observation

# wall clock against monotonic clock, seconds: the host slept, or somebody set the clock
JUMP = 30.0
BUSY = (
    0.1  # of one CPU: less than that is a process that waits (an idle gateway needs 0.01 to 0.03)
)
WORKING = 16384.0  # bytes a second read and written: an integrity check, a migration, modules
# s a start may be without a log line or input and output before it counts as making no progress
STILL = 30.0
# A start that gets on may take this many budgets; one of 947 s with 480 agents is on record.
START_BUDGETS = 4.0
# s that a gateway which was ready may be deaf: busy with input and output (integrity checks of up
# to 160 s are reported), or with nothing but its CPU (stalls of 60 s that end by themselves)
WORKING_PATIENCE, BUSY_PATIENCE = 180.0, 90.0


@dataclass(frozen=True)
class Memory:
    """What judging needs from earlier looks. Times are monotonic seconds of this boot.

    failures: probes in a row that were not answered as they should be. closed_since: alive process,
    closed port, since.
    """

    failures: int = 0
    first_failure: Optional[float] = None
    closed_since: Optional[float] = None
    ready_pid: Optional[int] = None  # the process that was ready at least once
    last_ready: Optional[float] = None
    pid: Optional[int] = None
    pid_seen: Optional[float] = None  # when this pid was first seen
    at: Optional[float] = None
    mono: Optional[float] = None
    drain_since: Optional[float] = None
    # runnable at every look since, where its CPU time cannot be read
    busy_since: Optional[float] = None
    # CPU seconds and bytes of this pid, at the last look and at the first that was not answered
    cpu_s: Optional[float] = None
    moved: Optional[float] = None
    stall_cpu_s: Optional[float] = None
    stall_moved: Optional[float] = None
    stall_at: Optional[float] = None
    progress: Optional[float] = None  # when this pid last wrote a log line, read or wrote files
    updating_since: Optional[float] = None
    absent_since: Optional[float] = None  # no process seen since
    jumps: int = 0  # looks in a row at which the clock had jumped
    starts: int = 0  # the service manager's own count of automatic restarts
    # exit code of the process that has just gone, where the manager was made to forget it
    ended: Optional[int] = None


@dataclass(frozen=True)
class Limits:
    failures_before_action: int = 3
    start_budget: float = 300.0


def jump(memory: Memory, seen: Observation) -> float:
    """Seconds by which the wall clock moved more than time passed; 0.0 for anything below JUMP."""
    if memory.at is None or memory.mono is None:
        return 0.0
    moved = (seen.at - memory.at) - (seen.mono - memory.mono)
    return moved if abs(moved) > JUMP else 0.0


def ours(seen: Observation) -> bool:
    """Whether the process that answers is the one that holds our state directory. Unknown counts as
    ours: it never acts.
    """
    if seen.owner and seen.holder_pid:
        return seen.owner.pid == seen.holder_pid
    if seen.owner and not seen.holder_pid and seen.process:
        return seen.owner.pid == seen.process.pid
    if seen.owner and not seen.process:
        return False
    return True


def serves(seen: Observation) -> bool:
    """Whether a start has come to its end: ready, or red for another reason than its start (a
    channel that is down for days).
    """
    if seen.answer in ("ready", "live"):
        return True
    begins = seen.startup in ("starting", "draining") or "startup-sidecars" in seen.failing
    return seen.answer == "not-ready" and not begins


def remember(seen: Observation, memory: Memory) -> Memory:
    """Given one look and the memory of earlier ones, return the memory after it."""
    pid = seen.process.pid if seen.process else None
    same = pid is not None and memory.pid == pid
    mine = ours(seen)
    answered = seen.answer in ("ready", "not-ready", "live") and mine
    served = mine and serves(seen)
    closed = bool(pid) and seen.answer == "refused"
    draining = seen.startup == "draining"
    stalls = bool(pid) and (not answered or draining)
    kept = stalls and same and memory.stall_at is not None
    drain_since = memory.drain_since if same and closed else None
    return Memory(
        failures=0 if answered else memory.failures + 1,
        first_failure=None if answered else _since(memory.first_failure, seen),
        closed_since=_since(memory.closed_since if same else None, seen) if closed else None,
        ready_pid=pid if served else memory.ready_pid,
        last_ready=seen.mono if served else memory.last_ready,
        pid=pid,
        pid_seen=_since(memory.pid_seen if memory.pid == pid else None, seen),
        at=seen.at,
        mono=seen.mono,
        drain_since=_since(memory.drain_since, seen) if draining else drain_since,
        busy_since=_since(memory.busy_since if same else None, seen)
        if seen.process is not None and seen.process.status == "R"
        else None,
        cpu_s=seen.cpu_s,
        moved=seen.moved,
        stall_cpu_s=memory.stall_cpu_s if kept else seen.cpu_s,
        stall_moved=memory.stall_moved if kept else seen.moved,
        stall_at=memory.stall_at if kept else seen.mono if stalls else None,
        progress=_progress(seen, memory, same),
        updating_since=_since(memory.updating_since, seen)
        if seen.updating or seen.doctor_running
        else None,
        absent_since=_since(memory.absent_since, seen) if pid is None else None,
        jumps=memory.jumps + 1 if jump(memory, seen) else 0,
        starts=getattr(seen.service, "restarts", memory.starts) if seen.service else memory.starts,
    )


def _since(before: Optional[float], seen: Observation) -> float:
    return seen.mono if before is None else before


def _progress(seen: Observation, memory: Memory, same: bool) -> Optional[float]:
    """When this process last showed that it gets on; None where it never did."""
    last = memory.progress if same else None
    if seen.silent_s is not None and seen.process and seen.process.started:
        if seen.at - seen.process.started - seen.silent_s > 0.5:  # else it wrote nothing yet
            last = max(seen.mono - seen.silent_s, last if last is not None else 0.0)
    if same and _rate(seen.moved, memory.moved, seen.mono, memory.mono) >= WORKING:
        last = seen.mono
    return last


def _rate(
    now: Optional[float], before: Optional[float], at: float, since: Optional[float]
) -> float:
    """How much a second; 0.0 where one of the values is not known. A count that fell belongs to a
    child that ended: that is work as well.
    """
    if now is None or before is None or since is None or at <= since:
        return 0.0
    return abs(now - before) / (at - since)


def age(seen: Observation, memory: Memory) -> float:
    """Seconds this process has been seen alive; by its own start time where that is older (we may
    be new here).
    """
    by_sight = seen.mono - (memory.pid_seen if memory.pid_seen is not None else seen.mono)
    by_birth = seen.at - seen.process.started if seen.process and seen.process.started else 0.0
    return max(by_sight, by_birth) if 0 <= by_birth < 10 * 86400 else by_sight


def may_start(seen: Observation, memory: Memory, limits: Limits, waited: float) -> bool:
    """A start has its budget whatever it does, and more of it while it gets on: a log line, or
    files read and written, a moment ago.
    """
    budget = limits.start_budget
    return waited < budget or (waited < START_BUDGETS * budget and gets_on(seen, memory))


def gets_on(seen: Observation, memory: Memory) -> bool:
    """Whether it showed a moment ago that it gets on. CPU time alone is no progress: an endless
    loop has that, too.
    """
    return memory.progress is not None and seen.mono - memory.progress <= STILL


def patience(seen: Observation, memory: Memory) -> float:
    """Seconds that a gateway which was ready may be deaf, by what it does meanwhile; 0.0 for one
    that does nothing.
    """
    if seen.process is None or seen.process.status == "T":
        return 0.0
    if _rate(seen.moved, memory.stall_moved, seen.mono, memory.stall_at) >= WORKING:
        return WORKING_PATIENCE
    if seen.process.status == "D":  # waits for a disk: no signal would reach it either
        return WORKING_PATIENCE
    if seen.cpu_s is None or memory.stall_cpu_s is None:
        return BUSY_PATIENCE if memory.busy_since is not None else 0.0
    used = _rate(seen.cpu_s, memory.stall_cpu_s, seen.mono, memory.stall_at)
    return BUSY_PATIENCE if used >= BUSY else 0.0


def rests(seen: Observation, memory: Memory) -> bool:
    """Whether it neither computes nor reads nor writes: what its log says ends no other one."""
    return patience(seen, memory) == 0.0


def unclean(seen: Observation, memory: Memory) -> bool:
    """Whether a process ended by itself since the last look. An exit code of 0 that was announced,
    or no automatic restart, is planned.
    """
    pid = seen.process.pid if seen.process else None
    code = getattr(seen.service, "exit_code", None)
    again = memory.mono is not None and getattr(seen.service, "restarts", 0) > memory.starts
    if memory.pid is None:
        # Lives too short to be seen: the service manager's own count gives them away.
        # "resources": systemd itself could not start it (an EnvironmentFile that is gone), so there
        # is no exit code.
        return again and (
            code not in (None, 0)
            or bool(seen.sudden)
            or getattr(seen.service, "result", "") == "resources"
        )
    if pid == memory.pid:
        return False
    if memory.ended is not None:
        code = memory.ended
    if code is None and getattr(seen.service, "blind", False):
        # Nobody tells how it ended: what never answered has failed, unless it said that it leaves.
        unserved = memory.ready_pid != memory.pid
        return bool(seen.sudden) if seen.sudden is not None else unserved or again
    if code is not None:
        return bool(code != 0 or seen.sudden)
    return seen.service is None or again
