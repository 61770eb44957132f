"""A gateway as OpenClaw 2026.9.6 was measured: its start, its endpoints, its lock, its log, how it ends and how it hangs."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional

from .birth import BREAKER, INF, Birth, Life
from .machine import Proc


class Gateway(Life):
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
        if self.own and self.world.stamps:
            self.world.stamp_config(data)
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
        if not os.path.exists(self.lock_path + ".sqlite"):  # its coordinator: it stays
            self.world.plain_write(self.lock_path + ".sqlite", b"")

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
        self.say("[gateway] http server listening (14 plugins; 3.2s)")
        if not self.birth.never_ready:
            self._after(self.birth.boot * 0.4, self._become_ready)

    def _become_ready(self) -> None:
        world = self.world
        self.ready = self.ever_ready = True
        self.ready_at = self.ready_since = world.mono
        self.suppressed = self.own and sum(world.mono - t < 300 for t in world.unclean) >= BREAKER
        if self.proc.state == "R":
            self.proc.state = "S"
        self.say("[gateway] listening on ws://127.0.0.1:{}".format(self.port))
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


def find(world: Any) -> Optional[Gateway]:
    """The living gateway of our state directory, the newest."""
    mine = [g for g in world.gateways if g.own and g.proc.alive]
    return mine[-1] if mine else None
