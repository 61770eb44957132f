"""How the commands say times, counts and marks."""

from __future__ import annotations

import time

import click

from ..model import Text
from ..notify.incidents import span

MARKS = {0: ("OK", "green"), 1: ("!!", "red"), 2: ("??", "yellow")}


def mark(code: int) -> str:
    """Return OK, !! or ??, in colour where the terminal shows one."""
    word, colour = MARKS[code]
    return click.style(word, fg=colour, bold=True)


def bold(text: str) -> str:
    return click.style(text, bold=True)


def clock(at: float, now: float) -> Text:
    """Return a moment in local time, as short as it is clear: "02:45", "yesterday 02:45", "Nov 26
    02:45", with the year when it is another one.
    """
    then, today = time.localtime(at), time.localtime(now)
    hour = time.strftime("%H:%M", then)
    if then[:3] == today[:3]:
        return Text(hour, hour)
    if then[:3] == time.localtime(now - 86400)[:3]:
        return Text("yesterday " + hour, "昨天 " + hour)
    day = "{} {}".format(MONTHS[then.tm_mon - 1], then.tm_mday)
    zh = "{} 月 {} 日".format(then.tm_mon, then.tm_mday)
    if then.tm_year != today.tm_year:
        day, zh = "{} {}".format(day, then.tm_year), "{} 年 {}".format(then.tm_year, zh)
    return Text("{} {}".format(day, hour), "{} {}".format(zh, hour))


def since(at: float, now: float) -> Text:
    """Return "since 02:45, 17 min"."""
    return Text.of("since {}, {}", "{} 起，已 {}", clock(at, now), rough(now - at))


def rough(seconds: float) -> Text:
    """Return a length of time in its largest unit that is not 0: "17 min", "3 h"."""
    whole = span(seconds if seconds < 60 else seconds // 60 * 60)
    return Text(*(" ".join(side.split(" ")[: 4 if seconds >= 3600 else 2]) for side in whole))


def epoch(stamp: str) -> float:
    """Return the epoch seconds of a stamp such as 2026-11-28T02:45:00+0000; 0.0 for none."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z"):
        try:
            return _local(stamp, form)
        except ValueError:
            continue
    return 0.0


def _local(stamp: str, form: str) -> float:
    from datetime import datetime

    return datetime.strptime(stamp.strip(), form).timestamp()


MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
