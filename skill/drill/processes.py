"""Ending everything a drill started: by its mark, with pid and start time checked, and nothing
else.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from typing import Any, List, Optional, Tuple

from .sandbox import RUN_MARK


def new_mark() -> str:
    """A name for one fault's processes that also says which drill they belong to:
    <random>.<pid>.<start time of this process>.
    """
    import psutil

    return "{}.{}.{:.2f}".format(uuid.uuid4().hex, os.getpid(), psutil.Process().create_time())


def sweep() -> int:
    """End what drills left behind that were themselves killed (kill -9); return how many processes
    that were.
    """
    import psutil

    orphans = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mark = process.environ().get(RUN_MARK, "") if _same_numbering(process.pid) else ""
            parts = mark.split(".", 2)
            if len(parts) == 3:
                who = identity(int(parts[1]))
                if who is None or "{:.2f}".format(who[1]) != parts[2]:
                    orphans.add(mark)
    ended = 0
    for mark in orphans:
        ended += len(members(mark))
        end_all(mark)
    return ended


def _same_numbering(pid: int) -> bool:
    """False for a process of a container: its drill is named by a pid that means another process
    here.
    """
    own = "/proc/self/ns/pid"
    return (
        not os.path.exists(own)
        or os.stat("/proc/{}/ns/pid".format(pid)).st_ino == os.stat(own).st_ino
    )


def members(run_id: str, also: Tuple[int, ...] = ()) -> List[Any]:
    """Every living process that carries the drill's mark, and the tree below the pids in `also`."""
    import psutil

    found = {}
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(RUN_MARK) == run_id or process.pid in also:
                found[process.pid] = process
                for child in process.children(recursive=True):
                    found.setdefault(child.pid, child)
    return list(found.values())


def end_all(run_id: str, also: Tuple[int, ...] = (), grace_s: float = 4.0) -> int:
    """End the drill's processes, SIGTERM first; return how many are left. psutil refuses a pid that
    was given to another process.
    """
    import psutil

    left: List[Any] = []
    for _ in range(3):  # a keeper may have started a new gateway while we were ending the old one
        left = members(run_id, also)
        if not left:
            return 0
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(left, timeout=grace_s)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=grace_s)
    return len(members(run_id, also))


def identity(pid: Optional[int]) -> Optional[Tuple[int, float]]:
    """(pid, start time), which no other process will ever have; None when it is gone."""
    import psutil

    try:
        return (pid, psutil.Process(pid).create_time()) if pid else None
    except psutil.Error:
        return None


def wait_gone(who: Optional[Tuple[int, float]], timeout_s: float) -> bool:
    until = time.monotonic() + timeout_s
    while who and identity(who[0]) == who and time.monotonic() < until:
        time.sleep(0.1)
    return not who or identity(who[0]) != who
