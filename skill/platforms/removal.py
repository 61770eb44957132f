"""Was a service that is gone taken away by a person, or lost by an update? Told by what changed
since it was last seen in order.

A note in <state dir>/iflow-doctor/service/seen.json remembers the installed package's mark while
the service is there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

from ..files import private_dir, read_json, write_json
from ..host import Host
from ..openclaw.home import Home


def _mark(argv: Sequence[str]) -> List[Any]:
    """[path, mtime, size] of the package.json above the program that the service starts; [] when
    there is none.
    """
    for word in argv:
        place = Path(word)
        for folder in list(place.parents)[:4] if place.is_absolute() else ():
            package = folder / "package.json"
            if folder.name == "openclaw" and os.path.isfile(package):
                stat = package.stat()
                return [str(package), int(stat.st_mtime), stat.st_size]
    return []


def remember(host: Host, home: Home, argv: Sequence[str]) -> None:
    """The service is there: keep what its package looks like. Written only when it changed or an
    hour has passed.
    """
    target = home.doctor_dir / "service" / "seen.json"
    now, mark = host.now(), _mark(argv)
    before = _read(home)
    if before.get("mark") == mark and now - float(before.get("at", 0)) < 3600:
        return
    try:
        private_dir(target.parent)
        write_json(target, {"mark": mark, "argv": list(argv), "at": now})
    except OSError:
        pass  # an observer: without the note the answer is "cannot tell"


def kept_by(home: Home) -> Mapping[str, Any]:
    """{"unit", "own", "pid", "started"} of the service that was seen to keep the living gateway; {}
    where none was, or where it runs by hand.
    """
    try:
        kept = read_json(home.doctor_dir / "service" / "kept.json") or {}
        good = isinstance(kept.get("unit"), str) and isinstance(kept.get("own"), bool)
        return kept if good and re.match(r"[\w@.:\\-]+\.service$", kept["unit"]) else {}
    except Exception:
        return {}


def remember_keeper(home: Home, kept: Mapping[str, Any]) -> None:
    """Keep who keeps the living gateway; an observer, so it never raises."""
    target = home.doctor_dir / "service" / "kept.json"
    try:
        private_dir(target.parent)
        write_json(target, dict(kept))
    except OSError:
        pass


def last_seen(home: Home) -> float:
    """Epoch seconds at which the service was last seen in order; 0 when never."""
    return float(_read(home).get("at", 0))


def by_person(home: Home) -> Optional[bool]:
    """The service is gone. True: nothing else changed, so a person did it. False: the package
    changed or went too. None: cannot tell.
    """
    before = _read(home)
    if not before.get("mark"):
        return None
    path, mtime, size = before["mark"]
    try:
        stat = os.stat(path)
    except OSError:
        return False
    return (int(stat.st_mtime), stat.st_size) == (mtime, size)


def _read(home: Home) -> Any:
    try:
        return read_json(home.doctor_dir / "service" / "seen.json") or {}
    except Exception:
        return {}
