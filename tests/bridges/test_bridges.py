"""Bridges: what the children may see, what goes on their command lines, how failures are told
apart, how a run is ended whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import ai_world
import pytest

from skill.bridges import (
    BRIDGES,
    base,
    child,
    claude,
    codex,
    command,
    http,
    iflow,
    opencode,
    preferred,
    status,
)
from skill.bridges.base import PLAN, Question
from skill.errors import BridgeError
from skill.host import Completed, Host
from skill.openclaw import cli

SCHEMA = {"type": "object"}
RUN = "iflow-test-{}-aa".format(
    os.getpid()
)  # its own: a run ends every process that carries its id, also another suite's


def question(folder, **more):
    return Question(
        "the prompt with data",
        SCHEMA,
        SCHEMA,
        more.pop("deadline_s", 10.0),
        more.pop("run_id", RUN),
        str(folder),
        **more,
    )


def test_every_bridge_is_in_the_registry_under_its_own_id():
    assert list(BRIDGES) == [
        "claude",
        "iflow",
        "codex",
        "gemini",
        "qwen",
        "opencode",
        "anthropic_http",
        "openai_http",
        "command",
    ]
    assert all(name == b.id and PLAN in b.capabilities for name, b in BRIDGES.items())


def test_the_settings_schema_knows_the_same_bridges():
    from skill import settings

    node = settings.schema()["properties"]["ai"]["properties"]
    assert node["prefer"]["items"]["enum"] == list(BRIDGES)
    for key, item in node.items():
        assert item.get("description") and item.get("x-zh"), key


def test_preference_first_then_the_rest(tmp_path):
    ctx = ai_world.context(tmp_path, ai={"prefer": ["codex", "claude"]})
    assert [b.id for b in preferred(ctx)][:3] == ["codex", "claude", "iflow"]
    only = ai_world.context(tmp_path, ai={"prefer": ["codex"], "only_preferred": True})
    assert [b.id for b in preferred(only)] == ["codex"]


def test_children_see_an_allow_list_only(tmp_path):
    env = {
        "OPENCLAW_GATEWAY_TOKEN": "x",
        "DISCORD_BOT_TOKEN": "x",
        "ANTHROPIC_API_KEY": "k",
        "HTTPS_PROXY": "p",
        "LC_ALL": "C",
        "NODE_OPTIONS": "--require /tmp/x",
        "LD_PRELOAD": "x",
        "CLAUDECODE": "1",
    }
    ctx = ai_world.context(tmp_path, env=env)
    seen = child.environment(ctx, "/opt/x/claude", claude.ENV, "run-1")
    assert (
        seen["ANTHROPIC_API_KEY"] == "k"
        and seen["HTTPS_PROXY"] == "p"
        and seen[child.RUN_ID] == "run-1"
        and seen["PATH"].startswith("/opt/x")
    )
    assert not {
        "OPENCLAW_GATEWAY_TOKEN",
        "DISCORD_BOT_TOKEN",
        "NODE_OPTIONS",
        "LD_PRELOAD",
        "CLAUDECODE",
    } & set(seen)


def test_openclaws_own_keys_are_no_login_of_an_ai_program(tmp_path):
    config = {"env": {"vars": {"GEMINI_API_KEY": "from-config"}}}
    env = {
        "ANTHROPIC_API_KEY": "from-dotenv",
        "GEMINI_API_KEY": "from-config",
        "OPENAI_API_KEY": "the person's",
    }
    ctx = ai_world.context(tmp_path, config, env=env)
    ctx.home.env_file.write_text("ANTHROPIC_API_KEY=from-dotenv\n")
    seen = child.environment(ctx, "", claude.ENV + ("OPENAI_API_KEY", "GEMINI_API_KEY"), "")
    assert "ANTHROPIC_API_KEY" not in seen and "GEMINI_API_KEY" not in seen
    assert seen["OPENAI_API_KEY"] == "the person's"


NEW_HELP = (
    " ".join(claude.NEEDED)
    + " --restricted --permission-prompts --no-session-persistence --max-budget-usd "
    "--disable-slash-commands"
)
OLD_HELP = " ".join(claude.NEEDED) + " --safe-mode --no-session-persistence"


def test_claude_gets_only_flags_that_its_version_has(tmp_path):
    new = claude.argv_of("claude", NEW_HELP, question(tmp_path, max_usd=1.5))
    assert (
        new[new.index("--tools") + 1] == ""
        and "--restricted" in new
        and "1.50" in new
        and "--safe-mode" not in new
    )
    old = claude.argv_of("claude", OLD_HELP, question(tmp_path, max_usd=1.5))
    assert "--restricted" not in old and "--safe-mode" in old and "--max-budget-usd" not in old
    with pytest.raises(BridgeError) as caught:
        claude.argv_of("claude", "--print --tools", question(tmp_path))
    assert caught.value.kind == "refused"


def test_claude_with_hands_gets_exact_rules(tmp_path):
    argv = claude.argv_of(
        "claude",
        NEW_HELP,
        question(
            "/case",
            hands=True,
            edit="/case/openclaw.json",
        ),
    )
    rules = argv[argv.index("--allowedTools") + 1 :]
    assert rules == ["Read(//case/openclaw.json)", "Edit(//case/openclaw.json)"]
    assert argv[argv.index("--tools") + 1] == "Read,Edit", "no shell at all"
    assert (
        "--dangerously-skip-permissions" not in argv
        and argv[argv.index("--permission-mode") + 1] == "dontAsk"
    )


def test_prompts_and_keys_are_on_no_command_line(tmp_path):
    for argv in (
        claude.argv_of("c", NEW_HELP, question(tmp_path)),
        codex.argv_of(
            "c", "shell_tool stable true", question(tmp_path), "http://127.0.0.1:1/v1", "m"
        ),
    ):
        assert not any("the prompt" in word or "sk-" in word for word in argv)


def test_codex_has_no_shell_and_its_sandbox_is_read_only(tmp_path):
    argv = codex.argv_of(
        "codex", "\n".join(name + " stable true" for name in codex.OFF), question(tmp_path)
    )
    off = [argv[i + 1] for i, word in enumerate(argv) if word == "--disable"]
    assert (
        set(off) == set(codex.OFF) and argv[argv.index("-s") + 1] == "read-only" and argv[-1] == "-"
    )


def test_opencode_is_denied_everything():
    config = opencode.config_of({"OPENAI_BASE_URL": "http://x", "OPENAI_API_KEY": "secret-key"}, "")
    assert (
        config["permission"]["*"] == "deny"
        and config["tools"]["*"] is False
        and "secret-key" not in json.dumps(config)
    )


GOOD_RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "terminal_reason": "completed",
    "structured_output": {"a": 1},
    "stop_reason": "tool_use",
    "result": "x",
}


def test_claude_succeeds_only_when_every_sign_is_there():
    assert claude.usable(Completed([], 0), GOOD_RESULT) == {"a": 1}
    wrong = [
        (Completed([], 1), GOOD_RESULT, "bad-output"),
        (
            Completed([], 0),
            dict(GOOD_RESULT, is_error=True, result="API Error: 401"),
            "not-logged-in",
        ),
        (Completed([], 0), dict(GOOD_RESULT, terminal_reason="aborted_streaming"), "bad-output"),
        (Completed([], 0), {}, "bad-output"),
        (
            Completed([], 0),
            dict(GOOD_RESULT, structured_output=None, result="All is healed."),
            "bad-output",
        ),
        (Completed([], 0), dict(GOOD_RESULT, subtype="error_max_budget_usd"), "budget"),
        (Completed([], None, timed_out=True), GOOD_RESULT, "timeout"),
        (Completed([], None, missing=True), GOOD_RESULT, "not-installed"),
        (Completed([], 0), dict(GOOD_RESULT, stop_reason="refusal", is_error=True), "refused"),
        (Completed([], 0), {k: v for k, v in GOOD_RESULT.items() if k != "is_error"}, "bad-output"),
    ]
    for done, result, kind in wrong:
        with pytest.raises(BridgeError) as caught:
            claude.usable(done, result)
        assert caught.value.kind == kind, (done, result)


@pytest.mark.parametrize(
    "text,kind",
    [
        ("API Error: 401 invalid x-api-key", "not-logged-in"),
        ("Not logged in · Please run /login", "not-logged-in"),
        ("Request rejected (429)", "quota"),
        ("insufficient_quota", "quota"),
        ("Credit balance is too low", "quota"),
        ("529 Overloaded", "overloaded"),
        ("503 Service Unavailable", "overloaded"),
        ("403 permission_error", "refused"),
        ("ECONNREFUSED", "network"),
        ("getaddrinfo ENOTFOUND api.x", "network"),
        ("Connection dropped (ECONNRESET)", "network"),
        ("Stream idle timeout", "timeout"),
        ("error_max_budget_usd", "budget"),
        ("lorem ipsum", "bad-output"),
    ],
)
def test_failures_are_told_apart(text, kind):
    assert base.kind_of(text) == kind


def test_a_cli_that_never_gives_up_on_a_wall_is_ended_early():
    assert base.hopeless("429 Too Many Requests, retrying\n" * 6) and not base.hopeless("429 once")


def test_statuses():
    assert [base.kind_of_status(s) for s in (401, 402, 403, 429, 500, 529, 404)] == [
        "not-logged-in",
        "quota",
        "refused",
        "quota",
        "overloaded",
        "overloaded",
        "bad-output",
    ]


@pytest.mark.parametrize(
    "text,value",
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": 2}\n```\n', {"a": 2}),
        ('x {"b": {"c": 3}} y', {"b": {"c": 3}}),
        ("[1]", None),
        ("none", None),
        ("{broken", None),
    ],
)
def test_json_is_found_in_text(text, value):
    assert base.find_object(text) == value


def test_a_key_does_not_travel_in_the_clear():
    assert (
        http.url_of("https://api.x/v1", "/messages") == "https://api.x/v1/messages"
        and http.url_of("http://127.0.0.1:9", "/m") == "http://127.0.0.1:9/v1/m"
    )
    with pytest.raises(BridgeError):
        http.url_of("http://api.example.com", "/messages")


def test_iflow_says_that_its_service_closed(tmp_path):
    program = tmp_path / ".local" / "bin" / "iflow"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    ctx = ai_world.context(tmp_path)
    assert (
        status(ctx, BRIDGES["iflow"]).logged_in is False
        and "2026-04-17" in status(ctx, BRIDGES["iflow"]).note.en
    )
    with pytest.raises(BridgeError) as caught:
        iflow.ask(ctx, question(tmp_path))
    assert caught.value.kind == "not-logged-in"


def real(tmp_path, **ai):
    ctx = ai_world.context(tmp_path, {}, ai=ai)
    return replace(
        ctx,
        host=Host(
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LEAK": "x", "MINE": "y"}
        ),
    )


def program_of(tmp_path, body):
    path = tmp_path / "tool.py"
    path.write_text(body)
    return [sys.executable, str(path)]


@pytest.mark.real_processes
def test_the_generic_command_gets_the_prompt_on_stdin_and_little_else(tmp_path):
    body = (
        "import json,os,sys\nprint('thinking')\n"
        "print(json.dumps("
        "{'prompt': sys.stdin.read(), 'leak': os.environ.get('LEAK'), 'mine': "
        "os.environ.get('MINE'),"
        " 'schema': json.load(open(sys.argv[1]))}))"
    )
    ctx = real(
        tmp_path, command={"argv": program_of(tmp_path, body) + ["{schema}"], "env": ["MINE"]}
    )
    answer = command.ask(ctx, question(tmp_path))
    assert answer.data == {
        "prompt": "the prompt with data",
        "leak": None,
        "mine": "y",
        "schema": SCHEMA,
    }


@pytest.mark.real_processes
@pytest.mark.skipif(os.name == "nt", reason="sessions are POSIX")
def test_a_run_is_ended_whole_even_in_sessions_of_its_own(tmp_path):
    """The child leaves a grandchild in a session of its own that ignores SIGTERM, and never exits
    itself.
    """
    note = tmp_path / "pid"
    grandchild = (
        "import signal,time,os;signal.signal(15,signal.SIG_IGN);open({!r},'w').write(str(os.get"
        "pid()));time.sleep(600)"
    ).format(str(note))
    body = (
        "import subprocess,sys,time\nsubprocess.Popen([sys.executable,'-c',{!r}],start_new_sess"
        "ion=True)\ntime.sleep(600)"
    ).format(grandchild)
    ctx = real(tmp_path, command={"argv": program_of(tmp_path, body), "env": []})
    began = time.monotonic()
    with pytest.raises(BridgeError) as caught:
        command.ask(ctx, question(tmp_path, deadline_s=1.5))
    assert caught.value.kind == "timeout" and time.monotonic() - began < 30
    import psutil

    assert (
        not psutil.pid_exists(int(note.read_text()))
        or psutil.Process(int(note.read_text())).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.real_processes
@pytest.mark.skipif(os.name == "nt", reason="environments of others")
def test_orphans_of_a_killed_doctor_are_ended_and_those_of_a_living_one_are_not():
    mine = "iflow-zz{}".format(os.getpid())
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    orphan = subprocess.Popen(
        sleep, env=dict(os.environ, **{child.RUN_ID: "{}-{}-ab".format(mine, dead.pid)})
    )
    kept = subprocess.Popen(
        sleep, env=dict(os.environ, **{child.RUN_ID: "{}-{}-ab".format(mine, os.getpid())})
    )
    try:
        time.sleep(0.3)
        assert child.end_orphans(mine) == 1
        assert orphan.wait(5) is not None and kept.poll() is None
    finally:
        kept.kill()
        kept.wait()


def test_openclaws_own_triage_agent_is_seen_and_ours_is_not():
    seen = cli._SHAPE.search
    assert (
        seen("node /opt/openclaw/openclaw.mjs triage --agent codex")
        and seen("openclaw triage")
        and not seen("openclaw gateway run")
        and not seen("vim triage.md")
    )


def test_an_endpoint_that_is_not_set_up_is_not_installed(tmp_path):
    with pytest.raises(BridgeError) as caught:
        http.ask_openai(ai_world.context(tmp_path), question(tmp_path))
    assert caught.value.kind == "not-installed"


@pytest.mark.real_processes
def test_a_program_that_outlives_its_killed_doctor_is_ended_at_the_next_look(tmp_path):
    """G9: after kill -9 the CLI lived on, in a session of its own, and might go on spending."""
    run, session = "iflow-orphan-{}-bb".format(os.getpid()), tmp_path / "session.json"
    doctor = (
        "import json, os, subprocess, sys, time\n"
        "cli = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "    env=dict(os.environ, {0}={1!r}), start_new_session=True)\n"
        "value = dict(state='asking', pid=os.getpid(), since=time.time(), run={1!r}, cli=cli.pid)\n"
        "open({2!r}, 'w').write(json.dumps(value))\n"
        "time.sleep(60)\n"
    ).format(child.RUN_ID, run, str(session))
    killed = subprocess.Popen([sys.executable, "-c", doctor])
    try:
        until = time.monotonic() + 20
        while not session.exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.3)
        cli = json.loads(session.read_text())["cli"]
        host = Host()
        assert child.end_orphan(host, session) == 0 and host.process(cli), "the doctor lives"
        killed.kill()
        killed.wait()
        began = time.monotonic()
        assert child.end_orphan(host, session) == 1
        assert time.monotonic() - began < 6
        left = host.process(cli)
        assert left is None or left.state == "zombie"
        assert json.loads(session.read_text())["state"] == "killed"
        assert child.end_orphan(host, session) == 0, "cheap from then on"
    finally:
        killed.kill()
        child.end_run(run)


def test_every_bridge_says_who_gets_the_evidence_at_which_address_and_who_pays(tmp_path):
    """The owner agrees to these words: a bridge without them would be agreed to blindly."""
    http = {"base_url": "https://llm.example/v1", "model": "m", "key": "k"}
    env = {
        "OPENAI_API_KEY": "k",
        "IFLOW_apiKey": "k",
        "IFLOW_baseUrl": "https://own.example/v1",
        "ANTHROPIC_API_KEY": "k",
    }
    ai = {"openai_http": http, "anthropic_http": http, "command": {"argv": ["/bin/true"]}}
    ctx = ai_world.context(tmp_path, {}, ai=ai, env=env)
    for name, one in BRIDGES.items():
        assert one.vendor and one.to(ctx) and one.whose(ctx).en, name
        assert one.whose(ctx) != base.Bridge.whose(ctx), name
    assert BRIDGES["claude"].to(ctx) == "api.anthropic.com"
