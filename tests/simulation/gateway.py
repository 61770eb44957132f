"""A gateway as OpenClaw 2026.9.6 was measured: its start, its endpoints, its lock, its log, how it ends and how it hangs."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .machine import Proc
from .patches import REAL, real_open

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


class Gateway:
    """One gateway process, from its start to its end."""

    def __init__(
        self,
        world: Any,
        sink: Any,
        argv: List[str],
        env: Dict[str, str],
        ppid: int,
        kept_by: str,
        state_dir: str = "",
    ) -> None:
        self.world, self.sink, self.kept_by = world, sink, kept_by
        self.state_dir = state_dir or str(world.state_dir)
        self.own = self.state_dir == str(world.state_dir)
        self.life = 0  # starts within this process
        self.birth: Birth = world.next_birth(self)
        self.proc: Proc = world.machine.start(
            "gateway",
            ["openclaw-gateway"],
            name="openclaw-gatewa",
            env=env,
            ppid=ppid,
            rss=700 << 20,
        )
        self.argv = argv
        self.proc.handler = self.on_signal
        self.proc.on_exit.append(lambda _proc: self._gone())
        self.began = self.ready_at = world.mono
        self.ready = self.opened = self.draining = self.lost_port = self.suppressed = False
        self.ever_ready = False
        self.deaf_until = -INF
        self.deaf_since = INF
        self.deaf_busy = False
        self.stopped_since = INF  # since when it is in state T
        self.pending: List[int] = []
        self.port, self.scheme = 0, "http"
        self.failing: List[str] = []
        self.ready_since = INF
        self.config_raw = b""
        self.helpers = [
            world.machine.start("helper", ["node", "worker.js"], ppid=self.proc.pid)
            for _ in range(1)
        ]
        world.gateways.append(self)
        self._after(min(0.4, self.birth.boot * 0.1), self._read_config)
        if self.birth.exit_at:
            self._after(self.birth.exit_at, self._dies, True)
        if self.birth.busy:
            self.proc.state = "R"

    # -- helpers ------------------------------------------------------------------------------------------------------
    def _after(self, seconds: float, work: Any, always: bool = False) -> None:
        """Later, unless it is dead by then, or (without `always`) begins its start again."""
        life = self.life

        def guarded() -> None:
            if not self.proc.alive or (life != self.life and not always):
                return
            if (
                self.proc.state == "T" or self.world.mono < self.deaf_until
            ):  # it cannot run now: later
                wait = (
                    0.5
                    if self.proc.state == "T"
                    else min(5.0, self.deaf_until - self.world.mono + 0.01)
                )
                self.world.after(max(0.1, wait), guarded)
                return
            work()

        self.world.after(seconds, guarded)

    def say(self, text: str) -> None:
        if self.sink is not None:
            self.sink(self.proc, "{} {}".format(self.world.iso(), text))

    @property
    def age(self) -> float:
        return float(self.world.mono - self.began)

    # -- starting -----------------------------------------------------------------------------------------------------
    def _read_config(self) -> None:
        self.say("[gateway] loading configuration")
        view = (
            self.world.read_config()
            if self.own
            else ({"gateway": {"mode": "local", "port": 19001}}, [])
        )
        data, issues = view
        if self.birth.refuses:
            self.say("Gateway failed to start: auth store is unusable")
            return self._exit(78)
        if issues:
            self.say(
                "Gateway failed to start: Invalid config at {}:".format(self.world.config_path)
            )
            for issue in issues:
                self.say("{}: {}".format(issue["path"], issue["message"]))
            return self._exit(78)
        other = self.world.lock_owner(self)
        if other is not None:
            self.say(
                "Gateway failed to start: gateway already running (pid {}); lock timeout".format(
                    other.pid
                )
            )
            return self._exit(78 if other.kind != "gateway" else 1)
        if self.own and not self.world.database_sound():
            self.say("Gateway failed to start: database disk image is malformed")
            return self._exit(78)
        gateway = data.get("gateway") or {}
        self.config_raw = self.world.config_bytes()
        self.port = self.world.port_for(self, gateway)
        tls = gateway.get("tls")
        self.scheme = "https" if isinstance(tls, dict) and tls.get("enabled") else "http"
        try:
            self._write_lock()
        except OSError as error:
            self.say("Gateway failed to start: EROFS {}".format(error))
            return self._exit(1)
        self._after(self.birth.boot * 0.6, self._open_port)
        if self.birth.talks:
            self._chatter()

    def _chatter(self) -> None:
        if not self.ready and not self.draining:
            self.say("[gateway] warming up")
            self._after(8.0, self._chatter)

    def _write_lock(self) -> None:
        folder = os.path.join(self.state_dir, "tmp", "openclaw-0")
        os.makedirs(folder, exist_ok=True)
        lock = {
            "pid": self.proc.pid,
            "startTime": self.proc.ticks,
            "port": self.port,
            "stateDir": self.state_dir,
            "createdAt": self.world.iso(),
            "role": "gateway",
            "configPath": str(self.world.config_path),
        }
        self.world.plain_write(self.lock_path, json.dumps(lock).encode())

    @property
    def lock_path(self) -> str:
        return os.path.join(self.state_dir, "tmp", "openclaw-0", "gateway.state.lock")

    def _open_port(self) -> None:
        holder = self.world.machine.listener(self.port)
        if holder is not None and holder is not self.proc:
            self.say(
                "[gateway] port {} is taken; another gateway instance is already listening".format(
                    self.port
                )
            )
            return self._after(25.0, lambda: self._exit(1))
        self.opened = True
        self.proc.ports[self.port] = self
        if not self.birth.never_ready:
            self._after(self.birth.boot * 0.4, self._become_ready)

    def _become_ready(self) -> None:
        world = self.world
        self.ready = self.ever_ready = True
        self.ready_at = self.ready_since = world.mono
        self.suppressed = self.own and sum(world.mono - t < 300 for t in world.unclean) >= BREAKER
        if self.proc.state == "R":
            self.proc.state = "S"
        self.say("[gateway] ready")
        if self.own:
            world.became_ready(self)
        if self.birth.deaf_after:
            self._after(
                self.birth.deaf_after,
                lambda: self.go_deaf(self.birth.deaf_for, self.birth.deaf_busy),
            )

    # -- answering ----------------------------------------------------------------------------------------------------
    def deaf_left(self) -> float:
        """Seconds until it can answer; 0.0 when it can now."""
        if self.proc.state == "T":
            return INF
        return max(0.0, self.deaf_until - self.world.mono)

    def answers_ready(self) -> bool:
        return (
            self.proc.alive
            and self.ready
            and self.opened
            and not self.draining
            and not self.failing
            and self.deaf_left() == 0.0
        )

    def answer(self, path: str) -> Any:
        """(status, body) of a request that it gets to."""
        startup = "draining" if self.draining else "started" if self.ready else "starting"
        if path == "/readyz":
            failing = ["gateway-draining"] if self.draining else list(self.failing)
            if not self.ready:
                failing.append("startup-sidecars")
            body: Dict[str, Any] = {
                "ready": not failing,
                "failing": failing,
                "uptimeMs": int(self.age * 1000),
            }
            body["eventLoop"] = {"degraded": False}
            if self.suppressed:
                body["suppressed"] = ["telegram"]
            return (503 if failing else 200), body
        if path == "/healthz":
            return 200, {"ok": True, "status": "live"}
        if path == "/startupz":
            return (200 if startup == "started" else 503), {"status": startup}
        return 200, None

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
            self.say("[reload] config is invalid: Process will stay alive")
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
        self.say("[gateway] closed: stop ({})".format(number))
        self.say("[gateway] shutdown completed cleanly in 812ms")
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


def find(world: Any) -> Optional[Gateway]:
    """The living gateway of our state directory, the newest."""
    mine = [g for g in world.gateways if g.own and g.proc.alive]
    return mine[-1] if mine else None
