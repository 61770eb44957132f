"""Where each value of a JSON5 text begins and ends: a scanner that keeps positions and leaves every
byte alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

_WORD = re.compile(r"[^\s,:\[\]{}\"'/]+")
_SPACE = " \t\r\n\v\f\u00a0\ufeff\u2028\u2029"


@dataclass
class Node:
    """One value: text[start:end]. kind: object, array or scalar. comma: index of the comma after a
    member or item, -1 without.
    """

    kind: str
    start: int
    end: int = 0
    members: List["Member"] = field(default_factory=list)


@dataclass
class Member:
    """One member of an object (key set) or item of an array (key is its index as text)."""

    key: str
    start: int
    value: Node
    comma: int = -1

    @property
    def end(self) -> int:
        return self.value.end


def skip(text: str, at: int) -> int:
    """The next index that is neither space nor comment."""
    while at < len(text):
        if text[at] in _SPACE:
            at += 1
        elif text.startswith("//", at):
            line = text.find("\n", at)
            at = len(text) if line < 0 else line
        elif text.startswith("/*", at):
            close = text.find("*/", at)
            if close < 0:
                raise ValueError("comment is not closed")
            at = close + 2
        else:
            break
    return at


def _string(text: str, at: int) -> int:
    quote, at = text[at], at + 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise ValueError("string is not closed")
    return at + 1


def _key(text: str, at: int) -> Tuple[str, int]:
    if text[at] == '"':
        end = _string(text, at)
        try:
            return str(json.loads(text[at:end])), end
        except ValueError:
            pass  # JSON5 escapes in a key: let json5 read it
    if text[at] in "'\"":
        import json5

        end = _string(text, at)
        return str(json5.loads(text[at:end])), end
    found = _WORD.match(text, at)
    if not found:
        raise ValueError("a key is expected at {}".format(at))
    return found.group(0), found.end()


def scan(text: str, at: int = 0, depth: int = 0) -> Node:
    """Read one value. Raises ValueError where the text is not JSON5 (as far as structure goes)."""
    if depth > 200:
        raise ValueError("nested too deep")
    at = skip(text, at)
    if at >= len(text):
        raise ValueError("a value is expected at the end")
    if text[at] not in "{[":
        if text[at] in "\"'":
            return Node("scalar", at, _string(text, at))
        found = _WORD.match(text, at)
        if not found:
            raise ValueError("a value is expected at {}".format(at))
        return Node("scalar", at, found.end())
    node = Node("object" if text[at] == "{" else "array", at)
    close = "}" if text[at] == "{" else "]"
    at = skip(text, at + 1)
    while at < len(text) and text[at] != close:
        start, key = at, str(len(node.members))
        if node.kind == "object":
            key, at = _key(text, at)
            at = skip(text, at)
            if at >= len(text) or text[at] != ":":
                raise ValueError("':' is expected at {}".format(at))
            at += 1
        member = Member(key, start, scan(text, at, depth + 1))
        node.members.append(member)
        at = skip(text, member.end)
        if at < len(text) and text[at] == ",":
            member.comma = at
            at = skip(text, at + 1)
        elif at < len(text) and text[at] != close:
            raise ValueError("',' or '{}' is expected at {}".format(close, at))
    if at >= len(text):
        raise ValueError("'{}' is expected at the end".format(close))
    node.end = at + 1
    return node


def find(node: Node, path: Tuple[str, ...]) -> Tuple[Optional[Member], Node, Tuple[str, ...]]:
    """(member at the path or None, deepest container that exists, the rest of the path below it).
    The last of equal keys counts.
    """
    member: Optional[Member] = None
    for depth, part in enumerate(path):
        inner = [m for m in node.members if m.key == part]
        if not inner:
            return None, node, path[depth:]
        member = inner[-1]
        if depth + 1 < len(path):
            if member.value.kind == "scalar":
                return None, member.value, path[depth + 1 :]
            node = member.value
    return member, node, ()
