"""What a drill compares before and after: the config by meaning, and the files that a repair might
touch, by content.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

from ..openclaw import config as openclaw_config
from ..openclaw.home import Home


@dataclass(frozen=True)
class Ledger:
    """data: the config by meaning, None where it cannot be read. files: name -> hash."""

    data: Any = None
    files: Dict[str, str] = field(default_factory=dict)


def take(home: Home) -> Ledger:
    """Note the config, its includes, .env and the plugins. Databases and logs change by themselves
    and are left out.
    """
    view = openclaw_config.load(home.config_path)
    paths: List[Path] = [home.config_path, home.env_file, *view.files]
    extensions = home.state_dir / "extensions"
    if extensions.is_dir():
        paths += [path for path in sorted(extensions.rglob("*")) if path.is_file()][:500]
    return Ledger(view.data if view.ok else None, {str(path): _hash(path) for path in paths})


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return "unreadable {}".format(error.errno)


def config_diff(before: Ledger, after: Ledger) -> List[str]:
    """Dotted paths that differ by meaning; ["<file>"] when one of the two cannot be read. Values
    are left out: they may be secrets.
    """
    if before.data is None or after.data is None:
        return [] if before.data is None and after.data is None else ["<file>"]
    return openclaw_config.diff(before.data, after.data)


def changed_files(before: Ledger, after: Ledger) -> List[str]:
    names = set(before.files) | set(after.files)
    return sorted(
        name
        for name in names
        if before.files.get(name, "missing") != after.files.get(name, "missing")
    )
