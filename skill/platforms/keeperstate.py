"""What our keeper wrote (keeper.json), as a ServiceState. Reads the process table: the pid in it
may be long gone.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Sequence

from ..errors import ServiceError
from ..host import Host
from ..model import Text
from ..openclaw import lock
from ..openclaw.home import Home, selectors
from .base import ServiceState
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
    """Given keeper.json, whether a keeper is at work and whether one is wanted (exists), return
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
        stopped_mono=_number(known.get("stopped_mono")) if down else 0.0,
    )


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else 0.0


def fulfilled(action: str, known: Mapping[str, Any]) -> bool:
    """Whether the keeper has done what it was asked: start, restart, stop."""
    phase = known.get("phase")
    if action == "stop":
        return phase == "stopped"
    return phase in ("running", "waiting", "gave-up", "refused") and (
        phase != "running" or bool(known.get("pid"))
    )


# What makes a start by hand and a start by the keeper the same, no matter who started the keeper.
KEPT = (
    "HOME",
    "USERPROFILE",
    "PATH",
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_CONFIG_PATH",
    "OPENCLAW_PROFILE",
    "OPENCLAW_HOME",
    "OPENCLAW_GATEWAY_PORT",
)


def spec(host: Host, home: Home, command: Sequence[str], grace: float) -> Dict[str, Any]:
    """keeper.spec.json. grace: s between SIGTERM and SIGKILL. Raises ServiceError without a
    command.
    """
    if not command:
        raise ServiceError(
            Text("the openclaw program was not found", "找不到 openclaw 程序"),
            Text(
                "put it into PATH, or set gateway_command",
                "请把它加入 PATH，或设置 gateway_command",
            ),
        )
    knows = _knows_supervisors(host)
    openclaw = list(command[:-2]) if list(command[-2:]) == ["gateway", "run"] else []
    return {
        "command": list(command),
        "state_dir": str(home.state_dir),
        "port": home.port,
        "locks": lock.old_places(host, home),
        # else a stop is nothing but an orderly end after SIGTERM
        "records_stops": knows is not False,
        # also where its version cannot be read: newer ones restart in process all the same
        "set": {**own_env(host, home), **({} if knows else {"OPENCLAW_NO_RESPAWN": "1"})},
        "unset": [],
        "grace": grace,
        "cwd": str(host.home) if os.path.isdir(host.home) else "",
        "consume": openclaw + ["gateway", "restart-handoff", "consume"] if openclaw else [],
    }


def _knows_supervisors(host: Host) -> Optional[bool]:
    """Whether the installed OpenClaw leaves restarts to its supervisor and notes a stop. None where
    its version cannot be read.
    """
    from ..openclaw import abilities, install

    return abilities.can(install.version(install.package_dir(host)), "supervisor-mode")


def own_env(host: Host, home: Home) -> Dict[str, str]:
    return {
        "OPENCLAW_SUPERVISOR_MODE": "external",
        **{name: host.env[name] for name in KEPT if host.env.get(name)},
        **selectors(host, home),
    }


def keeper_env(host: Host) -> Dict[str, str]:
    """The keeper's own environment: ours without what is only ours."""
    return {k: v for k, v in host.env.items() if k not in system.NOT_FOR_CHILDREN}


def changed(
    before: Mapping[str, Any], set: Mapping[str, str], unset: Sequence[str], path: str
) -> Dict[str, Any]:
    """keeper.env.json with these values. path: the PATH of the next start."""
    changes, content = dict(set), {key: before[key] for key in ("limit_nofile",) if key in before}
    if "LimitNOFILE" in changes:
        content["limit_nofile"] = int(changes.pop("LimitNOFILE"))
    if (
        "ExecStart[0]" in changes
    ):  # the program is found through PATH: the wanted node comes first in it
        changes["PATH"] = os.path.dirname(changes.pop("ExecStart[0]")) + os.pathsep + path
    content["set"] = {
        k: v for k, v in {**(before.get("set") or {}), **changes}.items() if k not in unset
    }
    content["unset"] = sorted({*(before.get("unset") or ()), *unset} - {*changes})
    return content
