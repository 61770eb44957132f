"""What of the end-to-end part runs, in which order, and where each result is kept.

E2E_SET: smoke (the default: one fault of each family, and what everything else stands on) or all.
E2E_SHARD: "2/4" runs the second quarter. E2E_RESULTS: a JSON Lines file; each result is appended,
and what passed there on the same commit is not run again. E2E_BUDGET_MIN: minutes after which no
further test begins (0, the default: no bound).
"""

from __future__ import annotations

import os
import time
import zlib
from typing import Any, Dict, List

import pytest
import results

BEGAN = time.monotonic()
FIRST = (
    "test_systemd",
    "test_harm",
    "test_drill_real",
    "test_direct",
    "test_watch_killed",
    "test_ways_in",
    "test_doctor",
    "test_checks_real",
    "test_ai_real",
    "test_notify",
)
# Parts of node ids, in the order in which a smoke runs them: systemd's own duties, each way in, the
# practice gateway's families (three at a time), then one fault of each family on the real gateway,
# which take a minute or two each: where minutes run out, the last of those are not begun.
SMOKE = (
    "test_systemd.py::test_watchdog_service_runs",
    "test_systemd.py::test_killed",
    "test_systemd.py::test_frozen",
    "test_systemd.py::test_broken_config_exit_78",
    "test_systemd.py::test_stopped_by_its_operator_stays_stopped",
    "test_direct.py::test_its_own_restart",
    "test_ways_in.py::test_the_shim",
    "test_ways_in.py::test_openclaw_finds_the_skill",
    "test_ways_in.py::test_the_status_page",
    "test_checks_real.py::test_a_good_config",
    "test_notify_real.py::test_secrets_of_every_source",
    "test_ai_real.py::test_plan_mode_heals_the_real_gateway[claude]",
    "test_practice[killed]",
    "test_practice[frozen]",
    "test_practice[config-truncated]",
    "test_practice[plugin-exit]",
    "test_practice[foreign-port]",
    "test_practice[database-corrupt]",
    "test_practice[watchdog-killed]",
    "test_practice[operator-stop]",
    "test_practice[slow-start]",
    "test_practice[updating]",
    "test_practice[second-gateway]",
    "test_practice[trap-killed-repair]",
    "test_practice[trap-hostile-log]",
    "test_practice[trap-fix-does-nothing]",
    "test_drill_practice.py::test_nothing_is_left_behind",
    "test_drill_practice.py::test_unknown_fault_is_wrong_usage",
    "test_real[config-truncated]",
    "test_real[sigstop-hang]",
    "test_real[plugin-missing-entry]",
    "test_real[state-sqlite-corrupt-header]",
    "test_real[port-in-use-other]",
    "test_real[trap-fix-drops-section]",
    "test_real[node-options-bad-flag]",
)
# Tests that belong to every run although they are in no list: a new file marks its own.
MARKER = "smoke: runs with every submission"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def chosen(item: pytest.Item, which: str) -> bool:
    """Return whether `item` belongs to the set that was asked for."""
    if which == "all" or item.get_closest_marker("smoke"):
        return True
    return any(part in item.nodeid for part in SMOKE)


def in_shard(nodeid: str, shard: str) -> bool:
    """Return whether a shard such as "2/4" holds this test; by its name, so that it never moves."""
    number, _, count = shard.partition("/")
    return not shard or zlib.crc32(nodeid.encode()) % int(count) == int(number) - 1


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    which, shard = os.environ.get("E2E_SET", "smoke"), os.environ.get("E2E_SHARD", "")

    def place(item: pytest.Item) -> int:
        name = item.nodeid.rsplit("/", 1)[-1]
        if which == "smoke":
            return next((n for n, part in enumerate(SMOKE) if part in name), len(SMOKE))
        return next((n for n, start in enumerate(FIRST) if name.startswith(start)), len(FIRST))

    passed = results.passed(os.environ.get("E2E_RESULTS", ""))
    named = any("::" in str(word) for word in config.args)  # somebody asked for exactly this one
    ours = [item for item in items if "e2e" in item.nodeid.split("/")]
    out = [
        item
        for item in ours
        if not named
        and not (chosen(item, which) and in_shard(item.nodeid, shard) and item.nodeid not in passed)
    ]
    if out:
        config.hook.pytest_deselected(items=out)
    gone = set(map(id, out))
    items[:] = sorted((item for item in items if id(item) not in gone), key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = float(os.environ.get("E2E_BUDGET_MIN", "0"))
    if minutes and time.monotonic() - BEGAN > minutes * 60:
        pytest.skip("the {:.0f} minutes of this run (E2E_BUDGET_MIN) are used up".format(minutes))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = (yield).get_result()
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        row: Dict[str, Any] = {"test": item.nodeid, "outcome": report.outcome}
        row["seconds"] = round(report.duration, 1)
        row["printed"] = results.last_line(report.capstdout)
        results.append(os.environ.get("E2E_RESULTS", ""), row)
