"""Each check on what it is there for, and silence where nothing is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest
from checkhouse import GOOD, NOW, PORT, House, errors, ids, service

from skill import checks
from skill.checks import (
    channels,
    clock,
    database,
    disk,
    health,
    installation,
    log,
    models,
    node,
    permissions,
    plugins,
    process,
    resources,
    rivals,
)
from skill.checks import config as config_check
from skill.checks import service as service_check
from skill.host import Completed, Reply
from skill.model import State
from skill.openclaw.processes import Listener, Process

CRASH = (
    "2027-01-15T08:00:00.000+00:00 [gateway] loading configuration…",
    "2027-01-15T08:00:09.000+00:00 [openclaw] Unhandled promise rejection: Error: boom",
    "    at f (file:///h/.openclaw/tmp/plugin-captures/1/captures/b/package-0/node_modules/badp"
    "lug/index.js:1:9)",
)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.install()
    return made


def found(check, house, **more):
    return list(check.run(house.ctx(**more)))


def test_services_that_end_at_logout_are_named_with_the_command(house):
    """Lingering is off: gateway and watchdog would both be gone, and nobody would know."""
    platform = service()
    platform.dies_at_logout = lambda: True
    findings = found(service_check, house, platform=platform)
    assert ids(findings) == ["service/not-lingering"]
    assert findings[0].fix_hint.en.startswith("loginctl enable-linger ")
    platform.dies_at_logout = lambda: False
    assert ids(found(service_check, house, platform=platform)) == []


def test_nothing_is_an_error_on_a_healthy_gateway(house):
    house.healthy()
    house.database()
    house.outputs["--version"] = Completed([], 0, "v24.21.0\n")
    wrong = [
        f
        for c in checks.ALL
        for f in c.run(house.ctx(platform=service()))
        if f.severity.value == "error"
    ]
    assert wrong == []


def test_every_check_has_its_own_id_and_is_registered():
    names = [c.id for c in checks.ALL]
    assert len(set(names)) == len(names) == 20


# -- process, health, port, lock -------------------------------------------------------------------
def test_no_process(house):
    assert errors(found(process, house)) == ["process/none"]


def test_a_starting_gateway_is_not_none(house):
    house.rows.append(
        Process(
            7, 1, "openclaw", ("openclaw",), "running", NOW - 5, "oc", {"HOME": str(house.folder)}
        )
    )
    assert ids(found(process, house)) == ["process/starting"]


def test_a_suspended_process(house):
    house.gateway(state="stopped")
    house.answers["/readyz"] = Reply(0, b"", "timeout")
    assert errors(found(process, house)) == ["process/stopped"]


def test_a_busy_loop_and_a_zombie_without_a_port(house):
    house.gateway()
    house.busy = True
    house.answers["/readyz"] = Reply(0, b"", "timeout")
    assert errors(found(process, house)) == ["process/busy"]
    house.busy = False
    house.answers.clear()
    assert errors(found(process, house)) == ["process/zombie-no-port"]


def test_a_young_process_may_be_busy_and_without_a_port(house):
    house.gateway(age=20)
    house.busy = True
    assert errors(found(process, house)) == []


def test_two_gateways_on_one_state_directory(house):
    house.healthy()
    house.gateway(pid=4343)
    assert "process/duplicate" in errors(found(process, house)) and "duplicates/gateway" in errors(
        found(rivals, house)
    )


def test_another_users_gateway_is_not_ours(house):
    house.gateway(home=house.folder / "elsewhere")
    assert errors(found(process, house)) == ["process/none"]


def test_health_names_what_fails(house):
    house.answer("/readyz", {"ready": False, "failing": ["telegram"]}, 503)
    assert [(f.check_id, f.evidence["failing"]) for f in found(health, house)] == [
        ("health/not-ready", ["telegram"])
    ]
    house.answer("/readyz", {"ready": True, "failing": [], "suppressed": ["telegram"]})
    assert errors(found(health, house)) == ["health/suppressed"]
    house.answers = {"/readyz": Reply(0, b"", "timeout")}
    assert errors(found(health, house)) == ["health/hung"]


def test_a_foreign_program_on_the_port_is_told_from_another_gateway(house):
    house.rows.append(
        Process(99, 1, "python3", ("python3", "-m", "http.server"), "sleeping", NOW, "eve")
    )
    house.sockets.append(Listener(PORT, "127.0.0.1", 99))
    seen = found(rivals.PORT, house)[0]
    assert (seen.check_id, seen.evidence["pid"], seen.evidence["user"]) == (
        "port/foreign-owner",
        99,
        "eve",
    )
    house.rows[:] = []
    house.gateway(pid=99, home=house.folder / "other")
    seen = found(rivals.PORT, house)[0]
    assert (seen.check_id, seen.evidence["state_dir"]) == (
        "port/other-gateway",
        str(house.folder / "other" / ".openclaw"),
    )


def test_our_own_gateway_may_hold_the_port(house):
    house.healthy()
    assert found(rivals.PORT, house) == []


def test_lock_of_a_dead_process_and_of_a_doctor(house):
    folder = house.state / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    (folder / "gateway.state.lock").write_text(
        json.dumps({"pid": 999999, "stateDir": str(house.state), "port": PORT}) + " \t\n"
    )
    assert [(f.check_id, f.evidence["pid"]) for f in found(process.LOCK, house)] == [
        ("lock/stale", 999999)
    ]
    house.rows.append(
        Process(
            31,
            1,
            "openclaw-docto",
            ("openclaw-doctor",),
            "sleeping",
            NOW,
            "oc",
            {"HOME": str(house.folder)},
        )
    )
    assert "lock/doctor-running" in ids(found(process.LOCK, house))


# -- service, node, installation -------------------------------------------------------------------
def test_service_states(house):
    assert ids(found(service_check, house, platform=service(exists=False, active="inactive"))) == [
        "service/missing"
    ]
    parked = service(active="failed", result="exit-code", exit_code=78)
    assert errors(found(service_check, house, platform=parked)) == [
        "service/failed",
        "service/exit-78",
    ]
    limit = service(active="failed", result="start-limit-hit")
    assert "service/start-limit" in errors(found(service_check, house, platform=limit))
    stopped = service(active="inactive", stopped_by_operator=True)
    assert ids(found(service_check, house, platform=stopped)) == ["service/stopped-by-operator"]
    for code, result, word in (
        (200, "exit-code", "200/CHDIR"),
        (217, "exit-code", "217/USER"),
        (0, "resources", "EnvironmentFile="),
    ):
        seen = found(
            service_check, house, platform=service(active="failed", result=result, exit_code=code)
        )
        unit = [f for f in seen if f.check_id == "service/unit-broken"]
        assert len(unit) == 1 and word in unit[0].message.en and word in unit[0].message.zh
    empty = service(active="inactive", detail="unusable unit: empty")
    assert "service/unit-broken" in errors(found(service_check, house, platform=empty))
    ran = service(active="failed", result="exit-code", exit_code=1)
    assert "service/unit-broken" not in ids(found(service_check, house, platform=ran))
    gone = service(argv=("/no/node", "/no/openclaw.mjs", "gateway"))
    assert "service/node-missing" in errors(found(service_check, house, platform=gone))


def test_node_too_old_for_what_the_package_asks(house):
    house.outputs["--version"] = Completed([], 0, "v20.20.2\n")
    (house.folder / "bin" / "node").write_text("")
    (house.folder / "bin" / "node").chmod(0o755)
    seen = found(node, house)[0]
    assert (seen.check_id, seen.evidence["version"]) == ("node/too-old", "20.20.2")


def test_node_options_that_node_refuses_and_a_small_heap(house):
    (house.folder / "bin" / "node").write_text("")
    (house.folder / "bin" / "node").chmod(0o755)
    house.outputs["--version"] = Completed([], 0, "v24.21.0\n")
    house.log("node: --no-such-flag is not allowed in NODE_OPTIONS")
    seen = found(node, house, platform=service(env={"NODE_OPTIONS": "--no-such-flag"}))
    assert [(f.check_id, f.evidence["option"]) for f in seen] == [
        ("node/bad-options", "--no-such-flag")
    ]
    house.log(
        "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript "
        "heap out of memory"
    )
    seen = found(node, house, platform=service(env={"NODE_OPTIONS": "--max-old-space-size=64"}))
    assert [(f.check_id, f.evidence["heap_mb"]) for f in seen] == [("node/small-heap", 64)]


def test_a_file_of_the_installation_that_is_gone_or_cut_short(house):
    assert found(installation, house) == []
    (house.package / "dist" / "chunk.mjs").write_text("x")
    seen = found(installation, house)[0]
    assert (seen.check_id, seen.severity.value, seen.evidence["files"]) == (
        "installation/missing-file",
        "error",
        ["dist/chunk.mjs"],
    )
    (house.package / "dist" / "entry.js").unlink()
    assert found(installation, house)[0].evidence["files"] == ["dist/entry.js", "dist/chunk.mjs"]
    (house.package / "package.json").write_text('{"name": "openc')
    assert found(installation, house)[0].evidence["files"][0] == "package.json"


def test_code_that_was_altered_counts_only_when_the_log_blames_the_code(house):
    rows = [{"path": "dist/chunk.mjs", "sha256": hashlib.sha256(b"x" * 10).hexdigest(), "size": 10}]
    (house.package / "dist" / "postinstall-content-inventory.json").write_text(json.dumps(rows))
    house.log("SyntaxError: Invalid or unexpected token")
    assert found(installation, house) == []
    (house.package / "dist" / "chunk.mjs").write_bytes(b"\0" * 10)
    assert found(installation, house)[0].evidence["files"] == ["dist/chunk.mjs"]
    house.log("EADDRINUSE")  # then it is its owner's patch
    assert found(installation, house) == []


def test_a_native_module_and_the_project_it_lies_in(house):
    path = "/h/.openclaw/extensions/x/node_modules/better-sqlite3/build/Release/better_sqlite3.node"
    house.log(
        "Error: The module '{}'".format(path),
        "was compiled against a different Node.js version using NODE_MODULE_VERSION 115.",
    )
    seen = found(installation, house)[0]
    assert (seen.check_id, seen.evidence) == (
        "installation/native-module",
        {"module": "better-sqlite3", "folder": "/h/.openclaw/extensions/x"},
    )


def test_a_service_that_starts_another_place_than_it_did(house):
    good = {"inventory": {"service_values": {"PATH": "/bin", "OPENCLAW_STATE_DIR": "/a"}}}
    env = {"PATH": "/bin", "OPENCLAW_STATE_DIR": "/a"}
    assert found(service_check, house, platform=service(env=env), last_good=good) == []
    seen = found(
        service_check, house, platform=service(env={**env, "LD_PRELOAD": "/x.so"}), last_good=good
    )
    assert [(f.check_id, f.severity.value, f.evidence["restore"]) for f in seen] == [
        ("service/environment-changed", "info", {"LD_PRELOAD": None})
    ]
    seen = found(
        service_check,
        house,
        platform=service(env={**env, "OPENCLAW_STATE_DIR": "/b"}),
        last_good=good,
    )
    assert [(f.check_id, f.severity.value, f.evidence["restore"]) for f in seen] == [
        ("service/environment", "error", {"OPENCLAW_STATE_DIR": "/a"})
    ]
    house.healthy()  # it serves, from another place: said, and no reason to restart it
    assert (
        found(
            service_check,
            house,
            platform=service(env={**env, "LD_PRELOAD": "/x.so"}),
            last_good=good,
        )
        == []
    )
    seen = found(
        service_check,
        house,
        platform=service(env={**env, "OPENCLAW_STATE_DIR": "/b"}),
        last_good=good,
    )
    assert [(f.check_id, f.severity.value) for f in seen] == [("service/environment", "warning")]


def test_node_options_of_the_last_healthy_run_are_no_fault(house):
    env = {"NODE_OPTIONS": "--max-old-space-size=4096"}
    good = {"inventory": {"service_values": env}}
    assert errors(found(service_check, house, platform=service(env=env), last_good=good)) == []
    assert errors(found(service_check, house, platform=service(env=env))) == ["service/environment"]


def test_npm_at_work_elsewhere_is_no_update(house):
    argv = ("npm", "install", "--prefix", "/elsewhere", "openclaw@latest")
    house.rows.append(Process(5, 1, "npm", argv, "running", NOW, "oc", {}, "/root"))
    assert "installation/updating" not in ids(found(installation, house))
    house.rows.append(
        Process(
            6, 1, "npm", ("npm", "install", "-g", "openclaw"), "running", NOW, "oc", {}, "/root"
        )
    )
    assert found(installation, house)[0].evidence["pids"] == [6]


def test_another_version_than_in_the_last_healthy_run(house):
    seen = found(installation, house, last_good={"inventory": {"version": "2026.9.1"}})
    assert [(f.check_id, f.evidence["before"]) for f in seen] == [
        ("installation/version-changed", "2026.9.1")
    ]


# -- disk, permissions, resources, database --------------------------------------------------------
def test_a_config_that_everybody_can_read(house):
    os.chmod(house.state / "openclaw.json", 0o644)
    assert "permissions/world-readable" in ids(found(permissions, house))
    os.chmod(house.state / "openclaw.json", 0o600)
    assert "permissions/world-readable" not in ids(found(permissions, house))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a folder away"
)
def test_root_sees_what_the_gateway_of_another_account_is_denied(house):
    os.chown(str(house.state / "state"), 65534, 65534)
    assert [
        f.severity.value
        for f in found(permissions, house)
        if f.check_id == "permissions/foreign-owner"
    ] == ["warning"]
    house.log(
        "Gateway failed to start: EACCES: permission denied, stat '{}'".format(
            house.state / "state" / "openclaw.sqlite"
        )
    )
    seen = [f for f in found(permissions, house) if f.check_id == "permissions/not-owner"]
    assert [f.path for f in seen] == [str(house.state / "state")] and "chown -R 0 " in seen[
        0
    ].fix_hint.en


@pytest.mark.parametrize(
    "name, expected",
    [("agents", "permissions/not-a-folder"), ("state", "permissions/not-a-folder"), ("tmp", "")],
)
def test_a_file_where_a_folder_should_be(house, name, expected):
    folder = house.state / name
    if folder.exists():
        folder.rename(house.state / "elsewhere")
    folder.write_text("")
    assert errors(found(permissions, house)) == ([expected] if expected else [])


def test_a_link_into_a_volume_that_is_gone(house):
    (house.state / "agents").symlink_to("/no/such/volume/agents")
    seen = found(permissions, house)
    assert (
        errors(seen) == ["permissions/dangling-link"]
        and "/no/such/volume/agents" in seen[0].message.en + seen[0].message.zh
    )


def test_a_huge_log_is_named(house):
    (house.state / "logs").mkdir()
    with open(house.state / "logs" / "gateway.log", "wb") as handle:
        handle.truncate(2_000_000_000)
    assert [f.path for f in found(disk, house) if f.check_id == "disk/huge-log"] == [
        str(house.state / "logs" / "gateway.log")
    ]


def test_file_descriptors_and_oom(house):
    house.log("Error: EMFILE: too many open files, open '/x'")
    assert errors(found(resources, house)) == ["resources/fd-limit"]
    assert "resources/oom-killed" in errors(
        found(resources, house, platform=service(active="failed", result="oom-kill"))
    )


def test_a_kill_for_want_of_memory_names_the_services_own_limit(house):
    unit = house.folder / "g.service"
    unit.write_text("[Service]\nMemoryMax=infinity\n")
    failed = service(active="failed", result="oom-kill", path=str(unit))
    (seen,) = [
        f for f in found(resources, house, platform=failed) if f.check_id == "resources/oom-killed"
    ]
    assert seen.fix_hint is None and "infinity" not in seen.message.en
    (house.folder / "g.service.d").mkdir()
    (house.folder / "g.service.d" / "x.conf").write_text("[Service]\nMemoryMax=150M\n")
    (seen,) = [
        f for f in found(resources, house, platform=failed) if f.check_id == "resources/oom-killed"
    ]
    assert (
        "150M" in seen.message.en
        and "150M" in seen.message.zh
        and "MemoryMax" in seen.fix_hint.en
        and "g.service" in seen.fix_hint.zh
    )


def test_a_low_limit_of_open_files_shows_in_the_unit_or_in_an_unopened_database(house):
    unit = house.folder / "g.service"
    unit.write_text("[Service]\nLimitNOFILE=4096\n")
    assert errors(found(resources, house, platform=service(path=str(unit)))) == []
    drop_in = house.folder / "g.service.d"
    drop_in.mkdir()
    (drop_in / "x.conf").write_text("[Service]\nLimitNOFILE=64\n")
    assert [
        f.evidence["limit"] for f in found(resources, house, platform=service(path=str(unit)))
    ] == [64]
    house.log(
        "Gateway failed to start: unable to open database file | gateway.maintenance_required"
    )
    assert errors(found(resources, house)) == []
    house.database()
    assert errors(found(resources, house)) == ["resources/fd-limit"]


def test_database_sound_newer_damaged_empty(house):
    path = house.database()
    before = path.read_bytes(), sorted(os.listdir(path.parent))
    assert found(database, house) == []
    assert (path.read_bytes(), sorted(os.listdir(path.parent))) == before
    path.unlink()
    house.database(99)
    seen = found(database, house)[0]
    assert (seen.check_id, seen.evidence["schema"], seen.evidence["supported"]) == (
        "database/newer",
        99,
        18,
    )
    size = path.stat().st_size
    with open(path, "r+b") as handle:
        handle.seek(8192)
        handle.write(os.urandom(size - 8192))
    assert errors(found(database, house))[0] == "database/corrupt"
    path.write_bytes(os.urandom(5000))
    assert errors(found(database, house)) == ["database/corrupt"]
    path.write_bytes(b"")
    assert errors(found(database, house)) == ["database/zero-bytes"]


def test_a_database_that_vanished_is_told_only_when_there_was_one(house):
    assert found(database, house) == []
    path = str(house.state / "state" / "openclaw.sqlite")
    good = {"inventory": {"databases": {path: {"size": 9, "user_version": 18, "created": 1000}}}}
    assert errors(found(database, house, last_good=good)) == ["database/zero-bytes"]
    house.database()
    assert found(database, house, last_good=good) == []
    good["inventory"]["databases"][path]["created"] = 999
    assert ids(found(database, house, last_good=good)) == ["database/replaced"]


def test_an_agents_database(house):
    house.database(23, "agents/main/agent/openclaw-agent.sqlite").write_bytes(b"garbage" * 100)
    assert [f.path.split("/")[-4:] for f in found(database, house)] == [
        ["agents", "main", "agent", "openclaw-agent.sqlite"]
    ]


# -- plugins ---------------------------------------------------------------------------------------
def test_the_plugin_in_the_innermost_frame_is_blamed(house):
    house.plugin("badplug")
    house.log(*CRASH)
    seen = found(plugins, house)[0]
    assert (seen.check_id, seen.path, seen.evidence["plugin"]) == (
        "plugins/crash",
        "plugins.entries.badplug",
        "badplug",
    )


def test_a_crash_loop_is_judged_by_the_last_boots_though_the_gateway_is_up_just_now(house):
    house.healthy()
    house.log(
        *CRASH,
        "2027-01-15T08:01:00.000+00:00 [gateway] loading configuration…",
        "2027-01-15T08:01:09.000+00:00 [gateway] ready",
    )
    assert errors(found(plugins, house)) == []
    assert errors(found(plugins, house, state=State.DOWN)) == ["plugins/crash"]


def test_an_exit_code_of_its_own_points_at_the_only_plugin_from_elsewhere(house):
    house.plugin("exitplug")
    assert errors(found(plugins, house, exit_code=1)) == []
    seen = found(plugins, house, exit_code=3)[0]
    assert (seen.check_id, seen.evidence["plugin"], seen.evidence["basis"]) == (
        "plugins/crash",
        "exitplug",
        "only-one",
    )


def test_two_plugins_and_nothing_to_compare_with_blames_none(house):
    house.plugin("one")
    house.plugin("two")
    assert ids(found(plugins, house, exit_code=3)) == ["plugins/suspect"]
    good = {"inventory": {"plugins": {"one": NOW * 2}}}
    assert errors(found(plugins, house, exit_code=3, last_good=good)) == ["plugins/crash"]
    assert "plugins/new-since-good" in ids(found(plugins, house, last_good=good))


def test_a_busy_loop_points_at_the_new_plugin_only_past_any_boot(house):
    house.plugin("lateplug")
    house.gateway(age=1000)
    house.busy = True
    house.answers["/readyz"] = Reply(0, b"", "timeout")
    assert [f.evidence["how"] for f in found(plugins, house)] == ["busy loop"]
    house.rows[:] = []
    house.gateway(age=20)
    assert found(plugins, house) == []


def test_a_plugin_that_fails_to_load_is_a_warning(house):
    house.healthy()
    said = (
        "2027 [gateway] [plugins] plugin failed during load: Error: x (plugin=badplug, "
        "source=/p/index.js)"
    )
    house.log("2027 [gateway] loading configuration…", said)
    seen = found(plugins, house)
    assert [(f.check_id, f.severity.value, f.evidence["plugin"]) for f in seen] == [
        ("plugins/load-failed", "warning", "badplug")
    ]


def test_a_load_path_that_is_gone(house):
    house.config(dict(GOOD, plugins={"load": {"paths": ["/opt/nope"]}}))
    assert [(f.check_id, f.evidence["file"]) for f in found(plugins, house)] == [
        ("plugins/missing", "/opt/nope")
    ]


# -- channels, models, clock, duplicates, log ------------------------------------------------------
def test_channels_are_named_with_account_and_cause(house):
    house.config(dict(GOOD, channels={"telegram": {}, "discord": {}}))
    house.answer("/readyz", {"ready": False, "failing": ["telegram", "startup-sidecars"]}, 503)
    house.log(
        "T [gateway] loading configuration…",
        "T [telegram] [default] deleteWebhook failed: 401 Unauthorized",
        "T [discord] [work] fetch failed: getaddrinfo ENOTFOUND discord.com",
        "T [whatsapp] [default] 401 Unauthorized",
    )
    seen = {f.check_id: f for f in found(channels, house)}
    assert (
        seen["channels/failing"].evidence["channel"],
        seen["channels/failing"].evidence["cause"],
    ) == ("telegram", "credential")
    assert seen["channels/credential"].evidence["channel"] == "telegram"
    assert (
        seen["channels/unreachable"].evidence["channel"],
        seen["channels/unreachable"].evidence["account"],
    ) == ("discord", "work")
    assert errors(found(channels, house)) == []


def test_model_providers_old_and_new_form():
    both = {
        "models": {
            "default": "openai/x",
            "providers": {"own": {"baseUrl": "http://10.0.0.1:8000/v1"}},
        }
    }
    assert models.providers(both) == [
        ("openai", "https://api.openai.com"),
        ("own", "http://10.0.0.1:8000/v1"),
    ]
    assert models.default_model({"agents": {"defaults": {"model": {"primary": "a/b"}}}}) == "a/b"


def test_a_model_provider_that_refuses(house):
    house.config(
        dict(
            GOOD, models={"providers": {"own": {"baseUrl": "http://127.0.0.1:9/v1", "apiKey": "k"}}}
        )
    )
    ctx = house.ctx()

    def refuse(address, timeout):
        raise ConnectionRefusedError(111, "Connection refused")

    object.__setattr__(ctx.host, "connect", refuse)
    seen = list(models.run(ctx))
    assert [(f.check_id, f.evidence["provider"]) for f in seen] == [("models/unreachable", "own")]
    object.__setattr__(ctx.host, "connect", lambda address, timeout: None)
    assert list(models.run(ctx)) == []


def test_a_clock_that_cannot_be_right(house):
    assert found(clock, house) == []
    house.now = 86400.0
    assert ids(found(clock, house)) == ["clock/implausible"]
    house.now = NOW + 10 * 365 * 86400
    assert ids(found(clock, house)) == ["clock/implausible"]
    house.now = NOW
    assert ids(found(clock, house, last_good={"taken": NOW + 86400})) == ["clock/jumped"]


def test_another_watchdog_is_named_and_our_own_is_not(house):
    house.rows.append(
        Process(50, 1, "bash", ("bash", "/opt/openclaw-watchdog.sh"), "sleeping", NOW, "oc")
    )
    house.rows.append(
        Process(51, 1, "python3", ("python3", "-m", "skill", "watch"), "sleeping", NOW, "oc")
    )
    house.rows.append(
        Process(
            52, 1, "claude", ("claude", "-p", "the openclaw watchdog said"), "sleeping", NOW, "oc"
        )
    )
    assert [(f.check_id, f.evidence["pid"]) for f in found(rivals, house)] == [
        ("duplicates/watchdog", 50)
    ]


@pytest.mark.parametrize(
    "words",
    [
        "Legacy session store requires migration: /h/.openclaw/agents/main/sessions/sessions.json. "
        'Run "openclaw doctor --fix" against the same state/config before starting OpenClaw.',
        "[state-migrations] startup migrations did not complete cleanly; 1 step left",
        "gateway requires state migration. Stop the service with openclaw gateway stop (or its "
        "service owner), then run openclaw doctor --fix, then start it again.",
        "[gateway] requires cron run history migration. Stop the service",
        "OpenClaw state database schema migration required (audit-events-v2) at /h/x.sqlite; run "
        "openclaw doctor --fix to migrate it.",
    ],
)
def test_a_refused_migration_is_known_by_what_it_asks_for(house, words):
    house.log("T [gateway] loading configuration…", "T Gateway failed to start: " + words)
    assert ids(found(log, house)) == ["log/migration-refused"]


def test_log_signatures_only_when_down_and_never_from_chat(house):
    house.log(
        "T [gateway] loading configuration…",
        "T [agent/main] user says: EADDRINUSE is already in use.",
        "T [secrets] x",
    )
    assert found(log, house) == []
    house.log(
        "T [gateway] loading configuration…",
        "T Gateway failed to start: Startup failed: required secrets are unavailable..",
    )
    assert ids(found(log, house)) == ["log/secrets-unavailable"]
    house.healthy()
    assert found(log, house) == []


def test_a_database_that_we_set_aside_ourselves_is_no_damage(house):
    path = house.database()
    good = {
        "taken": 1.0,
        "inventory": {"databases": {str(path): {"size": 9, "user_version": 18, "created": 999}}},
    }
    assert [f.severity.value for f in found(database, house, last_good=good)] == ["warning"]
    (house.state / "iflow-doctor" / "quarantine" / "20260101T000000-openclaw.sqlite").mkdir(
        parents=True
    )
    assert [f.severity.value for f in found(database, house, last_good=good)] == ["info"]


def test_a_lost_token_is_told_a_token_that_never_was_is_not(house):
    house.config({"gateway": {"mode": "local", "bind": "loopback"}})
    assert "config/auth-missing" not in ids(found(config_check, house))
    good = {"config": GOOD}
    seen = [
        f for f in found(config_check, house, last_good=good) if f.check_id == "config/auth-missing"
    ]
    assert [f.evidence["lost"] for f in seen] == [True]


def test_a_config_that_lost_its_gateway_is_told_and_a_shorter_one_is_an_edit(house):
    """OpenClaw refuses the first. What it accepts is its owner's, whatever it lost."""
    big = {
        **GOOD,
        "messages": {"ackReaction": "eyes"},
        "agents": {"defaults": {"maxConcurrent": 3}},
    }
    house.config({"gateway": {"mode": "local", "port": 1}})
    assert "config/shrunk" not in ids(found(config_check, house, last_good={"config": big}))
    house.config({"meta": {"lastTouchedVersion": "2026.9.6"}, "agents": {}})
    assert "config/shrunk" in errors(found(config_check, house, last_good={"config": big}))
    house.config({})
    assert "config/shrunk" in errors(found(config_check, house, last_good={"config": big}))
    house.config({**GOOD, "messages": {"ackReaction": "eyes"}})
    assert "config/shrunk" not in errors(found(config_check, house, last_good={"config": big}))


def test_a4_a_gateway_that_answers_elsewhere_is_told_and_no_program_is_blamed(house):
    """The service pins --port, the config says another, and somebody else sits on that one."""
    row = house.gateway()
    folder = house.state / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    lock = {"pid": row.pid, "createdAt": "2027-01-15T08:00:00.000Z", "port": PORT + 100}
    (folder / "gateway.state.lock").write_text(json.dumps(lock))
    house.sockets += [
        Listener(PORT + 100, "127.0.0.1", row.pid),
        Listener(PORT, "127.0.0.1", 99),
    ]
    house.rows.append(Process(99, 1, "nginx", ("nginx",), "sleeping", 1.0, "www"))
    house.answer("/readyz", {"ready": True, "failing": []})
    seen = found(rivals.PORT, house)
    assert [(f.check_id, f.severity.value) for f in seen] == [("port/mismatch", "warning")]
    assert seen[0].evidence["port"] == PORT + 100 and str(PORT) in seen[0].message.en


def _dead_lock(house):
    folder = house.state / "tmp" / "openclaw-0"
    folder.mkdir(parents=True)
    lock = {"pid": 999999, "createdAt": "2027-01-15T07:00:00.000Z", "startTime": 7}
    (folder / "gateway.a253df78.lock").write_text(json.dumps(lock))
    return folder / "gateway.a253df78.lock"


def test_the_guard_of_a_takeover_that_crashed_is_an_error_and_is_moved(house):
    path = _dead_lock(house)
    (path.parent / (path.name + ".reclaim")).mkdir()
    seen = [f for f in found(process.LOCK, house) if f.severity.value == "error"]
    assert [f.check_id for f in seen] == ["lock/reclaim-guard"]
    from skill import repairs

    steps = repairs.ALL["clear-stale-lock"].plan(house.ctx(), {}).steps
    assert [step.path for step in steps if hasattr(step, "to")] == [
        str(path),
        str(path) + ".reclaim",
    ]


def test_a_lock_that_is_kept_elsewhere_is_told_and_never_moved(house):
    import sqlite3

    from skill import repairs
    from skill.errors import CannotPlan

    path = _dead_lock(house)
    keeper = sqlite3.connect(str(path) + ".sqlite", isolation_level=None)
    keeper.execute("BEGIN EXCLUSIVE")
    assert ids(found(process.LOCK, house)) == ["lock/elsewhere"]
    with pytest.raises(CannotPlan):
        repairs.ALL["clear-stale-lock"].plan(house.ctx(), {})
    keeper.close()


def leased(house, ends, host):
    """The owner lease as OpenClaw 2026.8 and later keep it."""
    import sqlite3
    from contextlib import closing

    path = house.state / "state" / "openclaw.sqlite"
    path.parent.mkdir(exist_ok=True)
    said = json.dumps({"owner": {"pid": 7, "host": host, "startedAt": 70}, "port": PORT})
    with closing(sqlite3.connect(str(path))) as db:
        db.execute(
            "CREATE TABLE state_leases (scope TEXT, lease_key TEXT, owner TEXT, expires_at INTEGER,"
            " heartbeat_at INTEGER, payload_json TEXT)"
        )
        row = ("gateway-owner", "global", "u", int((NOW + ends) * 1000), int((NOW - 180) * 1000))
        db.execute("INSERT INTO state_leases VALUES (?, ?, ?, ?, ?, ?)", (*row, said))
        db.commit()
    os.utime(str(path), (NOW - 400, NOW - 400))
    return path


@pytest.mark.parametrize("ends,host,moved", [(99, "pod-1", 0), (-1, "pod-1", 1), (99, "vm", 1)])
def test_a_lock_is_not_moved_while_another_host_has_the_lease(house, ends, host, moved):
    from skill import repairs
    from skill.errors import CannotPlan

    _dead_lock(house)
    leased(house, ends, host)
    if moved:
        assert repairs.ALL["clear-stale-lock"].plan(house.ctx(), {}).steps
    else:
        with pytest.raises(CannotPlan):
            repairs.ALL["clear-stale-lock"].plan(house.ctx(), {})


@pytest.mark.parametrize(
    "ends,words,severity",
    [(120.0, True, "error"), (120.0, False, ""), (-1.0, True, "")],
)
def test_an_owner_lease_is_told_with_its_end_and_only_while_it_refuses_starts(
    house, ends, words, severity
):
    path = leased(house, ends, "pod-1")
    before = path.read_bytes()
    refusal = "2027-01-15T08:00:09.000+00:00 Another Gateway owner lease is still active"
    house.log(refusal if words else "nothing")
    seen = found(process.LOCK, house, platform=service(name="container", blind=True))
    seen = [f for f in seen if f.check_id == "lock/owner-lease"]
    assert [f.severity.value for f in seen] == ([severity] if severity else [])
    if seen:
        assert seen[0].evidence["seconds"] == 120 and "pod-1" in seen[0].message.en
    assert path.read_bytes() == before


def test_a_write_ahead_log_that_is_never_folded_back(tmp_path):
    house = House(tmp_path)
    path = house.database()
    wal = path.with_name(path.name + "-wal")
    with open(wal, "wb") as handle:
        handle.truncate(600 * 1024 * 1024)  # sparse
    house.healthy()
    found = [
        f for f in database.run(house.ctx(State.HEALTHY)) if f.check_id == "database/wal-large"
    ]
    assert [f.evidence["size"] for f in found] == [600 * 1024 * 1024]
    with open(wal, "wb") as handle:
        handle.truncate(100 * 1024 * 1024)
    assert "database/wal-large" not in ids(database.run(house.ctx(State.HEALTHY)))


@pytest.mark.parametrize(
    "env, said",
    [
        ({"HTTPS_PROXY": "http://p:1"}, True),
        ({"https_proxy": "http://p:1", "no_proxy": "example.com"}, True),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.b,127.0.0.1"}, False),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "localhost, .corp"}, False),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, False),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "notlocalhost"}, True),
        ({}, False),
    ],
)
def test_a_proxy_for_everything_is_a_fact(tmp_path, env, said):
    house = House(tmp_path)
    house.env.update(env)
    assert ("service/proxy-loopback" in ids(service_check.run(house.ctx(State.HEALTHY)))) == said


def test_beside_a_container_programs_that_are_not_here_say_nothing(house):
    """The doctor's image holds no node and no OpenClaw: they are in the gateway's."""
    shutil.rmtree(str(house.folder / "bin"), ignore_errors=True)
    house.env["PATH"] = str(house.folder / "nothing")
    lost = [node, installation, service_check]
    here = service(["/no/node", "/no/openclaw.mjs"])
    beside = service(["/no/node", "/no/openclaw.mjs"], name="container", blind=True)
    assert {one for c in lost for one in errors(found(c, house, platform=here))}
    assert [one for c in lost for one in errors(found(c, house, platform=beside))] == []


SECRETS = ("Hunter2CanaryA", "hookCanaryB", "CanaryC77pw", "sk-live-CanaryD99", "CanaryE55", "8841")


def test_v11_a_foreign_command_line_is_shown_without_its_values():
    from skill.openclaw.processes import shown

    argv = ["/usr/bin/python3", "-c", "serve()", "--password", SECRETS[0]]
    argv += ["--hook=https://h.example/in/" + SECRETS[1], "-u", "admin:" + SECRETS[2]]
    argv += ["--api-key=" + SECRETS[3], "-p" + SECRETS[4], "--pin", SECRETS[5]]
    text = shown(argv)
    assert text.startswith("/usr/bin/python3 -c … --password …") and "--api-key" in text
    assert not [one for one in SECRETS if one in text]
    assert shown(["python3", "-m", "http.server", "18789"]) == "python3 -m http.server …"
    assert shown(["bash", "/opt/oc-watchdog.sh"]) == "bash /opt/oc-watchdog.sh"
    assert shown([]) == ""


UNREADABLE = (  # the real 2026.9.6 on a read-only home, its state directory writable
    "2026-11-28T09:35:31.209+00:00 Gateway failed to start: Doctor cannot repair this state: shared "
    "state database is unreadable at {state}/state/openclaw.sqlite: Unable to create fallback "
    "OpenClaw temp dir: {cache}/openclaw-0 | ENOENT: no such file or directory, mkdir "
    "'{cache}/openclaw-0' | ENOENT. Stop OpenClaw processes, then restore this file from a verified "
    "backup."
)


def test_a_home_without_a_cache_that_can_be_written(house, tmp_path):
    """On a read-only root OpenClaw calls its sound database unreadable."""
    cache = tmp_path / "ro" / ".cache"
    cache.parent.write_text("no folder")
    said = UNREADABLE.format(state=house.state, cache=cache)
    wrong = [f for f in found(permissions, house, logs=said) if f.severity.value == "error"]
    assert [f.check_id for f in wrong] == ["permissions/temp-folder"]
    assert str(cache) in wrong[0].message.en and "XDG_CACHE_HOME" in wrong[0].fix_hint.zh
    assert "log/temp-folder" in ids(found(log, house, logs=said))
    assert "log/database-unreadable" not in ids(found(log, house, logs=said))
    cache.parent.unlink()  # it can be made by now: the line is old
    assert "permissions/temp-folder" not in ids(found(permissions, house, logs=said))
    damaged = said.split(": Unable")[0] + ": database disk image is malformed"
    assert "log/database-unreadable" in ids(found(log, house, logs=damaged))


NO_SQLITE = (
    "openclaw: Node {}: node:sqlite is unavailable; use 24.16+/26.1+ or a build with the fix."
)


@pytest.mark.parametrize(
    "version, options, expected",
    [
        ("24.21.0", "", "resources/fd-limit"),  # the real node under `prlimit --nofile=24`
        ("24.21.0", "--no-experimental-sqlite", "node/bad-options"),
        ("22.3.0", "", "log/node-too-old"),
        ("25.1.0", "", "log/node-too-old"),
    ],
)
def test_a_node_that_is_new_enough_and_has_no_sqlite(house, version, options, expected):
    platform = service(env={"NODE_OPTIONS": options})
    seen = [
        one
        for check in (log, node, resources)
        for one in ids(found(check, house, logs=NO_SQLITE.format(version), platform=platform))
        if one in ("resources/fd-limit", "node/bad-options", "log/node-too-old")
    ]
    assert seen == [expected]


@pytest.mark.parametrize("code, seen", [(-25, True), (153, True), (-9, False), (78, False)])
def test_a_limit_on_the_size_of_files(house, code, seen):
    wrong = errors(found(resources, house, state=State.DOWN, exit_code=code))
    assert ("resources/file-size" in wrong) == seen


SECRET = {
    "gateway": {
        "auth": {"mode": "token", "token": {"source": "file", "provider": "f", "id": "/a/b"}}
    }
}


@pytest.mark.parametrize(
    "what, said",
    [
        ("fine", ""),
        ("open", "mode 644"),
        ("link", "symbolic link"),
        ("hard", "hard link"),
        ("other", "/a/b is not in"),
        ("cut", "no valid JSON"),
    ],
)
def test_a_file_of_secrets_that_openclaw_refuses(house, tmp_path, what, said):
    """2026.9.6 only says "required secrets are unavailable"."""
    place = tmp_path / "secrets.json"
    place.write_text({"other": '{"a": {}}', "cut": '{"a": {"b'}.get(what, '{"a": {"b": "s3cret"}}'))
    place.chmod(0o644 if what == "open" else 0o600)
    if what == "link":
        place.rename(tmp_path / "real")
        place.symlink_to(tmp_path / "real")
    if what == "hard":
        os.link(str(place), str(tmp_path / "second"))
    data = dict(SECRET, secrets={"providers": {"f": {"source": "file", "path": str(place)}}})
    house.config(data)
    wrong = [f for f in found(config_check, house) if f.check_id == "config/secret-missing"]
    assert [said in f.message.en for f in wrong] == ([True] if said else [])
    assert not any("s3cret" in f.message.en for f in wrong)


def test_a_program_of_secrets_that_lost_its_right_to_be_executed(house, tmp_path):
    place = tmp_path / "give"
    place.write_text("#!/bin/sh\n")
    place.chmod(0o600)
    data = json.loads(json.dumps(SECRET).replace('"file"', '"exec"'))
    data["secrets"] = {"providers": {"f": {"source": "exec", "command": str(place)}}}
    house.config(data)
    wrong = [f for f in found(config_check, house) if f.check_id == "config/secret-missing"]
    assert "may not be executed" in wrong[0].message.en and "chmod u+x" in wrong[0].fix_hint.zh


def test_a_folder_with_the_name_of_the_write_ahead_log(house):
    """The real 2026.9.6 says "disk I/O error" and wants a migration."""
    house.database()
    wal = house.state / "state" / "openclaw.sqlite-wal"
    if wal.exists():
        wal.unlink()
    assert errors(found(database, house)) == []
    (wal / "x").mkdir(parents=True)
    wrong = [f for f in found(database, house) if f.severity.value == "error"]
    assert wrong[0].check_id == "database/unreadable" and str(wal) in wrong[0].message.zh


def test_a_file_that_is_marked_as_immutable(house, monkeypatch):
    """chattr +i: owner and mode are right, and chmod would not help."""
    where = house.database()
    real = os.access
    locked = str(house.state / "state" / "openclaw.sqlite")
    monkeypatch.setattr(
        os, "access", lambda p, m: real(p, m) and not (m & os.W_OK and str(p) == locked)
    )
    wrong = [f for f in found(permissions, house) if f.severity.value == "error"]
    assert [f.path for f in wrong] == [locked] and "chattr -i" in wrong[0].fix_hint.en, where
    os.chmod(locked, 0o400)
    wrong = [f for f in found(permissions, house) if f.severity.value == "error"]
    assert "chattr" not in wrong[0].fix_hint.en


def test_a_link_that_leads_to_itself(house):
    path = house.state / "openclaw.json"
    path.unlink()
    path.symlink_to(path.name)
    wrong = [f for f in found(permissions, house) if f.severity.value == "error"]
    assert [f.check_id for f in wrong] == ["permissions/dangling-link"]
    assert "ls -l" in wrong[0].fix_hint.en and "chown" not in wrong[0].fix_hint.en


def test_an_included_file_that_does_not_parse_is_to_be_corrected_not_put_back(house):
    """As it was told of the real 2026.9.6: "put the missing file back", with a line end inside."""
    from skill.repairs import manual_steps

    part = house.state / "m.json5"
    part.write_text('{ messages: { ackReaction: "eyes\n')
    house.config({"gateway": {"mode": "local"}, "$include": ["./m.json5"]})
    wrong = [f for f in found(config_check, house) if f.check_id == "config/include-missing"]
    assert len(wrong) == 1 and "\n" not in wrong[0].message.en
    step = manual_steps.hint(house.ctx(), wrong[0])
    assert "Correct it" in step.en and str(part) in step.en and "missing" not in step.en


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_cache_folder_that_belongs_to_root_since_sudo(house, tmp_path):
    """The real 2026.9.6 of another account: EACCES below ~/.cache, exit 78."""
    cache = tmp_path / "home" / ".cache"
    cache.mkdir(parents=True)
    cache.chmod(0o755)
    os.chown(str(house.state), 65534, 65534)
    said = UNREADABLE.format(state=house.state, cache=cache).replace("ENOENT", "EACCES")
    wrong = [f for f in found(permissions, house, logs=said) if f.check_id.endswith("temp-folder")]
    assert "sudo chown -R 65534 '{}'".format(cache) in wrong[0].fix_hint.en
    os.chown(str(cache), 65534, 65534)
    seen = ids(found(permissions, house, logs=said))
    assert "permissions/temp-folder" not in seen


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_folder_of_roots_deep_in_the_state_directory(house):
    """The real 2026.9.6 after one `sudo openclaw`: it leaves the path out."""
    deep = house.state / "agents" / "main" / "agent"
    deep.mkdir(parents=True)
    for base, folders, names in os.walk(str(house.state)):
        for name in [*folders, *names, "."]:
            os.chown(os.path.join(base, name), 65534, 65534)
    said = "Gateway failed to start: Failed migrating legacy shared auth store: Error: EACCES: {}"
    said = said.format("permission denied, mkdir [redacted-path].")
    assert "permissions/not-owner" not in ids(found(permissions, house, logs=said))
    os.chown(str(deep), 0, 0)
    wrong = [f for f in found(permissions, house, logs=said) if f.severity.value == "error"]
    assert [f.path for f in wrong] == [str(deep)]
    assert "sudo chown -R 65534 '{}'".format(house.state) in wrong[0].fix_hint.en
    assert "permissions/not-owner" not in ids(found(permissions, house, logs="no word of it"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_two_folders_of_roots_are_given_back_with_one_command(house):
    os.chown(str(house.state.parent), 65534, 65534)
    os.chown(str(house.state), 65534, 65534)
    for name in ("logs", "tmp"):
        (house.state / name).mkdir(exist_ok=True)
        os.chown(str(house.state / name), 0, 0)
    said = "Error: EACCES: permission denied, mkdir '{}/tmp/x'".format(house.state)
    wrong = [f for f in found(permissions, house, logs=said) if f.check_id.endswith("/not-owner")]
    assert [f.path for f in wrong] == [str(house.state / "tmp")]
    assert wrong[0].fix_hint.en.startswith("sudo chown -R 65534 '{}' ".format(house.state))
