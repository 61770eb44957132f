"""What a gateway's own log says of its end: announced or sudden, stuck, refused for a lock, a port
that was lost. Text in, answers out.
"""

from __future__ import annotations

import re
from typing import List

from .logs import epoch_of_line

# While active work is drained 2026.9.6 says so every 30 s ("still draining active work"): this long
# without a word it is no drain.
SILENT_S = 60.0


def shutdown_stuck(log: str, now: float, started: float = 0.0) -> bool:
    """Given the newest boot's lines: told to end or restart, and silent since for longer than any
    drain of active work is.
    """
    lines = of_process(log, started)
    told = next((n for n in range(len(lines) - 1, -1, -1) if _TOLD_TO_END.search(lines[n])), None)
    if told is None:
        return False
    last = max((epoch_of_line(line) for line in lines[told:]), default=0.0)
    return last > 0 and now - last >= SILENT_S


def left_on_signal(log: str) -> float:
    """Given the newest boot's lines: the time (epoch) at which it was told to end by SIGINT or
    SIGTERM, as its last order; 0.0 where it was not.
    """
    told = [line for line in log.splitlines() if _ORDERED.search(line)]
    return epoch_of_line(told[-1]) if told and _STOP_SIGNAL.search(told[-1]) else 0.0


def was_held(log: str) -> bool:
    """Given the newest boot's lines: what it says last about its failure is that another OpenClaw
    held the lock or the port.
    """
    failed = [line for line in log.splitlines() if _FAILED.search(line) or _HELD.search(line)]
    return bool(failed) and bool(_HELD.search(failed[-1]))


def went_suddenly(log: str) -> bool:
    """Given the newest boot's lines: nothing says that it was ending. A plugin that calls exit(0)
    says nothing; False without lines.
    """
    ready = [match.end() for match in _SAID_READY.finditer(log)]
    return bool(log.strip()) and not _LEAVING.search(log, ready[-1] if ready else 0)


def port_lost(log: str, started: float = 0.0) -> bool:
    """Given the newest boot's lines: it became ready, and nothing says that it is ending or
    restarting.
    """
    said = "\n".join(of_process(log, started))
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
_SAID_READY = re.compile(r"\[gateway\] ready\b")
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
_ORDERED = re.compile(r"received SIG\w+|\[gateway\] (?:starting|ready)\b|loading configuration")
_STOP_SIGNAL = re.compile(r"received SIG(?:INT|TERM|HUP)\b")
_TOLD_TO_END = re.compile(r"received SIG\w+; (?:restarting|shutting down)")
