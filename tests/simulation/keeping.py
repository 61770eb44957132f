"""Where no service manager is: the real keeper, driven step by step; and a gateway that somebody started in a terminal."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, List, Optional

from .gateway import Gateway, find
from .patch_files import REAL, real_open
from .scheduler import Killed, Task


class KeeperProcess:
    """`python keeper.py run DIR`: its decisions are the product's own, its wake-ups are events."""

    def __init__(self, world: Any, folder: str) -> None:
        self.world, self.folder = world, folder
        self.proc = world.machine.start(
            "ours", ["python3", "-I", "-S", "-B", "keeper.py", "run", folder], name="python3"
        )
        self.proc.handler = self._signal
        self.task = Task("keeper", lambda: None, self.proc.pid)  # no thread: it never sleeps
        self.task.inline = True
        self.keeper: Any = None
        self.ended = False
        self.due = -1.0
        world.after(0.3 * world.slow, self._begin)
        self.proc.on_exit.append(lambda _p: self._over())

    def _begin(self) -> None:
        if not self.proc.alive:
            return
        self._inside(self._open)
        if not self.ended:
            self.poke(0.0)

    def _open(self) -> None:
        _lib, main = self.world.product.keeper_modules()
        path = os.path.join(self.folder, "keeper.lock")
        with contextlib.suppress(OSError):  # then the keeper's lock lies in memory
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if not self.world.take_lock(path):
            self.world.machine.exit(self.proc, 3)
            return
        self.keeper = main.Keeper(self.folder)
        self.keeper.save()

    def _inside(self, work: Any) -> None:
        """Do it as this process: kill -9 and the file system's faults reach it."""
        world = self.world
        before, world.current = world.current, self.task
        try:
            work()
        except Killed:
            world.machine.exit(self.proc, -9)
        except OSError as error:
            world.note("keeper died of {!r}".format(error))
            world.machine.exit(self.proc, 1)
        finally:
            world.current = before

    def poke(self, delay: float) -> None:
        """Look within `delay` seconds."""
        when = self.world.mono + delay
        if self.ended or 0 <= self.due <= when:
            return
        self.due = when
        self.world.at(when, lambda: self._step(when))

    def _step(self, when: float) -> None:
        if self.ended or self.due != when or self.keeper is None:
            return
        self.due = -1.0
        if self.proc.state == "T":
            return self.poke(1.0)
        self._inside(self._look)
        if self.ended:
            return
        calm = self.keeper.state.get("phase") in (
            "running",
            "stopped",
            "refused",
            "gave-up",
            "left",
        )
        self.poke(20.0 if calm and not self.keeper.kill_at else 0.5)

    def _look(self) -> None:
        if not self.keeper.step():
            self.world.machine.exit(self.proc, 0)

    def _signal(self, number: int) -> None:
        if number == signal.SIGUSR1:
            self.poke(0.01)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self.world.machine.exit(self.proc, -number)

    def _over(self) -> None:
        self.ended = True
        self.task.dead = self.task.done = True
        if self in self.world.keepers:
            self.world.keepers.remove(self)


class Direct:
    """No service manager. The product's own `direct` platform asks a keeper; a person may also start one in a terminal."""

    name = "direct"

    def __init__(self, world: Any) -> None:
        self.world = world

    def foreground(self) -> Optional[Gateway]:
        """`openclaw gateway run` in a terminal."""
        world = self.world
        if find(world) is not None:
            return None
        shell = world.machine.start("owner", ["-bash"])
        argv = [str(world.bin / "openclaw"), "gateway", "run"]
        gateway = Gateway(world, world.shared_log, argv, world.gateway_env(), shell.pid, "terminal")
        return gateway

    def spawn(self, argv: List[str], stdout: Any, env: Any) -> Gateway:
        """As a child of the keeper: what it prints goes into the keeper's log."""
        world = self.world
        copy = os.dup(stdout) if isinstance(stdout, int) and stdout >= 0 else None

        def sink(_proc: Any, line: str) -> None:
            if copy is not None and not world.disk_full:
                try:
                    os.write(copy, line.encode() + b"\n")
                except OSError:
                    pass

        gateway = Gateway(world, sink, argv, dict(env or {}), world.getpid(), "keeper")
        if copy is not None:
            world.descriptors.append(copy)
        gateway.proc.on_exit.append(lambda _p: world.poke_keepers(0.01))
        return gateway

    # -- for the owner ------------------------------------------------------------------------------------------------
    def owner_stop(self) -> None:
        """`openclaw gateway stop`: noted in logs/gateway-restart.log, then SIGTERM."""
        world, gateway = self.world, find(self.world)
        if gateway is None:
            return
        line = "{} source=cli action=stop pid={}\n".format(world.iso(), gateway.proc.pid)
        try:
            os.makedirs(str(world.state_dir / "logs"), exist_ok=True)
            with real_open(str(world.state_dir / "logs" / "gateway-restart.log"), "ab") as out:
                out.write(line.encode())
        except OSError:
            pass
        world.machine.deliver(gateway.proc, signal.SIGTERM, "owner")

    def owner_start(self) -> None:
        """By the product's own words where a keeper is wanted, else in a terminal."""
        world = self.world
        if os.path.exists(str(world.doctor_dir / "keeper.spec.json")):
            wish = b'{"id": "owner-%d", "action": "start"}' % int(world.mono * 1000)
            with real_open(str(world.doctor_dir / "keeper.request"), "wb") as out:
                out.write(wish)
            if not world.keepers:
                world.keepers.append(KeeperProcess(world, str(world.doctor_dir)))
            world.poke_keepers(0.1)
        else:
            self.foreground()


__all__ = ["Direct", "KeeperProcess", "REAL"]
