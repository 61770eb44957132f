"""kill -9 between any two effects, and an owner who writes, stops or starts at any of them: no byte
of theirs is lost, nothing stays stopped, nothing old comes back under a gateway that is ready.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

import pytest
from doctor_world import CONFIG, World, finding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skill import files, repairs
from skill.doctor import execute, journal, recover
from skill.errors import CannotPlan, HealerError
from skill.model import Move, Plan, Risk, Service, Text, Write
from skill.openclaw.ledger import Ledger
from skill.store import good_copies, snapshots


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


class Effects:
    """Counts what changes the world, and lets something happen before the n-th of them."""

    def __init__(self, world: World) -> None:
        self.world, self.count = world, 0
        self.at: Dict[int, List[Callable[[], None]]] = {}

    def reached(self) -> None:
        self.count += 1
        for act in self.at.pop(self.count, ()):
            act()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                self.reached()
                return real(*args, **more)

            return call

        for name in ("rename", "unlink", "replace", "chmod"):
            patch.setattr(files.os, name, counted(getattr(os, name)))
        for name in ("start", "stop"):
            patch.setattr(self.world, name, counted(getattr(self.world, name)))


PLANS: Dict[str, Callable[[World], Plan]] = {
    "write": lambda world: _plan(
        Write(str(world.config), CONFIG.encode()), Service("restart"), config_paths=("*",)
    ),
    "stop first": lambda world: _plan(
        Service("stop"),
        Write(str(world.config), CONFIG.encode()),
        Write(str(world.home.env_file), b"A=1\n"),
        Service("start"),
        config_paths=("*",),
    ),
    "database": lambda world: repairs.planned(
        world.context(finding("database/corrupt", str(database(world)))), "quarantine-database", {}
    ),
    "move": lambda world: _plan(
        Move(
            str(world.state / "extensions" / "p"), str(world.home.doctor_dir / "quarantine" / "p")
        ),
        Write(str(world.config), CONFIG.encode()),
        Service("restart"),
        config_paths=("*",),
    ),
    "revert": lambda world: repairs.planned(world.context(), "revert-config-keys", {}),
}
BEFORE = CONFIG.replace("18901", "18902")


def _plan(*steps: object, **more: Any) -> Plan:
    return Plan("test", tuple(steps), Risk.SAFE, Text("why", "为何"), **more)


def database(world: World) -> Path:
    path = world.state / "state" / "openclaw.sqlite"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(b"rubbish, and still its owner's")
    return path


def everything(folder: Path) -> Iterator[bytes]:
    """Every file of the state directory, our own included."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.read_bytes()


@st.composite
def scenarios(draw: Any) -> Dict[str, Any]:
    return {
        "plan": draw(st.sampled_from(sorted(PLANS))),
        "helps": draw(st.booleans()),
        "kills": draw(st.lists(st.integers(1, 40), max_size=3)),
        "edits": draw(st.lists(st.integers(1, 60), max_size=3)),
        "came_up": draw(st.booleans()),
    }


@settings(
    max_examples=int(os.environ.get("KILL_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(scenario=scenarios())
def test_nothing_is_lost_and_nothing_stays_stopped(scenario: Dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        world = World(Path(folder))
        plugin = world.state / "extensions" / "p"
        plugin.mkdir(parents=True)
        (plugin / "index.js").write_text("the plugin's code")
        good_copies.keep(world.context())
        world.config.write_text(BEFORE)
        world.started = True
        world.healthy = lambda: scenario["helps"] and BEFORE not in world.config.read_text()
        patch.setattr(
            world,
            "service_state",
            lambda: SimpleNamespace(
                main_pid=None, active="inactive", stopped_by_operator=not world.started
            ),
        )
        plan = PLANS[scenario["plan"]](world)
        seen = {str(world.config): snapshots.digest_of(BEFORE.encode()), **plan.seen}
        plan = replace(plan, seen=seen)
        effects = Effects(world)
        theirs: List[bytes] = []
        written: List[bytes] = [BEFORE.encode(), b"the plugin's code"]
        if scenario["plan"] == "database":
            written.append(database(world).read_bytes())

        def edit(number: int) -> None:
            raw = "// owner's edit {}\n{}".format(number, CONFIG).encode()
            if world.config.exists():
                theirs.append(world.config.read_bytes())  # overwritten by its owner, not by us
            with open(str(world.config), "wb") as out:  # as an editor that keeps the inode
                out.write(raw)
            written.append(raw)

        def kill() -> None:
            raise Killed

        for number in scenario["edits"]:
            effects.at.setdefault(number, []).append(lambda number=number: edit(number))
        for number in scenario["kills"]:
            effects.at.setdefault(number, []).append(kill)
        with patch.context() as inner:
            effects.watch(inner)
            for attempt in range(len(scenario["kills"]) + 2):
                quiet = not effects.at and world.started and world.healthy()
                config = world.config.read_bytes()
                try:
                    if attempt == 0:
                        execute.execute(world.context(), plan)
                    else:
                        calls = len(world.calls)
                        recover.recover(world.context())
                        if quiet:
                            assert world.config.read_bytes() == config
                            assert "stop" not in world.calls[calls:]
                    if not journal.pending(world.home):
                        break
                except Killed:
                    continue
                except (CannotPlan, HealerError):
                    break
        last = written[-1]
        kept = list(everything(world.state))
        for raw in written:
            assert raw in kept or raw in theirs, ("lost", raw[:40], scenario)
        if len(written) > 2 + (scenario["plan"] == "database"):
            assert world.config.read_bytes() == last or last in kept
            edits_after_us = world.config.read_bytes() == last
            assert edits_after_us, ("the owner's edit is not in place", scenario)
        assert not journal.pending(world.home), scenario
        assert world.started, ("left stopped", scenario, world.calls)
        assert Ledger(world.host, world.home).owed_start() is None
