"""systemd's user manager. OpenClaw's own unit stays as OpenClaw wrote it; we keep a copy for the
day it is lost.

Measured on systemd 252 with openclaw 2026.9.6: `openclaw gateway stop` and `systemctl stop` both
leave inactive/dead with Result=success and the unit enabled (with Restart=always nothing else
does); exit 78 leaves failed with ExecMainStatus=78. OpenClaw's RestartSec=5 makes a killed gateway
come back in 1.5 boots; hurry() cuts that wait short. A drop-in with a smaller RestartSec would do
the same, but beside any drop-in OpenClaw's installer fails to install a unit that is not there yet,
and its
status and doctor complain: so there is none unless a repair of the environment needs one, and
tend() takes that away with the unit.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import ServiceError
from ..host import Host
from ..machine import children
from ..model import Service, Text, Write
from ..openclaw import cli as openclaw_program
from ..openclaw import lock
from ..openclaw.home import Home
from . import common, removal, systemctl, systemdunit
from .base import (
    SHOWN,
    ServicePlan,
    ServiceState,
    account_home,
    canonical,
    noted,
    read_state,
    whose,
)
from .systemctl import user_environment

if TYPE_CHECKING:
    from ..settings import Settings

DROP_IN = "iflow-doctor.conf"
YOUNG = 30.0  # s: a gateway that lived less is in a crash loop and is not hurried


class Systemd:
    name = "systemd"
    actor = "iflow-doctor"
    proc = "/proc"

    def __init__(self, host: Host, home: Home, settings: Optional[Settings] = None) -> None:
        self.host, self.home, self.settings = host, home, settings
        self.own = canonical(host, home)  # OpenClaw manages a service for this state directory
        self.usual = "openclaw-gateway{}.service".format("-" + home.profile if home.profile else "")
        self.watchdog_unit = "openclaw-iflow-doctor{}.service".format(common.suffix(host, home))
        config = host.env.get("XDG_CONFIG_HOME", "").strip()
        self.folder = (
            (Path(config) if config else account_home(host) / ".config") / "systemd" / "user"
        )

    # -- which unit --------------------------------------------------------------------------------
    @property
    def unit(self) -> str:
        """The unit in charge: the one that was seen to keep the living gateway, else OpenClaw's."""
        return str(removal.kept_by(self.home).get("unit") or self.usual)

    @property
    def of_account(self) -> bool:
        """False where the system's manager keeps it: its state can be read, acts may need root."""
        return removal.kept_by(self.home).get("own", True) is True

    def _note_keeper(self) -> None:
        """While the gateway lives, keep which unit it belongs to. A unit counts when its main
        process is the gateway or the gateway's parent: a terminal's or cron's unit keeps nothing.
        """
        row = lock.holding(self.host, self.home).row
        kept = removal.kept_by(self.home)
        if row is None or (kept.get("pid"), kept.get("started")) == (row.pid, row.started):
            return
        name, own = systemctl.unit_of(row.pid, self.proc)
        if name in ("", self.watchdog_unit):
            if kept:
                removal.remember_keeper(self.home, {})
            return
        try:
            main = systemctl.ctl(
                self.host, name, "show", name, "-p", "MainPID", timeout=10.0, user=own
            )
        except ServiceError:
            return
        usual = own and name == self.usual  # whatever starts the gateway in it
        if usual or main.strip().partition("=")[2] in (str(row.pid), str(row.ppid)):
            removal.remember_keeper(
                self.home, {"unit": name, "own": own, "pid": row.pid, "started": row.started}
            )

    # -- talking to it -----------------------------------------------------------------------------
    def ctl(self, *words: str, timeout: float = 30.0) -> str:
        """systemctl --user. Raise ServiceError when it is refused, or when there is no user manager
        to talk to.
        """
        user = self.of_account or self.watchdog_unit in words
        return systemctl.ctl(self.host, self.unit, *words, timeout=timeout, user=user)

    def show(self, unit: str) -> Dict[str, str]:
        return dict(
            line.split("=", 1)
            for line in self.ctl("show", unit, "-p", SHOWN, timeout=10.0).splitlines()
            if "=" in line
        )

    def service_state(self) -> ServiceState:
        """One systemctl call (10 to 30 ms). `unknown` when the user manager cannot be reached."""
        return self._state(self.unit)

    def dies_at_logout(self) -> bool:
        """Whether both services end with the account's last session: said, never changed."""
        return systemctl.lingers(self.host) is False

    def watchdog_state(self) -> ServiceState:
        return self._state(self.watchdog_unit)

    def _state(self, unit: str) -> ServiceState:
        path = self.folder / unit
        try:
            seen = self.show(unit)
        except ServiceError as error:
            return ServiceState(
                os.path.isfile(path),
                "unknown",
                "no-user-bus",
                path=str(path) if os.path.isfile(path) else "",
                detail=str(error),
            )
        state = read_state(
            seen, os.path.isfile(path), os.path.isfile(path) and path.stat().st_size == 0
        )
        if unit == self.unit and not state.exists and not state.main_pid and not self._dangling():
            gone = replace(state, stopped_by_operator=removal.by_person(self.home))
            return whose(self.host, self.home, gone)
        ended_well = state.active == "inactive" and state.result == "success"
        if unit == self.unit and seen.get("Restart") != "always" and ended_well:
            # a policy that leaves a clean end alone: whose signal it was decides (whose)
            state = replace(state, stopped_by_operator=state.stopped_by_operator or None)
        if unit == self.unit and seen.get("Restart") == "always" and self._forgotten(state):
            state = replace(state, stopped_by_operator=True)
        return whose(self.host, self.home, state) if unit == self.unit else state

    def _forgotten(self, state: ServiceState) -> bool:
        """Whether systemd knows nothing any more of a unit that kept the gateway in this boot: one
        that is not enabled is let go once it is inactive, and a crash does not make it that.
        """
        kept, began = removal.kept_by(self.home), self.host.now() - self.host.monotonic()
        started = kept.get("started")
        ran = isinstance(started, (int, float)) and started >= began - 5.0
        bare = state.active == "inactive" and state.exit_code is None and not state.stopped_mono
        loose = state.exists and state.enabled is not True  # else default.target holds it
        return loose and bare and ran and kept.get("unit") == self.unit

    def _dangling(self) -> bool:
        """An enable link that points nowhere: the unit was not uninstalled, it got lost."""
        return bool(self._links())

    def _links(self) -> List[Path]:
        links = [folder / self.unit for folder in self.folder.glob("*.wants")]
        return [link for link in links if link.is_symlink() and not os.path.exists(link)]

    # -- acting ------------------------------------------------------------------------------------
    @noted("start")
    def start(self) -> None:
        """reset-failed where needed (exit 78, start limit), then start. Restores a unit that was
        lost.
        """
        state = self.service_state()
        if not state.exists:
            self.install()
            return
        if state.active == "failed":
            self.reset_failed()
        self.ctl("start", "--no-block", self.unit)

    def stop(self) -> None:
        """Blocks until it is down: OpenClaw drains for up to 315 s."""
        self.may("stop")
        self._stop()

    @noted("stop")
    def _stop(self) -> None:
        self.ctl("stop", self.unit, timeout=345.0)

    def may(self, action: str) -> None:
        """Raise ServiceError for a stop or restart of a unit that keeps more than the gateway (a
        supervisor such as pm2, a terminal multiplexer): all of that would end as well.
        """
        if action not in ("stop", "restart") or self.unit == self.usual:
            return
        rows = self.host.processes()
        row = lock.holding(self.host, self.home).row
        mine = {int(self.show(self.unit).get("MainPID") or 0)}
        if row is not None:
            mine |= {row.pid, row.ppid, *(each.pid for each in children(row.pid, rows))}
        others = [r for r in rows if r.pid not in mine and r.state != "zombie"]
        others = [r for r in others if systemctl.unit_of(r.pid, self.proc)[0] == self.unit]
        if others:
            named = "{} (pid {})".format(others[0].name, others[0].pid)
            raise ServiceError(
                Text.of(
                    "{} also keeps {}: it is not stopped for the gateway's sake",
                    "{} 还保活着 {}：不会为网关而停止它",
                    self.unit,
                    named,
                ),
                Text("stop or restart the gateway in it by hand", "请在其中手动停止或重启网关"),
            )

    def restart(self) -> None:
        """Asks for a restart and waits up to 90 s for the new process; systemd goes on with it when
        that takes longer.
        """
        self.may("restart")
        self._restart()

    @noted("restart")
    def _restart(self) -> None:
        before = self.service_state()
        if before.active == "failed":
            self.reset_failed()
        self.ctl("restart", "--no-block", self.unit)
        for _ in range(180):
            self.host.sleep(0.5)
            state = self.service_state()
            if state.main_pid not in (None, before.main_pid) or state.active == "failed":
                return

    def reset_failed(self) -> None:
        self.ctl("reset-failed", self.unit)

    def reload(self) -> None:
        self.ctl("daemon-reload")

    def tend(self) -> bool:
        """Keep a copy of OpenClaw's unit whenever it changed and serves; take our drop-in away when
        the unit is gone. Some stat() calls.
        """
        self._note_keeper()
        if not self.of_account:
            return False
        unit = self.folder / self.unit
        if not os.path.isfile(unit):
            ours = self.folder / (self.unit + ".d") / DROP_IN
            if not os.path.isfile(ours):
                return False
            remove([ours])
            self.reload()
            return True
        removal.remember(self.host, self.home, self.command())
        return self.own and common.keep_copy(unit, self._copy(), lambda: self._serves(unit))

    def _serves(self, unit: Path) -> bool:
        """Whether a process runs that was started from this file: one that was broken a moment ago
        must not replace the good copy.
        """
        try:
            seen = self.show(self.unit)
            age = self.host.monotonic() - int(seen["ExecMainStartTimestampMonotonic"]) / 1e6
            return (
                seen["ActiveState"] == "active"
                and age >= YOUNG
                and unit.stat().st_mtime <= self.host.now() - age
            )
        except (ServiceError, KeyError, ValueError, OSError):
            return False

    def hurry(self) -> Optional[ServiceState]:
        """The gateway has just ended: start it now instead of after RestartSec=5. Not in a crash
        loop, not after a stop. Takes <= 5 s.

        The manager forgets how the old process ended as soon as it starts the new one: that is
        answered.
        """
        for _ in range(25):
            seen = self.show(self.unit)
            if seen.get("SubState") == "auto-restart":
                break
            if seen.get("ActiveState") not in ("active", "deactivating"):
                return None
            self.host.sleep(0.2)  # what the dead process left behind is being ended
        else:
            return None
        try:
            lived = (
                int(seen["ExecMainExitTimestampMonotonic"])
                - int(seen["ExecMainStartTimestampMonotonic"])
            ) / 1e6
        except (KeyError, ValueError):
            return None
        if lived < YOUNG:
            return None
        # Not `start`: while it waits to be restarted, systemd only queues that until the wait is
        # over (seen on 252).
        self.ctl("restart", "--no-block", self.unit)
        return read_state(seen, True)

    def _copy(self) -> Path:
        return self.home.doctor_dir / "service" / self.unit

    # -- what it starts ----------------------------------------------------------------------------
    def files(self) -> List[Path]:
        """The unit and its drop-ins in the order in which they count."""
        return [self.folder / self.unit, *sorted((self.folder / (self.unit + ".d")).glob("*.conf"))]

    def _lines(self, paths: Sequence[Path]) -> systemdunit.Lines:
        found: systemdunit.Lines = []
        for path in paths:
            try:
                found += systemdunit.parse(path.read_text("utf-8", "replace"))
            except OSError:
                continue
        return found

    def command(self) -> List[str]:
        return systemdunit.exec_start(self._lines(self.files())) or systemdunit.exec_start(
            self._lines([self._copy()])
        )

    def environment(self) -> Dict[str, str]:
        return systemdunit.environment(self._lines(self.files()))

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        """One drop-in of ours, then daemon-reload. The repair adds the restart."""
        target = self.folder / (self.unit + ".d") / DROP_IN
        text = systemdunit.override(self._lines([target]), self.command(), set, unset)
        return (Write(str(target), text.encode("utf-8"), 0o644), Service("reload")), (str(target),)

    # -- installing --------------------------------------------------------------------------------
    def plan_service(self, kind: str) -> ServicePlan:
        if kind == "watchdog":
            return systemdunit.watchdog(self.host, self.home, self.folder / self.watchdog_unit)
        return self._plan_gateway()

    def _plan_gateway(self) -> ServicePlan:
        reload = ("systemctl", "--user", "daemon-reload")
        enable = ("systemctl", "--user", "enable", self.unit)
        start = ("systemctl", "--user", "start", "--no-block", self.unit)
        if os.path.isfile(self.folder / self.unit):
            return ServicePlan((), (reload, enable))
        kept = self._kept_unit()
        if kept:
            return ServicePlan(((str(self.folder / self.unit), kept),), (reload, enable, start))

        program = openclaw_program.find(self.host)
        if program and self.own:
            return ServicePlan((), ((*program, "gateway", "install", "--json"),))
        return systemdunit.gateway(self.host, self.home, self.folder / self.unit)

    def _kept_unit(self) -> Optional[bytes]:
        """Our copy of OpenClaw's unit, when what it starts is still there."""
        argv = systemdunit.exec_start(self._lines([self._copy()]))
        there = bool(argv) and all(
            os.path.exists(word) for word in argv[:3] if word.startswith("/")
        )
        return self._copy().read_bytes() if there else None

    def install(self, dry_run: bool = False) -> ServicePlan:
        """A lost unit comes back from our copy, else by OpenClaw's installer, else from our
        template. One that is there is left alone.
        """
        other = self._system_unit()
        if other and not os.path.isfile(self.folder / self.unit):
            raise ServiceError(
                Text.of("{} already keeps a gateway alive", "{} 已在保活一个网关", other),
                Text(
                    "a second service beside it would fight it: use systemctl without --user",
                    "再装一个服务会与它冲突：请用不带 --user 的 systemctl",
                ),
            )
        plan = self._plan_gateway()
        if (
            self.unit != self.usual
            and not plan.files
            and not os.path.isfile(self.folder / self.unit)
        ):
            raise ServiceError(
                Text.of("{} kept this gateway and is gone", "保活此网关的 {} 已不存在", self.unit),
                Text(
                    "bring it back, or install OpenClaw's own: openclaw gateway install",
                    "请恢复它，或安装 OpenClaw 自带的服务：openclaw gateway install",
                ),
            )
        if dry_run:
            return plan
        if not os.path.isfile(self.folder / self.unit):
            self._clear_place()
        try:
            common.run_plan(self.host, plan, user_environment(self.host), 180.0)
        except ServiceError:
            # Measured: OpenClaw's installer can write the unit and report a failure all the same.
            # The file decides.
            if not os.path.isfile(self.folder / self.unit):
                plan = systemdunit.gateway(self.host, self.home, self.folder / self.unit)
                common.run_plan(self.host, plan, user_environment(self.host))
        self.reload()
        self.tend()
        state = self.service_state()
        if not state.exists:
            raise ServiceError(
                Text(
                    "the gateway's unit is still missing after the installation",
                    "安装后仍没有网关的 systemd 单元",
                ),
                "openclaw gateway install --force",
            )
        if state.active in ("failed", "inactive") and not state.stopped_by_operator:
            self.ctl("start", "--no-block", self.unit)
        return plan

    def _clear_place(self) -> None:
        """Measured: OpenClaw's installer fails beside the dangling enable link of a lost unit, and
        beside a drop-in without a unit.
        """
        for link in self._links():
            link.unlink()
        remove([self.folder / (self.unit + ".d") / DROP_IN])
        self.reload()

    def _system_unit(self) -> str:
        places = (
            Path(p) / self.unit
            for p in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
        )
        return next((str(p) for p in places if os.path.isfile(p)), "")

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        """Our drop-ins go; OpenClaw's unit stays as OpenClaw wrote it."""
        ours = self.folder / (self.unit + ".d") / DROP_IN
        if not os.path.isfile(ours):
            return ServicePlan()
        if not dry_run:
            remove([ours])
            self.reload()
        return ServicePlan((), (("systemctl", "--user", "daemon-reload"),))

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("watchdog")
        if not dry_run:
            common.run_plan(self.host, plan, user_environment(self.host))
        return plan

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan:
        plan = ServicePlan(
            (),
            (
                ("systemctl", "--user", "disable", "--now", self.watchdog_unit),
                ("systemctl", "--user", "daemon-reload"),
            ),
        )
        if not dry_run and os.path.exists(self.folder / self.watchdog_unit):
            self.ctl("disable", "--now", self.watchdog_unit)
            remove([self.folder / self.watchdog_unit])
            self.reload()
        return plan


def remove(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink()
            path.parent.rmdir()
        except OSError:
            continue
