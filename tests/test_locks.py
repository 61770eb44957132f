"""Locks: one holder, no matter who asks, also where nothing can be written."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any, Iterator

import filelock
import pytest

from skill import locks
from skill.errors import AlreadyRunning
from skill.files import memory, memory_dir
from skill.platforms.keeper import files as keeper_files


@pytest.fixture()
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state" / "iflow-doctor" / "watch.lock"
    shutil.rmtree(memory_dir(tmp_path / "state"), ignore_errors=True)


@pytest.fixture()
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.1)


def refused(*_args: Any, **_more: Any) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def once_more(path: Path) -> None:
    with pytest.raises(AlreadyRunning), locks.owned_lock(path, "watch"):
        raise AssertionError("two of them")


def test_one_holder(path: Path, quick: None) -> None:
    assert not locks.lock_held(path)
    with locks.owned_lock(path, "watch"):
        assert locks.lock_held(path) and locks.lock_owner(path)[0] > 0
        once_more(path)
    assert not locks.lock_held(path)


def test_a22_who_only_asks_does_not_make_a_taker_fail(path: Path) -> None:
    """A look at the lock holds it for an instant; a visit that begins then is no second one."""
    path.parent.mkdir(parents=True)
    asking = filelock.FileLock(str(path), thread_local=False)
    asking.acquire()
    timer = threading.Timer(0.2, asking.release)
    timer.start()
    with locks.owned_lock(path, "watch"):
        assert locks.lock_held(path)
    timer.join()


def test_a11_a_lock_file_that_may_only_be_read_is_held_all_the_same(
    path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locks.owned_lock(path, "watch"):
        monkeypatch.setattr(filelock.FileLock, "acquire", refused)
        assert locks.lock_held(path), "taken while it could be written, asked when it cannot"
        once_more(path)
    assert not locks.lock_held(path)
    with locks.owned_lock(path, "watch"):
        assert locks.lock_held(path)
        once_more(path)
    assert not locks.lock_held(path)


def test_a11_without_a_folder_the_lock_lies_in_memory(path: Path, quick: None) -> None:
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("a file where the folder should be")
    with locks.owned_lock(path, "watch"):
        assert locks.lock_held(path)
        once_more(path)
    assert not locks.lock_held(path)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX only")
def test_a_place_in_memory_that_somebody_else_took_is_passed_over(tmp_path: Path) -> None:
    """On a shared host a planted folder in /dev/shm and a read-only disk left no watchdog at all."""
    state = tmp_path / "state"
    first = memory_dir(state)
    first.symlink_to(tmp_path)  # not ours to use; a folder of another account needs root
    try:
        other = memory_dir(state)
        folder = str(state / "iflow-doctor")
        assert other != first and str(other) == keeper_files.memory_dir(folder)
        assert memory(state) == other and memory_dir(state) == other
    finally:
        first.unlink()
        shutil.rmtree(other, ignore_errors=True)
    assert str(memory_dir(state)) == keeper_files.memory_dir(folder) == str(first)


def test_a_note_names_a_process_and_not_whoever_has_its_pid_now(path: Path) -> None:
    """Attack 23: `service uninstall` ended a program of the owner's that had the old pid."""
    with locks.owned_lock(path, "watch"):
        assert locks.owner_is(path, os.getpid()) and not locks.owner_is(path, os.getppid())
        note = path.with_suffix(".owner")
        pid, since, ticks = note.read_text().split()
        note.write_text("{} {} {}\n".format(pid, since, int(ticks) - 1))
        assert not locks.owner_is(path, os.getpid())
        note.write_text("rubbish")
        assert not locks.owner_is(path, os.getpid())
