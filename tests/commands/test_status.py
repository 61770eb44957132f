"""status is OK when everything is: ready, watched, nothing open, nothing waiting on disk, somebody
would be told. Each of these alone makes it not OK, with the command to type on the last line.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import click
import pytest
from click.testing import CliRunner
from fake_machine import Machine

from skill import commands
from skill.cli import App, main_group
from skill.commands import status
from skill.host import Host, Reply
from skill.locks import owned_lock
from skill.model import Text

pytestmark = pytest.mark.empty_machine
PORT = 22697  # nobody listens there
pytestmark = pytest.mark.empty_machine
HOOK = "https://open.feishu.cn/open-apis/bot/v2/hook/x"


class World:
    """A gateway that says it is ready, a watchdog's lock, a webhook."""

    def __init__(self, home: Path) -> None:
        self.state, self.own = home / ".openclaw", home / ".openclaw" / "iflow-doctor"
        self.own.mkdir(parents=True)
        node = home / "bin" / "node"  # the one of this machine may be too old
        node.parent.mkdir()
        node.write_text("#!/bin/sh\necho v24.16.0\n")
        node.chmod(0o755)
        self.env = {"HOME": str(home), "PATH": "{}:/usr/bin:/bin".format(node.parent)}
        self.watched = True
        self.config({"gateway": {"mode": "local", "port": PORT}})
        self.settings({"notify": {"webhooks": {"feishu": HOOK}}})

    def config(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        (self.state / "openclaw.json").write_text(text, "utf-8")

    def settings(self, value: Dict[str, Any]) -> None:
        (self.own / "config.json").write_text(json.dumps(value), "utf-8")

    def memory(self, value: Dict[str, Any]) -> None:
        (self.own / "watch.json").write_text(json.dumps(value), "utf-8")

    def say(self, *more: str) -> Tuple[int, str]:
        host = Host(env=self.env, get=ready, **Machine().fields())
        with contextlib.ExitStack() as stack:
            if self.watched:
                stack.enter_context(owned_lock(self.own / "watch.lock", "the watchdog"))
            done = CliRunner(env=self.env).invoke(
                main_group, [*more, "status"], obj=App("en", False, host)
            )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done.exit_code, done.output


def ready(url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
    return Reply(200, json.dumps({"ready": True, "failing": [], "ok": True}).encode())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_right_is_ok_and_says_who_would_be_told(world: World) -> None:
    code, out = world.say()
    assert code == 0 and out.startswith("OK Gateway: healthy"), out
    assert "feishu" in out and "Watchdog: running since" in out
    assert out.strip().splitlines()[-1].strip() == "Nothing to do."


def unwatched(world: World) -> None:
    world.watched = False


def untold(world: World) -> None:
    world.settings({})


def broken_on_disk(world: World) -> None:
    world.config('{"gateway": {"mode": "local", "port": %d' % PORT)


def incident(world: World) -> None:
    opened = time.time() - 1020
    world.memory({"incident": {"id": "20261128T024500-452c", "opened": opened, "state": "down"}})


def muted(world: World) -> None:
    world.settings({"notify": {"enabled": False, "webhooks": {"feishu": HOOK}}})


@pytest.mark.parametrize(
    "spoil, said, command",
    [
        (unwatched, "watchdog does not run", "iflow-doctor watch"),
        (untold, "nobody would be told", "iflow-doctor notify setup"),
        (muted, "nobody would be told", "iflow-doctor notify setup"),
        (broken_on_disk, "next start will fail", "iflow-doctor heal --dry-run"),
        (incident, "incident 452c is open since", "iflow-doctor incident 452c"),
    ],
)
def test_each_thing_that_is_missing_makes_it_not_ok(
    world: World, spoil: Callable[[World], None], said: str, command: str
) -> None:
    spoil(world)
    code, out = world.say()
    assert code == 1 and out.startswith("!! "), out
    assert said in out
    assert out.strip().splitlines()[-1] == "Next: " + command
    assert len(out.strip().splitlines()) <= status.LINES
    report = json.loads(world.say("--json")[1])
    assert not report["ok"] and report["next"] == command and report["problems"][0]["code"]


def test_it_is_not_ok_in_chinese_either(world: World) -> None:
    untold(world)
    code, out = world.say("--lang", "zh")
    assert code == 1 and out.strip().splitlines()[-1] == "下一步：iflow-doctor notify setup"


def report(**more: Any) -> Dict[str, Any]:
    value: Dict[str, Any] = {
        "state": "starting",
        "reason": Text("starting", "正在启动"),
        "pid": 7,
        "up_since": 1000.0,
        "url": "http://127.0.0.1:1",
        "memory_mb": 700,
        "watchdog": {"running": True, "pid": 8, "since": ""},
        "paused_until": "",
        "incident": None,
        "last_incident": None,
        "would_be_told": ["feishu:x"],
        "crashes_6h": 1,
        "damaged": [],
        "exit_code": 0,
    }
    return {**value, **more}


def test_counts_have_a_plural(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "\n".join(status.lines(report(), [], 2000.0, "en"))
    assert "1 crash in 6 h" in said
    assert "2 crashes in 6 h" in "\n".join(status.lines(report(crashes_6h=2), [], 2000.0, "en"))


def test_no_more_lines_than_a_phone_shows() -> None:
    many = [status.Trouble("x", Text(str(n), str(n)), "do " + str(n)) for n in range(30)]
    shown = status.lines(report(exit_code=1), many, 2000.0, "en")
    assert len(shown) == status.LINES and click.unstyle(shown[-1]) == "Next: do 0"


@pytest.mark.parametrize(
    "ago, said",
    [
        (30, "since 02:59, 30 s"),
        (1020, "since 02:43, 17 min"),
        (7500, "since 00:55, 2 h 5 min"),
        (86400, "since yesterday 03:00, 1 d"),
        (3 * 86400, "since Nov 25 03:00, 3 d"),
    ],
)
def test_times_are_local_and_relative(
    monkeypatch: pytest.MonkeyPatch, ago: float, said: str
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    now = 1795834800.0  # 2026-11-28 03:00 UTC
    assert commands.since(now - ago, now).en == said


def test_a_stamp_of_ours_is_read_back() -> None:
    stamps: List[str] = ["2026-11-28T03:00:00+0000", "2026-11-28T04:00:00+0100"]
    assert [commands.epoch(stamp) for stamp in stamps] == [1795834800.0] * 2
    assert commands.epoch("?") == 0.0
