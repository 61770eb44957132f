"""An incident has a face: when, why, what was done, what was changed, how to undo it; and the log is
said in words.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from click.testing import CliRunner

from skill.cli import App, main_group
from skill.errors import UsageError
from skill.host import Host
from skill.openclaw.home import Home
from skill.store import snapshots, watch_log
from skill.watchdog import decision_texts

pytestmark = pytest.mark.empty_machine
OPENED = time.time() - 3600
NAME = "20261128T024500-452c"
SECRET = "s3cr3t-t0ken-0123456789"


class World:
    def __init__(self, folder: Path) -> None:
        self.env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "TZ": "UTC"}
        state = folder / ".openclaw"
        self.home = Home(state, state / "openclaw.json", "", 18789)
        self.home.doctor_dir.mkdir(parents=True)
        self.home.logs_dir.mkdir(parents=True)

    def records(self, *rows: Dict[str, Any]) -> None:
        path = self.home.doctor_dir / "records.json"
        path.write_text(json.dumps({"version": 1, "records": list(rows)}), "utf-8")

    def log(self, *rows: Dict[str, Any], name: str = "watchdog.log") -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.home.logs_dir / name).write_text(text, "utf-8")

    def say(self, *words: str, lang: str = "en") -> Tuple[int, str]:
        done = CliRunner(env=self.env).invoke(
            main_group, ["--lang", lang, *words], obj=App(lang, False, Host(env=self.env))
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output


def healed(**more: Any) -> Dict[str, Any]:
    act = {
        "repair": "restore-config",
        "outcome": "healed",
        "config_diff": ["gateway.port", "gateway.auth.token"],
    }
    return {
        "id": NAME,
        "opened": OPENED,
        "closed": OPENED + 48,
        "level": 3,
        "by": "doctor",
        "state": "misconfigured",
        "restarts": 0,
        "cause": "The config file does not parse",
        "cause_zh": "配置文件语法错误",
        "errors": ["config/syntax"],
        "actions": [act],
        **more,
    }


STORY: List[Dict[str, Any]] = [
    {"at": OPENED - 600, "event": "decision", "kind": "note", "reason": "long before"},
    {
        "at": OPENED,
        "event": "decision",
        "kind": "opened",
        "reason": "no gateway process",
        "reason_zh": "没有网关进程",
    },
    {"at": OPENED + 1, "event": "decision", "kind": "none", "reason": "nothing to say"},
    {
        "at": OPENED + 30,
        "event": "treated",
        "outcome": "healed",
        "cause": "The config file does not parse",
        "cause_zh": "配置文件语法错误",
        "tried": [{"repair": "restore-config", "outcome": "healed"}],
    },
    {
        "at": OPENED + 48,
        "event": "recovered",
        "level": 3,
        "how": "doctor",
        "seconds": 48,
        "tried": [{"repair": "restore-config", "outcome": "healed"}],
    },
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    before = {"gateway": {"port": 1, "auth": {"mode": "token", "token": SECRET}}}
    made.home.config_path.write_text(json.dumps(before), "utf-8")
    made.snapshot = snapshots.take(  # type: ignore[attr-defined]
        made.home, "restore-config", [str(made.home.config_path)], OPENED + 29
    )
    before["gateway"]["port"] = 18789
    made.home.config_path.write_text(json.dumps(before), "utf-8")
    made.records(healed())
    made.log(*STORY)
    return made


def test_the_list_says_when_how_long_why_and_who(world: World) -> None:
    code, out = world.say("incidents")
    assert code == 0 and "452c" in out and "48 s" in out
    assert "does not parse" in out and "Repaired: Restore the config" in out
    assert out.strip().splitlines()[-1] == "More: iflow-doctor incident 452c"


def test_nothing_is_a_list_too(tmp_path: Path) -> None:
    assert World(tmp_path).say("incidents") == (0, "No incident so far.\n")


def test_one_incident_has_its_story_its_changes_and_the_way_back(world: World) -> None:
    code, out = world.say("incident", "452c")
    assert code == 0, out
    assert "Out of service: 48 s" in out and "Evidence: config/syntax" in out
    assert "Problem seen: no gateway process" in out and "long before" not in out
    assert "nothing to say" not in out
    assert "gateway.port: 1 -> 18789" in out
    assert SECRET not in out
    assert "iflow-doctor snapshots restore " + world.snapshot.id in out  # type: ignore[attr-defined]
    value = json.loads(world.say("--json", "incident", NAME)[1])
    assert value["changes"][0] == {"key": "gateway.port", "before": "1", "after": "18789"}
    assert len(value["timeline"]) == 3 and value["undo"]


def test_it_is_chinese_in_chinese(world: World) -> None:
    out = world.say("incident", "452c", lang="zh")[1]
    assert "发现异常：没有网关进程" in out and "48 秒后恢复：" in out and "配置文件语法错误" in out


def test_an_unknown_code_is_wrong_usage(world: World) -> None:
    with pytest.raises(UsageError):
        world.say("incident", "ffff")


@pytest.mark.parametrize(
    "row, said",
    [
        ({"by": "person", "level": 4, "actions": []}, "Fixed by hand"),
        ({"by": "service-manager", "level": 1, "actions": []}, "The service manager started it"),
        ({"by": "restart", "level": 2, "actions": []}, "The watchdog restarted it"),
        ({"by": "", "level": 0, "actions": []}, "It came back by itself"),
        ({"closed": None, "level": 4, "actions": []}, "Left to you"),
    ],
)
def test_who_healed_it_is_who_healed_it(world: World, row: Dict[str, Any], said: str) -> None:
    world.records(healed(**row))
    assert said in world.say("incidents")[1]


def test_an_open_incident_comes_first(world: World) -> None:
    now = {"id": "x-0001", "opened": time.time() - 100, "state": "hung", "reason": "hung"}
    (world.home.doctor_dir / "watch.json").write_text(json.dumps({"incident": now}), "utf-8")
    out = world.say("incidents")[1].splitlines()
    assert out[0].startswith("0001") and "Still open" in out[0]


def test_the_log_is_said_in_words_also_its_older_files(world: World) -> None:
    world.log({"at": OPENED - 90000, "event": "watch"}, name="watchdog.log.2026-11-27")
    out = world.say("log")[1].strip().splitlines()
    assert "The watchdog started" in out[0] and "Back after 48 s" in out[-1]
    assert len(world.say("log", "-n", "1")[1].strip().splitlines()) == 1
    assert len(json.loads(world.say("--json", "log")[1])) == 5


def test_lines_that_are_no_json_are_left_out(world: World) -> None:
    path = world.home.logs_dir / "watchdog.log"
    path.write_bytes(b'\xff\n[1]\n{"event": "watch", "at": 5}\n{"cut')
    assert [entry["event"] for entry in watch_log.entries(world.home)] == ["watch"]


def test_an_unknown_event_is_not_shown() -> None:
    assert decision_texts.line({"event": "something-new"}) is None
    assert decision_texts.line({"event": "state", "state": "no-such-state", "reason": "x"})
