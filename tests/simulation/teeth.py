"""Can the simulation fail? For each invariant the product's code that holds it is broken once, and a run must notice."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

from .scenario import Scenario

DEFAULTS = {"retry_delay": 1, "check_interval": 10}


@dataclass(frozen=True)
class Tooth:
    """invariant: what must be violated. break_it: what is done to the code. script: in which run it shows."""

    invariant: str
    break_it: Callable[[], None]
    script: Tuple[Dict[str, Any], ...]
    mode: str = "systemd"
    seconds: float = 900.0
    seed: int = 1
    port_argument: int = 0

    def scenario(self) -> Scenario:
        script: List[Dict[str, Any]] = [dict(entry) for entry in self.script]
        return Scenario(
            self.seed,
            self.mode,
            self.seconds,
            port_argument=self.port_argument,
            settings=dict(DEFAULTS),
            script=script,
        )


def _module(name: str) -> Any:
    return importlib.import_module("skill." + name)


def last_probe() -> None:
    """Nobody looks again before the signal."""
    _module("openclaw.gateway").serves = lambda host, home: False


def hard_limit() -> None:
    """Nobody counts the hard kills."""
    _module("openclaw.ledger").Ledger.hard_kills = lambda ledger: []
    _module("watchdog.policy").HARD_LIMIT = 99


def no_ledger() -> None:
    """Nothing is remembered of our own stops."""
    _module("openclaw.ledger").Ledger.owed_start = lambda ledger: None


def everybody_is_a_gateway() -> None:
    """The process with the pid of the lock is the gateway."""
    lock = _module("openclaw.lock")
    lock._reused = lambda *args: False
    lock.is_main = lambda *args: True


def impatient() -> None:
    """A busy process gets as little patience as a stopped one."""
    _module("openclaw.judge").patience = lambda *args, **more: 5.0


def nobody_is_told() -> None:
    """Alerts are written and never sent."""
    alerts = _module("watchdog.alerts")
    alerts.Teller.flush = lambda teller: None


def falls_over() -> None:
    """A damaged file ends the look."""
    watch = _module("watchdog.watch").Watchdog

    def tick(dog: Any) -> Any:
        raise SystemExit(3)

    watch.tick = tick


def litter() -> None:
    """Every look leaves files behind that nobody counts."""
    heartbeat = _module("notify.heartbeat")

    def mark(ctx: Any, now: float, *args: Any, **more: Any) -> None:
        for number in range(100):
            path = ctx.home.doctor_dir / "mark-{}-{}".format(now, number)
            path.write_text("x", "utf-8")

    heartbeat.mark = mark


def deaf_to_the_owner() -> None:
    """Nobody asks who stopped it."""
    from dataclasses import replace

    gateway = _module("openclaw.gateway")
    asked = gateway.service_of

    def service_of(platform: Any) -> Any:
        state = asked(platform)
        return None if state is None else replace(state, stopped_by_operator=False)

    gateway.service_of = service_of


CRASH = {"kind": "crash", "at": 101.0, "code": 1}
TEETH: Dict[str, Tooth] = {
    "last-probe": Tooth(
        "I1",
        last_probe,
        ({"kind": "hang", "at": 120.0, "for": 24.1, "busy": False},),
        seconds=400.0,
    ),
    "hard-limit": Tooth(
        "I6",
        hard_limit,
        (
            {
                "kind": "bad-starts",
                "at": 100.0,
                "for": 3000,
                "boot": 6.0,
                "deaf_after": 8.0,
                "deaf_busy": False,
                "ignores_term": True,
            },
            CRASH,
        ),
    ),
    "identity": Tooth(
        "I2",
        everybody_is_a_gateway,
        (
            {"kind": "reboot", "at": 100.0, "for": 30, "reuse": "mcp"},
            {"kind": "bad-starts", "at": 100.0, "for": 500, "boot": 5.0, "refuses": True},
        ),
    ),
    "patience": Tooth(
        "I1-stall", impatient, ({"kind": "hang", "at": 120.0, "for": 55.0, "busy": True},)
    ),
    "told": Tooth(
        "I7",
        nobody_is_told,
        ({"kind": "bad-starts", "at": 100.0, "for": 9000, "boot": 6.0, "refuses": True}, CRASH),
        seconds=3000.0,
    ),
    "falls-over": Tooth("I9", falls_over, ()),
    "growth": Tooth("I10", litter, (CRASH,)),
    "will": Tooth("I5-will", deaf_to_the_owner, ({"kind": "owner-stop", "at": 120.0},)),
}


def bite(name: str) -> Any:
    """(result of the run without the break, result with it)."""
    from .run import run

    tooth = TEETH[name]
    sound = run(tooth.scenario(), stop_at_first=False)
    tooth.break_it()
    return sound, run(tooth.scenario(), stop_at_first=False)
