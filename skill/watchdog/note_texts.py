"""What the watchdog says that is no outage: a state worth knowing, a figure beyond its limit, a
rival. No effects.
"""

from __future__ import annotations

from typing import Optional, Tuple

from ..model import Text, Verdict
from ..openclaw import gateway
from .decision_texts import said
from .policy_outage import Decision

NOTES = {
    "safe_mode": (
        Text("OpenClaw runs, but every chat channel is off", "OpenClaw 在线，但所有聊天频道已停用"),
        Text(
            "Nobody gets an answer in chat. It crashed several times in a row, so OpenClaw's own "
            "crash-loop protection switched the channels off. They are started again after six "
            "minutes without a crash.",
            "聊天里没有人能收到回复。它连续崩溃了几次，OpenClaw 自带的崩溃循环保护因此停用了频道。"
            "六分钟内没有再崩溃，就会自动重新启动它们。",
        ),
        Text(
            "iflow-doctor diagnose      # if chats stay silent for more than 10 minutes",
            "iflow-doctor diagnose      # 如果超过 10 分钟聊天仍没有反应",
        ),
    ),
    "safe_mode_over": (
        Text("OpenClaw's chat channels run again", "OpenClaw 的聊天频道已恢复"),
        Text(
            "It stayed up, and the channels that were switched off are on again.",
            "它一直平稳运行，先前停用的频道已重新启动。",
        ),
        Text(
            "iflow-doctor stats      # how often it crashed, and why",
            "iflow-doctor stats      # 崩溃次数与原因",
        ),
    ),
    "resume_failed": (
        Text("OpenClaw runs, but its chat channels stay off", "OpenClaw 在线，但聊天频道仍未恢复"),
        Text(
            "They were started again after a quiet time and are still off. Something keeps "
            "them from starting.",
            "平稳运行一段时间后已尝试重新启动它们，但仍未恢复，说明有别的原因阻止它们启动。",
        ),
        Text("openclaw channels status --probe", "openclaw channels status --probe"),
    ),
    "fleet-storm": (
        Text("Too many gateways are sick: nothing is healed", "过多网关异常：暂停修复"),
        Text(
            "More than 49 % of the fleet is sick, which looks like one bad release and not like "
            "many faults. This gateway is left as it is until the fleet has been calm for two "
            "minutes.",
            "超过 49% 的机群出现异常，更像是一次有问题的发布，而不是许多独立故障。"
            "在机群平稳两分钟之前，本网关保持原样。",
        ),
        Text(
            "iflow-doctor fleet list      # which ones; then undo the release",
            "iflow-doctor fleet list      # 查看是哪些；然后回退该发布",
        ),
    ),
    "stopped": (
        Text("OpenClaw was stopped by hand", "OpenClaw 已被人手动停止"),
        Text(
            "Your bot answers nobody until it is started. It was stopped on purpose, so it is not "
            "started automatically.",
            "在启动之前，你的机器人谁都不回复。它是被主动停止的，因此不会自动启动。",
        ),
        Text(
            "openclaw gateway start      # if that was not you",
            "openclaw gateway start      # 如果不是你停的",
        ),
    ),
    "degraded": (
        Text("OpenClaw runs, but is not ready", "OpenClaw 在线，但尚未就绪"),
        Text(
            "It has not been ready for five minutes. Restarting would not fix this, so "
            "nothing was restarted.",
            "已有五分钟未就绪。重启解决不了这个问题，因此没有重启。",
        ),
        Text("openclaw channels status --probe", "openclaw channels status --probe"),
    ),
}

# code: (title, what was measured in both languages, what it means, what to do)
LEVELS = {
    "memory": (
        Text("OpenClaw uses an unusual amount of memory", "OpenClaw 占用内存异常偏高"),
        Text(
            "It is not restarted for that. Long sessions and plugins are the usual cause.",
            "不会因此重启。常见原因是会话过长或插件。",
        ),
        Text(
            "openclaw gateway restart      # when it suits you",
            "openclaw gateway restart      # 在你方便的时候",
        ),
    ),
    "ending": (
        Text("OpenClaw will run out of memory", "OpenClaw 的内存即将耗尽"),
        Text(
            "Its memory grows without coming back, as a leak does. When it is used up the gateway "
            "is killed and started again, in the middle of whatever it does then.",
            "内存持续增长且不回落，表现为泄漏。耗尽时网关会被杀死并重启，正在执行的任务会中断。",
        ),
        Text(
            "openclaw gateway restart --safe      # in a quiet minute",
            "openclaw gateway restart --safe      # 在空闲时",
        ),
    ),
    "response": (
        Text("OpenClaw responds slowly", "OpenClaw 响应缓慢"),
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

YES = Text("yes", "能")
WAIT = {
    "safe_mode": Text("yes, they come back by themselves", "能，会自动恢复"),
    "resume_failed": Text("no; nobody gets an answer in chat", "不能，聊天里没有人能收到回复"),
    "stopped": Text("yes, if it was you", "如果是你停的，能"),
    "degraded": Text("no; what is affected does not work", "不能，受影响的部分无法使用"),
    "repair-suspended": Text("no, while OpenClaw is down", "OpenClaw 停机时不能"),
    "rival": Text("no, if the other one does not start it", "如果另一个没有启动它，不能"),
}

MEASURED = {
    "memory": (
        "Memory {mb:.0f} MB (warning above {limit:.0f} MB)",
        "当前内存 {mb:.0f} MB（超过 {limit:.0f} MB 即警告）",
    ),
    "ending": (
        "At this pace it is used up in {minutes:.0f} min (growing by {per_hour:.0f} MB an hour)",
        "按目前的速度，约 {minutes:.0f} 分钟后耗尽（每小时增长 {per_hour:.0f} MB）",
    ),
    "response": ("A response took {seconds:.1f} s", "一次响应用了 {seconds:.1f} 秒"),
    "crashes": ("{count} crashes within an hour", "一小时内崩溃 {count} 次"),
}


def name_of(note: Decision) -> str:
    """Return what an alert that belongs to no incident is called: the same note is one thread."""
    return "note-" + note.code


def measured(note: Decision) -> Text:
    """Return the figure that is beyond its limit, in words."""
    return Text.of(*MEASURED[note.code], **note.facts)


def words(note: Decision, verdict: Optional[Verdict]) -> Tuple[Text, Text, Optional[Text]]:
    """Return (title, what, next step)."""
    if note.code in LEVELS:
        title, what, step = LEVELS[note.code]
        return title, Text.of("{}. {}", "{}。{}", measured(note), what), step
    if note.code == "unwritable":
        return (
            Text("OpenClaw's watchdog cannot write to its disk", "OpenClaw 守护进程无法写入磁盘"),
            Text.of(
                "{folder}: {why}. OpenClaw is still watched and restarted; repairs that need the "
                "disk wait for it.",
                "{folder}：{why}。仍会继续守护并重启 OpenClaw；需要写入磁盘的修复会等待。",
                **note.facts,
            ),
            Text.of(
                "df -h {folder}; ls -ld {folder}", "df -h {folder}; ls -ld {folder}", **note.facts
            ),
        )
    if note.code == "ended-again":
        sender = note.facts.get("sender") or Text("by whom is not known", "尚不知是谁结束的")
        return (
            Text("Something ends OpenClaw again and again", "有程序在反复结束 OpenClaw"),
            Text.of(
                "It was ended in an orderly way {times} times in {minutes} min, and not by us: "
                "{sender}. Each time it came back, so nothing was changed.",
                "{minutes} 分钟内它被正常结束了 {times} 次，都不是本程序所为：{sender}。"
                "每次都已恢复，因此没有做任何改动。",
                **{**note.facts, "sender": sender},
            ),
            Text(
                "Look for what ends it: a cron job, another supervisor, a deployment script.\n"
                "iflow-doctor log",
                "请查找是什么在结束它：定时任务、另一个守护进程或部署脚本。\niflow-doctor log",
            ),
        )
    if note.code == "repair-suspended":
        meanwhile = (
            Text(
                "It is in the middle of a change, so nothing else is done until it is over.",
                "它正在执行更改，因此在它结束之前不做别的处理。",
            )
            if note.facts.get("changing")
            else Text(
                "It is no longer waited for: OpenClaw is restarted where that helps.",
                "不再等待它：有必要时会重启 OpenClaw。",
            )
        )
        return (
            Text("A repair of OpenClaw is suspended", "OpenClaw 的一次修复被挂起"),
            Text.of(
                "pid {pid}, begun {since}, was stopped by a signal (Ctrl-Z, a lost terminal). {}",
                "进程 {pid}（始于 {since}）被信号暂停（Ctrl-Z 或终端断开）。{}",
                meanwhile,
                **{key: value for key, value in note.facts.items() if key != "changing"},
            ),
            Text.of(
                "kill -CONT {pid}      # lets it go on; kill -9 {pid} ends it",
                "kill -CONT {pid}      # 让它继续；kill -9 {pid} 将其结束",
                pid=note.facts["pid"],
            ),
        )
    if note.code == "rival":
        return (
            Text(
                "OpenClaw is down, and another watchdog manages it",
                "OpenClaw 已停机，而另有守护进程在管理它",
            ),
            Text.of(
                "Left to it: {name} (pid {pid}). Two watchdogs would interfere with each other.",
                "已交给 {name}（进程 {pid}）处理：两个守护进程同时运行会互相干扰。",
                **note.facts,
            ),
            Text(
                "Stop one of the two; this stops ours.\niflow-doctor service uninstall",
                "请停用其中之一；下面的命令停用本程序。\niflow-doctor service uninstall",
            ),
        )
    if note.code not in NOTES:
        reason = said(note)
        return Text.of("OpenClaw: {}", "OpenClaw：{}", reason), reason, None
    title, what, step = NOTES[note.code]
    if verdict and verdict.failing:
        names = gateway.meanings(verdict.failing)
        what = Text.of("Affected: {}. {}", "受影响：{}。{}", names, what)
        if any(gateway.kind_of(name) != "channel" for name in verdict.failing):
            step = Text("iflow-doctor diagnose", "iflow-doctor diagnose")
    return title, what, step


def can_wait(code: str) -> Text:
    """Return whether the reader may sleep on."""
    return WAIT.get(code, YES)
