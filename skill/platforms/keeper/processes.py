"""Who is alive, who holds a lock or a port: the process table without psutil. Standard library
only, imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import List, Optional, Tuple

WINDOWS = os.name == "nt"


def _stat(pid: int) -> List[bytes]:
    with open("/proc/{}/stat".format(pid), "rb") as handle:
        return handle.read().rsplit(b")", 1)[1].split()


def ticks(pid: int) -> Optional[int]:
    """Clock ticks after boot at which the process started: with the pid its identity. None where
    there is no /proc.
    """
    try:
        return int(_stat(pid)[19])
    except (OSError, ValueError, IndexError):
        return None


def create_time(pid: int) -> Optional[float]:
    """Epoch seconds at which a process started, computed as psutil does. None where there is no
    /proc.
    """
    try:
        with open("/proc/stat", "rb") as handle:
            boot = next(float(line.split()[1]) for line in handle if line.startswith(b"btime"))
        return boot + int(_stat(pid)[19]) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def alive(pid: Optional[int], wanted_ticks: Optional[int] = None) -> bool:
    """True while exactly this process runs. A zombie is dead, and so is a pid that belongs to
    somebody else now.
    """
    if not pid:
        return False
    if WINDOWS:
        return _alive_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not os.path.isdir("/proc/self"):
        return True
    try:
        fields = _stat(pid)
    except OSError:
        return False
    return fields[0] not in (b"Z", b"X") and (
        wanted_ticks is None or int(fields[19]) == wanted_ticks
    )


def _alive_windows(pid: int) -> bool:
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(
        0x1000, False, pid
    )  # PROCESS_QUERY_LIMITED_INFORMATION; os.kill(pid, 0) would end it
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == 259  # STILL_ACTIVE


def boot_mark() -> str:
    """Differs after a reboot of the machine or a restart of the container; "" where that cannot be
    told.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as handle:
            return "{}:{}".format(handle.read().strip(), ticks(1))
    except OSError:
        return ""


def lock_holder(state_dir: str) -> Tuple[int, str]:
    """(pid, "gateway" | "doctor" | "other") of the live process in OpenClaw's own lock file; (0,
    "") when the lock is free.
    """
    folder = os.path.join(state_dir, "tmp")
    try:
        places = [
            os.path.join(folder, name, "gateway.state.lock")
            for name in os.listdir(folder)
            if name.startswith("openclaw-")
        ]
    except OSError:
        return 0, ""
    for place in places:
        try:
            with open(place, encoding="utf-8", errors="replace") as handle:
                value = json.loads(handle.read().split("}")[0] + "}")
            pid, started = int(value["pid"]), value.get("startTime")
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if alive(
            pid, started if isinstance(started, int) and os.path.isdir("/proc/self") else None
        ):
            return pid, kind_of(command_line(pid).split())
    return 0, ""


def kind_of(words: List[str]) -> str:
    """What a lock's holder is: whole words decide, since a folder may be called doctor (ours
    is).
    """
    if not words:
        # a live holder whose words cannot be read: never start a second one beside it
        return "gateway"
    if words[0].startswith("openclaw-doctor") or "doctor" in words[1:6]:
        return "doctor"
    return "gateway" if any("openclaw" in word or "gateway" in word for word in words) else "other"


def command_line(pid: int) -> str:
    """The first 300 characters of a process's command line; "" when unknown."""
    try:
        with open("/proc/{}/cmdline".format(pid), "rb") as handle:
            return handle.read(300).replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        pass
    if WINDOWS:
        return ""
    try:
        return subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        ).stdout.decode("utf-8", "replace")[:300]
    except (OSError, subprocess.SubprocessError):
        return ""


def port_taken(port: object) -> bool:
    """True when somebody accepts connections on 127.0.0.1:port."""
    if not port:
        return False
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    probe.settimeout(1.0)
    try:
        return probe.connect_ex(("127.0.0.1", int(str(port)))) == 0
    except (OSError, ValueError):
        return False
    finally:
        probe.close()
