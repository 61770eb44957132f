"""Words of a person: they rank what the evidence allows, and are replied to where all is fine."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from skill.cases import library, matcher
from skill.context import Context
from skill.doctor import conclude, said
from skill.model import Confidence, Finding, Match, Severity, State, Text, Verdict
from skill.openclaw.home import Home

LIBRARY = library.shipped()
CONFIG = '{"gateway": {"mode": "local"}, "channels": {"telegram": {}, "slack": {"enabled": false}}}'
CHINESE = "飞书机器人收不到消息"


@pytest.fixture
def ctx(tmp_path):
    path = tmp_path / "openclaw.json"
    path.write_text(CONFIG)
    host = SimpleNamespace(system="linux", env={}, now=lambda: 1.0)
    platform = SimpleNamespace(name="systemd", environment=dict, command=list)
    return Context(host, Home(tmp_path, path, "", 1), {}, platform=platform)


def at(ctx, state, *findings, reason="it ended by signal 9"):
    found = tuple(Finding(name, level, Text(name, name)) for name, level in findings)
    return ctx.with_verdict(Verdict(state, Text(reason, reason), findings=found))


def words(text):
    return matcher.match(LIBRARY, text, "", own_log=True)


def case(slug):
    return next(one for one in LIBRARY if one.slug == slug)


DEAD = (("process/none", Severity.ERROR), ("health/refused", Severity.ERROR))


@pytest.mark.parametrize("text", ["网关起不来", "gateway won't start"])
def test_a_vague_sentence_is_compared_with_no_precise_case(ctx, text):
    """`网关起不来` on a stopped gateway: "sounds like a syntax error", of a config that is sound."""
    found = words(text)
    assert len(found) > 1 and found[0].confidence is Confidence.POSSIBLE
    reply = said.reply(found, at(ctx, State.DOWN, *DEAD), said.here(ctx), None)
    assert found[0].case.title.en not in reply.said.en and "several known cases" in reply.said.en
    clear = words("telegram bot does not answer")
    named = said.reply(clear, at(ctx, State.HEALTHY), said.here(ctx), None)
    assert clear[0].case.title.en in named.said.en


@pytest.mark.parametrize(
    "text", ["gateway won't start", "网关崩溃", "it's broken", "discord bot is offline", CHINESE]
)
def test_a_killed_gateway_is_only_that_whatever_is_said(ctx, text):
    ended = conclude.conclude(at(ctx, State.DOWN, *DEAD), (), words(text))
    told = " ".join(ended.cause + ended.step)
    assert ended.exit_code == 1
    for word in ("Discord", "飞书", "bind", "config ", "breaker", "malformed"):
        assert word not in told


def test_a_channel_that_is_not_configured_is_not_the_answer(ctx):
    fine = at(ctx, State.HEALTHY)
    ended = conclude.conclude(fine, (), words("discord bot is offline, does not connect"))
    assert ended.exit_code == 0
    assert "no channel discord is configured" in ended.said.en
    assert "没有配置" in ended.said.zh
    switched_off = said.missing(case("channel-scope-missing"), said.here(ctx))
    assert switched_off is None  # telegram is there: any channel will do


def test_on_a_healthy_gateway_words_are_replied_to_with_what_was_checked(ctx):
    ended = conclude.conclude(at(ctx, State.HEALTHY), (), words("all models fail with 429"))
    assert "Checked for it" in ended.said.en
    assert "explain CASE-" in ended.said.en
    assert ended.step.en == "openclaw models status --probe"


def test_words_that_fit_nothing_are_replied_to(ctx):
    ended = conclude.conclude(at(ctx, State.HEALTHY), (), ())
    assert "fit no known case" in ended.said.en
    assert conclude.conclude(at(ctx, State.HEALTHY)).said is None  # nobody said anything


def test_words_are_followed_where_their_own_evidence_was_seen(ctx):
    seen = at(ctx, State.DOWN, ("process/none", Severity.ERROR), ("disk/full", Severity.WARNING))
    ended = conclude.conclude(seen, (), words("no space left on the disk"))
    assert ended.cause == case("disk-full").title
    without = conclude.conclude(at(ctx, State.DOWN, *DEAD), (), words("no space left on the disk"))
    assert without.cause != case("disk-full").title


def test_a_line_of_the_log_gives_no_solution_where_its_evidence_does_not_hold(ctx):
    place = said.here(ctx)
    match = Match(case("sqlite-corrupt"), 1.0, matcher.Confidence.CERTAIN, ("malformed",))
    down = at(ctx, State.DOWN, *DEAD).verdict
    assert said.borne_out([match], down, place) == []
    seen = at(ctx, State.DOWN, ("database/corrupt", Severity.ERROR)).verdict
    assert said.borne_out([match], seen, place) == [match]


def test_what_breaks_a_channel_does_not_explain_a_gateway_that_is_down(ctx):
    place, down = said.here(ctx), at(ctx, State.DOWN, *DEAD).verdict
    assert not said.possible(case("telegram-409-conflict"), down, place)
    assert said.possible(case("telegram-409-conflict"), at(ctx, State.HEALTHY).verdict, place)


def test_only_lines_since_the_last_ready_count():
    log = "a breaker tripped\n[gateway] ready\nthen it ended"
    assert said.counting(log) == "then it ended"
    assert said.counting("[gateway] loading configuration…\nrefused") == (
        "[gateway] loading configuration…\nrefused"
    )


def test_a_gateway_that_is_green_and_deaf_is_told(ctx):
    deaf = at(ctx, State.HEALTHY, ("serving/channel-gave-up", Severity.WARNING))
    ended = conclude.conclude(deaf)
    assert (ended.exit_code, ended.finding.check_id) == (1, "serving/channel-gave-up")
    red = at(ctx, State.HEALTHY, ("channels/failing", Severity.WARNING))
    assert conclude.conclude(red).exit_code == 0  # ready: a red channel is no outage of all


# -- a refusal that nobody knows -------------------------------------------------------------------
UNKNOWN = "2026-11-28T09:35:31.209+00:00 Gateway failed to start: the moon stands wrong (code 7)"


def refused(ctx, log, code=78, state=State.MISCONFIGURED):
    found = (Finding("service/exit-78", Severity.ERROR, Text("x", "x")),)
    reason = Text("the gateway refused to start (exit 78)", "网关拒绝启动（退出码 78）")
    return replace(ctx, logs=log, verdict=Verdict(state, reason, exit_code=code, findings=found))


def test_a_refusal_that_nobody_knows_is_told_in_openclaws_own_words(ctx):
    ended = conclude.conclude(refused(ctx, UNKNOWN))
    assert "the moon stands wrong (code 7)" in ended.cause.en
    assert ended.cause.zh.startswith("网关拒绝启动") and "the moon stands wrong" in ended.cause.zh


def test_last_words_are_bounded_and_none_of_a_gateway_that_was_killed(ctx):
    long = UNKNOWN + " and so on" * 200
    assert len(conclude.conclude(refused(ctx, long)).cause.en) < 400
    killed = refused(ctx, UNKNOWN, code=-9, state=State.DOWN)
    assert "moon" not in conclude.conclude(killed).cause.en


@pytest.mark.parametrize(
    "log, told", [(UNKNOWN, True), (UNKNOWN[:30] + "Error: of a plugin", False)]
)
def test_where_the_exit_code_is_not_known_only_a_refusal_counts(ctx, log, told):
    ended = conclude.conclude(refused(ctx, log, code=None, state=State.DOWN))
    assert (': "' in ended.cause.en) == told
