"""Is the config valid? What OpenClaw, its log or its schema says; kept until the config changes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from ..files import private_dir, read_file, read_json, write_json
from . import install, schema
from .cli import call, json_of
from .config import load
from .home import Home
from .logs import epoch_of_line
from .schema import Validation

if TYPE_CHECKING:
    from ..context import Context


def fingerprint(home: Home) -> str:
    """One hash over the config, its includes and .env: the same hash means the same answer."""
    digest = hashlib.sha256()
    files = list(load(home.config_path).files) or [home.config_path]
    for path in files + [home.env_file]:
        try:
            digest.update(
                str(path).encode("utf-8", "surrogateescape")
                + b"\0"
                + hashlib.sha256(read_file(path)).digest()
            )
        except OSError as error:
            digest.update("{}\0{}".format(path, error.errno).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def validate(ctx: Context, timeout: float = 30.0) -> Validation:
    """Is the config valid? The kept answer, else `openclaw config validate --json`, else OpenClaw's
    own schema, else the parser.
    """
    cache = ctx.home.doctor_dir / "cache" / "validate.json"
    key = fingerprint(ctx.home) + ":" + _version(ctx)
    try:
        kept = read_json(cache) or {}
    except Exception:
        kept = {}
    if kept.get("key") == key:
        return Validation(True, bool(kept["valid"]), tuple(kept["issues"]), "cli")
    told = from_log(ctx.logs, ctx.home.config_path)
    if told:
        return Validation(True, False, tuple(told), "log")
    result, error = _ask(ctx, timeout)
    if result is not None:
        try:
            private_dir(cache.parent)
            write_json(cache, {"key": key, "valid": result.valid, "issues": list(result.issues)})
        except OSError:
            pass
        return result
    return schema.validate(ctx, error)


def from_log(log: str, config: Path) -> List[Dict[str, Any]]:
    """Issues that the gateway itself printed when it refused this config. [] when it did not, or
    when the config changed since.

    "Gateway failed to start: Invalid config at PATH:" and then one line an issue: "openclaw.json:5
    — gateway.port: Invalid input".
    """
    found: List[Dict[str, Any]] = []
    reading = False
    for line in log.splitlines():
        head = re.search(r"Invalid config at (.+?):?$", line)
        if head:
            named = head.group(1)
            reading, found = named == str(config) and _older(config, line), []
            continue
        issue = (
            re.match(r"(?:[^\s:]+:\d+ — )?(<root>|[A-Za-z_][\w.@/-]*): (.+)$", line)
            if reading
            else None
        )
        if issue:
            found.append({"path": issue.group(1), "message": issue.group(2)})
        elif reading:
            reading = False
    return found


def _older(config: Path, line: str) -> bool:
    try:
        return config.stat().st_mtime < epoch_of_line(line)
    except OSError:
        return False


def _version(ctx: Context) -> str:
    return install.version(install.package_dir(ctx.host, ctx.platform))


def _ask(ctx: Context, timeout: float) -> Tuple[Optional[Validation], str]:
    done = call(ctx, ["config", "validate", "--json"], timeout)
    if done.missing or done.timed_out:
        return (
            None,
            "openclaw was not found"
            if done.missing
            else "openclaw did not answer within {:.0f} s".format(timeout),
        )
    answer = json_of(done.out)
    if not isinstance(answer, Mapping) or not isinstance(answer.get("valid"), bool):
        return None, "openclaw ended with {}".format(done.code)
    issues = [dict(i) for i in answer.get("issues") or [] if isinstance(i, Mapping)]
    if any(
        _elsewhere(i, str(ctx.home.config_path)) for i in issues
    ):  # its database is broken: that says nothing about the config
        return None, str(issues[0].get("message", ""))[:300]
    return Validation(True, bool(answer["valid"]), tuple(issues), "cli"), ""


def _elsewhere(issue: Mapping[str, Any], config: str) -> bool:
    message = str(issue.get("message", ""))
    if not message.startswith("read failed"):
        return False
    named = re.search(r"'([^']+)'", message.splitlines()[0])
    return not named or os.path.basename(named.group(1)) != os.path.basename(config)
