"""Which plugins are OpenClaw's own and which came from elsewhere; what the log says about each.
Read only.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from ..files import json_bounded
from . import abilities, database, install, lock, logs, plugins
from . import cli as openclaw_program
from .config import get, load
from .processes import table, usage

if TYPE_CHECKING:
    from ..context import Context
    from ..platforms.base import Platform
    from .home import Home

# A stack line inside a plugin: its folder below extensions/, or the copy that OpenClaw 2026.9.6
# captures and runs.
_FRAME = re.compile(
    r"(?:plugin-captures/[^\s'\"]{1,200}?/node_modules/|/extensions/)((?:@[A-Za-z0-9._-]{1,80}/)?"
    r"[A-Za-z0-9._-]{1,80})/[^\s'\"]{0,300}?\.[cm]?[jt]s"
)
_UNTRUSTED = re.compile(
    r"can't verify where this plugin came from\. Review it with 'openclaw plugins inspect "
    r"([A-Za-z0-9@/._-]+)'"
)
_LOAD_FAILED = re.compile(
    r"\[plugins\] (?!plugin failed)(?P<a>[A-Za-z0-9@/._-]+) failed (?:during|to) "
    r"(?:load|register|activate)[^\n]*"
    r"|plugin failed during "
    r"(?:load|register|activation)[^\n]*?\(plugin=(?P<b>[A-Za-z0-9@/._-]+)[^\n]*"
)


_LOADED = re.compile(r"http server listening \(\d+ plugins?: ([^;)]*)")


def found(state_dir: Path, config: Mapping[str, Any]) -> Dict[str, Path]:
    """id -> folder or file of every plugin that does not come with OpenClaw: extensions/ and
    plugins.load.paths.
    """
    section = config.get("plugins") if isinstance(config, Mapping) else None
    load = section.get("load") if isinstance(section, Mapping) else None
    paths = load.get("paths") if isinstance(load, Mapping) else None
    places = [Path(os.path.expanduser(str(p))) for p in paths] if isinstance(paths, list) else []
    result: Dict[str, Path] = {}
    for place in _children(state_dir / "extensions") + places:
        if os.path.exists(place):
            result[identity(place)] = place
    return result


def _children(folder: Path) -> List[Path]:
    try:
        names = sorted(e.path for e in os.scandir(folder) if not e.name.startswith("."))
    except OSError:
        return []
    rows: List[Path] = []
    for name in names:
        scoped = os.path.basename(name).startswith("@") and os.path.isdir(name)
        rows += _children(Path(name)) if scoped else [Path(name)]
    return rows


def identity(place: Path) -> str:
    """The plugin's id: from its manifest, else the name of its folder or file."""
    try:
        value = json_bounded((place / "openclaw.plugin.json").read_text("utf-8"))
        if isinstance(value, dict) and isinstance(value.get("id"), str) and value["id"]:
            return str(value["id"])
    except (OSError, ValueError):
        pass
    return place.stem if os.path.isfile(place) else place.name


def newest_change(place: Path, most: int = 400) -> float:
    """Epoch seconds of the newest file of a plugin (node_modules left out); 0.0 when there is
    none.
    """
    newest = 0.0
    try:
        newest = place.stat().st_mtime
        for folder, folders, names in os.walk(str(place)):
            folders[:] = [f for f in folders if f not in ("node_modules", ".git")]
            for name in names:
                most -= 1
                if most < 0:
                    return newest
                newest = max(newest, os.lstat(os.path.join(folder, name)).st_mtime)
    except OSError:
        pass
    return newest


def enabled(config: Mapping[str, Any], name: str) -> bool:
    section = config.get("plugins") if isinstance(config, Mapping) else None
    section = section if isinstance(section, Mapping) else {}
    deny = section.get("deny")
    if section.get("enabled") is False or (isinstance(deny, list) and name in deny):
        return False
    entries = section.get("entries")
    entry = entries.get(name) if isinstance(entries, Mapping) else None
    return not (isinstance(entry, Mapping) and entry.get("enabled") is False)


def crashed(log: str) -> Optional[Tuple[str, str]]:
    """(plugin, the error line) when the boot ended in an exception whose innermost own frame lies
    in a plugin; None otherwise.
    """
    lines = log.splitlines()
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        fatal = re.search(r"Unhandled promise rejection|[Uu]ncaught exception", line)
        thrown = re.match(r"(?:\S+ )?(?:file://)?/\S+\.[cm]?[jt]s:\d+$", line.strip())
        if not fatal and not thrown:
            continue
        after = lines[index : index + 30]
        for row in after:
            frame = _FRAME.search(row)
            if frame:
                said = next(
                    (
                        r
                        for r in after
                        if re.match(r"\s*(?:\S+ )?(?:[A-Za-z]*Error|AggregateError)\b", r)
                    ),
                    line,
                )
                return frame.group(1), said.strip()[:200]
    return None


def load_failures(log: str) -> Dict[str, str]:
    """plugin -> what was said, for plugins that failed to load (the gateway goes on without
    them).
    """
    return {m.group("a") or m.group("b"): m.group(0)[:240] for m in _LOAD_FAILED.finditer(log)}


def loaded(log: str) -> List[str]:
    """Names of the plugins that the newest boot says it loaded; [] when it says nothing."""
    found = _LOADED.findall(log)
    return [name.strip() for name in found[-1].split(",") if name.strip()] if found else []


def unfinished(log: str) -> List[str]:
    """Plugins that the config names and whose package is missing."""
    return sorted(
        set(re.findall(r'Plugin "([A-Za-z0-9@/._-]+)" data/settings upgrade is unfinished', log))
    )


# Names of the service's environment that decide what is started and where, and hold no secret:
# their values are kept.
SERVICE_NAMES = (
    "HOME PATH TMPDIR NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS LD_PRELOAD LD_LIBRARY_PATH"
    " OPENCLAW_HOME OPENCLAW_STATE_DIR OPENCLAW_CONFIG_PATH OPENCLAW_PROFILE OPENCLAW_GATEWAY_PORT"
).split()


def inventory(ctx: Context) -> Dict[str, Any]:
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
    node = abilities.node_of(host, platform)
    env = _service_env(platform)
    found: Dict[str, Any] = {
        "version": install.version(package),
        "package": str(package or ""),
        "program": list(openclaw_program.find(host, platform) or ()),
        "node": node or "",
        "node_version": abilities.node_version(host, node) if node else "",
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
    rows = lock.gateways(host, home, table(host))
    memory = usage(host, rows[0].pid).get("memory_mb") if rows else None
    if memory:
        found["memory_mb"] = int(round(memory, -2))
    return found


def _databases(home: Home) -> Dict[str, Dict[str, int]]:
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


def _service_env(platform: Optional[Platform]) -> Dict[str, str]:
    try:
        env = dict(platform.environment() or {}) if platform else {}
    except Exception:
        return {}
    return {name: str(value) for name, value in sorted(env.items())}


def _mark(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]
