"""Whether a repair worked: only the gateway itself says so. While it is waited for, what it depends
on is read again and again: the port may move, its owner may edit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Mapping, Sequence, Tuple

from ..context import Context
from ..model import Plan, State
from ..openclaw import gateway, look
from ..openclaw.home import locate
from ..openclaw.judge import Memory
from ..openclaw.judge_memory import START_BUDGETS, gets_on
from ..openclaw.ledger import Ledger
from . import steps

LOOK_EVERY_S = 10.0  # between two looks at what was started and at the files it reads
CHANNELS_WITHIN_S = 60.0  # channels.start answers in a second (measured)
ANSWERING = ("ready", "not-ready", "live")


@dataclass(frozen=True)
class Seen:
    """How the wait ended. edited: files that somebody else wrote meanwhile. stopped: its owner
    stopped it.
    """

    ready: bool
    edited: Tuple[str, ...] = ()
    stopped: bool = False


def fresh(ctx: Context) -> Context:
    """The same look at places that a repaired or edited config may have moved (port, scheme)."""
    home = locate(ctx.host)
    return (
        replace(ctx, home=home)
        if home.state_dir == ctx.home.state_dir and home.config_path == ctx.home.config_path
        else ctx
    )


def ready_now(ctx: Context) -> bool:
    """Whether the gateway says at this very moment that it is ready. One short question."""
    ctx = fresh(ctx)
    return bool(gateway.ask(ctx.host, ctx.home, 1.0)["answer"] == "ready")


def wait(ctx: Context, plan: Plan, edited: Callable[[], Tuple[str, ...]]) -> Seen:
    """Wait for what the plan promises. ready: /readyz three times in a row, and still up after
    settle_s. live: /healthz likewise. An edit of somebody else ends the wait.
    """
    budget = float(ctx.settings.get("start_budget", 300))
    if plan.verify == "live":
        return Seen(_streak(ctx, budget, ANSWERING), edited())
    if plan.verify == "channels":
        every = _streak(ctx, CHANNELS_WITHIN_S, ANSWERING, lambda seen: not seen.get("suppressed"))
        return Seen(every, edited())
    # an engine's back-off is no part of the start's own budget
    until = ctx.host.monotonic() + budget + _back_off(ctx)
    last = until + (START_BUDGETS - 1.0) * budget  # a start that gets on has more than one budget
    starts, looked = _starts(ctx), Memory()
    while True:
        ctx = fresh(ctx)
        host, began = ctx.host, ctx.host.monotonic()
        slice_s = max(1.0, min(LOOK_EVERY_S, until - began))
        ready = gateway.wait_ready(host, ctx.home, slice_s, ctx.platform)
        others = edited()
        if ready or others:
            return Seen(ready and _stays(ctx, plan.settle_s), others or edited())
        if stopped_by_owner(ctx):
            return Seen(False, stopped=True)
        gone = host.monotonic() - began < slice_s and not steps.live_process(ctx)
        if gone or _starts(ctx) - starts > gateway.STARTS_IN_VAIN:
            return Seen(False)
        seen = look.once(host, ctx.home, ctx.settings, ctx.platform, looked)
        looked = seen.memory
        if seen.verdict.state is State.HUNG:
            # an endless loop or a stopped process: no budget brings that up
            return Seen(False)
        if host.monotonic() >= until:
            if seen.verdict.state is not State.STARTING or not gets_on(seen.seen, looked):
                return Seen(False)
            until = min(last, host.monotonic() + LOOK_EVERY_S)
            if host.monotonic() >= last:
                return Seen(False)


def stopped_by_owner(ctx: Context) -> bool:
    """A stop that is not in our ledger is its owner's."""
    state = gateway.service_of(ctx.platform)
    if getattr(state, "stopped_by_operator", None) is not True or steps.live_process(ctx):
        return False
    return Ledger(ctx.host, ctx.home).owed_start() is None


def stays_ready(ctx: Context, seconds: float) -> bool:
    """Whether it says that it is ready now and all the time for so long."""
    until = ctx.host.monotonic() + seconds
    while ready_now(ctx):
        if ctx.host.monotonic() >= until:
            return True
        ctx.host.sleep(1.0)
    return False


def _back_off(ctx: Context) -> float:
    return float(getattr(gateway.service_of(ctx.platform), "wait_s", 0.0))


def _starts(ctx: Context) -> int:
    """The service manager's own count of automatic restarts."""
    return int(getattr(gateway.service_of(ctx.platform), "restarts", 0))


def _streak(
    ctx: Context,
    budget: float,
    answers: Sequence[str],
    also: Callable[[Mapping[str, object]], bool] = lambda seen: True,
) -> bool:
    until, streak = ctx.host.monotonic() + budget, 0
    while ctx.host.monotonic() < until:
        ctx = fresh(ctx)
        seen = gateway.ask(ctx.host, ctx.home, 5.0)
        streak = streak + 1 if seen["answer"] in answers and also(seen) else 0
        if streak >= gateway.READY_IN_A_ROW:
            return True
        ctx.host.sleep(1.0)
    return False


def _stays(ctx: Context, seconds: float) -> bool:
    """Still the same process and answering after `seconds`; two silent probes in a row are a no."""
    holder = gateway.lock_holder(ctx.host, ctx.home)
    until, silent = ctx.host.monotonic() + seconds, 0
    while ctx.host.monotonic() < until:
        ctx.host.sleep(1.0)
        answer = gateway.ask(ctx.host, ctx.home, 5.0)["answer"]
        silent = 0 if answer in ANSWERING else silent + 1
        now = gateway.lock_holder(ctx.host, ctx.home)
        if answer == "refused" or silent >= 2 or (holder and now and now.pid != holder.pid):
            return False
    return True
