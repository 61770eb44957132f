"""systemd's user manager as measured on 252 with OpenClaw's unit: Restart=always, RestartSec=5, RestartPreventExitStatus=78."""

from __future__ import annotations

import signal
from typing import Any, Dict, List, Optional, Tuple

from .gateway import Gateway

RESTART_SEC, STOP_TIMEOUT, BURST, INTERVAL = 5.0, 330.0, 5, 60.0
SIGNALS = {-9: ("2", "9"), -15: ("2", "15"), -2: ("2", "2"), -6: ("3", "6")}


class Systemd:
    """One unit. Speaks through `systemctl --user`, which the product calls by host.run."""

    name = "systemd"

    def __init__(self, world: Any, port_argument: int = 0) -> None:
        self.world, self.port_argument = world, port_argument
        self._active = ""
        self.active, self.sub, self.result = "inactive", "dead", "success"
        self.gateway: Optional[Gateway] = None
        self.exec_code, self.exec_status = "0", "0"
        self.started_mono = self.exited_mono = 0.0
        self.started_at = ""
        self.restarts = 0
        self.starts: List[float] = []
        self.stopping = self.start_after_stop = False
        self.journal: List[str] = []
        self.job = 0
        self.reachable = True
        self.policy = "always"  # an owner's drop-in may say on-failure
        self._inactive_at, self._active = 0.0, "inactive"

    @property
    def active(self) -> str:
        return self._active

    @active.setter
    def active(self, value: str) -> None:
        if value in ("inactive", "failed") and self._active not in ("inactive", "failed"):
            self._inactive_at = self.world.mono
        self._active = value

    # -- what the unit does -------------------------------------------------------------------------------------------
    def start(self, automatic: bool = False) -> None:
        world = self.world
        if self.active in ("active", "activating") and self.sub != "auto-restart":
            return
        if self.stopping:
            self.start_after_stop = True
            return
        self.starts = [t for t in self.starts if world.mono - t < INTERVAL]
        if automatic and len(self.starts) >= BURST:
            self.active, self.sub, self.result = "failed", "failed", "start-limit-hit"
            return
        self.starts.append(world.mono)
        if not automatic:
            self.restarts = 0
        self.job += 1
        self.active, self.sub, self.result = "active", "running", "success"
        self.started_mono, self.started_at = world.mono, world.iso()
        argv = [str(world.bin / "openclaw"), "gateway", "run"]
        if self.port_argument:
            argv += ["--port", str(self.port_argument)]
        env = world.gateway_env()
        env["OPENCLAW_SERVICE_MARKER"] = "openclaw"
        self.gateway = Gateway(world, self._log, argv, env, 1, "systemd")
        self.gateway.proc.on_exit.append(self._ended)
        self._note("systemd[1]: Started OpenClaw Gateway.")

    def stop(self, by: str) -> None:
        self.job += 1
        self.start_after_stop = False
        if self.gateway is None or not self.gateway.proc.alive:
            if self.active != "failed":
                self.active, self.sub = "inactive", "dead"
            return
        if not self.stopping:
            self.stopping = True
            self.active, self.sub = "deactivating", "stop-sigterm"
            proc, job = self.gateway.proc, self.job
            self.world.asked(by, "stop", self.gateway)
            self.world.machine.deliver(proc, signal.SIGTERM, "systemd")
            self.world.after(STOP_TIMEOUT, lambda: self._too_slow(proc, job))

    def _too_slow(self, proc: Any, job: int) -> None:
        if proc.alive and self.stopping:
            self.result = "timeout"
            self.world.machine.deliver(proc, signal.SIGKILL, "systemd")

    def restart(self, by: str) -> None:
        if self.gateway is not None and self.gateway.proc.alive:
            self.stop(by)
            self.start_after_stop = True
        else:
            if self.sub == "auto-restart":
                self.active, self.sub = "inactive", "dead"
            self.start()

    def _ended(self, proc: Any) -> None:
        world, code = self.world, proc.code
        self.exited_mono = world.mono
        self.exec_code, self.exec_status = SIGNALS.get(code, ("1", str(code)))
        self.gateway = None
        self._note(
            "systemd[1]: openclaw-gateway.service: Main process exited, status={}".format(code)
        )
        if self.stopping:
            self.stopping = False
            self.active, self.sub = "inactive", "dead"
            if self.result == "timeout":
                self.active = self.sub = "failed"
            elif code not in (
                0,
                143,
                -15,
            ):  # it crashed while it was stopped: nobody can tell that from a crash
                self.active, self.sub, self.result = "failed", "failed", "signal"
                if world.intent == "down":
                    world.wants("any")
            if self.start_after_stop:
                self.start_after_stop = False
                self.start()
            return
        if code == 78:
            self.active, self.sub, self.result = "failed", "failed", "exit-code"
            return
        if self.policy == "on-failure" and code in (0, 143, -15):
            self.active, self.sub, self.result = "inactive", "dead", "success"
            return
        self.active, self.sub = "activating", "auto-restart"
        self.result = "success" if code == 0 else ("signal" if code < 0 else "exit-code")
        self.job += 1
        job = self.job
        world.after(RESTART_SEC, lambda: self._again(job))

    def _again(self, job: int) -> None:
        if job == self.job and self.sub == "auto-restart":
            self.active, self.sub = "inactive", "dead"
            self.restarts += 1
            kept = self.restarts
            self.start(automatic=True)
            self.restarts = kept

    def reboot(self) -> None:
        """A manager that knows nothing of the time before; its events of that time are void."""
        job, policy = self.job, self.policy
        self.__init__(self.world, self.port_argument)  # type: ignore[misc]
        self.job, self.policy = job + 1, policy

    # -- the journal --------------------------------------------------------------------------------------------------
    def _log(self, proc: Any, line: str) -> None:
        self.journal.append("{} host openclaw[{}]: {}".format(self.world.iso(), proc.pid, line))
        del self.journal[:-1500]

    def _note(self, text: str) -> None:
        self.journal.append("{} host {}".format(self.world.iso(), text))

    # -- systemctl ----------------------------------------------------------------------------------------------------
    def systemctl(
        self, words: List[str], by: str, timeout: float
    ) -> Tuple[Optional[int], str, str]:
        """(exit code, out, err) of `systemctl --user WORDS`; None when it did not end in time."""
        world = self.world
        words = [w for w in words if w not in ("--user", "--no-pager", "--no-ask-password")]
        blocking = "--no-block" not in words
        verb, rest = words[0], [w for w in words[1:] if not w.startswith("--")]
        world.sleep(0.02 * world.slow)
        if not self.reachable:
            return 1, "", "Failed to connect to bus: No medium found"
        if rest and "iflow-doctor" in rest[0]:
            return 0, "LoadState=not-found\nActiveState=inactive\n", ""
        if verb == "show":
            return 0, self._show(), ""
        if verb in ("is-active", "is-enabled"):
            return (0 if self.active == "active" else 3), self.active + "\n", ""
        if verb == "start":
            if self.result == "start-limit-hit":
                return 1, "", "Job for unit failed: start request repeated too quickly"
            world.asked_start(by)
            self.start()
        elif verb == "stop":
            self.stop(by)
            return self._wait(lambda: not self.stopping, timeout) if blocking else (0, "", "")
        elif verb == "restart":
            if self.result == "start-limit-hit":
                return 1, "", "Job for unit failed: start request repeated too quickly"
            world.asked_start(by)
            self.restart(by)
            return self._wait(lambda: not self.stopping, timeout) if blocking else (0, "", "")
        elif verb == "reset-failed":
            if self.active == "failed":
                self.active, self.sub, self.result = "inactive", "dead", "success"
            self.starts = []
        elif verb in ("kill",):
            if self.gateway is not None:
                world.kill_call(self.gateway.proc.pid, signal.SIGTERM)
        return 0, "", ""

    def _wait(self, done: Any, timeout: float) -> Tuple[Optional[int], str, str]:
        until = self.world.mono + timeout
        while not done():
            if self.world.mono >= until:
                return None, "", ""
            self.world.sleep(0.2)
        return 0, "", ""

    def _show(self) -> str:
        world = self.world
        there = world.unit_path.exists()
        ran = bool(self.started_at)
        fields: Dict[str, str] = {
            "LoadState": "loaded" if there else "not-found",
            "ActiveState": self.active,
            "SubState": self.sub,
            "Result": self.result,
            "ExecMainCode": self.exec_code if self.gateway is None else "0",
            "ExecMainStatus": self.exec_status if self.gateway is None else "0",
            "ExecMainStartTimestamp": self.started_at if ran else "",
            "MainPID": str(self.gateway.proc.pid) if self.gateway else "0",
            "NRestarts": str(self.restarts),
            "UnitFileState": "enabled" if there else "",
            "FragmentPath": str(world.unit_path) if there else "",
            "Restart": self.policy,
            "NeedDaemonReload": "no",
            "ExecMainStartTimestampMonotonic": str(int(self.started_mono * 1e6)),
            "ExecMainExitTimestampMonotonic": str(int(self.exited_mono * 1e6))
            if self.gateway is None
            else "0",
            "InactiveEnterTimestampMonotonic": str(int(self._inactive_at * 1e6)),
        }
        return "".join("{}={}\n".format(k, v) for k, v in fields.items())

    # -- for the owner ------------------------------------------------------------------------------------------------
    def owner_stop(self) -> None:
        self.stop("owner")

    def owner_start(self) -> None:
        if self.active == "failed":
            self.active, self.sub, self.result = "inactive", "dead", "success"
        self.start()
