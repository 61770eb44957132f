"""What a repair leaves behind: the config as it should be, or everything as it was."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from doctor_world import CONFIG, World, finding

from skill import repairs
from skill.doctor import execute, journal, recover
from skill.doctor import steps as healing
from skill.errors import CannotPlan, RepairError
from skill.host import Completed, Process, Reply
from skill.model import Delete, Move, Plan, Risk, Run, Service, Severity, State, Text, Write
from skill.openclaw import gateway, install
from skill.openclaw.config import diff, parse
from skill.store import good_copies, snapshots

WHY = Text("why", "为何")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    good_copies.keep(made.context())
    return made


def plan_of(*steps: object, **more: object) -> Plan:
    return Plan("test", tuple(steps), Risk.SAFE, WHY, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["", CONFIG[:60], "not json", None])
def test_a_broken_config_comes_back_byte_for_byte(world: World, broken: object) -> None:
    world.config.unlink() if broken is None else world.config.write_text(str(broken))
    world.healthy = world.parses
    ctx = world.context()
    outcome = execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {}))
    assert outcome.healed and world.config.read_text() == CONFIG
    assert not journal.path_of(world.home).exists()


@pytest.mark.parametrize("broken", ["npm warn x\n{}", "{}"])
def test_a_newer_edit_survives_where_a_small_cure_is_enough(world: World, broken: str) -> None:
    newer = CONFIG.replace('"a/b.c"', '"a/newer"')
    world.config.write_text(broken.format(newer) if broken != "{}" else newer.rstrip().rstrip("}"))
    ctx = world.context()
    assert execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {})).healed
    assert parse(world.config.read_text())["agents"]["defaults"]["model"] == "a/newer"
    assert "// keep" in world.config.read_text() and world.config.read_text().startswith("// notes")


@pytest.mark.parametrize("what", ["directory", "link", "pipe", "loop"])
def test_what_lies_in_the_configs_place_is_set_aside(world: World, what: str) -> None:
    world.config.unlink()
    if what == "pipe":
        os.mkfifo(str(world.config))  # reading it would wait forever
    elif what == "loop":
        world.config.symlink_to(world.config.name)
    else:
        world.config.mkdir() if what == "directory" else world.config.symlink_to(
            world.folder / "gone" / "openclaw.json"
        )
    world.healthy = world.parses
    ctx = world.context(finding("config/missing", str(world.config)))
    assert execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {})).healed
    assert world.config.read_text() == CONFIG and not world.config.is_symlink()
    assert len(list((world.home.doctor_dir / "quarantine").iterdir())) == 1


def test_what_lies_in_the_configs_place_comes_back_when_that_did_not_help(world: World) -> None:
    world.config.unlink()
    world.config.mkdir()
    world.healthy = lambda: False
    ctx = world.context(finding("config/missing", str(world.config)))
    assert execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {})).rolled_back
    assert world.config.is_dir()


def test_a_fact_about_an_unchanged_key_hides_no_change(world: World) -> None:
    """No model was ever configured: that must not keep the real change from being put back."""
    world.config.write_text(CONFIG.replace('mode: "token", token: "t"', 'mode: "password"'))
    fact = replace(
        finding("config/models-missing", "agents.defaults.workspace"), severity=Severity.INFO
    )
    old = replace(finding("config/secret-missing", "channels.x.token"), severity=Severity.WARNING)
    ctx = world.context(fact, old)
    assert execute.execute(ctx, repairs.ALL["revert-config-keys"].plan(ctx, {})).healed
    assert world.config.read_text() == CONFIG


def test_only_the_bad_key_is_put_back(world: World) -> None:
    world.config.write_text(
        CONFIG.replace("18901", '"x"').replace('model: "a/b.c"', 'model: "new/model"')
    )
    world.healthy = lambda: '"x"' not in world.config.read_text()
    ctx = world.context(finding("config/invalid-value", "gateway.port"))
    outcome = execute.execute(ctx, repairs.ALL["revert-config-keys"].plan(ctx, {}))
    assert outcome.healed
    assert world.config.read_text() == CONFIG.replace('model: "a/b.c"', 'model: "new/model"')
    assert outcome.config_diff == ("gateway.port",)
    kept = list((world.home.doctor_dir / "snapshots").glob("openclaw.json.rejected-by-doctor.*"))
    assert len(kept) == 1 and '"x"' in kept[0].read_text()


def test_a_lost_key_comes_back_in_its_old_place(world: World) -> None:
    world.config.write_text(CONFIG.replace('mode: "local", ', ""))
    ctx = world.context(finding("config/mode-missing"))
    assert execute.execute(
        ctx, repairs.ALL["revert-config-keys"].plan(ctx, {"paths": ["gateway.mode"]})
    ).healed
    assert world.config.read_text() == CONFIG


def test_a_repair_that_does_not_help_leaves_everything_as_it_was(world: World) -> None:
    text = CONFIG.replace("18901", "18902")
    world.config.write_text(text)
    world.healthy = lambda: False
    ctx = world.context()
    outcome = execute.execute(ctx, repairs.ALL["revert-config-keys"].plan(ctx, {}))
    assert not outcome.healed and outcome.rolled_back and world.config.read_text() == text


def test_what_is_gone_although_another_fault_remains_is_kept(world: World) -> None:
    world.config.write_text("")
    world.healthy = lambda: False
    ctx = world.context()
    outcome = execute.execute(
        ctx, repairs.ALL["restore-config"].plan(ctx, {}), cured=lambda _ctx: True
    )
    assert not outcome.healed and not outcome.rolled_back and world.config.read_text() == CONFIG


def test_an_include_that_is_gone_comes_back_and_the_rest_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    extra = world.state / "agents.json5"
    extra.write_text("{defaults: {model: 'm'}}")
    world.config.write_text(
        '{gateway: {mode: "local"}, agents: {$include: "./agents.json5"}} // mine\n'
    )
    good_copies.keep(world.context())
    extra.unlink()
    world.config.write_text(
        '{gateway: {mode: "local", port: 5}, agents: {$include: "./agents.json5"}} // mine, newer\n'
    )
    world.healthy = world.parses
    ctx = world.context(last_good=good_copies.newest(world.home))
    outcome = execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {}))
    assert (
        outcome.healed
        and extra.read_text() == "{defaults: {model: 'm'}}"
        and "newer" in world.config.read_text()
    )


def test_a_bad_key_in_an_include_is_edited_where_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    extra = world.state / "gw.json5"
    extra.write_text("{mode: 'local', port: 7}")
    world.config.write_text('{gateway: {$include: "./gw.json5"}} // mine\n')
    good_copies.keep(world.context())
    extra.write_text("{mode: 'local', port: 7, bogus: 1}")
    main = world.config.read_text()
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    assert execute.execute(
        ctx, repairs.ALL["unset-config-key"].plan(ctx, {"path": "gateway.bogus"})
    ).healed
    assert (
        parse(extra.read_text()) == {"mode": "local", "port": 7}
        and world.config.read_text() == main
    )


def doctor(world: World, after: object, code: int = 0) -> None:
    """A fake `openclaw` whose doctor --fix writes this config, and as the real one does keeps what it
    replaces and leaves the time of its run.
    """
    program = world.folder / "bin" / "openclaw"
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\nexit 0\n")
    os.chmod(program, 0o755)

    def run(argv: list) -> Completed:
        if "doctor" in argv:
            ring = world.config.with_name("openclaw.json.bak")
            ring.write_bytes(world.config.read_bytes())
            os.utime(str(ring), (world.clock, world.clock))
            wizard = {"lastRunAt": str(world.clock), "lastRunCommand": "doctor"}
            world.config.write_text(json.dumps({**after, "wizard": wizard}))
        return Completed(argv, code, "{}")

    world.on_run = run


def test_doctor_fix_that_drops_a_section_is_undone_outside_the_fault(world: World) -> None:
    world.config.write_text(CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,'))
    world.healthy = lambda: "bogus" not in world.config.read_text()
    doctor(world, {"gateway": {"mode": "local"}, "meta": {"lastTouched": "x"}, "wizard": {}})
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    outcome = execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {}))
    assert outcome.healed and not diff(parse(CONFIG), parse(world.config.read_text()))
    assert "// keep" in world.config.read_text()


@pytest.mark.parametrize(
    "edit", ['{gateway: {mode: "local", auth: {token: "NEW"}}}', '{gateway: {mode: "loc']
)
def test_v28_what_somebody_saves_while_a_program_runs_is_never_called_the_programs(
    world: World, edit: str
) -> None:
    """An edit that takes a section out, or is half written: hands off."""
    world.config.write_text(CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,'))
    doctor(world, {})

    def saved(argv: list) -> Completed:
        if "doctor" in argv:
            world.config.write_text(edit)
        return Completed(argv, 0, "{}")

    world.on_run = saved
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    outcome = execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {}))
    assert outcome.edited == (str(world.config),) and not outcome.healed
    assert world.config.read_text() == edit


def test_v28_what_a_program_wrote_is_kept_before_it_is_undone(world: World) -> None:
    """An edit made upon the program's own write bears its marks."""
    world.config.write_text(CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,'))
    world.healthy = lambda: "bogus" not in world.config.read_text()
    doctor(world, {"gateway": {"mode": "local"}, "commands": {"note": "by its owner"}})
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    assert execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {})).healed
    kept = [path.read_text() for path in (ctx.home.doctor_dir / "snapshots").glob("*/was-*")]
    assert any("by its owner" in text for text in kept)


def test_doctor_fix_that_drops_the_whole_parent_still_loses_only_the_fault(world: World) -> None:
    world.config.write_text(CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,'))
    doctor(world, {"agents": {}})
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    assert execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {})).healed
    assert not diff(parse(CONFIG), parse(world.config.read_text()))


@pytest.mark.parametrize("copied", [True, False])
def test_doctor_fix_for_a_migration_runs_only_after_a_verified_backup(
    world: World, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    monkeypatch.setattr(install, "version", lambda _package: "2026.9.6")
    doctor(world, {})
    ran = []

    def run(argv: list) -> Completed:
        ran.append(next((word for word in ("backup", "doctor") if word in argv), ""))
        return Completed(argv, 0 if copied or "backup" not in argv else 1, "{}")

    world.on_run = run
    world.healthy = lambda: "doctor" in ran
    ctx = world.context(finding("log/migration-refused"), state=State.MISCONFIGURED)
    outcome = execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {}))
    done = [word for word in ran if word]
    assert done[:2] == (["backup", "doctor"] if copied else ["backup"]) and outcome.healed is copied


def test_doctor_fix_for_a_migration_is_not_planned_without_a_backup(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "version", lambda _package: "2026.2.9")
    doctor(world, {})
    with pytest.raises(CannotPlan):
        ctx = world.context(finding("log/migration-refused"))
        repairs.ALL["openclaw-doctor-fix"].plan(ctx, {})


@pytest.mark.parametrize("broken", ["garbage" + CONFIG, CONFIG[:60], "", None])
def test_doctor_fix_is_never_run_on_a_config_that_does_not_parse(
    world: World, broken: object
) -> None:
    """Four versions put a stub in its place, none repaired it."""
    world.config.unlink() if broken is None else world.config.write_text(str(broken))
    doctor(world, {"gateway": {"mode": "local"}})
    with pytest.raises(CannotPlan):
        repairs.ALL["openclaw-doctor-fix"].plan(world.context(), {})


def test_doctor_fix_that_exits_0_and_changes_nothing_is_not_healed(world: World) -> None:
    text = CONFIG.replace('mode: "local",', 'mode: "local", bogus: 1,')
    world.config.write_text(text)
    world.healthy = lambda: False
    doctor(world, parse(text))
    ctx = world.context(finding("config/unrecognized-key", "gateway.bogus"))
    outcome = execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {}))
    assert not outcome.healed and outcome.rolled_back and world.config.read_text() == text


def test_no_snapshot_no_change(world: World) -> None:
    world.config.write_text("")
    (world.home.doctor_dir / "snapshots").write_text("a file where a folder should be")
    ctx = world.context()
    with pytest.raises(RepairError):
        execute.execute(ctx, plan_of(Write(str(world.config), b"{}"), Service("restart")))
    assert world.config.read_text() == "" and "start" not in world.calls


def test_a_full_disk_leaves_no_half_snapshot(world: World) -> None:
    with pytest.raises(RepairError):
        snapshots.take(
            world.home, "x", [str(world.config)], 0.0, lambda _path: SimpleNamespace(free=100)
        )
    assert snapshots.all_of(world.home) == [] and not list(
        (world.home.doctor_dir / "snapshots").iterdir()
    )


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


@pytest.mark.parametrize("at", range(5))
def test_kill_at_any_step_is_rolled_back_by_the_next_start(world: World, at: int) -> None:
    folder = world.state / "extensions" / "p"
    folder.mkdir(parents=True)
    text = CONFIG.replace("18901", "18902")
    world.config.write_text(text)
    aside = world.home.doctor_dir / "quarantine" / "p"
    steps = [
        Write(str(world.config), b"{}"),
        Move(str(folder), str(aside)),
        Write(str(world.home.env_file), b"A=1"),
        Service("restart"),
    ]
    steps.insert(at, Run(("openclaw", "config", "validate")))

    def die(argv: list) -> Completed:
        raise Killed

    world.on_run = die
    ctx = world.context()
    with pytest.raises(Killed):
        execute.execute(ctx, plan_of(*steps, config_paths=("*",)))
    world.started = False
    assert journal.path_of(world.home).exists()
    outcome = recover.recover(ctx)
    assert outcome is not None and outcome.rolled_back
    assert (
        world.config.read_text() == text
        and folder.is_dir()
        and not aside.exists()
        and not world.home.env_file.exists()
    )
    assert recover.recover(ctx) is None


@pytest.mark.parametrize("comes_up", [True, False])
def test_killed_while_the_gateway_starts(
    world: World, comes_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repaired gateway reads its config right now: putting the fault back under it would undo
    the cure.
    """
    world.config.write_text(CONFIG[:50])
    begin = world.start

    def die() -> None:
        begin()
        raise Killed

    world.start = die  # type: ignore[method-assign]
    ctx = world.context()
    with pytest.raises(Killed):
        execute.execute(
            ctx,
            plan_of(
                Write(str(world.config), CONFIG.encode()), Service("start"), config_paths=("*",)
            ),
        )
    monkeypatch.setattr(healing, "live_process", lambda _ctx: True)
    world.healthy = lambda: comes_up
    outcome = recover.recover(ctx)
    assert (
        outcome is not None and outcome.healed is comes_up and outcome.rolled_back is not comes_up
    )
    assert world.config.read_text() == (CONFIG if comes_up else CONFIG[:50])


@pytest.mark.parametrize("status,least,most", [("T", 1, 60), ("R", 299, 330)])
def test_a_start_that_is_stopped_is_not_waited_for_and_one_that_computes_is(
    status: str, least: float, most: float, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A13: 100 s of CPU without a word is a migration as well as an endless loop."""
    spins = gateway.ProcessInfo(7, world.clock, status, "openclaw", 1)
    looks: list = []

    def observe(*_args: object) -> gateway.Observation:
        looks.append(world.clock)
        at, silent = world.clock, world.clock - spins.started
        return gateway.Observation(at, at, "refused", process=spins, holder_pid=7, silent_s=silent)

    monkeypatch.setattr(gateway, "observe", observe)
    monkeypatch.setattr(healing, "live_process", lambda _ctx: True)
    world.healthy = lambda: False
    began = world.clock
    outcome = execute.execute(world.context(), plan_of(Service("start")))
    assert not outcome.healed and len(looks) >= 3 and least <= world.clock - began < most


def interrupted_repair(world: World) -> "tuple[object, str]":
    """A repair that was killed between its write and the start: (context, the config as it left
    it).
    """
    world.config.write_text(CONFIG[:50])

    def die(argv: list) -> Completed:
        raise Killed

    world.on_run = die
    ctx = world.context()
    steps = (
        Write(str(world.config), CONFIG.encode()),
        Run(("openclaw", "config", "validate")),
        Service("start"),
    )
    with pytest.raises(Killed):
        execute.execute(ctx, plan_of(*steps, config_paths=("*",)))
    return ctx, CONFIG


def test_nothing_is_put_back_under_a_gateway_that_is_ready(world: World) -> None:
    """Killed before its own start; level 2 started what it had repaired. In the next incident the old
    fault must not come back.
    """
    ctx, repaired = interrupted_repair(world)
    world.started = True
    outcome = recover.recover(ctx)
    assert outcome is not None and outcome.healed and not outcome.rolled_back
    assert world.config.read_text() == repaired and not journal.path_of(world.home).exists()


def test_what_was_written_long_after_a_repair_died_is_not_overwritten(world: World) -> None:
    ctx, _mended = interrupted_repair(world)
    edited = CONFIG.replace("18901", "18903")
    world.config.write_text(edited)
    later = time.time() + 3600
    os.utime(str(world.config), (later, later))
    outcome = recover.recover(ctx)
    assert outcome is not None and not outcome.healed and not outcome.rolled_back
    assert world.config.read_text() == edited and not journal.path_of(world.home).exists()
    assert recover.recover(ctx) is None


def test_a_key_that_an_interrupted_repair_lost_is_told_under_a_ready_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A3: nothing is put back under a gateway that is ready, whatever its config lost."""

    def die() -> None:
        world.started = True
        raise Killed

    world.start = die  # type: ignore[method-assign]
    ctx = world.context()
    with pytest.raises(Killed):
        execute.execute(
            ctx,
            plan_of(
                Write(str(world.config), b'{gateway: {mode: "local"}}'),
                Service("start"),
                config_paths=("gateway",),
            ),
        )
    monkeypatch.setattr(healing, "live_process", lambda _ctx: True)
    outcome = recover.recover(ctx)
    assert outcome is not None and outcome.healed and not outcome.rolled_back
    assert "agents.defaults.model" in outcome.lost and "stop" not in world.calls
    assert world.config.read_bytes() == b'{gateway: {mode: "local"}}'


@pytest.mark.parametrize(
    "step",
    [
        Write("{state}/workspace/notes.md", b""),
        Write("{state}/credentials/oauth.json", b""),
        Write("{state}/agents/main/sessions/a.jsonl", b""),
        Write("/etc/passwd", b""),
        Write("{state}/iflow-doctor/../workspace/x", b""),
        Move("{state}/workspace", "{state}/iflow-doctor/quarantine/w"),
        Move("{state}/state/openclaw.sqlite", "/tmp/elsewhere"),
        Move("{state}/extensions", "{state}/iflow-doctor/quarantine/e"),
        Delete("{state}/openclaw.json"),
        Delete("{state}/extensions/p/index.js"),
        Run(("/bin/sh", "-c", "true")),
        Run(("node", "evil.js")),
        Service("format"),
        "a string",
    ],
)
def test_steps_outside_the_allow_list_are_refused(world: World, step: object) -> None:
    def fill(text: str) -> str:
        return text.replace("{state}", str(world.state))

    if isinstance(step, (Write, Move, Delete)):
        values = {
            name: fill(value) if isinstance(value, str) else value
            for name, value in vars(step).items()
        }
        step = type(step)(**values)
    with pytest.raises(RepairError):
        execute.execute(world.context(), plan_of(step))


def test_a_corrupt_database_is_moved_and_comes_back_when_that_does_not_help(world: World) -> None:
    base = world.state / "state"
    base.mkdir()
    for part in ("", "-wal"):
        (base / ("openclaw.sqlite" + part)).write_bytes(b"rubbish" + part.encode())
    ctx = world.context(finding("database/corrupt", str(base / "openclaw.sqlite")))
    world.healthy = lambda: False
    assert execute.execute(ctx, repairs.ALL["quarantine-database"].plan(ctx, {})).rolled_back
    assert (base / "openclaw.sqlite-wal").read_bytes() == b"rubbish-wal"
    world.healthy = lambda: not (base / "openclaw.sqlite").exists()
    world.clock += 5
    outcome = execute.execute(ctx, repairs.ALL["quarantine-database"].plan(ctx, {}))
    assert outcome.healed and outcome.plan.advice and "pairings" in outcome.plan.advice.en


def test_set_config_key_opens_nothing(world: World) -> None:
    ctx = world.context(finding("config/bind-without-auth"))
    for params in (
        {"path": "gateway.auth.mode", "value": "none"},
        {"path": "gateway.bind", "value": "lan"},
    ):
        with pytest.raises(CannotPlan):
            repairs.ALL["set-config-key"].plan(ctx, params)


def test_unset_never_takes_a_section_or_an_unnamed_key(world: World) -> None:
    ctx = world.context(finding("config/unrecognized-key", "agents"))
    for name in ("agents", "gateway.auth"):
        with pytest.raises(CannotPlan):
            repairs.ALL["unset-config-key"].plan(ctx, {"path": name})


def test_bad_node_options_go_from_service_and_env_file(world: World) -> None:
    world.home.env_file.write_text("KEY=secret\nNODE_OPTIONS=--no-such-flag\n")
    ctx = world.context(finding("node/bad-options"))
    assert execute.execute(ctx, repairs.ALL["repair-service-env"].plan(ctx, {})).healed
    assert world.home.env_file.read_text() == "KEY=secret\n"
    assert "override {} ['NODE_OPTIONS']" in world.calls


def test_the_environment_of_the_last_healthy_run_comes_back(world: World) -> None:
    before = {"OPENCLAW_STATE_DIR": "/a", "LD_PRELOAD": None}
    ctx = world.context(
        finding(
            "service/environment", "OPENCLAW_STATE_DIR", name="OPENCLAW_STATE_DIR", restore=before
        )
    )
    assert execute.execute(ctx, repairs.ALL["repair-service-env"].plan(ctx, {})).healed
    assert "override {'OPENCLAW_STATE_DIR': '/a'} ['LD_PRELOAD']" in world.calls
    hint = world.context(
        finding("service/environment-changed", "LD_PRELOAD", restore={"LD_PRELOAD": None})
    )
    with pytest.raises(CannotPlan):  # what is no certain cause is left alone unless it is asked for
        repairs.ALL["repair-service-env"].plan(hint, {})
    assert repairs.ALL["repair-service-env"].plan(hint, {"changed": True}).steps


def test_every_repair_is_registered_under_its_id_and_says_why_in_both_languages() -> None:
    for name, repair in repairs.ALL.items():
        assert (
            repair.id == name
            and repair.title.en
            and repair.title.zh
            and repair.params["type"] == "object"
        )


def test_dry_run_changes_nothing(world: World) -> None:
    world.config.write_text("")
    ctx = world.context()
    outcome = execute.execute(ctx, repairs.ALL["restore-config"].plan(ctx, {}), dry_run=True)
    assert not outcome.healed and world.config.read_text() == "" and "start" not in world.calls


@pytest.fixture
def gateway_process(world: World):  # type: ignore[no-untyped-def]
    """A living gateway with its lock, ready, and with one agent run."""
    env = {"HOME": str(world.folder)}
    made = Process(4711, 1, "openclaw-gatewa", ("openclaw-gateway",), "sleeping", 1.0, env=env)
    world.machine.rows[made.pid] = made
    folder = world.state / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    (folder / "gateway.state.lock").write_text(json.dumps({"pid": made.pid, "port": 18901}))
    world.started = True
    facts(world, made.pid)
    return made


def facts(world: World, pid: int, runs: int = 1, age: float = 0.0) -> None:
    value = {"at": world.clock - age, "pid": pid, "activeRuns": runs, "oldestRunStartedAt": None}
    (world.home.doctor_dir / "gateway-facts.json").write_text(json.dumps(value))


def test_a_restart_waits_until_the_gateway_has_done_its_work(
    world: World, gateway_process: object
) -> None:
    began, said = world.clock, []
    real = world.host.sleep

    def sleep(seconds: float) -> None:
        real(seconds)
        facts(world, gateway_process.pid, 1 if world.clock - began < 40 else 0)  # type: ignore[attr-defined]

    ctx = replace(world.context(), host=replace(world.host, sleep=sleep))
    assert (
        40 <= healing.wait_for_runs(ctx, plan_of(Service("restart")), said.append) < 45
        and len(said) == 1
    )
    assert healing.wait_for_runs(ctx, plan_of(Service("restart")), said.append) == 0.0


def test_a_run_that_never_ends_is_waited_for_five_minutes(
    world: World, gateway_process: object
) -> None:
    def sleep(seconds: float) -> None:
        world.clock += seconds
        facts(world, gateway_process.pid)  # type: ignore[attr-defined]

    ctx = replace(world.context(), host=replace(world.host, sleep=sleep))
    assert 300 <= healing.wait_for_runs(ctx, plan_of(Service("restart")), lambda text: None) < 310


@pytest.mark.parametrize("why", ["hung", "old facts", "another process", "no plugin", "no restart"])
def test_nothing_is_waited_for_without_a_reason(
    world: World, gateway_process: object, why: str
) -> None:
    pid = gateway_process.pid  # type: ignore[attr-defined]
    if why == "hung":
        world.started = False
    elif why == "no plugin":
        (world.home.doctor_dir / "gateway-facts.json").unlink()
    elif why != "no restart":
        facts(
            world, pid if why == "old facts" else pid + 1, age=90.0 if why == "old facts" else 0.0
        )
    plan = plan_of(Service("start" if why == "no restart" else "restart"))
    assert healing.wait_for_runs(world.context(), plan, lambda text: None) == 0.0


def test_another_openclaw_program_in_the_lock_is_no_gateway_and_is_waited_for(
    world: World, gateway_process: object
) -> None:
    """An embedded agent or `doctor` holds the same lock under another role: nothing may take it for
    a gateway without a port.
    """
    assert gateway.lock_holder(world.host, world.home) is not None
    lock = world.state / "tmp" / "openclaw-0" / "gateway.state.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "role": "agent-embedded"}))
    assert gateway.lock_holder(world.host, world.home) is None and gateway.doctor_running(
        world.host, world.home
    )


@pytest.mark.parametrize("still_silent", [True, False])
def test_channels_are_resumed_when_none_is_suppressed_any_more(
    world: World, still_silent: bool
) -> None:
    """Ready is what a gateway says in safe mode, too."""
    silent = {"now": True}
    world.started = True

    def body() -> dict:
        silenced = {"suppressed": ["telegram"]} if silent["now"] else {}
        return {"ready": True, "failing": [], **silenced}

    host = replace(world.host, get=lambda *_a: Reply(200, json.dumps(body()).encode()))

    def run(argv: object, **_more: object) -> Completed:
        assert "channels.start" in list(argv)  # type: ignore[call-overload]
        silent["now"] = still_silent
        return Completed([], 0)

    ctx = replace(world.context(state=State.SAFE_MODE), host=replace(host, run=run))
    step = Run(
        (
            "openclaw",
            "gateway",
            "call",
            "channels.start",
            "--params",
            '{"channel": "telegram"}',
            "--json",
        ),
        60.0,
    )
    assert execute.execute(ctx, plan_of(step, verify="channels")).healed is not still_silent


@pytest.mark.parametrize("size,steps", [(48, 1), (8192, 0)])
def test_a_small_heap_on_the_command_line_is_replaced_there(
    world: World, size: int, steps: int
) -> None:
    """OpenClaw's own unit passes --max-old-space-size itself, and that wins over NODE_OPTIONS; a
    large one is not made smaller.
    """
    world.name = "systemd"
    world.command = lambda: ["node", "--max-old-space-size={}".format(size), "index.js"]  # type: ignore[method-assign]
    world.environment = lambda: {"NODE_OPTIONS": "--max-old-space-size=48"}  # type: ignore[method-assign]
    ctx = world.context(finding("node/small-heap"))
    if not steps:
        with pytest.raises(CannotPlan):
            repairs.ALL["repair-service-env"].plan(ctx, {})
        return
    repairs.ALL["repair-service-env"].plan(ctx, {})
    assert "override {'ExecStart[1]': '--max-old-space-size=2048'} []" in world.calls


def test_room_is_made_of_our_own_spare_files_only(world: World, tmp_path: Path) -> None:
    from skill.repairs import free_disk

    ctx = world.context(finding("disk/full"))
    logs = ctx.home.logs_dir
    logs.mkdir(exist_ok=True)
    for name in ("watchdog.log", "watchdog.log.1", "gateway.log.1"):
        (logs / name).write_text("x" * 100)
    assert free_disk.own_spare(ctx) == [logs / "watchdog.log.1"]
    before = set(free_disk.old_logs(ctx))
    assert (
        free_disk.make_room(replace(ctx, host=replace(ctx.host, now=lambda: 0.0))) == 100
    )  # in 1970 no log of OpenClaw's is old
    assert (
        sorted(path.name for path in logs.iterdir()) == ["gateway.log.1", "watchdog.log"]
        and set(free_disk.old_logs(ctx)) == before
    )


UNIT = "[Service]\nExecStart=/usr/bin/node /lib/openclaw gateway\n"


def served_unit(world: World) -> Path:
    """The service's unit, kept as part of a good run."""
    unit = world.folder / ".config" / "systemd" / "user" / "openclaw-gateway.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT)
    good_copies.keep(world.context())
    return unit


def test_the_services_definition_comes_back_and_a_later_drop_in_loses_its_effect(
    world: World,
) -> None:
    unit = served_unit(world)
    unit.write_text(UNIT.replace("/usr/bin", "/gone"))
    later = unit.with_name(unit.name + ".d") / "mine.conf"
    later.parent.mkdir()
    later.write_text("[Service]\nExecStart=\nExecStart=/bin/false\n")
    (later.parent / "iflow-doctor.conf").write_text("[Service]\n")
    good_copies.keep(
        world.context()
    )  # edited under a running gateway: this copy has never started one
    world.healthy = lambda: unit.read_text() == UNIT and b"false" not in later.read_bytes()
    ctx = world.context()
    plan = repairs.ALL["restore-service-unit"].plan(ctx, {})
    assert [step.action for step in plan.steps if isinstance(step, Service)] == [
        "reload",
        "restart",
    ]
    assert execute.execute(ctx, plan).healed and world.calls.count("reload") == 1
    assert (
        unit.read_text() == UNIT
        and later.read_text().startswith("#")
        and (later.parent / "iflow-doctor.conf").read_text()
    )


def test_without_another_definition_that_worked_there_is_nothing_to_put_back(world: World) -> None:
    with pytest.raises(CannotPlan):
        repairs.ALL["restore-service-unit"].plan(world.context(), {})
    served_unit(world)
    with pytest.raises(CannotPlan):
        repairs.ALL["restore-service-unit"].plan(world.context(), {})


def test_a_definition_that_does_not_help_is_put_back_and_taken_up_again(world: World) -> None:
    unit = served_unit(world)
    unit.write_text("[Service]\nExecStart=/mine\n")
    world.healthy = lambda: False
    ctx = world.context()
    outcome = execute.execute(ctx, repairs.ALL["restore-service-unit"].plan(ctx, {}))
    assert outcome.rolled_back and unit.read_text() == "[Service]\nExecStart=/mine\n"
    assert world.calls.count("reload") == 2, "the manager must not go on with what was undone"


def test_the_guard_of_a_crashed_takeover_may_be_moved_and_nothing_like_it(world: World) -> None:
    from skill.doctor.allowed_paths import refuse

    folder = world.state / "tmp" / "openclaw-0"
    aside = str(world.home.doctor_dir / "quarantine" / "x-locks" / "y")
    for name, fine in (
        ("gateway.a253df78.lock", True),
        ("gateway.a253df78.lock.reclaim", True),
        ("gateway.a253df78.lock.sqlite", False),
        ("device-identity.448386ab.lock.reclaim", False),
    ):
        plan = plan_of(Move(str(folder / name), aside))
        if fine:
            refuse(world.context(), plan)
        else:
            with pytest.raises(RepairError):
                refuse(world.context(), plan)


def test_attack_a5_ctrl_c_leaves_no_repair_half_done(world: World) -> None:
    """Stopped by us and then left: nobody would start it."""
    world.started, world.healthy = True, lambda: False

    def interrupted(argv: list) -> Completed:
        raise KeyboardInterrupt

    world.on_run = interrupted
    stop, start = Service("stop"), Service("start")
    fix = Run(("openclaw", "doctor", "--fix"))
    plan = plan_of(stop, Write(str(world.config), b"{}"), fix, start, config_paths=("*",))
    with pytest.raises(KeyboardInterrupt):
        execute.execute(world.context(), plan)
    assert world.config.read_text() == CONFIG and world.started
    assert "stop" in world.calls and not journal.pending(world.home)
