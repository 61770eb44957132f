"""Whose a log line is, which files are believed, and what hostile rows cost (A9, A10, A15, A16)."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any, List

import pytest
from checkhouse import House
from fake_machine import Machine

from skill.host import Host, Process
from skill.openclaw import logs, plugins, shared_log
from skill.openclaw.home import Home
from skill.openclaw.shared_log import Us, whose

STATE = "/home/me/.openclaw"
HOST = "vm"


def row(text: str, at: float = 0.0, hostname: str = HOST, subsystem: str = "gateway") -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(1_800_000_000 + at))
    return json.dumps(
        {
            "0": json.dumps({"subsystem": subsystem}),
            "1": text,
            "_meta": {"logLevelName": "INFO", "hostname": hostname},
            "time": stamp,
            "hostname": hostname,
        }
    )


def said(rows: List[str], **us: Any) -> List[str]:
    values = {"state_dir": STATE, "port": 18789, "hostname": HOST, **us}
    return [line.split("] ", 1)[1] for line in shared_log.unwrap(rows, Us(**values))]


BOOT = [row("loading configuration…"), row("config: " + STATE + "/openclaw.json")]


def test_a_boot_that_nobody_else_wrote_into_is_ours_whole() -> None:
    assert said(BOOT + [row("[plugins] boom failed to load: x")])[-1].startswith("[plugins] boom")


@pytest.mark.parametrize(
    "foreign",
    [
        row("loading config of /home/me/.openclaw-rescue/openclaw.json"),
        row("listening on ws://127.0.0.1:19001"),
        row("spawn broker ready pid=71"),
    ],
)
def test_a9_lines_of_another_gateway_inside_our_boot_are_not_ours(foreign: str) -> None:
    """Two gateways write the same file: what names nobody may be either's, and steers nothing."""
    rows = BOOT + [foreign, row("received SIGTERM; shutting down"), row("plugin guard threw")]
    assert said(rows, others=frozenset({71})) == ["config: " + STATE + "/openclaw.json"]


def test_a9_while_another_gateway_runs_only_lines_that_name_us_are_ours() -> None:
    rows = BOOT + [row("received SIGTERM; shutting down"), row("spawn broker ready pid=70")]
    assert said(rows, alone=False, children=frozenset({70})) == [
        "config: " + STATE + "/openclaw.json",
        "spawn broker ready pid=70",
    ]


def test_a9_an_orderly_end_while_our_process_lives_on_was_anothers() -> None:
    """The machine's other gateways were stopped and are gone: no table shows them any more."""
    rows = BOOT + [row("received SIGTERM; shutting down", 60), row("completed cleanly in 9ms", 61)]
    assert "received SIGTERM; shutting down" in said(rows)
    assert said(rows, started=1_800_000_000.0) == ["config: " + STATE + "/openclaw.json"]


def test_a9_a_path_is_ours_up_to_its_end() -> None:
    assert shared_log.names_place("x /home/me/.openclaw/logs y", STATE)
    assert shared_log.names_place("x '/home/me/.openclaw'", STATE)
    for other in ("/home/me/.openclaw-rescue/x", "/home/me/.openclaw2", "/home/me/.openclaw_b/y"):
        assert not shared_log.names_place("x " + other, STATE)


def test_a9_lines_of_another_host_on_a_shared_volume_are_dropped() -> None:
    rows = BOOT + [row("received SIGTERM; shutting down", hostname="pod-2")]
    assert said(rows) == said(BOOT)


def test_a9_the_shared_log_of_two_gateways_makes_no_stuck_shutdown(tmp_path: Path) -> None:
    """observe()'s own path: ours starts, the rescue profile is restarted 20 s later."""
    house = House(tmp_path)
    house.gateway(pid=5, age=81.0)
    house.rows.append(
        Process(
            6, 1, "openclaw-gatewa", ("openclaw-gateway",), "sleeping", 1.0, "oc", {"HOME": "/x"}
        )
    )
    rows = [
        row("loading configuration…", -80),
        row("state {}/x".format(house.state), -79),
        row("received SIGTERM; shutting down", -65),
    ]
    folder = tmp_path / "tmp" / "openclaw"
    folder.mkdir(parents=True)
    path = folder / time.strftime("openclaw-%Y-%m-%d.log", time.localtime(house.now))
    path.write_text("\n".join(rows))
    os.utime(path, (house.now, house.now))
    os.chmod(folder, 0o700)
    os.chmod(path, 0o600)
    ctx = house.ctx()
    text = logs.newest_boot(ctx.host, ctx.home)
    assert str(house.state) in text and "SIGTERM" not in text
    assert not logs.shutdown_stuck(text, house.now, house.now - 81.0)


# -- which files are believed ------------------------------------------------------------------------
@pytest.fixture
def place(tmp_path: Path) -> Any:
    """(host, home, folder) with a shared /tmp of its own."""
    shared = tmp_path / "tmp" / "openclaw"
    shared.mkdir(parents=True, mode=0o700)
    state = tmp_path / ".openclaw"
    state.mkdir()
    fields = {**Machine().fields(), "tmp": str(tmp_path / "tmp")}
    host = Host(env={"HOME": str(tmp_path)}, system="linux", **fields)
    return host, Home(state, state / "openclaw.json"), shared


def log_in(folder: Path, name: str = "openclaw", mode: int = 0o600) -> Path:
    path = folder / "{}-{}.log".format(name, time.strftime("%Y-%m-%d"))
    path.write_text(row("x") + "\n")
    path.chmod(mode)
    return path


def test_a10_a_file_or_folder_that_others_can_write_is_not_read(place: Any) -> None:
    host, home, shared = place
    path = log_in(shared)
    assert shared_log.place(host, home) == path
    path.chmod(0o666)
    assert shared_log.place(host, home) is None
    path.chmod(0o600)
    shared.chmod(0o777)
    assert shared_log.place(host, home) is None


def test_a10_a_link_is_not_followed_and_another_owner_not_believed(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, home, shared = place
    path = log_in(shared)
    real = shared.parent / "elsewhere.log"
    path.rename(real)
    path.symlink_to(real)
    assert shared_log.place(host, home) is None
    path.unlink()
    real.rename(path)
    assert shared_log.place(host, home) == path
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1 if mine else 4242)
    if mine:
        assert shared_log.place(host, home) is None
    else:
        os.chown(path, 65534, 65534)
        assert shared_log.place(host, home) is None


def test_a10_where_tmp_openclaw_is_not_safe_openclaw_logs_elsewhere_and_so_we_read(
    place: Any,
) -> None:
    host, home, shared = place
    log_in(shared)
    shared.chmod(0o777)
    own = shared.parent / "openclaw-{}".format(os.getuid())
    own.mkdir(mode=0o700)
    path = log_in(own)
    assert shared_log.place(host, home) == path


def test_a9_each_profile_has_its_own_file(place: Any) -> None:
    host, home, shared = place
    plain, rescue = log_in(shared), log_in(shared, "openclaw-rescue")
    assert shared_log.place(host, home) == plain
    named = Home(home.state_dir, home.config_path, "rescue")
    assert shared_log.place(host, named) == rescue
    rescue.unlink()
    assert shared_log.place(host, named) == plain, "older versions write all to one"


@pytest.mark.parametrize(
    "profile, name",
    [
        ("", "openclaw"),
        ("work", "openclaw-work"),
        ("My-Lab_2", "openclaw--1my---1lab-02"),
        ("wörk", "openclaw-w-2f6-rk"),
    ],
)
def test_the_name_of_a_profiles_file(profile: str, name: str) -> None:
    assert shared_log.file_prefix(profile) == name


# -- hostile rows --------------------------------------------------------------------------------------
SIZE = 512 * 1024
HOSTILE = {
    "osc": "\x1b]" * (SIZE // 2),
    "csi": "\x1b[" * (SIZE // 2),
    "colours": "[1;" * (SIZE // 3),
    "base64": base64.b64encode(os.urandom(SIZE * 3 // 4)).decode(),
    "paths": "/a" * (SIZE // 2),
    "dot paths": "/.openclaw" * (SIZE // 10),
    "captures": "plugin-captures/x/node_modules/a/" * (SIZE // 33),
    "extensions": "/extensions/" * (SIZE // 12),
    "brackets": "[" * SIZE,
    "braces": '{"a":' * (SIZE // 5),
    "one line": "x" * SIZE,
    "short lines": "[gateway] ready\n" * (SIZE // 16),
    "urls": "ws://127.0.0.1:" * (SIZE // 15),
    "zeros": "\0" * SIZE,
    "dates": "2026-11-28T00:00:00" * (SIZE // 19),
    "jsonl": "\n".join([row("/a/a/a" * 1200)] * 64),
    "deep": "\n".join(['{"0":' * 3000 + "1" + "}" * 3000] * 16),
    "odd keys": "\n".join([json.dumps({"²": "x", "٣": "y", "0": "z", "time": "t"})] * 5000),
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a16_reading_half_a_megabyte_of_anything_is_quick(kind: str) -> None:
    """Issue: <= 50 ms for 512 KB. Twenty times that here: machines of CI are shared."""
    text = HOSTILE[kind]
    spent = []
    for _ in range(2):
        began = time.process_time()
        rows = text.splitlines()
        lines = logs.plain(rows)
        logs.newest_start(lines)
        shared_log.unwrap(rows, Us(STATE, 18789))
        spent.append(time.process_time() - began)
        assert all(len(line) <= 2000 for line in lines)
    assert min(spent) < 1.0, "{}: {:.2f} s".format(kind, min(spent))
    began = time.process_time()
    plugins.crashed("\n".join(lines[:2000]))
    assert time.process_time() - began < 2.0


def test_a15_one_hostile_row_does_not_cost_the_others() -> None:
    deep = '{"0":' * 3000 + "1" + "}" * 3000
    assert said(BOOT + [deep, "null", "[]", '{"²": 1}', row("after it")])[-1] == "after it"


def test_v33_a_chat_that_names_our_place_makes_no_line_ours() -> None:
    us = Us(STATE, 18789)
    for part in ("telegram", "agent/embedded", "plugins", "tools"):
        assert whose("t INFO [{}] I looked into {}/logs".format(part, STATE), us) is None
        assert whose("t INFO [{}] /home/eve/.openclaw/logs".format(part), us) is None
    for part in ("gateway", "gateway/shutdown", "state/db", "cron", ""):
        assert whose("t INFO [{}] wrote {}/logs".format(part, STATE), us) is True
