"""The keeper and the platform `direct`, with a stand-in gateway: a real process, real signals, real
files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from skill.host import Host
from skill.openclaw.home import Home
from skill.openclaw.ledger import Ledger
from skill.platforms.direct import Direct
from skill.platforms.keeper import files, system
from skill.platforms.keeper import main as keeper_module

pytestmark = [
    pytest.mark.real_processes,
    pytest.mark.skipif(os.name == "nt", reason="signals of a POSIX system"),
]

# Ends with what the file `code` says when it is there, else lives; SIGTERM ends it cleanly, as the
# real gateway.
GATEWAY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("boot", os.getpid(), os.environ.get("MARK", ""), os.environ.get("OPENCLAW_SUPERVISOR_MODE"), flush=True)
while True:
    if os.path.exists("code"):
        word = open("code").read().split()
        if len(word) == 1:
            os.unlink("code")
        if len(word) > 1 and word[1] == "restart":
            os.unlink("code")
            print("2026 [gateway] restart mode: full process restart (supervisor restart)", flush=True)
        sys.exit(int(word[0]))
    time.sleep(0.02)
"""


class Place:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "gateway.py").write_text(GATEWAY)
        self.home = Home(root / "state", root / "state" / "openclaw.json", "", 1)
        self.host = Host(env={**os.environ, "HOME": str(root), "NOTIFY_SOCKET": "/nowhere"})
        self.direct = Direct(
            self.host, self.home, {"gateway_command": [sys.executable, "gateway.py"]}
        )
        self.keepers: set = set()

    def known(self) -> Any:
        return json.loads(self.direct.path("keeper.json").read_text())

    def state(self) -> Any:
        if self.direct.path("keeper.json").exists():
            self.keepers.add(self.known()["keeper_pid"])
        return self.direct.service_state()

    def until(self, condition: Any, within: float = 8.0) -> Any:
        """Wait until the state fulfils a condition; return it."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            state = self.state()
            if condition(state):
                return state
            time.sleep(0.02)
        raise AssertionError("not within {} s: {} {}".format(within, self.state(), self.known()))

    def started(self) -> int:
        self.direct.start()
        return int(self.until(lambda s: s.active == "active" and s.main_pid).main_pid)

    def log(self) -> str:
        return self.direct.path("gateway.log").read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    if made.direct.path("keeper.json").is_file():
        pid = made.known().get("pid")
        made.direct.uninstall()
        if pid and system.alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_nothing_there_is_said_so(place: Place) -> None:
    state = place.direct.service_state()
    assert (state.exists, state.active, state.main_pid, state.stopped_by_operator) == (
        False,
        "inactive",
        None,
        None,
    )


def test_killed_gateway_is_back_within_two_seconds(place: Place) -> None:
    pid = place.started()
    began = time.monotonic()
    subprocess.check_call([sys.executable, "-c", "pass"])
    bare = time.monotonic() - began  # what any start costs on this machine right now
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    state = place.until(lambda s: s.main_pid not in (None, pid), 30)
    assert time.monotonic() - began < 2.0 + 20 * bare
    assert (state.restarts, state.exit_code, state.stopped_by_operator) == (1, -9, False)


def test_environment_of_the_gateway(place: Place) -> None:
    steps, touched = place.direct.environment_override(
        {"MARK": "hello", "LimitNOFILE": "512"}, ["NODE_OPTIONS"]
    )
    assert touched == (steps[0].path,) and json.loads(steps[0].content)["unset"] == ["NODE_OPTIONS"]
    place.home.doctor_dir.mkdir(parents=True)
    Path(steps[0].path).write_bytes(steps[0].content)
    pid = place.started()
    place.until(lambda s: "boot" in place.log())
    assert "hello external" in place.log()
    environment = dict(
        item.split("=", 1)
        for item in Path("/proc/{}/environ".format(pid)).read_text().split("\0")
        if "=" in item
    )
    assert "NOTIFY_SOCKET" not in environment and environment["HOME"] == str(place.root)
    assert (
        Path("/proc/{}/limits".format(pid)).read_text().split("Max open files")[1].split()[0]
        == "512"
    )
    assert place.direct.environment()["MARK"] == "hello"


def test_exit_78_is_parked_until_somebody_asks(place: Place) -> None:
    place.started()
    (place.root / "code").write_text("78")
    state = place.until(lambda s: s.active == "failed")
    assert (state.sub, state.exit_code, state.stopped_by_operator) == ("refused", 78, False)
    time.sleep(1.2)
    assert place.state().main_pid is None
    assert place.started() > 0


def test_a_stop_on_record_is_a_wish_a_bare_sigterm_is_not(place: Place) -> None:
    pid = place.started()
    (place.root / "code").write_text("0 restart")
    second = place.until(lambda s: s.main_pid not in (None, pid)).main_pid
    place.until(lambda s: place.log().count("boot") == 2)
    os.kill(second, signal.SIGTERM)
    third = place.until(lambda s: s.main_pid not in (None, pid, second)).main_pid
    place.until(lambda s: place.log().count("boot") == 3)
    logs = place.home.state_dir / "logs"
    logs.mkdir()
    line = (
        "[{}] openclaw gateway lifecycle source=cli action=stop mode=sigterm pid={} interactive=0\n"
    )
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    (logs / "gateway-restart.log").write_text(line.format(now, third))
    os.kill(third, signal.SIGTERM)
    state = place.until(lambda s: s.active == "inactive")
    assert (state.exit_code, state.stopped_by_operator) == (0, True)
    time.sleep(1.0)
    assert place.state().main_pid is None


def test_a_stop_of_another_process_is_not_on_record(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway-restart.log").write_text(
        "x source=cli action=stop mode=sigterm pid=123 interactive=0\n"
    )
    assert system.stop_on_record(str(tmp_path), 123)
    assert not system.stop_on_record(str(tmp_path), 12)
    assert not system.stop_on_record(str(tmp_path), 123, time.time() + 60.0), "written before it"
    assert not system.stop_on_record(str(tmp_path / "none"), 123)


def test_stop_start_restart(place: Place) -> None:
    pid = place.started()
    place.direct.restart()
    second = place.until(lambda s: s.main_pid not in (None, pid)).main_pid
    assert not system.alive(pid)
    place.direct.stop()
    assert (
        place.state().active == "inactive"
        and place.state().stopped_by_operator is False  # A3: ours, until a start of ours
        and not system.alive(second)
    )
    place.started()


def test_killed_keeper_leaves_the_gateway_and_the_next_adopts_it(place: Place) -> None:
    pid = place.started()
    os.kill(place.known()["keeper_pid"], signal.SIGKILL)
    end = time.monotonic() + 5
    while place.direct.kept() and time.monotonic() < end:
        time.sleep(0.02)
    state = place.state()
    assert (state.active, state.sub, state.main_pid) == ("active", "unkept", pid)
    assert place.direct.tend() is True
    assert place.until(lambda s: s.sub == "running").main_pid == pid
    os.kill(pid, signal.SIGKILL)
    assert (
        place.until(lambda s: s.main_pid not in (None, pid)).exit_code is None
    )  # not our child: the code is unknown
    assert place.direct.tend() is False


def test_one_keeper_per_place(place: Place) -> None:
    place.started()
    assert keeper_module.run(str(place.home.doctor_dir)) == 3


@pytest.fixture
def other(place: Place) -> Iterator["subprocess.Popen[bytes]"]:
    """Somebody else's gateway: it holds OpenClaw's lock, and nobody keeps it."""
    folder = place.home.state_dir / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    process = subprocess.Popen(["openclaw-gateway", "60"], executable=shutil.which("sleep"))
    lock = {
        "pid": process.pid,
        "startTime": system.ticks(process.pid),
        "stateDir": str(place.home.state_dir),
    }
    (folder / "gateway.state.lock").write_text(json.dumps(lock) + "\t \t")
    yield process
    process.kill()
    process.wait()


def test_never_beside_a_live_gateway(place: Place, other: "subprocess.Popen[bytes]") -> None:
    """It is adopted, not doubled; when it is gone ours begins."""
    assert place.direct.service_state().sub == "foreground"
    place.direct.start()
    state = place.until(lambda s: s.active == "active")
    assert state.main_pid == other.pid and not place.direct.path("gateway.log").exists()
    other.kill()
    other.wait()
    assert place.until(lambda s: s.main_pid not in (None, other.pid), 6.0).main_pid


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_stop_and_restart_mean_the_gateway_that_runs_whoever_started_it(
    place: Place, other: "subprocess.Popen[bytes]", action: str
) -> None:
    waiter = threading.Thread(target=other.wait)  # a zombie would look alive
    waiter.start()
    getattr(place.direct, action)()
    waiter.join(10)
    assert other.returncode == -signal.SIGTERM
    state = place.until(lambda s: s.active == ("inactive" if action == "stop" else "active"))
    assert (state.main_pid is None) is (action == "stop") and state.main_pid != other.pid


def test_waits_for_a_taken_port(place: Place) -> None:
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen(1)
    place.direct.home = Home(
        place.home.state_dir, place.home.config_path, "", busy.getsockname()[1]
    )
    place.direct.start()
    state = place.until(lambda s: s.active == "activating")
    assert "taken by another program" in state.detail and state.main_pid is None
    busy.close()
    assert place.until(lambda s: s.active == "active").main_pid


def test_gives_up_a_crash_loop_to_the_watchdog(tmp_path: Path) -> None:
    """Ten starts in five minutes; the clock does not matter, so the keeper is stepped by hand."""
    folder = tmp_path / "d"
    folder.mkdir()
    files.write_json(
        str(folder / "keeper.spec.json"),
        {"command": [sys.executable, "-c", "raise SystemExit(1)"], "state_dir": str(tmp_path)},
    )
    kept = keeper_module.Keeper(str(folder))
    end = time.monotonic() + 120
    while kept.state["phase"] != "gave-up" and time.monotonic() < end:
        kept.step()
        kept.state["next_at"] = 0.0
        time.sleep(0.005)
    assert (
        kept.state["phase"] == "gave-up"
        and len(kept.state["starts"]) == keeper_module.LIMIT
        and kept.state["exit_code"] == 1
    )


def test_backoff_is_short_and_bounded() -> None:
    delays = [keeper_module.Keeper._delay(n) for n in range(1, 9)]
    assert delays[0] <= 1.0 and delays == sorted(delays) and delays[-1] == 10.0


def test_another_boot_forgets_a_stop(tmp_path: Path) -> None:
    files.write_json(
        str(tmp_path / "keeper.json"),
        {"boot": "another", "wanted": "down", "phase": "refused", "pid": 1, "restarts": 4},
    )
    state = keeper_module.Keeper(str(tmp_path)).state
    assert (state["wanted"], state["phase"], state["pid"], state["restarts"]) == (
        "up",
        "starting",
        None,
        4,
    )


def test_log_is_bounded_and_the_tail_is_of_the_last_boot(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_bytes(b"x" * files.MAX_LOG + b"\nlast line\n")
    files.rotate(str(log))
    assert log.stat().st_size == 0 and (tmp_path / "gateway.log.1").read_bytes().endswith(
        b"last line\n"
    )
    log.write_text("restart mode: full process restart\nx [keeper] starting y\nhello\n")
    assert "restart mode" not in files.tail(str(log)) and "hello" in files.tail(str(log))


def test_a_reused_pid_is_not_our_process() -> None:
    assert system.alive(os.getpid(), system.ticks(os.getpid()))
    assert not system.alive(os.getpid(), 1) and not system.alive(None)


def test_keeper_is_small(place: Place) -> None:
    place.started()
    status = Path("/proc/{}/status".format(place.known()["keeper_pid"])).read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 25000  # kB


@pytest.mark.parametrize(
    "line, kind",
    [
        ("", "gateway"),
        ("openclaw-gateway", "gateway"),
        (
            "/home/u/.cache/openclaw-iflow-doctor/bin/node /opt/openclaw/dist/index.js gateway run",
            "gateway",
        ),
        ("/usr/bin/node /opt/openclaw/openclaw.mjs doctor --fix", "doctor"),
        ("openclaw-doctor", "doctor"),
        ("/usr/bin/vim /home/doctor/notes.md", "other"),
    ],
)
def test_a_folder_called_doctor_is_no_doctor(line: str, kind: str) -> None:
    from skill.platforms.keeper.processes import kind_of

    assert kind_of(line.split()) == kind


@pytest.mark.parametrize(
    "line,kind",
    [
        ("openclaw", "gateway"),  # the title of 2026.5 and 2026.6
        ("/usr/bin/node /opt/openclaw/openclaw.mjs gateway --port 18789", "gateway"),
        ("/usr/bin/node /opt/openclaw/openclaw.mjs agent --message hi", "doctor"),
        ("python3 /home/u/.openclaw/workspace/my-server.py", "other"),
        ("/home/u/.openclaw/iflow-doctor/venv/bin/python -m skill watch", "other"),
        ("ssh -N -L 32117:127.0.0.1:18789 me@openclaw-host", "other"),
        ("node /srv/gateway/dist/server.js", "other"),
        ("vim openclaw.json", "other"),
        ("", "gateway"),
    ],
)
def test_a1_a_part_of_a_word_makes_no_gateway(line: str, kind: str) -> None:
    from skill.platforms.keeper.processes import kind_of

    assert kind_of(line.split()) == kind


def hold(place: Place, words: list, program: str, started: Any = "its own") -> Any:
    """A process that OpenClaw's lock names."""
    process = subprocess.Popen(words, executable=shutil.which(program))
    folder = place.home.state_dir / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    ticks = system.ticks(process.pid) if started == "its own" else started
    lock = {"pid": process.pid, "startTime": ticks}
    (folder / "gateway.state.lock").write_text(json.dumps(lock))
    return process


@pytest.mark.parametrize("started", ["its own", None])
def test_f2_a_pid_that_belongs_to_another_program_by_now_is_not_waited_for(
    place: Place, started: Any
) -> None:
    """A stale lock, its pid reused after a reboot: OpenClaw itself starts there."""
    editor = hold(place, ["vim", "60"], "sleep", started)
    try:
        assert place.started() != editor.pid and editor.poll() is None
    finally:
        editor.kill()
        editor.wait()


def test_a_doctor_that_holds_the_lock_is_waited_for(place: Place) -> None:
    doctor = hold(place, ["openclaw-doctor", "60"], "sleep")
    try:
        place.direct.start()
        state = place.state()
        assert (state.active, state.main_pid) == ("activating", None)
    finally:
        doctor.kill()
        doctor.wait()
    assert place.until(lambda s: s.main_pid).main_pid


def test_suspected_6_words_out_of_a_chat_do_not_skip_the_backoff(tmp_path: Path) -> None:
    keeper = ended_keeper(tmp_path, 1, "2026 [telegram] <- restart mode: full process restart\n")
    assert keeper.state["phase"] == "waiting" and "crashed" in keeper.state["reason"]
    keeper = ended_keeper(tmp_path, 1, "2026 [gateway] restart mode: full process restart (x)\n")
    assert keeper.state["phase"] == "starting"
    keeper = ended_keeper(
        tmp_path, 1, "2026 [gateway] restart mode: full process restart (x)\n", young=3
    )
    assert keeper.state["phase"] == "waiting", "and it may not do so without end"


def ended_keeper(root: Path, code: Any, said: str, young: int = 0, **spec: Any) -> Any:
    """A keeper whose gateway has just ended with `code`, None where it had adopted it."""
    folder = root / "state" / "iflow-doctor"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gateway.log").write_text("x [keeper] starting y\n" + said)
    spec = {"command": ["openclaw"], "state_dir": str(root / "state"), **spec}
    files.write_json(str(folder / "keeper.spec.json"), spec)
    keeper = keeper_module.Keeper(str(folder))
    gone = subprocess.Popen(["sleep", "0"])
    gone.wait()
    keeper.state.update(
        pid=gone.pid, ticks=1, started=time.time() - 5, young=young, phase="running"
    )
    if code is not None:
        gone.returncode = code
        keeper.child = gone
    keeper._after_end()
    return keeper


@pytest.mark.parametrize("code", [78, 1, -9])
def test_v15_a_stop_on_record_counts_however_the_process_ends(tmp_path: Path, code: int) -> None:
    (tmp_path / "state" / "logs").mkdir(parents=True)
    record = tmp_path / "state" / "logs" / "gateway-restart.log"
    gone = ended_keeper(tmp_path, code, "").state
    assert gone["wanted"] == "up"
    before = subprocess.Popen
    made: list = []

    def noted(*args: Any, **more: Any) -> Any:
        made.append(before(*args, **more))
        record.write_text("t source=cli action=stop pid={}\n".format(made[0].pid))
        return made[0]

    subprocess.Popen = noted  # type: ignore[misc,assignment]
    try:
        state = ended_keeper(tmp_path, code, "").state
    finally:
        subprocess.Popen = before  # type: ignore[misc]
    assert (state["wanted"], state["phase"]) == ("down", "stopped")


STOPPED = "2026 [gateway] signal SIGTERM received\n2026 [gateway] received SIGTERM; shutting down\n"


def test_versions_6_before_2026_8_an_orderly_end_after_sigterm_is_a_stop(tmp_path: Path) -> None:
    """`openclaw gateway stop` is nothing but a SIGTERM there."""
    new = ended_keeper(tmp_path, 0, STOPPED)
    assert new.state["phase"] == "waiting", "a version that records its stops"
    old = ended_keeper(tmp_path, 0, STOPPED, records_stops=False)
    assert old.state["phase"] == "settling"
    port = ended_keeper(tmp_path, 0, "2026 [gateway] already running\n", records_stops=False)
    assert port.state["phase"] == "waiting", "exit 0 that nobody ordered"


def test_a3_an_end_that_was_ours_is_no_wish_of_the_owner(tmp_path: Path) -> None:
    """An adopted gateway that ends in an orderly way was stopped by its owner, unless we did."""
    said = (
        STOPPED
        + "2026 [gateway] admission closed: stop (SIGTERM)\n2026 [gateway] completed cleanly\n"
    )
    keeper = ended_keeper(tmp_path, None, said)
    assert keeper.state["phase"] == "settling"
    host = Host(env={"HOME": str(tmp_path)})
    home = Home(tmp_path / "state", tmp_path / "state" / "openclaw.json", "", 1)
    gone = subprocess.Popen(["sleep", "0"])
    gone.wait()
    Ledger(host, home).note("terminate", who="level 2", pid=gone.pid)
    keeper.state.update(pid=gone.pid, ticks=1, started=time.time() - 5, phase="running")
    keeper._after_end()
    assert keeper.state["phase"] == "waiting"


def test_versions_5_a_successor_that_an_old_version_started_is_adopted(place: Place) -> None:
    """Two gateways on one state directory, sessions and cron twice: never."""
    env = {"OPENCLAW_STATE_DIR": str(place.root / "state")}
    second = subprocess.Popen(["openclaw-gateway", "60"], executable=shutil.which("sleep"), env=env)
    try:
        said = "2026 [gateway] restart mode: full process restart (spawned pid {})\n".format(
            second.pid
        )
        keeper = ended_keeper(
            place.root, 0, "\x1b[36m" + said.replace("[gateway]", "[gateway]\x1b[0m")
        )
        assert keeper.state["pid"] == second.pid and keeper.state["phase"] == "running"
    finally:
        second.kill()
        second.wait()
    keeper = ended_keeper(place.root, 0, said)
    assert keeper.state["pid"] is None and keeper.state["phase"] == "starting"


@pytest.mark.parametrize("other", ["OPENCLAW_STATE_DIR", "HOME"])
def test_attack_22_a_chat_cannot_make_the_keeper_adopt_another_gateway(
    place: Place, other: str
) -> None:
    """What a chat says is printed with its line breaks; a number in it names nobody."""
    env = {other: str(place.root / "other")}
    theirs = subprocess.Popen(["openclaw-gateway", "60"], executable=shutil.which("sleep"), env=env)
    words = "[gateway] restart mode: full process restart (spawned pid {})\n".format(theirs.pid)
    try:
        for chat in ("2026-11-28T06:00:00Z ", "", "x "):
            said = "2026-11-28T06:00:00Z [telegram] <- Alice: look\n" + chat + words
            keeper = ended_keeper(place.root, -9, said)
            assert keeper.state["pid"] is None, chat
        assert ended_keeper(place.root, -9, "x " + words).state["phase"] == "waiting"
    finally:
        theirs.kill()
        theirs.wait()


@pytest.mark.parametrize(
    "version, respawns, records",
    [
        ("2026.4.15", False, False),
        ("2026.7.1", False, False),
        ("2026.8.2", True, True),
        ("", False, True),  # nobody can tell: it is told so all the same
    ],
)
def test_versions_5_old_ones_are_told_not_to_start_a_successor(
    place: Place, version: str, respawns: bool, records: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skill.openclaw import install

    monkeypatch.setattr(install, "version", lambda package: version)
    spec = place.direct._spec()
    assert ("OPENCLAW_NO_RESPAWN" not in spec["set"]) is respawns
    assert spec["records_stops"] is records


def test_versions_7_the_lock_of_older_versions_is_seen(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    place.host.env["TMPDIR"] = str(temporary)  # type: ignore[index]
    from skill.openclaw.lock import old_places

    old = subprocess.Popen(["openclaw-gateway", "60"], executable=shutil.which("sleep"))
    for path in old_places(place.host, place.home)[:1]:
        Path(path).parent.mkdir(parents=True)
        Path(path).write_text(json.dumps({"pid": old.pid, "startTime": system.ticks(old.pid)}))
    try:
        assert place.direct.service_state().main_pid == old.pid
        place.direct.start()
        assert place.until(lambda s: s.active == "active").main_pid == old.pid
    finally:
        place.direct.uninstall()
        old.kill()
        old.wait()


@pytest.mark.parametrize("ours", [False, True])
def test_a7_ctrl_c_of_a_gateway_that_nobody_keeps_is_its_owners(
    place: Place, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    from skill.openclaw import logs

    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime()) + ".000" + time.strftime("%z")
    said = "{} [gateway] ready\n{} [gateway] received SIGINT; shutting down\n".format(at, at)
    monkeypatch.setattr(logs, "_console", lambda host, home, limit: said.splitlines())
    if ours:
        Ledger(place.host, place.home).note("terminate", who="level 2", pid=1)
        monkeypatch.setattr(Ledger, "last_end", lambda self: time.time() - 3.0)
    assert place.direct.service_state().stopped_by_operator is (None if ours else True)


@pytest.mark.parametrize("later", ["", "living", "serving", "crash"])
def test_v37_an_end_by_its_owner_that_was_seen_counts_when_the_log_is_gone(
    place: Place, later: str
) -> None:
    """Another gateway writes into the shared log, and tomorrow there is a new one."""
    ledger = Ledger(place.host, place.home)
    ledger.note("stopped", who="owner")
    if later in ("living", "serving"):
        ledger.note(later, who="level 2", pid=7)
    if later == "crash":  # a lock that nobody took away
        for name in (".lock", ".lock.sqlite"):
            path = place.home.state_dir / "tmp" / "openclaw-0" / ("gateway.12345678" + name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"pid": 999999, "startTime": 1}))
    assert place.direct.service_state().stopped_by_operator is (None if later else True)


@pytest.mark.parametrize("how", ["elsewhere", "younger", "stateDir", "link"])
def test_v29_a_lock_outside_that_names_a_strangers_gateway_is_no_holder(
    tmp_path: Path, how: str
) -> None:
    """Everybody may make files in /tmp, and pids are reused: never adopted, so never signalled."""
    state, folder = tmp_path / "state", tmp_path / "openclaw-0"
    state.mkdir()
    folder.mkdir()
    other = str(tmp_path / "other") if how == "elsewhere" else str(state)
    env = {**os.environ, "OPENCLAW_STATE_DIR": other}
    child = subprocess.Popen(["openclaw-gateway", "60"], executable=shutil.which("sleep"), env=env)
    try:
        lock = {"pid": child.pid, "createdAt": "2099-01-01T00:00:00.000Z"}
        path = folder / "gateway.12345678.lock"
        path.write_text(json.dumps(lock))
        time.sleep(0.2)
        wanted = (child.pid, "gateway") if how != "elsewhere" else (0, "")
        assert system.lock_holder(str(state), [str(path)]) == wanted
        if how == "younger":
            lock["createdAt"] = "2020-01-01T00:00:00.000Z"
        elif how == "stateDir":
            lock["stateDir"] = str(tmp_path / "other")
        path.write_text(json.dumps(lock))
        if how == "link":
            path.rename(folder / "real")
            path.symlink_to(folder / "real")
        assert system.lock_holder(str(state), [str(path)]) == (0, "")
    finally:
        child.kill()
        child.wait()


def test_v31_a_stop_on_record_of_an_earlier_process_with_this_pid_is_no_wish(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    line = "[2026-10-01T10:00:00.000Z] openclaw gateway lifecycle source=cli action=stop pid=7\n"
    (tmp_path / "logs" / "gateway-restart.log").write_text(line)
    began = 1790848800.0  # 2026-10-01T10:00:00Z
    assert system.stop_on_record(str(tmp_path), 7, began - 60.0)
    assert not system.stop_on_record(str(tmp_path), 7, began + 60.0)


def test_v35_a_restart_of_ours_is_no_wish_of_the_owners_for_the_next_keeper(
    tmp_path: Path,
) -> None:
    """The keeper dies between its SIGTERM and the gateway's end; the next one adopts."""
    folder = tmp_path / "state" / "iflow-doctor"
    folder.mkdir(parents=True)
    spec = {"command": ["openclaw"], "state_dir": str(tmp_path / "state")}
    files.write_json(str(folder / "keeper.spec.json"), spec)
    gone = subprocess.Popen(["sleep", "0"])
    gone.wait()
    first = keeper_module.Keeper(str(folder))
    first.state.update(pid=gone.pid, ticks=1, started=time.time() - 5, phase="running")
    first._signal = lambda number: None  # type: ignore[method-assign]
    first._end(10.0)
    said = "[admission] closed: stop (SIGTERM)\n[gateway] completed cleanly in 2 s\n"
    (folder / "gateway.log").write_text(said)
    second = keeper_module.Keeper(str(folder))
    second._after_end()
    assert second.state["wanted"] == "up" and second.state["phase"] == "waiting"


def test_a14_the_keeper_makes_no_third_hard_kill(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "iflow-doctor"
    folder.mkdir(parents=True)
    host = Host(env={"HOME": str(tmp_path)})
    home = Home(tmp_path / "state", tmp_path / "state" / "openclaw.json", "", 1)
    keeper = keeper_module.Keeper(str(folder))
    sent: list = []
    keeper._signal = sent.append  # type: ignore[method-assign]
    keeper.state["pid"] = 4242
    keeper._kill()
    assert Ledger(host, home).hard_kills() and Ledger(host, home).ended_by_us(4242)
    Ledger(host, home).note("kill", who="level 3", pid=1)
    keeper._kill()
    assert sent == [signal.SIGKILL] and keeper.kill_at > time.monotonic()


def test_a11_a_keeper_that_can_write_nothing_keeps_the_gateway_all_the_same(place: Place) -> None:
    """The whole state directory cannot be written: lock, log, wishes and state lie in memory."""
    place.home.state_dir.mkdir(parents=True)
    place.home.doctor_dir.mkdir()
    for name in ("keeper.json", "keeper.spec.json", "keeper.request", "gateway.log", "keeper.lock"):
        (place.home.doctor_dir / name).mkdir()  # nothing can be written in its place
    memory = Path(files.memory_dir(str(place.home.doctor_dir)))
    again = None
    try:
        place.direct.start()
        state = place.direct.service_state()
        assert state.active == "active" and state.main_pid
        os.kill(int(state.main_pid), signal.SIGKILL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            again = place.direct.service_state()
            if again.main_pid not in (None, state.main_pid):
                break
            time.sleep(0.05)
        assert again.main_pid not in (None, state.main_pid)
        while "boot" not in (memory / "gateway.log").read_text() and time.monotonic() < until + 8:
            time.sleep(0.05)  # the process is there before it has said so
        assert "boot" in (memory / "gateway.log").read_text() and place.direct.kept()
        place.direct.stop()
        assert place.direct.service_state().active == "inactive"
    finally:
        place.direct.uninstall()
        if again is not None and again.main_pid and system.alive(again.main_pid):
            os.kill(again.main_pid, signal.SIGKILL)
        shutil.rmtree(memory, ignore_errors=True)


def test_memory_lies_at_the_same_place_for_all_levels(place: Place) -> None:
    from skill.files import memory_dir

    assert files.memory_dir(str(place.home.doctor_dir)) == str(memory_dir(place.home.state_dir))
    from skill.openclaw import ledger

    assert (files.HARD_LIMIT, files.HARD_WINDOW) == (ledger.HARD_LIMIT, ledger.HARD_WINDOW)
    assert files.LEDGER == ledger.NAME


def old_lock(folder: Path, pid: int, **more: Any) -> str:
    """A lock of versions before 2026.8, outside the state directory, without a kernel start time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gateway.0123abcd.lock"
    path.write_text(json.dumps({"pid": pid, **more}))
    return str(path)


def titled(environment: Any) -> "subprocess.Popen[bytes]":
    """A process that is called as a gateway is, once the kernel shows its words and environment."""
    process = subprocess.Popen(
        ["openclaw-gateway", "60"], executable=shutil.which("sleep"), env=environment
    )
    until = time.monotonic() + 30
    while not system.command_words(process.pid) and time.monotonic() < until:
        time.sleep(0.01)
    return process


def iso(after: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + after))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize(
    "more, environment, is_holder",
    [
        ({"createdAt": iso(86400)}, {}, True),
        ({"createdAt": iso(-86400)}, {}, False),  # the pid was given to somebody else since then
        ({}, {}, False),
        ({"createdAt": "rubbish"}, {}, False),
        ({"createdAt": iso(86400), "stateDir": "/elsewhere"}, {}, False),
        ({"createdAt": iso(86400)}, {"OPENCLAW_STATE_DIR": "/elsewhere"}, False),
    ],
)
def test_a_lock_without_a_start_time_names_only_who_can_have_written_it(
    tmp_path: Path, more: Any, environment: Any, is_holder: bool
) -> None:
    """Another profile's healthy gateway was adopted by its pid, and ended at the next stop."""
    process = titled(environment)
    try:
        lock = old_lock(tmp_path / "openclaw-0", process.pid, **more)
        found = system.lock_holder(str(tmp_path / "state"), [lock])
        assert found == ((process.pid, "gateway") if is_holder else (0, ""))
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_another_accounts_lock_in_a_shared_folder_is_not_read(tmp_path: Path, what: str) -> None:
    process = titled(None)
    try:
        lock = old_lock(tmp_path / "shared", process.pid, startTime=system.ticks(process.pid))
        assert system.lock_holder(str(tmp_path / "state"), [lock]) == (process.pid, "gateway")
        if what == "link":
            os.rename(lock, lock + ".real")
            os.symlink(lock + ".real", lock)
        else:
            os.chown(lock if what == "file" else os.path.dirname(lock), 65534, 65534)
        assert system.lock_holder(str(tmp_path / "state"), [lock]) == (0, "")
    finally:
        process.kill()
        process.wait()
