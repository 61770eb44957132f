"""The review of a simulated bad week: every number is counted again from the raw records."""

from __future__ import annotations

import random
import re
import time
from typing import Any, Dict, List, Tuple

import pytest

from skill.views import review

DAY = 86400.0
NOW = time.mktime((2026, 11, 29, 18, 0, 0, 0, 0, -1))  # a Sunday


def bad_week(seed: int) -> Tuple[List[Dict[str, Any]], Dict[str, Dict[str, float]]]:
    """Three weeks of records; the last week is the bad one."""
    dice = random.Random(seed)
    records: List[Dict[str, Any]] = []
    for number in range(dice.randint(20, 60)):
        opened = NOW - dice.uniform(0, 21 * DAY)
        good = dice.random() < 0.8
        row: Dict[str, Any] = {
            "id": "i%d" % number,
            "opened": opened,
            "level": dice.choice([1, 2, 3]) if good else 4,
            "state": dice.choice(["down", "hung", "misconfigured"]),
            "case": dice.choice(["", "CASE-001", "CASE-002"]),
            "cause": dice.choice(["the plugin x throws", "a variable is missing", ""]),
            "errors": dice.choice([[], ["config/syntax"]]),
            "verified": good,
            "outcome": "healed" if good else "escalate",
            "healed_s": round(dice.uniform(5, 700), 1) if good else None,
            "by": dice.choice(["supervisor", "watchdog", "restore-config"]),
            "ai_calls": dice.choice([0, 0, 2]),
            "actions": [{"repair": "restart", "outcome": "failed", "rolled_back": True}]
            if dice.random() < 0.2
            else [],
        }
        records.append(row)
    days = {}
    for back in range(21):
        name = time.strftime("%Y-%m-%d", time.localtime(NOW - back * DAY))
        down = dice.uniform(0, 3000)
        days[name] = {"up": 80000.0 - down, "down": down, "other": 100.0, "starts": 2.0}
        days[name]["crashes"] = float(dice.randint(0, 3))
    return records, days


@pytest.mark.parametrize("seed", range(12))
def test_every_number_is_in_the_records(seed: int) -> None:
    records, days = bad_week(seed)
    since, until = review.week_of(NOW, True)
    assert time.strftime("%a %H:%M", time.localtime(since)) == "Mon 00:00" and until == NOW
    week = review.review(records, days, since, until)
    mine = [row for row in records if since <= row["opened"] <= until]
    names = [time.strftime("%Y-%m-%d", time.localtime(since + n * DAY + 3600)) for n in range(7)]
    assert week.incidents == len(mine)
    assert week.healed == len([row for row in mine if row["verified"]])
    assert week.waiting == week.incidents - week.healed
    assert week.levels == {n: len([r for r in mine if r["level"] == n]) for n in (1, 2, 3, 4)}
    assert week.down_s == pytest.approx(sum(days[name]["down"] for name in names))
    assert week.up_s == pytest.approx(sum(days[name]["up"] for name in names))
    assert week.crashes == sum(days[name]["crashes"] for name in names) and week.starts == 14
    seconds = 7 * 80100.0
    assert week.unseen_s == pytest.approx(max(0.0, until - since - seconds))
    times = sorted(row["healed_s"] for row in mine if row["verified"])
    assert week.worst_s == (times[-1] if times else None)
    assert week.median_s is None or sum(t <= week.median_s for t in times) * 2 >= len(times)
    assert week.ai_calls == sum(row["ai_calls"] for row in mine)
    assert week.rolled_back == sum(bool(row["actions"]) for row in mine)
    assert sum(number for _name, number in week.healers) == week.healed
    assert len(week.causes) <= 3 and all(number > 1 for _said, number in week.again)
    text = "\n".join(review.lines(week, "en"))
    for number in (week.incidents, week.healed, week.crashes):
        assert re.search(r"\b{}\b".format(number), text)


def test_the_goals_of_the_user_stand_beside_the_figures() -> None:
    day = time.strftime("%Y-%m-%d", time.localtime(NOW))
    fine = review.review([], {day: {"up": 590000.0}}, *review.week_of(NOW, True))
    assert [goal.met for goal in review.goals(fine)] == [True, True, True, True, None]
    bad = [{"id": "a", "opened": NOW - 9, "level": level, "verified": True, "healed_s": 400.0}
           for level in (1, 1, 1, 1, 1, 1, 1, 2, 3)]  # fmt: skip
    week = review.review(bad, {day: {"up": 90.0, "down": 10.0}}, *review.week_of(NOW, True))
    assert [goal.met for goal in review.goals(week)] == [False] * 5
    assert "Nothing. Leave it" in review.advice(fine).en


def test_an_unwatched_week_is_not_a_good_one() -> None:
    week = review.review([], {}, *review.week_of(NOW, False))
    assert week.share is None and "Nobody watched" in review.advice(week).en
    assert week.unseen_s == week.until - week.since
    assert review.goals(week)[0].met is None


def test_hostile_records_are_counted_and_break_nothing() -> None:
    bad = [{"id": "x", "opened": NOW - 1, "healed_s": "9", "verified": 1, "actions": [None, "y"],
            "errors": [{"a": 1}], "level": "3", "cause": ["no"], "ai_calls": "many"}]  # fmt: skip
    week = review.review(bad, {}, *review.week_of(NOW, False))
    assert week.incidents == 1 and review.lines(week, "zh") and review.to_json(week, "en")


def test_the_same_cause_is_named_once_and_advised_on() -> None:
    rows = [{"id": str(n), "opened": NOW - n, "case": "CASE-7", "cause": "leak", "verified": True}
            for n in range(3)]  # fmt: skip
    day = time.strftime("%Y-%m-%d", time.localtime(NOW))
    week = review.review(rows, {day: {"up": 600000.0}}, *review.week_of(NOW, False))
    assert [(said.en, n) for said, n in week.again] == [("leak", 3)]
    assert "came 3 times: leak" in review.advice(week).en
