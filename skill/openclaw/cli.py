"""The real `openclaw` program: where it is, how it is called, and what it says about the config.

It costs 1 to 7 s and some 200 MB per call (measured, 2026.9.6), so what it said about a config is
kept until that config changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..files import private_dir, read_file, read_json, write_json
from ..host import Completed, Host
from .config import load
from .home import Home

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


@dataclass(frozen=True)
class Validation:
    """What is known about the config's validity. known False: neither the program nor its schema
    could say.

    issues: {"path": dotted path or "<root>", "message": str, "allowedValues": list?}. source: cli |
    log | schema | parse.
    error: why the program could not say, when it could not.
    """

    known: bool
    valid: bool
    issues: Tuple[Mapping[str, Any], ...] = ()
    source: str = "cli"
    error: str = ""


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


def environment(host: Host, home: Home, program: Sequence[str] = ()) -> Dict[str, str]:
    """The environment in which `openclaw` speaks about this gateway. NODE_OPTIONS is dropped: a bad
    flag there ends node at once.
    """
    env = {
        k: v
        for k, v in host.env.items()
        if k not in ("NODE_OPTIONS", "OPENCLAW_GATEWAY_URL", "OPENCLAW_PROFILE")
    }
    env["HOME"] = str(host.home)
    env["NO_COLOR"] = "1"
    if home.profile:
        env["OPENCLAW_PROFILE"] = home.profile
    base = Path(host.env.get("OPENCLAW_HOME", "").strip() or host.home)
    plain = base / (".openclaw-" + home.profile if home.profile else ".openclaw")
    if "OPENCLAW_STATE_DIR" in env or home.state_dir != plain:
        env["OPENCLAW_STATE_DIR"] = str(home.state_dir)
    if "OPENCLAW_CONFIG_PATH" in env or home.config_path != home.state_dir / "openclaw.json":
        env["OPENCLAW_CONFIG_PATH"] = str(home.config_path)
    if program:  # `#!/usr/bin/env node` must find the node that lies beside the program
        folders = [os.path.dirname(program[0])] + [
            f for f in env.get("PATH", os.defpath).split(os.pathsep) if f
        ]
        env["PATH"] = os.pathsep.join(folders)
    return env


def call(ctx: Any, args: Sequence[str], timeout: float) -> Completed:
    """Run `openclaw ARGS` for this gateway. Never raises: not found is Completed(missing=True)."""
    program = find(ctx.host, getattr(ctx, "platform", None))
    if not program:
        return Completed(["openclaw", *args], None, "", "openclaw was not found", missing=True)
    env = environment(ctx.host, ctx.home, program)
    done: Completed = ctx.host.run([*program, *args], timeout=timeout, env=env)
    return done


# -- validation ------------------------------------------------------------------------------------
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


def validate(ctx: Any, timeout: float = 30.0) -> Validation:
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
    told = from_log(str(getattr(ctx, "log", "") or getattr(ctx, "logs", "")), ctx.home.config_path)
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
    from . import schema

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
    from .logs import epoch_of_line

    try:
        return config.stat().st_mtime < epoch_of_line(line)
    except OSError:
        return False


def _version(ctx: Any) -> str:
    from . import install

    return install.version(install.package_dir(ctx.host, getattr(ctx, "platform", None)))


def _ask(ctx: Any, timeout: float) -> Tuple[Optional[Validation], str]:
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
