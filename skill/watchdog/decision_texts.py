"""The watchdog's decisions, healers and repairs in words. No effects.

The rule (policy.py) decides in values; a Decision, a Healed or a Tried is made a Text here, last,
and nothing reads it back.
"""

from __future__ import annotations

from typing import Dict, Tuple

from ..model import Healed, Text, Tried
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
    "heal/verdict": ("{key}: {reason}", "{key}：{reason}"),
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
ENDED_WITH = ("{} with exit code {}", "{}，退出码 {}")

OUTCOMES = {
    "healed": Text("it worked", "有效"),
    "partly": Text("fixed one of several problems", "修好了其中一个故障"),
    "failed": Text("did not help", "无效"),
    "refused": Text("could not be done", "无法执行"),
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
    """Return that the process ended by itself, with its exit code where one is known."""
    return ENDED if exit_code is None else Text.of(*ENDED_WITH, ENDED, exit_code)


def healer(healed: Healed) -> Text:
    """Return who brought it back, and with what."""
    if not healed.tried:
        return HEALERS.get(healed.how, HEALERS["" if healed.how != "doctor" else "restart"])
    steps = [tried(one) for one in healed.tried]
    return Text(
        "the doctor repaired it: " + ", ".join(step.en for step in steps),
        "第三级诊断已修复：" + "、".join(step.zh for step in steps),
    )


def tried(one: Tried) -> Text:
    """Return a repair and how it ended in words: the reader at night does not know our
    ids.
    """
    from .. import repairs  # 6 MB that a watchdog whose doctor never worked does without

    words = OUTCOMES.get(one.outcome, Text(one.outcome, one.outcome))
    title = repairs.ALL[one.repair].title if one.repair in repairs.ALL else None
    title = title or Text(one.repair, one.repair)
    return Text.of("{} ({})", "{}（{}）", title, words) if one.outcome else title
