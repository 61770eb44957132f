"""What stays of an AI run, 0600 and without secrets: one JSON line per call, the day's budget,
progress for a person who watches, and a Markdown report of what was found and done.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ...errors import SettingsError
from ...files import (
    append_line,
    private_dir,
    read_json,
    set_aside,
    write_atomic,
    write_json,
)
from ...model import Outcome, Text
from ...openclaw.home import Home
from ...redact import Redactor

MAX_BYTES = 2_000_000
KEEP = 5
KEEP_REPORTS = 50


def folder(home: Home) -> Any:
    return private_dir(private_dir(home.doctor_dir) / "ai")


def write(ctx: Any, redactor: Redactor, event: Mapping[str, Any], prompt: str = "") -> None:
    """Append one event. Never raises: an observer cannot break the work."""
    try:
        line: Dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(ctx.host.now()))
        }
        line.update(redactor.clean_data(dict(event)))
        if prompt:
            line["prompt_sha256"] = hashlib.sha256(prompt.encode("utf-8")).hexdigest()
            line["prompt_chars"] = len(prompt)
        append_line(
            folder(ctx.home) / "audit.jsonl",
            json.dumps(line, ensure_ascii=False, default=str),
            MAX_BYTES,
            KEEP,
        )
    except (OSError, ValueError):
        pass


def spent_today(ctx: Any) -> Dict[str, Any]:
    """{"day", "calls", "usd"} of today. A file that cannot be read counts as a day on which nothing
    was spent yet.
    """
    day = time.strftime("%Y-%m-%d", time.localtime(ctx.host.now()))
    path = folder(ctx.home) / "budget.json"
    try:
        value = read_json(path, {})
    except SettingsError:
        set_aside(path)
        value = {}
    if not isinstance(value, dict) or value.get("day") != day:
        return {"day": day, "calls": 0, "usd": 0.0}
    return {"day": day, "calls": int(value.get("calls", 0)), "usd": float(value.get("usd", 0.0))}


def spend(ctx: Any, usd: Optional[float], calls: int = 1) -> None:
    value = spent_today(ctx)
    value["calls"] += calls
    value["usd"] = round(value["usd"] + (usd or 0.0), 6)
    try:
        write_json(folder(ctx.home) / "budget.json", value)
    except OSError:
        pass


def session(ctx: Any, value: Mapping[str, Any]) -> None:
    """What `ai attach` shows: the run at work or the last one."""
    try:
        write_json(folder(ctx.home) / "session.json", dict(value))
    except OSError:
        pass


def last_session(home: Home) -> Dict[str, Any]:
    try:
        value = read_json(home.doctor_dir / "ai" / "session.json", {})
    except SettingsError:
        value = {}
    return value if isinstance(value, dict) else {}


def report(
    ctx: Any,
    redactor: Redactor,
    incident: str,
    result: Any,
    tried: Sequence[Outcome],
    prevention: Text,
) -> str:
    """Write <state dir>/iflow-doctor/reports/<incident>.md (both languages); return its path, ""
    when it could not be written.
    """
    try:
        folder = private_dir(private_dir(ctx.home.doctor_dir) / "reports")
        stamp = time.strftime("%Y%m%dT%H%M%S", time.localtime(ctx.host.now()))
        name = re.sub(r"[^\w.-]+", "-", incident)[:60].strip("-.") or "incident"
        path = folder / "{}-{}.md".format(stamp, name)
        text = "\n\n---\n\n".join(
            _report(ctx, incident, result, tried, prevention, lang) for lang in ("zh", "en")
        )
        write_atomic(path, redactor.clean(text) + "\n")
        for old in sorted(folder.glob("*.md"))[:-KEEP_REPORTS]:
            old.unlink()
        return str(path)
    except OSError:
        return ""


def _report(
    ctx: Any, incident: str, result: Any, tried: Sequence[Outcome], prevention: Text, lang: str
) -> str:
    def say(en: str, zh: str) -> str:
        return zh if lang == "zh" else en

    verdict = ctx.verdict
    lines = ["# " + say("Recovery report: {}", "恢复报告：{}").format(incident), ""]
    state = say("recovered", "已恢复") if result.healed else say("NOT recovered", "未恢复")
    if result.by_itself:
        state += say(" (by itself)", "（自行恢复）")
    lines += ["- {}: **{}**".format(say("Result", "结果"), state)]
    lines += [
        "- {}: {}".format(
            say("Time", "时间"), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ctx.host.now()))
        )
    ]
    asked = say(
        "{} (rounds {}, calls {}, {} USD as far as known)",
        "{}（轮数 {}，调用 {} 次，已知费用 {} 美元）",
    )
    lines += [
        "- AI: "
        + asked.format(
            result.bridge or say("none answered", "均未响应"),
            result.rounds,
            result.calls,
            result.cost_usd,
        ),
        "",
    ]
    lines += [
        "## " + say("Symptom", "现象"),
        "",
        "{} ({})".format(verdict.reason.to(lang), verdict.state.value),
    ]
    lines += ["- `{}` {}".format(f.check_id, f.message.to(lang)) for f in verdict.findings[:15]]
    lines += [
        "",
        "## " + say("Root cause", "根本原因"),
        "",
        _quote(result.root_cause.to(lang)) or say("Not known.", "未知。"),
    ]
    lines += ["", "## " + say("What was done", "做了什么"), ""] + (
        _done(tried, lang) or [say("Nothing.", "无。")]
    )
    verified = say(
        "The gateway's own /readyz answered ready several times in a row.",
        "网关自身的 /readyz 连续多次返回就绪。",
    )
    unverified = say("Not verified: the gateway is not ready.", "未通过验证：网关仍未就绪。")
    lines += [
        "",
        "## " + say("How it was verified", "如何验证"),
        "",
        verified if result.healed else unverified,
    ]
    failed = [
        "- {}: {}".format(bridge, _kind(kind, lang))
        for bridge, kind in result.attempts
        if kind not in ("ok", "not-installed")
    ]
    if failed:
        lines += ["", "## " + say("AIs that gave no answer", "未返回结果的 AI"), ""] + failed
    if not result.healed or result.tell_person.en:
        lines += [
            "",
            "## " + say("What you should know or do", "你需要知道或处理的"),
            "",
            _quote(result.tell_person.to(lang)) or "-",
        ]
    lines += [
        "",
        "## " + say("How to prevent it", "如何预防"),
        "",
        _quote(prevention.to(lang)) or say("No advice.", "暂无建议。"),
    ]
    return "\n".join(lines)


def _done(tried: Sequence[Outcome], lang: str) -> List[str]:
    rows = []
    for outcome in tried:
        fate = (
            ("已恢复", "已回滚", "未恢复")
            if lang == "zh"
            else ("healed", "rolled back", "did not heal")
        )
        word = fate[0] if outcome.healed else fate[1] if outcome.rolled_back else fate[2]
        changed = " `{}`".format(", ".join(outcome.config_diff[:8])) if outcome.config_diff else ""
        rows.append(
            "- {}: {}{}. {}".format(outcome.plan.repair, word, changed, outcome.detail.to(lang))
        )
    return rows


def _kind(kind: str, lang: str) -> str:
    from ...bridges.base import NAMES

    return NAMES[kind].to(lang) if kind in NAMES else kind


def _quote(text: str) -> str:
    """A model's words as a quotation: no heading, link or HTML of theirs takes effect."""
    escaped = re.sub(r"([\[\]()<>`*_#|!])", r"\\\1", text.strip())
    return "\n".join("> " + line for line in escaped.splitlines())
