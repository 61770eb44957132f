"""An update needs evidence, and ends: what only looks like one never keeps a gateway dead (A8, D4)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Tuple

import pytest
from checkhouse import House

from skill.host import Process
from skill.openclaw import install

ME = Process(os.getpid(), 1, "python", ("python",), "running", 1.0, "oc")


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.install()
    made.rows.append(ME)
    for path in (made.package, made.package.parent):
        os.utime(path, (made.now - 7200, made.now - 7200))
    return made


def writes(house: House, *argv: str, **more: Any) -> bool:
    values = {"user": "oc", "started": house.now - 5, "cwd": str(house.folder), "env": {}, **more}
    row = Process(7, 1, "npm", argv, "running", **values)
    return install.writers(house.package, house.ctx().host, [ME, row]) == [7]


@pytest.mark.parametrize(
    "argv",
    [
        ("npm", "install", "-g", "openclaw"),
        ("npm install -g openclaw@latest",),  # as npm titles itself
        ("node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "i", "-g", "openclaw@2026.9.6"),
        ("/usr/bin/pnpm", "add", "-g", "openclaw"),
        ("yarn", "global", "add", "openclaw"),
        ("bun", "add", "-g", "openclaw"),
        ("npm", "up", "-g", "openclaw"),
        ("npm", "install", "-g", "/tmp/openclaw-2026.9.6.tgz"),
        ("npm", "install", "openclaw"),
    ],
)
def test_a_package_manager_at_work_here_is_an_update(house: House, argv: Tuple[str, ...]) -> None:
    assert writes(house, *argv)


@pytest.mark.parametrize(
    "argv",
    [
        ("npm", "run", "dev", "--i", "/srv/openclaw-site"),
        ("vi", "npm-install-openclaw.md"),
        ("tail", "-f", "npm", "up", "openclaw.log"),
        ("sh", "-c", "npm install -g openclaw"),
        ("npm", "install", "-g", "openclaw-plugin-x"),
        ("npm", "install", "-g", "@me/openclaw-skin"),
        ("npm", "view", "openclaw"),
        ("node", "/srv/app/npm-install.js", "install", "openclaw"),
        ("node", "-e", "npm install openclaw"),
        ("grep", "-r", "npm install openclaw", "."),
        ("npm install --prefix /elsewhere openclaw",),
        ("npm", "install", "--prefix=/elsewhere", "openclaw"),
    ],
)
def test_a8_what_only_speaks_of_an_update_is_none(house: House, argv: Tuple[str, ...]) -> None:
    assert not writes(house, *argv)


def test_a8_another_accounts_update_of_its_own_openclaw_is_not_ours(house: House) -> None:
    assert not writes(house, "npm", "install", "-g", "openclaw", user="eve", uid=4321)
    owner = house.package.stat().st_uid
    assert writes(house, "npm", "install", "-g", "openclaw", user="root", uid=owner)


def test_a8_a_manager_that_hangs_and_touches_nothing_is_not_believed_for_ever(house: House) -> None:
    argv = ("npm", "install", "-g", "openclaw")
    assert not writes(house, *argv, started=house.now - 3600)
    os.utime(house.package.parent, (house.now - 60, house.now - 60))
    assert writes(house, *argv, started=house.now - 3600)


def test_a8_another_prefix_is_another_installation(house: House) -> None:
    argv = ("npm", "install", "-g", "openclaw")
    assert not writes(house, *argv, env={"npm_config_prefix": "/opt/other"})
    assert writes(house, *argv, env={"npm_config_prefix": str(house.folder)})


@pytest.mark.parametrize("name", [".openclaw-lifecycle-pending", "../.openclaw-Xy12Zw34"])
def test_a8_what_a_killed_npm_left_is_believed_for_a_quarter_of_an_hour(
    house: House, name: str
) -> None:
    path = house.package / name
    path.mkdir()
    for age, believed in ((60.0, True), (1000.0, False), (3 * 86400.0, False)):
        os.utime(path, (house.now - age, house.now - age))
        assert install.updating(house.ctx().host, None) is believed
