"""What the shim says, and whether a file is one."""

from __future__ import annotations

import shlex
from pathlib import Path

from . import MARK

_HERE = Path(__file__).resolve().parent


def name(system: str) -> str:
    return "openclaw.cmd" if system == "win32" else "openclaw"


def render(python: str, system: str) -> bytes:
    """Given the interpreter of our private environment, answer the bytes of the shim. Raise ValueError for a path cmd cannot hold."""
    if "\n" in python or "\r" in python:
        raise ValueError("a path with a line break cannot be used in the shim: {!r}".format(python))
    if system == "win32":
        if '"' in python:
            raise ValueError("a path with a quotation mark cannot be used in the shim: {}".format(python))
        text = (_HERE / "openclaw.cmd.in").read_text("utf-8").replace("@PYTHON@", python.replace("%", "%%"))
        head, rest = text.split("\n", 1)
        if not python.isascii():  # cmd reads batch files in the console's code page: say which one this file is in
            rest = "chcp 65001 >nul\n" + rest
        return (head + "\n" + rest).replace("\n", "\r\n").encode("utf-8")
    return (_HERE / "openclaw.sh.in").read_text("utf-8").replace("@PYTHON@", shlex.quote(python)).encode("utf-8", "surrogateescape")


def is_shim(path: Path) -> bool:
    """True for a shim of ours: the mark is in its first lines."""
    try:
        with open(path, "rb") as handle:
            return MARK.encode() in handle.read(400)
    except OSError:
        return False
