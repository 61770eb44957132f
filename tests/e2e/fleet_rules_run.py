"""The rules, inhibition and grouping of a fleet on a real Prometheus and Alertmanager, and what our watchdogs
would hear from them. The twenty exporters are stand-ins that say up or down; the engines are real.

    python tests/e2e/fleet_rules_run.py [--gateways 20] [--base 20600]        (8 minutes)
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, Dict, List

from fleet_run import PROCESSES, TOLD, get, monitoring, say, wait

from skill.host import Host
from skill.settings import Settings
from skill.store import fleet


class Exporter:
    """/metrics of one doctor: up or down, or nobody there."""

    def __init__(self, number: int, base: int) -> None:
        self.name, self.host = "bot{}".format(number), "host{}".format(number // 2)
        self.metrics, self.up = base + 50 + number, 1
        self.open()

    def open(self) -> None:
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = "openclaw_doctor_up {0}\nopenclaw_doctor_ready {0}\n".format(outer.up)
                text += "openclaw_doctor_last_tick_timestamp {}\n".format(time.time())
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.metrics), Answer)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def told(name: str) -> List[Dict[str, Any]]:
    return [one for one in TOLD if one["groupLabels"].get("alertname") == name]


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--gateways", type=int, default=20)
    words.add_argument("--base", type=int, default=20600)
    words.add_argument("--without-host", action="store_true", help="leave the dead host out")
    given = words.parse_args()
    folder, base = Path(tempfile.mkdtemp(prefix="iflow-rules-")), given.base
    members: List[Any] = [Exporter(number, base) for number in range(given.gateways)]
    host, home = Host(), SimpleNamespace(port=18789)
    settings = Settings(
        {"fleet": {"prometheus": "http://127.0.0.1:{}".format(base), "cluster": "eu"}}, {}
    )

    def value(text: str) -> float:
        from urllib.parse import quote

        url = "http://127.0.0.1:{}/api/v1/query?query={}".format(base, quote(text))
        found = get(url)["data"]["result"]
        return float(found[0]["value"][1]) if found else float("nan")

    def held() -> str:
        return fleet.held(host, home, settings)[0]  # type: ignore[arg-type]

    try:
        monitoring(folder, base, members)
        wait("all seen", lambda: value("sum(openclaw_doctor_up)") == len(members), 60)
        if not given.without_host:
            for member in members[:2]:
                member.close()
            assert wait("dead host told", lambda: told("OpenClawHostDown"), 120) <= 90
            assert not told("OpenClawMetricsMissing") and not held()
            for member in members[:2]:
                member.open()
        some = members[2 : 2 + (len(members) * 2) // 5]
        for member in some:
            member.up = 0
        say("{} of {} are down: below 49 %".format(len(some), len(members)))
        wait("told", lambda: told("OpenClawDown"), 240)
        first = told("OpenClawDown")[0]
        assert len(told("OpenClawDown")) == 1 and len(first["alerts"]) == len(some) and not held()
        many = members[2 : 2 + (len(members) * 3) // 5]
        for member in many:
            member.up = 0
        say("{} of {} are down: above 49 %".format(len(many), len(members)))
        wait("healing is held", lambda: held() == "storm", 90)
        wait("storm told", lambda: told("OpenClawFleetStorm"), 90)
        for member in members:
            member.up = 1
        say("all are up again")
        calm = wait("healing is free again", lambda: not held(), 240)
        assert 100 <= calm <= 180, calm
        return 0
    finally:
        for process in PROCESSES:
            process.kill()
        shutil.rmtree(str(folder), ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
