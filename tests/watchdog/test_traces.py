"""The recorded traces: each real leak is told in time, the gateway without one never."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import bench_forecast as bench  # noqa: E402

TRACES = ROOT / "tests" / "data" / "traces"


@pytest.mark.parametrize("name", ["heap-25", "native-12", "child-15"])
def test_a_recorded_leak_is_told_half_an_hour_before_the_end(name: str) -> None:
    rows, _rate = bench.read(TRACES / (name + ".jsonl"), 12.0)
    whole, end = bench.extended([one for one in rows if one.at >= 2160.0], 2048.0)
    found = bench.ours(whole, 2048.0, whole[0].at)
    assert found is not None and end - found[0] >= 1800.0


def test_a_fast_one_two_minutes_before() -> None:
    rows, _rate = bench.read(TRACES / "heap-300.jsonl", 1.0)
    whole, end = bench.extended(rows, 6144.0)
    found = bench.ours(whole, 6144.0, 0.0)
    assert found is not None and end - found[0] >= 120.0


def test_the_gateway_without_a_leak_is_silent() -> None:
    rows, _rate = bench.read(TRACES / "quiet.jsonl", 1.0)
    assert bench.ours(rows, 2048.0, 0.0) is None
