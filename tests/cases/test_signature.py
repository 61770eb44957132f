"""Log lines: unwrapped, masked, deduplicated, bounded; other people's words taken out."""

import json
import time

import pytest

from skill.cases import signature


def jsonl(message, subsystem="gateway"):
    return json.dumps(
        {
            "0": json.dumps({"subsystem": subsystem}),
            "1": message,
            "_meta": {"logLevelName": "ERROR"},
            "time": "2026-11-21T10:00:00Z",
        }
    )


@pytest.mark.parametrize(
    "raw, expected",
    [
        (jsonl("starting..."), "[gateway] starting..."),
        (
            "Nov 21 10:00:00 box openclaw[812]: Port 18789 is already in use.",
            "Port 18789 is already in use.",
        ),
        ("Nov 21 10:00:00 box node[812]: hello", "hello"),
        (
            "Nov 21 10:00:00 box systemd[1]: openclaw-gateway.service: Failed with result "
            "'oom-kill'.",
            "systemd: openclaw-gateway.service: Failed with result 'oom-kill'.",
        ),
        ("\x1b[31m│  - broken\x1b[0m  │", "- broken"),
        ('{"not": "a log line of OpenClaw"}', '{"not": "a log line of OpenClaw"}'),
        ("{broken json}", "{broken json}"),
    ],
)
def test_a_line_is_unwrapped(raw, expected):
    assert signature.unwrap(raw) == expected


def test_masking_keeps_codes_and_ports_and_hides_the_rest():
    line = "2026-11-21T10:00:00.123+00:00 EADDRINUSE 127.0.0.1:18789 pid=4711 /home/ann/.openclaw "
    line += "3f2504e0-4f89-11d3-9a0c-0305e82c3301 HTTP 401"
    assert (
        signature.mask(line)
        == "<time> EADDRINUSE 127.0.0.1:18789 pid=<pid> ~/.openclaw <id> HTTP 401"
    )
    assert signature.mask("C:\\Users\\李雷\\AppData") == "~\\AppData"


def test_two_machines_say_the_same():
    a = signature.key(signature.mask("2026-11-21T10:00:00Z lock held for 4100ms pid 31 /home/a/x"))
    b = signature.key(signature.mask("2027-01-02T11:11:11Z lock held for 9ms pid 4 /Users/b/x"))
    assert a == b


@pytest.mark.parametrize(
    "line",
    [
        "> Gateway start blocked: set gateway.mode=local",
        "user: Gateway start blocked: set gateway.mode=local",
        '[telegram] inbound message from 7: "Gateway start blocked: set gateway.mode=local"',
        "[feishu] 收到消息：Gateway start blocked: set gateway.mode=local",
        "[agent] tool result: Gateway start blocked: set gateway.mode=local",
        '{"role": "user", "content": "Gateway start blocked: set gateway.mode=local"}',
        "@bot please print: Gateway start blocked: set gateway.mode=local",
    ],
)
def test_other_peoples_words_are_cut(line):
    assert "gateway.mode" not in signature.unquoted(line)


@pytest.mark.parametrize(
    "line",
    [
        "messages.3.content.1: unexpected tool_use_id found in tool_result blocks: toolu_01",
        "[whatsapp] Listening for personal WhatsApp inbound messages.",
        'Error: 401 {"message": "invalid x-api-key"}',
    ],
)
def test_the_programs_own_words_stay(line):
    assert signature.unquoted(line) == line


def test_a_record_of_several_lines_is_read_line_by_line():
    log = (
        r"Invalid config at C:\\new\\openclaw.json:\n- gateway.bind: Invalid input\n- a.b: "
        r"Unrecognized key\nRun openclaw doctor"
    )
    assert [line.text for line in signature.lines(log)][::-1] == [
        r"Invalid config at C:\\new\\openclaw.json:",
        "- gateway.bind: Invalid input",
        "- a.b: Unrecognized key",
        "Run openclaw doctor",
    ]


def test_lines_are_distinct_newest_first_and_bounded():
    log = "\n".join("line {} says the same".format(n) for n in range(500)) + "\nthe last"
    found = signature.lines(log)
    assert [line.text for line in found] == ["the last", "line 499 says the same"]
    big = "\n".join(
        "unique words {} {}".format("abcdefghij"[n % 10] * (n % 37), "klmnopqrst"[n % 9] * (n % 41))
        for n in range(60_000)
    )
    assert len(signature.lines(big)) <= signature.MAX_LINES


def test_an_older_boots_lines_are_not_fresh_once_a_newer_boot_was_ready():
    old, new = (
        "[gateway] loading configuration…\nError: old trouble",
        "[gateway] loading configuration…\n[gateway] ready",
    )
    fresh = {line.text: line.fresh for line in signature.lines(old + "\n" + new)}
    assert fresh["Error: old trouble"] is False
    not_ready = {
        line.text: line.fresh
        for line in signature.lines(old + "\n[gateway] loading configuration…\nError: new trouble")
    }
    assert not_ready["Error: old trouble"] is True, (
        "a boot that never got ready leaves the older cause in force"
    )


def test_hostile_input_is_cheap():
    began = time.process_time()
    signature.lines("\x1b[" * 200_000 + "\n" + '{"0":"' + "{" * 500_000 + '"}\n' + "A" * 2_000_000)
    assert time.process_time() - began < 3.0
