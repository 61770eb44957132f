"""Is it about OpenClaw, and is something wrong at all? Strangers, wishes, recipes, questions and
healthy logs are left alone.
"""

from __future__ import annotations

import pytest

from skill.cases import library
from skill.cases.index import Index, stem, strangers, subsystems, vocabulary
from skill.cases.matcher import match
from skill.cases.scope import judge, strange, telling

LIBRARY = library.shipped()
KNOWN = Index(LIBRARY).known()
BUSY = "listen EADDRINUSE: address already in use 0.0.0.0:8000"


@pytest.mark.parametrize(
    "symptom, word",
    [
        ("Frobnitz does not start, port in use", "Frobnitz"),
        ("MoviePilot 通知发不出去", "MoviePilot"),
        ("my-little-chat-bot crashes at start", "my-little-chat-bot"),
        ("daily_sales_report cannot reach its database", "daily_sales_report"),
        ("jellyfin restarts every minute", "jellyfin"),
        (
            "gateqay refuses connections",
            "gateqay",
        ),  # another letter makes another word, as names are made
        ("HomeXY does not start, port in use", "HomeXY"),
    ],
)
def test_a_name_of_another_program_is_told(symptom, word):
    assert strange(symptom, KNOWN) == word
    assert match(LIBRARY, symptom, BUSY) == []


@pytest.mark.parametrize(
    "symptom",
    [
        "the gateway does not start after the update",
        "gatway refuses connections",  # a slip of the hand is no name
        "telegramm refuses connections",
        "gatewya refuses connections",
        "discord bot went offline during lunch",
        # another language is no name
        "le gateway redémarre toutes les secondes depuis la mise à jour",
        "DEVICE_AUTH_SIGNATURE_EXPIRED on my phone",
        "models.providers.aliyun is refused",
        "whatsapp 掉线，PowerShell 里重启也没用",
    ],
)
def test_ordinary_words_are_no_names(symptom):
    assert strange(symptom, KNOWN) == ""


@pytest.mark.parametrize(
    "symptom, ours",
    [
        ("after npm -g update the agent is dead", True),
    ],
)
def test_a_tool_in_the_sentence_is_no_other_program_where_a_word_places_it(symptom, ours):
    assert (
        bool(
            match(
                LIBRARY,
                symptom,
                "Error: getaddrinfo ENOTFOUND api.telegram.org, telegram channel exited",
            )
        )
        is ours
    )


def test_what_names_openclaw_may_name_others_too():
    assert match(LIBRARY, "Frobnitz and openclaw fight for the port", BUSY)


def test_a_slip_of_this_machines_owner_is_no_other_program():
    assert match(LIBRARY, "qzxwv port in use", "") == []
    assert match(LIBRARY, "qzxwv port in use", "", own_log=True)


@pytest.mark.parametrize(
    "symptom",
    [
        "please add an option to restart only one channel",
        "could the UI show the port?",
        "the lock message should name the port too",
        "suggestion: print the pid beside the port",
        "how I fixed the restart loop on my server",
        "网关重启的问题已经解决了",
        "希望官方能支持自动重启",
        "fix: gateway lock timeout",
        "which node version is best?",
        "the docs say the port is wrong",
        "OpenClaw 2026.9.9 released with fixes for the restart loop",
    ],
)
def test_wishes_recipes_and_questions_are_no_incidents(symptom):
    assert match(LIBRARY, symptom, "") == []


@pytest.mark.parametrize(
    "symptom",
    [
        "how do I get it running again, the gateway does not start",
        "怎么重启网关，命令报错",
        "the gateway should be up but does not start",
        "gateway is unreachable with ECONNREFUSED, what should I do",
    ],
)
def test_a_question_that_tells_of_trouble_is_an_incident(symptom):
    assert match(LIBRARY, symptom, "")


def test_a_healthy_log_is_no_incident_and_one_bad_line_makes_it_one():
    calm = (
        "[gateway] starting...\n[gateway] http server listening (3 plugins: a, b, c; "
        "1.0s)\n[gateway] ready\n[heartbeat] started"
    )
    assert match(LIBRARY, "", calm) == [] and match(LIBRARY, "log after the start", calm) == []
    assert match(
        LIBRARY,
        "",
        calm
        + "\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    )


def test_of_a_long_log_only_what_tells_of_trouble_is_weighed():
    lines = ["[gateway] request {} done".format("x" * n) for n in range(80)] + [
        "[gateway] error: it failed"
    ]
    assert telling(lines) == ["[gateway] error: it failed"]
    assert telling(["Non-fatal unhandled rejection (continuing): TypeError: fetch failed"]) == []


QUOTA = "Error: 429 You exceeded your current quota, please check your plan and billing details."


def test_an_error_of_any_program_needs_a_word_that_places_it_here():
    """A full quota, a certificate, a heap: every program prints them."""
    assert match(LIBRARY, "exports stop every afternoon since I upgraded the plan", QUOTA) == []
    assert match(LIBRARY, "my bot stops every afternoon since I upgraded the plan", QUOTA)[
        0
    ].case.slug.startswith("provider-")
    assert match(LIBRARY, "exports stop every afternoon", "[gateway] " + QUOTA) and match(
        LIBRARY, "", QUOTA
    )
    assert match(
        LIBRARY, "exports stop every afternoon", QUOTA, own_log=True
    )  # this machine's own log places it


@pytest.mark.parametrize(
    "symptom, fine",
    [
        ("status says the gateway is unreachable and no channel works", False),
        ("the cli works fine but telegram never answers", False),
        ("面板能用，飞书收不到消息", False),
    ],
)
def test_what_works_is_no_incident_however_its_status_reads(symptom, fine):
    log = "Gateway not reachable: connect ECONNREFUSED 127.0.0.1:18789"
    assert (match(LIBRARY, symptom, log) == []) is fine


def test_nothing_said_is_nothing():
    assert judge("", []).nothing


def test_the_vocabulary_knows_openclaws_world_and_not_the_strangers():
    assert {
        stem(word) for word in ("gateway", "telegram", "restart", "certificate")
    } <= vocabulary()
    assert strangers() and not strangers() & KNOWN


@pytest.mark.parametrize(
    "line",
    [
        'level=error msg="cannot obtain certificates" error="acme: error: 429"',
        "2026/11/12 03:11:05 [error] 41#41: *9 connect() failed (111: Connection refused)",
        "com.example.shop.ShopServer : ERROR Connection refused",
        "telegram.error.Conflict: terminated by other getUpdates request",
        "[agent] user: my database disk image is malformed",
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
        "    at /home/ann/shop/server.js:12:5: listen EADDRINUSE: address already in use",
        "NetworkManager[801]: <warn> dhcp4 (eth0): request timed out",
    ],
)
def test_a_line_of_another_programs_make_is_no_evidence(line):
    assert match(LIBRARY, "", line) == []


def test_the_head_of_a_line_says_that_it_is_openclaws_own():
    assert {"gateway", "agent/embedded", "model-fallback"} <= subsystems()
    line = "[model-fallback] candidate failed: reason=rate_limit 429 rate_limit_error"
    assert judge("too eager, gets throttled", [line], KNOWN).ours
    assert not judge("", ["[shop] candidate failed: 429 rate_limit_error"], KNOWN).ours


def test_words_take_nothing_away_from_a_line_that_speaks_for_itself():
    log = "UNABLE_TO_VERIFY_LEAF_SIGNATURE while fetching https://api.openai.com/v1/responses"
    for said in ("", "corp mitm proxy", "company proxy"):
        assert match(LIBRARY, said, log)[0].case.slug == "tls-untrusted-cert"


def test_the_days_work_is_no_trouble():
    log = "[gateway] received SIGTERM; shutting down\n[shutdown] completed cleanly in 79ms"
    assert match(LIBRARY, "", log) == []


@pytest.mark.parametrize(
    "symptom, log",
    [
        ("npm run dev complains at once", BUSY),
        (
            "the job of my pull request is red",
            "Error: Test timed out in 5000ms. gateway boot.test.ts",
        ),
        (
            "installing a tool is denied",
            "npm error path /usr/lib/node_modules/cowsay\nnpm error Error: EACCES: permission "
            "denied",
        ),
        ("which keys of the config may I leave out?", "gateway.port, agents.defaults"),
    ],
)
def test_other_work_is_no_incident_and_on_this_machine_the_log_counts(symptom, log):
    assert match(LIBRARY, symptom, log) == []


def test_the_log_of_this_machine_need_not_name_openclaw():
    line = "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"
    assert match(LIBRARY, "", line, own_log=True)[0].case.slug == "port-in-use"
    assert match(LIBRARY, "port is taken", line) == []


def test_words_alone_must_speak_up_beside_a_log():
    """A strange log with one word that some case uses too is no match; the same words of this
    machine's owner get an answer.
    """
    assert (
        match(
            LIBRARY,
            "a banner is shorter than before the update",
            "ready (5 plugins: browser; 24.0s)",
        )
        == []
    )


@pytest.mark.parametrize(
    "symptom",
    [
        "每天早上提醒我开会的定时任务昨晚没有执行",
        "让机器人翻译文章，它一直不回复",
        "the bot crashes when I ask it to translate the document",
        "cron job that should remind me every day did not run",
        "微信客户端发消息 机器人没反应",
        "thanks in advance, my gateway won't start",
        "昨天修好了，今天网关起不来",
    ],
)
def test_a_complaint_stays_one_whatever_else_is_spoken_of(symptom):
    """What the bot was asked to do, a client that was used, a word of thanks: no reason to be deaf."""
    assert not judge(symptom, [], KNOWN).nothing


@pytest.mark.parametrize(
    "symptom",
    [
        "write a poem about error 429",
        "翻译这段话",
        "提醒我明天开会",
        "谢谢，已经好了，重启一下就可以了",
        "微信电脑版登录不上",
    ],
)
def test_small_talk_is_no_trouble(symptom):
    assert match(LIBRARY, symptom, "") == []
