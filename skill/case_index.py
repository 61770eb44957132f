"""What the matcher prepares once per library: a fixed text per signature, parsed keywords, phrases."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from .case_phrases import Phrases
from .model import Case

GRAM = 3  # characters of the prefilter's grams
PHRASES_UP_TO = 1_000  # cases; beyond this phrases are left out (signatures and keywords carry a big library)
_GROUP = re.compile(r"\((?:[^()\\]|\\.)*\)[*+?]?(?:\{[^}]*\})?")
_PLAIN_GROUP = re.compile(r"\((?:\?:)?((?:[^()\\]|\\.)*)\)(?![*?]|\{0)")
_OPTIONAL = re.compile(r"(?:\\.|\[(?:[^\]\\]|\\.)*\]|.)(?:[?*]|\{0[^}]*\})\??")
_LOOSE = re.compile(r"\\[bBAZ]|\\[dDsSwW](?:[+]|\{[^}]*\})?|\[(?:[^\]\\]|\\.)*\](?:[+]|\{[^}]*\})?|\.(?:[+]|\{[^}]*\})?|[\^$]")


class Signature(NamedTuple):
    number: int  # of its case
    pattern: str
    weight: float
    needs: Tuple[str, ...]  # one of these fixed texts is in every line it can match
    also: str
    never: str


class Keyword(NamedTuple):
    groups: Tuple[Tuple[str, ...], ...]  # every group needs one of its words
    weight: int  # 1..4


def literals(pattern: str) -> Tuple[str, ...]:
    """Given a regular expression, answer fixed texts (lower case) of which each matching line contains one; () when there is none."""
    flat = pattern
    for _ in range(4):
        flat, changed = _GROUP.subn("\x00", flat)
        if not changed:
            break
    found = []
    for branch in flat.split("|"):
        branch = _LOOSE.sub("\x00", _OPTIONAL.sub("\x00", branch))
        branch = re.sub(r"\\(.)", r"\1", branch.replace("+", "\x00"))
        found.append(max(branch.split("\x00"), key=len).lower())
    if all(_telling(text) for text in found):
        return tuple(found)
    if len(found) > 1:
        return ()
    for group in _PLAIN_GROUP.findall(pattern):  # no text of its own: a group whose every branch has one
        inside = [literals(branch) for branch in group.split("|")]
        if all(inside):
            return tuple(text for branch in inside for text in branch)
    return ()


def _telling(text: str) -> bool:
    """Three characters, or two Chinese ones."""
    return len(text) >= GRAM or len(text) == 2 and all("\u4e00" <= c <= "\u9fff" for c in text)


def keyword(text: str) -> Keyword:
    body, _, weight = text.rpartition("^")
    if not body or not weight.strip().isdigit():
        body, weight = text, "2"
    groups = tuple(tuple(w.strip().lower() for w in group.split("|") if w.strip()) for group in body.split("&"))
    return Keyword(tuple(g for g in groups if g), min(4, max(1, int(weight))))


class Index:
    """Built lazily and kept for as long as the list of cases lives."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = list(cases)
        self.signatures: List[Signature] = []
        for number, case in enumerate(self.cases):
            for entry in case.raw.get("error_signatures") or case.signatures:
                one: Dict[str, Any] = entry if isinstance(entry, dict) else {"re": entry}
                needs = literals(one["re"])
                if needs:
                    self.signatures.append(
                        Signature(number, one["re"], float(one.get("weight", 1.0)), needs, one.get("with", ""), one.get("without", ""))
                    )
        self.keywords = [[keyword(text) for text in case.keywords] for case in self.cases]
        self._phrases: Optional[Phrases] = None

    def phrases(self) -> Optional[Phrases]:
        """What people say of each case; None for a library too big for it."""
        if self._phrases is None and len(self.cases) <= PHRASES_UP_TO:
            self._phrases = Phrases([list(_said(case)) for case in self.cases])
        return self._phrases


def _said(case: Case) -> Iterable[str]:
    yield from case.raw.get("phrases") or ()
    yield case.title.en
    yield case.title.zh
    for example in case.raw.get("examples") or ():
        if example.get("symptom"):
            yield example["symptom"]


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.I)
