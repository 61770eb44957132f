"""What the practice gateway refuses to start on, with the same exit codes and wording a healer sees
from OpenClaw 2026.9.6.

The keys are a small part of OpenClaw's schema: enough for the faults that drills inject.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ...openclaw import config as openclaw_config

REFUSED = 78  # config, auth, lock or database: no restart helps until something changes

TOP = (
    "$schema agents auth bindings browser channels commands cron diagnostics discovery env "
    "gateway hooks logging mcp memory messages"
    " meta models plugins secrets session skills tools ui update wizard"
).split()
GATEWAY = (
    "auth bind channelHealthCheckMinutes controlUi customBindHost http mode port reload remote "
    "tailscale tls tools trustedProxies"
).split()
MODES = ("local", "remote")
BINDS = ("auto", "lan", "loopback", "custom", "tailnet")
RELOADS = ("off", "restart", "hot", "hybrid")  # "hot" is retired: rewritten to "hybrid" at start


class Refusal(NamedTuple):
    """Why a start is refused: exit code and the lines to print."""

    code: int
    lines: Tuple[str, ...]


def issues(data: Mapping[str, Any]) -> List[Dict[str, str]]:
    """Given a parsed config, return what `openclaw config validate` would: [{path, message}]."""
    found: List[Dict[str, str]] = []

    def add(path: str, message: str) -> None:
        found.append({"path": path, "message": message})

    gateway = data.get("gateway", {})
    for key in data:
        if key not in TOP:
            add("<root>", 'Unrecognized key: "{}"'.format(key))
    if not isinstance(gateway, Mapping):
        add("gateway", "Invalid input: expected object")
        return found
    for key in gateway:
        if key not in GATEWAY:
            add("gateway", 'Unrecognized key: "{}"'.format(key))
    port = gateway.get("port", 18789)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        add("gateway.port", "Invalid input: expected number")
    for path, allowed in (("mode", MODES), ("bind", BINDS), ("reload.mode", RELOADS)):
        value = openclaw_config.get(gateway, path)
        if value is not None and value not in allowed:
            add("gateway." + path, "Invalid input (allowed: {})".format(", ".join(allowed)))
    for section in ("agents", "channels", "plugins", "logging"):
        if section in data and not isinstance(data[section], Mapping):
            add(section, "Invalid input: expected object")
    return found


def parse_issue(view: openclaw_config.ConfigView) -> Optional[Dict[str, str]]:
    """The one issue of a config that cannot be read at all."""
    if view.ok:
        return None
    return {"path": "<root>", "message": "JSON5 parse failed: {}".format(view.message)}


def refusal(path: Path, env: Mapping[str, str], env_file: Path) -> Optional[Refusal]:
    """Given the config's place, return why a start is refused; None when it may start."""
    view = openclaw_config.load(path)
    if view.error == "missing":
        return Refusal(
            REFUSED,
            (
                "Missing config. Run `openclaw setup` or set gateway.mode=local (or pass "
                "--allow-unconfigured).",
            ),
        )
    if not view.ok or not view.get("gateway.mode"):
        # the real message hides the cause: a syntax error reads the same as a missing mode
        return Refusal(
            REFUSED,
            (
                "Gateway start blocked: existing config is missing gateway.mode. Treat this as "
                "suspicious or clobbered config. Re-run"
                " `openclaw onboard --mode local` or `openclaw setup`, set gateway.mode=local "
                "manually, or pass --allow-unconfigured.",
            ),
        )
    wrong = issues(view.data)
    if wrong:
        lines = ["Gateway failed to start: Invalid config at {}:".format(path)]
        lines += ["{}: {}".format(item["path"], item["message"]) for item in wrong]
        return Refusal(
            REFUSED,
            tuple(lines + ['Run "openclaw doctor --fix" to repair the config, then retry.']),
        )
    return _auth(view, env, env_file)


def _auth(
    view: openclaw_config.ConfigView, env: Mapping[str, str], env_file: Path
) -> Optional[Refusal]:
    values = openclaw_config.variables(view, env, env_file)
    auth = view.get("gateway.auth", {}) or {}
    secret = (
        auth.get("token")
        or auth.get("password")
        or values.get("OPENCLAW_GATEWAY_TOKEN")
        or values.get("OPENCLAW_GATEWAY_PASSWORD")
    )
    open_door = view.get("gateway.bind") not in (None, "loopback")
    if open_door and (auth.get("mode") == "none" or not secret):
        return Refusal(
            REFUSED,
            (
                "Refusing to bind gateway to {} without auth.".format(view.get("gateway.bind")),
                "Set OPENCLAW_GATEWAY_TOKEN or OPENCLAW_GATEWAY_PASSWORD, or pass "
                "--token/--password to start with auth.",
            ),
        )
    return None
