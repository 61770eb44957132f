"""Put the practice `openclaw` where npm would: <prefix>/bin/openclaw, <prefix>/bin/node,
<prefix>/lib/node_modules/openclaw.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...files import write_json
from .gateway import VERSION

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
