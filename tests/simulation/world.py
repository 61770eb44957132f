"""One machine with one gateway, its owner, and our programs: everything that a run is made of."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
import re
import signal
import zlib
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from . import faults
from .children import Children, Watchdogs
from .files import Files
from .gateway import Birth, Gateway, find
from .invariants import Invariants
from .keeping import Direct
from .machine import Machine, Proc
from .manager import Systemd
from .patch_files import real_open
from .product import Product
from .programs import Programs
from .scheduler import Killed, Scheduler, Task
from .shown import Shown

UTC = datetime.timezone.utc
EPOCH = 1_900_000_000.0  # far from today: a time that was not taken from the world shows at once


class World(Scheduler, Programs, Files, Shown):
    """The state of a run. mode: systemd | keeper | terminal."""

    def __init__(self, seed: int, mode: str, product: Product, root: Path) -> None:
        super().__init__()
        self.seed, self.mode, self.product, self.root = seed, mode, product, root
        self.home_dir = root / "home"
        self.state_dir = self.home_dir / ".openclaw"
        self.doctor_dir = self.state_dir / "iflow-doctor"
        self.config_path = self.state_dir / "openclaw.json"
        self.env_path = self.state_dir / ".env"
        self.bin = self.home_dir / "bin"
        self.unit_path = self.home_dir / ".config" / "systemd" / "user" / "openclaw-gateway.service"
        self.env = {
            "HOME": str(self.home_dir),
            "PATH": str(self.bin),
            "LANG": "C.UTF-8",
            "USER": "owner",
            "XDG_RUNTIME_DIR": "/run/user/0",
            "TZ": "UTC",
        }
        self.version = "2026.9.6"
        self.wall_offset = EPOCH - self.mono
        self.slow = 1.0
        self.disk_full = self.read_only = self.network_down = self.off = False
        self.state_refused = False  # the state directory belongs to somebody else
        self.machine = Machine(self)
        self.direct = Direct(self)
        self.manager: Any = Systemd(self) if mode == "systemd" else self.direct
        self.gateways: List[Gateway] = []
        self.keepers: List[Any] = []
        self.unclean: List[float] = []
        self.births: List[Birth] = []
        self.bad_births: Optional[Tuple[float, Birth]] = (
            None  # until when every start goes like this
        )
        self.drains: List[float] = []
        self.children, self.dogs = Children(self), Watchdogs(self)
        self.descriptors: List[int] = []
        self.fuses: Dict[str, List[int]] = {}
        self.counters: Dict[str, int] = {}
        self.temp_names = ("t{:05d}".format(n) for n in itertools.count())
        self.notes: List[Tuple[float, str]] = []
        self.intent, self.intent_since = "up", self.mono
        self.owner_bytes: Dict[str, bytes] = {}
        self.waiting: Dict[str, Any] = {}
        self.told: List[Tuple[float, Any]] = []
        self.stamps = False  # whether OpenClaw stamps its config at every start
        self.watching = True  # the watchdog is wanted, installed and not paused
        self.awaited: Dict[str, List[Any]] = {}
        self.judge = Invariants(self)
        self.locks: Dict[str, Task] = {}
        self.random_state = hashlib.sha256(str(seed).encode()).digest()

    # -- chance -------------------------------------------------------------------------------------------------------
    def roll(self, name: str) -> float:
        """A number in [0, 1) that depends on the seed, the name and how often that name was asked for."""
        number = self.counters.get(name, 0)
        self.counters[name] = number + 1
        return zlib.crc32("{}/{}/{}".format(self.seed, name, number).encode()) / 4294967296.0

    def chance(self, name: str, likely: float) -> bool:
        return self.roll(name) < likely

    def random_bytes(self, size: int) -> bytes:
        self.random_state = hashlib.sha256(self.random_state).digest()
        return (self.random_state * (size // 32 + 1))[:size]

    # -- time ---------------------------------------------------------------------------------------------------------
    def wall(self) -> float:
        return self.mono + self.wall_offset

    def iso(self) -> str:
        return (
            datetime.datetime.fromtimestamp(self.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            + "Z"
        )

    def note(self, text: str) -> None:
        self.notes.append((self.mono, text.replace(str(self.root), "")))

    # -- what happens because something else happened -----------------------------------------------------------------
    def await_trigger(self, entry: Any) -> None:
        self.awaited.setdefault(entry["when"], []).append(entry)

    def trigger(self, name: str) -> None:
        """It happens now: what waits for it follows after its delay."""
        for entry in self.awaited.pop(name, []) if name in self.awaited else []:
            self.after(float(entry.get("in", 0.0)), lambda e=entry: faults.apply(self, e))

    # -- who acts -----------------------------------------------------------------------------------------------------
    def who(self) -> str:
        return self.current.name if self.current is not None else "world"

    def getpid(self) -> int:
        return self.current.pid if self.current is not None else 1

    def arm(self, task: Task) -> None:
        """A kill -9 that was ordered for the next program of this name."""
        waiting = self.fuses.get(task.name)
        if waiting:
            task.fuse = waiting.pop(0)

    def effect(self, kind: str) -> None:
        """Every effect of a program passes here: between any two of them it may be killed."""
        task = self.current
        if task is None:
            return
        if task.dead or self.ending:
            raise Killed()
        task.last_effect = kind
        if task.fuse is not None:
            task.fuse -= 1
            if task.fuse <= 0:
                task.fuse = None
                self.note("kill -9 {} before its {}".format(task.name, kind))
                self.kill(task)
                raise Killed()

    # -- processes ----------------------------------------------------------------------------------------------------
    def kill_call(self, pid: int, number: int) -> None:
        self.effect("signal")
        self.machine.signal(pid, int(number), self.who())

    def signalled(self, proc: Proc, number: int, by: str) -> None:
        self.note(
            "{} sends {} to {} {}".format(by, signal.Signals(number).name, proc.kind, proc.pid)
        )
        if Invariants.ours(by) and number != 0:
            self.trigger("signal")
        self.judge.signalled(proc, number, by)

    def asked(self, by: str, what: str, gateway: Gateway) -> None:
        self.note("{} has the manager {} the gateway".format(by, what))
        if Invariants.ours(by):
            self.trigger("stop")
        self.judge.asked(by, what, gateway)

    def asked_start(self, by: str) -> None:
        self.note("{} asks for a start".format(by))
        if Invariants.ours(by):
            self.trigger("start")
        self.judge.asked_start(by)

    def poke_keepers(self, delay: float) -> None:
        for keeper in list(self.keepers):
            keeper.poke(delay)

    # -- the gateway --------------------------------------------------------------------------------------------------
    # -- locks of the operating system: they die with their holder ----------------------------------------------------
    def take_lock(self, path: str) -> bool:
        """Whether the current program holds it now."""
        holder = self.locks.get(path)
        if holder is not None and not holder.done and not holder.dead:
            return False
        self.locks[path] = self.current or self.driver
        return True

    def gateway_env(self) -> Dict[str, str]:
        return {
            "HOME": str(self.home_dir),
            "PATH": str(self.bin),
            "OPENCLAW_STATE_DIR": str(self.state_dir),
        }

    def next_birth(self, gateway: Gateway) -> Birth:
        if gateway.state_dir != str(self.state_dir):
            return Birth(boot=5.0)
        if self.bad_births is not None and self.mono < self.bad_births[0]:
            return self.bad_births[1]
        if self.births:
            return self.births.pop(0)
        return Birth(boot=(4.0 + 5.0 * self.roll("boot")) * self.slow)

    def drain_seconds(self) -> float:
        return self.drains.pop(0) if self.drains else 0.3 + 2.0 * self.roll("drain")

    def port_for(self, gateway: Gateway, config: Dict[str, Any]) -> int:
        if "--port" in gateway.argv:
            return int(gateway.argv[gateway.argv.index("--port") + 1])
        port = config.get("port")
        return port if isinstance(port, int) else 18789

    def lock_owner(self, asking: Gateway) -> Optional[Proc]:
        """Who holds the state directory's lock, as OpenClaw itself tells: pid and start time."""
        try:
            with real_open(asking.lock_path, "rb") as handle:
                lock = json.loads(handle.read())
        except (OSError, ValueError):
            return None
        proc = self.machine.table.get(lock.get("pid"))
        if (
            proc is None
            or proc is asking.proc
            or abs(proc.ticks - int(lock.get("startTime", -1))) > 2
        ):
            return None
        return proc

    def became_ready(self, gateway: Gateway) -> None:
        self.note("gateway {} ready".format(gateway.proc.pid))
        self.trigger("ready")
        if self.intent == "any":
            self.wants("up")
        self.judge.became_ready(gateway)

    def gateway_ended(self, gateway: Gateway) -> None:
        self.note(
            "gateway {} ended with {} ({})".format(
                gateway.proc.pid, gateway.proc.code, gateway.proc.ended_by
            )
        )
        self.trigger("ended")
        self.judge.ended(gateway)

    def shared_log(self, proc: Proc, line: str) -> None:
        """The JSONL file that all gateways of a machine share."""
        stamp, _, text = line.partition(" ")
        found = re.match(r"\[([a-z/-]+)\] (.*)$", text)
        name = json.dumps({"subsystem": found.group(1)}) if found else "openclaw"
        message = found.group(2) if found else text
        parts = {"0": name, "1": message} if found else {"0": message}
        meta = {
            "runtime": "node",
            "hostname": "vm",
            "date": stamp,
            "logLevelName": "INFO",
            "name": name,
        }
        meta["parentNames"] = ["openclaw"]
        value = {**parts, "_meta": meta, "time": stamp, "hostname": "vm", "message": message}
        row = json.dumps(value) + "\n"
        folder = str(self.root) + "/tmp/openclaw"
        os.makedirs(folder, exist_ok=True)
        day = self.iso()[:10]
        self.plain_append("{}/openclaw-{}.log".format(folder, day), row.encode())

    # -- telling ------------------------------------------------------------------------------------------------------
    def queued(self, alert: Any, taken: bool) -> None:
        self.note(
            "alert {} {}: {}".format(
                alert.kind, "queued" if taken else "not taken", alert.what.en[:120]
            )
        )

    def flush_alerts(self) -> int:
        outbox, home = self.product.outbox_of(self)
        names = []
        for name, alert in outbox.load(home):
            names.append(name)
            self.told.append((self.mono, alert))
            self.note("told: {} {}".format(alert.kind, alert.title.en))
        outbox.finish(home, iter(names))
        return 0

    def after_tick(self, dog: Any) -> None:
        self.judge.after_tick(dog)

    def child_failed(self, name: str, error: BaseException) -> None:
        self.note("{} failed: {!r}".format(name, error))
        self.judge.child_failed(name, error)

    def watchdog_ended(self, task: Task) -> None:
        if task.error is not None and os.environ.get("SIM_TRACE"):
            import traceback

            self.note("".join(traceback.format_exception(task.error)))
        self.note("watchdog ended with {} {}".format(task.code, task.error or ""))
        self.judge.watchdog_ended(task)

    def waiting_children(self) -> bool:
        """Whether a program of ours other than the watchdog runs."""
        return any(not task.done and task.name != "watchdog" for task in self.tasks)

    def gateway(self) -> Optional[Gateway]:
        return find(self)

    def wants(self, intent: str) -> None:
        self.intent, self.intent_since = intent, self.mono
        self.judge.intent_changed()
