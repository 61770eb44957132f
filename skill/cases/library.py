"""The case library: cases.json of the product, overridden and extended by the user's own. A case is
data, never Python.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ..errors import SettingsError
from ..files import private_dir, read_json, shipped_path, write_json
from ..locks import owned_lock
from ..model import Case, Evidence, Risk, Text
from ..openclaw.home import Home
from ..store.records import PROVEN
from . import signature

SHIPPED = shipped_path("cases.json")
SCHEMA = Path(__file__).resolve().parent.parent / "data" / "case.schema.json"
# cases of one file that are checked against the whole schema at load; beyond it the first ones are
MAX_CHECKED = 1_000
USER_FILE = "cases.json"
REMEDY = "correct the entry or remove it, or write cases with `iflow-doctor add-case`"


@lru_cache(maxsize=1)
def shipped() -> List[Case]:
    """The product's own cases, the same list at each call: what the matcher prepares for it is kept
    with it. They are checked by the tests, not at every start.
    """
    return [build(raw) for raw in entries(SHIPPED)]


def load(home: Optional[Home] = None) -> List[Case]:
    """Shipped cases with the user's over them by id. Raise SettingsError for a broken user file:
    see load_or_shipped.
    """
    if home is None:
        return shipped()
    path = str(home.doctor_dir / USER_FILE)
    found = entries(Path(path))
    if not found:
        return shipped()
    known = _LOADED.get(path)
    if known is None or known[0] != found:
        merged = {case.id: case for case in shipped()}
        merged.update({case.id: case for case in _built(path, found)})
        kept = [case for case in merged.values() if case.raw.get("status") != "rejected"]
        _LOADED.clear()
        _LOADED[path] = known = (found, kept)
    return known[1]


# The user's entries as last read, and the list made of them: a visit looks a dozen times, and what
# the matcher prepares for a list is kept with it.
_LOADED: Dict[str, Tuple[List[Mapping[str, Any]], List[Case]]] = {}


def load_or_shipped(home: Optional[Home] = None) -> Tuple[List[Case], Optional[SettingsError]]:
    """As load; a broken user file is answered beside the shipped cases, which always work."""
    try:
        return load(home), None
    except SettingsError as error:
        return shipped(), error


def _built(path: str, found: List[Mapping[str, Any]]) -> List[Case]:
    """The user's own and learned cases. Raise SettingsError naming file, index and place of every
    fault.
    """
    issues = faults(found[:MAX_CHECKED])
    if issues:
        raise SettingsError(path, issues, REMEDY)
    return [build(raw, str(raw.get("source_kind") or "user")) for raw in found]


def entries(path: Path) -> List[Mapping[str, Any]]:
    """The list of raw cases in a file: `{"version": 1, "cases": [...]}` or a bare list. [] where
    there is no file.
    """
    value = read_json(path, {"cases": []})
    found = value.get("cases") if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise SettingsError(
            str(path),
            [
                Text(
                    'must be {"version": 1, "cases": [...]}',
                    '必须是 {"version": 1, "cases": [...]}',
                )
            ],
            REMEDY,
        )
    return found


def faults(raw_cases: Iterable[Mapping[str, Any]]) -> List[str]:
    """Every fault of these cases as "cases[2].title.zh: ...": schema, regular expressions,
    duplicate ids.
    """
    from jsonschema import Draft7Validator

    validator = Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    issues: List[str] = []
    seen: Dict[str, int] = {}
    for index, raw in enumerate(raw_cases):
        for error in validator.iter_errors(raw):
            place = "".join(
                "[{}]".format(p) if isinstance(p, int) else "." + p for p in error.absolute_path
            )
            issues.append("cases[{}]{}: {}".format(index, place, error.message[:200]))
        if isinstance(raw.get("id"), str):
            if raw["id"] in seen:
                issues.append(
                    "cases[{}].id: {} is already cases[{}]".format(
                        index, raw["id"], seen[raw["id"]]
                    )
                )
            seen[raw["id"]] = index
        issues.extend("cases[{}].{}".format(index, issue) for issue in _pattern_faults(raw))
    return issues


def _pattern_faults(raw: Mapping[str, Any]) -> Iterable[str]:
    for number, written in enumerate(raw.get("error_signatures") or []):
        entry = written if isinstance(written, dict) else {"re": written}
        for name in ("re", "with", "without"):
            pattern = entry.get(name)
            if not isinstance(pattern, str):
                continue
            place = "error_signatures[{}].{}".format(number, name)
            try:
                re.compile(pattern)
            except re.error as error:
                yield "{}: not a regular expression: {}".format(place, error)
                continue
            if re.search(r"[*+}]\)?[*+]|\([^()]*[*+][^()]*\)[*+{]", pattern):
                yield (
                    "{}: nested repetition can take forever on a hostile line; bound it, e.g. "
                    ".{{0,80}}"
                ).format(place)
            if name == "re" and not signature.literals(pattern):
                yield (
                    "{}: needs a fixed text of at least three characters outside optional parts"
                ).format(place)


def build(raw: Mapping[str, Any], source: str = "shipped") -> Case:
    """Given a raw case that passed `faults`, return the value."""
    evidence = raw.get("evidence") or {}
    return Case(
        id=raw["id"],
        slug=raw["slug"],
        title=Text(raw["title"]["en"], raw["title"]["zh"]),
        solution=Text(raw["solution"]["en"], raw["solution"]["zh"]),
        signatures=tuple(
            s if isinstance(s, str) else s["re"] for s in raw.get("error_signatures") or ()
        ),
        keywords=tuple(raw.get("keywords") or ()),
        evidence=Evidence(
            tuple(evidence.get("all", ())),
            tuple(evidence.get("any", ())),
            tuple(evidence.get("none", ())),
        ),
        repair=raw["repair"],
        params=raw.get("params") or {},
        verify=raw.get("verify") or "ready",
        risk=Risk(raw["risk"]),
        source=source,
        raw=raw,
    )


def add(home: Home, raw: Mapping[str, Any]) -> Case:
    """Validate one case, then write it to the user's file (replacing one with the same id). Raise
    SettingsError, AlreadyRunning.
    """
    path = home.doctor_dir / USER_FILE
    issues = faults([raw])
    if issues:
        raise SettingsError(
            Text("the new case", "新案例"), issues, Text("nothing was written", "没有写入任何内容")
        )
    private_dir(home.doctor_dir)
    with owned_lock(home.doctor_dir / "cases.lock", "add-case"):
        kept = [entry for entry in entries(path) if entry.get("id") != raw["id"]]
        write_json(path, {"version": 1, "cases": kept + [dict(raw)]})
    return build(raw, "user")


def next_id(home: Home) -> str:
    """The first free USER-nnn."""
    used = {entry.get("id") for entry in entries(home.doctor_dir / USER_FILE)}
    return next(
        "USER-{:03d}".format(n)
        for n in range(1, len(used) + 2)
        if "USER-{:03d}".format(n) not in used
    )


def find(cases: Iterable[Case], name: str) -> Optional[Case]:
    """By id (any case) or by slug."""
    wanted = name.strip().lower()
    chosen = list(cases)
    found = [case for case in chosen if case.id.lower() == wanted] or [
        case for case in chosen if case.slug == wanted
    ]
    return found[0] if found else None


def standing(case: Case, store: Any) -> str:
    """ "" for an ordinary case; else proposed (1 of 3 proofs), active (by a person), rejected;
    demoted for any that keeps failing.
    """
    status = str(case.raw.get("status") or "")
    if case.repair != "tell-person" and store.demoted(case.id):
        return "demoted"
    if status == "proposed":
        good = sum(proof["outcome"] == "healed" for proof in case.raw.get("proofs") or [])
        return "proposed ({} of {} proofs)".format(good, PROVEN)
    return (
        "active ({})".format(case.raw["approved"])
        if status == "active" and case.raw.get("approved")
        else status
    )


# -- a case of a person's own ----------------------------------------------------------------------
QUESTIONS = {
    "title": Text("What is wrong, in one line?", "一句话说明是什么问题："),
    "signature": Text(
        "A line of the log that only this problem prints (empty: none):",
        "只有这个问题才会打印的一行日志（没有就留空）：",
    ),
    "keywords": Text(
        "Words a person would use, separated by commas:", "人们会怎么说，用逗号分隔："
    ),
    "solution": Text(
        "What should a person do (with the command to type)?", "应该怎么做（写上要输入的命令）："
    ),
}


def ask(lang: str, ident: str) -> Dict[str, Any]:
    """Ask four questions on the terminal. The case only tells a person: repairs are given in a JSON
    file, with their evidence.
    """
    import click

    answers = {
        name: click.prompt(question.to(lang), default="", show_default=False)
        for name, question in QUESTIONS.items()
    }
    return of_answers(ident, answers)


def of_answers(ident: str, answers: Mapping[str, str]) -> Dict[str, Any]:
    """Given the four answers, return a raw case."""
    title, solution = answers["title"].strip(), answers["solution"].strip()
    case: Dict[str, Any] = {
        "id": ident,
        "slug": slug_of(title) or "user-" + ident.lower(),
        "title": {"en": title, "zh": title},
        "solution": {"en": solution, "zh": solution},
        "keywords": [
            word.strip()
            for word in re.split(r"[,，、]", answers["keywords"])
            if len(word.strip()) >= 2
        ],
        "repair": "tell-person",
        "params": {},
        "verify": "none",
        "risk": "read",
        "source": "added by the owner",
    }
    line = answers["signature"].strip()
    if line:
        case["error_signatures"] = [signature.pattern_of(line)]
        case["examples"] = [{"symptom": title, "log": line}]
    return case


def slug_of(title: str) -> str:
    """Return the first words of an English title, joined by hyphens."""
    words: List[str] = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join(words[:5])
