"""The page's button: the plan that was shown is the plan that is carried out, that one alone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import List

import pytest
from doctor_world import CONFIG, World, finding

from skill.context import Context
from skill.doctor import examine, visit
from skill.model import Finding, State, Text, Verdict
from skill.store import good_copies
from skill.views import server


class Broken(World):
    """A cut config; and, where there is one, a damaged database that shows only after it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        good_copies.keep(self.context())
        self.database = self.state / "state" / "openclaw.sqlite"
        self.config.write_text("{")
        self.healthy = lambda: self.parses() and not self.database.exists()

    def found(self) -> List[Finding]:
        if not self.parses():
            return [finding("config/syntax", str(self.config))]
        there = self.database.exists()
        return [finding("database/corrupt", str(self.database))] if there else []

    def examine(self, ctx: Context, loop: bool = False) -> Context:
        up = self.started and self.healthy()
        state = State.HEALTHY if up else State.MISCONFIGURED
        verdict = Verdict(state, Text("down", "停"), exit_code=78, findings=tuple(self.found()))
        return replace(ctx, verdict=verdict, last_good=good_copies.newest(self.home))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    made = Broken(tmp_path)

    def seen(ctx: Context, *_more: object) -> Context:
        return made.examine(ctx)

    monkeypatch.setattr(examine, "examined", seen)
    monkeypatch.setattr(visit.Visit, "_look", lambda self: _looked(self, made))
    return made


def _looked(one: visit.Visit, world: Broken) -> Context:
    one.ctx = world.examine(one.ctx)
    return one.ctx


def press(desk: server.Desk, key: str = "") -> str:
    assert desk.asked({"key": key})[0] == 202
    until = time.monotonic() + 20
    while desk.busy and time.monotonic() < until:
        time.sleep(0.005)
    assert desk.note is not None
    return desk.note.en


def test_what_was_shown_is_carried_out_although_a_second_has_passed(broken: Broken) -> None:
    """Attack A2: the names of what is kept hold a time, and so the plan was always another one."""
    desk = server.Desk(broken.context, "en")
    press(desk)
    key = server.key_of(desk.plans)
    broken.clock += 61.0
    assert press(desk, key).startswith("Repaired")
    assert broken.config.read_text() == CONFIG


def test_a_yes_to_one_plan_is_no_yes_to_the_next(broken: Broken) -> None:
    """Attack A3: a person who agreed to a config that is put back has not agreed to a database that is
    moved away.
    """
    broken.database.parent.mkdir()
    broken.database.write_bytes(b"rubbish")
    desk = server.Desk(broken.context, "en")
    press(desk)
    said = press(desk, server.key_of(desk.plans))
    assert said.startswith("That was carried out and did not suffice")
    assert broken.parses() and broken.database.read_bytes() == b"rubbish"
    assert [plan.repair for plan in desk.plans] == ["quarantine-database"]
    assert press(desk, server.key_of(desk.plans)).startswith("Repaired")


def test_a_plan_that_became_another_is_not_carried_out(broken: Broken) -> None:
    desk = server.Desk(broken.context, "en")
    press(desk)
    key = server.key_of(desk.plans)
    later = CONFIG.replace("a/b.c", "a/d.e")
    broken.config.write_text(later)
    broken.clock += 100.0
    good_copies.keep(broken.context())
    broken.config.write_text("{")
    assert press(desk, key).startswith("The situation has changed")
    assert broken.config.read_text() == "{"
    assert press(desk, server.key_of(desk.plans)).startswith("Repaired")
    assert broken.config.read_text() == later
