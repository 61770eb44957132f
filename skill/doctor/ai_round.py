"""Level 3's last means: the emergency doctor. Its plans go through the same healer, under the same
memory of what was tried.
"""

from __future__ import annotations

from typing import Any, Optional

from ..errors import HealerError, RepairError
from ..model import Outcome, Plan, Text
from ..store.incidents import key_of
from . import execute as healer
from . import steps


def consult(visit: Any) -> Optional[Any]:
    """A Treatment when it healed; None otherwise, with what it said kept in visit.ai_said."""
    try:
        from .emergency import NOBODY, ask
    except ImportError:
        return None

    def execute(plan: Plan) -> Outcome:
        key = "ai " + key_of(plan.repair, {"steps": [steps.describe(step) for step in plan.steps]})
        if not visit.incident.may_try(key):
            raise RepairError(
                Text("this was tried in this incident and did not help", "本次事故中已试过,没有用")
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
            result.root_cause if result.root_cause.en else visit._cause(None),
            None,
            by="ai",
        )
    if result.tell_person.en and result.tell_person != NOBODY and result.rounds:
        visit.ai_said = result.tell_person
    return None
