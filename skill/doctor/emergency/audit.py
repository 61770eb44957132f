"""One JSON line per AI call, 0600, rotated, without secrets; the day's budget; progress for a
person who watches.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, Dict, Mapping, Optional

from ...errors import SettingsError
from ...files import append_line, private_dir, read_json, set_aside, write_json
from ...openclaw.home import Home
from ...redact import Redactor

MAX_BYTES = 2_000_000
KEEP = 5


def folder(home: Home) -> Any:
    return private_dir(private_dir(home.doctor_dir) / "ai")


def write(ctx: Any, redactor: Redactor, event: Mapping[str, Any], prompt: str = "") -> None:
    """Append one event. Never raises: an observer cannot break the work."""
    try:
        line: Dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(ctx.host.now()))
        }
        line.update(redactor.clean_data(dict(event)))
        if prompt:
            line["prompt_sha256"] = hashlib.sha256(prompt.encode("utf-8")).hexdigest()
            line["prompt_chars"] = len(prompt)
        append_line(
            folder(ctx.home) / "audit.jsonl",
            json.dumps(line, ensure_ascii=False, default=str),
            MAX_BYTES,
            KEEP,
        )
    except (OSError, ValueError):
        pass


def spent_today(ctx: Any) -> Dict[str, Any]:
    """{"day", "calls", "usd"} of today. A file that cannot be read counts as a day on which nothing
    was spent yet.
    """
    day = time.strftime("%Y-%m-%d", time.localtime(ctx.host.now()))
    path = folder(ctx.home) / "budget.json"
    try:
        value = read_json(path, {})
    except SettingsError:
        set_aside(path)
        value = {}
    if not isinstance(value, dict) or value.get("day") != day:
        return {"day": day, "calls": 0, "usd": 0.0}
    return {"day": day, "calls": int(value.get("calls", 0)), "usd": float(value.get("usd", 0.0))}


def spend(ctx: Any, usd: Optional[float], calls: int = 1) -> None:
    value = spent_today(ctx)
    value["calls"] += calls
    value["usd"] = round(value["usd"] + (usd or 0.0), 6)
    try:
        write_json(folder(ctx.home) / "budget.json", value)
    except OSError:
        pass


def session(ctx: Any, value: Mapping[str, Any]) -> None:
    """What `ai attach` shows: the run at work or the last one."""
    try:
        write_json(folder(ctx.home) / "session.json", dict(value))
    except OSError:
        pass


def last_session(home: Home) -> Dict[str, Any]:
    try:
        value = read_json(home.doctor_dir / "ai" / "session.json", {})
    except SettingsError:
        value = {}
    return value if isinstance(value, dict) else {}
