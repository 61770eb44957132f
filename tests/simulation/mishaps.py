"""What happens to the gateway itself: it crashes, hangs, stops, loses its port, starts slowly or never."""

from __future__ import annotations

import signal
from typing import Any, Mapping

from .birth import INF, Birth

Entry = Mapping[str, Any]


def _gateway(world: Any) -> Any:
    return world.gateway()


def crash(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        world.machine.exit(gateway.proc, int(e.get("code", 1)), "fault")


def hang(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        gateway.go_deaf(float(e.get("for") or INF), bool(e.get("busy", True)))


def freeze(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        proc = gateway.proc
        gateway.ready_since = INF
        gateway.stopped_since = world.mono
        world.machine.deliver(proc, signal.SIGSTOP, "fault")
        if e.get("for"):
            world.after(
                float(e["for"]),
                lambda: proc.alive and world.machine.deliver(proc, signal.SIGCONT, "fault"),
            )


def lose_port(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.deaf_left() == 0.0:
        gateway.lose_port()


def restart_itself(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.deaf_left() == 0.0 and not gateway.draining:
        if e.get("inside", True):
            gateway.restart_inside()
        else:
            gateway.on_signal(signal.SIGUSR2)


def long_drain(world: Any, e: Entry) -> None:
    world.drains.append(float(e.get("for", 60.0)))


def channel_red(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.ready:
        gateway.failing = ["telegram"]
        gateway.ready_since = INF

        def green() -> None:
            gateway.failing = []
            if gateway.answers_ready():
                gateway.ready_since = world.mono
                world.became_ready(gateway)

        world.after(float(e.get("for", 120.0)), green)


def _birth(e: Entry) -> Birth:
    names = {k: v for k, v in e.items() if k in Birth.__dataclass_fields__}
    if names.get("deaf_for") == 0:
        names["deaf_for"] = INF
    return Birth(**names)


def next_start(world: Any, e: Entry) -> None:
    world.births.append(_birth(e))


def bad_starts(world: Any, e: Entry) -> None:
    world.bad_births = (world.mono + float(e.get("for", 120.0)), _birth(e))
