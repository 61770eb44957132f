"""What the watchdog tells a person: one Alert per event of an incident, in both languages. No effects."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from .model import Alert, State, Text, Verdict
from .openclaw.gateway import clock_stamp
from .openclaw.home import Home

STATE_NAMES = {
    State.HEALTHY: Text("healthy", "健康"), State.STARTING: Text("starting", "正在启动"), State.DRAINING: Text("draining", "正在排空"),
    State.DEGRADED: Text("degraded", "部分不可用"), State.HUNG: Text("hung", "卡死"),
    State.ZOMBIE: Text("alive but not listening", "进程在但无端口"), State.DOWN: Text("down", "已停机"),
    State.MISCONFIGURED: Text("refuses to start (exit 78)", "拒绝启动(退出码 78)"),
    State.IMPOSTOR: Text("another program holds the port", "端口被其他程序占用"),
    State.SAFE_MODE: Text("safe mode: channels are off", "安全模式:通道已停"),
    State.UPDATING: Text("updating", "正在更新"), State.STOPPED: Text("stopped by its operator", "被操作者停止"),
    State.SUSPENDED: Text("the host slept", "主机刚从休眠恢复"), State.UNKNOWN: Text("cannot tell", "无法判断"),
}  # fmt: skip

NOTES = {
    "safe_mode": Text(
        "The gateway is up, but OpenClaw's crash-loop breaker has switched every channel off. They are started again after a quiet period.",
        "网关在线,但 OpenClaw 的崩溃循环保护已关闭所有通道。安静一段时间后会自动重新启动它们。",
    ),
    "stopped": Text(
        "The gateway was stopped by its operator. It stays stopped until somebody starts it: openclaw gateway start",
        "网关被操作者停止,将保持停止状态,直到有人启动它:openclaw gateway start",
    ),
    "degraded": Text("The gateway is alive, but a channel has not been ready for five minutes.", "网关存活,但有通道五分钟仍未就绪。"),
}  # fmt: skip


def span(seconds: float) -> Text:
    """A length of time as a person says it."""
    if seconds < 90:
        return Text("{:.0f} s".format(seconds), "{:.0f} 秒".format(seconds))
    if seconds < 5400:
        return Text("{:.0f} min".format(seconds / 60), "{:.0f} 分钟".format(seconds / 60))
    return Text("{:.1f} h".format(seconds / 3600), "{:.1f} 小时".format(seconds / 3600))


def level(kind: str, age: float) -> str:
    """The user's table: more than 30 minutes is critical."""
    if kind in ("recovered", "note"):
        return "warning"
    return "critical" if age > 1800 else "error"


def alert(
    kind: str, reason: str, verdict: Optional[Verdict], incident: Any, state: Any, now: float, home: Home, step: Optional[Text] = None
) -> Alert:
    """Given what happened, build the Alert that notify sends."""
    age = now - incident.opened if incident else 0.0
    took = span(age)
    what = verdict.reason if verdict else Text(reason, reason)
    next_step: Optional[Text] = None
    done: List[Text] = []
    if incident and incident.restarts:
        done.append(Text("restarted {} times".format(incident.restarts), "已重启 {} 次".format(incident.restarts)))
    if kind == "recovered":
        title = Text("OpenClaw is back after {}".format(took.en), "OpenClaw 已恢复,中断 {}".format(took.zh))
        what = Text(
            "{}; {}".format(incident.reason, reason) if incident else reason,
            "{};{}".format(_zh(incident.state), reason) if incident else reason,
        )
        if incident and incident.cause:
            what = Text("{}; {}".format(incident.cause, reason), "{};{}".format(incident.cause_zh or incident.cause, reason))
    elif kind == "opened":
        title = Text("OpenClaw has been down for {}; repairing".format(took.en), "OpenClaw 已停机 {},正在修复".format(took.zh))
        what = Text(incident.reason if incident else reason, what.zh)
    elif kind == "note":
        if reason.startswith("level:"):
            _, name, text = reason.split(":", 2)
            title = Text("OpenClaw Gateway: {}".format(text), "OpenClaw 网关:{}".format(text))
            what = Text(text, text)
        else:
            title = Text("OpenClaw Gateway: " + reason.replace("_", " "), "OpenClaw 网关:" + _zh(reason))
            what = NOTES.get(reason, what)
            if verdict and verdict.failing:
                what = Text(what.en + " (" + ", ".join(verdict.failing) + ")", what.zh + "(" + "、".join(verdict.failing) + ")")
    else:
        title = Text("OpenClaw is down for {} and needs you".format(took.en), "OpenClaw 已停机 {},需要你处理".format(took.zh))
        if incident and incident.cause:
            what = Text(incident.cause, incident.cause_zh or incident.cause)
        next_step = step if step and step.en else Text("iflow-doctor diagnose", "iflow-doctor diagnose")
    details: List[Tuple[Text, Any]] = []
    if incident:
        details = [
            (Text("since", "开始于"), clock_stamp(incident.opened)),
            (Text("lasted", "已持续"), took),
            (Text("crashes in 6 h", "6 小时内崩溃"), str(len(state.crashes))),
        ]
        if state.last_good:
            details.append((Text("last good check", "上次正常"), clock_stamp(state.last_good)))
    name = incident.id if incident else "note-{}".format(reason.split(":")[0] if not reason.startswith("level:") else reason.split(":")[1])
    return Alert(
        name, kind, level(kind, age), title, now, what, tuple(details), tuple(done), next_step,
        paths=(str(home.logs_dir / "watchdog.log"),),
    )  # fmt: skip


def quiet(name: str, what: Text, hint: Text, now: float, home: Home) -> Alert:
    """Given damage that no health endpoint shows, build its Alert."""
    title = Text("OpenClaw looks healthy, but something is wrong", "OpenClaw 看起来健康,但有问题")
    return Alert(
        name, "escalated", "error", title, now, what, next_step=hint if hint.en else None, paths=(str(home.logs_dir / "watchdog.log"),)
    )


def _zh(state: str) -> str:
    try:
        return STATE_NAMES[State(state)].zh
    except ValueError:
        return {"safe_mode": "安全模式", "stopped": "已停止", "degraded": "部分不可用"}.get(state, state)
