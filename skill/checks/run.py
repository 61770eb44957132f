"""Run the checks, all at once, within a budget; return the verdict with what they found. Nothing is
changed.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional

from ..model import NOT_SERVING, Check, Finding, Verdict
from .base import Look, info

if TYPE_CHECKING:
    from ..context import Context

BUDGET_S = 4.8  # the whole run is promised in 5 s
# Only for OpenClaw's own validator, only while the gateway is down and the machine is so busy that
# it needs more than 4 s.
PATIENCE_S = 20.0


def examine(
    ctx: Context,
    only: Optional[Iterable[str]] = None,
    budget: float = BUDGET_S,
    checks: Optional[Iterable[Check]] = None,
) -> Verdict:
    """The Context's verdict, state kept, findings filled in the order of the registry. Never raises
    for what a check does.

    only: ids of the checks to run (all by default). A check that is late or crashes yields
    "<id>/unknown" (INFO), which nothing acts on.
    """
    from . import ALL

    wanted = None if only is None else set(only)
    chosen = [c for c in (checks or ALL) if wanted is None or c.id in wanted]
    patience = (
        max(budget, PATIENCE_S)
        if budget >= BUDGET_S and ctx.verdict.state in NOT_SERVING
        else budget
    )
    look = Look(ctx, cli_timeout=max(1.0, patience - 1.0))
    results: Dict[str, List[Finding]] = {}
    threads = [_start(check, look, results) for check in chosen]
    until = ctx.host.monotonic() + budget
    for thread in threads:
        extra = patience - budget if thread.name == "check-validation" else 0.0
        thread.join(max(0.0, until + extra - ctx.host.monotonic()))
    found: List[Finding] = []
    for check in chosen:
        rows = results.get(check.id)
        found += (
            rows
            if rows is not None
            else [unknown(check.id, "not finished within {:.1f} s".format(budget))]
        )
    verdict: Verdict = ctx.verdict
    return replace(verdict, findings=tuple(_unique(found)))


def _start(check: Check, look: Look, results: Dict[str, List[Finding]]) -> threading.Thread:
    """Daemon threads: one that hangs in a name lookup must not keep the process from ending."""

    def work() -> None:
        try:
            results[check.id] = list(check.run(look))
        except Exception as error:  # a check that crashes is "unknown", never a reason to act
            results[check.id] = [
                unknown(check.id, "{}: {}".format(error.__class__.__name__, error))
            ]

    thread = threading.Thread(target=work, name="check-" + check.id, daemon=True)
    thread.start()
    return thread


def unknown(check_id: str, why: str) -> Finding:
    return info(
        check_id + "/unknown",
        "The check {} could not tell: {}".format(check_id, why[:200]),
        "检查 {} 无法得出结论：{}".format(check_id, why[:200]),
        "",
        None,
        reason=why[:200],
    )


def _unique(found: List[Finding]) -> List[Finding]:
    seen: Dict[Any, Finding] = {}
    key: Callable[[Finding], Any] = lambda f: (f.check_id, f.path, f.message.en)  # noqa: E731
    return [seen.setdefault(key(f), f) for f in found if key(f) not in seen]
