"""The ladder: which repair for which findings, what is asked, what is never done twice, and when a
person is called.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Sequence, Set

import pytest
from doctor_world import CONFIG, World, finding

from skill import repairs
from skill.checks import log
from skill.context import Context
from skill.doctor import repair_table
from skill.doctor import visit as doctor
from skill.locks import lock_held
from skill.model import Case, Confidence, Evidence, Finding, Match, Severity, State, Text, Verdict
from skill.store import good_copies
from skill.store.incidents import Incident


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    good_copies.keep(made.context())
    return made


def treat(
    world: World,
    see: Callable[[], Sequence[Finding]],
    matches: Sequence[Match] = (),
    down: State = State.MISCONFIGURED,
    **more: Any,
) -> doctor.Treatment:
    """A visit whose checks answer `see()`; the state is healthy when the make-believe gateway
    is.
    """

    def examine(ctx: Context, loop: bool) -> Context:
        up = world.started and world.healthy()
        verdict = Verdict(
            State.HEALTHY if up else down, Text("down", "停"), exit_code=78, findings=tuple(see())
        )
        return replace(ctx, verdict=verdict, last_good=good_copies.newest(world.home))

    auto = more.pop("auto_heal", True)
    visit = doctor.Visit(
        world.context(auto_heal=auto),
        Incident(world.home, "i1"),
        examine=examine,
        match=lambda _ctx: tuple(matches),
        **more,
    )
    return visit.treat()


def seen(world: World) -> Sequence[Finding]:
    return [] if world.parses() else [finding("config/syntax", str(world.config))]


def test_a_truncated_config_is_restored_although_the_log_asks_for_gateway_mode(
    world: World,
) -> None:
    world.config.write_text(CONFIG[:50])
    world.healthy = world.parses
    result = treat(world, lambda: seen(world))
    assert result.outcome == "healed" and [a["repair"] for a in result.actions] == [
        "restore-config"
    ]
    assert world.config.read_text() == CONFIG


def test_two_faults_at_once_are_healed_one_after_the_other(world: World) -> None:
    base = world.state / "state"
    base.mkdir()
    database = base / "openclaw.sqlite"
    database.write_bytes(b"rubbish")
    world.config.write_text("{")
    world.healthy = lambda: world.parses() and not database.exists()

    def see() -> Sequence[Finding]:
        return list(seen(world)) + (
            [finding("database/corrupt", str(database))] if database.exists() else []
        )

    result = treat(world, see)
    assert result.outcome == "healed"
    assert [(a["repair"], a["outcome"]) for a in result.actions] == [
        ("restore-config", "partly"),
        ("quarantine-database", "healed"),
    ]


def test_a_foreign_program_on_the_port_is_told_and_nothing_is_done(world: World) -> None:
    result = treat(
        world,
        lambda: [finding("port/foreign-owner", pid=7), finding("config/changed")],
        down=State.DOWN,
    )
    assert (
        result.outcome == "escalate"
        and result.only_person
        and not result.actions
        and not world.calls
    )
    assert result.next_step == Text("do this", "这样做")


def test_without_auto_heal_the_plan_is_shown_and_nothing_is_done(world: World) -> None:
    world.config.write_text("")
    result = treat(world, lambda: [finding("config/empty")], auto_heal=False)
    assert (
        result.outcome == "asked" and result.plans[0].repair == "restore-config" and not world.calls
    )
    assert world.config.read_text() == ""
    world.healthy = world.parses
    assert (
        treat(
            world, lambda: seen(world) or [finding("config/empty")], auto_heal=False, yes=True
        ).outcome
        == "healed"
    )


def test_a_repair_that_failed_is_not_tried_again_in_its_incident(world: World) -> None:
    world.config.write_text("")
    world.healthy = lambda: False
    first = treat(world, lambda: [finding("config/empty")])
    assert first.outcome == "escalate" and [a["repair"] for a in first.actions] == [
        "restore-config"
    ]
    again = treat(world, lambda: [finding("config/empty")])
    assert again.outcome == "escalate" and again.actions == ()


def test_a_valid_config_that_the_gateway_refuses_goes_back_to_what_worked(world: World) -> None:
    changed = CONFIG.replace('model: "a/b.c"', 'model: "other"')
    world.config.write_text(changed)
    world.healthy = lambda: "other" not in world.config.read_text()
    result = treat(
        world, lambda: [finding("config/changed")] if "other" in world.config.read_text() else []
    )
    assert (
        result.outcome == "healed"
        and result.by == "changed"
        and result.actions[1]["config_diff"] == ["agents.defaults.model"]
        and result.actions[1]["removed"] == ["agents.defaults.model"]
    )
    assert world.config.read_text() == CONFIG
    # It was put back once, and the gateway did not stay ready with it: it is the cause.
    assert [(a["repair"], a["outcome"]) for a in result.actions[2:]] == [
        ("put-edit-back", "failed")
    ]


def test_a12_an_edit_that_was_not_the_cause_comes_back(world: World) -> None:
    """The cause lay outside and ended in the same minute as the revert."""
    changed = CONFIG.replace('model: "a/b.c"', 'model: "other"')
    world.config.write_text(changed)
    tries = [0]
    begin = world.start

    def start() -> None:
        tries[0] += 1
        begin()

    world.start = start  # type: ignore[method-assign]
    world.healthy = lambda: tries[0] >= 2
    result = treat(world, lambda: [finding("config/changed")])
    assert result.outcome == "healed" and world.config.read_text() == changed
    assert [(a["repair"], a["outcome"]) for a in result.actions][1:] == [
        ("revert-config-keys", "healed"),
        ("put-edit-back", "healed"),
    ]
    assert "removed" not in result.actions[1]
    # The same edit gets no third chance: in the next incident it stays out.
    world.started = False
    tries[0] = 0
    again = doctor.Visit(
        world.context(),
        Incident(world.home, "i2"),
        examine=lambda ctx, loop: replace(
            ctx,
            verdict=Verdict(
                State.HEALTHY if world.started and tries[0] >= 2 else State.MISCONFIGURED,
                Text("", ""),
                findings=(finding("config/changed"),),
            ),
        ),
        match=lambda _ctx: (),
    ).treat()
    assert again.outcome == "healed" and "other" not in world.config.read_text()
    assert again.actions[-1]["removed"] == ["agents.defaults.model"]


def test_a12_a_config_that_a_gateway_came_up_with_is_not_reverted(world: World) -> None:
    from skill.store import served

    changed = CONFIG.replace('model: "a/b.c"', 'model: "other"')
    world.config.write_text(changed)
    world.healthy = lambda: False
    served.came_up(world.home, changed.encode())
    up = served.with_config(world.home, changed.encode())
    result = treat(world, lambda: [finding("config/changed", served=up)])
    assert up and "revert-config-keys" not in [a["repair"] for a in result.actions]
    assert world.config.read_text() == changed


def test_unknown_and_starting_never_act(world: World) -> None:
    for state in (
        State.UNKNOWN,
        State.STARTING,
        State.UPDATING,
        State.STOPPED,
        State.DRAINING,
        State.SUSPENDED,
    ):
        result = treat(world, lambda: [finding("config/empty")], down=state)
        assert result.outcome == "nothing" and not world.calls


ANY = Evidence()


def case(number: int, repair: str, evidence: Evidence = ANY, **raw: Any) -> Case:
    return Case(
        "CASE-{:03d}".format(number),
        "slug",
        Text("t", "t"),
        Text("do that", "那样做"),
        evidence=evidence,
        repair=repair,
        raw=raw,
    )


def test_a_case_acts_only_when_certain_and_its_evidence_holds(world: World) -> None:
    world.healthy = lambda: False
    wanting = Evidence(all=("lock/stale",))
    for confidence, evidence in ((Confidence.PROBABLE, Evidence()), (Confidence.CERTAIN, wanting)):
        treat(world, lambda: [], [Match(case(1, "reinstall-service", evidence), 1.0, confidence)])
        assert "install" not in world.calls
    treat(
        world,
        lambda: [],
        [
            Match(
                case(1, "reinstall-service", Evidence(all=("state:misconfigured",))),
                1.0,
                Confidence.CERTAIN,
            )
        ],
    )
    assert "install" in world.calls


def test_a_proposed_case_does_not_act_and_a_case_that_keeps_failing_neither(world: World) -> None:
    from skill.store.records import Store

    world.healthy = lambda: False
    treat(
        world,
        lambda: [],
        [Match(case(2, "reinstall-service", status="proposed"), 1.0, Confidence.CERTAIN)],
    )
    assert "install" not in world.calls
    for number in range(3):
        Store(world.home).add(
            {"id": "x{}".format(number), "actions": [{"case": "CASE-003", "outcome": "failed"}]}
        )
    treat(world, lambda: [], [Match(case(3, "reinstall-service"), 1.0, Confidence.CERTAIN)])
    assert "install" not in world.calls


def test_a_case_for_a_person_is_told_before_anything_is_restarted(world: World) -> None:
    result = treat(world, lambda: [], [Match(case(4, "tell-person"), 1.0, Confidence.CERTAIN)])
    assert (
        result.outcome == "escalate"
        and result.next_step == Text("do that", "那样做")
        and not world.calls
    )


TABLES = (
    repair_table.PERSON,
    repair_table.SPECIFIC,
    repair_table.PERSON_AFTER,
    repair_table.CHEAP,
    repair_table.CHANGED,
    repair_table.LAST,
)


def test_the_tables_name_only_repairs_and_parameters_that_exist() -> None:
    import jsonschema

    for table in TABLES:
        for row in table:
            schema = dict(repairs.ALL[row.repair].params)
            jsonschema.Draft7Validator.check_schema(schema)
            assert not list(
                jsonschema.Draft7Validator(schema).iter_errors(row.params)
            ) or "$" in str(row.params)


def test_every_row_answers_a_finding_that_a_check_can_make() -> None:
    """A row for a name that nobody writes never acts: one for "log/state-migration" never did."""
    text = "".join(p.read_text("utf-8") for p in Path(log.__file__).parent.glob("*.py"))
    made = set(re.findall(r'"([a-z-]+/[a-z0-9-]+)"', text))
    made |= {"log/" + slug for slug, _, _ in log.SIGNATURES}
    assert {row.check for table in TABLES for row in table if row.check} - made == set()


def test_evidence_terms() -> None:
    verdict = Verdict(State.DOWN, Text("", ""), exit_code=1, findings=(finding("config/syntax"),))
    for term, wanted in (
        ("state:down|hung", True),
        ("state:hung", False),
        ("exit:78|1", True),
        ("exit:78", False),
        ("config/*", True),
        ("lock/*", False),
    ):
        assert repair_table.term_holds(term, verdict) is wanted


def test_a_fact_that_is_no_fault_never_acts(world: World) -> None:
    world.config.write_text(CONFIG.replace("a/b.c", "other"))
    fact = replace(
        finding("config/models-missing", "agents.defaults.model"), severity=Severity.INFO
    )
    result = treat(world, lambda: [fact])
    assert [a["repair"] for a in result.actions] == [
        "start"
    ] and "other" in world.config.read_text()


def test_a_newer_version_stamp_goes_unless_openclaw_itself_is_another_one(world: World) -> None:
    stamped = CONFIG.replace("// notes\n{", '// notes\n{ meta: {lastTouchedVersion: "2099.1.1"},')
    world.config.write_text(stamped)
    world.healthy = lambda: "2099" not in world.config.read_text()
    newer = finding("config/version-newer", "meta.lastTouchedVersion")
    told = treat(world, lambda: [newer, finding("installation/version-changed")])
    assert told.outcome == "escalate" and world.config.read_text() == stamped
    result = treat(world, lambda: [newer])
    assert result.outcome == "healed" and [a["repair"] for a in result.actions] == [
        "revert-config-keys"
    ]
    assert "2099" not in world.config.read_text() and "// keep" in world.config.read_text()


def test_several_wrong_keys_are_put_back_before_one_start(world: World) -> None:
    world.config.write_text(
        CONFIG.replace("18901", '"x"')
        .replace("agents:", "wrong: 1, agents:")
        .replace('"a/b.c"', '"own/edit"')
    )
    world.healthy = lambda: (
        "wrong" not in world.config.read_text() and '"x"' not in world.config.read_text()
    )
    findings = [
        finding("config/unrecognized-key", "wrong"),
        finding("config/invalid-value", "gateway.port"),
    ]
    result = treat(world, lambda: findings)
    assert (
        result.outcome == "healed" and len(result.actions) == 1 and world.calls.count("start") == 1
    )
    assert "own/edit" in world.config.read_text() and "// keep" in world.config.read_text()


@pytest.mark.parametrize(
    "pids, after, expected",
    [((7,), State.HEALTHY, "nothing"), ((7,), State.DOWN, "healed"), ((7, 8, 9), None, "healed")],
)
def test_a_start_is_waited_for_before_it_is_judged(
    world: World, pids: Sequence[int], after: Any, expected: str
) -> None:
    """It ends up, down, or is a loop: one process after another comes and goes."""
    said: list = []
    looks = [0]

    def examine(ctx: Context, loop: bool) -> Context:
        looks[0] += 1
        pid = pids[min(looks[0], len(pids)) - 1]
        if world.started or after is State.HEALTHY and looks[0] > 3:
            verdict = Verdict(State.HEALTHY, Text("up", "好"))
        elif loop or after is State.DOWN and looks[0] > 3:
            verdict = Verdict(State.DOWN, Text("down", "停"))
        else:
            verdict = Verdict(State.STARTING, Text("starting", "启动中"), pid)
        return replace(ctx, verdict=verdict)

    visit = doctor.Visit(
        world.context(),
        Incident(world.home, "i1"),
        examine=examine,
        match=lambda _ctx: (),
        patience=60.0,
        say=lambda text: said.append(text.en),
    )
    result = visit.treat()
    assert result.outcome == expected and "waiting" in said[0]
    assert (
        doctor.Visit(
            world.context(), Incident(world.home, "i2"), examine=examine, match=lambda _ctx: ()
        ).patience
        == 0.0
    )


def test_a_loop_that_was_seen_is_remembered_after_a_repair_in_vain(world: World) -> None:
    """Between two deaths it is starting again: that is not "nothing to do"."""
    pids = iter(range(10, 1000))

    def examine(ctx: Context, loop: bool) -> Context:
        down = Verdict(State.DOWN, Text("down", "停"))
        return replace(
            ctx,
            verdict=down
            if loop
            else Verdict(State.STARTING, Text("starting", "启动中"), next(pids)),
        )

    world.healthy = lambda: False
    visit = doctor.Visit(
        world.context(),
        Incident(world.home, "i1"),
        examine=examine,
        match=lambda _ctx: (),
        patience=60.0,
    )
    result = visit.treat()
    assert result.outcome == "escalate" and {a["outcome"] for a in result.actions} == {"failed"}


def test_a_start_that_takes_longer_than_we_wait_is_left_alone(world: World) -> None:
    def examine(ctx: Context, loop: bool) -> Context:
        return replace(ctx, verdict=Verdict(State.STARTING, Text("starting", "启动中"), 7))

    visit = doctor.Visit(
        world.context(),
        Incident(world.home, "i1"),
        examine=examine,
        match=lambda _ctx: (),
        patience=60.0,
    )
    assert visit.treat().outcome == "nothing" and "start" not in world.calls


def test_a_start_right_after_a_repair_in_vain_is_let_come_to_its_end(world: World) -> None:
    """The service manager starts what was broken once more: the watchdog's doctor, which waits for
    no first start, waits for this one.
    """
    looks: list = []

    def examine(ctx: Context, loop: bool) -> Context:
        looks.append(ctx.host.monotonic())
        starting = len(looks) in (2, 3)  # right after the first repair
        state = State.STARTING if starting else State.MISCONFIGURED
        return replace(
            ctx, verdict=Verdict(state, Text("down", "停"), 7, findings=(finding("config/empty"),))
        )

    world.config.write_text("")
    world.healthy = lambda: False
    visit = doctor.Visit(
        world.context(), Incident(world.home, "i1"), examine=examine, match=lambda _ctx: ()
    )
    result = visit.treat()
    assert (
        result.outcome == "escalate"
        and [a["outcome"] for a in result.actions][0] == "failed"
        and len(looks) >= 4
    )


@pytest.mark.parametrize(
    "check, word",
    [
        ("config/empty", "backup"),
        ("config/invalid-value", "gateway.bind"),
        ("config/syntax", "line 3"),
    ],
)
def test_after_a_heal_in_vain_the_person_is_not_told_to_heal_again(
    world: World, check: str, word: str
) -> None:
    world.config.write_text("")
    world.healthy = lambda: False
    said = replace(
        finding(check, "gateway.bind", line=3, column=4),
        fix_hint=Text("iflow-doctor heal", "iflow-doctor heal"),
    )
    result = treat(world, lambda: [said])
    assert result.outcome == "escalate" and result.next_step is not None
    for part in result.next_step:
        assert "iflow-doctor heal" not in part and str(world.config) in part
    assert word in result.next_step.en


def test_every_way_by_hand_can_be_said(world: World) -> None:
    """In both languages, for a finding with and without details, and never the repair that has just
    failed as the only word.
    """
    from skill.repairs import manual_steps

    for check in manual_steps.WRITERS:
        hint = manual_steps.hint(world.context(), finding(check, "/place"))
        assert (
            hint is not None
            and hint.en != hint.zh
            and not hint.en.startswith("iflow-doctor")
            and "{" not in hint.en + hint.zh
        )
    assert (
        manual_steps.hint(world.context(), finding("port/foreign-owner")) is None
        and manual_steps.hint(world.context(), None) is None
    )


def test_the_whole_visit_is_under_a_lock_that_the_watchdog_asks_for(world: World) -> None:
    """Not only while a repair is carried out: also while the doctor looks, waits, asks an AI."""
    held: Set[bool] = set()

    def answers() -> bool:
        held.add(lock_held(world.home.doctor_dir / doctor.LOCK))
        return True

    world.started, world.healthy = True, answers
    doctor.treat(world.context(), "i1", plan_only=True)
    assert held == {False}
    held.clear()
    doctor.treat(world.context(), "i1")
    assert held == {True}
    assert not lock_held(world.home.doctor_dir / doctor.LOCK)


def test_a_lock_guard_that_blocks_every_start_is_for_us_and_not_for_a_person() -> None:
    """Seen on the real 2026.9.6: told with the right cause, and left for its owner to remove."""
    row = next(r for r in repair_table.SPECIFIC if r.check == "lock/reclaim-guard")
    assert row.repair == "clear-stale-lock"
    assert not any(r.check == "lock/reclaim-guard" for r in repair_table.PERSON)
