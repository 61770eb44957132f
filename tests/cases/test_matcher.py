"""The matcher: cause before wrapper, newest boot, no single words, no strangers' words, no other
products.
"""

import json
import random
import time
from pathlib import Path

import pytest

from skill.cases import library
from skill.cases.matcher import match
from skill.model import Confidence

LIBRARY = library.shipped()
DATA = Path(__file__).parent.parent / "data" / "cases"
SYNTAX = (
    "[gateway] startup failed: Invalid config at ~/.openclaw/openclaw.json: "
    "<root>: JSON5 parse failed: SyntaxError: JSON5: invalid end of input at 7:6"
)


def first(symptom="", log=""):
    found = match(LIBRARY, symptom, log)
    return (found[0].case.slug, found[0].confidence) if found else ("none", None)


def rows(name):
    return [
        json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines() if line.strip()
    ]


@pytest.mark.parametrize(
    "row", rows("near_misses.jsonl") + rows("late_2026.jsonl"), ids=lambda row: row["id"]
)
def test_near_neighbours_are_told_apart(row):
    slug, confidence = first(row["symptom"], row["log"])
    assert slug == row["label"]


@pytest.mark.parametrize("row", rows("negatives.jsonl"), ids=lambda row: row["id"])
def test_what_is_no_incident_is_not_matched(row):
    assert match(LIBRARY, row["symptom"], row["log"]) == []


@pytest.mark.parametrize("name", ["heldout.jsonl", "heldout2.jsonl", "heldout3.jsonl"])
def test_the_held_out_figures_hold(name):
    held = rows(name)
    good = [row for row in held if not row["negative"]]
    top1 = sum(first(row["symptom"], row["log"])[0] == row["label"] for row in good)
    wrong = [
        row["id"]
        for row in good
        if first(row["symptom"], row["log"])[1] is Confidence.CERTAIN
        and first(row["symptom"], row["log"])[0] != row["label"]
    ]
    assert top1 / len(good) >= 0.85
    assert len(wrong) <= len(good) * 0.01 + 1
    bad = [row for row in held if row["negative"]]
    assert sum(bool(match(LIBRARY, row["symptom"], row["log"])) for row in bad) <= len(bad) / 10.0


def test_the_cause_comes_before_its_wrapper():
    log = (
        "Gateway failed to start\ngateway closed (1006 abnormal closure (no close frame))\n"
        + SYNTAX
    )
    assert first("gateway will not start", log)[0] == "config-json-parse"


def test_a_decisive_line_is_certain_and_says_why():
    found = match(LIBRARY, "", SYNTAX)
    assert found[0].confidence is Confidence.CERTAIN
    assert "JSON5 parse failed" in found[0].because[0]


@pytest.mark.parametrize(
    "word",
    ["401", "EADDRINUSE", "timeout", "429", "crash", "error", "gateway", "超时", "报错", "网关"],
)
def test_a_single_word_is_never_certain(word):
    for found in (match(LIBRARY, word, ""), match(LIBRARY, "", word), match(LIBRARY, word, word)):
        assert all(one.confidence is not Confidence.CERTAIN for one in found)


def test_words_of_a_person_alone_are_never_certain():
    assert (
        first(
            "JSON5 parse failed: SyntaxError: JSON5: invalid end of input at 7:6 in openclaw.json"
        )[1]
        is not Confidence.CERTAIN
    )


def test_the_gateways_own_log_need_not_name_openclaw():
    line = "node: --no-such-flag is not allowed in NODE_OPTIONS"
    assert match(LIBRARY, "", line)[0].confidence is Confidence.PROBABLE
    assert match(LIBRARY, "", line, own_log=True)[0].confidence is Confidence.CERTAIN


def test_one_sentence_of_two_causes_leaves_both_to_the_live_evidence():
    found = match(
        LIBRARY,
        "",
        "Gateway start blocked: existing config is missing gateway.mode. Treat this as "
        "suspicious or clobbered config.",
    )
    certain = {one.case.slug for one in found if one.confidence is Confidence.CERTAIN}
    assert {"gateway-mode-missing", "config-json-parse"} <= certain


def test_an_older_boots_error_does_not_act_after_a_good_boot():
    log = (
        "[gateway] loading configuration…\n"
        + SYNTAX
        + "\n[gateway] loading configuration…\n[gateway] http server listening (9 plugins: a; "
        "3s)\n[gateway] ready"
    )
    assert first("", log)[1] is not Confidence.CERTAIN


def test_a_strangers_sentence_does_not_count():
    log = '[gateway] ready\n[telegram] inbound message from 42: "' + SYNTAX + '"'
    assert match(LIBRARY, "", log) == []
    assert match(LIBRARY, "", "> " + SYNTAX) == []


def test_another_products_line_does_not_count():
    assert match(LIBRARY, "claude code says rate limited", "API Error: 429 rate_limit_error") == []
    assert (
        match(
            LIBRARY,
            "OpenClash 端口被占用",
            "[openclash] listen EADDRINUSE: address already in use :7890",
        )
        == []
    )


def test_nothing_said_is_no_case():
    assert match(LIBRARY, "", "") == []
    assert match(LIBRARY, "   ", "\n\n") == []
    assert match(LIBRARY, "我今天心情很好", "") == []


@pytest.mark.parametrize(
    "symptom, slug",
    [
        ("Gateway 无法启动", "gateway-not-running"),
        ("配置文件损坏", "config-json-parse"),
        ("memory index broken", "memory-embedding-failed"),
        ("模型限流 429", "provider-rate-limit"),
        ("agent spawn 失败", "agent-spawn-failed"),
        ("频道配置错误", "channel-config-invalid"),
        ("连不上模型服务商", "model-provider-unreachable"),
        ("agents 冲突", "agents-conflict"),
        ("权限不足，.openclaw 目录写不了", "state-dir-permission"),
        ("日志文件过大", "log-too-large"),
        ("telegram bot conflict 409", "telegram-409-conflict"),
        ("whatsapp wants a new QR code", "whatsapp-logged-out"),
    ],
)
def test_what_people_say(symptom, slug):
    assert slug in [one.case.slug for one in match(LIBRARY, symptom, "")[:3]]


def test_ranking_is_the_same_every_time():
    log = (
        "429 Too Many Requests\nstart-limit-hit\nEACCES: permission denied, open "
        "'/home/a/.openclaw/x'"
    )
    runs = {
        tuple((m.case.id, m.score) for m in match(LIBRARY, "all is broken", log)) for _ in range(5)
    }
    assert len(runs) == 1


def test_hostile_lines_are_cheap():
    pieces = [
        "EACCES permission denied .openclaw ",
        "plugin extensions Cannot find module ",
        "401 invalid api key ",
        "a" * 500,
        "(",
        "\\",
        "discord ECONN",
    ]
    dice = random.Random(3)
    log = "\n".join("".join(dice.choice(pieces) for _ in range(120)) for _ in range(400))
    began = time.process_time()
    match(LIBRARY, "x " * 50_000, log)
    assert time.process_time() - began < 5.0


def test_a_big_log_is_read_from_its_end():
    noise = "\n".join(
        "[gateway] request {} took {} ms".format("abcdefgh"[n % 8] * 5, n) for n in range(200_000)
    )
    began = time.process_time()
    found = match(LIBRARY, "", noise + "\n" + SYNTAX)
    assert found[0].case.slug == "config-json-parse"
    assert time.process_time() - began < 2.0
    assert match(LIBRARY, "", SYNTAX + "\n" + noise) == [], "what is megabytes back is history"


WORDS = (
    "it's broken",
    "网关崩溃",
    "discord bot is silent",
    "the database is damaged",
    "nothing works",
)


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("row", rows("late_2026.jsonl"), ids=lambda row: row["id"])
def test_words_take_nothing_away_from_a_strong_line_of_the_log(row, words):
    alone = match(LIBRARY, "", row["log"])
    if alone and alone[0].score >= 0.75:
        assert first(words, row["log"])[0] == alone[0].case.slug


def test_a_warning_beside_an_error_is_not_the_cause():
    log = (
        "[gateway] Config warnings: plugin a: duplicate plugin id detected\n"
        "[plugins] b failed to load from ~/.openclaw/extensions/b/index.ts: Error: Cannot find "
        "module 'x'"
    )
    assert first("", log)[0] == "plugin-load-missing-module"
