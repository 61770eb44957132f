"""The watchdog's child processes: level 3, alerts, good copies. Each leads its own group and
outlives a killed watchdog.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Set

from ..files import memory, private_dir, read_json
from ..host import WINDOWS, Host, end_group
from ..openclaw.home import Home
from ..platforms import common
from ..store.incidents import result_files

# Longest a child may live, seconds. "treat" has its own, shorter bounds inside
# (EMERGENCY_RECOVERY_TIMEOUT for the AI).
BOUNDS = {
    "treat": 3600.0,
    "notify": 180.0,
    "keep-good": 120.0,
    "keep-config": 120.0,
    "inspect": 30.0,
    "served": 300.0,
    "record": 60.0,
    "review": 180.0,
    "metrics": float("inf"),  # serves for as long as the watchdog watches
}

LOG_BYTES = 2_000_000  # then children.log is emptied
ROOT = os.path.abspath(os.sep)  # where children work: nothing there is imported by accident

# must not take the machine away from a gateway that is starting (a record is half a second: at low
# priority it took a minute on a busy machine, and outlived the watchdog)
PATIENT = ("keep-good", "keep-config")
# only look, or take what the next watchdog takes again: with nobody to bound them they end as well
LOOKS = ("keep-good", "keep-config", "served", "inspect")


@dataclass
class Child:
    name: str
    process: "subprocess.Popen[bytes]"
    began: float
    code: Optional[int] = None
    seconds: float = 0.0


@dataclass
class Children:
    """At most one child of a name at a time. Results of `treat` are files, so that a new watchdog
    finds them too.
    """

    host: Host
    home: Home
    running: Dict[str, Child] = field(default_factory=dict)
    again: Dict[str, List[str]] = field(default_factory=dict)
    # patient ones that came to nothing on a busy machine: the next time at the usual priority
    hurried: Set[str] = field(default_factory=set)

    def argv(self, words: Sequence[str]) -> List[str]:
        """Never with the current directory in the path: its random.py is not ours (A19)."""
        isolated = ["-I"] if common.installed() else []
        return [sys.executable, *isolated, "-m", "skill", *words]

    def env(self) -> Dict[str, str]:
        """The watchdog's own environment, with what it says relative to its directory made
        absolute: a child works in the root directory.
        """
        env = dict(self.host.env)
        for name in ("OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH", "OPENCLAW_HOME"):
            if env.get(name, "").strip() and not env[name].startswith("~"):
                env[name] = os.path.abspath(env[name])
        more = [os.path.abspath(p) for p in env.get("PYTHONPATH", "").split(os.pathsep) if p]
        env["PYTHONPATH"] = os.pathsep.join([common.package_root(), *more])
        return env

    def start(self, name: str, words: Sequence[str]) -> None:
        """Start `python -m skill WORDS`. One of the same name that still runs is followed by this
        one.
        """
        if name in self.running:
            self.again[name] = list(words)
            return
        flags: Dict[str, Any] = (
            {"creationflags": 0x00000200} if WINDOWS else {"start_new_session": True}
        )
        log = self._log()
        try:
            process = subprocess.Popen(
                self.argv(words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env(),
                cwd=ROOT,
                **flags,
            )
        finally:
            if log != subprocess.DEVNULL:
                os.close(log)
        if name in PATIENT and name not in self.hurried and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(
                    os.PRIO_PROCESS, process.pid, 15
                )  # what it starts (node) inherits this
        self.running[name] = Child(name, process, self.host.monotonic())

    def _log(self) -> int:
        """Where children write: a file on the disk, in memory, or nowhere. A log that cannot be
        written keeps nothing from being started.
        """
        for make, where in ((private_dir, self.home.doctor_dir), (memory, self.home.state_dir)):
            with contextlib.suppress(OSError):
                path = make(where) / "children.log"
                handle = os.open(str(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                with contextlib.suppress(OSError):
                    if os.fstat(handle).st_size > LOG_BYTES:
                        os.ftruncate(handle, 0)
                return handle
        return subprocess.DEVNULL

    def answer(self, words: Sequence[str], timeout: float) -> str:
        """What a short child printed; "" when it printed nothing, failed or took longer than
        `timeout` seconds.
        """
        done = self.host.run(self.argv(words), timeout=timeout, env=self.env(), cwd=ROOT)
        return done.out.strip() if done.ok else ""

    def busy(self, name: str) -> bool:
        child = self.running.get(name)
        return child is not None and child.process.poll() is None

    def finished(self) -> List[Child]:
        """Children that ended since the last call; those past their bound are ended, group and
        all.
        """
        done: List[Child] = []
        for name, child in list(self.running.items()):
            child.code = child.process.poll()
            child.seconds = self.host.monotonic() - child.began
            if child.code is None and child.seconds > BOUNDS.get(name, 600.0):
                end_group(child.process)
                child.code = -1
            if child.code is not None:
                del self.running[name]
                done.append(child)
                if name in self.again:
                    self.start(name, self.again.pop(name))
        return done

    def end_looks(self) -> None:
        """The watchdog is asked to end: end what only looks. What repairs, tells or records goes
        on.
        """
        for name in LOOKS:
            child = self.running.pop(name, None)
            if child is not None:
                end_group(child.process, 2.0)

    def result(self, incident: str) -> Optional[Dict[str, Any]]:
        """What `treat` wrote for this incident; None while there is nothing."""
        for path in result_files(self.home, incident):
            with contextlib.suppress(Exception):
                value = read_json(path)
                if isinstance(value, dict):
                    return value
        return None

    def drop_result(self, incident: str) -> None:
        """Set the result aside; one that cannot be moved is remembered as taken."""
        for path in result_files(self.home, incident):
            with contextlib.suppress(OSError):
                os.replace(path, path.with_suffix(".taken"))
