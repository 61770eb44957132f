"""ai: nothing is sent before the owner said yes to that vendor and that address; what they are told
first; what a session looks like to somebody who watches.
"""

from __future__ import annotations

import json
from dataclasses import replace

import ai_world
import pytest
from ai_world import GOOD, Healer, World, answer, bridge, finding
from click.testing import CliRunner

from skill import bridges
from skill.bridges import base
from skill.commands import ai as commands
from skill.doctor.emergency import audit
from skill.host import Process
from skill.model import Text

PLAN = answer("unset-config-key", {"path": "agentz"})
FOUND = [finding("config/unrecognized-key", "agentz")]


def real(name="claude", to="api.anthropic.com"):
    return replace(
        bridge([PLAN], name),
        title="Claude Code",
        vendor="Anthropic",
        to=lambda ctx: to,
        whose=lambda ctx: Text("your own login of Claude Code", "你自己的 Claude Code 登录"),
    )


class App:
    """What a command is handed."""

    as_json = False

    def __init__(self, ctx, lang="en"):
        self.ctx, self.lang, self.host, self.said = ctx, lang, ctx.host, []

    def context(self):
        return self.ctx

    def say(self, text):
        self.said.append(text if isinstance(text, str) else text.to(self.lang))

    def out(self, value):
        self.said.append(json.dumps(value))


@pytest.fixture
def ctx(tmp_path):
    return ai_world.context(tmp_path, dict(GOOD, agentz=1), FOUND)


def asked_by(ctx, one):
    asked = []

    class Real(World):
        def agreed(self, bridge):
            return bridges.consent(self.ctx, bridge) is True

    result = Real(ctx, [replace(one, ask=bridge([PLAN], one.id, asked).ask)], Healer()).run()
    return result, asked


def test_nothing_is_sent_before_a_yes_and_a_no_stays_a_no(ctx):
    one = real()
    result, asked = asked_by(ctx, one)
    assert not asked and not result.healed and result.unasked == ("claude",)
    assert result.calls == 0 and result.report == "" and result.note().en == ""
    bridges.remember(ctx, one, False, "test")
    assert bridges.consent(ctx, one) is False and not asked_by(ctx, one)[1]
    bridges.remember(ctx, one, True, "test")
    assert len(asked_by(ctx, one)[1]) == 1


def test_a_yes_holds_for_one_vendor_and_one_address(ctx):
    one = real()
    bridges.remember(ctx, one, True, "test")
    assert bridges.consent(ctx, real("codex")) is None
    assert bridges.consent(ctx, real(to="proxy.evil.example")) is None
    assert not asked_by(ctx, real(to="proxy.evil.example"))[1]


def test_a_damaged_file_is_no_yes(ctx):
    one = real()
    bridges.remember(ctx, one, True, "test")
    (ctx.home.doctor_dir / "ai" / "consent.json").write_text("{")
    assert bridges.consent(ctx, one) is None


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_question_names_program_vendor_payer_model_content_rate_and_cost(ctx, lang):
    offer = bridges.Offer(real(), "/usr/bin/claude", "api.anthropic.com", Text("login", "登录"))
    said = "\n".join(line.to(lang) for line in bridges.told(ctx, offer))
    for part in (
        "Claude Code",
        "/usr/bin/claude",
        "Anthropic",
        "api.anthropic.com",
        "6",
        "20",
        "2",
    ):
        assert part in said
    for line in bridges.EXAMPLE:
        assert line in said
    assert "--show-prompt" in said and ("USD" in said or "美元" in said)


@pytest.mark.parametrize("typed,yes", [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_only_a_yes_is_a_yes(ctx, typed, yes, monkeypatch):
    import click

    def nobody(*words, **more):
        raise click.exceptions.Abort()

    if typed == "":  # the end of the input; CliRunner of click 8.1 makes an empty line of it
        monkeypatch.setattr(click, "confirm", nobody)
    app, one = App(ctx), real()
    offer = bridges.Offer(one, "/usr/bin/claude", "api.anthropic.com", Text("x", "x"))

    @click.command()
    def ask():
        click.echo("AGREED" if commands.ask_consent(app, ctx, offer, "test") else "NOT")

    out = CliRunner().invoke(ask, input=typed).output
    assert ("AGREED" in out) is yes
    assert bridges.consent(ctx, one) is (None if typed == "" else yes)


def test_the_cost_of_an_incident_survives_a_kill_and_counts_failed_calls(tmp_path):
    """G6: the sum was forgotten with each visit, and a call that failed had cost nothing."""
    from skill.store.incidents import Incident

    ctx = ai_world.context(tmp_path, dict(GOOD, agentz=1), FOUND, ai={"max_usd": 0.5})
    dear = base.failure("timeout", "x", base.Spent(0.3, 1000, 50, 4))
    World(ctx, [bridge([dear])], Healer()).run()
    assert Incident(ctx.home, "inc-1").ai()["usd"] == pytest.approx(0.3)

    def killed(question):
        raise KeyboardInterrupt

    ledger = audit.Ledger(ctx, Incident(ctx.home, "inc-1"))
    ledger.begin("claude", "run-1")  # and then kill -9: nobody writes its end
    row = audit.Ledger(ctx, Incident(ctx.home, "inc-1")).row
    assert row["calls"] == 2 and row["unknown"] == 1 and "open" not in row
    World(ctx, [bridge([dear])], Healer()).run()
    last = World(ctx, [bridge([PLAN])], Healer()).run()
    assert last.attempts[-1][1] == "budget" and last.calls == 0
    del killed


def test_where_nobody_says_what_a_call_costs_the_number_of_calls_is_bounded(tmp_path):
    ctx = ai_world.context(tmp_path, dict(GOOD, agentz=1), FOUND, ai={"max_calls": 2})
    blind = base.failure("timeout", "x", base.Spent(None, 1000, 50, 1, "nobody-knows-1"))
    for _visit in range(4):
        result = World(ctx, [bridge([blind])], Healer()).run()
    assert result.cost["calls"] == 2 and result.cost["unknown"] == 2
    assert audit.cost_text(result.cost).en == "cost unknown"


def test_tokens_times_the_price_table_where_the_program_says_no_price():
    assert base.Spent(None, 1_000_000, 100_000, 1, "gpt-5.4-mini").cost == pytest.approx(1.2)
    assert base.Spent(0.5, 1_000_000, 0, 1, "gpt-5.4").cost == 0.5, "its own word first"
    assert base.Spent(None, 10, 10, 1, "somebody-else").cost is None


@pytest.mark.parametrize("state,word", [("asking", "round 2"), ("answered", "it answered")])
def test_attach_says_who_round_since_when_and_whether_it_is_over(tmp_path, state, word):
    rows = [Process(4711, 1, "python", ("python",), started=999_000.0)]
    ctx = ai_world.context(tmp_path, GOOD, rows=rows)
    audit.session(
        ctx,
        {"bridge": "claude", "title": "Claude Code", "round": 2, "pid": 4711, "since": 999_970.0,
         "deadline_s": 300, "state": state, "incident": "inc-9", "run": "r"},
    )  # fmt: skip
    app = App(ctx)
    CliRunner().invoke(commands.attach, ["--no-follow"], obj=app)
    said = "\n".join(app.said)
    assert word in said and "Claude Code" in said and "inc-9" in said
    assert ("at most 300 s" in said) is (state == "asking") and ("Over:" in said) is (
        state != "asking"
    )


def test_attach_follows_until_it_is_over(tmp_path):
    rows = [Process(4711, 1, "python", ("python",), started=999_000.0)]
    ctx = ai_world.context(tmp_path, GOOD, rows=rows)
    row = {"bridge": "claude", "title": "Claude Code", "round": 1, "pid": 4711, "since": 999_970.0,
           "state": "asking", "run": "r"}  # fmt: skip
    audit.session(ctx, row)
    app = App(replace(ctx, host=replace(ctx.host, sleep=lambda s: audit.session(
        ctx, dict(row, state="answered")))))  # fmt: skip
    CliRunner().invoke(commands.attach, [], obj=app)
    assert "Asking Claude Code" in app.said[0] and "it answered" in app.said[-1]


def test_an_orphan_of_a_killed_doctor_is_known_by_its_file(tmp_path):
    from skill.bridges import child

    session = tmp_path / "session.json"
    gone = {"state": "asking", "pid": 4711, "since": 1000.0, "run": ""}
    session.write_text(json.dumps(gone))
    there = Process(4711, 1, "python", ("python",), started=900.0)
    reused = Process(4711, 1, "vi", ("vi",), started=5000.0)
    from types import SimpleNamespace as Host

    assert child.doctor_lives(Host(process=lambda pid: there), gone)
    assert not child.doctor_lives(Host(process=lambda pid: reused), gone)
    assert not child.doctor_lives(Host(process=lambda pid: None), gone)
    child.end_orphan(Host(process=lambda pid: there), session)
    assert json.loads(session.read_text())["state"] == "asking"
    child.end_orphan(Host(process=lambda pid: None), session)
    assert json.loads(session.read_text())["state"] == "killed"


def test_words_in_a_session_never_end_it(tmp_path):
    """G5: a healthy session that said 401 three times was killed and told as not logged in."""
    import os
    import sys

    from skill.bridges import child

    script = (
        "import time\nfor n in range(4): print('401 Unauthorized', flush=True); time.sleep(0.5)"
    )
    env = dict(os.environ, **{child.RUN_ID: ""})
    done = child._watched([sys.executable, "-c", script], env, 20, str(tmp_path), "", base.hopeless)
    assert done.code == 0 and not done.timed_out
    noisy = (
        script.replace("print(", "print(file=__import__('sys').stderr, *(").replace(
            ", flush=True)", ",), flush=True)"
        )
        + "\ntime.sleep(15)"
    )
    done = child._watched([sys.executable, "-c", noisy], env, 20, str(tmp_path), "", base.hopeless)
    assert done.timed_out and done.seconds < 15


def test_what_it_found_is_never_thrown_away_and_never_our_advice(ctx):
    """G10, G2: shown as its opinion, with the report's place; the person is told that it was asked."""
    run = World(ctx, [bridge([answer("tell-person", {"en": "Set gateway.port to 21440."})], "c")],
                Healer())  # fmt: skip
    result = run.run()
    note = result.note()
    assert note.en.startswith("An AI (c) was asked once, 0.1 USD. Report: ")
    assert note.en.endswith("c suggests, not verified: cause Set gateway.port to 21440.")
    assert "未经核实" in note.zh and result.report in note.zh
    text = open(result.report, encoding="utf-8").read()
    assert "Every call" in text and "0.1 USD" in text and "audit.jsonl" in text
