"""Small cures for a config that does not parse: text before the JSON, closing brackets that are
gone. Keeps the owner's newest edits.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Optional

from ..openclaw.config import parse
from .config_guard import keys_lost

HEAD = 30  # lines of foreign text before the JSON, at most
CLOSERS = {"{": "}", "[": "]"}


def mended(raw: bytes, good: Mapping[str, Any]) -> Optional[bytes]:
    """The text with the smallest cure that parses and lost no key of the good copy; None when there
    is none.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    for candidate in _candidates(text):
        try:
            data = parse(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and not keys_lost(good, data, ()):
            return candidate.encode("utf-8")
    return None


def _candidates(text: str) -> Iterator[str]:
    missing = _missing(text)
    if missing is not None:
        yield text.rstrip() + "\n" + missing + "\n"
    for cut in _cuts(text):
        yield cut
        missing = _missing(cut)
        if missing is not None:
            yield cut.rstrip() + "\n" + missing + "\n"


def _cuts(text: str) -> Iterator[str]:
    """The text without its first lines, fewest first (comments above the object stay), then from
    the first brace on.
    """
    lines = text.splitlines(True)[:HEAD]
    for number in range(1, len(lines)):
        if "{" in "".join(lines[:number]):
            break
        yield text[sum(len(line) for line in lines[:number]) :]
    start = text.find("{")
    if start >= 0:
        yield text[start:]


def _missing(text: str) -> Optional[str]:
    """The closing brackets that are not there; None when there are too many, or a string or comment
    is open.
    """
    stack: List[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            end = text.find("*/", at)
            if end < 0:
                return None
            at = end + 1
        elif char in "\"'":
            end = at + 1
            while end < len(text) and text[end] != char:
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                return None
            at = end
        elif char in CLOSERS:
            stack.append(CLOSERS[char])
        elif char in "}]":
            if not stack or stack.pop() != char:
                return None
        at += 1
    return "".join(reversed(stack)) or None
