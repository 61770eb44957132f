"""What we keep stays within bounds, and what is still needed stays (A18, A21)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from doctor_world import World

from skill.doctor import execute, journal
from skill.errors import RepairError
from skill.model import Delete, Plan, Risk, Service, Text
from skill.repairs import free_disk
from skill.store import growth, snapshots

DAY = 86400.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.clock = 1_795_000_000.0
    return made


def made(path: Path, at: float, size: int = 10, folder: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        path.mkdir()
        (path / "file").write_bytes(b"x" * size)
    else:
        path.write_bytes(b"x" * size)
    os.utime(str(path), (at, at))
    return path


def names(paths: "list[Path]") -> "list[str]":
    return sorted(path.name for path in paths)


def test_a18_rejected_copies_do_not_take_the_places_of_snapshots(world: World) -> None:
    root = world.home.doctor_dir / "snapshots"
    for number in range(4):
        made(root / "2026010{}T000000-x".format(number), world.clock - 400 + number, folder=True)
        made(root / "openclaw.json.rejected-by-doctor.{}".format(number), world.clock - 100)
    spare = free_disk.own_spare(world.context())
    # an owner's own text is never spare, however full the disk is
    assert {path.parent.name for path in spare} == {"20260100T000000-x"}


def test_a18_a_snapshot_that_a_journal_names_stays(world: World) -> None:
    root = world.home.doctor_dir / "snapshots"
    old = [
        made(root / "a{}".format(number), world.clock - 900 + number, folder=True)
        for number in range(40)
    ]
    moved = made(
        world.home.doctor_dir / "quarantine" / "b-locks", world.clock - 400 * DAY, folder=True
    )
    journal.save(
        journal.path_of(world.home),
        journal.Journal("x", str(old[0]), moves=(("/somewhere", str(moved / "file")),)),
    )
    spare = growth.over(world.home, world.clock, tight=True)
    assert old[0] not in spare and old[1] in spare and moved not in spare
    assert old[0] / "file" not in free_disk.own_spare(world.context())
    with pytest.raises(RepairError):
        execute.execute(
            world.context(),
            Plan("x", (Delete(str(old[0] / "file")), Service("start")), Risk.SAFE, Text("", "")),
        )


def test_a21_four_hundred_incidents_leave_bounded_files(world: World) -> None:
    root = world.home.doctor_dir / "incidents"
    for number in range(400):
        made(root / "{}.json".format(number), world.clock - 9000 + number)
        made(root / "{}.treat.taken".format(number), world.clock - 9000 + number)
    growth.prune(world.home, world.clock)
    assert len(list(root.glob("*.json"))) == 180 and len(list(root.glob("*.treat.taken"))) == 60
    assert (root / "399.json").exists() and not (root / "0.json").exists()


def test_a21_sixty_attempts_with_a_large_config_stay_small(world: World) -> None:
    root = world.home.doctor_dir / "snapshots"
    for number in range(60):
        made(
            root / "openclaw.json.rejected-by-doctor.{:02d}".format(number),
            world.clock - 900 + number,
            4_000_000,
        )
        snapshots.take(world.home, "x", [str(world.config)], world.clock + number)
    total = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert total < 60_000_000 and len(snapshots.all_of(world.home)) == 30


def test_what_only_its_owner_could_bring_back_needs_age_and_number(world: World) -> None:
    root = world.home.doctor_dir / "quarantine"
    for number in range(25):
        made(
            root / "{:02d}-openclaw.sqlite".format(number),
            world.clock - 300 * DAY + number,
            9,
            True,
        )
    assert len(growth.over(world.home, world.clock)) == 5
    assert len(growth.over(world.home, world.clock, tight=True)) == 5
    assert growth.over(world.home, world.clock - 200 * DAY, tight=True) == []


def test_a_clock_in_the_far_future_takes_not_everything(world: World) -> None:
    root = world.home.doctor_dir / "snapshots"
    for number in range(10):
        made(root / "a{}".format(number), world.clock + number, folder=True)
    growth.prune(world.home, world.clock + 99 * 365 * DAY)
    assert names(list(root.iterdir())) == ["a7", "a8", "a9"]


def test_a_link_is_not_followed(world: World, tmp_path: Path) -> None:
    root = world.home.doctor_dir / "incidents"
    target = made(tmp_path / "precious.json", world.clock - 999 * DAY)
    root.mkdir(parents=True)
    for number in range(200):
        (root / "{}.json".format(number)).symlink_to(target)
    growth.prune(world.home, world.clock)
    assert target.exists()


def test_what_a_rollback_took_away_outlives_its_snapshot(world: World) -> None:
    """Attack 17: the only copy of what the owner had written went with the 31st snapshot."""
    root = world.home.doctor_dir / "snapshots"
    for number in range(33):
        folder = root / "20260101T0000{:02d}-x".format(number)
        made(folder, world.clock - 400 + number, folder=True)
        (folder / "was-00-openclaw.json").write_text("theirs {}".format(number))
        os.utime(str(folder), (world.clock - 400 + number,) * 2)
    growth.prune(world.home, world.clock)
    assert len(list(root.glob("*/was-00-openclaw.json"))) == 33
    stripped = [folder for folder in root.iterdir() if len(list(folder.iterdir())) == 1]
    assert sorted(path.name[-4:] for path in stripped) == ["00-x", "01-x", "02-x"]
    assert not any("was-" in path.name for path in free_disk.own_spare(world.context()))
    # a stripped one is as old as it was: else it would look like the newest and push others out
    assert {path.stat().st_mtime for path in stripped} == {world.clock - 400 + n for n in range(3)}
