"""launchd: plists against the documented keys and types, `launchctl print` as documented, what is
called and how EIO is met.
"""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from manager_stub import Manager, program, world

from skill.errors import ServiceError
from skill.platforms import removal
from skill.platforms.base import read_print
from skill.platforms.launchd import Launchd

# launchd.plist(5): key -> type. Only what it documents may be used.
KEYS = {
    "Label": str,
    "Disabled": bool,
    "Program": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": (bool, dict),
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "AbandonProcessGroup": bool,
    "ProcessType": str,
    "Nice": int,
    "LowPriorityIO": bool,
    "Umask": (int, str),
    "StandardInPath": str,
    "StandardOutPath": str,
    "StandardErrorPath": str,
    "WorkingDirectory": str,
    "SoftResourceLimits": dict,
    "HardResourceLimits": dict,
    "StartInterval": int,
    "LimitLoadToSessionType": (str, list),
    "LegacyTimers": bool,
}
KEEP_ALIVE = {
    "SuccessfulExit": bool,
    "Crashed": bool,
    "PathState": dict,
    "OtherJobEnabled": dict,
    "NetworkState": bool,
    "AfterInitialDemand": bool,
}
PROCESS_TYPES = {"Background", "Standard", "Adaptive", "Interactive"}
GONE = (113, "", 'Could not find service "ai.openclaw.gateway" in domain for user gui: 501')
RUNNING = """gui/501/ai.openclaw.gateway = {
\tactive count = 1
\tpath = /Users/a/Library/LaunchAgents/ai.openclaw.gateway.plist
\ttype = LaunchAgent
\tstate = running

\tprogram = /opt/homebrew/bin/node
\targuments = {
\t\t/opt/homebrew/bin/node
\t\tgateway
\t}

\tdomain = gui/501 [100015]
\truns = 3
\tpid = 4711
\tlast exit code = 78: EX_CONFIG
\tspawn type = interactive (4)
\tresource coalition = {
\t\tID = 1234
\t\tstate = active
\t\tpid = 99
\t}
}
"""


def check(content: bytes) -> dict:
    value = plistlib.loads(content)
    for key, item in value.items():
        assert key in KEYS, key
        assert isinstance(item, KEYS[key]) and not (KEYS[key] is int and isinstance(item, bool)), (
            key,
            item,
        )
    assert value["ProcessType"] in PROCESS_TYPES and all(
        isinstance(word, str) and word for word in value["ProgramArguments"]
    )
    if isinstance(value["KeepAlive"], dict):
        assert value["KeepAlive"] and all(
            isinstance(item, KEEP_ALIVE[key]) for key, item in value["KeepAlive"].items()
        )
    assert all(
        isinstance(k, str) and isinstance(v, str)
        for k, v in value.get("EnvironmentVariables", {}).items()
    )
    assert value["Label"] == value["Label"].strip() and value["ThrottleInterval"] >= 1
    return value


def make(root: Path, manager: Manager, profile: str = "", **env: str) -> Launchd:
    host, home = world(root, manager, "darwin", profile, **env)
    found = Launchd(host, home)
    found.folder = root / "Library" / "LaunchAgents"
    found.folder.mkdir(parents=True)
    return found


def put(found: Launchd, **changes: object) -> None:
    value = {
        "Label": found.label,
        "ProgramArguments": ["/bin/sh", "x.js", "gateway"],
        "KeepAlive": True,
        "RunAtLoad": True,
        **changes,
    }
    found.plist(found.label).write_bytes(plistlib.dumps(value))


def test_plists_are_documented_and_survive_hostile_names(tmp_path):
    path = str(program(tmp_path / "my & <lab> 张 三").parent)
    found = make(tmp_path, Manager({("print",): GONE}), profile="work", PATH=path)
    own, dog = found._plan_own(tmp_path).files[0][1], found.plan_service("watchdog").files[0][1]
    value = check(own)
    assert (
        value["ProgramArguments"] == [path + "/openclaw", "gateway", "run"]
        and value["EnvironmentVariables"]["PATH"] == path
    )
    assert value["Label"] == "ai.openclaw.work" and value["KeepAlive"] == {"SuccessfulExit": False}
    value = check(dog)
    assert (
        value["KeepAlive"] is True
        and value["ProgramArguments"][1:] == ["-m", "skill", "watch"]
        and value["ProcessType"] == "Background"
    )
    assert (
        value["Label"].startswith("ai.openclaw.iflow-doctor.work") and value["Label"] != found.label
    )


def test_print_is_read_at_its_outermost_level():
    state = read_print(RUNNING, "")
    assert (state.active, state.main_pid, state.exit_code, state.restarts, state.sub) == (
        "active",
        4711,
        78,
        2,
        "running",
    )
    waiting = (
        RUNNING.replace("\tpid = 4711\n", "")
        .replace("state = running", "state = spawn scheduled")
        .replace("78: EX_CONFIG", "(never exited)")
    )
    state = read_print(waiting, "")
    assert (state.active, state.main_pid, state.exit_code, state.stopped_by_operator) == (
        "activating",
        None,
        None,
        False,
    )
    assert read_print(waiting + "\tlast terminating signal = Killed: 9\n", "").exit_code == -9


def test_loaded_lost_stopped_disabled(tmp_path):
    answers = {
        ("print-disabled",): (
            0,
            'disabled services = {\n\t\t"ai.openclaw.gateway" => enabled\n}',
            "",
        ),
        ("print",): GONE,
    }
    found = make(tmp_path, Manager(answers))
    assert found.service_state().exists is False
    put(found)
    state = found.service_state()
    assert (state.active, state.sub, state.stopped_by_operator) == ("inactive", "not-loaded", None)
    answers[("print-disabled",)] = (0, '"ai.openclaw.gateway" => disabled', "")
    assert found.service_state().stopped_by_operator is True


def test_parked_after_78_is_not_a_wish(tmp_path):
    found = make(
        tmp_path,
        Manager(
            {("print-disabled",): (0, '"ai.openclaw.gateway" => disabled', ""), ("print",): GONE}
        ),
    )
    put(found)
    removal.remember(found.host, found.home, found.command())
    note = (
        found.home.logs_dir / "stability" / "openclaw-stability-2026-1-gateway.startup_failed.json"
    )
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    state = found.service_state()
    assert (state.active, state.exit_code, state.stopped_by_operator) == ("failed", 78, False)


def test_bootstrap_meets_eio_with_patience(tmp_path):
    busy = (5, "", "Bootstrap failed: 5: Input/output error")
    manager = Manager(
        {("kickstart",): GONE, ("bootstrap",): [busy, busy, (0, "", "")], ("print",): GONE}
    )
    found = make(tmp_path, manager)
    put(found)
    found.start()
    assert len(manager.said("bootstrap")) == 3 and manager.said("enable")
    manager.answers[("bootstrap",)] = busy
    with pytest.raises(ServiceError):
        found.start()
    manager.answers[("bootstrap",)] = (
        125,
        "",
        "Bootstrap failed: 125: Domain does not support specified action",
    )
    with pytest.raises(ServiceError) as error:
        found.start()
    assert "GUI session" in error.value.hint


def test_restart_and_stop_words(tmp_path):
    manager = Manager({})
    found = make(tmp_path, manager)
    put(found)
    found.restart()
    found.stop()
    target = found.domain + "/ai.openclaw.gateway"
    assert manager.asked == [
        ["launchctl", "kickstart", "-k", target],
        ["launchctl", "bootout", target],
    ]


def test_environment_through_openclaws_wrapper(tmp_path):
    found = make(tmp_path, Manager({}))
    env_file = tmp_path / "service-env" / "x.env"
    env_file.parent.mkdir()
    env_file.write_text("export NODE_OPTIONS='--bad'\nexport KEEP='yes'\n")
    put(
        found,
        ProgramArguments=[
            "/bin/sh",
            str(tmp_path / "x-env-wrapper.sh"),
            str(env_file),
            "/old/node",
            "index.js",
            "gateway",
        ],
    )
    assert (
        found.command() == ["/old/node", "index.js", "gateway"]
        and found.environment()["NODE_OPTIONS"] == "--bad"
    )
    changes = {"ExecStart[0]": "/new node/node", "LimitNOFILE": "8192", "HOME": "/Users/it's"}
    steps, touched = found.environment_override(changes, ["NODE_OPTIONS"])
    value = plistlib.loads(steps[0].content)
    assert value["ProgramArguments"][3:] == ["/new node/node", "index.js", "gateway"] and value[
        "SoftResourceLimits"
    ] == {"NumberOfFiles": 8192}
    assert steps[1].content.decode().splitlines() == [
        "export KEEP='yes'",
        "export HOME='/Users/it'\\''s'",
    ]
    assert (
        touched == (str(found.plist(found.label)), str(env_file)) and steps[-1].action == "reload"
    )


def test_lost_plist_comes_back_from_our_copy(tmp_path):
    manager = Manager({("print",): (0, RUNNING, "")})
    found = make(tmp_path, manager)
    found.own = True
    put(found)
    content = found.plist(found.label).read_bytes()
    (tmp_path / "x.js").write_text("")
    assert found.tend() and not found.tend()
    found.plist(found.label).unlink()
    found.install()
    assert found.plist(found.label).read_bytes() == content and manager.said("bootstrap")
