"""`iflow-doctor` in PATH: starts the environment in use through its stable link, isolated from the working directory."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..files import write_atomic
from ..shim.text import from_here

MARK = "iflow-doctor launcher"


def name(windows: bool) -> str:
    return "iflow-doctor.cmd" if windows else "iflow-doctor"


def write(target: Path, python: Path, windows: bool) -> None:
    """Write the launcher. Raises OSError; refuses (FileExistsError) to replace a file that is not ours."""
    if target.exists() and not is_ours(target):
        raise FileExistsError("{} is not ours and stays".format(target))
    if windows:
        named = from_here(str(python), str(target.parent))
        page = "" if named.isascii() else "chcp 65001 >nul\r\n"
        text = '@echo off\r\nrem {}\r\n{}"{}" -I -m skill %*\r\n'.format(MARK, page, named)
    else:
        text = '#!/bin/sh\n# {}\nexec {} -I -m skill "$@"\n'.format(MARK, shlex.quote(str(python)))
    write_atomic(target, text.encode("utf-8", "surrogateescape"), mode=0o755)


def is_ours(target: Path) -> bool:
    try:
        return MARK.encode() in target.read_bytes()[:400]
    except OSError:
        return False
