"""Beside a container: the engine starts, we only ever end the verified gateway, and tell the rest."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from skill.errors import ServiceError
from skill.host import Host, Reply
from skill.machine import Process
from skill.openclaw.gateway import Observation, ProcessInfo
from skill.openclaw.home import Home, locate
from skill.openclaw.judge_memory import Memory, remember, unclean
from skill.platforms import ServiceState, choose
from skill.platforms.container import Container


class Pod:
    """A process table with one gateway, which ends at SIGTERM unless it is `deaf`."""

    def __init__(self, tmp: Path) -> None:
        self.home_dir = tmp
        state = tmp / ".openclaw"
        locks = state / "tmp" / "openclaw-1000"
        locks.mkdir(parents=True)
        (state / "openclaw.json").write_text("{}")
        (locks / "gateway.state.lock").write_text(
            json.dumps({"pid": 7, "startTime": 70, "stateDir": str(state), "port": 18789})
        )
        self.env = {"HOME": str(tmp), "IFLOW_DOCTOR_SUPERVISOR": "container"}
        row = Process(
            7, 1, "openclaw-gatewa", ("openclaw-gateway",), "sleeping", 100.0, ticks=70,
            env={"OPENCLAW_STATE_DIR": str(state)}, uid=os.getuid() if hasattr(os, "getuid") else -1,
        )  # fmt: skip
        self.rows: Dict[int, Process] = {7: row}
        self.signals: List[Tuple[int, int]] = []
        self.deaf = self.ready = False
        self.clock = 1000.0

    def host(self) -> Host:
        return Host(
            env=self.env,
            system="linux",
            now=lambda: self.clock,
            monotonic=lambda: self.clock,
            sleep=self._sleep,
            get=self._get,
            processes=lambda: list(self.rows.values()),
            process=self.rows.get,
            environ=lambda pid: self.rows[pid].env if pid in self.rows else None,
            usage=lambda pid: {},
            family=lambda pid: 0,
            listeners=lambda pid: [],
            signal=self._signal,
            boot=lambda: "boot",
        )

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds

    def _get(self, url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        if self.ready:
            return Reply(200, b'{"ready": true, "failing": []}')
        return Reply(error="timeout", seconds=timeout)

    def _signal(self, row: Process, number: int) -> bool:
        self.signals.append((row.pid, number))
        if number == signal.SIGKILL or not self.deaf:
            self.rows.pop(row.pid, None)
        return True


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def made(pod: Pod) -> Tuple[Container, Home]:
    host = pod.host()
    home = locate(host)
    platform: Any = choose(host, home)
    assert isinstance(platform, Container)
    return platform, home


def test_a_frozen_gateway_is_ended_and_the_engine_does_the_rest(pod: Pod) -> None:
    platform, _home = made(pod)
    assert platform.service_state().main_pid == 7
    platform.restart()
    assert pod.signals == [(7, signal.SIGTERM)]
    state = platform.service_state()
    assert state.active == "activating" and state.stopped_by_operator is False
    platform.start()  # nothing to do, and nothing to fail


def test_one_that_answers_is_never_ended(pod: Pod) -> None:
    pod.ready = True
    platform, _home = made(pod)
    with pytest.raises(ServiceError):
        platform.restart()
    assert pod.signals == []


def test_a_start_that_keeps_failing_is_no_start(pod: Pod) -> None:
    """CrashLoopBackOff: between its tries there is nobody, and nobody is about to come."""
    platform, _home = made(pod)
    assert platform.service_state().active == "active"
    del pod.rows[7]
    assert platform.service_state().active == "activating"
    pod.clock += 16
    assert platform.service_state().active == "failed"
    assert made(pod)[0].service_state().active == "failed"  # level 3 is another process
    launcher = Process(
        9, 1, "openclaw", ("openclaw",), "sleeping", 200.0, ticks=90,
        env={"OPENCLAW_STATE_DIR": str(pod.home_dir / ".openclaw")},
    )  # fmt: skip
    pod.rows[9] = launcher
    state = platform.service_state()
    assert (state.active, state.main_pid, state.restarts) == ("active", 9, 1)


def test_what_lies_outside_is_told(pod: Pod) -> None:
    platform, _home = made(pod)
    for act in (
        platform.stop,
        platform.install,
        platform.install_watchdog,
        lambda: platform.environment_override({"A": "b"}, ()),
    ):
        with pytest.raises(ServiceError) as told:
            act()
        assert told.value.todo.en and told.value.todo.zh
    assert pod.signals == []


def test_nobody_else_is_chosen_without_the_word(pod: Pod) -> None:
    del pod.env["IFLOW_DOCTOR_SUPERVISOR"]
    host = pod.host()
    assert not isinstance(choose(host, locate(host)), Container)


def test_a_start_that_was_asked_for_is_waited_for_as_long_as_the_engine_backs_off(pod: Pod) -> None:
    platform, _home = made(pod)
    platform.service_state()
    row = pod.rows.pop(7)
    pod.clock += 80  # the engine's wait before this try
    pod.rows[7] = row
    platform.service_state()
    del pod.rows[7]
    pod.clock += 30
    assert platform.service_state().active == "failed"
    platform.start()  # a repair is done: the next try of the engine's tells
    state = made(pod)[0].service_state()
    assert (state.active, state.wait_s) == ("activating", 180.0)  # twice the last one, and slack
    pod.clock += 181
    assert made(pod)[0].service_state().active == "failed"
    pod.rows[7] = row
    assert platform.service_state().wait_s == 0.0


def test_how_it_ended_is_not_known_and_what_never_served_has_failed() -> None:
    blind = ServiceState(True, "activating", blind=True)

    def seen(pid: Any, **more: Any) -> Observation:
        row = ProcessInfo(pid, 1.0, "S", "openclaw-gateway") if pid else None
        return Observation(1.0, 1.0, "refused", process=row, service=blind, **more)

    def ended(last: Observation, ready: Any = None) -> bool:
        memory = replace(remember(seen(7), Memory()), ready_pid=ready)
        return unclean(last, memory)

    assert ended(seen(None, sudden=None))  # a start that came to nothing
    assert not ended(seen(None, sudden=False))  # told to end while it started
    assert not ended(seen(None, sudden=None), ready=7)  # it served, and no line tells
    assert ended(seen(None, sudden=True), ready=7)
    again = replace(blind, restarts=1)
    assert ended(replace(seen(8, sudden=None), service=again), ready=7)
    assert not ended(seen(7, sudden=None))
