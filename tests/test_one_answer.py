"""One gateway, one answer: `status`, `diagnose`, `heal --dry-run`, `watch --once` and the plugin's
actions name the same state and the same cause, in every situation prepared here.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from checkhouse import PORT, House, installed, service
from click.testing import CliRunner

from skill.cli import App, main_group
from skill.host import Completed, Listener, Reply
from skill.locks import owned_lock
from skill.model import STATE_NAMES, State

ROOT = Path(__file__).resolve().parent.parent
REFUSED = {"active": "failed", "exit_code": 78}
DIED = {"active": "failed", "exit_code": 1}
KILLED = {"active": "failed", "exit_code": 137}
Prepare = Callable[["Situation"], None]


class Situation:
    """A house, the clock, and what the service manager says."""

    def __init__(self, folder: Path) -> None:
        self.house: House = installed(folder)
        self.house.database()
        self.service: Dict[str, Any] = {"active": "active", "main_pid": None}
        self.environment: Dict[str, str] = {}
        self.clock = 1000.0
        self.held = False  # a watchdog runs: then nobody else may watch
        self.own = self.house.state / "iflow-doctor"
        self.own.mkdir(exist_ok=True)
        # the watchdog looks and decides nothing: a second answer must not find what it did
        (self.own / "pause.json").write_text(json.dumps({"until": self.house.now + 86400}))
        self.node("v24.16.0")

    # -- what can be prepared ----------------------------------------------------------------------
    def node(self, version: str) -> None:
        program = self.house.folder / "bin" / "node"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        self.house.outputs["node --version"] = Completed([], 0, version + "\n")

    def gateway(self, age: float = 1000.0, state: str = "sleeping", pid: int = 4242) -> None:
        """A living gateway that holds the lock of this state directory."""
        self.house.gateway(pid, state, age)
        folder = self.house.state / "tmp" / "openclaw-0"
        folder.mkdir(parents=True, exist_ok=True)
        lock = {"pid": pid, "port": PORT, "createdAt": "2026-01-01T00:00:00Z"}
        (folder / "gateway.state.lock").write_text(json.dumps(lock))
        self.service.update(active="active", main_pid=pid)

    def listens(self, pid: Optional[int] = 4242) -> None:
        self.house.sockets.append(Listener(PORT, "127.0.0.1", pid))

    def answers(self, path: str, value: Any, status: int = 200) -> None:
        self.house.answer(path, value, status)

    def silent(self) -> None:
        for path in ("/readyz", "/healthz", "/startupz"):
            self.house.answers[path] = Reply(0, b"", "timeout")

    def watched(self, **values: Any) -> None:
        """What a watchdog that looked until a moment ago has kept."""
        (self.own / "watch.json").write_text(json.dumps(values))

    def says(self, *lines: str) -> None:
        """The gateway's own log, of this very start."""
        self.house.log(*("2027-01-15T08:00:0{}.000Z {}".format(i, s) for i, s in enumerate(lines)))

    # -- asking ------------------------------------------------------------------------------------
    def app(self) -> App:
        def sleep(seconds: float) -> None:
            self.clock += max(seconds, 0.01)

        made = replace(
            self.house.ctx().host,
            now=lambda: self.house.now + self.clock,
            monotonic=lambda: self.clock,
            sleep=sleep,
        )
        platform = service(env=self.environment, **self.service)
        for name in ("start", "stop", "restart", "reset_failed", "reload", "tend", "hurry"):
            setattr(platform, name, lambda *args, **more: None)
        platform.environment_override = lambda set, unset: ((), ())

        class Fixed(App):
            def platform(self, home: Any, settings: Any) -> Any:
                return platform

        self.clock = 1000.0  # each is asked at the same moment
        return Fixed("en", False, made)

    def ask(self, *words: str) -> Dict[str, Any]:
        with contextlib.ExitStack() as stack:
            if self.held:
                stack.enter_context(owned_lock(self.own / "watch.lock", "the watchdog"))
            done = CliRunner(env=self.house.env).invoke(
                main_group, ["--json", *words], obj=self.app()
            )
        assert done.exit_code in (0, 1, 2) and done.output.startswith("{"), done.output
        return dict(json.loads(done.output))


# -- forty situations ------------------------------------------------------------------------------
def healthy(s: Situation) -> None:
    s.gateway()
    s.listens()
    s.answers("/readyz", {"ready": True, "failing": []})


def live_only(s: Situation) -> None:
    s.gateway()
    s.listens()
    s.answers("/healthz", {"ok": True, "status": "live"})


def edited_while_ready(text: str) -> Prepare:
    def prepare(s: Situation) -> None:
        healthy(s)
        s.house.config(text.encode())

    return prepare


def answering(status: int, body: Any, startup: str = "started") -> Prepare:
    def prepare(s: Situation) -> None:
        s.gateway()
        s.listens()
        s.answers("/readyz", body, status)
        s.answers("/startupz", {"status": startup})

    return prepare


def young(silent: bool, **memory: Any) -> Prepare:
    """A process of 100 s; with a memory, one that the watchdog has seen serve."""

    def prepare(s: Situation) -> None:
        s.gateway(age=100.0 + s.clock - 1000.0 - 1000.0)
        if silent:
            s.listens()
            s.silent()
        if memory:
            s.watched(**memory)

    return prepare


def deaf(age: float = 5000.0, state: str = "sleeping") -> Prepare:
    def prepare(s: Situation) -> None:
        s.gateway(age=age, state=state)
        s.listens()
        s.silent()

    return prepare


def portless(s: Situation) -> None:
    """The watchdog has seen its port closed for an hour."""
    s.gateway(age=9000.0)
    began = s.clock - 3600.0
    looks = {
        "pid": 4242,
        "pid_seen": began,
        "closed_since": began,
        "first_failure": s.clock - 60.0,
        "failures": 3,
    }
    s.watched(ready_pid=4242, boot=s.house.now, looks=looks)
    s.held = True


def gone(more: Optional[Prepare] = None, **state: Any) -> Prepare:
    def prepare(s: Situation) -> None:
        s.service.update(state or DIED)
        if more:
            more(s)

    return prepare


def config(value: Any) -> Prepare:
    def prepare(s: Situation) -> None:
        s.house.config(value if isinstance(value, dict) else value.encode())

    return prepare


def rejected(*issues: Tuple[str, str]) -> Prepare:
    def prepare(s: Situation) -> None:
        from checkhouse import valid

        s.house.config({"gateway": {"mode": "local", "port": PORT, "auth": {"mode": "none"}}})
        valid(s.house, valid=False, issues=[{"path": p, "message": m} for p, m in issues])

    return prepare


def no_config(s: Situation) -> None:
    (s.house.state / "openclaw.json").unlink()


def no_program(s: Situation) -> None:
    (s.house.folder / "bin" / "openclaw").unlink()


def nothing_here(s: Situation) -> None:
    no_config(s)
    no_program(s)
    s.node("v20.20.2")


def old_node(s: Situation) -> None:
    s.node("v20.20.2")


def chunk_missing(s: Situation) -> None:
    (s.house.package / "dist" / "chunk.mjs").unlink()


def database(text: bytes) -> Prepare:
    def prepare(s: Situation) -> None:
        path = s.house.state / "state" / "openclaw.sqlite"
        path.write_bytes(text + path.read_bytes()[len(text) :])

    return prepare


def newer_database(s: Situation) -> None:
    (s.house.state / "state" / "openclaw.sqlite").unlink()
    s.house.database(version=99)


def empty_database(s: Situation) -> None:
    (s.house.state / "state" / "openclaw.sqlite").write_bytes(b"")


def foreign(s: Situation) -> None:
    s.listens(777)
    s.house.rows.append(replace(s.house.gateway(777), name="nginx", argv=("nginx", "-g"), env=None))
    del s.house.rows[-2]
    s.answers("/readyz", "<html>", 200)
    s.answers("/healthz", "<html>", 200)
    s.service.update(DIED)


def foreign_silent(s: Situation) -> None:
    foreign(s)
    s.silent()


def other_gateway(s: Situation) -> None:
    """Somebody else's gateway answers on our port, ours lives beside it."""
    s.gateway(age=5000.0)
    s.house.gateway(888, home=s.house.folder / "other")
    s.listens(888)
    s.answers("/readyz", {"ready": True, "failing": []})


def unreachable(s: Situation) -> None:
    s.house.answers["/readyz"] = Reply(0, b"", "dns")
    s.service.update(DIED)


def doctor_at_work(s: Situation) -> None:
    row = s.house.gateway(555)
    s.house.rows[-1] = replace(row, name="openclaw-doctor", argv=("openclaw-doctor",))
    s.service.update(DIED)


def plugin_crash(s: Situation) -> None:
    s.house.plugin("weather")
    s.says(
        "[plugins] loading weather",
        "[openclaw] Uncaught exception: Error: boom",
        "    at Object.<anonymous> ({}/extensions/weather/index.js:3:9)".format(s.house.state),
    )


def stale_lock(s: Situation) -> None:
    s.gateway(pid=999)
    s.house.rows.clear()
    s.service.update(main_pid=None, **DIED)


def two_gateways(s: Situation) -> None:
    healthy(s)
    s.house.gateway(4243)


def incident_open(s: Situation) -> None:
    s.watched(incident={"id": "20261128T024500-452c", "opened": s.house.now, "state": "down"})


def both(*parts: Prepare) -> Prepare:
    def prepare(s: Situation) -> None:
        for part in parts:
            part(s)

    return prepare


NO_MODE = {"gateway": {"port": PORT, "auth": {"mode": "token", "token": "t"}}}
OPEN_TO_ALL = {"gateway": {"mode": "local", "port": PORT, "bind": "lan", "auth": {"mode": "none"}}}
VARIABLE = {"gateway": {"mode": "local", "port": PORT, "auth": {"mode": "token", "token": "${NO}"}}}
INCLUDE = {"$include": "./gone.json5", "gateway": {"mode": "local", "port": PORT}}
TLS = {
    "gateway": {
        "mode": "local",
        "port": PORT,
        "auth": {"mode": "token", "token": "t"},
        "tls": {"enabled": True, "certPath": "/gone/c.pem", "keyPath": "/gone/k.pem"},
    }
}
CUT = '{"gateway": {"mode": "local", "port": 18955'
H, D, M = State.HEALTHY, State.DOWN, State.MISCONFIGURED

SITUATIONS: List[Tuple[str, Prepare, State, str]] = [
    ("ready", healthy, H, ""),
    ("alive, an older OpenClaw", live_only, H, ""),
    ("ready, config cut on disk", edited_while_ready(CUT), H, "config/syntax"),
    ("ready, config empty on disk", edited_while_ready(""), H, "config/empty"),
    ("ready, two gateways", two_gateways, H, "*"),
    ("ready, package damaged", both(healthy, chunk_missing), H, ""),
    (
        "a channel is red",
        answering(503, {"ready": False, "failing": ["telegram"]}),
        State.DEGRADED,
        "*",
    ),
    (
        "still loading",
        answering(503, {"ready": False, "failing": ["x"]}, "starting"),
        State.STARTING,
        "",
    ),
    (
        "draining",
        answering(503, {"ready": False, "failing": ["gateway-draining"]}),
        State.DRAINING,
        "",
    ),
    (
        "safe mode",
        answering(200, {"ready": True, "suppressed": ["telegram"]}),
        State.SAFE_MODE,
        "*",
    ),
    ("a start, port closed", young(False), State.STARTING, ""),
    ("a start, port open", young(True), State.STARTING, ""),
    ("served, 100 s old, deaf", young(True, ready_pid=4242), State.HUNG, "*"),
    ("deaf for long", deaf(), State.HUNG, "*"),
    ("stopped by a signal", deaf(state="stopped"), State.HUNG, "*"),
    ("alive without a port", portless, State.ZOMBIE, "*"),
    ("gone, exit 1", gone(), D, "*"),
    ("gone, killed", gone(**KILLED), D, "*"),
    ("gone, an incident open", gone(incident_open), D, "*"),
    ("gone, exit 1, config cut", gone(config(CUT)), D, "config/syntax"),
    ("refused", gone(**REFUSED), M, "*"),
    ("refused, config cut", gone(config(CUT), **REFUSED), M, "config/syntax"),
    ("refused, config empty", gone(config(""), **REFUSED), M, "config/empty"),
    ("refused, config gone", gone(no_config, **REFUSED), M, "config/missing"),
    ("refused, include gone", gone(config(INCLUDE), **REFUSED), M, "config/include-missing"),
    ("refused, no mode", gone(config(NO_MODE), **REFUSED), M, "config/mode-missing"),
    ("refused, open to all", gone(config(OPEN_TO_ALL), **REFUSED), M, "config/bind-without-auth"),
    ("refused, variable gone", gone(config(VARIABLE), **REFUSED), M, "config/variable-missing"),
    ("refused, TLS files gone", gone(config(TLS), **REFUSED), M, "*"),
    (
        "refused, unknown key",
        gone(rejected(("agents.x", 'Unrecognized key: "x"')), **REFUSED),
        M,
        "*",
    ),
    ("nothing of OpenClaw here", gone(nothing_here), D, "installation/missing"),
    ("program gone", gone(no_program), D, "*"),
    ("node too old", gone(old_node), D, "node/too-old"),
    ("node too old, config cut", gone(both(old_node, config(CUT))), D, "node/too-old"),
    ("a chunk is missing", gone(chunk_missing), D, "installation/missing-file"),
    ("database header damaged", gone(database(b"not a database")), D, "database/corrupt"),
    ("database of a newer OpenClaw", gone(newer_database), D, "database/newer"),
    ("database empty", gone(empty_database), D, "*"),
    ("a plugin ends it", gone(plugin_crash), D, "plugins/crash"),
    ("stale lock", stale_lock, D, "*"),
    (
        "stopped on purpose",
        gone(active="inactive", exit_code=0, stopped_by_operator=True),
        State.STOPPED,
        "",
    ),
    ("the manager starts it", gone(active="activating"), State.STARTING, ""),
    ("another program answers", foreign, State.IMPOSTOR, "port/foreign-owner"),
    ("another program is silent", foreign_silent, State.IMPOSTOR, "port/foreign-owner"),
    ("another gateway answers", other_gateway, State.IMPOSTOR, "*"),
    ("own network does not answer", unreachable, State.UNKNOWN, "*"),
    ("OpenClaw's doctor at work", doctor_at_work, State.UPDATING, ""),
]


def plugin_words(action: str) -> List[str]:
    """What the plugin runs for an action of its tool without a text, read from its own table."""
    table = (ROOT / "index.js").read_text("utf-8")
    found = re.search(r"^  {}: \([a-z]*\) => \[(.*)\],$".format(action), table, re.M)
    assert found, "the plugin has no action " + action
    return re.findall(r'"([^"]*)"', found.group(1))


ASKED = {
    "status": ["status"],
    "diagnose": ["diagnose"],
    "heal": ["heal", "--dry-run"],
    "watch": ["watch", "--once"],
    "plugin": plugin_words("diagnose"),
}


@pytest.mark.parametrize(
    "prepare, state, finding", [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS]
)
def test_every_command_names_the_same_state_and_cause(
    tmp_path: Path, prepare: Prepare, state: State, finding: str
) -> None:
    situation = Situation(tmp_path)
    prepare(situation)
    asked = dict(ASKED)
    if situation.held:
        del asked["watch"]
    if state is State.STARTING:  # a repair waits for what becomes of it
        del asked["heal"]
    told = {name: situation.ask(*words) for name, words in asked.items()}
    assert {name: one["state"] for name, one in told.items()} == dict.fromkeys(told, state.value)
    # one looks a second longer than another: only how long it has lasted may differ
    causes = {name: re.sub(r"\d+ s\b", "N s", one["cause"]) for name, one in told.items()}
    assert set(causes.values()) == {causes["diagnose"]}, causes
    assert causes["diagnose"], "a cause is always said"
    main = {name: one["finding"] for name, one in told.items()}
    assert set(main.values()) == {main["diagnose"]}, main
    if finding != "*":
        assert told["diagnose"]["finding"] == finding, told["diagnose"]["findings"]


def test_the_other_actions_of_the_plugin_are_these_very_commands() -> None:
    assert plugin_words("status") == ASKED["status"] and plugin_words("plan") == ASKED["heal"]


@pytest.mark.skipif(not shutil.which("node"), reason="the plugin runs in Node")
def test_the_plugin_really_runs_these_words(tmp_path: Path) -> None:
    """index.js itself, with a program in Python's place that notes what it is asked."""
    asked = tmp_path / "asked"
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$*" >> "{}"\necho \'{{"told": 1}}\'\n'.format(asked))
    python.chmod(0o755)
    script = """
import plugin from %s;
let tool;
plugin.register({pluginConfig: {python: %s}, registerCli() {}, registerService() {}, registerHttpRoute() {},
  registerCommand() {}, registerTool(t) { tool = t; }});
const guest = tool({senderIsOwner: false});
for (const action of ["status", "diagnose", "plan"])
  console.log(JSON.stringify((await guest.execute("1", {action})).details));
"""
    places = (json.dumps((ROOT / "index.js").as_uri()), json.dumps(str(python)))
    words = ["node", "--input-type=module", "-e", script % places]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [{"exitCode": 0, "result": {"told": 1}}] * 3
    expected = [ASKED["status"], ASKED["plugin"], ASKED["heal"]]
    said = [line.split()[line.split().index("--json") + 1 :] for line in asked.open()]
    assert said == expected


def test_there_are_forty_of_them_and_no_state_is_left_out() -> None:
    assert len(SITUATIONS) >= 40 and len({row[0] for row in SITUATIONS}) == len(SITUATIONS)
    # SUSPENDED is a jump between two looks of one process: nothing that can be prepared
    assert {row[2] for row in SITUATIONS} == set(STATE_NAMES) - {State.SUSPENDED}
