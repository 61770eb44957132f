"""What came of a visit, as a value and as the JSON that the watchdog and a person read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ..model import Match, Plan, Text
from . import steps


@dataclass(frozen=True)
class Treatment:
    """What came of a visit. outcome: healed | escalate | nothing | asked. only_person: no machine
    should do what is left.
    """

    outcome: str
    level: int
    cause: Text
    actions: Tuple[Mapping[str, Any], ...] = ()
    next_step: Optional[Text] = None
    matches: Tuple[Match, ...] = ()
    seconds: float = 0.0
    only_person: bool = False
    case: str = ""
    by: str = ""  # finding | case | changed | openclaw | ai
    plans: Tuple[Plan, ...] = ()  # asked: what would be done
    ai_calls: int = 0
    cost_usd: float = 0.0
    state: str = ""
    not_planned: Tuple[str, ...] = ()  # why repairs that were considered did not apply

    def to_json(self, lang: str = "en") -> Dict[str, Any]:
        return {
            "outcome": self.outcome,
            "level": self.level,
            "cause": self.cause.to(lang),
            "cause_zh": self.cause.zh,
            "state": self.state,
            "actions": ["{}: {}".format(a["repair"], a["outcome"]) for a in self.actions],
            "details": [dict(a) for a in self.actions],
            "next_step": self.next_step.to(lang) if self.next_step else "",
            "next_step_zh": self.next_step.zh if self.next_step else "",
            "matches": [_match(m) for m in self.matches[:5]],
            "seconds": round(self.seconds, 1),
            "only_person": self.only_person,
            "case": self.case,
            "by": self.by,
            "plans": [steps.plan_json(plan, lang) for plan in self.plans],
            "ai_calls": self.ai_calls,
            "cost_usd": self.cost_usd,
            "not_planned": list(self.not_planned),
        }


def _match(match: Match) -> Dict[str, Any]:
    return {
        "case": match.case.id,
        "slug": match.case.slug,
        "confidence": match.confidence.value,
        "score": match.score,
    }
