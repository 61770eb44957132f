"""What came of a visit: as a value, as the JSON that the watchdog and a person read, and as a
record.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from ..cases import learning
from ..context import Context
from ..files import private_dir
from ..model import Match, Plan, Severity, Text
from ..store.incidents import Incident
from ..store.records import Store
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
    finding: str = ""  # id of the check that found the cause, as `diagnose` names it
    not_planned: Tuple[str, ...] = ()  # why repairs that were considered did not apply
    ai: Mapping[str, Any] = field(default_factory=dict)  # AiResult.to_json(), {} when none was due

    def to_json(self, lang: str = "en") -> Dict[str, Any]:
        return {
            "outcome": self.outcome,
            "level": self.level,
            "cause": self.cause.to(lang),
            "cause_zh": self.cause.zh,
            "state": self.state,
            "finding": self.finding,
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
            "ai": dict(self.ai),
        }


def _match(match: Match) -> Dict[str, Any]:
    return {
        "case": match.case.id,
        "slug": match.case.slug,
        "confidence": match.confidence.value,
        "score": match.score,
    }


def record(ctx: Context, incident: Incident, result: Treatment) -> None:
    """Write it into records.json and, for the watchdog, into the incident's file. Memory must not
    break the work.
    """
    now = ctx.host.now()
    opened = incident.opened(now)
    entry = {
        "id": incident.id,
        "opened": opened,
        "first_failed_probe": opened,
        "closed": now if result.outcome == "healed" else None,
        "state": result.state,
        "case": result.case,
        "level": 3 if result.outcome == "healed" else 4,
        "by": result.by,
        "cause": result.cause.en,
        "cause_zh": result.cause.zh,
        "actions": [dict(a) for a in result.actions],
        "outcome": result.outcome,
        "verified": result.outcome == "healed",
        "verify": "readyz" if result.outcome == "healed" else "",
        "healed_s": round(now - opened, 1) if result.outcome == "healed" else None,
        "treat_s": round(result.seconds, 1),
        "ai_calls": result.ai_calls,
        "cost_usd": result.cost_usd,
        "ai_unknown": int((result.ai or {}).get("unknown") or 0),
        "evidence": sorted({f.check_id for f in ctx.verdict.findings}),
    }
    entry["errors"] = sorted(
        {f.check_id for f in ctx.verdict.findings if f.severity is Severity.ERROR}
    )
    try:
        private_dir(ctx.home.doctor_dir)
        if result.outcome != "nothing":
            with contextlib.suppress(Exception):
                entry["lines"] = learning.lines_of(ctx.logs)
                learning.learn(ctx.home, entry)
            Store(ctx.home).add(entry)
        incident.write_result(result.to_json())
    except Exception:
        pass
