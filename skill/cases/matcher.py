"""Which known case is it? Signatures first, beside them the words that were said and printed. "No
case fits" ([]) is a good answer.

    certain a decisive signature (weight >= 0.9, for advice 0.96; several words) in the newest
    boot's own lines, nothing else as strong probable a good signature, or words that speak plainly
    for the case possible worth a look; never acted on

Evidence adds up in natural-log units: a signature's weight, the words of the person and of the log
(case_phrases), keywords.

Two cases can be certain where the program prints one sentence for two causes (a truncated config
says "missing gateway.mode"): the live evidence of each case decides between them.

Cost: the log is cut to its last signature.MAX_LOG_CHARS; a set of four-character grams of its
distinct lines decides which signatures can match at all, so a library of 10,000 cases costs set
look-ups, not regular expressions.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..model import Case, Confidence, Match
from . import signature
from .index import Index, compiled, keyword_scores
from .phrases import Told
from .scope import Scope, judge, routine, telling
from .signature import GRAM, literals

__all__ = ["match", "literals"]

MAX_MATCHES = 5
CERTAIN = 0.9
CERTAIN_ADVICE = 0.96  # for cases that only tell a person: nothing is won by a bolder word
# Natural-log units, as case_phrases.Told: what each kind of evidence is worth beside the words of a
# person.
SIGNATURE = 16.0  # a signature of weight 1.0
PRINTED = 0.35  # of what the words of a log say: they repeat themselves more than a person does
KEYWORDS = 2.0  # all keywords of a case together
ALIKE = 4.0  # a title that is spelt nearly so
PROBABLE = 9.0
LEAST = 1.5  # below this a match by a person's words alone is noise
LEAST_LOG = 3.0  # the same for the words of a log
# The best match must reach this, or none is shown: another program's trouble finds words too
# (measured on 265 incidents of others).
LEAST_FIRST = {
    (True, False): 5.0,
    (False, True): 4.0,
    (True, True): 12.0,
}  # (something was said, something was printed)
LEAST_DOUBT = 8.0  # the same where nothing is said to be wrong
FULL = 20.0  # counts as 1.0 in the score that is shown
STRONG = 0.85  # a signature of this weight in the log decides which cases words may rank
NEAR = 0.13  # weights this near to the best are as good
WORTH_A_LOOK = 0.25  # of the first score: below it a match is not shown
MARGIN = 0.04  # of the score: how far the first of two different classes must lead to be certain
WARNING = re.compile(r"^(?:<time> )?\W{0,3}(?:[Ww]arn(?:ing)?\b|WARN)|(?i:config warnings?:)")
ERROR = re.compile(r"\b(?:error|fatal|fail(?:ed|ure)?|crash\w*|refus\w*|uncaught)\b", re.I)
_INDEX: Dict[int, Tuple[Sequence[Case], Index]] = {}


class Hit(NamedTuple):
    weight: float
    line: str
    decisive: bool  # in the log itself, newest boot, more than one word
    age: int
    printed: bool = True  # by the program, not said by the person


def match(
    cases: Sequence[Case], symptom: str, log: str, version: str = "", own_log: bool = False
) -> List[Match]:
    """Rank the cases that fit what a person says and what the log says. `version` is OpenClaw's, ""
    when unknown.

    own_log: it is about this machine's gateway: the log was read from its own files or journal, so
    its lines need not name OpenClaw to be certain, and a word that nobody of OpenClaw's world uses
    is a slip, not another program.
    Lines of several sources must be sorted by time: what stands before the newest boot that became
    ready is history.
    """
    index = _index(cases)
    symptom = signature.mask(" ".join(symptom[:2000].split()))
    found = signature.lines(log)
    scope = judge(
        symptom,
        [line.text for line in found],
        frozenset() if own_log else index.known(),
        own_log,
    )
    if scope.nothing:
        return []
    found = [line for number, line in enumerate(found) if number not in scope.foreign]
    if scope.doubt and not symptom:
        found = [line for line in found if not routine(line.text)]
    hits = _causes_first(_signature_hits(index, found, symptom))
    spoken = keyword_scores(index, symptom.lower())
    words = index.words()
    said = words[0].weigh(symptom) if words and symptom else {}
    printed = (
        words[1].weigh("\n".join(telling([line.text for line in found]))) if words and found else {}
    )
    alike = _fuzzy_titles(index, symptom) if symptom and not hits else {}
    matches = []
    for number in set(hits) | set(spoken) | set(said) | set(printed) | set(alike):
        one = _weigh(
            index.cases[number],
            hits.get(number, []),
            spoken.get(number),
            said.get(number),
            printed.get(number),
            alike.get(number),
            scope,
        )
        if one is not None:
            matches.append(one)
    ranked = _rank(matches, _allowed(index, hits))
    least = 0.0 if own_log else LEAST_FIRST.get((bool(symptom), bool(found)), 0.0) / FULL
    sure = bool(ranked) and ranked[0].confidence is Confidence.CERTAIN
    return ranked if ranked and (sure or ranked[0].score >= least) else []


def _causes_first(hits: Dict[int, List[Hit]]) -> Dict[int, List[Hit]]:
    """A warning beside an error is no cause: it weighs less where another line says more."""
    if all(_warns(hit) for several in hits.values() for hit in several):
        return hits
    return {
        number: [hit._replace(weight=hit.weight * 0.85) if _warns(hit) else hit for hit in several]
        for number, several in hits.items()
    }


def _warns(hit: Hit) -> bool:
    return hit.printed and bool(WARNING.search(hit.line)) and not ERROR.search(hit.line)


def _allowed(index: Index, hits: Dict[int, List[Hit]]) -> FrozenSet[str]:
    """The cases that a strong line of the log supports; empty when there is none. Words rank them,
    and put none of the others before them.
    """
    best = {
        number: max((hit.weight for hit in several if hit.printed), default=0.0)
        for number, several in hits.items()
    }
    most = max(best.values(), default=0.0)
    if most < STRONG:
        return frozenset()
    return frozenset(
        index.cases[number].id for number, weight in best.items() if weight >= most - NEAR
    )


def _index(cases: Sequence[Case]) -> Index:
    known = _INDEX.get(id(cases))
    if known is None or known[0] is not cases or len(known[1].cases) != len(cases):
        _INDEX.clear()
        _INDEX[id(cases)] = known = (cases, Index(cases))
    return known[1]


def _signature_hits(
    index: Index, found: List[signature.Line], symptom: str
) -> Dict[int, List[Hit]]:
    lows = [line.text.lower() for line in found]
    whole = "\n".join(lows) + "\n" + symptom.lower()
    grams = {whole[i : i + GRAM] for i in range(len(whole) - GRAM + 1)}
    hits: Dict[int, List[Hit]] = {}
    for sign in index.signatures:
        needs = [text for text in sign.needs if _may_hold(text, grams) and text in whole]
        if not needs:
            continue
        if sign.never and compiled(sign.never).search(whole):
            continue
        if sign.also and not compiled(sign.also).search(whole):
            continue
        for line, low in zip(found, lows):
            if any(text in low for text in needs):
                seen = compiled(sign.pattern).search(line.text)
                if seen:
                    telling = len(seen.group(0)) >= 12 and any(
                        c in seen.group(0) for c in " :_./-=["
                    )
                    weight = sign.weight if line.fresh else sign.weight * 0.75
                    hits.setdefault(sign.number, []).append(
                        Hit(weight, line.text, telling and line.fresh, line.age)
                    )
                    break
        else:
            seen = compiled(sign.pattern).search(symptom) if symptom else None
            if seen:
                hits.setdefault(sign.number, []).append(
                    Hit(sign.weight * 0.85, symptom, False, 0, False)
                )
    return hits


def _may_hold(text: str, grams: Set[str]) -> bool:
    return all(text[i : i + GRAM] in grams for i in range(0, len(text) - GRAM + 1, 2))


def _fuzzy_titles(index: Index, symptom: str) -> Dict[int, Tuple[float, str]]:
    from rapidfuzz import fuzz, process

    if len(symptom) < 8:
        return {}
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in symptom) else "en"
    titles = [case.title.to(lang).lower() for case in index.cases]
    best = process.extract(
        symptom.lower()[:300], titles, scorer=fuzz.token_sort_ratio, limit=3, score_cutoff=72
    )
    return {number: (score / 100.0 * 0.6, title) for title, score, number in best}


def _weigh(
    case: Case,
    hits: List[Hit],
    spoken: Optional[Tuple[float, str]],
    said: Optional[Told],
    printed: Optional[Told],
    alike: Optional[Tuple[float, str]],
    scope: Scope,
) -> Optional[Match]:
    told = (
        (said.weight if said else 0.0)
        + KEYWORDS * (spoken[0] if spoken else 0.0)
        + ALIKE * (alike[0] if alike else 0.0)
    )
    shown = PRINTED * (printed.weight if printed else 0.0)
    because: List[str] = []
    confidence = Confidence.POSSIBLE
    base = 0.0
    if hits:
        hits = sorted(hits, key=lambda hit: (-hit.weight, hit.age))
        base = hits[0].weight * 0.9 + min(0.06, 0.02 * (len(hits) - 1))
        because.extend(hit.line[:240] for hit in hits[:3])
        least = CERTAIN_ADVICE if case.repair == "tell-person" else CERTAIN
        if scope.ours and any(hit.decisive and hit.weight >= least for hit in hits):
            confidence = Confidence.CERTAIN
        elif base >= 0.5:
            confidence = Confidence.PROBABLE
    total = SIGNATURE * base + told + shown
    if total < (LEAST if said else LEAST_LOG) or scope.doubt and not hits and told < LEAST_DOUBT:
        return None
    if confidence is Confidence.POSSIBLE and total >= PROBABLE:
        confidence = Confidence.PROBABLE
    if spoken:
        because.append(spoken[1])
    elif said and said.weight > 2 and said.words:
        because.append("~ " + said.words)
    elif printed and printed.weight > 4 and not hits:
        because.append("~ " + printed.words)
    return Match(case, round(total / FULL, 3), confidence, tuple(because))


def _rank(matches: List[Match], allowed: FrozenSet[str]) -> List[Match]:
    """Best first; cases that are only proposed after all others, so that they take nothing from a
    case that may act.
    """
    proposed = [one for one in matches if one.case.raw.get("status") == "proposed"]
    return (
        _ranked([one for one in matches if one not in proposed], allowed)
        + _ranked(proposed, allowed)
    )[:MAX_MATCHES]


def _ranked(matches: List[Match], allowed: FrozenSet[str]) -> List[Match]:
    best: Dict[str, Match] = {}
    for one in sorted(matches, key=lambda m: (m.case.id not in allowed, -m.score, m.case.id)):
        best.setdefault(one.case.id, one)
    ranked = list(best.values())[:MAX_MATCHES]
    if not ranked:
        return []
    first = ranked[0]
    rival = next((m for m in ranked[1:] if m.case.slug != first.case.slug), None)
    unsure = rival is not None and first.score - rival.score < MARGIN
    out = []
    for one in ranked:
        confidence = one.confidence
        if confidence is Confidence.CERTAIN and (
            unsure or first.confidence is not Confidence.CERTAIN
        ):
            confidence = Confidence.PROBABLE
        if one.score < first.score * WORTH_A_LOOK:
            continue
        out.append(Match(one.case, min(1.0, one.score), confidence, one.because))
    return out
