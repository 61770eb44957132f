"""The end-to-end part ends in time: what matters most comes first, and what does not fit any more
is skipped and says so.

E2E_BUDGET_MIN: minutes after which no further test is begun (default 58; 0: no bound).
"""

from __future__ import annotations

import os
import time

import pytest

BEGAN = time.monotonic()
FIRST = (
    "test_systemd",
    "test_drill_real",
    "test_direct",
    "test_watch_killed",
    "test_ways_in",
    "test_doctor",
    "test_checks_real",
    "test_ai_real",
    "test_notify",
)


def pytest_collection_modifyitems(items: list) -> None:
    def place(item: pytest.Item) -> int:
        name = item.nodeid.rsplit("/", 1)[-1]
        return next(
            (number for number, start in enumerate(FIRST) if name.startswith(start)), len(FIRST)
        )

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = float(os.environ.get("E2E_BUDGET_MIN", "58"))
    if minutes and time.monotonic() - BEGAN > minutes * 60:
        pytest.skip("the {:.0f} minutes of this run (E2E_BUDGET_MIN) are used up".format(minutes))
