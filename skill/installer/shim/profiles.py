"""A marked PATH line in the user's shell profile, added only when asked for, removed without a
trace.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import List

from ...files import write_atomic
from ...host import Host

BEGIN = "# >>> iflow-doctor shim >>>"
END = "# <<< iflow-doctor shim <<<"
_BLOCK = re.compile(r"\n?" + re.escape(BEGIN) + r".*?" + re.escape(END) + r"\n?", re.S)


def files(host: Host) -> List[Path]:
    """The profile files of the user's login shell in which PATH is set. [] on Windows (the
    installer uses the registry there).
    """
    home = host.home
    shell = Path(host.env.get("SHELL", "/bin/sh")).name
    if host.system == "win32":
        return []
    if shell == "zsh":
        return [Path(host.env.get("ZDOTDIR") or home) / ".zshrc"]
    if shell == "bash":
        login = [
            home / name for name in (".bash_profile", ".bash_login") if (home / name).is_file()
        ]
        return [home / ".bashrc"] + (login or [home / ".profile"])
    if shell == "fish":
        return [home / ".config" / "fish" / "conf.d" / "iflow-doctor.fish"]
    return [home / ".profile"]


def line(folder: Path, profile: Path) -> str:
    quoted = shlex.quote(str(folder))
    return (
        "set -gx PATH {} $PATH".format(quoted)
        if profile.suffix == ".fish"
        else 'export PATH={}:"$PATH"'.format(quoted)
    )


def add(profile: Path, folder: Path) -> bool:
    """Append the marked block; True when the file changed. Raises OSError."""
    before = profile.read_text("utf-8", "surrogateescape") if profile.is_file() else ""
    block = "\n{}\n{}\n{}\n".format(BEGIN, line(folder, profile), END)
    after = _BLOCK.sub("", before) + block
    if after == before:
        return False
    profile.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(profile, after.encode("utf-8", "surrogateescape"), mode=0o644, keep_mode=True)
    return True


def remove(profile: Path) -> bool:
    """Take the marked block out again; a file that holds nothing else is deleted. True when
    something changed.
    """
    if not profile.is_file():
        return False
    before = profile.read_text("utf-8", "surrogateescape")
    after = _BLOCK.sub("", before)
    if after == before:
        return False
    if after.strip():
        write_atomic(profile, after.encode("utf-8", "surrogateescape"), mode=0o644, keep_mode=True)
    else:
        profile.unlink()
    return True


def present(profile: Path) -> bool:
    """True when our block is in this file."""
    try:
        return BEGIN in profile.read_text("utf-8", "surrogateescape")
    except OSError:
        return False
