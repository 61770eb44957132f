"""Edits keep bytes and do exactly what was meant, whatever the text looks like."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skill.openclaw import json_edit
from skill.openclaw.config import parse

TEXT = """// my gateway
{
  gateway: { mode: "local", port: 18901, }, // keep me
  /* block */
  'agents': {
    defaults: {
      model: 'a/b.c', // trailing
      list: [1, 2, 3],
    },
  },
  "models": {"openai/gpt-5.1": {x: +1}},
}
"""


def test_set_replaces_only_the_value() -> None:
    assert json_edit.set_key(TEXT, ("gateway", "port"), 7) == TEXT.replace("18901", "7")


def test_set_adds_a_missing_key_and_objects_on_the_way() -> None:
    edited = json_edit.set_key(TEXT, ("gateway", "auth", "mode"), "token")
    assert parse(edited)["gateway"] == {"mode": "local", "port": 18901, "auth": {"mode": "token"}}
    assert "// keep me" in edited and "/* block */" in edited and "// trailing" in edited


def test_unset_removes_the_line_and_nothing_else() -> None:
    text = '{\n  "a": 1, // one\n  "b": 2,\n  "c": 3\n}\n'
    assert json_edit.unset_key(text, ("b",)) == '{\n  "a": 1, // one\n  "c": 3\n}\n'
    last = json_edit.unset_key(text, ("c",))
    assert parse(last) == {"a": 1, "b": 2} and "// one" in last


def test_unset_of_a_key_that_is_there_twice_removes_both() -> None:
    assert parse(json_edit.unset_key('{"a":1,"b":2,"a":3}', ("a",))) == {"b": 2}


def test_set_where_a_plain_value_stands_in_the_way() -> None:
    assert parse(json_edit.set_key("{a: 1} // c", ("a", "b"), True)) == {"a": {"b": True}}


def test_keys_with_dots_are_found() -> None:
    data = parse(TEXT)
    assert json_edit.split(data, "models.openai/gpt-5.1.x") == ("models", "openai/gpt-5.1", "x")
    assert json_edit.split(data, "gateway.nope.deep") == ("gateway", "nope", "deep")


def test_changes_are_as_high_as_the_difference() -> None:
    assert json_edit.changes(
        {"a": {"b": 1, "c": [1]}}, {"a": {"b": 2, "c": [1, 2]}, "d": {"e": 1}}
    ) == [("a", "b"), ("a", "c"), ("d",)]
    assert json_edit.changes({"a": 1}, {"a": True}) == [("a",)]


def test_text_that_does_not_parse_is_refused() -> None:
    with pytest.raises(ValueError):
        json_edit.set_key('{"a": ', ("a",), 1)


KEYS = st.sampled_from(["a", "b", "c.d", "日本", "x y", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
LAYOUT = st.sampled_from([None, 2, "\t"])


@settings(max_examples=150, deadline=None)
@given(OBJECTS, LAYOUT, st.lists(KEYS, min_size=1, max_size=3), VALUES)
def test_set_means_what_it_says(data: dict, indent: object, path: list, value: object) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    wanted = tuple(path)
    try:
        intended = json_edit.with_value(data, wanted, value)
    except ValueError:
        return  # a list stands where an object is needed
    assert parse(json_edit.set_key(text, wanted, value)) == intended


@settings(max_examples=150, deadline=None)
@given(OBJECTS, LAYOUT, st.data())
def test_unset_means_what_it_says(data: dict, indent: object, draw: st.DataObject) -> None:
    paths = [p for p in _paths(data) if p]
    if not paths:
        return
    path = draw.draw(st.sampled_from(paths))
    text = "// head\n" + json.dumps(data, ensure_ascii=False, indent=indent) + "\n// tail\n"
    edited = json_edit.unset_key(text, path)
    assert parse(edited) == json_edit.without(data, path)
    assert edited.startswith("// head\n") and edited.endswith("// tail\n")


def _paths(data: object, prefix: tuple = ()) -> list:
    items = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else []
    )
    found = [prefix]
    for key, value in items:
        found += _paths(value, prefix + (str(key),))
    return found
