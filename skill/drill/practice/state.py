"""What the practice gateway keeps on disk: its lock, its boots (for the crash-loop breaker), its
database, its control file, its plugins.

A plugin is a folder below <state dir>/extensions with a practice.json {"after_s", "do"}. do:
"throw" (fails to load, is skipped), "exit N", "reject" (exit 1 after a stack trace), "block" (busy
loop, SIGTERM has no effect).
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from ...files import private_dir, read_json, write_json
from ...platforms.keeper.processes import alive

Log = Callable[..., None]
BREAKER_BOOTS, BREAKER_WINDOW_S = 3, 300  # OpenClaw 2026.9.6: three unclean boots within 300 s


def control(state_dir: Path) -> Dict[str, Any]:
    """Given the state directory, return how a drill wants this gateway to behave; {} when it says
    nothing.

    Keys: start_s (seconds a start takes), slow_s (per answer), busy (event loop blocked), draining,
    failing [..], suppressed [..], doctor ("nothing": exits 0 and changes nothing; "drop": loses a
    section).
    """
    try:
        value = read_json(state_dir / "practice.json", {})
    except Exception:  # being written just now: as before is good enough
        return {}
    return value if isinstance(value, dict) else {}


def set_control(state_dir: Path, **changes: Any) -> None:
    """Change keys of the control file; None removes one."""
    value = control(state_dir)
    value.update(changes)
    write_json(
        state_dir / "practice.json", {key: item for key, item in value.items() if item is not None}
    )


def start_ticks(pid: int) -> Optional[int]:
    """The kernel's start time of a process in clock ticks since boot (field 22 of its stat); None
    where that is not known.
    """
    try:
        return int(Path("/proc/{}/stat".format(pid)).read_text().rsplit(")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def lock_path(state_dir: Path) -> Path:
    uid = os.getuid() if hasattr(os, "getuid") else 0
    return state_dir / "tmp" / "openclaw-{}".format(uid) / "gateway.state.lock"


def owner(state_dir: Path) -> Optional[int]:
    """The pid of the living gateway that holds the lock; None when nobody does (a dead owner's file
    is ignored).
    """
    try:
        value = json.loads(lock_path(state_dir).read_text("utf-8").strip())
        pid = int(value["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if alive(pid, value.get("startTime")) else None


def take_lock(state_dir: Path, config_path: Path, port: int) -> Optional[int]:
    """Take the lock; return the pid of another living owner instead when there is one."""
    other = owner(state_dir)
    if other is not None and other != os.getpid():
        return other
    path = lock_path(state_dir)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    write_json(
        path,
        {
            "pid": os.getpid(),
            "ownerId": str(uuid.uuid4()),
            "createdAt": stamp,
            "configPath": str(config_path),
            "stateDir": str(state_dir),
            "port": port,
            "startTime": start_ticks(os.getpid()),
        },
    )
    return None


def drop_lock(state_dir: Path) -> None:
    if owner(state_dir) == os.getpid():
        lock_path(state_dir).unlink()


def database_fault(state_dir: Path) -> str:
    """Open (or make) the state database; return what is wrong with it, "" when nothing is."""
    path = state_dir / "state" / "openclaw.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(str(path), timeout=2)
        try:
            connection.execute(
                "create table if not exists practice (name text primary key, value text)"
            )
            connection.execute(
                "insert or replace into practice values ('opened', ?)", (str(time.time()),)
            )
            connection.commit()
            verdict = connection.execute("pragma quick_check").fetchone()[0]
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        return str(error)
    return "" if verdict == "ok" else "database disk image is malformed"


def note_boot(state_dir: Path) -> int:
    """Write down that a boot began; return how many boots before it ended uncleanly within the
    breaker's window.
    """
    boots = _boots(state_dir)
    unclean = [boot for boot in boots if not boot.get("clean")]
    boots.append({"at": time.time(), "clean": False, "pid": os.getpid()})
    write_json(_boots_path(state_dir), boots)
    return len(unclean)


def note_clean_end(state_dir: Path) -> None:
    boots = _boots(state_dir)
    for boot in boots:
        if boot.get("pid") == os.getpid():
            boot["clean"] = True
    write_json(_boots_path(state_dir), boots)


def _boots_path(state_dir: Path) -> Path:
    private_dir(state_dir / "state")
    return state_dir / "state" / "practice-boots.json"


def _boots(state_dir: Path) -> List[Dict[str, Any]]:
    try:
        value = read_json(_boots_path(state_dir), [])
    except Exception:
        value = []
    since = time.time() - BREAKER_WINDOW_S
    return [boot for boot in value if isinstance(boot, dict) and boot.get("at", 0) > since]


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
                "Unhandled promise rejection: Error: {} unhandled\n    at Timeout._onTimeout "
                "(file://{}:3:9)".format(self.id, source),
                "openclaw",
            )
            os._exit(1)
        if self.do == "block":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            while True:
                pass


def plugins(state_dir: Path, view: Any, log: Log) -> List[Plugin]:
    """Given the config, return the plugins that run: found in extensions/ and not switched off."""
    found: List[Plugin] = []
    for folder in sorted((state_dir / "extensions").glob("*/")):
        entry = view.get("plugins.entries.{}".format(folder.name), {}) or {}
        if not (folder / "practice.json").exists() or (
            isinstance(entry, Mapping) and entry.get("enabled") is False
        ):
            continue
        plugin = Plugin(folder, read_json(folder / "practice.json", {}))
        source = folder / "index.js"
        if plugin.do == "throw":
            log("{} failed during load from {}: Error: boom".format(plugin.id, source), "plugins")
            log(
                "[plugins] plugin failed during load: Error: boom (plugin={}, source={})".format(
                    plugin.id, source
                )
            )
            continue
        log(
            "[plugins] OpenClaw can't verify where this plugin came from. (plugin={}, "
            "source={})".format(plugin.id, source)
        )
        found.append(plugin)
    return found
