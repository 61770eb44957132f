"""Judging: each state from real signals, never from one; and thirty simulated days without a
restart.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, replace
from typing import Optional

import pytest

from skill.model import State
from skill.openclaw import judge as judging
from skill.openclaw import logs
from skill.openclaw.gateway import Observation, ProcessInfo
from skill.openclaw.judge import Limits, Memory, judge
from skill.openclaw.logs import (
    epoch_of_line,
    left_on_signal,
    port_lost,
    shutdown_stuck,
    was_held,
    went_suddenly,
)
from skill.store.watch_state import WatchState, shift
from skill.watchdog.policy import Rules, step

OURS = ProcessInfo(10, 900.0, "S", "openclaw-gateway", 700 << 20)
OTHER = ProcessInfo(77, 100.0, "S", "python3 -m http.server")


@dataclass(frozen=True)
class Service:
    active: str = "active"
    exit_code: Optional[int] = None
    stopped_by_operator: Optional[bool] = None
    result: str = ""
    restarts: int = 0


READY = Observation(
    1000.0,
    0.0,
    "ready",
    startup="started",
    process=OURS,
    owner=OURS,
    owner_known=True,
    holder_pid=10,
)


START, DEFAULTS = Memory(), Limits()


def last(*rows, memory=START, limits=DEFAULTS, gap=1.0):
    """Judge the rows one after another (gap seconds apart) and return the last verdict."""
    verdict = None
    for number, row in enumerate(rows):
        row = replace(row, at=row.at + number * gap, mono=row.mono + number * gap)
        verdict, memory = judge(row, memory, limits)
    return verdict


def was_ready():
    return judge(READY, Memory(), Limits())[1]


def test_ready():
    assert last(READY).state == State.HEALTHY


def test_suppressed_channels_are_not_healthy_although_ready():
    assert last(replace(READY, suppressed=("telegram",))).state == State.SAFE_MODE


@pytest.mark.parametrize(
    "startup,failing,state",
    [
        ("starting", ("startup-sidecars",), State.STARTING),
        ("draining", ("gateway-draining",), State.DRAINING),
        ("started", ("telegram",), State.DEGRADED),
    ],
)
def test_not_ready_is_told_apart(startup, failing, state):
    assert last(replace(READY, answer="not-ready", startup=startup, failing=failing)).state == state


def test_one_unanswered_probe_is_no_outage():
    silent = replace(READY, answer="silent", at=1010.0, mono=10.0)
    assert last(silent, memory=was_ready()).state == State.UNKNOWN
    assert last(silent, silent, silent, memory=was_ready()).state == State.HUNG


def test_silence_of_a_young_process_that_never_was_ready_is_a_start():
    young = replace(READY, answer="silent", process=replace(OURS, started=995.0))
    assert last(*[young] * 10).state == State.STARTING


def test_a_stopped_process_is_hung_even_when_young():
    stopped = replace(READY, answer="silent", process=replace(OURS, started=995.0, status="T"))
    assert last(*[stopped] * 3).state == State.HUNG


def test_a_start_of_240_seconds_is_left_alone_and_a_zombie_is_found():
    closed = Observation(
        1000.0,
        0.0,
        "refused",
        process=replace(OURS, started=1000.0),
        holder_pid=10,
        service=Service(),
    )
    assert last(*[closed] * 240).state == State.STARTING
    assert last(*[closed] * 310).state == State.ZOMBIE


def test_the_log_that_says_it_stays_alive_makes_a_zombie_at_once():
    closed = Observation(
        1000.0, 0.0, "refused", process=OURS, holder_pid=10, log_says_staying_alive=True
    )
    assert last(closed, closed, closed).state == State.ZOMBIE


def test_nobody_there():
    gone = Observation(1000.0, 0.0, "refused", service=Service("failed", 1))
    assert last(gone).state == State.UNKNOWN
    assert last(gone, gone, gone).state == State.DOWN


def test_exit_78_is_a_refusal():
    assert (
        last(Observation(1000.0, 0.0, "refused", service=Service("failed", 78))).state
        == State.MISCONFIGURED
    )


def test_the_operators_stop_is_respected():
    gone = Observation(1000.0, 0.0, "refused", service=Service("inactive", 0, True))
    assert last(gone, gone, gone).state == State.STOPPED


def test_level_one_gets_its_chance():
    gone = Observation(1000.0, 0.0, "refused", service=Service("activating"))
    assert last(gone, gone, gone, gone).state == State.STARTING


def test_foreign_program_and_other_gateway():
    foreign = Observation(1000.0, 0.0, "foreign", owner=OTHER, owner_known=True)
    assert last(foreign, foreign, foreign).state == State.IMPOSTOR
    other = replace(READY, owner=replace(OURS, pid=99), holder_pid=10)
    assert last(other).state == State.UNKNOWN, "one look decides nothing"
    assert last(other, other, other).state == State.IMPOSTOR
    silent = replace(READY, answer="silent", owner=OTHER)
    assert last(READY, silent).state == State.UNKNOWN
    assert last(READY, silent, silent, silent).state == State.IMPOSTOR


def test_a_silent_stranger_on_our_port_while_we_are_down():
    held = Observation(1000.0, 0.0, "silent", owner=OTHER, service=Service("failed", 1))
    assert last(held, held).state == State.UNKNOWN
    assert last(held, held, held).state == State.IMPOSTOR


def test_npm_at_work_is_waited_for():
    gone = Observation(1000.0, 0.0, "refused", updating=True)
    assert last(*[gone] * 50).state == State.UPDATING


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_is_no_outage(hours):
    silent = replace(READY, answer="silent", at=1010.0 + hours * 3600, mono=10.0)
    verdict, memory = judge(silent, replace(was_ready(), failures=5), Limits())
    assert verdict.state == State.SUSPENDED and memory.failures == 0


def test_noisy_healthy_days_without_one_restart():
    """Single lost probes, slow answers, a daily drain, channels that go red, a clock set by an
    hour: nothing restarts. NOISY_DAYS=30 plays a month, half a minute long.
    """
    days = int(os.environ.get("NOISY_DAYS", "5"))
    chance = random.Random(20261121)
    now, mono, memory, state, restarts, looks = 1_000_000.0, 0.0, Memory(), WatchState(), 0, 0
    limits, rules = Limits(), Rules()
    base = replace(READY, process=replace(OURS, started=now - 100))
    failed = 0
    while mono < days * 86400:
        gap = 10.0 if memory.failures == 0 else 1.0
        now, mono, looks = now + gap, mono + gap, looks + 1
        seen = base
        roll = chance.random()
        if roll < 0.01 and failed < 2:
            failed += 1
            seen = replace(base, answer="silent")
        else:
            failed = 0
            if roll < 0.02:
                seen = replace(base, answer="not-ready", failing=("telegram",), startup="started")
            elif 43200 < mono % 86400 < 43500:
                seen = replace(
                    base, answer="not-ready", failing=("gateway-draining",), startup="draining"
                )
        if looks % 9000 == 0:
            now += chance.choice([3600.0, -3600.0])
        seen = replace(seen, at=now, mono=mono)
        moved = judging.jump(memory, seen)
        state = shift(state, moved) if moved else state
        verdict, memory = judge(seen, memory, limits)
        state, decisions = step(state, verdict, now, rules, "same", "incident")
        restarts += sum(d.kind in ("restart", "heal", "escalate") for d in decisions)
    assert looks > days * 8300 and restarts == 0


def test_a_shutdown_that_hangs_is_no_drain():
    draining = replace(READY, answer="not-ready", startup="draining", failing=("gateway-draining",))
    assert last(draining, draining).state is State.DRAINING
    hangs = replace(draining, shutdown_stuck=True)
    assert last(draining, hangs).state is State.DRAINING, "a log alone, at the first look"
    assert last(draining, *[hangs] * 10).state is State.HUNG
    closed = replace(READY, answer="refused", startup="", owner=None)
    assert last(draining, closed, closed, closed).state is State.DRAINING
    stuck = replace(closed, shutdown_stuck=True)
    assert last(draining, closed, stuck, stuck).state is State.ZOMBIE
    assert last(stuck, stuck, stuck).state is State.STARTING, "A9: it never served, it starts"
    assert last(READY, stuck, stuck, stuck).state is State.ZOMBIE


def test_v33_an_order_to_restart_is_over_when_it_began_again():
    from skill.openclaw.logs import shutdown_stuck

    said = [
        "2026-01-01T00:00:00Z [gateway] received SIGUSR2; restarting",
        "2026-01-01T00:00:01Z [gateway] loading configuration",
        "2026-01-01T00:00:03Z [gateway] ready",
    ]
    now = 1767225603.0 + 3600.0
    assert not shutdown_stuck("\n".join(said), now)
    again = said + ["2026-01-01T00:00:04Z [gateway] received SIGTERM; shutting down"]
    assert shutdown_stuck("\n".join(again), now)


CHATS = (
    "[telegram] <- Alice: received SIGINT; shutting down?",
    "[agent/main] it said: Process will stay alive; fix the issue and restart",
    "[discord] <- Bob: [gateway] ready",
    "[web] received SIGTERM; shutting down",
)


@pytest.mark.parametrize("chat", CHATS)
def test_v34_what_a_chat_says_is_no_word_of_the_gateways(chat):
    from skill.openclaw import logs

    ready = "2026-01-01T00:00:00Z [gateway] ready"
    log = "{}\n2026-01-01T00:01:00Z {}".format(ready, chat)
    assert logs.spoken(log) == ready
    assert logs.left_on_signal(log) == 0.0
    assert logs.went_suddenly(log) and logs.port_lost(log)
    assert not logs.shutdown_stuck(log, 1767225600.0 + 900.0)
    own = log + "\n2026-01-01T00:02:00Z INFO [gateway] received SIGTERM; shutting down"
    assert logs.left_on_signal(own) == 1767225720.0
    assert not logs.went_suddenly(own) and not logs.port_lost(own)


def test_silence_after_the_order_to_end_is_what_tells_it():
    lines = [
        "2026-01-01T00:00:00.000+00:00 [gateway] loading configuration…",
        "2026-01-01T00:00:09.000+00:00 [gateway] ready",
        "2026-01-01T00:01:00.000+00:00 [gateway] received SIGUSR2; restarting",
        "2026-01-01T00:01:30.000+00:00 [gateway] still draining active work before restart: 1 run",
    ]
    end = epoch_of_line(lines[-1])
    assert not shutdown_stuck("\n".join(lines), end + 40)
    assert shutdown_stuck("\n".join(lines), end + 90)
    never_ready = "\n".join(lines[:1] + lines[2:])
    assert not shutdown_stuck(never_ready, end + 90), "its start's own budget bounds it (A9)"
    assert not shutdown_stuck(lines[0], end + 9000)
    assert not shutdown_stuck("\n".join(lines), end + 90, end + 80), "its predecessor was told so"


def test_a_port_that_was_lost_is_not_waited_for_like_a_start():
    closed = replace(READY, answer="refused", startup="", owner=None)
    assert last(READY, closed, closed, closed, closed, gap=8.0).state is State.STARTING
    lost = replace(closed, port_lost=True)
    assert last(READY, lost, lost, lost, lost, gap=8.0).state is State.ZOMBIE
    assert last(READY, lost, lost, lost, lost).state is State.STARTING, "not yet for long enough"
    boot = "2026-01-01T00:00:00.000+00:00 [gateway] loading configuration…\n"
    assert not port_lost(boot)
    ready = boot + "2026-01-01T00:00:09.000+00:00 [gateway] ready\n"
    assert port_lost(ready) and port_lost(ready, epoch_of_line(boot) - 1)
    assert not port_lost(ready, epoch_of_line(boot) + 60), (
        "its predecessor said so: this one has said nothing yet"
    )
    assert not port_lost(
        ready + "2026-01-01T00:01:00.000+00:00 [admission] closed: restart-signal fence\n"
    )
    assert not port_lost(
        ready
        + "2026-01-01T00:01:00.000+00:00 [reload] config change needs a restart (gateway.port)\n"
    )
    assert port_lost(
        ready + "2026-01-01T00:01:00.000+00:00 [terminal-upload] recovery failed: stop the others, "
        "then restart them\n"
    )


@dataclass(frozen=True)
class Does:
    """What a process does while it does not answer: CPU seconds and bytes a second, log lines."""

    cpu: float = 0.0
    moves: float = 0.0
    talks: bool = False
    status: str = "S"


IDLE, SPINS, CHECKS = Does(), Does(cpu=0.95), Does(cpu=0.3, moves=4e6)
COMPUTES, MIGRATES, TALKS = Does(cpu=0.9), Does(cpu=0.5, moves=1e6), Does(talks=True)


def deaf(does, until, answer="silent", memory=None, gap=2.0, began=None, limits=DEFAULTS):
    """A process that does not answer: (s of the first look judged HUNG or ZOMBIE or None, states).
    began: it starts then (s of this scene), else it was ready for long.
    """
    memory = memory if memory is not None else (was_ready() if began is None else Memory())
    process = replace(OURS, status=does.status, started=1000.0 if began is not None else 900.0)
    at, states = 0.0, []
    while at < until:
        at += gap
        seen = replace(
            READY,
            answer=answer,
            startup="",
            owner=None if answer == "refused" else OURS,
            process=process,
            at=1000.0 + at,
            mono=at,
            cpu_s=50.0 + does.cpu * at,
            moved=5e6 + does.moves * at,
            silent_s=1.0 if does.talks else at if began is not None else at + 50.0,
        )
        verdict, memory = judge(seen, memory, limits)
        states.append(verdict.state)
        if verdict.state in (State.HUNG, State.ZOMBIE):
            return at, states
    return None, states


@pytest.mark.parametrize(
    "does,least,most",
    [
        (IDLE, 4, 30),
        (Does(status="T"), 4, 30),
        (Does(cpu=0.02), 4, 30),
        (SPINS, 60, 100),
        (CHECKS, 160, 190),
        (Does(status="D"), 160, 190),
    ],
)
def test_i1_a_busy_gateway_gets_more_patience_than_a_stopped_or_idle_one(does, least, most):
    found, states = deaf(does, 300.0)
    assert found is not None and least < found <= most
    assert set(states[:-1]) <= {State.UNKNOWN}


def test_i1_busy_is_told_by_its_status_where_its_time_cannot_be_read():
    def look(status, mono):
        process = replace(OURS, status=status)
        return replace(
            READY, answer="silent", startup="", process=process, at=1000.0 + mono, mono=mono
        )

    for status, found in (("R", State.UNKNOWN), ("S", State.HUNG)):
        memory = was_ready()
        for number in range(1, 20):
            verdict, memory = judge(look(status, 3.0 * number), memory, Limits())
        assert verdict.state is found


@pytest.mark.parametrize("answer", ["refused", "silent"])
@pytest.mark.parametrize(
    "does,least,most",
    [(IDLE, 300, 304), (COMPUTES, 300, 304), (MIGRATES, 1200, 1204), (TALKS, 1200, 1204)],
)
def test_a13_a_start_has_its_budget_and_more_of_it_while_it_gets_on(answer, does, least, most):
    found, states = deaf(does, 2000.0, answer, began=0.0)
    assert found is not None and least <= found <= most
    assert set(states[:-1]) == {State.STARTING}


def test_a13_a_start_of_947_s_that_then_stands_still_is_found():
    begun, memory = 0.0, Memory()
    process = replace(OURS, started=1000.0)
    for at in range(2, 1100, 2):
        seen = replace(
            READY,
            answer="refused",
            startup="",
            owner=None,
            process=process,
            at=1000.0 + at,
            mono=float(at),
            silent_s=1.0 if at < 947 else at - 946.0,
        )
        verdict, memory = judge(seen, memory, Limits())
        begun = at
        if verdict.state is not State.STARTING:
            break
    assert verdict.state is State.ZOMBIE and 947 + 28 <= begun <= 947 + 34


def test_a7_a_gateway_that_its_manager_is_stopping_is_left_to_it():
    """Frozen, and its owner said `systemctl stop`: the manager has a time limit of its own."""
    frozen = replace(
        READY, answer="silent", process=replace(OURS, status="T"), service=Service("deactivating")
    )
    assert last(READY, *[frozen] * 20).state is State.DRAINING


SIGNALS = (
    "2026-01-01T00:00:09.000+00:00 [gateway] ready\n2026-01-01T00:01:00.000+00:00 [gateway] {}\n"
)


@pytest.mark.parametrize(
    "said,left",
    [
        ("received SIGINT; shutting down", True),
        ("received SIGTERM; shutting down", True),
        ("received SIGUSR2; restarting", False),
        ("a chat said SIGINT", False),
    ],
)
def test_a7_the_last_order_of_a_gateway_in_a_terminal(said, left):
    log = SIGNALS.format(said)
    assert bool(left_on_signal(log)) is left
    assert not left_on_signal(log + "2026-01-01T00:02:00.000+00:00 [gateway] starting...\n")


def test_what_a_predecessor_wrote_is_no_progress():
    """silent_s is the age of a process that has written nothing: that is no line of its own."""
    found, _states = deaf(IDLE, 400.0, "refused", began=0.0)
    assert found is not None and found <= 304


def test_i7_an_update_is_not_believed_for_ever():
    gone = Observation(1000.0, 0.0, "refused", updating=True, service=Service("failed", 1))
    assert last(*[gone] * 90, gap=10.0).state is State.UPDATING
    assert last(*[gone] * 92, gap=10.0).state is State.DOWN
    again = [gone] * 80 + [replace(gone, updating=False)] * 2 + [gone] * 80
    assert last(*again, gap=10.0).state is State.UPDATING, "another one"
    doctor = replace(gone, updating=False, doctor_running=True)
    assert last(*[doctor] * 90, gap=10.0).state is State.UPDATING
    assert last(*[doctor] * 92, gap=10.0).state is State.DOWN


def test_i7_a_manager_that_starts_without_end_is_not_believed():
    waits = Observation(1000.0, 0.0, "refused", service=Service("activating", 1))
    assert last(*[waits] * 12, gap=10.0).state is State.STARTING
    assert last(*[waits] * 14, gap=10.0).state is State.DOWN
    lives = replace(waits, process=OURS, holder_pid=10)
    assert last(*[waits] * 8, lives, *[waits] * 8, gap=10.0).state is State.STARTING


@pytest.mark.parametrize("code", [126, 127, 203])
def test_f6_a_program_that_is_missing_is_no_start(code):
    waits = Observation(1000.0, 0.0, "refused", service=Service("activating", code))
    assert last(waits).state is State.STARTING
    assert last(waits, waits, waits).state is State.DOWN


def test_i7_a_clock_that_jumps_at_every_look_hides_no_outage():
    gone = Observation(1000.0, 0.0, "refused", service=Service("failed", 1))
    memory, states = Memory(), []
    for number in range(12):
        seen = replace(gone, at=1000.0 + 100.0 * number, mono=1.0 * number)
        verdict, memory = judge(seen, memory, Limits())
        states.append(verdict.state)
    assert states[1:6] == [State.SUSPENDED] * 5 and states[-1] is State.DOWN


HELD = (
    "Gateway failed to start: gateway already running under systemd; existing gateway is "
    "healthy, exiting with code 78 to prevent a loop"
)


def test_a_refusal_for_a_lock_that_is_free_again_is_no_misconfiguration():
    """The one who held it is gone: live evidence, where an unchanged config after exit 78 is
    none.
    """
    held = Observation(1000.0, 0.0, "refused", service=Service("failed", 78), was_held=True)
    assert [last(*[held] * n).state for n in (1, 3)] == [State.UNKNOWN, State.DOWN]
    assert last(*[replace(held, doctor_running=True)] * 3).state == State.UPDATING


@pytest.mark.parametrize(
    "log,held",
    [
        (HELD, True),
        (
            "Doctor could not enter maintenance. Contention: another OpenClaw process owns "
            "gateway-lifecycle",
            True,
        ),
        (
            "Gateway failed to start: another gateway instance is already listening on "
            "ws://127.0.0.1:18789",
            True,
        ),
        (HELD + "\nGateway start blocked: existing config is missing gateway.mode", False),
        ("Gateway failed to start: Doctor cannot repair this state: file is not a database", False),
        ("", False),
    ],
)
def test_the_last_words_of_a_refused_start_tell_whether_a_lock_was_held(log, held):
    assert was_held(log) is held


@pytest.mark.parametrize("active,patience", [("active", 5), ("unknown", 30)])
def test_the_managers_word_on_an_exit_is_waited_for(active, patience):
    """A start that ends with 78 right now is seen gone before systemd has noticed: that is no
    outage to restart.
    """
    starts = [
        replace(READY, answer="refused", owner=None, process=replace(OURS, started=995.0))
    ] * 5
    gone = replace(
        READY,
        answer="refused",
        owner=None,
        process=None,
        holder_pid=None,
        service=Service(active, None),
    )
    assert last(*starts, gone).state == State.UNKNOWN
    assert (
        last(*starts, gone, replace(gone, service=Service("failed", 78))).state
        == State.MISCONFIGURED
    )
    assert last(*starts, *[gone] * (patience + 2)).state == State.DOWN


def test_an_exit_0_that_was_not_announced_is_a_crash():
    """A plugin that calls process.exit(0); OpenClaw's own ends say so before."""
    boot = (
        "2026-11-21T10:00:00.000+00:00 [gateway] loading "
        "configuration\n2026-11-21T10:00:09.000+00:00 [gateway] ready\n"
    )
    assert went_suddenly(boot) and went_suddenly(
        boot + "2026-11-21T10:01:00.000+00:00 [cron] started\n"
    )
    for told in (
        "signal SIGTERM received SIGTERM; shutting down",
        "received SIGUSR1; restarting",
        "restart mode: full process restart",
    ):
        assert not went_suddenly(boot + "2026-11-21T10:02:00.000+00:00 [gateway] {}\n".format(told))
    assert not went_suddenly(""), "a log that cannot be read is no proof"

    down = replace(
        READY,
        answer="refused",
        startup="",
        process=None,
        owner=None,
        holder_pid=None,
        service=Service(exit_code=0),
    )
    assert last(READY, down).unclean is False
    assert last(READY, replace(down, sudden=True)).unclean is True


@pytest.mark.parametrize("ended, crashed", [(-9, True), (1, True), (0, False), (None, False)])
def test_how_a_process_ended_is_known_although_the_manager_was_made_to_forget_it(ended, crashed):
    """Hurried on, the service shows a new process, no exit code and no automatic restart."""
    fresh = replace(OURS, pid=11)
    again = replace(READY, process=fresh, owner=fresh, holder_pid=11, service=Service())
    _verdict, memory = judge(READY, Memory(), Limits())
    verdict, after = judge(again, replace(memory, ended=ended), Limits())
    assert verdict.unclean is crashed and after.ended is None
    assert judge(again, after, Limits())[0].unclean is False


@pytest.mark.parametrize("result, crashed", [("resources", True), ("success", False)])
def test_a_start_that_the_manager_could_not_even_begin_counts(result, crashed):
    """No process was ever seen and there is no exit code: an EnvironmentFile that is gone."""
    waits = Service("activating", result=result, restarts=1)
    gone = replace(
        READY,
        answer="refused",
        startup="",
        process=None,
        owner=None,
        holder_pid=None,
        service=waits,
    )
    _verdict, memory = judge(gone, Memory(), Limits())
    again = replace(gone, service=replace(waits, restarts=2))
    assert judge(again, memory, Limits())[0].unclean is crashed


# -- the edges: each of these is a mutation that no other test noticed -----------------------------
def test_no_network_is_no_outage():
    lost = replace(READY, answer="unreachable")
    assert last(READY, *[lost] * 50).state is State.UNKNOWN


def test_what_fails_or_is_suppressed_is_named():
    red = replace(READY, answer="not-ready", failing=("telegram", "slack"), startup="started")
    verdict = last(red)
    assert verdict.failing == ("telegram", "slack")
    assert all(name in verdict.reason.en for name in verdict.failing)
    assert last(replace(READY, suppressed=("discord",))).failing == ("discord",)
    assert "?" in last(replace(red, failing=())).reason.en
    late = replace(red, failing=("plugins",), startup="starting")
    assert last(late).state is State.STARTING


@pytest.mark.parametrize(
    "active,code,state",
    [
        ("inactive", 78, State.MISCONFIGURED),
        ("failed", 78, State.MISCONFIGURED),
        ("active", 78, State.UNKNOWN),
        ("deactivating", None, State.STARTING),
        ("activating", None, State.STARTING),
    ],
)
def test_the_managers_words_without_a_process(active, code, state):
    gone = Observation(1000.0, 0.0, "refused", service=Service(active, code))
    assert last(gone, gone).state is state


def test_a_manager_that_says_nothing_is_waited_for_half_a_minute():
    gone = Observation(1000.0, 0.0, "refused")
    assert last(*[gone] * 3, gap=2.0).state is State.DOWN, "no manager at all"
    mute = replace(gone, service=Service("unknown", None))
    assert last(*[mute] * 10, gap=2.0).state is State.UNKNOWN
    assert last(*[mute] * 17, gap=2.0).state is State.DOWN
    odd = replace(gone, service=Service("elsewhere", None))
    assert last(*[odd] * 3, gap=2.0).state is State.DOWN


def test_down_names_its_exit_code():
    gone = Observation(1000.0, 0.0, "refused", service=Service("failed", 9))
    assert "exit code 9" in last(gone, gone, gone).reason.en
    gone = replace(gone, service=Service("failed", None))
    assert "exit code" not in last(gone, gone, gone).reason.en


def memory_after(*rows, gap=1.0, memory=START):
    for number, row in enumerate(rows):
        row = replace(row, at=row.at + number * gap, mono=row.mono + number * gap)
        memory = judge(row, memory, DEFAULTS)[1]
    return memory


@pytest.mark.parametrize("answer", ["ready", "live", "not-ready"])
def test_any_answer_of_ours_ends_a_row_of_failures(answer):
    silent = replace(READY, answer="silent")
    after = memory_after(silent, silent, replace(READY, answer=answer))
    assert (after.failures, after.first_failure, after.stall_at) == (0, None, None)
    assert (after.ready_pid, after.last_ready) == (10, 2.0)


@pytest.mark.parametrize(
    "startup,failing", [("starting", ()), ("draining", ()), ("", ("startup-sidecars",))]
)
def test_a_start_that_answers_was_not_ready_yet(startup, failing):
    row = replace(READY, answer="not-ready", startup=startup, failing=failing)
    assert memory_after(row).ready_pid is None


def test_v26_a_channel_that_is_down_takes_no_patience_away():
    red = replace(READY, answer="not-ready", startup="started", failing=("telegram",))
    found, states = deaf(SPINS, 300.0, memory=memory_after(red))
    assert found is not None and 60 < found <= 100 and set(states[:-1]) == {State.UNKNOWN}


@pytest.mark.parametrize("does,least,most", [(IDLE, 2, 34), (SPINS, 60, 100), (CHECKS, 160, 190)])
def test_v27_a_stall_that_is_seen_from_its_middle_has_the_same_patience(does, least, most):
    found, states = deaf(does, 300.0, memory=Memory(), limits=Limits(start_budget=60.0))
    assert found is not None and least < found <= most
    assert set(states[:-1]) <= {State.UNKNOWN, State.STARTING}


def test_a_strangers_answer_is_no_answer():
    other = replace(READY, owner=OTHER)
    assert memory_after(other, other).failures == 2
    assert memory_after(other).ready_pid is None
    unlocked = replace(READY, holder_pid=None, owner=OTHER)
    assert memory_after(unlocked).failures == 1, "not the process that we found"
    assert memory_after(replace(unlocked, owner=OURS)).failures == 0
    assert memory_after(replace(unlocked, process=None)).failures == 1, "and we have none"
    assert memory_after(replace(READY, owner=None, process=None)).failures == 0, "cannot tell"


def test_times_belong_to_one_process():
    closed = replace(READY, answer="refused", process=replace(OURS, status="R"))
    first = memory_after(closed, closed, closed)
    assert (first.closed_since, first.pid_seen, first.busy_since, first.stall_at) == (0, 0, 0, 0)
    fresh = replace(closed, process=replace(OURS, pid=11, status="R"), at=1005.0, mono=5.0)
    after = memory_after(fresh, memory=first)
    assert (after.closed_since, after.pid_seen, after.busy_since, after.stall_at) == (5, 5, 5, 5)
    assert after.first_failure == 0.0, "the outage is one"
    gone = replace(closed, process=None, at=1006.0, mono=6.0)
    after = memory_after(gone, memory=after)
    assert (after.closed_since, after.busy_since, after.stall_at, after.absent_since) == (
        None,
        None,
        None,
        6.0,
    )


def test_the_managers_count_is_kept_while_it_says_nothing():
    counted = memory_after(replace(READY, service=Service(restarts=4)))
    assert counted.starts == 4
    assert memory_after(replace(READY, service=None), memory=counted).starts == 4


def test_an_age_by_birth_counts_where_it_can_be_true():
    """We may be new here; a clock that was wrong at the start makes no process ten days old."""
    closed = replace(READY, answer="refused", owner=None)
    assert last(closed, closed, closed).state is State.STARTING
    silent = replace(closed, answer="silent")
    old = replace(silent, process=replace(OURS, started=600.0))
    assert last(old, old, old).state is State.HUNG, "up for 400 s, and never answered"
    ancient = replace(silent, process=replace(OURS, started=1000.0 - 11 * 86400))
    assert last(ancient, ancient, ancient).state is State.STARTING
    week = replace(silent, process=replace(OURS, started=1000.0 - 9 * 86400))
    assert last(week, week, week).state is State.HUNG
    future = replace(silent, process=replace(OURS, started=2000.0))
    assert last(future, future, future).state is State.STARTING
    unknown = replace(silent, process=replace(OURS, started=0.0))
    assert last(unknown, unknown, unknown).state is State.STARTING


def test_exactly_at_the_threshold_a_process_is_busy_or_working():
    from skill.openclaw.judge_memory import BUSY, BUSY_PATIENCE, WORKING, WORKING_PATIENCE

    assert deaf(Does(cpu=1.01 * BUSY), 300.0)[0] >= BUSY_PATIENCE
    assert deaf(Does(cpu=0.99 * BUSY), 300.0)[0] < 30
    assert deaf(Does(moves=WORKING), 300.0)[0] >= WORKING_PATIENCE
    assert deaf(Does(moves=0.99 * WORKING), 300.0)[0] < 30
    assert deaf(Does(moves=WORKING), 2000.0, "refused", began=0.0)[0] >= 1200
    assert deaf(Does(moves=0.99 * WORKING), 2000.0, "refused", began=0.0)[0] <= 304


def test_a_child_that_ended_was_at_work():
    """Its counts vanish with it: the sum falls."""
    memory, states = Memory(), []
    process = replace(OURS, started=1000.0)
    for number in range(2, 340, 2):
        seen = replace(
            READY,
            answer="refused",
            owner=None,
            process=process,
            at=1000.0 + number,
            mono=float(number),
            moved=9e6 if number < 310 else 1e6,
            silent_s=float(number),
        )
        verdict, memory = judge(seen, memory, DEFAULTS)
        states.append(verdict.state)
    assert states[151] is State.ZOMBIE and states[-1] is State.STARTING
    assert memory.progress == 310.0


def test_progress_is_the_last_line_of_its_own():
    def after(silent, **more):
        seen = replace(READY, answer="refused", at=1100.0, mono=500.0, silent_s=silent)
        process = replace(OURS, started=1000.0)
        return judge(replace(seen, process=process, **more), Memory(), DEFAULTS)[1].progress

    assert after(40.0) == 460.0 and after(99.4) == 400.6
    assert after(100.0) is None and after(99.6) is None, "it has written nothing yet"
    assert after(None) is None


def test_at_the_very_deadline_it_is_over():
    gone = Observation(1000.0, 0.0, "refused", updating=True, service=Service("failed", 1))
    assert last(gone, gone, replace(gone, at=1898.0, mono=898.0)).state is State.DOWN
    assert last(gone, gone, replace(gone, at=1897.0, mono=897.0)).state is State.UPDATING
    waits = Observation(1000.0, 0.0, "refused", service=Service("activating", 1))
    assert last(waits, waits, replace(waits, at=1118.0, mono=118.0)).state is State.DOWN
    assert last(waits, waits, replace(waits, at=1117.0, mono=117.0)).state is State.STARTING
    left = replace(waits, service=Service("inactive", 78), was_held=True)
    assert last(left, left, left).state is State.DOWN


# -- whose words a log line is (attack 28, 32, 33) ---------------------------------------------------
AT = "2026-01-01T00:0{}:00.000+00:00 "
READY_LOG = AT.format(0) + "[gateway] loading configuration…\n" + AT.format(1) + "[gateway] ready\n"
ZOMBIE_SAYS = (
    "[gateway] startup failed: Invalid config at /x:\n<root>: JSON5 parse failed\n"
    "Run doctor.. Process will stay alive; fix the issue and restart.\n"
)
WORDS = (
    "Process will stay alive; fix the issue and restart",
    "received SIGTERM; shutting down",
    "received SIGUSR2; restarting",
    "[gateway] received SIGINT; shutting down",
    "closed: stop (SIGTERM)",
    "loading configuration…",
    "restart mode: full process restart",
    "another gateway instance is already listening",
)
TALK = (
    "[telegram] <- Alice: {}",
    "[telegram] <- Alice: look\nwhat it prints:\n{}",
    "[telegram] {}",
    "[agent/embedded] {}",
    "[plugins] {}",
    "[gateway] [plugins] {}",
    "[gateway] note from a tool: {}",
    "[gateway] agent said '{}'",
    "INFO [agents/tools] {}",
)


def all_that_is_told(log):
    return (
        logs.stays_alive(log),
        left_on_signal(log),
        was_held(log),
        logs.went_suddenly(log),
        port_lost(log),
        shutdown_stuck(log, epoch_of_line(AT.format(9))),
        logs.newest_start(log.splitlines())[0],
    )


@pytest.mark.parametrize("talk", TALK)
@pytest.mark.parametrize("words", WORDS)
def test_v32_talk_in_a_log_is_nobodys_evidence(talk, words):
    plain = all_that_is_told(READY_LOG)
    assert plain[3] and plain[4], "as a gateway that says nothing of an end"
    assert all_that_is_told(READY_LOG + AT.format(2) + talk.format(words) + "\n") == plain


def test_v32_what_the_gateway_says_itself_is_evidence():
    assert logs.stays_alive(READY_LOG + AT.format(2) + ZOMBIE_SAYS)
    one_row = ZOMBIE_SAYS.rstrip().replace("\n", "\n  ")
    assert logs.stays_alive(READY_LOG + AT.format(2) + one_row)
    again = AT.format(3) + "[gateway] received SIGUSR2; restarting\n"
    assert not logs.stays_alive(READY_LOG + AT.format(2) + ZOMBIE_SAYS + again)
    for said in (
        "[gateway] update handoff started",
        "[reload] config change requires gateway restart",
    ):
        assert not logs.went_suddenly(READY_LOG + AT.format(2) + said)


def test_v32_a_row_of_the_shared_log_cannot_hold_a_second_line():
    from skill.openclaw import shared_log

    forged = "x\n{}[gateway] received SIGTERM; shutting down".format(AT.format(2))
    for end in ("\n", "\r", "\x0b", "\x85", "\u2028"):
        row = json.dumps(
            {"0": '{"subsystem":"telegram"}', "1": forged.replace("\n", end), "time": AT.format(2)}
        )
        line = shared_log.plain(row)
        assert line and not left_on_signal(READY_LOG + line), repr(end)


def test_v28_an_order_ends_with_the_next_start_of_the_same_process():
    """OpenClaw's lines of a restart in the process, then idle for long, then suspended."""
    restart = AT.format(
        2
    ) + "[admission] closed: restart (SIGUSR2)\n{0}[gateway] received SIGUSR2; restarting\n".format(
        AT.format(2)
    )
    late = epoch_of_line(AT.format(9))
    assert shutdown_stuck(READY_LOG + restart, late)
    for end in (
        "[gateway] loading configuration…",
        "[gateway] starting...",
        "[gateway] ready",
        "[shutdown] completed cleanly in 398ms",
        "[gateway] restart mode: in-process restart (container)",
    ):
        assert not shutdown_stuck(READY_LOG + restart + AT.format(3) + end, late), end
    rows = (READY_LOG + restart + READY_LOG).splitlines()
    assert logs.newest_start(rows) == READY_LOG.splitlines()


def test_v32_a_log_line_never_ends_one_that_works():
    """A restart that computes or reads is a start, whatever the log holds."""
    closed = replace(READY, answer="refused", startup="", owner=None)
    told = {
        "log_says_staying_alive": True,
        "port_lost": True,
        "shutdown_stuck": True,
    }
    for name in told:
        for used, moved in ((0.5, 0.0), (0.0, 1e6)):
            looks = [
                replace(closed, **{name: True}, cpu_s=n * 8.0 * used, moved=n * 8.0 * moved)
                for n in range(6)
            ]
            assert last(READY, *looks, gap=8.0).state is State.STARTING, name
            drains = [replace(s, answer="not-ready", startup="draining") for s in looks]
            assert last(READY, *drains, gap=8.0).state is State.DRAINING, name
        idle = [replace(closed, **{name: True}, cpu_s=1.0, moved=1.0)] * 6
        assert last(READY, *idle, gap=8.0).state is State.ZOMBIE, name


def test_v33_an_order_is_its_owners_only_as_the_last_words():
    order = AT.format(2) + "[gateway] received SIGINT; shutting down\n"
    assert left_on_signal(READY_LOG + order)
    assert left_on_signal(READY_LOG + order + AT.format(2) + "[shutdown] completed cleanly in 9ms")
    assert not left_on_signal(READY_LOG + order + AT.format(9) + "[gateway] warming up")
    assert not left_on_signal(READY_LOG + order + AT.format(3) + "[gateway] starting...")


# -- its own last words ----------------------------------------------------------------------------
STAMP = "2026-11-28T09:35:31.209+00:00 "
SECRETS = (
    STAMP + "Gateway failed to start: Startup failed: required secrets are unavailable.. "
    "Run openclaw gateway status --deep for diagnostics."
)
NODE = (
    "node:internal/modules/cjs/loader:1431\n  throw err;\n  ^\n\n"
    "Error: Cannot find module '/opt/gone/hook.cjs'\nRequire stack:\n- internal/preload\n"
    "    at Module._load (node:internal/modules/cjs/loader:1341:5)\n\nNode.js v24.21.0"
)


@pytest.mark.parametrize(
    "log, words",
    [
        (SECRETS, "required secrets are unavailable."),
        (NODE, "Error: Cannot find module '/opt/gone/hook.cjs'"),
        (STAMP + "[gateway] ready\n" + STAMP + "Error: boom 12", "Error: boom 12"),
        (STAMP + "Error: of an hour ago\n" + STAMP + "[gateway] ready", ""),
        (STAMP + "[agent/embedded] Gateway failed to start: says a person", ""),
        (STAMP + "[plugins] Error: a plugin's", ""),
        ("", ""),
    ],
)
def test_what_a_gateway_says_last_of_its_end(log, words):
    assert logs.last_words(log) == words
