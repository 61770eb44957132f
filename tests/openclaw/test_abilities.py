"""What a version can do is asked of one table, and a version that nobody tested is said to be so
(versions 4).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

import pytest
from checkhouse import House, ids

from skill.checks import installation
from skill.openclaw import abilities
from skill.store import good_copies


@pytest.mark.parametrize(
    "version, ability, expected",
    [
        ("2026.2.9", "json-health", False),
        ("2026.3.2", "json-health", False),
        ("2026.3.13", "json-health", True),
        ("2026.7.1", "state-lock", False),
        ("2026.8.2", "state-lock", True),
        ("2026.10.1", "state-lock", True),
        ("2026.5.28", "launcher", False),
        ("2026.4.15", "launcher", True),
        ("2026.4.15", "title-short", False),
        ("2026.6.11", "title-short", True),
        ("2026.7.1", "title-short", False),
        ("2026.9.6-beta.2", "supervisor-mode", True),
        ("", "startupz", None),
    ],
)
def test_a_version_has_an_ability_from_one_version_to_another(
    version: str, ability: str, expected: Optional[bool]
) -> None:
    assert abilities.can(version, ability) is expected


@pytest.mark.parametrize(
    "version, standing",
    [
        ("2026.9.6", "tested"),
        ("2026.2.9", "tested"),
        ("2026.6.12", "between"),
        ("2026.1.29", "older"),
        ("2026.11.1", "newer"),
        ("", "unknown"),
        ("git-main", "unknown"),
    ],
)
def test_how_well_a_version_is_known(version: str, standing: str) -> None:
    assert abilities.standing(version) == standing
    assert (abilities.about(version) is None) == (standing == "tested")


def test_every_ability_names_versions(tmp_path: Path) -> None:
    for since, until in abilities.ABILITIES.values():
        assert re.match(r"2026\.\d+", since)
        assert not until or abilities.newer(until, since)


def test_a_version_between_two_tested_ones_names_both() -> None:
    said = abilities.about("2026.6.33")
    assert said is not None and "2026.6.11 and 2026.7.1" in said.en


@pytest.mark.parametrize(
    "version, told", [("2026.12.3", True), ("2026.6.33", True), ("2026.9.6", False)]
)
def test_an_untested_version_is_told(tmp_path: Path, version: str, told: bool) -> None:
    house = House(tmp_path)
    house.install(version)
    seen = ids(installation.run(house.ctx()))
    assert ("installation/untested-version" in seen) is told


def test_an_update_under_a_running_gateway_is_told_and_is_no_good_state_yet(tmp_path: Path) -> None:
    """npm install -g while 2026.7.1 runs: that process is ready with the old files in its memory,
    and says nothing about the new ones.
    """
    house = House(tmp_path)
    house.install("2026.7.1")
    written = (house.package / "package.json").stat().st_ctime
    house.healthy(age=house.now - written - 60)  # started a minute after that installation
    assert "installation/restart-pending" not in ids(installation.run(house.ctx()))
    good_copies.keep(house.ctx(), True, house.rows[0].started)

    house.rows.clear()
    house.healthy(age=house.now - written + 60)  # the same, seen from after an update
    manifest = house.package / "package.json"
    manifest.write_text(manifest.read_text().replace("2026.7.1", "2026.9.6"))
    assert "installation/restart-pending" in ids(installation.run(house.ctx()))
    config = house.state / "openclaw.json"
    config.write_text(config.read_text() + "\n")  # the owner's edit makes a new copy necessary
    assert good_copies.keep(house.ctx(), True, house.rows[0].started)
    newest = good_copies.newest(house.ctx().home)
    assert newest is not None and newest["inventory"]["version"] == "2026.7.1"
