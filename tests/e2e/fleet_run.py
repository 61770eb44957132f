"""Practice gateways, their watchdogs and metrics, and one real Prometheus and Alertmanager on loopback: what
a dead host, one bad release on 8 of 20 and on 12 of 20 lead to. Prints a timeline; exit 1 where a promise
does not hold.

    python tests/e2e/fleet_run.py [--gateways 20] [--base 20600]

Needs prometheus, prometheus-alertmanager. Nothing leaves the loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Callable, Dict, List

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from skill.drill.practice import program as layout  # noqa: E402
from skill.store import fleet  # noqa: E402

RULES = ROOT / "templates" / "dashboards"
PROCESSES: List["subprocess.Popen[bytes]"] = []
TOLD: List[Dict[str, Any]] = []
BEGAN = time.monotonic()


def say(text: str) -> None:
    print("{:6.0f} s  {}".format(time.monotonic() - BEGAN, text), flush=True)


def start(argv: List[str], env: Dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with open(str(log), "ab") as out:
        made = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    PROCESSES.append(made)
    return made


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.loads(reply.read())


def wait(what: str, there: Callable[[], Any], seconds: float) -> float:
    began = time.monotonic()
    while True:
        try:
            if there():
                say("{} after {:.0f} s".format(what, time.monotonic() - began))
                return time.monotonic() - began
        except OSError:
            pass
        if time.monotonic() - began > seconds:
            raise AssertionError("{}: not within {:.0f} s".format(what, seconds))
        time.sleep(1.0)


class Owner(BaseHTTPRequestHandler):
    """Where Alertmanager sends its messages."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        TOLD.append(body)
        names = sorted({one["labels"]["alertname"] for one in body["alerts"]})
        say("told: {} {} ({} alerts)".format(body["status"], ",".join(names), len(body["alerts"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Member:
    """One practice gateway under our keeper, with a watchdog and /metrics."""

    def __init__(self, number: int, folder: Path, base: int, bin_dir: str) -> None:
        self.name, self.home = "bot{}".format(number), folder / "bot{}".format(number)
        self.port, self.metrics = base + 20 + number, base + 50 + number
        self.host = "host{}".format(number // 2)
        state = self.home / ".openclaw"
        (state / "iflow-doctor").mkdir(parents=True)
        self.config = state / "openclaw.json"
        self.good = json.dumps({"gateway": {"mode": "local", "port": self.port}})
        self.config.write_text(self.good)
        mine = {
            "gateway": self.name,
            "cluster": "eu",
            "prometheus": "http://127.0.0.1:{}".format(base),
            "alertmanager": "http://127.0.0.1:{}".format(base + 1),
        }
        hook = "http://127.0.0.1:{}/api/v2/alerts".format(base + 1)
        # Slow on purpose: a storm is seen by Prometheus after 30 to 45 s, and what is healed before
        # that needs no hold.
        slow = {"failures_before_action": 8, "retry_delay": 10}
        own = {
            **slow,
            "fleet": mine,
            "notify": {"webhooks": {"webhook": hook}},
            "ai": {"enabled": False},
        }
        (state / "iflow-doctor" / "config.json").write_text(json.dumps(own))
        self.env = {
            "HOME": str(self.home),
            "PATH": bin_dir + ":/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.home),
            "OPENCLAW_STATE_DIR": str(state),
            layout.PYTHON_NAME: sys.executable,
            "IFLOW_DOCTOR_DRILL": "1",
        }

    def ours(self, *words: str) -> "subprocess.Popen[bytes]":
        return start([sys.executable, "-m", "skill", *words], self.env, self.home / "log")

    def up(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "skill", "service", "install", "--only", "gateway"],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=True,
        )  # fmt: skip
        self.watch = self.ours("watch")
        self.exporter = self.ours("metrics", "--listen", "127.0.0.1:{}".format(self.metrics))

    def pids(self) -> List[int]:
        """Keeper and gateway of this member, by their environment."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                env = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"HOME=" + str(self.home).encode() + b"\0" in env:
                found.append(int(entry.name))
        return found

    def gateway(self) -> int:
        locks = sorted((self.home / ".openclaw" / "tmp").glob("openclaw*/gateway.state.lock"))
        return int(json.loads(locks[0].read_text())["pid"]) if locks else 0

    def break_it(self) -> None:
        """One bad release: a config that every start refuses."""
        self.config.write_text(self.good[: len(self.good) // 2])
        pid = self.gateway()
        if pid:
            os.kill(pid, signal.SIGKILL)

    def acts(self) -> List[Any]:
        path = self.home / ".openclaw" / "logs" / "watchdog.log"
        rows = [json.loads(line) for line in path.read_text().splitlines() if line[:1] == "{"]
        return [r for r in rows if r.get("kind") in ("heal", "restart") or r["event"] == "fleet"]


def monitoring(folder: Path, base: int, members: List[Member]) -> None:
    targets = [
        fleet.Target("127.0.0.1:{}".format(m.metrics), m.name, m.host, "eu") for m in members
    ]
    fleet.write(folder / "fleet.json", targets)
    config = (RULES / "fleet-prometheus.yml").read_text()
    config = config.replace("/etc/prometheus/openclaw/fleet.json", str(folder / "fleet.json"))
    (folder / "prometheus.yml").write_text(config.replace(":9093", ":{}".format(base + 1)))
    for name in ("prometheus-rules.yml", "fleet-rules.yml"):
        shutil.copy(str(RULES / name), str(folder / name))
    config = (RULES / "fleet-alertmanager.yml").read_text()
    (folder / "alertmanager.yml").write_text(config.replace(":9099/", ":{}/".format(base + 2)))
    address = "127.0.0.1:{}"
    start(
        ["prometheus", "--config.file=" + str(folder / "prometheus.yml"),
         "--storage.tsdb.path=" + str(folder / "tsdb"),
         "--web.listen-address=" + address.format(base)],
        dict(os.environ), folder / "prometheus.log",
    )  # fmt: skip
    start(
        ["prometheus-alertmanager", "--config.file=" + str(folder / "alertmanager.yml"),
         "--storage.path=" + str(folder / "am"), "--cluster.listen-address=",
         "--web.listen-address=" + address.format(base + 1)],
        dict(os.environ), folder / "alertmanager.log",
    )  # fmt: skip
    owner = HTTPServer(("127.0.0.1", base + 2), Owner)
    Thread(target=owner.serve_forever, daemon=True).start()


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--gateways", type=int, default=20)
    words.add_argument("--base", type=int, default=20600)
    given = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="iflow-fleet-"))
    base, count = given.base, given.gateways
    programs = str(layout.install(folder / "prefix"))
    members = [Member(number, folder, base, programs) for number in range(count)]

    def query(text: str) -> List[Any]:
        from urllib.parse import quote

        url = "http://127.0.0.1:{}/api/v1/query?query={}".format(base, quote(text))
        return list(get(url)["data"]["result"])

    def value(text: str) -> float:
        found = query(text)
        return float(found[0]["value"][1]) if found else float("nan")

    def told(name: str) -> List[Any]:
        return [one for one in TOLD if one["groupLabels"].get("alertname") == name]

    try:
        monitoring(folder, base, members)
        for member in members:
            member.up()
        say("{} gateways started".format(count))
        wait("all ready", lambda: value("sum(openclaw_doctor_ready)") == count, 240)
        wait("good copies", lambda: all(
            list((m.home / ".openclaw" / "iflow-doctor" / "good").glob("*")) for m in members
        ), 240)  # fmt: skip

        dead = [m for m in members if m.host == "host0"]
        for member in dead:
            for pid in member.pids():
                os.kill(pid, signal.SIGKILL)
        assert wait("dead host told", lambda: told("OpenClawHostDown"), 150) <= 90
        for member in dead:
            member.up()
        wait("host back", lambda: value("sum(openclaw_doctor_ready)") == count, 240)

        some = members[2 : 2 + (count * 2) // 5]
        for member in some:
            member.break_it()
        say("a bad release on {} of {}: below 49 %".format(len(some), count))
        wait("healed, each by its own doctor", lambda: all(
            m.config.read_text() == m.good for m in some
        ) and value("sum(openclaw_doctor_ready)") == count, 300)  # fmt: skip
        groups = told("OpenClawIncident")
        say("messages about {} incidents: {}".format(len(some), len(groups)))
        wait("calm", lambda: value("max(openclaw_fleet:storm)") == 0, 300)

        many = members[2 : 2 + (count * 3) // 5]
        for member in many:
            member.break_it()
        say("a bad release on {} of {}: above 49 %".format(len(many), count))
        wait("the storm is seen", lambda: value("max(openclaw_fleet:storm)") > 0.49, 120)
        time.sleep(90)
        healed = [m.name for m in many if m.config.read_text() == m.good]
        held = [m.name for m in many if any(r["event"] == "fleet" for r in m.acts())]
        say("later: healed {}, held {}".format(len(healed), len(held)))
        assert not healed and len(held) == len(many), (healed, held)
        assert told("OpenClawFleetStorm")
        undone = many[: len(many) // 2]
        for member in undone:
            member.config.write_text(member.good)
        say("the release is undone on {}".format(len(undone)))
        for member in undone:  # a person starts what the watchdogs leave alone
            subprocess.run(
                [sys.executable, "-m", "skill", "service", "install", "--only", "gateway"],
                env=member.env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait("the rest is healed after calm", lambda: all(
            m.config.read_text() == m.good for m in many
        ) and value("sum(openclaw_doctor_ready)") == count, 420)  # fmt: skip
        return 0
    finally:
        for member in members:
            for pid in member.pids():
                if pid != os.getpid():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass
        for process in PROCESSES:
            process.kill()
        shutil.rmtree(str(folder), ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
