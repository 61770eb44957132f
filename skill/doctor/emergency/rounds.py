"""The loop: ask a bridge, check its plan, let the healer execute and verify it, tell the next round
what became of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, Iterator, Mapping, Optional

from ...bridges.base import Bridge
from ...errors import HealerError
from ...host import ended_politely
from ...model import Outcome, Plan, Text
from ...openclaw import cli
from . import NOBODY, AiResult, advice, audit, edit_mode
from . import plan as plans
from .asking import LEAST_S, Asking, short

# rolled-back or refused-twice plans after which an AI is not believed any more in this incident
MAX_BAD = 2


class Emergency(Asking):
    """One incident, from the first question to the report."""

    def run(self) -> AiResult:
        from ...bridges.child import end_orphans

        if not self.settings.get("ai.enabled", True):
            return self._result(
                False,
                Text("The AI stage is switched off (ai.enabled).", "AI 阶段已关闭（ai.enabled）。"),
            )
        with self._one_at_a_time() as free, ended_politely():
            if not free:
                return self._result(
                    False,
                    Text(
                        "Another AI run is already at work on this gateway.",
                        "已有另一个 AI 运行正在处理该网关。",
                    ),
                )
            try:
                end_orphans(self.prefix)
            except Exception:  # process tables may be unreadable; that is no reason not to heal
                pass
            if not self._wait_for_triage():
                if plans.ready(self.ctx):
                    return self._by_itself()
                return self._result(
                    False,
                    Text(
                        "OpenClaw's own triage agent is still at work; two agents at once are "
                        "never started.",
                        "OpenClaw 自己的 triage 代理仍在工作；绝不同时启动两个代理。",
                    ),
                )
            return self._rounds()

    def _rounds(self) -> AiResult:
        feedback, bad, seen = "", 0, set()
        for number in range(1, int(self.settings["ai.rounds"]) + 1):
            if self._left() < LEAST_S:
                return self._stop(
                    Text("The time for the AI stage is over.", "AI 阶段的时间已用完。")
                )
            asked = self._ask(number, feedback)
            if asked is None:
                break
            bridge, answer, work = asked
            self.bridge, self.rounds = bridge, number
            try:
                value = plans.read(answer.data)
                self._hear(value)
                plan = edit_mode.plan_of(self.ctx, work, self.redactor) if work else None
                if plan is not None:
                    plans.check(self.ctx, plan, self.tried)
                elif value["repair"] != "tell-person":
                    # never put anything back here: a placeholder in a parameter is refused
                    plan = plans.prepare(self.ctx, value, self.tried)
            except HealerError as refused:
                feedback, bad = "It was refused: " + refused.message, bad + 1
                self.log.append({"event": "refused", "round": number, "message": refused.message})
                self._note("refused", bridge, reason=refused.message, plan=short(answer.data))
                self.say(
                    Text(
                        "Round {}: the plan was refused: {}".format(number, refused.message),
                        "第 {} 轮：计划被拒绝：{}".format(number, refused.message),
                    )
                )
                key = repr(sorted(answer.data.items(), key=str))
                if key in seen or bad > MAX_BAD:
                    return self._stop(
                        Text(
                            "The AI kept asking for what is not allowed or does not help.",
                            "AI 反复要求不被允许或无效的操作。",
                        )
                    )
                seen.add(key)
                continue
            if plan is None or not plan.steps:
                self._note("tell-person", bridge, plan=short(answer.data))
                return self._stop(
                    Text(
                        "The AI knows no repair of ours that would help.",
                        "AI 认为我们的修复都帮不上忙。",
                    )
                )
            outcome = self._carry_out(plan, bridge, number)
            if outcome is None:
                feedback, bad = "It could not be carried out.", bad + 1
                continue
            if outcome.healed:
                return self._result(True, Text("", ""))
            if not outcome.rolled_back and outcome.config_diff:
                return self._stop(
                    Text(
                        "The repair changed the config, did not heal, and could not be rolled "
                        "back.",
                        "修复改动了配置但未恢复，且未能回滚。",
                    )
                )
            bad += 1
            if bad >= MAX_BAD and outcome.rolled_back:
                return self._stop(
                    Text(
                        "{} plans of the AI made nothing better and were rolled back.".format(bad),
                        "AI 的 {} 个计划均无效，已回滚。".format(bad),
                    )
                )
            feedback = "{}: {}. {}".format(
                plan.repair,
                "rolled back" if outcome.rolled_back else "no success",
                outcome.detail.en,
            )
            self._look_again()
            if plans.ready(self.ctx):
                return self._by_itself()
        return self._stop(
            self._nobody()
            if not self.rounds
            else Text("No plan of the AI healed it.", "AI 的计划都没能恢复网关。")
        )

    def _nobody(self) -> Text:
        """Why nobody answered: the login that was refused, the budget, or nobody to ask."""
        refusal = self.ledger.refusal()
        if self.ended == "budget" and refusal:
            return Text.of("No AI was asked any more: {}.", "不再询问 AI：{}。", refusal)
        if self.ended:
            return Text(
                "The AI you agreed to does not accept its login; no other one was asked instead.",
                "你同意的 AI 不接受其登录；没有改问别的 AI。",
            )
        return NOBODY

    def _carry_out(self, plan: Plan, bridge: Bridge, number: int) -> Optional[Outcome]:
        self.say(
            Text(
                "Round {}: {} proposes {}; carrying it out".format(
                    number, bridge.title, plan.repair
                ),
                "第 {} 轮：{} 建议 {}，正在执行".format(number, bridge.title, plan.repair),
            )
        )
        try:
            outcome = self.execute(plan)
        except HealerError as error:
            self._note("not-executed", bridge, reason=error.message, repair=plan.repair)
            return None
        self.outcomes.append(outcome)
        self.tried.append(outcome)
        self._note(
            "executed",
            bridge,
            repair=plan.repair,
            healed=outcome.healed,
            rolled_back=outcome.rolled_back,
            config_diff=list(outcome.config_diff),
            detail=outcome.detail.en,
        )
        return outcome

    def _hear(self, value: Mapping[str, Any]) -> None:
        """What it says of causes and advice, as far as it may be passed on."""
        params = value["params"] if value["repair"] == "tell-person" else {}
        for name in self.said:
            heard = plans.texts(value, name)
            if name == "tell_person" and params.get("en"):
                heard = Text(str(params["en"]), str(params.get("zh") or params["en"]))
            self.said[name] = Text(
                advice.opinion(heard.en, self.redactor),
                advice.opinion(heard.zh, self.redactor, "zh"),
            )

    def _look_again(self) -> None:
        if self.look is None:
            return
        try:
            self.ctx = self.look()
        except Exception:  # the old evidence is still evidence
            pass

    def _wait_for_triage(self) -> bool:
        """True when no triage agent of OpenClaw is at work (any more). Waits for at most
        ai.triage_wait seconds.
        """
        until = self.ctx.host.monotonic() + min(
            float(self.settings["ai.triage_wait"]), max(0.0, self._left() - LEAST_S)
        )
        told = False
        while True:
            try:
                agents = cli.triage_agents(self.ctx)
            except Exception:  # cannot be seen
                agents = []
            if not agents:
                if told:
                    self._look_again()
                return not (told and plans.ready(self.ctx))
            if self.ctx.host.monotonic() >= until:
                return False
            if not told:
                self.say(
                    Text(
                        "OpenClaw's own triage agent is at work (pid {}); waiting".format(
                            agents[0]["pid"]
                        ),
                        "OpenClaw 自己的 triage 代理正在工作（pid {}），等待中".format(
                            agents[0]["pid"]
                        ),
                    )
                )
                told = True
            self.ctx.host.sleep(5.0)

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[bool]:
        from ...errors import AlreadyRunning
        from ...locks import owned_lock

        try:
            with owned_lock(audit.folder(self.ctx.home) / "run.lock", "an AI run"):
                yield True
        except AlreadyRunning:
            yield False

    def _stop(self, why: Text) -> AiResult:
        return self._result(False, why)

    def _by_itself(self) -> AiResult:
        self.by_itself = True
        return self._result(
            True, Text("The gateway became ready by itself meanwhile.", "其间网关已自行恢复。")
        )

    by_itself = False

    def _opinion(self) -> Text:
        """ "Claude suggests, not verified: ..."; nothing when it said nothing."""
        cause, more = self.said["root_cause"], self.said["tell_person"]
        if self.bridge is None or self.by_itself:
            return Text("", "")
        both = Text(
            " ".join(part for part in (cause.en, more.en if more.en != cause.en else "") if part),
            "".join(part for part in (cause.zh, more.zh if more.zh != cause.zh else "") if part),
        )
        return advice.attributed(self.bridge.title, both)

    def _result(self, healed: bool, why: Text) -> AiResult:
        row = self.ledger.row
        result = AiResult(
            healed=healed,
            why=why,
            opinion=self._opinion(),
            bridge=self.bridge.id if self.bridge else "",
            title=self.bridge.title if self.bridge else "",
            rounds=self.rounds,
            calls=self.ledger.calls,
            usd=self.ledger.usd,
            unknown=self.ledger.unknown,
            cost={name: row[name] for name in ("calls", "usd", "unknown", "tokens")},
            attempts=tuple(self.attempts),
            outcomes=tuple(self.outcomes),
            by_itself=self.by_itself,
            prompt_after_s=self.prompt_after,
            unasked=tuple(
                dict.fromkeys(name for name, kind in self.attempts if kind == "no-consent")
            ),
            switched_off=tuple(
                plans.plugin_of(o.plan)
                for o in self.outcomes
                if o.healed and plans.plugin_of(o.plan)
            ),
        )
        audit.write(
            self.ctx,
            self.redactor,
            {
                "event": "verdict",
                "incident": self.incident,
                "healed": healed,
                "by_itself": self.by_itself,
                "bridge": result.bridge,
                "rounds": self.rounds,
                "calls": result.calls,
                "cost": dict(result.cost),
                "attempts": self.attempts,
                "prompt_after_s": self.prompt_after,
            },
        )
        if not self.log:
            return result
        report = audit.report(
            self.ctx,
            self.redactor,
            self.incident,
            result,
            self.tried,
            self.said,
            self.log,
        )
        return replace(result, report=report)
