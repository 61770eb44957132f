"""Task Scheduler: XML against the documented elements and their order, exact argv, states without
any translated word.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from manager_stub import Manager, program, world

from skill.errors import ServiceError
from skill.platforms.schtasks import (
    ENDED_BY_USER,
    NEVER_RAN,
    RUNNING,
    Schtasks,
    last_result,
    runner_source,
)

NS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
# Task Scheduler schema 1.2: children that may occur. A tuple is a sequence (order counts), a set
# may come in any order.
SCHEMA = {
    "Task": ("RegistrationInfo", "Triggers", "Settings", "Data", "Principals", "Actions"),
    "RegistrationInfo": {
        "URI",
        "SecurityDescriptor",
        "Source",
        "Date",
        "Author",
        "Version",
        "Description",
        "Documentation",
    },
    "LogonTrigger": (
        "Enabled",
        "StartBoundary",
        "EndBoundary",
        "Repetition",
        "ExecutionTimeLimit",
        "UserId",
        "Delay",
    ),
    "TimeTrigger": (
        "Enabled",
        "StartBoundary",
        "EndBoundary",
        "Repetition",
        "ExecutionTimeLimit",
        "RandomDelay",
    ),
    "Repetition": ("Interval", "Duration", "StopAtDurationEnd"),
    "Principal": {"UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"},
    "Settings": set(
        "AllowStartOnDemand RestartOnFailure MultipleInstancesPolicy "
        "DisallowStartIfOnBatteries StopIfGoingOnBatteries AllowHardTerminate"
        " StartWhenAvailable NetworkProfileName RunOnlyIfNetworkAvailable WakeToRun Enabled "
        "Hidden DeleteExpiredTaskAfter IdleSettings"
        " NetworkSettings ExecutionTimeLimit Priority RunOnlyIfIdle".split()
    ),
    "IdleSettings": {"Duration", "WaitTimeout", "StopOnIdleEnd", "RestartOnIdle"},
    "RestartOnFailure": {"Interval", "Count"},
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}
VALUES = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "ExecutionTimeLimit": "PT0S",
    "LogonType": "InteractiveToken",
    "RunLevel": "LeastPrivilege",
}


def check(raw: bytes) -> ET.Element:
    assert raw[:2] == b"\xff\xfe", "schtasks reads UTF-16 with a byte order mark"
    text = raw.decode("utf-16")
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n')
    root = ET.fromstring(text.split("?>", 1)[1])
    assert root.tag == NS + "Task" and root.get("version") == "1.2"
    for element in root.iter():
        name = element.tag.replace(NS, "")
        names = [child.tag.replace(NS, "") for child in element]
        allowed = SCHEMA.get(name)
        if allowed is not None:
            assert set(names) <= set(allowed) and len(set(names)) == len(names), (name, names)
        if isinstance(allowed, tuple) and name != "Task":
            assert names == [item for item in allowed if item in names], (name, names)
        assert element.text is None or names == [] or not element.text.strip()
        if name in VALUES:
            assert element.text == VALUES[name]
        if name in ("Interval", "Duration"):
            assert re.fullmatch(r"PT\d+[MHS]", element.text or "")
    return root


def make(root: Path, manager: Manager, profile: str = "", **env: str) -> Schtasks:
    host, home = world(root, manager, "win32", profile, USERNAME="张 三", USERDOMAIN="PC&1", **env)
    return Schtasks(host, home)


NO_TASK = (1, "", "ERROR: The system cannot find the file specified.")
XML = (
    "<Task><Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers><Settings><"
    "Enabled>{}</Enabled></Settings></Task>"
)


def row(result: int) -> str:
    cells = [
        "PC",
        "\\OpenClaw Gateway",
        "N/A",
        "正在运行",
        "只使用交互方式",
        "2026/11/21 13:00:00",
        str(result),
        "PC\\张 三",
        "C:\\x, y.cmd",
    ]
    return ",".join('"{}"'.format(cell) for cell in cells) + "\r\n"


def test_definitions_are_documented_and_start_again_every_minute(tmp_path):
    program(tmp_path / "lab", "openclaw.cmd")
    found = make(tmp_path, Manager({}), profile="work", PATH=str(tmp_path / "lab"))
    for plan in (found.plan_service("watchdog"), found._plan_own()):
        root = check(dict(plan.files)[plan.commands[0][5]])
        assert [e.text for e in root.iter(NS + "UserId")] == ["PC&1\\张 三"] * 2
        assert root.find(".//{0}TimeTrigger/{0}Repetition/{0}Interval".format(NS)).text == "PT1M"
        assert root.find(".//{0}Repetition/{0}Duration".format(NS)) is None  # without it: no end
        assert root.find(".//{0}LogonTrigger".format(NS)) is not None
        create, run = plan.commands
        assert (
            create[:3] == ("schtasks", "/Create", "/TN")
            and create[4:] == ("/XML", create[5], "/F")
            and run == ("schtasks", "/Run", "/TN", create[3])
        )


def test_a_drill_never_touches_the_users_task(tmp_path):
    """On Windows the drill's USERPROFILE is all there is to tell an account by."""
    from skill.host import Host
    from skill.openclaw.home import locate
    from skill.platforms import choose

    env = {"USERPROFILE": str(tmp_path), "USERNAME": "u"}
    user, drill = (
        Host(env=env, system="win32"),
        Host(env=dict(env, IFLOW_DOCTOR_DRILL="1"), system="win32"),
    )
    assert choose(user, locate(user)).name == "schtasks"
    assert choose(drill, locate(drill)).name == "direct"


def test_names_do_not_collide(tmp_path):
    one, two = make(tmp_path, Manager({})), make(tmp_path, Manager({}), profile="work")
    assert (
        one.task == "OpenClaw Gateway"
        and two.task == "OpenClaw Gateway (work)"
        and one.watchdog_task != two.watchdog_task
    )


@pytest.mark.parametrize(
    "result, enabled, active, code, stopped",
    [
        (RUNNING, "true", "active", None, False),
        (NEVER_RAN, "true", "inactive", None, None),
        (ENDED_BY_USER, "true", "inactive", None, True),
        (78, "true", "failed", 78, False),
        (0, "true", "inactive", 0, None),
        (0, "false", "inactive", 0, True),
        (-1073741510, "true", "failed", 0xC000013A, False),
    ],
)
def test_states_by_number_not_by_word(tmp_path, result, enabled, active, code, stopped):
    found = make(
        tmp_path, Manager({("CSV",): (0, row(result), ""), ("/XML",): (0, XML.format(enabled), "")})
    )
    state = found.service_state()
    assert (state.exists, state.active, state.exit_code, state.stopped_by_operator) == (
        True,
        active,
        code,
        stopped,
    )


def test_last_result_ignores_headers_and_nonsense():
    assert (
        last_result(
            '"HostName","TaskName","Next","Status","Mode","Last","Last Result"\r\n' + row(5)
        )
        == 5
    )
    assert last_result("") is None and last_result("no such task") is None


def test_lost_task_is_restored_by_openclaw_else_ours(tmp_path):
    tool = program(tmp_path / "lab", "openclaw.cmd")
    manager = Manager({("/Query",): NO_TASK, ("install",): (1, "", "no")})
    found = make(tmp_path, manager, PATH=str(tool.parent))
    assert found.service_state().exists is False
    plan = found.install()
    assert manager.said(str(tool), "gateway", "install", "--json") and manager.said(
        "/Create", "OpenClaw Gateway", "/XML"
    )
    check(Path(plan.commands[0][5]).read_bytes())


def test_a_task_that_is_there_is_left_alone(tmp_path):
    manager = Manager({("/Query",): (0, XML.format("true"), "")})
    make(tmp_path, manager).install()
    assert not manager.said("/Create")


def test_launcher_script_is_read_and_changed(tmp_path):
    found = make(tmp_path, Manager({}))
    script = found.home.state_dir / "gateway.cmd"
    last = '"C:\\node 20\\node.exe" "C:\\x\\index.js" gateway --port 1'
    lines = ["@echo off", "rem OpenClaw", 'set "NODE_OPTIONS=--bad"', 'set "HOME=C:\\a"', last, ""]
    script.write_bytes("\r\n".join(lines).encode())
    assert (
        found.command() == ["C:\\node 20\\node.exe", "C:\\x\\index.js", "gateway", "--port", "1"]
        and found.environment()["NODE_OPTIONS"] == "--bad"
    )
    steps, touched = found.environment_override(
        {"HOME": "C:\\100%", "ExecStart[0]": "D:\\node.exe"}, ["NODE_OPTIONS"]
    )
    lines = steps[0].content.decode().split("\r\n")
    assert (
        lines[0] == "@echo off"
        and 'set "HOME=C:\\100%%"' in lines
        and 'set "NODE_OPTIONS="' in lines
        and touched == (str(script),)
    )
    assert (
        lines[-2] == '"D:\\node.exe" "C:\\x\\index.js" gateway --port 1'
        and len([x for x in lines if "HOME=" in x]) == 1
    )


def test_runner_really_sets_the_environment_and_becomes_the_module(tmp_path):
    module = tmp_path / "张 三" / "practice_module"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("")
    (module / "__main__.py").write_text(
        "import os, sys; print(ascii((sys.argv[1:], os.environ['OPENCLAW_STATE_DIR'])))"
    )
    env = {"OPENCLAW_STATE_DIR": "C:\\用户\\o'hara", "PYTHONPATH": str(module.parent)}
    runner = tmp_path / "watchdog.pyw"
    runner.write_bytes(runner_source(["-m", "practice_module", "watch"], env).encode("utf-8"))
    done = subprocess.run([sys.executable, "-I", str(runner)], stdout=subprocess.PIPE, check=True)
    assert ast.literal_eval(done.stdout.decode().strip()) == (["watch"], env["OPENCLAW_STATE_DIR"])


def test_refusals_are_errors_with_a_hint(tmp_path):
    found = make(
        tmp_path,
        Manager(
            {
                ("/Query",): (0, XML.format("true"), ""),
                ("/Run",): (1, "", "ERROR: Access is denied."),
            }
        ),
    )
    with pytest.raises(ServiceError) as error:
        found.start()
    assert "Access is denied" in error.value.message and "/Query" in error.value.hint
