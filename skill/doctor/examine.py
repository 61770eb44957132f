"""What the doctor knows when it decides: verdict with findings, the newest boot's log, cases, the
last good run. And what it records.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import datetime
from typing import Any, List, Optional, Sequence, Tuple

from ..context import Context
from ..model import CANNOT_TELL, FINE, Confidence, Finding, Match, Severity, State, Text, Verdict
from ..store import good_copies, watch_state
from ..store.incidents import Incident
from . import repair_table

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")


def examined(ctx: Context, loop: bool = False) -> Context:
    """Judge and examine. loop: the watchdog saw it die again and again, so being up right now means
    nothing.
    """
    watching = watch_state.peek(ctx.home)[0] or watch_state.WatchState()
    stuck = bool(watching.incident and watching.incident.pending == "stuck")
    ctx = replace(ctx, last_good=good_copies.newest(ctx.home), logs=_logs(ctx))
    ctx = judged(ctx)
    if loop and ctx.verdict.state in (State.STARTING, State.HEALTHY, State.UNKNOWN):
        reason = Text("it keeps dying (crash loop)", "反复崩溃（崩溃循环）")
        ctx = ctx.with_verdict(replace(ctx.verdict, state=State.DOWN, reason=reason))
    if stuck and ctx.verdict.state is State.STARTING:
        reason = Text(
            "the watchdog saw it hang for longer than this look takes",
            "守护进程看到它卡住的时间比这次检查更长",
        )
        ctx = ctx.with_verdict(replace(ctx.verdict, state=State.HUNG, reason=reason))
    _ask_openclaw(ctx)
    try:
        from ..checks import run
    except ImportError:
        return ctx
    return ctx.with_verdict(run.examine(ctx))


def _ask_openclaw(ctx: Context) -> None:
    """Have `config validate` answered (and kept) before the checks, which would not wait for it on
    a busy machine.
    """
    try:
        from ..openclaw.validation import validate

        if ctx.verdict.state not in FINE + CANNOT_TELL:
            validate(ctx, 30.0)
    except Exception:  # the checks say that it could not be told
        pass


def judged(ctx: Context) -> Context:
    """Several looks, as many as it takes to be sure; the last one's verdict."""
    from ..openclaw import gateway, judge

    limits = judge.Limits(
        int(ctx.settings.get("failures_before_action", 3)),
        float(ctx.settings.get("start_budget", 300)),
    )
    # What the watchdog has seen serve is no start any more: without this a hung gateway looks like
    # a slow one.
    memory, verdict = judge.Memory(ready_pid=_served(ctx)), ctx.verdict
    for attempt in range(limits.failures_before_action + 1):
        if attempt:
            ctx.host.sleep(0.5)
        seen = gateway.observe(
            ctx.host, ctx.home, float(ctx.settings.get("probe_timeout", 5)), ctx.platform
        )
        verdict, memory = judge.judge(seen, memory, limits)
        if (
            verdict.state is State.HEALTHY
            or verdict.state is State.IMPOSTOR
            and seen.answer == "silent"
        ):
            # the latter is said of a silent port only when it is certain, and each further look
            # would wait for it
            break
    return ctx.with_verdict(replace(verdict, findings=ctx.verdict.findings))


def _served(ctx: Context) -> Optional[int]:
    """The process that the watchdog last saw serve; None when nobody watches."""
    state, _damaged = watch_state.peek(ctx.home)
    return state.ready_pid if state else None


def looping(ctx: Context, name: str) -> bool:
    """Return whether the watchdog saw a crash loop in this incident."""
    state, _damaged = watch_state.peek(ctx.home)
    incident = state.incident if state else None
    return bool(incident and incident.id == name and incident.loop)


def _logs(ctx: Context) -> str:
    try:
        from ..openclaw.logs import newest_boot

        return str(newest_boot(ctx.host, ctx.home))
    except Exception:  # an observer: without a log the live checks still speak
        return ""


def matches(ctx: Context, symptom: str = "") -> Tuple[Match, ...]:
    """Ranked cases for this log. () when the library cannot be read."""
    try:
        from ..cases import library as cases
        from ..cases import matcher
        from ..openclaw import install

        version = install.version(install.package_dir(ctx.host, ctx.platform))
        library, _broken = cases.load_or_shipped(ctx.home)
        return tuple(
            borne_out(matcher.match(library, symptom, ctx.logs, version, own_log=True), ctx.verdict)
        )
    except Exception:  # without cases the findings still speak
        return ()


def borne_out(found: Sequence[Match], verdict: Verdict) -> List[Match]:
    """What the log says and the live checks do not contradict; certain only where they confirm it.

    A truncated config makes the gateway say "gateway.mode is missing": a tired person would set
    that key in half a file.
    """
    kept = []
    for one in found:
        if any(repair_table.term_holds(term, verdict) for term in one.case.evidence.none):
            continue
        confirmed = one.confidence is not Confidence.CERTAIN or repair_table.holds(
            one.case.evidence, verdict
        )
        kept.append(one if confirmed else replace(one, confidence=Confidence.PROBABLE))
    return kept


def main_finding(ctx: Context) -> Optional[Finding]:
    """The most fundamental error, in the order in which the tables would treat it."""
    order = [
        row.check
        for row in repair_table.PERSON
        + repair_table.SPECIFIC
        + repair_table.PERSON_AFTER
        + repair_table.CHANGED
        + repair_table.CHEAP
    ]
    errors = [f for f in ctx.verdict.findings if f.severity is Severity.ERROR]
    known = [f for f in errors if f.check_id in order]
    return (
        min(known, key=lambda f: order.index(f.check_id))
        if known
        else (errors[0] if errors else None)
    )


def cause(ctx: Context, found: Sequence[Match]) -> Text:
    finding = main_finding(ctx)
    if finding is not None:
        return finding.message
    if found and found[0].confidence is Confidence.CERTAIN:
        return found[0].case.title
    return ctx.verdict.reason


def case_advice(found: Sequence[Match]) -> Optional[Text]:
    """The best match's solution, unless it is only possible."""
    return (
        found[0].case.solution if found and found[0].confidence is not Confidence.POSSIBLE else None
    )


def record(ctx: Context, incident: Incident, result: Any) -> None:
    """Into records.json and, for the watchdog, into the incident's file. Memory must not break the
    work.
    """
    from ..cases import learning
    from ..files import private_dir
    from ..store.records import Store

    now = ctx.host.now()
    opened = incident.opened(now)
    entry = {
        "id": incident.id,
        "opened": opened,
        "first_failed_probe": opened,
        "closed": now if result.outcome == "healed" else None,
        "state": result.state,
        "case": result.case,
        "level": 3 if result.outcome == "healed" else 4,
        "by": result.by,
        "cause": result.cause.en,
        "cause_zh": result.cause.zh,
        "actions": [dict(a) for a in result.actions],
        "outcome": result.outcome,
        "verified": result.outcome == "healed",
        "verify": "readyz" if result.outcome == "healed" else "",
        "healed_s": round(now - opened, 1) if result.outcome == "healed" else None,
        "treat_s": round(result.seconds, 1),
        "ai_calls": result.ai_calls,
        "cost_usd": result.cost_usd,
        "evidence": sorted({f.check_id for f in ctx.verdict.findings}),
    }
    entry["errors"] = sorted(
        {f.check_id for f in ctx.verdict.findings if f.severity is Severity.ERROR}
    )
    try:
        private_dir(ctx.home.doctor_dir)
        if result.outcome != "nothing":
            with contextlib.suppress(Exception):
                entry["lines"] = learning.lines_of(ctx.logs)
                learning.learn(ctx.home, entry)
            Store(ctx.home).add(entry)
        incident.write_result(result.to_json())
    except Exception:
        pass


def log_span(log: str) -> Tuple[float, float]:
    """Epoch seconds of the first and the last time stamp in a log; zeros without any."""
    found = STAMP.findall(log[:4000])[:1] + STAMP.findall(log[-20000:])[-1:]
    try:
        times = [
            datetime.strptime(_plain(stamp), "%Y-%m-%dT%H:%M:%S%z").timestamp() for stamp in found
        ]
    except ValueError:
        return 0.0, 0.0
    return (times[0], times[-1]) if times else (0.0, 0.0)


def _plain(stamp: str) -> str:
    stamp = re.sub(r"\.\d+", "", stamp).replace("Z", "+0000")
    return stamp[:-3] + stamp[-2:] if stamp[-3] == ":" else stamp
