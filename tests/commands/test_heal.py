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
from skill.openclaw.config import parse
from skill.openclaw.home import Home
from skill.store import good_copies, records, served, snapshots


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


def test_keys_that_a_repair_took_out_come_back_and_the_rest_stays(tmp_path: Path) -> None:
    place = home(tmp_path)
    kept = snapshots.take(place, "revert", [str(place.config_path)], 1_700_000_000.0)
    newer = CONFIG.replace(' agents: {defaults: {model: "a/b.c"}},', ' messages: {a: "newer"},')
    place.config_path.write_text(newer)
    key = "agents.defaults.model"
    code, out = run(tmp_path, "snapshots", "restore", kept.id, "--key", key, "--yes", "--json")
    now = parse(place.config_path.read_text())
    assert code == 0, out
    assert json.loads(out)["restored"] == [key]
    assert now["agents"] == {"defaults": {"model": "a/b.c"}} and now["messages"] == {"a": "newer"}
    assert "// keep" in place.config_path.read_text()
    place.config_path.write_text(newer)
    assert run(tmp_path, "snapshots", "restore", kept.id, "--missing", "--yes")[0] == 0
    assert parse(place.config_path.read_text())["agents"] == {"defaults": {"model": "a/b.c"}}
    code, out = run(tmp_path, "snapshots", "restore", kept.id, "--key", "no.such", "--yes")
    assert code == 1 and parse(place.config_path.read_text())["messages"] == {"a": "newer"}


def test_what_a_restore_overwrote_is_listed(tmp_path: Path) -> None:
    place = home(tmp_path)
    kept = snapshots.take(place, "x", [str(place.config_path)], 1_700_000_000.0)
    place.config_path.write_text("the owner's own bytes")
    assert snapshots.put_back(kept, str(place.config_path))
    row = json.loads(run(tmp_path, "snapshots", "list", "--json")[1])[0]
    assert [one["path"] for one in row["replaced"]] == [str(place.config_path)]
    assert Path(row["replaced"][0]["kept"]).read_text() == "the owner's own bytes"


def test_config_accept_makes_the_present_config_the_newest_good_copy(tmp_path: Path) -> None:
    place = home(tmp_path)
    served.made(place, parse(CONFIG))
    assert served.made_by_us(place, parse(CONFIG))
    code, out = run(tmp_path, "config", "accept", "--json")
    assert code == 0 and json.loads(out)["ok"] is True
    good = good_copies.newest(place)
    assert good is not None and good["config"] == parse(CONFIG)
    assert not served.made_by_us(place, parse(CONFIG))
    place.config_path.write_text("{")
    code, out = run(tmp_path, "config", "accept", "--json")
    assert code == 1 and json.loads(out)["issues"]
    assert good_copies.newest(place) == good, "nothing is accepted that does not parse"
    assert run(tmp_path, "config", "--list")[0] == 0, "without a subcommand it is what it was"
