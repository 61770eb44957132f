"""The page says what the facts say, in both languages, and nothing in them can become markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import List

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
VOID = {"meta", "br", "rect", "polyline"}


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


NOW = page.Now("down: no process" + BAD, "bad", (BAD,), ((BAD, "iflow-doctor heal"),), "me@host")
GUARD = page.Protection(Text("Level 2", "第二级"), False, Text(BAD, BAD), "iflow-doctor watch")


@pytest.mark.parametrize("lang, word", [("en", "Availability"), ("zh", "可用率")])
def test_everything_has_its_place_and_is_escaped(seen: facts.Facts, lang: str, word: str) -> None:
    reader = read(page.document(seen, NOW, [GUARD], lang))
    text = " ".join(reader.words)
    assert word in text and "iflow-doctor heal" in text and "iflow-doctor watch" in text
    assert "script" not in reader.seen and text.count("alert(1)") >= 4
    assert text.count("iflow-doctor incident ") == len(life.RECORDS)
    assert reader.seen.count("svg") == 4  # the bars, memory, response time, disk


def test_a_forecast_is_said_and_drawn(seen: facts.Facts) -> None:
    end = Forecast(life.NOW + 7200, 900.0, 3600.0, life.NOW, 8192.0)
    text = page.body(replace(seen, memory_end=end), NOW, [], "en")
    assert "will be used up around" in text and 'class="f"' in text
    calm = page.body(replace(seen, memory_end=None), NOW, [], "en")
    assert "will be used up" not in calm and 'class="f"' not in calm


def test_an_empty_life_is_a_page_too(tmp_path: Path) -> None:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    nothing = facts.read(Context(host, home, load(host, home)))
    text = " ".join(read(page.document(nothing, NOW, [], "en")).words)
    assert "None on record." in text and "has not written anything yet" in text


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
