"""notify and ack on the command line, in a home of their own, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def run(tmp_path):
    (tmp_path / ".openclaw").mkdir()

    def call(*words, stdin="", code=0):
        env = {
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LANG": "en_US.UTF-8",
            "PYTHONIOENCODING": "utf-8",
        }
        done = subprocess.run(
            [sys.executable, "-m", "skill", *words],
            env=env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    call.state = tmp_path / ".openclaw"
    return call


def test_nothing_configured_is_no_error(run):
    assert "nobody will be told" in run("notify", "list")
    assert json.loads(run("notify", "flush", "--json"))["waiting"] == 0
    assert "nothing to test" in run("notify", "test")


def test_set_list_and_remove_a_webhook_without_showing_its_secret(run):
    run(
        "notify",
        "set-feishu",
        "http://127.0.0.1:9/open-apis/bot/v2/hook/abcdef",
        "--secret",
        stdin="very-secret\n",
    )
    own = run.state / "iflow-doctor" / "config.json"
    assert json.loads(own.read_text())["notify"]["webhooks"]["feishu"]["secret"] == "very-secret"
    assert own.stat().st_mode & 0o777 == 0o600
    shown = run("notify", "list")
    assert "feishu:hook:webhook" in shown and "very-secret" not in shown and "abcdef" not in shown
    run("notify", "set-feishu", "off")
    assert "nobody will be told" in run("notify", "list")


@pytest.mark.parametrize("url", ["not a url", "ftp://x/y", "https://"])
def test_a_wrong_address_is_wrong_usage(run, url):
    run("notify", "set-discord", url, code=2)


def test_test_says_per_way_what_went_wrong(run):
    run("notify", "set-wecom", "http://127.0.0.1:9/x?key=k")
    run("notify", "set-discord", "${NOT_SET}")
    rows = {
        row["platform"]: row for row in json.loads(run("notify", "test", "--json", code=1))["ways"]
    }
    assert "cannot connect" in rows["wecom"]["answer"] and "NOT_SET" in rows["discord"]["answer"]


def test_ack_by_code(run):
    assert "No incident is open" in run("ack")
    folder = run.state / "iflow-doctor" / "incidents-open"
    folder.mkdir(parents=True)
    for code in ("3f2a", "4e6b"):
        row = {
            "incident": "20261121T031500-" + code,
            "at": 1.0,
            "level": "error",
            "title": ["x", "x"],
            "reminded": 0,
        }
        (folder / (row["incident"] + ".json")).write_text(json.dumps(row))
    assert "3f2a, 4e6b" in run("ack", code=2)
    assert "20261121T031500-3f2a" in run("ack", "3F2A")
    run("ack", "ffff", code=1)
    opened = json.loads(run("notify", "list", "--json"))["open_incidents"]
    assert {item["code"]: item["acked"] for item in opened} == {"3f2a": True, "4e6b": False}


def test_preview_shows_text_and_form(run):
    shown = run("--lang", "zh", "notify", "preview", "port-taken", "--platform", "feishu")
    assert "端口 18789 被其他程序占用" in shown and '"tag": "plain_text"' in shown
    run("notify", "preview", "nonsense", code=2)
