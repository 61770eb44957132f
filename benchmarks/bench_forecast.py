"""Judge the forecast of memory on recorded and generated traces, AlphaClaw's rule beside it.

usage: bench_forecast.py [FOLDER]      (default tests/data/traces; record_traces.py makes them)

Recorded: the real gateway with plugins that leak at known rates, and without. A slow leak is
recorded at twelve times its pace and replayed with every second counted as twelve: said in the
table as "x12". Healthy days: generated, thirty of them, from the recorded gateway without a leak:
blocks of its own noise, put on shapes that memory takes without leaking (warm-up, a plugin that is
loaded, workers, bursts, a busy hour, day and night, a slow cache, collectors of seconds to hours).
AlphaClaw's rule: 60 minutes, six rising buckets, growth of at least max(48 MB, 5 %).
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from skill.watchdog.forecast import Forecast, Sample, forecast  # noqa: E402

DAY, LOOK = 86400.0, 10.0
Trace = List[Sample]


def read(path: Path, times: float) -> Tuple[Trace, float]:
    """Return a recorded trace with its time stretched, and its rate in MB an hour after that."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    head = lines[0]
    rows = [Sample(row[0] * times, row[1] + row[2]) for row in lines[1:] if isinstance(row, list)]
    return rows, float(head["mb_per_minute"]) * 60.0 / times


def extended(rows: Trace, limit: float) -> Tuple[Trace, float]:
    """Return the trace up to the limit: where the recording ended before, it goes on by replaying
    its own last half, lifted by what it grew. And when the limit is reached.
    """
    out = list(rows)
    half = rows[len(rows) // 2 :]
    length, grown = half[-1].at - half[0].at, half[-1].value - half[0].value
    while out[-1].value < limit and grown > 0:
        at, value = out[-1]
        step = half[1].at - half[0].at
        out += [
            Sample(at + step + one.at - half[0].at, value + one.value - half[0].value)
            for one in half
        ]
        if out[-1].at > 40 * DAY or length <= 0:
            break
    end = next((one.at for one in out if one.value >= limit), math.inf)
    return [one for one in out if one.at <= end], end


def watched(samples: Trace, now: float) -> Trace:
    """Return what the watchdog still holds at `now`: looks of an hour and a half, then minutes."""
    kept, minute = [], -1.0
    for one in _between(samples, now - 7 * 3600.0, now - 5400.0):
        if one.at // 60.0 != minute:
            minute = one.at // 60.0
            kept.append(one)
    return kept + list(_between(samples, now - 5400.0, now + 0.001))


def ours(samples: Trace, limit: float, started: float) -> Optional[Tuple[float, Forecast]]:
    """Return the first warning; asked at every look of the first hour, then every two minutes."""
    last = -math.inf
    for one in samples:
        if one.at - last < (LOOK if samples[-1].at < 7200.0 else 120.0):
            continue
        last = one.at
        found = forecast(watched(samples, one.at), limit, started=started)
        if found:
            return one.at, found
    return None


def alphaclaw(samples: Trace) -> Optional[float]:
    """Return when six ten-minute buckets rise and the growth is at least max(48 MB, 5 %)."""
    last = -math.inf
    for one in samples:
        if one.at - last < 120.0 or one.at < samples[0].at + 3600.0:
            continue
        last = one.at
        means = []
        for bucket in range(6):
            low = one.at - 3600.0 + bucket * 600.0
            values = [s.value for s in _between(samples, low, low + 600.0)]
            means.append(sum(values) / len(values) if values else math.nan)
        if any(math.isnan(mean) for mean in means):
            continue
        rising = all(b > a for a, b in zip(means, means[1:]))
        if rising and means[-1] - means[0] >= max(48.0, 0.05 * means[0]):
            return one.at
    return None


def _between(samples: Sequence[Sample], low: float, high: float) -> Sequence[Sample]:
    from bisect import bisect_left

    return samples[bisect_left(samples, (low,)) : bisect_left(samples, (high,))]


# -- healthy days, generated from what was recorded without a leak ---------------------------------
SHAPES: List[Tuple[str, Callable[[float, random.Random], float]]] = [
    ("flat", lambda t, d: 0.0),
    ("collector of 5 min", lambda t, d: 250.0 * (t % 300.0) / 300.0),
    ("collector of 40 min", lambda t, d: 400.0 * (t % 2400.0) / 2400.0),
    ("collector of 5 h", lambda t, d: 350.0 * (t % 18000.0) / 18000.0),
    ("warm-up of 40 min", lambda t, d: 250.0 * (1 - math.exp(-t / 2400.0))),
    ("slow cache", lambda t, d: 350.0 * (1 - math.exp(-t / 9000.0))),
    ("a plugin at 05:00", lambda t, d: 280.0 * (t > 18000.0)),
    ("three plugins", lambda t, d: 150.0 * min(3, int(t / 10000.0))),
    ("workers", lambda t, d: 180.0 * (int(t / 1800.0) % 4)),
    ("a busy hour, day and night", lambda t, d: 150.0 * math.sin(t / DAY * 2 * math.pi)
     + 500.0 * (30000.0 < t < 33600.0)),
]  # fmt: skip


def healthy(quiet: Trace, number: int) -> Tuple[str, Trace]:
    """Return one generated day."""
    dice = random.Random(number)
    level = sorted(one.value for one in quiet)[len(quiet) // 2]
    noise = [one.value - level for one in quiet if abs(one.value - level) < 150.0]
    name, shape = SHAPES[number % len(SHAPES)]
    out: Trace = []
    at = 0.0
    while at < DAY:
        begin = dice.randrange(max(1, len(noise) - 60))
        for value in noise[begin : begin + 60]:
            burst = dice.uniform(30, 300) if dice.random() < 0.004 else 0.0
            out.append(Sample(at, level + value + shape(at, dice) + burst))
            at += LOOK
    return name, out


def span(seconds: float) -> str:
    if math.isinf(seconds):
        return "never"
    return (
        "{:.1f} h".format(seconds / 3600) if seconds > 5400 else "{:.1f} min".format(seconds / 60)
    )


def main(folder: str = "") -> int:
    traces = Path(folder or ROOT / "tests" / "data" / "traces")
    failed = 0
    print("| trace | leak | end of memory | ours: warned before the end | AlphaClaw's rule |")
    print("|---|---|---|---|---|")
    for path in sorted(traces.glob("*.jsonl")):
        head = json.loads(path.read_text("utf-8").splitlines()[0])
        fast = float(head["mb_per_minute"]) >= 100.0
        times = 1.0 if fast or not head["mb_per_minute"] or head["kind"] == "bursts" else 12.0
        rows, rate = read(path, times)
        calm = [one for one in rows if one.at >= 180.0 * times] if not fast else rows
        leaks = head["kind"] not in ("none", "bursts")
        limit = (6144.0 if fast else 2048.0) if leaks else 2048.0
        whole, end = extended(calm, limit) if leaks else (calm, math.inf)
        mine, theirs = ours(whole, limit, calm[0].at if not fast else 0.0), alphaclaw(whole)
        said = "never" if mine is None else span(end - mine[0]) if leaks else "FALSE ALARM"
        their = "never" if theirs is None else span(end - theirs) if leaks else "FALSE ALARM"
        slow_ok = leaks and mine is not None and end - mine[0] >= (120.0 if fast else 1800.0)
        failed += not slow_ok if leaks else mine is not None
        label = "{}{}".format(path.stem, " x12" if times > 1 else "")
        leak = "{:.0f} MB/h".format(rate) if leaks else "none"
        print("| {} | {} | {} | {} | {} |".format(
            label, leak, span(end - whole[0].at), said, their))  # fmt: skip
    quiet = read(traces / "quiet.jsonl", 1.0)[0]
    quiet = [one for one in quiet if one.at > 900.0]
    false_ours = false_theirs = 0
    for number in range(30):
        name, day = healthy(quiet, number)
        mine, theirs = ours(day, 2048.0, 0.0), alphaclaw(day)
        false_ours += mine is not None
        false_theirs += theirs is not None
        print("| healthy day {} ({}) | none | never | {} | {} |".format(
            number + 1, name, "FALSE ALARM" if mine else "silent",
            "FALSE ALARM" if theirs else "silent"))  # fmt: skip
    print("\nfalse alarms on 30 healthy days: ours {}, AlphaClaw's rule {}".format(
        false_ours, false_theirs))  # fmt: skip
    return int(bool(failed or false_ours))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
