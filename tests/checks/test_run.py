"""The whole run: in time, whatever a check does; and a state that only looking can have made."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest
from checkhouse import errors, ids, installed

from skill.cases import library as cases
from skill.cases import matcher
from skill.checks import run as diagnose
from skill.checks.base import error
from skill.doctor.said import Here, borne_out
from skill.model import Check, Confidence, State, Text, Verdict


@pytest.fixture
def house(tmp_path):
    made = installed(tmp_path)
    made.database()
    return made


def check(name, run):
    return Check(name, Text(name, name), run)


def crash(ctx):
    yield error("bad/first", "x", "x")
    raise RuntimeError("the check is broken")


def test_a_check_that_crashes_or_is_late_is_unknown_and_nothing_acts_on_it(house):
    gate = threading.Event()

    def late(ctx):
        gate.wait(20)
        yield error("late/fact", "x", "x")

    began = time.monotonic()
    checks = [
        check("bad", crash),
        check("late", late),
        check("good", lambda ctx: [error("good/fact", "x", "x")]),
    ]
    verdict = diagnose.examine(house.ctx(), budget=0.5, checks=checks)
    gate.set()
    assert time.monotonic() - began < 5
    assert ids(verdict.findings) == ["bad/unknown", "late/unknown", "good/fact"]
    assert errors(verdict.findings) == ["good/fact"]


def test_the_state_is_kept_and_only_selects(house):
    verdict = diagnose.examine(house.ctx(state=State.DOWN, exit_code=78), only=["config", "clock"])
    assert (verdict.state, verdict.exit_code) == (State.DOWN, 78)
    assert not [f for f in verdict.findings if f.check_id.split("/")[0] not in ("config", "clock")]


def test_a_case_that_the_live_checks_contradict_or_do_not_confirm_is_not_told():
    library = cases.shipped()
    log = "Gateway start blocked: existing config is missing gateway.mode."
    (said, *_rest) = matcher.match(library, "", log, own_log=True)
    assert said.case.slug == "gateway-mode-missing" and said.confidence is Confidence.CERTAIN

    def told(*findings):
        verdict = Verdict(State.MISCONFIGURED, Text("", ""), exit_code=78, findings=tuple(findings))
        return [
            (m.case.slug, m.confidence.value)
            for m in borne_out([said], verdict, Here(frozenset(), frozenset(), {}))
        ]

    assert told(error("config/mode-missing", "x", "x")) == [("gateway-mode-missing", "certain")]
    assert told() == []
    assert told(error("config/mode-missing", "x", "x"), error("config/syntax", "x", "x")) == []


def test_the_same_finding_is_told_once(house):
    twice = [
        check("a", lambda ctx: [error("a/x", "same", "same", "p")]),
        check("b", lambda ctx: [error("a/x", "same", "same", "p")]),
    ]
    assert ids(diagnose.examine(house.ctx(), checks=twice).findings) == ["a/x"]


def test_nothing_of_the_gateways_is_changed(house):
    house.plugin("one")
    (house.state / "logs").mkdir()

    def image():
        files = sorted(
            p for p in house.state.rglob("*") if p.is_file() and "iflow-doctor" not in p.parts
        )
        return [
            (str(p), hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
            for p in files
        ]

    before = image()
    diagnose.examine(house.ctx(state=State.DOWN, exit_code=3))
    assert image() == before


def test_a_down_gateway_waits_longer_for_the_validator_and_a_healthy_one_does_not(house):
    asked = []
    real = house._run

    def run(argv, timeout=30.0, **more):
        if "validate" in argv:
            asked.append(timeout)
        return real(argv, timeout, **more)

    house._run = run
    house.outputs.clear()
    diagnose.examine(house.ctx(state=State.DOWN), only=["validation"])
    diagnose.examine(house.ctx(state=State.HEALTHY), only=["validation"])
    assert asked[0] > 15 and asked[1] < 5
