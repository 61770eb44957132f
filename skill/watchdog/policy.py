"""Level 2's rule: step(state, verdict, now, rules) -> (state, decisions). Pure; time is an
argument, nothing is read or done here.

What may restart: HUNG, ZOMBIE, DOWN. What calls level 3: MISCONFIGURED, IMPOSTOR, a restart that
did not help, a crash loop. Every other state has its own answer, and that is often to wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Tuple

from ..model import BROKEN, RESTARTABLE, SERVING, State, Verdict
from ..store.watch_state import Incident, WatchState
from .policy_state import Decision, Rules

__all__ = ["Decision", "Rules", "looping", "step"]

BURST = 600.0  # s: window of a quick crash loop
HARD_WINDOW = 300.0  # OpenClaw's breaker trips at 3 unclean boots in 5 minutes (measured)
HARD_LIMIT = 2
HOUR = 3600.0  # no more than max_restarts restarts in any hour, over all incidents
# s between two starts that only a change made worth trying; after RETRIES_AT_ONCE it doubles
RETRY_GAP = 10.0
RETRIES_AT_ONCE = 5
RESUME_ANSWER = 300.0  # s: channels that are still silent by then need a person
STREAK = 3  # healthy looks in a row that close an incident
LOOP_STREAK = 30.0  # s a crash-looping gateway must stay ready before its incident is closed
DEGRADED_AFTER = 300.0
ANNOUNCE_AFTER = 45.0  # s: an outage that level 1 and 2 have not ended by then is told


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
    state = _forget(state, now, rules)
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
    state, crashed = _count_crash(state, verdict, now, name)
    state = (
        replace(state, ready_pid=verdict.pid)
        if verdict.state in SERVING and verdict.pid != state.ready_pid
        else state
    )
    decisions += crashed
    handler = _ANSWERS.get(verdict.state)
    if verdict.state in BROKEN:
        state, more = _bad(state, verdict, now, rules, name)
    elif handler:
        state, more = handler(state, verdict, now, rules, name)
    else:
        state, more = replace(state, streak=0), []
    state, late = _tell_in_time(state, verdict, now, rules)
    return state, tuple(decisions) + tuple(more) + tuple(late)


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


def _forget(state: WatchState, now: float, rules: Rules) -> WatchState:
    def keep(times: Tuple[float, ...], window: float) -> Tuple[float, ...]:
        return tuple(min(t, now) for t in times if now - t < window)

    return replace(
        state,
        crashes=keep(state.crashes, rules.crash_window),
        restarts=keep(state.restarts, rules.crash_window),
        hard_kills=keep(state.hard_kills, HARD_WINDOW),
    )


def _count_crash(
    state: WatchState, verdict: Verdict, now: float, name: str
) -> Tuple[WatchState, List[Decision]]:
    """A process that went away by itself is a crash, once, and opens an incident: level 1 may
    already be fixing it.
    """
    unseen = (
        state.pid is None and verdict.pid is None and verdict.unclean
    )  # it lived and died between two looks
    if not unseen and (state.pid is None or verdict.pid == state.pid):
        return replace(
            state,
            pid=verdict.pid or state.pid,
            expected_new_pid=state.expected_new_pid and not verdict.pid,
        ), []
    stillborn = state.pid is None or state.pid != state.ready_pid
    ours, state = (
        state.expected_new_pid,
        replace(
            state, pid=verdict.pid, expected_new_pid=state.expected_new_pid and not verdict.pid
        ),
    )
    if (
        ours
        and not unseen
        or verdict.state in (State.STOPPED, State.UPDATING, State.SUSPENDED)
        or not verdict.unclean
    ):
        return state, []
    ended = {"exit_code": verdict.exit_code}
    if verdict.state == State.MISCONFIGURED:  # it refused to start: no crash
        return state, [Decision("none", "process-ended", ended)]
    state = replace(state, crashes=state.crashes + (now,))
    if state.incident:
        state = replace(
            state, incident=replace(state.incident, stillborn=state.incident.stillborn or stillborn)
        )
        return state, [Decision("none", "process-ended", ended)]
    incident = Incident(
        name or "incident-{:.0f}".format(now),
        now,
        State.DOWN.value,
        began="process-ended",
        exit_code=verdict.exit_code,
    )
    return replace(state, incident=incident), [Decision("opened", "process-ended", ended)]


def looping(state: WatchState, now: float, rules: Rules) -> bool:
    """A crash loop: crash_limit crashes within ten minutes, or twice as many within the crash
    window.

    None of them counts while what was changed during the incident has not had its first start.
    """
    if (
        state.incident
        and state.incident.changed
        and not any(t > state.incident.changed for t in state.crashes)
    ):
        return False
    return (
        sum(now - t < BURST for t in state.crashes) >= rules.crash_limit
        or len(state.crashes) >= 2 * rules.crash_limit
    )


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
        state, more = _open(state, verdict, now, name)
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


def _open(
    state: WatchState, verdict: Verdict, now: float, name: str
) -> Tuple[WatchState, List[Decision]]:
    if state.incident:
        return state, []
    incident = Incident(
        name or "incident-{:.0f}".format(now), now, verdict.state.value, verdict.reason
    )
    return replace(state, incident=incident), [
        Decision("opened", "verdict", {"reason": verdict.reason})
    ]


def _bad(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str
) -> Tuple[WatchState, List[Decision]]:
    state = replace(state, streak=0, degraded_since=0.0)
    state, decisions = _open(state, verdict, now, name)
    incident = state.incident
    assert incident is not None
    incident = replace(
        incident,
        ready_since=0.0,
        hopeless=incident.hopeless if incident.hopeless == verdict.state.value else "",
    )
    loop = looping(state, now, rules) or incident.stillborn
    if (
        incident.retry
        and verdict.state in (State.MISCONFIGURED, State.DOWN)
        and now >= incident.retried + _retry_gap(incident)
    ):
        incident = replace(incident, retry=False, retries=incident.retries + 1, retried=now)
        facts = {"reason": verdict.reason, "retries": incident.retries}
        return replace(state, incident=incident, expected_new_pid=True), decisions + [
            Decision("restart", "changed", facts)
        ]
    key = verdict.state.value if verdict.state not in RESTARTABLE else ("loop" if loop else "stuck")
    # Hung again within ten minutes of a restart: another one would only buy time until the next
    # hang.
    again = verdict.state in (State.HUNG, State.ZOMBIE) and any(
        now - t < BURST for t in state.restarts
    )
    unborn = (
        verdict.state == State.HUNG
        and bool(verdict.pid)
        and verdict.pid != state.ready_pid
        and bool(state.ready_pid)
    )
    needs_doctor = (
        verdict.state in (State.MISCONFIGURED, State.IMPOSTOR)
        or loop
        or again
        or unborn
        or incident.restarts >= 1
    )
    if needs_doctor and key not in incident.treated:
        incident = replace(
            incident,
            treated=incident.treated + (key,),
            pending=key,
            loop=incident.loop or loop,
            retry=False,
        )
        return replace(state, incident=incident), decisions + [
            Decision("heal", "verdict", {"key": key, "reason": verdict.reason})
        ]
    if incident.hopeless or verdict.state not in RESTARTABLE:
        return replace(state, incident=incident), decisions
    if incident.restarts >= rules.max_restarts:
        if not incident.escalated:
            incident = replace(incident, escalated=True)
            decisions.append(
                Decision("escalate", "restarts-used-up", {"restarts": incident.restarts})
            )
        return replace(state, incident=incident), decisions
    if not _may_restart(state, incident, now, rules):
        return replace(state, incident=incident), decisions
    return _restart(state, incident, verdict, now, rules, decisions)


def _retry_gap(incident: Incident) -> float:
    """A person who edits is answered at once; a program that rewrites the file at every start does
    not keep us busy.
    """
    return RETRY_GAP * 2.0 ** min(max(0, incident.retries - RETRIES_AT_ONCE), 6)


def _may_restart(state: WatchState, incident: Incident, now: float, rules: Rules) -> bool:
    """Backoff over all incidents, and the hourly allowance."""
    recent = [t for t in state.restarts if now - t < HOUR]
    wait = rules.restart_delays[min(len(recent), len(rules.restart_delays)) - 1] if recent else 0.0
    return (
        now >= incident.next_restart
        and not (recent and now - recent[-1] < wait)
        and len(recent) < rules.max_restarts
    )


def _restart(
    state: WatchState,
    incident: Incident,
    verdict: Verdict,
    now: float,
    rules: Rules,
    decisions: List[Decision],
) -> Tuple[WatchState, List[Decision]]:
    hard = verdict.state in (State.HUNG, State.ZOMBIE)
    if hard and len(state.hard_kills) >= HARD_LIMIT:
        return replace(state, incident=incident), decisions + [Decision("none", "hard-limit")]
    recent = sum(now - t < HOUR for t in state.restarts)
    delay = rules.restart_delays[min(recent, len(rules.restart_delays) - 1)]
    incident = replace(incident, restarts=incident.restarts + 1, next_restart=now + delay)
    hard_kills = state.hard_kills + ((now,) if hard else ())
    state = replace(
        state,
        incident=incident,
        restarts=state.restarts + (now,),
        expected_new_pid=True,
        hard_kills=hard_kills,
    )
    facts = {
        "reason": verdict.reason,
        "number": incident.restarts,
        "most": rules.max_restarts,
        "delay": delay,
    }
    return state, decisions + [Decision("restart", "verdict", facts, hard)]


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
    if state.incident and state.expected_new_pid:
        # We ended it ourselves and were killed before we could start it: that is no person's wish.
        return _bad(state, replace(verdict, state=State.DOWN), now, rules, name)
    state = replace(state, streak=0, incident=None)
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
