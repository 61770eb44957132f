"""Cheap marks of files, to see that somebody changed them. Only stat() calls: they are taken at every look."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Optional, Tuple

from .openclaw.home import Home


def of_file(path: Any) -> Optional[Tuple[int, int, int]]:
    """(time in ns, size, inode); None where there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def of_start(home: Home, service: str) -> str:
    """Of everything a start depends on: the config, .env, the service's own file and our additions to it (service: its path or "")."""
    paths = [home.config_path, home.env_file, *_service_files(service)]
    return hashlib.sha256("|".join(str(of_file(path)) for path in paths).encode()).hexdigest()[:16]


def _service_files(path: str) -> Tuple[str, ...]:
    if not path.endswith((".service", ".plist")):
        return ()  # the keeper's own notes change with every start
    return (path, path + ".d", path + ".d/iflow-doctor.conf")
