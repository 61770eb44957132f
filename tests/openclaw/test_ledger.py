"""The ledger: written before each act, two hard kills in five minutes over all levels, whose stop
it was.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import pytest

from skill.files import memory_dir
from skill.host import Host, Reply
from skill.openclaw.gateway import end_gateway
from skill.openclaw.gateway_process import Ended, look_at
from skill.openclaw.home import locate
from skill.openclaw.ledger import HARD_LIMIT, LIVING, NAME, Ledger

pytestmark = pytest.mark.real_processes
READY = Reply(200, b'{"ready":true,"failing":[]}')
REFUSED = Reply(error="refused")


@dataclass
class World:
    """A machine with a clock of its own and a port that answers as told."""

    host: Host
    wall: float = 1_000_000.0
    mono: float = 500.0
    replies: object = None

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@pytest.fixture()
def world(tmp_path):
    made = World(None)  # type: ignore[arg-type]
    made.replies = itertools.repeat(REFUSED)

    def sleep(seconds: float) -> None:
        made.pass_(seconds)
        time.sleep(min(seconds, 0.05))

    made.host = Host(
        now=lambda: made.wall,
        monotonic=lambda: made.mono,
        sleep=sleep,
        get=lambda url, timeout: next(made.replies),
        env={"HOME": str(tmp_path), "PATH": ""},
        system="linux",
    )
    yield made
    shutil.rmtree(memory_dir(locate(made.host).state_dir), ignore_errors=True)


@pytest.fixture()
def stubborn(tmp_path):
    """Gateways of this place that ignore SIGTERM, and are gone after the test whatever happens."""
    children = []

    def start(**env):
        code = "import signal,sys,time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
        child = subprocess.Popen(
            ["openclaw-gateway", "-c", code],
            executable=sys.executable,
            stdout=subprocess.PIPE,
            env={**os.environ, "HOME": str(tmp_path), **env},
        )
        child.stdout.readline()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def end(world, child, grace=0.4, who="level 2"):
    ended = end_gateway(
        world.host, locate(world.host), look_at(world.host, child.pid), grace, who=who, why="test"
    )
    return ended


def test_a14_no_third_hard_kill_within_five_minutes_whatever_level_asks(world, stubborn):
    children = [stubborn() for _ in range(3)]
    ends = [end(world, child, who=who) for child, who in zip(children, ("level 2", "level 3", "?"))]
    assert ends == [Ended.GONE, Ended.GONE, Ended.LIMIT]
    assert children[2].poll() is None
    world.pass_(301)
    assert end(world, children[2]) is Ended.GONE
    assert HARD_LIMIT == 2


def test_a5_who_answers_at_the_last_moment_is_left_alone(world, stubborn):
    child = stubborn()
    world.replies = itertools.repeat(READY)
    assert end(world, child) is Ended.ANSWERS
    assert child.poll() is None and Ledger(world.host, locate(world.host)).acts() == []


def test_a5_who_recovers_after_sigterm_is_not_killed(world, stubborn):
    child = stubborn()
    world.replies = itertools.chain([REFUSED], itertools.repeat(READY))
    assert end(world, child) is Ended.ANSWERS
    assert child.poll() is None
    assert [act.act for act in Ledger(world.host, locate(world.host)).acts()] == ["terminate"]


def test_a_gateway_that_hangs_in_its_shutdown_answers_and_is_ended_all_the_same(world, stubborn):
    draining = Reply(503, b'{"ready":false,"failing":["gateway-draining"]}')
    world.replies = itertools.repeat(draining)
    assert end(world, stubborn()) is Ended.GONE


def test_the_act_is_on_disk_before_the_signal(world, stubborn):
    seen = []

    def look(row, number):
        seen.append((locate(world.host).doctor_dir / NAME).read_text())
        return True

    world.host = replace(world.host, signal=look)
    ended = end(world, stubborn(), grace=0.0)
    assert ended is Ended.ALIVE
    assert json.loads(seen[0])["act"] == "kill" and json.loads(seen[0])["who"] == "level 2"


def test_a_clock_that_was_set_makes_no_kill_older(world):
    ledger = Ledger(world.host, locate(world.host))
    ledger.note("kill", who="level 2")
    ledger.note("kill", who="level 3")
    world.wall += 86400
    assert not ledger.may_kill()
    world.wall -= 2 * 86400
    assert not ledger.may_kill()
    world.mono += 301
    world.wall += 2 * 86400
    assert ledger.may_kill()


def test_a11_without_a_place_on_disk_it_is_kept_in_memory(world):
    home = locate(world.host)
    home.state_dir.mkdir(parents=True)
    home.doctor_dir.write_text("not a folder")
    assert Ledger(world.host, home).note("kill", who="level 2")
    assert len(Ledger(world.host, home).hard_kills()) == 1  # another process sees it


def test_a11_without_any_place_it_is_remembered_here(world, monkeypatch):
    home = locate(world.host)
    home.state_dir.mkdir(parents=True)
    home.doctor_dir.write_text("not a folder")
    monkeypatch.setattr(
        "skill.openclaw.ledger.memory", lambda of: 1 / 0 if not of else home.doctor_dir
    )
    ledger = Ledger(world.host, home)
    assert not ledger.note("kill", who="level 2") and len(ledger.hard_kills()) == 1


def test_damaged_lines_are_passed_over_and_a_cut_one_takes_no_other_with_it(world):
    home = locate(world.host)
    ledger = Ledger(world.host, home)
    ledger.note("stop", who="level 3")
    with open(home.doctor_dir / NAME, "ab") as out:
        out.write(
            b'[1]\n"x"\n{"act": 5, "at": "now"}\n{"act":"kill"}\n' + b"[" * 5000 + b'\n{"act": "sta'
        )
    ledger.note("kill", who="level 2")
    assert [act.act for act in ledger.acts()] == ["stop", "kill"]


def test_it_does_not_grow_without_bound(world):
    home = locate(world.host)
    ledger = Ledger(world.host, home)
    for number in range(900):
        world.pass_(1)
        ledger.note("start", who="level 2", why="w" * 200, incident=str(number))
    assert sum(os.path.getsize(path) for path in home.doctor_dir.glob(NAME + "*")) < 200_000
    assert ledger.acts()[-1].incident == "899"


@pytest.mark.parametrize(
    "acts,owed",
    [
        ([], False),
        ([("stop", "level 3")], True),
        ([("stop", "owner")], False),
        ([("stop", "level 3"), ("start", "level 3")], False),
        ([("stop", "level 3"), ("restart", "level 2")], False),
        ([("stop", "level 3"), ("serving", "level 2")], False),
        ([("start", "level 3"), ("stop", "level 3"), ("kill", "level 2")], True),
        ([("terminate", "level 2")], False),
    ],
)
def test_a3_a_stop_of_ours_waits_for_its_start(world, acts, owed):
    ledger = Ledger(world.host, locate(world.host))
    for act, who in acts:
        world.pass_(1)
        ledger.note(act, who=who)
    assert bool(ledger.owed_start()) is owed


def test_whose_signal_it_was(world, stubborn):
    child = stubborn()
    ledger = Ledger(world.host, locate(world.host))
    assert not ledger.ended_by_us(child.pid)
    end(world, child)
    assert ledger.ended_by_us(child.pid) and not ledger.ended_by_us(child.pid + 1)
    world.pass_(3601)
    assert not ledger.ended_by_us(child.pid)
    assert child.wait() == -signal.SIGKILL


# -- the edges: each of these is a mutation that no other test noticed -----------------------------
def test_a_line_word_by_word(world):
    home = locate(world.host)
    ledger = Ledger(world.host, home)
    world.wall, world.mono = 1_000_000.12345, 500.98765
    assert ledger.note("kill", who="level 2", why="w" * 300, incident="i-1", pid=42) is True
    path = home.doctor_dir / "ledger.jsonl"
    line = json.loads(path.read_text())
    assert (line["at"], line["mono"], line["pid"]) == (1_000_000.123, 500.988, 42)
    assert (line["who"], line["incident"], len(line["why"])) == ("level 2", "i-1", 200)
    assert path.stat().st_mode & 0o777 == 0o600
    ledger.note("stop", who="层级 3")
    assert "层级 3" in path.read_text(encoding="utf-8") and ledger.acts()[-1].who == "层级 3"
    assert ledger.acts()[-1].pid == 0 and ledger.owed_start().act == "stop"


def test_what_happened_exactly_five_minutes_ago_counts_no_more(world):
    ledger = Ledger(world.host, locate(world.host))
    ledger.note("kill", who="level 2")
    world.pass_(299.9)
    assert len(ledger.hard_kills()) == 1
    world.pass_(0.1)
    assert ledger.hard_kills() == []


def test_after_a_reboot_the_clock_on_the_wall_counts(world, monkeypatch):
    ledger = Ledger(world.host, locate(world.host))
    ledger.note("kill", who="level 2")
    monkeypatch.setattr("skill.openclaw.ledger._boot", lambda: "another")
    world.mono = 600.0  # by this the kill would be 100 s old
    world.wall += 400.0
    assert ledger.hard_kills() == []
    world.wall -= 300.0
    assert len(ledger.hard_kills()) == 1
    monkeypatch.setattr("skill.openclaw.ledger._boot", lambda: "")
    assert Ledger(world.host, locate(world.host)).age(ledger.acts()[0]) == 100.0


def test_both_files_are_read_and_the_older_one_is_replaced(world):
    home = locate(world.host)
    ledger = Ledger(world.host, home)
    ledger.note("stop", who="level 3", incident="first")
    path = home.doctor_dir / "ledger.jsonl"
    with open(path, "ab") as out:
        out.write(b" " * (65536 - path.stat().st_size - 1) + b"\n")
    assert path.stat().st_size == 65536
    ledger.note("start", who="level 3", incident="second")
    assert not (home.doctor_dir / "ledger.jsonl.1").exists(), "at the limit it is not too long"
    ledger.note("kill", who="level 2", incident="third")
    assert (home.doctor_dir / "ledger.jsonl.1").exists()
    assert [act.incident for act in ledger.acts()] == ["first", "second", "third"]


def test_when_we_last_ended_it(world):
    ledger = Ledger(world.host, locate(world.host))
    assert ledger.last_end() == 0.0
    for act, counts in (("terminate", True), ("start", False), ("kill", True), ("stop", True)):
        world.pass_(10)
        before = ledger.last_end()
        ledger.note(act, who="level 2", pid=7)
        assert (ledger.last_end() == world.wall) is counts and ledger.last_end() >= before
    assert ledger.ended_by_us(7) and not ledger.ended_by_us(7, within=0.0)


@pytest.mark.parametrize("act,ours", [("terminate", True), ("kill", True), ("stop", False)])
def test_only_a_signal_ends_a_process_by_us(world, act, ours):
    ledger = Ledger(world.host, locate(world.host))
    ledger.note(act, who="level 2", pid=7)
    assert ledger.ended_by_us(7) is ours


def test_a_disk_that_took_half_a_line_is_a_disk_that_refused(world, monkeypatch):
    home = locate(world.host)
    home.doctor_dir.mkdir(parents=True)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, raw: real(handle, raw[:10]))
    ledger = Ledger(world.host, home)
    assert ledger.note("kill", who="level 2") is False
    monkeypatch.setattr(os, "write", real)
    assert len(ledger.hard_kills()) == 1, "it is remembered here"
    assert ledger.note("kill", who="level 2") and len(ledger.hard_kills()) == 2


@pytest.mark.parametrize(
    "acts, another",
    [
        ([("terminate", 7)], False),
        ([("terminate", 7), ("start", 0)], True),
        ([("terminate", 7), ("serving", 7)], False),  # still answering, not yet gone
        ([("terminate", 7), ("serving", 8)], True),
        ([("stop", 0), ("serving", 8)], False),  # whom the manager ended is not known
        ([("terminate", 7), (LIVING, 8)], True),
        ([("start", 0), ("terminate", 7)], False),
        ([("start", 0)], False),
    ],
)
def test_another_one_came_after_our_last_end(world, acts, another):
    """Seed V40: the owner's stop soon after a repair was taken for ours."""
    ledger = Ledger(world.host, locate(world.host))
    for act, pid in acts:
        ledger.note(act, who="test", pid=pid)
        world.pass_(10)
    assert ledger.started_since_end(world.wall) is another
    assert not ledger.started_since_end(world.wall - 1000)


def test_a_process_that_was_seen_lives_after_the_stop_that_the_manager_noted(world):
    """Seed V39: a look that asks no manager leaves only that it saw one."""
    ledger, stopped = Ledger(world.host, locate(world.host)), world.mono
    world.pass_(10)
    assert ledger.since_stop(stopped) is None
    ledger.note(LIVING, who="level 2", pid=8)
    found = ledger.since_stop(stopped)
    assert found is not None and found.act == LIVING
    assert ledger.since_stop(world.mono + 5) is None
