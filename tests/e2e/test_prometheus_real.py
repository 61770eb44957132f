"""Prometheus and Alertmanager of Debian, the shipped rules and configuration, a frozen real gateway:
one grouped alert reaches a webhook; afterwards no panel of the dashboard is empty.

Needs E2E_LAB, prometheus, prometheus-alertmanager. E2E_PICTURES: a folder for the dashboard's picture.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest
from doctor_lab import Lab

LAB = os.environ.get("E2E_LAB", "")
PORT = int(os.environ.get("E2E_PORT", "21580"))
ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "templates" / "dashboards"
PROMETHEUS, MANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.skipif(not LAB, reason="set E2E_LAB to a folder with the real OpenClaw"),
    pytest.mark.skipif(not (PROMETHEUS and MANAGER), reason="no Prometheus or Alertmanager"),
]
ROUTES = """
route: {receiver: hook, group_by: [alertname], group_wait: 5s, group_interval: 10s}
receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:%d/"}]}]
"""


class Hook:
    """A webhook stand-in: (when, what Alertmanager posted)."""

    def __init__(self) -> None:
        self.got: List[Tuple[float, Dict[str, Any]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((time.time(), json.loads(raw)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def first(self, name: str, since: float) -> Dict[str, Any]:
        for at, value in self.got:
            fires = value["status"] == "firing"
            if at >= since and fires and value["groupLabels"].get("alertname") == name:
                return {**value, "at": at}
        return {}


class Stack:
    """Watchdog with metrics, Prometheus and Alertmanager over one real gateway."""

    def __init__(self, env: Mapping[str, str], folder: Path, port: int) -> None:
        self.env = {**env, "PYTHONPATH": str(ROOT)}
        self.folder, self.port = folder, port
        self.hook = Hook()
        self.running: List["subprocess.Popen[bytes]"] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *words: str) -> None:
        log = open(str(self.folder / "log"), "ab")
        made = subprocess.Popen(
            list(words), env=self.env, cwd=str(self.folder), stdout=log, stderr=log
        )
        log.close()
        self.running.append(made)

    def begin(self) -> None:
        ours = [sys.executable, "-m", "skill"]
        listen = "metrics.listen=127.0.0.1:%d" % (self.port + 3)
        subprocess.run([*ours, "config", "--set", listen], env=self.env, check=True, timeout=60)
        text = (SHIPPED / "prometheus.yml").read_text("utf-8")
        text = text.replace("9719", str(self.port + 3)).replace("9093", str(self.port + 1))
        text = text[: text.index("  - job_name: openclaw #")]
        (self.folder / "prometheus.yml").write_text(text)
        shutil.copy(str(SHIPPED / "prometheus-rules.yml"), str(self.folder))
        (self.folder / "routes.yml").write_text(ROUTES % self.hook.server.server_port)
        self.start(
            str(PROMETHEUS),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:%d" % self.port,
        )
        self.start(
            str(MANAGER),
            "--config.file=routes.yml",
            "--storage.path=alerts",
            "--cluster.listen-address=",
            "--web.listen-address=127.0.0.1:%d" % (self.port + 1),
        )
        self.start(*ours, "watch")

    def end(self) -> None:
        for made in reversed(self.running):
            made.send_signal(signal.SIGTERM)
        for made in self.running:
            try:
                made.wait(20)
            except subprocess.TimeoutExpired:
                made.kill()
        self.hook.server.shutdown()
        self.hook.server.server_close()

    def ask(self, query: str, minutes: float = 0.0) -> List[Dict[str, Any]]:
        """Return what Prometheus answers: a value now, or a range of the last minutes."""
        values = {"query": query}
        kind = "query"
        if minutes:
            now = time.time()
            kind = "query_range"
            values.update(start=str(now - minutes * 60), end=str(now), step="5")
        url = "http://127.0.0.1:%d/api/v1/%s?" % (self.port, kind) + urllib.parse.urlencode(values)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=20) as reply:
            return list(json.loads(reply.read())["data"]["result"])

    def until(self, query: str, seconds: float) -> float:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                if self.ask(query):
                    return time.monotonic() - began
            except OSError:
                pass
            time.sleep(1)
        raise AssertionError(
            query + "\n" + (self.folder / "log").read_text(errors="replace")[-3000:]
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuple[Stack, Lab]]:
    lab = Lab(LAB, tmp_path_factory.mktemp("prometheus"), PORT)
    made = Stack(lab.host.env, lab.folder / "stack", PORT + 1)
    try:
        lab.good()
        made.begin()
        yield made, lab
    finally:
        made.end()
        lab.leave()


def freeze_and_wait(stack: Stack, pid: int) -> Dict[str, Any]:
    """Freeze the gateway; return the first alert of an open incident, and after how many seconds."""
    stack.until("openclaw_doctor_ready == 1", 240)
    began = time.time()
    os.kill(pid, signal.SIGSTOP)
    found: Dict[str, Any] = {}
    while not found and time.time() - began < 180:
        time.sleep(0.5)
        found = stack.hook.first("OpenClawIncident", began)
    return {**found, "after": found.get("at", 0.0) - began}


def test_a_frozen_gateway_reaches_the_webhook(stack: Tuple[Stack, Lab]) -> None:
    made, lab = stack
    pid = lab.context().platform.service_state().main_pid
    assert pid
    found = freeze_and_wait(made, pid)
    assert found.get("alerts"), made.hook.got
    print("frozen; one grouped alert after {:.1f} s".format(found["after"]))
    assert len(found["alerts"]) == 1 and found["after"] <= 60.0
    assert found["alerts"][0]["annotations"]["runbook_url"]
    made.until("openclaw_doctor_up == 1 and on () (openclaw_doctor_incident_open == 0)", 300)


def expressions() -> List[Tuple[str, str]]:
    """Return (title, expression) of every panel, for every gateway."""
    board = json.loads((SHIPPED / "grafana.json").read_text("utf-8"))
    return [
        (panel["title"], target["expr"].replace('instance=~"$instance"', 'instance=~".+"'))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def test_no_panel_is_empty(stack: Tuple[Stack, Lab]) -> None:
    made, _lab = stack
    empty = [(title, query) for title, query in expressions() if not made.ask(query)]
    assert empty == []
    if os.environ.get("E2E_PICTURES"):
        path = Path(os.environ["E2E_PICTURES"]) / "grafana.svg"
        path.write_text(picture(made), "utf-8")


def test_the_dead_mans_rule(stack: Tuple[Stack, Lab]) -> None:
    """The watchdog is stopped: the metrics are still served or gone; either is told."""
    made, _lab = stack
    began = time.time()
    made.running[-1].send_signal(signal.SIGKILL)
    found: Dict[str, Any] = {}
    while not found and time.time() - began < 300:
        time.sleep(1)
        found = made.hook.first("OpenClawNotWatched", began)
        found = found or made.hook.first("OpenClawMetricsMissing", began)
    print("watchdog gone; told after {:.0f} s".format(found.get("at", began) - began))
    assert found.get("alerts")


# -- a picture of the dashboard, drawn from Prometheus' own answers --------------------------------
INK = ("#3274d9", "#56a64b", "#e0752d", "#a352cc", "#c4162a", "#e0b400")


def picture(stack: Stack, minutes: float = 6.0) -> str:
    """Return an SVG with every panel and what Prometheus answered for it."""
    board = json.loads((SHIPPED / "grafana.json").read_text("utf-8"))
    unit, out, low = 40.0, [], 0.0
    for panel in board["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * unit, place["y"] * 28.0
        wide, high = place["w"] * unit - 8, place["h"] * 28.0 - 8
        low = max(low, y + high)
        if panel["type"] == "row":
            out.append(_text(x + 4, y + 20, panel["title"], 15, "#d8d9da"))
            continue
        out.append(
            '<rect x="{:.0f}" y="{:.0f}" width="{:.0f}" height="{:.0f}" rx="4" fill="#181b1f"/>'.format(
                x, y, wide, high
            )
        )
        out.append(_text(x + 10, y + 18, panel["title"], 12, "#ccccdc"))
        rows: List[Tuple[str, List[Tuple[float, float]]]] = []
        for target in panel["targets"]:
            query = target["expr"].replace('instance=~"$instance"', 'instance=~".+"')
            for series in stack.ask(query, minutes):
                name = target.get("legendFormat", "")
                for key, value in series["metric"].items():
                    name = name.replace("{{%s}}" % key, value)
                points = [(float(at), float(v)) for at, v in series["values"] if v != "NaN"]
                rows.append((name, points))
        rows = [row for row in rows if row[1]]
        if panel["type"] == "timeseries":
            out.append(_lines(rows, x + 10, y + 28, wide - 20, high - 50))
        else:
            for number, (name, points) in enumerate(rows[:5]):
                said = name if panel["type"] == "table" else "{:g}".format(round(points[-1][1], 4))
                size = 13 if panel["type"] == "table" else 30
                out.append(_text(x + 12, y + 50 + 22 * number, said, size, "#73bf69"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 976 {0:.0f}" '
        'font-family="system-ui,sans-serif"><rect x="-8" y="-8" width="976" height="{0:.0f}" '
        'fill="#111217"/>{1}</svg>\n'
    ).format(low + 16, "".join(out))


def _text(x: float, y: float, said: str, size: int, ink: str) -> str:
    return '<text x="{:.0f}" y="{:.0f}" font-size="{}" fill="{}">{}</text>'.format(
        x, y, size, ink, escape(said)
    )


def _lines(rows: Any, x: float, y: float, wide: float, high: float) -> str:
    every = [point for _name, points in rows for point in points]
    if not every:
        return ""
    first, last = min(p[0] for p in every), max(p[0] for p in every)
    top = max([p[1] for p in every] + [1e-9])
    out = []
    for number, (name, points) in enumerate(rows[:6]):
        ink = INK[number % len(INK)]
        path = " ".join(
            "{:.1f},{:.1f}".format(
                x + (at - first) / max(1.0, last - first) * wide, y + high - value / top * high
            )
            for at, value in points
        )
        out.append('<polyline fill="none" stroke="{}" points="{}"/>'.format(ink, path))
        out.append(_text(x + number * wide / 6, y + high + 16, name[:22], 10, ink))
    out.append(_text(x + wide - 60, y + 8, "{:.3g}".format(top), 9, "#8e8e9a"))
    return "".join(out)
