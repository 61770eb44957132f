"""Which known case is it? Signatures first, then weighted keywords, then likeness. "No case fits" ([]) is a good answer.

    certain    a decisive signature (weight >= 0.9, for advice 0.96; several words) in the newest boot's own lines, nothing else as strong
    probable   a good signature, or several keywords that agree
    possible   worth a look; never acted on

Two cases can be certain where the program prints one sentence for two causes (a truncated config says "missing gateway.mode"):
the live evidence of each case decides between them.

Cost: the log is cut to its last signature.MAX_LOG_CHARS; a set of four-character grams of its distinct lines decides which
signatures can match at all, so a library of 10,000 cases costs set look-ups, not regular expressions.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import signature
from .case_index import GRAM, Index, Keyword, compiled, literals
from .model import Case, Confidence, Match
from .scope import Scope, judge

__all__ = ["match", "literals"]

MAX_MATCHES = 5
CERTAIN = 0.9
CERTAIN_ADVICE = 0.96  # for cases that only tell a person: nothing is won by a bolder word
PROBABLE = 0.6
LEAST = 0.36  # below this a match by words alone is noise
LEAST_WITH_LOG = 0.45  # the same beside a log that holds nothing of the case
MARGIN = 0.04  # how far the first of two different classes must lead to be certain
SAID = 0.16  # what a symptom that tells of the case adds to a signature
GAIN = {1: 0.16, 2: 0.32, 3: 0.52, 4: 0.72}  # what one keyword of weight 1..4 is worth
_ENDING = re.compile(r"(?:s|es|ed|ing)?(?![a-z])")
_INDEX: Dict[int, Tuple[Sequence[Case], Index]] = {}


class Hit(NamedTuple):
    weight: float
    line: str
    decisive: bool  # in the log itself, newest boot, more than one word
    age: int


def match(cases: Sequence[Case], symptom: str, log: str, version: str = "", own_log: bool = False) -> List[Match]:
    """Rank the cases that fit what a person says and what the log says. `version` is OpenClaw's, "" when unknown.

    own_log: the log was read from this gateway's own files or journal, so its lines need not name OpenClaw to be certain.
    Lines of several sources must be sorted by time: what stands before the newest boot that became ready is history.
    """
    index = _index(cases)
    symptom = signature.mask(" ".join(symptom[:2000].split()))
    found = signature.lines(log)
    scope = judge(symptom, [line.text for line in found])
    if own_log:
        scope = scope._replace(ours=True)
    if scope.nothing:
        return []
    found = [line for number, line in enumerate(found) if number not in scope.foreign]
    hits = _signature_hits(index, found, symptom)
    spoken = _keyword_scores(index, symptom.lower())
    alike = _likeness(index, symptom) if symptom else {}
    logged = _keyword_scores(index, "\n".join(line.text for line in found[:200]).lower()) if found else {}
    matches = []
    for number in set(hits) | set(spoken) | set(alike) | set(logged):
        one = _weigh(index.cases[number], hits.get(number, []), spoken.get(number), alike.get(number), logged.get(number), scope)
        if one is not None:
            matches.append(one)
    return _rank(matches, scope)


def _index(cases: Sequence[Case]) -> Index:
    known = _INDEX.get(id(cases))
    if known is None or known[0] is not cases or len(known[1].cases) != len(cases):
        _INDEX.clear()
        _INDEX[id(cases)] = known = (cases, Index(cases))
    return known[1]


def _signature_hits(index: Index, found: List[signature.Line], symptom: str) -> Dict[int, List[Hit]]:
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
                    telling = len(seen.group(0)) >= 12 and any(c in seen.group(0) for c in " :_./-=[")
                    weight = sign.weight if line.fresh else sign.weight * 0.75
                    hits.setdefault(sign.number, []).append(Hit(weight, line.text, telling and line.fresh, line.age))
                    break
        else:
            seen = compiled(sign.pattern).search(symptom) if symptom else None
            if seen:
                hits.setdefault(sign.number, []).append(Hit(sign.weight * 0.85, symptom, False, 0))
    return hits


def _may_hold(text: str, grams: Set[str]) -> bool:
    return all(text[i : i + GRAM] in grams for i in range(0, len(text) - GRAM + 1, 2))


def _keyword_scores(index: Index, text: str) -> Dict[int, Tuple[float, str]]:
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
        # A Latin word must stand alone at its start: "port" is not in "support"; its end may be inflected.
        if not (word[0].isascii() and word[0].isalnum()) or at == 0 or not (text[at - 1].isascii() and text[at - 1].isalnum()):
            if _ends(text[at + len(word) : at + len(word) + 5], word):
                return True
        at = text.find(word, at + 1)
    return False


def _ends(rest: str, word: str) -> bool:
    """May what follows stand there? No digit after a digit; a short Latin word only takes an English ending: "ca" is not in "can"."""
    if word[-1].isdigit():
        return not rest[:1].isdigit()
    if len(word) <= 3 and word[-1].isascii() and word[-1].isalpha():
        return bool(_ENDING.match(rest))
    return True


def _first(entry: Keyword, there: Callable[[str], bool]) -> str:
    return " + ".join(next(word for word in group if there(word)) for group in entry.groups)


def _likeness(index: Index, symptom: str) -> Dict[int, Tuple[float, str]]:
    """number -> (0..1, the phrase that is like it), with rapidfuzz for spelling mistakes where phrases say little."""
    known = index.phrases()
    scores = known.alike(symptom) if known else {}
    if not any(score > 0.5 for score, _ in scores.values()):
        for number, found in _fuzzy_titles(index, symptom).items():
            scores[number] = max(found, scores.get(number, found))
    return scores


def _fuzzy_titles(index: Index, symptom: str) -> Dict[int, Tuple[float, str]]:
    from rapidfuzz import fuzz, process

    if len(symptom) < 8:
        return {}
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in symptom) else "en"
    titles = [case.title.to(lang).lower() for case in index.cases]
    best = process.extract(symptom.lower()[:300], titles, scorer=fuzz.token_sort_ratio, limit=3, score_cutoff=72)
    return {number: (score / 100.0 * 0.6, title) for title, score, number in best}


def _weigh(
    case: Case,
    hits: List[Hit],
    spoken: Optional[Tuple[float, str]],
    alike: Optional[Tuple[float, str]],
    logged: Optional[Tuple[float, str]],
    scope: Scope,
) -> Optional[Match]:
    words_said = spoken[0] if spoken else 0.0
    words_logged = logged[0] if logged else 0.0
    told = 1.0 - (1.0 - 0.9 * words_said) * (1.0 - (alike[0] if alike else 0.0))
    because: List[str] = []
    if hits:
        hits = sorted(hits, key=lambda hit: (-hit.weight, hit.age))
        base = hits[0].weight * 0.9 + min(0.06, 0.02 * (len(hits) - 1))
        score = base + SAID * told + 0.03 * words_logged
        because.extend(hit.line[:240] for hit in hits[:3])
        least = CERTAIN_ADVICE if case.repair == "tell-person" else CERTAIN
        decisive = scope.ours and any(hit.decisive and hit.weight >= least for hit in hits)
        confidence = Confidence.CERTAIN if decisive else Confidence.PROBABLE if base >= 0.5 or score >= PROBABLE else Confidence.POSSIBLE
    else:
        # With a log that holds nothing of this case, words alone must be stronger.
        told = told * (0.8 if scope.has_log else 1.0)
        told = 1.0 - (1.0 - told) * (1.0 - 0.35 * words_logged) if told else 0.0
        if told < (LEAST_WITH_LOG if scope.has_log else LEAST):
            return None
        score = 0.75 * told
        confidence = Confidence.PROBABLE if told >= 0.75 else Confidence.POSSIBLE
    if spoken:
        because.append(spoken[1])
    elif alike and alike[0] >= 0.3:
        because.append("~ " + alike[1])
    elif logged and not hits:
        because.append(logged[1])
    if scope.calm and not (hits and hits[0].weight >= CERTAIN):
        return None
    return Match(case, round(score, 3), confidence, tuple(because))


def _rank(matches: List[Match], scope: Scope) -> List[Match]:
    best: Dict[str, Match] = {}
    for one in sorted(matches, key=lambda m: (-m.score, m.case.id)):
        best.setdefault(one.case.id, one)
    ranked = list(best.values())[:MAX_MATCHES]
    if not ranked:
        return []
    first = ranked[0]
    rival = next((m for m in ranked[1:] if m.case.slug != first.case.slug), None)
    unsure = scope.calm or (rival is not None and first.score - rival.score < MARGIN)
    out = []
    for one in ranked:
        confidence = one.confidence
        if confidence is Confidence.CERTAIN and (unsure or first.confidence is not Confidence.CERTAIN):
            confidence = Confidence.PROBABLE
        if one.score < first.score * 0.35:
            continue
        out.append(Match(one.case, min(1.0, one.score), confidence, one.because))
    return out
