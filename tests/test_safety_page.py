"""docs/safety.md names nothing that does not exist: every place in the code, every test, every seed."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHINESE = (ROOT / "docs" / "safety.zh-CN.md").read_text("utf-8")
PAGE = (ROOT / "docs" / "safety.md").read_text("utf-8")


def test_every_place_in_the_code_exists() -> None:
    places = re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py):(\w+)`", PAGE)
    assert len(places) > 25
    for path, name in places:
        text = (ROOT / "skill" / path).read_text("utf-8")
        assert re.search(r"^\s*(?:def|class) {}\b".format(name), text, re.M), (path, name)


def test_every_test_exists() -> None:
    there = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^\s*def (test_\w+)", path.read_text("utf-8"), re.M))
    named = re.findall(r"`(test_[\w*]+)`", PAGE)
    assert len(named) > 40
    assert [name for name in named if not fnmatch.filter(there, name)] == []


def test_every_seed_exists() -> None:
    known = json.loads((ROOT / "tests" / "simulation" / "seeds.json").read_text("utf-8"))
    named = re.findall(r"`([AV]\d+-[\w-]+)`", PAGE)
    assert len(named) > 25 and [name for name in named if name not in known] == []


def test_no_promise_and_no_fault_is_left_out() -> None:
    for number in range(1, 11):
        rows = [line for line in PAGE.splitlines() if line.startswith("| I{} |".format(number))]
        assert rows and all("test_" in row for row in rows), number
    for number in range(1, 26):
        assert "\n| A{} ".format(number) in PAGE, number


def test_the_chinese_page_names_the_same_places_tests_and_seeds() -> None:
    def named(page: str) -> list:
        rows = [line for line in page.splitlines() if line.startswith("| I")]
        return [re.findall(r"`((?:test_|[AV]\d+-|[a-z_/]+\.py:)[\w*-]+)`", row) for row in rows]

    assert named(CHINESE) == named(PAGE)
    assert [line.split(" |")[0][:5] for line in CHINESE.splitlines() if line.startswith("| A")] == [
        line.split(" |")[0][:5] for line in PAGE.splitlines() if line.startswith("| A")
    ]
