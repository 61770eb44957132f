"""Whose state directory it is: the gateway's locks wherever a version keeps them, and whether their
owner lives. One function decides; everything that ends, starts or moves asks it.

2026.8 and later: <state>/tmp/openclaw-<uid>/gateway.state.lock and gateway.<hash>.lock, each with a
coordinator <lock>.sqlite that the owner keeps locked for as long as it lives. Before that:
<tmp>/openclaw-<uid>/gateway.<hash of the config's path>.lock. A crash while a lock is taken over
leaves <lock>.reclaim, a folder that blocks every start.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple
from urllib.parse import quote

from ..files import json_bounded
from ..host import Host, Process
from .database import owner_lease
from .home import Home
from .processes import is_gateway, is_main, state_dir

MAX_BYTES = 8192
SLACK = 2.0  # s: createdAt and a process's start time are rounded
WRITES_S = 60.0  # a state database written so lately has a living writer somewhere


class Life(str, Enum):
    """What is known of a lock's owner."""

    NONE = "none"  # there is no lock
    ALIVE = "alive"  # the process that wrote it runs, here
    DEAD = "dead"  # it is proven to be gone
    UNKNOWN = "unknown"  # it may live in another container or host, or may not be looked at


@dataclass(frozen=True)
class Lock:
    """One lock file. created: epoch seconds, 0.0 unknown. ticks: kernel start time of its owner."""

    path: str
    pid: int = 0
    role: str = "gateway"
    port: int = 0
    created: float = 0.0
    ticks: Optional[int] = None
    readable: bool = True


@dataclass(frozen=True)
class Holding:
    """Who holds this state directory. row: the process of the lock that decided, where it is one
    that we can see.
    """

    life: Life
    lock: Optional[Lock] = None
    row: Optional[Process] = None


def files(host: Host, home: Home) -> List[str]:
    """This gateway's lock files, in every place that a version uses."""
    found: List[str] = []
    base = str(home.state_dir / "tmp")
    for folder in _named(base, "openclaw", ""):
        found += _named(folder, "gateway.", ".lock")
    found.sort(key=lambda name: not name.endswith("gateway.state.lock"))
    return found + [name for name in old_places(host, home) if _is_our_file(name)]


def _named(folder: str, begins: str, ends: str) -> List[str]:
    """Paths of the entries of a folder with such names, sorted; [] where it cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    least = len(begins) + len(ends)
    fits = (n for n in names if n.startswith(begins) and n.endswith(ends) and len(n) >= least)
    return [os.path.join(folder, name) for name in fits]


def old_places(host: Host, home: Home) -> List[str]:
    """Where versions before 2026.8 keep the lock: outside the state directory, named by the path of
    the config (by SHA-1 up to 2026.2.19).
    """
    if host.system == "win32" or not hasattr(os, "getuid"):
        folders = [Path(host.env.get("TEMP", ".")) / "openclaw"]
    else:
        roots = dict.fromkeys([host.env.get("TMPDIR", "").rstrip("/") or host.tmp, host.tmp])
        folders = [Path(root) / "openclaw-{}".format(os.getuid()) for root in roots]
    paths = dict.fromkeys([str(home.config_path), os.path.realpath(str(home.config_path))])
    hashes = [short for path in paths for short in _hashes(path)]
    return [str(f / "gateway.{}.lock".format(h)) for f in folders for h in hashes]


@functools.lru_cache(maxsize=64)
def _hashes(path: str) -> Tuple[str, ...]:
    raw = path.encode("utf-8", "surrogateescape")
    return tuple(digest(raw).hexdigest()[:8] for digest in (hashlib.sha256, hashlib.sha1))


def _is_our_file(name: str) -> bool:
    """A regular file of our own: /tmp belongs to everybody."""
    try:
        found = os.lstat(name)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (
        not hasattr(os, "getuid") or found.st_uid == os.getuid()
    )


def guards(host: Host, home: Home) -> List[str]:
    """Folders <lock>.reclaim, which exist for a moment while a lock is taken over."""
    names = files(host, home)
    for folder in _named(str(home.state_dir / "tmp"), "openclaw", ""):
        names += [name[: -len(".reclaim")] for name in _named(folder, "gateway.", ".reclaim")]
    return [name + ".reclaim" for name in dict.fromkeys(names) if os.path.isdir(name + ".reclaim")]


def raw(host: Host, home: Home) -> Dict[str, Any]:
    """The first readable lock of this state directory as it is written; {} when there is none."""
    for name in files(host, home):
        value = _json(name)
        if value is not None:
            return value
    return {}


def _json(name: str) -> Optional[Dict[str, Any]]:
    try:
        with open(name, "rb") as handle:
            value = json_bounded(handle.read(MAX_BYTES).decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return None
    good = isinstance(value, dict) and type(value.get("pid")) is int and 0 < value["pid"] < 1 << 31
    return value if good else None


def locks(host: Host, home: Home) -> List[Lock]:
    found = []
    for name in files(host, home):
        value = _json(name)
        found.append(Lock(name, readable=False) if value is None else _lock(name, value))
    return found


def _lock(name: str, value: Mapping[str, Any]) -> Lock:
    port, ticks = value.get("port"), value.get("startTime")
    return Lock(
        name,
        value["pid"],
        str(value.get("role") or "gateway"),
        port if type(port) is int and 0 < port < 65536 else 0,
        _epoch(str(value.get("createdAt", ""))[:40]),
        ticks if type(ticks) is int else None,
    )


def _epoch(stamp: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def holding(host: Host, home: Home) -> Holding:
    """Who holds this state directory as its gateway. Another role's lock (an embedded agent, a
    doctor: 2026.9.6) names no gateway.
    """
    seen: List[Holding] = []
    for lock in locks(host, home):
        if lock.readable and lock.role == "gateway":
            life, row = life_of(host, home, lock)
            if life is Life.ALIVE:
                return Holding(life, lock, row)
            seen.append(Holding(life, lock, row))
    unknown = [each for each in seen if each.life is Life.UNKNOWN]
    return (unknown + seen + [Holding(Life.NONE)])[0]


def life_of(host: Host, home: Home, lock: Lock) -> Tuple[Life, Optional[Process]]:
    """Whether the process that wrote this lock lives, and which one it is.

    Pid and kernel start ticks together are a process's name; the ticks of a lock are compared
    wherever there are any. Else a process that began after the lock was written is another one.
    """
    row = host.process(lock.pid)
    if row is not None and (row.state == "zombie" or row.pid == os.getpid()):
        row = None  # a process above this one may hold it: its agent can ask what is wrong with it
    if row is None or _reused(lock, row) or _names_another(home, lock, row):
        return (Life.UNKNOWN if is_kept(lock) else Life.DEAD), None
    if not row.argv and not row.started and lock.ticks is None:
        return Life.UNKNOWN, row  # it may not be looked at
    known = lock.ticks is not None and row.ticks is not None
    if is_main(row) or (known and not row.argv):
        return Life.ALIVE, row
    if lock.role != "gateway" and (known or any("openclaw" in word for word in row.argv[:3])):
        return Life.ALIVE, row
    return (Life.UNKNOWN if is_kept(lock) else Life.DEAD), None


def _reused(lock: Lock, row: Process) -> bool:
    if lock.ticks is not None and row.ticks is not None:
        return lock.ticks != row.ticks
    return bool(lock.created and row.started and row.started > lock.created + SLACK)


def _names_another(home: Home, lock: Lock, row: Process) -> bool:
    """Whether the process says that it works elsewhere. Equal ticks outrank that: a title set later
    hides --profile.
    """
    if lock.ticks is not None and row.ticks is not None:
        return False
    place = state_dir(row)
    return place is not None and not same_place(place, home.state_dir)


def same_place(one: Any, other: Any) -> bool:
    return os.path.realpath(str(one)) == os.path.realpath(str(other))


def is_kept(lock: Lock) -> bool:
    """Whether somebody keeps the lock's coordinator locked. Its owner does for life, also from
    another container on the same volume, whose pid means nothing here.
    """
    name = lock.path + ".sqlite"
    if not os.path.isfile(name):
        return False
    address = "file:{}?mode=ro".format(quote(os.path.abspath(name)))
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=0)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return "locked" in str(error) or "busy" in str(error)
    return False


def own_tree(host: Host) -> Set[int]:
    """This process and everything above it: never to be ended by us."""
    found: Set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found and len(found) < 30:
        found.add(pid)
        row = host.process(pid)
        pid = row.ppid if row is not None else 0
    return found


def left_orderly(host: Host, home: Home) -> bool:
    """Whether the last gateway here took its lock away itself: the coordinator is there, the lock
    is not.
    """
    try:
        kept = list((home.state_dir / "tmp").glob("openclaw*/gateway.*.lock.sqlite"))
    except OSError:
        return False
    return bool(kept) and not files(host, home)


def left_lying(host: Host, home: Home) -> bool:
    """Whether a gateway that knows the coordinator (2026.8 and later) went without taking its lock
    away, as no orderly end does.
    """
    return any(os.path.isfile(lock.path + ".sqlite") for lock in locks(host, home))


def proven_dead(host: Host, home: Home) -> bool:
    """Whether a lock may be moved: every owner is proven to be gone.

    "Cannot tell" is no proof: on a shared volume the owner may live in another container or host. A
    coordinator that nobody keeps proves it; where a version has none, nobody may have written the
    state lately (a start that fails writes it, too).
    """
    found = locks(host, home)
    for lock in found:
        if lock.readable and life_of(host, home, lock)[0] is not Life.DEAD:
            return False
        if not lock.readable and (is_kept(lock) or _young(host, lock.path)):
            return False
    lease = owner_lease(home)
    if lease is not None and lease.ends > host.now() and lease.host != host.hostname():
        return False  # another host or container took it less than 300 s ago, or renews it
    coordinated = any(os.path.isfile(lock.path + ".sqlite") for lock in found)
    return coordinated or not any(_young(host, name) for name in _written(home))


def _written(home: Home) -> Iterable[str]:
    base = str(home.state_dir / "state" / "openclaw.sqlite")
    return (base, base + "-wal")


def _young(host: Host, name: str) -> bool:
    try:
        return -5.0 <= host.now() - os.stat(name).st_mtime < WRITES_S
    except OSError:
        return False


def gateways(host: Host, home: Home, rows: List[Process]) -> List[Process]:
    """Gateways that work on this state directory, oldest first."""
    held = holding(host, home)
    holder = held.row.pid if held.life is Life.ALIVE and held.row is not None else 0
    found = [
        row for row in rows if row.pid == holder or (row.pid != os.getpid() and names_us(home, row))
    ]
    found = [
        r for r in found if not any(r.ppid == other.pid for other in found)
    ]  # the launcher's child counts once
    return sorted(found, key=lambda r: r.started)


def names_us(home: Home, row: Process) -> bool:
    """A gateway by title or argv, and of this state directory by its environment."""
    place = state_dir(row) if is_gateway(row) else None
    return place is not None and same_place(place, home.state_dir)
