"""What somebody healed becomes a proposed case: kept with its evidence, never acting until it was
approved or proved itself.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Sequence

import pytest
from doctor_world import World, finding
from test_cli import call_here

from skill.cases import learning, library, matcher
from skill.context import Context
from skill.doctor import visit as doctor
from skill.doctor.result import Treatment, record
from skill.model import Confidence, Healed, State, Text, Verdict
from skill.store import good_copies
from skill.store.incidents import Incident
from skill.store.records import Store

LINE = "2026-11-21T10:00:00.000Z [gateway] error: the quince relay failed to wind its 42 springs"
FAULT = "service/odd-unit"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    good_copies.keep(made.context())
    return made


def look(world: World, log: str = LINE, up: bool = False) -> Context:
    ctx = world.context()
    state = State.HEALTHY if up else State.DOWN
    return replace(
        ctx,
        logs=log,
        verdict=Verdict(
            state, Text("down", "停"), exit_code=1, findings=() if up else (finding(FAULT),)
        ),
    )


def healed_by_ai(
    world: World, incident: str, outcome: str = "healed", log: str = LINE, **act: Any
) -> Dict[str, Any]:
    """The record of an incident in which the AI's plan was carried out."""
    action = {
        "repair": "reinstall-service",
        "by": "ai",
        "case": "",
        "outcome": outcome,
        "detail": "",
        "why": "",
        "advice": "",
        **act,
    }
    cause = Text("the quince relay is stuck", "榅桲继电器卡住了")
    result = Treatment(
        "healed" if outcome == "healed" else "escalate", 3, cause, (action,), by="ai", state="down"
    )
    record(look(world, log), Incident(world.home, incident), result)
    return next(record for record in Store(world.home).all() if record["id"] == incident)


def heal(world: World) -> doctor.Treatment:
    """A visit by the real matcher over the real library of this home."""

    def examine(ctx: Context, loop: bool) -> Context:
        return look(world, up=world.started and world.healthy())

    def match(ctx: Context) -> Sequence[Any]:
        return matcher.match(library.load(world.home), "", ctx.logs, own_log=True)

    incident = "visit-{}".format(len(Store(world.home).all()))
    visit = doctor.Visit(
        world.context(), Incident(world.home, incident), examine=examine, match=match
    )
    result = visit.treat()
    record(visit.ctx, Incident(world.home, incident), result)
    return result


def listed(world: World) -> Dict[str, str]:
    code, out, err = call_here(world.state, "list-cases", "--json")
    assert code == 0, err
    return {case["id"]: case["status"] for case in json.loads(out)["cases"] if case["status"]}


def acts(world: World) -> bool:
    world.healthy = lambda: False
    world.calls.clear()
    heal(world)
    return "install" in world.calls


def test_what_an_ai_healed_is_proposed_with_its_evidence_and_does_not_act(world: World) -> None:
    record = healed_by_ai(world, "i1")
    assert (
        record["proposed_case"]["id"] == "USER-001" and record["actions"][0]["case"] == "USER-001"
    )
    assert listed(world) == {"USER-001": "proposed (1 of 3 proofs)"}
    case = library.find(library.load(world.home), "USER-001")
    assert (
        case.repair == "reinstall-service"
        and case.evidence.all == (FAULT,)
        and case.title.zh == "榅桲继电器卡住了"
    )
    assert matcher.match(library.load(world.home), "", LINE, own_log=True)[0].case.id == "USER-001"
    code, out, _err = call_here(world.state, "explain", "USER-001")
    assert (
        code == 0
        and "proposed (1 of 3 proofs)" in out
        and "i1 healed" in out
        and "--approve USER-001" in out
    )
    assert not acts(world)


def test_a_person_approves_it_on_the_command_line_and_then_it_acts(world: World) -> None:
    healed_by_ai(world, "i1")
    assert not acts(world)
    code, out, err = call_here(world.state, "add-case", "--approve", "USER-001")
    assert (code, out.strip()) == (0, "USER-001: active"), err
    assert listed(world) == {"USER-001": "active (by a person)"}
    assert acts(world)


def test_adding_the_incident_approves_its_case_too(world: World) -> None:
    healed_by_ai(world, "i1")
    code, _out, err = call_here(world.state, "add-case", "--incident", "i1")
    assert code == 0, err
    assert listed(world) == {"USER-001": "active (by a person)"}


def test_the_same_repair_verified_three_times_makes_it_active(world: World) -> None:
    for number in (1, 2):
        healed_by_ai(world, "i{}".format(number), log=LINE.replace("42", str(number)))
        assert not acts(world)
    assert listed(world) == {"USER-001": "proposed (2 of 3 proofs)"}
    healed_by_ai(world, "i3")
    assert listed(world) == {"USER-001": "active (proved 3 times)"}
    assert acts(world)


def test_one_incident_is_one_proof_and_another_repair_is_another_case(world: World) -> None:
    for _again in range(4):
        healed_by_ai(world, "i1")
    assert listed(world) == {"USER-001": "proposed (1 of 3 proofs)"}
    healed_by_ai(world, "i2", repair="restart")
    assert sorted(listed(world)) == ["USER-001", "USER-002"]


def test_failures_count_against_it(world: World) -> None:
    healed_by_ai(world, "i0")
    for number in range(1, 4):
        healed_by_ai(world, "f{}".format(number), outcome="failed")
    for number in range(4, 6):
        healed_by_ai(world, "h{}".format(number))
    assert listed(world) == {"USER-001": "proposed (3 of 3 proofs)"}, (
        "healed as often as it failed proves nothing"
    )
    assert not acts(world)


def test_an_approved_case_that_keeps_failing_is_demoted(world: World) -> None:
    healed_by_ai(world, "i1")
    call_here(world.state, "add-case", "--approve", "USER-001")
    for _attempt in range(2):
        assert acts(world), "once healed, once failed: not yet given up"
    assert listed(world) == {"USER-001": "demoted"}
    assert not acts(world)


def test_a_rejected_case_is_never_matched_again_nor_proposed_anew(world: World) -> None:
    healed_by_ai(world, "i1")
    assert call_here(world.state, "add-case", "--reject", "USER-001")[0] == 0
    assert matcher.match(library.load(world.home), "", LINE, own_log=True) == [] or not listed(
        world
    )
    healed_by_ai(world, "i2")
    assert listed(world) == {}
    assert [raw["status"] for raw in library.entries(world.home.doctor_dir / "cases.json")] == [
        "rejected"
    ]


def test_what_a_person_healed_is_kept_as_a_proposal_that_only_tells(world: World) -> None:
    result = Treatment(
        "escalate", 4, Text("the quince relay is stuck", "榅桲继电器卡住了"), (), state="down"
    )
    record(look(world), Incident(world.home, "i1"), result)
    assert listed(world) == {}
    healed = Healed(1, "service-manager")
    Store(world.home).close_incident("i1", healed, 100.0, 160.0, learn=learning.of_person)
    row = Store(world.home).all()[0]
    assert row["by"] == "person" and row["proposed_case"]["id"] == "USER-001"
    case = library.find(library.load(world.home), "USER-001")
    assert case.repair == "tell-person" and case.raw["status"] == "proposed"


def test_a_secret_parameter_is_not_written_down(world: World) -> None:
    from skill.cases.learning import params_of

    assert params_of(world.context(), {"path": "a.b"}) == {"params": {"path": "a.b"}}
    secret = {
        "path": "gateway.auth.token",
        "value": "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    }
    assert params_of(world.context(), secret) == {"params": {}, "masked": True}
    record = healed_by_ai(world, "i1", params={}, masked=True)
    assert "proposed_case" not in record and listed(world) == {}


def test_a_log_line_is_kept_without_its_secrets(world: World) -> None:
    record = healed_by_ai(
        world,
        "i1",
        log="[gateway] error: login failed for "
        "token=sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    )
    text = json.dumps(record) + (world.home.doctor_dir / "cases.json").read_text("utf-8")
    assert "abcdefghijklmnopqrstuvwxyz" not in text


def test_a_proposal_takes_nothing_from_a_case_that_may_act() -> None:
    sentence = (
        "[gateway] startup failed: Invalid config at ~/.openclaw/openclaw.json: <root>: JSON5 "
        "parse failed: SyntaxError: JSON5: x"
    )
    raw = {
        "id": "USER-001",
        "slug": "learned-json",
        "title": {"en": "learned", "zh": "学到的"},
        "solution": {"en": "proposal", "zh": "提议"},
        "error_signatures": ["JSON5 parse failed: SyntaxError"],
        "repair": "restart",
        "risk": "guarded",
        "status": "proposed",
        "proofs": [],
    }
    assert library.faults([raw]) == []
    found = matcher.match(library.shipped() + [library.build(raw, "user")], "", sentence)
    assert found[0].case.slug == "config-json-parse" and found[0].confidence is Confidence.CERTAIN
    assert "USER-001" in [one.case.id for one in found]


def test_a_broken_user_file_loses_neither_the_record_nor_itself(world: World) -> None:
    world.home.doctor_dir.mkdir(parents=True, exist_ok=True)
    (world.home.doctor_dir / "cases.json").write_text("{half", "utf-8")
    healed_by_ai(world, "i1")
    assert (world.home.doctor_dir / "cases.json").read_text("utf-8") == "{half"


def test_nobody_approves_what_is_not_there(world: World) -> None:
    code, _out, err = call_here(world.state, "add-case", "--approve", "USER-099")
    assert code == 2 and "USER-099" in err
