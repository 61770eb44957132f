"""service install | uninstall | status through the command line, with a platform that answers from
memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from skill.commands import service
from skill.errors import ServiceError
from skill.host import Host
from skill.platforms import ServicePlan, ServiceState


class Memory:
    """A platform; remembers what was asked of it."""

    name = "systemd"

    def __init__(self, gateway="active", watchdog="active", fail=""):
        self.states, self.fail, self.asked = {"gateway": gateway, "watchdog": watchdog}, fail, []

    def _act(self, what, dry_run):
        self.asked.append((what, dry_run))
        if what == self.fail:
            raise ServiceError("refused", "do this instead")
        return ServicePlan(
            (("/etc/x.service", "[Unit]\nDescription=\u5b88\u62a4\n".encode("utf-8")),),
            (("systemctl", "--user", "daemon-reload"),),
        )

    def install(self, dry_run=False):
        return self._act("gateway", dry_run)

    def install_watchdog(self, dry_run=False):
        return self._act("watchdog", dry_run)

    uninstall, uninstall_watchdog = install, install_watchdog

    def service_state(self):
        return ServiceState(True, self.states["gateway"], "running", main_pid=7, restarts=2)

    def watchdog_state(self):
        return ServiceState(
            self.states["watchdog"] != "gone",
            "inactive" if self.states["watchdog"] == "gone" else self.states["watchdog"],
        )


def call(platform, *words, lang="en", as_json=False):
    said, folder = [], tempfile.mkdtemp()
    app = SimpleNamespace(
        as_json=as_json,
        lang=lang,
        host=Host(env={"HOME": folder, "OPENCLAW_STATE_DIR": folder}),
        platform=lambda home, settings: platform,
        say=lambda text: said.append(text.to(lang) if hasattr(text, "to") else text),
        out=lambda value: said.append(json.dumps(value)),
    )
    try:
        done = CliRunner().invoke(service.service, list(words), obj=app)
    finally:
        shutil.rmtree(folder)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, "\n".join(said)


def test_install_does_both_and_dry_run_says_everything():
    platform = Memory()
    code, text = call(platform, "install", "--dry-run")
    assert code == 0 and platform.asked == [("gateway", True), ("watchdog", True)]
    assert (
        "/etc/x.service" in text
        and "Description=\u5b88\u62a4" in text
        and "run   systemctl --user daemon-reload" in text
    )


def test_one_that_fails_does_not_keep_the_other_from_being_done():
    platform = Memory(fail="gateway")
    code, text = call(platform, "install")
    assert code == 1 and ("watchdog", False) in platform.asked and "do this instead" in text


def test_uninstall_takes_the_watchdog_first():
    platform = Memory()
    assert call(platform, "uninstall")[0] == 0 and platform.asked == [
        ("watchdog", False),
        ("gateway", False),
    ]
    platform = Memory()
    assert call(platform, "uninstall", "--only", "watchdog")[0] == 0 and platform.asked == [
        ("watchdog", False)
    ]


@pytest.mark.parametrize(
    "gateway, watchdog, expected",
    [
        ("active", "active", 0),
        ("failed", "active", 1),
        ("active", "gone", 1),
        ("unknown", "active", 2),
    ],
)
def test_status_answers_honestly(gateway, watchdog, expected):
    code, text = call(Memory(gateway, watchdog), "status", as_json=True)
    assert code == expected and json.loads(text)["exit_code"] == expected
    code, text = call(Memory(gateway, watchdog), "status", lang="zh")
    assert code == expected and "\u7f51\u5173" in text


HOLDER = """
import sys, time
from skill.locks import owned_lock
with owned_lock(sys.argv[1], "watchdog"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.real_processes
@pytest.mark.parametrize(
    "elsewhere, words, ends",
    [(False, ["watch"], True), (True, ["watch"], False), (False, ["treat"], False)],
    ids=["our watchdog", "another state directory", "no watchdog"],
)
def test_uninstall_ends_only_a_watchdog_of_this_place(tmp_path, elsewhere, words, ends):
    """Attack 23: a note with a pid that was given again; another profile's watchdog."""
    home = tmp_path / "home" / ".openclaw"
    (home / "iflow-doctor").mkdir(parents=True)
    lock = home / "iflow-doctor" / "watch.lock"
    theirs = tmp_path / "other" if elsewhere else home
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), *words],
        env={**os.environ, "HOME": str(tmp_path / "home"), "OPENCLAW_STATE_DIR": str(theirs)},
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        env = {"HOME": str(tmp_path / "home"), "OPENCLAW_STATE_DIR": str(home)}
        host = Host(env=env, sleep=lambda seconds: time.sleep(seconds / 10))
        service._end_by_hand(SimpleNamespace(host=host))
        assert (holder.poll() is not None) is ends
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@pytest.mark.parametrize("ends_after, left", [(3, False), (10**6, True)])
def test_uninstall_waits_for_a_repair_that_is_at_work_and_not_for_ever(
    tmp_path, monkeypatch, capsys, ends_after, left
):
    """HealBench: level 3 went on verifying a gateway that was being removed."""
    from skill import locks

    asked, clock = [], [0.0]
    monkeypatch.setattr(
        locks, "lock_held", lambda path: asked.append(path) or len(asked) <= ends_after
    )
    host = Host(
        env={"HOME": str(tmp_path), "OPENCLAW_STATE_DIR": str(tmp_path)},
        monotonic=lambda: clock[0],
        sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds),
    )
    service._wait_for_repair(SimpleNamespace(host=host, lang="zh"))
    assert str(asked[0]).endswith("treat.lock")
    assert (clock[0] >= service.REPAIR_S) is left and clock[0] < service.REPAIR_S + 1
    assert capsys.readouterr().err.count("修复正在进行") == 1
