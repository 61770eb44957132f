"""The newest boot's log lines of one gateway, from every place that may hold them. Read only and
bounded.

Places (2026.9.6): journald of the user unit; ~/Library/Logs/openclaw (macOS);
<doctor_dir>/gateway.log, where our own `direct`
keeper sends stdout and stderr; the JSONL file that every HOME and every CLI call of the user
shares; logs/stability/*.json.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from ..files import tail_bytes
from ..host import Host
from . import lock, shared_log
from .home import Home
from .shared_log import CUT

LIMIT = 524288  # bytes
LINES = 4000  # rows that are looked at, the newest: a boot writes a few hundred
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
    if not any(_begins(line) for line in lines):
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
    # where lines carry times, one without is a further line of what stands before it
    stamped = any(_STAMP.match(line) for line in lines[-50:])

    def begins(line: str) -> bool:
        return _begins(line) and (not stamped or line[:1].isdigit())

    last = _last_index(lines, "loading configuration", begins)
    if last is None:
        last = _last_index(lines, "starting...", begins)
    if last is None:
        return lines[-400:]
    # A start that dies before "loading configuration" leaves lines after the shutdown of the boot
    # before it.
    over = next((n for n in range(len(lines) - 1, last, -1) if _is_over(lines[n])), None)
    if over is not None and any(_EARLY.search(line) for line in lines[over + 1 :]):
        return lines[over + 1 :]
    begin = last
    while begin > 0 and last - begin < 60 and not _parts(lines[begin - 1]):
        begin -= 1
    return lines[begin:]


def _last_index(lines: List[str], word: str, is_it: Any) -> Optional[int]:
    return next(
        (n for n in range(len(lines) - 1, -1, -1) if word in lines[n] and is_it(lines[n])), None
    )


def _begins(line: str) -> bool:
    said = _said(line)
    return said.part in ("gateway", "") and bool(_START.match(said.words))


def _is_over(line: str) -> bool:
    """An end: the gateway's own word, or the service manager's."""
    if not any(word in line for word in _OVER_WORDS):
        return False
    said = _said(line)
    if said.part == "shutdown":
        return bool(_CAME_TO_END.match(said.words))
    return said.part == "" and bool(_MANAGER.match(said.words))


def _parts(line: str) -> bool:
    """Whether nothing before this line can belong to the start after it."""
    if _is_over(line) or _begins(line):
        return True
    said = _said(line)
    return said.part == "gateway" and bool(_READY.match(said.words) or _ORDER.match(said.words))


_OVER_WORDS = ("completed cleanly in", "Stopped ", "Main process", "Deactivated", "Failed with")
_MANAGER = re.compile(
    r"(?:\S+\.service: )?(?:Stopped .*OpenClaw|Main process exited|Deactivated successfully"
    r"|Failed with result)"
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
    for row in list(rows)[-LINES:]:
        line = row[: 2 * CUT]  # before any pattern: a row may be 500 KB long
        if "\x1b" in line or ("m" in line and "[" in line):
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


# -- whose words they are --------------------------------------------------------------------------
class Said(NamedTuple):
    """One entry of a log. part: the subsystem, "" for a line without one. words: its message up to
    what it quotes. text: the whole of it, with the lines that belong to it.
    """

    at: float
    part: str
    words: str
    text: str


# Subsystems in which the gateway speaks of itself. Channels, agents, tools and plugins print what
# others wrote.
OWN = frozenset(
    (
        "",
        *("gateway", "admission", "keeper", "lifecycle", "reload", "restart"),
        *("shutdown", "startup", "supervisor", "update", "update-run"),
    )
)
# up to three stamps, a level, [subsystem], the message
_HEAD = re.compile(
    r"((?:\d[\w:.,+-]{0,40}[ \t]+){0,3})(?:(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)[ \t]+)?"
    r"(?:\[([\w./-]{0,80})\][ \t]*)?(.*)"
)
_QUOTES = re.compile(r":\s|[\"'`\u201c\u2018\u300c]")
# What a start that was refused prints without a subsystem or a stamp.
_REFUSAL = re.compile(
    r"Gateway (?:failed to start|start blocked)|Doctor c(?:ould not|annot)|Refusing to |Invalid "
    r"config"
)


def _said(line: str) -> Said:
    """What one line says. A subsystem inside the message (a plugin's) is the one that speaks."""
    found = _HEAD.match(line)
    assert found is not None
    part = found.group(2)
    name = "?" if part is None and not found.group(1) and line[:1].isspace() else part or ""
    if name.startswith("gateway/"):
        name = name[len("gateway/") :]
    message = found.group(3)
    if message.startswith("["):
        name = "?"
    return Said(0.0, name, _QUOTES.split(message, 1)[0], line)


def spoken(log: str) -> str:
    """The lines that the gateway itself says."""
    return "\n".join(one.text for one in own(log))


def own(log: str) -> List[Said]:
    """What the gateway itself says in these lines: nothing out of a chat, an agent, a tool or a
    plugin, and no further line of such an entry.
    """
    result: List[Said] = []
    ours, stamped = True, False  # whose the entry that is being read is; lines carry times
    for line in log.splitlines()[-LINES:]:
        if " stability " in line:
            continue
        found = _HEAD.match(line)
        assert found is not None
        # where lines carry times, one without is a further line of what stands before it
        heads = bool(found.group(1)) or (found.group(2) is not None and not stamped)
        stamped = stamped or bool(found.group(1))
        if not heads and not (not ours and _REFUSAL.match(line)) and result:
            if ours:
                result[-1] = result[-1]._replace(text=(result[-1].text + "\n" + line)[: 4 * CUT])
            continue
        said = _said(line)
        if not heads and not ours and not _REFUSAL.match(line):
            continue
        ours = said.part in OWN
        if ours:
            result.append(said._replace(at=epoch_of_line(line)))
    return result


# -- what they say of its end: announced or sudden, stuck, refused for a lock, a lost port ---------
# While active work is drained 2026.9.6 says so every 30 s ("still draining active work"): this long
# without a word it is no drain.
SILENT_S = 60.0


def shutdown_stuck(log: str, now: float, started: float = 0.0) -> bool:
    """Given the newest boot's lines: told to end or restart, and silent since for longer than any
    drain of active work is. A shutdown that came to its end, or a start after it, ends the order.
    """
    lines = of_process(log, started)
    said = own("\n".join(lines))
    told = _last_of(said, _is_order)
    if told is None or any(_is_start(one) or _is_end(one) for one in said[told + 1 :]):
        return False
    before = said[:told]
    if any(_starts(one) for one in before) and not any(_is_ready(one) for one in before):
        return False  # a start that is told to end: its own budget bounds it
    last = max((epoch_of_line(line) for line in lines[-LINES:]), default=0.0)
    return last > 0 and now - last >= SILENT_S


def stays_alive(log: str, started: float = 0.0) -> bool:
    """Given the newest boot's lines: it says that a restart in its process failed and that it
    stays; nothing since says that it was told to go or that it starts again.
    """
    said = own("\n".join(of_process(log, started)))
    stays = _last_of(
        said,
        lambda one: (
            one.part in ("gateway", "reload")
            and bool(_FAILED_AGAIN.match(one.words))
            and "Process will stay alive" in one.text
        ),
    )
    return stays is not None and not any(
        _is_start(one) or _is_order(one) for one in said[stays + 1 :]
    )


def told_to_end(host: Host, home: Home) -> float:
    """When the newest gateway of this place was told to end by SIGINT or SIGTERM, as its last
    order (epoch seconds); 0.0 where it was not.

    A line that names nobody counts while several gateways write one file only where ours went in
    an orderly way: it took its lock away (2026.8 and later), which no crash does.
    """
    sources = (_console(host, home, LIMIT), shared_log.lines(host, home, LIMIT // 2))
    bare = not lock.left_lying(host, home)
    orders = [_last_order("\n".join(newest_start(lines)), bare) for lines in sources]
    if lock.left_orderly(host, home):
        nobodys = "\n".join(shared_log.nobodys(host, home, LIMIT // 2))
        orders.append(_last_order(nobodys))
    at, stop = max(orders)
    return at if stop else 0.0


def _last_order(log: str, bare: bool = True) -> Tuple[float, bool]:
    """(when, whether it was a stop) of the last order in these lines. A stop counts while the last
    words are those of a shutdown. bare: also where no other line speaks of it.
    """
    said = own(log)
    told = _last_of(said, lambda one: _is_order(one) or _is_start(one))
    if told is None:
        return (0.0, False)
    order, after = said[told], said[told + 1 :]
    # it ends within its budget: what it says later is said by one that lives on
    last = max((one.at for one in after), default=order.at)
    seen = bare or any(_is_shutdown(one) for one in said[max(0, told - 3) :])
    stop = bool(_STOP_SIGNAL.match(order.words)) and last - order.at <= DRAIN_S and seen
    return (order.at, stop and _is_order(order))


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
    own_words = [_of_failure(one) for one in own(log) if one.part in ("gateway", "")]
    told = [text for text in own_words if _FAILED.search(text) or _HELD.search(text)]
    if not told:
        return False
    lines = [line for line in told[-1].splitlines() if _FAILED.search(line) or _HELD.search(line)]
    return bool(_HELD.search(lines[-1]))


# How a start that is refused, or a program that dies, says why.
_WHY = re.compile(
    r"Gateway (?:failed to start|start blocked): (?:Startup failed: )?(?P<start>.{4,})"
    r"|(?P<other>(?:Refusing to |Doctor c(?:ould not|annot) |FATAL ERROR: "
    r"|(?:Uncaught )?(?:[A-Z]\w{0,40})?Error(?: \[\w{1,60}\])?: ).{4,})"
)
_ASKS = re.compile(r"\.*\s+Run openclaw [\w -]{3,60} for (?:diagnostics|details)\.\s*$")
_LAST_LINES = 40


def last_words(log: str, refused: bool = False, since: float = 0.0) -> str:
    """Given the newest boot's lines of a gateway that ended by itself: the sentence that says why,
    in its own words; "" where there is none. What was said before it was ready is over. refused:
    it is not known how it ended, so only a start that says that it is refused counts. since: with
    the lines of several boots, what was said before that time (epoch) is over too.
    """
    if since:
        lines, at = [], 0.0
        for line in log.splitlines()[-LINES:]:
            at = epoch_of_line(line) or at  # one without a time belongs to what stands before it
            if at >= since:
                lines.append(line)
        log = "\n".join(lines)
    said = own(log)
    ready = _last_of(said, _is_ready)
    if ready is not None:
        log = "\n".join(log.splitlines()[-_LAST_LINES:])
        said = own(log)
        ready = _last_of(said, _is_ready)
        said = said[ready + 1 :] if ready is not None else said
    for one in reversed(said):
        if one.part not in ("gateway", ""):
            continue
        for line in one.text.splitlines():
            head = _HEAD.match(line)
            found = _WHY.match(head.group(3)) if head else None
            if found and (found.group("start") or not refused):
                return _ASKS.sub(".", found.group("start") or found.group("other")).strip()
    return ""


def _of_failure(one: Said) -> str:
    """What an entry says of a failed start: the whole of a refusal, of others the unquoted part."""
    if _REFUSAL.match(one.words) or _FAILED_AGAIN.match(one.words):
        return one.text
    return one.words if one.part else ""


def went_suddenly(log: str) -> bool:
    """Given the newest boot's lines: nothing says that it was ending. A plugin that calls exit(0)
    says nothing; False without lines.
    """
    said = own(log)
    ready = _last_of(said, _is_ready)
    after = said[ready + 1 :] if ready is not None else said
    return bool(log.strip()) and not any(_leaves(one) for one in after)


def port_lost(log: str, started: float = 0.0) -> bool:
    """Given the newest boot's lines: it became ready, and nothing says that it is ending or
    restarting.
    """
    said = own("\n".join(of_process(log, started)))
    ready = _last_of(said, _is_ready)
    if ready is None:
        return False
    return not any(
        _leaves(one)
        or _starts(one)
        or (one.part in ("gateway", "reload") and bool(_SPEAKS_OF_END.search(one.words)))
        for one in said[ready + 1 :]
    )


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


def _last_of(said: List[Said], is_it: Any) -> Optional[int]:
    return next((n for n in range(len(said) - 1, -1, -1) if is_it(said[n])), None)


def _starts(one: Said) -> bool:
    return one.part in ("gateway", "") and bool(_START.match(one.words))


def _is_ready(one: Said) -> bool:
    return one.part == "gateway" and bool(_READY.match(one.words))


def _is_start(one: Said) -> bool:
    return _starts(one) or _is_ready(one)


def _is_order(one: Said) -> bool:
    return one.part == "gateway" and bool(_ORDER.match(one.words))


def _is_end(one: Said) -> bool:
    """A shutdown that came to its end: what follows in the same process is a start."""
    if one.part == "gateway" and one.words.startswith("restart mode"):
        return True
    return one.part == "shutdown" and bool(_CAME_TO_END.match(one.words))


def _is_shutdown(one: Said) -> bool:
    if one.part in ("admission", "shutdown"):
        return True
    return one.part == "gateway" and bool(_SHUTS.match(one.words))


def _leaves(one: Said) -> bool:
    return one.part != "" and (
        one.part in ("admission", "shutdown") or bool(_LEAVING.search(one.words))
    )


DRAIN_S = 400.0  # s: the longest drain of 2026.9.6 (325 s), its exit margin, and a busy disk
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
_START = re.compile(r"(?:gateway )?(?:loading configuration|starting\.\.\.)")
_READY = re.compile(r"(?:gateway )?ready\b")
# Orders by signal; a second one may come while the first is carried out.
_ORDER = re.compile(r"received SIG[A-Z0-9]+(?:; (?:restarting|shutting down)| during shutdown)")
_STOP_SIGNAL = re.compile(r"received SIG(?:INT|TERM|HUP)\b")
_SHUTS = re.compile(r"shutdown budget at shutdown|active-work drain|still draining")
_CAME_TO_END = re.compile(r"(?:shutdown )?completed cleanly in|shutdown complete")
_FAILED_AGAIN = re.compile(r"(?:gateway )?(?:re)?start(?:up)? failed|config is invalid")
# Words of 2026.9.6 before it ends on purpose: by a signal, for a restart of its own, for an update.
_LEAVING = re.compile(
    r"received SIG|shutting down|[Rr]estarting|update handoff"
    r"|[Rr]estart (?:mode|requested|scheduled|required|in|now|because|handoff)|requires? (?:a "
    r")?(?:gateway )?restart"
)
# A restart in the same process closes the port as well.
_SPEAKS_OF_END = re.compile(r"[Rr]estart|shutdown")
