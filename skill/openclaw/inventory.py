"""Cheap facts of a healthy gateway, kept beside the good copy of its config, to compare with on a
bad day. No values of secrets.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, Mapping

from . import database, install, logs, plugins
from . import program as openclaw_program
from .config import get, load
from .processes import ours, table, usage

# Names of the service's environment that decide what is started and where, and hold no secret:
# their values are kept.
SERVICE_NAMES = (
    "HOME PATH TMPDIR NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS LD_PRELOAD LD_LIBRARY_PATH"
    " OPENCLAW_HOME OPENCLAW_STATE_DIR OPENCLAW_CONFIG_PATH OPENCLAW_PROFILE OPENCLAW_GATEWAY_PORT"
).split()


def inventory(ctx: Any) -> Dict[str, Any]:
    """{"version", "package", "program", "node", "node_version", "plugins": {id: newest mtime},
    "plugin_entries": [...], "loaded": [...],
    "databases": {path: {"size", "user_version", "created"}}, "service_env": {NAME: hash},
    "service_values": {NAME: value}, "config_sha", "memory_mb"}.

    Some 0.3 s. What cannot be found out is absent. memory_mb is rounded to 100, so that an
    unchanged gateway gives an equal inventory.
    """
    host, home, platform = ctx.host, ctx.home, ctx.platform
    package = install.package_dir(host, platform)
    view = load(home.config_path)
    data = view.data if isinstance(view.data, Mapping) else {}
    node = install.node_of(host, platform)
    env = _service_env(platform)
    found: Dict[str, Any] = {
        "version": install.version(package),
        "package": str(package or ""),
        "program": list(openclaw_program.find(host, platform) or ()),
        "node": node or "",
        "node_version": install.node_version(host, node) if node else "",
        "plugins": {
            name: round(plugins.newest_change(place), 1)
            for name, place in plugins.found(home.state_dir, data).items()
        },
        "plugin_entries": sorted(get(data, "plugins.entries", {}) or {}),
        "databases": _databases(home),
        "service_env": {name: _mark(value) for name, value in env.items()},
        "service_values": {name: env[name] for name in SERVICE_NAMES if name in env},
        "loaded": plugins.loaded(logs.newest_boot(host, home)),
        "config_sha": hashlib.sha256(view.raw).hexdigest(),
    }
    rows = ours(home, table(host))
    memory = usage(rows[0].pid).get("memory_mb") if rows else None
    if memory:
        found["memory_mb"] = int(round(memory, -2))
    return found


def _databases(home: Any) -> Dict[str, Dict[str, int]]:
    rows = {}
    for found in database.inspect_all(home, thorough=False):
        if not found.problem:
            # Size in whole 8 MB, for the same reason as memory.
            rows[str(found.path)] = {
                "size": found.size // 8388608 * 8388608 or 1,
                "user_version": found.user_version,
                "created": found.created,
            }
    return rows


def _service_env(platform: Any) -> Dict[str, str]:
    try:
        env = dict(platform.environment() or {}) if platform else {}
    except Exception:
        return {}
    return {name: str(value) for name, value in sorted(env.items())}


def _mark(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]
