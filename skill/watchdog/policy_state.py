"""What level 2's rule goes by and what it decides. Values only; what it remembers is in
store/watch_state.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Rules:
    restart_delays: Tuple[float, ...] = (10, 30, 90, 180, 600)
    max_restarts: int = 5
    crash_window: float = 21600.0
    crash_limit: int = 3
    escalation_time: float = 300.0
    channels_quiet: float = (
        330.0  # s without a crash before channels that the breaker silenced are started again
    )


@dataclass(frozen=True)
class Decision:
    """What to do, and why as a value; decision_texts.py says it in words.

    kind: none | restart | heal | announce | escalate | recovered | opened | note | resume-channels.
    code: the reason, one of decision_texts.SAID (of a note: one of note_texts).
    facts: what the words are filled with: numbers, names, or a Text that somebody else said.
    """

    kind: str
    code: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    hard: bool = False
