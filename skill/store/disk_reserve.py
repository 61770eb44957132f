"""A little disk space of our own, given back when the disk is full: enough to write state, a
diagnosis and an alert with.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from ..files import private_dir
from ..openclaw.home import Home

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
