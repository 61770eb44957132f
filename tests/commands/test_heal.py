"""The commands as a person calls them, on a home without any OpenClaw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from doctor_world import CONFIG

from skill.cli import main_group
from skill.commands import heal
from skill.doctor.result import Treatment
from skill.model import Text
from skill.openclaw.home import Home
from skill.store import records, snapshots


def run(tmp_path: Path, *words: str) -> "tuple[int, str]":
    env = {
        "HOME": str(tmp_path),
        "OPENCLAW_STATE_DIR": str(tmp_path / "state"),
        "PATH": str(tmp_path),
        "LANG": "C",
    }
    env["OPENCLAW_GATEWAY_PORT"] = "21299"
    result = CliRunner().invoke(main_group, list(words), env=env)
    return result.exit_code, result.output


def home(tmp_path: Path) -> Home:
    state = tmp_path / "state"
    state.mkdir()
    (state / "openclaw.json").write_text(CONFIG)
    return Home(state, state / "openclaw.json")


def test_a_snapshot_is_listed_and_put_back(tmp_path: Path) -> None:
    place = home(tmp_path)
    kept = snapshots.take(place, "test", [str(place.config_path)], 1_700_000_000.0)
    place.config_path.write_text("{}")
    code, out = run(tmp_path, "snapshots", "list", "--json")
    assert code == 0 and json.loads(out)[0]["id"] == kept.id
    code, out = run(tmp_path, "snapshots", "restore", kept.id, "--yes")
    assert code == 0 and place.config_path.read_text() == CONFIG
    assert [s.repair for s in snapshots.all_of(place)][0] == "before-restore"
    assert run(tmp_path, "snapshots", "restore", "nope", "--yes")[0] != 0


def test_stats_of_nothing_and_of_something(tmp_path: Path) -> None:
    place = home(tmp_path)
    assert json.loads(run(tmp_path, "stats", "--json")[1])["incidents"] == 0
    records.Store(place).add(
        {
            "id": "a",
            "opened": 1.0,
            "verified": True,
            "healed_s": 12.0,
            "level": 2,
            "outcome": "healed",
        }
    )
    code, out = run(tmp_path, "--lang", "zh", "stats")
    assert code == 0 and "已恢复：1" in out and "12" in out


@pytest.mark.parametrize(
    "outcome, state, code",
    [
        ("healed", "healthy", 0),
        ("nothing", "healthy", 0),
        ("nothing", "down", 1),
        ("nothing", "misconfigured", 1),
        ("nothing", "unknown", 2),
        ("escalate", "down", 1),
        ("asked", "down", 1),
    ],
)
def test_a_repair_that_repaired_nothing_is_no_success(outcome: str, state: str, code: int) -> None:
    assert heal._code(Treatment(outcome, 3, Text("x", "x"), state=state)) == code
