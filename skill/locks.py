"""Operating-system locks with an owner: they die with their process, also on a read-only disk."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

from .errors import AlreadyRunning
from .files import PathLike, memory, memory_dir, private_dir, write_atomic
from .machine import ticks_of

# s to try for a lock: asking whether it is held holds it for an instant
LOCK_PATIENCE = 1.0


@contextlib.contextmanager
def owned_lock(path: PathLike, what: str) -> Iterator[None]:
    """Hold an operating-system lock for the block; it dies with the process. Raise AlreadyRunning
    naming pid and since.

    Where its folder cannot be written the lock file that is there is locked as it is, else one in
    memory_dir().
    """
    path = Path(path)
    release = _take(path)
    if release is None:
        pid, since = lock_owner(path)
        raise AlreadyRunning(what, pid, since) from None
    try:
        with contextlib.suppress(
            OSError
        ):  # on a full disk the lock itself still holds; only its note is missing
            write_atomic(
                path.with_suffix(".owner"),
                "{} {} {}\n".format(
                    os.getpid(), time.strftime("%Y-%m-%dT%H:%M:%S%z"), ticks_of(os.getpid()) or ""
                ),
            )
        yield
    finally:
        release()


def _take(path: Path) -> Optional[Callable[[], None]]:
    """Take a lock; what gives it back, None while somebody else has it. Raise OSError where no
    place at all can hold it.
    """
    from filelock import FileLock, Timeout

    for place in (path, _in_memory(path)):
        lock = FileLock(str(place), timeout=LOCK_PATIENCE, mode=0o600)
        try:
            if place is path:
                private_dir(path.parent)
            else:
                memory(path.parent.parent)
            lock.acquire()
            return lock.release
        except Timeout:
            return None
        except OSError:
            if place is not path:
                raise
            if os.path.isfile(path):
                handle = _flock_as_it_is(path)
                if handle is not None:
                    return None if handle < 0 else functools.partial(os.close, handle)
    return None


def _in_memory(path: Path) -> Path:
    return memory_dir(path.parent.parent) / path.name


def _flock_as_it_is(path: Path, shared: bool = False) -> Optional[int]:
    """Lock a file that may only be read: the descriptor that holds the lock, -1 while somebody else
    has it, None where that cannot be done here.
    """
    try:
        import fcntl

        handle = os.open(str(path), os.O_RDONLY)
    except (ImportError, OSError):
        return None
    until = time.monotonic() + (0.0 if shared else LOCK_PATIENCE)
    while True:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            os.close(handle)
            return -1
        except OSError:
            os.close(handle)
            return None


def lock_owner(path: PathLike) -> Tuple[int, str]:
    """(pid, since) as the holder of owned_lock(path) wrote them; (0, "?") when unknown."""
    try:
        words: List[str] = Path(path).with_suffix(".owner").read_text().split()
        return int(words[0]), words[1]
    except (OSError, ValueError, IndexError):
        return 0, "?"


def owner_is(path: PathLike, pid: int) -> bool:
    """Whether this process, not another that was given its pid since, wrote the owner's note."""
    try:
        words = Path(path).with_suffix(".owner").read_text().split()
        return int(words[0]) == pid and (len(words) < 3 or int(words[2]) == ticks_of(pid))
    except (OSError, ValueError, IndexError):
        return False


def lock_held(path: PathLike) -> bool:
    """True while somebody (maybe another process) holds owned_lock(path)."""
    path = Path(path)
    return any(_held(place) for place in (path, _in_memory(path)))


def _held(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not os.path.exists(path):
        return False
    probe = FileLock(str(path), timeout=0, mode=0o600)
    try:
        probe.acquire()
    except Timeout:
        return True
    except OSError:
        handle = _flock_as_it_is(path, shared=True)
        if handle is not None and handle >= 0:
            os.close(handle)
        return handle == -1
    probe.release()
    return False
