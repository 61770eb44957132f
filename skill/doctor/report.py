"""The answer to "what is wrong?" as a value: state, cause, next step, what watches, what was found.
Reads only; `status`, `diagnose` and `watch --once` print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from ..cases import library as cases
from ..cases import matcher
from ..context import Context
from ..errors import SettingsError
from ..locks import lock_held, lock_owner
from ..model import FINE, Match
from ..openclaw.gateway import clock_stamp
from ..openclaw.home import url_of
from ..store import watch_state
from ..store.watch_state import Incident
from . import conclude, examine
from .conclude import Conclusion

TELLING = 0.25  # of a match's score: below it words fit anything


@dataclass(frozen=True)
class Watching:
    """What the watchdog is doing. damaged: what is wrong with its own files."""

    running: bool = False
    pid: int = 0
    since: str = ""
    paused_until: str = ""
    incident: Optional[Incident] = None
    crashes: int = 0
    damaged: Tuple[str, ...] = ()
    pause_damaged: str = ""


@dataclass(frozen=True)
class Report:
    """words: the matches are of a person's words, or of a log they gave; not of the gateway's own
    log. broken: the user's case file cannot be read.
    """

    ctx: Context
    conclusion: Conclusion
    watching: Watching
    matches: Tuple[Match, ...] = ()
    words: bool = False
    broken: Optional[SettingsError] = None

    @property
    def log(self) -> str:
        return str(self.ctx.home.logs_dir / "watchdog.log")

    def status_json(self, lang: str) -> Dict[str, Any]:
        ctx, verdict, watching = self.ctx, self.ctx.verdict, self.watching
        seen, incident = ctx.seen, self.watching.incident
        return {
            "ok": self.conclusion.exit_code == 0,
            "exit_code": self.conclusion.exit_code,
            "state": verdict.state.value,
            "reason": verdict.reason.to(lang),
            "cause": self.conclusion.cause.to(lang),
            "finding": self.conclusion.finding.check_id if self.conclusion.finding else "",
            "next": self.conclusion.step.to(lang),
            "pid": verdict.pid,
            "gateway_exit_code": verdict.exit_code,
            "failing": list(verdict.failing),
            "url": url_of(ctx.home, seen.endpoint if seen else None),
            "state_dir": str(ctx.home.state_dir),
            "memory_mb": round(seen.process.rss / 1048576) if seen and seen.process else None,
            "response_s": round(seen.seconds, 3) if seen else None,
            "manager": ctx.platform.name if ctx.platform else None,
            "watchdog": {
                "running": watching.running,
                "pid": watching.pid or None,
                "since": watching.since,
            },
            "paused_until": watching.paused_until,
            "incident": {
                "id": incident.id,
                "since": clock_stamp(incident.opened),
                "restarts": incident.restarts,
                "cause": incident.cause.to(lang),
                "escalated": incident.escalated,
            }
            if incident
            else None,
            "crashes_6h": watching.crashes,
            "log": self.log,
            "damaged": [one for one in (*watching.damaged, watching.pause_damaged) if one],
        }

    def to_json(self, lang: str) -> Dict[str, Any]:
        return {
            **self.status_json(lang),
            "findings": [f.to_json(lang) for f in self.ctx.verdict.findings],
            "matches": [
                {
                    "slug": m.case.slug,
                    "case": m.case.id,
                    "title": m.case.title.to(lang),
                    "confidence": m.confidence.value,
                    "score": round(m.score, 3),
                    "because": list(m.because),
                }
                for m in self.matches
            ],
            "matched_on": "words" if self.words else "log",
            "said": self.conclusion.said.to(lang) if self.conclusion.said else "",
            "warning": self.broken.text.to(lang) if self.broken else "",
        }


def report(ctx: Context, text: str = "", log: str = "") -> Report:
    """Examine this machine's gateway and conclude. text, log: a person's words, and a log of
    theirs.
    """
    return of(examine.examine(ctx), text, log)


def of(ctx: Context, text: str = "", log: str = "") -> Report:
    """Conclude from a gateway that was examined."""
    own = conclude.matches(ctx) if ctx.verdict.state not in FINE else ()
    library, broken = cases.load_or_shipped(ctx.home)
    words: Optional[Tuple[Match, ...]] = None
    if text.strip() or log.strip():
        found = matcher.match(library, text, log, own_log=not log.strip())
        words = tuple(found) if found and found[0].score >= TELLING else ()
    conclusion = conclude.conclude(ctx, own, words)
    shown = own if own and not log.strip() else words or own
    return Report(ctx, conclusion, watching(ctx), shown[:3], shown is not own, broken)


def watching(ctx: Context) -> Watching:
    """Return what the watchdog is doing, from its lock and its files."""
    lock = ctx.home.doctor_dir / "watch.lock"
    held = lock_held(lock)
    pid, since = lock_owner(lock) if held else (0, "")
    state, wrong = watch_state.peek(ctx.home)
    until, wrong_pause = watch_state.pause(ctx.home, ctx.host)
    return Watching(
        held,
        pid,
        since,
        clock_stamp(until) if until else "",
        state.incident if state else None,
        len(state.crashes) if state else 0,
        (wrong,) if wrong else (),
        wrong_pause,
    )
