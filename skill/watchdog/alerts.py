"""What the watchdog tells a person, and when. An observer: nothing in here can stop the watch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from ..context import Context
from ..files import read_json, write_json
from ..model import Alert, Text, Verdict
from ..openclaw import logs
from ..openclaw.gateway import Observation
from ..store.watch_log import WatchLog
from ..store.watch_state import Incident, WatchState
from .children import Children
from .forecast import Forecast
from .policy_outage import Decision

CRASHES_AN_HOUR = 5  # more than this is an error, by the user's table
SERVED_AFTER = 2  # looks in a row that no longer see what was told, until that is said to be over
SUNDAY, REVIEW_HOUR = 6, 18  # when the review of the week goes out
LEAST_MEMORY_MB = 1024.0  # a healthy idle 2026.9.6 uses 600 to 865 MB (measured)


def key_of(damage: Any) -> str:
    """What a quiet damage is called in quiet.told.json: the same damage is told once."""
    return "|".join(sorted(str(row[0]) + str(row[1]) for row in damage))


class Served(NamedTuple):
    """What follows from a look at what is green and deaf. told: by key, what its owner was told.
    tell: rows to tell now. over: by incident, the messages of what is over. soon: look again soon.
    """

    told: Dict[str, Any]
    tell: List[Any]
    over: Dict[str, List[Any]]
    soon: bool


def served_step(looked: Any, told: Any, name: str) -> Served:
    """Given serving.json, what was told before (a damaged file counts as nothing), and the name of
    a new incident, return what to do. Pure.
    """
    looked = looked if isinstance(looked, dict) else {}
    at, rows = looked.get("at", 0.0), [r for r in looked.get("findings") or [] if "key" in r]
    seen = {row["key"] for row in rows}
    after: Dict[str, Any] = {}
    for key, was in (told if isinstance(told, dict) else {}).items():
        after[key] = {**was, "missed": 0 if key in seen else int(was.get("missed", 0)) + 1}
    tell = [row for row in rows if row["key"] not in after and row["first"] < at]
    soon = any(row["key"] not in after and row["first"] >= at for row in rows)
    for row in tell:
        after[row["key"]] = {"incident": name, "at": at, "missed": 0, "message": row["message"]}
    over: Dict[str, List[Any]] = {}
    for incident in sorted({str(was["incident"]) for was in after.values()}):
        mine = {key: was for key, was in after.items() if was["incident"] == incident}
        if all(was["missed"] >= SERVED_AFTER for was in mine.values()):
            over[incident] = [was["message"] for was in mine.values()]
            after = {key: was for key, was in after.items() if key not in mine}
    return Served(after, tell, over, soon)


SAID = 240  # characters of a gateway's last words that are repeated


def _last_words(
    ctx: Context, decision: Decision, verdict: Optional[Verdict], incident: Optional[Incident]
) -> str:
    """What the gateway said of its own end, where nobody has found the cause yet."""
    if incident is None or incident.cause.en or decision.kind in ("recovered", "note"):
        return ""
    code = verdict.exit_code if verdict and verdict.exit_code is not None else incident.exit_code
    # a slow start began long before it was refused, and only its first line carries a time
    since = min(incident.opened, incident.since) - 300.0
    by_itself = code is not None and 0 < code < 128
    words = logs.last_words(logs.recent(ctx.host, ctx.home), refused=not by_itself, since=since)
    return words if len(words) <= SAID else words[:SAID].rsplit(" ", 1)[0] + " ..."


class Teller:
    """Queues alerts, starts the child that sends them, keeps the dead-man's switch going."""

    def __init__(self, context: Callable[[], Context], children: Children, log: WatchLog) -> None:
        self.context, self.children, self.log = context, children, log
        self.levels: Dict[str, bool] = {}
        self.heart: Any = None
        self.reviewed: Optional[str] = None  # the day of the last review, as it is on disk
        self.ending = 0.0  # start of the process of which the end of memory was told

    def guarded(self, what: str, work: Callable[[], Any]) -> Any:
        """Do it; a failure is one log line."""
        try:
            return work()
        except Exception as error:
            self.log.line("notify-failed", self.context().host.now(), what=what, error=repr(error))
            return None

    def send(self, build: Callable[[Any], Alert]) -> None:
        """Queue the alert that `build(messages)` makes, and start sending."""

        def work() -> None:
            from .. import notify
            from . import alert_texts

            if notify.enqueue(self.context(), build(alert_texts)):
                self.flush()

        self.guarded("send", work)

    def flush(self) -> None:
        if not self.children.busy("notify"):
            self.children.start("notify", ["notify", "flush", "--json"])

    def event(
        self,
        decision: Decision,
        verdict: Optional[Verdict],
        incident: Optional[Incident],
        state: WatchState,
        step: Optional[Text] = None,
    ) -> None:
        """One alert of an incident: opened, escalated, recovered, note."""
        ctx = self.context()
        words = self.guarded("last words", lambda: _last_words(ctx, decision, verdict, incident))
        self.send(
            lambda alert_texts: alert_texts.alert(
                decision, verdict, incident, state, ctx.host.now(), ctx.home, step, words or ""
            )
        )

    def quiet_damage(self, name: str, now: float) -> None:
        """Everything is green, and something is wrong all the same: tell it once, until it is
        something else.
        """
        self.guarded("quiet damage", lambda: self._quiet_damage(name, now))

    def _quiet_damage(self, name: str, now: float) -> None:
        home = self.context().home
        found = (read_json(home.doctor_dir / "quiet.json") or {}).get("findings") or []
        key = key_of(found)
        told = home.doctor_dir / "quiet.told.json"
        if not found or (read_json(told) or {}).get("key") == key:
            return
        write_json(told, {"key": key, "at": now})
        self.log.line(
            "decision",
            now,
            kind="escalate",
            reason="; ".join(row[1] for row in found),
            state="healthy",
            incident=name,
        )
        self.send(lambda alert_texts: alert_texts.quiet(name, found, now, home))

    def serving(self, name: str, now: float) -> bool:
        """Take in what a look at what is green and deaf found: told once, when a second look saw
        it too; told to be over when two looks in a row do not see it. Return whether the next
        look should come soon.
        """
        return bool(self.guarded("serving", lambda: self._serving(name, now)))

    def _serving(self, name: str, now: float) -> bool:
        home = self.context().home
        place = home.doctor_dir / "serving.told.json"
        told = self._read(place)
        step = served_step(self._read(home.doctor_dir / "serving.json"), told, name)
        if step.told != told:
            write_json(place, step.told)
        for row in step.tell:
            self.log.line(
                "decision",
                now,
                kind="escalate",
                reason=row["message"][0],
                state="healthy",
                incident=name,
            )
        if step.tell:
            self.send(lambda alert_texts: alert_texts.deaf(name, step.tell, now))
        for incident, rows in step.over.items():
            self.log.line("served-again", now, incident=incident, what=[r[0] for r in rows])
            self._over(incident, rows, now)
        return step.soon

    def _read(self, place: Path) -> Any:
        """A file of ours as JSON; {} where there is none, or it is damaged."""
        return self.guarded("serving", lambda: read_json(place, {})) or {}

    def _over(self, incident: str, rows: List[Any], now: float) -> None:
        self.send(lambda alert_texts: alert_texts.served_again(incident, rows, now))

    def judge_levels(
        self,
        seen: Optional[Observation],
        state: WatchState,
        now: float,
        end: Optional[Forecast] = None,
    ) -> None:
        """Memory, response time and crash frequency against the user's table; told when one
        changes, not at every look. end: when memory will be used up, once per process.
        """
        if not seen or not seen.process:
            return
        ctx = self.context()
        usual = float(
            (
                self.guarded("usual", lambda: read_json(ctx.home.doctor_dir / "usual.json")) or {}
            ).get("rss_mb", 0)
        )
        limit = float(ctx.settings["memory_warning_mb"]) or max(LEAST_MEMORY_MB, 2 * usual)
        rss = seen.process.rss / 1048576
        hour = sum(now - t < 3600 for t in state.crashes)
        if end and self.ending != seen.process.started:
            self.ending = seen.process.started  # one process, one warning
            facts = {"minutes": max(1.0, end.in_s / 60), "per_hour": end.per_hour}
            self.log.line("level", now, name="ending", bad=True, **facts)
            self.event(Decision("note", "ending", facts), None, None, state)
        for bad, note in (
            (rss > limit, Decision("note", "memory", {"mb": rss, "limit": limit})),
            (
                seen.seconds > float(ctx.settings["response_warning_s"]),
                Decision("note", "response", {"seconds": seen.seconds}),
            ),
            (hour > CRASHES_AN_HOUR, Decision("note", "crashes", {"count": hour})),
        ):
            if bad != self.levels.get(note.code, False):
                self.levels[note.code] = bad
                self.log.line("level", now, name=note.code, bad=bad, **note.facts)
                if bad:
                    self.event(note, None, None, state)

    # -- who watches the watchdog ------------------------------------------------------------------
    def started(self, now: float) -> None:
        """Tell about a time in which nobody watched; begin the heartbeat."""

        def work() -> None:
            from ..notify import heartbeat

            ctx = self.context()
            gap = heartbeat.missed(ctx, now)
            if gap:
                self.send(lambda alert_texts: gap)
            heartbeat.mark(ctx, now)
            self.heart = heartbeat.Heartbeat(ctx)
            self.heart.beat("start")

        self.guarded("heartbeat", work)

    def looked(self, now: float, fine: bool, paused: bool = False) -> None:
        """After each look: mark that somebody watches, beat, send what waits, remind of what is
        still down (not while paused).
        """

        def work() -> None:
            from .. import notify
            from ..notify import heartbeat

            ctx = self.context()
            heartbeat.mark(ctx, now)
            if self.heart:
                self.heart.beat("success" if fine else "fail")
            if not paused and (notify.remind(ctx, now) or notify.due(ctx, now)):
                self.flush()
            if ctx.settings.get("notify.weekly_review", False) and self._review_due(ctx, now):
                self.children.start("review", ["review", "--week", "--send"])

        self.guarded("looked", work)

    def _review_due(self, ctx: Context, now: float) -> bool:
        """Once on a Sunday, from 18:00 on; what was begun is noted first: never twice."""
        today = time.localtime(now)
        if today.tm_wday != SUNDAY or today.tm_hour < REVIEW_HOUR:
            return False
        day = time.strftime("%Y-%m-%d", today)
        if self.reviewed is None:
            known = read_json(ctx.home.doctor_dir / "review.json") or {}
            self.reviewed = str(known.get("sent", ""))
        if self.reviewed == day:
            return False
        write_json(ctx.home.doctor_dir / "review.json", {"sent": day})
        self.reviewed = day
        return True

    def stopping(self, now: float) -> None:
        def work() -> None:
            from ..notify import heartbeat

            heartbeat.mark(self.context(), now, stopping=True)

        self.guarded("stopping", work)
