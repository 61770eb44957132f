"""Who ended, stopped and started the gateway, when and why: one file for all levels, written before
each act.

Two things are read from it: how many hard kills the last five minutes saw (OpenClaw's crash-loop
breaker counts them), and whether a stop of ours still waits for its start, so that nobody takes it
for the owner's. The keeper, which imports nothing of ours, appends the same lines itself.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Dict, List, Optional

from ..files import is_private, json_bounded, memory, memory_dir, private_dir, tail_bytes
from ..host import Host
from .home import Home

NAME = "ledger.jsonl"
HARD_WINDOW = 300.0  # OpenClaw's breaker trips at 3 unclean boots in 5 minutes (measured)
HARD_LIMIT = 2
MAX_BYTES = 65536  # then the file becomes ledger.jsonl.1; both are read
STOPS = ("stop",)
ENDS = ("terminate", "kill", "stop")
UNKEPT = "its manager calls it stopped"
STARTS = ("start", "restart", "serving")  # what a stop of ours waits for
# what was seen of the owner's will where no manager keeps it: ended on purpose; started again
STOPPED, LIVING = "stopped", "living"


@dataclass(frozen=True)
class Act:
    """One act. at: epoch seconds. mono: the monotonic clock of that boot. act: "terminate" | "kill"
    (signals), "stop" | "start" | "restart" (the service manager), "serving" (seen, not done; why is
    UNKEPT where the manager called it stopped at that moment: somebody started it by hand),
    STOPPED | LIVING (seen: its owner ended it; a process is there again).
    """

    act: str
    at: float
    mono: float = 0.0
    boot: str = ""
    who: str = ""
    why: str = ""
    incident: str = ""
    pid: int = 0


class Ledger:
    """The ledger of one gateway. Reading and writing never raise: an act must not wait for its
    bookkeeping.
    """

    def __init__(self, host: Host, home: Home) -> None:
        self.host, self.home = host, home
        self._unwritten: List[Act] = []

    def note(
        self, act: str, *, who: str, why: str = "", incident: str = "", pid: Optional[int] = None
    ) -> bool:
        """Keep that this act comes now. False where it is only remembered in this process."""
        entry = Act(
            act,
            round(self.host.now(), 3),
            round(self.host.monotonic(), 3),
            _boot(),
            who,
            why[:200],
            incident,
            pid or 0,
        )
        raw = (json.dumps(asdict(entry), ensure_ascii=False) + "\n").encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            _append(private_dir(self.home.doctor_dir) / NAME, raw)
            return True
        with contextlib.suppress(OSError):
            _append(memory(self.home.state_dir) / NAME, raw, sync=False)
            return True
        self._unwritten.append(entry)
        return False

    def mark(self) -> str:
        """Differs after anybody wrote."""
        found = []
        for folder in (self.home.doctor_dir, memory_dir(self.home.state_dir)):
            with contextlib.suppress(OSError):
                seen = os.stat(str(folder / NAME))
                found.append("{}:{}".format(seen.st_mtime_ns, seen.st_size))
        return " ".join(found) or "none"

    def acts(self) -> List[Act]:
        """What is remembered, oldest first."""
        folders = [self.home.doctor_dir]
        if is_private(memory_dir(self.home.state_dir)):
            folders.append(memory_dir(self.home.state_dir))
        found = [
            act
            for folder in folders
            for name in (NAME + ".1", NAME)
            for act in map(_read, tail_bytes(folder / name, 2 * MAX_BYTES).splitlines())
            if act is not None
        ]
        return sorted(found + self._unwritten, key=lambda act: act.at)

    def hard_kills(self) -> List[float]:
        """Epoch seconds of the hard kills of the last five minutes, no matter by whom."""
        return [act.at for act in self.acts() if act.act == "kill" and self.age(act) < HARD_WINDOW]

    def may_kill(self) -> bool:
        return len(self.hard_kills()) < HARD_LIMIT

    def age(self, act: Act) -> float:
        """Seconds since an act. A clock that was set meanwhile makes none of them older."""
        by_clock = max(0.0, self.host.now() - act.at)
        passed = self.host.monotonic() - act.mono
        same_boot = bool(act.boot) and act.boot == _boot() and passed >= 0
        return min(by_clock, passed) if same_boot else by_clock

    def owed_start(self) -> Optional[Act]:
        """The stop of ours after which nothing was started yet, and no gateway seen serving."""
        last = next((act for act in reversed(self.acts()) if act.act in STOPS + STARTS), None)
        return last if last is not None and last.act in STOPS and last.who != "owner" else None

    def since_stop(self, mono: float) -> Optional[Act]:
        """The newest act that shows a process living after a stop that the manager noted at this
        monotonic second of this boot (0.0: unknown): seen, served, or ended by us. None where none
        does.
        """
        for act in reversed(self.acts()):
            later = bool(mono) and act.boot == _boot() and act.mono > mono
            if act.act in (LIVING, "terminate", "kill") and later:
                return act
            if act.act in ("stop", "start", "restart") and not mono:
                return None
            if act.act == "serving":
                return act if later or (not mono and act.why == UNKEPT) else None
        return None

    def seen_stopped(self) -> bool:
        """Whether it was seen ended by its owner, and nothing ran since. The log that said so may
        be gone: another gateway writes into it, and there is a new one every day.
        """
        telling = (STOPPED, LIVING) + STARTS + ENDS
        last = next((act for act in reversed(self.acts()) if act.act in telling), None)
        return last is not None and last.act == STOPPED

    def last_end(self) -> float:
        """When a signal or a stop of ours last went to the gateway, epoch seconds; 0.0 never."""
        return max((act.at for act in self.acts() if act.act in ENDS), default=0.0)

    def started_since_end(self, until: float) -> bool:
        """Whether after our last end of it another one was started or seen alive, up to this time
        (epoch). The one that was told to end may still answer for a while.
        """
        acts = self.acts()
        last = next((at for at in reversed(range(len(acts))) if acts[at].act in ENDS), None)
        if last is None:
            return False
        return any(
            act.act == "start"
            or act.act in ("serving", LIVING)
            and acts[last].pid != 0
            and act.pid not in (0, acts[last].pid)
            for act in acts[last + 1 :]
            if act.at <= until
        )

    def ended_by_us(self, pid: int, within: float = 3600.0) -> bool:
        """Whether a signal to this process was ours."""
        return any(
            act.pid == pid and act.act in ("terminate", "kill") and self.age(act) < within
            for act in self.acts()
        )


def _append(path: Path, raw: bytes, sync: bool = True) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size > MAX_BYTES:
            os.replace(path, str(path) + ".1")
    handle = os.open(str(path), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        os.lseek(handle, max(0, size - 1), os.SEEK_SET)
        if size and os.read(handle, 1) != b"\n":
            raw = b"\n" + raw  # a line that a full disk cut short must not take this one with it
        if os.write(handle, raw) != len(raw):
            raise OSError("only a part could be written")
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


_TYPES: Dict[str, Any] = {"at": (int, float), "mono": (int, float), "pid": int}


def _read(line: bytes) -> Optional[Act]:
    """One line; None where it is cut, damaged or of another kind."""
    try:
        value = json_bounded(line.decode("utf-8", "replace"))
        known = {field.name: value[field.name] for field in fields(Act) if field.name in value}
        if all(isinstance(known[name], _TYPES.get(name, str)) for name in known):
            return Act(**known)
    except (ValueError, TypeError, RecursionError):
        pass
    return None


def _boot() -> str:
    """Differs after a reboot; "" where that cannot be told, and then no monotonic times compare."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as handle:
            return handle.read().strip()
    except OSError:
        return ""
