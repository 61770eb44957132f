"""The command line as a person and a program meet it: names, exit codes, one JSON value, damaged
files, no traceback, no secret.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skill import cli

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.empty_machine
SECRET = "s3cr3t-t0ken-0123456789"


@pytest.fixture
def house(tmp_path):
    """A home with OpenClaw's config (and a secret in it), nothing running."""
    state = tmp_path / ".openclaw"
    (state / "iflow-doctor").mkdir(parents=True)
    config = {
        "gateway": {"mode": "local", "port": 22699, "auth": {"mode": "token", "token": SECRET}}
    }
    (state / "openclaw.json").write_text(json.dumps(config), "utf-8")
    return state


def call(house, *words, lang="en", module="skill"):
    """Run the program in a process of its own; return (exit code, stdout, stderr)."""
    env = {
        "HOME": str(house.parent),
        "USERPROFILE": str(house.parent),
        "PATH": "/usr/bin:/bin",
        "IFLOW_DOCTOR_LANG": lang,
        "PYTHONPATH": str(ROOT),
        "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=str(house.parent),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    assert "Traceback" not in out + err and SECRET not in out + err
    return done.returncode, out, err


def call_here(house, *words, lang="en"):
    """As call(), in this process: quick."""
    out, err = io.StringIO(), io.StringIO()
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(
        {
            "HOME": str(house.parent),
            "USERPROFILE": str(house.parent),
            "PATH": "/usr/bin:/bin",
            "IFLOW_DOCTOR_LANG": lang,
        }
    )
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(
            SystemExit
        ) as stop:
            cli.main(list(words))
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert (
        "internal error" not in out.getvalue() + err.getvalue()
        and SECRET not in out.getvalue() + err.getvalue()
    )
    return stop.value.code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "words, code",
    [
        (["status"], 1),
        (["watch", "--test"], 1),
        (["--list-cases"], 0),
        (["--stats"], 0),
        (["--version"], 0),
        (["--help"], 0),
        (["ai", "attach"], 1),
        (["notify", "test"], 1),
        (["notify", "set-feishu", "off"], 0),
        (["snapshots", "restore", "nope"], 2),
        (["explain", "NOPE"], 2),
        (["diagnose", "--batch", "/nonexistent"], 2),
        (["pause", "soon"], 2),
        (["pause"], 2),
        (["notify"], 2),
        (["statsu"], 2),
        (["status", "--nosuch"], 2),
        (["config", "--set", "check_interval=banana"], 2),
        (["drill", "--only", "nosuch"], 2),
    ],
)
def test_json_is_one_value_on_stdout_and_the_exit_code_does_not_depend_on_it(house, words, code):
    answered, out, _ = call_here(house, *words, "--json", lang="zh")
    assert answered == code and json.loads(out) is not None
    if code == 2:
        assert json.loads(out)["ok"] is False and json.loads(out)["error"]
    answered, out, err = call_here(house, *words)
    assert answered == code and (out or err)


@pytest.mark.parametrize(
    "module, words",
    [
        ("skill", ["watchdog", "--test"]),
        ("skill.watchdog", ["--test"]),
        ("skill", ["--test"]),
    ],
)
def test_the_documented_names_of_the_watchdogs_test(house, module, words):
    code, out, err = call(house, *words, module=module)
    assert code == 1 and out.startswith("!! Gateway: down") and not err


@pytest.mark.parametrize(
    "module, words",
    [
        ("skill", ["config_checker", "--offline"]),
        ("skill", ["config-checker", "--offline"]),
        ("skill", ["--check-config", "--offline"]),
        ("skill.config_checker", ["--offline"]),
    ],
)
def test_the_documented_names_of_the_config_checker(house, module, words):
    (house / "openclaw.json").write_text('{"gateway": {', "utf-8")
    code, out, _ = call(house, *words, module=module)
    assert code == 1 and out.startswith("✗ Config file exists and parses") and "line 1" in out


def test_notify_test_by_its_module(house):
    code, out, _ = call(house, "test", module="skill.notify")
    assert code == 1 and out.startswith("Nobody would be told")


@pytest.mark.parametrize(
    "words, said",
    [
        (["statsu"], "错误：没有命令 statsu。是不是 stats？"),
        (["status", "--bogus"], "错误：没有选项"),
        (["pause"], "错误：缺少参数"),
        (["config", "--set"], "错误：选项 '--set' 需要一个值。"),
        (["status", "extra"], "错误：多余的参数：extra"),
    ],
)
def test_usage_errors_are_in_the_chosen_language(house, words, said):
    assert said in call_here(house, *words, lang="zh")[2]
    english = call_here(house, *words, lang="en")[2]
    assert "Error: " in english and "错误" not in english


DAMAGE = [
    "{",
    "[]",
    "5",
    '"x"',
    "null",
    "",
    "\ufeff{oops",
    '{"until": "soon", "incident": 7, "cases": 5, "incidents": 5}',
]


@pytest.mark.parametrize(
    "name, words, contents",
    [
        ("config.json", ["config", "--list"], DAMAGE),
        ("config.json", ["stats"], DAMAGE),
        ("cases.json", ["list-cases"], DAMAGE),
        ("cases.json", ["diagnose", "--offline", "ECONNREFUSED"], DAMAGE[:2]),
        ("records.json", ["stats"], DAMAGE),
        ("watch.json", ["status"], DAMAGE[1::5]),
        ("pause.json", ["status"], DAMAGE[2::5]),
    ],
)
def test_a_damaged_file_of_ours_stops_nothing_and_is_not_lost(house, name, words, contents):
    path = house / "iflow-doctor" / name
    for content in contents:
        path.write_text(content, "utf-8")
        code, out, err = call_here(house, *words, "--json")
        assert code in (0, 1, 2) and json.loads(out) is not None, (content, err)
        kept = [other.read_text("utf-8") for other in path.parent.glob(name + "*")]
        assert content in kept, "{!r} is gone".format(content)


def test_a_damaged_settings_file_is_named_with_place_and_remedy(house):
    (house / "iflow-doctor" / "config.json").write_text('{"check_interval": 10,', "utf-8")
    code, _, err = call_here(house, "status")
    assert (
        code == 1
        and "config.json: line 1 column 23" in err
        and "move the file aside" in err
        and err.count("config.json") == 1
    )
    code, out, _ = call_here(house, "config", "--set", "auto_heal=false", "--json")
    assert (
        code == 2 and "config.json: line 1" in json.loads(out)["error"] and json.loads(out)["hint"]
    )


def test_a_damaged_pause_is_told_and_pauses_nothing(house):
    (house / "iflow-doctor" / "pause.json").write_text('{"until": "soon"}', "utf-8")
    code, out, _ = call_here(house, "status", "--json")
    report = json.loads(out)
    assert report["paused_until"] == "" and "pause.json" in report["damaged"][0]


def test_status_does_not_take_a_damaged_memory_from_the_watchdog(house):
    path = house / "iflow-doctor" / "watch.json"
    path.write_text("{", "utf-8")
    assert "watch.json" in json.loads(call_here(house, "status", "--json")[1])["damaged"][0]
    assert path.read_text() == "{"


def test_pause_is_shown_and_a_paused_watchdog_only_looks(house):
    assert call_here(house, "pause", "1h")[0] == 0
    assert "Paused until" in call_here(house, "status")[1]
    code, out, _ = call_here(house, "watch", "--once", lang="zh")
    assert code == 1 and "没有任何动作" in out
    assert (
        not (house / "iflow-doctor" / "watch.json").exists()
        and not (house / "iflow-doctor" / "keeper.json").exists()
    )
    assert call_here(house, "resume")[0] == 0 and "Paused" not in call_here(house, "status")[1]


def test_the_second_watchdog_says_who_holds_the_lock(house):
    from skill.locks import owned_lock

    with owned_lock(house / "iflow-doctor" / "watch.lock", "us"):
        code, out, _ = call_here(house, "watch", "--json")
        report = json.loads(out)
        assert (
            code == 1
            and "pid {}".format(os.getpid()) in report["error"]
            and "since 20" in report["error"]
            and report["hint"]
        )
        assert json.loads(call_here(house, "status", "--json")[1])["watchdog"]["pid"] == os.getpid()


@pytest.mark.real_processes
def test_uninstalling_the_service_ends_a_watchdog_that_was_started_by_hand(house):
    env = {
        "HOME": str(house.parent),
        "USERPROFILE": str(house.parent),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
    }
    assert call_here(house, "pause", "1h")[0] == 0  # it must not act on this machine
    dog = subprocess.Popen(
        [sys.executable, "-m", "skill", "watch"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60  # a busy machine takes its time to start a process
        while (
            json.loads(call_here(house, "service", "status", "--json")[1])["watchdog"]["active"]
            != "active"
        ):
            assert dog.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        assert call_here(house, "service", "uninstall", "--only", "watchdog", "--json")[0] == 0
        assert dog.wait(180) in (0, -15)  # -15: it had the lock, and not yet its answer to SIGTERM
    finally:
        dog.kill()
        dog.wait()


def test_a_fault_of_our_own_is_one_line_with_its_place(monkeypatch, capsys):
    def boom(**_):
        raise RuntimeError("boom")

    monkeypatch.setattr(cli.main_group, "main", boom)
    for words in (["status"], ["status", "--json"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        assert stop.value.code == 2
    said = capsys.readouterr()
    assert (
        "RuntimeError('boom') at test_cli.py:" in said.err
        and json.loads(said.out)["exit_code"] == 2
    )
