"""Where the real `openclaw` program is: PATH, the service's command, well-known prefixes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional, Sequence, Tuple

from ..host import Host

SHIM_MARK = b"iflow-doctor shim"


_PREFIXES = (
    "{home}/.npm-global/bin",
    "{home}/.local/bin",
    "{home}/.openclaw/bin",
    "{home}/.bun/bin",
    "{home}/.local/share/pnpm",
    "{home}/Library/pnpm",
    "{home}/.volta/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/usr/bin",
    "/home/linuxbrew/.linuxbrew/bin",
)


def find(host: Host, platform: Any = None) -> Optional[Tuple[str, ...]]:
    """argv prefix of the real program: PATH, the service's own command, well-known npm prefixes.
    Never our shim. None: nowhere.
    """
    names = ("openclaw.cmd", "openclaw.exe") if host.system == "win32" else ("openclaw",)
    folders = [f for f in host.env.get("PATH", "").split(os.pathsep) if f]
    found = _first(folders, names)
    if found:
        return (found,)
    argv = service_program(platform)
    if argv and os.path.exists(argv[-1]):
        return argv
    home = str(host.home)
    folders = [p.format(home=home) for p in _PREFIXES]
    folders += [str(p) for p in sorted(Path(home).glob(".nvm/versions/node/*/bin"), reverse=True)]
    if host.system == "win32" and host.env.get("APPDATA"):
        folders.append(os.path.join(host.env["APPDATA"], "npm"))
    found = _first(folders, names)
    return (found,) if found else None


def service_program(platform: Any) -> Tuple[str, ...]:
    """The part of the service's command that names the program: (node, .../openclaw.mjs) or
    (.../openclaw,). () when unknown.
    """
    try:
        argv = [str(part) for part in platform.command() or ()]
    except Exception:  # whatever the service manager answers, finding the program goes on
        return ()
    for index, part in enumerate(argv):
        name = os.path.basename(part).lower()
        if name in ("gateway", "node") and index and not os.sep == part[:1]:
            break
        if name.endswith((".mjs", ".js", ".cjs")) or name in (
            "openclaw",
            "openclaw.cmd",
            "openclaw.exe",
        ):
            return tuple(argv[: index + 1])
    return ()


def _first(folders: Sequence[str], names: Sequence[str]) -> Optional[str]:
    for folder in folders:
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK) and not is_shim(path):
                return path
    return None


def is_shim(path: str) -> bool:
    """True for our own `openclaw` shim, which must never call itself."""
    try:
        with open(path, "rb") as handle:
            return SHIM_MARK in handle.read(4096)
    except OSError:
        return False
