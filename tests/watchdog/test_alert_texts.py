"""What level 2 says: what broke, since when, what was tried, what to do; in both languages, and
never half in each.
"""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from skill.checks import serving
from skill.context import Context
from skill.doctor.conclude import GREEN_BUT_DEAF
from skill.model import BROKEN, Healed, State, Text, Tried, Verdict
from skill.notify import render
from skill.openclaw.home import Home
from skill.store.watch_state import Incident, WatchState
from skill.watchdog import alert_texts, alerts, decision_texts, note_texts, samples
from skill.watchdog.policy import Rules, step
from skill.watchdog.policy_outage import Decision

NOW = 1795230900.0
HOME = Home(Path("/home/张 三/.openclaw"), Path("/home/张 三/.openclaw/openclaw.json"), "", 18789)
DOWN = Verdict(State.DOWN, Text("no gateway process, port closed", "没有网关进程，端口已关闭"))
OPENED = Incident(
    "20261121T031500-3f2a",
    NOW - 400,
    "down",
    began="process-ended",
    last_good=NOW - 410,
)
LASTING = Decision("announce", "lasting", {"seconds": 46.0})
NOTE = {
    "memory": {"mb": 2048.0, "limit": 1700.0},
    "response": {"seconds": 7.2},
    "crashes": {"count": 6},
    "rival": {"name": "gwd", "pid": 7},
}

STATE = WatchState(crashes=(NOW - 400, NOW - 300), last_good=NOW - 410)
COMMANDS = (
    "OpenClaw|iFlow|iflow|doctor|gateway|openclaw|diagnose|start|restart|channels|status|probe|"
    "discord"
)
ENGLISH = re.compile(r"\b(?!{})[A-Za-z]{{4,}}\b".format(COMMANDS))


def told(kind, code="", verdict=DOWN, incident=OPENED, state=STATE, next_step=None, **facts):
    decision = Decision(kind, code, facts)
    return alert_texts.alert(decision, verdict, incident, state, NOW, HOME, next_step)


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
        cause=Text("The disk is full", "磁盘已满"),
        treated=("stuck",),
        tried=(Tried("free-disk", "failed"),),
    )
    alert = told("escalate", "doctor-asks", incident=incident, next_step=Text("df -h", "df -h"))
    assert alert.title == Text("OpenClaw is down", "OpenClaw 已停机")
    assert alert.what == Text(
        "Your bot answers nobody. The disk is full.", "你的机器人现在谁都不回复。磁盘已满。"
    )
    deleted = "tried: Delete old rotated logs and our own spare copies (did not help)"
    assert [text.en for text in alert.done] == ["restarted 2 times, without success", deleted]
    assert [text.zh for text in alert.done] == [
        "已重启 2 次，没有恢复",
        "已尝试：删除旧的轮转日志和我们自己的多余副本（无效）",
    ]
    rows = {label.en: value for label, value in alert.details}
    assert rows["Down since"].en.endswith("(for 6 min 50 s)")  # from the last good look
    assert rows["By itself"].en and rows["Can wait till morning"].en.startswith("no")
    assert alert.next_step == Text("df -h", "df -h")


def test_without_a_cause_the_next_step_is_to_diagnose():
    assert told("escalate", "restarts-used-up", restarts=5).next_step == Text(
        "iflow-doctor diagnose", "iflow-doctor diagnose"
    )


@pytest.mark.parametrize("state", BROKEN)
def test_each_broken_state_has_a_title_of_its_own(state):
    alert = told("announce", verdict=Verdict(state, Text("x", "某原因")))
    assert alert.title.en.startswith(alert_texts.HEADS[state].en) and alert.title.zh.startswith(
        alert_texts.HEADS[state].zh
    )


def test_titles_hold_no_numbers_so_that_the_alert_window_knows_them_again():
    later = alert_texts.alert(LASTING, DOWN, OPENED, STATE, NOW + 54321, HOME)
    assert told("announce", "lasting", seconds=46.0).title == later.title


def test_a_crash_loop_is_called_one():
    assert told("escalate", incident=replace(OPENED, loop=True)).title.zh == "OpenClaw 反复崩溃"


@pytest.mark.parametrize(
    "healed, zh",
    [
        (Healed(1, "service-manager"), "系统服务管理器重新启动了它"),
        (Healed(2, "restart"), "守护进程重启了它"),
        (Healed(2, "after-change"), "所需的文件被改动后，守护进程重新启动了它"),
        (
            Healed(3, "doctor", (Tried("restore-config", "healed"),)),
            "已修复：从最近的可用副本恢复配置",
        ),
    ],
)
def test_a_recovery_says_what_it_was_and_who_did_it(healed, zh):
    ready = Verdict(State.HEALTHY, Text("ready", "就绪"))
    alert = told("recovered", "ready", ready, replace(OPENED, healed=healed), times=3)
    assert alert.title.zh == "OpenClaw 已恢复，共中断 6 分 50 秒"
    assert "网关进程自行退出" in alert.what.zh and zh in alert.what.zh
    assert "The gateway process ended by itself" in alert.what.en and alert.next_step is None


def test_a_recovery_with_a_channel_still_red_says_so():
    alert = told(
        "recovered", "not-ready", Verdict(State.DEGRADED, Text("", ""), failing=("discord",))
    )
    assert "尚未连接：discord。那里的聊天收不到回复" in alert.what.zh
    assert "Not connected yet: discord. Chats there get no answer" in alert.what.en


@pytest.mark.parametrize(
    "code",
    [*note_texts.NOTES, *NOTE],
)
def test_notes_say_what_to_do_and_are_chinese_in_chinese(code):
    alert = told(
        "note",
        code,
        Verdict(State.DEGRADED, Text("alive", "存活"), failing=("discord",)),
        incident=None,
        **NOTE.get(code, {}),
    )
    assert alert.next_step and alert.next_step.zh and not ENGLISH.search(chinese(alert)), chinese(
        alert
    )
    assert alert.level == "warning" and alert.what.en.endswith(".") and alert.what.zh.endswith("。")


def test_measured_numbers_survive_the_translation():
    alert = told("note", "memory", incident=None, **NOTE["memory"])
    assert "2048 MB" in alert.what.zh and "1700 MB" in alert.what.zh and "2048 MB" in alert.what.en


@pytest.mark.parametrize(
    "kind, code, facts",
    [
        ("announce", "lasting", {"seconds": 46.0}),
        ("escalate", "lasting", {"seconds": 300.0}),
        ("recovered", "ready", {"times": 3}),
    ],
)
def test_what_policy_opens_is_told_in_chinese_without_english(kind, code, facts):
    """The incident comes from the policy itself: why it began is a value."""
    died = replace(DOWN, unclean=True, exit_code=137)
    state, _ = step(WatchState(pid=7, ready_pid=7), died, NOW - 60, Rules(), name="i-1")
    assert (state.incident.began, state.incident.exit_code) == ("process-ended", 137)
    ready = Verdict(State.HEALTHY, Text("ready", "就绪"))
    alert = told(kind, code, ready, state.incident, state, **facts)
    assert "网关进程被强制结束（信号 9）" in alert.what.zh
    assert not ENGLISH.search(chinese(alert)), chinese(alert)


def test_an_unanswering_doctor_is_told():
    assert told("escalate", "no-answer", log="x").done[-1].zh == "查找过修复方法，但没有得出结果"


# -- what the reader gets, whole ---------------------------------------------------------------
SAMPLES = samples.alerts(HOME)
PROGRAMS = ("openclaw", "iflow-doctor", "kill", "nano", "df", "du")


def whole(name, lang):
    return render.single([SAMPLES[name]], lang, lambda text: text, render.origin("", 18789))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", samples.KINDS)
def test_an_alert_fits_a_phone_and_says_which_machine(name, lang):
    doc = whole(name, lang)
    said = render.text(doc)
    assert len(said) <= 900, len(said)
    assert re.search(r"\S+@\S+ · gateway 18789", said)
    assert "port N" not in said and "{" not in said
    for row in doc.next_step.splitlines():
        command = row.partition("    #")[0].partition("      #")[0]
        assert command.split()[0] in PROGRAMS and "。" not in command, command


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "name", [kind for kind in samples.KINDS if SAMPLES[kind].kind != "recovered"]
)
def test_what_is_not_over_says_whether_it_can_wait(name, lang):
    label = {"en": "Can wait till morning", "zh": "能等到早上吗"}[lang]
    doc = whole(name, lang)
    assert label in dict(doc.details)
    if SAMPLES[name].kind == "escalated":
        assert doc.next_step


def test_a_port_to_move_to_is_free_and_the_service_learns_it():
    step = whole("port-taken", "en").next_step
    port = int(re.search(r"gateway\.port (\d+) && openclaw gateway install --force", step).group(1))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_a_loss_is_not_outranked_by_the_good_news():
    lost = SAMPLES["database-lost"]
    assert lost.what.en.startswith("Lost: ") and lost.what.zh.startswith("丢失：")
    assert lost.title.en.endswith("but something was lost") and lost.level == "error"
    assert "quarantine" in lost.what.en and "quarantine" in lost.what.zh
    assert "✅" not in whole("database-lost", "en").title
    assert "✅" in whole("killed", "en").title


@pytest.mark.parametrize(
    "code, said",
    [(-9, "killed (signal 9)"), (137, "killed (signal 9)"), (-6, "aborted"), (1, "exit code 1")],
)
def test_an_exit_code_is_said_in_words(code, said):
    assert said in decision_texts.ended(code).en
    assert "exit code -" not in decision_texts.ended(code).en


def test_who_did_not_heal_is_not_praised():
    assert "by itself" in decision_texts.healer(Healed(0, "")).en
    started = decision_texts.healer(Healed(3, "doctor", (Tried("start", "healed"),)))
    assert "had kept it down was gone" in started.en and "repaired" not in started.en


@pytest.mark.parametrize("check", sorted(alert_texts.DEAF))
def test_each_way_of_being_green_and_deaf_has_its_title(check):
    rows = [
        {
            "id": check,
            "severity": "error" if check in alert_texts.LOSES else "warning",
            "message": ["It hears nothing", "它收不到消息"],
            "hint": ["", ""],
        }
    ] * 6
    alert = alert_texts.deaf("20261121T031500-3f2a", rows, NOW)
    assert alert.title == alert_texts.DEAF[check] and alert.level in ("warning", "critical")
    assert "And 2 more." in alert.what.en and "另有 2 项。" in alert.what.zh
    assert alert.next_step.en == "iflow-doctor diagnose"


def test_every_finding_of_the_check_has_a_title_of_its_own():
    """A new way of being useless must not be told as "something"."""
    source = Path(serving.__file__).read_text("utf-8")
    assert set(re.findall(r'"(serving/[a-z-]+)"', source)) == set(alert_texts.DEAF)
    assert set(GREEN_BUT_DEAF) == set(alert_texts.DEAF)


@pytest.mark.parametrize(
    "failing, en, zh",
    [
        ("agent-database:main", "the database of agent main is refused", "智能体 main 的数据库"),
        ("plugin-reload", "a plugin reload has not ended", "插件重新加载"),
        ("telegram", "channel telegram", "频道 telegram"),
    ],
)
def test_a_name_in_failing_is_told_with_its_meaning(failing, en, zh):
    verdict = Verdict(State.DEGRADED, Text("", ""), failing=(failing,))
    _, what, step = note_texts.words(Decision("note", "degraded"), verdict)
    assert en in what.en and zh in what.zh
    assert ("channels" in step.en) == (failing == "telegram")


def label(alert, lang="en"):
    doc = render.single([alert], lang, lambda text: text, render.origin("", HOME.port))
    return doc.word("next")


def test_what_is_over_asks_for_nothing_unless_something_is_left_to_do():
    made = samples.alerts()
    assert label(made["config-restored"]) == "Nothing to do now. To look closer"
    assert label(made["config-restored"], "zh") == "现在无需处理。想了解详情"
    for kind in ("database-lost", "port-taken", "stopped"):
        assert label(made[kind]) == "What to do now"
    changed = Healed(3, "doctor", (Tried("restore-config", "healed", keys=("gateway.port",)),))
    red = Verdict(State.DEGRADED, Text("red", "红"), failing=("telegram",))
    both = told("recovered", "ready", red, replace(OPENED, healed=changed))
    assert both.next_step.en.splitlines()[0] == "openclaw channels status --probe"
    assert "iflow-doctor incident" in both.next_step.en and label(both) == "What to do now"


def test_of_two_ways_only_one_is_to_be_pasted():
    lines = samples.alerts()["port-taken"].next_step
    for text in lines:
        stop, move = [row for row in text.splitlines() if "    # " in row]
        assert stop.startswith("kill 4711    # ") and move.startswith("openclaw config set ")
    assert "or:" in lines.en and "或者" in lines.zh


def test_a_start_that_is_refused_is_told_with_its_own_words_before_the_cause_is_known(tmp_path):
    home = Home(tmp_path, tmp_path / "openclaw.json", "", 1)
    host = SimpleNamespace(system="darwin", env={}, home=tmp_path, now=lambda: NOW)
    home.doctor_dir.mkdir()
    stamp = datetime.fromtimestamp(OPENED.opened + 5, timezone.utc).isoformat()
    old = datetime.fromtimestamp(OPENED.opened - 900, timezone.utc).isoformat()
    began = datetime.fromtimestamp(OPENED.opened - 90, timezone.utc).isoformat()
    (home.doctor_dir / "gateway.log").write_text(
        "{0} [gateway] loading configuration\n{0} Gateway failed to start: of long ago\n"
        "{1} [gateway] loading configuration\nGateway failed to start: the moon is wrong\n"
        "{2} [gateway] loading configuration\n".format(old, began, stamp)  # the next, on its way
    )
    words = alerts._last_words(Context(host, home, {}), LASTING, DOWN, OPENED)
    assert words == "the moon is wrong"
    told = alert_texts.alert(LASTING, DOWN, OPENED, STATE, NOW, HOME, None, words).what
    assert 'Its last words: "the moon is wrong".' in told.en and "“the moon is wrong”" in told.zh
    known = replace(OPENED, cause=Text("known", "known"))
    assert alerts._last_words(Context(host, home, {}), LASTING, DOWN, known) == ""
    later = replace(OPENED, opened=OPENED.opened + 900, last_good=0.0)
    assert alerts._last_words(Context(host, home, {}), LASTING, DOWN, later) == ""
