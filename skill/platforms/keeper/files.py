"""The keeper's files: what it knows, wishes, locks, its log and its lines in the ledger, also where
the disk is full or read-only. Standard library only, imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

try:
    from .processes import WINDOWS, boot_mark
except ImportError:  # run as a script
    from processes import WINDOWS, boot_mark  # type: ignore[import-not-found,no-redef]

LEDGER = "ledger.jsonl"
HARD_LIMIT, HARD_WINDOW = 2, 300.0  # as skill/openclaw/ledger.py
UNWRITABLE = -1  # no lock file, and none can be made
MAX_LOG = 5000000  # bytes of gateway.log before it is rotated; one older copy is kept
COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def read_json(path: str) -> Dict[str, Any]:
    """The object in a file; {} when there is none or it is damaged."""
    try:
        with open(path, encoding="utf-8") as handle:
            value = json.load(handle)
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: str, value: Mapping[str, Any], sync: bool = True) -> bool:
    """Replace whole or not at all, 0600. False where it cannot be written (a full or a read-only
    disk must not stop the keeper): then the old content stays.
    """
    temporary = "{}.{}.tmp".format(path, os.getpid())
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(value, out)
            out.flush()
            if sync:
                os.fsync(out.fileno())
        os.replace(temporary, path)
        return True
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        return False


def memory_dir(folder: str) -> str:
    """Where the keeper's files lie while `folder` (<state dir>/iflow-doctor) cannot be written: as
    skill.files.memory_dir(), in memory, gone after a reboot.
    """
    uid = getattr(os, "getuid", lambda: 0)()
    mark = hashlib.sha256(os.path.dirname(folder).encode("utf-8", "replace")).hexdigest()[:12]
    name = "iflow-doctor-{}-{}".format(uid, mark)
    shared = ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir())
    places = [
        os.path.join(place, name)
        for place in shared
        if place and os.path.isdir(place) and os.access(place, os.W_OK)
    ]
    free = [place for place in places if is_own(place) or not os.path.lexists(place)]
    return (free + places + [os.path.join(tempfile.gettempdir(), name)])[0]


def is_own(place: str) -> bool:
    """Whether a file or folder in a shared place was made by this account, and is no link."""
    try:
        found = os.lstat(place)
    except OSError:
        return False
    return found.st_uid == getattr(os, "getuid", lambda: 0)() and not stat.S_ISLNK(found.st_mode)


def in_memory(folder: str, name: str, make: bool = False) -> str:
    """The place of a file in memory_dir(); "" where somebody else made that folder."""
    place = memory_dir(folder)
    try:
        if make:
            os.makedirs(place, 0o700, exist_ok=True)
    except OSError:
        return ""
    return os.path.join(place, name) if is_own(place) else ""


def read_newest(folder: str, name: str) -> Dict[str, Any]:
    """What was written last, here or in memory: the higher "saves" counts."""
    here = read_json(os.path.join(folder, name))
    there = in_memory(folder, name)
    other = read_json(there) if there else {}
    return other if _saves(other) > _saves(here) or not here else here


def _saves(value: Mapping[str, Any]) -> int:
    number = value.get("saves", 0)
    return number if isinstance(number, int) else 0


def write_newest(folder: str, name: str, value: Mapping[str, Any]) -> bool:
    """Write it here, else in memory."""
    if write_json(os.path.join(folder, name), value):
        return True
    there = in_memory(folder, name, make=True)
    return bool(there) and write_json(there, value, sync=False)


def note(folder: str, act: str, pid: object, why: str) -> None:
    """One line in the ledger of all levels (skill/openclaw/ledger.py), before the act."""
    boot = boot_mark().split(":")[0]
    entry = {"act": act, "at": round(time.time(), 3), "mono": round(time.monotonic(), 3)}
    entry.update(boot=boot, who="level 1", why=why, pid=pid if isinstance(pid, int) else 0)
    raw = (json.dumps(entry) + "\n").encode("utf-8")
    for path in (os.path.join(folder, LEDGER), in_memory(folder, LEDGER, make=True)):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            continue
        try:
            if os.write(handle, raw) == len(raw):
                return
        except OSError:
            continue
        finally:
            os.close(handle)


def acts(folder: str) -> List[Dict[str, Any]]:
    """The ledger's lines of this boot that can be read, oldest first."""
    boot, found = boot_mark().split(":")[0], []
    for path in (
        os.path.join(folder, LEDGER + ".1"),
        os.path.join(folder, LEDGER),
        in_memory(folder, LEDGER),
    ):
        for line in tail_of(path, 65536).splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and isinstance(entry.get("mono"), (int, float)):
                if entry.get("boot", "") == boot:
                    found.append(entry)
    return sorted(found, key=lambda entry: float(entry["mono"]))


def may_kill(folder: str) -> bool:
    """Whether this would be at most the second hard kill within five minutes, of all levels."""
    now = time.monotonic()
    kills = [
        a for a in acts(folder) if a.get("act") == "kill" and 0 <= now - a["mono"] < HARD_WINDOW
    ]
    return len(kills) < HARD_LIMIT


def ended_by_us(folder: str, pid: object) -> bool:
    """Whether the last signal to this process was ours, and no wish of its owner."""
    return any(a.get("pid") == pid and a.get("act") in ("terminate", "kill") for a in acts(folder))


def take_request(folder: str, name: str, last: object = "") -> Dict[str, Any]:
    """Read a wish and remove it; {} when there is none, or only the last one that could not be
    removed.
    """
    for path in (os.path.join(folder, name), in_memory(folder, name)):
        if not path or not os.path.exists(path):
            continue
        wish = read_json(path)
        try:
            os.unlink(path)
        except OSError:
            pass
        if wish and (wish.get("id") != last or wish.get("action") == "leave"):
            return wish
    return {}


def take_lock(folder: str, name: str, patience: float = 1.0) -> Optional[int]:
    """As try_lock(), tried for a moment: a look at whether it is held holds it for an
    instant.
    """
    until = time.monotonic() + patience
    while True:
        handle = try_lock(os.path.join(folder, name))
        if handle == UNWRITABLE:
            there = in_memory(folder, name, make=True)
            handle = try_lock(there) if there else None
        if handle != UNWRITABLE and handle is not None or time.monotonic() > until:
            return None if handle == UNWRITABLE else handle
        time.sleep(0.05)


def try_lock(path: str) -> Optional[int]:
    """Hold an operating-system lock (the same kind filelock uses); the descriptor, None when
    somebody else has it, UNWRITABLE where there is no such file and none can be made.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        try:
            handle = os.open(path, os.O_RDONLY)  # on a read-only disk it can be held all the same
        except OSError:
            return UNWRITABLE
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def open_log(folder: str, name: str) -> Tuple[int, str]:
    """(descriptor, path) of the gateway's log: here, in memory, or nowhere. A log that cannot be
    written stops no start.
    """
    for path in (os.path.join(folder, name), in_memory(folder, name, make=True)):
        try:
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), path
        except OSError:
            continue
    return os.open(os.devnull, os.O_WRONLY), ""


def write_line(handle: int, text: str) -> None:
    """One line of the keeper's own; a full disk swallows it."""
    try:
        os.write(handle, "{} [keeper] {}\n".format(stamp(), text).encode("utf-8", "replace"))
    except OSError:
        pass


def tail(path: str, limit: int = 4096) -> str:
    """The end of the log as text, without colours. Only what the last boot wrote: from the keeper's
    last own line on.
    """
    text = tail_of(path, limit)
    return COLOURS.sub("", text[text.rfind("[keeper] starting") + 1 :])


def tail_of(path: str, limit: int) -> str:
    try:
        with open(path, "rb") as handle:
            handle.seek(max(0, handle.seek(0, 2) - limit))
            return handle.read().decode("utf-8", "replace")
    except OSError:
        return ""


def rotate(path: str) -> None:
    """Copy and empty the log when it is too long: the gateway keeps writing to the same open file
    (O_APPEND).
    """
    try:
        if os.path.getsize(path) <= MAX_LOG:
            return
        with open(path, "rb+") as source, open(
            os.open(path + ".1", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        ) as target:
            source.seek(-MAX_LOG, 2)
            for block in iter(lambda: source.read(1 << 16), b""):
                target.write(block)
            source.truncate(0)
    except OSError:
        pass
