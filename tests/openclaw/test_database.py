"""A database is called damaged only when SQLite itself cannot bring it back to order (A6)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from skill.openclaw import database

WRITER = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=" + sys.argv[2])
db.execute("PRAGMA cache_size=5")
db.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text)")
db.execute("BEGIN")
db.executemany("INSERT INTO t(text) VALUES (?)", [("x" * 500,)] * 400)
db.execute("COMMIT")
db.execute("BEGIN")
db.execute("UPDATE t SET text = text || 'y' || hex(randomblob(300))")
db.execute("DELETE FROM t WHERE id % 3 = 0")
os.kill(os.getpid(), 9)
"""


def killed_while_writing(path: Path, mode: str) -> Path:
    """As kill -9 in the middle of a transaction leaves it."""
    subprocess.run([sys.executable, "-c", WRITER, str(path), mode], check=False)
    return path


@pytest.mark.parametrize("mode, log", [("delete", "-journal"), ("wal", "-wal")])
def test_a6_half_a_transaction_is_no_damage(tmp_path: Path, mode: str, log: str) -> None:
    path = killed_while_writing(tmp_path / "openclaw.sqlite", mode)
    assert os.path.getsize(str(path) + log) > 0, "the kill came too late"
    if mode == "delete":  # what 1.0.0 asked: a reader that ignores the journal sees damage
        reader = sqlite3.connect("file:{}?mode=ro&immutable=1".format(path), uri=True)
        words = reader.execute("PRAGMA quick_check(3)").fetchall()
        reader.close()
        assert words != [("ok",)], "this file shows nothing"
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    assert database.inspect(path, "state").problem == ""
    assert database.inspect(path, "state", thorough=False).problem == ""
    after = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    after.pop("openclaw.sqlite-shm", None)
    before.pop("openclaw.sqlite-shm", None)
    assert after == before, "a database is only looked at"


def _broken(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096 * 3 : 4096 * 20] = os.urandom(4096 * 17)
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_sqlite_cannot_bring_back_is_damaged_with_a_log_beside_it_too(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "openclaw.sqlite"
    db = sqlite3.connect(str(path))
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text)")
    db.executemany("INSERT INTO t(text) VALUES (?)", [("x" * 500,)] * 400)
    db.commit()
    db.close()
    _broken(path)
    assert database.inspect(path, "state").problem == "corrupt"
    path.with_name("openclaw.sqlite-journal").write_bytes(b"no journal at all")
    assert database.inspect(path, "state").problem == "corrupt"


def test_an_empty_file_whose_log_holds_everything_is_not_lost(tmp_path: Path) -> None:
    path = killed_while_writing(tmp_path / "a.sqlite", "wal")
    wal = Path(str(path) + "-wal")
    raw = wal.read_bytes()
    other = tmp_path / "openclaw.sqlite"
    other.write_bytes(b"")
    Path(str(other) + "-wal").write_bytes(raw)
    assert database.inspect(other, "state").problem in ("", "zero")
    shutil.rmtree(str(tmp_path / "gone"), ignore_errors=True)
    (tmp_path / "empty.sqlite").write_bytes(b"")
    assert database.inspect(tmp_path / "empty.sqlite", "state").problem == "zero"


def test_what_is_written_while_we_read_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "openclaw.sqlite"
    db = sqlite3.connect(str(path))
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text)")
    db.executemany("INSERT INTO t(text) VALUES (?)", [("x" * 500,)] * 400)
    db.commit()
    db.close()
    _broken(path)
    real: Callable[..., object] = shutil.copyfile

    def copyfile(source: str, target: str) -> object:
        done = real(source, target)
        os.utime(source, ns=(1, os.stat(source).st_mtime_ns + 1))
        return done

    monkeypatch.setattr(database.shutil, "copyfile", copyfile)
    assert database.inspect(path, "state").problem == ""


def test_no_room_for_a_copy_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = killed_while_writing(tmp_path / "openclaw.sqlite", "delete")

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database.shutil, "copyfile", full)
    assert database.inspect(path, "state").problem == ""


def test_a_locked_database_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.sqlite"
    db = sqlite3.connect(str(path), isolation_level=None)
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("INSERT INTO t VALUES (1)")
    assert database.inspect(path, "state").problem in ("", "locked")
    db.execute("ROLLBACK")
    db.close()
