"""Room on the disks that the gateway writes: state directory, temporary directory, log
directory.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator

from ..model import Check, Finding, Text
from .base import error, looking, warning

if TYPE_CHECKING:
    from .base import Seen

FULL_MB = 20  # a gateway needs room for its write-ahead log and its first log lines
LOW_MB = 300
HUGE_LOG_MB = 1024


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    seen: Dict[int, Path] = {}
    for folder in (
        look.home.state_dir,
        look.home.config_path.parent,
        Path("/tmp/openclaw"),
        Path(tempfile.gettempdir()),
    ):
        place = _existing(folder)
        try:
            device = os.stat(place).st_dev
        except OSError:
            continue
        if device not in seen:
            seen[device] = place
            yield from _room(place)
    yield from _huge(look)


def _existing(folder: Path) -> Path:
    while not os.path.exists(folder) and folder.parent != folder:
        folder = folder.parent
    return folder


def _room(place: Path) -> Iterator[Finding]:
    if not hasattr(os, "statvfs"):
        import shutil

        free, inodes, total_inodes, read_only = (
            shutil.disk_usage(str(place)).free / 1e6,
            1,
            0,
            False,
        )
    else:
        found = os.statvfs(str(place))
        free, inodes, total_inodes, read_only = (
            found.f_bavail * found.f_frsize / 1e6,
            found.f_favail,
            found.f_files,
            bool(found.f_flag & os.ST_RDONLY),
        )
    if read_only:
        yield error(
            "disk/read-only",
            "{} is on a filesystem that is mounted read-only".format(place),
            "{} 所在文件系统为只读".format(place),
            place,
        )
    elif free < FULL_MB:
        yield error(
            "disk/full",
            "The disk of {} is full ({:.0f} MB free)".format(place, free),
            "{} 所在磁盘已满（剩余 {:.0f} MB）".format(place, free),
            place,
            None,
            free_mb=round(free, 1),
        )
    elif total_inodes and inodes < 100:
        yield error(
            "disk/inodes",
            "The filesystem of {} has no inodes left".format(place),
            "{} 所在文件系统的 inode 已用尽".format(place),
            place,
            None,
            free_inodes=inodes,
        )
    elif free < LOW_MB:
        yield warning(
            "disk/low",
            "The disk of {} is nearly full ({:.0f} MB free)".format(place, free),
            "{} 所在磁盘即将写满（剩余 {:.0f} MB）".format(place, free),
            place,
            None,
            free_mb=round(free, 1),
        )


def _huge(look: Any) -> Iterator[Finding]:
    for folder in (look.home.logs_dir, Path("/tmp/openclaw")):
        try:
            entries = [
                (e.path, e.stat().st_size)
                for e in os.scandir(folder)
                if e.is_file(follow_symlinks=False)
            ]
        except OSError:
            continue
        for path, size in entries:
            if size > HUGE_LOG_MB * 1_000_000:
                yield warning(
                    "disk/huge-log",
                    "{} has {:.1f} GB".format(path, size / 1e9),
                    "日志 {} 已有 {:.1f} GB".format(path, size / 1e9),
                    path,
                    None,
                    size_mb=int(size / 1e6),
                )


CHECK = Check("disk", Text("Disk and inodes", "磁盘与 inode"), run)
