"""The process is gone."""

from __future__ import annotations

import signal

from ..model import HEAL
from ..place import Place
from .base import (
    BOTH,
    BURN,
    REAL,
    edited,
    fault,
    pick,
    pid_of,
    ready_again,
    run_helper,
    seconds,
)


@fault("killed", "process", "kill -9", HEAL, smoke=True)
def killed(p: Place) -> None:
    p.kill_gateway()


@fault("killed-twice", "process", "kill -9, and once more when it is back", HEAL, limit_s=300)
def killed_twice(p: Place) -> None:
    old = pid_of(p)
    p.kill_gateway()
    if ready_again(p, old):
        p.wait(seconds(p, 1, 8), lambda: False)
        p.kill_gateway()


@fault("killed-while-starting", "process", "kill -9, and again before it was ready", HEAL)
def killed_while_starting(p: Place) -> None:
    old = pid_of(p)
    p.kill_gateway()
    p.wait(60, lambda: pid_of(p) not in (0, old))
    p.wait(seconds(p, 0.1, 1.0), lambda: False)
    p.kill_gateway()


@fault("terminated", "process", "a stranger sends SIGTERM", HEAL)
def terminated(p: Place) -> None:
    p.signal_gateway(signal.SIGTERM)


@fault(
    "crash-signal", "process", "it dies as native code does: SEGV, ABRT, BUS, FPE", HEAL, smoke=True
)
def crash_signal(p: Place) -> None:
    p.signal_gateway(pick(p, (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)))


@fault("hangup", "process", "SIGHUP, as when a terminal closes", HEAL)
def hangup(p: Place) -> None:
    p.signal_gateway(signal.SIGHUP)


@fault("quit-signal", "process", "SIGQUIT", HEAL)
def quit_signal(p: Place) -> None:
    p.signal_gateway(signal.SIGQUIT)


@fault("killed-under-load", "process", "kill -9 on a machine with no CPU to spare", HEAL)
def killed_under_load(p: Place) -> None:
    for _ in range(pick(p, (2, 3, 4, 5))):
        run_helper(p, BURN, str(seconds(p, 20, 60)))
    p.kill_gateway()


@fault(
    "killed-stale-lock", "process", "kill -9, and the lock names a dead process", HEAL, smoke=True
)
def killed_stale_lock(p: Place) -> None:
    import re

    p.kill_gateway()
    for lock in p.state.glob("tmp/openclaw-*/gateway.*.lock"):
        if lock.is_file():
            text = lock.read_text("utf-8", "replace")
            lock.write_text(
                re.sub(r'("pid":\s*)\d+', r"\g<1>{}".format(4100000 + p.rng.randrange(9999)), text)
            )


@fault(
    "killed-lock-reclaim",
    "process",
    "kill -9 while a lock was reclaimed: the guard stays",
    HEAL,
    targets=REAL,
)
def killed_lock_reclaim(p: Place) -> None:
    p.kill_gateway()
    for lock in list(p.state.glob("tmp/**/gateway*.lock")):
        (lock.parent / (lock.name + ".reclaim")).mkdir(exist_ok=True)


@fault("killed-heap-file", "process", "kill -9 with a half-written state file left behind", HEAL)
def killed_heap_file(p: Place) -> None:
    p.kill_gateway()
    name = pick(p, ("openclaw.json.tmp", "openclaw.json.part", "state/x.tmp", "openclaw.json.swp"))
    (p.state / name).write_bytes(b"{ half" * p.rng.randrange(1, 50))


@fault(
    "killed-after-edit",
    "process",
    "a valid edit, and a kill -9 that has nothing to do with it",
    HEAL,
    smoke=True,
)
def killed_after_edit(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data["messages"]["ackReaction"] = pick(p, ("tada", "heart", "fire", "zap"))
        data["agents"]["defaults"]["maxConcurrent"] = p.rng.randrange(6, 9)

    edited(p, change, meant=True)


@fault(
    "three-kills",
    "process",
    "kill -9 three times within minutes: OpenClaw's breaker is near",
    HEAL,
    limit_s=420,
    targets=BOTH,
)
def three_kills(p: Place) -> None:
    for _ in range(3):
        old = pid_of(p)
        p.kill_gateway()
        if not ready_again(p, old):
            return
        p.wait(seconds(p, 1, 5), lambda: False)
    p.kill_gateway()
