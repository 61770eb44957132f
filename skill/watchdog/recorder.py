"""Keeps what each look saw, for charts and metrics, and lets them be read: an observer that cannot
break the watch.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from pathlib import Path
from typing import Deque, List, Optional, Tuple

from ..host import Host
from ..model import Verdict
from ..openclaw.gateway import Observation
from ..openclaw.home import Home
from ..settings import Settings
from ..store import samples
from ..store.samples import Row, Samples
from ..store.watch_state import WatchState
from . import forecast
from .children import Children

MB = 1048576.0
DENSE = 600  # looks that are kept as they are: ten seconds apart, an hour and a half
COARSE = 420  # minutes that are kept for slow leaks
TAIL = 100_000  # bytes of samples.jsonl in which they are found again after a restart of ours


class Recorder:
    """look() after each look; once a minute it costs about a millisecond."""

    def __init__(self, host: Host, home: Home, children: Children) -> None:
        self.host, self.children = host, children
        self.samples = Samples(home)
        self.dense: Deque[forecast.Sample] = deque(maxlen=DENSE)
        self.minutes: Deque[forecast.Sample] = deque(maxlen=COARSE)
        self.limit = forecast.memory_limit(host.system)
        self.end: Optional[forecast.Forecast] = None  # of the process that runs now
        self._pid: Tuple[Optional[int], float] = (None, 0.0)
        self._below = 0.0  # MB of its children, as of the last row
        self._counted = 0.0  # the newest restart or crash that was counted

    def look(
        self,
        now: float,
        verdict: Verdict,
        seen: Observation,
        state: WatchState,
        home: Home,
        settings: Settings,
    ) -> None:
        """Count this look and, when a row is due, write it and refresh what reads it."""
        with contextlib.suppress(Exception):
            self.samples.home = home
            due = self.samples.look(now, verdict.state, state.incident is not None)
            self._process(now, seen, home)
            self._count(now, state, home)
            if not due:
                return
            row = self._row(now, verdict, seen, home)
            self._below = row.children
            if row.pid:
                self.minutes.append(forecast.Sample(now, row.rss + row.children))
            self.samples.write(row)
            listen, target = str(settings["metrics.listen"]), str(settings["metrics.textfile"])
            if listen and not self.children.busy("metrics"):
                self.children.start("metrics", ["metrics", "--listen", listen])
            if target and not self.children.busy("textfile"):
                self.children.start("textfile", ["metrics", "--textfile", target])

    def _process(self, now: float, seen: Observation, home: Home) -> None:
        """Follow the memory of the process that runs now; another process is another series."""
        process = seen.process
        if process is None:
            return
        mine = (process.pid, process.started)
        if mine != self._pid:
            if self._pid[0] is not None:
                self.samples.count(now, "starts")
                self.minutes.clear()
            else:  # this watchdog is new, the process need not be
                before = [row for row in samples.rows(home, TAIL) if row.pid == process.pid]
                self.minutes.extend(forecast.Sample(r.at, r.rss + r.children) for r in before)
            self.dense.clear()
            self._pid, self.end, self._below = mine, None, 0.0
        # the whole process table is read once a minute, not at every look
        self.dense.append(forecast.Sample(now, process.rss / MB + self._below))
        self.end = forecast.forecast(self._series(), self.limit, started=process.started)

    def _series(self) -> List[forecast.Sample]:
        """The minutes, and from where the looks begin those."""
        first = self.dense[0].at if self.dense else 0.0
        return [one for one in self.minutes if one.at < first] + list(self.dense)

    def _count(self, now: float, state: WatchState, home: Home) -> None:
        if not self._counted:
            last = samples.rows(home, 4096)
            self._counted = last[-1].at if last else now
        for name, times in (("restarts", state.restarts), ("crashes", state.crashes)):
            self.samples.count(now, name, sum(at > self._counted for at in times))
        self._counted = max((self._counted, *state.restarts, *state.crashes))

    def _row(self, now: float, verdict: Verdict, seen: Observation, home: Home) -> Row:
        process = seen.process
        return Row(
            at=round(now, 1),
            state=verdict.state.value,
            pid=process.pid if process else None,
            started=process.started if process else 0.0,
            ms=round(seen.seconds * 1000, 1),
            rss=round(process.rss / MB, 1) if process else 0.0,
            children=round(self.host.family(process.pid) / MB, 1) if process else 0.0,
            disk_free=round(_free(home.state_dir) / MB, 1),
            databases=round(_databases(home.state_dir) / MB, 1),
            failing=tuple(seen.failing),
            exit_code=_exit_code(seen),
        )


def _free(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return float(shutil.disk_usage(str(folder)).free)
    return 0.0


def _databases(state_dir: Path) -> float:
    """Return the bytes of OpenClaw's databases with what is not yet merged into them."""
    total = 0
    for pattern in ("state/*.sqlite*", "agents/*/agent/*.sqlite*"):
        for path in state_dir.glob(pattern):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
    return float(total)


def _exit_code(seen: Observation) -> Optional[int]:
    code = getattr(seen.service, "exit_code", None)
    return code if isinstance(code, int) else None
