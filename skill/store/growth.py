"""How much of what we keep may stay: by count, age and bytes, in one place. Everything here holds
secrets of the owner's, and nothing here may fill their disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Set, Tuple

from ..openclaw.home import Home

DAY = 86400.0
MB = 1_000_000
TAKEN_AWAY = "was-*"  # in a snapshot: what a rollback replaced (store/snapshots)


@dataclass(frozen=True)
class Bound:
    """place: folder below our own. The newest `keep` stay, `mbytes` of them in all (the newest one
    whatever its size), those younger than `days`. tight: how many stay on a full disk.

    owners: holds what only its owner could bring back (a database, a plugin, a config that was
    written by hand): age and count must both be passed, and a full disk alone takes nothing.
    """

    place: str
    pattern: str
    keep: int
    mbytes: int
    days: int
    tight: int
    folders: bool = False
    owners: bool = False


BOUNDS = (
    Bound("snapshots", "*", 30, 300, 365, 3, folders=True),
    Bound("snapshots", "*.rejected-by-doctor.*", 20, 50, 180, 20, owners=True),
    Bound("quarantine", "*-locks", 10, 10, 30, 0, folders=True),
    Bound("quarantine", "*", 20, 0, 180, 20, folders=True, owners=True),
    Bound("incidents", "*.json", 180, 50, 365, 20),
    Bound("incidents", "*.treat.taken", 60, 20, 90, 5),
    Bound("reports", "*.md", 60, 50, 365, 5),
    Bound("", "*.corrupt.*", 10, 20, 90, 1),
)


def over(home: Home, now: float, tight: bool = False) -> List[Path]:
    """Return what is too much, oldest first. Never what an unfinished repair names, nor a link."""
    named = _named(home)
    found: List[Path] = []
    for bound in BOUNDS:
        rows = sorted(_entries(home, bound), key=lambda row: row[:2], reverse=True)
        total = 0
        for index, (changed, _name, size, path) in enumerate(rows):
            total += size
            many = index >= (bound.tight if tight else bound.keep)
            # A clock that jumped makes everything old: by age alone a few always stay.
            old = now - changed > bound.days * DAY and index >= max(1, bound.tight)
            large = bool(bound.mbytes) and total > bound.mbytes * MB and index > 0
            gone = (many and old) or large if bound.owners else many or large or old
            if gone and os.path.realpath(str(path)) not in named and path not in found:
                found.append(path)
    return found[::-1]


def prune(home: Home, now: float) -> int:
    """Remove what is too much; return the bytes. Never raises: what stays is for the next time."""
    freed = 0
    for path in over(home, now):
        size = size_of(path)
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and any(path.rglob(TAKEN_AWAY)):
                _strip(path)
            elif os.path.isdir(path):
                shutil.rmtree(str(path))
            else:
                path.unlink()
        freed += size - size_of(path)
    return freed


def _strip(folder: Path) -> None:
    """Remove a snapshot but for what a rollback took away: that was the owner's. Its age stays."""
    times = folder.stat()
    for path in files_of([folder]):
        path.unlink()
    os.utime(str(folder), (times.st_atime, times.st_mtime))


def files_of(paths: List[Path]) -> List[Path]:
    """Return the single files of these files and folders, for a plan that deletes. What a rollback
    took away is not among them.
    """
    found: List[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if os.path.isdir(path) else [path]
        found += [
            one
            for one in inside
            if os.path.isfile(one) and not one.is_symlink() and not one.match(TAKEN_AWAY)
        ]
    return found


def size_of(path: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for one in path.rglob("*") if os.path.isdir(path) else (path,):
            with contextlib.suppress(OSError):
                total += os.lstat(str(one)).st_size
    return total


def _entries(home: Home, bound: Bound) -> Iterator[Tuple[float, str, int, Path]]:
    root = home.doctor_dir / bound.place if bound.place else home.doctor_dir
    special = [one.pattern for one in BOUNDS if one.place == bound.place and one.pattern != "*"]
    with contextlib.suppress(OSError):
        for path in root.glob(bound.pattern):
            other = bound.pattern == "*" and any(path.match(pattern) for pattern in special)
            if path.is_symlink() or os.path.isdir(path) is not bound.folders or other:
                continue
            with contextlib.suppress(OSError):
                yield path.stat().st_mtime, path.name, size_of(path), path


def _named(home: Home) -> Set[str]:
    """Snapshots, and the folders of what was moved, that a repair without an end needs."""
    found: Set[str] = set()
    with contextlib.suppress(OSError):
        for path in home.doctor_dir.glob("healer.journal*.json"):
            with contextlib.suppress(OSError, ValueError, AttributeError, TypeError, IndexError):
                value = json.loads(path.read_bytes())
                found.add(os.path.realpath(str(value.get("snapshot"))))
                for _from, to in value.get("moves") or ():
                    found |= {os.path.realpath(str(to)), os.path.realpath(os.path.dirname(str(to)))}
    return found
