"""The watchdog's decisions, healers and repairs in words. No effects.

The rule (policy.py) decides in values; a Decision, a Healed or a Tried is made a Text here, last,
and nothing reads it back.
"""

from __future__ import annotations

import shlex
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ..model import STATE_NAMES, Healed, State, Text, Tried
from .policy_outage import Decision

# (kind, code) or code: what a line of the log, and an alert without a better reason, says
SAID: Dict[str, Tuple[str, str]] = {
    "none/changed": (
        "what a start depends on was changed during the incident: trying again",
        "故障期间启动所需的内容有改动：重新尝试",
    ),
    "restart/changed": (
        "{reason}: what a start depends on was changed (try {retries})",
        "{reason}：启动所需的内容有改动（第 {retries} 次尝试）",
    ),
    "restart/verdict": (
        "{reason} (restart {number} of {most}, next not before {delay:.0f} s)",
        "{reason}（第 {number} 次重启，最多 {most} 次，下次至少间隔 {delay:.0f} 秒）",
    ),
    "heal/verdict": ("{reason}", "{reason}"),
    "verdict": ("{reason}", "{reason}"),
    "lasting": ("down for {seconds:.0f} s", "已停机 {seconds:.0f} 秒"),
    "hard-limit": (
        "two hard kills in five minutes: a third would trip OpenClaw's breaker",
        "五分钟内已强制结束两次：第三次会触发 OpenClaw 的崩溃保护",
    ),
    "restarts-used-up": ("{restarts} restarts did not help", "重启 {restarts} 次无效"),
    "crash-loop": ("crash loop: {crashes} crashes", "崩溃循环：共崩溃 {crashes} 次"),
    "died-starting": ("a start died before it was ready", "启动在就绪之前就退出了"),
    "ready": ("ready {times} times in a row", "连续 {times} 次就绪"),
    "not-ready": ("alive; not ready because of {failing}", "存活；尚未就绪：{failing}"),
    "quiet": ("quiet for {seconds:.0f} s", "已平稳运行 {seconds:.0f} 秒"),
    "doctor-asks": ("{cause}", "{cause}"),
    "no-answer": (
        "level 3 returned nothing; see {log}",
        "第三级诊断没有返回结果；请查看 {log}",
    ),
    "found-nothing": (
        "level 3 found nothing to do, and the gateway is still down",
        "第三级诊断没有找到可做的事，网关仍然停机",
    ),
}
ENDED = Text("the gateway process ended by itself", "网关进程自行退出")
# an exit code of a signal, by its number: as the kernel (-9) and as a shell (137) tell it
SIGNALS: Dict[int, Text] = {
    9: Text(
        "the gateway process was killed (signal 9): out of memory, or somebody killed it",
        "网关进程被强制结束（信号 9）：内存不足，或被人强行终止",
    ),
    15: Text(
        "the gateway process was told to end (signal 15)", "网关进程收到终止信号（信号 15）后退出"
    ),
    6: Text(
        "the gateway process aborted (signal 6): often out of heap memory",
        "网关进程异常中止（信号 6）：常因堆内存不足",
    ),
    24: Text(
        "the gateway process used up the CPU time it may use (signal 24)",
        "网关进程用完了允许的 CPU 时间（信号 24）",
    ),
    25: Text(
        "the gateway process wrote past a limit on the size of files (signal 25)",
        "网关进程写入的文件超过了大小上限（信号 25）",
    ),
    31: Text(
        "the gateway process made a system call that is forbidden here (signal 31)",
        "网关进程执行了此处禁止的系统调用（信号 31）",
    ),
    11: Text(
        "the gateway process crashed (signal 11): a native module or memory",
        "网关进程崩溃（信号 11）：原生模块或内存问题",
    ),
}
ENDED_WITH = ("{} with exit code {}", "{}，退出码 {}")

PLAIN_STARTS = {"start", "restart", "reset-failed"}  # repairs that change nothing

OUTCOMES = {
    "healed": Text("it worked", "有效"),
    "partly": Text("fixed one of several problems", "修好了其中一个故障"),
    "failed": Text("did not help", "无效"),
    "refused": Text("could not be done", "无法执行"),
    "let-go": Text("not needed any more", "已不再需要"),
}
OTHERS = {  # what level 3 does beside the repairs of the registry
    "put-edit-back": Text(
        "put your edit back to see whether it was the cause", "放回你的改动以验证"
    ),
}
HEALERS = {
    "service-manager": Text("the service manager started it again", "系统服务管理器重新启动了它"),
    "restart": Text("the watchdog restarted it", "守护进程重启了它"),
    "after-change": Text(
        "the watchdog started it once what it needs was changed",
        "所需的文件被改动后，守护进程重新启动了它",
    ),
    "": Text("it came back by itself", "自行恢复"),
}


def said(decision: Decision) -> Text:
    """Return why it was decided, in words."""
    if decision.code == "process-ended":
        return ended(decision.facts.get("exit_code"))
    sentence = SAID.get("{}/{}".format(decision.kind, decision.code)) or SAID.get(decision.code)
    if sentence is None:
        return Text(decision.code, decision.code)
    facts = {
        name: ", ".join(value)
        if isinstance(value, tuple) and not isinstance(value, Text)
        else value
        for name, value in decision.facts.items()
    }
    return Text.of(*sentence, **facts)


def ended(exit_code: object) -> Text:
    """Return how the process ended: by a signal, or by itself with its exit code."""
    code = exit_code if isinstance(exit_code, int) else 0
    signal = -code if code < 0 else code - 128 if 128 < code < 160 else 0
    if signal in SIGNALS:
        return SIGNALS[signal]
    return ENDED if exit_code is None else Text.of(*ENDED_WITH, ENDED, exit_code)


def tried_of(act: Mapping[str, Any]) -> Tried:
    """Return a row of level 3's result as a value, with what the owner has to hear of it."""
    repair, outcome = str(act.get("repair", "")), str(act.get("outcome", ""))
    loss = Text("", "")
    if outcome in ("healed", "partly") and repair == "quarantine-database":
        said_en = str(act.get("advice", ""))
        loss = Text(said_en, str(act.get("advice_zh") or said_en))
    gone = [str(key) for key in (*(act.get("lost") or ()), *(act.get("removed") or ()))]
    if gone and not act.get("rolled_back"):
        loss = join(
            loss,
            Text.of(
                "Taken out of openclaw.json: {}. It comes back with: {}.",
                "已从 openclaw.json 移除：{}。取回命令：{}。",
                Text(", ".join(gone[:6]), "、".join(gone[:6])),
                back(str(act.get("snapshot", "")), gone),
            ),
        )
    keys = [] if act.get("rolled_back") else [str(key) for key in act.get("config_diff") or ()]
    return Tried(repair, outcome, Text(loss.en[:600], loss.zh[:500]), tuple(keys[:12]))


def back(snapshot: str, keys: Sequence[str]) -> str:
    """Return the command that gives the present config these keys as the snapshot has them."""
    few = " ".join("--key {}".format(shlex.quote(key)) for key in keys)
    which = few if len(keys) <= 3 else "--missing"
    return "iflow-doctor snapshots restore {} {}".format(snapshot, which)


def join(*texts: Text) -> Text:
    """Return sentences one after the other; empty ones are left out."""
    return Text(" ".join(t.en for t in texts if t.en), "".join(t.zh for t in texts if t.zh))


def healer(healed: Healed) -> Text:
    """Return who brought it back, and with what."""
    if not healed.tried:
        return HEALERS.get(healed.how, HEALERS["" if healed.how != "doctor" else "restart"])
    if {one.repair for one in healed.tried} <= PLAIN_STARTS:
        return Text(
            "it was started again; what had kept it down was gone",
            "已重新启动；先前阻止启动的原因已消失",
        )
    steps = [tried(one) for one in healed.tried if one.repair not in PLAIN_STARTS]
    return Text(
        "repaired: " + ", ".join(step.en for step in steps),
        "已修复：" + "、".join(step.zh for step in steps),
    )


def tried(one: Tried) -> Text:
    """Return a repair and how it ended in words: the reader at night does not know our
    ids.
    """
    from .. import repairs  # 6 MB that a watchdog whose doctor never worked does without

    words = OUTCOMES.get(one.outcome, Text(one.outcome, one.outcome))
    title = repairs.ALL[one.repair].title if one.repair in repairs.ALL else None
    title = title or OTHERS.get(one.repair) or Text(one.repair, one.repair)
    if not one.outcome or one.outcome == "healed":
        return title
    return Text.of("tried: {} ({})", "已尝试：{}（{}）", title, words)


# -- a line of watchdog.log ---------------------------------------------------------------------
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
TREATED: Dict[str, Text] = {
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


def line(entry: Mapping[str, Any]) -> Optional[Text]:
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
        from ..notify.incidents import span  # a reader's, not the watchdog's

        how = Healed(int(entry.get("level") or 0), str(entry.get("how") or ""), _acts(entry))
        took = span(float(entry.get("seconds") or 0))
        return Text.of("Back after {}: {}", "{}后恢复：{}", took, healer(how))
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
    steps = [tried(one) for one in _acts(entry)]
    outcome = TREATED.get(str(entry.get("outcome")), Text("ended", "结束"))
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
