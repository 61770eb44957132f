"""The newest boot's log lines of one gateway, from every place that may hold them. Read only and
bounded.

Places (2026.9.6): journald of the user unit; ~/Library/Logs/openclaw (macOS);
<doctor_dir>/gateway.log, where our own `direct`
keeper sends stdout and stderr; the JSONL file that every HOME and every CLI call of the user
shares; logs/stability/*.json.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Optional, Tuple

from ..files import tail_bytes
from ..host import Host
from .config import load
from .home import Home

LIMIT = 524288  # bytes
# The first lines that a gateway prints; earlier deaths print none of them, so the whole tail is
# kept then.
BOOT = re.compile(
    r"\[gateway\] (?:loading configuration|starting\.\.\.)|gateway loading "
    r"configuration|gateway starting\.\.\."
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|(?<!\w)\[(?:\d{1,2};?)+m")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)")


def newest_boot(host: Host, home: Home, limit: int = LIMIT) -> str:
    """Plain lines "time level subsystem message", oldest first, of the newest start of this
    gateway. "" when nothing is found.
    """
    console = _console(host, home, limit)
    own = newest_start(console)
    lines = own if own else []
    if not lines or not any(BOOT.search(line) for line in lines):
        lines = lines + newest_start(_jsonl(host, home, limit // 2))
    lines += _stability(home, host.now())
    text = "\n".join(lines)
    return text[-limit:] if len(text) > limit else text


def recent(host: Host, home: Home, limit: int = LIMIT) -> str:
    """The console lines of the last boots, oldest first, not older than an hour where they carry a
    time.
    """
    lines = _console(host, home, limit)
    last = max((epoch_of_line(line) for line in lines[-50:]), default=0.0)
    for index, line in enumerate(lines):
        stamp = epoch_of_line(line)
        if stamp and (not last or last - stamp <= 3600):
            return "\n".join(lines[index:])
    return "\n".join(lines)


def newest_start(lines: List[str]) -> List[str]:
    """The lines from the last start on. What stands just before a start belongs to it only when no
    clean line separates them.
    """
    starts = [i for i, line in enumerate(lines) if "loading configuration" in line]
    if not starts:
        starts = [i for i, line in enumerate(lines) if BOOT.search(line)]
    if not starts:
        return lines[-400:]
    last = starts[-1]
    after = lines[last:]
    # A start that dies before "loading configuration" leaves lines after the shutdown of the boot
    # before it.
    over = [i for i, line in enumerate(after) if _ENDED.search(line)]
    if over and len(after) > over[-1] + 1:
        rest = after[over[-1] + 1 :]
        if any(_EARLY.search(line) for line in rest):
            return rest
    begin = last
    while (
        begin > 0
        and last - begin < 60
        and not BOOT.search(lines[begin - 1])
        and not _ENDED.search(lines[begin - 1])
    ):
        begin -= 1
    return lines[begin:]


_ENDED = re.compile(
    r"completed cleanly in|Stopped .*OpenClaw|Main process exited|Deactivated "
    r"successfully|Failed with result"
)
_EARLY = re.compile(
    r"FATAL ERROR|not allowed in NODE_OPTIONS|Cannot find module|missing "
    r"dist/entry|node:sqlite is unavailable|Missing config"
    r"|start blocked|failed to start|Doctor cannot|could not enter "
    r"maintenance|EMFILE|ENOSPC|SyntaxError|ERR_MODULE_NOT_FOUND",
)


# -- sources ---------------------------------------------------------------------------------------
def _console(host: Host, home: Home, limit: int) -> List[str]:
    """stdout and stderr: the place that was written last counts."""
    own = home.doctor_dir / "gateway.log"
    places: List[Tuple[float, Any]] = []
    suffix = "-" + home.profile if home.profile else ""
    files = [own] + [
        host.home / "Library" / "Logs" / "openclaw" / (name + suffix + ".log")
        for name in ("gateway", "gateway.err")
    ]
    for path in files + [home.logs_dir / "gateway.log", home.logs_dir / "gateway.err.log"]:
        try:
            places.append((path.stat().st_mtime, path))
        except OSError:
            continue
    journal = _journal(host, home) if host.system.startswith("linux") else []
    newest = max(places, default=(0.0, None), key=lambda p: p[0])
    if journal and epoch_of_line(journal[-1]) >= newest[0] - 5:
        return journal
    return (
        plain(tail_bytes(newest[1], limit).decode("utf-8", "replace").splitlines())
        if newest[1]
        else journal
    )


def _journal(host: Host, home: Home) -> List[str]:
    if not host.which("journalctl"):
        return []
    unit = "openclaw-gateway" + ("-" + home.profile if home.profile else "")
    done = host.run(
        ["journalctl", "--user", "-u", unit, "-n", "1500", "--no-pager", "-q", "-o", "short-iso"],
        timeout=3.0,
    )
    if not done.ok:
        return []
    rows = [
        re.sub(r"^(\S+) \S+ ([^\s\[]+)(?:\[\d+\])?: ", r"\1 ", row) for row in done.out.splitlines()
    ]
    return plain(rows)


def _jsonl(host: Host, home: Home, limit: int) -> List[str]:
    """The shared file: only lines that are this gateway's, as far as that can be told."""
    path = _log_file(host, home)
    return (
        unwrap(
            tail_bytes(path, limit).decode("utf-8", "replace").splitlines(),
            str(home.state_dir),
            home.port,
        )
        if path
        else []
    )


def _log_file(host: Host, home: Home) -> Optional[Path]:
    try:
        return _shared_file(host, home)
    except OSError:  # another account's folder
        return None


def _shared_file(host: Host, home: Home) -> Optional[Path]:
    named = load(home.config_path).get("logging.file", "")
    if isinstance(named, str) and named:
        return (
            Path(os.path.expanduser(named)) if os.path.isfile(os.path.expanduser(named)) else None
        )
    folder = Path("/tmp/openclaw")
    if host.system == "win32":
        folder = Path(host.env.get("TEMP", ".")) / "openclaw"
    today = folder / time.strftime("openclaw-%Y-%m-%d.log", time.localtime(host.now()))
    if today.is_file():
        return today
    others = sorted(folder.glob("openclaw-*.log")) if folder.is_dir() else []
    return others[-1] if others and host.now() - others[-1].stat().st_mtime < 86400 else None


def unwrap(rows: Iterable[str], state_dir: str, port: int) -> List[str]:
    """JSONL to plain lines. Lines of boots that name another state directory or port are dropped;
    so is `pid` of another process.
    """
    boots: List[List[str]] = [[]]
    mine: List[Optional[bool]] = [None]
    for row in rows:
        line = _plain_json(row)
        if line is None:
            continue
        if "loading configuration" in line:
            boots.append([])
            mine.append(None)
        boots[-1].append(line)
        told = _whose(line, state_dir, port)
        if told is not None and mine[-1] is not False:
            mine[-1] = told
    return [line for boot, own in zip(boots, mine) if own for line in boot]


def _whose(line: str, state_dir: str, port: int) -> Optional[bool]:
    if state_dir in line:
        return True
    places = re.findall(r"(/[^\s\"':,)]*?/\.openclaw[^/\s\"':,)]*)", line)
    if places:
        return False
    listening = re.search(
        r"(?:ws|http)s?://(?:127\.0\.0\.1|0\.0\.0\.0|\[?::1?\]?|localhost):(\d+)", line
    )
    return int(listening.group(1)) == port if listening else None


def _plain_json(row: str) -> Optional[str]:
    try:
        value = json.loads(row)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    raw_meta = value.get("_meta")
    meta: Mapping[str, Any] = raw_meta if isinstance(raw_meta, dict) else {}
    parts = [value[k] for k in sorted((k for k in value if k.isdigit()), key=int)]
    subsystem = ""
    if parts and isinstance(parts[0], str) and parts[0].startswith("{"):
        try:
            named = json.loads(parts[0])
            subsystem = str(named.get("subsystem") or named.get("module") or "")
            where = named.get("storeKey")
            parts = parts[1:] + ([str(where)] if where else [])
        except ValueError:
            pass
    message = " ".join(
        p if isinstance(p, str) else json.dumps(p, ensure_ascii=False) for p in parts
    ) or str(value.get("message", ""))
    return "{} {} [{}] {}".format(
        value.get("time", ""), meta.get("logLevelName", ""), subsystem, message
    )


def _stability(home: Home, now: float) -> List[str]:
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
        value = json.loads(found[-1].read_bytes()[:2_000_000])
    except (OSError, ValueError):
        return []
    error = value.get("error") if isinstance(value, dict) else None
    reason = value.get("reason", "") if isinstance(value, dict) else ""
    text = json.dumps(error, ensure_ascii=False)[:1500] if error else ""
    return ["{} stability {} {}".format(value.get("generatedAt", ""), reason, text)]


# -- lines -----------------------------------------------------------------------------------------
def plain(rows: Iterable[str]) -> List[str]:
    """Lines without terminal colours, without empty ones, each at most 2000 characters."""
    result = []
    for row in rows:
        line = _ANSI.sub("", row).rstrip()[:2000]
        if line.strip():
            result.append(line)
    return result


def quoted(line: str) -> bool:
    """Chat text and tool output in the log are talk about errors, not errors."""
    return bool(
        re.search(
            r"\[(?:agent|chat|message|tool|tools|session|inbound|outbound)[/\]]|\"role\":|\"con"
            r"tent\":",
            line,
        )
    )


def epoch_of_line(line: str) -> float:
    """The time that a line begins with, epoch seconds; 0.0 when it carries none."""
    from datetime import datetime

    found = _STAMP.search(line[:60])
    if not found:
        return 0.0
    stamp = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", found.group(1).replace("Z", "+00:00"))
    stamp = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m.group(1).ljust(6, "0"), stamp)
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0
