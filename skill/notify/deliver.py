"""The flusher: sends what waits, one process at a time, and survives kill -9 anywhere.

At least once: a batch file says "sending" before a request leaves and "accepted" after the
platform's body said yes; only then do
its alerts move to done/. How often one alert can arrive: once, plus once for every attempt that
ended without an answer (process killed between the request and the note of its answer, connection
lost after the request, no answer in time). Feishu apps and Discord bots get an idempotency key and
drop such repeats themselves. A clear refusal never causes a repeat.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ..context import Context
from ..errors import AlreadyRunning, NotifyError
from ..files import json_bounded, private_dir, write_atomic
from ..locks import owned_lock
from ..openclaw import channels
from ..openclaw.channels import Way
from . import outbox, render, routes
from .compose import Batch, compose
from .http import Post, Unclear, client
from .report import SENDERS, THREADS
from .sending import Call, Pace, language, log, redactor

GIVE_UP_S = 14 * 86400.0
KEEP_ROUTE_S = (
    86400.0  # a second way that keeps failing is given up after a day when another one delivered
)
# an unclear message is repeated unchanged this long (Feishu remembers its key for an hour)
SAME_MESSAGE_S = 3300.0
UNCLEAR_LIMIT = 5


@dataclass
class FlushReport:
    """What a flush did. waiting: alerts that are still in the outbox. next_try: epoch seconds, None
    when nothing waits.
    """

    sent: int = 0
    delivered: int = 0
    waiting: int = 0
    skipped: int = 0
    busy: bool = False
    next_try: Optional[float] = None
    errors: List[Tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> Dict[str, Any]:
        return {
            **self.__dict__,
            "errors": [{"way": way, "error": error} for way, error in self.errors],
        }


def flush(ctx: Context, deadline_s: float = 60.0, post: Optional[Post] = None) -> FlushReport:
    """Send for at most about deadline_s seconds (one request may overrun it by 15 s)."""
    report = FlushReport()
    if not outbox.waiting(ctx.home) and not _batch_files(ctx):
        return report
    try:
        with _only_one(ctx):
            Flusher(ctx, report, post or client(ctx.host.env)).run(deadline_s)
    except AlreadyRunning:
        report.busy = True
        report.waiting = len(outbox.waiting(ctx.home))
    return report


@contextlib.contextmanager
def _only_one(ctx: Context) -> Any:
    """The lock; on a disk too full even for a lock's note the alert about it still goes out."""
    lock = owned_lock(ctx.home.doctor_dir / "outbox" / "flush.lock", "notify flush")
    try:
        lock.__enter__()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _folder(ctx: Context) -> Path:
    return ctx.home.doctor_dir / "outbox" / "batches"


def _batch_files(ctx: Context) -> List[Path]:
    try:
        return sorted(
            path
            for path in _folder(ctx).iterdir()
            if path.suffix == ".json" and not path.name.startswith(".")
        )
    except OSError:
        return []


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


class Flusher:
    def __init__(self, ctx: Context, report: FlushReport, post: Post) -> None:
        self.ctx, self.report, self.post = ctx, report, post
        self.folder, self.tokens = ctx.home.doctor_dir / "outbox", {}  # type: Path, Dict[str, str]
        self.pace = Pace.load(self.folder / "ways.json")
        self.recent, self.threads = self._memory("recent.json"), self._memory("threads.json")
        self.redact = redactor(ctx)
        self.origin = render.origin(ctx.home.profile, ctx.home.port)
        self.source: Any = None

    def _memory(self, name: str) -> Dict[str, Any]:
        try:
            value = json_bounded((self.folder / name).read_text("utf-8"))
            return value if isinstance(value, dict) else {}
        except (OSError, ValueError):
            return {}

    def _keep(self, name: str, value: Any) -> None:
        with contextlib.suppress(OSError):
            write_atomic(self.folder / name, json.dumps(value, ensure_ascii=False) + "\n")

    def run(self, deadline_s: float) -> None:
        host = self.ctx.host
        end = host.monotonic() + deadline_s
        ways: List[List[Way]] = []
        while True:
            alerts = self._not_too_old(outbox.load(self.ctx.home))
            kept = self._kept_batches(alerts)
            if not alerts:
                break
            if not ways:
                ways, every, self.source = routes.plan(self.ctx)
                if not every and self.source.complete:
                    self._nobody([name for name, _ in alerts])
                    break
                with contextlib.suppress(OSError):
                    channels.remember(self.ctx.home)
            covered = {name for batch in kept for name in batch.names}
            fresh = [(name, alert) for name, alert in alerts if name not in covered]
            window, quiet = (
                float(self.ctx.settings.get("notify.alert_window", 60) or 0),
                self.ctx.settings.get("notify.quiet_hours", {}) or {},
            )
            batches, held = compose(fresh, host.now(), self.recent, window, quiet)
            again: List[float] = [held] if held else []
            for batch in kept + batches:
                if host.monotonic() >= end:
                    again.append(host.now())
                    break
                again += self._deliver(batch, ways)
            if again:
                self.report.next_try = max(min(again), host.now())
                pause = self.report.next_try - host.now()
                if host.monotonic() + pause >= end:
                    break
                host.sleep(min(max(pause, 0.02), 1.0))
        outbox.prune(self.ctx.home, host.now())
        self.pace.save()
        self.report.waiting = len(outbox.waiting(self.ctx.home))
        if not self.report.waiting:
            self.report.next_try = None
        self._keep("next.json", {"count": self.report.waiting, "at": self.report.next_try or 0})

    def _not_too_old(self, alerts: List[Tuple[str, Any]]) -> List[Tuple[str, Any]]:
        """What nobody could be told for two weeks is news to nobody; the log keeps that it was
        given up.
        """
        old = [name for name, alert in alerts if alert.at < self.ctx.host.now() - GIVE_UP_S]
        if old:
            outbox.finish(self.ctx.home, iter(old))
            log(self.ctx, "gave-up", alerts=old[:40])
        return [item for item in alerts if item[0] not in old]

    def _nobody(self, names: List[str]) -> None:
        """No channel and no webhook: no error, one line in the log."""
        outbox.finish(self.ctx.home, iter(names))
        self.report.skipped += len(names)
        log(
            self.ctx,
            "skipped",
            alerts=len(names),
            reason="no channel with a known recipient and no webhook is configured",
        )

    # -- batches on disk ---------------------------------------------------------------------------
    def _kept_batches(self, alerts: List[Tuple[str, Any]]) -> List[Batch]:
        """Messages of which somebody may already have a copy are finished as they are; all others
        are composed afresh.
        """
        known, now = dict(alerts), self.ctx.host.now()
        kept = []
        for path in _batch_files(self.ctx):
            try:
                raw = json_bounded(path.read_text("utf-8"))
                batch = Batch(
                    **{
                        key: raw[key]
                        for key in ("names", "id", "accepted", "sending", "unclear", "first")
                    }
                )
            except (OSError, ValueError, KeyError, TypeError):
                _forget(path)
                continue
            if batch.sending:
                batch.unclear, batch.sending = batch.unclear + 1, ""
                self._save(batch)
            if batch.accepted and any(name not in known for name in batch.names):
                outbox.finish(self.ctx.home, iter(batch.names))  # killed while moving its files
                _forget(path)
                continue
            batch.names = [name for name in batch.names if name in known]
            if not batch.names or not (
                batch.accepted or (batch.unclear and 0 <= now - batch.first < SAME_MESSAGE_S)
            ):
                _forget(path)
                continue
            batch.alerts = [known[name] for name in batch.names]
            kept.append(batch)
        return kept

    def _save(self, batch: Batch) -> None:
        with contextlib.suppress(OSError):
            write_atomic(
                private_dir(_folder(self.ctx)) / (batch.id + ".json"),
                json.dumps(batch.to_json()) + "\n",
            )

    # -- one message -------------------------------------------------------------------------------
    def _deliver(self, batch: Batch, ways: List[List[Way]]) -> List[float]:
        """Try every route that has not accepted yet. Return [] when the message is through, else
        when to try again.
        """
        now = self.ctx.host.now()
        later: List[float] = []
        if (
            batch.unclear >= UNCLEAR_LIMIT
        ):  # each of them may have arrived: slow down, 15 s to 15 min
            rest = batch.first + sum(
                min(900.0, 15.0 * 2**n) for n in range(batch.unclear - UNCLEAR_LIMIT + 1)
            )
            if now < rest:
                return [rest]
        for route in ways:
            if any(way.id in batch.accepted for way in route):
                continue
            later += self._try_route(batch, route)
        if batch.accepted and not self._still_owed(batch, ways, now):
            self._finished(batch)
            return []
        return later or [now + 30.0]

    def _try_route(self, batch: Batch, route: List[Way]) -> List[float]:
        later = []
        for way in route:
            now = self.ctx.host.now()
            ready = self.pace.ready_at(way, now)
            if ready > now:
                later.append(ready)
                if self.pace.resting(way, now):
                    continue
                return [
                    ready
                ]  # only a rate limit: this way works, the next one need not be bothered
            try:
                self._send(batch, way)
                return []
            except NotifyError as error:
                if isinstance(error, Unclear):
                    batch.unclear += 1
                batch.sending = ""
                if batch.unclear or batch.accepted:
                    self._save(batch)
                else:
                    _forget(_folder(self.ctx) / (batch.id + ".json"))
                self.pace.failed(way, error, self.ctx.host.now())
                self.report.errors = [item for item in self.report.errors if item[0] != way.id] + [
                    (way.id, error.message)
                ]
                log(self.ctx, "failed", way=way.id, permanent=error.permanent, error=error.message)
                later.append(self.pace.ready_at(way, self.ctx.host.now()))
        return later

    def _send(self, batch: Batch, way: Way) -> None:
        sender = SENDERS[way.platform]
        lang = language(self.ctx, way.platform)
        groups = batch.groups
        build = (
            render.single(groups[0], lang, self.redact, self.origin)
            if len(groups) == 1
            else render.digest(groups, lang, self.redact, self.origin)
        )
        thread = (
            self.threads.get(build.incident, {})
            if build.incident and way.platform in THREADS
            else {}
        )
        call = Call(
            self.ctx,
            way,
            self.source.secrets,
            self.post,
            batch.id,
            str(thread.get(way.id, "")),
            self.tokens,
        )
        self.pace.using(way, self.ctx.host.now())
        batch.sending = way.id
        self._save(batch)
        try:
            message = sender.send(call, build)
        except NotifyError:
            raise
        except Exception as error:  # a bug in one platform's file must not stop the others
            raise NotifyError("{}: {}".format(type(error).__name__, str(error)[:120])) from error
        batch.accepted.append(way.id)
        batch.sending = ""
        self._save(batch)
        self.pace.accepted(way)
        self.report.sent += 1
        log(self.ctx, "sent", way=way.id, batch=batch.id, alerts=batch.names[:40])
        if build.incident and message and way.platform in THREADS and way.id not in thread:
            self.threads.setdefault(build.incident, {})[way.id] = message
            self.threads = dict(list(self.threads.items())[-300:])
            self._keep("threads.json", self.threads)

    def _still_owed(self, batch: Batch, ways: List[List[Way]], now: float) -> bool:
        """A route without a yet is waited for, unless all its ways refuse for good or a day has
        passed.
        """
        for route in ways:
            if any(way.id in batch.accepted for way in route) or now - batch.first > KEEP_ROUTE_S:
                continue
            if any(not self.pace.ways.get(way.id, {}).get("permanent") for way in route):
                return True
        return False

    def _finished(self, batch: Batch) -> None:
        self._save(batch)
        outbox.finish(self.ctx.home, iter(batch.names))
        _forget(_folder(self.ctx) / (batch.id + ".json"))
        self.report.delivered += len(batch.names)
        stamp = {
            alert.title.en: self.ctx.host.now()
            for alert in batch.alerts
            if alert.kind in ("opened", "note")
        }
        if stamp:
            self.recent = dict(list({**self.recent, **stamp}.items())[-200:])
            self._keep("recent.json", self.recent)
