"""Beside a gateway in a container: the engine (kubelet, podman, docker) restarts the container when
its main process ends, and only the engine can start it.

Chosen by IFLOW_DOCTOR_SUPERVISOR=container, which our images set. What lies outside (image,
volumes, limits, the environment) is told, never repaired from within.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import ServiceError, SettingsError
from ..files import private_dir, read_json, write_json
from ..host import Host
from ..locks import lock_held
from ..model import Text
from ..openclaw import gateway, processes
from ..openclaw.home import Home
from .base import ServicePlan, ServiceState, noted, whose

if TYPE_CHECKING:
    from ..settings import Settings

# s without a process after which the engine's back-off is a start that fails: a container that was
# told to end is back within a few seconds
BACK_OFF = 15.0
# s: the longest that an engine waits between two tries (kubelet; podman and docker wait less), and
# by how much each of its waits may exceed the one before
LONGEST_WAIT, SLACK = 300.0, 20.0
GRACE = 20.0  # s between SIGTERM and SIGKILL of a gateway that is asked to end
VARIABLE = "IFLOW_DOCTOR_SUPERVISOR"


class Container:
    name = "container"
    actor = "iflow-doctor"

    def __init__(self, host: Host, home: Home, settings: Optional[Settings] = None) -> None:
        self.host, self.home, self.settings = host, home, settings
        self._pids: Set[int] = set()

    # -- looking -----------------------------------------------------------------------------------
    def service_state(self) -> ServiceState:
        """The engine's own state cannot be asked from within: a process is active; none is what the
        engine is about to change, and for longer than BACK_OFF a start that keeps failing. Once we
        asked for a start it is waited for as long as the engine's own back-off may take.
        """
        pid = self._process()
        if pid:
            self._pids.add(pid)
        now, kept = self.host.now(), self._remembered(bool(pid))
        asked = kept["asked"]
        wait = min(2 * kept["gap"] + SLACK, LONGEST_WAIT + SLACK) if asked >= kept["seen"] else 0.0
        left = max(0.0, asked + wait - now)
        waiting = now - kept["seen"] < BACK_OFF or left > 0
        state = ServiceState(
            exists=True,
            active="active" if pid else "activating" if waiting else "failed",
            sub="container",
            main_pid=pid,
            restarts=max(0, len(self._pids) - 1),
            enabled=True,
            stopped_by_operator=False,
            detail="" if pid else "the engine restarts the container when it ends",
            blind=True,
            wait_s=0.0 if pid else left,
        )
        return whose(self.host, self.home, state)

    def _remembered(self, there: bool, asked: bool = False) -> Dict[str, float]:
        """Return when a process was seen last, how long the engine waited before it, and when a
        start was asked for last; on disk, because level 3 is another process.
        """
        path, now = self.home.doctor_dir / "container.json", self.host.now()
        try:
            kept = read_json(path) or {}
            old = {name: float(kept.get(name) or 0.0) for name in ("seen", "gap", "asked")}
        except (SettingsError, TypeError, ValueError, AttributeError):
            old = {"seen": 0.0, "gap": 0.0, "asked": 0.0}
        after = dict(old)
        if max(old["seen"], old["asked"]) > now:  # the clock was set back
            after = {"seen": now, "gap": 0.0, "asked": 0.0}
        if there or not old["seen"]:
            away = now - old["seen"] if old["seen"] else 0.0
            if away > BACK_OFF / 3:
                after["gap"] = away
            after["seen"] = now
        if asked:
            after["asked"] = now
        if after != old and (asked or not there or now - old["seen"] >= 1.0):
            with contextlib.suppress(OSError):
                private_dir(path.parent)
                write_json(path, after)
        return after

    def _process(self) -> Optional[int]:
        """Return the gateway's pid: who holds the lock, else a start that has not taken it yet."""
        holder = gateway.lock_holder(self.host, self.home)
        if holder:
            return holder.pid
        for row in processes.table(self.host):
            if processes.may_be_starting(self.home, row):
                return row.pid
        return None

    # -- acting ------------------------------------------------------------------------------------
    @noted("start")
    def start(self) -> None:
        """Only noted: the engine starts it, and the one who verifies waits for its back-off."""
        self._remembered(False, asked=True)

    def stop(self) -> None:
        raise ServiceError(
            Text(
                "a container is stopped from outside: the engine would start it again at once",
                "容器只能从外部停止：引擎会立即重新启动它",
            ),
            Text(
                "kubectl scale --replicas=0 …, podman stop …, docker stop …",
                "kubectl scale --replicas=0 …、podman stop … 或 docker stop …",
            ),
        )

    @noted("restart")
    def restart(self) -> None:
        """End the gateway; the engine starts it again. Raise ServiceError when it does not end."""
        holder = gateway.lock_holder(self.host, self.home)
        if holder is None:
            self._remembered(False, asked=True)
            return
        ended = gateway.end_gateway(
            self.host, self.home, holder, GRACE, who=self.actor, why="restart of the container"
        )
        if not ended.gone:
            raise ServiceError(
                Text.of("pid {} did not end", "进程 {} 没有结束", holder.pid),
                Text("restart the container from outside", "请从外部重启容器"),
            )

    def reset_failed(self) -> None:
        """Nothing to do: back-off is the engine's own."""

    def reload(self) -> None:
        """Nothing to do: a definition is taken up by the engine."""

    def tend(self) -> bool:
        return False

    def hurry(self) -> Optional[ServiceState]:
        return None

    # -- what is started ---------------------------------------------------------------------------
    def command(self) -> List[str]:
        """argv of the gateway that runs; [] while none does."""
        row = self._row()
        return [str(word) for word in row.argv] if row else []

    def environment(self) -> Dict[str, str]:
        row = self._row()
        return dict(self.host.environ(row.pid) or {}) if row else {}

    def _row(self) -> Any:
        holder = gateway.lock_holder(self.host, self.home)
        return self.host.process(holder.pid) if holder else None

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        raise self._outside()

    # -- installing --------------------------------------------------------------------------------
    def plan_service(self, kind: str) -> ServicePlan:
        return ServicePlan()

    def install(self, dry_run: bool = False) -> ServicePlan:
        raise self._outside()

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        return ServicePlan()

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan:
        raise self._outside()

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan:
        return ServicePlan()

    def watchdog_state(self) -> ServiceState:
        held = lock_held(self.home.doctor_dir / "watch.lock")
        return ServiceState(
            held, "active" if held else "inactive", detail="the container's process"
        )

    def _outside(self) -> ServiceError:
        return ServiceError(
            Text(
                "that is part of the container's definition: image, environment, limits, volumes",
                "这属于容器定义：镜像、环境变量、资源限制或卷",
            ),
            Text("change it there and roll it out", "请在容器定义中修改后重新部署"),
        )
