"""What our keeper wrote (keeper.json), as a ServiceState. Reads the process table: the pid in it
may be long gone.
"""

from __future__ import annotations

from typing import Any, Mapping

from . import ServiceState
from .keeper import system

ACTIVE = {
    "running": "active",
    "starting": "activating",
    "waiting": "activating",
    "ended": "activating",
    "settling": "deactivating",
    "stopping": "deactivating",
    "stopped": "inactive",
    "left": "inactive",
    "refused": "failed",
    "gave-up": "failed",
}


def read_known(known: Mapping[str, Any], kept: bool, exists: bool, path: str) -> ServiceState:
    """Given keeper.json, whether a keeper is at work and whether one is wanted (exists), answer
    what it means.
    """
    pid = known.get("pid") if system.alive(known.get("pid"), known.get("ticks")) else None
    phase = str(known.get("phase", ""))
    same_boot = known.get("boot") == system.boot_mark()
    down = known.get("wanted") == "down" and same_boot
    if kept:
        active = ACTIVE.get(phase, "unknown")
    elif pid:
        active, phase = "active", "unkept"
    else:
        active = "failed" if phase in ("refused", "gave-up") and same_boot else "inactive"
    return ServiceState(
        exists=exists,
        active=active,
        sub=phase,
        result={"refused": "exit-code", "gave-up": "start-limit-hit"}.get(phase, ""),
        exit_code=known.get("exit_code"),
        main_pid=pid,
        restarts=int(known.get("restarts") or 0),
        enabled=True,
        stopped_by_operator=bool(down and not pid),
        path=path,
        detail=str(known.get("reason", ""))
        if kept
        else "no keeper is running" + ("; the gateway lives" if pid else ""),
    )


def fulfilled(action: str, known: Mapping[str, Any]) -> bool:
    """Whether the keeper has done what it was asked: start, restart, stop."""
    phase = known.get("phase")
    if action == "stop":
        return phase == "stopped"
    return phase in ("running", "waiting", "gave-up", "refused") and (
        phase != "running" or bool(known.get("pid"))
    )
