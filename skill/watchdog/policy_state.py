"""What level 2's rule goes by and remembers: the settings, the incident, the watch's memory, a
decision. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple


@dataclass(frozen=True)
class Rules:
    restart_delays: Tuple[float, ...] = (10, 30, 90, 180, 600)
    max_restarts: int = 5
    crash_window: float = 21600.0
    crash_limit: int = 3
    escalation_time: float = 300.0
    channels_quiet: float = (
        330.0  # s without a crash before channels that the breaker silenced are started again
    )


@dataclass(frozen=True)
class Incident:
    """One outage. Times are epoch seconds. treated: fingerprints of the causes level 3 has already
    worked on.
    """

    id: str
    opened: float
    state: str
    reason: str = ""
    restarts: int = 0
    next_restart: float = 0.0
    treated: Tuple[str, ...] = ()
    escalated: bool = False
    # the state in which level 3 said that only a person can mend it: no restarts while it stays
    # that one
    hopeless: str = ""
    healed_by: str = ""
    ready_since: float = 0.0
    loop: bool = False
    announced: bool = False
    pending: str = ""  # level 3 was called for this and has not answered yet
    unanswered: int = 0
    # a start of this incident died before it was ever ready: level 3 need not wait for a third
    stillborn: bool = False
    # somebody changed what a start depends on: one start is worth trying even after exit 78
    retry: bool = False
    retries: int = 0  # such starts so far; they end nothing that runs, so they are no restarts
    retried: float = 0.0
    changed: float = 0.0  # when it was changed last
    cause: str = ""
    cause_zh: str = ""
    reason_zh: str = ""
    tried: Tuple[str, ...] = ()  # what level 3 did in vain, "repair: outcome" each


@dataclass(frozen=True)
class WatchState:
    """All that survives a kill -9 of the watchdog. Times are epoch seconds."""

    incident: Optional[Incident] = None
    crashes: Tuple[float, ...] = ()
    restarts: Tuple[float, ...] = ()
    hard_kills: Tuple[float, ...] = ()
    streak: int = 0
    pid: Optional[int] = None
    expected_new_pid: bool = False  # we restarted it ourselves: the next new pid is no crash
    last_good: float = 0.0
    noted: Tuple[str, ...] = ()  # states that were told once and have not ended
    degraded_since: float = 0.0
    fingerprint: str = ""
    good: str = ""  # fingerprint of the configuration that was last kept as good
    ready_pid: Optional[int] = None  # the last process that was seen to serve


@dataclass(frozen=True)
class Decision:
    """kind: none | restart | heal | escalate | recovered | opened | note | resume-channels. reason:
    English, for the log.
    """

    kind: str
    reason: str = ""
    hard: bool = False


def shift(state: WatchState, delta: float) -> WatchState:
    """Move every remembered time by `delta`: a clock that was set, or a host that slept, must not
    look like time that passed.
    """

    def moved(times: Tuple[float, ...]) -> Tuple[float, ...]:
        return tuple(t + delta for t in times)

    incident = state.incident
    if incident:
        incident = replace(
            incident,
            opened=incident.opened + delta,
            next_restart=incident.next_restart + delta if incident.next_restart else 0.0,
            ready_since=incident.ready_since + delta if incident.ready_since else 0.0,
            retried=incident.retried + delta if incident.retried else 0.0,
            changed=incident.changed + delta if incident.changed else 0.0,
        )
    return replace(
        state,
        incident=incident,
        crashes=moved(state.crashes),
        restarts=moved(state.restarts),
        hard_kills=moved(state.hard_kills),
        last_good=state.last_good + delta if state.last_good else 0.0,
        degraded_since=state.degraded_since + delta if state.degraded_since else 0.0,
    )
