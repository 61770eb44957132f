"""The watchdog's memory on disk: what is saved comes back, and what 1.0.0 saved is carried on.

tests/data/state-1.0.0 was written by the code of 1.0.0 itself: an outage in which one repair failed
and two healed, and the records of three earlier ones.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from skill.host import Host
from skill.model import Healed, State, Text, Tried, Verdict
from skill.openclaw.home import Home
from skill.store import watch_state
from skill.store.incidents import Incident as Memory
from skill.store.incidents import key_of
from skill.store.records import Store
from skill.store.watch_state import Incident, WatchState
from skill.watchdog import alert_texts
from skill.watchdog.policy_outage import Decision

OLD = Path(__file__).resolve().parents[1] / "data" / "state-1.0.0"
OPEN = "20261121T031400-1f0a"
NOW = 1795230900.0


@pytest.fixture()
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path / "openclaw.json", "", 18789)


@pytest.fixture()
def upgraded(home: Home) -> Home:
    shutil.copytree(str(OLD), str(home.doctor_dir))
    return home


def test_what_is_saved_comes_back_as_it_was(home: Home) -> None:
    incident = Incident(
        "i-1",
        NOW,
        "misconfigured",
        Text("refuses", "拒绝"),
        restarts=2,
        treated=("loop", "stuck"),
        hopeless="misconfigured",
        healed=Healed(3, "doctor", (Tried("restore-config", "healed"),)),
        cause=Text("the file is cut", "文件不完整"),
        tried=(Tried("restart", "failed"), Tried("free-disk", "refused")),
    )
    state = WatchState(incident, (1.0, 2.0), (3.0,), (4.0,), 2, 7, True, noted=("stopped",))
    watch_state.save(home, state)
    assert watch_state.load(home) == (state, None)
    began = replace(incident, began="process-ended", exit_code=137, healed=None)
    watch_state.save(home, replace(state, incident=began))
    assert watch_state.peek(home)[0] == replace(state, incident=began)
    watch_state.save(home, replace(state, incident=None))
    assert watch_state.peek(home)[0] == replace(state, incident=None)


def test_an_outage_that_1_0_0_left_open_is_carried_on(upgraded: Home) -> None:
    state, wrong = watch_state.peek(upgraded)
    assert state and not wrong and state.ready_pid == 7 and state.good == "g"
    incident = state.incident
    assert incident and (incident.id, incident.restarts, incident.loop) == (OPEN, 1, True)
    assert incident.tried == (
        Tried("restore-config", "failed"),
        Tried("openclaw-doctor-fix", "refused"),
    )
    healed = (Tried("revert-config-keys", "healed"), Tried("restart", "healed"))
    assert incident.healed == Healed(3, "doctor", healed)
    assert incident.cause == Text("The config file does not parse", "配置文件语法错误")
    assert incident.reason.zh.startswith("网关进程自行退出")
    watch_state.save(upgraded, state)
    assert watch_state.peek(upgraded)[0] == state


def test_its_end_is_told_as_if_it_had_begun_today(upgraded: Home) -> None:
    state = watch_state.load(upgraded)[0]
    ready = Verdict(State.HEALTHY, Text("ready", "就绪"))
    alert = alert_texts.alert(
        Decision("recovered", "ready", {"times": 3}), ready, state.incident, state, NOW, upgraded
    )
    assert "配置文件语法错误" in alert.what.zh and "已修复：" in alert.what.zh
    assert "revert-config-keys" not in alert.what.en and "Repaired: Put back" in alert.what.en
    assert len(alert.done) == 2


def test_records_of_1_0_0_are_counted_and_completed(upgraded: Home) -> None:
    store = Store(upgraded)
    stats = store.stats()
    assert stats["incidents"] == 3 and stats["by_level"] == {"2": 1, "3": 1}
    assert store.tries("CASE-003") == (1, 2)
    store.close_incident("20261120T010000-aaaa", Healed(2, "restart"), NOW - 90000, NOW, "down", 1)
    record = next(row for row in store.all() if row["id"] == "20261120T010000-aaaa")
    assert (record["level"], record["by"], record["verified"]) == (4, "person", True)
    assert record["after"] == {"level": 2, "how": "restart"} and record["actions"]


def test_what_1_0_0_has_tried_in_an_incident_is_not_tried_again(upgraded: Home) -> None:
    memory = Memory(upgraded, OPEN)
    assert not memory.may_try("restore-config") and memory.may_try("restart")
    assert not memory.may_try(key_of("revert-config-keys", {"paths": ["agents.typo"]}))
    assert memory.opened(NOW) == 1795230840.0


@pytest.mark.parametrize(
    "text", ["[]", '{"incident": 5}', '{"incident": {"tried": [7]}}', '{"incident": {"id": "x"}}']
)
def test_a_damaged_memory_is_named_and_set_aside(home: Home, text: str) -> None:
    home.doctor_dir.mkdir()
    path = home.doctor_dir / "watch.json"
    path.write_text(text)
    state, wrong = watch_state.peek(home)
    assert state is None and "watch.json" in wrong and path.exists()
    state, aside = watch_state.load(home)
    assert state == WatchState() and aside and ".corrupt." in aside and not path.exists()


def test_attack_a7_a_clock_that_is_set_back_makes_no_pause_longer(home: Home) -> None:
    """A dead clock after a reboot: two hours of maintenance were a year of silence."""
    hours = 3600.0

    def paused(now: float, mono: float, boot: str) -> float:
        host = Host(now=lambda: now, monotonic=lambda: mono, boot=lambda: boot)
        until = watch_state.pause(home, host)[0]
        return round((until - now) / hours, 1) if until else 0.0

    home.doctor_dir.mkdir(parents=True, exist_ok=True)
    end = {"until": NOW + 2 * hours, "since": NOW, "mono": 500.0, "boot": "a"}
    (home.doctor_dir / "pause.json").write_text(json.dumps(end))
    assert paused(NOW + hours, 500.0 + hours, "a") == 1.0
    assert paused(NOW - 8766 * hours, 500.0 + hours, "a") == 1.0
    assert paused(NOW - 8766 * hours, 500.0 + 3 * hours, "a") == 0.0
    assert paused(NOW - 8766 * hours, hours, "b") == 1.0
    assert paused(NOW - 8766 * hours, 3 * hours, "b") == 0.0
    assert paused(NOW + 3 * hours, 500.0 + hours, "a") == 0.0  # the machine slept meanwhile
    (home.doctor_dir / "pause.json").write_text('{"until": Infinity}')
    assert watch_state.pause(home, Host())[1]
