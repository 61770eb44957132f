"""What an examination amounts to: the one main finding, the one cause, what to do next. `status`,
`diagnose`, `heal`, `watch --once` and the alerts say what this returns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

from ..cases import library as cases
from ..cases import matcher
from ..context import Context
from ..model import (
    CANNOT_TELL,
    FINE,
    Confidence,
    Finding,
    Match,
    Severity,
    State,
    Text,
    Verdict,
    exit_code,
)
from ..openclaw import install
from ..repairs import manual_steps
from . import repair_table

# Of a gateway that is starting, draining or stopped, these say nothing: no port yet is what a start
# looks like.
OF_A_START = ("health", "process", "port", "service")
CAUSES = tuple(
    row.check
    for row in repair_table.PERSON
    + repair_table.SPECIFIC
    + repair_table.PERSON_AFTER
    + repair_table.CHANGED
)
SYMPTOMS = tuple(row.check for row in repair_table.CHEAP)
PLAN = Text("iflow-doctor heal --dry-run", "iflow-doctor heal --dry-run")


@dataclass(frozen=True)
class Conclusion:
    """finding: what `cause` is about, None where no finding is the cause. step: what to do next.

    exit_code: 0 nothing to repair, 1 a problem, 2 it could not be told.
    """

    cause: Text
    step: Text
    exit_code: int
    finding: Optional[Finding] = None


def conclude(ctx: Context, found: Sequence[Match] = (), words: Sequence[Match] = ()) -> Conclusion:
    """Given an examined gateway and the cases that match its log, return what is wrong.

    words: cases that match what a person said, where nothing else explains it.
    """
    state, finding = ctx.verdict.state, main_finding(ctx)
    advice = case_advice(found) or case_advice(words)
    if finding is not None:
        step = manual_steps.hint(ctx, finding) or finding.fix_hint or advice or PLAN
        return Conclusion(finding.message, step, 1, finding)
    if state in FINE:
        return Conclusion(_fine(ctx), _step(state), 0)
    code = exit_code(state)
    if state in CANNOT_TELL:
        step = Text("iflow-doctor status", "iflow-doctor status")
        return Conclusion(ctx.verdict.reason, step, code)
    if found and found[0].confidence is Confidence.CERTAIN:
        return Conclusion(found[0].case.title, found[0].case.solution, code)
    if words and words[0].confidence is not Confidence.POSSIBLE:
        return Conclusion(words[0].case.title, words[0].case.solution, code)
    return Conclusion(ctx.verdict.reason, advice or PLAN, code)


def _fine(ctx: Context) -> Text:
    if ctx.verdict.state is State.HEALTHY:
        return Text("The gateway is fine right now.", "网关当前一切正常。")
    return ctx.verdict.reason


def _step(state: State) -> Text:
    if state is State.STOPPED:
        return Text("openclaw gateway start", "openclaw gateway start")
    return Text(
        "nothing to repair. If a chat stays silent: openclaw channels status --probe",
        "无需修复。若某个聊天没有反应：openclaw channels status --probe",
    )


def errors(verdict: Verdict) -> List[Finding]:
    """Return the errors that mean something in this state."""
    return [
        f
        for f in verdict.findings
        if f.severity is Severity.ERROR
        and not (verdict.state in FINE and f.check_id.startswith(OF_A_START))
    ]


def main_finding(ctx: Context) -> Optional[Finding]:
    """Return the most fundamental error, in the order in which the tables would treat it."""
    found = errors(ctx.verdict)
    for finding in found:
        # nothing of OpenClaw is here: what its node or its port is like does not matter yet
        if finding.check_id == "installation/missing" and not ctx.home.config_path.exists():
            return finding
    for _row, person, _params in repair_table.rows_for(repair_table.PERSON, ctx.verdict):
        if person is not None and person in found:
            return person
    return min(found, key=_rank) if found else None


def _rank(finding: Finding) -> Tuple[int, int]:
    """Causes in the order of the tables, then what no table knows, then symptoms."""
    if finding.check_id in CAUSES:
        return 0, CAUSES.index(finding.check_id)
    if finding.check_id in SYMPTOMS:
        return 2, SYMPTOMS.index(finding.check_id)
    return (3 if finding.check_id.startswith(OF_A_START) else 1), 0


def case_advice(found: Sequence[Match]) -> Optional[Text]:
    """Return the best match's solution, unless it is only possible."""
    return (
        found[0].case.solution if found and found[0].confidence is not Confidence.POSSIBLE else None
    )


def matches(ctx: Context, symptom: str = "") -> Tuple[Match, ...]:
    """Return the ranked cases for this log; () when the library cannot be read."""
    try:
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
