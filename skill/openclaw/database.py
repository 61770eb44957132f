"""The state databases, looked at without touching them: a live one is only ever read (mode=ro),
never written, never locked for long.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple
from urllib.parse import quote

from ..files import json_bounded
from .home import Home

PARTS = ("", "-wal", "-shm", "-journal")
MAGIC = b"SQLite format 3\x00"
QUICK_CHECK_LIMIT = (
    64 * 1024 * 1024
)  # bytes; a larger file is only opened and its schema read, to stay within the run's 5 s


@dataclass(frozen=True)
class Database:
    """problem: "" | missing | zero | header | corrupt | locked | unreadable | not-a-file. kind:
    state | agent.
    """

    path: Path
    kind: str
    size: int = 0
    user_version: int = 0
    problem: str = ""
    detail: str = ""
    created: int = 0  # epoch ms, from schema_meta; tells one database from another in its place


def paths(home: Home) -> List[Path]:
    """state/openclaw.sqlite first, then each agent's."""
    try:
        agents = sorted((home.state_dir / "agents").glob("*/agent/openclaw-agent.sqlite"))
    except OSError:
        agents = []
    return [home.state_dir / "state" / "openclaw.sqlite"] + agents


def inspect(path: Path, kind: str, thorough: bool = True, seconds: float = 2.0) -> Database:
    """Look at one database. `thorough`: also PRAGMA quick_check, at most `seconds` long (then it
    counts as sound).

    Damage is said only of a private copy that SQLite itself could not bring back to order: in a
    file beside which a log lies, half a transaction is no damage.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Database(path, kind, problem="missing")
    except OSError as error:
        return Database(path, kind, problem="unreadable", detail=error.strerror or "")
    if not os.path.isfile(path):
        return Database(path, kind, size, problem="not-a-file")
    try:
        with open(path, "rb") as handle:
            head = handle.read(100)
    except OSError as error:
        return Database(path, kind, size, problem="unreadable", detail=error.strerror or "")
    version = int.from_bytes(head[60:64], "big")
    if _logs_of(path):
        if not thorough and os.path.exists(str(path) + "-shm"):
            # its gateway runs: an ordinary reader among others
            return _open(path, kind, size, version, "mode=ro", 0.0)
        found = _of_copy(path, kind, size, version, seconds) if thorough else None
        return found or Database(path, kind, size, version)
    if size == 0:
        return Database(path, kind, 0, problem="zero")
    if not head.startswith(MAGIC):
        return Database(path, kind, size, version, "header", "file is not a database")
    # It has no log, so nobody writes it: immutable, and not even -shm is created.
    checked = seconds if thorough and size <= QUICK_CHECK_LIMIT else 0.0
    found = _open(path, kind, size, version, "mode=ro&immutable=1", checked)
    if found.problem == "corrupt":
        # Somebody may have been writing while we read past the locks.
        return _of_copy(path, kind, size, version, seconds) or Database(path, kind, size, version)
    return found


def _logs_of(path: Path) -> List[Path]:
    """The rollback journal or write-ahead log that lies beside it and holds something."""
    found = []
    for part in ("-journal", "-wal"):
        with contextlib.suppress(OSError):
            log = Path(str(path) + part)
            if log.stat().st_size > 0:
                found.append(log)
    return found


def _of_copy(path: Path, kind: str, size: int, version: int, seconds: float) -> Optional[Database]:
    """Look at a private copy, with its logs, in which SQLite may write. None when nothing can be
    said: no room, too large, or somebody writes it at this moment.
    """
    if size > QUICK_CHECK_LIMIT:
        return None
    for _attempt in range(2):
        with tempfile.TemporaryDirectory(prefix="iflow-doctor-") as folder:
            copy = Path(folder) / path.name
            try:
                before = _marks(path)
                for part in ("", "-journal", "-wal"):
                    if os.path.isfile(str(path) + part):
                        shutil.copyfile(str(path) + part, str(copy) + part)
                if _marks(path) != before:
                    continue  # it is being written: what we copied was never one state of it
            except OSError:
                return None
            found = replace(_open(copy, kind, size, version, "mode=rw", seconds), path=path)
        if found.problem not in ("corrupt", "header", "zero"):
            return replace(found, problem="", detail="")
        if _marks(path) == before:
            return found
    return None


def _marks(path: Path) -> List[object]:
    marks: List[object] = []
    for part in PARTS[:2] + PARTS[3:]:
        try:
            found = os.stat(str(path) + part)
            marks.append((found.st_ino, found.st_size, found.st_mtime_ns))
        except FileNotFoundError:
            marks.append(None)
    return marks


def _open(path: Path, kind: str, size: int, version: int, mode: str, check_s: float) -> Database:
    """check_s: seconds that PRAGMA quick_check may take; 0 for none."""
    place = "file:{}?{}".format(quote(str(path)), mode)
    try:
        connection = sqlite3.connect(place, uri=True, timeout=1.0)
    except sqlite3.Error as error:
        return Database(path, kind, size, version, "unreadable", str(error))
    until = time.monotonic() + (check_s or 2.0)
    try:
        connection.set_progress_handler(lambda: 1 if time.monotonic() > until else 0, 20000)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        created = _created(connection)
        if check_s:
            said = connection.execute("PRAGMA quick_check(3)").fetchall()
            words = "; ".join(str(row[0]) for row in said)
            if words != "ok":
                return Database(path, kind, size, version, "corrupt", words[:300])
        if not tables and size == 0:
            return Database(path, kind, size, version, "zero")
    except sqlite3.OperationalError as error:
        return Database(path, kind, size, version, *_operational(str(error)))
    except sqlite3.DatabaseError as error:
        return Database(path, kind, size, version, "corrupt", str(error))
    finally:
        connection.close()
    return Database(path, kind, size, version, created=created)


def _place(path: Path) -> str:
    """Without a write-ahead log nobody writes it: immutable, so that not even -shm is created. With
    one: an ordinary reader.
    """
    live = all(os.path.exists(Path(str(path) + end)) for end in ("-wal", "-shm"))
    return "file:{}?mode=ro{}".format(quote(str(path)), "" if live else "&immutable=1")


def _operational(text: str) -> "tuple[str, str]":
    if "interrupted" in text:
        return "", ""
    if "locked" in text or "busy" in text:
        return "locked", text
    # An older SQLite library cannot parse newer table definitions (STRICT needs 3.37): that is our
    # limit, not a fault of the file.
    if "malformed" in text and "syntax error" not in text and 'near "STRICT"' not in text:
        return "corrupt", text
    return ("unreadable", text) if "unable to open" in text else ("", text)


def _created(connection: sqlite3.Connection) -> int:
    try:
        row = connection.execute(
            "SELECT created_at FROM schema_meta WHERE meta_key='primary'"
        ).fetchone()
        return int(row[0]) if row else 0
    except (sqlite3.Error, TypeError, ValueError):
        return 0


def inspect_all(home: Home, thorough: bool = True, most: int = 20) -> List[Database]:
    """Every database that exists (and the main one also when it does not). Each at most 2 s."""
    found = []
    for index, path in enumerate(paths(home)[:most]):
        found.append(inspect(path, "state" if index == 0 else "agent", thorough))
    return found


class Lease(NamedTuple):
    """Who took the state directory as its gateway last. ends, renewed: epoch seconds."""

    host: str
    pid: int
    ends: float
    renewed: float


def owner_lease(home: Home, seconds: float = 1.0) -> Optional[Lease]:
    """The owner lease as 2026.8 and later keep it, expired or not; None where there is none, or
    where the database is busy. Read only.
    """
    rows = _asked(
        home,
        "SELECT payload_json, expires_at, heartbeat_at FROM state_leases"
        " WHERE scope = 'gateway-owner' AND lease_key = 'global' LIMIT 1",
        seconds,
    )
    try:
        said, ends, renewed = rows[0]
        owner = json_bounded(str(said))["owner"]
        return Lease(str(owner["host"])[:80], int(owner["pid"]), ends / 1000.0, renewed / 1000.0)
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return None


class CronJob(NamedTuple):
    id: str
    name: str
    next_run: float  # epoch seconds; 0.0 when none is planned
    running: bool


def cron_jobs(home: Home, seconds: float = 1.0) -> List[CronJob]:
    """Enabled jobs of the state database, as this version of it keeps them; [] where it does not.

    Read only, beside a living gateway: a busy database gives [] and no wait.
    """
    rows = _asked(
        home, "SELECT job_id, name, state_json FROM cron_jobs WHERE enabled = 1 LIMIT 500", seconds
    )
    return [_job(str(row[0]), str(row[1]), str(row[2])) for row in rows]


def last_backup(home: Home, seconds: float = 1.0) -> float:
    """Return when OpenClaw last noted a backup that succeeded (epoch s); 0.0 where it noted none.

    Read only, beside a living gateway: a busy database gives 0.0 and no wait.
    """
    rows = _asked(home, "SELECT max(created_at) FROM backup_runs WHERE status = 'ok'", seconds)
    return rows[0][0] / 1000.0 if rows and isinstance(rows[0][0], (int, float)) else 0.0


def _asked(home: Home, query: str, seconds: float) -> List[Tuple[Any, ...]]:
    path = home.state_dir / "state" / "openclaw.sqlite"
    try:
        connection = sqlite3.connect(_place(path), uri=True, timeout=seconds)
    except sqlite3.Error:
        return []
    try:
        return connection.execute(query).fetchall()
    except sqlite3.Error:
        return []
    finally:
        connection.close()


def _job(ident: str, name: str, state: str) -> CronJob:
    try:
        found = json_bounded(state)
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) else {}
    planned = found.get("nextRunAtMs")
    due = planned / 1000.0 if isinstance(planned, (int, float)) else 0.0
    return CronJob(ident, name, due, bool(found.get("runningAtMs")))
