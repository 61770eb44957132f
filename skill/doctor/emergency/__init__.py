"""The AI emergency doctor: called when no case fits or every repair failed. It returns data; our
code checks, executes and verifies.

ask(ctx, tried, incident, execute) -> AiResult. Everything heavy is imported when it is called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from ...errors import HealerError, RepairError
from ...model import Outcome, Plan, Text
from ...store.incidents import Incident, key_of
from .. import execute as healer

if TYPE_CHECKING:
    from ...context import Context
    from ..visit import Visit

NOBODY = Text("No AI gave a usable answer.", "没有 AI 返回可用的结果。")


@dataclass(frozen=True)
class AiResult:
    """healed: by verification alone (Outcome.healed). why: our own word on how it ended. opinion:
    what the model says, marked as such, never an order of ours.

    calls, usd, unknown: of this visit (unknown: calls whose cost nobody says). cost: of the
    incident over all visits (calls, usd, unknown, tokens). rounds: plans received. attempts:
    (bridge, error kind). outcomes: what became of executed plans. prompt_after_s: seconds from
    ask() to the first prompt being handed over. report: path of the Markdown report ("" when
    nobody was asked). unasked: bridges that the owner has not said yes to. switched_off: plugins
    that a plan disabled.
    """

    healed: bool
    why: Text
    opinion: Text = Text("", "")
    bridge: str = ""
    title: str = ""
    rounds: int = 0
    calls: int = 0
    usd: float = 0.0
    unknown: int = 0
    cost: Mapping[str, Any] = field(default_factory=dict)
    attempts: Tuple[Tuple[str, str], ...] = ()
    outcomes: Tuple[Outcome, ...] = ()
    by_itself: bool = False
    prompt_after_s: Optional[float] = None
    report: str = ""
    unasked: Tuple[str, ...] = ()
    switched_off: Tuple[str, ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """For the incident's result, the records and `--json`."""
        note = self.note()
        return {
            "healed": self.healed,
            "asked": self.calls,
            "who": self.title,
            "bridge": self.bridge,
            "rounds": self.rounds,
            "cost": dict(self.cost),
            "unknown": self.unknown,
            "why": self.why.en,
            "why_zh": self.why.zh,
            "opinion": self.opinion.en,
            "opinion_zh": self.opinion.zh,
            "note": note.en,
            "note_zh": note.zh,
            "report": self.report,
            "unasked": list(self.unasked),
            "switched_off": list(self.switched_off),
            "by_itself": self.by_itself,
            "attempts": [list(row) for row in self.attempts],
        }

    def note(self) -> Text:
        """One line for the person who is told of this incident: that an AI was asked, what it
        cost, where the report is, what was switched off, what it suggests. "" when nobody was.
        """
        from .audit import cost_text

        if not self.calls:
            return Text("", "")
        times = {1: Text("once", "一次"), 2: Text("twice", "两次")}.get(
            self.calls, Text.of("{} times", "{} 次", self.calls)
        )
        name = self.title or (self.attempts[-1][0] if self.attempts else "")
        said = Text.of(
            "An AI ({}) was asked {}, {}.",
            "询问了 AI（{}）{}，{}。",
            name,
            times,
            cost_text(self.cost),
        )
        parts = [said]
        if self.report:
            parts.append(Text.of("Report: {}", "报告：{}", self.report))
        for plugin in self.switched_off:
            parts.append(
                Text.of(
                    "The plugin {} was switched off; again on: openclaw plugins enable {}",
                    "已停用插件 {}；重新启用：openclaw plugins enable {}",
                    plugin,
                    plugin,
                )
            )
        if self.opinion.en:
            parts.append(self.opinion)
        return Text(" ".join(p.en for p in parts), " ".join(p.zh for p in parts))


def ask(
    ctx: Context,
    tried: Sequence[Outcome],
    incident: Union[str, Incident],
    execute: Callable[[Plan], Outcome],
    look: Optional[Callable[[], Any]] = None,
    say: Optional[Callable[[Text], None]] = None,
) -> AiResult:
    """Given a gateway that nothing healed, ask the bridges that the owner agreed to, for up to
    ai.rounds plans within ai.timeout seconds.

    incident: its memory (what it cost so far is there), or its id. execute: healer.execute bound to
    ctx. look: a fresh Context (new findings) after a plan did not work. say: progress for a person.
    Never raises for what a bridge or a plan does; KeyboardInterrupt passes, after every process of
    the run was ended.
    """
    from .rounds import Emergency

    return Emergency(ctx, tried, incident, execute, look, say).run()


def consult(visit: Visit) -> Optional[Any]:
    """A Treatment when it healed; None otherwise, with what came of it kept in visit.ai."""

    def execute(plan: Plan) -> Outcome:
        key = "ai " + key_of(plan.repair, {"params": dict(plan.params), "keys": plan.config_paths})
        if not visit.incident.may_try(key):
            raise RepairError(
                Text("this was tried in this incident and did not help", "本次事故中已试过，没有用")
            )
        visit.wait_for_runs(plan)
        visit.incident.begin(key)
        outcome = healer.execute(visit.ctx, plan)
        visit.incident.end(key, "healed" if outcome.healed else "failed")
        visit._note(outcome, "ai")
        return outcome

    def look() -> Any:
        visit._look()
        return visit.ctx

    try:
        result = ask(visit.ctx, list(visit.outcomes), visit.incident, execute, look, visit.say)
    except HealerError as error:
        visit.fell_over.append("ai: {}".format(error))
        return None
    visit.ai_calls += int(result.calls)
    visit.cost_usd += result.usd
    visit.ai = result.to_json()
    if result.healed:
        return visit._answer("healed", visit._conclusion().cause, None, by="ai")
    return None
