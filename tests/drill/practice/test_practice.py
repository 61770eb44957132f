"""The practice gateway behaves outwardly as OpenClaw 2026.9.6 was measured to behave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest

from skill.drill import sandbox
from skill.drill.practice import program, rules, state
from skill.host import Host, Reply, http_get
from skill.openclaw import gateway
from skill.openclaw.home import Home

pytestmark = [
    pytest.mark.real_processes,
    pytest.mark.skipif(os.name == "nt", reason="signals and scripts of a POSIX system"),
]


class Place:
    def __init__(self, root: Path) -> None:
        self.root, self.state_dir = root, root / "home" / ".openclaw"
        self.state_dir.mkdir(parents=True)
        self.port = sandbox.free_port({})
        self.config: Dict[str, Any] = {
            "gateway": {
                "mode": "local",
                "bind": "loopback",
                "port": self.port,
                "auth": {"mode": "token", "token": "t"},
            }
        }
        self.write(self.config)
        path = "{}:{}".format(program.install(root / "prefix"), os.environ["PATH"])
        self.env = sandbox.environment(
            os.environ, root / "home", self.state_dir, self.port, "test", path
        )
        self.home = Home(self.state_dir, self.state_dir / "openclaw.json", "", self.port)
        self.children: list = []

    def write(self, config: Any) -> None:
        text = config if isinstance(config, str) else json.dumps(config)
        (self.state_dir / "openclaw.json").write_text(text)

    def call(self, *words: str) -> Tuple[int, str]:
        done = subprocess.run(
            ["openclaw", *words],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            executable=str(self.root / "prefix/bin/openclaw"),
        )
        return done.returncode, done.stdout.decode()

    def start(self) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [str(self.root / "prefix/bin/openclaw"), "gateway", "run"],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.children.append(child)
        return child

    def get(self, path: str) -> Reply:
        return http_get("http://127.0.0.1:{}{}".format(self.port, path), 2.0)

    def until_ready(self) -> None:
        end = time.monotonic() + 15
        while self.get("/readyz").status != 200:
            assert time.monotonic() < end, "not ready within 15 s"
            time.sleep(0.05)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for child in made.children:
        child.kill()
        child.wait()


def test_life_of_a_gateway(place: Place) -> None:
    child = place.start()
    place.until_ready()
    body = gateway.body_of(place.get("/readyz"))
    assert body["ready"] is True and body["failing"] == []
    assert gateway.body_of(place.get("/healthz")) == {"ok": True, "status": "live"}
    assert gateway.body_of(place.get("/startupz"))["status"] == "started"
    page = place.get("/anything")
    assert page.status == 200 and page.body.startswith(b"<!doctype html>")
    # what a healer looks at: the lock's owner is the process, and it looks like OpenClaw
    holder = gateway.lock_holder(Host(), place.home)
    assert holder and holder.pid == child.pid and holder.command.startswith("openclaw-gateway")
    assert place.call("gateway", "run")[0] == 78, "a second one on the same state refuses"
    # what drills ask of it
    for wish, path, status, word in (
        ({"failing": ["telegram"]}, "/readyz", 503, "telegram"),
        ({"suppressed": ["telegram"]}, "/readyz", 200, "suppressed"),
        ({"draining": True}, "/startupz", 503, "draining"),
    ):
        (place.state_dir / "practice.json").write_text(json.dumps(wish))
        reply = place.get(path)
        assert reply.status == status and word in reply.body.decode()
    (place.state_dir / "practice.json").unlink()
    # in-process restart on a bad config: alive, no port
    place.write("{gateway: {mode:")
    os.kill(child.pid, signal.SIGUSR2)
    end = time.monotonic() + 5
    while place.get("/healthz").error != "refused":
        assert time.monotonic() < end
    assert child.poll() is None
    child.terminate()
    assert child.wait(5) == 0
    assert state.owner(place.state_dir) is None


def test_stopped_process_accepts_and_does_not_answer(place: Place) -> None:
    child = place.start()
    place.until_ready()
    os.kill(child.pid, signal.SIGSTOP)
    assert http_get("http://127.0.0.1:{}/healthz".format(place.port), 0.5).error == "timeout"


def refused(tmp_path: Path, config: Any) -> Any:
    path = tmp_path / "c.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return rules.refusal(path, {}, tmp_path / ".env")


@pytest.mark.parametrize(
    "config, word",
    [
        ("", "missing gateway.mode"),
        ("{gateway: {mode: 'local'}", "missing gateway.mode"),
        ({"gateway": {"port": 1}}, "missing gateway.mode"),
        ({"gateway": {"mode": "local", "bogusKey": 1}}, 'Unrecognized key: "bogusKey"'),
        ({"gateway": {"mode": "local", "port": "1"}}, "gateway.port"),
        ({"gateway": {"mode": "local", "bind": "lan", "auth": {"mode": "none"}}}, "without auth"),
        ({"gateway": {"mode": "local", "bind": "lan", "auth": {"mode": "token"}}}, "without auth"),
    ],
)
def test_refuses_with_78(tmp_path: Path, config: Any, word: str) -> None:
    refusal = refused(tmp_path, config)
    assert refusal.code == 78 and word in " ".join(refusal.lines)


def test_accepts_a_good_config(tmp_path: Path) -> None:
    assert (
        refused(
            tmp_path,
            {"gateway": {"mode": "local", "bind": "lan", "auth": {"mode": "token", "token": "x"}}},
        )
        is None
    )


def test_doctor_and_validate(place: Place) -> None:
    place.config["gateway"]["bogusKey"] = True
    place.config["messages"] = {"ackReaction": "eyes"}
    place.write(place.config)
    code, out = place.call("config", "validate", "--json")
    assert code == 1 and json.loads(out)["issues"] == [
        {"path": "gateway", "message": 'Unrecognized key: "bogusKey"'}
    ]
    state.set_control(place.state_dir, doctor="nothing")
    assert place.call("doctor", "--fix", "--non-interactive")[0] == 0
    assert "bogusKey" in (place.state_dir / "openclaw.json").read_text()
    state.set_control(place.state_dir, doctor=None)
    assert place.call("doctor", "--fix", "--non-interactive")[0] == 0
    config = json.loads((place.state_dir / "openclaw.json").read_text())
    assert "bogusKey" not in config["gateway"] and config["messages"] == {"ackReaction": "eyes"}
    assert place.call("no-such-command")[0] == 1


def test_three_unclean_boots_trip_the_breaker(tmp_path: Path) -> None:
    assert [state.note_boot(tmp_path) for _ in range(4)] == [0, 1, 2, 3]
    state.note_clean_end(tmp_path)
    assert state.note_boot(tmp_path) == 0


def test_database_fault_is_found(tmp_path: Path) -> None:
    assert state.database_fault(tmp_path) == ""
    (tmp_path / "state" / "openclaw.sqlite").write_bytes(b"x" * 8192)
    assert "not a database" in state.database_fault(tmp_path)
