"""Unit tests do not look at the machine they run on: another gateway, or an installation of one,
must not change what they say.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Iterator

import pytest

E2E = Path(__file__).parent / "e2e"


def pytest_sessionfinish() -> None:
    """Keep what was measured (`dev.py cover`): a worker of pytest-xdist does not end by itself."""
    if "coverage" in sys.modules:
        measured = sys.modules["coverage"].Coverage.current()
        if measured is not None:
            measured.save()


@pytest.fixture(scope="session", autouse=True)
def _texts_are_read_once() -> Iterator[None]:
    """The library is weighed again in each home with cases of its own; what its 3,000 texts hold is
    the same each time. (In the product this would cost memory for nothing.)
    """
    from skill.cases import phrases

    once = phrases.tokens
    phrases.tokens = lru_cache(maxsize=None)(once)
    yield
    phrases.tokens = once


@pytest.fixture(autouse=True)
def _no_real_tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil's tables raise, unless a test is marked `real_processes` (it starts its own). Marked
    `empty_machine` they are empty: for the command line, which makes its own Host.
    """
    if E2E in request.path.parents or request.node.get_closest_marker("real_processes"):
        return
    import psutil

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("this test looks at the real machine: give its Host a table")

    def nobody(*_args: object, **_more: object) -> None:
        raise psutil.NoSuchProcess(0)

    if request.node.get_closest_marker("empty_machine"):
        for name in ("process_iter", "net_connections", "pids"):
            monkeypatch.setattr(psutil, name, lambda *_args, **_more: [])
        monkeypatch.setattr(psutil, "Process", nobody)
        return
    for name in ("process_iter", "net_connections", "pids", "Process", "pid_exists"):
        monkeypatch.setattr(psutil, name, refuse)
