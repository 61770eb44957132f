"""A gateway's home on disk and a fake host for the tests of redaction and of the AI stage. No
network, no gateway.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from fake_machine import Machine

from skill import settings
from skill.bridges.base import PLAN, Answer, Bridge, Question, Spent
from skill.context import Context
from skill.doctor.emergency import rounds
from skill.host import Completed, Host, Process, Reply
from skill.model import Finding, Outcome, Plan, Severity, State, Text, Verdict
from skill.openclaw.home import locate

GOOD: Dict[str, Any] = {
    "gateway": {
        "mode": "local",
        "bind": "loopback",
        "port": 21390,
        "auth": {"mode": "token", "token": "Gw-t0ken-Canary-000001"},
    },
    "channels": {
        "telegram": {
            "enabled": True,
            "botToken": "123456789:AAcanaryTELEGRAMtokenAAAAAAAAAAAAAAA",
            "allowFrom": ["55501234"],
            "dmPolicy": "allowlist",
        }
    },
    "agents": {"defaults": {"model": {"primary": "anthropic/claude-sonnet"}}},
}


@dataclass
class Clock:
    value: float = 1_000_000.0
    slept: List[float] = field(default_factory=list)

    def now(self) -> float:
        return self.value

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.value += seconds


def context(
    folder: Path,
    config: Any = None,
    findings: Sequence[Finding] = (),
    state: State = State.MISCONFIGURED,
    logs: str = "",
    ready: bool = False,
    ai: Optional[Mapping[str, Any]] = None,
    env: Optional[Mapping[str, str]] = None,
    run: Optional[Callable[..., Completed]] = None,
    rows: Sequence[Process] = (),
) -> Context:
    """A Context over <folder>/.openclaw. ready: what /readyz says."""
    state_dir = folder / ".openclaw"
    state_dir.mkdir(parents=True, exist_ok=True)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config, indent=2)
        (state_dir / "openclaw.json").write_text(text, "utf-8")
    clock = Clock()
    body = b'{"ready":true,"failing":[]}' if ready else b""

    def get(url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        return Reply(200, body) if ready else Reply(error="refused")

    host = Host(
        now=clock.now,
        monotonic=clock.now,
        sleep=clock.sleep,
        get=get,
        env={"HOME": str(folder), "PATH": "/nonexistent", **(env or {})},
        run=run or (lambda argv, **_: Completed(argv, None, missing=True)),
        system="linux",
        **Machine(*rows).fields(),
    )
    values = settings.defaults(settings.schema())
    values["ai"].update({"triage": "never", "triage_wait": 0}, **(ai or {}))
    verdict = Verdict(state, Text("exit 78", "退出码 78"), exit_code=78, findings=tuple(findings))
    return Context(
        host, locate(host), settings.Settings(values, {}), verdict, logs, None, {"config": GOOD}
    )


def finding(check_id: str, path: str = "", message: str = "found") -> Finding:
    return Finding(check_id, Severity.ERROR, Text(message, message), path=path)


def answer(repair: str, params: Any = None, **more: Any) -> Dict[str, Any]:
    return {
        "repair": repair,
        "params": params or {},
        "root_cause": "cause",
        "confidence": "certain",
        "tell_person": "told",
        **more,
    }


def bridge(
    replies: Sequence[Any],
    name: str = "fake",
    asked: Optional[List[Question]] = None,
    cost: float = 0.1,
) -> Bridge:
    """A bridge that answers (dict), raises (exception) or computes (callable) its replies in turn;
    the last one forever.
    """
    left = list(replies)

    def ask(ctx: Any, question: Question) -> Answer:
        if asked is not None:
            asked.append(question)
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, BaseException):
            raise reply
        data = reply(question) if callable(reply) else reply
        return Answer(data, Spent(cost, 1000, 50, 1), "", 1.0, {}, (), (name,))

    return Bridge(
        name,
        name,
        lambda ctx: "/bin/" + name,
        ask,
        lambda ctx, program: True,
        (),
        frozenset({PLAN}),
    )


@dataclass
class Healer:
    """Stands for healer.execute: remembers plans, answers the outcomes in turn."""

    outcomes: Sequence[str] = ("healed",)
    plans: List[Plan] = field(default_factory=list)

    def __call__(self, plan: Plan) -> Outcome:
        word = self.outcomes[min(len(self.plans), len(self.outcomes) - 1)]
        self.plans.append(plan)
        diff = ("gateway.port",) if word == "stuck" else ()
        return Outcome(
            plan,
            word == "healed",
            Text(word, word),
            rolled_back=word == "rolled back",
            seconds=1.0,
            config_diff=diff,
        )


class World(rounds.Emergency):
    """The real loop with bridges of ours in place of the registry."""

    def __init__(self, ctx, bridges, execute, tried=(), **more):
        super().__init__(ctx, tried, "inc-1", execute, **more)
        self._bridges = bridges

    def bridges(self):
        return self._bridges

    def agreed(self, bridge):
        return True
