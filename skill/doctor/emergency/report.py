"""A Markdown report of one AI run for a person: symptom, root cause, what was done, how verified,
how to prevent it. 0600; 50 stay.
"""

from __future__ import annotations

import re
import time
from typing import Any, List, Sequence

from ...files import private_dir, write_atomic
from ...model import Outcome, Text
from ...redact import Redactor

KEEP = 50


def write(
    ctx: Any,
    redactor: Redactor,
    incident: str,
    result: Any,
    tried: Sequence[Outcome],
    prevention: Text,
) -> str:
    """Write <state dir>/iflow-doctor/reports/<incident>.md (both languages); answer its path, ""
    when it could not be written.
    """
    try:
        folder = private_dir(private_dir(ctx.home.doctor_dir) / "reports")
        stamp = time.strftime("%Y%m%dT%H%M%S", time.localtime(ctx.host.now()))
        name = re.sub(r"[^\w.-]+", "-", incident)[:60].strip("-.") or "incident"
        path = folder / "{}-{}.md".format(stamp, name)
        text = "\n\n---\n\n".join(
            render(ctx, incident, result, tried, prevention, lang) for lang in ("zh", "en")
        )
        write_atomic(path, redactor.clean(text) + "\n")
        for old in sorted(folder.glob("*.md"))[:-KEEP]:
            old.unlink()
        return str(path)
    except OSError:
        return ""


def render(
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
            result.bridge or say("none answered", "无回答"),
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
        lines += ["", "## " + say("AIs that gave no answer", "未给出回答的 AI"), ""] + failed
    if not result.healed or result.tell_person.en:
        lines += [
            "",
            "## " + say("What you should know or do", "您需要知道或处理的"),
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
    from ...bridges.failures import NAMES

    return NAMES[kind].to(lang) if kind in NAMES else kind


def _quote(text: str) -> str:
    """A model's words as a quotation: no heading, link or HTML of theirs takes effect."""
    escaped = re.sub(r"([\[\]()<>`*_#|!])", r"\\\1", text.strip())
    return "\n".join("> " + line for line in escaped.splitlines())
