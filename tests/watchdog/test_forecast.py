"""Leaks are seen in time, and what only looks like one is not: series with a known truth."""

from __future__ import annotations

import math
import random
from typing import Callable, List, Optional, Tuple

import pytest

from skill.watchdog.forecast import DISK, Forecast, Sample, floors, forecast, pace

EVERY = 10.0  # s between two samples, as the watchdog looks
LIMIT = 8192.0  # MB
HOUR = 3600.0


def series(value: Callable[[float], float], seconds: float, seed: int = 1) -> List[Sample]:
    """Samples of value(t) with the noise of a resident set: a few MB, and now and then a burst."""
    dice = random.Random(seed)
    made = []
    for number in range(int(seconds / EVERY)):
        at = number * EVERY
        burst = dice.random() < 0.01 and dice.uniform(20, 200)
        made.append(Sample(at, value(at) + dice.gauss(0, 2.0) + float(burst or 0)))
    return made


def sawtooth(at: float, period: float, height: float) -> float:
    return height * ((at % period) / period)


def first_warning(samples: List[Sample], limit: float = LIMIT) -> Optional[Tuple[float, Forecast]]:
    """The moment of the first warning as a watchdog would give it, looking every other minute."""
    for end in range(6, len(samples), 12):
        # what a ring of samples still holds: dense for an hour, one a minute before
        now = samples[end].at
        kept = [s for s in samples[: end + 1] if s.at > now - HOUR or s.at % 60.0 < EVERY]
        found = forecast(kept, limit)
        if found:
            return now, found
    return None


@pytest.mark.parametrize("mb_per_hour", [40.0, 120.0, 400.0, 1500.0, 6000.0])
@pytest.mark.parametrize("tooth", [(30.0, 40.0), (240.0, 150.0)])
def test_a_slow_leak_is_told_half_an_hour_before_the_end(
    mb_per_hour: float, tooth: Tuple[float, float]
) -> None:
    limit = 700.0 + mb_per_hour * 12 if mb_per_hour < 600 else LIMIT
    end = (limit - 700.0) / mb_per_hour * HOUR

    def leaking(at: float) -> float:
        return 700.0 + mb_per_hour * at / HOUR + sawtooth(at, *tooth)

    found = first_warning(series(leaking, end), limit)
    assert found is not None
    at, told = found
    assert end - at >= 1800.0
    assert abs(told.at - end) < 0.5 * (end - at) + 600.0


def test_a_gigabyte_in_thirty_seconds_is_told_two_minutes_before_the_end() -> None:
    def leaking(at: float) -> float:
        return 700.0 if at < 3600.0 else 700.0 + 1024.0 / 30.0 * (at - 3600.0)

    end = 3600.0 + (LIMIT - 700.0) / (1024.0 / 30.0)
    found = first_warning(series(leaking, end))
    assert found is not None and end - found[0] >= 120.0


HEALTHY = [
    ("flat", lambda at: 720.0),
    ("saw-tooth of seconds", lambda at: 700.0 + sawtooth(at, 40.0, 60.0)),
    ("saw-tooth of minutes", lambda at: 700.0 + sawtooth(at, 420.0, 300.0)),
    ("saw-tooth of an hour", lambda at: 700.0 + sawtooth(at, 3600.0, 500.0)),
    ("saw-tooth of a working day", lambda at: 700.0 + sawtooth(at, 6 * HOUR, 400.0)),
    ("warm-up", lambda at: 900.0 - 300.0 * math.exp(-at / 1200.0)),
    ("slow cache", lambda at: 1100.0 - 400.0 * math.exp(-at / 9000.0)),
    ("day and night", lambda at: 800.0 + 150.0 * math.sin(at / 86400.0 * 2 * math.pi)),
    ("a plugin is loaded", lambda at: 700.0 if at < 5 * HOUR else 1000.0),
    ("three plugins in a row", lambda at: 700.0 + 180.0 * min(3, int(at / HOUR))),
    ("workers come and go", lambda at: 700.0 + 200.0 * (int(at / 1800.0) % 3)),
    ("a busy hour", lambda at: 700.0 + (600.0 if 2 * HOUR < at < 3 * HOUR else 0.0)),
]


@pytest.mark.parametrize("name, value", HEALTHY, ids=[row[0] for row in HEALTHY])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_no_leak_is_never_told(
    name: str, value: Callable[[float], float], seed: int
) -> None:
    assert first_warning(series(value, 86400.0 / 2, seed)) is None


def test_a_gap_or_a_short_watch_is_no_evidence() -> None:
    rising = series(lambda at: 700.0 + at, 3600.0)
    assert forecast(rising[:5], LIMIT) is None
    assert forecast([s for s in rising if not 3150.0 < s.at < 3590.0], LIMIT, DISK) is None
    assert forecast(rising, 0.0) is None and forecast([], LIMIT) is None


def test_a_disk_that_fills() -> None:
    used = [Sample(at * 60.0, 40000.0 + at * 20.0) for at in range(600)]
    found = forecast(used, 60000.0, DISK)
    assert found and abs(found.in_s - (60000.0 - used[-1].value) / 20.0 * 60.0) < 60.0


def test_the_parts_of_the_whole() -> None:
    points = [Sample(0, 5), Sample(1, 3), Sample(8, 9)]
    assert floors(points, 0, 16) == [Sample(1, 3), Sample(8, 9)]
    assert pace([Sample(0, 0), Sample(1, 2), Sample(2, 4)]) == 2.0 and pace([]) == 0.0
