"""Good copies: what is kept, in which order it comes back, what is never kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from doctor_world import CONFIG, World

from skill.store import good_copies


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_config_includes_and_env_are_kept_private_and_once(world: World) -> None:
    (world.state / "more.json5").write_text("{a: 1}")
    world.config.write_text('{gateway: {mode: "local"}, x: {$include: "./more.json5"}}')
    world.home.env_file.write_text("A=1\n")
    folder = good_copies.keep(world.context())
    assert folder and good_copies.keep(world.context()) is None
    good = good_copies.newest(world.home)
    assert good and set(good["files"]) == {
        str(world.config),
        str(world.state / "more.json5"),
        str(world.home.env_file),
    }
    assert good["config"]["x"] == {"a": 1}
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in good["files"].values()} == {0o600}


def test_copies_are_bounded_and_the_newest_comes_first(world: World) -> None:
    for port in range(20001, 20001 + good_copies.KEEP + 3):
        world.config.write_text(CONFIG.replace("18901", str(port)))
        good_copies.keep(world.context())
    found = good_copies.candidates(world.home)
    assert (
        len(found) == good_copies.KEEP
        and found[0].data["gateway"]["port"] == 20000 + good_copies.KEEP + 3
    )
    assert all(good.verified for good in found)


def test_what_is_broken_or_lost_its_gateway_section_is_no_good_copy(world: World) -> None:
    for text in ("{", "", "{agents: {}}", "{gateway: {port: 1}}"):
        world.config.write_text(text)
        assert good_copies.keep(world.context()) is None
        world.config.with_name("openclaw.json.bak").write_text(text)
        assert good_copies.candidates(world.home) == []


def test_openclaws_own_ring_comes_after_ours(world: World) -> None:
    world.config.with_name("openclaw.json.bak").write_text(CONFIG.replace("18901", "5"))
    world.config.with_name("openclaw.json.last-good").write_text(CONFIG.replace("18901", "6"))
    good_copies.keep(world.context())
    assert [good.source for good in good_copies.candidates(world.home)] == [
        "good/1",
        "openclaw.json.last-good",
        "openclaw.json.bak",
    ]


def test_a_damaged_copy_is_skipped(world: World) -> None:
    good_copies.keep(world.context())
    world.config.write_text(CONFIG.replace("18901", "5"))
    second = good_copies.keep(world.context())
    (Path(str(second)) / "manifest.json").write_text("{")
    assert good_copies.newest(world.home)["folder"].endswith("/1")  # type: ignore[index]
    assert [good.source for good in good_copies.candidates(world.home)] == ["good/1"]
