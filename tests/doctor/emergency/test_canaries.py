"""Nothing private leaves: canaries at every place of a config, of a log, of findings, of what was
tried, of feedback and of chats; every byte that a run hands over or writes is looked at.

Not recognisable, and let through on purpose: a short word without a key, a shape or a known value
(a password in the middle of a sentence), names of people outside of chat lines, what somebody writes
about another topic without any mark of a chat. A log line is only sent when it reports a failure or
the gateway's own life, which is what makes that acceptable.
"""

from __future__ import annotations

import json
import re

import ai_world
import canaries
import pytest
from ai_world import GOOD, Healer, World, answer, bridge, finding

from skill.doctor.emergency import edit_mode, evidence
from skill.doctor.emergency.shape import Shape
from skill.model import Outcome, Plan, Risk, Text
from skill.openclaw import known_secrets
from skill.redact import Redactor, drop_chat, visible


def cleaned(line, *known):
    return Redactor(known).clean(drop_chat(visible(line)))


@pytest.mark.parametrize("kind,line,secret", canaries.LOG, ids=[row[0] for row in canaries.LOG])
def test_a_canary_in_a_log(kind, line, secret):
    assert secret not in cleaned(line)


@pytest.mark.parametrize(
    "kind,line,secret", canaries.EVIDENCE, ids=[row[0] for row in canaries.EVIDENCE]
)
def test_a_canary_in_the_evidence_of_an_ai(kind, line, secret):
    text = "[gateway] error: " + line
    assert secret not in "".join(evidence.log_parts(text, Redactor(())))
    assert secret in text


def test_what_a_program_reports_in_quotes_stays():
    line = "[gateway] failed: 'timeout of 15000ms exceeded', run \"openclaw doctor --fix\" (409)"
    assert evidence.log_parts(line, Redactor(()))[0] == line
    for kept in (
        "Gateway service check failed: Error: systemctl --user unavailable: Failed to connect",
        "feishu[default]: webhook anomaly path=/feishu/webhook status=401 count=1 failed",
        "underlying: authorization denied (code: 23)",
        "[discord:default] health-monitor: restarting (reason: stale-socket), failed",
        "OPENCLAW_GATEWAY_PORT=18789 NODE_ENV=production failed",
        "SQLITE_BUSY=5 failed",
    ):
        assert evidence.log_parts(kept, Redactor(()))[0] == kept


@pytest.mark.parametrize("kind,line", canaries.KNOWN, ids=[row[0] for row in canaries.KNOWN])
def test_a_known_value_in_every_form(kind, line):
    out = cleaned("upstream failed: " + line + " retry", canaries.SECRET, canaries.GATEWAY).lower()
    for part in ("correct-h", "battery", "horse", "stap", "canary", "636f7272", "y29ycmvjdc"):
        assert part not in out


@pytest.mark.parametrize("line", canaries.CHAT)
def test_what_somebody_wrote_is_dropped(line):
    assert "CHATCANARY" not in cleaned(line)


def test_there_are_enough_of_them():
    assert canaries.COUNT >= 300


def test_no_canary_reaches_a_prompt_a_file_an_argv_or_the_person(tmp_path):
    """The whole of it in one run of four rounds: a model that hands every placeholder back and says
    what it saw."""
    rows = canaries.LOG + canaries.EVIDENCE
    lines = [line for _kind, line, _secret in rows] + [line for _k, line in canaries.KNOWN]
    log = "\n".join("[gateway] error: " + line for line in lines + canaries.CHAT)
    findings = [
        finding("config/unrecognized-key", "agentz"),
        finding("log/x", "channels", "failed: " + canaries.LOG[0][1]),
        finding("plugins/load-failed", "", "plugin said: user said CHATCANARY77 hello"),
        finding("models/unreachable", "", "https://proxy.example/k/pathCANARY31aa/v1 gave 502"),
    ]
    config = canaries.config(GOOD)
    config["channels"]["slack"] = {"botToken": canaries.SECRET}
    ctx = ai_world.context(tmp_path, config, findings, logs=log)
    asked, said = [], []

    def oracle(question):
        names = " ".join(sorted(set(re.findall(r"<[A-Z]+_\d+>", question.prompt)))[:40])
        return answer(
            "unset-config-key",
            {"path": names or "x"},
            root_cause="I saw " + canaries.SECRET + " and " + names,
            tell_person="The token is rememberedOnce; kEyed0nly77zz; " + names,
        )

    tried = [
        Outcome(
            Plan("restart", (), Risk.SAFE, Text("x", "x")),
            False,
            Text("failed: password: swordfishXI; user said CHATCANARY78", "x"),
        )
    ]
    result = World(ctx, [bridge([oracle], asked=asked)], Healer(), tried, say=said.append).run()
    assert len(asked) >= 2, "feedback is a way out too"
    folder = tmp_path / ".openclaw" / "iflow-doctor"
    seen = {
        "prompts": "\n".join(q.prompt for q in asked),
        "files": "".join(p.read_text("utf-8", "replace") for p in folder.rglob("*") if p.is_file()),
        "result": json.dumps([result.to_json(), [list(t) for t in said]], ensure_ascii=False),
        "argv": str([(q.run_id, q.workdir) for q in asked]),
    }
    secrets = [secret for _k, _l, secret in rows] + ["CHATCANARY", "CANARY"]
    secrets += ["correct-h", "battery", "horse"]
    for place, text in seen.items():
        for secret in secrets:
            assert secret not in text, (place, secret)
    assert "agentz" in seen["prompts"] and '"bind": "loopback"' in seen["prompts"]


def test_a_placeholder_in_a_parameter_is_refused_before_anything_is_put_back(tmp_path):
    """G1: the refusal used to quote what the placeholder stood for."""
    from skill.doctor.emergency import plan as plans

    ctx = ai_world.context(tmp_path, GOOD, [finding("config/unrecognized-key", "agentz")])
    for params in (
        {"path": "<SECRET_1>"},
        {"path": "a.<URL_2>.b"},
        {"path": "<text of 9 characters>"},
    ):
        with pytest.raises(plans.Refused, match="placeholder"):
            plans.prepare(ctx, plans.read(answer("unset-config-key", params)), ())


def test_only_values_of_known_keys_that_cannot_hold_a_secret_are_shown(tmp_path):
    ctx = ai_world.context(tmp_path, canaries.config(GOOD))
    shown = json.dumps(Shape(None).tree(canaries.config(GOOD), depth=9))
    assert "CANARY" not in shown and "13800138000" not in shown and "13987654321" not in shown
    assert '"bind": "loopback"' in shown and '"dmPolicy": "allowlist"' in shown
    del ctx


def test_the_schema_decides_what_is_shown(tmp_path):
    schema = {
        "type": "object",
        "properties": {
            "gateway": {
                "type": "object",
                "properties": {
                    "port": {"type": "integer"},
                    "bind": {"anyOf": [{"const": "lan"}, {"const": "loopback"}]},
                    "note": {"type": "string"},
                    "pin": {"type": "integer"},
                },
            }
        },
    }
    shape = Shape(schema)
    assert shape.value(("gateway", "port"), "21440") == "21440", "a number that was written as text"
    assert shape.value(("gateway", "bind"), "lam") == "lam", "a slip of the pen"
    assert shape.value(("gateway", "note"), "hunter2") == "<text of 7 characters>"
    assert shape.value(("gateway", "pin"), 4821) == "<number>"
    assert shape.value(("gateway", "other"), 4821) == "<number>"


def test_hands_hide_the_same_as_a_plan(tmp_path):
    """G5: comments and prompts went out with the copy."""
    text = json.dumps(canaries.config(GOOD), indent=2).replace(
        '"gateway"', '// CANARYcomment of hers\n  /* CANARYblock */ "gateway"', 1
    )
    ctx = ai_world.context(tmp_path, text)
    work = edit_mode.prepare(ctx, str(tmp_path), known_secrets.redactor(ctx))
    assert "CANARY" not in work.shown and "Gw-t0ken" not in work.shown
    assert work.restore(work.shown) == text and '"loopback"' in work.shown


def test_invisible_text_is_gone():
    tags = "".join(chr(0xE0000 + ord(c)) for c in "obey")
    for hidden in (tags, "a\u00adb", "x\ufe0fy", "\u202eabc", "\u200b", "\x1b]0;t\x07", "\u2066z"):
        assert not re.search("[\u00ad\u200b-\u200f\u202a-\u202e\ufe00-\ufe0f\x1b\U000e0000-\U000e0fff]",
                             visible(hidden))  # fmt: skip


def test_half_a_megabyte_costs_no_more_than_a_part_of_it():
    """I10 as a ratio: the middle goes, so that size does not matter any more."""
    import time

    redactor = Redactor(["secret-number-%d-abc" % i for i in range(300)])
    line = "2026-11-21T13:05:42.677Z [gateway] token=abc{} http://h/x/y?k=1 card 4111 1111\n"

    def seconds(size):
        text = "".join(line.format(n) for n in range(size // len(line) + 1))[:size]
        began = time.process_time()
        redactor.clean(drop_chat(text))
        return time.process_time() - began

    seconds(32_000)
    small, large = min(seconds(32_000) for _ in range(3)), min(seconds(512_000) for _ in range(3))
    assert large < 3 * small
