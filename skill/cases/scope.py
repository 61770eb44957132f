"""Is this about an OpenClaw gateway that is in trouble at all? Other products, advisories, wishes
and quotations are not.
"""

from __future__ import annotations

import re
from typing import FrozenSet, List, NamedTuple, Sequence

from . import scope_patterns as said

EXCERPT = 60  # lines whose words are weighed


class Scope(NamedTuple):
    nothing: bool  # not ours, or nothing that can be repaired
    # the gateway's own status is good: only a decisive signature counts, and never as certain
    calm: bool
    has_log: bool
    ours: bool  # the log or the words name OpenClaw: without it nothing is certain
    foreign: FrozenSet[int]  # numbers of log lines of other products
    doubt: bool  # nothing is said to be wrong
    placeless: bool = (
        False  # words were said, and neither they nor the log hold anything of OpenClaw's world
    )


def judge(
    symptom: str, lines: Sequence[str], known: FrozenSet[str] = frozenset(), own_log: bool = False
) -> Scope:
    """Given what was said, the log's lines and the stems of the words of OpenClaw's world, return
    what may count at all.

    own_log: the lines are this machine's gateway's, whether they name OpenClaw or not.
    """
    foreign = frozenset(
        n
        for n, line in enumerate(lines)
        if said.NO_LOG.search(line) or said.OTHER_LINE.search(line) and not said.CORE.search(line)
    )
    whole = symptom + "\n" + "\n".join(lines[:400])
    core = own_log or bool(said.CORE.search(whole))
    if not core:
        foreign = foreign | frozenset(n for n, line in enumerate(lines) if _elsewhere(line))
    if len(foreign) == len(lines) and said.WORLD.search(symptom):
        foreign = frozenset(
            n for n in foreign if said.NO_LOG.search(lines[n])
        )  # the person says whose they are
    own = [line for n, line in enumerate(lines) if n not in foreign]
    named = said.PROXY.sub(" ", said.OTHER.sub(" ", whole))
    nothing = named != whole and not core and not said.OURS.search(named)
    nothing = nothing or bool(said.OTHER.search(symptom) and not core)
    nothing = nothing or bool(
        said.OWN_WORK.search(symptom) or said.OWN_PROGRAM.search(symptom) and not core
    )
    nothing = nothing or bool(
        said.OWN_TOOL.search(symptom)
        and not core
        and not said.WORLD.search(said.OWN_TOOL.sub(" ", symptom))
    )
    nothing = nothing or bool(said.LOOKALIKE.search(symptom) and not said.NAMED.search(whole))
    nothing = nothing or bool(
        lines
        and (
            not own or foreign and len(lines) <= 15 and not core and not said.WORLD.search(symptom)
        )
    )
    module = any(said.MODULES.search(line) for line in own) and not any(
        said.NPM.search(line) for line in own
    )
    nothing = nothing or module and not core
    nothing = nothing or bool(
        said.ADVISORY.search(symptom)
        or len(own) <= 20
        and any(said.ADVISORY.search(line) for line in own)
    )
    nothing = nothing or any(
        bool(pattern.search(symptom))
        for pattern in (said.WISH, said.SOLVED, said.QUOTED, said.CALM)
    )
    nothing = nothing or bool(
        not own_log and said.FINE.search(symptom) and not said.LOST.search(symptom)
    )
    nothing = nothing or not (symptom.strip() or own)
    trouble = any(said.TROUBLE.search(said.HARMLESS.sub("", line)) for line in own)
    doubt = not trouble and not said.COMPLAINT.search(symptom)
    asked = said.HOWTO.sub(" ", symptom)
    nothing = nothing or bool(own and doubt and all(said.ROUTINE.search(line) for line in own))
    nothing = nothing or bool(
        not trouble
        and (asked != symptom or symptom.endswith(("?", "？")))
        and not said.COMPLAINT.search(asked)
    )
    nothing = nothing or bool(not trouble and said.ASKS.search(symptom))
    nothing = nothing or bool(
        not core and not said.HOUSE.search(symptom) and strange(symptom, known)
    )
    text = "\n".join(own[:400])
    # A program is named in Latin letters, in a Chinese sentence too: without any, no other one is
    # spoken of.
    placeless = bool(said.LATIN.search(symptom)) and not core and not said.WORLD.search(symptom)
    placeless = placeless and not said.OURS.search(text) and not said.SPOKEN.search(text)
    return Scope(
        nothing,
        bool(said.WELL.search(text) and said.RUNNING.search(text)),
        bool(own),
        core,
        foreign,
        doubt,
        placeless,
    )


def _elsewhere(line: str) -> bool:
    """Names another unit, another package or another program's port: read only where nothing names
    OpenClaw.
    """
    unit = said.UNIT.search(line)
    if unit and not said.UNITS.search(unit.group(1)):
        return True
    package = said.PACKAGE.search(line)
    if package and not said.OPENCLAWS.search(package.group(1)):
        return True
    return bool(said.IN_USE.search(line) and said.PORTS.search(line))


def strange(symptom: str, known: FrozenSet[str]) -> str:
    """The first word that nobody of OpenClaw's world uses: the name of another program. "" when
    there is none.

    Many words being unknown is another language, unless English ones stand between them, and says
    nothing.
    """
    if not known:
        return ""
    subject = said.SUBJECT.match(symptom)
    if (
        subject
        and not {subject.group(1).lower(), subject.group(1).lower().replace("_", "-")} & known
    ):
        return str(subject.group(1))
    names = said.NAME.findall(symptom)
    words = [
        part for name in names for part in said.HUMP.split(name) if len(part) > 3 or "-" in name
    ]
    words = [part for word in words for part in word.split("-") if len(part) > 2]
    unknown = [
        word
        for word in words
        if stem(word) not in known
        and not _again(word, known)
        and not (word.isupper() and len(word) > 5)
    ]
    if len(unknown) > 1 and len(unknown) * 3 >= len(words) and not said.ENGLISH.search(symptom):
        return ""
    made_up = [
        name
        for name in names + said.SNAKE.findall(symptom)
        if (name.count("-") > 1 or name.count("_") > 1 or said.CAMEL.match(name))
        and name.lower() not in known
        and stem(name) not in known
    ]
    if made_up:
        return str(made_up[0])
    return next((word for word in unknown if not _misspelt(word, known)), "")


def _again(word: str, known: FrozenSet[str]) -> bool:
    """To relog is to log again."""
    low = word.lower()
    return any(
        low.startswith(before) and stem(low[len(before) :]) in known
        for before in ("re", "un", "non")
    )


def _misspelt(word: str, known: FrozenSet[str]) -> bool:
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
    return len(word) < len(right) or said.TWICE.sub(r"\1", word) == said.TWICE.sub(r"\1", right)


def stem(word: str) -> str:
    """Without an English ending: what is kept of a word in the vocabulary."""
    word = re.sub(r"['’]s?$|n['’]t$", "", word.lower())
    for end in ("ing", "ed", "es", "ly", "er", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word


def telling(lines: Sequence[str]) -> List[str]:
    """The lines (newest first) whose words count: those that speak of trouble; of a short excerpt
    all that are no routine.
    """
    lines = [line for line in (said.HARMLESS.sub("", line) for line in lines) if line.strip()]
    trouble = [line for line in lines if said.TROUBLE.search(line)]
    return (
        trouble
        if len(lines) > EXCERPT
        else [line for line in lines if line in trouble or not said.ROUTINE.search(line)]
    )[:EXCERPT]
