"""Who runs and who listens, as this machine's process table says. Read only; what may not be read
is simply absent.

A gateway renames itself to `openclaw-gateway` (2026.9.6); before that, and on Windows, its command
line has `openclaw ... gateway`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ..host import Host, Listener, Process
from .home import Home, state_dir_of


def table(host: Host) -> List[Process]:
    return list(host.processes())


def is_gateway(row: Process) -> bool:
    """Is this a gateway's main process? Its node children and other openclaw commands are not, nor
    is a program that only speaks of one (a tunnel, an editor, a script in the workspace).
    """
    if row.state == "zombie":
        return False
    title = row.argv[0] if row.argv else ""
    if title == TITLE or (row.name == TITLE[:15] and not row.argv):
        return True
    words = _of_openclaw(row)
    rest = [w for w in words if not w.startswith("-")]
    return (
        bool(rest)
        and rest[0] == "gateway"
        and (len(rest) == 1 or rest[1] in ("run", "start") or rest[1].isdigit())
        and "--help" not in words
    )


def is_main(row: Process) -> bool:
    """A gateway, or OpenClaw's main process under the short title that every version has until it
    knows its command and that 2026.5 and 2026.6 keep.
    """
    return is_gateway(row) or (row.state != "zombie" and row.line.strip() in SHORT_TITLES)


TITLE = "openclaw-gateway"
SHORT_TITLES = ("openclaw", "openclaw.mjs")
_NODE = re.compile(r"(?:^|[\\/])(?:node|nodejs|bun|deno)(?:-?\d[\w.]*)?(?:\.exe)?$", re.I)
_ENTRY = re.compile(
    r"(?:^|[\\/])openclaw(?:\.mjs|\.cmd|\.exe)?$|[\\/]?openclaw[\\/](?:dist[\\/])?(?:index|entry)"
    r"\.m?js$"
)
_WITH_VALUE = ("-r", "--require", "--import", "--loader", "-C", "--conditions")


def _of_openclaw(row: Process) -> List[str]:
    """The words after OpenClaw's own program, where that is what runs: itself, or node with it as
    the script.
    """
    words = [word[:400] for word in row.argv[:40]]
    if words and _ENTRY.search(words[0]):
        return words[1:]
    if not words or not _NODE.search(words[0]):
        return []
    index = 1
    while index < len(words) and words[index].startswith("-"):
        if words[index] in ("-e", "-p", "--eval", "--print"):
            return []
        index += 2 if words[index] in _WITH_VALUE else 1
    return words[index + 1 :] if index < len(words) and _ENTRY.search(words[index]) else []


def may_be_starting(home: Home, row: Process) -> bool:
    """A main openclaw process on this state directory that has not taken its final name yet, and is
    no child of ours.
    """
    if row.state == "zombie" or row.ppid == os.getpid() or row.line.strip() not in SHORT_TITLES:
        return False
    place = state_dir(row)
    return place is not None and os.path.realpath(str(place)) == os.path.realpath(
        str(home.state_dir)
    )


def is_doctor(row: Process) -> bool:
    """An `openclaw doctor` (it holds the gateway's lock while it works)."""
    if row.state == "zombie":
        return False
    if row.name == "openclaw-doctor"[:15] or (row.argv and row.argv[0] == "openclaw-doctor"):
        return True
    return next((w for w in _of_openclaw(row) if not w.startswith("-")), "") == "doctor"


def state_dir(row: Process) -> Optional[Path]:
    """The state directory a process works on, from its environment; None when that may not be
    read.
    """
    if not row.env:
        return None
    argv = list(row.argv)
    env = dict(row.env)
    for index, word in enumerate(argv):
        if word == "--profile" and index + 1 < len(argv):
            env["OPENCLAW_PROFILE"] = argv[index + 1]
            env.pop("OPENCLAW_STATE_DIR", None)
    return state_dir_of(Host(env=env))


def listeners(host: Host, port: int) -> List[Listener]:
    """Who listens on a TCP port. [] when nobody does. Raises OSError when the table cannot be
    read.
    """
    try:
        return [row for row in host.listeners(None) if row.port == port]
    except OSError:
        return _lsof(host, port)


def _lsof(host: Host, port: int) -> List[Listener]:
    """macOS lets only root read the whole table; lsof shows at least our own sockets."""
    done = host.run(["lsof", "-nP", "-iTCP:{}".format(port), "-sTCP:LISTEN", "-Fpn"], timeout=4.0)
    if done.missing or done.timed_out:
        raise OSError("the table of sockets cannot be read")
    found, pid = [], None
    for line in done.out.splitlines():
        if line[:1] == "p" and line[1:].isdigit():
            pid = int(line[1:])
        elif line[:1] == "n":
            found.append(Listener(port, line[1:].rsplit(":", 1)[0], pid))
    return found


def is_busy(host: Host, pid: int, seconds: float = 0.6) -> bool:
    """Does a process want the CPU all the time? Runnable in nearly every sample, or most of a core
    used.

    The share of a core alone will not do: on a crowded machine a busy loop gets a tenth of one.
    """
    samples = 8
    before, runnable = usage(host, pid).get("cpu_s"), 0
    for _ in range(samples):
        host.sleep(seconds / samples)
        row = host.process(pid)
        if row is None:
            return False
        runnable += row.state == "running"
    after = usage(host, pid).get("cpu_s")
    used = (after - before) / seconds if before is not None and after is not None else 0.0
    return used >= 0.85 or (runnable >= samples - 1 and used > 0.02)


def usage(host: Host, pid: int) -> Dict[str, float]:
    """{"memory_mb", "cpu_s", "io_mb", "fds", "fd_limit", "as_limit", "tasks", "task_limit"} of one
    process (a limit of -1 is none); what may not be read is absent.
    """
    return dict(host.usage(pid))


_FLAG = re.compile(r"-{1,2}[A-Za-z][\w-]{0,30}")
_PROGRAM = re.compile(
    r"[\w@.-]*(?:/[\w@.-]+)*/?[\w.-]+\.(?:m?js|py|sh|rb|pl|jar|ts|exe)|/[\w./@-]+"
)


def shown(argv: Sequence[str], limit: int = 200) -> str:
    """A foreign program's command line as a text of ours: the program, its script and the names of
    its options. Values are left out: a password has no shape of its own.
    """
    words = [word for word in argv if word]
    parts = words[:1]
    for before, word in zip(words, words[1:]):
        name = word.partition("=")[0]
        if _FLAG.fullmatch(name) and (name.startswith("--") or len(name) <= 2):
            parts.append(name)
        elif before == "-m" or (before == words[0] and re.fullmatch(r"[\w./@-]{1,80}", word)):
            parts.append(word)
        elif _PROGRAM.fullmatch(word) and not before.startswith("-"):
            parts.append(word)
        elif parts[-1] != "…":
            parts.append("…")
    return " ".join(parts)[:limit]
