"""The config check: every way a config breaks gets its own finding, with the place of the fault."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone

import pytest
from checkhouse import GOOD, errors, ids, installed, valid

from skill.checks import base, config, validation
from skill.openclaw import validation as openclaw_validation


@pytest.fixture
def house(tmp_path):
    return installed(tmp_path)


def run(house, **more):
    ctx = house.ctx(**more)
    return list(config.run(ctx)) + list(validation.run(ctx))


def changed(**gateway):
    value = json.loads(json.dumps(GOOD))
    for key, item in gateway.items():
        if item is None:
            value["gateway"].pop(key)
        else:
            value["gateway"][key] = item
    return value


def test_a_good_config_has_no_error(house):
    assert errors(run(house)) == []


@pytest.mark.parametrize(
    "raw, shape",
    [
        (b"Doctor warnings: x\n" + json.dumps(GOOD).encode(), "text-before"),
        (json.dumps(GOOD, indent=1).encode()[:60], "truncated"),
        (json.dumps(GOOD).encode("utf-16"), "encoding"),
        (b"\0" * 80, "nul"),
        (b'{"a": 1,, }', "syntax"),
    ],
)
def test_syntax_names_the_kind_of_damage(house, raw, shape):
    house.config(raw)
    found = run(house)
    assert errors(found) == ["config/syntax"]
    assert found[0].evidence["shape"] == shape


def test_syntax_has_line_and_column_also_for_json5(house):
    house.config(b"{\n // note\n gateway: {mode: 'local',\n  port: ]\n}}")
    found = run(house)[0]
    assert (found.evidence["line"], found.evidence["column"]) == (4, 9)


def test_a_brace_inside_a_string_is_not_a_truncation():
    assert config.shape_of(b'{"a": "{{{", "b": }') == "syntax"


def test_bytes_that_are_no_utf8_are_only_a_warning(house):
    house.config(
        json.dumps(changed(auth={"mode": "token", "token": "tokenX"}))
        .encode()
        .replace(b"X", b"\xff")
    )
    found = run(house)
    assert errors(found) == [] and "config/encoding" in ids(found)


def test_a_byte_order_mark_is_no_fault(house):
    house.config(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert errors(run(house)) == [] and "config/encoding" not in ids(run(house))


def test_missing_empty_directory_and_broken_link(house):
    path = house.config(b" \n")
    assert errors(run(house)) == ["config/empty"]
    path.unlink()
    assert errors(run(house)) == ["config/missing"]
    path.symlink_to("/nowhere/at/all.json")
    assert run(house)[0].evidence["broken_link"] is True
    path.unlink()
    path.mkdir()
    found = run(house)
    assert errors(found) == ["config/missing"] and found[0].evidence["kind"] == "directory"


def test_an_include_that_is_gone_is_named(house):
    house.config(json.dumps(dict(GOOD, channels={"$include": "./ch.json5"})).encode())
    found = [f for f in run(house) if f.check_id == "config/include-missing"]
    assert [f.path for f in found] == [str(house.state / "ch.json5")]
    (house.state / "ch.json5").write_text("{telegram:")
    found = [f for f in run(house) if f.check_id == "config/include-missing"]
    assert found[0].evidence["broken"] is True


def test_issues_of_the_program_become_dotted_paths(house):
    issues = [
        {"path": "gateway", "message": 'Unrecognized keys: "a", "b"'},
        {"path": "<root>", "message": 'Unrecognized key: "bogus"'},
        {"path": "gateway.bind", "message": "Invalid input", "allowedValues": ["lan", "loopback"]},
        {"path": "channels.dingtalk", "message": "unknown channel id: dingtalk"},
        {"path": "plugins.slots.memory", "message": "plugin not found: nosuch"},
        {
            "path": "plugins.entries.x.config",
            "message": 'invalid config: must not have additional properties: "zzz"',
        },
    ]
    valid(house, valid=False, issues=issues)
    found = [(f.check_id, f.path) for f in run(house) if f.severity.value == "error"]
    assert found == [
        ("config/unrecognized-key", "gateway.a"),
        ("config/unrecognized-key", "gateway.b"),
        ("config/unrecognized-key", "bogus"),
        ("config/invalid-value", "gateway.bind"),
        ("config/channel-plugin-missing", "channels.dingtalk"),
        ("plugins/slot-missing", "plugins.slots.memory"),
        ("config/unrecognized-key", "plugins.entries.x.config.zzz"),
    ]


def test_a_broken_database_says_nothing_about_the_config(house):
    valid(
        house,
        valid=False,
        issues=[{"path": "<root>", "message": "read failed: Error: file is not a database"}],
    )
    found = run(house)
    assert errors(found) == [] and "config/unvalidated" in ids(found)


def test_the_gateways_own_refusal_is_read_from_its_log_and_no_program_is_called(house):
    path = house.config(dict(GOOD, bogus=1))
    os.utime(path, (time.time() - 100, time.time() - 100))
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")
    house.log(
        stamp + " [gateway] loading configuration…",
        stamp + " Gateway failed to start: Invalid config at {}:".format(path),
        'openclaw.json:2 — gateway: Unrecognized key: "bogusKey"',
        '<root>: Unrecognized key: "bogus"',
        'Run "openclaw doctor --fix" to repair, then retry.',
    )
    house.calls.clear()
    assert [f.path for f in run(house) if f.check_id == "config/unrecognized-key"] == [
        "gateway.bogusKey",
        "bogus",
    ]
    assert house.calls == []


def test_a_refusal_older_than_the_config_does_not_count(house):
    path = house.config(GOOD)
    house.log(
        "2020-01-01T00:00:00.000+00:00 [gateway] loading configuration…",
        "2020-01-01T00:00:01.000+00:00 Gateway failed to start: Invalid config at {}:".format(path),
        '<root>: Unrecognized key: "old"',
    )
    assert errors(run(house)) == []


@pytest.mark.parametrize(
    "gateway, expected, path",
    [
        ({"mode": None}, "config/mode-missing", "gateway.mode"),
        ({"mode": "remote"}, "config/invalid-value", "gateway.mode"),
        ({"bind": "lan", "auth": {"mode": "none"}}, "config/bind-without-auth", "gateway.bind"),
        (
            {"bind": "lan", "auth": {"mode": "token"}},
            "config/bind-without-auth",
            "gateway.auth.token",
        ),
        ({"auth": {"mode": "password"}}, "config/auth-missing", "gateway.auth.password"),
        (
            {"tls": {"enabled": True, "autoGenerate": False, "certPath": "/no/c"}},
            "config/tls-files",
            "gateway.tls.certPath",
        ),
    ],
)
def test_what_stops_a_gateway_though_the_config_is_valid(house, gateway, expected, path):
    house.config(changed(**gateway))
    found = [f for f in run(house) if f.severity.value == "error"]
    assert (found[0].check_id, found[0].path) == (expected, path)


def test_bind_auto_is_a_fault_only_where_the_gateway_refused_it(house):
    house.config(changed(bind="auto", auth={"mode": "none"}))
    assert errors(run(house)) == []
    house.log(
        "2027 [gateway] loading configuration…",
        "2027 Refusing to bind gateway to auto without auth.",
    )
    assert errors(run(house)) == ["config/bind-without-auth"]


def test_bind_lan_with_a_token_in_the_environment_is_fine(house):
    house.config(changed(bind="lan", auth={"mode": "token"}))
    house.env["OPENCLAW_GATEWAY_TOKEN"] = "x"
    assert errors(run(house)) == []


def test_variables_and_secrets_that_nothing_sets(house):
    house.config(
        dict(
            changed(auth={"mode": "token", "token": "${MY_TOKEN}"}),
            channels={
                "telegram": {"botToken": {"source": "env", "provider": "default", "id": "TG_TOKEN"}}
            },
        )
    )
    found = {f.check_id: f for f in run(house)}
    assert found["config/variable-missing"].evidence["name"] == "MY_TOKEN"
    assert found["config/variable-missing"].path == "gateway.auth.token"
    assert found["config/secret-missing"].path == "channels.telegram.botToken"
    assert found["config/secret-missing"].severity.value == "warning"
    (house.state / ".env").write_text("MY_TOKEN=a\nTG_TOKEN=b\n")
    assert not {"config/variable-missing", "config/secret-missing"} & set(ids(run(house)))


def test_the_gateways_secret_from_a_file_that_is_gone_is_an_error(house):
    value = changed(
        auth={"mode": "token", "token": {"source": "file", "provider": "f", "id": "/tok"}}
    )
    house.config(
        dict(value, secrets={"providers": {"f": {"source": "file", "path": "/no/secrets.json"}}})
    )
    assert errors(run(house)) == ["config/secret-missing"]


def test_a_config_of_a_newer_version(house):
    house.config(dict(GOOD, meta={"lastTouchedVersion": "2027.1.1"}))
    found = [f for f in run(house) if f.check_id == "config/version-newer"]
    assert found[0].evidence == {"config": "2027.1.1", "installed": "2026.9.6"}
    house.config(dict(GOOD, meta={"lastTouchedVersion": "2026.9.6"}))
    assert errors(run(house)) == []


def test_changed_and_shrunk_are_told_from_the_last_good_copy(house):
    before = dict(
        GOOD,
        channels={"telegram": {"enabled": True}},
        agents={"defaults": {"a": 1, "b": 2, "c": 3, "d": 4}},
    )
    good = {"config": before, "taken": 1.0}
    after = json.loads(json.dumps(before))
    after["gateway"]["port"] = 5
    house.config(after)
    found = {f.check_id: f for f in run(house, last_good=good)}
    assert (
        found["config/changed"].evidence["paths"] == ["gateway.port"]
        and "config/shrunk" not in found
    )
    house.config({"gateway": {"port": 5}})
    assert "config/shrunk" in ids(run(house, last_good=good))


def test_stamps_and_empty_maps_are_no_change(house):
    """A comparison is by meaning: `{}` that was filled or taken out, OpenClaw's own stamps."""
    before = dict(GOOD, meta={"lastTouchedVersion": "2026.9.5"}, channels={}, agents={"list": []})
    after = dict(
        GOOD,
        meta={"lastTouchedVersion": "2026.9.6", "migrations": {"a": True}},
        wizard={"lastRunAt": "now"},
        hooks={},
    )
    house.config(after)
    assert "config/changed" not in ids(run(house, last_good={"config": before, "taken": 1.0}))
    house.config(dict(after, channels={"telegram": {"enabled": True}}))
    seen = [f for f in run(house, last_good={"config": before}) if f.check_id == "config/changed"]
    assert seen[0].evidence["paths"] == ["channels.telegram.enabled"]


def test_the_program_is_asked_once_per_config(house):
    ctx = house.ctx()
    assert openclaw_validation.validate(ctx).valid and openclaw_validation.validate(ctx).valid
    assert len([c for c in house.calls if "validate" in c]) == 1
    house.config(dict(GOOD, agents={}))
    openclaw_validation.validate(house.ctx())
    assert len([c for c in house.calls if "validate" in c]) == 2


def test_a_look_finds_each_thing_once(house):
    asked = []
    ctx = house.ctx()
    seen = base.Look(ctx)
    object.__setattr__(ctx.host, "processes", lambda: asked.append(1) or [])
    assert seen.processes == [] and seen.gateways == [] and asked == [1]
