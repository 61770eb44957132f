"""kill -9 of the watchdog at random moments of an incident: it goes on where it was, restarts
nothing twice, no lock sticks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest

from skill.drill import faults
from skill.drill.bench import lay_out
from skill.drill.watcher import Watcher
from skill.host import Host
from skill.openclaw import gateway

pytestmark = pytest.mark.skipif(
    not (os.environ.get("E2E") or os.environ.get("E2E_LAB")), reason="takes minutes: set E2E=1"
)

KILLS = int(os.environ.get("KILLS", "50"))
FASTER = {
    "probe_timeout": 0.5,
    "check_interval": 1,
    "retry_delay": 0.2,
    "ai": {"enabled": False},
    "restart_delays": [1, 1, 1],
    "max_restarts": 50,
}


@pytest.fixture()
def bench():
    fault = next(f for f in faults.find(faults.BUILT_IN) if f.id == "frozen")
    made = lay_out(fault, False, Host())
    yield made
    assert made.clear_up(keep=False) == 0


def watch_state(bench):
    try:
        return json.loads((bench.home.doctor_dir / "watch.json").read_text())
    except (OSError, ValueError):
        return {}


def break_it(bench, kind):
    """frozen: level 2's work. config: level 3's work. Return the broken process."""
    holder = gateway.lock_holder(bench.host, bench.home)
    assert holder is not None
    if kind == "config":
        bench.home.config_path.write_text(bench.home.config_path.read_text()[:60])
        os.kill(holder.pid, signal.SIGKILL)
    else:
        os.kill(holder.pid, signal.SIGSTOP)
    return holder.pid


def test_killed_at_random_moments(bench):
    (bench.home.doctor_dir / "config.json").write_text(json.dumps(FASTER))
    bench.start()
    watcher, chance, kills, rounds = Watcher(bench), random.Random(7), 0, 0
    watcher.start()
    good = bench.home.doctor_dir / "good"
    until = time.monotonic() + 60
    while not (good.is_dir() and any(good.iterdir())):
        assert time.monotonic() < until, watcher.words()
        time.sleep(0.2)
    try:
        while kills < KILLS:
            kind = "config" if rounds % 3 == 2 else "frozen"
            rounds += 1
            first, pids, began = break_it(bench, kind), set(), time.monotonic()
            next_kill = time.monotonic() + chance.uniform(0.0, 4.0)
            while True:
                assert time.monotonic() - began < 120, "round {} ({}) not healed: {} {}".format(
                    rounds, kind, watch_state(bench), watcher.words()
                )
                holder = gateway.lock_holder(bench.host, bench.home)
                if holder and holder.pid != first:
                    pids.add(holder.pid)
                if kills < KILLS and time.monotonic() >= next_kill and watcher.pid:
                    os.kill(watcher.pid, signal.SIGKILL)
                    watcher.process.wait()
                    kills += 1
                    time.sleep(chance.uniform(0.0, 0.5))
                    watcher.start()
                    next_kill = time.monotonic() + chance.uniform(0.3, 4.0)
                elif watcher.keep_alive():
                    pytest.fail("the watchdog ended by itself: " + watcher.words())
                if (
                    bench.ready(0.5)
                    and pids
                    and watch_state(bench).get("incident") is None
                    and watch_state(bench).get("streak", 0) >= 3
                ):
                    break
                time.sleep(0.1)
            # One new gateway for a frozen one; for a config the refused starts of level 1 and of
            # the repair come on top.
            assert len(pids) <= (1 if kind == "frozen" else 4), (kind, pids)
        print("rounds", rounds, "kills", kills, "watchdogs", watcher.starts)
    finally:
        watcher.stop()
    from skill.locks import lock_held

    assert not lock_held(bench.home.doctor_dir / "watch.lock")
