"""Which repair is next: known causes, certain cases, what is cheap, what changed, OpenClaw's own
doctor. Plans, no effects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import repairs
from ..context import Context
from ..errors import CannotPlan, HealerError
from ..model import Confidence, Finding, Match, Plan, Risk, Severity, State
from ..store.incidents import Incident, key_of
from . import examine, repair_table
from .repair_table import Row

# OpenClaw refuses every start with these: starting again would only repeat that.
REJECTED = (
    "config/syntax",
    "config/empty",
    "config/missing",
    "config/include-missing",
    "config/invalid-value",
    "config/unrecognized-key",
)

REVERT = "revert-config-keys"


@dataclass
class Choice:
    """A repair that was chosen: why (row or case) and what it would do."""

    plan: Plan
    key: str
    by: str
    finding: Optional[Finding] = None
    case: str = ""


@dataclass
class Chooser:
    """One look's choices. fell_over: why repairs that were considered did not apply, for the person
    who asks.
    """

    ctx: Context
    incident: Incident
    matches: Tuple[Match, ...]
    yes: bool
    fell_over: List[str]

    def candidates(self) -> Iterator[Choice]:
        verdict = self.ctx.verdict
        yield from self._planned(repair_table.SPECIFIC, "finding")
        person = first(repair_table.rows_for(repair_table.PERSON_AFTER, verdict))
        if person is not None:
            yield Choice(
                self._plan("tell-person", {}), "tell-person " + person.check_id, "finding", person
            )
            return
        yield from self._cases(False)
        changed = bool(
            self.ctx.findings("config/changed") or self.ctx.findings("plugins/new-since-good")
        )
        if not changed:
            yield from self._cases(True)
        rejected = any(
            f.check_id in REJECTED and f.severity is Severity.ERROR
            for f in self.ctx.verdict.findings
        )
        if not rejected and not (changed and self._start_is_pointless()):
            yield from self._planned(repair_table.CHEAP, "restart")
        yield from self._planned(repair_table.CHANGED, "changed")
        yield from self._cases(True)
        yield from self._planned(repair_table.LAST, "openclaw")

    def _planned(self, rows: Sequence[Row], by: str) -> Iterator[Choice]:
        found = repair_table.rows_for(tuple(rows), self.ctx.verdict)
        together: Optional[Choice] = self._together(found, by)
        for row, finding, params in found:
            if together is not None and row.repair == REVERT:
                yield together
                together = None
            key = key_of(row.repair, params)
            if not self.incident.may_try(key):
                continue
            plan = self._try_plan(row.repair, params)
            if plan is not None and (
                row.certain or plan.risk in (Risk.READ, Risk.SAFE) or self.yes
            ):
                yield Choice(plan, key, by, finding)

    def _together(self, found: Sequence[Any], by: str) -> Optional[Choice]:
        """Several wrong keys at once: all of them are put back before the one start that tells,
        instead of a start for each.
        """
        rows = [
            (finding, params)
            for row, finding, params in found
            if row.repair == REVERT and params.get("paths")
        ]
        paths = sorted({str(path) for _finding, params in rows for path in params["paths"]})
        params = {"paths": paths}
        key = key_of(REVERT, params)
        if len(
            {finding.path for finding, _params in rows if finding}
        ) < 2 or not self.incident.may_try(key):
            return None
        plan = self._try_plan(REVERT, params)
        return Choice(plan, key, by, rows[0][0]) if plan is not None else None

    def _cases(self, tell: bool) -> Iterator[Choice]:
        """Certain matches whose evidence holds on this machine. A case that keeps failing, or is
        not proven yet, does not act.
        """
        from ..store.records import Store

        store = Store(self.ctx.home)
        for match in self.matches:
            case = match.case
            key = "{} {}".format(key_of(case.repair, case.params), case.id)
            if (
                match.confidence is not Confidence.CERTAIN
                or (case.repair == "tell-person") is not tell
                or not self.incident.may_try(key)
            ):
                continue
            if not repair_table.holds(case.evidence, self.ctx.verdict) or store.demoted(case.id):
                continue
            if case.raw.get("status") == "proposed" and not store.proven(case.id):
                continue
            params = {"en": case.solution.en, "zh": case.solution.zh} if tell else dict(case.params)
            if not self.incident.may_try(key_of(case.repair, case.params)):
                continue
            plan = self._try_plan(case.repair, params)
            if plan is not None:
                yield Choice(
                    replace(plan, verify=_verify(case.verify, plan)), key, "case", None, case.id
                )

    def _try_plan(self, repair: str, params: Mapping[str, Any]) -> Optional[Plan]:
        try:
            return self._plan(repair, params)
        except CannotPlan as error:
            self.fell_over.append("{}: {}".format(repair, error))
        except (HealerError, OSError, KeyError, ValueError, TypeError) as error:
            self.fell_over.append("{} could not be planned: {!r}".format(repair, error))
        return None

    def _plan(self, repair: str, params: Mapping[str, Any]) -> Plan:
        plan = repairs.planned(self.ctx, repair, params)
        return (
            replace(plan, settle_s=max(plan.settle_s, self._settle()))
            if plan.verify == "ready"
            else plan
        )

    def _settle(self) -> float:
        """Seconds that a gateway which ran and died must outlive its last life; 0 for one that
        refused to start.
        """
        if self.ctx.verdict.state is State.MISCONFIGURED:
            return 0.0
        first, last = examine.log_span(self.ctx.logs)
        lived = last - first if first and last else 0.0
        return min(120.0, lived + 5.0) if 0 < lived <= 150 else 8.0

    def _start_is_pointless(self) -> bool:
        """It refused (exit 78) and nothing that it reads changed since: a start would only repeat
        that.
        """
        if self.ctx.verdict.state is not State.MISCONFIGURED:
            return False
        _first_line, last = examine.log_span(self.ctx.logs)
        try:
            return bool(last) and self.ctx.home.config_path.stat().st_mtime < last
        except OSError:
            return False


def _verify(wanted: str, plan: Plan) -> str:
    return wanted if wanted in ("ready", "live") and plan.verify == "ready" else plan.verify


def first(rows: Sequence[Tuple[Row, Optional[Finding], Mapping[str, Any]]]) -> Optional[Finding]:
    return rows[0][1] if rows else None
