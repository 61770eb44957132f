"""Edit openclaw.json by meaning and keep its bytes: comments, order and formatting outside the
edited key stay.

A path is a tuple of keys, because keys may contain dots ("openai/gpt-5.1"); dotted() and split()
translate.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple

from .config import parse
from .json_spans import Node, find, scan

Path = Tuple[str, ...]
_MISSING = object()


def dotted(path: Path) -> str:
    return ".".join(path)


def split(data: Any, text: str) -> Path:
    """The path that a dotted name means in this data: an existing key with dots in it wins over a
    deeper one.
    """
    parts = text.split(".") if text else []
    found = _split(data, parts)
    return found if found is not None else tuple(parts)


def _split(data: Any, parts: Sequence[str]) -> Optional[Path]:
    if not parts:
        return ()
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        inner = _child(data, key)
        if inner is not _MISSING:
            rest = _split(inner, parts[length:])
            if rest is not None:
                return (key,) + rest
    return None


def _child(data: Any, key: str) -> Any:
    if isinstance(data, Mapping):
        return data.get(key, _MISSING)
    if isinstance(data, list) and key.isdigit() and int(key) < len(data):
        return data[int(key)]
    return _MISSING


def value_at(data: Any, path: Path, default: Any = None) -> Any:
    for key in path:
        data = _child(data, key)
        if data is _MISSING:
            return default
    return data


def has(data: Any, path: Path) -> bool:
    return value_at(data, path, _MISSING) is not _MISSING


def changes(before: Any, after: Any, prefix: Path = ()) -> List[Path]:
    """Paths that differ, as high up as the whole value appeared or vanished; lists of different
    length differ as a whole.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: List[Path] = []
        for key in sorted(set(before) | set(after), key=str):
            one, two = before.get(key, _MISSING), after.get(key, _MISSING)
            found += (
                [prefix + (str(key),)]
                if one is _MISSING or two is _MISSING
                else changes(one, two, prefix + (str(key),))
            )
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            path
            for index, pair in enumerate(zip(before, after))
            for path in changes(pair[0], pair[1], prefix + (str(index),))
        ]
    same = before == after and isinstance(before, bool) == isinstance(after, bool)
    return [] if same else [prefix]


def with_value(data: Any, path: Path, value: Any) -> Any:
    """A copy of data where path has this value; missing objects on the way are made."""
    data = copy.deepcopy(data) if isinstance(data, (dict, list)) else {}
    if not path:
        return value
    target = data
    for depth, key in enumerate(path):
        last = depth + 1 == len(path)
        if isinstance(target, list):
            if not key.isdigit() or int(key) >= len(target):
                raise ValueError("no item {} in the list".format(key))
            index: Any = int(key)
        else:
            index = key
            if not last and not isinstance(target.get(index), (dict, list)):
                target[index] = {}
        if last:
            target[index] = copy.deepcopy(value)
        else:
            target = target[index]
    return data


def without(data: Any, path: Path) -> Any:
    """A copy of data without path; unchanged when it is not there."""
    data = copy.deepcopy(data)
    target = value_at(data, path[:-1], None) if path else None
    if isinstance(target, dict):
        target.pop(path[-1], None)
    elif isinstance(target, list) and path[-1].isdigit() and int(path[-1]) < len(target):
        del target[int(path[-1])]
    return data


def set_key(text: str, path: Path, value: Any) -> str:
    """Set one key in raw JSON5 text. Raises ValueError when the text does not parse."""
    intended = with_value(parse(text), path, value)
    return _checked(text, intended, lambda: _set(text, path, value))


def unset_key(text: str, path: Path) -> str:
    """Remove one key (every occurrence) from raw JSON5 text; unchanged when it is not there. Raises
    ValueError as set_key.
    """
    data = parse(text)
    if not has(data, path):
        return text
    return _checked(text, without(data, path), lambda: _unset(text, path))


def apply(text: str, edits: Iterable[Tuple[Path, Any]]) -> str:
    """Several edits in order; the value UNSET removes."""
    for path, value in edits:
        text = unset_key(text, path) if value is UNSET else set_key(text, path, value)
    return text


UNSET = object()


def _checked(text: str, intended: Any, edit: Any) -> str:
    """The text edit when it parses to exactly what was meant, else the whole value serialised again
    (comments are lost then).
    """
    try:
        edited = str(edit())
        if not changes(intended, parse(edited)):
            return edited
    except (ValueError, RecursionError, IndexError):
        pass
    return json.dumps(intended, ensure_ascii=False, indent=2) + "\n"


def _set(text: str, path: Path, value: Any) -> str:
    root = scan(text)
    member, container, rest = find(root, path)
    if member is not None:
        return (
            text[: member.value.start]
            + _render(value, _indent_of(text, member.start), _unit(text))
            + text[member.value.end :]
        )
    for key in reversed(rest[1:]):
        value = {key: value}
    if container.kind == "scalar":  # an object is needed where a plain value stands
        return (
            text[: container.start]
            + _render({rest[0]: value}, _indent_of(text, container.start), _unit(text))
            + text[container.end :]
        )
    return _insert(text, container, rest[0], value)


def _insert(text: str, container: Node, key: str, value: Any) -> str:
    name = json.dumps(key, ensure_ascii=False)
    unit = _unit(text)
    if not container.members:
        outer = _indent_of(text, container.start)
        inside = text[container.start + 1 : container.end - 1].rstrip()
        body = "\n" + outer + unit + name + ": " + _render(value, outer + unit, unit) + "\n" + outer
        return text[: container.start + 1] + inside + body + text[container.end - 1 :]
    last = container.members[-1]
    own_line = "\n" in text[container.start : last.start]
    indent = _indent_of(text, last.start)
    lead = "\n" + indent if own_line else " "
    item = (
        lead
        + name
        + ": "
        + (_render(value, indent, unit) if own_line else json.dumps(value, ensure_ascii=False))
    )
    if last.comma >= 0:
        return text[: last.comma + 1] + item + text[last.comma + 1 :]
    return text[: last.end] + "," + item + text[last.end :]


def _unset(text: str, path: Path) -> str:
    while True:
        member, container, _rest = find(scan(text), path)
        if member is None:
            return text
        index = container.members.index(member)
        start, end = member.start, member.comma + 1 if member.comma >= 0 else member.end
        if member.comma < 0 and index > 0:
            comma = container.members[index - 1].comma
            text = (
                text[:comma] + " " + text[comma + 1 :]
            )  # same length: the positions below stay right
        before = text.rfind("\n", 0, start) + 1
        after = text.find("\n", end)
        if not text[before:start].strip() and after >= 0 and not text[end:after].strip():
            start, end = before, after + 1  # the key had its lines to itself
        elif text[before:start].strip():
            start -= len(text[before:start]) - len(
                text[before:start].rstrip(" \t")
            )  # the space that stood before it goes with it
        text = text[:start] + text[end:]
        if container.kind == "array":
            return text


def _indent_of(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """The step of indentation the file uses: its first indented line's."""
    for line in text.splitlines():
        if line.strip() and line[0] in " \t":
            return line[: len(line) - len(line.lstrip())]
    return "  "


def _render(value: Any, indent: str, unit: str) -> str:
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    raw = json.dumps(value, ensure_ascii=False, indent=unit)
    return raw.replace("\n", "\n" + indent)
