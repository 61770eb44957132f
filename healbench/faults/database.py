"""The state database is not what a gateway can work with."""

from __future__ import annotations

import os
import sqlite3

from ..model import ESCALATE, HEAL, Facts
from ..place import Place
from .base import BOTH, REAL, fault, pick

LOST = ("data",)  # the fault itself destroys what was in it
TELL = Facts(
    cause=(r"database|openclaw\.sqlite|state",),
    evidence=(r"openclaw\.sqlite|schema|version|zero|empty|malformed|not a database",),
    remedy=(r"restore|backup|update|upgrade|openclaw |iflow|install",),
)


def dead(p: Place) -> None:
    p.kill_gateway()
    p.wait(0.3, lambda: False)


def no_journal(p: Place) -> None:
    for tail in ("-wal", "-shm", "-journal"):
        path = str(p.database()) + tail
        if os.path.exists(path):
            os.unlink(path)


@fault(
    "database-header",
    "database",
    "its first page is noise",
    HEAL,
    spoils=LOST,
    limit_s=300,
    smoke=True,
)
def header(p: Place) -> None:
    dead(p)
    no_journal(p)
    with open(p.database(), "r+b") as handle:
        handle.write(bytes(p.rng.randrange(1, 256) for _ in range(pick(p, (16, 100, 4096, 8192)))))


@fault(
    "database-pages",
    "database",
    "pages in its middle are noise",
    HEAL,
    spoils=LOST,
    limit_s=300,
    targets=REAL,
)
def pages(p: Place) -> None:
    dead(p)
    no_journal(p)
    size = p.database().stat().st_size
    with open(p.database(), "r+b") as handle:
        for at in range(4096, size - 4096, 4096 * pick(p, (1, 2, 3, 4))):
            handle.seek(at)
            handle.write(os.urandom(2048))


@fault(
    "database-cut",
    "database",
    "its end is missing, as after a power cut",
    HEAL,
    spoils=LOST,
    limit_s=300,
)
def cut(p: Place) -> None:
    dead(p)
    no_journal(p)
    size = p.database().stat().st_size
    os.truncate(
        str(p.database()), max(4096, int(size * p.rng.uniform(0.3, 0.7)) // 512 * 512 + 100)
    )


@fault("database-text", "database", "it was overwritten by text", HEAL, spoils=LOST, limit_s=300)
def text(p: Place) -> None:
    dead(p)
    no_journal(p)
    p.database().write_text("Resource temporarily unavailable\n" * p.rng.randrange(200, 900))


@fault(
    "database-with-backup",
    "database",
    "noise, and OpenClaw's own backup is there: the owner's rows come back",
    HEAL,
    targets=REAL,
    limit_s=300,
    setup=None,
)
def with_backup(p: Place) -> None:
    where = str(p.state / "backups")
    code, said = p.run(
        ["openclaw", "backup", "sqlite", "create", "--global", "--repository", where], 300
    )
    if code != 0:
        raise RuntimeError("no backup could be made: " + said[-200:])
    dead(p)
    no_journal(p)
    with open(p.database(), "r+b") as handle:
        handle.write(b"spoilt".ljust(4096, b"x"))


@fault(
    "database-zero",
    "database",
    "zero bytes: OpenClaw starts with an empty one and says nothing",
    ESCALATE,
    spoils=LOST,
    limit_s=120,
    ill_while_ready=True,
    facts=TELL,
    targets=BOTH,
)
def zero(p: Place) -> None:
    dead(p)
    no_journal(p)
    p.database().write_bytes(b"")


@fault(
    "database-newer",
    "database",
    "a newer OpenClaw wrote it",
    ESCALATE,
    targets=REAL,
    limit_s=120,
    facts=TELL,
    spoils=LOST,
)
def newer(p: Place) -> None:
    dead(p)
    link = sqlite3.connect(str(p.database()))
    link.execute("PRAGMA user_version={}".format(p.rng.randrange(900, 9999)))
    link.commit()
    link.close()


@fault(
    "database-foreign",
    "database",
    "another program's database lies in its place",
    HEAL,
    spoils=LOST,
    limit_s=300,
    targets=REAL,
)
def foreign(p: Place) -> None:
    dead(p)
    no_journal(p)
    p.database().unlink()
    link = sqlite3.connect(str(p.database()))
    link.execute("create table cookies (name text)")
    link.commit()
    link.close()


@fault(
    "database-locked",
    "database",
    "another program holds its lock for half a minute while the gateway starts",
    HEAL,
    limit_s=300,
)
def locked(p: Place) -> None:
    import sys

    hold = (
        "import sqlite3, sys, time\nl = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "l.execute('pragma busy_timeout=60000')\nl.execute('begin exclusive')\ntime.sleep(float(sys.argv[2]))"
    )
    p.kill_gateway()
    child = p.spawn(
        [sys.executable, "-c", hold, str(p.database()), str(pick(p, (8, 15, 25, 30)))], "hold.out"
    )
    p.notes.setdefault("helpers", []).append(child.pid)


@fault(
    "database-journal-hot",
    "database",
    "killed in the middle of a write: a journal lies beside it",
    HEAL,
    limit_s=240,
)
def hot(p: Place) -> None:
    import sys

    half = (
        "import os, sqlite3, sys\nl = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "l.execute('pragma busy_timeout=60000')\nl.execute('begin immediate')\n"
        "l.execute('create table if not exists hb_half (x)')\n"
        "l.executemany('insert into hb_half values (?)', [('x' * 999,)] * 999)\nos._exit(9)"
    )
    p.kill_gateway()
    p.run([sys.executable, "-c", half, str(p.database())], 60)


@fault(
    "database-journal-is-a-folder",
    "database",
    "a folder has the name of its write-ahead log",
    ESCALATE,
    targets=REAL,
    limit_s=200,
    facts=Facts(
        cause=(r"openclaw\.sqlite|database",),
        evidence=(r"-wal|cannot be opened|unable to open|{state}",),
        remedy=(r"-wal|move|remove|backup|restore|folder",),
    ),
)
def journal_folder(p: Place) -> None:
    dead(p)
    for tail in ("-wal", "-shm"):
        path = str(p.database()) + tail
        if os.path.exists(path):
            os.rename(path, path + ".kept")
    os.makedirs(str(p.database()) + "-wal/" + p.name())
