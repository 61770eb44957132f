"""Copies of the files a repair is about to touch: <doctor dir>/snapshots/<time>-<repair>/, bounded,
private, restorable.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterable, List, Optional, Tuple, Union

from ..errors import RepairError, SettingsError
from ..files import PathLike, private_dir, read_file, read_json, write_atomic, write_json
from ..model import Text
from ..openclaw.home import Home
from . import growth

RESERVE_BYTES = 1_000_000  # must stay free beside the copies: journal, record, log line
Owner = Tuple[int, int, int]  # mode, uid, gid


def owner_of(path: PathLike) -> Optional[Owner]:
    """Return mode and owner; None where there is nothing, or nothing that can be looked at."""
    try:
        found = os.stat(str(path))
    except OSError:
        return None
    return found.st_mode & 0o7777, found.st_uid, found.st_gid


def set_owner(path: PathLike, owner: Optional[Owner]) -> bool:
    """Give a file mode and owner, as far as this account may; True when they were others."""
    now = owner_of(path)
    if owner is None or now is None or now == owner or os.name == "nt":
        return False
    with contextlib.suppress(OSError):
        if now[1:] != owner[1:]:
            os.chown(str(path), owner[1], owner[2])
    with contextlib.suppress(OSError):
        os.chmod(str(path), owner[0])
    return owner_of(path) != now


UNREADABLE = "?"  # digest_of() something that is no file, or that cannot be read: equal to nothing


def digest_of(what: Union[bytes, PathLike]) -> str:
    """Return a hash of these bytes, or of the file at this path; "" where there is no file."""
    if not isinstance(what, bytes):
        try:
            what = read_file(what)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError:
            return UNREADABLE
    return hashlib.sha256(what).hexdigest()


@dataclass(frozen=True)
class Snapshot:
    """One taken snapshot. files: original path -> name in `folder`, "" for a file that did not
    exist. owners: path -> mode and owner, also of the folders that hold the files. replaced: what
    stood at a path when the snapshot was put back, (path, name in `folder`).
    """

    folder: Path
    repair: str
    taken: float
    files: Dict[str, str]
    owners: Dict[str, Owner] = field(default_factory=dict)
    replaced: Tuple[Tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        return self.folder.name

    def raw(self, path: str) -> Optional[bytes]:
        """The bytes the file had; None when it did not exist."""
        name = self.files.get(path, "")
        return (self.folder / name).read_bytes() if name else None

    def digests(self) -> Dict[str, str]:
        """Return the hash of every file as it was, "" for one that did not exist."""
        return {
            path: digest_of(self.folder / name) if name else "" for path, name in self.files.items()
        }


def folder_of(home: Home) -> Path:
    return home.doctor_dir / "snapshots"


def take(
    home: Home,
    repair: str,
    paths: Iterable[str],
    now: float,
    usage: Callable[[str], Any] = shutil.disk_usage,
) -> Snapshot:
    """Copy these files. Raises RepairError, and leaves nothing behind, when there is no room or a
    file cannot be read.
    """
    wanted = list(dict.fromkeys(str(path) for path in paths))
    try:
        root = private_dir(folder_of(home))
    except OSError as error:
        raise RepairError(
            Text.of("no snapshot: {}", "没有快照：{}", error),
            hint=Text("nothing was changed", "没有改动任何东西"),
        ) from error
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    folder = root / "{}-{}".format(stamp, repair)
    number = 1
    while os.path.exists(folder):
        number += 1
        folder = root / "{}-{}.{}".format(stamp, repair, number)
    need = sum(os.path.getsize(path) for path in wanted if os.path.isfile(path))
    try:
        free = usage(str(root)).free
        if free < need + RESERVE_BYTES:
            raise RepairError(
                Text.of(
                    "no room for a snapshot: {} bytes needed, {} free",
                    "放不下快照：需要 {} 字节，剩余 {}",
                    need + RESERVE_BYTES,
                    free,
                ),
                hint=Text.of("free space on {}", "请在 {} 腾出空间", root),
            )
        private_dir(folder)
        files: Dict[str, str] = {}
        for index, path in enumerate(wanted):
            if os.path.isfile(path):
                name = "{:02d}-{}".format(index, os.path.basename(path))
                write_atomic(folder / name, Path(path).read_bytes())
                files[path] = name
            else:
                files[path] = ""
        owners = _owners(wanted)
        snapshot = Snapshot(folder, repair, now, files, owners)
        _write_manifest(snapshot)
    except OSError as error:
        shutil.rmtree(str(folder), ignore_errors=True)
        raise RepairError(
            Text.of("no snapshot: {}", "没有快照：{}", error),
            hint=Text("nothing was changed", "没有改动任何东西"),
        ) from error
    growth.prune(home, now)
    return snapshot


def _owners(paths: Iterable[str]) -> Dict[str, Owner]:
    """Modes and owners of these files and of the folders they lie in."""
    found: Dict[str, Owner] = {}
    for path in paths:
        for one in (path, os.path.dirname(path)):
            owner = owner_of(one)
            if owner is not None:
                found[one] = owner
    return found


def _write_manifest(snapshot: Snapshot) -> None:
    write_json(
        snapshot.folder / "manifest.json",
        {
            "repair": snapshot.repair,
            "taken": snapshot.taken,
            "files": snapshot.files,
            "owners": {path: list(owner) for path, owner in snapshot.owners.items()},
            "replaced": [list(pair) for pair in snapshot.replaced],
        },
    )


def load(folder: Path) -> Snapshot:
    """Raises RepairError when the folder is not a snapshot."""
    try:
        value: Any = read_json(folder / "manifest.json")
        return Snapshot(
            folder,
            str(value["repair"]),
            float(value["taken"]),
            {str(k): str(v) for k, v in value["files"].items()},
            {
                str(path): (int(owner[0]), int(owner[1]), int(owner[2]))
                for path, owner in (value.get("owners") or {}).items()
            },
            tuple((str(path), str(name)) for path, name in value.get("replaced") or ()),
        )
    except (
        SettingsError,
        TypeError,
        KeyError,
        ValueError,
        AttributeError,
        IndexError,
    ) as error:
        raise RepairError(
            Text.of("{} is not a complete snapshot", "{} 不是完整的快照", folder)
        ) from error


def restore(snapshot: Snapshot) -> List[str]:
    """Put every file back as it was; return the paths that changed by it. Raises OSError."""
    return [path for path in snapshot.files if put_back(snapshot, path)]


class Changed(Exception):
    """The file holds something else than it was put back over."""


def put_back(
    snapshot: Snapshot, path: str, must_keep: bool = True, over: Optional[Collection[str]] = None
) -> bool:
    """Give one file its bytes, mode and owner back; True when that changed something. What stands
    there now is kept in the snapshot first (must_keep=False: where there is room). Raises OSError.

    over: hashes of what may be put back over; raises Changed, and leaves the file, for any other.
    """
    raw = snapshot.raw(path)
    now = Path(path).read_bytes() if os.path.isfile(path) else None
    if raw is not None and now == raw:
        return set_owner(path, snapshot.owners.get(path))
    if raw is None and now is None:
        return False
    if now is not None:
        try:
            keep_present(load(snapshot.folder), path, now)
        except (OSError, RepairError):
            if must_keep:
                raise

    def was(there: bytes) -> None:
        if over is not None and digest_of(there) not in over:
            raise Changed(path)

    if raw is None:
        _unlink(path, was)
        return True
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomic(path, raw, keep_mode=True, was=was)
    set_owner(path, snapshot.owners.get(path))
    return True


def _unlink(path: str, was: Callable[[bytes], None]) -> None:
    """Take a file away; it comes back when it is not what was meant."""
    aside = "{}.{}.tmp".format(path, os.getpid())
    os.rename(path, aside)
    try:
        was(Path(aside).read_bytes())
    except BaseException:
        if not os.path.lexists(path):
            os.rename(aside, path)
        raise
    os.unlink(aside)


def keep_present(snapshot: Snapshot, path: str, raw: bytes) -> str:
    """Keep bytes that are about to be overwritten or unlinked; return where. Raises OSError."""
    for known, name in snapshot.replaced:
        if known == path and digest_of(snapshot.folder / name) == digest_of(raw):
            return str(snapshot.folder / name)
    name = "was-{:02d}-{}".format(len(snapshot.replaced), os.path.basename(path))
    write_atomic(snapshot.folder / name, raw)
    _write_manifest(replace(snapshot, replaced=(*snapshot.replaced, (path, name))))
    return str(snapshot.folder / name)


def all_of(home: Home) -> List[Snapshot]:
    """Every complete snapshot, newest first."""
    found: List[Snapshot] = []
    root = folder_of(home)
    for folder in sorted(root.iterdir(), reverse=True) if os.path.isdir(root) else []:
        try:
            found.append(load(folder))
        except RepairError:
            continue
    return found


SIZE = (
    256 << 10
)  # bytes: room for our own notes, too little to let a gateway write its databases on a full disk
NEEDS_FREE = 200 << 20  # taken only from a disk that has plenty


def keep(home: Home) -> None:
    """Take the space where it is not taken yet and the disk has plenty. Raises OSError."""
    path = private_dir(home.doctor_dir) / "ballast"
    if os.path.exists(path) or shutil.disk_usage(str(home.doctor_dir)).free < NEEDS_FREE:
        return
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for _ in range(SIZE // 65536):
            out.write(os.urandom(65536))  # not zeros: some filesystems would store nothing


def drop(home: Home) -> bool:
    """Give it back; True when there was something to give."""
    with contextlib.suppress(OSError):
        os.unlink(home.doctor_dir / "ballast")
        return True
    return False
