"""What the matcher prepares once per library: a fixed text per signature, parsed keywords,
phrases.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from ..files import shipped_path
from ..model import Case
from .phrases import Words, count
from .signature import literals

WORDS_UP_TO = (
    400  # cases; beyond this words are not weighed (signatures and keywords carry a big library)
)
_COMPOUND = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+){2,}")
_WRITER = re.compile(r"(?<![\w-])([a-z][a-z_-]{2,30})(?:\[\d+\])?: ?")
_LATIN = re.compile(r"[A-Za-z][A-Za-z']+")
_ENDING = re.compile(r"(?:s|es|ed|ing)?(?![a-z])")
_TWICE = re.compile(r"(.)\1")
GAIN = {1: 0.16, 2: 0.32, 3: 0.52, 4: 0.72}  # what one keyword of weight 1..4 is worth


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
            # the writer of a line that a case quotes
            own |= {stem(found.group(1)) for text in printed for found in _WRITER.finditer(text)}
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
def subsystems() -> FrozenSet[str]:
    """What stands in brackets at the head of OpenClaw's own log lines."""
    return frozenset(" ".join(_beside("subsystems")).split())


def _beside(name: str) -> List[str]:
    value = json.loads(shipped_path("cases.json").read_text("utf-8"))
    return list(value.get(name) or ()) if isinstance(value, dict) else []


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.I)


def keyword_scores(index: "Index", text: str) -> Dict[int, Tuple[float, str]]:
    """number -> (0..1, the words that spoke)."""
    scores: Dict[int, Tuple[float, str]] = {}
    known: Dict[str, bool] = {}

    def there(word: str) -> bool:
        if word not in known:
            known[word] = _contains(text, word)
        return known[word]

    for number, entries in enumerate(index.keywords):
        left, spoke = 1.0, []
        for entry in entries:
            if all(any(there(word) for word in group) for group in entry.groups):
                left *= 1.0 - GAIN[entry.weight]
                spoke.append(_first(entry, there))
        if spoke:
            scores[number] = (1.0 - left, ", ".join(spoke[:4]))
    return scores


def _contains(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        # A Latin word must stand alone at its start: "port" is not in "support"; its end may be
        # inflected.
        if (
            not (word[0].isascii() and word[0].isalnum())
            or at == 0
            or not (text[at - 1].isascii() and text[at - 1].isalnum())
        ):
            if _ends(text[at + len(word) : at + len(word) + 5], word):
                return True
        at = text.find(word, at + 1)
    return False


def _ends(rest: str, word: str) -> bool:
    """May what follows stand there? No digit after a digit; a short Latin word only takes an
    English ending: "ca" is not in "can".
    """
    if word[-1].isdigit():
        return not rest[:1].isdigit()
    if len(word) <= 3 and word[-1].isascii() and word[-1].isalpha():
        return bool(_ENDING.match(rest))
    return True


def _first(entry: Keyword, there: Callable[[str], bool]) -> str:
    return " + ".join(next(word for word in group if there(word)) for group in entry.groups)


# -- words that are spelt nearly so ----------------------------------------------------------------
def again(word: str, known: FrozenSet[str]) -> bool:
    """To relog is to log again."""
    low = word.lower()
    return any(
        low.startswith(before) and stem(low[len(before) :]) in known
        for before in ("re", "un", "non")
    )


def misspelt(word: str, known: FrozenSet[str]) -> bool:
    """A slip of the hand in a known word of six letters or more: a letter left out, struck twice,
    or two of them swapped.

    Another letter is no slip: names of programs are made of known words that way.
    """
    if len(word) < 6:
        return False
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    low = stem(word)
    alike = [
        other
        for other in known
        if other[:1] == low[:1] and len(other) >= 6 and abs(len(other) - len(low)) <= 1
    ]
    return any(
        _slip(low, other)
        for other, _far, _at in process.extract(
            low, alike, scorer=OSA.distance, score_cutoff=1, limit=None
        )
    )


def _slip(word: str, right: str) -> bool:
    """Of two words one edit apart: no other letter in it."""
    if len(word) == len(right):
        return sorted(word) == sorted(right)
    return len(word) < len(right) or _TWICE.sub(r"\1", word) == _TWICE.sub(r"\1", right)


def stem(word: str) -> str:
    """Without an English ending: what is kept of a word in the vocabulary."""
    word = re.sub(r"['’]s?$|n['’]t$", "", word.lower())
    for end in ("ing", "ed", "es", "ly", "er", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word
