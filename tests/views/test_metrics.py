"""The exposition: each family is there, moves when its fact moves, and stays small and well-formed."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Optional

import life
import pytest

from skill.context import Context
from skill.host import Host
from skill.openclaw.home import locate
from skill.settings import load
from skill.store import watch_state
from skill.views import facts, metrics, server
from skill.watchdog.forecast import Forecast


@pytest.fixture
def seen(tmp_path: Path) -> facts.Facts:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    life.write(home.doctor_dir)
    return facts.read(Context(host, home, load(host, home)))


def value(text: str, series: str) -> Optional[float]:
    found = re.search("^" + re.escape("openclaw_doctor_" + series) + r" (\S+)$", text, re.M)
    return float(found.group(1)) if found else None


def test_what_is_known_is_told(seen: facts.Facts) -> None:
    text = metrics.text(seen)
    assert value(text, "up") == 1 and value(text, "ready") == 1
    assert value(text, 'state{state="healthy"}') == 1 and value(text, 'state{state="down"}') == 0
    assert value(text, "last_tick_timestamp") == life.NOW - 60
    assert value(text, 'incidents_total{case="CASE-004",outcome="healed"}') == 1
    assert value(text, 'heal_seconds_bucket{le="60"}') == 1
    assert value(text, 'heal_seconds_bucket{le="30"}') == 0
    assert value(text, "incident_open") == 0
    assert value(text, 'memory_bytes{of="children"}') == 170 * 1048576
    assert value(text, 'alerts_sent_total{channel="feishu",result="sent"}') == 1
    assert 0.99 < (value(text, 'availability_ratio{window="30d"}') or 0) < 1


MOVES: Dict[str, Any] = {
    "up": ({"state": facts.State.DOWN}, 0),
    "suppressed": ({"state": facts.State.SAFE_MODE}, 1),
    "paused_until": ({"paused_until": 5.0}, 5),
    "alerts_waiting": ({"waiting": 3}, 3),
    'incident_open{case="none"}': ({"incident": watch_state.Incident("i", 7.0, "down")}, 1),
    'restarts_total{reason="crash"}': ({"days": {"2026-11-28": {"crashes": 2.0}}}, 2),
    "config_valid": ({"config_valid": False}, 0),
    "backup_age_seconds": ({"backup_at": life.NOW - 5}, 5),
    "cron_overdue": ({"late_jobs": 2}, 2),
    'channel_silent_seconds{channel="telegram"}': ({"heard": {"telegram": life.NOW - 8}}, 8),
    "incident_since_timestamp": ({"incident": watch_state.Incident("i", 7.0, "down")}, 7),
    "good_copy_age_seconds": ({"good_at": life.NOW - 9}, 9),
    'unserved{finding="cron-overdue"}': ({"unserved": ("serving/cron-overdue",)}, 1),
    "memory_exhaustion_timestamp": (
        {"memory_end": Forecast(life.NOW + 9, 1.0, 60.0, life.NOW, 1.0)},
        life.NOW + 9,
    ),
    'restarts{reason="watchdog"}': ({"restarts": (1.0, 2.0)}, 2),
}


@pytest.mark.parametrize("series", sorted(MOVES))
def test_each_moves_with_its_fact(seen: facts.Facts, series: str) -> None:
    change, expected = MOVES[series]
    before = value(metrics.text(seen), series)
    after = value(metrics.text(replace(seen, **change)), series)
    assert after == expected and before != after


def test_nothing_known_is_no_zero(tmp_path: Path) -> None:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    text = metrics.text(facts.read(Context(host, home, load(host, home))))
    for series in ("up", "ready", "last_tick_timestamp", "memory_exhaustion_timestamp"):
        assert value(text, series) is None and "# TYPE openclaw_doctor_" + series in text


def test_hostile_records_cannot_flood_or_break_it(seen: facts.Facts) -> None:
    bad = [{"id": str(n), "case": 'x"\n\\' + str(n), "outcome": "o" * 900} for n in range(500)]
    text = metrics.text(replace(seen, records=tuple(bad)))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) <= 300
    shape = re.compile(r'^[a-z_]+(\{[a-z]+="[^"\\]*(\\.[^"\\]*)*"(,[a-z]+="[^"]*")*\})? \S+$')
    assert [line for line in lines if not shape.match(line)] == []


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing(seen: facts.Facts) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=metrics.text(seen).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 and done.stdout == b""


def get(port: int, path: str, **headers: str) -> Any:
    request = urllib.request.Request("http://127.0.0.1:{}{}".format(port, path), headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as reply:
            return reply.status, reply.read().decode(), dict(reply.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_the_server_asks_for_the_token_and_for_a_name_of_its_own() -> None:
    routes: server.Routes = {
        "/metrics": (server.TEXT, True, lambda: "m 1\n"),
        "/": (server.HTML, False, lambda: "<p>"),
    }
    made = server.serve("127.0.0.1", 0, "s3cret", routes, "default-src 'none'")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        port = made.server_port
        assert get(port, "/metrics")[0] == 401
        assert get(port, "/metrics", Authorization="Bearer wrong")[0] == 401
        assert get(port, "/metrics", Authorization="Bearer s3cret")[:2] == (200, "m 1\n")
        status, _body, headers = get(port, "/")
        assert status == 200 and headers["Content-Security-Policy"] == "default-src 'none'"
        assert get(port, "/nothing")[0] == 404
        assert get(port, "/", Host="rebound.example:80")[0] == 403
    finally:
        made.shutdown()
        made.server_close()
