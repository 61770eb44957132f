"""The steps of a plan, one after the other: each in the journal before it is done, each write only
over what is known.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Set, Tuple

from ..context import Context
from ..errors import RepairError
from ..model import Delete, EndProcess, Move, Plan, Run, Service, Text, Write
from ..openclaw import config as openclaw_config
from ..repairs import config_guard
from ..store import snapshots
from . import journal as journals
from . import steps


class Edited(Exception):
    """Somebody else wrote a file of this repair."""


class Acting:
    """One plan on its way. Journal, its path and snapshot are there before the first step."""

    snapshot: snapshots.Snapshot
    journal: journals.Journal
    path: Path

    def __init__(self, ctx: Context, plan: Plan) -> None:
        self.ctx, self.plan, self.began = ctx, plan, ctx.host.monotonic()
        self.before = openclaw_config.load(ctx.home.config_path)
        self._made: Set[str] = set()  # hashes of what our own steps wrote
        self.acted = False  # a service action or a write of ours had an effect

    def _steps(self) -> None:
        for index, step in enumerate(self.plan.steps):
            last = index == len(self.plan.steps) - 1 and isinstance(step, Service)
            starts = last and step.action in ("start", "restart")
            moves = tuple(steps.moves_of(self.plan.steps[: index + 1]))
            self._save(step=index, phase="starting" if starts else "steps", moves=moves)
            if isinstance(step, Write):
                self._write(step)
            elif isinstance(step, Run):
                self._run(step)
            elif isinstance(step, (Service, EndProcess)):
                self._service(step)
            else:
                if isinstance(step, Move) and step.path in self.journal.known:
                    self._save(self.journal.wrote(step.path, ""))
                steps.do(self.ctx, step)
                self.acted = self.acted or isinstance(step, (Move, Delete))
        self._guard_own()

    def _write(self, step: Write) -> None:
        """Only over what was planned from or what we wrote ourselves: compared once more as the
        last thing before the file is replaced.
        """
        if step.path not in self.journal.known:
            return steps.do(self.ctx, step)

        now = snapshots.digest_of(Path(step.path))
        if not self.journal.ours(step.path):
            raise Edited(step.path)
        ours = {now, *self.journal.known[step.path]}

        def was(raw: bytes) -> None:
            if snapshots.digest_of(raw) not in ours:
                raise Edited(step.path)
            if snapshots.digest_of(raw) not in (*self.snapshot.digests().values(), *self._made):
                snapshots.keep_present(snapshots.load(self.snapshot.folder), step.path, raw)

        self._save(self.journal.wrote(step.path, snapshots.digest_of(step.content)))
        self._made.add(snapshots.digest_of(step.content))
        steps.write(step, was)
        self.acted = True

    def _service(self, step: Any) -> None:
        """A gateway that answers in the very moment is neither stopped nor restarted: a restart is
        left out, and the verification says whether that was right.
        """
        action = step.action if isinstance(step, Service) else "stop"
        if action == "restart" and not self.acted and steps.just_started(self.ctx):
            return  # nothing was changed that this start has not read: it has its time
        if action in ("stop", "restart"):
            self._save(stopped=True)
        try:
            steps.do(self.ctx, step)
            self.acted = True
        except steps.Serving:
            self._save(stopped=False)
            if action != "restart":
                raise
        if action in ("start", "restart"):
            self._save(stopped=False)

    def _run(self, step: Run) -> None:
        """A foreign program may write the config. What it wrote is known by its own marks; anything
        else that changed meanwhile is an edit of somebody.
        """
        self._save(runs=True, ran=True)
        try:
            steps.do(self.ctx, step)
        finally:
            known = self.journal
            for path in known.edited():
                if self._by_program(path):
                    known = known.wrote(path, snapshots.digest_of(Path(path)))
            self._save(replace(known, runs=False))
        self.acted = True
        if self.journal.edited():
            raise Edited
        self._guard()

    def _by_program(self, path: str) -> bool:
        """`openclaw doctor` leaves the time of its run, and what it replaced in OpenClaw's ring.
        What bears no such marks is somebody's edit, whatever it holds.
        """
        now, stamp = openclaw_config.load(Path(path)), "wizard.lastRunAt"
        ran = now.ok and bool(now.get(stamp)) and now.get(stamp) != self.before.get(stamp)
        return ran and journals.by_openclaw(self.journal, path)

    def _guard(self) -> None:
        """After a foreign program ran: only the implicated keys of the config may differ."""
        if str(self.ctx.home.config_path) not in self.snapshot.files or not self.before.ok:
            return
        well, put_back = config_guard.undo_the_rest(
            self.ctx,
            self.snapshot,
            self.before.data,
            self.plan.config_paths,
            lambda path, content: self._write(Write(path, content)),
        )
        if not well:
            said = ", ".join(put_back[:5]) or Text("it does not parse", "无法解析")
            raise RepairError(Text.of("it damaged the config: {}", "它损坏了配置：{}", said))

    def _guard_own(self) -> None:
        """What we wrote differs from before only where the plan said so."""
        if self._edited():
            raise Edited
        if not self.before.ok:
            return
        after = openclaw_config.load(self.ctx.home.config_path)
        differs = (
            openclaw_config.diff(self.before.data, after.data) if after.ok else ["(does not parse)"]
        )
        allowed = tuple(self.plan.config_paths) + config_guard.OWN_STAMPS
        outside = [path for path in differs if not config_guard.allowed(path, allowed)]
        if outside:
            raise RepairError(
                Text.of(
                    "the config changed outside the fault: {}",
                    "配置在故障之外也变了：{}",
                    ", ".join(outside[:5]),
                )
            )

    def _edited(self) -> Tuple[str, ...]:
        """Files that somebody else wrote. What OpenClaw itself made of our content is no edit."""
        return tuple(p for p in self.journal.edited() if not journals.by_openclaw(self.journal, p))

    def _save(self, value: Optional[journals.Journal] = None, **changes: Any) -> None:
        self.journal = replace(value or self.journal, **changes)
        journals.save(self.path, self.journal)
