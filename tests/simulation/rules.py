"""What the rules of the simulation share: what is known of the run so far, and how a violation is kept."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .patch_files import real_open

OURS = (
    "watchdog",
    "treat",
    "keeper",
    "keep-good",
    "inspect",
    "record",
    "notify",
    "heal",
)
DEADLY = (
    signal.SIGTERM,
    signal.SIGKILL,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
SURE = 0.3  # s a gateway must have been ready before a signal: one that comes back during a probe answers it
PATIENCE = 60.0  # s: a busy stall of this length that ends by itself is survived
HARD, HARD_WINDOW = 2, 300.0  # hard kills in any such window
BOUND = 2400.0  # s after which an outage that nobody was told of is a quiet one
STARTS = 947.0  # s of a start that shows progress (OpenClaw's documents)
DOOMED = 120.0  # s: who ends so soon after it is ready crashes in a loop; a repair may cut its start short
LATE = 420.0  # s after which a deaf process must have been ended, where nothing else is wrong
AT_ONCE = 1.0  # s in which a start that is refused ends before anybody can look
UNSTARTED = 900.0  # s after a stop of ours without a start and without a word
QUIET = 300.0  # s without anything done, after which one that refuses to start is given up
PLAIN = ("hang", "process", "start")  # families that disturb nothing but the gateway itself
FILES, BYTES = 1500, 60 << 20  # what our own directory may hold after a run


@dataclass
class Violation:
    invariant: str
    at: float
    what: str


class Rules:
    """The first violation of each invariant is kept; the run goes on, or stops where it is told to."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.found: List[Violation] = []
        self.hard: List[float] = []
        self.down_since: Optional[float] = None
        self.databases: Dict[str, int] = {str(world.state_dir / "state" / "openclaw.sqlite"): 1}
        self.displaced: List[Any] = []  # (path, bytes) of the owner that our programs replaced
        self.stopped_by = ""  # who stopped the gateway last
        self.stopped_at = 0.0
        self.failed_ticks = 0
        self.ends: List[float] = []
        self.checks = 0
        self.dog: Any = None

    def violated(self, invariant: str, what: str) -> None:
        world = self.world
        world.note("VIOLATION {}: {}".format(invariant, what))
        if all(v.invariant != invariant for v in self.found):
            self.found.append(Violation(invariant, world.mono, what))
            if world.stop_at_first:
                world.stop()

    @staticmethod
    def ours(by: str) -> bool:
        return by in OURS


def read(path: str) -> Optional[bytes]:
    try:
        with real_open(path, "rb") as handle:
            return bytes(handle.read())
    except OSError:
        return None
