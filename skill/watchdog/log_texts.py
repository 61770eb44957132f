"""The watchdog's log in words: what a line of watchdog.log says to a reader."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ..model import STATE_NAMES, Healed, State, Text, Tried
from ..notify.incidents import span
from ..openclaw.home import Home
from . import decision_texts

# decisions that say nothing to a reader
QUIET = ("none",)
DECISIONS: Dict[str, Text] = {
    "opened": Text("Problem seen", "发现异常"),
    "restart": Text("Restarting", "正在重启"),
    "heal": Text("Asking the doctor (level 3)", "交给第三级诊断"),
    "announce": Text("Told you", "已通知你"),
    "escalate": Text("Told you that your action is needed", "已通知你需要处理"),
    "recovered": Text("Recovered", "已恢复"),
    "note": Text("Told you", "已通知你"),
    "resume-channels": Text("Starting the channels again", "正在恢复频道"),
}
OUTCOMES: Dict[str, Text] = {
    "healed": Text("repaired", "已修复"),
    "escalate": Text("your action is needed", "需要你处理"),
    "nothing": Text("nothing to do", "无需处理"),
    "asked": Text("waits for your yes", "等待你的同意"),
}
EVENTS: Dict[str, Text] = {
    "watch": Text("The watchdog started", "守护进程已启动"),
    "stop": Text("The watchdog stopped", "守护进程已停止"),
    "pause": Text("Paused, or the pause ended", "暂停，或暂停已结束"),
    "action-failed": Text("An action failed", "动作失败"),
    "notify-failed": Text("An alert could not be prepared", "告警准备失败"),
    "clock": Text("The clock jumped", "时钟跳变"),
    "endpoint": Text("The gateway's address changed", "网关地址已改变"),
    "level": Text("A limit was passed", "指标越线"),
    "settings": Text("Invalid settings; using the last valid ones", "设置有误，沿用上次正确的设置"),
    "state-damaged": Text("Our own memory was damaged and set aside", "自身状态文件损坏，已移开"),
    "left-alone": Text("Left to another watchdog", "已交给另一个守护进程"),
    "unanswered": Text("The doctor did not finish", "第三级诊断没有返回结果"),
    "tick-failed": Text("A look failed (a fault of ours)", "一次检查失败（本程序的问题）"),
}


def entries(home: Home) -> Iterator[Dict[str, Any]]:
    """Every line of the watchdog's log and of its older files, the oldest first."""
    folder = home.logs_dir
    if not folder.is_dir():
        return
    older = sorted(folder.glob("watchdog.log.*"), key=lambda one: one.stat().st_mtime)
    for path in [*older, folder / "watchdog.log"]:
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        yield from (entry for entry in map(entry_of, lines) if entry)


def entry_of(line: str) -> Dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def words(entry: Mapping[str, Any]) -> Optional[Text]:
    """Return what a line of the log says to a reader; None for what is of no interest."""
    event = str(entry.get("event") or "")
    reason = Text(
        str(entry.get("reason") or ""), str(entry.get("reason_zh") or entry.get("reason") or "")
    )
    if event == "decision":
        kind = str(entry.get("kind") or "")
        label = DECISIONS.get(kind)
        return None if kind in QUIET or not label else Text.of("{}: {}", "{}：{}", label, reason)
    if event == "state":
        state = str(entry.get("state") or "")
        known_state = state in State._value2member_map_
        name = STATE_NAMES[State(state)] if known_state else Text(state, state)
        return Text.of("{}: {}", "{}：{}", _capital(name), reason)
    if event == "treated":
        return _treated(entry)
    if event == "recovered":
        how = Healed(int(entry.get("level") or 0), str(entry.get("how") or ""), _acts(entry))
        took = span(float(entry.get("seconds") or 0))
        return Text.of("Back after {}: {}", "{}后恢复：{}", took, decision_texts.healer(how))
    if event == "restart":
        return Text.of("Started by {}", "启动，由 {}", entry.get("by", "?"))
    if event == "ended":
        gone = bool(entry.get("gone"))
        return Text.of(
            "Process {} {}",
            "进程 {} {}",
            entry.get("pid"),
            Text("ended", "已结束") if gone else Text("was left running", "未被结束"),
        )
    label = EVENTS.get(event)
    if label is None:
        return None
    detail = entry.get("error") or entry.get("detail") or entry.get("hint") or ""
    return Text.of("{}: {}", "{}：{}", label, detail) if detail else label


def _treated(entry: Mapping[str, Any]) -> Text:
    cause = Text(
        str(entry.get("cause") or ""), str(entry.get("cause_zh") or entry.get("cause") or "")
    )
    steps = [decision_texts.tried(one) for one in _acts(entry)]
    outcome = OUTCOMES.get(str(entry.get("outcome")), Text("ended", "结束"))
    said = Text.of("Doctor: {}", "第三级诊断：{}", outcome)
    if cause.en:
        said = Text.of("{}. {}", "{}。{}", said, cause)
    if steps:
        names = Text("; ".join(t.en for t in steps), "；".join(t.zh for t in steps))
        said = Text.of("{}. Tried: {}", "{}。已尝试：{}", said, names)
    return said


def _acts(entry: Mapping[str, Any]) -> Tuple[Tried, ...]:
    return tuple(
        Tried(str(act.get("repair", "")), str(act.get("outcome", "")))
        for act in entry.get("tried") or ()
        if isinstance(act, Mapping)
    )


def _capital(text: Text) -> Text:
    return Text(text.en[:1].upper() + text.en[1:], text.zh)
