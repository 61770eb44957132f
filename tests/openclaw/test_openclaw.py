"""The real program and its package, its logs, its schema: found and read without running more than
needed.
"""

from __future__ import annotations

import gzip
import json
import os
import time

import pytest
from checkhouse import GOOD, House, service, valid

from skill.commands.internal import _edited_wrongly
from skill.openclaw import abilities, cli, install, logs, plugins, schema, shared_log
from skill.openclaw import cli as openclaw_program
from skill.openclaw import validation as openclaw_validation
from skill.openclaw.processes import Process
from skill.store import good_copies

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "gateway": {
            "type": "object",
            "additionalProperties": False,
            "required": ["reload"],
            "properties": {
                "mode": {"anyOf": [{"const": "local"}, {"const": "remote"}]},
                "port": {"type": "integer"},
                "bind": {"type": "string", "pattern": "^\\p{L}+$"},
                "auth": {"type": "object"},
                "reload": {"default": {}},
            },
        }
    },
}


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.install()
    return made


# -- the program -----------------------------------------------------------------------------------
def test_our_own_shim_is_never_the_program(house):
    shim = house.folder / "shim"
    shim.mkdir()
    (shim / "openclaw").write_text("#!/bin/sh\n# iflow-doctor shim\nexec x\n")
    (shim / "openclaw").chmod(0o755)
    house.env["PATH"] = "{}:{}".format(shim, house.folder / "bin")
    assert openclaw_program.find(house.ctx().host) == (str(house.folder / "bin" / "openclaw"),)


def test_without_a_path_the_service_says_where_the_program_is(house):
    house.env["PATH"] = "/nowhere"
    entry = str(house.package / "dist" / "entry.js")
    seen = openclaw_program.find(
        house.ctx().host, service(argv=("/opt/node", entry, "gateway", "--port", "1"))
    )
    assert seen == ("/opt/node", entry)
    assert (
        openclaw_program.find(house.ctx().host, None) is None
        or "nowhere" not in openclaw_program.find(house.ctx().host, None)[0]
    )


def test_the_environment_of_a_call(house):
    house.env.update({"NODE_OPTIONS": "--bad", "OPENCLAW_PROFILE": "work"})
    ctx = house.ctx()
    env = cli.environment(ctx.host, ctx.home, ("/x/bin/openclaw",))
    assert "NODE_OPTIONS" not in env and "OPENCLAW_PROFILE" not in env
    assert env["PATH"].split(os.pathsep)[0] == "/x/bin" and "OPENCLAW_STATE_DIR" not in env
    from dataclasses import replace

    env = cli.environment(ctx.host, replace(ctx.home, profile="p2"))
    assert env["OPENCLAW_PROFILE"] == "p2" and env["OPENCLAW_STATE_DIR"] == str(house.state)


def test_json_after_warnings(house):
    assert cli.json_of('Config warning: {x}\n{"valid": true}\n') == {"valid": True}
    assert cli.json_of("nothing") is None


def test_a_program_that_hangs_is_not_known_without_a_schema(house):
    from skill.host import Completed

    house.outputs["validate"] = Completed([], None, timed_out=True)
    seen = openclaw_validation.validate(house.ctx(), 1.0)
    assert not seen.known and "did not answer" in seen.error


# -- the package -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "version, holds",
    [
        ("24.16.0", True),
        ("24.21.0", True),
        ("25.0.0", False),
        ("26.0.9", False),
        ("26.1.0", True),
        ("20.20.2", False),
    ],
)
def test_node_ranges(version, holds):
    assert abilities.satisfies(version, abilities.ENGINES) is holds


def test_versions_are_compared_as_numbers():
    assert (
        abilities.newer("2026.10.1", "2026.9.6")
        and not abilities.newer("2026.9.6", "2026.9.6")
        and not abilities.newer("", "2026.9.6")
    )


def test_dependencies_may_lie_inside_or_beside(house):
    manifest = json.loads((house.package / "package.json").read_text())
    manifest["dependencies"] = {"inside": "1", "beside": "1", "gone": "1"}
    (house.package / "package.json").write_text(json.dumps(manifest))
    for folder in (house.package / "node_modules" / "inside", house.package.parent / "beside"):
        folder.mkdir(parents=True)
        (folder / "package.json").write_text("{}")
    assert install.missing_dependencies(house.package) == ["gone"]


def test_npms_temporary_folder_means_being_written(house):
    assert install.being_written(house.package, time.time()) == ""
    (house.package.parent / ".openclaw-Xy12Zw34").mkdir()
    assert install.being_written(house.package, time.time()) == ".openclaw-Xy12Zw34"
    assert install.being_written(house.package, time.time() + 3600) == ""


# -- the schema ------------------------------------------------------------------------------------
def keep(house):
    ctx = house.ctx()
    target = schema.path_of(ctx.home, "2026.9.6")
    target.parent.mkdir(parents=True)
    target.write_bytes(gzip.compress(json.dumps(SCHEMA).encode()))


def test_a_dead_program_is_replaced_by_its_schema(house):
    keep(house)
    house.config({"gateway": dict(GOOD["gateway"], port="x", bogus=1, mode="cloud"), "top": 1})
    seen = openclaw_validation.validate(house.ctx())
    assert (seen.known, seen.valid, seen.source) == (True, False, "schema")
    assert sorted((i["path"], i["message"]) for i in seen.issues) == [
        ("<root>", 'Unrecognized key: "top"'),
        ("gateway", 'Unrecognized key: "bogus"'),
        ("gateway.mode", "Invalid input"),
        ("gateway.port", "Invalid input: expected integer, received string"),
    ]
    house.config(GOOD)
    assert openclaw_validation.validate(house.ctx()).valid


def test_an_edit_that_the_schema_rejects_is_no_good_copy(house):
    ctx = house.ctx()
    good_copies.keep(ctx)
    keep(house)
    assert not _edited_wrongly(ctx)
    good = json.loads((house.state / "openclaw.json").read_text())
    house.config({**good, "nonsense": 1})
    assert _edited_wrongly(ctx)
    house.config({**good, "gateway": {**good["gateway"], "port": 18956}})
    assert not _edited_wrongly(ctx)


def test_keep_fetches_the_schema_once_per_version(house):
    from skill.host import Completed

    house.outputs["config schema"] = Completed([], 0, json.dumps(SCHEMA, indent=1))
    assert schema.keep(house.ctx()) and schema.keep(house.ctx())
    assert len([c for c in house.calls if "schema" in c]) == 1
    assert schema.kept(house.ctx()) == SCHEMA


# -- the logs --------------------------------------------------------------------------------------
def test_only_the_newest_boot_counts(house):
    house.log(
        "\x1b[90m2027-01-01T00:00:00.000+00:00\x1b[39m \x1b[36m[gateway]\x1b[39m loading "
        "configuration…",
        "2027-01-01T00:00:01.000+00:00 [gateway] old trouble",
        "2027-01-01T00:00:02.000+00:00 [shutdown] completed cleanly in 10ms",
        "2027-01-01T00:01:00.000+00:00 [gateway] loading configuration…",
        "2027-01-01T00:01:01.000+00:00 Gateway failed to start: new trouble",
    )
    ctx = house.ctx()
    text = logs.newest_boot(ctx.host, ctx.home)
    assert "new trouble" in text and "old trouble" not in text and "\x1b" not in text
    assert "old trouble" in logs.recent(ctx.host, ctx.home)


def test_a_start_that_dies_before_its_first_line_is_the_newest(house):
    house.log(
        "2027-01-01T00:00:00.000+00:00 [gateway] loading configuration…",
        "2027-01-01T00:00:02.000+00:00 [shutdown] completed cleanly in 10ms",
        "node: --no-such-flag is not allowed in NODE_OPTIONS",
    )
    ctx = house.ctx()
    assert logs.newest_boot(ctx.host, ctx.home).splitlines() == [
        "node: --no-such-flag is not allowed in NODE_OPTIONS"
    ]


def test_the_shared_file_is_filtered_by_state_directory(house):
    def row(text, when="2027-01-01T00:00:00.000+00:00"):
        return json.dumps(
            {
                "0": '{"subsystem":"gateway"}',
                "1": text,
                "_meta": {"logLevelName": "INFO"},
                "time": when,
            }
        )

    rows = [
        row("loading configuration…"),
        row("Invalid config at /home/eve/.openclaw/openclaw.json"),
        row("loading configuration…"),
        row("wrote /home/oc/.openclaw/logs/x"),
        row("boom"),
    ]
    lines = shared_log.unwrap(rows, shared_log.Us("/home/oc/.openclaw", 1))
    assert [line.split("] ")[1] for line in lines] == [
        "loading configuration…",
        "wrote /home/oc/.openclaw/logs/x",
        "boom",
    ]
    assert lines[0].startswith("2027-01-01T00:00:00.000+00:00 INFO [gateway]")


def test_a_log_folder_of_another_account_is_simply_no_source(house, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    value = dict(GOOD, logging={"file": str(closed / "x.log" / "y.log")})
    (closed / "x.log").write_text("")
    house.config(value)
    ctx = house.ctx()
    assert logs.newest_boot(ctx.host, ctx.home) == ""


def test_the_log_is_bounded(house):
    house.log(
        "2027 [gateway] loading configuration…", *["2027 line {}".format(i) for i in range(50000)]
    )
    ctx = house.ctx()
    text = logs.newest_boot(ctx.host, ctx.home, 20000)
    assert len(text) <= 20000 and text.endswith("line 49999")


# -- the inventory ---------------------------------------------------------------------------------
def test_an_unchanged_gateway_gives_the_same_inventory_and_no_secret(house):
    house.database()
    house.plugin("one")
    valid(house)
    platform = service(
        argv=("/n/node", str(house.package / "openclaw.mjs")), env={"TOKEN": "geheim-123"}
    )
    one = plugins.inventory(house.ctx(platform=platform))
    assert one == plugins.inventory(house.ctx(platform=platform))
    assert (
        one["version"] == "2026.9.6"
        and list(one["plugins"]) == ["one"]
        and "geheim" not in json.dumps(one)
    )
    assert list(one["databases"].values())[0]["created"] == 1000


@pytest.mark.parametrize(
    "argv, yes",
    [
        (("openclaw-gateway",), True),
        (("/n/node", "/l/openclaw/openclaw.mjs", "gateway", "run"), True),
        (("/n/node", "/l/openclaw/dist/index.js", "gateway", "--port", "18789"), True),
        (("/n/node", "/l/openclaw/openclaw.mjs", "gateway", "status"), False),
        (("/n/node", "/l/openclaw/openclaw.mjs", "doctor"), False),
        (("/n/node", "/l/openclaw/dist/process/spawn-broker/worker.js"), False),
        (("vi", "openclaw.json"), False),
    ],
)
def test_which_process_is_a_gateway(argv, yes):
    from skill.openclaw import processes

    assert processes.is_gateway(Process(1, 0, os.path.basename(argv[0])[:15], argv)) is yes
