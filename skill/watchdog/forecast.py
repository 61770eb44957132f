"""When what grows will be used up: memory of the gateway and its children, disk, databases.

Pure but for memory_limit(): samples in, a forecast out. What garbage collection, bursts and warm-up
do to a series is told from a leak by its floor: the lowest value of each part of a window. A leak
lifts every floor, goes on lifting them, and would reach the limit within the window's own horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

PARTS = 8  # floors in a window
COVERED = 0.75  # share of the parts that must hold samples: a gap is no evidence
RISING = 6  # of the seven steps between floors
EVEN = 0.25  # a step counts as rising from this share of the mean step on
DROP = 0.5  # of the mean step: a floor that falls by more was a collection, not noise
JUMP = 3.0  # of the mean step: a floor that rises by more was an event (a plugin, a worker)
FADING = 0.7  # the later half must still grow at this share of the earlier half's pace
WARM_UP = 900.0  # s after a start in which caches fill: no slow window may reach into it


class Sample(NamedTuple):
    """One reading: epoch seconds, and the value in the series' own unit."""

    at: float
    value: float


@dataclass(frozen=True)
class Window:
    """How far to look back, how much must have grown, and how near the end must be, to speak.

    seconds: length. growth: least growth over the window, in the unit of the series. share: the
    same as a share of the first floor. horizon: s from now within which the limit must be reached.
    warm: whether the warm-up is left out.
    """

    seconds: float
    growth: float
    share: float
    horizon: float
    warm: bool = True


MB = 1.0
# A collector may let a heap rise by hundreds of MB for minutes: the shorter the window, the more
# must have grown and the nearer the end must be.
MEMORY = (
    Window(60.0, 700 * MB, 0.30, 1800.0, warm=False),
    Window(300.0, 500 * MB, 0.25, 3600.0, warm=False),
    Window(1200.0, 400 * MB, 0.20, 2 * 3600.0, warm=False),
    Window(3600.0, 96 * MB, 0.08, 6 * 3600.0),
    # a morning rises for six hours as well: only an end within half a day is worth a word
    Window(6 * 3600.0, 64 * MB, 0.06, 12 * 3600.0),
)
# Used space: it does not breathe, so the floor is the series itself.
DISK = (
    Window(600.0, 512 * MB, 0.0, 4 * 3600.0, warm=False),
    Window(6 * 3600.0, 256 * MB, 0.0, 86400.0, warm=False),
    Window(86400.0, 256 * MB, 0.0, 7 * 86400.0, warm=False),
)


@dataclass(frozen=True)
class Forecast:
    """The limit is reached at `at` (epoch seconds), growing by `per_hour`, seen over `window` s."""

    at: float
    per_hour: float
    window: float
    now: float
    limit: float

    @property
    def in_s(self) -> float:
        return self.at - self.now


def floors(samples: Sequence[Sample], since: float, until: float) -> List[Sample]:
    """Return the lowest sample of each part of the window; a part without samples has none."""
    width = (until - since) / PARTS
    lowest: List[Optional[Sample]] = [None] * PARTS
    for sample in samples:
        if since <= sample.at <= until and width > 0:
            part = min(PARTS - 1, int((sample.at - since) / width))
            known = lowest[part]
            if known is None or sample.value < known.value:
                lowest[part] = sample
    return [sample for sample in lowest if sample is not None]


def pace(points: Sequence[Sample]) -> float:
    """Return the median slope between all pairs (Theil and Sen), in units a second."""
    slopes = sorted(
        (b.value - a.value) / (b.at - a.at)
        for place, a in enumerate(points)
        for b in points[place + 1 :]
        if b.at > a.at
    )
    if not slopes:
        return 0.0
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2


def _grows(low: Sequence[Sample], window: Window) -> bool:
    """Whether every floor but one rises, enough, evenly, and not ever more slowly."""
    if len(low) < max(3, COVERED * PARTS):
        return False
    steps = [b.value - a.value for a, b in zip(low, low[1:])]
    mean = (low[-1].value - low[0].value) / len(steps)
    if mean <= 0 or min(steps) < -DROP * mean or max(steps) > JUMP * mean:
        return False
    if sum(step > EVEN * mean for step in steps) < min(RISING, len(steps) - 1):
        return False
    if low[-1].value < max(sample.value for sample in low):
        return False
    if low[-1].value - low[0].value < max(window.growth, window.share * low[0].value):
        return False
    half = len(low) // 2
    return pace(low[half:]) >= FADING * pace(low[: half + 1])


def forecast(
    samples: Sequence[Sample],
    limit: float,
    windows: Tuple[Window, ...] = MEMORY,
    started: float = 0.0,
) -> Optional[Forecast]:
    """Return when `limit` is reached, by the shortest window that says so; None while none does.

    samples: oldest first, of one process (another process is another series). limit: in the unit
    of the series; 0 means unknown. started: epoch seconds of the process.
    """
    if not samples or limit <= 0:
        return None
    now, value = samples[-1]
    for window in windows:
        since = now - window.seconds
        if samples[0].at > since + window.seconds / PARTS:
            continue  # not watched for long enough
        if window.warm and since < started + WARM_UP:
            continue
        low = floors(samples, since, now)
        if not _grows(low, window):
            continue
        slope = min(pace(low), pace(low[len(low) // 2 :]))  # what slows down ends later
        left = max(0.0, limit - value)
        if slope > 0 and left / slope <= window.horizon:
            return Forecast(now + left / slope, slope * 3600.0, window.seconds, now, limit)
    return None


def memory_limit(system: str) -> float:
    """Return how much memory the gateway can get, in MB: the container's limit, else the
    machine's; 0.0 unknown.
    """
    if not system.startswith("linux"):
        return 0.0
    found = []
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(path).read_text()) / 1048576.0)
        except (OSError, ValueError):
            continue
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                found.append(int(line.split()[1]) / 1024.0)
    except (OSError, ValueError):
        pass
    return min(found) if found else 0.0
