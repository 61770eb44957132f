"""The files of the machine as programs meet them: faults of the disk, who wrote what, what OpenClaw reads."""

from __future__ import annotations

import errno
import os
import types
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from . import ground
from .patch_files import REAL, real_open


class Files:
    """A part of World."""

    def write_effect(self, kind: str, path: str, append: bool = False) -> None:
        self.effect("{} {}".format(kind, os.path.basename(path)))
        if self.current is None:
            return
        refused = self.fs_refuses(path)
        if refused:
            raise OSError(refused, os.strerror(refused), path)
        if (
            self.disk_full
            and kind in ("open", "mkdir")
            and append
            and not path.startswith("/dev/shm/iflow-doctor-")
        ):
            raise OSError(errno.ENOSPC, "No space left on device", path)

    def fs_refuses(self, path: str) -> int:
        """errno with which a write to this path is refused; 0 when it is not."""
        inside = path.startswith(str(self.state_dir))
        if self.read_only and inside:
            return errno.EROFS
        if self.state_refused and inside and self.current is not None:
            return errno.EACCES
        return 0

    def access(self, path: str, mode: int) -> bool:
        if mode & os.W_OK and self.fs_refuses(path):
            return False
        try:
            REAL["stat"](path)
        except OSError:
            return False
        return not (mode & os.X_OK) or bool(REAL["stat"](path).st_mode & 0o111)

    def disk_usage(self, _path: Any) -> Any:
        free = 0 if self.disk_full else 50 << 30
        return types.SimpleNamespace(
            total=100 << 30, used=(100 << 30) - free, free=free, percent=50.0
        )

    def statvfs(self, path: Any) -> Any:
        free = 0 if self.disk_full else 50 << 20
        flag = os.ST_RDONLY if self.read_only and str(path).startswith(str(self.state_dir)) else 0
        return types.SimpleNamespace(
            f_flag=flag,
            f_bavail=free,
            f_bfree=free,
            f_frsize=1024,
            f_bsize=1024,
            f_blocks=100 << 20,
            f_files=1 << 20,
            f_ffree=1 << 19,
            f_favail=1 << 19,
        )

    def plain_write(self, path: str, raw: bytes) -> None:
        """A write of a program that is not ours."""
        if self.read_only and path.startswith(str(self.state_dir)):
            raise OSError(errno.EROFS, "Read-only file system", path)
        with real_open(path, "wb") as out:
            out.write(raw)
        REAL["utime"](path, (self.wall(), self.wall()))

    def plain_append(self, path: str, raw: bytes) -> None:
        with real_open(path, "ab") as out:
            out.write(raw)
        REAL["utime"](path, (self.wall(), self.wall()))

    def config_bytes(self) -> bytes:
        try:
            with real_open(str(self.config_path), "rb") as handle:
                return bytes(handle.read())
        except OSError:
            return b""

    def read_config(self) -> Tuple[Dict[str, Any], List[Dict[str, str]]]:
        """The config as OpenClaw reads it, and what it finds wrong with it."""
        return ground.judge_config(self.config_bytes())

    def openclaw_writes(self, raw: bytes) -> None:
        """OpenClaw's own write of the config: it keeps a .bak."""
        before = self.config_bytes()
        self.plain_write(str(self.config_path) + ".bak", before)
        self.plain_write(str(self.config_path), raw)
        self.owner_bytes.pop(str(self.config_path), None)

    def stamp_config(self, data: Dict[str, Any]) -> None:
        """OpenClaw notes in its config when it touched it."""
        try:
            self.openclaw_writes(ground.dump({**data, "meta": {"lastTouchedAt": self.iso()}}))
        except OSError:
            pass

    def owner_writes(self, path: Path, raw: Optional[bytes]) -> None:
        """The owner saves a file (None: deletes it): from now on these bytes are theirs."""
        if raw is None:
            try:
                REAL["unlink"](str(path))
            except OSError:
                pass
            self.owner_bytes.pop(str(path), None)
        else:
            self.plain_write(str(path), raw)
            self.owner_bytes[str(path)] = raw
        self.judge.owner_wrote(str(path))

    def database_sound(self) -> bool:
        return ground.database_sound(self)

    def before_change(self, path: str) -> Optional[bytes]:
        if self.current is None or (
            path not in self.owner_bytes and path not in self.judge.databases
        ):
            return None
        try:
            with real_open(path, "rb") as handle:
                return bytes(handle.read())
        except OSError:
            return None

    def after_change(self, kind: str, path: str, before: Optional[bytes]) -> None:
        if self.current is not None and path == str(self.config_path):
            self.trigger("written")
        if before is not None:
            self.judge.changed(kind, path, before)
