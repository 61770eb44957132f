"""The watchdog's memory: one outage, all that survives a kill -9, and watch.json that holds it."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

from ..errors import SettingsError
from ..files import (
    is_private,
    memory,
    memory_dir,
    private_dir,
    read_json,
    set_aside,
    write_json,
)
from ..host import Host
from ..locks import lock_held
from ..model import Healed, Text, Tried
from ..openclaw.home import Home
from ..openclaw.judge import Memory

NOTHING = Text("", "")
SAME_BOOT = 5.0  # s: a clock that was set since makes the memory of a watchdog worthless, no more
CLOCK_SET = 5.0  # s between two clocks from which on one of them was set
LATELY = 60.0  # s since a watchdog that was killed last noted something: its successor comes
GAP = 120.0  # s between the last good look and the first bad one that still count as one outage


@dataclass(frozen=True)
class Incident:
    """One outage. Times are epoch seconds.

    began: why it was opened when no verdict was the reason ("process-ended", with `exit_code`);
    else `reason` is the verdict's. treated: keys of the causes level 3 has already worked on.
    """

    id: str
    opened: float
    state: str
    reason: Text = NOTHING
    began: str = ""
    exit_code: Optional[int] = None
    restarts: int = 0
    next_restart: float = 0.0
    treated: Tuple[str, ...] = ()
    escalated: bool = False
    # the state in which level 3 said that only a person can fix it: no restarts while it stays
    # that one
    hopeless: str = ""
    healed: Optional[Healed] = None
    ready_since: float = 0.0
    loop: bool = False
    announced: bool = False
    pending: str = ""  # level 3 was called for this and has not returned yet
    unanswered: int = 0
    # a start of this incident died before it was ever ready: level 3 need not wait for a third
    stillborn: bool = False
    # somebody changed what a start depends on: one start is worth trying even after exit 78
    retry: bool = False
    retries: int = 0  # such starts so far; they end nothing that runs, so they are no restarts
    retried: float = 0.0
    changed: float = 0.0  # when it was changed last
    cause: Text = NOTHING
    tried: Tuple[Tried, ...] = ()  # what level 3 did without success
    last_good: float = 0.0  # the last look that found it ready, before it began

    @property
    def since(self) -> float:
        """When service ended: the last good look where there was one shortly before, else the first
        bad one.
        """
        return self.last_good if 0 < self.opened - self.last_good <= GAP else self.opened


@dataclass(frozen=True)
class WatchState:
    """All that survives a kill -9 of the watchdog. Times are epoch seconds."""

    incident: Optional[Incident] = None
    crashes: Tuple[float, ...] = ()
    restarts: Tuple[float, ...] = ()
    hard_kills: Tuple[float, ...] = ()
    streak: int = 0
    pid: Optional[int] = None
    expected_new_pid: bool = False  # we restarted it ourselves: the next new pid is no crash
    last_good: float = 0.0
    noted: Tuple[str, ...] = ()  # states that were told once and have not ended
    degraded_since: float = 0.0
    quiet_since: float = 0.0  # neither serving nor judged to be an outage since
    ends: Tuple[float, ...] = ()  # orderly ends that were not ours
    fingerprint: str = ""
    good: str = ""  # fingerprint of the configuration that was last kept as good
    ready_pid: Optional[int] = None  # the last process that was seen to serve
    # What judging remembers, in monotonic seconds of this boot, for others who look meanwhile.
    looks: Memory = Memory()
    boot: float = 0.0  # when this boot began by the clock: the times of another boot mean nothing


def shift(state: WatchState, delta: float) -> WatchState:
    """Move every remembered time by `delta`: a clock that was set, or a host that slept, must not
    look like time that passed.
    """

    def moved(times: Tuple[float, ...]) -> Tuple[float, ...]:
        return tuple(t + delta for t in times)

    incident = state.incident
    if incident:
        incident = replace(
            incident,
            opened=incident.opened + delta,
            last_good=incident.last_good + delta if incident.last_good else 0.0,
            next_restart=incident.next_restart + delta if incident.next_restart else 0.0,
            ready_since=incident.ready_since + delta if incident.ready_since else 0.0,
            retried=incident.retried + delta if incident.retried else 0.0,
            changed=incident.changed + delta if incident.changed else 0.0,
        )
    return replace(
        state,
        incident=incident,
        crashes=moved(state.crashes),
        ends=moved(state.ends),
        restarts=moved(state.restarts),
        hard_kills=moved(state.hard_kills),
        last_good=state.last_good + delta if state.last_good else 0.0,
        degraded_since=state.degraded_since + delta if state.degraded_since else 0.0,
        quiet_since=state.quiet_since + delta if state.quiet_since else 0.0,
    )


# -- the file ----------------------------------------------------------------------------------
def load(home: Home) -> Tuple[WatchState, Optional[str]]:
    """Return the state last saved, or a new one; and the new name of a damaged file that was set
    aside.
    """
    state, wrong = peek(home)
    if wrong:
        return WatchState(), set_state_aside(home)
    return state or WatchState(), None


def set_state_aside(home: Home) -> str:
    """Move the file aside; return its new name, or its own where it cannot be moved."""
    path = _newest(home)
    return set_aside(path) or str(path)


def peek(home: Home) -> Tuple[Optional[WatchState], str]:
    """As load(), for one who only looks: None where there is no file, and what is wrong with a
    damaged one, which stays where it is.
    """
    path = _newest(home)
    try:
        raw = read_json(path)
        return (None if raw is None else _state(raw)), ""
    except SettingsError as error:
        return None, error.message
    except (TypeError, AttributeError, ValueError, KeyError, RecursionError) as error:
        return None, "{}: {}".format(path, error)


def save(home: Home, state: WatchState) -> None:
    """Write the state, in memory_dir() where the disk refuses; that refusal is raised all the same
    (OSError), since somebody has to be told.
    """
    value = asdict(state)
    if state.incident:
        for name in ("reason", "cause"):
            text = getattr(state.incident, name)
            value["incident"].update({name: text.en, name + "_zh": text.zh})
    spare = memory_dir(home.state_dir) / "watch.json"
    try:
        private_dir(home.doctor_dir)
        write_json(home.doctor_dir / "watch.json", value)
    except OSError:
        with contextlib.suppress(OSError):
            memory(home.state_dir)
            write_json(spare, value)
        raise
    if is_private(spare.parent):
        with contextlib.suppress(OSError):
            spare.unlink()


def _newest(home: Home) -> Path:
    """The file that was written last: the one in memory while the disk refuses."""
    here, spare = home.doctor_dir / "watch.json", memory_dir(home.state_dir) / "watch.json"
    if is_private(spare.parent) and os.path.exists(spare):
        try:
            return spare if spare.stat().st_mtime_ns > here.stat().st_mtime_ns else here
        except OSError:
            return spare
    return here


def pause(home: Home, host: Host) -> Tuple[float, str]:
    """Epoch seconds at which a pause ends, 0.0 without one; and what is wrong with a damaged
    pause.json (then nothing is paused).

    A clock that is set back makes a pause no longer than it was meant to be: in the boot of its
    beginning the monotonic clock counts, before its beginning nothing but its length.
    """
    path = home.doctor_dir / "pause.json"
    try:
        kept = read_json(path) or {}
        until, since, mono = (float(kept.get(name, 0)) for name in ("until", "since", "mono"))
        boot, now = str(kept.get("boot") or ""), host.now()
        if not math.isfinite(until + since + mono):
            raise ValueError(until)
    except SettingsError as error:
        return 0.0, error.message
    except OSError as error:
        return 0.0, "{}: {}".format(path, error.strerror)
    except (TypeError, AttributeError, ValueError):
        return 0.0, '{}: must be {{"until": epoch seconds}}'.format(path)
    left = until - now
    if since and boot and boot == host.boot():
        left = min(left, until - since - (host.monotonic() - mono))
    elif since and now < since:
        left = min(left, until - since - host.monotonic())
    if left <= 0:
        return 0.0, ""
    return until if abs(now + left - until) < CLOCK_SET else now + left, ""


def _state(raw: Mapping[str, Any]) -> WatchState:
    incident = raw.get("incident")
    values = _known(WatchState, raw)
    values["incident"] = _incident(incident) if incident else None
    looks = raw.get("looks")
    known = _known(Memory, looks) if isinstance(looks, dict) else {}
    values["looks"] = _checked(Memory(**known))
    return _checked(WatchState(**values))


def remembered(home: Home, host: Host) -> Memory:
    """Return the memory that one who looks now should judge with: the watchdog's while it watches
    (its lock is held) or has just been ended; of an older one only which process it saw serve.
    """
    state, _damaged = peek(home)
    if state is None:
        return Memory()
    looks, now = state.looks, host.monotonic()
    times = [t for t in (looks.pid_seen, looks.first_failure, looks.absent_since) if t is not None]
    same_boot = abs(host.now() - now - state.boot) < SAME_BOOT and max(times, default=0.0) <= now
    watched = lock_held(home.doctor_dir / "watch.lock")
    if same_boot and (watched or now - max(times, default=0.0) < LATELY):
        return replace(looks, ready_pid=state.ready_pid)
    return Memory(ready_pid=state.ready_pid)


def _incident(raw: Mapping[str, Any]) -> Incident:
    values = _known(Incident, raw)
    for name in ("reason", "cause"):
        en = str(raw.get(name) or "")
        values[name] = Text(en, str(raw.get(name + "_zh") or en))
    values["tried"] = tuple(_tried(one) for one in raw.get("tried") or ())
    healed = raw.get("healed")
    if healed:
        values["healed"] = Healed(
            int(healed["level"]),
            str(healed["how"]),
            tuple(_tried(one) for one in healed.get("tried") or ()),
        )
    elif raw.get("healed_by"):
        values["healed"] = _healed_of_1_0(str(raw["healed_by"]))
    return _checked(Incident(**values))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) < 1e15


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and type(value) is not bool


# by the type as it is written in the dataclass; what is not here was built by us
_FITS: Dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "int": _is_whole,
    "float": _is_number,
    "Optional[int]": lambda value: value is None or _is_whole(value),
    "Optional[float]": lambda value: value is None or _is_number(value),
    "Tuple[float, ...]": lambda value: isinstance(value, tuple) and all(map(_is_number, value)),
    "Tuple[str, ...]": lambda value: (
        isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    ),
}
Made = TypeVar("Made", Incident, WatchState, Memory)


def _checked(made: Made) -> Made:
    """The value, when every field is of its type. Raise ValueError naming the first that is not:
    it would make every look fail, without end.
    """
    for spot in fields(made):
        if not _FITS.get(str(spot.type), lambda value: True)(getattr(made, spot.name)):
            raise ValueError("{} is of a wrong type".format(spot.name))
    return made


def _known(kind: Any, raw: Mapping[str, Any]) -> Dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in raw.items()
        if key in names
    }


def _tried(raw: Any) -> Tried:
    """A repair and its outcome; 1.0.0 kept them as one string, "restore-config: failed"."""
    if isinstance(raw, str):
        repair, _, outcome = raw.partition(": ")
        return Tried(repair, outcome)
    loss = raw.get("loss") or ("", "")
    keys = tuple(str(key) for key in raw.get("keys") or ())
    return Tried(str(raw["repair"]), str(raw["outcome"]), Text(str(loss[0]), str(loss[1])), keys)


def _healed_of_1_0(text: str) -> Healed:
    """1.0.0 kept the heal of an open incident as "level 3: restore-config: healed, ..."."""
    names: List[str] = [name for name in text[len("level 3: ") :].split(", ") if name]
    return Healed(3, "doctor", tuple(_tried(name) for name in names))
