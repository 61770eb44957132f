"""The loop around the rule: settings have their effect, a broken state file is set aside, an own
fault does not end the watch.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest.mock
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_machine import Machine

from skill.cli import detect_lang
from skill.files import memory_dir
from skill.host import Host, Reply
from skill.model import State, Text, Verdict
from skill.notify import outbox
from skill.openclaw.gateway import Observation, ProcessInfo
from skill.openclaw.home import locate
from skill.store import incidents, watch_state
from skill.store.watch_log import WatchLog
from skill.store.watch_state import WatchState
from skill.watchdog import alert_texts, loop, note_texts
from skill.watchdog.alerts import Teller, served_step
from skill.watchdog.policy_outage import Decision
from skill.watchdog.watch import Watchdog


class Platform:
    name = "fake"

    def __init__(self):
        self.calls = []

    def service_state(self):
        return SimpleNamespace(
            active="inactive",
            exit_code=1,
            main_pid=None,
            restarts=0,
            stopped_by_operator=None,
            path="",
        )

    def start(self):
        self.calls.append("start")

    def tend(self):
        return False

    hurry = tend


@pytest.fixture()
def world(tmp_path):
    state = tmp_path / ".openclaw"
    (state / "iflow-doctor").mkdir(parents=True)
    (state / "openclaw.json").write_text("{gateway:{port:18901}}")

    def make(**own):
        (state / "iflow-doctor" / "config.json").write_text(json.dumps(own))
        asked = []

        def get(url, timeout):
            asked.append((url, timeout))
            return Reply(error="refused")

        host = Host(
            get=get,
            sleep=lambda s: None,
            env={"HOME": str(tmp_path), "PATH": ""},
            system="linux",
            **Machine().fields(),
        )
        made = Watchdog(host, locate(host), Platform())
        made.asked = asked
        return made

    return make


def lines(watch):
    return [json.loads(line) for line in watch.log.path.read_text().splitlines()]


def test_probe_settings_have_their_effect(world):
    watch = world(
        probe_timeout=7, check_interval=42, retry_delay=2, gateway_url="http://127.0.0.1:4001"
    )
    watch.tick()
    assert watch.asked[0] == ("http://127.0.0.1:4001/readyz", 7.0)
    assert watch.pause_for() == 2.0
    watch.verdict, watch._good_for = Verdict(State.HEALTHY, Text("", "")), ("kept",)
    watch.state = WatchState()
    assert watch.pause_for() == 42.0


def test_rule_settings_reach_the_rule(world):
    watch = world(
        max_restarts=2,
        restart_delays=[1, 2],
        crash_window=1000,
        crash_limit=4,
        escalation_time=77,
        channels_quiet=55,
    )
    rules = watch._rules()
    assert rules.channels_quiet == 55
    assert (
        rules.max_restarts,
        rules.restart_delays,
        rules.crash_window,
        rules.crash_limit,
        rules.escalation_time,
    ) == (
        2,
        (1, 2),
        1000,
        4,
        77,
    )


def test_a_sick_fleet_or_a_silence_holds_every_act_and_monitoring_that_is_gone_does_not(world):
    for share, held in (("0.6", True), ("0", False), ("", False)):
        watch = world(fleet={"prometheus": "http://10.0.0.1:9090"})
        watch.acts.children.answer = lambda words, timeout: ""
        watch.acts.children.start = lambda name, words: None
        gateway, asked = watch.host.get, []

        def get(url, timeout, limit=0, gateway=gateway, asked=asked, share=share):
            if ":9090" not in url:
                return gateway(url, timeout)
            asked.append(url)
            body = {"data": {"result": [{"value": [1, share]}]}}
            return Reply(200, json.dumps(body).encode()) if share else Reply(error="refused")

        watch.host = replace(watch.host, get=get)
        for _ in range(4):
            watch.tick()
        assert watch.platform.calls == ([] if held else ["start"])
        assert len(asked) == 1  # not at every look
        notes = [row for row in lines(watch) if row["event"] == "fleet"]
        assert [row["held"] for row in notes] == (["storm"] if held else [])
        watch.log.path.unlink()
        watch_state.set_state_aside(watch.home)


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_a_volume_that_belongs_to_root_ends_no_watch(world, monkeypatch):
    """podman, fchown: not even a look into our own folder is allowed (EACCES at stat)."""
    watch = world()
    real = os.stat

    def stat(path, *more, **words):
        if str(path).endswith(("pause.json", "iflow-doctor/good")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *more, **words)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr("pathlib.Path.stat", lambda self, **words: stat(str(self), **words))
    watch.acts.children.answer = lambda words, timeout: ""
    watch.acts.children.start = lambda name, words: None
    for _ in range(4):
        watch.tick()
    assert watch.platform.calls == ["start"]


def test_one_lost_probe_acts_on_nothing_and_three_start_it(world):
    watch = world()
    watch.acts.children.answer = lambda words, timeout: ""
    watch.acts.children.start = lambda name, words: None
    watch.tick()
    assert watch.platform.calls == []
    for _ in range(3):
        watch.tick()
    assert watch.platform.calls == ["start"]
    kinds = [row["kind"] for row in lines(watch) if row["event"] == "decision"]
    assert kinds[:2] == ["opened", "restart"] and all(
        row["reason"] for row in lines(watch) if row["event"] == "decision"
    )


def test_another_watchdog_is_not_fought(world):
    watch = world()
    watch.acts.children.answer = lambda words, timeout: '{"name": "openclaw-watchdog", "pid": 7}'
    watch.acts.children.start = lambda name, words: None
    for _ in range(6):
        watch.tick()
    assert watch.platform.calls == [] and any(
        row["event"] == "left-alone" and row["rival"]["pid"] == 7 for row in lines(watch)
    )


def test_paused_does_nothing(world):
    watch = world()
    (watch.home.doctor_dir / "pause.json").write_text(json.dumps({"until": watch.host.now() + 60}))
    for _ in range(8):
        watch.tick()
    assert watch.platform.calls == []


def test_a_damaged_state_file_is_set_aside_and_named(world):
    first = world()
    (first.home.doctor_dir / "watch.json").write_text('{"crashes": [1,')
    watch = world()
    assert watch.state == WatchState()
    assert any(
        row["event"] == "state-damaged" and ".corrupt." in row["set_aside"] for row in lines(watch)
    )


def test_broken_settings_leave_the_last_good_ones_in_force(world):
    watch = world(check_interval=33)
    (watch.home.doctor_dir / "config.json").write_text('{"check_interval": "often"}')
    watch._reload_settings()
    assert watch.settings["check_interval"] == 33
    assert any(
        row["event"] == "settings" and "check_interval" in row["error"] for row in lines(watch)
    )


def test_a_fault_of_our_own_is_a_log_line(world):
    watch = world()
    watch._rules = lambda: 1 / 0
    assert "ZeroDivisionError" in loop._guarded_tick(watch)
    assert any(
        row["event"] == "tick-failed" and "ZeroDivisionError" in row["error"]
        for row in lines(watch)
    )


def seen(rss_mb, seconds):
    return Observation(
        1000.0,
        1.0,
        "ready",
        seconds=seconds,
        process=ProcessInfo(1, 1.0, "S", "openclaw-gateway", rss_mb << 20),
    )


@pytest.fixture()
def refused_disk(world):
    """A watch whose whole state directory refuses every write."""
    watch = world()
    folder = watch.home.doctor_dir
    shutil.rmtree(folder)
    folder.write_text("a file where our folder should be: nothing can be written in it")
    watch.log.path = folder / "watchdog.log"
    yield watch
    shutil.rmtree(memory_dir(watch.home.state_dir), ignore_errors=True)


def test_a11_without_a_disk_it_acts_first_and_a_person_is_told(refused_disk):
    """The gateway is gone and nothing can be written: the service manager is asked to start it, the
    alert lies in memory, its sender is started, and what is told names the disk.
    """
    watch, started = refused_disk, []
    real = subprocess.Popen

    def popen(argv, **more):
        started.append(" ".join(argv))
        return real(["true"], **{**more, "cwd": None})

    watch.children.answer = lambda words, timeout: ""
    with unittest.mock.patch("subprocess.Popen", popen):
        for _ in range(4):
            watch.tick()
    assert watch.platform.calls == ["start"]
    assert any("notify flush" in line for line in started)
    alerts = [path.read_text() for path in outbox.memory_dir(watch.home).glob("*.json")]
    assert len(alerts) == 1 and "cannot write" in alerts[0] and "File exists" in alerts[0]
    for _ in range(3):
        watch.tick()
    assert len(list(outbox.memory_dir(watch.home).glob("*.json"))) == 1, "told once"


def test_a11_what_the_watch_remembers_survives_it_without_a_disk(refused_disk):
    watch = refused_disk
    watch.children.answer = lambda words, timeout: ""
    watch.children.start = lambda name, words: None
    for _ in range(4):
        watch.tick()
    assert watch.state.incident is not None
    known, wrong = watch_state.peek(watch.home)
    assert wrong == "" and known is not None and known.incident == watch.state.incident
    watch.home.doctor_dir.unlink()
    watch_state.save(watch.home, WatchState())
    assert watch_state.peek(watch.home)[0] == WatchState(), "the disk is back, and it counts"


def test_a11_a_result_of_level_3_finds_its_way_home_without_a_disk(refused_disk):
    watch = refused_disk
    incidents.Incident(watch.home, "i-1").write_result({"outcome": "escalate", "cause": "full"})
    assert watch.children.result("i-1") == {"outcome": "escalate", "cause": "full"}
    watch.children.drop_result("i-1")
    assert watch.children.result("i-1") is None


def test_a19_children_import_nothing_from_the_current_directory(world, tmp_path, monkeypatch):
    """A click.py in Downloads is not ours; and a state directory that was named by a relative path
    stays the same one.
    """
    for name in ("random.py", "click.py"):
        (tmp_path / name).write_text("open({!r}, 'w')".format(str(tmp_path / "caught")))
    monkeypatch.chdir(tmp_path)
    watch = world()
    watch.host.env["OPENCLAW_STATE_DIR"] = ".openclaw"
    watch.host.env["PATH"] = os.environ["PATH"]
    env = watch.children.env()
    assert env["OPENCLAW_STATE_DIR"] == str(tmp_path / ".openclaw")
    assert "" not in env["PYTHONPATH"].split(os.pathsep)
    assert watch.children.answer(["watch", "--help"], 60).startswith("Usage")
    watch.children.start("notify", ["watch", "--help"])
    assert watch.children.running["notify"].process.wait() == 0
    assert not (tmp_path / "caught").exists()


@pytest.mark.parametrize(
    "content",
    [
        '{"crashes": 5}',
        '{"crashes": ["yesterday"]}',
        '{"restarts": [1, null]}',
        '{"pid": "7"}',
        '{"streak": "3"}',
        '{"noted": [1]}',
        '{"expected_new_pid": "yes"}',
        '{"fingerprint": 7}',
        '{"last_good": "never"}',
        '{"last_good": 1e400}',
        '{"incident": {"id": "i", "opened": "yesterday", "state": "down"}}',
        '{"incident": {"id": 5, "opened": 1, "state": "down"}}',
        '{"incident": {"id": "i", "opened": 1, "state": "down", "treated": "loop"}}',
        '{"looks": {"failures": "many"}}',
        '{"looks": {"closed_since": []}}',
        "[" * 100000,
    ],
    ids=lambda text: text[:40],
)
def test_a15_wrong_types_are_set_aside_before_they_can_blind_the_watch(world, content):
    first = world()
    (first.home.doctor_dir / "watch.json").write_text(content)
    watch = world()
    assert watch.state == WatchState()
    assert "state-damaged" in [row["event"] for row in lines(watch)]
    watch.children.answer = lambda words, timeout: ""
    watch.children.start = lambda name, words: None
    watch.tick()


def test_a15_what_fails_at_the_same_place_again_and_again_is_set_aside(world):
    watch = world()
    watch.state = replace(WatchState(), streak=9)
    watch.save()
    ticks = []

    def tick():
        ticks.append(watch.state.streak)
        if watch.state.streak == 9:
            raise ValueError("what it remembers")
        raise loop._Stop()

    watch.tick, watch.sleep = tick, lambda: None
    assert loop.run(watch) == 0
    assert ticks == [9] * 5 + [0]
    assert "state-damaged" in [row["event"] for row in lines(watch)]


def test_a24_a_terminal_that_cannot_show_a_line_does_not_lose_it(tmp_path, monkeypatch):
    log = WatchLog(tmp_path / "watchdog.log", echo=True)
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", shown)
    log.line("x", 1000.0, reason="网关重启")
    shown.flush()
    assert "网关重启" in (tmp_path / "watchdog.log").read_text(encoding="utf-8")
    assert b"\\u7f51" in shown.buffer.getvalue()


def test_who_ends_it_again_and_again_is_told_where_openclaw_recorded_it(world):
    watch, told = world(), []
    watch.acts.tell = lambda decision, step=None: told.append(decision)
    again = Decision("note", "ended-again", {"times": 5, "minutes": 3})
    watch.acts.do_note(again, 0.0)
    logs = watch.home.logs_dir
    logs.mkdir(exist_ok=True)
    (logs / "gateway-restart.log").write_text("t source=cron action=restart pid=7\nt other\n")
    watch.acts.do_note(again, 0.0)
    words = [note_texts.words(decision, None)[1].en for decision in told]
    assert "by whom is not known" in words[0] and "restart (cron)" in words[1]


def test_levels_are_told_on_change_and_relative_to_what_is_usual(world):
    watch = world(response_warning_s=2)
    told = []
    teller = Teller(watch.context, watch.children, watch.log)
    teller.event = lambda note, *rest: told.append(note)
    for row in (seen(800, 0.1), seen(1100, 0.1), seen(1200, 3.0), seen(1200, 3.0), seen(700, 0.1)):
        teller.judge_levels(row, WatchState(), 1000.0)
    assert [note.code for note in told] == ["memory", "response"]
    (watch.home.doctor_dir / "usual.json").write_text('{"rss_mb": 900}')
    teller.judge_levels(seen(1700, 0.1), WatchState(), 1000.0)
    assert len(told) == 2  # twice 900 is its limit
    strict = world(memory_warning_mb=500)
    teller = Teller(strict.context, strict.children, strict.log)
    teller.event = lambda note, *rest: told.append(note)
    teller.judge_levels(seen(600, 0.1), WatchState(), 1000.0)
    assert len(told) == 3


def test_old_logs_go_after_log_days(tmp_path):
    import os

    log = WatchLog(tmp_path / "watchdog.log", days=3)
    now = 1_800_000_000.0
    log.line("first", now)
    for name, age in (("watchdog.log", 1), ("watchdog.log.old", 5), ("watchdog.log.new", 2)):
        (tmp_path / name).touch()
        os.utime(str(tmp_path / name), (now - age * 86400, now - age * 86400))
    log.line("second", now)
    assert not (tmp_path / "watchdog.log.old").exists() and (tmp_path / "watchdog.log.new").exists()


def test_secrets_do_not_reach_the_log(tmp_path):
    log = WatchLog(tmp_path / "watchdog.log")
    log.line("x", 1000.0, reason="Authorization: Bearer sk-ant-api03-canarycanarycanarycanary")
    assert "canarycanary" not in (tmp_path / "watchdog.log").read_text()
    assert ((tmp_path / "watchdog.log").stat().st_mode & 0o777) == 0o600


def test_language_comes_from_the_flag_then_the_setting_then_the_locale(world):
    watch = world(lang="zh")
    env = {**watch.host.env, "LANG": "en_US.UTF-8"}
    assert detect_lang(env) == "zh" and detect_lang(env, ["--lang", "en"]) == "en"
    assert detect_lang({"HOME": "/nonexistent", "LANG": "zh_CN.UTF-8"}) == "zh"


def test_whatever_a_start_depends_on_is_watched(world, tmp_path):
    """The config, .env, includes, TLS and secret files; not the gateway's own coming and going."""
    watch = world()
    state = watch.home.state_dir
    (state / "inner.json5").write_text("{}")
    parts = "tls: {certPath: '~/cert.pem'}, list: [{$include: './inner.json5'}]"
    watch.home.config_path.write_text(
        "{gateway: {port: 18901, " + parts + "}, secrets: {providers: {f: {path: 'keys.json'}}}}"
    )
    marks = {watch._fingerprint()}
    assert watch._fingerprint() in marks
    (state / "notes.txt").write_text("of no interest")
    assert watch._fingerprint() in marks
    for name in ("inner.json5", ".env", "keys.json", "openclaw.json"):
        (state / name).write_text(
            "{gateway: {port: 18901}, $include: './inner.json5', changed: " + repr(name) + "}"
        )
        marks.add(watch._fingerprint())
    assert len(marks) == 5


def test_what_a_person_mends_with_chown_chmod_or_an_installer_is_seen(world, tmp_path):
    watch = world()
    node = tmp_path / "node"
    node.write_text("v22")
    watch.platform.command = lambda: [str(node), "index.js"]
    watch._ticks = 1
    (watch.home.state_dir / "state").mkdir()
    marks = [watch._fingerprint()]
    (watch.home.state_dir / "state").chmod(0o500)
    marks.append(watch._fingerprint())
    node.write_text("v24 ")
    marks.append(watch._fingerprint())
    (watch.home.state_dir / "state").chmod(0o700)
    (watch.home.state_dir / "state" / "openclaw.sqlite").write_text("")
    marks.append(watch._fingerprint())
    (watch.home.state_dir / "state" / "openclaw.sqlite").write_text("rows that a gateway writes")
    assert len(set(marks)) == 4 and watch._fingerprint() == marks[-1]


def test_a_healthy_look_does_not_ask_for_the_service_and_that_is_no_change(world, tmp_path):
    watch = world()
    unit = tmp_path / "openclaw-gateway.service"
    unit.write_text("[Service]")
    watch.seen = Observation(0.0, 0.0, "refused", service=SimpleNamespace(path=str(unit)))
    before = watch._fingerprint()
    watch.seen = Observation(0.0, 0.0, "ready")
    assert watch._fingerprint() == before


def test_a_config_that_it_is_ready_with_is_kept_whatever_happened_before(world):
    """A12: a crash a minute ago says nothing about the edit that the gateway is ready with now."""
    watch = world()
    started = []
    watch.children.start = lambda name, words: started.append((name, words))
    watch.verdict = Verdict(State.HEALTHY, Text("", ""), 7)
    now = watch.host.now()
    watch.state = WatchState(crashes=(now - 20,), pid=7)
    watch._healthy(now)
    watch._healthy(now + 30)
    assert started == []
    watch._healthy(now + 61)
    assert started == [("keep-config", ["keep-good", "--config-only"])]
    watch._healthy(now + 62)
    assert len(started) == 1
    watch.home.config_path.write_text("{gateway:{port:18901},messages:{a:1}}")
    watch._healthy(now + 70)
    watch._healthy(now + 100)
    assert len(started) == 1, "ready for 30 s with this one"
    watch._healthy(now + 131)
    assert started[1:] == [("keep-config", ["keep-good", "--config-only"])]


def test_whether_anybody_is_served_is_looked_at_every_ten_minutes_while_it_is_up(world):
    clock = [1000.0]
    watch = world()
    watch.host = replace(watch.host, monotonic=lambda: clock[0])
    started = []
    watch.children.start = lambda name, words: started.append((name, words))

    def at(seconds, state=State.HEALTHY, incident=None):
        clock[0] = 1000.0 + seconds
        watch.verdict = Verdict(state, Text("", ""), 7)
        watch.state = WatchState(incident=incident)
        watch._look_served()
        return len(started)

    assert at(0) == 0 and at(690) == 0  # freshly started: not yet
    assert at(701) == 1 and started == [("served", ["keep-good", "--served"])]
    assert at(800) == 1
    watch.look_soon(True)
    assert at(870) == 2  # what it found is looked at once more
    assert at(1571) == 3
    assert at(1980, State.DOWN) == 3
    assert at(1990) == 3  # up again: a whole interval from now
    assert at(2500, incident=watch_state.Incident("i", 1.0, "down")) == 3
    assert at(2595) == 3 and at(3296) == 4


def row(key, first, at=100.0, severity="warning"):
    return {
        "key": key,
        "id": "serving/channel-gave-up",
        "severity": severity,
        "message": [key + " is dead", key + " 已停用"],
        "hint": ["openclaw channels status --probe"] * 2,
        "first": first,
    }


def test_what_is_green_and_deaf_is_told_once_and_its_end_too():
    one = {"at": 100.0, "findings": [row("a", 100.0)]}
    step = served_step(one, {}, "i1")
    assert (step.tell, step.soon, step.told) == ([], True, {})  # once is chance
    two = {"at": 160.0, "findings": [row("a", 100.0)]}
    step = served_step(two, {}, "i1")
    assert [r["key"] for r in step.tell] == ["a"] and not step.soon
    told = step.told
    for at in (760.0, 1360.0):  # and never again while it lasts
        step = served_step({"at": at, "findings": [row("a", 100.0)]}, told, "i2")
        assert step.tell == [] and step.over == {}
        told = step.told
    more = {"at": 1960.0, "findings": [row("a", 100.0), row("b", 1900.0)]}
    step = served_step(more, told, "i3")
    assert [r["key"] for r in step.tell] == ["b"]
    gone = served_step({"at": 2600.0, "findings": [row("b", 1900.0)]}, step.told, "i4")
    assert gone.over == {}  # one look that does not see it
    gone = served_step({"at": 3200.0, "findings": [row("b", 1900.0)]}, gone.told, "i5")
    assert list(gone.over) == ["i1"] and [v["incident"] for v in gone.told.values()] == ["i3"]


@pytest.mark.parametrize("damaged", [[], "x", {"findings": [{}]}, {"at": 1.0, "findings": None}])
def test_a_damaged_note_of_ours_tells_nothing(damaged):
    assert served_step(damaged, damaged if isinstance(damaged, list) else {}, "i").tell == []


def test_the_watch_tells_of_it_by_the_usual_way(world):
    watch = world()
    watch.verdict = Verdict(State.HEALTHY, Text("ready", "就绪"), 7)
    queued = []
    watch.teller.send = lambda build: queued.append(build(alert_texts))
    looked = {"at": 160.0, "findings": [row("a", 100.0)]}
    (watch.home.doctor_dir / "serving.json").write_text(json.dumps(looked))
    (watch.home.doctor_dir / "serving.told.json").write_text("{damaged")
    assert watch.teller.serving("20261121T031500-3f2a", 160.0) is False
    assert watch.teller.serving("20261121T031500-0000", 760.0) is False
    assert [(a.kind, a.level, a.incident[-4:]) for a in queued] == [
        ("escalated", "warning", "3f2a")
    ]
    assert "is dead" in queued[0].what.en and "没有尝试重启" in queued[0].details[0][1].zh
    assert [r["kind"] for r in lines(watch) if r["event"] == "decision"] == ["escalate"]
    (watch.home.doctor_dir / "serving.json").write_text(json.dumps({"at": 9.0, "findings": []}))
    watch.teller.serving("x", 1400.0)
    watch.teller.serving("x", 2000.0)
    assert (queued[-1].kind, queued[-1].incident[-4:]) == ("recovered", "3f2a")
    assert watch.platform.calls == []


def test_a_good_copy_that_could_not_be_kept_is_tried_again(world):
    """HB1: on a busy machine keep-good runs out of time; there was no good copy for a day then."""
    watch = world()
    started, ended = [], []
    watch.children.start = lambda name, words: started.append(name)
    watch.children.finished = lambda: [ended.pop()] if ended else []
    watch.verdict = Verdict(State.HEALTHY, Text("", ""), 7)
    now = watch.host.now()

    def end(name, code, at):
        ended.append(SimpleNamespace(name=name, code=code, seconds=1.0))
        watch.answers.take_in(at)

    watch.log.line("first", now)  # makes its folder
    watch._healthy(now)
    watch._healthy(now + 61)
    assert started == ["keep-good"]
    assert watch.children.hurried == {"keep-good"}, "the first one starves at low priority"
    end("keep-good", -1, now + 400)
    watch._healthy(now + 430)
    assert len(started) == 1, "not at once: the machine is busy"
    assert watch.children.hurried == {"keep-good"}
    watch._healthy(now + 462)
    assert started == ["keep-good"] * 2
    end("keep-good", 1, now + 470)
    watch._healthy(now + 540)
    assert len(started) == 2, "the pause is doubled"
    watch._healthy(now + 592)
    assert len(started) == 3
    end("keep-good", 0, now + 600)
    assert watch.state.good and not watch.children.hurried
    watch._healthy(now + 80000)
    assert len(started) == 3, "kept: not again before a day is over"
    watch._healthy(now + 90000)
    assert len(started) == 4 and not watch.children.hurried, "the next ones have time"
    end("keep-good", 0, now + 90010)
    del started[3:]

    watch.state = WatchState(crashes=(now + 79990,), pid=7)
    watch.home.config_path.write_text("{gateway:{port:18901},messages:{a:1}}")
    watch._healthy(now + 80000)
    watch._healthy(now + 80061)
    assert started[3:] == ["keep-config"]
    end("keep-config", -1, now + 80100)
    watch._healthy(now + 80150)
    assert len(started) == 4
    watch._healthy(now + 80161)
    assert started[3:] == ["keep-config"] * 2


@pytest.mark.parametrize("code", [3, 4, 5])
def test_a_verdict_that_it_is_not_good_is_not_asked_for_again(world, code):
    watch = world()
    started, ended = [], [SimpleNamespace(name="keep-good", code=code, seconds=1.0)]
    watch.children.start = lambda name, words: started.append(name)
    watch.children.finished = lambda: [ended.pop()] if ended else []
    watch.teller = watch.answers.teller = SimpleNamespace(
        quiet_damage=lambda *a: None, guarded=lambda *a: None, judge_levels=lambda *a: None
    )
    watch.verdict = Verdict(State.HEALTHY, Text("", ""), 7)
    now = watch.host.now()
    watch.log.line("first", now)
    watch._healthy(now)
    watch._healthy(now + 61)
    watch.answers.take_in(now + 70)
    watch._healthy(now + 9000)
    assert started == ["keep-good"]


@pytest.mark.real_processes
@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="priorities are POSIX")
def test_a_patient_child_that_came_to_nothing_gets_the_usual_priority(world):
    """HB2: at low priority on a busy machine it starves, however often it is tried."""
    children = world().children
    children.argv = lambda words: [sys.executable, "-c", "import time; time.sleep(30)"]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for name, hurried, wanted in (
        ("keep-good", set(), max(own, 15)),
        ("keep-good", {"keep-good"}, own),
        ("record", set(), own),
    ):
        children.hurried = hurried
        children.start(name, [name])
        process = children.running.pop(name).process
        try:
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == wanted
        finally:
            process.kill()
            process.wait()


@pytest.mark.real_processes
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX")
def test_a_watchdog_that_is_asked_to_end_leaves_no_look_behind(world):
    """HB3: nobody bounds them once it is gone. A repair and an alert go on."""
    watch = world()
    watch.children.argv = lambda words: [sys.executable, "-c", "import time; time.sleep(60)"]
    names = ("keep-good", "keep-config", "served", "inspect", "treat", "notify", "record")
    for name in names:
        watch.children.start(name, [name])
    processes = {name: watch.children.running[name].process for name in names}

    def stop():
        raise loop._Stop

    watch.tick, watch.teller = stop, unittest.mock.Mock()
    watch.host = replace(watch.host, env={})
    before = loop.signal.getsignal(loop.signal.SIGTERM)
    try:
        assert loop.run(watch) == 0
        left = {name for name, process in processes.items() if process.poll() is None}
        assert left == {"treat", "notify", "record"}
    finally:
        loop.signal.signal(loop.signal.SIGTERM, before)
        for process in processes.values():
            process.kill()
            process.wait()


def test_v26_an_outage_is_told_also_where_the_wall_clock_stands_still(world):
    """The monotonic clock goes on, the wall clock does not: no look shows a jump."""
    watch = world()
    wall, mono = watch.host.now(), [100.0]
    object.__setattr__(watch.host, "now", lambda: wall)
    object.__setattr__(watch.host, "monotonic", lambda: mono[0])
    watch = Watchdog(watch.host, watch.home, Platform())
    told = []
    watch.acts.carry_out = lambda decision, now: told.append(decision.kind)
    watch.answers.take_in = lambda now: None  # no child was started, so none answers
    for _ in range(90):
        mono[0] += 5.0
        watch.tick()
    assert {"opened", "announce", "escalate"} <= set(told), told


@pytest.mark.real_processes
@pytest.mark.skipif(os.name == "nt", reason="signals that stop a process")
@pytest.mark.parametrize("changing", [False, True])
def test_v40_a_suspended_repair_is_named_and_no_longer_waited_for(world, changing):
    """Ctrl-Z in a `heal`, a lost terminal: the lock stays, and so did everything else."""
    watch, told, clock = world(), [], [1000.0]
    real = Host()
    watch.acts.watch.host = replace(watch.host, process=real.process, monotonic=lambda: clock[0])
    watch.acts.tell = lambda decision, step=None: told.append(decision)
    names = ["treat.lock"] + (["healer.lock"] if changing else [])
    code = (
        "import contextlib, sys, time; from skill.locks import owned_lock\n"
        "with contextlib.ExitStack() as held:\n"
        "    [held.enter_context(owned_lock(name, 'it')) for name in sys.argv[1:]]\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    paths = [str(watch.home.doctor_dir / name) for name in names]
    holder = subprocess.Popen([sys.executable, "-c", code, *paths], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        clock[0] += 4000.0
        assert watch.acts.repairing() and not told  # it works: waited for, however long
        os.kill(holder.pid, signal.SIGSTOP)
        while real.process(holder.pid).state != "stopped":
            time.sleep(0.01)
        assert watch.acts.repairing() and not told
        clock[0] += 299.0
        assert watch.acts.repairing() and not told
        clock[0] += 2.0
        assert watch.acts.repairing() is changing
        assert watch.acts.repairing() is changing
        assert [one.facts["pid"] for one in told] == [holder.pid]
        what = note_texts.words(told[0], None)[1]
        assert "pid {}, begun ".format(holder.pid) in what.en
        assert ("in the middle of a change" in what.en) is changing
        os.kill(holder.pid, signal.SIGCONT)
        while real.process(holder.pid).state == "stopped":
            time.sleep(0.01)
        assert watch.acts.repairing()
    finally:
        holder.kill()
        holder.wait()
    assert not watch.acts.repairing()
