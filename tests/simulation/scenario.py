"""What happens in a run, as plain data drawn from a seed: replayed from the seed, shrunk by leaving entries out."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, List, Optional

MODES = ("systemd", "systemd", "keeper", "keeper", "terminal")
BREAKS = ("syntax", "cut", "empty", "key", "type", "mode", "deleted")


TRIGGERS = (
    "treat",
    "treat",
    "signal",
    "stop",
    "start",
    "ready",
    "ended",
    "written",
    "before-restart",
    "keep-good",
)


@dataclass
class Scenario:
    """mode: who keeps the gateway. script: entries {"kind", "at", ...}, times in seconds from the start of the run."""

    seed: int
    mode: str = "systemd"
    seconds: float = 1800.0
    slow: float = 1.0
    port_argument: int = 0
    policy: str = "always"  # the unit's Restart=
    settings: Dict[str, Any] = field(default_factory=dict)
    script: List[Dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, value: Dict[str, Any]) -> "Scenario":
        return cls(**value)


Draw = Callable[[random.Random], Dict[str, Any]]


def _start(r: random.Random) -> Dict[str, Any]:
    """How a start may go wrong, or only slowly."""
    return r.choice(
        (
            {"boot": r.uniform(20, 290), "busy": False, "talks": False},
            {"boot": r.uniform(60, 940), "busy": True, "talks": True},
            {"boot": r.uniform(60, 280), "busy": True, "talks": False},
            {"boot": r.uniform(10, 240), "busy": False, "talks": True},
            {
                "boot": 6.0,
                "deaf_after": r.uniform(1, 60),
                "deaf_busy": r.random() < 0.7,
                "ignores_term": r.random() < 0.5,
            },
            {
                "boot": 6.0,
                "exit_at": r.uniform(2, 90),
                "exit_code": r.choice((1, 0, -6, 134)),
                "plugin": r.choice(("", "weather")),
            },
            {"boot": 5.0, "refuses": True},
            {"boot": 5.0, "never_ready": True, "talks": r.random() < 0.5},
            {"boot": r.uniform(4, 30), "ignores_term": True},
        )
    )


def _stop_and_start(r: random.Random) -> List[Dict[str, Any]]:
    away = r.choice((20, 60, 200, 900))
    return [{"kind": "owner-stop", "in": 0}, {"kind": "owner-start", "in": away}]


# kind -> (weight, draw)
DRAWS: Dict[str, Any] = {
    "crash": (8, lambda r: {"code": r.choice((1, -9, -11, 134, 0, 78))}),
    "hang": (
        10,
        lambda r: {"for": r.choice((8, 18, 25, 40, 55, 80, 160, 0, 0)), "busy": r.random() < 0.7},
    ),
    "freeze": (4, lambda r: {"for": r.choice((5, 20, 45, 0))}),
    "lose-port": (2, lambda r: {}),
    "restart-itself": (4, lambda r: {"inside": r.random() < 0.7}),
    "long-drain": (3, lambda r: {"for": r.choice((10, 60, 200, 315))}),
    "channel-red": (3, lambda r: {"for": r.choice((60, 400, 1200))}),
    "next-start": (8, _start),
    "bad-starts": (6, lambda r: {"for": r.choice((60, 200, 600, 3000)), **_start(r)}),
    "edit": (
        8,
        lambda r: {"tag": r.randrange(10**6), "reload": r.random() < 0.4, "drop": r.random() < 0.2},
    ),
    "break-config": (
        8,
        lambda r: {"tag": r.randrange(10**6), "how": r.choice(BREAKS), "reload": r.random() < 0.3},
    ),
    "rewrite": (6, lambda r: {"tag": r.randrange(10**6), "start": r.random() < 0.4}),
    "env-edit": (2, lambda r: {"tag": r.randrange(10**6)}),
    "port-edit": (2, lambda r: {"port": 18999, "reload": r.random() < 0.3}),
    "tls-edit": (2, lambda r: {"on": True, "reload": r.random() < 0.3}),
    "owner-stop": (5, lambda r: {}),
    "owner-start": (3, lambda r: {}),
    "by-hand": (3, lambda r: {"for": r.choice((5, 30, 200))}),
    "owner-kills": (3, lambda r: {"signal": r.choice((9, 15, 2))}),
    "pause": (1, lambda r: {"for": r.choice((120, 600))}),
    "upgrade": (2, lambda r: {"for": r.choice((30, 120, 600)), "killed": r.random() < 0.3}),
    "kill9": (
        10,
        lambda r: {
            "who": r.choice(("watchdog", "watchdog", "treat", "treat", "keeper", "keep-good")),
            "effects": r.choice((0, r.randrange(1, 30), r.randrange(1, 300))),
        },
    ),
    "reboot": (
        4,
        lambda r: {"for": r.choice((10, 60)), "reuse": r.choice(("", "server", "editor", "mcp"))},
    ),
    "suspend": (3, lambda r: {"for": r.choice((40, 600, 30000))}),
    "clock": (3, lambda r: {"by": r.choice((-3600, -40, 40, 3600, 86400 * 400))}),
    "disk-full": (3, lambda r: {"for": r.choice((60, 400, 3000))}),
    "read-only": (2, lambda r: {"for": r.choice((60, 400, 3000))}),
    "state-refused": (2, lambda r: {"for": r.choice((60, 400, 3000))}),
    "slow": (3, lambda r: {"for": r.choice((60, 400)), "factor": r.choice((2.0, 5.0, 10.0))}),
    "network": (2, lambda r: {"for": r.choice((5, 60, 400))}),
    "squatter": (
        2,
        lambda r: {
            "for": r.choice((20, 200, 2000)),
            "answers": r.choice(("html", "silent", "garbled")),
        },
    ),
    "bystander": (
        2,
        lambda r: {
            "what": r.choice(("editor", "tail", "dev", "shell")),
            "uid": r.choice((0, 1001)),
        },
    ),
    "old-marker": (1, lambda r: {}),
    "owners-doctor": (2, lambda r: {"for": r.choice((5, 25, 200))}),
    "corrupt-database": (3, lambda r: {"tag": r.randrange(10**6)}),
    "lost-key": (1, lambda r: {}),
    "damaged-file": (
        2,
        lambda r: {
            "file": r.choice(("watch.json", "keeper.json", "healer.journal.json", "records.json")),
            "how": r.choice(("nested", "types", "text")),
        },
    ),
    "hostile-port": (1, lambda r: {"for": r.choice((60, 300))}),
    "hot-journal": (2, lambda r: {}),
    "unreaped": (1, lambda r: {"for": 3000, "lasts": r.choice((5, 60, 600))}),
    "no-bus": (1, lambda r: {"for": r.choice((10, 60, 600))}),
    "lock-gone": (1, lambda r: {}),
    "stamps": (2, lambda r: {}),
    "owner-heals": (2, lambda r: {}),
    "other-gateway": (2, lambda r: {"for": r.choice((20, 100, 600))}),
}
NAMES = list(DRAWS)
WEIGHTS = [DRAWS[name][0] for name in NAMES]


def _repair(r: random.Random, scenario: Scenario) -> None:
    """Level 3 is called, and is disturbed at its work."""
    at = r.choice((40.0, 430.0, 500.0))
    cause = r.choice(
        (
            "break-config",
            "break-config",
            "corrupt-database",
            "bad-starts",
            "next-start",
            "hang",
            "hot-journal",
        )
    )
    script: List[Dict[str, Any]] = [{"kind": cause, "at": at, **DRAWS[cause][1](r)}]
    if cause not in ("corrupt-database", "hang"):
        script.append({"kind": "crash", "at": at + r.uniform(0, 5), "code": r.choice((1, -9, 134))})
    for _ in range(r.choice((1, 2, 2, 3))):
        name = r.choice(
            (
                "kill9",
                "kill9",
                "edit",
                "rewrite",
                "break-config",
                "owner-stop",
                "owner-start",
                "disk-full",
                "hang",
                "reboot",
                "clock",
                "crash",
                "read-only",
                "lost-key",
                "freeze",
                "owner-heals",
            )
        )
        entry = {"kind": name, "at": at, **DRAWS[name][1](r)}
        if name == "kill9":
            entry["who"] = r.choice(("treat", "treat", "watchdog", "keeper"))
            entry["effects"] = r.choice((r.randrange(1, 60), r.randrange(1, 400)))
        entry["when"] = r.choice(("treat", "treat", "written", "stop", "start", "signal", "ready"))
        entry["in"] = round(
            r.choice((0.0, r.uniform(0, 3), r.uniform(0, 60), r.uniform(0, 320))), 2
        )
        script.append(entry)
    for entry in script:
        entry["at"] = round(float(entry["at"]), 2)
    scenario.script = script
    scenario.seconds = at + r.choice((600.0, 1200.0, 2700.0))
    scenario.settings = {"retry_delay": r.choice((1, 3, 5)), "check_interval": r.choice((10, 30))}


def draw(seed: int, only: Optional[List[str]] = None) -> Scenario:
    """The scenario of a seed. only: kinds of which at least one entry is taken."""
    r = random.Random(seed)
    scenario = Scenario(seed, r.choice(MODES))
    scenario.slow = r.choice((1.0, 1.0, 1.0, 1.0, 2.5, 6.0))
    if scenario.mode == "systemd" and r.random() < 0.05:
        scenario.port_argument = 18800
    if scenario.mode == "systemd" and random.Random("policy-{}".format(seed)).random() < 0.06:
        scenario.policy = "on-failure"
    if r.random() < 0.3:
        _repair(r, scenario)
        return scenario
    count = r.choice((1, 1, 2, 2, 3, 3, 4, 5, 7))
    at = r.choice((40.0, 100.0, 120.0, 400.0))
    for number in range(count):
        name = r.choice(only) if only and number == 0 else r.choices(NAMES, WEIGHTS)[0]
        at += r.choice(
            (0.0, r.uniform(0, 3), r.uniform(0, 40), r.uniform(0, 40), r.uniform(0, 400))
        )
        entry = {"kind": name, "at": round(at, 2), **DRAWS[name][1](r)}
        if number and r.random() < 0.35:
            entry["when"] = r.choice(TRIGGERS)
            entry["in"] = round(
                r.choice((0.0, 0.01, r.uniform(0, 2), r.uniform(0, 30), r.uniform(0, 300))), 2
            )
        scenario.script.append(entry)
    scenario.seconds = round(at + r.choice((300.0, 300.0, 300.0, 600.0, 900.0, 2700.0)), 2)
    delay, interval = r.choice(
        ((1, 10), (3, 30), (5, 30), (8, 60), (8, 60))
    )  # the defaults, and coarser ones
    scenario.settings = {"retry_delay": delay, "check_interval": interval}
    return scenario
