"""Every alert rule fires on what it is for, and not on the ordinary: promtool decides."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "templates" / "dashboards" / "prometheus-rules.yml"
D = "openclaw_doctor_"
# rule -> (series that make it fire, series that must not), each held for two hours from time 0
CASES: Dict[str, Tuple[Dict[str, str], Dict[str, str]]] = {
    "NotWatched": (
        {D + "last_tick_timestamp": "0x120"},
        {D + "last_tick_timestamp": "0+60x120"},
    ),
    "MetricsMissing": ({'up{job="openclaw-doctor"}': "0x120"}, {'up{job="other"}': "0x120"}),
    "Down": ({D + "up": "0x120"}, {D + "up": "1x118 0 1"}),
    "NotReady": (
        {D + "ready": "0x120", D + "up": "1x120"},
        {D + "ready": "0x120", D + "up": "0x120"},
    ),
    "Incident": ({D + 'incident_open{case="none"}': "1x120"}, {D + "incident_open": "0x120"}),
    "RefusesToStart": (
        {D + 'state{state="misconfigured"}': "1x120"},
        {D + 'state{state="down"}': "1x120", D + 'state{state="misconfigured"}': "0x120"},
    ),
    "PortTaken": (
        {D + 'state{state="impostor"}': "1x120"},
        {D + 'state{state="impostor"}': "0x120"},
    ),
    "ChannelsOff": ({D + "suppressed": "1x120"}, {D + "suppressed": "0x115 1x4"}),
    "Failing": ({D + 'failing{name="telegram"}': "1x120"}, {D + 'failing{name="x"}': "_x110 1x9"}),
    "LongIncident": (
        {D + "incident_open": "1x120", D + "incident_since_timestamp": "60x120"},
        {D + "incident_open": "1x120", D + "incident_since_timestamp": "7000x120"},
    ),
    "CrashLoop": (
        {D + 'restarts{reason="crash"}': "3x120"},
        {D + 'restarts{reason="crash"}': "2x120", D + 'restarts{reason="watchdog"}': "9x120"},
    ),
    "MemoryEnds": (
        {D + "memory_exhaustion_timestamp": "20000x120"},
        {D + "memory_exhaustion_timestamp": "0x120"},
    ),
    "DiskEnds": ({D + "disk_free_bytes": "1000x120"}, {D + "disk_exhaustion_timestamp": "0x120"}),
    "AlertsWaiting": ({D + "alerts_waiting": "1x120"}, {D + "alerts_waiting": "0x110 1x9"}),
    "OldGoodCopy": (
        {D + "good_copy_age_seconds": "1300000x120"},
        {D + "good_copy_age_seconds": "900x120"},
    ),
    "UpdateFailed": (
        {D + 'update_failed_timestamp{reason="readyz-unhealthy"}': "100x120"},
        {D + 'update_failed_timestamp{reason="x"}': "-90000x120"},
    ),
    "LowAvailability": (
        {D + 'availability_ratio{window="7d"}': "0.9x120"},
        {
            D + 'availability_ratio{window="7d"}': "0.999x120",
            D + 'availability_ratio{window="1d"}': "0x120",
        },
    ),
}


def names() -> List[str]:
    lines = RULES.read_text("utf-8").splitlines()
    return [line.split("alert: OpenClaw")[1] for line in lines if "- alert:" in line]


def test_every_rule_has_a_case_and_a_page() -> None:
    assert sorted(CASES) == sorted(names()) and len(names()) >= 14
    page = (ROOT / "docs" / "prometheus.md").read_text("utf-8")
    assert [name for name in names() if "### OpenClaw" + name + "\n" not in page] == []


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("fires", [True, False])
def test_each_fires_on_what_it_is_for(tmp_path: Path, fires: bool) -> None:
    tests = []
    for name, (bad, good) in CASES.items():
        series = bad if fires else good
        rows = [{"series": key, "values": value} for key, value in series.items()]
        test = {
            "interval": "1m",
            "input_series": rows,
            "promql_expr_test": [
                {
                    "expr": 'count(ALERTS{{alertname="OpenClaw{}",alertstate="firing"}}) or vector(0)'.format(name),
                    "eval_time": "119m",
                    "exp_samples": [{"labels": "{}", "value": 1 if fires else 0}],
                }
            ],
        }  # fmt: skip
        tests.append(test)
    (tmp_path / "rules.yml").write_text(RULES.read_text("utf-8"))
    value = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yml").write_text(json.dumps(value))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_the_shipped_configuration_is_valid(tmp_path: Path) -> None:
    for path in (ROOT / "templates" / "dashboards").glob("*.yml"):
        shutil.copy(str(path), str(tmp_path / path.name))
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", "prometheus.yml"],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout.decode()
