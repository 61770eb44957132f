"""launchd, in the user's GUI domain. OpenClaw's own agent is used; ours only where that cannot be
installed.

From launchctl(1), launchd.plist(5) and OpenClaw's templates; not run on a real macOS
(docs/platforms.md).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple
from xml.sax.saxutils import escape

from ..errors import ServiceError
from ..host import Completed, Host
from ..model import Service, Text
from ..openclaw import cli as openclaw_program
from ..openclaw.home import Home
from . import common, launchd_plist, removal
from .base import ServicePlan, ServiceState, account_home, canonical, noted, read_print, whose

if TYPE_CHECKING:
    from ..settings import Settings

NOT_LOADED = ("could not find service", "no such process", "not found")
BUSY = (
    "input/output error",
    "operation already in progress",
    "operation now in progress",
    ": 5:",
    ": 37:",
)
BOOTSTRAP_PATIENCE = 30.0  # s: an agent that is just being torn down answers EIO until it is gone
NO_GUI = Text(
    "log in on the Mac's screen as this user: agents need a GUI session (launchctl's gui/<uid> "
    "domain)",
    "请以该用户登录 Mac 的图形界面：LaunchAgent 需要图形会话（launchctl 的 gui/<uid> 域）",
)


class Launchd:
    name = "launchd"
    actor = "iflow-doctor"

    def __init__(self, host: Host, home: Home, settings: Optional[Settings] = None) -> None:
        self.host, self.home, self.settings = host, home, settings
        self.own = canonical(host, home)  # OpenClaw manages a service for this state directory
        self.label = "ai.openclaw." + (home.profile or "gateway")
        self.watchdog_label = "ai.openclaw.iflow-doctor" + common.suffix(host, home, ".")
        self.folder = account_home(host) / "Library" / "LaunchAgents"
        self.domain = "gui/{}".format(os.getuid() if hasattr(os, "getuid") else 501)

    def plist(self, label: str) -> Path:
        return self.folder / (label + ".plist")

    def _run(self, *words: str, timeout: float = 30.0) -> Completed:
        done = self.host.run(["launchctl", *words], timeout=timeout)
        if done.missing:
            raise ServiceError(Text("launchctl was not found", "找不到 launchctl"))
        return done

    def _target(self, label: str) -> str:
        return "{}/{}".format(self.domain, label)

    # -- looking -----------------------------------------------------------------------------------
    def service_state(self) -> ServiceState:
        return whose(self.host, self.home, self._state(self.label))

    def watchdog_state(self) -> ServiceState:
        return self._state(self.watchdog_label)

    def _state(self, label: str) -> ServiceState:
        path = self.plist(label)
        try:
            done = self._run("print", self._target(label), timeout=10.0)
        except ServiceError as error:
            return ServiceState(os.path.isfile(path), "unknown", path=str(path), detail=str(error))
        if done.ok:
            return read_print(done.out, str(path))
        if not any(text in (done.err + done.out).lower() for text in NOT_LOADED):
            return ServiceState(
                os.path.isfile(path),
                "unknown",
                path=str(path),
                detail=(done.err or done.out).strip()[:200],
            )
        enabled = self._enabled(label)
        if label == self.label and self._parked():
            return ServiceState(
                os.path.isfile(path),
                "failed",
                "not-loaded",
                "parked",
                78,
                None,
                0,
                enabled,
                False,
                str(path),
                "OpenClaw took it out after exit 78",
            )
        stopped = True if enabled is False else removal.by_person(self.home)
        return ServiceState(
            os.path.isfile(path),
            "inactive",
            "not-loaded",
            "",
            None,
            None,
            0,
            enabled,
            stopped,
            str(path),
            "not loaded",
        )

    def _enabled(self, label: str) -> Optional[bool]:
        done = self._run("print-disabled", self.domain, timeout=10.0)
        found = (
            re.search(r'"{}"\s*=>\s*(\w+)'.format(re.escape(label)), done.out) if done.ok else None
        )
        return found.group(1) not in ("disabled", "true") if found else (True if done.ok else None)

    def _parked(self) -> bool:
        """OpenClaw unloads its agent after a refused start: a failed start was noted after the
        agent was last seen in order.
        """
        seen = removal.last_seen(self.home)
        notes = self.home.logs_dir.glob("stability/openclaw-stability-*startup_failed*.json")
        return bool(seen) and any(note.stat().st_mtime > seen for note in notes)

    # -- acting ------------------------------------------------------------------------------------
    @noted("start")
    def start(self) -> None:
        if not os.path.isfile(self.plist(self.label)):
            self.install()
            return
        self._run("enable", self._target(self.label))
        done = self._run("kickstart", self._target(self.label))
        if not done.ok:
            self._bootstrap(self.label)

    @noted("stop")
    def stop(self) -> None:
        done = self._run("bootout", self._target(self.label), timeout=60.0)
        if not done.ok and not any(text in (done.err + done.out).lower() for text in NOT_LOADED):
            raise ServiceError(
                Text.of(
                    "launchctl bootout failed: {}",
                    "launchctl bootout 失败：{}",
                    (done.err or done.out).strip()[:200],
                )
            )

    @noted("restart")
    def restart(self) -> None:
        done = self._run("kickstart", "-k", self._target(self.label), timeout=60.0)
        if not done.ok:
            self.start()

    def reset_failed(self) -> None:
        """launchd keeps no such state."""

    @noted("start")
    def reload(self) -> None:
        """Take the plist up again: out, then in. EIO means that the old one is still being torn
        down.
        """
        self.stop()
        self._run("enable", self._target(self.label))
        self._bootstrap(self.label)

    def _bootstrap(self, label: str) -> None:
        until = self.host.monotonic() + BOOTSTRAP_PATIENCE
        while True:
            done = self._run("bootstrap", self.domain, str(self.plist(label)))
            text = (done.err + done.out).strip()
            if (
                done.ok
                or "already bootstrapped" in text.lower()
                or "already loaded" in text.lower()
            ):
                return
            if any(part in text.lower() for part in BUSY) and self.host.monotonic() < until:
                if self._run("print", self._target(label), timeout=10.0).ok:
                    return  # EIO is also the answer for what is loaded already
                self.host.sleep(0.5)
                continue
            unsupported = "domain does not support" in text.lower() or "125" in text
            raise ServiceError(
                Text.of(
                    "launchctl bootstrap failed: {}", "launchctl bootstrap 失败：{}", text[:200]
                ),
                NO_GUI if unsupported else "openclaw gateway install --force",
            )

    def tend(self) -> bool:
        """Remember the agent while it is there: for the day it is gone."""
        plist = self.plist(self.label)
        if not os.path.isfile(plist):
            return False
        removal.remember(self.host, self.home, self.command())
        return self.own and common.keep_copy(plist, self._copy())

    def hurry(self) -> Optional[ServiceState]:
        """Nothing to do: it is started again at once anyway."""
        return None

    def _copy(self) -> Path:
        return self.home.doctor_dir / "service" / (self.label + ".plist")

    # -- what it starts ----------------------------------------------------------------------------
    def _read(self) -> Dict[str, Any]:
        return launchd_plist.read((self.plist(self.label), self._copy()))

    def command(self) -> List[str]:
        return launchd_plist.command(self._read())[0]

    def environment(self) -> Dict[str, str]:
        return launchd_plist.environment(self._read())

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        """launchd has no drop-ins: the agent's own plist (and OpenClaw's env file) is changed, and
        loaded again.
        """
        writes = launchd_plist.changed(self.plist(self.label), self._read(), set, unset)
        return (*writes, Service("reload")), tuple(step.path for step in writes)

    # -- installing --------------------------------------------------------------------------------
    def _render(
        self, template: str, label: str, argv: Sequence[str], env: Mapping[str, str], log: Path
    ) -> bytes:
        values = {
            "LABEL": escape(label),
            "ARGUMENTS": "\n".join(
                "      <string>{}</string>".format(escape(word)) for word in argv
            ),
            "ENVIRONMENT": "\n".join(
                "      <key>{}</key>\n      <string>{}</string>".format(escape(k), escape(v))
                for k, v in sorted(env.items())
            ),
            "LOG": escape(str(log)),
        }
        return common.render("launchd", template, values).encode("utf-8")

    def plan_service(self, kind: str) -> ServicePlan:
        logs = account_home(self.host) / "Library" / "Logs" / "openclaw"
        if kind == "watchdog":
            label, path = self.watchdog_label, self.plist(self.watchdog_label)
            env = common.watchdog_environment(self.host)
            content = self._render(
                "ai.openclaw.iflow-doctor.plist",
                label,
                common.watchdog_command(),
                env,
                self.home.logs_dir / "watchdog.stderr.log",
            )
            return ServicePlan(((str(path), content),), self._load(label))
        path = self.plist(self.label)
        if os.path.isfile(path):
            return ServicePlan()
        if os.path.isfile(self._copy()) and all(
            os.path.exists(word) for word in self.command()[:2] if word.startswith("/")
        ):
            return ServicePlan(((str(path), self._copy().read_bytes()),), self._load(self.label))

        program = openclaw_program.find(self.host)
        if program and self.own:
            return ServicePlan((), ((*program, "gateway", "install", "--json"),))
        return self._plan_own(logs)

    def _plan_own(self, logs: Path) -> ServicePlan:
        env = {
            **common.gateway_environment(self.host, self.home),
            "OPENCLAW_LAUNCHD_LABEL": self.label,
        }
        content = self._render(
            "ai.openclaw.gateway.plist",
            self.label,
            common.gateway_command(self.host),
            env,
            logs / "gateway.log",
        )
        return ServicePlan(((str(self.plist(self.label)), content),), self._load(self.label))

    def _load(self, label: str) -> Tuple[Tuple[str, ...], ...]:
        target = self._target(label)
        return (
            ("launchctl", "enable", target),
            ("launchctl", "bootstrap", self.domain, str(self.plist(label))),
        )

    def install(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("gateway")
        if dry_run:
            return plan
        try:
            self._carry_out(plan, self.label)
        except ServiceError:
            if os.path.isfile(self.plist(self.label)):
                raise
            plan = self._plan_own(account_home(self.host) / "Library" / "Logs" / "openclaw")
            self._carry_out(plan, self.label)
        if not self.service_state().exists:
            raise ServiceError(
                Text(
                    "the gateway's agent is still missing after the installation",
                    "安装后仍没有网关的 LaunchAgent",
                ),
                "openclaw gateway install --force",
            )
        if self.service_state().active == "inactive":
            self._bootstrap(self.label)
        self.tend()
        return plan

    def _carry_out(self, plan: ServicePlan, label: str) -> None:
        """As common.run_plan, but a bootstrap is tried again while the old agent is being torn
        down.
        """
        common.write_files(plan.files)
        for argv in plan.commands:
            if argv[:2] == ("launchctl", "bootstrap"):
                self._bootstrap(label)
            else:
                common.run_plan(self.host, ServicePlan((), (argv,)), self.host.env, 180.0)

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        return ServicePlan()  # we added nothing to OpenClaw's agent

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan:
        plan = self.plan_service("watchdog")
        if not dry_run:
            self._run("bootout", self._target(self.watchdog_label), timeout=60.0)
            self._carry_out(plan, self.watchdog_label)
        return plan

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan:
        plan = ServicePlan((), (("launchctl", "bootout", self._target(self.watchdog_label)),))
        if not dry_run and os.path.exists(self.plist(self.watchdog_label)):
            self._run("bootout", self._target(self.watchdog_label), timeout=60.0)
            self.plist(self.watchdog_label).unlink()
        return plan
