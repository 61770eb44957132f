"""The page in a real Chromium, of a real gateway: what it says, a repair by its button, and axe-core.

Needs Chromium and E2E_LAB. E2E_AXE: axe.min.js of npm's axe-core (else `npm install` is tried).
E2E_PICTURES: a folder to which screenshots go.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import browser
import life
import pytest
from doctor_lab import Lab

LAB = os.environ.get("E2E_LAB", "")
PORT = int(os.environ.get("E2E_PORT", "21570"))
ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = os.environ.get("E2E_PICTURES", "")
pytestmark = [
    pytest.mark.skipif(not LAB, reason="set E2E_LAB to a folder with the real OpenClaw"),
    pytest.mark.skipif(not browser.program(), reason="no Chromium"),
]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = Path(os.environ.get("E2E_AXE", "/nonexistent"))
    if not path.is_file():
        folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
        words = ["install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
        if not npm or subprocess.run([npm, *words], timeout=300).returncode:
            pytest.skip("no axe-core")
        path = folder / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text("utf-8")


def planted(home: Path) -> None:
    """Sixty days and a day of minutes before ours: invented, the rest of the page is not."""
    folder, now = home / ".openclaw" / "iflow-doctor", time.time()
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row._replace(rss=720.0 + row.ms) for row in life.rows(now)[:-5]]
    lines = "".join(json.dumps(row._asdict()) + "\n" for row in rows)
    (folder / "samples.jsonl").write_text(lines)
    (folder / "days.json").write_text(json.dumps(life.days(now, 80)))


class Stand:
    """A real gateway, its watchdog, and the page beside them."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(LAB, folder, PORT)
        self.env = {**self.lab.host.env, "PYTHONPATH": str(ROOT), "TZ": "UTC"}
        self.running: List["subprocess.Popen[str]"] = []

    def start(self, *words: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-m", "skill", *words]
        made = subprocess.Popen(
            argv, env=self.env, cwd=str(self.lab.folder), stdout=subprocess.PIPE, text=True
        )
        self.running.append(made)
        return made

    def page(self, *words: str) -> str:
        made = self.start("page", *words)
        assert made.stdout
        return made.stdout.readline().strip()

    def end(self, made: "subprocess.Popen[str]") -> None:
        made.send_signal(signal.SIGINT)
        try:
            made.wait(30)
        except subprocess.TimeoutExpired:
            made.kill()
            made.wait(30)
        self.running.remove(made)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(tmp_path_factory.mktemp("page"))
    try:
        made.lab.good()
        planted(made.lab.folder)
        yield made
    finally:
        for one in list(made.running):
            made.end(one)
        made.lab.leave()


def findings(seen: browser.Browser, axe: str) -> List[Dict[str, Any]]:
    seen.run(axe + "; true")
    found = seen.run("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
    return list(found)


def shots(url: str, name: str, axe: str) -> List[Any]:
    """Open it wide and narrow, light and dark; return all that axe finds, and what does not fit."""
    found: List[Any] = []
    for width, dark in ((820, False), (390, False), (820, True), (390, True)):
        with browser.Browser(width, 900, dark) as seen:
            seen.open(url)
            seen.until("document.querySelectorAll('section').length > 3")
            found += findings(seen, axe)
            if seen.run("document.documentElement.scrollWidth > innerWidth"):
                found.append(["wider than the screen", width])
            if PICTURES:
                kind = "{}{}".format("-phone" if width < 500 else "", "-dark" if dark else "")
                seen.picture(Path(PICTURES) / "{}{}.png".format(name, kind))
    return found


def test_healthy(stand: Stand, axe: str) -> None:
    for lang in ("en", "zh"):
        stand.env["IFLOW_DOCTOR_LANG"] = lang
        target = stand.lab.folder / (lang + ".html")
        words = [sys.executable, "-m", "skill", "--lang", lang, "report", "--html", str(target)]
        subprocess.run(words, env=stand.env, cwd=str(ROOT), check=True, timeout=120)
        assert shots(target.as_uri(), "healthy-" + lang, axe) == []
        assert "t0ken-of-the-lab" not in target.read_text("utf-8")


def asked(url: str, path: str, **headers: str) -> int:
    base, _, _token = url.partition("#")
    request = urllib.request.Request(base.rstrip("/") + path, b'{"key": ""}', headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_repair_by_its_button(stand: Stand, axe: str) -> None:
    """The config is cut and the gateway gone: the page shows plan and difference, the owner presses
    the button, the gateway is ready again. Nobody else can press it.
    """
    lab = stand.lab
    whole = lab.config.read_bytes()
    lab.stop()
    lab.config.write_bytes(whole[:-40])
    url = stand.page("--allow-repair")
    base, _, token = url.partition("#")
    mine = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    own = {"Origin": base.rstrip("/")}
    assert asked(url, "/repair", **{**mine, "Origin": "http://evil.example"}) == 403
    assert asked(url, "/repair", **mine) == 403
    assert asked(url, "/repair", **{**mine, **own, "Host": "evil.example:1"}) == 403
    assert asked(url, "/repair", **{**mine, **own, "Authorization": "Bearer no"}) == 401
    assert asked(url, "/repair", **{**mine, **own, "Content-Type": "text/plain"}) == 415
    assert lab.config.read_bytes() == whole[:-40]
    with browser.Browser(820, 1000) as seen:
        seen.open(url)
        seen.until("document.querySelector('button[data-plan]') !== null", 120)
        assert "OpenClaw does not work" in seen.run("document.querySelector('h1').innerText")
        seen.run("document.querySelector('button[data-plan]').click()")
        seen.until("document.querySelector('button[data-key]') !== null", 240)
        assert findings(seen, axe) == []
        assert "+++" in seen.run("document.querySelector('pre').innerText")
        assert lab.config.read_bytes() == whole[:-40]  # a plan changes nothing
        if PICTURES:
            seen.picture(Path(PICTURES) / "repair.png")
        seen.run("document.querySelector('button[data-key]').click()")
        seen.until("document.body.innerText.includes('Repaired: the gateway is ready')", 400)
    assert lab.ready() and lab.parsed() is not None
    before = lab.config.read_bytes()
    read_only = stand.page()
    other, _, code = read_only.partition("#")
    mine = {**mine, "Authorization": "Bearer " + code, "Origin": other.rstrip("/")}
    assert asked(read_only, "/repair", **mine) == 404
    assert lab.config.read_bytes() == before


def until(work: Any, seconds: float) -> Tuple[bool, float]:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if work():
            return True, time.monotonic() - began
        time.sleep(1.0)
    return False, seconds


def test_in_an_incident_and_after_it(stand: Stand, axe: str) -> None:
    """The watchdog runs, the gateway is frozen: the page says so, and afterwards tells the story."""
    lab = stand.lab
    assert lab.ready() or lab.start()
    watch = stand.start("watch")
    url = stand.page()
    pid = lab.context().platform.service_state().main_pid
    assert pid
    time.sleep(20)
    os.kill(pid, signal.SIGSTOP)
    with browser.Browser(820, 1000) as seen:
        seen.open(url)
        seen.until("document.body.innerText.includes('the watchdog is repairing it')", 180)
        assert findings(seen, axe) == []
        if PICTURES:
            seen.picture(Path(PICTURES) / "incident.png")
        seen.until("document.body.innerText.includes('OpenClaw does not work') === false", 300)
    assert until(lab.ready, 120)[0]
    time.sleep(30)
    with browser.Browser(820, 1000) as seen:
        seen.open(url)
        seen.until("document.querySelectorAll('.steps li').length > 2", 60)
        seen.run("document.querySelector('details:has(.steps)').open = true")
        assert findings(seen, axe) == []
        if PICTURES:
            seen.picture(Path(PICTURES) / "after.png")
            seen.size(390, 844)
            seen.picture(Path(PICTURES) / "after-phone.png")
    stand.end(watch)
