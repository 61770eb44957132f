"""A plugin takes the gateway down."""

from __future__ import annotations

from ..model import HEAL
from ..place import Place
from .base import PRACTICE, REAL, edited, fault, pick, plugin_off, seconds


def off(p: Place) -> list:  # type: ignore[type-arg]
    return plugin_off(p, p.notes["plugin"])


def bad(p: Place, do: str, after_s: float) -> None:
    name = p.name()
    p.notes["plugin"] = name
    p.plugin(name, do, after_s)
    p.kill_gateway()


MORE = {"oracle": off, "dies_by_itself": True, "limit_s": 420.0, "settle_s": 30.0}


@fault(
    "plugin-exits",
    "plugin",
    "a new plugin ends the process some seconds after each start",
    HEAL,
    smoke=True,
    **MORE,
)
def exits(p: Place) -> None:
    bad(p, "exit {}".format(pick(p, (1, 3, 7, 42))), seconds(p, 3, 9))


@fault("plugin-exits-zero", "plugin", "a new plugin ends the process with 0", HEAL, **MORE)
def exits_zero(p: Place) -> None:
    bad(p, "exit 0", seconds(p, 3, 9))


@fault(
    "plugin-exits-refusal",
    "plugin",
    "a new plugin ends the process with OpenClaw's own 78",
    HEAL,
    **MORE,
)
def exits_78(p: Place) -> None:
    bad(p, "exit 78", seconds(p, 3, 8))


@fault("plugin-rejects", "plugin", "an unhandled rejection in a new plugin", HEAL, **MORE)
def rejects(p: Place) -> None:
    bad(p, "reject", seconds(p, 3, 9))


@fault(
    "plugin-blocks-later",
    "plugin",
    "a new plugin blocks the event loop some seconds after each start",
    HEAL,
    oracle=off,
    limit_s=560,
    settle_s=40,
)
def blocks(p: Place) -> None:
    bad(p, "block", seconds(p, 6, 16))


@fault(
    "plugin-blocks-load",
    "plugin",
    "a plugin loops forever while it is loaded",
    HEAL,
    oracle=off,
    limit_s=420,
    targets=REAL,
)
def blocks_load(p: Place) -> None:
    bad(p, "load-block", 0)


@fault(
    "plugin-blocks-at-once",
    "plugin",
    "a plugin blocks the event loop as soon as the port is open",
    HEAL,
    oracle=off,
    limit_s=420,
    targets=PRACTICE,
)
def blocks_at_once(p: Place) -> None:
    bad(p, "block", 0.5)


@fault(
    "plugin-exits-at-once", "plugin", "a plugin ends every start before it is ready", HEAL, **MORE
)
def exits_at_once(p: Place) -> None:
    bad(p, "exit {}".format(pick(p, (1, 2, 5, 9))), 0.3)


@fault(
    "plugin-one-of-three",
    "plugin",
    "three new plugins, one of them ends the process: the others stay on",
    HEAL,
    oracle=lambda p: off(p) + _others(p),
    dies_by_itself=True,
    limit_s=480,
    settle_s=30,
)
def one_of_three(p: Place) -> None:
    good = [p.name(), p.name()]
    for name in good:
        p.plugin(name, "fine")
    p.notes["good"] = good
    p.intended = p.data()
    bad(p, "exit 3", seconds(p, 3, 8))


def _others(p: Place) -> list:  # type: ignore[type-arg]
    entries = p.data().get("plugins", {}).get("entries", {})
    return [
        "the innocent plugin {} was switched off".format(name)
        for name in p.notes["good"]
        if entries.get(name, {}).get("enabled") is not True
    ]


@fault(
    "plugin-two-bad",
    "plugin",
    "two new plugins, each ends the process",
    HEAL,
    oracle=lambda p: off(p) + plugin_off(p, p.notes["second"]),
    dies_by_itself=True,
    limit_s=600,
    settle_s=30,
)
def two_bad(p: Place) -> None:
    p.notes["second"] = p.name()
    p.plugin(p.notes["second"], "exit 4", seconds(p, 5, 9))
    bad(p, "exit 3", seconds(p, 3, 5))


@fault(
    "plugin-path-missing",
    "plugin",
    "plugins.load.paths names a folder that is not there",
    HEAL,
    targets=REAL,
)
def path_missing(p: Place) -> None:
    where = "/nonexistent/" + p.name()
    edited(p, lambda data: data.setdefault("plugins", {}).update(load={"paths": [where]}))


@fault(
    "plugin-old-turns-bad",
    "plugin",
    "a plugin that was fine is edited and now ends the process",
    HEAL,
    setup=lambda p: _fine(p),
    **MORE,
)
def turns_bad(p: Place) -> None:
    import json
    import shutil

    name = p.notes["plugin"]
    shutil.rmtree(str(p.state / "extensions" / name))
    p.owner_files = [path for path in p.owner_files if name not in str(path)]
    p.plugin(name, "exit 3", seconds(p, 3, 8), entry=False)
    json.dumps(name)
    p.kill_gateway()


def _fine(p: Place) -> None:
    p.notes["plugin"] = p.name()
    p.plugin(p.notes["plugin"], "fine")
    p.intended = None
