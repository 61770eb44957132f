"""Make a failing scenario small: leave out entries, round numbers, shorten the run, as long as the same invariant is violated."""

from __future__ import annotations

import copy
from typing import Any, Dict, List

from .run import run
from .scenario import Scenario


def fails(scenario: Scenario, invariant: str) -> bool:
    return any(v.invariant == invariant for v in run(scenario, stop_at_first=False).violations)


def shrink(scenario: Scenario, invariant: str, tries: int = 200) -> Scenario:
    """The smallest scenario found that still violates it."""
    best = copy.deepcopy(scenario)
    progress = True
    while progress and tries > 0:
        progress = False
        for smaller in candidates(best):
            tries -= 1
            if tries <= 0:
                break
            if fails(smaller, invariant):
                best, progress = smaller, True
                break
    return best


def candidates(scenario: Scenario) -> List[Scenario]:
    found: List[Scenario] = []
    for index in range(len(scenario.script)):
        one = copy.deepcopy(scenario)
        del one.script[index]
        found.append(one)
    if scenario.slow != 1.0:
        found.append(_with(scenario, slow=1.0))
    last = max([float(e["at"]) for e in scenario.script] + [0.0])
    for more in (60.0, 300.0, 900.0):
        if last + more < scenario.seconds:
            found.append(_with(scenario, seconds=last + more))
            break
    for index, entry in enumerate(scenario.script):
        if entry.get("in"):
            one = copy.deepcopy(scenario)
            one.script[index]["in"] = float(round(float(entry["in"]) / 5.0) * 5)
            if one.script[index]["in"] != entry["in"]:
                found.append(one)
        rounded = float(round(float(entry["at"]) / 10.0) * 10)
        if rounded != entry["at"]:
            one = copy.deepcopy(scenario)
            one.script[index]["at"] = rounded
            found.append(one)
    return found


def _with(scenario: Scenario, **changes: Any) -> Scenario:
    value: Dict[str, Any] = copy.deepcopy(scenario.to_json())
    value.update(changes)
    return Scenario.of(value)
