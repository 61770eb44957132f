"""install.json: what the installer did to this home, so that it can be undone exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from ..errors import SettingsError
from ..files import private_dir, read_json, write_json

EMPTY: Dict[str, Any] = {
    "version": "",
    "fingerprint": "",
    "prefix": "",
    "skill_dir": "",  # "" where the skill was there before us (installed by `openclaw skills install`, or a developer's link)
    "shim": "",
    "launcher": "",
    "profiles": [],
    "service": False,
    "plugin": False,
    "made_dirs": [],
}


def read(path: Path) -> Dict[str, Any]:
    """The manifest with every key; an unreadable one counts as empty: whatever can be found is then still undone."""
    try:
        found = read_json(path, {}) or {}
    except SettingsError:
        found = {}
    return dict(EMPTY, **(found if isinstance(found, dict) else {}))


def write(path: Path, value: Dict[str, Any]) -> None:
    private_dir(path.parent)
    write_json(path, value)
