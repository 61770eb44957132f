"""The practice `openclaw` program: the few commands that a keeper, a watchdog and a doctor call.

`gateway run` replaces this process by one titled openclaw-gateway, as OpenClaw does. What it does
not know it refuses with exit 1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from ...files import write_json
from ...openclaw import config as openclaw_config
from . import gateway, rules, state
from .gateway import VERSION

TITLE = "openclaw-gateway"


def run_gateway(_: List[str]) -> int:
    """Become the gateway. The title stands in argv[0], so Python must be told where its own library
    is.
    """
    if os.name == "nt":
        return gateway.main()
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(p for p in sys.path if p),
        PYTHONHOME=sys.base_prefix,
        PYTHONDONTWRITEBYTECODE="1",
    )
    os.execve(sys.executable, [TITLE, "-m", "skill.drill.practice.gateway"], env)


def validate(_: List[str]) -> int:
    path = gateway.places()[1]
    view = openclaw_config.load(path)
    broken = rules.parse_issue(view)
    found = [broken] if broken else rules.issues(view.data)
    if not found:
        print(json.dumps({"valid": True, "path": str(path), "warnings": []}))
        return 0
    error = {"type": "cli_error", "message": "OpenClaw config is invalid: {}".format(path)}
    print(
        json.dumps(
            {"ok": False, "error": error, "valid": False, "path": str(path), "issues": found}
        )
    )
    return 1


def doctor(args: List[str]) -> int:
    """--lint looks; --fix removes unknown keys and, like the real one, rewrites the file without
    its comments.
    """
    state_dir, path = gateway.places()
    wish = state.control(state_dir).get("doctor")
    view = openclaw_config.load(path)
    if "--lint" in args:
        found = [
            {"checkId": "practice", "severity": "error", "message": i["message"], "path": i["path"]}
            for i in rules.issues(view.data)
        ]
        print(json.dumps({"schemaVersion": 1, "ok": not found, "findings": found}))
        return 1 if found else 0
    if "--fix" not in args or wish == "nothing" or not view.ok:
        return 0
    if state.owner(state_dir):
        print(
            "Doctor could not enter maintenance: another OpenClaw process owns gateway-lifecycle",
            file=sys.stderr,
        )
        return 1
    data: Dict[str, Any] = {key: value for key, value in view.data.items() if key in rules.TOP}
    if isinstance(data.get("gateway"), dict):
        data["gateway"] = {
            key: value for key, value in data["gateway"].items() if key in rules.GATEWAY
        }
    if wish == "drop":
        for section in ("channels", "agents", "skills"):
            data.pop(section, None)
    write_json(path, data)
    return 0


def signal_owner(number: int) -> int:
    pid = state.owner(gateway.places()[0])
    if pid is None:
        print("gateway is not running", file=sys.stderr)
        return 1
    os.kill(pid, number)
    return 0


def restart(_: List[str]) -> int:
    return signal_owner(signal.SIGUSR2) if hasattr(signal, "SIGUSR2") else 1


def stop(args: List[str]) -> int:
    if "--force" not in args:  # OpenClaw 2026.9.6 refuses in a shell without a terminal
        print(
            "This stops the operator's running gateway service. Re-run with --force if you "
            "really mean it.",
            file=sys.stderr,
        )
        return 1
    pid, code = state.owner(gateway.places()[0]), signal_owner(signal.SIGTERM)
    if code == 0:
        note_stop(gateway.places()[0], pid)
    return code


def note_stop(state_dir: Path, pid: Optional[int]) -> None:
    """The line that OpenClaw 2026.9.6 leaves of every stop that was asked for."""
    (state_dir / "logs").mkdir(exist_ok=True)
    with open(state_dir / "logs" / "gateway-restart.log", "a", encoding="utf-8") as out:
        out.write(
            "openclaw gateway lifecycle source=cli action=stop mode=sigterm pid={} "
            "interactive=0\n".format(pid)
        )


def start_channels(_: List[str]) -> int:
    state.set_control(gateway.places()[0], suppressed=[])
    print(json.dumps({"ok": True}))
    return 0


def status(_: List[str]) -> int:
    pid = state.owner(gateway.places()[0])
    print(json.dumps({"ok": pid is not None, "pid": pid}))
    return 0 if pid else 1


def version(_: List[str]) -> int:
    print("OpenClaw {} (practice)".format(gateway.VERSION))
    return 0


COMMANDS = {
    ("gateway", "run"): run_gateway,
    ("gateway", "restart"): restart,
    ("gateway", "stop"): stop,
    ("gateway", "status"): status,
    ("gateway", "health"): status,
    ("gateway", "call", "channels.start"): start_channels,
    ("config", "validate"): validate,
    ("doctor",): doctor,
    ("--version",): version,
}


def main(argv: List[str]) -> int:
    for words, command in COMMANDS.items():
        if tuple(argv[: len(words)]) == words:
            return command(argv[len(words) :])
    print(
        "the practice gateway has no such command: {}".format(" ".join(argv[:3])), file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))


NODE = "24.16.0"  # the oldest Node that OpenClaw 2026.9.6 accepts

# Started through sh, because a #! line cannot name an interpreter whose path has a space in it.
HEAD = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
"""
PROGRAM = """import sys
sys.path[:0] = {path!r}
from skill.drill.practice.program import main
sys.exit(main(sys.argv[1:]))
"""

# `node --version`, and `node [flags] .../openclaw.mjs ARGS`, which is how service files start a
# gateway
NODE_PROGRAM = """import os, sys
args = sys.argv[1:]
if "--version" in args[:1] or "-v" in args[:1]:
    print("v{version}")
    sys.exit(0)
while args and args[0].startswith("-"):
    args.pop(0)
os.execv({python!r}, [{python!r}] + args)
"""

# Windows: cmd reads batch files in the console's code page, so the interpreter's path comes in by
# its name.
PYTHON_NAME = "IFLOW_DOCTOR_PRACTICE_PYTHON"
BATCH = '@"%{}%" "%~dp0{{}}" %*\r\n'.format(PYTHON_NAME)


def install(prefix: Path, windows: bool = os.name == "nt") -> Path:
    """Given an empty folder, return its bin folder, to be put first in PATH."""
    package, bin_dir = prefix / "lib" / "node_modules" / "openclaw", prefix / "bin"
    (package / "dist").mkdir(parents=True)
    bin_dir.mkdir(parents=True)
    python = sys.executable
    root = str(Path(__file__).resolve().parent.parent.parent.parent)
    path = [root] + [p for p in sys.path if p and p != root and os.path.isdir(p)]
    head = "" if windows else HEAD.format(python=python)
    _program(package / "openclaw.mjs", head + PROGRAM.format(path=path))
    _program(bin_dir / "node", head + NODE_PROGRAM.format(python=python, version=NODE))
    (package / "dist" / "entry.js").write_text("// practice\n", "utf-8")
    manifest = {
        "name": "openclaw",
        "version": VERSION,
        "bin": {"openclaw": "openclaw.mjs"},
        "engines": {"node": ">=24.16.0 <25 || >=26.1.0"},
    }
    write_json(package / "package.json", manifest)
    if windows:  # no links without privileges there; npm writes such a file too
        (bin_dir / "openclaw.cmd").write_bytes(
            BATCH.format("..\\lib\\node_modules\\openclaw\\openclaw.mjs").encode()
        )
        (bin_dir / "node.cmd").write_bytes(BATCH.format("node").encode())
        return bin_dir
    os.symlink(
        os.path.join("..", "lib", "node_modules", "openclaw", "openclaw.mjs"), bin_dir / "openclaw"
    )
    return bin_dir


def _program(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
