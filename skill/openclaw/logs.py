"""The newest boot's log lines of one gateway, from every place that may hold them. Read only and
bounded.

Places (2026.9.6): journald of the user unit; ~/Library/Logs/openclaw (macOS);
<doctor_dir>/gateway.log, where our own `direct`
keeper sends stdout and stderr; the JSONL file that every HOME and every CLI call of the user
shares; logs/stability/*.json.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, Tuple

from ..files import tail_bytes
from ..host import Host
from . import lock, shared_log
from .home import Home
from .shared_log import CUT

LIMIT = 524288  # bytes
# The first lines that a gateway prints; earlier deaths print none of them, so the whole tail is
# kept then.
BOOT = re.compile(
    r"\[gateway\] (?:loading configuration|starting\.\.\.)|gateway loading "
    r"configuration|gateway starting\.\.\."
)
# every part consumes what it looks at: a row of nothing but ESC ] costs no more than its length
_ANSI = re.compile(
    r"\x1b\[[0-9;?]{0,32}[A-Za-z]|\x1b\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)?"
    r"|(?<!\w)\[(?:\d{1,2};?){1,8}m"
)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)")


def newest_boot(host: Host, home: Home, limit: int = LIMIT) -> str:
    """Plain lines "time level subsystem message", oldest first, of the newest start of this
    gateway. "" when nothing is found.
    """
    console = _console(host, home, limit)
    own = newest_start(console)
    lines = own if own else []
    if not lines or not any(BOOT.search(line) for line in lines):
        lines = lines + newest_start(shared_log.lines(host, home, limit // 2))
    lines += shared_log.stability(home, host.now())
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


# -- lines -----------------------------------------------------------------------------------------
def plain(rows: Iterable[str]) -> List[str]:
    """Lines without terminal colours, without empty ones, each at most 2000 characters."""
    result = []
    for row in rows:
        line = row[: 2 * CUT]  # before any pattern: a row may be 500 KB long
        if "\x1b" in line or "m" in line:
            line = _ANSI.sub("", line)
        line = line.rstrip()[:CUT]
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


# who in the gateway speaks of its start, its end and its port
_SPEAKERS = (
    "gateway",
    "admission",
    "keeper",
    "lifecycle",
    "reload",
    "restart",
    "shutdown",
    "startup",
    "supervisor",
    "update",
)
_SUBSYSTEM = re.compile(r"(?:^|\s)\[([A-Za-z][\w./:-]{0,80})\]")


def spoken(log: str) -> str:
    """The lines that the gateway itself says: of its own subsystems, or of none. What a channel, an
    agent or a tool wrote is somebody's text, whatever words it holds.
    """
    return "\n".join(line for line in log.splitlines() if _speaks(line))


def _speaks(line: str) -> bool:
    found = _SUBSYSTEM.search(line[:300])
    own = found is None or re.split(r"[/.:]", found.group(1).lower())[0] in _SPEAKERS
    return own and not quoted(line)


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


# -- what they say of its end: announced or sudden, stuck, refused for a lock, a lost port ---------
# While active work is drained 2026.9.6 says so every 30 s ("still draining active work"): this long
# without a word it is no drain.
SILENT_S = 60.0


def shutdown_stuck(log: str, now: float, started: float = 0.0) -> bool:
    """Given the newest boot's lines: told to end or restart, and silent since for longer than any
    drain of active work is.
    """
    lines = of_process(spoken(log), started)
    told = next((n for n in range(len(lines) - 1, -1, -1) if _TOLD_TO_END.search(lines[n])), None)
    if told is None or any(_BEGINS.search(line) for line in lines[told + 1 :]):
        return False  # a restart in the same process came to its end
    before = "\n".join(lines[:told])
    if BOOT.search(before) and not _SAID_READY.search(before):
        return False  # a start that is told to end: its own budget bounds it
    whole = of_process(log, started)  # whoever speaks: it is at work
    order = epoch_of_line(lines[told])
    last = max((at for at in map(epoch_of_line, whole) if at >= order), default=0.0)
    return last > 0 and now - last >= SILENT_S


def told_to_end(host: Host, home: Home) -> float:
    """When the newest gateway of this place was told to end by SIGINT or SIGTERM, as its last
    order (epoch seconds); 0.0 where it was not.

    A line that names nobody counts while several gateways write one file only where ours went in
    an orderly way: it took its lock away (2026.8 and later), which no crash does.
    """
    sources = (_console(host, home, LIMIT), shared_log.lines(host, home, LIMIT // 2))
    orders = [_last_order("\n".join(newest_start(lines))) for lines in sources]
    if lock.left_orderly(host, home):
        orders += [_last_order(line) for line in shared_log.nobodys(host, home, LIMIT // 2)]
    at, stop = max(orders)
    return at if stop else 0.0


def _last_order(log: str) -> Tuple[float, bool]:
    """(when, whether it was a stop) of the last order in these lines."""
    told = [line for line in spoken(log).splitlines() if _ORDERED.search(line)]
    return (epoch_of_line(told[-1]), bool(_STOP_SIGNAL.search(told[-1]))) if told else (0.0, False)


def left_on_signal(log: str) -> float:
    """Given the newest boot's lines: the time (epoch) at which it was told to end by SIGINT or
    SIGTERM, as its last order; 0.0 where it was not.
    """
    at, stop = _last_order(log)
    return at if stop else 0.0


def was_held(log: str) -> bool:
    """Given the newest boot's lines: what it says last about its failure is that another OpenClaw
    held the lock or the port.
    """
    failed = [
        line for line in spoken(log).splitlines() if _FAILED.search(line) or _HELD.search(line)
    ]
    return bool(failed) and bool(_HELD.search(failed[-1]))


def went_suddenly(log: str) -> bool:
    """Given the newest boot's lines: nothing says that it was ending. A plugin that calls exit(0)
    says nothing; False without lines.
    """
    log = spoken(log)
    ready = [match.end() for match in _SAID_READY.finditer(log)]
    return bool(log.strip()) and not _LEAVING.search(log, ready[-1] if ready else 0)


def port_lost(log: str, started: float = 0.0) -> bool:
    """Given the newest boot's lines: it became ready, and nothing says that it is ending or
    restarting.
    """
    said = "\n".join(of_process(spoken(log), started))
    ready = [match.end() for match in _SAID_READY.finditer(said)]
    return bool(ready) and not _ENDING.search(said, ready[-1])


def silence(log: str, now: float, started: float) -> float:
    """Seconds since this process wrote its last line, or since it began when it has written
    none.
    """
    last = max([epoch_of_line(line) for line in of_process(log, started)] + [started])
    return max(0.0, now - last)


def of_process(log: str, started: float) -> List[str]:
    """The lines that a process which began then can have written: one that says nothing yet leaves
    its predecessor's as the newest.
    """
    return [
        line
        for line in log.splitlines()
        if " stability " not in line and epoch_of_line(line) >= started
    ]


# docs/gateway/gateway-lock.md and the refusals of a second gateway and of one beside a doctor
# (measured on 2026.9.6).
_HELD = re.compile(
    r"gateway already running|another OpenClaw process owns|another gateway instance is "
    r"already listening|state writer is active"
    r"|state directory is locked by"
)
_FAILED = re.compile(
    r"failed to start|start blocked|Invalid config|Doctor could not|Doctor cannot|[Rr]efusing "
    r"to (?:start|bind)"
)
_SAID_READY = re.compile(r"\[gateway\] (?:gateway )?ready\b")
# Words of 2026.9.6 before it ends on purpose: by a signal, for a restart of its own, for an update.
_LEAVING = re.compile(
    r"received SIG|\[admission\] closed|shutting down|[Rr]estarting|update handoff"
    r"|[Rr]estart (?:mode|requested|scheduled|required|in|now|because|handoff)|requires? (?:a "
    r")?(?:gateway )?restart"
)
# A restart in the same process closes the port as well; what other parts of it say about restarts
# ("restart them") does not count.
_ENDING = re.compile(
    _LEAVING.pattern
    + r"|loading configuration|\[(?:gateway|reload)[^\]\n]*\][^\n]*(?:[Rr]estart|shutdown)"
)
# Orders by signal and by itself; what counts is the last.
_ORDERED = re.compile(
    r"received SIG\w+|\[gateway\] (?:starting|(?:gateway )?ready)\b|loading configuration"
)
_STOP_SIGNAL = re.compile(r"received SIG(?:INT|TERM|HUP)\b")
_BEGINS = re.compile(r"\[gateway\] (?:starting|(?:gateway )?ready)\b|loading configuration")
_TOLD_TO_END = re.compile(r"received SIG\w+; (?:restarting|shutting down)")
