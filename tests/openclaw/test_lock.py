"""Whose state directory it is: no word in a command line, no pid that was given to somebody else,
no absence of evidence makes an owner or a dead one (A1, everyday 4, versions 3 and 7).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Tuple

import pytest
from fake_machine import Machine

from skill.host import Host, Listener, Process, Reply
from skill.openclaw import lock
from skill.openclaw.gateway import end_gateway, is_ours, look_at, observe
from skill.openclaw.gateway_process import Ended, doctor_running
from skill.openclaw.home import Home
from skill.openclaw.lock import Life
from skill.openclaw.processes import is_gateway

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00.000Z"  # NOW
PORT = 18901


class Place:
    """A state directory with its lock, on a machine in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / ".openclaw"
        self.state.mkdir()
        self.machine = Machine()
        self.replies: dict = {}
        self.home = Home(self.state, self.state / "openclaw.json", "", PORT)
        self.passed = 0.0
        self.host = Host(
            now=lambda: NOW + self.passed,
            monotonic=lambda: self.passed,
            sleep=self._sleep,
            get=self._get,
            env={"HOME": str(folder), "PATH": "", "TMPDIR": str(folder / "tmp")},
            system="linux",
            **self.machine.fields(),
        )

    def _sleep(self, seconds: float) -> None:
        self.passed += seconds

    def _get(self, url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        return self.replies.get(
            url, self.replies.get(url.rsplit("/", 1)[0], Reply(error="refused"))
        )

    def lock(self, name: str = "gateway.state.lock", **value: Any) -> Path:
        path = self.state / "tmp" / "openclaw-0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"pid": 4229, "createdAt": STAMP, "port": PORT, **value}) + "\t \n"
        )
        os.utime(path, (NOW - 3600, NOW - 3600))
        return path

    def row(
        self, *argv: str, pid: int = 4229, ticks: int = 77, started: float = NOW - 60, **more: Any
    ) -> Process:
        env = more.pop("env", {"HOME": str(self.folder)})
        row = Process(
            pid, 1, argv[0][:15], argv, "sleeping", started, "me", env, ticks=ticks, **more
        )
        self.machine.rows[pid] = row
        return row

    def life(self) -> Life:
        return lock.holding(self.host, self.home).life


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# Programs of the owner's that speak of OpenClaw, and are none.
FOREIGN: List[Tuple[str, ...]] = [
    ("python3", "/home/me/.openclaw/workspace/my-server.py"),
    ("/home/me/.openclaw/iflow-doctor/venv/bin/python", "-m", "skill", "watch"),
    ("ssh", "-N", "-L", "32117:127.0.0.1:18789", "me@openclaw-host"),
    ("vim", "/opt/openclaw.mjs", "gateway"),
    ("vi", "openclaw", "gateway", "run"),
    ("tail", "-f", "/tmp/openclaw/openclaw-2026-11-28.log"),
    ("sh", "-c", "openclaw gateway run"),
    ("node", "/home/me/.openclaw/workspace/openclaw/mcp.js", "gateway"),
    ("node", "-e", "0", "/opt/openclaw.mjs", "gateway"),
    ("node", "-p", "/opt/openclaw.mjs", "gateway"),
    ("node", "/srv/app.js", "/opt/openclaw/openclaw.mjs", "gateway"),
    ("grep", "openclaw-gateway"),
    ("openclaw-gateway-proxy", "--port", "18789"),
]


@pytest.mark.parametrize("argv", FOREIGN)
@pytest.mark.parametrize("ticks", [77, 78, None])
def test_a1_no_program_is_a_gateway_for_a_word_in_its_command_line(
    place: Place, argv: Tuple[str, ...], ticks: Any
) -> None:
    """A stale lock, and its pid belongs to a program of the owner's now (after a reboot, in a
    container): it is nobody's gateway, and no signal reaches it.
    """
    place.lock(**({} if ticks is None else {"startTime": ticks}))
    row = place.row(*argv, ticks=77, started=NOW - 3600)
    assert not is_gateway(row)
    assert place.life() is Life.DEAD
    assert not is_ours(place.host, place.home, row)
    target = look_at(place.host, row.pid)
    assert target is not None
    ended = end_gateway(place.host, place.home, target, 5.0, who="test")
    assert ended is Ended.NOT_OURS and place.machine.sent == []


@pytest.mark.parametrize(
    "argv",
    [
        ("openclaw-gateway",),
        ("openclaw",),
        ("node", "/usr/lib/node_modules/openclaw/dist/index.js", "gateway", "--port", "18789"),
        (
            "/opt/node22/bin/node",
            "--max-old-space-size=8192",
            "/x/openclaw/openclaw.mjs",
            "gateway",
        ),
        ("node", "--require", "/x/hook.js", "/x/openclaw/dist/entry.js", "gateway", "run"),
        ("C:\\node\\node.exe", "C:\\npm\\node_modules\\openclaw\\dist\\index.js", "gateway"),
    ],
)
def test_a_gateway_is_known_by_its_title_or_its_program(
    place: Place, argv: Tuple[str, ...]
) -> None:
    place.lock(startTime=77)
    row = place.row(*argv)
    assert place.life() is Life.ALIVE and is_ours(place.host, place.home, row)


def test_a1_a_pid_given_to_another_gateway_since_is_not_the_owner(place: Place) -> None:
    """Equal pid, other start ticks: also a real gateway (another profile's) is somebody else."""
    place.lock(startTime=77)
    row = place.row("openclaw-gateway", ticks=9000, env={"OPENCLAW_STATE_DIR": "/x/.openclaw-b"})
    assert place.life() is Life.DEAD and not is_ours(place.host, place.home, row)


def test_a1_without_ticks_a_process_younger_than_the_lock_is_not_its_writer(place: Place) -> None:
    place.lock()
    place.row("openclaw-gateway", started=NOW + 60)
    assert place.life() is Life.DEAD
    place.row("openclaw-gateway", started=NOW - 60)
    assert place.life() is Life.ALIVE


def test_a1_a_clock_that_was_set_makes_no_owner_a_stranger(place: Place) -> None:
    """Start times follow the clock, ticks do not: the living owner stays the owner."""
    place.lock(startTime=77)
    place.row("openclaw-gateway", ticks=77, started=NOW + 7200)
    assert place.life() is Life.ALIVE


def test_a1_nothing_of_our_own_tree_is_a_gateway(place: Place) -> None:
    me = os.getpid()
    place.lock(pid=me, startTime=77)
    row = place.row("openclaw-gateway", pid=me, ticks=77)
    assert place.life() is Life.DEAD and not is_ours(place.host, place.home, row)


def test_a_gateway_of_another_state_directory_is_never_ours(place: Place) -> None:
    row = place.row("openclaw-gateway", env={"HOME": "/home/other"})
    assert not is_ours(place.host, place.home, row)
    own = place.row("openclaw-gateway", pid=5, ticks=5)
    assert is_ours(place.host, place.home, own)
    assert [g.pid for g in lock.gateways(place.host, place.home, [row, own])] == [5]


def test_a_pid_that_changes_hands_between_probe_and_signal_is_spared(place: Place) -> None:
    place.lock(startTime=77)
    row = place.row("openclaw-gateway")
    target = look_at(place.host, row.pid)
    asked = []

    def get(url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        asked.append(url)
        place.row("openclaw-gateway", ticks=99)  # the pid belongs to another one now
        return Reply(error="refused")

    host = Host(**{**place.host.__dict__, "get": get})
    assert target is not None
    end_gateway(host, place.home, target, 5.0, who="test")
    assert asked and place.machine.sent == []


def test_a_launcher_whose_child_holds_the_lock_may_be_ended(place: Place) -> None:
    place.lock(pid=10, startTime=77)
    launcher = place.row("openclaw", pid=9, ticks=70)
    place.machine.rows[10] = Process(
        10, 9, "openclaw-gatewa", ("openclaw-gateway",), "sleeping", NOW - 60, ticks=77
    )
    assert is_ours(place.host, place.home, launcher)


# -- artefacts and proofs of death -----------------------------------------------------------------
@pytest.mark.parametrize("digest", [hashlib.sha256, hashlib.sha1])
def test_the_lock_of_versions_before_2026_8_is_found(place: Place, digest: Any) -> None:
    folder = place.folder / "tmp" / "openclaw-{}".format(os.getuid())
    folder.mkdir(parents=True)
    name = digest(str(place.home.config_path).encode()).hexdigest()[:8]
    value = {"pid": 4229, "createdAt": STAMP, "startTime": 77}
    (folder / "gateway.{}.lock".format(name)).write_text(json.dumps(value))
    (folder / "gateway.deadbeef.lock").write_text(json.dumps({"pid": 1}))
    place.row("openclaw")
    assert place.life() is Life.ALIVE
    assert [os.path.basename(f) for f in lock.files(place.host, place.home)] == [
        "gateway.{}.lock".format(name)
    ]


def test_a_link_in_tmp_is_no_lock(place: Place) -> None:
    folder = place.folder / "tmp" / "openclaw-{}".format(os.getuid())
    folder.mkdir(parents=True)
    name = hashlib.sha256(str(place.home.config_path).encode()).hexdigest()[:8]
    elsewhere = place.folder / "elsewhere"
    elsewhere.write_text(json.dumps({"pid": 4229}))
    (folder / "gateway.{}.lock".format(name)).symlink_to(elsewhere)
    assert lock.files(place.host, place.home) == []


def test_a_lock_that_another_container_keeps_is_neither_dead_nor_moved(place: Place) -> None:
    """Its pid means nothing here, but its coordinator is locked: the owner lives somewhere."""
    path = place.lock(startTime=77)
    connection = sqlite3.connect(str(path) + ".sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert place.life() is Life.UNKNOWN and not lock.proven_dead(place.host, place.home)
    place.row(
        "python3", "/home/me/app.py", ticks=9
    )  # nor does the process with that number here count
    assert place.life() is Life.UNKNOWN
    connection.rollback()
    connection.close()
    assert place.life() is Life.DEAD and lock.proven_dead(place.host, place.home)


def test_a_state_that_somebody_writes_is_nobodys_grave(place: Place) -> None:
    place.lock(startTime=77)
    wal = place.state / "state" / "openclaw.sqlite-wal"
    wal.parent.mkdir()
    wal.write_bytes(b"x")
    os.utime(wal, (NOW - 5, NOW - 5))
    assert not lock.proven_dead(place.host, place.home)
    os.utime(wal, (NOW - 600, NOW - 600))
    assert lock.proven_dead(place.host, place.home)


def test_starts_that_fail_and_write_the_state_hide_no_death(place: Place) -> None:
    """Seen on 2026.9.6: each start beside <lock>.reclaim touches the database and ends."""
    path = place.lock(startTime=77)
    wal = place.state / "state" / "openclaw.sqlite-wal"
    wal.parent.mkdir()
    wal.write_bytes(b"x")
    os.utime(wal, (NOW - 5, NOW - 5))
    Path(str(path) + ".sqlite").write_bytes(b"")
    assert lock.proven_dead(place.host, place.home)


def test_the_guard_of_a_crashed_takeover_is_known(place: Place) -> None:
    path = place.lock(startTime=77)
    guard = Path(str(path) + ".reclaim")
    guard.mkdir()
    lonely = path.with_name("gateway.0badcafe.lock.reclaim")
    lonely.mkdir()
    assert set(lock.guards(place.host, place.home)) == {str(guard), str(lonely)}


@pytest.mark.parametrize(
    "raw",
    ["", "[" * 60000, '{"pid": true}', '{"pid": "12"}', '{"pid": -1}', '{"pid": 1e99}', "null"],
)
def test_a_damaged_lock_names_nobody(place: Place, raw: str) -> None:
    place.lock().write_text(raw)
    assert lock.raw(place.host, place.home) == {} and place.life() is Life.NONE


def test_another_role_names_no_gateway_but_blocks_a_start(place: Place) -> None:
    place.lock(startTime=77, role="agent-embedded")
    place.row("openclaw-agent", "openclaw")
    assert place.life() is Life.NONE and doctor_running(place.host, place.home)
    del place.machine.rows[4229]
    assert not doctor_running(place.host, place.home)


def test_f5_the_doctor_of_another_account_is_not_ours(place: Place) -> None:
    place.row("pytest", pid=os.getpid(), ticks=1)
    row = place.row("openclaw-doctor", pid=7, env=None)
    assert doctor_running(place.host, place.home)
    place.machine.rows[7] = Process(7, 1, row.name, row.argv, "sleeping", user="somebody-else")
    assert not doctor_running(place.host, place.home)


# -- the endpoint is what the living process says (A4) -----------------------------------------------
READY = Reply(200, b'{"ready":true,"failing":[]}')


def test_a4_a_gateway_on_another_port_than_the_config_is_ready_there(place: Place) -> None:
    place.lock(startTime=77, port=19555)
    row = place.row("openclaw-gateway")
    place.machine.sockets = [Listener(19555, "127.0.0.1", row.pid)]
    place.replies["http://127.0.0.1:19555"] = READY
    seen = observe(place.host, place.home)
    assert (seen.answer, seen.endpoint) == ("ready", (19555, "http"))
    assert seen.process and seen.owner and seen.owner.pid == row.pid
    target = look_at(place.host, row.pid)
    assert target is not None
    assert end_gateway(place.host, place.home, target, 5.0, who="test") is Ended.ANSWERS


def test_a4_another_gateway_on_the_configured_port_is_not_asked_in_its_place(place: Place) -> None:
    """A profile whose port only its unit pins: 18789 is the main gateway's, and answers too."""
    place.lock(startTime=77, port=19555)
    row = place.row("openclaw-gateway")
    place.machine.sockets = [
        Listener(19555, "127.0.0.1", row.pid),
        Listener(PORT, "127.0.0.1", 99),
    ]
    place.replies["http://127.0.0.1:19555"] = READY
    place.replies["http://127.0.0.1:{}".format(PORT)] = READY
    seen = observe(place.host, place.home)
    assert seen.endpoint == (19555, "http") and seen.owner and seen.owner.pid == row.pid


def test_a4_a_lock_without_a_port_is_helped_by_the_listeners_of_its_process(place: Place) -> None:
    place.lock(startTime=77, port=0)
    row = place.row("openclaw")
    place.machine.sockets = [Listener(p, "127.0.0.1", row.pid) for p in (19555, 19557)]
    place.replies["http://127.0.0.1:19557"] = Reply(200, b"<html>browser control</html>")
    place.replies["http://127.0.0.1:19555"] = READY
    assert observe(place.host, place.home).endpoint == (19555, "http")


@pytest.mark.parametrize("first, scheme", [("http", "https"), ("https", "http")])
@pytest.mark.parametrize("error", ["reset", "garbled", "unreachable"])
def test_a4_the_other_scheme_is_asked_before_anything_is_called_silent(
    place: Place, first: str, scheme: str, error: str
) -> None:
    place.lock(startTime=77)
    row = place.row("openclaw-gateway")
    place.machine.sockets = [Listener(PORT, "0.0.0.0", row.pid)]
    home = Home(place.state, place.home.config_path, "", PORT, first)
    place.replies["{}://127.0.0.1:{}".format(first, PORT)] = Reply(error=error)
    seen = observe(place.host, home)
    assert seen.answer not in ("silent", "ready")
    place.replies["{}://127.0.0.1:{}".format(scheme, PORT)] = READY
    seen = observe(place.host, home)
    assert (seen.answer, seen.endpoint) == ("ready", (PORT, scheme))


# -- versions without JSON, with a launcher (versions 4) ---------------------------------------------
PAGE = Reply(200, b"<!doctype html><html><head><title>OpenClaw</title></head></html>")


def test_a_page_from_our_own_listener_is_live_and_from_anybody_else_foreign(place: Place) -> None:
    row = place.row("openclaw-gateway")
    place.machine.sockets = [Listener(PORT, "127.0.0.1", row.pid)]
    place.replies["http://127.0.0.1:{}".format(PORT)] = PAGE
    assert observe(place.host, place.home).answer == "live"
    place.row("openclaw-gateway", env={"HOME": "/home/other"})
    assert observe(place.host, place.home).answer == "foreign"
    place.row("nginx")
    assert observe(place.host, place.home).answer == "foreign"


def test_the_child_of_the_services_launcher_is_the_gateway(place: Place) -> None:
    from types import SimpleNamespace

    place.row("openclaw", pid=9, ticks=1)
    env = {"HOME": str(place.folder)}
    place.machine.rows[10] = Process(
        10, 9, "openclaw-gatewa", ("openclaw-gateway",), "sleeping", NOW - 50, "me", env, ticks=2
    )
    place.machine.sockets = [Listener(PORT, "127.0.0.1", 10)]
    place.replies["http://127.0.0.1:{}".format(PORT)] = READY
    platform = SimpleNamespace(service_state=lambda: SimpleNamespace(main_pid=9, exit_code=None))
    seen = observe(place.host, place.home, platform=platform)
    assert seen.process and seen.owner and seen.process.pid == seen.owner.pid == 10


def test_what_a_silent_process_does_is_looked_up(place: Place) -> None:
    place.lock(startTime=77)
    row = place.row("openclaw-gateway")
    place.machine.sockets = [Listener(PORT, "127.0.0.1", row.pid)]
    place.machine.rows[5] = Process(5, row.pid, "node", ("node",))
    place.machine.used = {row.pid: {"cpu_s": 2.0, "io_mb": 1.0}, 5: {"cpu_s": 1.0, "io_mb": 2.0}}
    place.replies["http://127.0.0.1:{}".format(PORT)] = Reply(error="timeout")
    seen = observe(place.host, place.home)
    assert (seen.answer, seen.cpu_s, seen.moved) == ("silent", 3.0, 3e6)


def test_signals_go_to_the_gateway_of_this_place(place: Place) -> None:
    """So that the refusals above are not the only thing that can happen."""
    place.lock(startTime=77)
    row = place.row("openclaw-gateway")
    place.machine.deaf.add(row.pid)
    target = look_at(place.host, row.pid)
    assert target is not None
    assert end_gateway(place.host, place.home, target, 1.0, who="test") is Ended.GONE
    assert [number for _, number in place.machine.sent] == [signal.SIGTERM, signal.SIGKILL]


def test_the_gateway_above_us_is_alive_and_may_not_be_signalled(place: Place) -> None:
    """Attack 20: asked by its own agent, every command said that no gateway process ran."""
    place.lock(pid=4321, startTime=77)
    row = place.row("openclaw-gateway", pid=4321, ticks=77)
    me = place.row("bash", pid=os.getpid(), ticks=5)
    place.machine.rows[me.pid] = replace(me, ppid=4321)
    assert lock.own_tree(place.host) >= {4321, os.getpid()}
    assert place.life() is Life.ALIVE and not is_ours(place.host, place.home, row)
