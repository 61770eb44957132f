"""What level 2's rule goes by (Rules), what it decides (Decision), and its acting half: which ends
of the process open an outage, and what is done about one. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import List, Mapping, Tuple

from ..model import RESTARTABLE, State, Verdict
from ..openclaw.ledger import HARD_LIMIT, HARD_WINDOW
from ..store.watch_state import Incident, WatchState

BURST = 600.0  # s: window of a quick crash loop
# Orderly ends within BURST that nobody here asked for: something else ends it again and again, and
# level 1 hides the outage.
ENDS_LIMIT = 5
HOUR = 3600.0  # no more than max_restarts restarts in any hour, over all incidents
# s between two starts that only a change made worth trying; after RETRIES_AT_ONCE it doubles
RETRY_GAP = 10.0
RETRIES_AT_ONCE = 5


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
    # False where only an engine outside can start it (a container): a start of ours is nothing, and
    # one of the engine's that fails is for level 3
    starts: bool = True


@dataclass(frozen=True)
class Decision:
    """What to do, and why as a value; decision_texts.py says it in words.

    kind: none | restart | heal | announce | escalate | recovered | opened | note | resume-channels.
    code: the reason, one of decision_texts.SAID (of a note: one of note_texts).
    facts: what the words are filled with: numbers, names, or a Text that somebody else said.
    """

    kind: str
    code: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    hard: bool = False


def forget(state: WatchState, now: float, rules: Rules) -> WatchState:
    def keep(times: Tuple[float, ...], window: float) -> Tuple[float, ...]:
        return tuple(min(t, now) for t in times if now - t < window)

    return replace(
        state,
        crashes=keep(state.crashes, rules.crash_window),
        ends=keep(state.ends, BURST),
        restarts=keep(state.restarts, rules.crash_window),
        hard_kills=keep(state.hard_kills, HARD_WINDOW),
    )


def count_crash(
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
    if ours and not unseen or verdict.state in (State.STOPPED, State.UPDATING, State.SUSPENDED):
        return state, []
    if not verdict.unclean:
        return _count_end(state, now)
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
        last_good=state.last_good,
    )
    return replace(state, incident=incident), [Decision("opened", "process-ended", ended)]


def _count_end(state: WatchState, now: float) -> Tuple[WatchState, List[Decision]]:
    """An orderly end is somebody's wish; five within ten minutes are an outage that is told."""
    ends = state.ends + (now,)
    if len(ends) < ENDS_LIMIT:
        return replace(state, ends=ends), []
    facts = {"times": len(ends), "minutes": max(1, round((ends[-1] - ends[0]) / 60))}
    return replace(state, ends=()), [Decision("note", "ended-again", facts)]


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


def open_incident(
    state: WatchState, verdict: Verdict, now: float, name: str
) -> Tuple[WatchState, List[Decision]]:
    if state.incident:
        return state, []
    incident = Incident(
        name or "incident-{:.0f}".format(now),
        now,
        verdict.state.value,
        verdict.reason,
        last_good=state.last_good,
    )
    return replace(state, incident=incident), [
        Decision("opened", "verdict", {"reason": verdict.reason})
    ]


def broken(
    state: WatchState, verdict: Verdict, now: float, rules: Rules, name: str
) -> Tuple[WatchState, List[Decision]]:
    state = replace(state, streak=0, degraded_since=0.0)
    state, decisions = open_incident(state, verdict, now, name)
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
        or (verdict.state is State.DOWN and not rules.starts)
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
    if verdict.state is State.DOWN and not rules.starts:
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
