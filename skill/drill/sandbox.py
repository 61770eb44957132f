"""The environment of a drill: nothing of the user's gateway, AI accounts or chat credentials comes
in, nothing goes out.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import uuid
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .. import machine
from ..machine import Process

# every process of a drill carries this name, so that all of them can be ended
RUN_MARK = "IFLOW_DOCTOR_DRILL_RUN"
KEEP = (
    "PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL TMPDIR TMP TEMP PYTHONPATH PYTHONHOME "
    "VIRTUAL_ENV NODE_EXTRA_CA_CERTS SSL_CERT_FILE"
    " SSL_CERT_DIR SYSTEMROOT COMSPEC PATHEXT WINDIR NUMBER_OF_PROCESSORS LD_LIBRARY_PATH"
).split()
KEEP_PREFIXES = ("LC_", "IFLOW_DOCTOR_", "NPM_CONFIG_", "npm_config_")

# A drill tells nobody and asks no AI, whatever the settings beside the skill say.
QUIET_SETTINGS: Dict[str, Any] = {"ai": {"enabled": False}}


def environment(
    outer: Mapping[str, str], home: Path, state_dir: Path, port: int, run_id: str, path: str
) -> Dict[str, str]:
    """Given the caller's environment, return the drill's: an allow-list, so that no credential is
    inherited.
    """
    env = {
        name: value
        for name, value in outer.items()
        if name in KEEP or name.startswith(KEEP_PREFIXES)
    }
    env.update(
        HOME=str(home),
        USERPROFILE=str(home),
        OPENCLAW_STATE_DIR=str(state_dir),
        OPENCLAW_CONFIG_PATH=str(state_dir / "openclaw.json"),
        PATH=path,
        IFLOW_DOCTOR_DRILL="1",
    )
    env[RUN_MARK] = run_id
    return env


def free_port(outer: Mapping[str, str], low: int = 20000, high: int = 29000) -> int:
    """A loopback port that nobody listens on, below the range that systems hand out for outgoing
    connections.

    IFLOW_DOCTOR_DRILL_PORTS="21700-21799" narrows the choice.
    """
    wanted = outer.get("IFLOW_DOCTOR_DRILL_PORTS", "")
    if "-" in wanted:
        low, high = (int(part) for part in wanted.split("-", 1))
    for _ in range(200):
        port = random.randrange(low, high - 2)
        if all(
            _free(number) for number in (port, port + 1, port + 2)
        ):  # OpenClaw uses neighbours of its port
            return port
    raise OSError("no free port between {} and {}".format(low, high))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def copy_install(program: Path, prefix: Path) -> Path:
    """Given the real `openclaw` program, copy its package below `prefix`; return the package. Its
    dependencies are linked, not copied.
    """
    package = program.resolve().parent
    while not (package / "package.json").is_file() and package != package.parent:
        package = package.parent
    modules = prefix / "lib" / "node_modules"
    modules.mkdir(parents=True)
    shutil.copytree(package, modules / "openclaw", symlinks=True)
    if package.parent.name == "node_modules":
        for sibling in package.parent.iterdir():
            if sibling.name not in ("openclaw", ".bin", ".package-lock.json"):
                os.symlink(sibling, modules / sibling.name)
    (prefix / "bin").mkdir()
    os.symlink(
        modules / "openclaw" / program.resolve().relative_to(package), prefix / "bin" / "openclaw"
    )
    return modules / "openclaw"


def new_mark() -> str:
    """A name for one fault's processes that also says which drill they belong to:
    <random>.<pid>.<start time of this process>.
    """
    me = machine.process_of(os.getpid())
    return "{}.{}.{:.2f}".format(uuid.uuid4().hex, os.getpid(), me.started if me else 0.0)


def sweep() -> int:
    """End what drills left behind that were themselves killed (kill -9); return how many processes
    that were.
    """
    orphans = set()
    for row in machine.process_table():
        mark = _mark_of(row.pid) if _same_numbering(row.pid) else ""
        parts = mark.split(".", 2)
        if len(parts) == 3:
            who = identity(int(parts[1]))
            if who is None or "{:.2f}".format(who[1]) != parts[2]:
                orphans.add(mark)
    ended = 0
    for mark in orphans:
        ended += len(members(mark))
        end_all(mark)
    return ended


def _mark_of(pid: int) -> str:
    return (machine.environ_of(pid) or {}).get(RUN_MARK, "")


def _same_numbering(pid: int) -> bool:
    """False for a process of a container: its drill is named by a pid that means another process
    here.
    """
    own = "/proc/self/ns/pid"
    if not os.path.exists(own):
        return True
    try:
        return os.stat("/proc/{}/ns/pid".format(pid)).st_ino == os.stat(own).st_ino
    except OSError:
        return False


def members(run_id: str, also: Tuple[int, ...] = ()) -> List[Process]:
    """Every living process that carries the drill's mark, and the tree below the pids in `also`."""
    found: Dict[int, Process] = {}
    rows = [row for row in machine.process_table() if row.state != "zombie"]
    for row in rows:
        if row.pid != os.getpid() and (row.pid in also or _mark_of(row.pid) == run_id):
            for each in [row] + machine.children(row.pid, rows):
                found.setdefault(each.pid, each)
    found.pop(os.getpid(), None)
    return list(found.values())


def end_all(run_id: str, also: Tuple[int, ...] = (), grace_s: float = 4.0) -> int:
    """End the drill's processes, SIGTERM first; return how many are left. A pid that was given to
    another process meanwhile is not touched.
    """
    left: List[Process] = []
    for _ in range(3):  # a keeper may have started a new gateway while we were ending the old one
        left = members(run_id, also)
        if not left:
            return 0
        machine.end_rows(left, grace_s)
    return len(members(run_id, also))


def identity(pid: Optional[int]) -> Optional[Tuple[int, float]]:
    """(pid, start time), which no other process will ever have; None when it is gone."""
    row = machine.process_of(pid) if pid else None
    return (row.pid, row.started) if row else None
