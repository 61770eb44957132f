"""What of Python belongs to the simulated world during a run: clock, process calls, /proc, the file system's faults and times.

Patched on the modules themselves (os, time, subprocess, ...), so that nothing depends on the names inside the product.
"""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Tuple

from .patch_files import FilePatches

_localtime, _gmtime, _strftime = time.localtime, time.gmtime, time.strftime


class Patches(FilePatches):
    """Put the world in place of the machine, and take it away again."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.before: List[Tuple[Any, str, Any]] = []
        self.dirty: Dict[str, float] = {}

    def put(self, owner: Any, name: str, value: Any) -> None:
        self.before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def __enter__(self) -> "Patches":
        from . import fake_psutil

        self._time()
        self._files()
        self._paths()
        self._processes()
        self.psutil = sys.modules.get("psutil")
        sys.modules["psutil"] = fake_psutil.make(self.world)
        return self

    def __exit__(self, *_: Any) -> None:
        for owner, name, value in reversed(self.before):
            setattr(owner, name, value)
        if self.psutil is not None:
            sys.modules["psutil"] = self.psutil
        else:
            sys.modules.pop("psutil", None)

    # -- time ---------------------------------------------------------------------------------------------------------
    def _time(self) -> None:
        world = self.world
        self.put(time, "time", world.wall)
        self.put(time, "monotonic", lambda: world.mono)
        self.put(time, "perf_counter", lambda: world.mono)
        self.put(time, "time_ns", lambda: int(world.wall() * 1e9))
        self.put(time, "monotonic_ns", lambda: int(world.mono * 1e9) + next(world.numbers))
        self.put(time, "sleep", world.sleep)
        self.put(time, "localtime", lambda at=None: _localtime(world.wall() if at is None else at))
        self.put(time, "gmtime", lambda at=None: _gmtime(world.wall() if at is None else at))
        self.put(
            time,
            "strftime",
            lambda fmt, t=None: _strftime(fmt, _localtime(world.wall()) if t is None else t),
        )

    def _paths(self) -> None:
        """Paths are values: the same path need not be taken apart a thousand times."""
        kept: Dict[Any, Any] = {}
        divide = pathlib.PurePath.__truediv__

        def joined(path: Any, name: Any) -> Any:
            key = (path, name)
            found = kept.get(key)
            if found is None:
                found = kept[key] = divide(path, name)
            return found

        self.put(pathlib.PurePath, "__truediv__", joined)

    # -- processes ----------------------------------------------------------------------------------------------------
    def _processes(self) -> None:
        world = self.world
        self.put(os, "getpid", world.getpid)
        self.put(os, "kill", world.kill_call)
        self.put(os, "killpg", world.kill_call)
        if hasattr(os, "pidfd_open"):  # never a handle of a process of the real machine
            self.put(os, "pidfd_open", _no_handle)
            self.put(signal, "pidfd_send_signal", _no_handle)
        self.put(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
        self.put(os, "setpriority", lambda *a: None)
        self.put(subprocess, "Popen", world.popen)
        self.put(subprocess, "run", world.subprocess_run)
        self.put(socket, "create_connection", world.no_network)
        self.put(socket, "socket", world.make_socket)
        self.put(signal, "signal", lambda *a: None)
        # A thread is over as soon as it was started: order must not depend on the machine's scheduler.
        self.put(threading.Thread, "start", lambda thread: thread.run())
        self.put(threading.Thread, "join", lambda thread, timeout=None: None)
        self.put(threading.Thread, "is_alive", lambda thread: False)
        import pwd

        import filelock

        entry = pwd.getpwuid(os.getuid())
        fake = pwd.struct_passwd((*entry[:5], str(world.home_dir), *entry[6:]))
        self.put(pwd, "getpwuid", lambda uid: fake)
        self.put(filelock, "FileLock", lock_class(world))


def _no_handle(*_: Any) -> int:
    raise OSError(errno.ENOSYS, "Function not implemented")


def lock_class(world: Any) -> Any:
    """filelock.FileLock whose locks are the world's."""
    import filelock

    class Lock:
        def __init__(self, path: Any, timeout: float = 0, mode: int = 0o600, **_more: Any) -> None:
            self.path, self.timeout, self.held = str(path), timeout, False
            self.mode = mode

        @property
        def is_locked(self) -> bool:
            return self.held

        def acquire(self, timeout: Any = None, **_more: Any) -> "Lock":
            until = world.mono + max(0.0, self.timeout if timeout is None else timeout)
            if not os.path.exists(self.path):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, self.mode))
            elif world.current is not None and world.fs_refuses(self.path):
                raise OSError(world.fs_refuses(self.path), "refused", self.path)
            while not world.take_lock(self.path):
                if world.mono >= until:
                    raise filelock.Timeout(self.path)
                world.sleep(0.05)
            self.held = True
            return self

        def release(self, force: bool = False) -> None:
            if self.held:
                world.locks.pop(self.path, None)
                self.held = False

        def __enter__(self) -> "Lock":
            return self.acquire()

        def __exit__(self, *_: Any) -> None:
            self.release()

    return Lock
