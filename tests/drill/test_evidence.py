"""What was seen decides the outcome, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from skill.drill.evidence import Evidence
from skill.model import Healed, Tried

FIRST, SECOND = (100, 1.0), (200, 2.0)
T = 1000.0  # when the fault was injected


RESTORED = [{"repair": "restore-config", "outcome": "healed"}]
RESTART = {"level": 2, "how": "restart"}


def log(evidence: Evidence, at: float, event: str, **fields: Any) -> str:
    return evidence.line({"at": at, "event": event, **fields})


def seen(first: Any = FIRST) -> Evidence:
    return Evidence(T, first)


def ready(evidence: Evidence, start: float, end: float, process: Any = SECOND) -> None:
    at = start
    while at <= end:
        evidence.look(at, True, process)
        at += 1.0


def test_restart_by_the_watchdog_is_a_heal_once_it_has_settled() -> None:
    e = seen()
    e.look(T + 1, False, None)
    log(e, T + 12, "decision", kind="opened", reason="hung")
    log(e, T + 12, "decision", kind="restart", reason="hung")
    ready(e, T + 20, T + 26)
    assert not e.healed(T + 26, 5), "the incident is still open"
    log(e, T + 23, "recovered", **RESTART)
    assert e.healed(T + 26, 5)
    assert not e.healed(T + 26, 30), "not ready for long enough"
    assert e.outcome(T + 26, 5, False) == "heal"
    assert (e.restarts, e.healer, e.opened) == (1, Healed(2, "restart"), T + 12)


def test_a_keeper_that_was_faster_than_the_watchdog_is_level_1() -> None:
    e = seen()
    e.look(T + 1, False, None)
    ready(e, T + 3, T + 10)
    assert e.outcome(T + 10, 5, False) == "heal"
    assert e.healer == Healed(1, "service-manager")


def test_level_3_is_named_by_its_repairs() -> None:
    e = seen()
    log(e, T + 1, "decision", kind="opened", reason="exit 78")
    log(e, T + 5, "treated", outcome="healed", cause="cut in half", tried=RESTORED)
    assert e.healer == Healed(3, "doctor", (Tried("restore-config", "healed"),))
    assert e.causes == ["cut in half"]


def test_new_failure_within_the_settling_time_reopens() -> None:
    e = seen()
    log(e, T + 1, "decision", kind="opened", reason="down")
    log(e, T + 5, "recovered", **RESTART)
    ready(e, T + 3, T + 9)
    assert e.healed(T + 9, 5)
    e.look(T + 10, False, None)
    log(e, T + 11, "decision", kind="opened", reason="down again")
    ready(e, T + 12, T + 20)
    assert not e.healed(T + 20, 5)


def test_nothing_means_no_restart_no_repair_no_changed_file() -> None:
    e = seen()
    e.look(T + 5, False, FIRST)
    log(e, T + 5, "state", state="degraded", reason="telegram")
    log(
        e,
        T + 9,
        "treated",
        outcome="escalate",
        tried=[{"repair": "tell-person", "outcome": "escalate"}],
    )
    assert e.outcome(T + 40, 5, False) == "nothing"
    assert e.outcome(T + 40, 5, True) == "failed"


def test_harm_that_went_away_by_itself_is_nothing() -> None:
    e = seen()
    e.look(T + 1, False, FIRST)
    log(e, T + 2, "decision", kind="opened", reason="no answer")
    log(e, T + 4, "recovered", level=0, how="")
    ready(e, T + 5, T + 15, FIRST)
    assert e.outcome(T + 15, 5, False) == "nothing"


def test_escalation_counts_until_it_is_healed() -> None:
    e = seen()
    log(e, T + 3, "decision", kind="opened", reason="impostor")
    log(e, T + 4, "decision", kind="escalate", reason="port taken")
    assert e.outcome(T + 10, 5, False) == "escalate"
    log(e, T + 6, "decision", kind="restart", reason="x")
    assert e.outcome(T + 10, 5, True) == "escalate"


def test_acted_without_success_is_failed() -> None:
    e = seen()
    log(e, T + 3, "decision", kind="restart", reason="down")
    assert e.outcome(T + 100, 5, False) == "failed"


@pytest.mark.parametrize("event", ["decision", "recovered", "treated"])
def test_lines_from_before_the_fault_do_not_count(event: str) -> None:
    e = seen()
    log(e, T - 5, event, kind="escalate", how="x", tried=RESTORED, reason="old")
    assert (e.escalated, e.recovered, e.actions) == (0.0, 0.0, [])


def test_what_is_detected_while_inject_still_runs_counts() -> None:
    e = Evidence(T, FIRST, T)
    e.injected = T + 20  # inject took 20 s
    log(e, T + 5, "decision", kind="opened", reason="down")
    assert (e.opened, e.open_incident) == (T + 5, True)


def test_ready_and_wrong_is_no_heal() -> None:
    e = seen()
    e.look(T + 1, False, None)
    ready(e, T + 20, T + 40)
    assert e.outcome(T + 40, 5, False) == "heal"
    log(
        e, T + 24, "decision", kind="escalate", state="healthy", reason="the database was recreated"
    )
    assert e.outcome(T + 40, 5, False) == "escalate"
