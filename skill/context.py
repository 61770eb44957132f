"""What every check, repair and bridge is handed: the host, the gateway's places, the settings, and
what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, List, Mapping, Optional

from .host import Host
from .model import Finding, State, Text, Verdict
from .openclaw.home import Home
from .settings import Settings

if TYPE_CHECKING:
    from .openclaw.gateway import Observation
    from .platforms.base import Platform

UNKNOWN = Verdict(State.UNKNOWN, Text("not looked at yet", "尚未检查"))


@dataclass(frozen=True)
class Context:
    """One look at one gateway. Frozen: a new look is a new Context (see with_verdict)."""

    host: Host
    home: Home
    settings: Settings
    verdict: Verdict = UNKNOWN
    # the newest boot's log lines, oldest first, bounded, not redacted: never print or send as they
    # are
    logs: str = ""
    platform: Optional[Platform] = None  # the service manager in charge
    last_good: Optional[Mapping[str, Any]] = (
        None  # lastgood.newest(): config copies and inventory of the last healthy run
    )

    seen: Optional[Observation] = None  # what the verdict was judged from

    def with_verdict(self, verdict: Verdict) -> "Context":
        return replace(self, verdict=verdict)

    def findings(self, check_id: str) -> List[Finding]:
        return [f for f in self.verdict.findings if f.check_id == check_id]

    def finding(self, check_id: str) -> Optional[Finding]:
        found = self.findings(check_id)
        return found[0] if found else None
