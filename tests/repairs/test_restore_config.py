"""Which config comes back, and when none does."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doctor_world import CONFIG, World, finding

from skill import repairs
from skill.checks import config as config_check
from skill.doctor import execute
from skill.errors import CannotPlan
from skill.host import Completed
from skill.model import Risk, State
from skill.openclaw.config import parse
from skill.repairs import common, manual_steps
from skill.store import good_copies, served, snapshots


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    program = tmp_path / "bin" / "openclaw"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    os.chmod(str(program), 0o755)
    made.on_run = validator(made)
    return made


def validator(world: World) -> Any:
    """`openclaw config validate --json` that knows five sections and asks for no more."""

    def run(argv: list, env: Any = None) -> Completed:
        if "validate" not in argv:
            return Completed(argv, 0, "{}")
        path = Path((env or {}).get("OPENCLAW_CONFIG_PATH") or world.config)
        try:
            data = parse(path.read_text())
            wrong = set(data) - {"gateway", "agents", "channels", "messages", "meta"}
        except ValueError:
            wrong = {"syntax"}
        issues = [{"path": "<root>", "message": 'Unrecognized key: "{}"'.format(k)} for k in wrong]
        return Completed(argv, 0, json.dumps({"valid": not wrong, "issues": issues}))

    def handed(argv: Any, **more: Any) -> Completed:
        world.calls.append(" ".join(str(word) for word in argv))
        return run(list(argv), more.get("env"))

    object.__setattr__(world.host, "run", handed)
    return lambda argv: run(list(argv))


def aged(path: Path, text: str, at: float) -> None:
    path.write_text(text)
    os.utime(str(path), (at, at))


@pytest.mark.parametrize(
    "text",
    [
        '{gateway: {mode: "local"}}',
        '{gateway: {mode: "local"}, channels: {telegram: {enabled: true}}}',
        "{agents: {}}",
        "{}",
    ],
)
def test_it_never_runs_over_a_file_that_parses(world: World, text: str) -> None:
    good_copies.keep(world.context())
    world.config.write_text(text)
    for findings in ((), (finding("config/shrunk"),), (finding("config/mode-missing"),)):
        with pytest.raises(CannotPlan):
            repairs.ALL["restore-config"].plan(world.context(*findings), {})


def test_a_clobbered_config_gets_back_what_it_lost_and_keeps_what_is_new(world: World) -> None:
    good_copies.keep(world.context())
    world.config.write_text('{messages: {ackReaction: "eyes"}}')
    ctx = world.context(finding("config/shrunk", str(world.config)))
    outcome = execute.execute(ctx, repairs.planned(ctx, "revert-config-keys", {"lost": True}))
    now = parse(world.config.read_text())
    assert outcome.healed and now["messages"] == {"ackReaction": "eyes"}
    assert now["gateway"] == parse(CONFIG)["gateway"] and "agents" in now


def test_the_newest_copy_that_is_valid_wins_whoever_kept_it(world: World) -> None:
    """OpenClaw's ring is newer than our own copy here: the person edited after it."""
    good_copies.keep(world.context())
    newer = CONFIG.replace("18901", "18905")
    aged(world.config.with_name("openclaw.json.bak"), newer, world.clock + 100)
    aged(
        world.config.with_name("openclaw.json.clobbered.1"),
        CONFIG.replace("agents:", "nonsense:"),
        world.clock + 200,
    )
    aged(world.config.with_name("openclaw.json.bak.1"), CONFIG, world.clock - 900)
    world.config.write_text("")
    ctx = world.context(finding("config/empty", str(world.config)))
    plan = repairs.planned(ctx, "restore-config", {})
    assert "openclaw.json.bak," in plan.why.en
    assert execute.execute(ctx, plan).healed and world.config.read_text() == newer


def test_a_rejected_edit_that_is_whole_is_a_candidate_too(world: World) -> None:
    aged(world.config.with_name("openclaw.json.rejected.7"), CONFIG, world.clock)
    world.config.write_text("")
    ctx = world.context(finding("config/empty", str(world.config)))
    assert execute.execute(ctx, repairs.planned(ctx, "restore-config", {})).healed
    assert world.config.read_text() == CONFIG


def test_a_missing_brace_keeps_a_section_that_no_copy_has(world: World) -> None:
    """Everyday 1: one deleted brace took a new section with it."""
    good_copies.keep(world.context())
    newer = json.dumps({**parse(CONFIG), "channels": {"telegram": {"enabled": True}}}, indent=2)
    at = newer.index('}\n  },\n  "channels"')
    broken = newer[:at] + newer[at + 1 :]
    world.config.write_text(broken)
    ctx = world.context(finding("config/syntax", str(world.config)))
    outcome = execute.execute(ctx, repairs.planned(ctx, "restore-config", {}))
    assert outcome.healed and parse(world.config.read_text()) == parse(newer)
    assert outcome.removed == ()


@pytest.mark.parametrize("length", [85, 90, 110])
def test_everyday_5_without_any_copy_half_a_file_is_for_a_person_to_agree_to(
    world: World, length: int
) -> None:
    half = CONFIG[:length]
    world.config.write_text(half)
    ctx = world.context(finding("config/syntax", str(world.config)))
    for name, params in (
        ("openclaw-doctor-fix", {}),
        ("set-config-key", {"path": "gateway.mode", "value": "local"}),
        ("revert-config-keys", {}),
    ):
        with pytest.raises(CannotPlan):
            repairs.planned(ctx, name, params)
    plan = repairs.planned(ctx, "restore-config", {})
    assert plan.risk is Risk.NEVER and "not known" in plan.why.en
    outcome = execute.execute(ctx, plan)
    now = parse(world.config.read_text())
    assert outcome.healed and now["gateway"] == parse(CONFIG)["gateway"]
    assert outcome.removed == (), "everything that could be read is there"
    kept = snapshots.load(snapshots.folder_of(world.home) / outcome.snapshot)
    assert kept.raw(str(world.config)) == half.encode()


def test_everyday_5_a_stub_is_not_made_of_nothing(world: World) -> None:
    world.config.write_text('{"agents": {"defaults": {"model": "a"}}, "chan')
    ctx = world.context(finding("config/syntax", str(world.config)))
    with pytest.raises(CannotPlan):
        repairs.planned(ctx, "restore-config", {})


def test_everyday_5_what_was_made_of_the_rest_is_no_good_copy_before_a_person_saw_it(
    world: World,
) -> None:
    """An older backup takes the place of a cut file that held more."""
    older = '{gateway: {mode: "local", port: 18901}}'
    aged(world.config.with_name("openclaw.json.bak"), older, world.clock)
    world.config.write_text(CONFIG.rstrip()[:-9])
    ctx = world.context(finding("config/syntax", str(world.config)))
    world.config.write_text(CONFIG.replace("agents: {defaults", "agents: {defaults: ["))
    ctx = world.context(finding("config/syntax", str(world.config)))
    outcome = execute.execute(ctx, repairs.planned(ctx, "restore-config", {}))
    assert outcome.healed and world.config.read_text() == older
    assert "gateway.auth.token" in outcome.removed
    now = parse(older)
    assert served.made_by_us(world.home, now)
    served.accept(world.home)
    assert not served.made_by_us(world.home, now)


def test_a_copy_that_worked_before_is_good_again_at_once(world: World) -> None:
    good_copies.keep(world.context())
    world.config.write_text(CONFIG.replace("18901", "18902")[:-8])
    ctx = world.context(finding("config/syntax", str(world.config)))
    assert execute.execute(ctx, repairs.planned(ctx, "restore-config", {})).healed
    assert not served.made_by_us(world.home, parse(world.config.read_text()))


@pytest.mark.parametrize("how", ["nix", "readonly", "service", "configmap", "mount"])
def test_a_config_that_is_managed_from_outside_is_told_never_written(
    world: World, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_copies.keep(world.context())
    world.config.write_text("{")
    if how == "nix":
        world.host.env["OPENCLAW_NIX_MODE"] = "1"  # type: ignore[index]
    elif how == "readonly":
        world.host.env["OPENCLAW_CONFIG_READONLY"] = "1"  # type: ignore[index]
    elif how == "service":
        world.environment = lambda: {"OPENCLAW_CONFIG_READONLY": "1"}  # type: ignore[method-assign]
    elif how == "configmap":
        data = world.state / "..2026_11_28_03_00_00.123"
        data.mkdir()
        (data / "openclaw.json").write_text("{")
        (world.state / "..data").symlink_to(data.name)
        world.config.unlink()
        world.config.symlink_to("..data/openclaw.json")
    else:
        monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    before = world.config.read_text()
    ctx = world.context(finding("config/syntax", str(world.config)))
    with pytest.raises(CannotPlan) as told:
        repairs.planned(ctx, "restore-config", {})
    assert "managed from outside" in told.value.text.en
    assert world.config.read_text() == before
    assert repairs.planned(world.context(state=State.DOWN), "start", {}).steps, "a start is fine"
    seen = next(f for f in config_check.run(ctx) if f.check_id == "config/immutable")
    hint = manual_steps.hint(
        ctx.with_verdict(replace(ctx.verdict, findings=(seen,))), finding("config/syntax")
    )
    assert hint is not None and "at its source" in hint.en


def test_a_setting_in_the_config_itself_makes_nothing_immutable(world: World) -> None:
    """OpenClaw reads the switch from the host's environment only."""
    text = CONFIG.replace("agents:", 'env: {vars: {OPENCLAW_CONFIG_READONLY: "1"}}, agents:')
    world.config.write_text(text)
    assert not [f for f in config_check.run(world.context()) if f.check_id == "config/immutable"]


def test_a_copy_that_openclaw_refused_does_not_outrank_a_proven_one(world: World) -> None:
    """Attack 7: channels and agents were gone, and it was called healed."""
    good_copies.keep(world.context())
    aged(
        world.config.with_name("openclaw.json.clobbered.1"),
        '{gateway: {mode: "local", port: 18901}}',
        world.clock + 500,
    )
    world.config.unlink()
    ctx = world.context(finding("config/missing", str(world.config)))
    assert execute.execute(ctx, repairs.planned(ctx, "restore-config", {})).healed
    assert world.config.read_text() == CONFIG


def test_an_include_that_leads_nowhere_costs_its_own_place_only(world: World) -> None:
    """Attack 18: one save held a new token and an $include of a file that was not written yet."""
    good_copies.keep(world.context())
    before = parse(CONFIG)
    edited = {
        **before,
        "agents": {"$include": "./agents.json5"},
        "channels": {"telegram": {"botToken": "new"}},
        "messages": {"$include": "./messages.json5"},
    }
    world.config.write_text(json.dumps(edited, indent=2))
    ctx = world.context(finding("config/include-missing", str(world.config)))
    assert execute.execute(ctx, repairs.planned(ctx, "restore-config", {})).healed
    now = parse(world.config.read_text())
    assert now["channels"] == edited["channels"] and now["agents"] == before["agents"]
    assert "messages" not in now


def test_what_the_owner_wrote_is_kept_aside_once(world: World) -> None:
    for number in range(3):
        world.config.write_text("{ half")
        for write in common.rejected(world.context()):
            Path(write.path).parent.mkdir(exist_ok=True, parents=True)
            Path(write.path).write_bytes(write.content)
        world.clock += 100 + number
    kept = (world.home.doctor_dir / "snapshots").glob("*.rejected-by-doctor.*")
    assert [path.read_text() for path in kept] == ["{ half"]
