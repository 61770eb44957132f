"""Who watches the watchdog: an outgoing heartbeat (dead-man's switch), and "I was not watching from
.. to .." at the next start.

Heartbeat(ctx).beat("start"|"success"|"fail") never blocks: one short-lived thread, at most one at a
time mark(ctx, now) note that somebody watches; cheap, writes at most every 30 s missed(ctx, now) ->
Alert or None at start, before the first mark
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Dict, Optional
from urllib.parse import urlsplit

from ..files import json_bounded, private_dir, write_atomic
from ..model import Alert, Text
from .incidents import span

if TYPE_CHECKING:
    from ..context import Context

MARK_EVERY_S = 30.0
TIMEOUT_S = 10.0
_last: Dict[str, float] = {}  # mark file -> when this process wrote it last


def mark(ctx: "Context", now: float, stopping: bool = False) -> None:
    """Note that the watchdog watches at `now`. stopping: it ends on purpose. Never raises."""
    path = str(ctx.home.doctor_dir / "watching.json")
    if not stopping and 0 <= now - _last.get(path, 0.0) < MARK_EVERY_S:
        return
    _last[path] = now
    try:
        private_dir(ctx.home.doctor_dir)
        write_atomic(path, json.dumps({"at": now, "pid": os.getpid(), "stopped": stopping}) + "\n")
    except OSError:
        pass


def missed(ctx: "Context", now: float) -> Optional[Alert]:
    """Given the time of a start, return the notice about a gap of at least notify.watch_gap
    seconds, else None.
    """
    try:
        value = json_bounded((ctx.home.doctor_dir / "watching.json").read_text("utf-8"))
        last, stopped = float(value["at"]), bool(value.get("stopped"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    gap = now - last
    if gap < float(ctx.settings.get("notify.watch_gap", 600)) or last < 1e9:
        return None
    from .render import when

    begin, end, length = when(last, "en", False), when(now, "en", False), span(gap)
    why = Text(
        "It had been stopped on purpose (or the machine was shut down)."
        if stopped
        else "It was not stopped on purpose: killed, power loss, or the machine slept.",
        "它是被正常停止的（或机器已关机）。"
        if stopped
        else "它不是被正常停止的：被强制结束、断电或机器休眠。",
    )
    return Alert(
        "watch-{}".format(int(last)),
        "note",
        "warning",
        Text("I was not watching", "有一段时间无人值守"),
        now,
        Text(
            "I was not watching from {} to {} ({}). {}".format(begin, end, length.en, why.en),
            "{} 到 {}（共 {}）期间我没有在值守。{}".format(begin, end, length.zh, why.zh),
        ),
        next_step=Text(
            "If this was not planned: iflow-doctor status",
            "如果不是计划内的停机，请运行：iflow-doctor status",
        ),
    )


class Heartbeat:
    """Pings notify.heartbeat_url. A ping that hangs or fails disturbs nobody; the receiver notices
    its absence.
    """

    def __init__(self, ctx: "Context") -> None:
        self.ctx, self.next, self.thread = ctx, 0.0, None  # type: "Context", float, Optional[threading.Thread]
        self.failures, self.last = 0, ""

    def beat(self, kind: str) -> bool:
        """kind: start | success | fail. Call on every look: it pings every
        notify.heartbeat_interval seconds, and at once on a change.

        False: switched off, not time yet, or the last ping is still under way.
        """
        now = self.ctx.host.monotonic()
        if not self.ctx.settings.get("notify.heartbeat_url", "") or (
            kind == self.last and now < self.next
        ):
            return False
        if self.thread is not None and self.thread.is_alive():
            return False
        self.last, self.next = (
            kind,
            now + float(self.ctx.settings.get("notify.heartbeat_interval", 60)),
        )
        self.thread = threading.Thread(
            target=self._ping, args=(kind,), name="heartbeat", daemon=True
        )
        self.thread.start()
        return True

    def _ping(self, kind: str) -> None:
        try:
            url = address(self.ctx)
            suffix = {"start": "/start", "fail": "/fail"}.get(kind, "")
            self.failures = 0 if _get(url.rstrip("/") + suffix) < 300 else self.failures + 1
        except Exception:  # an observer cannot break the watch
            self.failures += 1


def address(ctx: "Context") -> str:
    """The URL in the clear; it may be text, ${NAME} or a SecretRef. Raises CannotTell."""
    from ..openclaw.channels import read

    raw = ctx.settings.get("notify.heartbeat_url", "")
    return (
        raw
        if isinstance(raw, str) and "$" not in raw
        else read(ctx.host, ctx.home).secrets.reveal(raw)
    )


def _get(url: str) -> int:
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request(
            "GET",
            parts.path + ("?" + parts.query if parts.query else ""),
            headers={"User-Agent": "openclaw-iflow-doctor"},
        )
        return connection.getresponse().status
    finally:
        connection.close()
