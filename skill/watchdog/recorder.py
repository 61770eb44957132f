"""Keeps what each look saw, for charts and metrics, and lets them be read: an observer that cannot
break the watch.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Optional

from ..host import Host
from ..model import Verdict
from ..openclaw.gateway import Observation
from ..openclaw.home import Home
from ..settings import Settings
from ..store.samples import Row, Samples
from .children import Children

MB = 1048576.0


class Recorder:
    """look() after each look; once a minute it costs about a millisecond."""

    def __init__(self, host: Host, home: Home, children: Children) -> None:
        self.host, self.children = host, children
        self.samples = Samples(home)

    def look(
        self,
        now: float,
        verdict: Verdict,
        seen: Observation,
        outage: bool,
        home: Home,
        settings: Settings,
    ) -> None:
        """Count this look and, when a row is due, write it and refresh what reads it."""
        with contextlib.suppress(Exception):
            self.samples.home = home
            if not self.samples.look(now, verdict.state, outage):
                return
            self.samples.write(self._row(now, verdict, seen, home))
            listen, target = str(settings["metrics.listen"]), str(settings["metrics.textfile"])
            if listen and not self.children.busy("metrics"):
                self.children.start("metrics", ["metrics", "--listen", listen])
            if target and not self.children.busy("textfile"):
                self.children.start("textfile", ["metrics", "--textfile", target])

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
