"""The result of a drill for people (a table) and for programs (JSON)."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from typing import Any, Dict, Optional, Sequence

from ..errors import both
from ..model import Healed, Text
from ..watchdog import decision_texts
from .evidence import WORDS
from .runner import Result

HEADS = (
    Text("fault", "故障"),
    Text("expected", "预期"),
    Text("outcome", "结果"),
    Text("detected after", "发现用时"),
    Text("healed after", "恢复用时"),
    Text("plain start", "正常启动"),
    Text("by what", "由谁修复"),
    Text("verdict", "判定"),
)
OK, WRONG = Text("ok", "通过"), Text("WRONG", "不符")


def to_json(results: Sequence[Result], skipped: Sequence[Dict[str, str]] = ()) -> Dict[str, Any]:
    return {"faults": [_row(result) for result in results], "skipped": list(skipped)}


def _row(result: Result) -> Dict[str, Any]:
    return {
        "id": result.fault.id,
        "title": result.fault.title.en,
        "family": result.fault.family,
        "outcome": result.outcome,
        "expected": result.fault.expect,
        "as_expected": result.as_expected,
        "detected_s": result.detected_s,
        "healed_s": result.healed_s,
        "boot_s": result.boot_s,
        "by": {"level": result.by.level, "how": result.by.how} if result.by else None,
        "cause": result.cause,
        "restarts": result.restarts,
        "actions": [asdict(one) for one in result.actions],
        "config_changed": bool(result.config_diff),
        "config_diff": result.config_diff,
        "files_changed": result.files_changed,
        "oracle": result.oracle,
        "detail": both(result.detail).en,
        "kept": result.kept,
        "timeline": result.timeline,
    }


def _healer(by: Optional[Healed]) -> Text:
    if by is None:
        return Text("-", "-")
    if by.level == 0:
        return decision_texts.healer(by)
    return Text.of("level {}: {}", "第 {} 级：{}", by.level, decision_texts.healer(by))


def table(results: Sequence[Result], lang: str) -> str:
    rows = [[head.to(lang) for head in HEADS]]
    for result in results:
        rows.append(
            [
                result.fault.id,
                WORDS[result.fault.expect].to(lang),
                WORDS[result.outcome].to(lang),
                seconds(result.detected_s),
                seconds(result.healed_s),
                seconds(result.boot_s),
                _healer(result.by).to(lang),
                (OK if result.as_expected else WRONG).to(lang),
            ]
        )
    widths = [max(width(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = [
        "  ".join(cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * size for size in widths))
    lines += [
        "  {}: {}".format(result.fault.id, both(result.detail).to(lang))
        for result in results
        if both(result.detail).en
    ]
    return "\n".join(lines)


def summary(results: Sequence[Result], lang: str) -> str:
    good = sum(result.as_expected for result in results)
    return Text(
        "{} of {} faults ended as expected.".format(good, len(results)),
        "{} 个故障中 {} 个符合预期。".format(len(results), good),
    ).to(lang)


def seconds(value: Optional[float]) -> str:
    return "-" if value is None else "{:.1f} s".format(value)


def width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
