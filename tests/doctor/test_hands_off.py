"""The owner outranks every repair: what somebody else wrote stays, nothing old is put back under a
gateway that is ready, and nobody is left stopped. Numbers as in the list of proved defects.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from doctor_world import CONFIG, World, finding

from skill import repairs
from skill.context import Context
from skill.doctor import execute, journal, recover, steps, visit
from skill.errors import RepairError
from skill.host import Completed, Process
from skill.model import Delete, Plan, Risk, Run, Service, State, Text, Write
from skill.openclaw.ledger import Ledger
from skill.store import good_copies, snapshots
from skill.store.incidents import Incident

WHY = Text("why", "为何")
OWNERS = CONFIG.replace("// notes", "// the owner's own words")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    good_copies.keep(made.context())
    return made


def plan_of(*steps: object, **more: Any) -> Plan:
    return Plan("test", tuple(steps), Risk.SAFE, WHY, **more)


def later(world: World, seconds: float, act: Callable[[], object]) -> Context:
    """A context in which somebody does something while we wait."""
    due, done, real = world.clock + seconds, [False], world.host.sleep

    def sleep(wait: float) -> None:
        real(wait)
        if world.clock >= due and not done[0]:
            done[0] = True
            act()

    return replace(world.context(), host=replace(world.host, sleep=sleep))


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


def test_a2_an_edit_during_the_wait_stays_and_ends_the_work(world: World) -> None:
    world.config.write_text(CONFIG.replace("18901", "18902"))
    world.healthy = lambda: False
    ctx = later(world, 2, lambda: world.config.write_text(OWNERS))
    outcome = execute.execute(ctx, repairs.planned(ctx, "revert-config-keys", {}))
    assert world.config.read_text() == OWNERS
    assert outcome.edited == (str(world.config),) and not outcome.healed
    assert not outcome.rolled_back and not journal.pending(world.home)
    assert outcome.seconds < 60, "nobody waits on for what an owner is correcting"


@pytest.mark.parametrize("helps", [True, False])
def test_everyday_2_what_came_up_with_the_owners_edit_is_not_our_credit(
    world: World, helps: bool
) -> None:
    world.config.write_text(CONFIG[:50])
    world.healthy = lambda: helps and world.config.read_text() == OWNERS
    ctx = later(world, 2, lambda: world.config.write_text(OWNERS))
    seen = finding("config/syntax", str(world.config))

    def examine(ctx: Context, loop: bool) -> Context:
        state = State.HEALTHY if world.started and world.healthy() else State.MISCONFIGURED
        verdict = replace(ctx.verdict, state=state, findings=() if world.parses() else (seen,))
        return replace(ctx, verdict=verdict, last_good=good_copies.newest(world.home))

    result = visit.Visit(
        ctx, Incident(world.home, "i1"), examine=examine, match=lambda _ctx: ()
    ).treat()
    assert result.outcome == "nothing" and world.config.read_text() == OWNERS
    assert "somebody else" in result.cause.en
    # the edit that made us let go is not what is wrong: the fault stays in the telling
    assert ("config/syntax" in result.cause.en) is not helps
    assert result.actions[-1]["outcome"] == "let-go"
    assert result.actions[-1]["edited"] == [str(world.config)]
    assert Incident(world.home, "i1").may_try("restore-config"), "it was not given a chance"


def test_everyday_2_a_gateway_that_came_up_by_itself_is_left_alone(world: World) -> None:
    world.started = True
    edited = CONFIG.replace("18901", "18902")
    world.config.write_text(edited)
    ctx = world.context(state=State.DOWN)
    outcome = execute.execute(ctx, repairs.planned(ctx, "revert-config-keys", {}))
    assert outcome.by_itself and not outcome.healed and world.config.read_text() == edited
    assert "start" not in world.calls and "stop" not in world.calls


def test_suspected_2_what_was_written_after_the_plan_was_made_is_not_overwritten(
    world: World,
) -> None:
    world.config.write_text(CONFIG[:50])
    ctx = world.context()
    plan = repairs.planned(ctx, "restore-config", {})
    world.config.write_text(OWNERS)
    outcome = execute.execute(ctx, plan)
    assert outcome.edited and world.config.read_text() == OWNERS and "start" not in world.calls


def test_an_edit_between_two_steps_stays_and_the_rest_is_taken_back(world: World) -> None:
    def run(argv: list) -> Completed:
        world.config.write_text(OWNERS)
        return Completed(argv, 0)

    world.on_run = run
    ctx = world.context()
    steps = (
        Write(str(world.home.env_file), b"A=1\n"),
        Run(("openclaw", "config", "validate")),
        Write(str(world.config), b"{}"),
        Service("restart"),
    )
    outcome = execute.execute(ctx, plan_of(*steps, config_paths=("*",)))
    assert world.config.read_text() == OWNERS and not world.home.env_file.exists()
    assert outcome.edited == (str(world.config),)


@pytest.mark.parametrize("wait_s", [0.0, 300.0, 4000.0])
def test_a2_what_was_written_after_a_repair_died_is_the_owners(world: World, wait_s: float) -> None:
    """However soon or late: a moment after the kill counts as much as an hour."""
    world.config.write_text(CONFIG[:50])

    def die(argv: list) -> Completed:
        raise Killed

    world.on_run = die
    ctx = world.context()
    steps = (Write(str(world.config), CONFIG.encode()), Run(("openclaw", "x")), Service("start"))
    with pytest.raises(Killed):
        execute.execute(ctx, plan_of(*steps, config_paths=("*",)))
    world.clock += wait_s
    world.config.write_text(OWNERS)
    outcome = recover.recover(ctx)
    assert outcome is not None and outcome.edited == (str(world.config),)
    assert world.config.read_text() == OWNERS


def test_a2_a_new_file_of_the_owners_is_not_unlinked(world: World) -> None:
    world.config.unlink()
    ctx = world.context()
    world.healthy = lambda: False
    steps = (Write(str(world.config), CONFIG.encode()), Service("start"))
    ctx = later(world, 2, lambda: world.config.write_text(OWNERS))
    execute.execute(ctx, plan_of(*steps, config_paths=("*",)))
    assert world.config.read_text() == OWNERS


def test_what_a_rollback_overwrites_is_kept_and_listed(world: World) -> None:
    world.config.write_text(CONFIG.replace("18901", "18902"))
    world.healthy = lambda: False
    ctx = world.context()
    outcome = execute.execute(ctx, repairs.planned(ctx, "revert-config-keys", {}))
    assert outcome.rolled_back
    newest = snapshots.all_of(world.home)[0]
    assert newest.id == outcome.snapshot
    kept = {path: (newest.folder / name).read_text() for path, name in newest.replaced}
    assert kept == {str(world.config): CONFIG}


def test_a_rollback_gives_modes_back_that_a_program_tightened(world: World) -> None:
    os.chmod(str(world.config), 0o644)
    os.chmod(str(world.state), 0o755)
    text = CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,')
    world.config.write_text(text)
    program = world.folder / "bin" / "openclaw"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    os.chmod(str(program), 0o755)

    def run(argv: list) -> Completed:
        if "doctor" in argv:
            os.chmod(str(world.config), 0o600)
            os.chmod(str(world.state), 0o700)
        return Completed(argv, 0, "{}")

    world.on_run = run
    world.healthy = lambda: False
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    assert execute.execute(ctx, repairs.planned(ctx, "openclaw-doctor-fix", {})).rolled_back
    assert os.stat(str(world.config)).st_mode & 0o777 == 0o644
    assert os.stat(str(world.state)).st_mode & 0o777 == 0o755


# -- who stops it starts it again ------------------------------------------------------------------
def stopping(world: World) -> None:
    """The platform says of its last stop that an operator asked for it, as systemd does."""
    world.service_state = lambda: SimpleNamespace(  # type: ignore[method-assign]
        main_pid=None,
        active="inactive",
        stopped_by_operator=not world.started,
    )


def test_a3_a_failed_doctor_fix_does_not_leave_the_gateway_stopped(world: World) -> None:
    world.config.write_text(CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,'))
    stopping(world)
    world.healthy = lambda: False
    world.started = True
    ctx = world.context()
    steps = (Service("stop"), Run(("openclaw", "doctor", "--fix")), Service("restart"))
    outcome = execute.execute(ctx, plan_of(*steps))
    assert outcome.rolled_back and world.calls[-1] == "start" and world.started
    assert Ledger(ctx.host, ctx.home).owed_start() is None


def test_a3_our_stop_is_on_disk_before_it_comes(world: World) -> None:
    def die() -> None:
        assert [act.act for act in Ledger(world.host, world.home).acts()] == ["stop"]
        raise Killed

    world.stop = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        execute.execute(world.context(), plan_of(Service("stop"), Service("start")))
    assert journal.load(journal.pending(world.home)[0]).stopped


def test_a3_a_killed_repair_starts_what_it_had_stopped(world: World) -> None:
    stopping(world)

    def die(argv: list) -> Completed:
        raise Killed

    world.on_run = die
    ctx = world.context()
    with pytest.raises(Killed):
        execute.execute(ctx, plan_of(Service("stop"), Run(("openclaw", "x")), Service("start")))
    assert not world.started
    outcome = recover.recover(ctx)
    assert outcome is not None and world.started


def test_an_owner_who_stops_meanwhile_is_not_overruled(world: World) -> None:
    """Our own stop was followed by a start; the stop after that is not in our ledger."""
    stopping(world)
    world.healthy = lambda: False

    def die() -> None:
        world.started = True
        raise Killed

    world.start = die  # type: ignore[method-assign]
    ctx = world.context()
    with pytest.raises(Killed):
        execute.execute(ctx, plan_of(Service("stop"), Service("start")))
    Ledger(world.host, world.home).note("serving", who="level 2")  # as the watchdog notes it
    world.started = False  # by its owner, long after
    del world.start
    world.calls.clear()
    assert recover.recover(ctx) is not None and "start" not in world.calls


def database(world: World, raw: bytes = b"rubbish") -> Path:
    path = world.state / "state" / "openclaw.sqlite"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    return path


def test_a3_a_lost_key_under_a_ready_gateway_is_told_not_rolled_back(world: World) -> None:
    path = database(world)
    world.healthy = lambda: not path.exists() or path.read_bytes() != b"rubbish"
    begin = world.start

    def start() -> None:
        """A start that makes a new database and takes an old key out of the config, as OpenClaw."""
        begin()
        path.write_bytes(b"new, with two hours of pairings")
        ring = world.config.with_name("openclaw.json.bak")
        ring.write_text(world.config.read_text())
        os.utime(str(ring), (world.clock, world.clock))
        world.config.write_text(CONFIG.replace('agents: {defaults: {model: "a/b.c"}},', ""))

    world.start = start  # type: ignore[method-assign]
    ctx = world.context(finding("database/corrupt", str(path)))
    outcome = execute.execute(ctx, repairs.planned(ctx, "quarantine-database", {}))
    assert outcome.healed and not outcome.rolled_back
    assert outcome.lost == ("agents.defaults.model",)
    assert path.read_bytes().startswith(b"new") and world.started
    assert world.calls.count("stop") == 1
    assert outcome.set_aside and Path(outcome.set_aside[0]).read_bytes() == b"rubbish"


def test_a3_no_old_database_comes_back_under_a_gateway_that_is_ready(world: World) -> None:
    """Killed in its verification; somebody takes a key out of the config; keep-good comes by."""
    path = database(world)

    def die() -> None:
        world.started = True
        path.write_bytes(b"new")
        raise Killed

    world.start = die  # type: ignore[method-assign]
    ctx = world.context(finding("database/corrupt", str(path)))
    with pytest.raises(Killed):
        execute.execute(ctx, repairs.planned(ctx, "quarantine-database", {}))
    world.calls.clear()
    world.config.write_text('{gateway: {mode: "local", port: 18901}}')
    outcome = recover.recover(ctx)
    assert outcome is not None and outcome.serves and path.read_bytes() == b"new"
    assert not world.calls and world.started and not journal.pending(world.home)


def test_a_new_databases_log_is_not_left_beside_the_old_database(world: World) -> None:
    path = database(world)
    world.healthy = lambda: False
    begin = world.start

    def start() -> None:
        begin()
        path.write_bytes(b"new")
        path.with_name("openclaw.sqlite-wal").write_bytes(b"new log")

    world.start = start  # type: ignore[method-assign]
    ctx = world.context(finding("database/corrupt", str(path)))
    execute.execute(ctx, repairs.planned(ctx, "quarantine-database", {}))
    assert path.read_bytes() == b"rubbish"
    assert sorted(item.name for item in path.parent.iterdir()) == ["openclaw.sqlite"]
    kept = sorted((world.home.doctor_dir / "quarantine").rglob("*made-meanwhile*"))
    assert [item.read_bytes() for item in kept] == [b"new log", b"new"]


def sound(path: Path) -> bytes:
    path.unlink()
    made = sqlite3.connect(str(path))
    made.execute("CREATE TABLE pairings(id INTEGER)")
    made.commit()
    made.close()
    return path.read_bytes()


def test_a_damaged_database_never_comes_back_over_a_sound_one(world: World) -> None:
    """Killed while it was verified; the gateway served with the new one for a while; then another
    fault keeps it down, and recovery comes by.
    """
    path = database(world)

    def die() -> None:
        world.started = True
        raise Killed

    world.start = die  # type: ignore[method-assign]
    ctx = world.context(finding("database/corrupt", str(path)))
    with pytest.raises(Killed):
        execute.execute(ctx, repairs.planned(ctx, "quarantine-database", {}))
    path.write_bytes(b"")
    new = sound(path)
    world.healthy = lambda: False
    del world.start
    outcome = recover.recover(ctx)
    assert outcome is not None and path.read_bytes() == new and not outcome.rolled_back
    kept = sorted((world.home.doctor_dir / "quarantine").rglob("openclaw.sqlite"))
    assert [item.read_bytes() for item in kept] == [b"rubbish"]


def test_an_owner_who_stops_it_while_it_is_verified_ends_the_work(world: World) -> None:
    path = database(world)
    stopping(world)
    world.healthy = lambda: False
    begin = world.start

    def start() -> None:
        begin()
        path.write_bytes(b"")
        sound(path)

    world.start = start  # type: ignore[method-assign]
    world.started = True
    ctx = later(world, 1, lambda: setattr(world, "started", False))
    ctx = ctx.with_verdict(replace(ctx.verdict, findings=(finding("database/corrupt", str(path)),)))
    outcome = execute.execute(ctx, repairs.planned(ctx, "quarantine-database", {}))
    assert not outcome.healed and not outcome.rolled_back and "owner stopped" in outcome.detail.en
    assert not world.started and world.calls.count("start") == 1
    assert path.read_bytes().startswith(b"SQLite")


def test_a_gateway_that_answers_is_not_restarted(world: World) -> None:
    """I1: it came up between the decision and the act."""
    ctx = world.context(state=State.DEGRADED)
    world.started = True
    execute.execute(ctx, plan_of(Service("restart")))
    assert "stop" not in world.calls
    with pytest.raises(RepairError):
        from skill.doctor import steps

        steps.service(ctx, "stop", 1.0)


def test_v36_a_stop_that_its_manager_would_make_a_third_hard_kill_is_not_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skill.doctor import steps

    monkeypatch.setattr(steps, "live_process", lambda ctx: True)
    ctx = world.context()
    deaf = ctx.with_verdict(replace(ctx.verdict, state=State.HUNG, pid=77))
    world.started = False
    for number in range(2):
        steps.service(deaf, "stop", 1.0)
        Ledger(ctx.host, ctx.home).note("kill", who="level 2", pid=number + 1)
    asked = list(world.calls)
    with pytest.raises(RepairError):
        steps.service(deaf, "stop", 1.0)
    assert world.calls == asked and asked.count("stop") == 2


@pytest.mark.parametrize("kept", [True, False])
def test_v39_a_stop_ends_the_process_itself_before_the_manager_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Seconds lie between the last probe and a manager's signal, and nobody counts its kill."""
    from skill.doctor import steps
    from skill.openclaw import gateway

    process = gateway.ProcessInfo(77, world.clock - 900.0, "R", "openclaw-gateway", 1)
    state = SimpleNamespace(main_pid=77 if kept else 78, stopped_by_operator=False, result="")
    monkeypatch.setattr(gateway, "lock_holder", lambda *_a: process)
    monkeypatch.setattr(gateway, "service_of", lambda _p: state)
    calls = world.calls
    answers = [gateway.Ended.LIMIT, gateway.Ended.ANSWERS, gateway.Ended.GONE]

    def end_gateway(*_a: Any, **_more: Any) -> Any:
        calls.append("ended")
        return answers.pop()

    monkeypatch.setattr(gateway, "end_gateway", end_gateway)
    deaf = world.context().with_verdict(replace(world.context().verdict, state=State.HUNG, pid=77))
    steps.service(deaf, "stop", 1.0)
    assert calls == (["ended", "stop"] if kept else ["stop"])
    for _ in answers[:] if kept else ():
        with pytest.raises((steps.Serving, RepairError)):
            steps.service(deaf, "stop", 1.0)
    assert calls.count("stop") == 1


def test_v39_a_managers_own_kill_counts_as_a_hard_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skill.doctor import steps
    from skill.openclaw import gateway

    state = SimpleNamespace(main_pid=None, stopped_by_operator=False, result="timeout")
    monkeypatch.setattr(gateway, "service_of", lambda _p: state)
    ctx = world.context()
    steps.service(ctx, "stop", 1.0)
    assert [act.act for act in Ledger(ctx.host, ctx.home).acts()][-1] == "kill"


def test_suspected_1_a_process_that_only_began_to_start_is_not_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skill.doctor import steps
    from skill.openclaw import gateway

    young = gateway.ProcessInfo(77, world.clock, "R", "openclaw-gateway", 1)
    ended: list = []
    monkeypatch.setattr(gateway, "lock_holder", lambda *_a: young)
    monkeypatch.setattr(
        gateway, "end_gateway", lambda *a, **k: ended.append(a) or SimpleNamespace(gone=False)
    )
    plan = Plan("restart", (Service("restart", 1.0),), Risk.SAFE, Text("", ""), verify="none")
    execute.execute(world.context(state=State.MISCONFIGURED), plan)
    assert not ended and "restart" not in world.calls
    hung = replace(world.context().verdict, state=State.HUNG, pid=77)
    steps.service(world.context().with_verdict(hung), "restart", 1.0)
    assert len(ended) == 1


# -- journals --------------------------------------------------------------------------------------
def test_a17_a_rollback_that_failed_is_finished_before_the_next_repair(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CONFIG.replace("18901", "18902")
    world.config.write_text(text)
    world.healthy = lambda: False
    ctx = world.context()
    full = [True]
    real = snapshots.put_back

    def put_back(*args: Any, **more: Any) -> bool:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **more)

    monkeypatch.setattr(snapshots, "put_back", put_back)
    first = plan_of(
        Write(str(world.config), CONFIG.encode()), Service("start"), config_paths=("*",)
    )
    with pytest.raises(OSError):
        execute.execute(ctx, first)
    second = plan_of(Write(str(world.home.env_file), b"B=2\n"), Service("start"))
    with pytest.raises(RepairError):
        execute.execute(ctx, second)  # nothing goes over what could not be taken back
    assert not world.home.env_file.exists() and len(journal.pending(world.home)) == 1
    note = world.home.logs_dir / "watchdog.log.1"
    note.parent.mkdir(exist_ok=True)
    note.write_text("old")
    # What makes room goes on; its own journal is another file.
    execute.execute(ctx, plan_of(Delete(str(note)), Service("start")))
    assert not note.exists() and len(journal.pending(world.home)) == 1
    full[0] = False
    assert recover.recover(ctx) is not None
    assert world.config.read_text() == text and not journal.pending(world.home)


def test_a_journal_of_another_form_hurts_nobody(world: World) -> None:
    for raw in ("{", "[]", "null", '{"snapshot": 5}', '{"snapshot": "/nowhere", "known": 7}'):
        journal.path_of(world.home).write_text(raw)
        recover.recover(world.context())
        assert not journal.pending(world.home) and world.config.read_text() == CONFIG


@pytest.mark.parametrize("action", ["stop", "restart"])
@pytest.mark.parametrize("above", [True, False])
def test_a_command_inside_the_gateway_does_not_end_it(
    world: World, action: str, above: bool
) -> None:
    """The gateway's own agent runs `heal`: with the gateway it would end itself in mid-repair."""
    folder = world.state / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    (folder / "gateway.state.lock").write_text(json.dumps({"pid": 4321, "startTime": 77}))
    env = {"HOME": str(world.folder)}
    began = world.clock - 600
    world.machine.rows = {
        4321: Process(
            4321,
            1,
            "openclaw-gateway",
            ("openclaw-gateway",),
            "sleeping",
            began,
            "me",
            env,
            ticks=77,
        ),
        os.getpid(): Process(
            os.getpid(),
            4321 if above else 1,
            "bash",
            ("bash",),
            "sleeping",
            began,
            "me",
            env,
            ticks=90,
        ),
    }
    ctx = world.context()
    if above:
        with pytest.raises(RepairError, match="runs inside the gateway"):
            steps.service(ctx, action, 10.0)
        assert "stop" not in world.calls and not Ledger(ctx.host, ctx.home).owed_start()
    else:
        steps.service(ctx, action, 10.0)
        assert world.calls
