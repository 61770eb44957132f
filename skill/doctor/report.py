"""The answer to "what is wrong?": state, cause, next command, in that order, for a tired person at
3 a.m. Reads only.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, List, Optional

from ..model import (
    CANNOT_TELL,
    FINE,
    STATE_NAMES,
    Confidence,
    Finding,
    Match,
    Severity,
    State,
    Text,
    Verdict,
)

SURE = {
    Confidence.CERTAIN: Text("certain", "确定"),
    Confidence.PROBABLE: Text("probable", "很可能"),
    Confidence.POSSIBLE: Text("possible", "可能"),
}


def diagnose_live(app: Any, text: str = "", log: str = "", as_json: bool = False) -> int:
    """Look, print the answer, and give its exit code: 0 nothing to repair, 1 a problem was found, 2
    it could not be told.
    """
    report = look_closely(app, text, log)
    show(app, report, as_json or app.as_json)
    return int(report["exit_code"])


def look_closely(app: Any, text: str = "", log: str = "") -> Dict[str, Any]:
    """Look at the gateway of this machine, run the checks, match the case library against its log
    and the person's words.
    """
    from ..cases import library as cases
    from ..cases import matcher
    from ..checks import run
    from ..commands.status import look
    from ..openclaw.logs import newest_boot
    from . import examine

    ctx = app.context()
    seen = look(app)
    state = State(seen["state"])
    verdict = Verdict(
        state, seen["reason"], seen["pid"], seen["gateway_exit_code"], tuple(seen["failing"])
    )
    ctx = replace(
        ctx, verdict=verdict, logs=newest_boot(ctx.host, ctx.home), last_good=_last_good(ctx)
    )
    verdict = run.examine(ctx)
    library, broken = cases.load_or_shipped(ctx.home)
    lines = log or (ctx.logs if state not in FINE else "")
    from_log: List[Match] = (
        matcher.match(library, text, lines, own_log=not log) if lines.strip() else []
    )
    from_log = from_log if log else examine.borne_out(from_log, verdict)
    from_words: List[Match] = (
        matcher.match(library, text, "", own_log=True) if text and not from_log else []
    )
    errors = [f for f in verdict.findings if f.severity == Severity.ERROR]
    if state in FINE:  # no port yet is what a start looks like
        errors = [
            f
            for f in errors
            if f.check_id.split("/")[0] not in ("health", "process", "port", "service")
        ]
    return {
        **seen,
        "findings": list(verdict.findings),
        "matches": (from_log or from_words)[:3],
        "matched_on": "log" if from_log else "words",
        "warning": str(broken) if broken else "",
        **_answer(ctx.with_verdict(verdict), errors, from_log, from_words),
    }


def _last_good(ctx: Any) -> Any:
    try:
        from ..store import good_copies

        return good_copies.newest(ctx.home)
    except Exception:  # a damaged copy is no reason not to answer
        return None


def _answer(
    ctx: Any, errors: List[Finding], from_log: List[Match], from_words: List[Match]
) -> Dict[str, Any]:
    from . import examine

    state = ctx.verdict.state
    best: Optional[Match] = (from_log or from_words or [None])[0]  # type: ignore[list-item]
    if state in FINE and not errors:
        cause = Text("The gateway is fine right now.", "网关当前一切正常。")
        if state != State.HEALTHY:
            cause = ctx.verdict.reason
        if state == State.STOPPED:
            cause = Text("The gateway was stopped on purpose.", "网关已被手动停止。")
            return {
                "cause": cause,
                "next": Text("openclaw gateway start", "openclaw gateway start"),
                "exit_code": 0,
            }
        step = Text(
            "nothing to repair. If a chat stays silent: openclaw channels status --probe",
            "无需修复。若某个聊天没有反应：openclaw channels status --probe",
        )
        return {"cause": cause, "next": step, "exit_code": 0}
    if errors:
        absent = [
            f
            for f in errors
            if f.check_id == "installation/missing" and not ctx.home.config_path.exists()
        ]
        if absent:  # nothing of OpenClaw is here: what its node or port is like does not matter yet
            return {"cause": absent[0].message, "next": absent[0].fix_hint, "exit_code": 1}
        first = examine.main_finding(ctx) or errors[0]
        hint = first.fix_hint or (
            best.case.solution
            if best
            else Text("iflow-doctor heal --dry-run", "iflow-doctor heal --dry-run")
        )
        return {"cause": first.message, "next": hint, "exit_code": 1}
    if state in CANNOT_TELL:
        return {
            "cause": ctx.verdict.reason,
            "next": Text("iflow-doctor status", "iflow-doctor status"),
            "exit_code": 2,
        }
    if best and best.confidence != Confidence.POSSIBLE:
        return {"cause": best.case.title, "next": best.case.solution, "exit_code": 1}
    return {
        "cause": ctx.verdict.reason,
        "next": Text("iflow-doctor heal --dry-run", "iflow-doctor heal --dry-run"),
        "exit_code": 1,
    }


def show(app: Any, report: Dict[str, Any], as_json: bool) -> None:
    """Print it: JSON when asked for, else few lines, the command to type last."""
    lang = app.lang
    if as_json:
        app.out(
            {
                **report,
                "reason": report["reason"].to(lang),
                "cause": report["cause"].to(lang),
                "next": report["next"].to(lang),
                "findings": [f.to_json(lang) for f in report["findings"]],
                "matches": [
                    {
                        "slug": m.case.slug,
                        "case": m.case.id,
                        "title": m.case.title.to(lang),
                        "confidence": m.confidence.value,
                        "score": round(m.score, 3),
                        "because": list(m.because),
                    }
                    for m in report["matches"]
                ],
            }
        )
        return
    zh = lang == "zh"
    if report["warning"]:
        app.say("   " + report["warning"])
    mark = {0: "OK", 1: "!!", 2: "??"}[report["exit_code"]]
    app.say(
        "{} {}{}".format(
            mark, "网关：" if zh else "Gateway: ", STATE_NAMES[State(report["state"])].to(lang)
        )
    )
    head = Text("Cause: ", "原因：") if report["exit_code"] else Text("Result: ", "结论：")
    app.say(head.to(lang) + report["cause"].to(lang))
    shown = 0
    for finding in report["findings"]:
        if finding.severity != Severity.INFO and finding.message != report["cause"] and shown < 4:
            app.say(
                "   - {}{}".format(
                    finding.message.to(lang), " ({})".format(finding.path) if finding.path else ""
                )
            )
            shown += 1
    if report["matches"] and report["matched_on"] == "log":
        best = report["matches"][0]
        app.say(
            "{}{} {} [{}]".format(
                "案例：" if zh else "Case: ",
                best.case.id,
                best.case.title.to(lang),
                SURE[best.confidence].to(lang),
            )
        )
    elif report["matches"]:
        best = report["matches"][0]
        words = "你的描述最像案例：" if zh else "Your words sound like: "
        app.say("{}{} {}".format(words, best.case.id, best.case.title.to(lang)))
    app.say("{}{}".format("下一步：" if zh else "Next: ", report["next"].to(lang)))
    if report["exit_code"] == 1 and "iflow-doctor heal" not in report["next"].to(lang):
        app.say(
            "   iflow-doctor heal"
            + ("   # 自动修复（先给你看计划）" if zh else "   # repair it (shows the plan first)")
        )
    if os.path.exists(report["log"]):
        app.say("{}{}".format("日志：" if zh else "Log: ", report["log"]))
