"""What an examination amounts to: the one main finding, the one cause, what to do next. `status`,
`diagnose`, `heal`, `watch --once` and the alerts say what this returns.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

from ..cases import library as cases
from ..cases import matcher
from ..context import Context
from ..model import (
    CANNOT_TELL,
    FINE,
    NOT_SERVING,
    SERVING,
    Confidence,
    Finding,
    Match,
    Severity,
    State,
    Text,
    Verdict,
    exit_code,
)
from ..openclaw import install, logs
from ..repairs import manual_steps
from . import repair_table, said

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
# Only that it is down: why it is, the verdict's reason or a case says.
OUTAGE = ("process/none", "health/refused", "service/failed", "service/exit-78")
# What makes a gateway useless that is ready; what explains one that is not.
GREEN_BUT_DEAF = tuple(
    "serving/" + name
    for name in (
        "database-damaged",
        "database-unlinked",
        "drain-stuck",
        "models-refused",
        "clients-locked-out",
        "channel-gave-up",
        "ingress-unavailable",
        "plugins-lost",
        "session-wedged",
        "cron-overdue",
    )
)
RED = (
    "health/agent-database",
    "health/plugin-reload",
    "channels/credential",
    "channels/unreachable",
    "channels/failing",
)
SAID = 300  # characters of its own last words that are repeated
PLAN = Text("iflow-doctor heal --dry-run", "iflow-doctor heal --dry-run")


@dataclass(frozen=True)
class Conclusion:
    """finding: what `cause` is about, None where no finding is the cause. step: what to do next.

    exit_code: 0 nothing to repair, 1 a problem, 2 it could not be told. said: what came of the
    words of a person, None where nobody said anything.
    """

    cause: Text
    step: Text
    exit_code: int
    finding: Optional[Finding] = None
    said: Optional[Text] = None


def conclude(
    ctx: Context, found: Sequence[Match] = (), words: Optional[Sequence[Match]] = None
) -> Conclusion:
    """Given an examined gateway and the cases that match its log, return what is wrong.

    What was seen decides, then the log, as far as nothing seen contradicts it. words: the cases
    that match what a person said, None where nobody said anything; they are followed only where
    their own evidence was seen, and replied to in any case.
    """
    concluded = _by_evidence(ctx, found, words or ())
    if words is None:
        return concluded
    place = said.here(ctx)
    reply = said.reply(words, ctx, place, concluded.finding)
    step = reply.step if concluded.exit_code == 0 and reply.step else concluded.step
    return replace(concluded, said=reply.said, step=step)


def _by_evidence(ctx: Context, found: Sequence[Match], words: Sequence[Match]) -> Conclusion:
    state, finding = ctx.verdict.state, main_finding(ctx)
    advice = case_advice(found)
    if finding is not None:
        ended = finding.check_id in OUTAGE and state in NOT_SERVING and ctx.verdict.reason.en
        best = _explains(ctx, found, words) if ended else None
        if best is not None:
            return Conclusion(best.case.title, best.case.solution, 1, finding)
        step = manual_steps.hint(ctx, finding) or finding.fix_hint or advice or PLAN
        return Conclusion(_ended(ctx) if ended else finding.message, step, 1, finding)
    if state in FINE:
        return Conclusion(_fine(ctx), _step(state), 0)
    code = exit_code(state)
    if state in CANNOT_TELL:
        step = Text("iflow-doctor status", "iflow-doctor status")
        return Conclusion(ctx.verdict.reason, step, code)
    best = _explains(ctx, found, words)
    if best is not None:
        return Conclusion(best.case.title, best.case.solution, code)
    return Conclusion(_ended(ctx), advice or PLAN, code)


def _ended(ctx: Context) -> Text:
    """That it is down; with its own last words where it ended by itself and said why."""
    reason, code = ctx.verdict.reason, ctx.verdict.exit_code
    if ctx.verdict.state not in (State.DOWN, State.MISCONFIGURED) or (
        code is not None and code < 1
    ):
        return reason
    words = logs.last_words(ctx.logs, refused=code is None)
    if len(words) > SAID:
        words = words[:SAID].rsplit(" ", 1)[0] + " ..."
    return Text.of('{0}: "{1}"', "{0}：“{1}”", reason, words) if words else reason


def _explains(ctx: Context, found: Sequence[Match], words: Sequence[Match]) -> Optional[Match]:
    """The case that names the cause: by the log's own words, else by a person's where its own
    evidence was seen.
    """
    if found and found[0].confidence is Confidence.CERTAIN:
        return found[0]
    return said.by_words(words, ctx.verdict, said.here(ctx)) if words else None


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
    """Return the most fundamental error, in the order in which the tables would treat it; of a
    gateway that serves, what makes it useless.
    """
    found = errors(ctx.verdict) or _useless(ctx.verdict)
    for finding in found:
        # nothing of OpenClaw is here: what its node or its port is like does not matter yet
        if finding.check_id == "installation/missing" and not os.path.exists(ctx.home.config_path):
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


def _useless(verdict: Verdict) -> List[Finding]:
    """Return the warnings that explain a gateway which is up and does not serve, worst first."""
    if verdict.state not in SERVING:
        return []
    order = GREEN_BUT_DEAF if verdict.state is State.HEALTHY else GREEN_BUT_DEAF + RED
    known = [f for f in verdict.findings if f.severity is not Severity.INFO]
    return [f for one in order for f in known if f.check_id == one]


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
            said.borne_out(
                matcher.match(library, symptom, said.counting(ctx.logs), version, own_log=True),
                ctx.verdict,
                said.here(ctx),
            )
        )
    except Exception:  # without cases the findings still speak
        return ()
