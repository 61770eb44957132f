"""OpenClaw's own triage: a collector of evidence (starts no agent), and, when its agent is already
at work, a reason to wait.

`openclaw triage --json --non-interactive` took 8 to 16 s, works with a broken config and is
sanitized by OpenClaw; we redact it again.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Dict, List, Mapping

LIMIT = 12_000  # characters of evidence
_SHAPE = re.compile(
    r"(?:^|[/\s])(?:openclaw|openclaw-triage)(?:\.mjs|\.cmd)?\s(?:[^\n]*\s)?triage(?:\s|$)|\bop"
    r"enclaw-triage\b|openclaw-update-repair"
)
_PASSIVE = ("--non-interactive", "--json", "--help")


def collect(ctx: Any, timeout: float = 40.0) -> str:
    """Its findings and its prompt as text; "" when it cannot be had. Never raises."""
    from ..openclaw.cli import call

    try:
        done = call(ctx, ["triage", "--json", "--non-interactive"], timeout)
    except Exception:  # an extra: without it the evidence is only shorter
        return ""
    start = done.out.find("{")
    if start < 0:
        return ""
    try:
        value, _ = json.JSONDecoder().raw_decode(done.out, start)
    except ValueError:
        return done.out[:LIMIT]
    return _shown(value)[:LIMIT]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("prompt"), str):
        return str(value["prompt"])
    return json.dumps(value, ensure_ascii=False, indent=1)


def agents_at_work(ctx: Any) -> List[Dict[str, Any]]:
    """Triage agents of this gateway that are running now: {pid, command}. Ours (non-interactive) do
    not count.
    """
    import psutil

    found: List[Dict[str, Any]] = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info.get("cmdline") or []
        line = " ".join(words)
        if (
            process.pid == os.getpid()
            or not _SHAPE.search(line)
            or any(flag in words for flag in _PASSIVE)
        ):
            continue
        try:
            state = process.environ().get("OPENCLAW_STATE_DIR", "")
        except (psutil.Error, OSError):
            state = ""
        if state and os.path.realpath(state) != os.path.realpath(str(ctx.home.state_dir)):
            continue  # another profile's
        found.append({"pid": process.pid, "command": line[:120]})
    return found
