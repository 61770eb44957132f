"""Level 3, one incident: known cause -> case -> what changed -> OpenClaw's own doctor -> AI -> a
person.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .. import repairs
from ..context import Context
from ..errors import AlreadyRunning, RepairError
from ..locks import owned_lock
from ..model import (
    CANNOT_TELL,
    FINE,
    Confidence,
    Match,
    Outcome,
    Plan,
    Risk,
    Severity,
    State,
    Text,
)
from ..openclaw import config as openclaw_config
from ..store import good_copies
from ..store.incidents import Incident
from ..store.watch_log import WatchLog
from . import conclude as concluding
from . import examine as looking
from . import execute, recover, repair_table, second_chance, steps, verify
from .choose import Choice, Chooser, first
from .result import Treatment, record

LOCK = "treat.lock"  # held during a whole visit; the watchdog only looks meanwhile
ROUNDS = 12  # repairs in one visit, at most
VISIT_S = 1800.0  # after this long no new repair is begun
# after a failed repair: the service manager may be starting it once more, which says nothing yet
AGAIN_S = 60.0
RESTARTING = (
    "start",
    "restart",
    "reset-failed",
    "end-stale-process",
    "clear-stale-lock",
)  # stay on with auto_heal=false


@dataclass
class Visit:
    """One visit to a sick gateway. yes: a person agreed beforehand. plan_only: show the first plan,
    do nothing. agreed: a person agreed to the plan of this name (steps.key_of) and to nothing else.

    patience: seconds to wait for a gateway that is starting before it is judged. The watchdog has
    waited already.
    """

    ctx: Context
    incident: Incident
    yes: bool = False
    plan_only: bool = False
    patience: float = 0.0
    agreed: str = ""
    say: Callable[[Text], None] = lambda text: None
    examine: Callable[[Context, bool], Context] = looking.examined
    match: Callable[[Context], Tuple[Match, ...]] = concluding.matches
    actions: List[Dict[str, Any]] = field(default_factory=list)
    matches: Tuple[Match, ...] = ()
    outcomes: List[Outcome] = field(default_factory=list)
    ai: Mapping[str, Any] = field(default_factory=dict)  # what came of asking one
    ai_calls: int = 0
    cost_usd: float = 0.0
    fell_over: List[str] = field(default_factory=list)
    began: float = 0.0
    left_as: Optional[openclaw_config.ConfigView] = None  # the config after our last repair
    # seen by ourselves while we waited; the watchdog's own word is read at each look
    starts: looking.Starts = field(default_factory=looking.Starts)

    def treat(self) -> Treatment:
        self.began = self.ctx.host.monotonic()
        self.incident.opened(self.ctx.host.now())
        if not self.plan_only:
            self._finish_interrupted()
        self._settle(self.patience)
        for _round in range(ROUNDS):
            state = self.ctx.verdict.state
            if state in FINE + CANNOT_TELL:
                return self._nothing()
            certain = first(repair_table.rows_for(repair_table.PERSON, self.ctx.verdict))
            if certain is not None:
                return self._escalate(True)
            choice = self._choose()
            if choice is None:
                break
            choice.case = choice.case or self._same_case(choice)
            if choice.plan.repair == "tell-person":
                return self._escalate(True, choice)
            refusal = self._must_ask(choice)
            if refusal or self.plan_only or not self._agreed_to(choice.plan):
                return self._answer(
                    "asked",
                    self._conclusion().cause,
                    refusal or _HOW_TO_HEAL,
                    by=choice.by,
                    plans=(choice.plan,),
                    case=choice.case,
                )
            outcome = self._execute(choice)
            if outcome is not None and outcome.healed and choice.by == "changed":
                if not self._second_chance(outcome):
                    self._settle(max(self.patience, AGAIN_S))
                    continue
            if outcome is not None and outcome.healed:
                return self._answer(
                    "healed",
                    choice.finding.message if choice.finding else outcome.plan.why,
                    None,
                    by=choice.by,
                    case=choice.case,
                )
            if outcome is not None and (outcome.edited or outcome.by_itself):
                # Somebody is at work here, or nobody is needed: hands off, and no credit taken.
                return self._answer("nothing", self._let_go_of(choice, outcome), None)
            if self.ctx.host.monotonic() - self.began > VISIT_S:
                break
            self._settle(max(self.patience, AGAIN_S))
        if self.plan_only or self.agreed:
            return self._escalate(False)
        return self._ask_ai() or self._escalate(False)

    def _let_go_of(self, choice: Choice, outcome: Outcome) -> Text:
        """Why nothing was done. An edit that made us let go is not what is wrong: both are said."""
        if not outcome.edited or outcome.serves:
            return outcome.detail
        wrong = choice.finding.message if choice.finding else self._conclusion().cause
        return Text.of("{0}; {1}", "{0}；{1}", wrong, outcome.detail)

    # -- looking -----------------------------------------------------------------------------------
    def _look(self) -> Context:
        """Examine, and match cases."""
        loop = self.starts.loop or looking.looping(self.ctx, self.incident.id)
        self.ctx = self.examine(self.ctx, loop)
        self.matches = self.match(self.ctx)
        return self.ctx

    def _settle(self, patience: float) -> None:
        """Look, and let a start come to its end."""
        looking.settle(self._look, self.ctx, patience, self.starts, self.say)

    def _finish_interrupted(self) -> None:
        try:
            outcome = recover.recover(
                replace(self.ctx, last_good=good_copies.newest(self.ctx.home))
            )
        except OSError as error:  # a full disk: the journal stays, and room can still be made
            self.say(Text.of("not taken back yet: {}", "尚未撤销：{}", error))
            return
        if outcome is not None:
            self._note(outcome, "recover")
            self.say(outcome.detail)
            self.patience = max(self.patience, float(self.ctx.settings.get("start_budget", 300)))

    # -- choosing ----------------------------------------------------------------------------------
    def _choose(self) -> Optional[Choice]:
        for choice in Chooser(
            self.ctx, self.incident, self.matches, self.yes, self.fell_over
        ).candidates():
            if choice.plan.risk is Risk.NEVER and not self.yes:
                continue
            return choice
        return None

    def _same_case(self, choice: Choice) -> str:
        """The certain case that says the same as this finding: memory is kept per case, no
        matter which of the two chose the repair.
        """
        for match in self.matches:
            if (
                match.confidence is Confidence.CERTAIN
                and match.case.repair == choice.plan.repair
                and choice.finding is not None
            ):
                if repair_table.holds(match.case.evidence, self.ctx.verdict):
                    return match.case.id
        return ""

    def _must_ask(self, choice: Choice) -> Optional[Text]:
        """Text that asks, when this plan may not be carried out unattended."""
        if self.yes:
            return None
        if not self.ctx.settings.get("auto_heal", True) and choice.plan.repair not in RESTARTING:
            return _HOW_TO_HEAL
        return _HOW_TO_HEAL if choice.plan.risk is Risk.NEVER else None

    def _agreed_to(self, plan: Plan) -> bool:
        """Whether this is the one plan that a person agreed to, and it was not carried out yet."""
        begun = any(act.get("by") != "recover" for act in self.actions)
        return not self.agreed or not begun and steps.key_of([plan]) == self.agreed

    # -- acting ------------------------------------------------------------------------------------
    def _execute(self, choice: Choice) -> Optional[Outcome]:
        self.say(
            Text(
                "{}: {}".format(choice.plan.repair, choice.plan.why.en),
                "{}:{}".format(choice.plan.repair, choice.plan.why.zh),
            )
        )
        self.wait_for_runs(choice.plan)
        self.incident.begin(choice.key)
        try:
            outcome = execute.execute(self.ctx, choice.plan, cured=self._proof(choice))
        except AlreadyRunning:
            raise
        except (RepairError, OSError) as error:
            self.incident.end(choice.key, "refused")
            self.actions.append(
                {
                    "repair": choice.plan.repair,
                    "outcome": "refused",
                    "detail": str(error),
                    "case": choice.case,
                }
            )
            return None
        if outcome.word == "let-go":
            self.incident.forget(choice.key)  # it was not given a chance
        else:
            self.incident.end(choice.key, outcome.word)
        self._note(outcome, choice.by, choice.case)
        self.say(outcome.detail)
        return outcome

    def _second_chance(self, reverted: Outcome) -> bool:
        """Put back what was suspected, not known, to be the cause. False when the gateway is not
        ready after it.
        """
        if reverted.plan.repair != "revert-config-keys" or self.yes:
            return True
        try:
            outcome = second_chance.give(self.ctx, reverted)
        except (RepairError, OSError):
            return True
        if outcome is None:
            return True
        self._note(outcome, "changed")
        self.say(outcome.plan.why)
        self.say(outcome.detail)
        if outcome.healed:  # nothing of it is missing any more
            self.actions[-2].pop("removed", None)
        return outcome.healed or verify.ready_now(self.ctx)

    def wait_for_runs(self, plan: Plan) -> None:
        """Let the gateway finish what it does for somebody; said to the person who watches and in
        the watchdog's log.
        """
        ctx = self.ctx
        log = WatchLog(ctx.home.logs_dir / "watchdog.log")

        def say(text: Text) -> None:
            self.say(text)
            log.line(
                "waiting",
                ctx.host.now(),
                incident=self.incident.id,
                repair=plan.repair,
                reason=text.en,
            )

        waited = steps.wait_for_runs(ctx, plan, say)
        if waited:
            log.line(
                "waited",
                ctx.host.now(),
                incident=self.incident.id,
                repair=plan.repair,
                seconds=round(waited, 1),
            )

    def _note(self, outcome: Outcome, by: str, case: str = "") -> None:
        from ..cases import learning

        self.outcomes.append(outcome)
        self.left_as = openclaw_config.load(self.ctx.home.config_path)
        self.actions.append(
            {
                "repair": outcome.plan.repair,
                "by": by,
                "case": case,
                "why": outcome.plan.why.en,
                "detail": outcome.detail.en,
                "outcome": outcome.word,
                "rolled_back": outcome.rolled_back,
                "seconds": round(outcome.seconds, 1),
                "config_diff": list(outcome.config_diff)[:50],
                "advice": outcome.plan.advice.en if outcome.plan.advice else "",
                "advice_zh": outcome.plan.advice.zh if outcome.plan.advice else "",
                **_values(outcome),
                **(
                    learning.params_of(self.ctx, outcome.plan.params) if outcome.plan.params else {}
                ),
            }
        )

    def _proof(self, choice: Choice) -> Optional[Callable[[Context], bool]]:
        """How to tell that this fault is gone although the gateway is not ready: its finding is,
        and something else is wrong.
        """
        finding = choice.finding
        if (
            finding is None
            or not finding.check_id.startswith(repair_table.PROVABLE)
            or finding.check_id in repair_table.UNPROVABLE
        ):
            return None

        def gone(ctx: Context) -> bool:
            after = self.examine(ctx, False)
            same = any(
                f.check_id == finding.check_id and f.path == finding.path
                for f in after.verdict.findings
            )
            new = [
                f
                for f in after.verdict.findings
                if f.severity is Severity.ERROR
                and f.check_id.split("/")[0] not in ("health", "process", "log")
            ]
            return not same and bool(new)

        return gone

    def _ask_ai(self) -> Optional[Treatment]:
        """The emergency doctor: a plan as data, built of the same repairs, under the same rules."""
        if (
            not self.ctx.settings.get("ai.enabled", True)
            or not self.ctx.settings.get("auto_heal", True)
            and not self.yes
        ):
            return None
        from . import emergency

        return emergency.consult(self)

    # -- answering ---------------------------------------------------------------------------------
    def _nothing(self) -> Treatment:
        """Nothing to do (any more). A gateway that came back while we worked was healed by what was
        kept.
        """
        worked = [a for a in self.actions if a["outcome"] in ("healed", "partly")]
        if worked and self._edited_since():
            worked = []  # somebody wrote the config since: what came up is theirs
        outcome = "healed" if self.ctx.verdict.state is State.HEALTHY and worked else "nothing"
        by = str(worked[-1].get("by", "")) if worked else ""
        return self._answer(outcome, self._conclusion().cause, None, by=by)

    def _edited_since(self) -> bool:
        """Whether the config says something else than when our last repair left it."""
        now, left = openclaw_config.load(self.ctx.home.config_path), self.left_as
        if left is None or now.raw == left.raw:
            return False
        return not now.ok or not left.ok or bool(openclaw_config.differing(left.data, now.data))

    def _escalate(self, only_person: bool, choice: Optional[Choice] = None) -> Treatment:
        """Hand over to a person: the one cause, and what to do about it."""
        end = self._conclusion()
        advice = choice.plan.advice if choice and choice.by == "case" else None
        step = end.step if end.step is not concluding.PLAN else None
        return self._answer(
            "escalate",
            end.cause,
            advice or step or _LOOK,
            by=choice.by if choice else "",
            case=choice.case if choice else "",
            only=only_person,
        )

    def _conclusion(self) -> concluding.Conclusion:
        return concluding.conclude(self.ctx, self.matches)

    def _answer(
        self,
        outcome: str,
        cause: Text,
        step: Optional[Text],
        by: str = "",
        plans: Tuple[Plan, ...] = (),
        case: str = "",
        only: bool = False,
    ) -> Treatment:
        finding = self._conclusion().finding
        return Treatment(
            outcome,
            level=4 if outcome in ("escalate", "asked") else 3,
            cause=cause,
            actions=tuple(self.actions),
            next_step=step,
            matches=self.matches,
            seconds=self.ctx.host.monotonic() - self.began,
            only_person=only,
            case=case,
            by=by,
            plans=plans,
            ai_calls=self.ai_calls,
            cost_usd=self.cost_usd,
            state=self.ctx.verdict.state.value,
            finding=finding.check_id if finding else "",
            not_planned=tuple(dict.fromkeys(self.fell_over)),
            ai=dict(self.ai),
        )


def _values(outcome: Outcome) -> Dict[str, Any]:
    """What a person has to hear of: what somebody else changed, what a repair took out or lost, and
    where it can be had back.
    """
    found: Dict[str, Any] = {
        name: list(value)[:50]
        for name, value in (
            ("edited", outcome.edited),
            ("removed", outcome.removed),
            ("lost", outcome.lost),
            ("set_aside", outcome.set_aside),
        )
        if value
    }
    if outcome.by_itself:
        found["by_itself"] = True
    if outcome.snapshot and (outcome.removed or outcome.edited or outcome.lost):
        found["snapshot"] = outcome.snapshot
    return found


_HOW_TO_HEAL = Text(
    "iflow-doctor heal --yes    carries this plan out", "iflow-doctor heal --yes    执行此方案"
)
_LOOK = Text(
    "iflow-doctor diagnose    shows everything that was seen",
    "iflow-doctor diagnose    查看全部检查结果",
)


def treat(
    ctx: Context,
    incident: str,
    yes: bool = False,
    plan_only: bool = False,
    say: Optional[Callable[[Text], None]] = None,
    patience: float = 0.0,
    agreed: str = "",
) -> Treatment:
    """One visit, recorded. Raise AlreadyRunning while another one, or a repair, is under way.
    agreed: a person agreed to the plan of this name alone; any other one is answered, not done.

    The lock is held while the doctor looks, waits and asks as well: a watchdog that was killed
    meanwhile finds it at work.
    """
    memory = Incident(ctx.home, incident)
    visit = Visit(ctx, memory, yes, plan_only, patience, agreed, say or (lambda text: None))
    if plan_only:
        return visit.treat()
    with owned_lock(ctx.home.doctor_dir / LOCK, "the doctor"):
        result = visit.treat()
        record(visit.ctx, memory, result)
    return result


def one(ctx: Context, incident: str, repair: str) -> Treatment:
    """Exactly this repair, without a diagnosis (the policy decided it). Raises CannotPlan and
    AlreadyRunning.
    """
    memory = Incident(ctx.home, incident)
    visit = Visit(ctx, memory, began=ctx.host.monotonic())
    with owned_lock(ctx.home.doctor_dir / LOCK, "the doctor"):
        visit._look()
        plan = repairs.planned(visit.ctx, repair, {})
        outcome = visit._execute(Choice(plan, repair, "policy"))
        good = outcome is not None and outcome.healed
        result = visit._answer("healed" if good else "escalate", plan.why, None, by="policy")
        record(visit.ctx, memory, result)
    return result
