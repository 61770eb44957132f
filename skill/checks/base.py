"""What several checks need is looked up once per run: config, processes, port, service, package,
health.

A Look is handed to the checks in place of the Context it wraps; looking(ctx) makes one where a
check is called alone.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from ..context import Context
from ..host import Listener, Process
from ..model import NOT_SERVING, Finding, Severity, Text
from ..openclaw import config as openclaw_config
from ..openclaw import gateway, install, lock, logs
from ..openclaw import processes as process_table


class Look:
    """Reads like the Context it wraps; every other value is found at most once, by whichever check
    asks first.
    """

    def __init__(self, ctx: Context, cli_timeout: float = 3.5) -> None:
        self.ctx = ctx
        self.cli_timeout = cli_timeout
        self._found: Dict[str, Any] = {}
        self._locks: Dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)

    def _once(self, name: str, find: Callable[[], Any]) -> Any:
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._found:
                self._found[name] = find()
            return self._found[name]

    @property
    def config(self) -> openclaw_config.ConfigView:
        found: openclaw_config.ConfigView = self._once(
            "config", lambda: openclaw_config.load(self.ctx.home.config_path)
        )
        return found

    @property
    def elsewhere(self) -> bool:
        """Whether OpenClaw and its node may lie in another container's image: that they are not
        found here says nothing.
        """
        return getattr(self.ctx.platform, "name", "") == "container"

    @property
    def processes(self) -> List[Process]:
        found: List[Process] = self._once("processes", lambda: process_table.table(self.ctx.host))
        return found

    @property
    def gateways(self) -> List[Process]:
        """Living gateways of this state directory, oldest first."""
        found: List[Process] = self._once(
            "gateways", lambda: lock.gateways(self.ctx.host, self.ctx.home, self.processes)
        )
        return found

    @property
    def listeners(self) -> List[Listener]:
        found: List[Listener] = self._once(
            "listeners", lambda: process_table.listeners(self.ctx.host, self.ctx.home.port)
        )
        return found

    @property
    def service(self) -> Any:
        """platforms.ServiceState, or None when there is no manager or it does not answer."""

        def ask() -> Any:
            try:
                return self.ctx.platform.service_state() if self.ctx.platform else None
            except Exception:
                return None

        return self._once("service", ask)

    @property
    def service_env(self) -> Mapping[str, str]:
        """What the service's definition sets; {} without a service."""

        def ask() -> Mapping[str, str]:
            try:
                return dict(self.ctx.platform.environment() or {}) if self.ctx.platform else {}
            except Exception:
                return {}

        found: Mapping[str, str] = self._once("service_env", ask)
        return found

    @property
    def package(self) -> Any:
        return self._once("package", lambda: install.package_dir(self.ctx.host, self.ctx.platform))

    @property
    def version(self) -> str:
        return str(self._once("version", lambda: install.version(self.package)))

    @property
    def health(self) -> Mapping[str, Any]:
        """gateway.ask(): answer, failing, suppressed, startup, seconds."""
        found: Mapping[str, Any] = self._once(
            "health", lambda: gateway.ask(self.ctx.host, self.ctx.home, 2.0)
        )
        return found

    @property
    def up(self) -> bool:
        """The gateway answers, and nobody has judged it down: one that dies every few minutes is
        not up between two crashes.
        """
        return (
            self.health["answer"] in ("ready", "not-ready", "live")
            and self.ctx.verdict.state not in NOT_SERVING
        )

    @property
    def log(self) -> str:
        """The newest boot's lines: the Context's own where it carries them."""
        return str(
            self.ctx.logs
            or self._once("log", lambda: logs.newest_boot(self.ctx.host, self.ctx.home))
        )

    @property
    def crash_log(self) -> str:
        """The lines of the last boots: in a crash loop the newest one may still be fine."""
        return (
            self.log
            + "\n"
            + str(self._once("crash_log", lambda: logs.recent(self.ctx.host, self.ctx.home)))
        )

    @property
    def busy(self) -> bool:
        """The oldest gateway of this state directory wants the CPU all the time."""
        rows = self.gateways
        return bool(rows) and bool(
            self._once("busy", lambda: process_table.is_busy(self.ctx.host, rows[0].pid))
        )

    @property
    def starting(self) -> List[Process]:
        """Processes of this state directory that may become its gateway: before it listens it is
        called just `openclaw`.
        """
        return [row for row in self.processes if process_table.may_be_starting(self.ctx.home, row)]

    @property
    def variables(self) -> Dict[str, str]:
        """Every variable that the gateway would see: its own environment where it runs, else the
        service's, else ours.
        """

        def find() -> Dict[str, str]:
            env: Dict[str, str] = dict(self.ctx.host.env)
            env.update(self.service_env)
            for row in self.gateways:
                env.update(row.env or {})
            return openclaw_config.variables(self.config, env, self.ctx.home.env_file)

        found: Dict[str, str] = self._once("variables", find)
        return found

    @property
    def last_config(self) -> Optional[Mapping[str, Any]]:
        """The merged config of the last healthy run; None when there is none."""
        good = self.ctx.last_good or {}
        data = good.get("config")
        if not isinstance(data, Mapping):
            stored = (good.get("files") or {}).get(str(self.ctx.home.config_path))
            data = (
                openclaw_config.load(type(self.ctx.home.config_path)(stored)).data
                if stored
                else None
            )
        return data if isinstance(data, Mapping) and data else None

    @property
    def last_good_taken(self) -> float:
        """When the last good copy was kept; 0.0 when there is none."""
        taken = (self.ctx.last_good or {}).get("taken")
        return float(taken) if isinstance(taken, (int, float)) else 0.0

    @property
    def inventory(self) -> Mapping[str, Any]:
        found = (self.ctx.last_good or {}).get("inventory")
        return found if isinstance(found, Mapping) else {}


# what a check is handed: a Context, or the Look that its siblings have already begun
Seen = Union[Context, Look]


def looking(ctx: Seen) -> Look:
    return ctx if isinstance(ctx, Look) else Look(ctx)


Fix = Optional[Tuple[str, str]]


def _finding(
    severity: Severity, check_id: str, en: str, zh: str, path: str, fix: Fix, evidence: Any
) -> Finding:
    return Finding(
        check_id, severity, Text(en, zh), str(path), Text(*fix) if fix else None, evidence
    )


def error(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """It stops the gateway, or is about to."""
    return _finding(Severity.ERROR, check_id, en, zh, path, fix, evidence)


def warning(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """Something does not work as it should, and the gateway lives with it."""
    return _finding(Severity.WARNING, check_id, en, zh, path, fix, evidence)


def info(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """A fact that explains, and asks for nothing."""
    return _finding(Severity.INFO, check_id, en, zh, path, fix, evidence)
