"""The installed openclaw package: where, which version, whole or not, being written, and which node
runs it. Read only.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, NamedTuple, Optional

from ..files import json_bounded
from ..host import Host, Process
from . import cli as openclaw_program

if TYPE_CHECKING:
    from ..platforms.base import Platform
    from .home import Home


def package_dir(host: Host, platform: Optional[Platform] = None) -> Optional[Path]:
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
        if folder.name == "openclaw" and os.path.isfile(folder / "package.json") or _named(folder):
            return folder
    for folder in list(path.parents)[:3]:  # Windows: npm's openclaw.cmd lies beside node_modules
        if os.path.isdir(folder / "node_modules" / "openclaw"):
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


REPLACED_SLACK_S = 5.0  # start times are rounded, and an installer may start what it has written


def replaced_since(package: Optional[Path], started: float) -> bool:
    """Whether the package was put in place after a process started (epoch seconds): what that
    process runs is not what lies there. False where nobody can tell.
    """
    if package is None or started <= 0:
        return False
    try:
        # npm gives every file one date of long ago: only the change of the inode tells
        changed = os.stat(package / "package.json").st_ctime
    except OSError:
        return False
    return changed > started + REPLACED_SLACK_S


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
    missing = [
        n for n in ("package.json", "openclaw.mjs", "dist") if not os.path.exists(package / n)
    ]
    if not missing and not manifest(package):
        missing.append("package.json")  # there, and no JSON any more
    if not any(os.path.exists(package / "dist" / n) for n in ("entry.js", "entry.mjs")):
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
    return [n for n in names if not any(os.path.isfile(r / n / "package.json") for r in roots)]


FRESH_S = 900.0  # an installation that touched nothing for so long is over, or dead


def being_written(package: Optional[Path], now: float) -> str:
    """Why an installation seems to be under way: npm's temporary sibling, a pending marker. "" when
    it does not, and when what is left of one was not touched for FRESH_S: a killed npm leaves both.
    """
    if package is None:
        return ""
    if _fresh(package / ".openclaw-lifecycle-pending", now):
        return "lifecycle-pending"
    try:
        names = [entry.name for entry in os.scandir(package.parent)]
    except OSError:
        return ""
    temporary = (n for n in names if re.match(r"\.openclaw-[A-Za-z0-9]{6,}$", n))
    return next((n for n in temporary if _fresh(package.parent / n, now)), "")


def _fresh(path: Path, now: float) -> bool:
    try:
        return abs(now - path.lstat().st_mtime) < FRESH_S
    except OSError:
        return False


def writers(package: Optional[Path], host: Host, rows: Iterable[Process]) -> List[int]:
    """pids of package managers that are installing openclaw into the place of `package` right now.

    Evidence, all of it: the program itself is a package manager, its verb installs, its target is
    openclaw, its place is this one, its account may write here, and it is at work (young, or the
    place was touched lately).
    """
    return [row.pid for row in rows if row.state != "zombie" and _writes(package, host, row)]


_MANAGERS = ("npm", "pnpm", "yarn", "bun")
_SCRIPT = re.compile(r"(?:^|[\\/])(npm|pnpm|yarn|bun)(?:-cli)?(?:\.[cm]?js|\.cmd|\.exe)?$")
_NODE = re.compile(r"(?:^|[\\/])(?:node|nodejs)(?:\.exe)?$")
_VERBS = frozenset("install i in ins inst isntall add ci update up upgrade udpate".split())
_TARGET = re.compile(r"openclaw(?:@[\w.^~<>=|*-]+)?$|(?:^|[\\/])openclaw-\d[\w.-]*\.tgz$")
_PLACE = ("--prefix", "-C", "--dir", "--cwd", "--global-dir")


def _writes(package: Optional[Path], host: Host, row: Process) -> bool:
    words = _arguments(row)
    plain = [w for w in words if not w.startswith("-")]
    if plain[:1] == ["global"]:  # yarn global add
        plain, words = plain[1:], ["-g"] + words
    if not plain or plain[0] not in _VERBS or not any(_TARGET.search(w) for w in plain[1:]):
        return False
    if not _may_write(package, host, row):
        return False
    place = _place_of(row, words)
    if package is not None and place is not None:
        real = os.path.realpath(str(package))
        if not real.startswith(os.path.realpath(place).rstrip(os.sep) + os.sep):
            return False
    now = host.now()
    young = not row.started or now - row.started < FRESH_S
    return young or (package is not None and (_fresh(package, now) or _fresh(package.parent, now)))


def _arguments(row: Process) -> List[str]:
    """What follows a package manager's own name; [] for any other program. npm writes its whole
    command line into its title.
    """
    words = list(row.argv[:60])
    if len(words) == 1:
        words = words[0][:4000].split()
        return words[1:] if words and words[0] in _MANAGERS else []
    if words and _NODE.search(words[0]):
        words = words[1:]
        while words and words[0].startswith("-"):
            words = words[1:]
    return words[1:] if words and _SCRIPT.search(words[0]) else []


def _may_write(package: Optional[Path], host: Host, row: Process) -> bool:
    """Whether it runs as this account, or as the one that owns the package."""
    me = host.process(os.getpid())
    if me is None or not me.user or not row.user or row.user == me.user:
        return True
    try:
        return row.uid >= 0 and package is not None and package.stat().st_uid == row.uid
    except OSError:
        return False


def _place_of(row: Process, words: List[str]) -> Optional[str]:
    """The folder that an install command writes below; None when it does not say."""
    for index, word in enumerate(words):
        name, _, value = word.partition("=")
        if name in _PLACE and (value or index + 1 < len(words)):
            return os.path.join(row.cwd, value or words[index + 1])
    env = row.env or {}
    if "-g" in words or "--global" in words or "--location=global" in words:
        named = env.get("npm_config_prefix") or env.get("NPM_CONFIG_PREFIX")
        return named or None
    return row.cwd or None


def updating(host: Host, home: Home) -> bool:
    """Is a package manager writing openclaw right now? For the watchdog: a glance at the package
    and at the process table.
    """
    del home
    package = package_dir(host)
    return bool(being_written(package, host.now()) or writers(package, host, host.processes()))
