"""What the matcher prepares once per library: a fixed text per signature, parsed keywords, weighted words."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .model import Case

GRAM = 3  # characters of the prefilter's grams
WORDS_UP_TO = 1_000  # cases; beyond this the weighted words are left out (signatures and keywords carry a big library)
_STOP = set(
    "the and for with that this from not has have was are but you your can its it's when after then than into does did will all any per "
    "get got one two now out off too just only still every each again says say said openclaw clawdbot moltbot gateway error "
    "failed fails fail bot issue problem log logs message messages line lines via use used using new old why how what which "
    "there their them they been being "
    "一个 出现 提示 报错 错误 问题 怎么 什么 为什么 可以 不能 一直 现在 之后 以后 没有".split()
)
_WORD = re.compile(r"[a-z][a-z0-9_']{2,}|\d{3,5}")
_CJK = re.compile(r"[\u4e00-\u9fff]+")
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


def words(text: str) -> Set[str]:
    """English words and Chinese character pairs that carry meaning."""
    low = text.lower()
    found = {w for w in _WORD.findall(low) if w not in _STOP}
    for run in _CJK.findall(low):
        found.update(pair for pair in (run[i : i + 2] for i in range(len(run) - 1)) if pair not in _STOP)
    return found


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
        self._words: Optional[List[Set[str]]] = None
        self._idf: Dict[str, float] = {}

    def weighted_words(self) -> Tuple[List[Set[str]], Dict[str, float]]:
        if self._words is None:
            self._words = []
            if len(self.cases) <= WORDS_UP_TO:
                self._words = [words(" ".join(_texts(case))) for case in self.cases]
                count = Counter(word for found in self._words for word in found)
                self._idf = {word: math.log(1 + len(self.cases) / times) for word, times in count.items()}
        return self._words, self._idf


def _texts(case: Case) -> Iterable[str]:
    yield case.title.en
    yield case.title.zh
    yield case.slug.replace("-", " ")
    yield re.sub(r"[&|^]", " ", " ".join(case.keywords))
    for example in case.raw.get("examples") or ():
        yield example.get("symptom", "")


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.I)
