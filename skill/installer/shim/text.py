"""What the shim says, and whether a file is one. The same for the launcher: `iflow-doctor` in
PATH.
"""

from __future__ import annotations

import ntpath
import os
import shlex
from pathlib import Path

from ...files import write_atomic
from . import MARK

LAUNCHER_MARK = "iflow-doctor launcher"
_HERE = Path(__file__).resolve().parent


def name(system: str) -> str:
    return "openclaw.cmd" if system == "win32" else "openclaw"


def from_here(python: str, folder: str) -> str:
    """How a batch file in `folder` names the interpreter: from where it lies, so that a user name
    like 张三 is not written in it.
    """
    drive, place = ntpath.splitdrive(python)[0].lower(), ntpath.splitdrive(folder)[0].lower()
    near = ntpath.relpath(python, folder) if folder and drive == place else ""
    return (
        ("%~dp0" + near if near and near.isascii() else python)
        .replace("%", "%%")
        .replace("%%~dp0", "%~dp0", 1)
    )


def render(python: str, system: str, folder: str = "") -> bytes:
    """Given the interpreter of our private environment and the folder the shim will be in, return
    its bytes.

    Raise ValueError for a path cmd cannot hold.
    """
    if "\n" in python or "\r" in python:
        raise ValueError("a path with a line break cannot be used in the shim: {!r}".format(python))
    if system == "win32":
        if '"' in python:
            raise ValueError(
                "a path with a quotation mark cannot be used in the shim: {}".format(python)
            )
        named = from_here(python, folder)
        text = (_HERE / "openclaw.cmd.in").read_text("utf-8").replace("@PYTHON@", named)
        head, rest = text.split("\n", 1)
        if (
            not named.isascii()
        ):  # cmd reads batch files in the console's code page: say which one this file is in
            rest = "chcp 65001 >nul\n" + rest
        return (head + "\n" + rest).replace("\n", "\r\n").encode("utf-8")
    return (
        (_HERE / "openclaw.sh.in")
        .read_text("utf-8")
        .replace("@PYTHON@", shlex.quote(python))
        .encode("utf-8", "surrogateescape")
    )


def is_shim(path: Path) -> bool:
    """True for a shim of ours: the mark is in its first lines."""
    try:
        with open(path, "rb") as handle:
            return MARK.encode() in handle.read(400)
    except OSError:
        return False


def launcher_name(windows: bool) -> str:
    return "iflow-doctor.cmd" if windows else "iflow-doctor"


def write_launcher(target: Path, python: Path, windows: bool) -> None:
    """Write the launcher. Raises OSError; refuses (FileExistsError) to replace a file that is not
    ours.
    """
    if os.path.exists(target) and not is_launcher(target):
        raise FileExistsError("{} is not ours and stays".format(target))
    if windows:
        named = from_here(str(python), str(target.parent))
        page = "" if named.isascii() else "chcp 65001 >nul\r\n"
        text = '@echo off\r\nrem {}\r\n{}"{}" -I -m skill %*\r\n'.format(LAUNCHER_MARK, page, named)
    else:
        text = '#!/bin/sh\n# {}\nexec {} -I -m skill "$@"\n'.format(
            LAUNCHER_MARK, shlex.quote(str(python))
        )
    write_atomic(target, text.encode("utf-8", "surrogateescape"), mode=0o755)


def is_launcher(target: Path) -> bool:
    try:
        return LAUNCHER_MARK.encode() in target.read_bytes()[:400]
    except OSError:
        return False
