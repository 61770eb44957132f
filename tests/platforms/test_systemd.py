"""systemd: what `show` means, what is written, what is called."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manager_stub import Manager, program, world

from skill.errors import ServiceError
from skill.machine import Process
from skill.openclaw import lock
from skill.platforms import removal, systemctl, systemdunit
from skill.platforms import systemdunit as unit
from skill.platforms.base import read_state
from skill.platforms.systemd import Systemd

SERVES = (
    "LoadState=loaded\nActiveState=active\nMainPID=4\nExecMainStartTimestampMonotonic=950000000"
    "\n"
)  # 50 s ago
RAN = "Sat 2026-11-21 13:16:43 UTC"


def shown(**fields: str) -> dict:
    base = {
        "LoadState": "loaded",
        "Restart": "always",
        "ExecMainStartTimestamp": RAN,
        "UnitFileState": "enabled",
        "NRestarts": "0",
        "MainPID": "0",
    }
    return {**base, **fields}


# What systemd 252 answered for the real gateway's unit in each situation.
@pytest.mark.parametrize(
    "fields, active, code, stopped",
    [
        (
            dict(
                ActiveState="active",
                SubState="running",
                Result="success",
                ExecMainCode="0",
                ExecMainStatus="0",
                MainPID="184",
            ),
            "active",
            None,
            False,
        ),
        (
            dict(
                ActiveState="inactive",
                SubState="dead",
                Result="success",
                ExecMainCode="1",
                ExecMainStatus="0",
            ),
            "inactive",
            0,
            True,
        ),
        (
            dict(
                ActiveState="activating",
                SubState="auto-restart",
                Result="signal",
                ExecMainCode="2",
                ExecMainStatus="9",
            ),
            "activating",
            -9,
            False,
        ),
        (
            dict(
                ActiveState="failed",
                SubState="failed",
                Result="exit-code",
                ExecMainCode="1",
                ExecMainStatus="78",
            ),
            "failed",
            78,
            False,
        ),
        (
            dict(
                ActiveState="failed",
                SubState="failed",
                Result="start-limit-hit",
                ExecMainCode="1",
                ExecMainStatus="1",
            ),
            "failed",
            1,
            False,
        ),
        # reset-failed after 78, and then nobody started it: not a person's wish
        (
            dict(
                ActiveState="inactive",
                SubState="dead",
                Result="success",
                ExecMainCode="1",
                ExecMainStatus="78",
            ),
            "inactive",
            78,
            False,
        ),
        # stopped while it waited for its restart
        (
            dict(
                ActiveState="inactive",
                SubState="dead",
                Result="signal",
                ExecMainCode="2",
                ExecMainStatus="9",
            ),
            "inactive",
            -9,
            True,
        ),
        # killed at the end of TimeoutStopSec: only a stop has that
        (
            dict(
                ActiveState="failed",
                SubState="failed",
                Result="timeout",
                ExecMainCode="2",
                ExecMainStatus="9",
            ),
            "failed",
            -9,
            True,
        ),
        (
            dict(
                ActiveState="inactive",
                SubState="dead",
                Result="success",
                ExecMainStartTimestamp="",
                ExecMainCode="0",
            ),
            "inactive",
            None,
            None,
        ),
        (
            dict(
                ActiveState="inactive",
                SubState="dead",
                Result="success",
                Restart="on-failure",
                ExecMainCode="1",
                ExecMainStatus="0",
            ),
            "inactive",
            0,
            None,
        ),
        (
            dict(
                LoadState="masked",
                ActiveState="inactive",
                SubState="dead",
                Result="success",
                UnitFileState="masked",
            ),
            "inactive",
            None,
            True,
        ),
    ],
)
def test_states(fields, active, code, stopped):
    state = read_state(shown(**fields), True)
    assert (state.active, state.exit_code, state.stopped_by_operator) == (active, code, stopped)


def test_unit_lost_while_the_manager_still_remembers_it():
    seen = shown(
        ActiveState="active",
        SubState="running",
        FragmentPath="/nowhere/openclaw-gateway.service",
        MainPID="7",
    )
    assert read_state(seen, False).exists is False
    assert read_state(shown(LoadState="not-found", ActiveState="inactive"), False).exists is False


@given(
    st.lists(
        st.text(
            st.characters(
                blacklist_categories=("Cs", "Cc"),
                blacklist_characters="\n\r\x85\u2028\u2029\x1c\x1d\x1e",
            ),
            min_size=1,
        ),
        min_size=1,
    )
)
def test_command_lines_survive_quoting(words):
    words = [word for word in words if word.strip() == word] or ["x"]
    words[0] = "/" + words[0]
    lines = unit.parse("[Service]\nExecStart=" + unit.exec_line(words) + "\n")
    assert unit.exec_start(lines) == words


def test_a_line_break_never_gets_into_a_unit():
    with pytest.raises(ValueError):
        unit.quote("a\nExecStart=evil")


def test_override_changes_only_what_it_names(tmp_path):
    first = unit.override(
        [],
        ["/usr/bin/node", "index.js"],
        {"NODE_OPTIONS": "--max-old-space-size=2048", "LimitNOFILE": "4096"},
        ["BAD"],
    )
    lines = unit.parse(first)
    assert (
        unit.environment(lines) == {"NODE_OPTIONS": "--max-old-space-size=2048"}
        and ("Service", "LimitNOFILE", "4096") in lines
    )
    assert "ExecStart" not in first
    second = unit.parse(
        unit.override(
            lines,
            ["/usr/bin/node", "index.js"],
            {"ExecStart[0]": "/opt/node 24/bin/node"},
            ["NODE_OPTIONS"],
        )
    )
    assert unit.exec_start(second) == ["/opt/node 24/bin/node", "index.js"]
    assert unit.environment(second) == {} and ("Service", "LimitNOFILE", "4096") in second
    assert ("Service", "UnsetEnvironment", "BAD NODE_OPTIONS") in second


def make(tmp_path: Path, manager: Manager, profile: str = "", **env: str) -> Systemd:
    host, home = world(
        tmp_path, manager, profile=profile, XDG_CONFIG_HOME=str(tmp_path / "config"), **env
    )
    found = Systemd(host, home)
    found.folder.mkdir(parents=True, exist_ok=True)
    return found


UNIT = (
    "[Service]\nExecStart=/bin/sh -c true gateway --port "
    "1\nRestart=always\nEnvironment=HOME=/home/a\nEnvironment=NODE_OPTIONS=\n"
)


def test_names_of_two_profiles_differ(tmp_path):
    one, two = make(tmp_path, Manager({})), make(tmp_path, Manager({}), profile="work")
    assert one.unit == "openclaw-gateway.service" and two.unit == "openclaw-gateway-work.service"
    assert one.watchdog_unit != two.watchdog_unit


def test_start_after_exit_78_resets_first(tmp_path):
    manager = Manager(
        {
            ("show",): (
                0,
                "LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=78\nExe"
                "cMainCode=1\n",
                "",
            )
        }
    )
    found = make(tmp_path, manager)
    (found.folder / found.unit).write_text(UNIT)
    found.start()
    verbs = [argv[4] for argv in manager.asked]
    assert verbs == ["show", "reset-failed", "start"] and all(
        argv[:2] == ["systemctl", "--user"] for argv in manager.asked
    )


def test_no_user_bus_is_unknown_and_has_a_hint(tmp_path):
    manager = Manager({("systemctl",): (1, "", "Failed to connect to bus: No medium found")})
    found = make(tmp_path, manager)
    assert found.service_state().active == "unknown" and found.service_state().sub == "no-user-bus"
    with pytest.raises(ServiceError) as error:
        found.reset_failed()
    assert "linger" in error.value.hint


def test_hurry_cuts_the_wait_short_but_not_in_a_crash_loop_and_not_after_a_stop(tmp_path):
    def seen(sub: str, lived: int, active: str = "activating") -> str:
        killed = "ExecMainCode=2\nExecMainStatus=9\n"
        return (
            killed
            + "ActiveState={}\nSubState={}\nExecMainStartTimestampMonotonic=1000000\nExecMainExit"
            "TimestampMonotonic={}\n".format(active, sub, 1000000 + lived * 1000000)
        )

    dying = (0, seen("stop-sigkill", 60, "deactivating"), "")
    for answers, hurried in (
        ([dying, (0, seen("auto-restart", 60), "")], True),
        ([(0, seen("auto-restart", 5), "")], False),
        ([dying, (0, seen("dead", 60, "inactive"), "")], False),
        ([dying], False),
    ):
        manager = Manager({("show",): answers})
        ended = make(tmp_path, manager).hurry()
        assert (ended is not None and ended.exit_code == -9) is hurried
        assert bool(manager.said("restart")) is hurried and not manager.said("start")


def test_a_lost_unit_comes_back_from_our_copy_and_the_dangling_link_goes(tmp_path):
    manager = Manager({("show",): (0, SERVES, "")})
    found = make(tmp_path, manager)
    found.own = True
    (found.folder / found.unit).write_text(UNIT)
    os.utime(str(found.folder / found.unit), (900, 900))
    assert found.tend() is True and found.tend() is False
    link = found.folder / "default.target.wants" / found.unit
    link.parent.mkdir()
    link.symlink_to(found.folder / found.unit)
    (found.folder / found.unit).unlink()
    assert found._dangling()
    plan = found.install()
    assert (found.folder / found.unit).read_text() == UNIT and not link.is_symlink()
    assert [words[2] for words in plan.commands] == ["daemon-reload", "enable", "start"]


def test_a_unit_that_no_running_gateway_was_started_from_never_replaces_the_good_copy(tmp_path):
    starting = SERVES.replace("ActiveState=active", "ActiveState=activating")
    manager = Manager({("show",): [(0, SERVES, ""), (0, starting, ""), (0, SERVES, "")]})
    found = make(tmp_path, manager)
    found.own, path = True, found.folder / found.unit
    path.write_text(UNIT)
    os.utime(str(path), (900, 900))
    assert found.tend() is True
    path.write_text("[Service]\nExecStart=/gone")
    os.utime(str(path), (940, 940))
    assert found.tend() is False, "it is only just being started from this"
    os.utime(str(path), (980, 980))
    assert found.tend() is False, "edited under a running gateway"
    assert found._copy().read_text() == UNIT


def test_a_unit_file_that_systemd_cannot_use_is_there_and_was_stopped_by_nobody():
    for load, why in (("bad-setting", "bad-setting"), ("masked", "empty"), ("error", "error")):
        state = read_state(
            shown(LoadState=load, ActiveState="inactive", SubState="dead"), True, load == "masked"
        )
        assert (
            state.exists
            and state.stopped_by_operator is False
            and state.detail == "unusable unit: " + why
        )


def test_a_unit_that_is_there_is_not_touched(tmp_path):
    manager = Manager({("show",): (0, "LoadState=loaded\nActiveState=active\nMainPID=4\n", "")})
    found = make(tmp_path, manager)
    (found.folder / found.unit).write_text(UNIT)
    assert found.install().files == ()
    assert (found.folder / found.unit).read_text() == UNIT and not (
        found.folder / (found.unit + ".d")
    ).exists()


def test_our_drop_in_goes_with_the_unit(tmp_path):
    found = make(tmp_path, Manager({}))
    steps, touched = found.environment_override({"A": "1"}, [])
    target = Path(touched[0])
    target.parent.mkdir()
    target.write_bytes(steps[0].content)
    assert found.tend() is True and not target.exists() and found.tend() is False


def test_person_or_update(tmp_path):
    host, home = world(tmp_path, Manager({}))
    package = tmp_path / "lib" / "openclaw" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text("{}")
    assert removal.by_person(home) is None
    removal.remember(
        host, home, ["/usr/bin/node", str(package.parent / "dist" / "index.js"), "gateway"]
    )
    assert removal.by_person(home) is True
    package.write_text('{"version": "2"}')
    assert removal.by_person(home) is False


def test_dry_run_changes_nothing(tmp_path):
    manager = Manager({})
    found = make(tmp_path, manager)
    before = sorted(tmp_path.rglob("*"))
    plan = found.install_watchdog(dry_run=True)
    assert (
        plan.files
        and plan.commands
        and sorted(tmp_path.rglob("*")) == before
        and manager.asked == []
    )


DOCUMENTED = {
    "Unit": {"Description", "After", "Wants", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": set(
        "Type NotifyAccess ExecStart Restart RestartSec RestartSteps RestartMaxDelaySec "
        "RestartPreventExitStatus SuccessExitStatus"
        " KillMode OOMPolicy WorkingDirectory"
        " TimeoutStopSec TimeoutStartSec WatchdogSec Environment UMask Nice CPUWeight "
        "IOSchedulingClass MemoryHigh NoNewPrivileges"
        " LockPersonality"
        " RestrictRealtime SystemCallArchitectures".split()
    ),
    "Install": {"WantedBy"},
}


def both_units(tmp_path: Path) -> list:
    program(tmp_path / "my lab")
    found = make(
        tmp_path,
        Manager({}),
        profile="wörk",
        OPENCLAW_STATE_DIR=str(tmp_path / "100% 张 三"),
        PATH=str(tmp_path / "my lab"),
    )
    home = replace(found.home, state_dir=tmp_path / "100% 张 三")
    own = systemdunit.gateway(found.host, home, found.folder / found.unit)
    return [own.files[0], found.plan_service("watchdog").files[0]]


def test_our_units_use_documented_keys_only(tmp_path):
    for _, content in both_units(tmp_path):
        lines = unit.parse(content.decode("utf-8"))
        assert lines and all(key in DOCUMENTED[section] for section, key, _ in lines)
        assert "@" not in content.decode("utf-8").replace("@resources", "")
        assert unit.environment(lines)["OPENCLAW_STATE_DIR"].endswith("100% 张 三")
    gateway = unit.parse(both_units(tmp_path)[0][1].decode("utf-8"))
    assert ("Service", "Restart", "always") in gateway and (
        "Service",
        "RestartPreventExitStatus",
        "78",
    ) in gateway
    assert unit.exec_start(gateway) == [str(tmp_path / "my lab" / "openclaw"), "gateway", "run"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_itself_finds_nothing_wrong(tmp_path):
    for name, content in both_units(tmp_path):
        target = tmp_path / "check" / os.path.basename(name).replace("wörk", "work")
        target.parent.mkdir(exist_ok=True)
        text = content.decode("utf-8").replace(
            '"{}"'.format(tmp_path / "my lab" / "openclaw"), "/bin/true"
        )
        target.write_text(
            text.replace("RestartSteps=6\nRestartMaxDelaySec=60\n", "")
        )  # known from systemd 254 on
        done = subprocess.run(
            ["systemd-analyze", "verify", str(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert str(target.name) not in done.stdout.decode(), done.stdout.decode()


def test_whether_an_account_lingers(tmp_path, monkeypatch):
    from skill.host import Host
    from skill.platforms import systemctl

    monkeypatch.setattr(systemctl.os.path, "isdir", lambda path: True)
    host = Host(env={"USER": "x"})
    assert systemctl.lingers(host, str(tmp_path)) is False
    (tmp_path / systemctl.account(host)).touch()
    assert systemctl.lingers(host, str(tmp_path)) is True
    assert systemctl.lingers(host, str(tmp_path / "none")) is False
    monkeypatch.setattr(systemctl.os.path, "isdir", lambda path: False)
    assert systemctl.lingers(host, str(tmp_path)) is None


# -- whose stop it was, and which unit keeps it ------------------------------------------------------
# Timestamps as systemd 252 gave them: a stop job leaves "active" first; a process that ends by
# itself is gone first.
@pytest.mark.parametrize("policy", ["on-failure", "no", "on-abnormal"])
@pytest.mark.parametrize(
    "left, ended, stopped", [("500", "900", True), ("900", "899", False), ("0", "0", None)]
)
def test_another_restart_policy_does_not_hide_whose_stop_it_was(
    policy: str, left: str, ended: str, stopped: object
) -> None:
    seen = shown(
        Restart=policy,
        ActiveState="inactive",
        Result="success",
        ExecMainCode="1",
        ExecMainStatus="0",
        ActiveExitTimestampMonotonic=left,
        ExecMainExitTimestampMonotonic=ended,
    )
    assert read_state(seen, True).stopped_by_operator is stopped


CGROUPS = {
    "0::/user.slice/user-1001.slice/user@1001.service/app.slice/openclaw.service\n": (
        "openclaw.service",
        True,
    ),
    "0::/system.slice/openclaw.service\n": ("openclaw.service", False),
    "0::/system.slice/system-openclaw.slice/openclaw@oc.service/sub\n": (
        "openclaw@oc.service",
        False,
    ),
    "0::/user.slice/user-1001.slice/session-3.scope\n": ("", True),
    "0::/user.slice/user-1001.slice/user@1001.service/tmux-spawn-4.scope\n": ("", True),
    "1:name=systemd:/system.slice/openclaw.service\n0::/system.slice\n": (
        "openclaw.service",
        False,
    ),
    # a container in a scope: the unit inside it is no unit of this machine's manager
    "0::/system.slice/docker-abc.scope/system.slice/openclaw.service\n": ("", True),
    "4:memory:/x.service\n0::/\n": ("", True),
    "rubbish": ("", True),
}


@pytest.mark.parametrize("text", CGROUPS)
def test_the_unit_of_a_process_is_its_control_groups(tmp_path: Path, text: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    assert systemctl.unit_of(7, str(tmp_path)) == CGROUPS[text]
    assert systemctl.unit_of(8, str(tmp_path)) == ("", True)


def kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, main: str = "7"
) -> "tuple[Manager, Systemd]":
    """A living gateway, pid 7 below 6, in a control group; `main` is the unit's MainPID."""
    stopped = "\n".join(
        "=".join(pair)
        for pair in shown(
            ActiveState="inactive", Result="success", ExecMainCode="1", ExecMainStatus="0"
        ).items()
    )
    manager = Manager(
        {
            ("MainPID",): (0, "MainPID={}\n".format(main), ""),
            ("show",): (0, stopped, ""),
        }
    )
    host, home = world(tmp_path, manager)
    platform = Systemd(host, home)
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text("0::" + group + "\n")
    platform.proc = str(tmp_path / "proc")
    row = Process(7, 6, "openclaw-gateway", ("openclaw-gateway",), started=1.0)
    monkeypatch.setattr(
        "skill.platforms.systemd.lock.holding", lambda *_: lock.Holding(lock.Life.ALIVE, None, row)
    )
    return manager, platform


OWN = "/user.slice/user-1001.slice/user@1001.service/app.slice/openclaw.service"


def test_a_unit_of_another_name_is_the_one_in_charge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's `systemctl --user stop openclaw` was answered by installing a second service."""
    manager, platform = kept_elsewhere(tmp_path, monkeypatch, OWN)
    platform.tend()
    assert platform.unit == "openclaw.service" and platform.of_account
    assert platform.service_state().stopped_by_operator is True
    platform.start()
    assert manager.said("--user", "start", "--no-block", "openclaw.service")
    assert not manager.said("install") and not manager.said("enable")


@pytest.mark.parametrize("act", ["stop", "restart"])
def test_attack_a6_what_a_unit_keeps_beside_the_gateway_is_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """pm2, supervisord, tmux: the gateway's parent keeps other programs of the owner's too."""
    manager, platform = kept_elsewhere(tmp_path, monkeypatch, OWN, main="6")
    rows = [Process(pid, up, "x", ("x",), started=1.0) for pid, up in ((6, 1), (7, 6), (8, 7))]
    platform.host = replace(platform.host, processes=lambda: rows)
    for pid in (6, 8, 9):
        (tmp_path / "proc" / str(pid)).mkdir()
        (tmp_path / "proc" / str(pid) / "cgroup").write_text("0::" + OWN + "\n")
    platform.tend()
    manager.answers = {("show",): (0, "MainPID=6\nActiveState=active\n", "")}
    monkeypatch.setattr(platform, "_restart", platform._stop)  # which waits for a new process
    getattr(platform, act)()
    assert manager.said("stop", "openclaw.service")
    rows.append(Process(9, 6, "worker", ("worker",), started=1.0))
    manager.asked.clear()
    with pytest.raises(ServiceError, match="worker"):
        getattr(platform, act)()
    assert not manager.said("stop") and not manager.said("restart")


@pytest.mark.parametrize("name", ["openclaw.service", "openclaw-gateway.service"])
@pytest.mark.parametrize("boot", [True, False])
def test_attack_a8_a_unit_that_is_not_enabled_is_forgotten_when_its_owner_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, boot: bool
) -> None:
    """systemd lets it go: no exit code, no time. Its owner's stop was answered by a start."""
    group = OWN.replace("openclaw.service", name)
    manager, platform = kept_elsewhere(tmp_path, monkeypatch, group)
    platform.folder = tmp_path / "units"
    platform.folder.mkdir()
    (platform.folder / name).write_text("[Service]\nExecStart=/x\n")
    host = platform.host
    # the gateway began at 1.0 s of the epoch: in this boot, or before it
    platform.host = replace(host, now=lambda: host.monotonic() if boot else 1e9)
    platform.tend()
    fresh = shown(ActiveState="inactive", Result="success", ExecMainCode="0", ExecMainStatus="0")
    fresh.update(ExecMainStartTimestamp="", UnitFileState="disabled")
    bare = "\n".join("=".join(pair) for pair in fresh.items())
    manager.answers = {("show",): (0, bare, "")}
    assert platform.service_state().stopped_by_operator is (True if boot else None)
    held = bare.replace("disabled", "enabled")  # by default.target: it is not forgotten
    manager.answers = {("show",): (0, held, "")}
    assert platform.service_state().stopped_by_operator is None
    assert platform.unit == name


def test_a_unit_of_the_system_is_asked_without_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, platform = kept_elsewhere(tmp_path, monkeypatch, "/system.slice/openclaw.service")
    platform.tend()
    platform.service_state()
    platform.start()
    asked = [argv for argv in manager.asked if "openclaw.service" in argv]
    assert asked and not any("--user" in argv for argv in asked)


def test_a_unit_that_only_contains_the_terminal_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, platform = kept_elsewhere(tmp_path, monkeypatch, "/system.slice/cron.service", main="3")
    platform.tend()
    assert platform.unit == "openclaw-gateway.service"


def test_openclaws_own_unit_is_in_charge_again_once_it_keeps_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, platform = kept_elsewhere(tmp_path, monkeypatch, OWN, main="6")
    platform.tend()
    assert platform.unit == "openclaw.service"
    group = tmp_path / "proc" / "7" / "cgroup"
    group.write_text("0::" + OWN.replace("openclaw.service", "openclaw-gateway.service") + "\n")
    row = Process(7, 6, "openclaw-gateway", ("openclaw-gateway",), started=2.0)
    monkeypatch.setattr(
        "skill.platforms.systemd.lock.holding", lambda *_: lock.Holding(lock.Life.ALIVE, None, row)
    )
    platform.tend()
    assert platform.unit == "openclaw-gateway.service"


def test_a_lost_unit_of_another_name_is_never_replaced_by_a_second_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, platform = kept_elsewhere(tmp_path, monkeypatch, OWN)
    platform.tend()
    with pytest.raises(ServiceError):
        platform.install()
    assert not manager.said("install")
