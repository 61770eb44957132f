"""Nothing but OpenClaw with the restart rules of its own systemd unit: Restart=always,
RestartSec=5, RestartPreventExitStatus=78, at most 10 starts in 300 s.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .base import Base

if TYPE_CHECKING:
    from ..place import Place

LOOP = str(Path(__file__).resolve().parent.parent / "unit_loop.py")


class Subject(Base):
    name = "none"
    title = "OpenClaw with the rules of its own unit, nothing else"

    def version(self) -> str:
        return "Restart=always, RestartSec=5, not after 78"

    def arm(self, place: "Place") -> None:
        run = self.rewrite_run(place)
        place.spawn([sys.executable, LOOP, str(run)], "unit.log", subject=True)

    def operator_stop(self, place: "Place") -> None:
        for pid in place.subject_roots:
            os.kill(pid, signal.SIGUSR1)

    def operator_restart(self, place: "Place") -> None:
        for pid in place.subject_roots:
            os.kill(pid, signal.SIGUSR2)

    def disarm(self, place: "Place") -> None:
        self.end_roots(place, 40)
