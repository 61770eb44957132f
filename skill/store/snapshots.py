"""Copies of the files a repair is about to touch: <doctor dir>/snapshots/<time>-<repair>/, bounded,
private, restorable.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional

from ..errors import RepairError, SettingsError
from ..files import private_dir, read_json, write_atomic, write_json
from ..model import Text
from ..openclaw.home import Home

KEEP = 30  # snapshots
KEEP_BYTES = 300_000_000
RESERVE_BYTES = 1_000_000  # must stay free beside the copies: journal, record, log line


@dataclass(frozen=True)
class Snapshot:
    """One taken snapshot. files: original path -> name in `folder`, "" for a file that did not
    exist.
    """

    folder: Path
    repair: str
    taken: float
    files: Dict[str, str]

    @property
    def id(self) -> str:
        return self.folder.name

    def raw(self, path: str) -> Optional[bytes]:
        """The bytes the file had; None when it did not exist."""
        name = self.files.get(path, "")
        return (self.folder / name).read_bytes() if name else None


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
    while folder.exists():
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
        write_json(folder / "manifest.json", {"repair": repair, "taken": now, "files": files})
    except OSError as error:
        shutil.rmtree(str(folder), ignore_errors=True)
        raise RepairError(
            Text.of("no snapshot: {}", "没有快照：{}", error),
            hint=Text("nothing was changed", "没有改动任何东西"),
        ) from error
    _prune(root, folder)
    return Snapshot(folder, repair, now, files)


def load(folder: Path) -> Snapshot:
    """Raises RepairError when the folder is not a snapshot."""
    try:
        value: Any = read_json(folder / "manifest.json")
        return Snapshot(
            folder,
            str(value["repair"]),
            float(value["taken"]),
            {str(k): str(v) for k, v in value["files"].items()},
        )
    except (SettingsError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise RepairError(
            Text.of("{} is not a complete snapshot", "{} 不是完整的快照", folder)
        ) from error


def restore(snapshot: Snapshot) -> List[str]:
    """Put every file back as it was; return the paths that changed by it. Raises OSError."""
    changed: List[str] = []
    for path, name in snapshot.files.items():
        if not name:
            if os.path.isfile(path):
                os.unlink(path)
                changed.append(path)
            continue
        raw = (snapshot.folder / name).read_bytes()
        if not os.path.isfile(path) or Path(path).read_bytes() != raw:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_atomic(path, raw, keep_mode=True)
            changed.append(path)
    return changed


def all_of(home: Home) -> List[Snapshot]:
    """Every complete snapshot, newest first."""
    found: List[Snapshot] = []
    root = folder_of(home)
    for folder in sorted(root.iterdir(), reverse=True) if root.is_dir() else []:
        try:
            found.append(load(folder))
        except RepairError:
            continue
    return found


def _prune(root: Path, newest: Path) -> None:
    total = 0
    for index, folder in enumerate(sorted((f for f in root.iterdir() if f.is_dir()), reverse=True)):
        total += sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())
        if folder != newest and (index >= KEEP or total > KEEP_BYTES):
            shutil.rmtree(str(folder), ignore_errors=True)


SIZE = (
    256 << 10
)  # bytes: room for our own notes, too little to let a gateway write its databases on a full disk
NEEDS_FREE = 200 << 20  # taken only from a disk that has plenty


def keep(home: Home) -> None:
    """Take the space where it is not taken yet and the disk has plenty. Raises OSError."""
    path = private_dir(home.doctor_dir) / "ballast"
    if path.exists() or shutil.disk_usage(str(home.doctor_dir)).free < NEEDS_FREE:
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
