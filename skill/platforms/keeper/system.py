"""What the keeper needs of the operating system: the gateway's start and end, waking up. Standard
library only, imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Sequence

try:
    from .processes import (
        alive,
        boot_mark,
        command_words,
        create_time,
        kind_of,
        lock_holder,
        port_taken,
        serves_place,
        ticks,
    )
except ImportError:  # run as a script
    from processes import (  # type: ignore[import-not-found,no-redef]
        alive,
        boot_mark,
        command_words,
        create_time,
        kind_of,
        lock_holder,
        port_taken,
        serves_place,
        ticks,
    )

# OpenClaw's last log line before it ends for a fresh process; older versions start that one
# themselves. Only its own line counts (stamps, subsystem, words): they may come out of a chat.
_HEAD = r"^(?:\d[\w:.,+-]{0,40}[ \t]+){0,3}\[gateway\] "
RESTART_MARK = re.compile(
    _HEAD + r"restart mode: full process restart(?: \((?:spawned pid (\d{1,9}))?)?", re.M
)
# its words when it was told to end
TOLD_TO_END = re.compile(_HEAD + r"[^\n]{0,20}(?:received )?SIG(?:TERM|INT)\b", re.M)
CLEAN_MARKS = (
    "closed: stop (",
    "completed cleanly",
)  # its log lines at an orderly stop; both, for a process that was not our child
__all__ = [
    "alive",
    "boot_mark",
    "command_words",
    "create_time",
    "kind_of",
    "lock_holder",
    "port_taken",
    "serves_place",
    "ticks",
]  # and what is defined here
WINDOWS = os.name == "nt"
# What a service manager or Python told us about ourselves must not reach the gateway.
NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MANAGERPID",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "OPENCLAW_SYSTEMD_UNIT",
    "OPENCLAW_LAUNCHD_LABEL",
    "OPENCLAW_WINDOWS_TASK_NAME",
    "OPENCLAW_SERVICE_MARKER",
    "OPENCLAW_SERVICE_KIND",
)


def stop_on_record(state_dir: str, pid: object, since: float = 0.0) -> bool:
    """Did somebody run `openclaw gateway stop` on this process? OpenClaw 2026.9.6 notes it in
    logs/gateway-restart.log, with time and pid. since: when the process began (epoch seconds): what
    stands there of an earlier process with this pid is no wish.
    """
    try:
        with open(os.path.join(state_dir, "logs", "gateway-restart.log"), "rb") as handle:
            written = os.fstat(handle.fileno()).st_mtime
            handle.seek(max(0, handle.seek(0, 2) - 16384))
            lines = handle.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return False
    for line in lines:
        words = line.split()
        if "action=stop" in words and "pid={}".format(pid) in words:
            if (_time_of(words[0]) or written) >= since - 2.0:
                return True
    return False


def _time_of(stamp: str) -> float:
    """Epoch seconds of "[2026-01-31T12:00:00.000Z]"; 0.0 where it is none."""
    try:
        return datetime.fromisoformat(stamp.strip("[]").replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


# -- the gateway's start and end -------------------------------------------------------------------
def environment(
    spec: Mapping[str, Any], override: Mapping[str, Any], base: Optional[Mapping[str, str]] = None
) -> Dict[str, str]:
    """Ours, without what is about ourselves, plus the spec's, plus the repairs' overrides."""
    env = {
        k: v for k, v in (os.environ if base is None else base).items() if k not in NOT_FOR_CHILDREN
    }
    for source in (spec, override):
        env.update({str(k): str(v) for k, v in (source.get("set") or {}).items()})
        for name in source.get("unset") or ():
            env.pop(name, None)
    return env


def limit_files(wanted: object) -> None:
    """Set the file limit that the next child inherits: beyond the hard limit where this account
    may, else up to it. None: as it is.
    """
    if not wanted or WINDOWS:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    number = int(str(wanted))
    enough = hard == resource.RLIM_INFINITY or number <= hard
    for soft, top in ((number, hard if enough else number), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, top))
            return
        except (OSError, ValueError):
            continue


def handed_over(spec: Mapping[str, Any], pid: int) -> bool:
    """Ask OpenClaw's documented machine contract whether the ended gateway wants a fresh process
    (protocol 1, 1 to 8 s).
    """
    consume = spec.get("consume")
    if not consume:
        return False
    try:
        done = subprocess.run(
            consume + ["--expected-pid", str(pid), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            env=environment(spec, {}),
        )
        answer = json.loads(done.stdout.decode("utf-8", "replace"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return (
        isinstance(answer, dict) and answer.get("ok") is True and answer.get("status") == "accepted"
    )


class Wake:
    """Sleep that a signal, a request or the child's end cuts short."""

    def __init__(self, names: Sequence[str]) -> None:
        self.asked_to_end = False
        self.reader: Optional[int] = None
        if not WINDOWS:
            self.reader, writer = os.pipe()
            os.set_blocking(self.reader, False)
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for name in names:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._note)

    def _note(self, number: int, frame: Any) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.asked_to_end = True

    def wait(self, child: Any, seconds: float) -> None:
        if self.reader is None:
            try:
                child.wait(seconds) if child else time.sleep(seconds)
            except subprocess.TimeoutExpired:
                pass
            return
        try:
            select.select([self.reader], [], [], seconds)
            os.read(self.reader, 512)
        except (BlockingIOError, InterruptedError):
            pass
