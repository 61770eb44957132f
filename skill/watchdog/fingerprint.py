"""Cheap marks of files, to see that somebody changed them. Only stat() calls: they are taken at
every look.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Sequence, Tuple

from ..openclaw import config as openclaw_config
from ..openclaw.home import Home

if TYPE_CHECKING:
    from ..platforms.base import Platform


def of_file(path: Any) -> Optional[Tuple[int, int, int]]:
    """(time in ns, size, inode); None where there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Start:
    """Everything a start depends on: config, .env, the files that the config names, the service's
    own file, the programs it starts, and whether the state directory lets itself be used. The
    config is read again only when one of its files changed.
    """

    def __init__(self) -> None:
        self._named: Tuple[Path, ...] = ()
        self._seen: Any = None
        self._service = ""
        self._command: Sequence[str] = ()

    def mark(self, home: Home, service: str, platform: Optional[Platform] = None) -> str:
        """service: the path of its file, or "" when this look did not ask: that is no change.
        platform: to be asked for its command.

        What is on disk alone decides, so that the answer survives a restart of ours.
        """
        self._service = service or self._service
        if platform is not None and hasattr(platform, "command"):
            with contextlib.suppress(
                Exception
            ):  # a manager that does not answer leaves what was known
                self._command = platform.command()
        own = (home.config_path, home.env_file)
        if self._seen != self._look((*own, *self._named)):
            self._named = named(home)
            self._seen = self._look((*own, *self._named))
        programs = [word for word in self._command[:4] if os.path.isabs(word)]
        marks = [
            *self._seen,
            *self._look(_service_files(self._service)),
            *self._look(programs),
            *map(_rights, self._named),
            *_usable(home),
        ]
        return hashlib.sha256("|".join(str(mark) for mark in marks).encode()).hexdigest()[:16]

    @staticmethod
    def _look(paths: Any) -> Tuple[Any, ...]:
        return tuple(of_file(path) for path in paths)


def _rights(path: Path) -> Any:
    """What chmod, chown and a copy change: a file of secrets is refused for any of it."""
    try:
        found = os.lstat(path)
    except OSError as error:
        return error.errno
    return found.st_uid, found.st_mode, found.st_nlink if stat.S_ISREG(found.st_mode) else 0


def _refused(path: Path) -> bool:
    """Whether a folder is there and may not be written; that it is made by a start is no change."""
    return os.path.lexists(str(path)) and not os.access(str(path), os.W_OK | os.X_OK)


ROOM = 16 << 20  # bytes; less than this is a full disk to a gateway that starts


def _usable(home: Home) -> Iterator[Any]:
    """Owners and modes, read-only or not, room or none: what a person fixes with chown, chmod,
    mount or rm.
    """
    database = home.state_dir / "state" / "openclaw.sqlite"
    for path in (
        home.state_dir,
        home.config_path,
        database.parent,
        database,
        home.state_dir / "tmp",
        home.logs_dir,
    ):
        try:
            found = os.stat(path)
        except OSError as error:
            yield error.errno
            continue
        yield found.st_uid, found.st_mode, found.st_ino if path is database else 0
    # where 2026.9.6 puts the copies of databases that it reads at a start
    cache = Path(os.path.expanduser("~/.cache"))
    yield [_refused(path) for path in (cache.parent, cache, cache / "openclaw")]
    if hasattr(os, "statvfs"):
        for folder in (home.state_dir, cache if os.path.isdir(str(cache)) else cache.parent):
            with contextlib.suppress(OSError):
                disk = os.statvfs(folder)
                yield disk.f_flag & os.ST_RDONLY, disk.f_bavail * disk.f_frsize < ROOM


def named(home: Home) -> Tuple[Path, ...]:
    """The files that the config names and a start reads: includes, TLS files, token files, files of
    secrets. () when it does not parse.
    """
    view = openclaw_config.load(home.config_path)
    if view.error not in ("", "include"):
        return ()
    others = [home.config_path.parent / os.path.expanduser(text) for text in _paths_in(view.data)]
    return tuple(
        dict.fromkeys(path for path in (*view.files, *others) if path != home.config_path)
    )[:50]


def _paths_in(data: Any, above: Tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from _paths_in(item, above)
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if isinstance(value, str) and (
            key in ("certPath", "keyPath", "caPath", "tokenFile")
            or key in ("path", "command")
            and "secrets" in above
        ):
            yield value
        else:
            yield from _paths_in(value, (*above, str(key)))


def _service_files(path: str) -> Tuple[str, ...]:
    if not path.endswith((".service", ".plist")):
        return ()  # the keeper's own notes change with every start
    return (path, path + ".d", path + ".d/iflow-doctor.conf")
