"""What must hold at every moment (docs/safety.md, I1 to I10), checked at every event of a run."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from . import ground
from .patches import real_open

OURS = (
    "watchdog",
    "treat",
    "keeper",
    "keep-good",
    "inspect",
    "record",
    "notify",
    "preflight",
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
LATE = 420.0  # s after which a deaf process must have been ended, where nothing else is wrong
UNSTARTED = 900.0  # s after a stop of ours without a start and without a word
PLAIN = ("hang", "process", "start")  # families that disturb nothing but the gateway itself
FILES, BYTES = 1500, 60 << 20  # what our own directory may hold after a run


@dataclass
class Violation:
    invariant: str
    at: float
    what: str


class Invariants:
    """Listens to the world. The first violation of each invariant is kept; the run goes on (or stops, when told to)."""

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

    # -- signals (I1, I2, I6) -----------------------------------------------------------------------------------------
    def signalled(self, proc: Any, number: int, by: str) -> None:
        self.checks += 1
        if not self.ours(by) or number not in DEADLY:
            if proc.kind == "gateway" and number in DEADLY and by == "owner":
                self.stopped_by, self.stopped_at = "owner", self.world.mono
            return
        if proc.kind in ("ours", "helper") and (
            proc.kind == "helper" or number == signal.SIGUSR1 or self._child(proc, by)
        ):
            return
        gateway = next((g for g in self.world.gateways if g.proc is proc), None)
        if gateway is None or not gateway.own:
            self.violated(
                "I2",
                "{} sent {} to {} (pid {}, {})".format(
                    by, signal.Signals(number).name, " ".join(proc.argv)[:80], proc.pid, proc.kind
                ),
            )
            return
        self._touched(gateway, by, signal.Signals(number).name)
        if number == signal.SIGKILL:
            self.hard.append(self.world.mono)
            recent = [t for t in self.hard if self.world.mono - t < HARD_WINDOW]
            if len(recent) > HARD:
                self.violated(
                    "I6",
                    "{} hard kills within {:.0f} s".format(len(recent), recent[-1] - recent[0]),
                )

    def _child(self, proc: Any, by: str) -> bool:
        """A program that the sender itself started."""
        return proc.kind == "ours" and proc.ppid != 1 or by == "keeper"

    def asked(self, by: str, what: str, gateway: Any) -> None:
        """Somebody has the service manager stop or restart the gateway."""
        if by == "owner":
            self.stopped_by, self.stopped_at = "owner", self.world.mono
        elif self.ours(by):
            self._touched(gateway, by, what)

    def _touched(self, gateway: Any, by: str, how: str) -> None:
        world = self.world
        self.stopped_by, self.stopped_at = by, world.mono
        since = world.mono - gateway.ready_since
        if gateway.answers_ready() and since > SURE:
            self.violated(
                "I1",
                "{}: {} to gateway {} that answers ready for {:.1f} s on {}://:{}".format(
                    by, how, gateway.proc.pid, since, gateway.scheme, gateway.port
                ),
            )
        stalled = world.mono - gateway.deaf_since
        ends_in = gateway.deaf_until - world.mono
        if (
            gateway.ready
            and gateway.deaf_busy
            and gateway.proc.state == "R"
            and 0 < ends_in
            and stalled + ends_in <= PATIENCE
        ):
            self.violated(
                "I1-stall",
                "{}: {} to a gateway that is busy for {:.0f} s and free in {:.0f} s".format(
                    by, how, stalled, ends_in
                ),
            )
        birth = gateway.birth
        starting = (
            not gateway.ready
            and not gateway.draining
            and not gateway.lost_port
            and not birth.never_ready
        )
        dies = birth.exit_at and birth.exit_at < birth.boot
        if starting and not dies and gateway.deaf_left() == 0.0 and gateway.config_raw:
            if birth.boot <= (STARTS if birth.busy and birth.talks else 300.0):
                self.violated(
                    "I1-start",
                    "{}: {} to a start of {:.0f} s after {:.0f} s (busy {}, talks {})".format(
                        by, how, birth.boot, gateway.age, birth.busy, birth.talks
                    ),
                )

    # -- whose wish (I5) ----------------------------------------------------------------------------------------------
    def asked_start(self, by: str) -> None:
        world = self.world
        if self.ours(by) and world.intent == "down" and world.mono - world.intent_since > 3.0:
            self.violated(
                "I5-will",
                "{} starts the gateway {:.0f} s after its owner stopped it".format(
                    by, world.mono - world.intent_since
                ),
            )

    def intent_changed(self) -> None:
        self.down_since = None if self.world.intent != "up" else self.world.mono

    def after_tick(self, dog: Any) -> None:
        world = self.world
        self.checks += 1
        self.dog = dog
        self.failed_ticks = 0
        state = dog.verdict.state.value if dog.verdict else ""
        if (
            state == "stopped_by_operator"
            and world.intent == "up"
            and world.mono - world.intent_since > 30.0
        ):
            if self.ours(self.stopped_by):
                self.violated(
                    "I5",
                    "stopped by our {} {:.0f} s ago, and called the owner's stop".format(
                        self.stopped_by, world.mono - self.stopped_at
                    ),
                )

    # -- the gateway's life (I7) --------------------------------------------------------------------------------------
    def became_ready(self, gateway: Any) -> None:
        self.down_since = None

    def ended(self, gateway: Any) -> None:
        if self.down_since is None and self.world.intent == "up":
            self.down_since = self.world.mono

    def look(self) -> None:
        """Called now and then: is there an outage that nobody heals and nobody was told of?"""
        world = self.world
        self.checks += 1
        gateway = world.gateway()
        up = gateway is not None and gateway.answers_ready()
        if up or world.intent != "up" or world.off:
            self.down_since = None
            return
        if self.down_since is None:
            self.down_since = world.mono
        if not world.watching:
            self.down_since = world.mono
        lasted = world.mono - self.down_since
        self._late(gateway)
        if gateway is None and self.ours(self.stopped_by) and not self._told(lasted):
            if min(lasted, world.mono - self.stopped_at) > UNSTARTED and not world.bad_births:
                self.violated(
                    "I5",
                    "stopped by our {} {:.0f} s ago, not started, nobody told".format(
                        self.stopped_by, world.mono - self.stopped_at
                    ),
                )
        if lasted > BOUND and not self._told(lasted):
            self.violated(
                "I7",
                "not ready for {:.0f} s, and nobody was told ({})".format(
                    lasted, self._why(gateway)
                ),
            )

    def _told(self, lasted: float) -> bool:
        return any(at >= self.world.mono - lasted - 60.0 for at, _alert in self.world.told)

    def _late(self, gateway: Any) -> None:
        """Where nothing else is wrong, a gateway that is deaf for good is ended."""
        world = self.world
        if gateway is None or not gateway.ever_ready or not all(f in PLAIN for f in world.families):
            return
        since = min(gateway.deaf_since, gateway.stopped_since)
        if gateway.deaf_left() < 1e6 or world.mono - since < LATE or not world.watching:
            return
        told = self.down_since is not None and self._told(world.mono - self.down_since)
        if (
            told
            or any(world.mono - t < 2 * HARD_WINDOW for t in self.hard)
            or world.waiting_children()
        ):
            return
        self.violated(
            "I7-late",
            "deaf for {:.0f} s (state {}), and nothing was done".format(
                world.mono - since, gateway.proc.state
            ),
        )

    def calm(self) -> bool:
        """Whether nothing is under way: a gateway that is ready with nothing left to happen to it, or one that its owner stopped."""
        world, dog = self.world, self.dog
        if (
            dog is None
            or dog.state.incident is not None
            or world.bad_births
            or world.waiting_children()
        ):
            return False
        gateway = world.gateway()
        if gateway is None:
            return bool(
                world.intent == "down"
                and dog.verdict
                and dog.verdict.state.value == "stopped_by_operator"
            )
        birth = gateway.birth
        more = birth.exit_at or birth.deaf_after and gateway.deaf_since == float("inf")
        return bool(
            gateway.answers_ready()
            and not more
            and dog.verdict
            and dog.verdict.state.value == "healthy"
        )

    @staticmethod
    def _why(gateway: Any) -> str:
        if gateway is None:
            return "no process"
        return "pid {} ready {} deaf {:.0f} draining {}".format(
            gateway.proc.pid, gateway.ready, min(gateway.deaf_left(), 1e6), gateway.draining
        )

    # -- the owner's bytes (I4), databases (I5) -----------------------------------------------------------------------
    def owner_wrote(self, path: str) -> None:
        """What the owner replaces himself is not ours to keep."""

    def changed(self, kind: str, path: str, before: bytes) -> None:
        """One of our programs has just replaced, moved or removed this file."""
        world = self.world
        self.checks += 1
        gateway = world.gateway()
        if path in self.databases and gateway is not None and gateway.ready and gateway.proc.alive:
            self.violated(
                "I5-data",
                "{} {}s the database under a gateway that is up".format(world.who(), kind),
            )
        if world.owner_bytes.get(path) != before and path not in self.databases:
            return
        after = _read(path)
        if after == before:
            return
        self.displaced.append((path, before))
        if not self._kept(before):
            self.violated(
                "I4",
                "{} {}s {} over the owner's bytes, and no copy is kept".format(
                    world.who(), kind, os.path.basename(path)
                ),
            )

    def _kept(self, raw: bytes) -> bool:
        for folder, _folders, names in os.walk(str(self.world.state_dir)):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.getsize(path) == len(raw) and _read(path) == raw:
                        return True
                except OSError:
                    continue
        return False

    def _edit_kept(self) -> None:
        """In the end a valid edit of the owner is what the gateway runs with, whatever crashed meanwhile."""
        world = self.world
        path = str(world.config_path)
        raw = world.owner_bytes.get(path)
        now = _read(path)
        if raw is None or now is None or raw == now or not self.calm():
            return
        if not ground.judge_config(raw)[1] and ground.note_of(raw) != ground.note_of(now):
            self.violated(
                "I4-valid",
                "the owner's valid edit ({}) is gone from openclaw.json ({})".format(
                    ground.note_of(raw), ground.note_of(now)
                ),
            )

    # -- our own programs (I9, I10) -----------------------------------------------------------------------------------
    def child_failed(self, name: str, error: BaseException) -> None:
        if not isinstance(error, OSError):
            self.violated("I9-child", "{} fell over: {!r}".format(name, error))

    def watchdog_ended(self, task: Any) -> None:
        world = self.world
        if task.error is not None:
            self.violated("I9", "the watchdog died of {!r}".format(task.error))
        elif task.code not in (0, -9):
            self.ends.append(world.mono)
            recent = [t for t in self.ends if world.mono - t < 300.0]
            if len(recent) >= 5:
                self.violated(
                    "I9",
                    "the watchdog ended with {} for the {}th time in 5 minutes".format(
                        task.code, len(recent)
                    ),
                )

    def at_end(self) -> None:
        """What a finished run has to leave behind."""
        world = self.world
        self.look()
        for path, raw in self.displaced:
            if _read(path) != raw and not self._kept(raw):
                self.violated(
                    "I4",
                    "the owner's bytes of {} were kept and are gone again".format(
                        os.path.basename(path)
                    ),
                )
        self._edit_kept()
        files = size = 0
        for folder, _folders, names in os.walk(str(world.doctor_dir)):
            for name in names:
                files += 1
                try:
                    size += os.path.getsize(os.path.join(folder, name))
                except OSError:
                    continue
        if files > FILES or size > BYTES:
            self.violated("I10", "{} files, {} bytes in our directory".format(files, size))


def _read(path: str) -> Optional[bytes]:
    try:
        with real_open(path, "rb") as handle:
            return bytes(handle.read())
    except OSError:
        return None
