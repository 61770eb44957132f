"""Asking: which bridge is tried next, what it is given, what it costs, and what is remembered of
it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from ...bridges import base, consent, preferred
from ...bridges.base import HANDS, Answer, Bridge, Question, Spent
from ...errors import BridgeError, HealerError
from ...files import private_dir
from ...model import Outcome, Plan, Text
from ...openclaw import cli, known_secrets
from ...store.incidents import Incident
from . import audit, edit_mode, evidence
from . import plan as plans

if TYPE_CHECKING:
    from ...context import Context
    from ...openclaw.home import Home

KEEP_RUNS = 5
PAUSE_S = 20.0  # before a second pass over bridges that failed for a passing reason
LEAST_S = 5.0  # a call that would have less time is not made
# What ends the stage: the vendor that the owner agreed to does not take their login. Nobody else is
# handed the evidence instead.
LAST = ("budget", "not-logged-in")


def prefix_of(home: Home) -> str:
    """What the run ids of this gateway begin with; then come our pid and a random part."""
    return "iflow-" + hashlib.sha256(str(home.state_dir).encode("utf-8")).hexdigest()[:8]


class Asking:
    """Everything that is counted or remembered between the calls of one incident."""

    def __init__(
        self,
        ctx: Context,
        tried: Sequence[Outcome],
        incident: Union[str, Incident],
        execute: Callable[[Plan], Outcome],
        look: Optional[Callable[[], Any]] = None,
        say: Optional[Callable[[Text], None]] = None,
    ) -> None:
        memory = incident if isinstance(incident, Incident) else Incident(ctx.home, incident)
        self.ctx, self.incident, self.execute, self.look = ctx, memory.id, execute, look
        self.tried = [outcome for outcome in tried if isinstance(outcome, Outcome)]
        self._say = say
        self.settings = ctx.settings
        self.redactor = known_secrets.redactor(ctx)
        self.ledger = audit.Ledger(ctx, memory)
        self.began = ctx.host.monotonic()
        self.until = self.began + float(self.settings["ai.timeout"])
        self.prefix = prefix_of(ctx.home)
        self.attempts: List[Tuple[str, str]] = []
        self.outcomes: List[Outcome] = []
        self.log: List[Dict[str, Any]] = []  # every call and what became of it, for the report
        self.rounds = 0
        self.bridge: Optional[Bridge] = None
        self.prompt_after: Optional[float] = None
        self.said: Dict[str, Text] = {
            "root_cause": Text("", ""),
            "tell_person": Text("", ""),
            "prevention": Text("", ""),
        }
        self.gone: Dict[str, str] = {}  # bridges that are not asked again in this incident, and why
        self.ended = ""  # why nobody else is asked

    def bridges(self) -> List[Bridge]:
        return preferred(self.ctx)

    def agreed(self, bridge: Bridge) -> bool:
        """Did the owner say yes to this vendor and this address?"""
        return consent(self.ctx, bridge) is True

    def usable(self) -> List[Bridge]:
        """The bridges that may be asked now: there, logged in, agreed to. The last one that
        answered comes first.
        """
        found: List[Bridge] = []
        last = self.bridge.id if self.bridge else ""
        for bridge in sorted(self.bridges(), key=lambda b: b.id != last):
            if bridge.id in self.gone:
                continue
            program = bridge.find(self.ctx)
            if not program:
                self._fail(bridge, base.failure("not-installed", "not installed"), quiet=True)
            elif not self.agreed(bridge):
                self._fail(bridge, base.failure("no-consent", "nobody said yes"), quiet=True)
            elif bridge.login(self.ctx, program) is False:
                # Some CLIs retry for minutes before they say so themselves.
                self._fail(bridge, base.failure("not-logged-in", "not logged in"), quiet=True)
            else:
                found.append(bridge)
        return found

    def _ask(
        self, number: int, feedback: str
    ) -> Optional[Tuple[Bridge, Answer, Optional[edit_mode.Work]]]:
        """The first bridge that answers; a second pass for passing failures."""
        more = ""
        wish = self.settings.get("ai.triage", "retry")
        if wish == "always" or (wish == "retry" and number > 1):
            more = cli.triage(self.ctx, min(40.0, max(1.0, self._left() - LEAST_S)))
        for attempt in range(2):
            passing = False
            for bridge in self.usable():
                for again in range(2):
                    try:
                        return self._call(bridge, number, feedback, more)
                    except BridgeError as error:
                        self._fail(bridge, error)
                        if error.kind in LAST:
                            self.ended = error.kind
                        if self.ended or self._left() < LEAST_S:
                            return None
                        if error.kind != "bad-output" or again:
                            break
                passing = passing or base.PASSING.get(self.attempts[-1][1], False)
            if attempt or not passing or self._left() < PAUSE_S + LEAST_S:
                return None
            self.ctx.host.sleep(PAUSE_S)
        return None

    def question(
        self, bridge: Bridge, feedback: str, more: str, folder: str, run_id: str
    ) -> Tuple[Question, Optional[edit_mode.Work]]:
        """Exactly what this bridge would be sent now."""
        wants_hands = self.settings["ai.mode"] == "hands" and HANDS in bridge.capabilities
        work = edit_mode.prepare(self.ctx, folder, self.redactor) if wants_hands else None
        prompt = evidence.prompt(
            self.ctx,
            self.redactor,
            self.tried,
            feedback,
            secrets.token_hex(8),
            "hands" if work else "plan",
            more,
            **(work.places() if work else {}),
        )
        deadline = max(1.0, min(float(self.settings["ai.call_timeout"]), self._left()))
        asked = Question(
            prompt,
            plans.schema(),
            plans.schema(strict=True),
            deadline,
            run_id,
            folder,
            self.ledger.left_usd(),
            hands=bool(work),
            edit=work.edit if work else "",
        )
        return asked, work

    def _call(
        self, bridge: Bridge, number: int, feedback: str, more: str
    ) -> Tuple[Bridge, Answer, Optional[edit_mode.Work]]:
        refusal = self.ledger.refusal()
        if refusal:
            raise base.failure("budget", refusal.en)
        run_id = "{}-{}-{}".format(self.prefix, os.getpid(), secrets.token_hex(4))
        folder = self._workdir(run_id)
        asked, work = self.question(bridge, feedback, more, folder, run_id)
        if self.prompt_after is None:
            self.prompt_after = self.ctx.host.monotonic() - self.began
        self.say(
            Text(
                "Asking {} (round {}, at most {:.0f} s)".format(
                    bridge.title, number, asked.deadline_s
                ),
                "正在询问 {}（第 {} 轮，最多 {:.0f} 秒）".format(
                    bridge.title, number, asked.deadline_s
                ),
            )
        )
        began, since = self.ctx.host.monotonic(), self.ctx.host.now()
        about = {
            "bridge": bridge.id,
            "title": bridge.title,
            "run": run_id,
            "pid": os.getpid(),
            "round": number,
            "workdir": folder,
            "incident": self.incident,
            "since": since,
            "deadline_s": asked.deadline_s,
        }
        audit.session(self.ctx, {**about, "at": since, "state": "asking"})
        self.ledger.begin(bridge.id, run_id)
        spent, outcome = Spent(), "crashed"
        calls: Tuple[Any, ...] = ()
        row: Dict[str, Any] = {"bridge": bridge.title, "round": number, "run": run_id}
        try:
            reply = bridge.ask(self.ctx, asked)
            spent, calls, outcome = reply.spent, reply.tool_calls, "answered"
        except BridgeError as error:
            spent, calls, outcome = error.spent or Spent(), tuple(error.tool_calls), error.kind
            row["message"] = error.message
            raise
        except HealerError as error:
            outcome = row["message"] = "bad-output"
            raise base.failure("bad-output", error.message) from None
        # a bridge that crashes is one that gave no answer; its message may hold anything, so only
        # its type is kept
        except Exception as error:
            outcome = row["message"] = "bad-output"
            raise base.failure(
                "bad-output", "the bridge failed: {}".format(type(error).__name__)
            ) from None
        finally:
            self.ledger.end(spent)
            row.update(
                outcome=outcome,
                seconds=round(self.ctx.host.monotonic() - began, 1),
                cost_usd=spent.cost,
                tokens=spent.tokens_in + spent.tokens_out,
                turns=spent.turns,
                model=spent.model,
                tool_calls=list(calls),
            )
            self.log.append(row)
            what = "answered" if outcome == "answered" else "failed"
            told = {name: value for name, value in row.items() if name != "bridge"}
            self._note(what, bridge, asked.prompt, **told)
            audit.session(
                self.ctx,
                {
                    **about,
                    "at": self.ctx.host.now(),
                    "state": outcome,
                    "seconds": row["seconds"],
                    "cost_usd": spent.cost,
                },
            )
        self.attempts.append((bridge.id, "ok"))
        row["plan"] = short(reply.data)
        if work:
            audit.session(
                self.ctx,
                {**about, "at": self.ctx.host.now(), "state": outcome, "session": reply.session},
            )
        return bridge, reply, work

    def _fail(self, bridge: Bridge, error: BridgeError, quiet: bool = False) -> None:
        self.attempts.append((bridge.id, error.kind))
        if not base.PASSING.get(error.kind, False):
            self.gone[bridge.id] = error.kind
        if not quiet:
            name = base.NAMES.get(error.kind, Text(error.kind, error.kind))
            self.say(
                Text(
                    "{}: {} ({})".format(bridge.title, name.en, error.message),
                    "{}：{}（{}）".format(bridge.title, name.zh, error.message),
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
                **event,
                "event": what,
                "incident": self.incident,
                "bridge": bridge.id,
                "mode": self.settings["ai.mode"],
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
