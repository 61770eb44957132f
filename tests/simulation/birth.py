"""How one start of the gateway goes, and how this process hangs, restarts and ends."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any, List

from .patch_files import REAL, real_open

INF = float("inf")
BREAKER = 3  # unclean boots within 300 s after which the channels stay silent


@dataclass
class Birth:
    """How one start goes. boot: seconds to ready. talks: it logs while it computes. busy: it uses the CPU meanwhile."""

    boot: float = 6.0
    busy: bool = False
    talks: bool = True
    deaf_after: float = 0.0  # seconds after ready at which it hangs (0: never)
    deaf_for: float = INF
    deaf_busy: bool = True
    exit_at: float = 0.0  # seconds after the start at which it ends by itself (0: never)
    exit_code: int = 1
    refuses: bool = False  # exit 78 for a cause that is not in the config
    never_ready: bool = False
    ignores_term: bool = False
    plugin: str = ""  # named in its log when it ends by itself


class Life:
    """A part of Gateway: what befalls a process that was started."""

    world: Any
    proc: Any
    birth: Birth
    pending: List[int]

    # -- faults of its own --------------------------------------------------------------------------------------------
    def go_deaf(self, seconds: float, busy: bool) -> None:
        """Its event loop is blocked."""
        if not self.proc.alive:
            return
        if self.world.mono >= self.deaf_until:
            self.deaf_since = self.world.mono
        self.deaf_until = max(self.deaf_until, self.world.mono + seconds)
        self.deaf_busy = busy
        self.ready_since = INF
        if self.proc.state != "T":
            self.proc.state = "R" if busy else "S"
        if seconds < INF:
            self.world.after(seconds + 1e-6, self._hears_again)

    def _hears_again(self) -> None:
        if not self.proc.alive or self.proc.state == "T" or self.world.mono < self.deaf_until:
            return
        self.proc.state = "S"
        self.deaf_since = INF
        if self.answers_ready():
            self.ready_since = self.world.mono
            if self.own:
                self.world.became_ready(self)
        waiting, self.pending = self.pending, []
        for number in waiting:
            self.on_signal(number)

    def lose_port(self) -> None:
        """Alive without a port: a restart in the same process that failed."""
        self.life += 1
        self.proc.ports.clear()
        self.opened = self.ready = False
        self.lost_port = True
        self.ready_since = INF

    def restart_inside(self, seconds: float = 2.7) -> None:
        """A restart in the same process: the port is closed for a moment."""
        self.life += 1
        self.say("[gateway] restarting in process")
        self.proc.ports.clear()
        self.opened = self.ready = False
        self.ready_since = INF
        self.birth = Birth(boot=seconds)
        self._after(0.05, self._again)

    def _again(self) -> None:
        data, issues = self.world.read_config()
        if issues:
            self.say(
                "[gateway] startup failed: Invalid config. Process will stay alive; fix the issue "
                "and restart."
            )
            self.lost_port = True
            return
        gateway = data.get("gateway") or {}
        self.say("[gateway] loading configuration")
        self.config_raw = self.world.config_bytes()
        self.port = self.world.port_for(self, gateway)
        tls = gateway.get("tls")
        self.scheme = "https" if isinstance(tls, dict) and tls.get("enabled") else "http"
        try:
            self._write_lock()
        except OSError:
            pass
        self._after(self.birth.boot * 0.6, self._open_port)

    # -- ending -------------------------------------------------------------------------------------------------------
    def on_signal(self, number: int) -> None:
        if number == signal.SIGCONT:
            self.stopped_since = INF
            if self.deaf_left() == 0.0:
                self._hears_again()
            return
        if self.proc.state == "T" or self.world.mono < self.deaf_until:
            self.pending.append(number)
            return
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
            if (
                self.birth.ignores_term
                or self.draining
                or self.lost_port
                and self.world.chance("zombie", 0.5)
            ):
                return
            word = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT"}.get(number, "SIGUSR2")
            what = "restarting" if number == signal.SIGUSR2 else "shutting down"
            self.say("[gateway] received {}; {}".format(word, what))
            self.draining = True
            self.ready_since = INF
            self._after(self.world.drain_seconds(), lambda: self._close(number), True)
        elif number != 0:
            self._exit(-number)

    def _close(self, number: int) -> None:
        name = signal.Signals(number).name
        self.say("[gateway/admission] admission closed: stop ({})".format(name))
        self.say("[gateway/shutdown] shutdown completed cleanly in 812ms")
        if number == signal.SIGUSR2:
            self.say("[gateway] restart mode: full process restart")
        self._exit(0)

    def _dies(self) -> None:
        if self.birth.plugin:
            self.say(
                "[plugins] uncaught exception in extensions/{}/index.js: boom".format(
                    self.birth.plugin
                )
            )
        self._exit(self.birth.exit_code)

    def _exit(self, code: int) -> None:
        self.world.machine.exit(self.proc, code, "itself")

    def _gone(self) -> None:
        world, code = self.world, self.proc.code
        self.ready_since = INF
        if self.own and code not in (0, 78):
            world.unclean.append(world.mono)
            del world.unclean[:-10]
        if code in (0, 78, 1):  # an orderly end takes its lock away
            try:
                with real_open(self.lock_path, "rb") as handle:
                    if json.loads(handle.read())["pid"] == self.proc.pid and not world.fs_refuses(
                        self.lock_path
                    ):
                        REAL["unlink"](self.lock_path)
            except (OSError, ValueError, KeyError):
                pass
        for helper in self.helpers:
            if world.chance("helper", 0.8):
                world.machine.exit(helper, 0)
        if self in world.gateways:
            world.gateways.remove(self)
        if self.own:
            world.gateway_ended(self)
