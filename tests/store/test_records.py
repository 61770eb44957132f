"""Memory: honest small numbers, damaged files, bounds, concurrent writers."""

from __future__ import annotations

import threading
from pathlib import Path

from skill.model import Healed
from skill.openclaw.home import Home
from skill.store import records
from skill.store.incidents import Incident
from skill.store.records import Store, wilson


def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path / "openclaw.json")


def acted(number: int, outcome: str, case: str = "CASE-001") -> dict:
    return {
        "id": "i{}".format(number),
        "opened": 1_800_000_000 + number,
        "case": case,
        "level": 3,
        "verified": outcome == "healed",
        "healed_s": 10.0 * (number + 1),
        "outcome": outcome,
        "actions": [{"case": case, "outcome": outcome}],
    }


def test_one_success_is_not_a_hundred_percent(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    assert memory.success_rate("CASE-001") is None
    memory.add(acted(0, "healed"))
    assert 0.1 < memory.success_rate("CASE-001") < 0.3
    assert wilson(10, 10) > wilson(3, 3) > wilson(1, 1) > wilson(0, 5) == 0.0


def test_a_failing_case_is_demoted_and_a_new_one_must_prove_itself(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    for number in range(3):
        memory.add(acted(number, "failed"))
        memory.add(acted(number + 10, "healed", "CASE-002"))
    assert memory.demoted("CASE-001") and not memory.demoted("CASE-002")
    assert memory.proven("CASE-002") and not memory.proven("CASE-001")


def test_stats(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    for number in range(20):
        memory.add(acted(number, "healed" if number < 10 else "escalate"))
    value = memory.stats()
    assert (value["incidents"], value["healed"]) == (20, 10)
    assert value["time_to_recover_s"] == {"p50": 50.0, "p95": 100.0, "n": 10}
    assert (
        value["by_level"] == {"3": 10}
        and sum(week["incidents"] for week in value["by_week"].values()) == 20
    )


def test_a_damaged_file_is_set_aside_and_named(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    memory.add(acted(0, "healed"))
    memory.path.write_text("{half")
    memory.add(acted(1, "healed"))
    assert [item["id"] for item in memory.all()] == ["i1"]
    assert memory.set_aside and Path(memory.set_aside).read_text() == "{half"


def test_the_same_incident_is_one_record_and_the_store_is_bounded(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    memory.add(acted(1, "failed"))
    memory.add(acted(1, "healed"))
    assert [item["outcome"] for item in memory.all()] == ["healed"]
    records.write_json(
        memory.path, {"records": [acted(number, "healed") for number in range(records.KEEP)]}
    )
    memory.add(acted(9999, "healed"))
    assert len(memory.all()) == records.KEEP and memory.older.exists()


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    place = home(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: Store(place).add(acted(n, "healed"))) for n in range(12)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(Store(place).all()) == 12


def test_the_watchdog_completes_a_record(tmp_path: Path) -> None:
    memory = Store(home(tmp_path))
    memory.add({**acted(1, "escalate"), "verified": False, "healed_s": None})
    memory.close_incident(
        "i1", Healed(2, "restart"), opened=100.0, closed=160.5, state="down", restarts=1
    )
    record = memory.all()[0]
    assert (
        record["healed_s"] == 60.5
        and record["verified"]
        and record["level"] == 4
        and record["actions"]
    )


def test_v11_what_is_kept_is_clean_when_it_is_written(tmp_path: Path) -> None:
    """A foreign program's command line once stood in records, incidents and queued alerts."""
    place, words = home(tmp_path), "held by: nc -l 18789 --password Hunter2CanaryA --user x"
    Store(place).add({**acted(0, "failed"), "cause": {"en": words, "zh": words}, "id": "i-0"})
    incident = Incident(place, "i-0")
    incident.keep_ai({"calls": 1, "said": words})
    incident.write_result({"cause": words, "path": "/a/b", "tried": [words]})
    kept = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(kept) == 3 and not any("Hunter2CanaryA" in text for text in kept)
    assert all("held by: nc -l 18789 --password <SECRET_1>" in text for text in kept)
    assert any('"/a/b"' in text for text in kept)
