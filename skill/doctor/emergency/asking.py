"""Asking: which bridge is tried next, what it is given, what it costs, and what is remembered of
it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ...bridges import base, preferred
from ...bridges.base import HANDS, Answer, Bridge, Question
from ...errors import BridgeError, HealerError
from ...files import private_dir
from ...model import Outcome, Plan, Text
from ...openclaw import cli, known_secrets
from . import audit, edit_mode, evidence
from . import plan as plans

KEEP_RUNS = 5
PAUSE_S = 20.0  # before a second pass over bridges that failed for a passing reason
LEAST_S = 5.0  # a call that would have less time is not made


class Asking:
    """Everything that is counted or remembered between the calls of one incident."""

    def __init__(
        self,
        ctx: Any,
        tried: Sequence[Outcome],
        incident: str,
        execute: Callable[[Plan], Outcome],
        look: Optional[Callable[[], Any]] = None,
        say: Optional[Callable[[Text], None]] = None,
    ) -> None:
        self.ctx, self.incident, self.execute, self.look = ctx, incident, execute, look
        self.tried = [outcome for outcome in tried if isinstance(outcome, Outcome)]
        self._say = say
        self.settings = ctx.settings
        self.redactor = known_secrets.redactor(ctx)
        self.began = ctx.host.monotonic()
        self.until = self.began + float(self.settings["ai.timeout"])
        self.prefix = (
            "iflow-" + hashlib.sha256(str(ctx.home.state_dir).encode("utf-8")).hexdigest()[:8]
        )
        self.attempts: List[Tuple[str, str]] = []
        self.outcomes: List[Outcome] = []
        self.calls, self.rounds, self.cost = 0, 0, 0.0
        self.bridge = ""
        self.prompt_after: Optional[float] = None
        self.said: Dict[str, Text] = {
            "root_cause": Text("", ""),
            "tell_person": Text("", ""),
            "prevention": Text("", ""),
        }
        self.gone: Dict[str, str] = {}  # bridges that are not asked again in this incident, and why

    def bridges(self) -> List[Bridge]:
        return preferred(self.ctx)

    def _ask(
        self, number: int, feedback: str
    ) -> Optional[Tuple[Bridge, Answer, Optional[edit_mode.Work]]]:
        """The first bridge that answers: the last one that did, then by preference; a second pass
        for passing failures.
        """
        more = ""
        wish = self.settings.get("ai.triage", "retry")
        if wish == "always" or (wish == "retry" and number > 1):
            more = cli.triage(self.ctx, min(40.0, max(1.0, self._left() - LEAST_S)))
        for attempt in range(2):
            passing = False
            for bridge in sorted(self.bridges(), key=lambda b: b.id != self.bridge):
                if bridge.id in self.gone:
                    continue
                program = bridge.find(self.ctx)
                if not program:
                    self._fail(bridge, base.failure("not-installed", "not installed"), quiet=True)
                    continue
                if bridge.login(self.ctx, program) is False:
                    # Some CLIs retry for minutes before they say so themselves.
                    self._fail(bridge, base.failure("not-logged-in", "not logged in"), quiet=True)
                    continue
                for again in range(2):
                    try:
                        return self._call(bridge, number, feedback, more)
                    except BridgeError as error:
                        self._fail(bridge, error)
                        if error.kind == "budget" or self._left() < LEAST_S:
                            return None
                        if error.kind != "bad-output" or again:
                            break
                passing = passing or base.PASSING.get(self.attempts[-1][1], False)
            if attempt or not passing or self._left() < PAUSE_S + LEAST_S:
                return None
            self.ctx.host.sleep(PAUSE_S)
        return None

    def _call(
        self, bridge: Bridge, number: int, feedback: str, more: str
    ) -> Tuple[Bridge, Answer, Optional[edit_mode.Work]]:
        budget = int(self.settings["ai.daily_budget"])
        today = audit.spent_today(self.ctx)
        most = float(self.settings["ai.max_usd"])
        if today["calls"] >= budget:
            raise base.failure(
                "budget", "{} calls today, ai.daily_budget is {}".format(today["calls"], budget)
            )
        if most and self.cost >= most:
            raise base.failure(
                "budget",
                "{:.2f} USD in this incident, ai.max_usd is {:.2f}".format(self.cost, most),
            )
        wants_hands = self.settings["ai.mode"] == "hands" and HANDS in bridge.capabilities
        run_id = "{}-{}-{}".format(self.prefix, os.getpid(), secrets.token_hex(4))
        folder = self._workdir(run_id)
        work = edit_mode.prepare(self.ctx, folder, self.redactor) if wants_hands else None
        nonce = secrets.token_hex(8)
        places = work.places() if work else {}
        prompt = evidence.prompt(
            self.ctx,
            self.redactor,
            self.tried,
            feedback,
            nonce,
            "hands" if work else "plan",
            more,
            **places,
        )
        deadline = max(1.0, min(float(self.settings["ai.call_timeout"]), self._left()))
        left_usd = max(0.01, most - self.cost) if most else 0.0
        question = Question(
            prompt,
            plans.schema(),
            plans.schema(strict=True),
            deadline,
            run_id,
            folder,
            left_usd,
            hands=bool(work),
            edit=work.edit if work else "",
            commands=work.commands if work else (),
        )
        if self.prompt_after is None:
            self.prompt_after = self.ctx.host.monotonic() - self.began
        self.say(
            Text(
                "Asking {} (round {}, at most {:.0f} s)".format(bridge.title, number, deadline),
                "正在询问 {}（第 {} 轮，最多 {:.0f} 秒）".format(bridge.title, number, deadline),
            )
        )
        started = {"bridge": bridge.id, "run": run_id, "workdir": folder, "incident": self.incident}
        audit.session(self.ctx, {**started, "at": self.ctx.host.now(), "state": "asking"})
        self.calls += 1
        audit.spend(self.ctx, None)
        began = self.ctx.host.monotonic()
        try:
            answer = bridge.ask(self.ctx, question)
        except BridgeError as error:
            self._note(
                "failed",
                bridge,
                prompt,
                run=run_id,
                round=number,
                error=error.kind,
                message=error.message,
                seconds=self.ctx.host.monotonic() - began,
            )
            raise
        except HealerError as error:
            raise base.failure("bad-output", error.message) from None
        # a bridge that crashes is one that gave no answer; its message may hold anything, so only
        # its type is kept
        except Exception as error:
            self._note(
                "failed",
                bridge,
                prompt,
                run=run_id,
                round=number,
                error="bad-output",
                message=type(error).__name__,
            )
            raise base.failure(
                "bad-output", "the bridge failed: {}".format(type(error).__name__)
            ) from None
        self.cost += answer.cost_usd or 0.0
        audit.spend(self.ctx, answer.cost_usd, calls=0)
        self.attempts.append((bridge.id, "ok"))
        self._note(
            "answered",
            bridge,
            prompt,
            run=run_id,
            round=number,
            argv=list(answer.argv),
            init=dict(answer.init),
            session=answer.session,
            seconds=answer.seconds,
            cost_usd=answer.cost_usd,
            tool_calls=list(answer.tool_calls),
            plan=short(answer.data),
        )
        session = answer.session if work else ""
        audit.session(
            self.ctx,
            {**started, "at": self.ctx.host.now(), "state": "answered", "session": session},
        )
        return bridge, answer, work

    def _fail(self, bridge: Bridge, error: BridgeError, quiet: bool = False) -> None:
        self.attempts.append((bridge.id, error.kind))
        if not base.PASSING.get(error.kind, False):
            self.gone[bridge.id] = error.kind
        if not quiet:
            name = base.NAMES.get(error.kind, Text(error.kind, error.kind))
            self.say(
                Text(
                    "{}: {} ({})".format(bridge.title, name.en, error.message),
                    "{}:{}({})".format(bridge.title, name.zh, error.message),
                )
            )

    def _workdir(self, run_id: str) -> str:
        runs = private_dir(audit.folder(self.ctx.home) / "runs")
        for old in sorted(runs.iterdir(), key=lambda p: p.stat().st_mtime)[
            : -KEEP_RUNS + 1 or None
        ]:
            shutil.rmtree(str(old), ignore_errors=True)
        return str(private_dir(runs / run_id))

    def say(self, text: Text) -> None:
        if self._say is not None:
            try:
                self._say(Text(self.redactor.clean(text.en), self.redactor.clean(text.zh)))
            except Exception:  # nobody is watching
                pass

    def _note(self, what: str, bridge: Bridge, prompt: str = "", **event: Any) -> None:
        audit.write(
            self.ctx,
            self.redactor,
            {
                "event": what,
                "incident": self.incident,
                "bridge": bridge.id,
                "mode": self.settings["ai.mode"],
                **event,
            },
            prompt,
        )

    def _left(self) -> float:
        return float(self.until - self.ctx.host.monotonic())


def short(data: Any) -> Any:
    return (
        {str(k): (v if not isinstance(v, str) else v[:300]) for k, v in data.items()}
        if isinstance(data, dict)
        else str(data)[:300]
    )
