"""Processes of this machine, read from /proc. A process is (pid, start ticks): pids are reused."""

from __future__ import annotations

import os
import signal
import time
import uuid
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Set, Tuple

Who = Tuple[int, int]
GATEWAY = "openclaw-gateway"
MARK = "HEALBENCH_RUN"  # every process of a case carries it in its environment


@dataclass(frozen=True)
class Row:
    """One line of the process table. cpu: user and system time in ticks; rss in bytes."""

    pid: int
    ticks: int
    parent: int
    state: str
    cpu: int
    rss: int
    title: str

    @property
    def who(self) -> Who:
        return (self.pid, self.ticks)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


def row(pid: int) -> Optional[Row]:
    """Return the row of a living process; None for none and for a zombie."""
    raw = _read("/proc/{}/stat".format(pid))
    if not raw:
        return None
    parts = raw[raw.rindex(b")") + 2 :].split()
    state = parts[0].decode()
    if state in ("Z", "X"):
        return None
    title = _read("/proc/{}/cmdline".format(pid)).replace(b"\0", b" ").decode("utf-8", "replace")
    pages = os.sysconf("SC_PAGE_SIZE")
    return Row(
        pid,
        int(parts[19]),
        int(parts[1]),
        state,
        int(parts[11]) + int(parts[12]),
        int(parts[21]) * pages,
        title.strip(),
    )


def environ(pid: int) -> Dict[str, str]:
    """Return a process's environment, as far as it can be read."""
    rows = _read("/proc/{}/environ".format(pid)).split(b"\0")
    pairs = (item.decode("utf-8", "replace").partition("=") for item in rows if b"=" in item)
    return {name: value for name, _, value in pairs}


def pids() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Known:
    """Remembers which processes belong to a case: they carry its mark, or were started by one that
    does, or hold files below its folder. (OpenClaw's title overwrites its environment.)
    """

    YOUNG_S = 6.0  # an exec may still bring the mark

    def __init__(self, mark: str, folder: str = "") -> None:
        self.mark = (MARK + "=" + mark).encode()
        self.folder = folder
        self._seen: Dict[Who, bool] = {}

    def rows(self) -> List[Row]:
        """Return every living process of the case, this one left out."""
        table = [one for one in map(row, pids()) if one and one.pid != os.getpid()]
        mine = {one.pid for one in table if self._is_mine(one)}
        found = []
        for one in table:
            if one.pid in mine or one.parent in mine:
                self._seen[one.who] = True
                mine.add(one.pid)
                found.append(one)
        return found

    def _is_mine(self, one: Row) -> bool:
        known = self._seen.get(one.who)
        if known:
            return True
        if known is False and _age(one) > self.YOUNG_S and not one.title.startswith(GATEWAY):
            return False
        mine = self.mark in _read("/proc/{}/environ".format(one.pid)).split(b"\0")
        if not mine and one.title.startswith(GATEWAY) and self.folder:
            mine = self._holds(one.pid)
        self._seen[one.who] = mine
        return mine

    def _holds(self, pid: int) -> bool:
        """Whether the process has a file below the case's folder open."""
        base = "/proc/{}/fd".format(pid)
        try:
            names = os.listdir(base)
        except OSError:
            return False
        for name in names:
            try:
                if os.readlink(os.path.join(base, name)).startswith(self.folder + os.sep):
                    return True
            except OSError:
                continue
        return False


def _age(one: Row) -> float:
    """Seconds since the process was started."""
    up = float(_read("/proc/uptime").split()[0])
    return up - one.ticks / os.sysconf("SC_CLK_TCK")


def new_mark() -> str:
    """A mark that names its runner: <random>.<pid>.<start ticks>."""
    me = row(os.getpid())
    return "{}.{}.{}".format(uuid.uuid4().hex, os.getpid(), me.ticks if me else 0)


def sweep() -> int:
    """End what runs left behind that were themselves killed; return how many processes."""
    ended = 0
    for pid in pids():
        mark = environ(pid).get(MARK, "") if pid != os.getpid() else ""
        parts = mark.split(".")
        if len(parts) != 3 or not (parts[1] + parts[2]).isdigit():
            continue
        if not alive((int(parts[1]), int(parts[2]))):
            known = Known(mark)
            ended += len(known.rows())
            end_all(known, 2.0)
    return ended


def tree(roots: Iterable[int], rows: Optional[List[Row]] = None) -> Set[int]:
    """Return the pids of `roots` and everything below them."""
    table = rows if rows is not None else [r for r in map(row, pids()) if r]
    found = set(roots)
    grown = True
    while grown:
        more = {one.pid for one in table if one.parent in found and one.pid not in found}
        found |= more
        grown = bool(more)
    return found


def alive(who: Who) -> bool:
    one = row(who[0])
    return one is not None and one.ticks == who[1]


def end_all(known: Known, grace_s: float = 4.0) -> int:
    """End every process of the case, politely first; return how many would not go."""
    for number in (signal.SIGCONT, signal.SIGTERM):
        for one in known.rows():
            _signal(one.pid, number)
    until = time.monotonic() + grace_s
    while time.monotonic() < until and known.rows():
        time.sleep(0.1)
    for _ in range(30):
        rows = known.rows()
        if not rows:
            return 0
        for one in rows:
            _signal(one.pid, signal.SIGKILL)
        time.sleep(0.1)
    return len(known.rows())


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass
