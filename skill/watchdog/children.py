"""The watchdog's child processes: level 3, alerts, good copies. Each leads its own group and
outlives a killed watchdog.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ..files import private_dir, read_json
from ..host import WINDOWS, Host, end_group
from ..openclaw.home import Home

# Longest a child may live, seconds. "treat" has its own, shorter bounds inside
# (EMERGENCY_RECOVERY_TIMEOUT for the AI).
BOUNDS = {
    "treat": 3600.0,
    "notify": 180.0,
    "keep-good": 60.0,
    "keep-config": 60.0,
    "inspect": 30.0,
    "record": 60.0,
    "evidence": 20.0,
    "metrics": float("inf"),  # serves for as long as the watchdog watches
}

PATIENT = (
    "keep-good",
    "keep-config",
    "record",
)  # must not take the machine away from a gateway that is starting


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

    def argv(self, words: Sequence[str]) -> List[str]:
        return [sys.executable, "-m", "skill", *words]

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
        private_dir(self.home.doctor_dir)
        log = open(self.home.doctor_dir / "children.log", "ab")
        try:
            if log.tell() > 2_000_000:
                log.truncate(0)
            env = {
                **self.host.env,
                "PYTHONPATH": _package_root() + os.pathsep + self.host.env.get("PYTHONPATH", ""),
            }
            process = subprocess.Popen(
                self.argv(words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, **flags
            )
        finally:
            log.close()
        if name in PATIENT and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(
                    os.PRIO_PROCESS, process.pid, 15
                )  # what it starts (node) inherits this
        with contextlib.suppress(OSError):
            os.chmod(self.home.doctor_dir / "children.log", 0o600)
        self.running[name] = Child(name, process, self.host.monotonic())

    def run_to_end(self, words: Sequence[str], timeout: float) -> None:
        """Run a child and wait for it, at most `timeout` seconds."""
        env = {
            **self.host.env,
            "PYTHONPATH": _package_root() + os.pathsep + self.host.env.get("PYTHONPATH", ""),
        }
        self.host.run(self.argv(words), timeout=timeout, env=env)

    def answer(self, words: Sequence[str], timeout: float) -> str:
        """What a short child printed; "" when it printed nothing, failed or took longer than
        `timeout` seconds.
        """
        env = {
            **self.host.env,
            "PYTHONPATH": _package_root() + os.pathsep + self.host.env.get("PYTHONPATH", ""),
        }
        done = self.host.run(self.argv(words), timeout=timeout, env=env)
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

    def result(self, incident: str) -> Optional[Dict[str, Any]]:
        """What `treat` wrote for this incident; None while there is nothing."""
        with contextlib.suppress(Exception):
            value = read_json(self._file(incident))
            return value if isinstance(value, dict) else None
        return None

    def drop_result(self, incident: str) -> None:
        with contextlib.suppress(OSError):
            os.replace(self._file(incident), self._file(incident).with_suffix(".taken"))

    def _file(self, incident: str) -> Any:
        return self.home.doctor_dir / "incidents" / (incident + ".treat.json")


def _package_root() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
