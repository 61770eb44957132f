"""A value that OpenClaw rejects gives way to the default, unless a default there could open what
the owner had closed.
"""

from __future__ import annotations

import json

import pytest
from doctor_world import World

from skill.errors import CannotPlan
from skill.model import Finding, Risk, Severity, Text, Write
from skill.openclaw import config
from skill.repairs import ALL


def ctx_with(tmp_path, path, check="config/invalid-value"):
    world = World(tmp_path)
    world.config.write_text(
        json.dumps(
            {"gateway": {"mode": "local", "bind": 7, "reload": {"mode": 17, "debounceMs": 5}}}
        )
    )
    finding = Finding(check, Severity.ERROR, Text("x", "x"), path)
    return world.context(finding)


def test_the_default_takes_the_place_of_a_wrong_value(tmp_path):
    plan = ALL["unset-config-key"].plan(
        ctx_with(tmp_path, "gateway.reload.mode"), {"path": "gateway.reload.mode"}
    )
    written = [
        step
        for step in plan.steps
        if isinstance(step, Write) and step.path.endswith("openclaw.json")
    ][-1]
    assert config.parse(written.content.decode())["gateway"] == {
        "mode": "local",
        "bind": 7,
        "reload": {"debounceMs": 5},
    }
    assert plan.risk is Risk.GUARDED and plan.config_paths == ("gateway.reload.mode",)


@pytest.mark.parametrize(
    "path",
    [
        "gateway.bind",
        "gateway.auth.mode",
        "channels.telegram.dmPolicy",
        "channels.slack.allowFrom",
        "gateway.port",
    ],
)
def test_what_guards_the_gateway_is_never_defaulted(tmp_path, path):
    with pytest.raises(CannotPlan):
        ALL["unset-config-key"].plan(ctx_with(tmp_path, path), {"path": path})
