"""A new case from a person's answers or from a recorded incident. What comes out is validated by cases.add."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping

from .errors import UsageError
from .model import Text
from .openclaw.home import Home

_QUESTIONS = {
    "title": Text("What is wrong, in one line?", "一句话说明是什么问题："),
    "signature": Text("A line of the log that only this problem prints (empty: none):", "只有这个问题才会打印的一行日志（没有就留空）："),
    "keywords": Text("Words a person would use, separated by commas:", "人们会怎么说，用逗号分隔："),
    "solution": Text("What should a person do (with the command to type)?", "应该怎么做（写上要输入的命令）："),
}


def ask(lang: str, ident: str) -> Dict[str, Any]:
    """Ask four questions on the terminal. The case only tells a person: repairs are given in a JSON file, with their evidence."""
    import click

    answers = {name: click.prompt(question.to(lang), default="", show_default=False) for name, question in _QUESTIONS.items()}
    return of_answers(ident, answers)


def of_answers(ident: str, answers: Mapping[str, str]) -> Dict[str, Any]:
    """Given the four answers, answer a raw case."""
    title, solution = answers["title"].strip(), answers["solution"].strip()
    case: Dict[str, Any] = {
        "id": ident,
        "slug": slug_of(title) or "user-" + ident.lower(),
        "title": {"en": title, "zh": title},
        "solution": {"en": solution, "zh": solution},
        "keywords": [word.strip() for word in re.split(r"[,，、]", answers["keywords"]) if len(word.strip()) >= 2],
        "repair": "tell-person",
        "params": {},
        "verify": "none",
        "risk": "read",
        "source": "added by the owner",
    }
    line = answers["signature"].strip()
    if line:
        case["error_signatures"] = [pattern_of(line)]
        case["examples"] = [{"symptom": title, "log": line}]
    return case


def pattern_of(line: str) -> str:
    """Given one log line, answer a regular expression that fits it on another machine: numbers and masked parts are left open."""
    from .signature import mask, unwrap

    text = re.sub(r"^(?:<time>|\s)+", "", mask(unwrap(line)))[:160]
    pattern = re.escape(text).replace(r"\ ", " ").replace("<time>", ".{1,40}").replace("<id>", ".{1,64}").replace("<pid>", ".{1,9}")
    return re.sub(r"\d+", r"\\d{1,9}", re.sub(r"\.\{\d+,\d+\}", lambda m: m.group(0).replace("1", "\x01"), pattern)).replace("\x01", "1")


def slug_of(title: str) -> str:
    words: List[str] = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join(words[:5])


def from_incident(home: Home, ident: str) -> Dict[str, Any]:
    """Propose a case from a record of records.json. Raise UsageError when there is no such incident."""
    from . import cases
    from .files import read_json

    value = read_json(home.doctor_dir / "records.json", {"records": []})
    records = value.get("records", []) if isinstance(value, dict) else []
    for record in records:
        if isinstance(record, dict) and str(record.get("id") or record.get("incident") or "") == ident:
            return _of_record(cases.next_id(home), record)
    raise UsageError(
        Text.of("no incident {} in {}", "{1} 中没有事故 {0}", ident, home.doctor_dir / "records.json"),
        Text("`iflow-doctor stats` lists them", "用 `iflow-doctor stats` 查看"),
    )


def _of_record(ident: str, record: Mapping[str, Any]) -> Dict[str, Any]:
    lines = [str(line) for line in record.get("because") or record.get("lines") or []]
    cause = str(record.get("cause") or record.get("root_cause") or record.get("reason") or (lines[0] if lines else "incident " + ident))
    advice = str(record.get("advice") or cause)[:400]
    answers = {"title": cause[:120], "signature": lines[0] if lines else "", "keywords": "", "solution": advice}
    return of_answers(ident, answers)
