"""Plugins of the practice gateway: folders below <state dir>/extensions with a practice.json {"after_s", "do"}.

do: "throw" (fails to load, is skipped), "exit N", "reject" (exit 1 after a stack trace), "block" (busy loop, SIGTERM has no effect).
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Callable, List, Mapping

from ..files import read_json

Log = Callable[..., None]


class Plugin:
    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder, self.id = folder, folder.name
        self.after_s, self.do = float(plan.get("after_s", 0)), str(plan.get("do", ""))

    def tick(self, uptime_s: float, log: Log) -> None:
        """Given the gateway's uptime, do what this plugin does when its time has come."""
        if uptime_s < self.after_s:
            return
        if self.do.startswith("exit"):
            os._exit(int(self.do.split()[1]))
        if self.do == "reject":
            source = self.folder / "index.js"
            log(
                "Unhandled promise rejection: Error: {} unhandled\n    at Timeout._onTimeout (file://{}:3:9)".format(self.id, source),
                "openclaw",
            )
            os._exit(1)
        if self.do == "block":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            while True:
                pass


def load(state_dir: Path, view: Any, log: Log) -> List[Plugin]:
    """Given the config, answer the plugins that run: found in extensions/ and not switched off."""
    found: List[Plugin] = []
    for folder in sorted((state_dir / "extensions").glob("*/")):
        entry = view.get("plugins.entries.{}".format(folder.name), {}) or {}
        if not (folder / "practice.json").exists() or (isinstance(entry, Mapping) and entry.get("enabled") is False):
            continue
        plugin = Plugin(folder, read_json(folder / "practice.json", {}))
        source = folder / "index.js"
        if plugin.do == "throw":
            log("{} failed during load from {}: Error: boom".format(plugin.id, source), "plugins")
            log("[plugins] plugin failed during load: Error: boom (plugin={}, source={})".format(plugin.id, source))
            continue
        log("[plugins] OpenClaw can't verify where this plugin came from. (plugin={}, source={})".format(plugin.id, source))
        found.append(plugin)
    return found
