"""The real `openclaw` program: where it is, how it is called, and what it says about the config.

It costs 1 to 7 s and some 200 MB per call (measured, 2026.9.6), so what it said about a config is
kept until that config changes.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..host import Completed, Host
from .home import Home, selectors

if TYPE_CHECKING:
    from ..context import Context
    from ..platforms.base import Platform

# OpenClaw's own triage: a collector of evidence (it starts no agent; 8 to 16 s), which works with
# a broken config; and an agent that may be at work already.
TRIAGE_LIMIT = 12_000  # characters of evidence
_SHAPE = re.compile(
    r"(?:^|[/\s])(?:openclaw|openclaw-triage)(?:\.mjs|\.cmd)?\s(?:[^\n]*\s)?triage(?:\s|$)|\bop"
    r"enclaw-triage\b|openclaw-update-repair"
)
_PASSIVE = ("--non-interactive", "--json", "--help")


def environment(host: Host, home: Home, program: Sequence[str] = ()) -> Dict[str, str]:
    """The environment in which `openclaw` speaks about this gateway. NODE_OPTIONS is dropped: a bad
    flag there ends node at once.
    """
    dropped = ("NODE_OPTIONS", "OPENCLAW_GATEWAY_URL", "OPENCLAW_PROFILE")
    env = {k: v for k, v in host.env.items() if k not in dropped}
    env.update(selectors(host, home))
    env["HOME"] = str(host.home)
    env["NO_COLOR"] = "1"
    if program:  # `#!/usr/bin/env node` must find the node that lies beside the program
        folders = [os.path.dirname(program[0])] + [
            f for f in env.get("PATH", os.defpath).split(os.pathsep) if f
        ]
        env["PATH"] = os.pathsep.join(folders)
    return env


def call(ctx: Context, args: Sequence[str], timeout: float) -> Completed:
    """Run `openclaw ARGS` for this gateway. Never raises: not found is Completed(missing=True)."""
    program = find(ctx.host, getattr(ctx, "platform", None))
    if not program:
        return Completed(["openclaw", *args], None, "", "openclaw was not found", missing=True)
    env = environment(ctx.host, ctx.home, program)
    done: Completed = ctx.host.run([*program, *args], timeout=timeout, env=env)
    return done


def json_of(text: str) -> Any:
    """The first JSON object or list in a program's output (warnings may stand before it); None when
    there is none.
    """
    for start in [m.start() for m in re.finditer(r"^[\[{]", text, re.M)][:20]:
        try:
            return json.JSONDecoder().raw_decode(text[start:])[0]
        except ValueError:
            continue
    return None


def triage(ctx: Context, timeout: float = 40.0) -> str:
    """Its findings and its prompt as text; "" when it cannot be had. Never raises."""
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
        return done.out[:TRIAGE_LIMIT]
    return _shown(value)[:TRIAGE_LIMIT]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("prompt"), str):
        return str(value["prompt"])
    return json.dumps(value, ensure_ascii=False, indent=1)


def triage_agents(ctx: Context) -> List[Dict[str, Any]]:
    """Triage agents of this gateway that are running now: {pid, command}. Ours (non-interactive) do
    not count.
    """
    found: List[Dict[str, Any]] = []
    for row in ctx.host.processes():
        if (
            row.pid == os.getpid()
            or not _SHAPE.search(row.line[:4000])
            or any(flag in row.argv for flag in _PASSIVE)
        ):
            continue
        env = row.env if row.env is not None else ctx.host.environ(row.pid)
        state = (env or {}).get("OPENCLAW_STATE_DIR", "")
        if state and os.path.realpath(state) != os.path.realpath(str(ctx.home.state_dir)):
            continue  # another profile's
        found.append({"pid": row.pid, "command": row.line[:120]})
    return found


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


def find(host: Host, platform: Optional[Platform] = None) -> Optional[Tuple[str, ...]]:
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


def service_program(platform: Optional[Platform]) -> Tuple[str, ...]:
    """The part of the service's command that names the program: (node, .../openclaw.mjs) or
    (.../openclaw,). () when unknown.
    """
    if platform is None:
        return ()
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
