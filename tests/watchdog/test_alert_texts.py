"""What level 2 says: what broke, since when, what was tried, what to do; in both languages, and
never half in each.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from skill.model import State, Text, Verdict
from skill.openclaw.home import Home
from skill.watchdog import alert_texts
from skill.watchdog.policy import Incident, Rules, WatchState, step

NOW = 1795230900.0
HOME = Home(Path("/home/张 三/.openclaw"), Path("/home/张 三/.openclaw/openclaw.json"), "", 18789)
DOWN = Verdict(State.DOWN, Text("no gateway process, port closed", "没有网关进程，端口已关闭"))
OPENED = Incident(
    "20261121T031500-3f2a",
    NOW - 400,
    "down",
    "the gateway process ended by itself",
    reason_zh="网关进程自行退出",
)
STATE = WatchState(crashes=(NOW - 400, NOW - 300), last_good=NOW - 410)
COMMANDS = (
    "OpenClaw|iFlow|iflow|doctor|gateway|openclaw|diagnose|start|restart|channels|status|probe|"
    "discord"
)
ENGLISH = re.compile(r"\b(?!{})[A-Za-z]{{4,}}\b".format(COMMANDS))


def told(kind, reason="", verdict=DOWN, incident=OPENED, state=STATE, next_step=None):
    return alert_texts.alert(kind, reason, verdict, incident, state, NOW, HOME, next_step)


def chinese(alert):
    """Everything of an alert that a Chinese reader is shown, but commands."""
    parts = [alert.title.zh, alert.what.zh, *(text.zh for text in alert.done)]
    for label, value in alert.details:
        parts += [label.zh, value.zh if isinstance(value, Text) else value]
    return "\n".join(parts)


def test_an_escalation_says_what_since_when_what_was_tried_and_what_to_do():
    incident = replace(
        OPENED,
        restarts=2,
        cause="The disk is full",
        cause_zh="磁盘已满",
        treated=("stuck",),
        tried=("free-disk: failed",),
    )
    alert = told(
        "escalated", "The disk is full", incident=incident, next_step=Text("df -h", "df -h")
    )
    assert alert.title == Text("OpenClaw is down and needs you", "OpenClaw 已停机，需要你处理")
    assert alert.what == Text("The disk is full", "磁盘已满")
    deleted = "Delete old rotated logs and our own spare copies (did not help)"
    assert [text.en for text in alert.done] == ["restarted 2 times, in vain", deleted]
    assert [text.zh for text in alert.done] == [
        "已重启 2 次，没有恢复",
        "删除旧的轮转日志和我们自己的多余副本（无效）",
    ]
    assert dict((label.en, value) for label, value in alert.details)["Lasted"] == Text(
        "6 min 40 s", "6 分 40 秒"
    )
    assert alert.next_step == Text("df -h", "df -h")


def test_without_a_cause_the_next_step_is_to_diagnose():
    assert told("escalated", "5 restarts did not help").next_step == Text(
        "iflow-doctor diagnose", "iflow-doctor diagnose"
    )


@pytest.mark.parametrize("state", alert_texts.BROKEN)
def test_each_broken_state_has_a_title_of_its_own(state):
    alert = told("opened", verdict=Verdict(state, Text("x", "某原因")))
    assert alert.title.en.startswith(alert_texts.HEADS[state].en) and alert.title.zh.startswith(
        alert_texts.HEADS[state].zh
    )


def test_titles_hold_no_numbers_so_that_the_alert_window_knows_them_again():
    later = alert_texts.alert("opened", "down for 99 s", DOWN, OPENED, STATE, NOW + 54321, HOME)
    assert told("opened", "down for 46 s").title == later.title


def test_a_crash_loop_is_called_one():
    assert (
        told("escalated", incident=replace(OPENED, loop=True)).title.zh
        == "OpenClaw 反复崩溃，需要你处理"
    )


@pytest.mark.parametrize(
    "by, zh",
    [
        ("level 1: restarted by the service manager", "系统服务管理器重新启动了它"),
        ("level 2: restart", "守护进程重启了它"),
        ("level 3: restore-config: healed", "从最近的可用副本恢复配置（有效）"),
    ],
)
def test_a_recovery_says_what_it_was_and_who_did_it(by, zh):
    alert = told("recovered", by, Verdict(State.HEALTHY, Text("ready", "就绪")))
    assert alert.title.zh == "OpenClaw 已恢复，共中断 6 分 40 秒"
    assert "网关进程自行退出" in alert.what.zh and zh in alert.what.zh
    assert "The gateway process ended by itself" in alert.what.en and alert.next_step is None


def test_a_recovery_with_a_channel_still_red_says_so():
    alert = told(
        "recovered", "level 2: restart", Verdict(State.DEGRADED, Text("", ""), failing=("discord",))
    )
    assert alert.what.zh.endswith("仍未就绪：discord。") and alert.what.en.endswith(
        "Still not ready: discord."
    )


@pytest.mark.parametrize(
    "reason",
    [
        *alert_texts.NOTES,
        "level:memory:memory 2048 MB (warning above 1700)",
        "level:response:response took 7.2 s",
        "level:crashes:6 crashes within an hour",
    ],
)
def test_notes_say_what_to_do_and_are_chinese_in_chinese(reason):
    alert = told(
        "note",
        reason,
        Verdict(State.DEGRADED, Text("alive", "存活"), failing=("discord",)),
        incident=None,
    )
    assert alert.next_step and alert.next_step.zh and not ENGLISH.search(chinese(alert)), chinese(
        alert
    )
    assert alert.level == "warning" and alert.what.en.endswith(".") and alert.what.zh.endswith("。")


def test_measured_numbers_survive_the_translation():
    alert = told("note", "level:memory:memory 2048 MB (warning above 1700)", incident=None)
    assert "2048 MB" in alert.what.zh and "1700 MB" in alert.what.zh and "2048 MB" in alert.what.en


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("opened", "down for 46 s"),
        ("escalated", "down for 300 s"),
        ("recovered", "level 2: restart"),
    ],
)
def test_what_policy_opens_is_told_in_chinese_without_english(kind, reason):
    """The incident comes from the policy itself: its reason has both languages."""
    died = replace(DOWN, unclean=True, exit_code=137)
    state, _ = step(WatchState(pid=7, ready_pid=7), died, NOW - 60, Rules(), name="i-1")
    assert state.incident.reason_zh == "网关进程自行退出，退出码 137"
    alert = told(kind, reason, Verdict(State.HEALTHY, Text("ready", "就绪")), state.incident, state)
    assert not ENGLISH.search(chinese(alert)), chinese(alert)


def test_an_unanswering_doctor_is_told():
    assert (
        told("escalated", "level 3 gave no answer; see x").done[-1].zh
        == "已调用医生（第三级），但没有得到结果"
    )
