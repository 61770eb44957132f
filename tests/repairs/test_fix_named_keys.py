"""General means, guarded: a key that the validator names gets a value that its schema takes and that
is not weaker; a variable that a finding names leaves the service's environment; last words are
evidence only of a process that is gone.
"""

from __future__ import annotations

import gzip
import json
from types import SimpleNamespace

import ai_world
import pytest
from ai_world import GOOD, finding

from skill.checks import plugins as plugin_check
from skill.errors import CannotPlan
from skill.model import Finding, Severity, State, Text
from skill.openclaw import schema
from skill.openclaw.json_edit import UNSET
from skill.repairs import ALL, fix_named_keys

SCHEMA = {
    "type": "object",
    "properties": {
        "gateway": {
            "type": "object",
            "properties": {
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "mode": {"enum": ["local", "remote"]},
                "bind": {"enum": ["loopback", "lan"]},
                "auth": {"type": "object"},
            },
        },
        "logging": {"type": "object", "properties": {"level": {"enum": ["info", "debug"]}}},
        "channels": {"type": "object"},
        "agents": {"type": "object"},
    },
    "additionalProperties": False,
}


def world(tmp_path, config, *named):
    ctx = ai_world.context(tmp_path, config, [finding("config/invalid-value", n) for n in named])
    path = schema.path_of(ctx.home, "")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(json.dumps(SCHEMA).encode()))
    return ctx


def plan(ctx, *changes):
    return ALL["fix-named-keys"].plan(ctx, {"changes": list(changes)})


def with_port(port):
    return dict(GOOD, gateway=dict(GOOD["gateway"], port=port))


def test_a_number_that_was_written_as_text_becomes_the_number(tmp_path):
    """R7: the only possible plan was not in the registry."""
    ctx = world(tmp_path, with_port("21440"), "gateway.port")
    made = plan(ctx, {"path": "gateway.port", "value": 21440})
    written = [step for step in made.steps if getattr(step, "path", "").endswith("openclaw.json")]
    assert json.loads(written[-1].content)["gateway"]["port"] == 21440
    assert made.config_paths == ("gateway.port",)


@pytest.mark.parametrize(
    "named,change",
    [
        ("gateway.port", {"path": "gateway.port", "value": 443}),  # not the one that was meant
        ("gateway.port", {"path": "gateway.port", "value": "21440"}),  # still no number
        ("gateway.port", {"path": "logging.level", "value": "info"}),  # nobody named it
        ("gateway.bind", {"path": "gateway.bind", "value": "lan"}),
        ("gateway.auth.token", {"path": "gateway.auth.token", "value": "new"}),
        ("gateway.auth.token", {"path": "gateway.auth.token"}),
        ("gateway.port", {"path": "gateway"}),
        ("gateway.mode", {"path": "gateway.mode", "value": "remote-ish"}),
    ],
)
def test_what_nobody_but_the_owner_may_do(tmp_path, named, change):
    ctx = world(tmp_path, with_port("21440"), named)
    with pytest.raises(CannotPlan):
        plan(ctx, change)


def test_every_key_that_is_wrong_has_to_be_named_in_one_plan(tmp_path):
    config = dict(with_port("21440"), logging={"level": "loud"})
    ctx = world(tmp_path, config, "gateway.port", "logging.level")
    port = {"path": "gateway.port", "value": 21440}
    with pytest.raises(CannotPlan, match="still reject"):
        plan(ctx, port)
    made = plan(ctx, port, {"path": "logging.level", "value": "info"})
    assert made.config_paths == ("gateway.port", "logging.level")


@pytest.mark.parametrize(
    "path,now,value,allowed",
    [
        ("agents.defaults.maxConcurrent", "two", 2, True),
        ("browser.enabled", "maybe", False, True),
        ("tools.exec.security", "fulll", "full", False),
        ("tools.exec.security", "denyy", "deny", True),
        ("channels.telegram.dmPolicy", "opn", "open", False),
        ("channels.telegram.dmPolicy", "opn", "allowlist", True),
        ("models.providers.a.baseUrl", 5, "https://evil.example", False),
        ("mcp.servers.x.command", 5, "sh", False),
        ("gateway.auth.rateLimit.maxAttempts", "many", 99999, False),
        ("gateway.auth.rateLimit.maxAttempts", "10", 10, True),
        ("gateway.controlUi.allowInsecureAuth", "no", True, False),
        ("gateway.controlUi.allowInsecureAuth", "no", False, True),
        ("agents.defaults.sandbox.mode", "offf", UNSET, False),
        ("gateway.reload.speed", 3, UNSET, True),
    ],
)
def test_not_weaker(path, now, value, allowed):
    from skill.openclaw import json_edit

    parts = tuple(path.split("."))
    data = json_edit.with_value({}, parts, now)
    reason = fix_named_keys.against(data, parts, value, None)
    assert (reason is None) is allowed


class Platform:
    name = "systemd"

    def environment(self):
        return {"OPENCLAW_SOME_LIMIT": "x", "OPENCLAW_GATEWAY_TOKEN": "t", "PATH": "/bin"}

    def environment_override(self, values, unset):
        return [("override", dict(values), list(unset))], []


def test_a_variable_that_a_finding_names(tmp_path):
    from dataclasses import replace

    named = Finding(
        "service/environment-named",
        Severity.INFO,
        Text("x", "x"),
        evidence={"names": ["OPENCLAW_SOME_LIMIT", "OPENCLAW_GATEWAY_TOKEN", "PATH"]},
    )
    ctx = replace(ai_world.context(tmp_path, GOOD, [named]), platform=Platform())
    repair = ALL["unset-service-variable"].plan
    assert repair(ctx, {"names": ["OPENCLAW_SOME_LIMIT"]}).steps[0][2] == ["OPENCLAW_SOME_LIMIT"]
    for name in ("OPENCLAW_GATEWAY_TOKEN", "PATH", "HTTPS_PROXY"):
        with pytest.raises(CannotPlan):
            repair(ctx, {"names": [name]})


def look(tmp_path, log, **more):
    extension = tmp_path / ".openclaw" / "extensions" / "meteor"
    extension.mkdir(parents=True, exist_ok=True)
    ctx = ai_world.context(tmp_path, GOOD, state=more.pop("state", State.DOWN), logs=log)
    from dataclasses import replace

    verdict = replace(ctx.verdict, exit_code=more.pop("code", 0))
    seen = dict(
        up=False, gateways=[], verdict=verdict, service=None, log=log, home=ctx.home,
        config=SimpleNamespace(data=GOOD), service_env={"OPENCLAW_SOME_LIMIT": "x"}, **more,
    )  # fmt: skip
    return SimpleNamespace(**seen)


SAID = "2026-11-21T10:00:00Z [gateway] ready\n2026-11-21T10:00:01Z [meteor] leaving\n"


def test_last_words_name_a_plugin_of_a_process_that_is_gone(tmp_path):
    found = list(plugin_check._last_words(look(tmp_path, SAID)))
    assert [(f.check_id, f.evidence["plugin"]) for f in found] == [("plugins/last-words", "meteor")]
    assert not list(plugin_check._last_words(look(tmp_path, SAID, state=State.HUNG)))
    assert not list(plugin_check._last_words(look(tmp_path, SAID, code=78)))
    ended = SAID + "2026-11-21T10:00:02Z [gateway] received SIGTERM; shutting down\n"
    assert not list(plugin_check._last_words(look(tmp_path, ended)))


def test_last_words_name_a_variable_of_the_service(tmp_path):
    log = "Error: OPENCLAW_SOME_LIMIT must be a number; see also OPENCLAW_OTHER_THING\n"
    found = list(plugin_check._last_words(look(tmp_path, log, code=1)))
    assert [f.evidence.get("name") for f in found] == ["OPENCLAW_SOME_LIMIT"]
