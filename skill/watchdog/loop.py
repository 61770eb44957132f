"""The watch as a process: look after look, until SIGTERM; a fault of our own in one look does not
end it.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

from ..model import exit_code
from ..openclaw import look
from .watch import Watchdog

SAME_FAULT = 4  # times that one place failed again before the watch's own memory is set aside
FAULTS_IN_A_ROW = 20  # looks that failed by a fault of our own before a fresh process is tried


class _Stop(BaseException):
    """SIGTERM. Not an Exception: observers that swallow those must not swallow this."""


def run(watchdog: Watchdog, once: bool = False) -> int:
    """Tick forever (or once); return the exit code: 0 ended as asked, healthy or rightly left
    alone; `--once`: 1 not, 2 cannot tell.
    """
    host = watchdog.host
    python = sys.version.split()[0]
    watchdog.log.line(
        "watch",
        host.now(),
        pid=os.getpid(),
        port=watchdog.home.port,
        manager=watchdog.platform.name,
        python=python,
    )
    if once:
        began, limits = host.monotonic(), look.limits(watchdog.settings)
        verdict = watchdog.tick()
        while not look.sure(verdict, watchdog.memory, limits, host.monotonic() - began):
            host.sleep(float(watchdog.settings["retry_delay"]))
            verdict = watchdog.tick()
        return exit_code(verdict.state)
    try:
        signal.signal(signal.SIGTERM, _stop)
        watchdog.teller.started(host.now())
        if host.env.get("NOTIFY_SOCKET"):
            from ..platforms import systemctl

            systemctl.tell_ready(host)
        failed, same, last = 0, 0, ""
        while failed < FAULTS_IN_A_ROW:
            fault = _guarded_tick(watchdog)
            failed = failed + 1 if fault else 0
            same = same + 1 if fault and fault == last else 0
            last = fault
            if same == SAME_FAULT:  # what it remembers may be what it trips over
                watchdog.forget()
            watchdog.alive()
            watchdog.sleep()
        return 1  # the service manager starts a fresh one
    except (_Stop, KeyboardInterrupt):
        watchdog.log.line("stop", host.now(), pid=os.getpid())
        watchdog.children.end_looks()
        watchdog.teller.stopping(host.now())
        return 0


def _guarded_tick(watchdog: Watchdog) -> str:
    """One look; a fault of our own is a log line with its place, and not the end of the watch.
    Return that place, "" where all went well.
    """
    try:
        watchdog.teller.guarded("ai-orphan", lambda: _end_orphan(watchdog))
        watchdog.tick()
        return ""
    except Exception as error:
        trace = traceback.format_exc().strip().splitlines()
        watchdog.log.line("tick-failed", watchdog.host.now(), error=repr(error), where=trace[-3:-1])
        return " ".join([type(error).__name__, *trace[-3:-1]])


def _end_orphan(watchdog: Watchdog) -> None:
    """An AI program whose doctor was killed goes on spending until somebody ends it."""
    session = watchdog.home.doctor_dir / "ai" / "session.json"
    if not os.path.exists(session):
        return
    from ..bridges.child import end_orphan

    ended = end_orphan(watchdog.host, session)
    if ended:
        watchdog.log.line("ai-orphan", watchdog.host.now(), ended=ended)


def _stop(number: int, frame: Any) -> None:
    raise _Stop
