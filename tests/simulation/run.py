"""One run: a scenario becomes a world, the world runs to its end, the violations come out."""

from __future__ import annotations

import atexit
import gc
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Tuple

from . import ground
from .faults import KINDS, apply
from .invariants import Violation
from .patch_files import real_monotonic, real_rmtree
from .patches import Patches
from .product import product, silence
from .scenario import Scenario
from .world import World

LOOK_EVERY = 60.0
CALM_LOOKS = 4
_root: List[Path] = []


@dataclass
class Result:
    scenario: Scenario
    violations: List[Violation]
    notes: List[Tuple[float, str]] = field(default_factory=list)
    events: int = 0
    switches: int = 0
    checks: int = 0
    seconds: float = 0.0
    children: Dict[str, int] = field(default_factory=dict)


def root() -> Path:
    """This process's place for worlds, in memory."""
    if not _root:
        base = "/dev/shm" if os.path.isdir("/dev/shm") else os.environ.get("TMPDIR", "/tmp")
        place = Path(base) / "sim-{}".format(os.getpid())
        place.mkdir(exist_ok=True)
        atexit.register(real_rmtree, str(place), True)
        ground.template(place)
        ground.database(0)
        ground.hot_database()
        _root.append(place)
    return _root[0]


def run(scenario: Scenario, stop_at_first: bool = True) -> Result:
    """Run one scenario. The same scenario gives the same result."""
    began = real_monotonic()
    made = product()
    world = World(scenario.seed, scenario.mode, made, root())
    world.stop_at_first = stop_at_first
    world.settings = dict(scenario.settings)
    world.slow = scenario.slow
    world.families = sorted({KINDS[entry["kind"]][0] for entry in scenario.script})
    ground.lay(world, scenario.port_argument)
    if scenario.mode == "systemd":
        world.manager.port_argument = scenario.port_argument
        world.manager.policy = scenario.policy
    made.begin(world)
    before = silence()
    gc.disable()
    try:
        with Patches(world) as patches:
            world.patches = patches
            start(world)
            last = 0.0
            for entry in scenario.script:
                at = float(entry["at"])
                over = at + float(entry.get("for") or 0.0)
                last = max(last, over if over < scenario.seconds else at)
                if entry.get("when"):  # as soon after that time as this happens
                    world.at(1000.0 + at, lambda e=entry: world.await_trigger(e))
                else:
                    world.at(1000.0 + at, lambda e=entry: apply(world, e))
            world.at(1000.0 + LOOK_EVERY, lambda: look(world, 1000.0 + last, 0))
            world.run_until(1000.0 + scenario.seconds)
            world.judge.at_end()
    finally:
        import sys

        sys.stdout, sys.stderr = before
        gc.enable()
        for descriptor in world.descriptors:
            os.close(descriptor)
        made.world = None
    if world.fault is not None:
        raise world.fault
    return Result(
        scenario,
        world.judge.found,
        world.notes,
        world.events,
        world.switches,
        world.judge.checks,
        real_monotonic() - began,
        dict(world.children.counts),
    )


def look(world: Any, last: float, calm: int) -> None:
    """Now and then: check what must not last; and end a run in which nothing can happen any more."""
    world.judge.look()
    calm = calm + 1 if world.mono > last and world.judge.calm() else 0
    if calm >= CALM_LOOKS:
        world.stop()
    else:
        world.after(LOOK_EVERY, lambda: look(world, last, calm))


def start(world: Any) -> None:
    """How every run begins: a gateway that its manager keeps, and a watchdog a moment later."""
    if world.mode == "systemd":
        world.manager.start()
    elif world.mode == "terminal":
        world.direct.foreground()
    else:
        proc = world.machine.start("owner", ["iflow-doctor", "service", "install"])
        world.spawn("setup", lambda: world.product.set_up(world), proc.pid)
    world.after(3.0 if world.mode != "keeper" else 4.0, world.dogs.start)
