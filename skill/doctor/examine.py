"""The one examination: look, judge, run the checks, read the newest boot's log and the last good
run. Every command and every repair decides by what this returns.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Callable, Mapping, Optional, Set, Tuple

from ..checks import run
from ..context import Context
from ..model import CANNOT_TELL, FINE, State, Text
from ..openclaw import look
from ..openclaw.judge import Memory
from ..openclaw.logs import newest_boot
from ..openclaw.validation import validate
from ..store import good_copies, watch_state

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")
SETTLING_S = 1.0  # between two looks at a gateway that is starting
LOOP = 3  # processes that were seen to start and to go again while we waited


@dataclass
class Starts:
    """What was seen of a gateway's starts while one waited. loop: it dies again and again, so being
    up right now means nothing.
    """

    pids: Set[Optional[int]] = field(default_factory=set)
    loop: bool = False


def examine(
    ctx: Context,
    memory: Optional[Memory] = None,
    patience: float = 0.0,
    starts: Optional[Starts] = None,
    say: Callable[[Text], None] = lambda text: None,
) -> Context:
    """Look, judge and run the checks: the one examination of every command and of every repair.

    memory: what earlier looks remembered (the watchdog's, where it is None). patience: seconds in
    which a start may come to its end, up, down, or a loop of processes that come and go.
    """
    starts = starts if starts is not None else Starts()
    return settle(lambda: examined(ctx, starts.loop, memory), ctx, patience, starts, say)


def settle(
    look: Callable[[], Context],
    ctx: Context,
    patience: float,
    starts: Starts,
    say: Callable[[Text], None],
) -> Context:
    """Look again and again while the gateway is starting, for up to `patience` seconds."""
    until = ctx.host.monotonic() + patience
    seen = look()
    if seen.verdict.state is State.STARTING and patience:
        say(
            Text.of(
                "it is starting; waiting for up to {:.0f} s",
                "正在启动；最多等待 {:.0f} 秒",
                patience,
            )
        )
    while seen.verdict.state is State.STARTING and ctx.host.monotonic() < until:
        starts.pids.add(seen.verdict.pid)
        ctx.host.sleep(SETTLING_S)
        starts.loop = starts.loop or len(starts.pids - {None}) >= LOOP
        seen = look()
    return seen


def examined(ctx: Context, loop: bool = False, memory: Optional[Memory] = None) -> Context:
    """Examine once. loop: it was seen to die again and again, so being up means nothing."""
    ctx = looked(ctx, memory)
    if loop and ctx.verdict.state in (State.STARTING, State.HEALTHY, State.UNKNOWN):
        reason = Text("it keeps dying (crash loop)", "反复崩溃（崩溃循环）")
        ctx = ctx.with_verdict(replace(ctx.verdict, state=State.DOWN, reason=reason))
    return checked(ctx)


def checked(ctx: Context) -> Context:
    """Run the checks on a gateway that was looked at."""
    ctx = replace(ctx, last_good=_last_good(ctx), logs=_logs(ctx))
    _ask_openclaw(ctx)
    return ctx.with_verdict(run.examine(ctx))


def looked(ctx: Context, memory: Optional[Memory] = None) -> Context:
    """Only look and judge, until that is sure."""
    if memory is None:
        memory = watch_state.remembered(ctx.home, ctx.host)
    seen = look.until_sure(ctx.host, ctx.home, ctx.settings, ctx.platform, memory)
    return replace(ctx, verdict=seen.verdict, seen=seen.seen)


def _ask_openclaw(ctx: Context) -> None:
    """Have `config validate` answered (and kept) before the checks, which would not wait for it on
    a busy machine.
    """
    if ctx.verdict.state not in FINE + CANNOT_TELL:
        with contextlib.suppress(Exception):  # the checks say that it could not be told
            validate(ctx, 30.0)


def looping(ctx: Context, name: str) -> bool:
    """Return whether the watchdog saw a crash loop in this incident."""
    state, _damaged = watch_state.peek(ctx.home)
    incident = state.incident if state else None
    return bool(incident and incident.id == name and incident.loop)


def _last_good(ctx: Context) -> Optional[Mapping[str, Any]]:
    try:
        return good_copies.newest(ctx.home)
    except Exception:  # a damaged copy is no reason not to examine
        return None


def _logs(ctx: Context) -> str:
    try:
        return str(newest_boot(ctx.host, ctx.home))
    except Exception:  # an observer: without a log the live checks still speak
        return ""


def log_span(log: str) -> Tuple[float, float]:
    """Epoch seconds of the first and the last time stamp in a log; zeros without any."""
    found = STAMP.findall(log[:4000])[:1] + STAMP.findall(log[-20000:])[-1:]
    try:
        times = [
            datetime.strptime(_plain(stamp), "%Y-%m-%dT%H:%M:%S%z").timestamp() for stamp in found
        ]
    except ValueError:
        return 0.0, 0.0
    return (times[0], times[-1]) if times else (0.0, 0.0)


def _plain(stamp: str) -> str:
    stamp = re.sub(r"\.\d+", "", stamp).replace("Z", "+0000")
    return stamp[:-3] + stamp[-2:] if stamp[-3] == ":" else stamp
