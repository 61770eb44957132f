"""Read JSON5 by meaning, as far as configs use it: comments, trailing commas, bare keys, single
quotes, hexadecimal numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List

TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\s+|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{}\[\],:]|[^\s{}\[\],:"']+""",
    re.DOTALL,
)
NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)$")


def loads(text: str) -> Any:
    """Return the value. Raise ValueError for what cannot be read."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    tokens = []
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError("not JSON5 at character {}".format(at))
        at = found.end()
        word = found.group()
        if not word.isspace() and not word.startswith(("//", "/*")):
            tokens.append(word)
    out: List[str] = []
    for number, word in enumerate(tokens):
        after = tokens[number + 1] if number + 1 < len(tokens) else ""
        if word == "," and after in ("}", "]"):
            continue
        out.append(_plain(word, after))
    return json.loads("".join(out))


def _plain(word: str, after: str) -> str:
    if word[0] in "{}[],:":
        return word
    if word[0] == '"':
        return word.replace("\\\n", "")
    if word[0] == "'":
        inner = word[1:-1].replace("\\'", "'").replace('"', '\\"')
        return '"' + inner + '"'
    if after == ":":
        return json.dumps(word)
    if NUMBER.match(word):
        digits = word.lstrip("+")
        if "x" in digits.lower():
            return str(int(digits, 16))
        return str(float(digits)) if digits.startswith(".") or digits.endswith(".") else digits
    if word in ("true", "false", "null"):
        return word
    raise ValueError("not JSON5: {}".format(word[:20]))


def leaves(value: Any, at: str = "") -> Dict[str, Any]:
    """Return every leaf of a value by its dotted path; empty maps and lists are no leaves."""
    if isinstance(value, dict):
        return {
            k: v for name, each in value.items() for k, v in leaves(each, _join(at, name)).items()
        }
    if isinstance(value, list):
        pairs = ((str(number), each) for number, each in enumerate(value))
        return {k: v for name, each in pairs for k, v in leaves(each, _join(at, name)).items()}
    return {at: value}


def _join(at: str, name: str) -> str:
    return at + "." + name if at else name
