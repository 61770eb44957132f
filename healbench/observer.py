"""What happened to one gateway, in time. Times are time.monotonic() seconds."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from . import procs
from .place import Place, ask

EVERY_S = 0.25
COSTS_EVERY_S = 2.0


@dataclass(frozen=True)
class Look:
    """One probe. gateways: processes of this state directory that were there."""

    at: float
    ready: bool
    status: int
    gateways: Tuple[procs.Who, ...] = ()
    silent: bool = False  # ready, and channels do not run


@dataclass
class Seen:
    """All looks of a case, in order, and what was summed up beside them."""

    looks: List[Look] = field(default_factory=list)
    rss_peak: int = 0
    cpu_s: float = 0.0
    marks: Dict[str, float] = field(default_factory=dict)

    def since(self, at: float) -> List[Look]:
        return [look for look in self.looks if look.at >= at]

    def before(self, at: float) -> Optional[Look]:
        """The last look before a moment."""
        found = None
        for look in self.looks:
            if look.at >= at:
                break
            found = look
        return found

    def ready_for(self, now: float) -> float:
        """For how many seconds it has been ready without a break, up to now."""
        began = None
        for look in reversed(self.looks):
            if not look.ready:
                break
            began = look.at
        return now - began if began is not None else 0.0

    def ready_at(self, since: float) -> Optional[float]:
        """When the last unbroken time of readiness began, not before `since`."""
        began = None
        for look in reversed(self.looks):
            if not look.ready or look.at < since:
                break
            began = look.at
        return began

    def down_at(self, since: float) -> Optional[float]:
        """When it was first seen not ready, or as another process, after `since`."""
        first = self.before(since)
        known = set(first.gateways) if first else set()
        for look in self.since(since):
            if not look.ready or (known and not known & set(look.gateways)):
                return look.at
        return None

    def ends(self, since: float) -> List[Tuple[float, procs.Who, bool]]:
        """Each gateway process that went away: (when, which, ready at the last look before)."""
        found = []
        last: Dict[procs.Who, Look] = {}
        present: Dict[procs.Who, bool] = {}
        for look in self.looks:
            for who in list(present):
                if present[who] and who not in look.gateways:
                    present[who] = False
                    if look.at >= since:
                        found.append((look.at, who, last[who].ready))
            for who in look.gateways:
                present[who] = True
                last[who] = look
        return found

    def starts(self, since: float) -> int:
        """How many gateway processes appeared after `since`."""
        before = {who for look in self.looks if look.at < since for who in look.gateways}
        return len({w for look in self.since(since) for w in look.gateways} - before)


class Observer:
    """Looks until it is stopped, in a thread of its own."""

    def __init__(self, place: Place) -> None:
        self.place, self.seen = place, Seen()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._cpu: Dict[procs.Who, int] = {}

    def start(self) -> "Observer":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        costs_at = 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                rows = self.place.known.rows()
                gateways = self.place.gateways(rows)
                self.seen.looks.append(self.look(gateways))
                if began >= costs_at:
                    costs_at = began + COSTS_EVERY_S
                    self._costs(rows, gateways)
                self.place.reap()
            except (OSError, ValueError):
                pass
            self._stop.wait(max(0.02, EVERY_S - (time.monotonic() - began)))

    def look(self, gateways: List[procs.Row]) -> Look:
        answer = ask(self.place.port)
        silent = bool(answer.body.get("suppressed"))
        whos = tuple(one.who for one in gateways)
        # an answer on our port is ours only while a gateway of ours is there
        ready = answer.ready and bool(whos)
        return Look(time.monotonic(), ready, answer.status, whos, silent)

    def _costs(self, rows: List[procs.Row], gateways: List[procs.Row]) -> None:
        """Memory and CPU of the subject alone: its tree without the gateway's."""
        theirs = procs.tree(self.place.subject_roots, rows)
        own = procs.tree([one.pid for one in gateways], rows)
        mine = [one for one in rows if one.pid in theirs - own]
        self.seen.rss_peak = max(self.seen.rss_peak, sum(one.rss for one in mine))
        for one in mine:
            self._cpu[one.who] = max(one.cpu, self._cpu.get(one.who, 0))
        self.seen.cpu_s = sum(self._cpu.values()) / 100.0


def as_json(seen: Seen, zero: float) -> List[Dict[str, Any]]:
    """The changes between looks, for the reader of a result."""
    out: List[Dict[str, Any]] = []
    last: Optional[Tuple[Any, ...]] = None
    for look in seen.looks:
        now = (look.ready, look.status, look.gateways)
        if now != last:
            pids = [who[0] for who in look.gateways]
            out.append({"s": round(look.at - zero, 2), "http": look.status, "pids": pids})
            out[-1]["ready"] = look.ready
        last = now
    return out
