"""Snapshot, steps, verification, keep or roll back; with a journal, from which interrupted.py
finishes or rolls back after kill -9.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from ..context import Context
from ..errors import HealerError, RepairError
from ..files import private_dir, write_json
from ..locks import owned_lock
from ..model import Outcome, Plan, Run, Service, State, Text
from ..openclaw import config as openclaw_config
from ..openclaw import gateway, judge
from ..openclaw.home import Home, locate
from ..repairs import config_guard
from ..store import snapshots, unit_files
from . import steps

LOOK_EVERY_S = 20.0  # between two looks whether what was started hangs already
CHANNELS_WITHIN_S = 60.0  # channels.start answers in a second (measured)


def lock_path(home: Home) -> Path:
    return home.doctor_dir / "healer.lock"


def journal_path(home: Home) -> Path:
    return home.doctor_dir / "healer.journal.json"


def execute(
    ctx: Context,
    plan: Plan,
    dry_run: bool = False,
    cured: Optional[Callable[[Context], bool]] = None,
) -> Outcome:
    """Carry out a plan. Raises RepairError before any change (not allowed, no snapshot) and
    AlreadyRunning.

    cured: asked when the gateway is not ready afterwards. True keeps the change, because the fault
    it was for is gone and another one remains (Outcome.healed stays False).
    """
    steps.refuse(ctx, plan)
    if dry_run or not plan.steps:
        said = plan.advice or plan.why
        return Outcome(
            plan,
            False,
            said if not plan.steps else Text("dry run: nothing was changed", "预演：未做任何改动"),
        )
    with owned_lock(lock_path(ctx.home), "a repair"):
        return _Execution(ctx, plan).run(cured)


class _Execution:
    """One plan on its way. `begun` counts the steps that may have had an effect."""

    def __init__(self, ctx: Context, plan: Plan) -> None:
        self.ctx, self.plan, self.began = ctx, plan, ctx.host.monotonic()
        self.before = openclaw_config.load(ctx.home.config_path)
        self.put_back: List[str] = []

    def run(self, cured: Optional[Callable[[Context], bool]]) -> Outcome:
        ctx, plan = self.ctx, self.plan
        private_dir(ctx.home.doctor_dir)
        self.snapshot = snapshots.take(ctx.home, plan.repair, _touched(ctx, plan), ctx.host.now())
        try:
            for index, step in enumerate(plan.steps):
                last = (
                    index == len(plan.steps) - 1
                    and isinstance(step, Service)
                    and step.action in ("start", "restart")
                )
                self._journal(index, "starting" if last else "steps")
                steps.do(ctx, step)
                if isinstance(step, Run):
                    self._guard()
            self._guard_own()
        except (RepairError, HealerError, OSError) as error:
            return self._roll_back(
                Text.of("did not work: {}", "没有成功：{}", getattr(error, "text", str(error)))
            )
        self._journal(len(plan.steps), "verify")
        if plan.verify == "none":
            return self._keep(False, Text("done; there is nothing to verify", "已完成；无需验证"))
        ready = verify(ctx, plan)
        if ready:
            lost = self._lost()
            if lost:
                return self._roll_back(
                    Text(
                        "config keys were lost: {}".format(", ".join(lost[:5])),
                        "配置项丢失：{}".format("、".join(lost[:5])),
                    )
                )
            return self._keep(True, Text("the gateway is ready", "网关已就绪"))
        if cured is not None and cured(ctx):
            return self._keep(
                False,
                Text("this fault is gone, another one remains", "该故障已消除，但仍有其他故障"),
            )
        return self._roll_back(Text("the gateway did not become ready", "网关没有恢复就绪"))

    def _journal(self, step: int, phase: str) -> None:
        value = {
            "repair": self.plan.repair,
            "phase": phase,
            "step": step,
            "snapshot": str(self.snapshot.folder),
            "pid": os.getpid(),
            "started": self.ctx.host.now(),
            "moves": steps.moves_of(self.plan.steps[: step + 1]),
            "verify": self.plan.verify,
            "runs": step < len(self.plan.steps) and isinstance(self.plan.steps[step], Run),
            "config_paths": list(self.plan.config_paths),
            "why": list(self.plan.why),
        }
        write_json(journal_path(self.ctx.home), value)

    def _guard(self) -> None:
        """After a foreign program ran: only the implicated keys of the config may differ."""
        if not any(path == str(self.ctx.home.config_path) for path in self.snapshot.files):
            return
        well, put_back = config_guard.undo_the_rest(
            self.ctx,
            self.snapshot,
            self.before.data if self.before.ok else None,
            self.plan.config_paths,
        )
        self.put_back += put_back
        if not well:
            raise RepairError(
                Text.of(
                    "it damaged the config: {}",
                    "它损坏了配置：{}",
                    ", ".join(put_back[:5]) or Text("it does not parse", "无法解析"),
                )
            )

    def _guard_own(self) -> None:
        if not self.before.ok:
            return
        after = openclaw_config.load(self.ctx.home.config_path)
        differs = (
            openclaw_config.diff(self.before.data, after.data) if after.ok else ["(does not parse)"]
        )
        allowed = (
            tuple(self.plan.config_paths) + config_guard.OWN_STAMPS
        )  # the gateway that was started may have stamped it by now
        outside = [path for path in differs if not config_guard.allowed(path, allowed)]
        if outside:
            raise RepairError(
                Text.of(
                    "the config changed outside the fault: {}",
                    "配置在故障之外也变了：{}",
                    ", ".join(outside[:5]),
                )
            )

    def _lost(self) -> List[str]:
        after = openclaw_config.load(self.ctx.home.config_path)
        before = self.before.data if self.before.ok else None
        return (
            config_guard.keys_lost(before, after.data, self.plan.config_paths)
            if before and after.ok
            else []
        )

    def _diff(self) -> List[str]:
        after = openclaw_config.load(self.ctx.home.config_path)
        before = config_guard.measure(self.ctx, self.before.data if self.before.ok else None)
        return openclaw_config.diff(before, after.data) if before is not None and after.ok else []

    def _keep(self, healed: bool, detail: Text) -> Outcome:
        forget_journal(self.ctx.home)
        return Outcome(
            self.plan,
            healed,
            detail,
            False,
            self.ctx.host.monotonic() - self.began,
            tuple(self._diff()),
        )

    def _roll_back(self, detail: Text) -> Outcome:
        undo(self.ctx, self.snapshot, steps.moves_of(self.plan.steps))
        forget_journal(self.ctx.home)
        return Outcome(self.plan, False, detail, True, self.ctx.host.monotonic() - self.began)


def _touched(ctx: Context, plan: Plan) -> List[str]:
    """What is snapshotted: what the plan names, what it writes, and the config whenever a program
    may edit it.
    """
    paths = list(plan.touches) + [
        step.path
        for step in plan.steps
        if type(step).__name__ == "Write" and not _ours(ctx, step.path)
    ]
    view = openclaw_config.load(ctx.home.config_path)
    return list(
        dict.fromkeys([str(ctx.home.config_path), *(str(path) for path in view.files), *paths])
    )


def _ours(ctx: Context, path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(str(ctx.home.doctor_dir)) + os.sep)


def undo(ctx: Context, snapshot: snapshots.Snapshot, moves: Sequence[Sequence[str]]) -> None:
    """Everything as it was before. A database comes back only under a stopped gateway. Raises
    OSError when that is impossible.
    """
    done = [(path, to) for path, to in moves if os.path.lexists(to)]
    if any(".sqlite" in path for path, _to in done):
        try:
            steps.service(ctx, "stop", 60.0)
        except HealerError:
            pass
    for path, to in reversed(done):
        steps.move_back(path, to)
    snapshots.restore(snapshot)
    if any(unit_files.defines_service(path) for path in snapshot.files):
        with contextlib.suppress(
            HealerError, OSError
        ):  # the manager must not go on with what was undone
            steps.service(ctx, "reload", 30.0)


def fresh(ctx: Context) -> Context:
    """The same look at places that a repaired config may have moved (port, scheme)."""
    home = locate(ctx.host)
    return (
        replace(ctx, home=home)
        if home.state_dir == ctx.home.state_dir and home.config_path == ctx.home.config_path
        else ctx
    )


def verify(ctx: Context, plan: Plan) -> bool:
    """Does the gateway itself say so? ready: /readyz three times in a row (and still up after
    settle_s). live: /healthz likewise.
    """
    ctx = fresh(ctx)
    host, budget = ctx.host, float(ctx.settings.get("start_budget", 300))
    if plan.verify == "live":
        return _streak(ctx, budget, ("ready", "not-ready", "live"))
    if plan.verify == "channels":
        return _streak(
            ctx,
            CHANNELS_WITHIN_S,
            ("ready", "not-ready", "live"),
            lambda seen: not seen.get("suppressed"),
        )
    until = host.monotonic() + budget
    starts, looked = _starts(ctx), judge.Memory()
    while True:
        began, slice_s = host.monotonic(), max(1.0, min(LOOK_EVERY_S, until - host.monotonic()))
        if gateway.wait_ready(host, ctx.home, slice_s, ctx.platform):
            break
        gone = host.monotonic() - began < slice_s and not steps.live_process(ctx)
        if gone or host.monotonic() >= until or _starts(ctx) - starts > gateway.STARTS_IN_VAIN:
            return False
        seen = gateway.observe(host, ctx.home, 5.0, ctx.platform)
        verdict, looked = judge.judge(seen, looked, judge.Limits(start_budget=budget))
        if (
            verdict.state is State.HUNG
        ):  # an endless loop or a stopped process: no budget brings that up
            return False
    return _stays(ctx, plan.settle_s)


def _starts(ctx: Context) -> int:
    """The service manager's own count of automatic restarts."""
    return int(getattr(gateway.service_of(ctx.platform), "restarts", 0))


def _streak(
    ctx: Context,
    budget: float,
    answers: Sequence[str],
    also: Callable[[Any], bool] = lambda seen: True,
) -> bool:
    until, streak = ctx.host.monotonic() + budget, 0
    while ctx.host.monotonic() < until:
        seen = gateway.ask(ctx.host, ctx.home, 5.0)
        streak = streak + 1 if seen["answer"] in answers and also(seen) else 0
        if streak >= gateway.READY_IN_A_ROW:
            return True
        ctx.host.sleep(1.0)
    return False


def _stays(ctx: Context, seconds: float) -> bool:
    """Still the same process and answering after `seconds`; two silent probes in a row are a no."""
    holder = gateway.lock_holder(ctx.home)
    until, silent = ctx.host.monotonic() + seconds, 0
    while ctx.host.monotonic() < until:
        ctx.host.sleep(1.0)
        answer = gateway.ask(ctx.host, ctx.home, 5.0)["answer"]
        silent = 0 if answer in ("ready", "not-ready", "live") else silent + 1
        now = gateway.lock_holder(ctx.home)
        if answer == "refused" or silent >= 2 or (holder and now and now.pid != holder.pid):
            return False
    return True


def forget_journal(home: Home) -> None:
    try:
        os.unlink(str(journal_path(home)))
    except FileNotFoundError:
        pass


def outcome_json(outcome: Outcome, lang: str = "en") -> Dict[str, Any]:
    return {
        "repair": outcome.plan.repair,
        "healed": outcome.healed,
        "detail": outcome.detail.to(lang),
        "rolledBack": outcome.rolled_back,
        "seconds": round(outcome.seconds, 1),
        "configDiff": list(outcome.config_diff),
    }
