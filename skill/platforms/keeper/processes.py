"""Who is alive, who holds a lock or a port: the process table without psutil. Standard library
only, imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
from datetime import datetime
from typing import List, Mapping, Optional, Sequence, Tuple

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


def lock_holder(state_dir: str, others: Sequence[str] = ()) -> Tuple[int, str]:
    """(pid, "gateway" | "doctor") of the live process in OpenClaw's own lock file; (0, "") when the
    lock is free: also where its pid is by now something that is no OpenClaw at all.

    others: lock files of older versions, which lie outside the state directory.
    """
    folder = os.path.join(state_dir, "tmp")
    try:
        places = [
            os.path.join(folder, name, "gateway.state.lock")
            for name in os.listdir(folder)
            if name.startswith("openclaw-")
        ]
    except OSError:
        places = []
    for place in [*places, *filter(_is_ours, others)]:
        try:
            with open(place, encoding="utf-8", errors="replace") as handle:
                value = json.loads(handle.read(8192).split("}")[0] + "}")
            pid, started = int(value["pid"]), value.get("startTime")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        known = type(started) is int and os.path.isdir("/proc/self")
        if pid == os.getpid() or not alive(pid, started if known else None):
            continue
        # before the environment: while a program is being loaded the kernel shows neither
        what = kind_of(command_words(pid))
        if not known and not _wrote(pid, value, state_dir):
            continue
        if what == "gateway" and value.get("role", "gateway") != "gateway":
            what = "doctor"  # an embedded agent, maintenance: no gateway can start beside it
        if what != "other":
            return pid, what
    return 0, ""


def _is_ours(name: str) -> bool:
    """Whether a lock file outside the state directory was made by this account: /tmp belongs to
    everybody.
    """
    try:
        found, folder = os.lstat(name), os.lstat(os.path.dirname(name))
    except OSError:
        return False
    uid = getattr(os, "getuid", lambda: found.st_uid)()
    regular = stat.S_ISREG(found.st_mode) and stat.S_ISDIR(folder.st_mode)
    return regular and found.st_uid == uid and folder.st_uid == uid


def _wrote(pid: int, value: Mapping[str, object], state_dir: str) -> bool:
    """Whether the process of a lock without a kernel start time can be its writer: it is no younger
    than the lock, and neither says that it works elsewhere. A pid alone names nobody.
    """
    named = value.get("stateDir")
    for place in (named if isinstance(named, str) else "", _state_dir_of(pid)):
        if place and not _same_place(place, state_dir):
            return False
    if not os.path.isdir("/proc/self"):
        return True  # macOS, Windows: nothing more is told
    began = create_time(pid)
    stamp = str(value.get("createdAt", ""))[:40].replace("Z", "+00:00")
    try:
        written = datetime.fromisoformat(re.sub(r"\.\d+", "", stamp)).timestamp()
    except (ValueError, OverflowError):
        return False
    return began is not None and began <= written + 2.0


def _same_place(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _state_dir_of(pid: int) -> str:
    """The state directory that a process was started with; "" where it does not say."""
    return _environ_of(pid).get("OPENCLAW_STATE_DIR", "")


def _environ_of(pid: int) -> Mapping[str, str]:
    """What it was started with; {} where that cannot be read."""
    try:
        with open("/proc/{}/environ".format(pid), "rb") as handle:
            pairs = handle.read(262144).split(b"\0")
    except OSError:
        return {}
    named = (pair.partition(b"=") for pair in pairs)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in named}


def serves_place(pid: int, state_dir: str, since: float) -> bool:
    """Whether this process is a gateway of this state directory that is no older than `since`
    (epoch seconds). A number that stands in a log names nobody.
    """
    if kind_of(command_words(pid)) != "gateway" or not alive(pid):
        return False
    if not os.path.isdir("/proc/self"):
        return True  # macOS, Windows: nothing more is told
    env, began = _environ_of(pid), create_time(pid)
    profile = env.get("OPENCLAW_PROFILE", "").strip()
    usual = ".openclaw" + ("-" + profile if profile not in ("", "default") else "")
    place = env.get("OPENCLAW_STATE_DIR") or os.path.join(env.get("HOME", ""), usual)
    return began is not None and began >= since - 2.0 and _same_place(place, state_dir)


def kind_of(words: Sequence[str]) -> str:
    """What a lock's holder is: "gateway", "doctor" (any other OpenClaw program) or "other".

    Its title, or the program and the verb of its command line decide, never a part of a word:
    folders and hosts are called openclaw, too.
    """
    if not words:
        # a live holder whose words cannot be read: never start a second one beside it
        return "gateway"
    title = os.path.basename(words[0])
    if title.startswith("openclaw-doctor"):
        return "doctor"
    if title.startswith("openclaw-gateway"):
        return "gateway"
    entry = next((at for at, word in enumerate(words[:8]) if _is_entry(word)), None)
    if entry is None:
        return "other"
    verbs = [word for word in words[entry + 1 :] if not word.startswith("-")]
    if "doctor" in verbs[:2]:
        return "doctor"
    return "gateway" if not verbs or "gateway" in verbs[:2] else "doctor"


def _is_entry(word: str) -> bool:
    """OpenClaw's own program: its launcher, or the entry file of its package."""
    name = os.path.basename(word)
    if name in ("openclaw", "openclaw.mjs", "openclaw.cmd", "openclaw-agent"):
        return True
    folder = os.path.basename(os.path.dirname(word))
    return name in ("index.js", "entry.js", "entry.mjs") and folder == "dist"


def command_words(pid: int) -> List[str]:
    """A process's command line as words; [] when unknown. A title that a program gave itself is one
    word with blanks in it.
    """
    try:
        with open("/proc/{}/cmdline".format(pid), "rb") as handle:
            raw = handle.read(4096)
        words = [word.decode("utf-8", "replace") for word in raw.split(b"\0") if word]
        return words if len(words) > 1 else " ".join(words).split()
    except OSError:
        pass
    if WINDOWS:
        return []
    try:
        return (
            subprocess.run(
                ["ps", "-o", "command=", "-p", str(pid)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=5,
            )
            .stdout.decode("utf-8", "replace")[:4096]
            .split()
        )
    except (OSError, subprocess.SubprocessError):
        return []


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
