"""A config that does not parse: the smallest cure that loses nothing, at whatever place it is."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

import pytest

from skill.openclaw.config import parse
from skill.repairs.mend_json import mended, salvage

GOOD: Dict[str, Any] = {
    "gateway": {"mode": "local", "port": 5, "auth": {"token": "x"}},
    "agents": {"defaults": {"model": "a", "maxConcurrent": 16, "timeoutSeconds": 600}},
}
NEWER: Dict[str, Any] = {
    **GOOD,
    "channels": {"telegram": {"enabled": True, "allowFrom": ["a", "b"]}},
}
KNOWN = {
    "": {"gateway", "agents", "channels"},
    "gateway": {"mode", "port", "auth"},
    "agents": {"defaults"},
    "channels": {"telegram"},
}


def openclaw(data: Mapping[str, Any]) -> Optional[bool]:
    """As its validator: no key that it does not know."""
    for section, keys in KNOWN.items():
        value = data.get(section, {}) if section else data
        if not isinstance(value, dict) or not set(value) <= keys:
            return False
    telegram = data.get("channels", {}).get("telegram", {})
    lists = isinstance(telegram.get("allowFrom", []), list)
    defaults = data.get("agents", {}).get("defaults", {})
    return lists and set(telegram) <= {"enabled", "allowFrom"} and len(defaults) <= 3


@pytest.mark.parametrize("good", [GOOD, None])
@pytest.mark.parametrize("indent", [2, 4, None])
def test_one_deleted_character_anywhere_costs_nothing(good: Any, indent: Any) -> None:
    """Every bracket, comma and quote, one at a time: the newer section is there afterwards, at its
    own place.
    """
    text = json.dumps(NEWER, indent=indent)
    tried = 0
    for at, char in enumerate(text):
        if char not in '{}[],"' or indent is None and char == '"':
            continue
        broken = text[:at] + text[at + 1 :]
        try:
            json.loads(broken)
            continue
        except ValueError:
            tried += 1
        found = mended(broken.encode(), good, openclaw)
        assert found is not None and parse(found.decode()) == NEWER, (at, text[at - 20 : at + 20])
    assert tried > 20


def test_a_brace_whose_place_nobody_can_tell_is_not_guessed() -> None:
    text = json.dumps(NEWER, indent=None)
    broken = text.replace("600}}", "600}")  # channels may now lie in agents
    assert mended(broken.encode(), GOOD, lambda data: None) is None
    assert mended(broken.encode(), None, lambda data: True) is None, "several are valid"
    found = mended(broken.encode(), GOOD, openclaw)
    assert found is not None and parse(found.decode()) == NEWER


def test_a20_a_cut_number_is_not_taken_for_the_whole() -> None:
    text = json.dumps(GOOD, indent=2)
    cut = text[: text.index("600") + 1]
    assert mended(cut.encode(), GOOD, lambda data: True) is None
    assert mended(cut.encode(), None, lambda data: True) is None
    whole = text[: text.index("600") + 3]
    found = mended(whole.encode(), GOOD, lambda data: True)
    assert found is not None and parse(found.decode()) == GOOD


def test_what_openclaw_refuses_is_no_cure() -> None:
    text = json.dumps(NEWER, indent=2)
    assert mended(text[:-2].encode(), GOOD, lambda data: False) is None


def test_a_long_file_takes_seconds() -> None:
    many = {"k{}".format(number): {"a": [1, 2, {"b": number}]} for number in range(400)}
    text = json.dumps({**GOOD, "plugins": many}, indent=2)
    at = text.index("}", text.index('"k200"'))
    found = mended((text[:at] + text[at + 1 :]).encode(), GOOD, lambda data: True)
    assert found is not None and parse(found.decode())["plugins"] == many


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_what_can_be_read_of_half_a_file(share: float) -> None:
    text = json.dumps(NEWER, indent=2)
    found = salvage(text[: int(len(text) * share)].encode())
    assert found["gateway"]["port"] == 5

    def within(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(key in whole and within(part[key], whole[key]) for key in part)
        return part == whole or isinstance(part, list) and part == whole[: len(part)]

    assert within(found, NEWER)
    assert salvage(b"\xff\xfe\x00") == {} and salvage(b"not json") == {}
