"""Peers of the field from a checkout of yours (their code is not here). Option checkout=DIR.

This file says how a checkout would be run; none has been tried with this version, so it refuses
and says so. A peer of yours: copy none.py, 30 lines.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Base, Untested

if TYPE_CHECKING:
    from ..place import Place

KNOWN = {
    "alphaclaw": ("package.json", "wraps the gateway as its child: node bin/alphaclaw.js start"),
    "ramsbaby": ("scripts/gateway-watchdog.sh", "a shell watchdog beside a service"),
    "eudonline": ("healer.py", "a Python healer beside a service"),
}


class Subject(Base):
    name = "peers"
    title = "a peer from a checkout"

    def install(self, folder: Path) -> None:
        peer = self.options.get("peer", "")
        where = self.options.get("checkout", "")
        if peer not in KNOWN:
            raise Untested("give --option peer=NAME; known: " + ", ".join(sorted(KNOWN)))
        if not where or not Path(where).is_dir():
            raise Untested("{}: no checkout (--option checkout=DIR)".format(peer))
        raise Untested(
            "{}: untested with this version ({}); a checkout is there, an adapter for it has to "
            "be written and tried first".format(peer, KNOWN[peer][1])
        )

    def arm(self, place: "Place") -> None:
        raise NotImplementedError

    def disarm(self, place: "Place") -> None:
        raise NotImplementedError
