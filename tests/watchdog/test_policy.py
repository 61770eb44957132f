"""Level 2's rule: what it may never do, whatever it is shown; and what it does for the states it
knows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skill.model import RESTARTABLE, State, Text, Verdict
from skill.openclaw.ledger import HARD_LIMIT, HARD_WINDOW
from skill.store.watch_state import Incident, WatchState, shift
from skill.watchdog.policy import DEADLINES, Decision, Rules, looping, step
from skill.watchdog.policy_outage import HOUR, _retry_gap

RULES, NOTHING = Rules(), WatchState()


def verdict(state: State, pid=None, code=None, unclean=False) -> Verdict:
    return Verdict(state, Text(state.value, state.value), pid, code, unclean=unclean)


def play(
    rows, rules=RULES, start=1_000_000.0, state=NOTHING
) -> Tuple[WatchState, List[Tuple[float, Decision]]]:
    """Given (seconds later, verdict) rows, return the last state and every decision with its
    time.
    """
    now, made = start, []
    for later, seen in rows:
        now += later
        state, decisions = step(state, seen, now, rules, "same", "incident")
        made += [(now, decision) for decision in decisions]
    return state, made


def kinds(made, *wanted):
    return [d.kind for _, d in made if not wanted or d.kind in wanted]


HEALTHY = verdict(State.HEALTHY, 10)
DOWN = verdict(State.DOWN)


def test_healthy_gateway_is_left_alone():
    state, made = play([(10, HEALTHY)] * 50)
    assert made == [] and state.incident is None


def test_down_is_restarted_and_closed_after_three_ready_looks():
    rows = [
        (10, HEALTHY),
        (10, DOWN),
        (1, verdict(State.STARTING, 11)),
        (1, verdict(State.HEALTHY, 11)),
        (1, verdict(State.HEALTHY, 11)),
    ]
    state, made = play(rows)
    assert kinds(made, "opened", "restart", "recovered") == ["opened", "restart"]
    state, made = play([(1, verdict(State.HEALTHY, 11))], state=state, start=1_000_023.0)
    assert kinds(made) == ["recovered"] and state.incident is None


def test_second_failure_calls_the_doctor_before_another_restart():
    _, made = play([(10, DOWN)] + [(1, DOWN)] * 5)
    assert kinds(made, "restart", "heal") == ["restart", "heal"]


def test_where_only_an_engine_starts_it_a_start_that_failed_is_for_the_doctor_at_once():
    """A container: our own start is nothing, so it is neither made nor counted nor waited for."""
    rules = Rules(starts=False)
    _, made = play([(10, HEALTHY)] + [(5, DOWN)] * 30, rules=rules)
    assert kinds(made, "restart", "heal") == ["heal"]
    hung = [(5, verdict(State.HUNG, 10))] * 3
    assert kinds(play([(10, HEALTHY), *hung], rules=rules)[1], "restart", "heal")[0] == "restart"


def test_a_start_that_dies_before_it_serves_calls_the_doctor_without_a_third():
    def dead(code):
        return verdict(State.STARTING, None, code, unclean=True)

    rows = [(10, HEALTHY), (1, dead(-9)), (1, verdict(State.STARTING, 11)), (9, dead(1))]
    _, made = play(rows)
    assert kinds(made, "opened", "heal") == ["opened", "heal"]
    # one that served before it died is an ordinary crash: three of them make a loop
    rows[2] = (1, verdict(State.HEALTHY, 11))
    _, made = play(rows)
    assert kinds(made, "opened", "heal") == ["opened"]


def test_backoff_is_the_documented_one():
    _, made = play([(1, DOWN)] * 3000)
    times = [at for at, d in made if d.kind == "restart"]
    gaps = [round(b - a) for a, b in zip(times, times[1:])]
    assert gaps == [10, 30, 90, 180]


def test_escalates_once_per_outage():
    _, made = play([(1, DOWN)] * 5000)
    assert kinds(made, "escalate") == ["escalate"]


def test_misconfigured_is_never_restarted_but_diagnosed_once():
    _, made = play([(1, verdict(State.MISCONFIGURED, code=78))] * 200)
    assert kinds(made, "restart") == [] and kinds(made, "heal") == ["heal"]


def test_a_changed_config_is_worth_one_start_and_then_the_doctor_again():
    refused = verdict(State.MISCONFIGURED, code=78)
    state, _ = play([(1, refused)] * 5)
    state, decisions = step(state, refused, 1_000_010.0, RULES, "edited", "x")
    assert [d.kind for d in decisions if d.kind != "none"] == ["restart"]
    _, made = play([(1, refused)] * 30, state=replace(state, fingerprint="same"), start=1_000_011.0)
    assert kinds(made) == ["heal"]


def edits(count, gap, seen, state):
    """`count` changes of what a start depends on, `gap` s apart, each looked at every second.
    Return the state, the starts' times.
    """
    now, starts = 2_000_000.0, []
    for number in range(count):
        for _ in range(gap):
            now += 1
            state, decisions = step(state, seen, now, RULES, "edit {}".format(number), "x")
            starts += [now for d in decisions if d.kind == "restart"]
    return state, starts


def test_a_persons_edits_are_each_worth_a_start_whatever_was_restarted_before():
    """Starts after exit 78 end nothing that runs: backoff and the hourly allowance are for those
    that do.
    """
    refused = verdict(State.MISCONFIGURED, code=78)
    used_up = tuple(1_999_000.0 + 10 * n for n in range(RULES.max_restarts))
    state, _ = step(replace(NOTHING, restarts=used_up), refused, 1_999_999.0, RULES, "broken", "x")
    state, starts = edits(4, 30, refused, state)
    assert len(starts) == 4 and state.restarts == used_up


def test_a_file_that_something_rewrites_all_the_time_does_not_keep_us_starting():
    state, _ = step(
        NOTHING, verdict(State.MISCONFIGURED, code=78), 1_999_999.0, RULES, "broken", "x"
    )
    _, starts = edits(3600, 1, verdict(State.MISCONFIGURED, code=78), state)
    gaps = [later - earlier for earlier, later in zip(starts, starts[1:])]
    assert len(starts) <= 16 and min(gaps) >= 10 and max(gaps) >= 320


def test_the_start_after_an_edit_is_not_disturbed_by_crashes_before_it():
    """Level 3 at work beside it would take the machine away from the very start that repairs the
    outage.
    """
    dies = [
        (1, verdict(State.STARTING, code=1, unclean=True)),
        (1, verdict(State.STARTING, 20)),
        (4, verdict(State.STARTING, code=1)),
    ]
    state, made = play([(10, HEALTHY)] + dies * 5)
    assert "heal" in kinds(made)
    now, calls = 1_000_060.0, []
    for _ in range(20):
        now += 1
        state, decisions = step(state, verdict(State.STARTING, 99), now, RULES, "repaired", "x")
        calls += [d.kind for d in decisions if d.kind in ("heal", "restart")]
    assert calls == []
    state, decisions = step(
        state, verdict(State.STARTING, code=1, unclean=True), now + 1, RULES, "repaired", "x"
    )
    assert [d.kind for d in decisions if d.kind != "none"] == ["heal"]


def test_dying_every_five_minutes_trips_the_loop():
    rows = []
    for number in range(12):
        rows += [(100, verdict(State.HEALTHY, 100 + number, unclean=number > 0))] + [
            (100, verdict(State.HEALTHY, 100 + number))
        ] * 2
    _, made = play(rows)
    assert "heal" in kinds(made)


def test_hung_again_soon_after_a_restart_calls_the_doctor_first():
    hung, well = [(1, verdict(State.HUNG, 10))], [(1, verdict(State.HEALTHY, 11))] * 3
    _, made = play([(1, HEALTHY)] + hung + well + [(60, verdict(State.HUNG, 11))])
    assert kinds(made, "restart", "heal", "recovered") == ["restart", "recovered", "heal"]


def test_a_crash_that_level_one_mends_is_an_incident_and_a_planned_restart_is_none():
    again = [(1, verdict(State.HEALTHY, 11))] * 3
    _, made = play([(10, HEALTHY), (1, verdict(State.STARTING, code=-9, unclean=True))] + again)
    assert kinds(made) == ["opened", "recovered"]
    _, made = play([(10, HEALTHY), (1, verdict(State.STARTING, code=0))] + again)
    assert kinds(made) == []


def test_lives_too_short_to_be_seen_are_a_crash_loop():
    dies = [
        (1, verdict(State.STARTING, code=9, unclean=True)),
        (1, verdict(State.STARTING, code=9)),
    ]
    _, made = play([(10, HEALTHY)] + dies * 4)
    assert kinds(made, "opened", "heal", "restart") == ["opened", "heal"]


def test_stopped_by_its_operator_is_respected():
    _, made = play([(10, HEALTHY)] + [(10, verdict(State.STOPPED))] * 100)
    assert kinds(made) == ["note"]


def test_channels_wait_as_long_as_they_are_set_to():
    _, made = play([(10, verdict(State.SAFE_MODE, 5))] * 30, replace(RULES, channels_quiet=60))
    assert kinds(made) == ["note", "resume-channels"] and made[1][0] - made[0][0] == 60


def test_a_crash_in_safe_mode_begins_the_quiet_time_anew():
    safe, dies = verdict(State.SAFE_MODE, 5), (1, verdict(State.STARTING, code=1, unclean=True))
    _, made = play([(10, safe)] * 20 + [dies] + [(10, verdict(State.SAFE_MODE, 6))] * 40)
    resumed = [at for at, decision in made if decision.kind == "resume-channels"]
    assert len(resumed) == 1 and resumed[0] - (1_000_000.0 + 201) >= 330


def test_the_end_of_safe_mode_is_told_and_so_is_one_that_does_not_end():
    safe = [(10, verdict(State.SAFE_MODE, 5))]
    _, made = play(safe * 40 + [(1, verdict(State.HEALTHY, 5))] * 5)
    assert [d.code for _, d in made if d.kind == "note"] == ["safe_mode", "safe_mode_over"]
    _, made = play(safe * 400)
    assert [d.code for _, d in made if d.kind == "note"] == [
        "safe_mode",
        "resume_failed",
    ] and kinds(made, "escalate") == []


def test_safe_mode_is_told_at_once_and_channels_wait_for_quiet():
    _, made = play([(10, verdict(State.SAFE_MODE, 5))] * 60)
    assert kinds(made) == ["note", "resume-channels"]
    assert made[1][0] - made[0][0] >= 300


@pytest.mark.parametrize(
    "state",
    [
        State.STARTING,
        State.DRAINING,
        State.DEGRADED,
        State.UPDATING,
        State.SUSPENDED,
        State.UNKNOWN,
        State.STOPPED,
        State.SAFE_MODE,
    ],
)
def test_states_that_never_restart(state):
    _, made = play([(1, HEALTHY)] + [(1, verdict(state, 10))] * 1000)
    assert kinds(made, "restart", "heal") == []


def test_two_hard_kills_in_five_minutes_at_most():
    rows = []
    for number in range(40):
        rows += [(2, verdict(State.HUNG, 100 + number))] * 3 + [
            (2, verdict(State.HEALTHY, 200 + number))
        ] * 3
    _, made = play(rows, Rules(restart_delays=(0.0,), max_restarts=50))
    hard = [at for at, d in made if d.kind == "restart" and d.hard]
    assert hard and all(
        sum(0 <= at - other < HARD_WINDOW for other in hard) <= HARD_LIMIT for at in hard
    )


def test_a_clock_that_jumps_moves_every_remembered_time():
    state, _ = play([(1, DOWN)] * 20)
    moved = shift(state, 3600.0)
    assert moved.incident.opened - state.incident.opened == 3600.0
    assert [b - a for a, b in zip(state.restarts, moved.restarts)] == [3600.0] * len(state.restarts)


def test_a7_an_owners_stop_in_the_middle_of_an_outage_is_the_owners():
    """The gateway died, we restarted it, no pid was seen yet: a stop that is seen now is a wish."""
    state, made = play([(10, HEALTHY), (10, DOWN)])
    assert kinds(made, "restart") == ["restart"] and state.expected_new_pid
    after, made = play([(3, verdict(State.STOPPED))] * 400, state=state, start=1_000_020.0)
    assert kinds(made) == ["note"] and after.incident is None and not after.expected_new_pid


@pytest.mark.parametrize("state", list(DEADLINES))
def test_i7_no_quiet_state_lasts_without_a_person_being_told(state):
    rows = [(10, HEALTHY)] + [(10, verdict(state, 10))] * 200
    _, made = play(rows)
    first = {d.kind: at - 1_000_010.0 for at, d in reversed(made)}
    deadline = DEADLINES[state]
    assert deadline <= first["opened"] - 10 < deadline + 20
    if state is not State.SUSPENDED:  # a clock that jumps: told as soon as it holds still
        assert first["announce"] <= deadline + 80
        assert first["escalate"] <= deadline + RULES.escalation_time + 30
        assert kinds(made, "restart", "heal") == [] and len(kinds(made, "escalate")) == 1


def test_i7_a_quiet_state_that_ends_in_time_is_not_told_and_the_next_has_its_own_time():
    rows = [(10, verdict(State.STARTING, 10))] * 30 + [(10, HEALTHY)]
    _, made = play(rows * 5)
    assert kinds(made) == []


def test_i7_two_quiet_states_in_turn_are_no_way_around_it():
    rows = [(10, verdict(State.UNKNOWN)), (10, verdict(State.STARTING, 10))] * 40
    _, made = play([(10, HEALTHY)] + rows)
    assert "announce" in kinds(made) and "escalate" in kinds(made)


def test_a_gateway_that_something_else_ends_again_and_again_is_told():
    """Exit 0 every 35 s: no crash, level 1 brings it back each time, and it is an outage."""
    rows = []
    for number in range(12):
        pid = 100 + number
        rows += [(5, verdict(State.STARTING, pid)), (10, verdict(State.HEALTHY, pid))]
        rows += [(10, verdict(State.HEALTHY, pid)), (10, verdict(State.STARTING, None, 0))]
    _, made = play(rows)
    notes = [d for _, d in made if d.kind == "note"]
    assert [d.code for d in notes] == ["ended-again"] * 2 and notes[0].facts["times"] == 5
    assert kinds(made, "restart", "heal", "escalate") == []
    slow = [(8 * later, row) for later, row in rows]
    assert kinds(play(slow)[1]) == [], "now and then is somebody's habit"


def test_ends_that_we_asked_for_are_not_counted():
    state, _ = play([(10, HEALTHY)])
    for number in range(12):
        state = replace(state, expected_new_pid=True)
        rows = [(5, verdict(State.STARTING)), (5, verdict(State.HEALTHY, 50 + number))]
        state, made = play(rows, state=state, start=1_000_100.0 + 20 * number)
        assert kinds(made) == []


STATES = st.sampled_from(list(State))
ROWS = st.lists(
    st.tuples(st.floats(0.5, 900.0), STATES, st.sampled_from([None, 10, 11, 12]), st.booleans()),
    max_size=250,
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(0, 6))
@example(
    [
        (1.0, State.HUNG, None, False),
        (9.0, State.HUNG, None, False),
        (1.0, State.STOPPED, None, False),
    ],
    2,
)
def test_whatever_happens(rows, most):
    """Never more restarts an hour than allowed, only in restartable states, unknown never acts, one
    escalation an outage.
    """
    rules = Rules(max_restarts=most)
    now, state, restarts, escalated = 0.0, WatchState(), [], {}
    for number, (later, seen, pid, unclean) in enumerate(rows):
        now += later
        before = state
        state, decisions = step(
            state,
            verdict(seen, pid, unclean=unclean),
            now,
            rules,
            "same",
            "incident-{}".format(number),
        )
        for decision in decisions:
            if decision.kind == "restart":
                assert seen in RESTARTABLE
                restarts.append(now)
            if seen in (State.UNKNOWN, State.UPDATING, State.SUSPENDED):
                assert decision.kind in ("none", "escalate", "announce", "opened", "note")
            if decision.kind == "escalate":
                name = (state.incident or before.incident).id
                assert name not in escalated
                escalated[name] = True
    for at in restarts:
        assert sum(0 <= at - other < HOUR for other in restarts) <= most


# -- the edges: whole decisions and times, where a mutation was not noticed ------------------------
def test_an_outage_word_by_word():
    reason = DOWN.reason
    state, made = play([(10, DOWN)])
    first = {"reason": reason, "number": 1, "most": 5, "delay": 10}
    assert [decision for _, decision in made] == [
        Decision("opened", "verdict", {"reason": reason}),
        Decision("restart", "verdict", first),
    ]
    assert state.incident.next_restart == 1_000_020.0 and state.incident.restarts == 1
    assert state.restarts == (1_000_010.0,) and state.expected_new_pid
    state, made = play([(1, DOWN)], state=state, start=1_000_010.0)
    assert [d for _, d in made] == [Decision("heal", "verdict", {"key": "stuck", "reason": reason})]
    assert state.incident.pending == "stuck" and not state.incident.loop
    _, made = play([(1, DOWN)] * 8, state=state, start=1_000_011.0)
    assert made == [], "the next restart waits for its time"
    state, made = play([(9, DOWN)], state=state, start=1_000_011.0)
    second = {"reason": reason, "number": 2, "most": 5, "delay": 30}
    assert [d for _, d in made] == [Decision("restart", "verdict", second)]
    frozen = verdict(State.HUNG, 10)
    _, made = play([(10, HEALTHY), (10, frozen)])
    assert made[-1][1].hard and made[-1][1].kind == "restart"


def test_used_up_restarts_are_told_with_their_number():
    rules = Rules(restart_delays=(1.0,), max_restarts=3)
    _, made = play([(2, DOWN)] * 20, rules)
    told = [d for _, d in made if d.kind == "escalate"]
    assert told == [Decision("escalate", "restarts-used-up", {"restarts": 3})]


def test_no_more_restarts_an_hour_than_allowed_and_after_it_again():
    rules = Rules(restart_delays=(1.0,), max_restarts=2)
    state, _ = play([(2, DOWN)] * 10, rules)
    assert len(state.restarts) == 2
    fresh = replace(state, incident=None)
    soon = fresh.restarts[0] + HOUR - 1000001.0 - 1_000_000.0
    _, made = play([(3, DOWN)], rules, start=fresh.restarts[0] + HOUR - 3.5, state=fresh)
    assert "restart" not in kinds(made), soon
    _, made = play([(3, DOWN)], rules, start=fresh.restarts[0] + HOUR - 3.0, state=fresh)
    assert "restart" in kinds(made)


def test_a_change_during_exit_78_is_worth_one_start_and_seldom_more():
    refuses = verdict(State.MISCONFIGURED, code=78)
    state, _ = play([(1, refuses)] * 3)
    now = 1_000_010.0
    for number in range(4):
        now += 700.0
        mark = "mark {}".format(number)
        state, decisions = step(state, refuses, now, RULES, mark, "incident")
        facts = {"reason": refuses.reason, "retries": number + 1}
        starts = [one for one in decisions if one.kind == "restart"]
        assert starts == [Decision("restart", "changed", facts)]
        assert state.expected_new_pid and not state.incident.retry
        assert state.incident.retried == now and state.restarts == ()
    gaps = [_retry_gap(replace(state.incident, retries=number)) for number in (0, 5, 6, 7, 11, 99)]
    assert gaps == [10.0, 10.0, 20.0, 40.0, 640.0, 640.0]


def test_what_only_a_person_can_fix_is_not_restarted_while_it_stays_that():
    state, _ = play([(1, DOWN)])
    told = replace(state, incident=replace(state.incident, hopeless="down", treated=("stuck",)))
    after, made = play([(60, DOWN)] * 3, state=told, start=1_000_001.0)
    assert "restart" not in kinds(made) and after.incident.hopeless == "down"
    after, made = play([(60, verdict(State.ZOMBIE, 7))], state=told, start=1_000_001.0)
    assert "restart" in kinds(made) and after.incident.hopeless == ""


def test_a_process_that_ends_by_itself_is_noted_with_its_code():
    died = verdict(State.DOWN, None, 9, unclean=True)
    _, made = play([(10, HEALTHY), (10, died)])
    assert made[0][1] == Decision("opened", "process-ended", {"exit_code": 9})
    state, _ = play([(10, HEALTHY), (10, died), (1, verdict(State.STARTING, 12))])
    _, made = play([(1, died)], state=state, start=1_000_021.0)
    assert made[0][1] == Decision("none", "process-ended", {"exit_code": 9})
    refused = verdict(State.MISCONFIGURED, None, 78, unclean=True)
    after, made = play([(10, HEALTHY), (10, refused)])
    assert made[0][1] == Decision("none", "process-ended", {"exit_code": 78})
    assert after.crashes == ()


def test_orderly_ends_are_told_with_how_many_in_how_long():
    rows = [(10, verdict(State.HEALTHY, 1))]
    for number in range(5):
        rows += [(30, verdict(State.STARTING)), (30, verdict(State.HEALTHY, 50 + number))]
    _, made = play(rows)
    assert [d for _, d in made] == [Decision("note", "ended-again", {"times": 5, "minutes": 4})]
    quick = [(1, row) for _, row in rows]
    assert play(quick)[1][0][1].facts == {"times": 5, "minutes": 1}


def test_a_loop_is_three_crashes_in_ten_minutes_and_none_before_a_change_was_tried():
    base = replace(NOTHING, crashes=(1000.0, 1300.0, 1599.0))
    assert looping(base, 1599.0, RULES) and not looping(base, 1600.0, RULES)
    many = replace(NOTHING, crashes=tuple(1000.0 * n for n in range(6)))
    assert looping(many, 9000.0, RULES)
    assert not looping(replace(many, crashes=many.crashes[:5]), 9000.0, RULES)
    incident = Incident("i", 900.0, "down", changed=1599.0)
    assert not looping(replace(base, incident=incident), 1599.0, RULES)
    assert looping(replace(base, incident=replace(incident, changed=1598.0)), 1599.0, RULES)


def test_a_new_pid_ends_the_expectation_of_one():
    state, _ = play([(10, HEALTHY), (10, DOWN)])
    assert state.expected_new_pid
    state, _ = play([(1, verdict(State.STARTING, 11))], state=state, start=1_000_020.0)
    assert not state.expected_new_pid and state.pid == 11


def test_a_red_channel_is_told_once_and_ends_an_outage():
    red = replace(verdict(State.DEGRADED, 11), failing=("telegram",))
    rows = [(10, HEALTHY)] + [(10, red)] * 100
    state, made = play(rows)
    assert [d for _, d in made] == [Decision("note", "degraded")]
    assert made[0][0] == 1_000_020.0 + 300.0 and state.streak == 0
    state, _ = play([(10, HEALTHY), (10, DOWN)])
    state, made = play([(10, red)] * 4, state=state, start=1_000_020.0)
    over = Decision("recovered", "not-ready", {"failing": ("telegram",)})
    assert [(at, d) for at, d in made if d.kind == "recovered"] == [(1_000_060.0, over)]
    assert state.incident is None


def test_an_outage_is_told_at_45_s_and_escalated_at_300_s():
    waits = verdict(State.STARTING, 11)
    state, _ = play([(10, HEALTHY), (10, DOWN)])
    _, made = play([(5, waits)] * 80, state=state, start=1_000_020.0)
    told = [(at - 1_000_020.0, d) for at, d in made if d.kind in ("announce", "escalate")]
    assert told == [
        (45.0, Decision("announce", "lasting", {"seconds": 45.0})),
        (300.0, Decision("escalate", "lasting", {"seconds": 300.0})),
    ]


def test_a_start_that_dies_and_one_of_many_are_called_what_they_are():
    dead = verdict(State.STARTING, None, 1, unclean=True)
    state, made = play([(10, HEALTHY), (10, verdict(State.STARTING, 11)), (1, dead), (1, dead)])
    heals = [d for _, d in made if d.kind == "heal"]
    assert [d.code for d in heals] == ["died-starting"]
    assert state.incident.loop and "loop" in state.incident.treated
    rows = []
    for pid in range(20, 23):
        rows += [(10, verdict(State.HEALTHY, pid)), (10, verdict(State.DOWN, None, 1, True))]
    rows = [(1, HEALTHY)] + [row for row in rows]
    _, made = play(rows + [(1, verdict(State.STARTING, None))])
    codes = [d.code for _, d in made if d.kind == "heal"]
    assert codes and codes[0] in ("crash-loop", "verdict")


def test_a_loop_must_stay_ready_for_half_a_minute_and_its_crashes_are_spent():
    looped = Incident("i", 1_000_000.0, "down", loop=True, treated=("loop",))
    base = replace(NOTHING, incident=looped, crashes=(999_990.0,) * 3, pid=10, ready_pid=10)
    state, made = play([(10, HEALTHY)] * 3, state=base)
    assert kinds(made) == []
    state, made = play([(10, HEALTHY)], state=state, start=1_000_030.0)
    assert [d for _, d in made] == [Decision("recovered", "ready", {"times": 4})]
    assert state.crashes == () and state.incident is None
    plain = replace(base, incident=replace(looped, loop=False), crashes=(999_990.0,))
    state, made = play([(10, HEALTHY)] * 3, state=plain)
    assert [d for _, d in made] == [Decision("recovered", "ready", {"times": 3})]
    assert state.crashes == (999_990.0,)


def test_channels_are_started_again_after_quiet_and_failing_is_told():
    safe = verdict(State.SAFE_MODE, 5)
    _, made = play([(10, safe)] * 80)
    quiet = Decision("resume-channels", "quiet", {"seconds": 330.0})
    assert [(at - 1_000_010.0, d) for at, d in made] == [
        (0.0, Decision("note", "safe_mode")),
        (330.0, quiet),
        (630.0, Decision("note", "resume_failed")),
    ]
