"""A JSON object out of text in which a model wrapped it. Data in, data out: nothing of the text is
ever executed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterator, Optional


def find_object(text: str) -> Optional[Dict[str, Any]]:
    """The whole text, a fenced block, or the last balanced {...} that parses to an object; None
    when there is none.
    """
    for candidate in _candidates(text):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def _candidates(text: str) -> Iterator[str]:
    yield text.strip()
    for block in re.findall(r"```(?:json)?\s*(\{.*?\})\s*```", text, re.S):
        yield block
    decoder = json.JSONDecoder()
    starts = [m.start() for m in re.finditer(r"\{", text)][:200]
    whole = []
    end = -1
    for start in starts:
        if start < end:
            continue
        try:
            _, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        whole.append(text[start:end])
    yield from reversed(whole)


def lines(text: str) -> Iterator[Dict[str, Any]]:
    """Each line that is a JSON object (JSONL output of a CLI); everything else is skipped."""
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value
