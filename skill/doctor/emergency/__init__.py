"""The AI emergency doctor: called when no case fits or every repair failed. It returns data; our
code checks, executes and verifies.

ask(ctx, tried, incident, execute) -> AiResult. Everything heavy is imported when it is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple

from ...model import Outcome, Plan, Text

NOBODY = Text("No AI gave a usable answer.", "没有 AI 给出可用的回答。")


@dataclass(frozen=True)
class AiResult:
    """healed: by verification alone (Outcome.healed). tell_person: what to tell, whatever happened.
    attempts: (bridge, error kind).

    cost_usd: as far as the CLIs said. calls: model calls made. rounds: plans received. outcomes:
    what became of executed plans.
    prompt_after_s: seconds from ask() to the first prompt being handed over. report: path of the
    Markdown report ("" when not written).
    """

    healed: bool
    root_cause: Text
    tell_person: Text
    bridge: str = ""
    rounds: int = 0
    cost_usd: float = 0.0
    calls: int = 0
    attempts: Tuple[Tuple[str, str], ...] = ()
    outcomes: Tuple[Outcome, ...] = ()
    by_itself: bool = False
    prompt_after_s: Optional[float] = None
    report: str = ""


def ask(
    ctx: Any,
    tried: Sequence[Outcome],
    incident: str,
    execute: Callable[[Plan], Outcome],
    look: Optional[Callable[[], Any]] = None,
    say: Optional[Callable[[Text], None]] = None,
) -> AiResult:
    """Given a gateway that nothing healed, ask the bridges in order, for up to ai.rounds plans
    within ai.timeout seconds.

    execute: healer.execute bound to ctx. look: a fresh Context (new findings) after a plan did not
    work. say: progress for a person.
    Never raises for what a bridge or a plan does; KeyboardInterrupt passes, after every process of
    the run was ended.
    """
    from .rounds import Emergency

    return Emergency(ctx, tried, incident, execute, look, say).run()
