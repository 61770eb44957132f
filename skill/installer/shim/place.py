"""Where the shim goes: a directory of the user's that already precedes the real openclaw in PATH,
else our own.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from ...errors import SettingsError
from ...files import private_dir, read_json, write_atomic, write_json
from ...host import Host
from ...openclaw.home import state_dir_of
from . import place, text


class Place(NamedTuple):
    """folder: where to put the shim. in_path: it already precedes the real openclaw there, so no
    profile needs a line.
    """

    folder: Path
    in_path: bool


def path_folders(host: Host) -> List[Path]:
    separator = ";" if host.system == "win32" else ":"
    return [Path(part.strip('"')) for part in host.env.get("PATH", "").split(separator) if part]


def real(host: Host) -> Optional[Path]:
    """The first openclaw in PATH that is no shim of ours; None when there is none."""
    names = ("openclaw.exe", "openclaw.cmd") if host.system == "win32" else ("openclaw",)
    for folder in path_folders(host):
        for name in names:
            candidate = folder / name
            if (
                os.path.isfile(candidate)
                and os.access(candidate, os.X_OK)
                and not text.is_shim(candidate)
            ):
                return candidate
    return None


def choose(host: Host, own: Path) -> Place:
    """Given our own folder as the last resort, return the best place. Changes nothing.

    A folder counts when it is below the user's home, exists, is writable, belongs to no package
    manager, and precedes the
    real openclaw: an update of Node or npm must not sweep the shim away or mistake it for its own
    file.
    """
    found = real(host)
    stop = found.parent if found else None
    home = os.path.realpath(str(host.home))
    for folder in path_folders(host):
        if stop is not None and folder == stop:
            break
        if folder == own:
            return Place(own, True)
        if _ours_to_use(folder, home) and not _taken(folder / text.name(host.system)):
            return Place(folder, True)
    return Place(own, own in path_folders(host) and stop is None)


def _taken(target: Path) -> bool:
    return os.path.exists(target) and not text.is_shim(target)


def _ours_to_use(folder: Path, home: str) -> bool:
    whole = os.path.realpath(str(folder))
    inside = whole.startswith(home + os.sep)
    managed = {
        "node_modules",
        ".nvm",
        ".fnm",
        ".volta",
        ".asdf",
        ".npm-global",
        ".local/share",
        ".pyenv",
        "Temp",
        "tmp",
    }
    parts = set(Path(whole[len(home) :]).parts) if inside else set()
    bad = (
        parts & managed
        or any(m in whole[len(home) :] for m in (".local/share", "venv", ".openclaw"))
        if inside
        else True
    )
    return (
        inside
        and not bad
        and folder.is_absolute()
        and os.path.isdir(folder)
        and os.access(folder, os.W_OK)
    )


PROBE_S = 15.0  # `openclaw skills --help` takes 1.5 s; a broken installation may hang


def _identity(program: Path) -> Dict[str, Any]:
    """What changes when openclaw is updated: the resolved program and its package.json."""
    whole = program.resolve()
    marks = [whole] + [folder / "package.json" for folder in list(whole.parents)[:2]]
    return {
        str(mark): [mark.stat().st_mtime_ns, mark.stat().st_size]
        for mark in marks
        if os.path.isfile(mark)
    }


def learned(host: Host, verb: str) -> bool:
    """True when the real openclaw itself offers `skills <verb>`. False where it cannot be asked.
    Never raises.
    """
    program = place.real(host)
    if program is None:
        return False
    kept = state_dir_of(host) / "iflow-doctor" / "shim.json"
    try:
        identity = _identity(program)
        known = read_json(kept, {}) or {}
        if known.get("identity") != identity:
            answer = host.run((str(program), "skills", "--help"), timeout=PROBE_S)
            verbs = re.findall(r"^\s{2}([a-z]+)\b", answer.out, re.M) if answer.ok else []
            known = {"identity": identity, "verbs": verbs}
            private_dir(kept.parent)
            write_json(kept, known)
        return verb in known.get("verbs", [])
    except (OSError, SettingsError, AttributeError):
        return False


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
            home / name for name in (".bash_profile", ".bash_login") if os.path.isfile(home / name)
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
    before = profile.read_text("utf-8", "surrogateescape") if os.path.isfile(profile) else ""
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
    if not os.path.isfile(profile):
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
