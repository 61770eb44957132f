"""The AI emergency doctor: called when no case fits or every repair failed. It returns data; our
code checks, executes and verifies.

ask(ctx, tried, incident, execute) -> AiResult. Everything heavy is imported when it is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple

from ...errors import HealerError, RepairError
from ...model import Outcome, Plan, Text
from ...store.incidents import key_of
from .. import execute as healer
from .. import steps

NOBODY = Text("No AI gave a usable answer.", "没有 AI 返回可用的结果。")


@dataclass(frozen=True)
class AiResult:
    """healed: by verification alone (Outcome.healed). tell_person: what to tell, whatever happened.
    attempts: (bridge, error kind).

    cost_usd: as far as the CLIs said. calls: model calls made. rounds: plans received. outcomes:
    what became of executed plans.
    prompt_after_s: seconds from ask() to the first prompt being handed over. report: path of the
    Markdown report ("" when not written).
    """

    healed: bool
    root_cause: Text
    tell_person: Text
    bridge: str = ""
    rounds: int = 0
    cost_usd: float = 0.0
    calls: int = 0
    attempts: Tuple[Tuple[str, str], ...] = ()
    outcomes: Tuple[Outcome, ...] = ()
    by_itself: bool = False
    prompt_after_s: Optional[float] = None
    report: str = ""


def ask(
    ctx: Any,
    tried: Sequence[Outcome],
    incident: str,
    execute: Callable[[Plan], Outcome],
    look: Optional[Callable[[], Any]] = None,
    say: Optional[Callable[[Text], None]] = None,
) -> AiResult:
    """Given a gateway that nothing healed, ask the bridges in order, for up to ai.rounds plans
    within ai.timeout seconds.

    execute: healer.execute bound to ctx. look: a fresh Context (new findings) after a plan did not
    work. say: progress for a person.
    Never raises for what a bridge or a plan does; KeyboardInterrupt passes, after every process of
    the run was ended.
    """
    from .rounds import Emergency

    return Emergency(ctx, tried, incident, execute, look, say).run()


def consult(visit: Any) -> Optional[Any]:
    """A Treatment when it healed; None otherwise, with what it said kept in visit.ai_said."""
    try:
        from . import NOBODY, ask
    except ImportError:
        return None

    def execute(plan: Plan) -> Outcome:
        key = "ai " + key_of(plan.repair, {"steps": [steps.describe(step) for step in plan.steps]})
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
        result = ask(visit.ctx, list(visit.outcomes), visit.incident.id, execute, look, visit.say)
    except HealerError as error:
        visit.fell_over.append("ai: {}".format(error))
        return None
    visit.ai_calls += int(result.calls)
    visit.cost_usd += float(result.cost_usd)
    if result.healed:
        return visit._answer(
            "healed",
            result.root_cause if result.root_cause.en else visit._conclusion().cause,
            None,
            by="ai",
        )
    if result.tell_person.en and result.tell_person != NOBODY and result.rounds:
        visit.ai_said = result.tell_person
    return None
