"""No service manager (containers, isolated state directories): our own keeper process keeps the
gateway alive. See keeper/main.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import ServiceError
from ..files import private_dir
from ..host import Host
from ..locks import lock_held
from ..model import Text, Write
from ..openclaw import cli as openclaw_program
from ..openclaw import lock
from ..openclaw.home import Home
from . import keeperstate
from .base import ServicePlan, ServiceState, noted, whose
from .keeper import files, system
from .keeperstate import fulfilled, read_known

if TYPE_CHECKING:
    from ..settings import Settings

KEEPER = Path(__file__).resolve().parent / "keeper" / "main.py"
ANSWER = 20.0  # s in which a keeper has to take up a wish (it looks every 0.5 s)
# s a keeper may take to hold its lock on a busy machine; a second one would only wait behind it
KEEPER_START = 5.0
GRACE = 60.0  # s between SIGTERM and SIGKILL of a gateway that is asked to end


class Direct:
    name = "direct"
    actor = "iflow-doctor"

    def __init__(self, host: Host, home: Home, settings: Optional[Settings] = None) -> None:
        self.host, self.home, self.settings = host, home, settings

    def path(self, name: str) -> Path:
        return self.home.doctor_dir / name

    def _known(self) -> Dict[str, Any]:
        """What the keeper wrote last, wherever it could."""
        return files.read_newest(str(self.home.doctor_dir), "keeper.json")

    def _kept_spec(self) -> Dict[str, Any]:
        return files.read_newest(str(self.home.doctor_dir), "keeper.spec.json")

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a file for the keeper, in memory where the disk refuses. Raise ServiceError where
        nothing can be written.
        """
        with contextlib.suppress(OSError):
            private_dir(self.home.doctor_dir)
        if not files.write_newest(str(self.home.doctor_dir), name, value):
            raise ServiceError(
                Text.of("{} cannot be written", "{} 无法写入", self.path(name)),
                Text("check the disk and its rights", "请检查磁盘及其权限"),
            )

    def kept(self) -> bool:
        """True while a keeper is at work here."""
        return lock_held(self.path("keeper.lock"))

    # -- looking -----------------------------------------------------------------------------------
    def service_state(self) -> ServiceState:
        """What the keeper wrote, checked against the process table; a change that is just happening
        is waited for (<= 1 s).
        """
        exists = bool(self._kept_spec())
        if not exists and not self._known():
            locks = lock.old_places(self.host, self.home)
            holder, what = system.lock_holder(str(self.home.state_dir), locks)
            if holder and what == "gateway":
                return ServiceState(
                    False,
                    "active",
                    "foreground",
                    main_pid=holder,
                    detail="started by somebody else; nothing keeps it alive",
                )
            unkept = ServiceState(False, "inactive", detail="no keeper was ever started here")
            return whose(self.host, self.home, unkept)
        known, kept = self._settled()
        state = read_known(known, kept, exists, str(self.path("keeper.json")))
        return whose(self.host, self.home, state)

    def _settled(self) -> Tuple[Dict[str, Any], bool]:
        """keeper.json, and whether a keeper is at work. Waits a moment where its process has just
        ended and it does not know yet.
        """
        for _ in range(10):
            known, kept = self._known(), self.kept()
            stale = known.get("phase") in ("running", "stopping", "ended") and not system.alive(
                known.get("pid"), known.get("ticks")
            )
            if not kept or not stale:
                break
            self.host.sleep(0.1)
        return known, kept

    # -- acting ------------------------------------------------------------------------------------
    @noted("start")
    def start(self) -> None:
        """Ask for a running gateway; a keeper is started when there is none. Returns once a process
        is there or the keeper waits.
        """
        self._write_spec()
        known = self._ask("start")
        if known.get("phase") == "gave-up":
            raise ServiceError(
                Text.of(
                    "the keeper did not start the gateway: {}",
                    "守护器没有启动网关：{}",
                    known.get("reason"),
                ),
                Text.of("see {}", "见 {}", self.path("gateway.log")),
            )

    @noted("stop")
    def stop(self) -> None:
        """Ask for no gateway. Also ends one that nobody keeps. Raise ServiceError when it is still
        there afterwards.
        """
        if not self._kept_spec():
            self._write_spec()
        self._ask("stop", GRACE + ANSWER)

    @noted("restart")
    def restart(self) -> None:
        self._write_spec()
        self._ask("restart", GRACE + ANSWER)

    def reset_failed(self) -> None:
        """Nothing to do: a wish to start makes the keeper forget what was before."""

    def reload(self) -> None:
        self._write_spec()
        self.tend()

    def tend(self) -> bool:
        """Start a keeper where one is wanted and gone: it adopts a gateway that is alive. True when
        it did.
        """
        if not self._kept_spec() or self.kept():
            return False
        known = self._known()
        if known.get("wanted") == "down" and known.get("boot") == system.boot_mark():
            return False
        return self._start_keeper()

    def hurry(self) -> Optional[ServiceState]:
        """Nothing to do: it is started again at once anyway."""
        return None

    def _start_keeper(self) -> bool:
        if self.kept():
            return False
        with contextlib.suppress(OSError):
            private_dir(self.home.doctor_dir)
        try:
            self.host.start(
                [sys.executable, "-I", "-S", "-B", str(KEEPER), "run", str(self.home.doctor_dir)],
                env=keeperstate.keeper_env(self.host),
                cwd=os.path.abspath(os.sep),
            )
        except OSError as error:
            raise ServiceError(
                Text.of("the keeper cannot be started: {}", "守护器无法启动：{}", error)
            ) from error
        return True

    def _ask(self, action: str, patience: float = ANSWER) -> Dict[str, Any]:
        """Leave a wish, make sure that a keeper reads it, wait until it is fulfilled."""
        wish = {
            "id": "{}-{}".format(os.getpid(), time.monotonic_ns()),
            "action": action,
            "at": self.host.now(),
            "grace": GRACE,
        }
        self._write("keeper.request", wish)
        if not self._start_keeper():
            self._wake()
        began = tried = self.host.monotonic()
        while self.host.monotonic() < began + patience:
            known = self._known()
            if known.get("request") == wish["id"] and fulfilled(action, known):
                return known
            if self.host.monotonic() > tried + KEEPER_START and not self.kept():
                tried = self.host.monotonic()
                self._start_keeper()
            self.host.sleep(0.1)
        known = self._known()
        if known.get("request") != wish["id"]:
            raise ServiceError(
                Text.of(
                    "the keeper did not take up '{}' within {:.0f} s",
                    "守护器没有在 {1:.0f} 秒内执行“{0}”",
                    action,
                    patience,
                ),
                Text.of("see {}", "见 {}", self.path("keeper.json")),
            )
        if action == "stop":
            raise ServiceError(
                Text.of(
                    "the gateway did not end within {:.0f} s",
                    "网关没有在 {:.0f} 秒内结束",
                    patience,
                ),
                Text.of("see {}", "见 {}", self.path("gateway.log")),
            )
        return known

    def _wake(self) -> None:
        known = self._known()
        if hasattr(signal, "SIGUSR1") and known.get("keeper_pid") and self.kept():
            row = self.host.process(int(known["keeper_pid"]))
            if row is not None:
                with contextlib.suppress(OSError):
                    self.host.signal(row, signal.SIGUSR1)

    # -- what is started ---------------------------------------------------------------------------
    def command(self) -> List[str]:
        """The setting gateway_command, else `openclaw gateway run`; else what the keeper was told
        before. [] when there is none.
        """
        own = self.settings.get("gateway_command") if self.settings is not None else None
        if own:
            return [str(part) for part in own]

        found = openclaw_program.find(self.host)
        if found:
            return [*found, "gateway", "run"]
        return [str(part) for part in self._kept_spec().get("command") or ()]

    def _spec(self) -> Dict[str, Any]:
        return keeperstate.spec(self.host, self.home, self.command(), GRACE)

    def _write_spec(self) -> None:
        spec = self._spec()
        if self._kept_spec() != spec:
            self._write("keeper.spec.json", spec)

    def environment(self) -> Dict[str, str]:
        """What the next start will see."""
        spec = self._kept_spec() or {"set": keeperstate.own_env(self.host, self.home)}
        return system.environment(
            spec,
            files.read_json(str(self.path("keeper.env.json"))),
            keeperstate.keeper_env(self.host),
        )

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        """keeper.env.json holds the overrides; they count from the next start on."""
        target = str(self.path("keeper.env.json"))
        content = keeperstate.changed(
            files.read_json(target), set, unset, self.environment().get("PATH", "")
        )
        return (
            Write(
                target, json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8") + b"\n"
            ),
        ), (target,)

    # -- installing --------------------------------------------------------------------------------
    def plan_service(self, kind: str) -> ServicePlan:
        if kind == "watchdog":
            return self.install_watchdog(dry_run=True)
        spec = json.dumps(self._spec(), indent=1, ensure_ascii=False).encode("utf-8")
        return ServicePlan(
            ((str(self.path("keeper.spec.json")), spec),),
            ((sys.executable, "-I", "-S", "-B", str(KEEPER), "run", str(self.home.doctor_dir)),),
        )

    def install(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("gateway")
        if not dry_run:
            self.start()
        return plan

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        """The keeper goes; the gateway stays as it is."""
        if not dry_run and self.kept():
            self._write("keeper.request", {"id": "leave", "action": "leave"})
            self._wake()
            for _ in range(50):
                if not self.kept():
                    break
                self.host.sleep(0.1)
        if not dry_run:
            for name in ("keeper.spec.json", "keeper.request"):
                try:
                    self.path(name).unlink()
                except OSError:
                    pass
        return ServicePlan()

    def _native(self) -> Any:
        """The service manager that can keep the watchdog alive, even though it does not keep this
        gateway; None in a container.
        """
        if self.host.system == "darwin":
            from .launchd import Launchd

            return Launchd(self.host, self.home, self.settings)
        if self.host.system == "win32":
            from .schtasks import Schtasks

            return Schtasks(self.host, self.home, self.settings)
        from .systemctl import available
        from .systemd import Systemd

        return Systemd(self.host, self.home, self.settings) if available(self.host) else None

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan:
        native = self._native()
        if native is None:
            raise ServiceError(
                Text(
                    "no service manager here can start the watchdog",
                    "这里没有能启动守护进程的服务管理器",
                ),
                Text(
                    "run it as the container's process: iflow-doctor watch",
                    "请作为容器的进程运行：iflow-doctor watch",
                ),
            )
        plan: ServicePlan = native.install_watchdog(dry_run)
        return plan

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan:
        native = self._native()
        plan: ServicePlan = native.uninstall_watchdog(dry_run) if native else ServicePlan()
        return plan

    def watchdog_state(self) -> ServiceState:
        native = self._native()
        state: ServiceState = native.watchdog_state() if native else ServiceState()
        if state.exists:
            return state
        held = lock_held(self.path("watch.lock"))
        return ServiceState(
            False,
            "active" if held else "inactive",
            detail="not a service: started by hand or by the container",
        )
