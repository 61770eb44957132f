"""The process is there and does not answer."""

from __future__ import annotations

import signal

from ..model import HEAL
from ..place import Place
from .base import BOTH, PRACTICE, REAL, fault, pick, pid_of, ready_again, seconds


@fault("frozen", "hang", "stopped by SIGSTOP", HEAL, smoke=True)
def frozen(p: Place) -> None:
    p.signal_gateway(signal.SIGSTOP)


@fault("frozen-twice", "hang", "frozen, and once more when it is back", HEAL, limit_s=420)
def frozen_twice(p: Place) -> None:
    old = pid_of(p)
    p.signal_gateway(signal.SIGSTOP)
    if ready_again(p, old, 240):
        p.wait(seconds(p, 2, 10), lambda: False)
        p.signal_gateway(signal.SIGSTOP)


@fault("frozen-terminal-stop", "hang", "stopped by SIGTSTP, as by Ctrl-Z", HEAL)
def frozen_tstp(p: Place) -> None:
    p.signal_gateway(pick(p, (signal.SIGTTIN, signal.SIGTTOU)))


@fault(
    "busy-for-ever",
    "hang",
    "the event loop is blocked and SIGTERM has no effect",
    HEAL,
    targets=PRACTICE,
    limit_s=360,
    smoke=True,
)
def busy(p: Place) -> None:
    p.control(busy=True)
    p.later(1.0, lambda: _forget_busy(p))


def _forget_busy(p: Place) -> None:
    """The next process is to be well: the wish is taken back when this one is gone."""
    one = p.gateway()
    if one is not None and one.pid == p.notes.setdefault("busy_pid", one.pid):
        p.later(0.5, lambda: _forget_busy(p))
    else:
        p.control(busy=None)


@fault("frozen-after-term", "hang", "asked to end, it freezes while draining", HEAL, limit_s=420)
def frozen_after_term(p: Place) -> None:
    p.control(drain_s=60)
    p.signal_gateway(signal.SIGTERM)
    p.wait(0.4, lambda: False)
    p.signal_gateway(signal.SIGSTOP)
    p.later(2.0, lambda: p.control(drain_s=None))


@fault(
    "zombie-no-port",
    "hang",
    "broken config and an in-process restart: alive, and no port",
    HEAL,
    limit_s=400,
    smoke=True,
)
def zombie(p: Place) -> None:
    text = p.read()
    p.write(text[: int(len(text) * p.rng.uniform(0.4, 0.8))])
    p.signal_gateway(signal.SIGUSR2)


@fault(
    "restart-hangs-on-channel",
    "hang",
    "an in-process restart waits for a channel that cannot be reached",
    HEAL,
    targets=REAL,
    limit_s=400,
)
def restart_hang(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data["channels"] = {
            "telegram": {"enabled": True, "botToken": "123456:BAD", "apiRoot": "http://192.0.2.1:9"}
        }

    p.edit(change)
    p.wait(15, lambda: False)
    p.signal_gateway(signal.SIGUSR2)


@fault(
    "dead-slow",
    "hang",
    "every answer takes longer than anybody waits",
    HEAL,
    targets=PRACTICE,
    limit_s=360,
)
def dead_slow(p: Place) -> None:
    p.control(slow_s=seconds(p, 25, 90))
    p.later(1.0, lambda: _forget_slow(p))


def _forget_slow(p: Place) -> None:
    one = p.gateway()
    if one is not None and one.pid == p.notes.setdefault("slow_pid", one.pid):
        p.later(0.5, lambda: _forget_slow(p))
    else:
        p.control(slow_s=None)


@fault(
    "frozen-in-drain",
    "hang",
    "a drain that never ends after an in-process restart was asked for",
    HEAL,
    targets=PRACTICE,
    limit_s=700,
)
def frozen_in_drain(p: Place) -> None:
    p.control(draining=True)
    p.later(0.3, lambda: _stop_drain(p))


def _stop_drain(p: Place) -> None:
    p.signal_gateway(signal.SIGSTOP)
    p.control(draining=None)


@fault(
    "frozen-while-starting",
    "hang",
    "killed, and the next process freezes before it is ready",
    HEAL,
    limit_s=600,
)
def frozen_while_starting(p: Place) -> None:
    old = pid_of(p)
    p.control(start_s=6)
    p.kill_gateway()
    p.wait(90, lambda: pid_of(p) not in (0, old))
    p.wait(0.5, lambda: False)
    p.signal_gateway(signal.SIGSTOP)
    p.control(start_s=None)


@fault("frozen-with-clients", "hang", "frozen while many connections are open", HEAL, targets=BOTH)
def frozen_with_clients(p: Place) -> None:
    import socket

    links = []
    for _ in range(pick(p, (20, 40, 50, 60))):
        link = socket.socket()
        link.settimeout(1)
        try:
            link.connect(("127.0.0.1", p.port))
            links.append(link)
        except OSError:
            link.close()
    p.cleanup(lambda: [link.close() for link in links])
    p.signal_gateway(signal.SIGSTOP)
