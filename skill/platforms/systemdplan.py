"""The two units that we write ourselves, from their templates, and the commands that make systemd
take them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

from ..host import Host
from ..openclaw.home import Home
from . import ServicePlan, common, systemdunit

WATCHDOG_SEC = (
    90  # s; the watchdog says every second that it is alive, its longest single act takes some 60 s
)


def gateway(host: Host, home: Home, path: Path) -> ServicePlan:
    """A gateway's unit, for where OpenClaw's own installer cannot write one."""
    values = {
        "EXEC": systemdunit.exec_line(common.gateway_command(host)),
        "ENVIRONMENT": systemdunit.environment_lines(
            {**common.gateway_environment(host), "OPENCLAW_SYSTEMD_UNIT": path.name}
        ),
    }
    return _plan(home, path, "openclaw-gateway.service", values, (("enable", "--now", path.name),))


def watchdog(host: Host, home: Home, path: Path) -> ServicePlan:
    """The unit of our watchdog; restarted, so that an upgrade runs at once."""
    values = {
        "STATE_DIR": str(home.state_dir).replace("\n", " "),
        "EXEC": systemdunit.exec_line(common.watchdog_command()),
        "ENVIRONMENT": systemdunit.environment_lines(common.watchdog_environment(host)),
        "WATCHDOG_SEC": str(WATCHDOG_SEC),
    }
    return _plan(
        home,
        path,
        "openclaw-iflow-doctor.service",
        values,
        (("enable", path.name), ("restart", "--no-block", path.name)),
    )


def _plan(
    home: Home, path: Path, template: str, values: Dict[str, str], then: Tuple[Tuple[str, ...], ...]
) -> ServicePlan:
    title = " ({})".format(home.profile) if home.profile else ""
    unit = common.render("systemd", template, {"TITLE": title, **values}).encode("utf-8")
    commands = tuple(("systemctl", "--user", *words) for words in (("daemon-reload",), *then))
    return ServicePlan(((str(path), unit),), commands)
