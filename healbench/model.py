"""What a fault is, and what is right. Values only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Pattern, Tuple

if TYPE_CHECKING:
    from .place import Place

HEAL, ESCALATE, NOTHING = "heal", "escalate", "nothing"
KINDS = ("fault", "control", "trap", "chain")
FAMILIES = (
    "process",
    "hang",
    "config",
    "plugin",
    "database",
    "installation",
    "service",
    "environment",
    "disk",
    "update",
    "channel",
    "several",
)


@dataclass(frozen=True)
class Facts:
    """What a useful message names, as regular expressions (any of them will do, case ignored).

    cause: what is wrong. evidence: how that is known (a line, a number, a path, an exit code).
    remedy: what the reader does next. `{NAME}` is replaced by a value of the place (see
    Place.words).
    """

    cause: Tuple[str, ...] = ()
    evidence: Tuple[str, ...] = ()
    remedy: Tuple[str, ...] = ()

    def found(self, text: str, words: Mapping[str, str]) -> Dict[str, bool]:
        """Return, for each of the three, whether `text` names it. What asks for nothing is met."""
        parts = {"cause": self.cause, "evidence": self.evidence, "remedy": self.remedy}
        return {
            name: not rules or any(_rule(rule, words).search(text) for rule in rules)
            for name, rules in parts.items()
        }


def _rule(rule: str, words: Mapping[str, str]) -> Pattern[str]:
    for name, value in words.items():
        rule = rule.replace("{" + name + "}", re.escape(value))
    return re.compile(rule, re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """One thing that is done to a gateway, and what is right.

    inject: does it. Everything that varies comes from place.rng, so that a seed repeats it.
    setup: before the first start. oracle: what must hold at the end beside "ready" and "no harm";
    returns complaints. limit_s: seconds after inject in which it has to be right; for `nothing`,
    how long it is watched. dies_by_itself: the gateway ends without anybody's signal, again and
    again. ill_while_ready: it answers ready and is not well, so ending it is no harm. may_tell: a
    message is right although nothing is to be done. Where a fault takes something away by itself,
    `spoils` names it (config, data, gateway) and it is not counted as harm.
    """

    id: str
    family: str
    title: str
    right: str
    inject: Callable[["Place"], None]
    kind: str = "fault"
    setup: Optional[Callable[["Place"], None]] = None
    oracle: Optional[Callable[["Place"], List[str]]] = None
    facts: Facts = field(default_factory=Facts)
    limit_s: float = 240.0
    targets: Tuple[str, ...] = ("openclaw", "practice")
    gateway_env: Mapping[str, str] = field(default_factory=dict)
    needs_copy: bool = False
    needs: Tuple[str, ...] = ()
    dies_by_itself: bool = False
    ill_while_ready: bool = False
    may_tell: bool = False
    spoils: Tuple[str, ...] = ()
    settle_s: float = 8.0
    source: str = ""
    smoke: bool = False

    @property
    def machine_fixable(self) -> bool:
        return self.right == HEAL
