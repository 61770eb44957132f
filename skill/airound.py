"""Rounds with the emergency doctor: each answer is a plan as data; each repair in it goes through the same healer."""

from __future__ import annotations

from typing import Any, Optional

from . import repairs
from .errors import HealerError
from .incidents import key_of
from .model import Risk, Text

ROUNDS = 3


def consult(visit: Any) -> Optional[Any]:
    """Ask, carry out, tell the result, up to three times. None when no AI is there or none of it helped."""
    try:
        from . import emergency
    except ImportError:
        return None
    if not hasattr(emergency, "ask"):
        return None
    for _round in range(ROUNDS):
        try:
            answer = emergency.ask(visit.ctx, list(visit.actions))
        except HealerError as error:
            visit.fell_over.append("ai: {}".format(error))
            return None
        visit.ai_calls += 1
        visit.cost_usd += float(getattr(answer, "cost_usd", 0.0) or 0.0)
        wanted = list(getattr(answer, "repairs", None) or ())
        if not wanted:
            return None
        for item in wanted:
            healed = _one(visit, item, answer)
            if healed is not None:
                return healed
        visit._look()
    return None


def _one(visit: Any, item: Any, answer: Any) -> Optional[Any]:
    """One repair of an AI's plan: known id, parameters that fit its schema, allowed unattended, not tried before."""
    import jsonschema

    name = str(item.get("repair", "")) if isinstance(item, dict) else str(getattr(item, "repair", ""))
    params = dict((item.get("params") if isinstance(item, dict) else getattr(item, "params", None)) or {})
    known = repairs.ALL.get(name)
    key = key_of(name, params)
    if known is None or name == "tell-person" or not visit.incident.may_try(key):
        return None
    if list(jsonschema.Draft7Validator(dict(known.params)).iter_errors(params)):
        visit.fell_over.append("ai: parameters of {} are wrong".format(name))
        return None
    plan = visit._try_plan(name, params)
    if plan is None or (plan.risk is Risk.NEVER and not visit.yes):
        return None
    from .doctor import Choice

    outcome = visit._execute(Choice(plan, key, "ai"))
    if outcome is None or not outcome.healed:
        return None
    said = str(getattr(answer, "root_cause", "") or plan.why.en)
    return visit._answer("healed", Text(said, said), None, by="ai")
