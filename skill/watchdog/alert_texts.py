"""What the watchdog tells a person about an outage: one Alert per event, in both languages. No
effects.
"""

from __future__ import annotations

import time
from typing import List, Optional, Tuple, Union

from ..model import BROKEN, Alert, State, Text, Verdict
from ..openclaw.home import Home
from ..store.watch_state import Incident, WatchState
from . import decision_texts, note_texts
from .policy_outage import Decision

KINDS = {"announce": "opened", "escalate": "escalated"}  # others are called as they are decided
# What is broken, as the first words of an alert. No numbers in here: equal titles within the alert
# window are one alert.
HEADS = {
    State.DOWN: Text("OpenClaw is down", "OpenClaw 已停机"),
    State.HUNG: Text("OpenClaw hangs", "OpenClaw 卡死"),
    State.ZOMBIE: Text("OpenClaw runs, but nobody can reach it", "OpenClaw 进程还在，但无法连接"),
    State.MISCONFIGURED: Text("OpenClaw refuses to start", "OpenClaw 拒绝启动"),
    State.IMPOSTOR: Text("Another program holds OpenClaw's port", "OpenClaw 的端口被其他程序占用"),
}
LOOP = Text("OpenClaw keeps crashing", "OpenClaw 反复崩溃")
LOOP = Text("OpenClaw keeps crashing", "OpenClaw 反复崩溃")


def level(kind: str, age: float) -> str:
    """The user's table: more than 30 minutes is critical."""
    if kind in ("recovered", "note"):
        return "warning"
    return "critical" if age > 1800 else "error"


def alert(
    decision: Decision,
    verdict: Optional[Verdict],
    incident: Optional[Incident],
    state: WatchState,
    now: float,
    home: Home,
    step: Optional[Text] = None,
) -> Alert:
    """Given what was decided, return the Alert that notify sends: what broke, since when, what was
    tried, what to do.
    """
    from ..notify.incidents import span  # not at the top: a quiet watchdog does without

    kind = KINDS.get(decision.kind, decision.kind)
    age = now - incident.opened if incident else 0.0
    took = span(age)
    if kind == "note":
        title, what, step = note_texts.words(decision, verdict)
    elif kind == "recovered":
        title = Text.of("OpenClaw is back after {}", "OpenClaw 已恢复，共中断 {}", took)
        what, step = _recovered(verdict, incident), None
    else:
        head = _head(verdict, incident)
        what = _why(decision, verdict, incident)
        if kind == "opened":
            title, step = Text(head.en + "; it is being repaired", head.zh + "，正在自动修复"), None
        else:
            title = Text(head.en + " and needs you", head.zh + "，需要你处理")
            step = (
                step if step and step.en else Text("iflow-doctor diagnose", "iflow-doctor diagnose")
            )
    return Alert(
        incident.id if incident else note_texts.name_of(decision),
        kind,
        level(kind, age),
        title,
        now,
        what,
        _details(incident, state, took, kind),
        _tried(incident, decision, kind),
        step,
        paths=(str(home.logs_dir / "watchdog.log"),),
    )


def quiet(name: str, what: Text, hint: Text, now: float, home: Home) -> Alert:
    """Given damage that no health endpoint shows, return its Alert."""
    title = Text("OpenClaw looks healthy, but something is wrong", "OpenClaw 看起来健康，但有问题")
    return Alert(
        name,
        "escalated",
        "error",
        title,
        now,
        what,
        next_step=hint if hint.en else None,
        paths=(str(home.logs_dir / "watchdog.log"),),
    )


def moment(at: float) -> str:
    """Local time to the second; the offset stands in the message's own time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _head(verdict: Optional[Verdict], incident: Optional[Incident]) -> Text:
    if incident and incident.loop:
        return LOOP
    if verdict and verdict.state in BROKEN:
        return HEADS[verdict.state]
    began = incident.state if incident else ""
    return HEADS.get(
        State(began) if began in State._value2member_map_ else State.DOWN, HEADS[State.DOWN]
    )


def _why(
    decision: Optional[Decision], verdict: Optional[Verdict], incident: Optional[Incident]
) -> Text:
    """The cause that level 3 found; else what is seen now; else how it began."""
    if incident and incident.cause.en:
        return incident.cause
    if verdict and verdict.state in BROKEN:
        return _capital(verdict.reason)
    if incident:
        if incident.began == "process-ended":
            return _capital(decision_texts.ended(incident.exit_code))
        return _capital(incident.reason)
    return _capital(decision_texts.said(decision)) if decision else Text("", "")


def _recovered(verdict: Optional[Verdict], incident: Optional[Incident]) -> Text:
    cause = _why(None, None, incident)
    healed = incident.healed if incident else None
    text = Text.of(
        "{}. Brought back: {}.",
        "{}。恢复方式：{}。",
        Text(cause.en.rstrip("."), cause.zh.rstrip("。")),
        decision_texts.healer(healed) if healed else decision_texts.HEALERS[""],
    )
    if verdict and verdict.state == State.DEGRADED and verdict.failing:
        names = Text(", ".join(verdict.failing), "、".join(verdict.failing))
        return Text.of("{} Still not ready: {}.", "{}仍未就绪：{}。", text, names)
    return text


def _details(
    incident: Optional[Incident], state: WatchState, took: Text, kind: str
) -> Tuple[Tuple[Text, Union[str, Text]], ...]:
    if not incident:
        return ()
    rows: List[Tuple[Text, Union[str, Text]]] = [
        (Text("Down since", "故障开始"), moment(incident.opened)),
        (Text("Lasted", "持续时间"), took),
    ]
    if state.crashes:
        label = Text("Crashes in 6 h", "6 小时内崩溃")
        rows.append((label, Text.of("{}", "{} 次", len(state.crashes))))
    if state.last_good and kind != "recovered":
        rows.append((Text("Last seen healthy", "上次正常"), moment(state.last_good)))
    return tuple(rows)


def _tried(incident: Optional[Incident], decision: Decision, kind: str) -> Tuple[Text, ...]:
    """What was done so far. What healed is told by the message itself."""
    done: List[Text] = []
    if not incident:
        return ()
    if incident.restarts and kind != "recovered":
        times = Text("once" if incident.restarts == 1 else "{} times".format(incident.restarts), "")
        # while it is being repaired, whether that helped is not known
        useless = kind == "escalated"
        done.append(
            Text.of(
                "restarted {}" + (", without success" if useless else ""),
                "已重启 {1} 次" + ("，没有恢复" if useless else ""),
                times,
                incident.restarts,
            )
        )
    elif incident.restarts > 1:
        done.append(Text.of("restarted {} times", "共重启 {} 次", incident.restarts))
    done += [decision_texts.tried(one) for one in incident.tried]
    if decision.code == "no-answer":
        done.append(
            Text(
                "the doctor (level 3) was called and returned nothing",
                "已启动第三级诊断，但未返回结果",
            )
        )
    elif kind == "escalated" and not incident.tried and incident.treated and incident.cause.en:
        done.append(
            Text(
                "the doctor (level 3) found no repair that may run unattended",
                "第三级诊断没有找到可自动执行的修复",
            )
        )
    return tuple(done)


def _capital(text: Text) -> Text:
    return Text(text.en[:1].upper() + text.en[1:], text.zh)
