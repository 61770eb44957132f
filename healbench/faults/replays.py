"""Chains of events from public post-mortems, each step a fault of its own. Names, times and values
vary with the seed; what is replayed is the order of events and the wrong turn that was taken.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from ..model import ESCALATE, HEAL, NOTHING, Facts
from ..place import Place
from . import config as configs
from .base import (
    PRACTICE,
    fault,
    kill_subject,
    pick,
    pid_of,
    plugin_off,
    ready_again,
    run_helper,
    seconds,
    stall,
    take_port,
)
from .environment import PORT
from .update import updater


def chain(id: str, family: str, title: str, right: str, source: str, **more: Any):  # type: ignore[no-untyped-def]
    return fault(id, family, title, right, kind="chain", source=source, **more)


def die_and_return(p: Place, act: int = signal.SIGKILL) -> bool:
    old = pid_of(p)
    p.signal_gateway(act)
    return ready_again(p, old, 240)


@chain(
    "chain-seven-restarts",
    "hang",
    "slow answers under load made a recycler restart it seven times",
    NOTHING,
    "alphaclaw#56",
    limit_s=110,
    targets=PRACTICE,
    may_tell=True,
)
def seven(p: Place) -> None:
    for number in range(5):
        p.later(number * 18, lambda: stall(p, pick(p, (4, 6, 8, 9))))


@chain(
    "chain-silent-rollback",
    "config",
    "the owner's newer config is rolled back after a crash that had another cause",
    HEAL,
    "alphaclaw#76",
    limit_s=420,
)
def rollback(p: Place) -> None:
    def change(data: Any) -> None:
        data["messages"]["ackReaction"] = pick(p, ("tada", "heart", "fire", "zap"))
        data["agents"]["defaults"]["maxConcurrent"] = 9

    p.edit(change, meant=True)
    p.wait(seconds(p, 3, 12), lambda: False)
    if die_and_return(p):
        p.wait(3, lambda: False)
        p.kill_gateway()


@chain(
    "chain-alerts-undeliverable",
    "several",
    "the outage, and the first place alerts go to is down as well",
    ESCALATE,
    "alphaclaw#21",
    limit_s=200,
    facts=PORT,
)
def undeliverable(p: Place) -> None:
    take_port(p)
    kill_subject(p)


@chain(
    "chain-updater-left-stopped",
    "update",
    "stopped by the updater, updater dead, marker left",
    HEAL,
    "openclaw#140230",
    limit_s=420,
)
def left_stopped(p: Place) -> None:
    pid = updater(p, 900)
    p.wait(seconds(p, 1, 4), lambda: False)
    p.signal_gateway(signal.SIGTERM)
    p.wait(seconds(p, 2, 8), lambda: False)
    os.kill(pid, signal.SIGKILL)
    (p.root / "node_modules.tmp").touch()


@chain(
    "chain-27-boots",
    "service",
    "restart upon restart until the breaker took the channels: ready, and deaf",
    HEAL,
    "openclaw#133820",
    limit_s=700,
    targets=PRACTICE,
    ill_while_ready=True,
    oracle=lambda p: _silent(p),
)
def boots(p: Place) -> None:
    for _ in range(3):
        if not die_and_return(p):
            return
        p.wait(1, lambda: False)
    p.control(suppressed=["telegram"])


def _silent(p: Place) -> list:  # type: ignore[type-arg]
    from .channel import silent

    return silent(p)


@chain(
    "chain-integrity-check-stall",
    "hang",
    "an integrity check blocks the loop for the better part of a minute, three times",
    NOTHING,
    "openclaw#148307",
    limit_s=200,
    targets=PRACTICE,
    may_tell=True,
)
def integrity(p: Place) -> None:
    for number in range(3):
        p.later(number * 60, lambda: stall(p, seconds(p, 25, 45)))


@chain(
    "chain-update-key-then-doctor",
    "update",
    "an update refuses a key; `doctor --fix` repairs it and loses a section",
    HEAL,
    "openclaw#83679",
    limit_s=420,
)
def key_doctor(p: Place) -> None:
    from .traps import fix_drops

    fix_drops(p)


@chain(
    "chain-keepalive-lost",
    "service",
    "after a crash burst nothing keeps it alive any more, and then it dies",
    HEAL,
    "openclaw#147357",
    limit_s=420,
)
def keepalive(p: Place) -> None:
    for _ in range(2):
        if not die_and_return(p):
            return
    kill_subject(p)
    p.wait(seconds(p, 1, 5), lambda: False)
    p.kill_gateway()


@chain(
    "chain-overnight",
    "several",
    "the config is edited at night and broken; it runs on; hours later it crashes",
    HEAL,
    "openclaw#85695",
    limit_s=420,
    spoils=("config",),
)
def overnight(p: Place) -> None:
    p.write(configs._brace(p, p.read()))
    p.wait(seconds(p, 15, 40), lambda: False)
    p.signal_gateway(signal.SIGSEGV)


@chain(
    "chain-listener-closed",
    "hang",
    "process alive, listener closed, container healthy",
    HEAL,
    "NemoClaw#7377",
    limit_s=420,
    spoils=("config",),
)
def listener(p: Place) -> None:
    text = p.read()
    p.write(configs._cut(p, text))
    p.signal_gateway(signal.SIGUSR2)


@chain(
    "chain-plugin-after-update",
    "plugin",
    "an update brings a plugin that blocks the loop minutes later, at every start",
    HEAL,
    "openclaw#146277",
    limit_s=700,
    settle_s=45,
    oracle=lambda p: plugin_off(p, p.notes["plugin"]),
)
def plugin_update(p: Place) -> None:
    name = p.name()
    p.notes["plugin"] = name
    p.plugin(name, "block", seconds(p, 12, 25))
    p.signal_gateway(signal.SIGTERM)


@chain("chain-restart-cron", "service", "a restart cron from a forum ends it every few seconds: somebody has to be told", ESCALATE, "openclaw#53684", limit_s=420, dies_by_itself=True, facts=Facts(
    cause=(r"SIGTERM|terminat|end(s|ed|ing)|stop(s|ped)|keeps|something else|somebody",),
    evidence=(r"times|exit|code|\d+",),
    remedy=(r"cron|script|watchdog|other|find|look|stop|service",),
))  # fmt: skip
def cron(p: Place) -> None:
    from .service import TERMINATOR

    run_helper(
        p, TERMINATOR, str(pick(p, (10, 14, 18, 25)) if p.target.practice else 40), str(p.root)
    )
    p.signal_gateway(signal.SIGTERM)


@chain(
    "chain-port-after-crash",
    "environment",
    "it crashes; a colleague's server takes the port in that second; he stops it after a while",
    HEAL,
    "openclaw EADDRINUSE threads",
    limit_s=420,
)
def port_after(p: Place) -> None:
    pid = take_port(p)
    p.later(seconds(p, 40, 120), lambda: os.kill(pid, 9))


@chain(
    "chain-two-owners",
    "config",
    "two programs write the config in turns while it restarts",
    HEAL,
    "openclaw#100072",
    limit_s=420,
)
def two_owners(p: Place) -> None:
    text = p.read()
    data = p.data()
    data["messages"]["ackReaction"] = "both"
    better = json.dumps(data, indent=1)
    p.kill_gateway()
    for number in range(4):
        p.later(number * 1.5, lambda n=number: p.config.write_text(text if n % 2 else better))  # type: ignore[misc]
    p.later(7, lambda: p.write(better, meant=True))
