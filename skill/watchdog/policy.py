"""Level 2's rule: step(state, verdict, now, rules) -> (state, decisions). Pure; time is an
argument, nothing is read or done here.

What may restart: HUNG, ZOMBIE, DOWN. What calls level 3: MISCONFIGURED, IMPOSTOR, a restart that
did not help, a crash loop. Every other state has its own answer, and that is often to wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Tuple

from ..model import BROKEN, SERVING, State, Verdict
from ..store.watch_state import WatchState
from .policy_outage import (
    Decision,
    Rules,
    broken,
    count_crash,
    forget,
    looping,
    open_incident,
)

__all__ = ["Decision", "Rules", "looping", "step"]

RESUME_ANSWER = 300.0  # s: channels that are still silent by then need a person
STREAK = 3  # healthy looks in a row that close an incident
LOOP_STREAK = 30.0  # s a crash-looping gateway must stay ready before its incident is closed
DEGRADED_AFTER = 300.0
ANNOUNCE_AFTER = 45.0  # s: an outage that level 1 and 2 have not ended by then is told
# s that a state in which nothing is done may last before it is an outage that somebody is told of.
# Beyond what is known of the slowest: a start of 259 s, a drain of 325 s.
DEADLINES = {
    State.SUSPENDED: 180.0,
    State.UNKNOWN: 240.0,
    State.STARTING: 360.0,
    State.DRAINING: 420.0,
    State.UPDATING: 900.0,
}


def step(
    state: WatchState,
    verdict: Verdict,
    now: float,
    rules: Rules,
    fingerprint: str = "",
    name: str = "",
) -> Tuple[WatchState, Tuple[Decision, ...]]:
    """Given what was remembered and what is seen, return what to remember and what to do.

    fingerprint: of everything whose change is worth a new attempt (config, .env, service files).
    name: id for a new incident.
    """
    state = forget(state, now, rules)
    decisions: List[Decision] = []
    if state.fingerprint and fingerprint and fingerprint != state.fingerprint and state.incident:
        # A person (or a repair) changed something: the old conclusions no longer hold.
        fresh = replace(
            state.incident,
            hopeless="",
            restarts=0,
            next_restart=now,
            treated=(),
            retry=True,
            stillborn=False,
            changed=now,
        )
        state = replace(state, incident=fresh)
        decisions.append(Decision("none", "changed"))
    state = replace(state, fingerprint=fingerprint or state.fingerprint)
    state, crashed = count_crash(state, verdict, now, name)
    state = (
        replace(state, ready_pid=verdict.pid)
        if verdict.state in SERVING and verdict.pid != state.ready_pid
        else state
    )
    decisions += crashed
    handler = _ANSWERS.get(verdict.state)
    if verdict.state in BROKEN:
        state, more = broken(state, verdict, now, rules, name)
    elif handler:
        state, more = handler(state, verdict, now, rules, name)
    else:
        state, more = replace(state, streak=0), []
    state, overdue = _overdue(state, verdict, now, name)
    state, late = _tell_in_time(state, verdict, now, rules)
    return state, tuple(decisions) + tuple(more) + tuple(overdue) + tuple(late)


def look_on(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, Tuple[Decision, ...]]:
    """While somebody repairs nothing is done here, and a person still learns of an outage that
    lasts: a repair may hang, too.
    """
    decisions: List[Decision] = []
    if verdict.state in BROKEN and now - state.last_good >= ANNOUNCE_AFTER:
        state, decisions = open_incident(state, verdict, now, name)
    state, overdue = _overdue(state, verdict, now, name)
    state, late = _tell_in_time(state, verdict, now, rules)
    return state, tuple(decisions) + tuple(overdue) + tuple(late)


def _overdue(
    state: WatchState, verdict: Verdict, now: float, name: str
) -> Tuple[WatchState, List[Decision]]:
    """No quiet state lasts without end: past its deadline a person is told."""
    if verdict.state not in DEADLINES:
        return replace(state, quiet_since=0.0), []
    state = replace(state, quiet_since=state.quiet_since or now)
    if now - state.quiet_since < DEADLINES[verdict.state]:
        return state, []
    return open_incident(state, verdict, now, name)


def _tell_in_time(
    state: WatchState, verdict: Verdict, now: float, rules: Rules
) -> Tuple[WatchState, List[Decision]]:
    """A person learns of an outage that lasts, whatever else is being tried."""
    incident = state.incident
    # Safe mode has a message of its own, and its channels come back after a quiet time: no outage
    # that lasts.
    if (
        not incident
        or incident.escalated
        or verdict.state in (State.HEALTHY, State.SUSPENDED, State.STOPPED, State.SAFE_MODE)
    ):
        return state, []
    age = now - incident.opened
    if age >= rules.escalation_time:
        return replace(state, incident=replace(incident, escalated=True)), [
            Decision("escalate", "lasting", {"seconds": age})
        ]
    if age >= ANNOUNCE_AFTER and not incident.announced:
        return replace(state, incident=replace(incident, announced=True)), [
            Decision("announce", "lasting", {"seconds": age})
        ]
    return state, []


def _healthy(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, List[Decision]]:
    opened = [Decision("note", "safe_mode_over")] if "safe_mode" in state.noted else []
    state = replace(state, streak=state.streak + 1, noted=(), degraded_since=0.0)
    loop = looping(state, now, rules)
    if not state.incident:
        if not loop:
            return replace(state, last_good=now), opened
        # Up at every look, and yet it dies again and again: level 1 hides an outage.
        state, more = open_incident(state, verdict, now, name)
        opened += more
    incident = state.incident
    assert incident is not None
    incident = replace(
        incident, ready_since=incident.ready_since or now, loop=incident.loop or loop
    )
    state = replace(state, incident=incident)
    if loop and "loop" not in incident.treated:
        state = replace(
            state, incident=replace(incident, treated=incident.treated + ("loop",), pending="loop")
        )
        return state, opened + [Decision("heal", "crash-loop", {"crashes": len(state.crashes)})]
    if state.streak < STREAK or (incident.loop and now - incident.ready_since < LOOP_STREAK):
        return state, opened
    # The crashes of a loop that level 3 has seen are spent: only new ones call it again.
    crashes = () if incident.loop else state.crashes
    return replace(state, incident=None, last_good=now, crashes=crashes), opened + [
        Decision("recovered", "ready", {"times": state.streak})
    ]


def _starting(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, List[Decision]]:
    """Left alone, unless it never gets further than that: a start that dies again and again is a
    crash loop.
    """
    state, incident = replace(state, streak=0), state.incident
    if (
        incident
        and "loop" not in incident.treated
        and (incident.stillborn or looping(state, now, rules))
    ):
        code = "died-starting" if incident.stillborn else "crash-loop"
        incident = replace(
            incident, loop=True, treated=incident.treated + ("loop",), pending="loop"
        )
        return replace(state, incident=incident), [
            Decision("heal", code, {"crashes": len(state.crashes)})
        ]
    return state, []


def _safe_mode(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, List[Decision]]:
    state = replace(state, streak=0)
    decisions: List[Decision] = []
    if "safe_mode" not in state.noted:
        state = replace(state, noted=state.noted + ("safe_mode",), degraded_since=now)
        decisions.append(Decision("note", "safe_mode"))
    last = max(state.crashes + (state.degraded_since,))
    if now - last >= rules.channels_quiet and "resumed" not in state.noted:
        state = replace(state, noted=state.noted + ("resumed",), degraded_since=now)
        decisions.append(Decision("resume-channels", "quiet", {"seconds": now - last}))
    elif (
        "resumed" in state.noted
        and "resume_failed" not in state.noted
        and now - state.degraded_since >= RESUME_ANSWER
    ):
        state = replace(state, noted=state.noted + ("resume_failed",))
        decisions.append(Decision("note", "resume_failed"))
    return state, decisions


def _degraded(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, List[Decision]]:
    since = state.degraded_since or now
    state = replace(state, streak=0, degraded_since=since)
    if now - since >= DEGRADED_AFTER and "degraded" not in state.noted:
        return replace(state, noted=state.noted + ("degraded",)), [Decision("note", "degraded")]
    incident = state.incident
    if incident and now - since >= LOOP_STREAK:
        # Alive and answering; what is red now is a channel, and no restart fixes that.
        return replace(state, incident=None), [
            Decision("recovered", "not-ready", {"failing": verdict.failing})
        ]
    return state, []


def _stopped(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str = ""
) -> Tuple[WatchState, List[Decision]]:
    """The owner's wish, also in the middle of an outage. What we stopped ourselves never comes as
    this state: the ledger knows (platforms.base.whose).
    """
    state = replace(state, streak=0, incident=None, expected_new_pid=False)
    if "stopped" in state.noted:
        return state, []
    return replace(state, noted=state.noted + ("stopped",)), [Decision("note", "stopped")]


_ANSWERS = {
    State.HEALTHY: _healthy,
    State.STARTING: _starting,
    State.SAFE_MODE: _safe_mode,
    State.DEGRADED: _degraded,
    State.STOPPED: _stopped,
}
