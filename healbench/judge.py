"""Was it right? Pure: what was seen goes in, one row comes out. Partly right is not right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .collector import Message
from .harm import Harm
from .model import ESCALATE, HEAL, NOTHING, Fault
from .observer import Seen


@dataclass
class Row:
    """One case of one subject. Seconds count from the end of inject; None: it did not happen."""

    fault: str
    family: str
    kind: str
    right: str
    subject: str
    repeat: int
    seed: str
    target: str
    outcome: str = "void"
    ok: bool = False
    why: List[str] = field(default_factory=list)
    void: str = ""
    boot_s: Optional[float] = None
    detect_s: Optional[float] = None
    down_s: Optional[float] = None
    heal_s: Optional[float] = None
    told_s: Optional[float] = None
    useful: Dict[str, bool] = field(default_factory=dict)
    harm: Dict[str, int] = field(default_factory=dict)
    harm_details: List[str] = field(default_factory=list)
    harm_unknown: List[str] = field(default_factory=list)
    restarts: int = 0
    messages: int = 0
    ai_calls: int = 0
    rss_peak_mb: float = 0.0
    cpu_s: float = 0.0
    said: List[str] = field(default_factory=list)
    timeline: List[Dict[str, Any]] = field(default_factory=list)
    notes: Dict[str, Any] = field(default_factory=dict)


def best_message(
    fault: Fault, messages: Sequence[Message], since: float, words: Mapping[str, str]
) -> Any:
    """Return (first message that names the cause, what the best message names)."""
    first: Optional[Message] = None
    best: Dict[str, bool] = {}
    for message in messages:
        if message.at < since:
            continue
        found = fault.facts.found(message.text, words)
        if found["cause"] and first is None:
            first = message
        if sum(found.values()) > sum(best.values()) or not best:
            best = found
    return first, best


def judge(
    row: Row,
    fault: Fault,
    seen: Seen,
    injected: float,
    now: float,
    complaints: Sequence[str],
    messages: Sequence[Message],
    words: Mapping[str, str],
    harm: Harm,
    acted_at: Optional[float],
    limit_s: float,
) -> Row:
    """Fill in the row. acted_at: when the subject was first seen to do something."""
    row.harm, row.harm_details = dict(harm.counts), list(harm.details)
    row.harm_unknown = list(harm.unknown)
    new = [message for message in messages if message.at >= injected - 0.5]
    row.messages = len(new)
    row.said = [message.text[:3000] for message in new[:6]]
    down = seen.down_at(injected)
    row.down_s = round(down - injected, 1) if down else None
    row.restarts = seen.starts(injected)
    first, row.useful = best_message(fault, new, injected - 0.5, words)
    told = new[0].at if new else None
    signs = [at for at in (acted_at, told) if at is not None]
    row.detect_s = round(max(0.0, min(signs) - injected), 1) if signs else None
    row.told_s = round(max(0.0, first.at - injected), 1) if first else None
    ready_at = seen.ready_at(injected)
    settled = seen.ready_for(now) >= fault.settle_s and not complaints
    healed = settled and (down is not None or fault.ill_while_ready)
    if healed and ready_at is not None:
        row.heal_s = round(ready_at - injected, 1)
    acted = row.restarts > 0 or acted_at is not None
    row.outcome = "healed" if healed else "told" if first else "acted" if acted else "nothing"
    row.why = list(complaints)
    if fault.right == HEAL:
        row.ok = healed and row.heal_s is not None and row.heal_s <= limit_s
        if down is None and not fault.ill_while_ready and not acted and not complaints:
            row.void = "the fault had no effect"
    elif fault.right == ESCALATE:
        row.ok = row.told_s is not None and row.told_s <= limit_s
        if not row.ok:
            row.why.append("nobody was told what is wrong")
    elif fault.right == NOTHING:
        row.ok = not complaints
        row.outcome = "nothing" if row.ok and not harm.total else "acted"
    if harm.total:
        row.ok = False
        row.why.append("harm")
    return row
