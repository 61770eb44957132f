"""notify and ack on the command line, in a home of their own, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from test_cli import call_here

pytestmark = pytest.mark.empty_machine
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def run(tmp_path):
    (tmp_path / ".openclaw").mkdir()

    def call(*words, stdin="", code=0):
        if not stdin:  # nobody types: the same in this process, in a tenth of the time
            answered, out, err = call_here(tmp_path / ".openclaw", *words, lang="")
            assert answered == code, out + err
            return out + err
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


def test_nobody_to_tell_is_a_problem_and_says_what_to_type(run):
    for words in (["list"], ["test"]):
        said = run("notify", *words, code=1)
        assert "Nobody would be told" in said
        assert said.strip().splitlines()[-1] == "Next: iflow-doctor notify setup"
    assert json.loads(run("notify", "test", "--json", code=1)) == {"ok": False, "ways": []}
    assert json.loads(run("notify", "flush", "--json"))["waiting"] == 0


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
    assert shown.startswith("1. Feishu group robot (127.0.0.1 ...cdef, signed): used")
    assert "very-secret" not in shown and "abcdef" not in shown
    assert run("--lang", "zh", "notify", "list").startswith(
        "1. 飞书群机器人（127.0.0.1 ...cdef，已加签）"
    )
    run("notify", "set-feishu", "off")
    assert "Nobody would be told" in run("notify", "list", code=1)


def test_muted_alerts_reach_nobody(run):
    run("notify", "set-feishu", "http://127.0.0.1:9/open-apis/bot/v2/hook/abcdef")
    run("config", "--set", "notify.enabled=false")
    said = run("notify", "list", code=1)
    assert said.strip().splitlines()[-1] == "Next: iflow-doctor config --set notify.enabled=true"


@pytest.fixture
def robot():
    """A robot's address that accepts everything, and what it was sent."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = b'{"code": 0, "msg": "success"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "http://127.0.0.1:{}/open-apis/bot/v2/hook/right".format(server.server_address[1]), got
    server.shutdown()
    server.server_close()


def test_setup_asks_again_after_a_wrong_address_and_keeps_the_language(run, robot):
    url, got = robot
    wrong = "http://127.0.0.1:9/open-apis/bot/v2/hook/wrong"
    words = ["99", "1", "no-address", "", "1", wrong, "", "feishu", url, "", "y"]
    said = run("--lang", "zh", "notify", "setup", stdin="\n".join(words) + "\n")
    assert "不是网址" in said and "没有保存" in said and "完成：告警会发到那里" in said
    assert len(got) == 1 and "测试消息" in got[0]
    kept = json.loads((run.state / "iflow-doctor" / "config.json").read_text())
    assert kept["notify"]["webhooks"]["feishu"]["url"] == url and kept["lang"] == "zh"
    assert "飞书群机器人" in run("notify", "list")  # without --lang: the language was kept


def test_what_did_not_arrive_is_not_kept(run, robot):
    url, _ = robot
    run("notify", "setup", stdin="1\n{}\n\nn\n".format(url), code=2)  # then the input ends
    assert "Nobody would be told" in run("notify", "list", code=1)


def test_telegram_is_told_through_openclaws_own_bot(run):
    config = {"channels": {"telegram": {"botToken": "123456:abcdefghijklmnopqrstuvwxyz0123456"}}}
    (run.state / "openclaw.json").write_text(json.dumps(config))
    run("notify", "set-telegram", "somebody", code=2)
    run("notify", "set-telegram", "123456789")
    assert "1. Telegram (123456789): used" in run("notify", "list")
    run("notify", "set-telegram", "off")
    assert "Nobody would be told" in run("notify", "list", code=1)


def test_a_platform_that_does_not_exist_is_refused_with_the_nearest(run):
    said = run("config", "--set", "notify.platform=wechat", code=2)
    assert "did you mean wecom?" in said
    assert "是不是 wecom？" in run(
        "--lang", "zh", "config", "--set", "notify.platform=wechat", code=2
    )
    run("config", "--set", "notify.platform=feishu,discord")


def test_a_documented_key_that_nothing_sets_has_no_value(run):
    assert run("config", "--get", "notify.webhooks.feishu").strip() in ("null", "{}")


def test_only_what_was_changed_can_be_listed(run):
    assert "default" in run("config", "--list", "--changed")
    run("config", "--set", "check_interval=20")
    said = run("config", "--list", "--changed")
    assert said.startswith("check_interval = 20") and "gateway_url" not in said
    assert "应为数字" in run("--lang", "zh", "config", "--set", "check_interval=a", code=2)
    assert "must be a number" in run("config", "--set", "check_interval=a", code=2)


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
    opened = json.loads(run("notify", "list", "--json", code=1))["open_incidents"]
    assert {item["code"]: item["acked"] for item in opened} == {"3f2a": True, "4e6b": False}


def test_preview_shows_text_and_form(run):
    shown = run("--lang", "zh", "notify", "preview", "port-taken", "--platform", "feishu")
    assert "端口 18789 被其他程序占用" in shown and '"tag": "plain_text"' in shown
    run("notify", "preview", "nonsense", code=2)
