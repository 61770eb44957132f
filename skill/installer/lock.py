"""One installer at a time, with the operating system's own lock (filelock is not there yet)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator

from ..errors import AlreadyRunning
from ..files import private_dir
from ..model import Text


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock for the block; it dies with the process. Raise AlreadyRunning when another installer holds it."""
    private_dir(path.parent)
    handle = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(Text("the installer", "安装程序"), 0, "?") from None
        yield
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()
