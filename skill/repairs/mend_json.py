"""Small cures for a config that does not parse: text before the JSON, a bracket, comma or quote
that is gone. Keeps the owner's newest edits; nothing written may be lost or read otherwise.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

from ..openclaw.config import leaves, parse
from .config_guard import keys_lost, taken_out

HEAD = 30  # lines of foreign text before the JSON, at most
CLOSERS = {"{": "}", "[": "]"}
TRIES = 400  # texts that are parsed, at most
ASKED = 6  # results that OpenClaw is asked about, at most
Judge = Callable[[Mapping[str, Any]], Optional[bool]]  # valid, not valid, nobody can say


@dataclass(frozen=True)
class Token:
    """kind: one of {}[]:, or "string", "word", "open" (a string without its end)."""

    kind: str
    start: int
    end: int


def mended(
    raw: bytes, good: Optional[Mapping[str, Any]], valid: Judge = lambda data: None
) -> Optional[bytes]:
    """Return the text with the smallest cure that OpenClaw accepts and in which every key and value
    is there; None when there is none, or when nobody can say which of several is right.
    """
    text = _text(raw)
    if text is None:
        return None
    found: List[Tuple[Tuple[int, int], str, Any]] = []
    for candidate in itertools.islice(_candidates(text), _tries(text)):
        data = _whole(candidate, text, good)
        if data is None or good is not None and keys_lost(good, data, ()):
            continue
        if not any(known == data for _rank, _text_, known in found):
            odd = _misplaced(candidate, _tokens(candidate), 0)
            found.append(((len(taken_out(good, data)) if good else 0, odd), candidate, data))
    # What differs least from the copy that worked comes first, then what is indented as it is read.
    found.sort(key=lambda row: row[0])
    said = [(row, valid(row[2])) for row in found[:ASKED]]
    right = [row for row, word in said if word]
    if right and (good is not None or len(right) == 1):
        return right[0][1].encode("utf-8")
    if good is not None and len(found) == 1 and said[0][1] is None:
        return found[0][1].encode("utf-8")
    return None


def salvage(raw: bytes) -> Mapping[str, Any]:
    """Return what can still be read of a text that does not parse, up to where it breaks; {} where
    nothing can. A value that may have been cut is left out.
    """
    rest = salvaged(raw)
    found = parse(rest) if rest is not None else {}
    return found if isinstance(found, dict) else {}


def salvaged(raw: bytes) -> Optional[str]:
    """Return the same as text, its closing brackets added; None where nothing can be read."""
    text = _text(raw)
    if text is None or "{" not in text:
        return None
    ends = [token.start for token in _tokens(text) if token.kind in ",}]"]
    for end in itertools.islice(reversed(ends), TRIES):
        rest = text[:end] + "\n" + (_missing(text[:end]) or "") + "\n"
        for cut in (rest, rest[rest.find("{") :]):
            try:
                if isinstance(parse(cut), dict):
                    return cut
            except (ValueError, RecursionError):
                continue
    return None


def same_words(one: bytes, other: bytes) -> bool:
    """Return whether two texts hold the same strings and values in the same order."""
    texts = _text(one), _text(other)
    words = [
        [text[t.start : t.end].strip("\"'") for t in _tokens(text) if t.kind in ("string", "word")]
        for text in texts
        if text is not None
    ]
    return len(words) == 2 and words[0] == words[1]


def _tries(text: str) -> int:
    """Fewer for a long text: each try reads all of it."""
    return max(20, min(TRIES, 3_000_000 // (len(text) + 1)))


def _text(raw: bytes) -> Optional[str]:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _whole(candidate: str, text: str, good: Optional[Mapping[str, Any]]) -> Any:
    """Return the parsed candidate, None where it does not parse or its last value may be cut (a
    600 that became a 6) and no good copy confirms it.
    """
    if not _well_formed(_tokens(candidate)):
        return None
    try:
        data = parse(candidate)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    last = _tokens(text)[-1:]
    if last and last[0].kind == "word" and text[last[0].start].isdigit():
        path, value = list(leaves(data))[-1]
        if good is None or dict(leaves(good)).get(path) != value:
            return None
    return data


# -- what may be missing ---------------------------------------------------------------------------
def _candidates(text: str) -> Iterator[str]:
    for cut in [text, *_cuts(text)]:
        yield cut
        missing = _missing(cut)
        if missing is not None:
            yield cut.rstrip() + "\n" + missing + "\n"
        yield from _one_edit(cut)
        if missing is not None and len(missing) == 1:
            yield from _inserted(cut, missing)


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
    if start > 0:
        yield text[start:]


def _one_edit(text: str) -> Iterator[str]:
    """Commas that are gone between two members; an opening brace after a colon; the quote of a
    string; a closing bracket too many.
    """
    tokens = _tokens(text)
    if tokens and tokens[0].kind != "{":
        yield "{" + text
    for number, token in enumerate(tokens):
        if token.kind == "open":
            for each in range(max(0, number - 2), number + 1):  # the quotes before it are shifted
                if tokens[each].kind in ("open", "string"):
                    yield from _quoted(text, tokens, each)
        after = [one.kind for one in tokens[number + 1 : number + 3]]
        if token.kind == ":" and after in (["string", ":"], ["word", ":"]):
            yield text[: token.end] + " {" + text[token.end :]
        elif token.kind == ":" and after[1:] == [","] and text.count("]") > text.count("["):
            yield text[: token.end] + " [" + text[token.end :]
    gaps = [
        one.end
        for one, two in zip(tokens, tokens[1:])
        if one.kind in ("string", "word", "}", "]") and two.kind in ("string", "word", "{", "[")
    ]
    if gaps:
        commas = text
        for at in reversed(gaps):
            commas = commas[:at] + "," + commas[at:]
        yield commas
    if _too_many(tokens):
        for token in reversed([one for one in tokens if one.kind in "}]"]):
            yield text[: token.start] + text[token.end :]


def _quoted(text: str, tokens: List[Token], number: int) -> Iterator[str]:
    """The quote that a string lacks: before the word that it ends, after a key, or where its line
    ends.
    """
    token = tokens[number]
    quote, body = text[token.start], text[token.start : token.end].rstrip()
    before = tokens[number - 1] if number else None
    if before is not None and before.kind == "word" and before.end == token.start:
        yield text[: before.start] + quote + text[before.start :]
    colon = body.find(":")
    for length in (colon, len(body.rstrip(",")), len(body)):
        if length > 0:
            yield text[: token.start + length] + quote + text[token.start + length :]


def _well_formed(tokens: List[Token]) -> bool:
    """Whether brackets, colons and commas stand where they may. Cheap: a parser says the rest."""
    stack: List[str] = []
    before = ""
    for token in tokens:
        kind = "value" if token.kind in ("string", "word") else token.kind
        inside = stack[-1] if stack else ""
        if kind == "open" or not inside and before:
            return False
        if kind in CLOSERS or kind == "value":
            if before not in ("", "{", "[", ",", ":"):
                return False
            if kind in CLOSERS and inside == "{" and before != ":":
                return False
        elif kind == ":" and (inside != "{" or before != "value"):
            return False
        elif kind == "," and before in ("", "{", "[", ",", ":"):
            return False
        elif kind in ("}", "]"):
            if not stack or CLOSERS[stack.pop()] != kind or before == ":":
                return False
            kind = "value" if stack else "end"
        if kind in CLOSERS:
            stack.append(kind)
        before = kind
    return not stack


def _inserted(text: str, bracket: str) -> Iterator[str]:
    """The closing bracket at every place where a value ends, where the indentation fits best
    first.
    """
    tokens = _tokens(text)
    places: List[Tuple[int, int]] = []
    before, after = 0, _misplaced(text, tokens, -1)
    depth = 0
    for one, two in zip(tokens, tokens[1:]):
        depth += (one.kind in CLOSERS) - (one.kind in ("}", "]"))
        if one.kind in ("string", "word", "}", "]", "{", "[") and two.kind in (",", "}", "]"):
            places.append((before + after, one.end))
        elif one.kind == "," and two.kind == "string":
            places.append((before + after, one.start))
        before += _off(text, two, depth)
        after -= _off(text, two, depth - 1)
    for _wrong, at in sorted(places, key=lambda place: (place[0], -place[1])):
        yield text[:at] + bracket + text[at:]


def _misplaced(text: str, tokens: List[Token], shift: int) -> int:
    """How many lines are indented otherwise than their depth, that many levels off, says."""
    depth, wrong = 0, 0
    for one, two in zip(tokens, tokens[1:]):
        depth += (one.kind in CLOSERS) - (one.kind in ("}", "]"))
        wrong += _off(text, two, depth + shift)
    return wrong


def _off(text: str, token: Token, depth: int) -> int:
    line = text.rfind("\n", 0, token.start) + 1
    lead = text[line : token.start]
    if lead.strip():
        return 0  # it does not begin its line
    width = len(lead.replace("\t", "  "))
    return int(width != 2 * (depth - (token.kind in ("}", "]"))))


def _missing(text: str) -> Optional[str]:
    """The closing brackets that are not there; None when there are too many, or a string or comment
    is open.
    """
    stack: List[str] = []
    for token in _tokens(text):
        if token.kind == "open":
            return None
        if token.kind in CLOSERS:
            stack.append(CLOSERS[token.kind])
        elif token.kind in ("}", "]"):
            # a bracket of the other kind: the one before it is what is missing
            if token.kind not in stack:
                return None
            if stack[-1] != token.kind:
                return stack[-1]
            stack.pop()
    return "".join(reversed(stack)) or None


def _too_many(tokens: List[Token]) -> bool:
    closing = sum(token.kind in ("}", "]") for token in tokens)
    return closing > sum(token.kind in ("{", "[") for token in tokens)


def _tokens(text: str) -> List[Token]:
    found: List[Token] = []
    at = 0
    while at < len(text):
        char, start = text[at], at
        if text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            end = text.find("*/", at)
            at = len(text) if end < 0 else end + 2
        elif char in "\"'":
            at = _string_end(text, at)
            closed = at <= len(text) and text[at - 1] == char and at - start > 1
            found.append(Token("string" if closed else "open", start, min(at, len(text))))
        elif char in "{}[]:,":
            at += 1
            found.append(Token(char, start, at))
        elif char.isspace():
            at += 1
        else:
            while at < len(text) and not text[at].isspace() and text[at] not in "{}[]:,\"'":
                at += 1
            found.append(Token("word", start, at))
    return found


def _string_end(text: str, at: int) -> int:
    """The place after the closing quote; where there is none, the end of the line."""
    quote, end = text[at], at + 1
    while end < len(text) and text[end] != quote:
        if text[end] == "\n" and text[end - 1] != "\\":
            return end
        end += 2 if text[end] == "\\" else 1
    return end + 1
