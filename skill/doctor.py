"""Level 3, one incident: known cause -> case -> what changed -> OpenClaw's own doctor -> AI -> a person. Raises nothing about the gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import healer, healing, lastgood, looking, repairs, treatments
from .context import Context
from .errors import AlreadyRunning, CannotPlan, HealerError, RepairError
from .incidents import Incident, key_of, watched
from .model import Confidence, Finding, Match, Outcome, Plan, Risk, Severity, State, Text
from .treatments import Row

ROUNDS = 12  # repairs in one visit, at most
VISIT_S = 1800.0  # after this long no new repair is begun
RESTARTING = ("start", "restart", "reset-failed", "end-stale-process", "clear-stale-lock")  # stay on with auto_heal=false
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Treatment:
    """What came of a visit. outcome: healed | escalate | nothing | asked. only_person: no machine should do what is left."""

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
            "outcome": self.outcome, "level": self.level, "cause": self.cause.to(lang), "cause_zh": self.cause.zh, "state": self.state,
            "actions": ["{}: {}".format(a["repair"], a["outcome"]) for a in self.actions], "details": [dict(a) for a in self.actions],
            "next_step": self.next_step.to(lang) if self.next_step else "", "next_step_zh": self.next_step.zh if self.next_step else "",
            "matches": [{"case": m.case.id, "slug": m.case.slug, "confidence": m.confidence.value, "score": m.score} for m in self.matches[:5]],
            "seconds": round(self.seconds, 1), "only_person": self.only_person, "case": self.case, "by": self.by,
            "plans": [healing.plan_json(plan, lang) for plan in self.plans], "ai_calls": self.ai_calls, "cost_usd": self.cost_usd, "not_planned": list(self.not_planned),
        }  # fmt: skip


@dataclass
class Choice:
    """A repair that was chosen: why (row or case) and what it would do."""

    plan: Plan
    key: str
    by: str
    finding: Optional[Finding] = None
    case: str = ""


@dataclass
class Visit:
    """One visit to a sick gateway. yes: a person agreed beforehand. plan_only: show the first plan, do nothing."""

    ctx: Context
    incident: Incident
    yes: bool = False
    plan_only: bool = False
    say: Callable[[Text], None] = lambda text: None
    examine: Callable[[Context, bool], Context] = looking.examined
    match: Callable[[Context], Tuple[Match, ...]] = looking.matches
    actions: List[Dict[str, Any]] = field(default_factory=list)
    matches: Tuple[Match, ...] = ()
    outcomes: List[Outcome] = field(default_factory=list)
    ai_said: Optional[Text] = None
    ai_calls: int = 0
    cost_usd: float = 0.0
    fell_over: List[str] = field(default_factory=list)
    began: float = 0.0

    def treat(self) -> Treatment:
        self.began = self.ctx.host.monotonic()
        self.incident.opened(self.ctx.host.now())
        if not self.plan_only:
            self._finish_interrupted()
        self._look()
        for _round in range(ROUNDS):
            state = self.ctx.verdict.state
            if state in treatments.NOTHING_TO_DO:
                return self._nothing()
            certain = _first(treatments.rows_for(treatments.PERSON, self.ctx.verdict))
            if certain is not None:
                return self._escalate(certain, True)
            choice = self._choose()
            if choice is None:
                break
            if choice.plan.repair == "tell-person":
                return self._escalate(choice.finding, True, choice)
            refusal = self._must_ask(choice)
            if refusal or self.plan_only:
                return self._answer("asked", self._cause(choice.finding), refusal or _HOW_TO_HEAL, by=choice.by, plans=(choice.plan,), case=choice.case)
            outcome = self._execute(choice)
            if outcome is not None and outcome.healed:
                return self._answer("healed", self._cause(choice.finding, outcome.plan.why), None, by=choice.by, case=choice.case)
            if self.ctx.host.monotonic() - self.began > VISIT_S:
                break
            self._look()
        if self.plan_only:
            return self._escalate(None, False)
        return self._ask_ai() or self._escalate(None, False)

    # -- looking --------------------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """Judge, examine, read the newest boot, match cases. A room that is not there or crashes leaves its part empty."""
        self.ctx = self.examine(self.ctx, bool(watched(self.ctx.home.doctor_dir, self.incident.id).get("loop")))
        self.matches = self.match(self.ctx)

    def _finish_interrupted(self) -> None:
        outcome = healer.recover(replace(self.ctx, last_good=lastgood.newest(self.ctx.home)))
        if outcome is not None:
            self._note(outcome, "recover")
            self.say(outcome.detail)

    # -- choosing -------------------------------------------------------------------------------------------------------
    def _choose(self) -> Optional[Choice]:
        for choice in self._candidates():
            if choice.plan.risk is Risk.NEVER and not self.yes:
                continue
            return choice
        return None

    def _candidates(self) -> Iterator[Choice]:
        verdict = self.ctx.verdict
        yield from self._planned(treatments.SPECIFIC, "finding")
        person = _first(treatments.rows_for(treatments.PERSON_AFTER, verdict))
        if person is not None:
            yield Choice(self._plan("tell-person", {}), "tell-person " + person.check_id, "finding", person)
            return
        yield from self._cases(False)
        changed = bool(self.ctx.findings("config/changed") or self.ctx.findings("plugins/new-since-good"))
        if not changed:
            yield from self._cases(True)
        if not (changed and self._start_is_pointless()):
            yield from self._planned(treatments.CHEAP, "restart")
        yield from self._planned(treatments.CHANGED, "changed")
        yield from self._cases(True)
        yield from self._planned(treatments.LAST, "openclaw")

    def _planned(self, rows: Sequence[Row], by: str) -> Iterator[Choice]:
        for row, finding, params in treatments.rows_for(tuple(rows), self.ctx.verdict):
            key = key_of(row.repair, params)
            if not self.incident.may_try(key):
                continue
            plan = self._try_plan(row.repair, params)
            if plan is not None and (row.certain or plan.risk in (Risk.READ, Risk.SAFE) or self.yes):
                yield Choice(plan, key, by, finding)

    def _cases(self, tell: bool) -> Iterator[Choice]:
        """Certain matches whose evidence holds on this machine. A case that keeps failing, or is not proven yet, does not act."""
        from .store import Store

        store = Store(self.ctx.home)
        for match in self.matches:
            case = match.case
            key = "{} {}".format(key_of(case.repair, case.params), case.id)
            if match.confidence is not Confidence.CERTAIN or (case.repair == "tell-person") is not tell or not self.incident.may_try(key):
                continue
            if not treatments.holds(case.evidence, self.ctx.verdict) or store.demoted(case.id):
                continue
            if case.raw.get("status") == "proposed" and not store.proven(case.id):
                continue
            params = {"en": case.solution.en, "zh": case.solution.zh} if tell else dict(case.params)
            if not self.incident.may_try(key_of(case.repair, case.params)):
                continue
            plan = self._try_plan(case.repair, params)
            if plan is not None:
                yield Choice(replace(plan, verify=_verify(case.verify, plan)), key, "case", None, case.id)

    def _try_plan(self, repair: str, params: Mapping[str, Any]) -> Optional[Plan]:
        try:
            return self._plan(repair, params)
        except CannotPlan as error:
            self.fell_over.append("{}: {}".format(repair, error))
        except (HealerError, OSError, KeyError, ValueError, TypeError) as error:
            self.fell_over.append("{} could not be planned: {!r}".format(repair, error))
        return None

    def _plan(self, repair: str, params: Mapping[str, Any]) -> Plan:
        plan = repairs.ALL[repair].plan(self.ctx, params)
        return replace(plan, settle_s=max(plan.settle_s, self._settle())) if plan.verify == "ready" else plan

    def _settle(self) -> float:
        """Seconds that a gateway which ran and died must outlive its last life; 0 for one that refused to start."""
        if self.ctx.verdict.state is State.MISCONFIGURED:
            return 0.0
        first, last = _span(self.ctx.logs)
        lived = last - first if first and last else 0.0
        return min(120.0, lived + 5.0) if 0 < lived <= 150 else 8.0

    def _start_is_pointless(self) -> bool:
        """It refused (exit 78) and nothing that it reads changed since: a start would only repeat that."""
        if self.ctx.verdict.state is not State.MISCONFIGURED:
            return False
        _first_line, last = _span(self.ctx.logs)
        try:
            return bool(last) and self.ctx.home.config_path.stat().st_mtime < last
        except OSError:
            return False

    def _must_ask(self, choice: Choice) -> Optional[Text]:
        """Text that asks, when this plan may not be carried out unattended."""
        if self.yes:
            return None
        if not self.ctx.settings.get("auto_heal", True) and choice.plan.repair not in RESTARTING:
            return _HOW_TO_HEAL
        return _HOW_TO_HEAL if choice.plan.risk is Risk.NEVER else None

    # -- acting ---------------------------------------------------------------------------------------------------------
    def _execute(self, choice: Choice) -> Optional[Outcome]:
        self.say(Text("{}: {}".format(choice.plan.repair, choice.plan.why.en), "{}:{}".format(choice.plan.repair, choice.plan.why.zh)))
        self.incident.begin(choice.key)
        try:
            outcome = healer.execute(self.ctx, choice.plan, cured=self._proof(choice))
        except AlreadyRunning:
            raise
        except (RepairError, OSError) as error:
            self.incident.end(choice.key, "refused")
            self.actions.append({"repair": choice.plan.repair, "outcome": "refused", "detail": str(error), "case": choice.case})
            return None
        kept = not outcome.healed and not outcome.rolled_back
        self.incident.end(choice.key, "healed" if outcome.healed else "partly" if kept else "failed")
        self._note(outcome, choice.by, choice.case)
        self.say(outcome.detail)
        return outcome

    def _note(self, outcome: Outcome, by: str, case: str = "") -> None:
        self.outcomes.append(outcome)
        kept = not outcome.healed and not outcome.rolled_back
        self.actions.append(
            {
                "repair": outcome.plan.repair, "by": by, "case": case, "why": outcome.plan.why.en, "detail": outcome.detail.en,
                "outcome": "healed" if outcome.healed else "partly" if kept else "failed", "rolled_back": outcome.rolled_back,
                "seconds": round(outcome.seconds, 1), "config_diff": list(outcome.config_diff)[:50],
                "advice": outcome.plan.advice.en if outcome.plan.advice else "",
            }
        )  # fmt: skip

    def _proof(self, choice: Choice) -> Optional[Callable[[Context], bool]]:
        """How to tell that this fault is gone although the gateway is not ready: its finding is, and something else is wrong."""
        finding = choice.finding
        if finding is None or not finding.check_id.startswith(treatments.PROVABLE) or finding.check_id in treatments.UNPROVABLE:
            return None

        def gone(ctx: Context) -> bool:
            after = self.examine(ctx, False)
            same = any(f.check_id == finding.check_id and f.path == finding.path for f in after.verdict.findings)
            new = [f for f in after.verdict.findings if f.severity is Severity.ERROR and f.check_id.split("/")[0] not in ("health", "process", "log")]
            return not same and bool(new)

        return gone

    def _ask_ai(self) -> Optional[Treatment]:
        """The emergency doctor: a plan as data, built of the same repairs, under the same rules."""
        if not self.ctx.settings.get("ai.enabled", True) or not self.ctx.settings.get("auto_heal", True) and not self.yes:
            return None
        from . import airound

        return airound.consult(self)

    # -- answering ------------------------------------------------------------------------------------------------------
    def _nothing(self) -> Treatment:
        """Nothing to do (any more). A gateway that came back while we worked was healed by what was kept."""
        worked = [a for a in self.actions if a["outcome"] in ("healed", "partly")]
        outcome = "healed" if self.ctx.verdict.state is State.HEALTHY and worked else "nothing"
        return self._answer(outcome, self._cause(None), None, by=str(worked[-1].get("by", "")) if worked else "")

    def _escalate(self, finding: Optional[Finding], only_person: bool, choice: Optional[Choice] = None) -> Treatment:
        finding = finding or looking.main_finding(self.ctx)
        advice = choice.plan.advice if choice and choice.case else None
        hint = advice or (finding.fix_hint if finding else None) or looking.case_advice(self.matches) or self.ai_said or _LOOK
        return self._answer("escalate", self._cause(finding), hint, by=choice.by if choice else "", case=choice.case if choice else "", only=only_person)

    def _cause(self, finding: Optional[Finding], otherwise: Optional[Text] = None) -> Text:
        if finding is not None:
            return finding.message
        return otherwise or looking.cause(self.ctx, self.matches)

    def _answer(
        self, outcome: str, cause: Text, step: Optional[Text], by: str = "", plans: Tuple[Plan, ...] = (), case: str = "", only: bool = False
    ) -> Treatment:
        return Treatment(
            outcome, 4 if outcome in ("escalate", "asked") else 3, cause, tuple(self.actions), step, self.matches,
            self.ctx.host.monotonic() - self.began, only, case, by, plans, self.ai_calls, self.cost_usd, self.ctx.verdict.state.value,
            tuple(dict.fromkeys(self.fell_over)),
        )  # fmt: skip


_HOW_TO_HEAL = Text("iflow-doctor heal --yes    carries this plan out", "iflow-doctor heal --yes    执行此方案")
_LOOK = Text("iflow-doctor diagnose    shows everything that was seen", "iflow-doctor diagnose    查看全部检查结果")


def _verify(wanted: str, plan: Plan) -> str:
    return wanted if wanted in ("ready", "live") and plan.verify == "ready" else plan.verify


def _first(rows: Sequence[Tuple[Row, Optional[Finding], Mapping[str, Any]]]) -> Optional[Finding]:
    return rows[0][1] if rows else None


def _span(log: str) -> Tuple[float, float]:
    """Epoch seconds of the first and the last time stamp in a log; zeros without any."""
    found = STAMP.findall(log[:4000])[:1] + STAMP.findall(log[-20000:])[-1:]
    try:
        times = [datetime.strptime(_plain(stamp), "%Y-%m-%dT%H:%M:%S%z").timestamp() for stamp in found]
    except ValueError:
        return 0.0, 0.0
    return (times[0], times[-1]) if times else (0.0, 0.0)


def _plain(stamp: str) -> str:
    stamp = re.sub(r"\.\d+", "", stamp).replace("Z", "+0000")
    return stamp[:-3] + stamp[-2:] if stamp[-3] == ":" else stamp


def treat(ctx: Context, incident: str, yes: bool = False, plan_only: bool = False, say: Optional[Callable[[Text], None]] = None) -> Treatment:
    """One visit, recorded. Raises AlreadyRunning while another repair is under way."""
    memory = Incident(ctx.home, incident)
    visit = Visit(ctx, memory, yes, plan_only, say or (lambda text: None))
    result = visit.treat()
    if not plan_only:
        looking.record(ctx, memory, result)
    return result


def one(ctx: Context, incident: str, repair: str) -> Treatment:
    """Exactly this repair, without a diagnosis (the policy decided it). Raises CannotPlan and AlreadyRunning."""
    memory = Incident(ctx.home, incident)
    visit = Visit(ctx, memory, began=ctx.host.monotonic())
    visit._look()
    plan = repairs.ALL[repair].plan(visit.ctx, {})
    outcome = visit._execute(Choice(plan, repair, "policy"))
    result = visit._answer("healed" if outcome is not None and outcome.healed else "escalate", plan.why, None, by="policy")
    looking.record(ctx, memory, result)
    return result
