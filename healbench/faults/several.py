"""More than one thing is wrong at once."""

from __future__ import annotations

import signal

from ..model import ESCALATE, HEAL
from ..place import Place
from . import config as configs
from .base import BOTH, PRACTICE, REAL, fault, kill_subject, pick, plugin_off, seconds, take_port
from .database import LOST, no_journal
from .environment import PORT


@fault("several-two-config-faults", "several", "an unknown key, and the mode is gone", HEAL)
def two_config(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data[p.name()] = 1
        data["gateway"].pop("mode")

    p.edit(change)
    p.kill_gateway()


@fault(
    "several-frozen-and-cut",
    "several",
    "frozen, and the config is cut: the restart alone does not help",
    HEAL,
    limit_s=360,
    spoils=("config",),
    smoke=True,
)
def frozen_cut(p: Place) -> None:
    p.write(configs._cut(p, p.read()))
    p.signal_gateway(signal.SIGSTOP)


@fault(
    "several-database-and-config",
    "several",
    "the database is noise and a key is unknown",
    HEAL,
    limit_s=420,
    spoils=LOST,
)
def database_config(p: Place) -> None:
    key = p.name()
    p.edit(lambda data: data["gateway"].update({key: 1}))
    p.kill_gateway()
    p.wait(0.3, lambda: False)
    no_journal(p)
    with open(p.database(), "r+b") as handle:
        handle.write(b"noise".ljust(4096, b"n"))


@fault(
    "several-plugin-and-key",
    "several",
    "a plugin ends each start, and a key is unknown",
    HEAL,
    limit_s=560,
    settle_s=30,
    dies_by_itself=True,
    oracle=lambda p: plugin_off(p, p.notes["plugin"]),
)
def plugin_key(p: Place) -> None:
    name, key = p.name(), p.name()
    p.notes["plugin"] = name
    p.plugin(name, "exit 3", seconds(p, 3, 8))
    p.edit(lambda data: data["gateway"].update({key: 1}))
    p.kill_gateway()


@fault(
    "several-healer-and-config",
    "several",
    "the config is cut, and whatever heals is killed (-9)",
    HEAL,
    limit_s=360,
    spoils=("config",),
)
def healer_config(p: Place) -> None:
    p.write(configs._cut(p, p.read()))
    p.kill_gateway()
    kill_subject(p)


@fault(
    "several-port-and-config",
    "several",
    "a foreign program has the port, and a key is unknown",
    ESCALATE,
    facts=PORT,
    limit_s=200,
)
def port_config(p: Place) -> None:
    key = p.name()
    p.edit(lambda data: data["gateway"].update({key: 1}))
    take_port(p)


@fault(
    "several-flag-and-config",
    "several",
    "a bad Node flag in the service, and the config is cut",
    HEAL,
    limit_s=420,
    spoils=("config",),
)
def flag_config(p: Place) -> None:
    p.write(configs._cut(p, p.read()))
    p.subject.break_environment(p, {"NODE_OPTIONS": "--no-such-" + p.name()})
    p.kill_gateway()


@fault(
    "several-freeze-under-stall",
    "several",
    "frozen, then its successor is killed, then frozen again",
    HEAL,
    limit_s=600,
)
def freeze_kill_freeze(p: Place) -> None:
    from .base import pid_of, ready_again

    for act in (signal.SIGSTOP, signal.SIGKILL, signal.SIGSTOP):
        old = pid_of(p)
        p.signal_gateway(act)
        if act is signal.SIGSTOP and not ready_again(p, old, 150):
            return
        if act is signal.SIGKILL and not ready_again(p, old, 150):
            return
        p.wait(seconds(p, 1, 4), lambda: False)


@fault(
    "several-config-then-plugin",
    "several",
    "the config is deleted; the copy that comes back has a plugin that turned bad meanwhile",
    HEAL,
    limit_s=600,
    settle_s=30,
    dies_by_itself=True,
    spoils=("config",),
    oracle=lambda p: plugin_off(p, p.notes["plugin"]),
    setup=lambda p: _fine(p),
)
def config_plugin(p: Place) -> None:
    import shutil

    name = p.notes["plugin"]
    shutil.rmtree(str(p.state / "extensions" / name))
    p.owner_files = [path for path in p.owner_files if name not in str(path)]
    p.plugin(name, "exit 3", seconds(p, 3, 8), entry=False)
    p.config.unlink()
    p.kill_gateway()


def _fine(p: Place) -> None:
    p.notes["plugin"] = p.name()
    p.plugin(p.notes["plugin"], "fine")


@fault(
    "several-open-door-and-key",
    "several",
    "bound to the network without auth, and an unknown key",
    HEAL,
)
def door_key(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data["gateway"].update(bind="lan", auth={"mode": "none"})
        data[p.name()] = pick(p, (1, "x", [], {}))

    p.edit(change)
    p.kill_gateway()


__all__ = ["BOTH", "PRACTICE", "REAL"]
