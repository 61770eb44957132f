"""What the matcher prepares once per library: a fixed text per signature, parsed keywords,
phrases.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..files import shipped_path
from ..model import Case
from .phrases import Words, count
from .scope import stem
from .signature import literals

WORDS_UP_TO = (
    400  # cases; beyond this words are not weighed (signatures and keywords carry a big library)
)
_COMPOUND = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+){2,}")
_LATIN = re.compile(r"[A-Za-z][A-Za-z']+")


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


def keyword(text: str) -> Keyword:
    body, _, weight = text.rpartition("^")
    if not body or not weight.strip().isdigit():
        body, weight = text, "2"
    groups = tuple(
        tuple(w.strip().lower() for w in group.split("|") if w.strip()) for group in body.split("&")
    )
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
                        Signature(
                            number,
                            one["re"],
                            float(one.get("weight", 1.0)),
                            needs,
                            one.get("with", ""),
                            one.get("without", ""),
                        )
                    )
        self.keywords = [[keyword(text) for text in case.keywords] for case in self.cases]
        self._words: Optional[Tuple[Words, Words]] = None
        self._known: Optional[FrozenSet[str]] = None

    def known(self) -> FrozenSet[str]:
        """Stems of every word of OpenClaw's documentation and of these cases; empty for a library
        too big for it.
        """
        if self._known is None:
            texts = (
                [text for case in self.cases for text, _ in _said(case)]
                if len(self.cases) <= WORDS_UP_TO
                else []
            )
            printed = [text for case in self.cases for text, _ in _printed(case)] if texts else []
            own = {stem(word) for text in texts for word in _LATIN.findall(text)} | {
                name.lower() for text in texts + printed for name in _COMPOUND.findall(text)
            }
            self._known = frozenset((own | vocabulary()) - strangers()) if texts else frozenset()
        return self._known

    def words(self) -> Optional[Tuple[Words, Words]]:
        """What speaks for each case in a person's words and in a log; None for a library too big
        for it.
        """
        if self._words is None and len(self.cases) <= WORDS_UP_TO:
            said = count(
                (number, text, worth)
                for number, case in enumerate(self.cases)
                for text, worth in _said(case)
            )
            printed = count(
                (number, text, worth)
                for number, case in enumerate(self.cases)
                for text, worth in _printed(case)
            )
            self._words = Words(said), Words(said, printed)
        return self._words


def _said(case: Case) -> Iterable[Tuple[str, float]]:
    """How people tell of the case: (text, how much it counts)."""
    for text in case.raw.get("phrases") or ():
        yield text, 1.0
    yield case.title.en, 1.0
    yield case.title.zh, 1.0
    for example in case.raw.get("examples") or ():
        yield example.get("symptom") or "", 1.0
    for text in case.keywords:
        yield " ".join(word for group in keyword(text).groups for word in group), 0.5


def _printed(case: Case) -> Iterable[Tuple[str, float]]:
    """What programs print of it."""
    for pattern in case.signatures:
        for text in literals(pattern):
            yield text, 1.0
    for example in case.raw.get("examples") or ():
        yield example.get("log") or "", 1.0


@lru_cache(maxsize=1)
def vocabulary() -> FrozenSet[str]:
    """Word stems of OpenClaw's documentation and its compounds (with hyphens), kept beside the
    shipped cases.
    """
    return frozenset(" ".join(_beside("vocabulary") + _beside("compounds")).split())


@lru_cache(maxsize=1)
def strangers() -> FrozenSet[str]:
    """Stems of the names of programs that fail with the same words and are not OpenClaw."""
    return frozenset(stem(name) for name in " ".join(_beside("strangers")).split())


@lru_cache(maxsize=1)
def common() -> FrozenSet[str]:
    """Classes whose errors any program prints: a full quota, a certificate, a heap."""
    return frozenset(" ".join(_beside("common")).split())


def _beside(name: str) -> List[str]:
    value = json.loads(shipped_path("cases.json").read_text("utf-8"))
    return list(value.get(name) or ()) if isinstance(value, dict) else []


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.I)
