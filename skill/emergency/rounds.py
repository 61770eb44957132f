"""The loop: ask a bridge, check its plan, let the healer execute and verify it, tell the next round what became of it."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import signal
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..bridges import failures, preferred, triage
from ..bridges.base import HANDS, Answer, Bridge, Question
from ..errors import BridgeError, HealerError
from ..files import private_dir
from ..model import Outcome, Plan, Text
from ..redact import Redactor
from . import NOBODY, AiResult, audit, evidence, hands
from . import plan as plans

KEEP_RUNS = 5
MAX_BAD = 2  # rolled-back or refused-twice plans after which an AI is not believed any more in this incident
PAUSE_S = 20.0  # before a second pass over bridges that failed for a passing reason
LEAST_S = 5.0  # a call that would have less time is not made


class Emergency:
    """One incident. Everything that is counted or remembered between rounds is here."""

    def __init__(
        self, ctx: Any, tried: Sequence[Outcome], incident: str, execute: Callable[[Plan], Outcome],
        look: Optional[Callable[[], Any]] = None, say: Optional[Callable[[Text], None]] = None,
    ) -> None:  # fmt: skip
        self.ctx, self.incident, self.execute, self.look = ctx, incident, execute, look
        self.tried = [outcome for outcome in tried if isinstance(outcome, Outcome)]
        self._say = say
        self.settings = ctx.settings
        self.redactor = Redactor.for_gateway(ctx)
        self.began = ctx.host.monotonic()
        self.until = self.began + float(self.settings["ai.timeout"])
        self.prefix = "iflow-" + hashlib.sha256(str(ctx.home.state_dir).encode("utf-8")).hexdigest()[:8]
        self.attempts: List[Tuple[str, str]] = []
        self.outcomes: List[Outcome] = []
        self.calls, self.rounds, self.cost = 0, 0, 0.0
        self.bridge = ""
        self.prompt_after: Optional[float] = None
        self.said: Dict[str, Text] = {"root_cause": Text("", ""), "tell_person": Text("", ""), "prevention": Text("", "")}
        self.gone: Dict[str, str] = {}  # bridges that are not asked again in this incident, and why

    # -- the whole run
    def run(self) -> AiResult:
        from ..bridges.child import end_orphans

        if not self.settings.get("ai.enabled", True):
            return self._result(False, Text("The AI stage is switched off (ai.enabled).", "AI 阶段已关闭(ai.enabled)。"))
        with self._one_at_a_time() as free, _terminated_politely():
            if not free:
                return self._result(False, Text("Another AI run is already at work on this gateway.", "已有另一个 AI 运行正在处理该网关。"))
            try:
                end_orphans(self.prefix)
            except Exception:  # process tables may be unreadable; that is no reason not to heal
                pass
            if not self._wait_for_triage():
                if plans.ready(self.ctx):
                    return self._by_itself()
                return self._result(False, Text("OpenClaw's own triage agent is still at work; two agents at once are never started.", "OpenClaw 自己的 triage 代理仍在工作;绝不同时启动两个代理。"))
            return self._rounds()

    def _rounds(self) -> AiResult:
        feedback, bad, seen = "", 0, set()  # type: ignore[var-annotated]
        for number in range(1, int(self.settings["ai.rounds"]) + 1):
            if self._left() < LEAST_S:
                return self._stop(Text("The time for the AI stage is over.", "AI 阶段的时间已用完。"))
            asked = self._ask(number, feedback)
            if asked is None:
                break
            bridge, answer, work = asked
            self.bridge, self.rounds = bridge.id, number
            try:
                value = plans.read(answer.data)
                self._hear(value)
                plan = hands.plan_of(self.ctx, work, self.redactor) if work else None
                if plan is not None:
                    plans.check(self.ctx, plan, self.tried)
                else:
                    told = value["repair"] == "tell-person"
                    spoken = self.said["tell_person"]
                    params = dict({"en": spoken.en, "zh": spoken.zh}, **value["params"]) if told else self.redactor.restore_data(value["params"])
                    plan = plans.prepare(self.ctx, dict(value, params=params), self.tried)
            except HealerError as refused:
                feedback, bad = "It was refused: " + refused.message, bad + 1
                self._note("refused", bridge, reason=refused.message, plan=_short(answer.data))
                self.say(Text("Round {}: the plan was refused: {}".format(number, refused.message), "第 {} 轮:计划被拒绝:{}".format(number, refused.message)))
                key = repr(sorted(answer.data.items(), key=str))
                if key in seen or bad > MAX_BAD:
                    return self._stop(Text("The AI kept asking for what is not allowed or does not help.", "AI 反复要求不被允许或无效的操作。"))
                seen.add(key)
                continue
            if not plan.steps:
                self._note("tell-person", bridge, plan=_short(answer.data))
                return self._stop(plan.advice or self.said["tell_person"], told=True)
            outcome = self._carry_out(plan, bridge, number)
            if outcome is None:
                feedback, bad = "It could not be carried out.", bad + 1
                continue
            if outcome.healed:
                return self._result(True, self.said["tell_person"])
            if not outcome.rolled_back and outcome.config_diff:
                return self._stop(Text("The repair changed the config, did not heal, and could not be rolled back.", "修复改动了配置但未恢复,且未能回滚。"))
            bad += 1
            if bad >= MAX_BAD and outcome.rolled_back:
                return self._stop(Text("{} plans of the AI made nothing better and were rolled back.".format(bad), "AI 的 {} 个计划均无效,已回滚。".format(bad)))
            feedback = "{}: {}. {}".format(plan.repair, "rolled back" if outcome.rolled_back else "no success", outcome.detail.en)
            self._look_again()
            if plans.ready(self.ctx):
                return self._by_itself()
        return self._stop(NOBODY if not self.rounds else Text("No plan of the AI healed it.", "AI 的计划都没能恢复网关。"))

    # -- one round
    def bridges(self) -> List[Bridge]:
        return preferred(self.ctx)

    def _ask(self, number: int, feedback: str) -> Optional[Tuple[Bridge, Answer, Optional[hands.Work]]]:
        """The first bridge that answers: the last one that did, then by preference; a second pass for passing failures."""
        more = ""
        wish = self.settings.get("ai.triage", "retry")
        if wish == "always" or (wish == "retry" and number > 1):
            more = triage.collect(self.ctx, min(40.0, max(1.0, self._left() - LEAST_S)))
        for attempt in range(2):
            passing = False
            for bridge in sorted(self.bridges(), key=lambda b: b.id != self.bridge):
                if bridge.id in self.gone:
                    continue
                if not bridge.find(self.ctx):
                    self._fail(bridge, failures.failure("not-installed", "not installed"), quiet=True)
                    continue
                for again in range(2):
                    try:
                        return self._call(bridge, number, feedback, more)
                    except BridgeError as error:
                        self._fail(bridge, error)
                        if error.kind == "budget" or self._left() < LEAST_S:
                            return None
                        if error.kind != "bad-output" or again:
                            break
                passing = passing or failures.PASSING.get(self.attempts[-1][1], False)
            if attempt or not passing or self._left() < PAUSE_S + LEAST_S:
                return None
            self.ctx.host.sleep(PAUSE_S)
        return None

    def _call(self, bridge: Bridge, number: int, feedback: str, more: str) -> Tuple[Bridge, Answer, Optional[hands.Work]]:
        budget = int(self.settings["ai.daily_budget"])
        today = audit.spent_today(self.ctx)
        most = float(self.settings["ai.max_usd"])
        if today["calls"] >= budget:
            raise failures.failure("budget", "{} calls today, ai.daily_budget is {}".format(today["calls"], budget))
        if most and self.cost >= most:
            raise failures.failure("budget", "{:.2f} USD in this incident, ai.max_usd is {:.2f}".format(self.cost, most))
        wants_hands = self.settings["ai.mode"] == "hands" and HANDS in bridge.capabilities
        run_id = "{}-{}-{}".format(self.prefix, _pid(), secrets.token_hex(4))
        folder = self._workdir(run_id)
        work = hands.prepare(self.ctx, folder, self.redactor) if wants_hands else None
        nonce = secrets.token_hex(8)
        places = work.places() if work else {}
        prompt = evidence.prompt(self.ctx, self.redactor, self.tried, feedback, nonce, "hands" if work else "plan", more, **places)
        deadline = max(1.0, min(float(self.settings["ai.call_timeout"]), self._left()))
        left_usd = max(0.01, most - self.cost) if most else 0.0
        question = Question(
            prompt, plans.schema(), plans.schema(strict=True), deadline, run_id, folder, left_usd,
            hands=bool(work), edit=work.edit if work else "", commands=work.commands if work else (),
        )  # fmt: skip
        if self.prompt_after is None:
            self.prompt_after = self.ctx.host.monotonic() - self.began
        self.say(Text("Asking {} (round {}, at most {:.0f} s)".format(bridge.title, number, deadline), "正在询问 {}(第 {} 轮,最多 {:.0f} 秒)".format(bridge.title, number, deadline)))
        audit.session(self.ctx, {"bridge": bridge.id, "run": run_id, "workdir": folder, "incident": self.incident, "at": self.ctx.host.now(), "state": "asking"})
        self.calls += 1
        audit.spend(self.ctx, None)
        began = self.ctx.host.monotonic()
        try:
            answer = bridge.ask(self.ctx, question)
        except BridgeError as error:
            self._note("failed", bridge, prompt, run=run_id, round=number, error=error.kind, message=error.message, seconds=self.ctx.host.monotonic() - began)
            raise
        except HealerError as error:
            raise failures.failure("bad-output", error.message) from None
        except Exception as error:  # a bridge that crashes is one that gave no answer; its message may hold anything, so only its type is kept
            self._note("failed", bridge, prompt, run=run_id, round=number, error="bad-output", message=type(error).__name__)
            raise failures.failure("bad-output", "the bridge failed: {}".format(type(error).__name__)) from None
        self.cost += answer.cost_usd or 0.0
        audit.spend(self.ctx, answer.cost_usd, calls=0)
        self.attempts.append((bridge.id, "ok"))
        self._note(
            "answered", bridge, prompt, run=run_id, round=number, argv=list(answer.argv), init=dict(answer.init), session=answer.session, seconds=answer.seconds,
            cost_usd=answer.cost_usd, tool_calls=list(answer.tool_calls), plan=_short(answer.data),
        )  # fmt: skip
        audit.session(self.ctx, {"bridge": bridge.id, "run": run_id, "workdir": folder, "incident": self.incident, "at": self.ctx.host.now(), "state": "answered",
                                 "session": answer.session if work else ""})  # fmt: skip
        return bridge, answer, work

    def _carry_out(self, plan: Plan, bridge: Bridge, number: int) -> Optional[Outcome]:
        self.say(Text("Round {}: {} proposes {}; carrying it out".format(number, bridge.title, plan.repair), "第 {} 轮:{} 建议 {},正在执行".format(number, bridge.title, plan.repair)))
        try:
            outcome = self.execute(plan)
        except HealerError as error:
            self._note("not-executed", bridge, reason=error.message, repair=plan.repair)
            return None
        self.outcomes.append(outcome)
        self.tried.append(outcome)
        self._note("executed", bridge, repair=plan.repair, healed=outcome.healed, rolled_back=outcome.rolled_back, config_diff=list(outcome.config_diff), detail=outcome.detail.en)
        return outcome

    # -- small parts
    def _fail(self, bridge: Bridge, error: BridgeError, quiet: bool = False) -> None:
        self.attempts.append((bridge.id, error.kind))
        if not failures.PASSING.get(error.kind, False):
            self.gone[bridge.id] = error.kind
        if not quiet:
            name = failures.NAMES.get(error.kind, Text(error.kind, error.kind))
            self.say(Text("{}: {} ({})".format(bridge.title, name.en, error.message), "{}:{}({})".format(bridge.title, name.zh, error.message)))

    def _hear(self, value: Dict[str, Any]) -> None:
        for name in self.said:
            heard = plans.texts(value, name)
            self.said[name] = Text(*(self.redactor.clean(evidence.plain(part))[: plans.LIMIT] for part in heard))

    def _look_again(self) -> None:
        if self.look is None:
            return
        try:
            self.ctx = self.look()
        except Exception:  # the old evidence is still evidence
            pass

    def _wait_for_triage(self) -> bool:
        """True when no triage agent of OpenClaw is at work (any more). Waits for at most ai.triage_wait seconds."""
        until = self.ctx.host.monotonic() + min(float(self.settings["ai.triage_wait"]), max(0.0, self._left() - LEAST_S))
        told = False
        while True:
            try:
                agents = triage.agents_at_work(self.ctx)
            except Exception:  # cannot be seen
                agents = []
            if not agents:
                if told:
                    self._look_again()
                return not (told and plans.ready(self.ctx))
            if self.ctx.host.monotonic() >= until:
                return False
            if not told:
                self.say(Text("OpenClaw's own triage agent is at work (pid {}); waiting".format(agents[0]["pid"]), "OpenClaw 自己的 triage 代理正在工作(pid {}),等待中".format(agents[0]["pid"])))
                told = True
            self.ctx.host.sleep(5.0)

    def _workdir(self, run_id: str) -> str:
        runs = private_dir(audit.folder(self.ctx.home) / "runs")
        for old in sorted(runs.iterdir(), key=lambda p: p.stat().st_mtime)[: -KEEP_RUNS + 1 or None]:
            shutil.rmtree(str(old), ignore_errors=True)
        return str(private_dir(runs / run_id))

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[bool]:
        from ..errors import AlreadyRunning
        from ..files import owned_lock

        try:
            with owned_lock(audit.folder(self.ctx.home) / "run.lock", "an AI run"):
                yield True
        except AlreadyRunning:
            yield False

    def say(self, text: Text) -> None:
        if self._say is not None:
            try:
                self._say(Text(self.redactor.clean(text.en), self.redactor.clean(text.zh)))
            except Exception:  # nobody is watching
                pass

    def _note(self, what: str, bridge: Bridge, prompt: str = "", **event: Any) -> None:
        audit.write(self.ctx, self.redactor, {"event": what, "incident": self.incident, "bridge": bridge.id, "mode": self.settings["ai.mode"], **event}, prompt)

    def _left(self) -> float:
        return self.until - float(self.ctx.host.monotonic())

    def _stop(self, why: Text, told: bool = False) -> AiResult:
        """Not healed: what the AI wants the person to know comes with the reason why it ended."""
        heard = self.said["tell_person"]
        both = why if told or not heard.en else Text("{} {}".format(why.en, heard.en), "{}{}".format(why.zh, heard.zh))
        return self._result(False, both)

    def _by_itself(self) -> AiResult:
        self.by_itself = True
        return self._result(True, Text("The gateway became ready by itself meanwhile.", "其间网关已自行恢复。"))

    by_itself = False

    def _result(self, healed: bool, tell: Text) -> AiResult:
        root = self.said["root_cause"]
        result = AiResult(
            healed, root, Text(*(self.redactor.clean(part) for part in tell)), self.bridge, self.rounds, round(self.cost, 6), self.calls, tuple(self.attempts),
            tuple(self.outcomes), self.by_itself, self.prompt_after,
        )  # fmt: skip
        from dataclasses import replace

        from .. import recovery_report

        audit.write(self.ctx, self.redactor, {
            "event": "verdict", "incident": self.incident, "healed": healed, "by_itself": self.by_itself, "bridge": self.bridge, "rounds": self.rounds,
            "calls": self.calls, "cost_usd": self.cost, "attempts": self.attempts, "prompt_after_s": self.prompt_after,
        })  # fmt: skip
        return replace(result, report=recovery_report.write(self.ctx, self.redactor, self.incident, result, self.tried, self.said["prevention"]))


def _short(data: Any) -> Any:
    return {str(k): (v if not isinstance(v, str) else v[:300]) for k, v in data.items()} if isinstance(data, dict) else str(data)[:300]


def _pid() -> int:
    import os

    return os.getpid()


@contextlib.contextmanager
def _terminated_politely() -> Iterator[None]:
    """SIGTERM becomes an exception for the block, so that the processes of a run are ended before we go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
