"""Cheap marks of files, to see that somebody changed them. Only stat() calls: they are taken at every look."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Tuple

from .openclaw import config as openclaw_config
from .openclaw.home import Home


def of_file(path: Any) -> Optional[Tuple[int, int, int]]:
    """(time in ns, size, inode); None where there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Start:
    """Everything a start depends on: the config, .env, the files that the config names, the service's own file and our additions to it.

    The config is read again only when one of these files changed.
    """

    def __init__(self) -> None:
        self._named: Tuple[Path, ...] = ()
        self._seen: Any = None

    def mark(self, home: Home, service: str) -> str:
        """service: the path of its file, or "". The answer depends on what is on disk alone, so that it survives a restart of ours."""
        own = (home.config_path, home.env_file)
        if self._seen != self._look((*own, *self._named)):
            self._named = named(home)
            self._seen = self._look((*own, *self._named))
        marks = [*self._seen, *self._look(_service_files(service))]
        return hashlib.sha256("|".join(str(mark) for mark in marks).encode()).hexdigest()[:16]

    @staticmethod
    def _look(paths: Any) -> Tuple[Any, ...]:
        return tuple(of_file(path) for path in paths)


def named(home: Home) -> Tuple[Path, ...]:
    """The files that the config names and a start reads: includes, TLS files, token files, files of secrets. () when it does not parse."""
    view = openclaw_config.load(home.config_path)
    if view.error not in ("", "include"):
        return ()
    others = [home.config_path.parent / os.path.expanduser(text) for text in _paths_in(view.data)]
    return tuple(dict.fromkeys(path for path in (*view.files, *others) if path != home.config_path))[:50]


def _paths_in(data: Any, above: Tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _paths_in(item, above)
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if isinstance(value, str) and (key in ("certPath", "keyPath", "caPath", "tokenFile") or key == "path" and "secrets" in above):
            yield value
        else:
            yield from _paths_in(value, (*above, str(key)))


def _service_files(path: str) -> Tuple[str, ...]:
    if not path.endswith((".service", ".plist")):
        return ()  # the keeper's own notes change with every start
    return (path, path + ".d", path + ".d/iflow-doctor.conf")
