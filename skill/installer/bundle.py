"""What is shipped: a whitelist, so that nobody's .git, tests or notes are copied."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Iterator, List

SKILL = "openclaw-iflow-doctor"
REQUIRED = (
    "SKILL.md",
    "skill",
    "cases.json",
    "records.json",
    "config.json",
    "pyproject.toml",
    "requirements.sha256",
    "install.sh",
    "install.bat",
)
OPTIONAL = ("templates", "LICENSE", "README.md", "README.zh-CN.md")
PLUGIN = ("openclaw.plugin.json", "package.json", "index.js")
MAX_FILES, MAX_BYTES = 256, 8 * 1024 * 1024  # OpenClaw docs, tools/skills: managed bundle limits
UNUSED = (
    ("templates", "kubernetes"),
    ("templates", "dashboards"),
    ("templates", "container"),
)  # for the repository; nothing installed reads them
# The practice gateway and its faults: installed from a checkout, not published. What the self-check
# and `iflow-doctor drill` need of them is there or said to be missing.
DRILL = ("skill", "drill")
FAULTS = DRILL + ("faults",)
KEPT_FAULTS = ("killed", "frozen")  # the drills of the self-check; the rest are for the repository
_NEVER = ("__pycache__", ".pyc", ".pyo", ".DS_Store", ".tmp", "~")


def missing(source: Path) -> List[str]:
    """Names of the whitelist that are not there: then this is no complete copy and nothing may be
    installed from it.
    """
    return [name for name in REQUIRED if not os.path.exists(source / name)]


def files(source: Path, drill: bool = False) -> Iterator[Path]:
    """Every shipped file, as a path relative to `source`, in a fixed order. Links are not followed
    out of the tree.

    drill: with the practice gateway, where the source has it.
    """
    for name in REQUIRED + OPTIONAL + PLUGIN:
        top = source / name
        found = sorted(top.rglob("*")) if os.path.isdir(top) else [top]
        for path in found:
            relative = path.relative_to(source)
            parts = relative.parts
            if (
                not os.path.isfile(path)
                or parts[:2] in UNUSED
                or (parts[:2] == DRILL and not drill)
                or (parts[:3] == FAULTS and parts[3] not in KEPT_FAULTS)
            ):
                continue
            if not any(part.endswith(_NEVER) for part in parts):
                yield relative


def fingerprint(source: Path) -> str:
    """A hash over names and contents: equal trees need no new environment, changed ones get one of
    their own.
    """
    digest = hashlib.sha256()
    for relative in files(source, drill=True):
        digest.update(relative.as_posix().encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256((source / relative).read_bytes()).digest())
    return digest.hexdigest()


def has_drill(source: Path) -> bool:
    return os.path.isfile(source.joinpath(*FAULTS, KEPT_FAULTS[0], "fault.json"))


def copy(source: Path, target: Path, drill: bool = False) -> int:
    """Copy the whitelist into a fresh folder; return how many files. Raises OSError."""
    count = 0
    for relative in files(source, drill):
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(source / relative), str(place))
        if relative.suffix == ".sh":
            place.chmod(0o755)
        count += 1
    return count
