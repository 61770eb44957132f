"""What the keeper needs of the operating system: files, locks, who is alive, waking up. Standard
library only, imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from typing import Any, Dict, Mapping, Optional, Sequence

try:
    from .processes import alive, boot_mark, create_time, lock_holder, port_taken, ticks
except ImportError:  # run as a script
    from processes import alive, boot_mark, create_time, lock_holder, port_taken, ticks  # type: ignore[import-not-found,no-redef]

MAX_LOG = 5000000  # bytes of gateway.log before it is rotated; one older copy is kept
# OpenClaw 2026.9.6's last log line before it ends for a fresh process
RESTART_MARK = "restart mode: full process restart"
CLEAN_MARKS = (
    "closed: stop (",
    "completed cleanly",
)  # its log lines at an orderly stop; both, for a process that was not our child
__all__ = [
    "alive",
    "boot_mark",
    "create_time",
    "lock_holder",
    "port_taken",
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


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def read_json(path: str) -> Dict[str, Any]:
    """The object in a file; {} when there is none or it is damaged."""
    try:
        with open(path, encoding="utf-8") as handle:
            value = json.load(handle)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: str, value: Mapping[str, Any]) -> None:
    """Replace whole or not at all, 0600. A full disk must not stop the keeper: then the old content
    stays.
    """
    temporary = "{}.{}.tmp".format(path, os.getpid())
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(value, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass


def take_request(path: str) -> Dict[str, Any]:
    """Read a wish and remove it; {} when there is none."""
    if not os.path.exists(path):
        return {}
    wish = read_json(path)
    try:
        os.unlink(path)
    except OSError:
        pass
    return wish


def take_lock(path: str, patience: float = 1.0) -> Optional[int]:
    """As try_lock(), tried for a moment: anyone who asks whether it is held holds it for an
    instant.
    """
    until = time.monotonic() + patience
    while True:
        handle = try_lock(path)
        if handle is not None or time.monotonic() > until:
            return handle
        time.sleep(0.05)


def try_lock(path: str) -> Optional[int]:
    """Hold an operating-system lock (the same kind filelock uses); the descriptor, or None when
    somebody else has it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def tail(path: str, limit: int = 4096) -> str:
    """The end of the log as text. Only what the last boot wrote: from the keeper's last own line
    on.
    """
    try:
        with open(path, "rb") as handle:
            handle.seek(max(0, handle.seek(0, 2) - limit))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return text[text.rfind("[keeper] starting") + 1 :]


def rotate(path: str) -> None:
    """Copy and empty the log when it is too long: the gateway keeps writing to the same open file
    (O_APPEND).
    """
    try:
        if os.path.getsize(path) <= MAX_LOG:
            return
        with open(path, "rb+") as source, open(
            os.open(path + ".1", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        ) as target:
            source.seek(-MAX_LOG, 2)
            for block in iter(lambda: source.read(1 << 16), b""):
                target.write(block)
            source.truncate(0)
    except OSError:
        pass


def stop_on_record(state_dir: str, pid: object) -> bool:
    """Did somebody run `openclaw gateway stop` on this process? OpenClaw 2026.9.6 notes it in
    logs/gateway-restart.log, with the pid.
    """
    try:
        with open(os.path.join(state_dir, "logs", "gateway-restart.log"), "rb") as handle:
            handle.seek(max(0, handle.seek(0, 2) - 16384))
            lines = handle.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return False
    return any(
        "action=stop" in line.split() and "pid={}".format(pid) in line.split() for line in lines
    )


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
