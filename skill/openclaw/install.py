"""The installed openclaw package: where, which version, whole or not, being written, and which node
runs it. Read only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from ..files import json_bounded
from ..host import Host
from . import cli as openclaw_program

# package.json "engines" of 2026.9.6; used when the package itself does not say.
ENGINES = ">=24.16.0 <25 || >=26.1.0"


def package_dir(host: Host, platform: Any = None) -> Optional[Path]:
    """The folder with openclaw's package.json. The service's own package comes first: that is the
    one that must work.
    """
    for program in (
        openclaw_program.service_program(platform),
        openclaw_program.find(host, platform),
    ):
        found = _package_of(program[-1]) if program else None
        if found:
            return found
    return None


def _package_of(program: str) -> Optional[Path]:
    path = Path(os.path.realpath(program))
    for folder in list(path.parents)[:5]:
        if folder.name == "openclaw" and (folder / "package.json").is_file() or _named(folder):
            return folder
    for folder in list(path.parents)[:3]:  # Windows: npm's openclaw.cmd lies beside node_modules
        if (folder / "node_modules" / "openclaw").is_dir():
            return folder / "node_modules" / "openclaw"
    return (
        path.parent
        if path.name.startswith("openclaw.") and path.parent.name == "openclaw"
        else None
    )


def _named(folder: Path) -> bool:
    return manifest(folder).get("name") == "openclaw"


def manifest(package: Optional[Path]) -> Mapping[str, Any]:
    """package.json as a mapping; {} when it is missing or broken."""
    if package is None:
        return {}
    try:
        value = json_bounded((package / "package.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, Mapping) else {}


def version(package: Optional[Path]) -> str:
    return str(manifest(package).get("version") or "")


def schema_versions(package: Optional[Path]) -> Dict[str, int]:
    """{"state": 18, "agent": 23}: the database schemas this build can read. {} when unknown."""
    own = manifest(package).get("openclaw")
    found = own.get("schemaVersions") if isinstance(own, Mapping) else None
    return (
        {str(k): int(v) for k, v in found.items() if isinstance(v, int)}
        if isinstance(found, Mapping)
        else {}
    )


def missing_files(package: Path, limit: int = 20) -> List[str]:
    """Files of the package's own inventory that are gone or cut short. [] when whole (or no
    inventory to compare with).

    One directory listing per folder, no hashing: 7300 files in about 0.1 s.
    """
    missing = [n for n in ("package.json", "openclaw.mjs", "dist") if not (package / n).exists()]
    if not missing and not manifest(package):
        missing.append("package.json")  # there, and no JSON any more
    if not any((package / "dist" / n).exists() for n in ("entry.js", "entry.mjs")):
        missing.append("dist/entry.js")
    folders: Dict[str, Dict[str, int]] = {}
    for name, item in _inventory(package).items():
        size = item.size
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = _listing(package / folder)
        found = folders[folder].get(base)
        if (
            found is None or found < size
        ):  # a longer one was patched by its owner, or shows in altered_files()
            missing.append(name)
            if len(missing) >= limit:
                break
    return list(dict.fromkeys(missing))


def _listing(folder: Path) -> Dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {e.name: e.stat().st_size for e in entries}
    except OSError:
        return {}


def altered_files(package: Path, seconds: float = 2.0, limit: int = 20) -> List[str]:
    """Code files whose content is not what was published, for a gateway whose log blames the code
    itself. Bounded in time.

    8,900 files in 0.7 s when the disk's cache is warm.
    """
    until = time.monotonic() + seconds
    found: List[str] = []
    for name, item in _inventory(package).items():
        if time.monotonic() > until or len(found) >= limit:
            break
        if item.sha256 and name.endswith((".mjs", ".js", ".cjs", ".json")):
            try:
                same = hashlib.sha256((package / name).read_bytes()).hexdigest() == item.sha256
            except OSError:
                same = False
            if not same:
                found.append(name)
    return found


class Item(NamedTuple):
    """One file of the package's own inventory. size: bytes, -1 when unknown."""

    size: int = -1
    sha256: str = ""


def _inventory(package: Path) -> Dict[str, Item]:
    for name in ("postinstall-content-inventory.json", "postinstall-inventory.json"):
        try:
            value = json_bounded((package / "dist" / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(value, list) and value:
            rows = [i for i in value if isinstance(i, dict) and "path" in i]
            found = {
                str(i["path"]): Item(int(i.get("size", -1)), str(i.get("sha256", ""))) for i in rows
            }
            return found or {str(i): Item() for i in value}
    return {}


def missing_dependencies(package: Path) -> List[str]:
    """Run-time dependencies that lie neither inside the package nor beside it."""
    names = manifest(package).get("dependencies") or {}
    package = Path(
        os.path.realpath(str(package))
    )  # pnpm and nix link the package to where its dependencies lie
    roots = (
        [package / "node_modules"]
        + [p / "node_modules" for p in package.parents]
        + [package.parent]
    )
    return [n for n in names if not any((r / n / "package.json").is_file() for r in roots)]


def being_written(package: Optional[Path], now: float) -> str:
    """Why an installation seems to be under way: npm's temporary sibling, a pending marker. "" when
    it does not.
    """
    if package is None:
        return ""
    if (package / ".openclaw-lifecycle-pending").exists():
        return "lifecycle-pending"
    try:
        for entry in os.scandir(package.parent):
            if (
                re.match(r"\.openclaw-[A-Za-z0-9]{6,}$", entry.name)
                and now - entry.stat().st_mtime < 900
            ):
                return entry.name
    except OSError:
        pass
    return ""


def writers(package: Optional[Path], rows: Iterable[Any]) -> List[int]:
    """pids of package managers that are installing openclaw into the place of `package` right now
    (rows: processes.Process).
    """
    found = []
    for row in rows:
        line = " ".join(row.argv)
        if not re.search(r"\b(npm|pnpm|yarn|bun)\b", line) or not re.search(
            r"\b(install|i|add|update|up|upgrade|ci)\b", line
        ):
            continue
        if "openclaw" in line and _writes_to(
            package, list(row.argv), str(getattr(row, "cwd", "") or "")
        ):
            found.append(row.pid)
    return found


def _writes_to(package: Optional[Path], argv: List[str], cwd: str) -> bool:
    """Whether an install command with these arguments would write where `package` is. True when
    that cannot be told apart.
    """
    place = cwd
    for index, word in enumerate(argv):
        if word in ("--prefix", "-C", "--dir", "--cwd") and index + 1 < len(argv):
            place = os.path.join(cwd, argv[index + 1])
        elif word.startswith(("--prefix=", "--dir=", "--cwd=")):
            place = os.path.join(cwd, word.split("=", 1)[1])
        elif word in ("-g", "--global"):
            return True
    if package is None or not place:
        return True
    return str(package).startswith(os.path.realpath(place).rstrip(os.sep) + os.sep)


def node_of(host: Host, platform: Any = None) -> Optional[str]:
    """The node that the service uses: named by it; else the first in its PATH where a script asks
    `env`; else the one beside it.
    """
    program = openclaw_program.service_program(platform)
    if len(program) > 1:
        return program[0]
    found = openclaw_program.find(host, platform)
    if found:
        if _asks_env(found[0]):
            return shutil.which("node", path=_service_path(host, platform))
        beside = os.path.join(os.path.dirname(found[0]), "node")
        if os.access(beside, os.X_OK):
            return beside
    return host.which("node")


def _asks_env(program: str) -> bool:
    """A script whose first line is `#!/usr/bin/env node`: npm's own launchers are."""
    try:
        with open(os.path.realpath(program), "rb") as handle:
            first = handle.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"env" in first and b"node" in first


def _service_path(host: Host, platform: Any) -> Optional[str]:
    try:
        own = (platform.environment() if platform else {}).get("PATH")
    except Exception:  # the manager cannot tell: then ours is the best guess
        own = None
    return own or host.env.get("PATH")


def node_version(host: Host, node: str) -> str:
    """ "24.21.0"; "" when it cannot be run. 0.05 s."""
    env = {k: v for k, v in host.env.items() if k != "NODE_OPTIONS"}
    done = host.run([node, "--version"], timeout=4.0, env=env)
    found = re.match(r"v(\d+\.\d+\.\d+)", done.out.strip()) if done.ok else None
    return found.group(1) if found else ""


def satisfies(found: str, wanted: str) -> bool:
    """Does a version satisfy an npm range of the form ">=A <B || >=C"? True when the range is of
    another form.
    """
    have = _numbers(found)
    for part in wanted.split("||"):
        terms = re.findall(r"(>=|<=|>|<|=)?\s*v?(\d+(?:\.\d+)*)", part)
        if not terms:
            return True
        if all(_holds(have, op or ">=", _numbers(number)) for op, number in terms):
            return True
    return False


def _holds(have: Tuple[int, ...], operator: str, want: Tuple[int, ...]) -> bool:
    return {
        ">=": have >= want,
        "<=": have <= want,
        ">": have > want,
        "<": have < want,
        "=": have == want,
    }[operator]


def _numbers(text: str) -> Tuple[int, ...]:
    parts = [int(n) for n in re.findall(r"\d+", text)[:3]]
    return tuple(parts + [0] * (3 - len(parts)))


def newer(one: str, other: str) -> bool:
    """Is calendar version `one` newer than `other`? Suffixes such as -beta.2 do not count."""
    return bool(one and other) and _numbers(one) > _numbers(other)


def updating(host: Host, home: Any) -> bool:
    """Is a package manager writing openclaw right now? For the watchdog: a glance at the package
    and at the process table.
    """
    del home
    package = package_dir(host)
    if being_written(package, host.now()):
        return True
    from .processes import table

    return bool(writers(package, table(host)))
