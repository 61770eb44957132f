"""The faults. Each is one small function below a @fault line; a family is a file."""

from __future__ import annotations

import os
import random
import shutil
from typing import List, Sequence

from ..model import FAMILIES, KINDS, Fault
from . import (
    channel,
    config,
    controls,
    database,
    disk,
    environment,
    hang,
    installation,
    plugin,
    process,
    replays,
    service,
    several,
    traps,
    update,
)
from .base import ALL

__all__ = ["ALL", "choose", "draw", "missing"]
_FILES = (
    process,
    hang,
    config,
    plugin,
    database,
    installation,
    service,
    environment,
    disk,
    update,
    channel,
    several,
    controls,
    traps,
    replays,
)


def choose(words: str) -> List[Fault]:
    """Return the faults of a list such as "smoke", "config,trap" or "killed". Raise LookupError
    for a word that means none.
    """
    found: List[Fault] = []
    for word in filter(None, words.split(",")):
        some = [
            fault
            for fault in ALL
            if word in ("all", fault.id)
            or (word == "smoke" and fault.smoke)
            or (word in KINDS and fault.kind == word)
            or (word in FAMILIES and fault.family == word and fault.kind == "fault")
        ]
        if not some:
            raise LookupError("no fault, family or kind is called {}".format(word))
        found += [fault for fault in some if fault not in found]
    return found


def draw(chosen: Sequence[Fault], number: int, seed: str) -> List[Fault]:
    """Return so many of them, drawn by the seed; all of them for 0."""
    if not number or number >= len(chosen):
        return list(chosen)
    return random.Random("draw/" + seed).sample(list(chosen), number)


def missing(fault: Fault) -> str:
    """What this machine lacks for the fault; "" for nothing."""
    for need in fault.needs:
        if need == "root":
            if os.geteuid() != 0:
                return "root"
        elif not (os.path.exists(need) if need.startswith("/") else shutil.which(need)):
            return need
    return ""
