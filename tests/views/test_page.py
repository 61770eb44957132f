"""The page says what the facts say, in both languages, and nothing in them can become markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, List

import life
import pytest

from skill.context import Context
from skill.host import Host
from skill.model import Text
from skill.openclaw.home import locate
from skill.settings import load
from skill.views import drawing, facts, page
from skill.watchdog.forecast import Forecast

BAD = '"><script>alert(1)</script>'
VOID = {"meta", "br", "polyline", "polygon", "line"}


class Reader(HTMLParser):
    """Checks that tags close in order, and collects what is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: List[str] = []
        self.seen: List[str] = []
        self.words: List[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def seen(tmp_path: Path) -> facts.Facts:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    life.write(home.doctor_dir)
    return facts.read(Context(host, home, load(host, home)))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


NOW = page.Now(
    "down: no process" + BAD,
    "bad",
    (BAD,),
    ((BAD, "iflow-doctor heal"),),
    "me@host",
    BAD,
    BAD,
    BAD,
    "iflow-doctor heal",
)
STORY = page.Story(
    "452c" + BAD,
    BAD,
    BAD,
    BAD,
    BAD,
    "ok",
    (BAD,),
    ((BAD, BAD),),
    ((BAD, BAD, BAD),),
    ("iflow-doctor snapshots restore x",),
)
OFFER = page.Offer(BAD, BAD, BAD, (BAD,), (BAD,), BAD)
GUARD = page.Protection(Text("Level 2", "第二级"), False, Text(BAD, BAD), "iflow-doctor watch")


def shown(seen: facts.Facts, *stories: page.Story, **more: Any) -> page.Shown:
    return page.Shown(seen, more.pop("now", NOW), stories, **more)


@pytest.mark.parametrize("lang, word", [("en", "Availability"), ("zh", "可用率")])
def test_everything_has_its_place_and_is_escaped(seen: facts.Facts, lang: str, word: str) -> None:
    whole = shown(seen, STORY, protections=(GUARD,), extra=page.offer(OFFER, lang), more=3)
    reader = read(page.document(whole, lang))
    text = " ".join(reader.words)
    assert word in text and "iflow-doctor heal" in text and "iflow-doctor watch" in text
    assert "script" not in reader.seen and text.count("alert(1)") >= 20
    assert "iflow-doctor incident 452c" in text and "snapshots restore x" in text
    assert reader.seen.count("svg") == 5  # the bars, memory, response time, disk, starts
    assert reader.seen.count("button") == 1 and "--all" in text


def test_a_forecast_is_said_and_drawn(seen: facts.Facts) -> None:
    end = Forecast(life.NOW + 7200, 900.0, 3600.0, life.NOW, 8192.0)
    text = page.body(shown(replace(seen, memory_end=end)), "en")
    assert "will be used up around" in text and 'class="f"' in text
    calm = page.body(shown(replace(seen, memory_end=None)), "en")
    assert "will be used up" not in calm and 'class="f"' not in calm


def test_an_empty_life_is_a_page_too(tmp_path: Path) -> None:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    nothing = facts.read(Context(host, home, load(host, home)))
    text = " ".join(read(page.document(shown(nothing), "en")).words)
    assert "None on record." in text and "has not written anything yet" in text


def test_the_button_is_there_only_for_a_plan_that_waits() -> None:
    ready, busy = page.offer(OFFER, "en"), page.offer(replace(OFFER, busy=True), "en")
    assert "data-key=" in ready and "<button" not in busy
    idle = page.offer(page.Offer(""), "en")
    assert "data-plan" in idle and "data-key" not in idle


def test_an_outage_is_never_rounded_away() -> None:
    assert drawing.percent(1.0) == "100%" and drawing.percent(0.9999999) == "99.99%"


def test_one_bar_a_day_in_its_colour() -> None:
    days = ["a", "b", "c", "d"]
    known = {
        "a": {"up": 86400.0, "down": 0.0},
        "b": {"up": 86300.0, "down": 100.0},
        "c": {"up": 80000.0, "down": 6400.0},
    }
    drawn = drawing.bars(days, known, "en")
    assert [drawn.count('class="{}"'.format(kind)) for kind in "uwdn"] == [1, 1, 1, 1]


def test_a_gap_breaks_the_line() -> None:
    points = [(0.0, 1.0), (60.0, 2.0), (9000.0, 3.0), (9060.0, 1.0)]
    assert drawing.line("t", points, "MB", 0.0, 9060.0).count("<polyline") == 2
    assert drawing.line("t", [], "MB", 0.0, 1.0) == ""
