"""What `launchctl print` says, as a ServiceState. Pure."""

from __future__ import annotations

import re
from typing import Dict

from . import ServiceState


def read_print(text: str, path: str) -> ServiceState:
    """Given the answer of `launchctl print`, answer what it means. Only lines of the outermost level count."""
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
