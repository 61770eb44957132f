"""A look at the gateway: observed, and judged with what earlier looks remembered.

The one place where an observation becomes a verdict: watchdog, command line and doctor look through
it, so that they cannot contradict each other about the same gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional

from ..host import Host
from ..model import State, Verdict
from . import gateway
from . import judge as judging
from .gateway import Observation
from .home import Home
from .judge import Limits, Memory

if TYPE_CHECKING:
    from ..platforms.base import Platform
    from ..settings import Settings

PAUSE = 0.5  # s between two looks of one who wants to be sure
# s for which one who wants to be sure goes on looking at what nobody can tell yet: a service
# manager counts a process as running for a moment longer than it lives
UNTOLD = 6.0


@dataclass(frozen=True)
class Look:
    """moved: seconds by which the wall clock jumped since the look before."""

    seen: Observation
    verdict: Verdict
    memory: Memory
    moved: float = 0.0


def limits(settings: Settings) -> Limits:
    return Limits(int(settings["failures_before_action"]), float(settings["start_budget"]))


def once(
    host: Host,
    home: Home,
    settings: Settings,
    platform: Optional[Platform],
    memory: Memory,
    known: Optional[Observation] = None,
) -> Look:
    """Look once. memory, known: what the look before remembered and saw."""
    seen = gateway.observe(host, home, float(settings["probe_timeout"]), platform, known)
    moved = judging.jump(memory, seen)
    verdict, after = judging.judge(seen, memory, limits(settings))
    return Look(seen, verdict, after, moved)


def until_sure(
    host: Host, home: Home, settings: Settings, platform: Optional[Platform], memory: Memory
) -> Look:
    """Look as often as it takes to be sure; the last look counts."""
    bounds, began = limits(settings), host.monotonic()
    look = once(host, home, settings, platform, memory)
    while not sure(look.verdict, look.memory, bounds, host.monotonic() - began):
        host.sleep(PAUSE)
        look = once(host, home, settings, platform, look.memory, look.seen)
    return look


def sure(verdict: Verdict, memory: Memory, limits: Limits, seconds: float) -> bool:
    """Return whether another look would add nothing. seconds: since the first of these looks."""
    confirmed = memory.failures == 0 or memory.failures >= limits.failures_before_action
    if verdict.state is State.STARTING:
        return confirmed
    if verdict.state is State.UNKNOWN:
        return confirmed and seconds >= UNTOLD
    return True


def lasting(memory: Memory, limits: Limits) -> Memory:
    """Return what of a memory is worth keeping on disk for others who look: since when things are
    as they are, not what differs at every look.
    """
    kept = replace(
        memory,
        failures=min(memory.failures, limits.failures_before_action),
        at=None,
        mono=None,
        last_ready=None,
        cpu_s=None,
        moved=None,
        progress=None,
        jumps=0,
        ended=None,
    )
    stalls = memory.stall_at is not None
    return kept if stalls else replace(kept, stall_cpu_s=None, stall_moved=None)
