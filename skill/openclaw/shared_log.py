"""OpenClaw's JSONL log: one file a day that every gateway and every command of an account writes to
(named profiles have their own, 2026.9.6). Only lines that are provably one gateway's count as its.

A line holds no pid. It is ours when it names our state directory, port or child; a line without
such a mark is ours only while no other gateway can have written it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from ..files import json_bounded, tail_bytes
from ..host import Host
from . import lock
from .config import load
from .home import Home
from .processes import is_main

ROW = 65536  # a longer row is no log line that could say anything
CUT = 2000  # characters of a row that are looked at, before any pattern is
LOADING = "loading configuration"
_OVER = re.compile(r"completed cleanly in|shutdown (?:complete|finished)")
_URL = re.compile(
    r"(?:ws|http)s?://(?:127\.0\.0\.1|0\.0\.0\.0|\[?::1?\]?|localhost):(\d{1,5})(?!\d)"
)
_CHILD = re.compile(r"spawn broker ready pid=(\d{1,9})")


@dataclass(frozen=True)
class Us:
    """What tells our lines from another's. alone: no other gateway of this account runs. started:
    epoch seconds of our living process, 0.0 when none lives.
    """

    state_dir: str
    port: int
    hostname: str = ""
    children: FrozenSet[int] = frozenset()
    others: FrozenSet[int] = frozenset()  # children of other gateways
    alone: bool = True
    started: float = 0.0


def lines(host: Host, home: Home, limit: int) -> List[str]:
    """This gateway's lines of the newest file, oldest first."""
    path = place(host, home)
    if path is None:
        return []
    raw = tail_bytes(path, limit).decode("utf-8", "replace")
    return unwrap(raw.splitlines(), us_of(host, home))


def nobodys(host: Host, home: Home, limit: int) -> List[str]:
    """Lines of the newest file after the last one that is surely ours, and that name nobody; []
    where none is ours.
    """
    path = place(host, home)
    if path is None:
        return []
    us = us_of(host, home)
    rows = tail_bytes(path, limit).decode("utf-8", "replace").splitlines()
    found: Optional[List[str]] = None
    for line in filter(None, (plain(row, us.hostname) for row in rows)):
        own = whose(line, us)
        if own:
            found = []
        elif own is None and found is not None:
            found.append(line)
    return found or []


def us_of(host: Host, home: Home) -> Us:
    rows = host.processes()
    ours = {row.pid for row in lock.gateways(host, home, rows)}
    me = host.process(os.getpid())
    user = me.user if me is not None else ""
    others = {
        row.pid
        for row in rows
        if is_main(row) and row.pid not in ours and (not user or row.user in ("", user))
    }
    started = max((row.started for row in rows if row.pid in ours), default=0.0)
    return Us(
        str(home.state_dir),
        home.port,
        host.hostname(),
        frozenset(row.pid for row in rows if row.ppid in ours),
        frozenset(row.pid for row in rows if row.ppid in others),
        not others,
        started,
    )


# -- where it is -----------------------------------------------------------------------------------
def place(host: Host, home: Home) -> Optional[Path]:
    """The newest file of this profile, in a folder and with an owner that can be trusted."""
    named = load(home.config_path).get("logging.file", "")
    if isinstance(named, str) and named.strip():
        path = Path(os.path.expanduser(named.strip()))
        return path if _is_trusted(path, follow=True) else None
    for folder in _folders(host):
        found = _newest(host, folder, home.profile)
        if found is not None:
            return found
    return None


def _folders(host: Host) -> List[Path]:
    if host.system == "win32":
        temp = Path(host.env.get("TEMP", "."))
        return [temp / "openclaw"] + sorted(temp.glob("openclaw-*"))[:3]
    uid = os.getuid() if hasattr(os, "getuid") else 0
    roots = dict.fromkeys([host.env.get("TMPDIR", "").rstrip("/") or host.tmp, host.tmp])
    shared = [Path(host.tmp) / "openclaw"]
    own = [Path(root) / "openclaw-{}".format(uid) for root in roots]
    return [folder for folder in shared + own if _is_trusted(folder)]


def _newest(host: Host, folder: Path, profile: str) -> Optional[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    # versions without a file for each profile write all of them to the plain one
    for prefix in dict.fromkeys([file_prefix(profile), file_prefix("")]):
        dated = re.compile(re.escape(prefix) + r"-\d{4}-\d\d-\d\d\.log$")
        for name in sorted(filter(dated.match, names), reverse=True)[:2]:
            path = folder / name
            if _is_trusted(path) and host.now() - path.stat().st_mtime < 86400:
                return path
    return None


def file_prefix(profile: str) -> str:
    """openclaw[-<profile>], the profile's name escaped as OpenClaw does it."""
    if not profile:
        return "openclaw"
    parts = []
    for char in profile:
        if "a" <= char <= "z" or "0" <= char <= "9":
            parts.append(char)
        elif char in "-_":
            parts.append("--" if char == "-" else "-0")
        elif "A" <= char <= "Z":
            parts.append("-1" + char.lower())
        else:
            parts.append("-2{:x}-".format(ord(char)))
    name = "".join(parts)
    if len(name) > 220:
        name = "-3" + hashlib.sha256(profile.encode("utf-8")).hexdigest()
    return "openclaw-" + name


def _is_trusted(path: Path, follow: bool = False) -> bool:
    """Ours (or root's), no link, and nobody else may write it: everybody may make folders in /tmp,
    and what a log says steers repairs.
    """
    try:
        found = os.stat(path) if follow else os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(found.st_mode) or not (
        stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    ):
        return False
    if not hasattr(os, "getuid"):
        return True
    return found.st_uid in (0, os.getuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def stability(home: Home, now: float) -> List[str]:
    """What the newest stability bundle says went wrong, when it is of the last day."""
    try:
        found = sorted((home.logs_dir / "stability").glob("openclaw-stability-*.json"))
    except OSError:
        return []
    if not found:
        return []
    try:
        if now - found[-1].stat().st_mtime > 86400:
            return []
        value = json_bounded(found[-1].read_bytes()[:2_000_000])
    except (OSError, ValueError):
        return []
    error = value.get("error") if isinstance(value, dict) else None
    reason = value.get("reason", "") if isinstance(value, dict) else ""
    text = json.dumps(error, ensure_ascii=False)[:1500] if error else ""
    return ["{} stability {} {}".format(value.get("generatedAt", ""), reason, text)]


# -- whose a line is -------------------------------------------------------------------------------
def unwrap(rows: Iterable[str], us: Us) -> List[str]:
    """JSONL to plain lines, ours only."""
    boots: List[List[Tuple[str, Optional[bool]]]] = [[]]
    for row in rows:
        line = plain(row, us.hostname)
        if line is None:
            continue
        if LOADING in line:
            boots.append([])
        boots[-1].append((line, whose(line, us)))
    return [line for boot in boots for line in _ours_of(boot, us)]


def _ours_of(boot: List[Tuple[str, Optional[bool]]], us: Us) -> List[str]:
    """The lines of one boot that are ours: all of them only where nothing in it, and nobody else,
    can have come between.
    """
    marks = [own for _, own in boot]
    marked = [line for line, own in boot if own]
    if True not in marks or False in marks or not us.alone:
        return marked
    if us.started and any(_OVER.search(line) and _later(line, us) for line, _ in boot):
        # somebody's orderly end, while our process lives on: another gateway wrote here too
        return marked
    return [line for line, _ in boot]


def _later(line: str, us: Us) -> bool:
    from .logs import epoch_of_line

    return epoch_of_line(line) > us.started + 1.0


# Subsystems that print what others wrote: what they name says nothing of whose gateway it is.
_TALK = re.compile(
    r"^\S* \S* \[(?!(?:gateway|state|cron|infra|sqlite|session-sqlite|secrets|admission|shutdown"
    r"|reload|restart|update|env|doctor|health|tasks)?[\]/])"
)


def whose(line: str, us: Us) -> Optional[bool]:
    """Whether it names our state directory, port or child; None where it names nobody's."""
    if _TALK.match(line):
        return None
    if names_place(line, us.state_dir):
        return True
    if "/.openclaw" in line or "\\.openclaw" in line:
        return False
    child = _CHILD.search(line)
    if child:
        pid = int(child.group(1))
        return True if pid in us.children else False if pid in us.others else None
    listening = _URL.search(line)
    return int(listening.group(1)) == us.port if listening else None


def names_place(line: str, folder: str) -> bool:
    """Whether a path at or below `folder` stands in the line: /home/me/.openclaw-b is not below
    /home/me/.openclaw.
    """
    at = line.find(folder)
    while at >= 0:
        after = line[at + len(folder) : at + len(folder) + 1]
        if not (after.isalnum() or after in ("-", "_", ".") and after):
            return True
        at = line.find(folder, at + 1)
    return False


def plain(row: str, hostname: str = "") -> Optional[str]:
    """One row as "time level [subsystem] message", cut to CUT characters. None for what is no log
    row, and for one of another host (a shared volume).
    """
    if len(row) > ROW or not row.startswith("{"):
        return None
    try:
        value = json_bounded(row)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    raw_meta = value.get("_meta")
    meta: Mapping[str, Any] = raw_meta if isinstance(raw_meta, dict) else {}
    where = value.get("hostname") or meta.get("hostname")
    if hostname and isinstance(where, str) and where and where != hostname:
        return None
    numbered = sorted((k for k in value if k.isascii() and k.isdigit() and len(k) < 4), key=int)
    parts = [value[k] for k in numbered]
    subsystem = ""
    if parts and isinstance(parts[0], str) and parts[0].startswith("{"):
        try:
            named = json_bounded(parts[0])
        except ValueError:
            named = None
        if isinstance(named, dict):
            subsystem = str(named.get("subsystem") or named.get("module") or "")[:80]
            key = named.get("storeKey")
            parts = parts[1:] + ([str(key)[:200]] if key else [])
    message = " ".join(
        p[:CUT] if isinstance(p, str) else json.dumps(p, ensure_ascii=False)[:CUT]
        for p in parts[:20]
    ) or str(value.get("message", ""))
    line = "{} {} [{}] {}".format(
        str(value.get("time", ""))[:40], str(meta.get("logLevelName", ""))[:10], subsystem, message
    )
    # a message may hold line ends: further lines are indented, so that none looks like a line of
    # its own
    return "\n  ".join(line[:CUT].splitlines())
