"""What `systemctl show` and `launchctl print` say, as a ServiceState. Pure but for one look whether
a unit file is still there.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Mapping, Optional

from .base import ServiceState

SHOWN = (
    "LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,ExecMainStartTimestamp,M"
    "ainPID,NRestarts,UnitFileState,FragmentPath,"
    "Restart,NeedDaemonReload,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic"
)
# A unit file that is there and cannot be used. "masked" is a person's word, unless the file is
# simply empty.
UNUSABLE = "unusable unit: "
BROKEN = {
    name: UNUSABLE + why
    for name, why in (("bad-setting", "bad-setting"), ("error", "error"), ("masked", "empty"))
}


def read_state(seen: Mapping[str, str], file_there: bool, empty: bool = False) -> ServiceState:
    """Given `systemctl show`, return what it means. empty: the unit file holds nothing, which
    systemd calls masked.
    """
    load, active, result = (
        seen.get("LoadState", ""),
        seen.get("ActiveState", "unknown"),
        seen.get("Result", ""),
    )
    ran = bool(seen.get("ExecMainStartTimestamp", "").strip())
    status = int(seen.get("ExecMainStatus") or 0)
    ended = seen.get("ExecMainCode", "0") not in ("0", "")
    code = (-status if seen.get("ExecMainCode") in ("2", "3") else status) if ended else None
    enabled = {"enabled": True, "enabled-runtime": True, "disabled": False, "masked": False}.get(
        seen.get("UnitFileState", "")
    )
    known = {"reloading": "active"}.get(active, active)
    broken = file_there and (empty if load == "masked" else load in BROKEN)
    there = broken or load == "masked" or (load == "loaded" and (file_there or not _lost(seen)))
    return ServiceState(
        exists=there,
        active=known
        if known in ("active", "activating", "deactivating", "inactive", "failed")
        else "unknown",
        sub=seen.get("SubState", ""),
        result=result,
        exit_code=code,
        main_pid=int(seen.get("MainPID") or 0) or None,
        restarts=int(seen.get("NRestarts") or 0),
        enabled=enabled,
        stopped_by_operator=False
        if broken
        else _stopped(load, active, result, ran, code in (0, 143, -15), seen),
        path=seen.get("FragmentPath", ""),
        detail=BROKEN[load]
        if broken
        else "needs daemon-reload"
        if seen.get("NeedDaemonReload") == "yes"
        else "",
    )


def _lost(seen: Mapping[str, str]) -> bool:
    """The manager still has in memory what is no longer on disk."""
    path = seen.get("FragmentPath", "")
    return bool(path) and not os.path.exists(path)


def _stopped(
    load: str, active: str, result: str, ran: bool, clean: bool, seen: Mapping[str, str]
) -> Optional[bool]:
    """With Restart=always only a person's stop leaves a unit that ran inactive, or failed by a
    timeout.
    """
    if load == "masked":
        return True
    if load != "loaded" or active in ("active", "activating", "deactivating"):
        return False
    if seen.get("Restart") != "always" or (active == "inactive" and not ran):
        return None
    if active == "inactive":
        # Not clean and yet "success": somebody cleared a failure (reset-failed) and was interrupted
        # before the start.
        return clean or result != "success"
    return result == "timeout"


def read_print(text: str, path: str) -> ServiceState:
    """Given the answer of `launchctl print`, return what it means. Only lines of the outermost
    level count.
    """
    fields: Dict[str, str] = {}
    for line in text.splitlines():
        found = re.match(r"\t([a-z ]+?) = (.*)$", line)
        if found and found.group(1) not in fields:
            fields[found.group(1)] = found.group(2).strip()
    pid = int(fields["pid"]) if fields.get("pid", "").isdigit() else None
    code = re.match(r"-?\d+", fields.get("last exit code", fields.get("last exit status", "")))
    signal = re.search(r"(\d+)$", fields.get("last terminating signal", ""))
    runs = int(fields["runs"]) if fields.get("runs", "").isdigit() else 0
    state = fields.get("state", "")
    return ServiceState(
        exists=True,
        active="active" if pid or state == "running" else "activating",
        sub=state,
        exit_code=-int(signal.group(1)) if signal else int(code.group()) if code else None,
        main_pid=pid,
        restarts=max(0, runs - 1),
        enabled=True,
        stopped_by_operator=False,
        path=fields.get("path", path),
        detail="" if pid else "loaded; launchd starts it within ThrottleInterval (10 s)",
    )
