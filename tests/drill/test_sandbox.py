"""Nothing of the user's own gateway, accounts or credentials reaches a drill; nothing of a drill
stays.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from skill.drill import bench, evidence, faults, sandbox
from skill.errors import CannotTell
from skill.host import Host
from skill.openclaw.home import Home

pytestmark = pytest.mark.real_processes

OUTER = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": "/home/owner",
    "LANG": "zh_CN.UTF-8",
    "OPENCLAW_STATE_DIR": "/home/owner/.openclaw",
    "OPENCLAW_PROFILE": "work",
    "OPENCLAW_GATEWAY_TOKEN": "secret",
    "ANTHROPIC_API_KEY": "secret",
    "DISCORD_WEBHOOK_URL": "secret",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus",
    "XDG_RUNTIME_DIR": "/run/user/1000",
}


def a_fault(folder: Path, **value: object) -> faults.Fault:
    folder.mkdir()
    (folder / "fault.json").write_text(json.dumps({"expect": "heal", **value}))
    (folder / "inject").write_text(
        "#!/bin/sh\necho $GATEWAY_PORT $OPENCLAW_STATE_DIR > $DRILL_DIR/said\n"
    )
    (folder / "inject").chmod(0o755)
    return faults.read(folder)


def test_environment_is_an_allow_list(tmp_path: Path) -> None:
    env = sandbox.environment(OUTER, tmp_path, tmp_path / "s", 1, "mark", "/bin")
    assert "secret" not in env.values()
    assert (
        "OPENCLAW_PROFILE" not in env
        and "DBUS_SESSION_BUS_ADDRESS" not in env
        and "XDG_RUNTIME_DIR" not in env
    )
    assert (env["HOME"], env["OPENCLAW_STATE_DIR"], env["LANG"]) == (
        str(tmp_path),
        str(tmp_path / "s"),
        "zh_CN.UTF-8",
    )
    assert env["IFLOW_DOCTOR_DRILL"] == "1"


def test_ports_come_from_the_wanted_range() -> None:
    assert 23400 <= sandbox.free_port({"IFLOW_DOCTOR_DRILL_PORTS": "23400-23440"}) <= 23440


@pytest.mark.skipif(os.name == "nt", reason="faults are scripts of a POSIX shell")
def test_lay_out_run_a_script_and_clear_up(tmp_path: Path) -> None:
    place = bench.lay_out(
        a_fault(tmp_path / "f", settings={"auto_heal": False}), False, Host(env=OUTER), tmp_path
    )
    config = json.loads(place.home.config_path.read_text())["gateway"]
    assert (config["mode"], config["bind"], config["port"]) == (
        "local",
        "loopback",
        place.home.port,
    )
    own = json.loads((place.home.doctor_dir / "config.json").read_text())
    assert own["ai"]["enabled"] is False and own["auto_heal"] is False
    assert place.script("inject") == (0, "")
    assert (place.root / "said").read_text().split() == [
        str(place.home.port),
        str(place.home.state_dir),
    ]
    assert place.script("oracle") == (0, "")
    straggler = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=dict(place.env)
    )
    assert place.clear_up(keep=False) == 0
    straggler.wait(5)  # raises when it still lives; psutil has reaped its status
    assert not place.root.exists()


def test_real_without_openclaw_cannot_tell(tmp_path: Path) -> None:
    host = Host(env={"PATH": str(tmp_path), "HOME": str(tmp_path)})
    if os.path.exists("/usr/bin/openclaw") or os.path.exists("/usr/local/bin/openclaw"):
        pytest.skip("openclaw is installed system-wide here")
    with pytest.raises(CannotTell):
        bench.lay_out(a_fault(tmp_path / "f"), True, host, tmp_path)
    assert not list(tmp_path.glob("iflow-drill-*"))


def test_wrong_settings_in_a_fault_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no_such_setting"):
        bench.lay_out(
            a_fault(tmp_path / "f", settings={"no_such_setting": 1}),
            False,
            Host(env=OUTER),
            tmp_path,
        )


@pytest.mark.skipif(sys.platform != "linux", reason="reads other processes' environment")
def test_sweep_ends_only_what_a_dead_drill_left() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen(sleeper, env={**os.environ, sandbox.RUN_MARK: sandbox.new_mark()})
    orphan = subprocess.Popen(
        sleeper, env={**os.environ, sandbox.RUN_MARK: "abc.{}.1.00".format(os.getpid())}
    )
    time.sleep(0.3)
    try:
        assert sandbox.sweep() >= 1
        orphan.wait(5)  # raises when it still lives
        assert ours.poll() is None
    finally:
        ours.kill()
        ours.wait()
        orphan.kill()


@pytest.mark.skipif(
    not shutil.which("unshare") or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="needs root and unshare",
)
def test_sweep_leaves_a_containers_drill_alone() -> None:
    """Its mark names a drill by a pid that means another process here."""
    env = dict(os.environ, **{sandbox.RUN_MARK: "{}.{}.{:.2f}".format("c" * 32, 2, 1.0)})
    argv = ["unshare", "-p", "-f", "--kill-child", "sleep", "30"]
    inside = subprocess.Popen(argv, env=env)
    try:
        time.sleep(0.5)
        if inside.poll() is not None:
            pytest.skip("no pid namespaces here")
        child = [c for c in psutil.Process(inside.pid).children() if c.name() == "sleep"]
        assert (
            child
            and not sandbox._same_numbering(child[0].pid)
            and sandbox._same_numbering(os.getpid())
        )
    finally:
        inside.kill()
        inside.wait()


def test_ledger_compares_by_meaning_and_by_file(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "openclaw.json")
    home.config_path.write_text('{gateway: {mode: "local"}} // note')
    before = evidence.take(home)
    home.config_path.write_text('{"gateway": {"mode": "local"}}')
    after = evidence.take(home)
    assert evidence.config_diff(before, after) == []
    assert evidence.changed_files(before, after) == [str(home.config_path)]
    home.config_path.write_text('{"gateway": {"mode": "remote", "port": 1}}')
    assert evidence.config_diff(before, evidence.take(home)) == ["gateway.mode", "gateway.port"]
    home.config_path.write_text("{")
    assert evidence.config_diff(before, evidence.take(home)) == ["<file>"]
