"""The fleet's list for Prometheus, and who may stop a gateway's healing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skill.errors import SettingsError
from skill.host import Reply, run_program
from skill.settings import Settings
from skill.store import fleet

NOW = 1_795_000_000.0
HOME: Any = SimpleNamespace(port=18789)


def world(answers: Any, **settings: str) -> Any:
    asked = []

    def get(url: str, timeout: float, limit: int) -> Reply:
        asked.append(url)
        return answers(url) if callable(answers) else answers

    host = SimpleNamespace(
        get=get, run=run_program, now=lambda: NOW, hostname=lambda: "vm", asked=asked
    )
    values = {"prometheus": "http://p:9090", "alertmanager": "http://a:9093", **settings}
    return host, HOME, Settings({"fleet": values}, {})


def ratio(value: str) -> Reply:
    body = {"data": {"result": [{"metric": {}, "value": [NOW, value]}]}}
    return Reply(200, json.dumps(body).encode())


def silence(matchers: Any, ends: str = "2036-01-01T00:00:00.000Z", state: str = "active") -> Reply:
    rows = [{"status": {"state": state}, "endsAt": ends, "matchers": matchers, "comment": "move"}]
    return Reply(200, json.dumps(rows).encode())


def test_the_list_is_what_prometheus_reads_and_nothing_else_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    targets = [fleet.Target("h:9719", "bot", "h", "eu"), fleet.Target("h:9720", "bot2", "h")]
    fleet.write(path, targets)
    assert json.loads(path.read_text())[0] == {
        "targets": ["h:9719"],
        "labels": {"gateway": "bot", "host": "h", "cluster": "eu"},
    }
    assert fleet.read(path) == targets and path.stat().st_mode & 0o004
    assert fleet.read(tmp_path / "none.json") == []
    path.write_text('{"gateway": {}}')
    with pytest.raises(SettingsError):
        fleet.read(path)


@pytest.mark.parametrize(
    "reply,held",
    [
        (ratio("0.55"), "storm"),
        (ratio("0"), ""),
        (ratio("NaN"), ""),
        (Reply(error="refused"), ""),  # monitoring that is down holds nobody
        (Reply(500, b"{}"), ""),
        (Reply(200, b'{"data": {"result": []}}'), ""),
        (Reply(200, b"<html>"), ""),
    ],
)
def test_a_storm_holds_and_silence_of_the_monitoring_does_not(reply: Reply, held: str) -> None:
    host, home, settings = world(reply, alertmanager="", cluster='e"u')
    assert fleet.held(host, home, settings)[0] == held
    assert "storm" in host.asked[0] and "%22eu%22" in host.asked[0]


@pytest.mark.parametrize(
    "matchers,held",
    [
        ([{"name": "gateway", "value": "vm:18789", "isRegex": False}], True),
        ([{"name": "host", "value": "v.*", "isRegex": True}], True),
        ([{"name": "gateway", "value": "other", "isRegex": False}], False),
        ([{"name": "gateway", "value": "other", "isRegex": False, "isEqual": False}], True),
        ([{"name": "alertname", "value": "OpenClawDown", "isRegex": False}], False),
        (
            [
                {"name": "host", "value": "vm", "isRegex": False},
                {"name": "alertname", "value": "OpenClawDown", "isRegex": False},
            ],
            False,
        ),
        ([{"name": "host", "value": "(", "isRegex": True}], False),
        ([], False),
    ],
)
def test_a_silence_of_this_gateway_holds_one_of_an_alert_does_not(matchers: Any, held: Any) -> None:
    host, home, settings = world(silence(matchers), prometheus="")
    assert fleet.held(host, home, settings) == (("silence", "move") if held else ("", ""))


def test_attack_a1_a_pattern_that_never_ends_decides_nothing_and_costs_a_second() -> None:
    """Alertmanager's engine does not go back; ours took the watchdog's CPU without end."""
    value = "(web|openclaw|[a-z-]+)+[0-9]+"
    endless = {"name": "gateway", "value": value, "isRegex": True}
    host, home, settings = world(
        silence([endless]), prometheus="", gateway="openclaw-prod-eu-west-abcd-"
    )
    began = time.monotonic()
    for _ in range(5):
        assert fleet.held(host, home, settings) == ("", "")
    assert time.monotonic() - began < 8.0


def test_a_silence_that_is_over_holds_nobody() -> None:
    mine = [{"name": "gateway", "value": "vm:18789", "isRegex": False}]
    for reply in (silence(mine, "2020-01-01T00:00:00Z"), silence(mine, state="expired")):
        host, home, settings = world(reply, prometheus="")
        assert fleet.held(host, home, settings) == ("", "")
