"""Who sent which signal to whom, as the kernel saw it (tracefs, root); silent where it is not.

Without it, what ended a gateway is inferred from the times at which it was last ready.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Dict, List, Optional, Set

ROOT = "/sys/kernel/tracing"
ENDING = (1, 2, 3, 6, 9, 10, 12, 15, 19, 20)
SIGNAL = re.compile(
    r"^.*?-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): signal_generate: sig=(\d+) errno=\S+ code=(-?\d+) "
    r"comm=(.*?) pid=(\d+) grp=\d res=(\d+)"
)
FORK = re.compile(r"sched_process_fork: comm=.*? pid=(\d+) child_comm=.*? child_pid=(\d+)")
BY_KERNEL = 128  # SI_KERNEL: nobody sent it (a fault, the out-of-memory killer)


@dataclass(frozen=True)
class Sent:
    """One signal. at: the kernel's monotonic clock in seconds, as time.monotonic()."""

    at: float
    sender: int
    number: int
    target: int
    comm: str


def parse(line: str) -> Optional[Sent]:
    """Return the signal of a line of the kernel's record; None for other lines and for signals
    that were not sent by a process.
    """
    found = SIGNAL.match(line)
    if not found or int(found.group(4)) >= BY_KERNEL or found.group(7) != "0":
        return None
    sender, target = int(found.group(1)), int(found.group(6))
    return Sent(float(found.group(2)), sender, int(found.group(3)), target, found.group(5))


class Trace:
    """with Trace() as trace: ...; trace.sent, trace.offspring(pids). `works` says whether."""

    def __init__(self) -> None:
        self.sent: List[Sent] = []
        self.parents: Dict[int, int] = {}
        self.works = False
        self.folder = os.path.join(ROOT, "instances", "healbench-{}".format(os.getpid()))
        self._thread: Optional[threading.Thread] = None
        self._stop = False

    def __enter__(self) -> "Trace":
        try:
            if not os.path.isdir(os.path.join(ROOT, "instances")):
                subprocess.run(
                    ["mount", "-t", "tracefs", "nodev", ROOT],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            self._sweep()
            os.mkdir(self.folder)
            self._write("trace_clock", "mono")
            rule = " || ".join("sig == {}".format(number) for number in ENDING)
            self._write("events/signal/signal_generate/filter", rule)
            self._write("events/signal/signal_generate/enable", "1")
            self._write("events/sched/sched_process_fork/enable", "1")
            self._pipe = os.open(
                os.path.join(self.folder, "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK
            )
        except OSError:
            self._remove()
            return self
        self.works = True
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def _sweep(self) -> None:
        """Remove what runs left that were killed."""
        base = os.path.join(ROOT, "instances")
        for name in os.listdir(base):
            pid = name.rpartition("-")[2]
            dead = pid.isdigit() and not os.path.exists("/proc/" + pid)
            if name.startswith("healbench-") and dead:
                with suppress(OSError):
                    os.rmdir(os.path.join(base, name))

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w") as handle:
            handle.write(text)

    def _follow(self) -> None:
        import select

        rest = b""
        while not self._stop:
            select.select([self._pipe], [], [], 0.2)
            try:
                raw = os.read(self._pipe, 1 << 16)
            except OSError:
                continue
            *lines, rest = (rest + raw).split(b"\n")
            for line in lines:
                self.take(line.decode("utf-8", "replace"))

    def take(self, line: str) -> None:
        """Take in one line of the kernel's record."""
        fork = FORK.search(line)
        if fork:
            self.parents[int(fork.group(2))] = int(fork.group(1))
            return
        sent = parse(line)
        if sent:
            self.sent.append(sent)

    def below(self, pid: int, roots: Set[int]) -> bool:
        """Return whether `pid` is one of `roots` or was started, however far back, by one."""
        for _ in range(64):
            if pid in roots:
                return True
            if pid not in self.parents:
                return False
            pid = self.parents[pid]
        return False

    def __exit__(self, *_: object) -> None:
        self._stop = True
        if self._thread:
            self._thread.join(2)
        if self.works:
            with suppress(OSError):
                os.close(self._pipe)
        self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self._write("tracing_on", "0")
        with suppress(OSError):
            os.rmdir(self.folder)
