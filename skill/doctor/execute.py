"""Carry out a plan: snapshot, steps, verification, keep or take back. Every act is in the journal
before it comes, and somebody else's edit ends the work.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

from ..context import Context
from ..errors import HealerError, RepairError
from ..files import private_dir
from ..locks import owned_lock
from ..model import (
    NOT_SERVING,
    Delete,
    Outcome,
    Plan,
    Service,
    Text,
    Wait,
    Write,
)
from ..openclaw import config as openclaw_config
from ..repairs import config_guard, mend_json
from ..store import good_copies, served, snapshots
from . import acting, allowed_paths, journal, recover, steps, verify

SETTLED_S = 8.0  # s that a gateway which came up by itself has to stay up, at least


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
    allowed_paths.refuse(ctx, plan)
    if dry_run or not plan.steps:
        said = plan.advice or plan.why
        return Outcome(
            plan,
            False,
            said if not plan.steps else Text("dry run: nothing was changed", "预演：未做任何改动"),
        )
    with owned_lock(recover.lock_path(ctx.home), "a repair"):
        _finish_older(ctx, plan)
        return _Execution(ctx, plan).run(cured)


def _finish_older(ctx: Context, plan: Plan) -> None:
    """A repair that was interrupted comes to its end first. Where that is impossible (a full disk)
    only what makes room goes on.
    """
    try:
        recover.finish(ctx)
    except OSError as error:
        if not all(isinstance(step, (Delete, Service, Wait)) for step in plan.steps):
            raise RepairError(
                Text.of(
                    "an earlier repair could not be taken back yet: {}",
                    "之前的一次修复还无法撤销：{}",
                    error,
                )
            ) from error


class _Execution(acting.Acting):
    """One plan from its snapshot to its end."""

    def run(self, cured: Optional[Callable[[Context], bool]]) -> Outcome:
        ctx, plan = self.ctx, self.plan
        if self._came_up():
            return self._by_itself()
        private_dir(ctx.home.doctor_dir)
        self.snapshot = snapshots.take(ctx.home, plan.repair, _touched(ctx, plan), ctx.host.now())
        self.path = journal.next_path(ctx.home)
        known = {path: (digest,) for path, digest in self.snapshot.digests().items()}
        self.journal = journal.Journal(
            plan.repair,
            str(self.snapshot.folder),
            plan.why,
            started=ctx.host.now(),
            verify=plan.verify,
            served=verify.ready_now(ctx),
            config_paths=tuple(plan.config_paths),
            known=known,
        )
        stale = [p for p, seen in plan.seen.items() if known.get(p, (seen,)) != (seen,)]
        if stale:
            return self._let_go(tuple(stale))
        try:
            self._steps()
        except KeyboardInterrupt:
            if self.journal.phase == "steps":  # else it starts with what was changed: that stays
                self._roll_back(Text("", ""))
            raise
        except acting.Edited:
            return self._roll_back(Text("", ""))
        except steps.Serving:
            return self._roll_back(_BY_ITSELF)
        except (RepairError, HealerError, OSError) as error:
            said = getattr(error, "text", str(error))
            return self._roll_back(Text.of("did not work: {}", "没有成功：{}", said))
        self._save(step=len(plan.steps), phase="verify")
        if plan.verify == "none":
            return self._keep(False, Text("done; there is nothing to verify", "已完成；无需验证"))
        seen = verify.wait(ctx, plan, self._edited)
        if seen.edited:
            return self._let_go(seen.edited, seen.ready)
        if seen.stopped:
            return self._keep(False, _STOPPED)
        if seen.ready:
            return self._keep(True, _READY) if self.acted else self._by_itself()
        if cured is not None and cured(ctx):
            said = Text("this fault is gone, another one remains", "该故障已消除，但仍有其他故障")
            return self._keep(False, said)
        return self._roll_back(Text("the gateway did not become ready", "网关没有恢复就绪"))

    # -- looking -----------------------------------------------------------------------------------
    def _came_up(self) -> bool:
        """Ready before anything was done, and for longer than it lived the last time."""
        if self.plan.verify != "ready" or self.ctx.verdict.state not in NOT_SERVING:
            return False
        return verify.stays_ready(self.ctx, max(SETTLED_S, self.plan.settle_s))

    def _lost(self) -> List[str]:
        """Config keys outside the plan that were there before. Under a gateway that is ready they
        are told, not put back.
        """
        after = openclaw_config.load(self.ctx.home.config_path)
        if not self.before.ok or not after.ok:
            return []
        return config_guard.keys_lost(self.before.data, after.data, self.plan.config_paths)

    def _diff(self) -> List[str]:
        after = openclaw_config.load(self.ctx.home.config_path)
        before = config_guard.measure(self.ctx, self.before.data if self.before.ok else None)
        return openclaw_config.diff(before, after.data) if before is not None and after.ok else []

    def _removed(self) -> Tuple[str, ...]:
        """Keys that the owner's file had and the repaired one has not, or has otherwise."""
        after = openclaw_config.load(self.ctx.home.config_path)
        if not after.ok:
            return ()
        if not self.before.ok and mend_json.same_words(self.before.raw, after.raw):
            return ()
        before = self.before.data if self.before.ok else mend_json.salvage(self.before.raw)
        return tuple(config_guard.taken_out(before, after.data))

    def _as_kept(self) -> bool:
        """The config is one with which a gateway of this owner was ready before."""
        now = openclaw_config.load(self.ctx.home.config_path).data
        return any(
            good.verified and not openclaw_config.differing(good.data, now)
            for good in good_copies.candidates(self.ctx.home)
        )

    # -- ends --------------------------------------------------------------------------------------
    def _seconds(self) -> float:
        return self.ctx.host.monotonic() - self.began

    def _keep(self, healed: bool, detail: Text) -> Outcome:
        journal.forget(self.path)
        removed = self._removed()
        if not self.before.ok and removed and not self._as_kept():
            served.made(self.ctx.home, openclaw_config.load(self.ctx.home.config_path).data)
        return Outcome(
            self.plan,
            healed,
            detail,
            False,
            self._seconds(),
            tuple(self._diff()),
            removed=removed,
            lost=tuple(self._lost()),
            snapshot=self.snapshot.id,
            set_aside=tuple(to for _path, to in steps.moves_of(self.plan.steps)),
        )

    def _by_itself(self) -> Outcome:
        if hasattr(self, "path"):
            journal.forget(self.path)
        return Outcome(
            self.plan, False, _BY_ITSELF, seconds=self._seconds(), by_itself=True, serves=True
        )

    def _let_go(self, edited: Tuple[str, ...], ready: bool = False) -> Outcome:
        """Somebody is at work on these files: what is there stays, what we stopped is started."""
        recover.start_again(self.ctx, self.journal)
        journal.forget(self.path)
        return Outcome(
            self.plan,
            False,
            _edited_text(edited),
            seconds=self._seconds(),
            edited=edited,
            serves=ready,
            snapshot=self.snapshot.id,
        )

    def _roll_back(self, detail: Text) -> Outcome:
        edited = self._edited()
        undone = recover.undo(self.ctx, self.snapshot, self.journal, self._save)
        if undone.serves:
            ready = self.plan.verify == "ready" and verify.stays_ready(self.ctx, 2.0)
            if edited:
                return self._let_go(edited, ready)
            if detail is _BY_ITSELF or ready and not self.acted:
                return self._by_itself()
            return self._keep(ready, _READY if ready else _SERVES)
        journal.forget(self.path)
        left = tuple(dict.fromkeys((*edited, *undone.left)))
        return Outcome(
            self.plan,
            False,
            _edited_text(left) if left else detail,
            not left,
            self._seconds(),
            edited=left,
            snapshot=self.snapshot.id,
        )


_READY = Text("the gateway is ready", "网关已就绪")
_STOPPED = Text(
    "its owner stopped the gateway meanwhile: what was done stays, and nothing is started",
    "网关在此期间被其主人停止：已做的改动保留，不再启动",
)
_SERVES = Text(
    "the gateway answers and is not ready yet; what was done stays",
    "网关有响应但尚未就绪；已做的改动保留",
)
_BY_ITSELF = Text(
    "the gateway became ready by itself: nothing was done", "网关已自行恢复就绪：未做任何改动"
)


def _edited_text(paths: Tuple[str, ...]) -> Text:
    return Text.of(
        "{} was changed by somebody else meanwhile and stays as it is",
        "{} 在此期间被他人改动，保持原样",
        ", ".join(paths),
    )


def _touched(ctx: Context, plan: Plan) -> List[str]:
    """What is snapshotted: what the plan names, what it writes, and the config whenever a program
    may edit it.
    """
    paths = list(plan.touches) + [
        step.path
        for step in plan.steps
        if isinstance(step, Write) and not allowed_paths.is_own(ctx, step.path)
    ]
    view = openclaw_config.load(ctx.home.config_path)
    return list(
        dict.fromkeys([str(ctx.home.config_path), *(str(path) for path in view.files), *paths])
    )
