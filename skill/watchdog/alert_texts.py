"""What the watchdog tells a person: one Alert per event of an incident, in both languages. No
effects.
"""

from __future__ import annotations

import re
import time
from typing import Any, List, Optional, Tuple

from ..model import Alert, State, Text, Verdict
from ..openclaw.home import Home

STATE_NAMES = {
    State.HEALTHY: Text("healthy", "健康"),
    State.STARTING: Text("starting", "正在启动"),
    State.DRAINING: Text("draining", "正在排空"),
    State.DEGRADED: Text("degraded", "部分不可用"),
    State.HUNG: Text("hung", "卡死"),
    State.ZOMBIE: Text("alive but not listening", "进程在但无端口"),
    State.DOWN: Text("down", "已停机"),
    State.MISCONFIGURED: Text("refuses to start (exit 78)", "拒绝启动（退出码 78）"),
    State.IMPOSTOR: Text("another program holds the port", "端口被其他程序占用"),
    State.SAFE_MODE: Text("safe mode: channels are off", "安全模式：通道已停"),
    State.UPDATING: Text("updating", "正在更新"),
    State.STOPPED: Text("stopped by its operator", "被操作者停止"),
    State.SUSPENDED: Text("the host slept", "主机刚从休眠恢复"),
    State.UNKNOWN: Text("cannot tell", "无法判断"),
}

NOTES = {
    "safe_mode": (
        Text(
            "OpenClaw answers, but every chat channel is off", "OpenClaw 在线，但所有聊天通道已停用"
        ),
        Text(
            "It crashed several times in a row, so OpenClaw's own crash-loop protection "
            "switched the channels off. "
            "They are started again after a quiet time without crashes.",
            "它连续崩溃了几次，OpenClaw 自带的崩溃循环保护因此停用了通道。平稳运行一段时间（无崩"
            "溃）后会自动重新启动它们。",
        ),
        Text(
            "iflow-doctor diagnose      # if chats stay silent for more than 10 minutes",
            "iflow-doctor diagnose      # 如果超过 10 分钟聊天仍没有反应",
        ),
    ),
    "safe_mode_over": (
        Text("OpenClaw's chat channels run again", "OpenClaw 的聊天通道已恢复"),
        Text(
            "It stayed up, and the channels that were switched off are on again.",
            "它一直平稳运行，先前停用的通道已重新启动。",
        ),
        Text(
            "iflow-doctor stats      # how often it crashed, and why",
            "iflow-doctor stats      # 崩溃次数与原因",
        ),
    ),
    "resume_failed": (
        Text(
            "OpenClaw answers, but its chat channels stay off", "OpenClaw 在线，但聊天通道仍未恢复"
        ),
        Text(
            "They were started again after a quiet time and are still off. Something keeps "
            "them from starting.",
            "平稳运行一段时间后已尝试重新启动它们，但仍未恢复，说明有别的原因阻止它们启动。",
        ),
        Text("openclaw channels status --probe", "openclaw channels status --probe"),
    ),
    "stopped": (
        Text("OpenClaw was stopped by hand", "OpenClaw 已被人手动停止"),
        Text(
            "Somebody stopped it on purpose. It is not started against their will.",
            "有人主动停止了它。守护进程不会违背其意愿重新启动。",
        ),
        Text(
            "openclaw gateway start      # if that was not you",
            "openclaw gateway start      # 如果不是你停的",
        ),
    ),
    "degraded": (
        Text("OpenClaw answers, but is not ready", "OpenClaw 在线，但尚未就绪"),
        Text(
            "It has not been ready for five minutes. A restart does not mend that, so nothing "
            "was restarted",
            "已有五分钟未就绪。重启解决不了这个问题，因此没有重启",
        ),
        Text("openclaw channels status --probe", "openclaw channels status --probe"),
    ),
}

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
BROKEN = (State.DOWN, State.HUNG, State.ZOMBIE, State.MISCONFIGURED, State.IMPOSTOR)

LEVELS = {
    "memory": (
        Text("OpenClaw uses unusually much memory", "OpenClaw 占用内存异常偏高"),
        Text(
            "It is not restarted for that. Long sessions and plugins are the usual cause.",
            "不会因此重启。常见原因是会话过长或插件。",
        ),
        Text(
            "openclaw gateway restart      # when it suits you",
            "openclaw gateway restart      # 在你方便的时候",
        ),
    ),
    "response": (
        Text("OpenClaw answers slowly", "OpenClaw 响应缓慢"),
        Text(
            "It is not restarted for that. The machine may be busy.",
            "不会因此重启。可能是机器繁忙。",
        ),
        Text("iflow-doctor diagnose", "iflow-doctor diagnose"),
    ),
    "crashes": (
        Text("OpenClaw crashes often", "OpenClaw 崩溃频繁"),
        Text(
            "Each time it was brought back, but something makes it crash.",
            "每次都已恢复，但有原因导致它反复崩溃。",
        ),
        Text("iflow-doctor diagnose", "iflow-doctor diagnose"),
    ),
}

OUTCOMES = {
    "healed": Text("it helped", "有效"),
    "partly": Text("mended one of several faults", "修好了其中一个故障"),
    "failed": Text("did not help", "无效"),
    "refused": Text("could not be done", "无法执行"),
}
HEALERS = {
    "level 1: restarted by the service manager": Text(
        "the service manager started it again", "系统服务管理器重新启动了它"
    ),
    "level 2: restart": Text("the watchdog restarted it", "守护进程重启了它"),
    "level 2: started after a change": Text(
        "the watchdog started it once what it needs was changed",
        "所需的文件被改动后，守护进程重新启动了它",
    ),
}


def level(kind: str, age: float) -> str:
    """The user's table: more than 30 minutes is critical."""
    if kind in ("recovered", "note"):
        return "warning"
    return "critical" if age > 1800 else "error"


def alert(
    kind: str,
    reason: str,
    verdict: Optional[Verdict],
    incident: Any,
    state: Any,
    now: float,
    home: Home,
    step: Optional[Text] = None,
) -> Alert:
    """Given what happened, build the Alert that notify sends: what broke, since when, what was
    tried, what to do.
    """
    from ..notify.incidents import (
        span,
    )  # not at the top: `status` only wants the names of the states

    age = now - incident.opened if incident else 0.0
    took = span(age)
    name = (
        incident.id
        if incident
        else "note-{}".format(reason.split(":")[1] if reason.startswith("level:") else reason)
    )
    if kind == "note":
        title, what, step = _note(reason, verdict)
    elif kind == "recovered":
        title = Text(
            "OpenClaw is back after {}".format(took.en),
            "OpenClaw 已恢复，共中断 {}".format(took.zh),
        )
        what, step = _recovered(reason, verdict, incident), None
    else:
        now_state = verdict.state if verdict and verdict.state in BROKEN else _state(incident)
        head = LOOP if incident and incident.loop else HEADS.get(now_state, HEADS[State.DOWN])
        what = _why(reason, verdict, incident)
        if kind == "opened":
            title, step = Text(head.en + "; it is being repaired", head.zh + "，正在自动修复"), None
        else:
            title = Text(head.en + " and needs you", head.zh + "，需要你处理")
            step = (
                step if step and step.en else Text("iflow-doctor diagnose", "iflow-doctor diagnose")
            )
    return Alert(
        name,
        kind,
        level(kind, age),
        title,
        now,
        what,
        _details(incident, state, took, kind),
        _tried(incident, reason, kind),
        step,
        paths=(str(home.logs_dir / "watchdog.log"),),
    )


def _note(reason: str, verdict: Optional[Verdict]) -> Tuple[Text, Text, Optional[Text]]:
    """(title, what, step) of something worth knowing that is no outage."""
    if reason.startswith("level:"):
        _, name, measured = reason.split(":", 2)
        title, what, step = LEVELS[name]
        return (
            title,
            Text(
                "{}. {}".format(_capital(measured), what.en),
                "{}。{}".format(_measured(name, measured), what.zh),
            ),
            step,
        )
    if reason.startswith("rival:"):
        name = reason[len("rival:") :]
        return (
            Text(
                "OpenClaw is down, and another watchdog tends it",
                "OpenClaw 已停机，而另有守护程序在管理它",
            ),
            Text(
                "Left to it: {}. Two watchdogs would fight each other.".format(name),
                "交由它处理：{}。两个守护程序会互相干扰。".format(name),
            ),
            Text(
                "Stop one of the two; for ours: iflow-doctor service uninstall",
                "停用其中之一；停用本程序：iflow-doctor service uninstall",
            ),
        )
    if reason not in NOTES:
        return (
            Text("OpenClaw: " + reason, "OpenClaw：" + reason),
            verdict.reason if verdict else Text(reason, reason),
            None,
        )
    title, what, step = NOTES[reason]
    if verdict and verdict.failing:
        en, zh = ", ".join(verdict.failing), "、".join(verdict.failing)
        what = Text(
            "{} ({}).".format(what.en.rstrip("."), en),
            "{}（{}）。".format(what.zh.rstrip("。"), zh),
        )
    elif not what.en.endswith("."):
        what = Text(what.en + ".", what.zh + "。")
    return title, what, step


def _why(reason: str, verdict: Optional[Verdict], incident: Any) -> Text:
    """The cause that level 3 found; else what is seen now; else how it began."""
    if incident and incident.cause:
        return Text(incident.cause, incident.cause_zh or incident.cause)
    if verdict and verdict.state in BROKEN:
        return Text(_capital(verdict.reason.en), verdict.reason.zh)
    if incident:
        return Text(_capital(incident.reason), incident.reason_zh or _zh(incident.state))
    return Text(reason, reason)


def _recovered(by: str, verdict: Optional[Verdict], incident: Any) -> Text:
    cause = _why("", None, incident) if incident else Text("", "")
    if by in HEALERS:
        how = HEALERS[by]
    elif by.startswith("level 3: "):
        steps = [_action(action) for action in by[len("level 3: ") :].split(", ") if action]
        how = Text(
            "the doctor repaired it: " + ", ".join(t.en for t in steps),
            "医生完成了修复：" + "、".join(t.zh for t in steps),
        )
    else:
        how = Text(by, by)
    text = Text(
        "{}. Brought back: {}.".format(cause.en.rstrip("."), how.en),
        "{}。恢复方式：{}。".format(cause.zh.rstrip("。"), how.zh),
    )
    if verdict and verdict.state == State.DEGRADED and verdict.failing:
        names = verdict.failing
        return Text(
            "{} Still not ready: {}.".format(text.en, ", ".join(names)),
            "{}仍未就绪：{}。".format(text.zh, "、".join(names)),
        )
    return text


def _details(incident: Any, state: Any, took: Text, kind: str) -> Tuple[Tuple[Text, Any], ...]:
    if not incident:
        return ()
    rows: List[Tuple[Text, Any]] = [(Text("Down since", "故障开始"), moment(incident.opened))]
    rows.append((Text("Lasted", "持续时间"), took))
    if state.crashes:
        rows.append(
            (
                Text("Crashes in 6 h", "6 小时内崩溃"),
                Text(str(len(state.crashes)), "{} 次".format(len(state.crashes))),
            )
        )
    if state.last_good and kind != "recovered":
        rows.append((Text("Last seen healthy", "上次正常"), moment(state.last_good)))
    return tuple(rows)


def _tried(incident: Any, reason: str, kind: str) -> Tuple[Text, ...]:
    """What was done so far. What healed is told by the message itself."""
    done: List[Text] = []
    if not incident:
        return ()
    if incident.restarts and kind != "recovered":
        times = "once" if incident.restarts == 1 else "{} times".format(incident.restarts)
        vain = (
            Text(", in vain", "，没有恢复") if kind == "escalated" else Text("", "")
        )  # while it is being repaired that is not known
        done.append(
            Text("restarted " + times + vain.en, "已重启 {} 次".format(incident.restarts) + vain.zh)
        )
    elif incident.restarts > 1:
        done.append(
            Text(
                "restarted {} times".format(incident.restarts),
                "共重启 {} 次".format(incident.restarts),
            )
        )
    done += [_action(action) for action in incident.tried]
    if reason.startswith("level 3 gave no answer"):
        done.append(
            Text(
                "the doctor (level 3) was called and gave no answer",
                "已调用医生（第三级），但没有得到结果",
            )
        )
    elif kind == "escalated" and not incident.tried and incident.treated and incident.cause:
        done.append(
            Text(
                "the doctor (level 3) found no repair that may run unattended",
                "医生（第三级）没有找到可以无人值守执行的修复",
            )
        )
    return tuple(done)


def _action(action: str) -> Text:
    """Given "restore-config: failed", the same in words: whoever reads it at night does not know
    our ids.
    """
    from .. import repairs  # 6 MB that a watchdog whose doctor never worked does without

    repair, _, outcome = action.partition(": ")
    words = OUTCOMES.get(outcome)
    if not words:
        return Text(action, action)
    title = repairs.ALL[repair].title if repair in repairs.ALL else Text(repair, repair)
    return Text("{} ({})".format(title.en, words.en), "{}（{}）".format(title.zh, words.zh))


def _measured(name: str, measured: str) -> str:
    """The English detail of a level in Chinese: the same numbers, other words."""
    numbers = re.findall(r"\d+(?:\.\d+)?", measured)
    shapes = {
        "memory": "当前内存 {} MB（超过 {} MB 即警告）",
        "response": "一次响应用了 {} 秒",
        "crashes": "一小时内崩溃 {} 次",
    }
    try:
        return shapes[name].format(*numbers)
    except (KeyError, IndexError):
        return measured


def moment(at: float) -> str:
    """Local time to the second; the offset stands in the message's own time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _state(incident: Any) -> State:
    try:
        return State(incident.state)
    except (AttributeError, ValueError):
        return State.DOWN


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def quiet(name: str, what: Text, hint: Text, now: float, home: Home) -> Alert:
    """Given damage that no health endpoint shows, build its Alert."""
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


def _zh(state: str) -> str:
    try:
        return STATE_NAMES[State(state)].zh
    except ValueError:
        return {"safe_mode": "安全模式", "stopped": "已停止", "degraded": "部分不可用"}.get(
            state, state
        )
