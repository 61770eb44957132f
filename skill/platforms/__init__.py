"""Level 1: who keeps the gateway alive. One file per service manager; choose() picks the one in
charge of this gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ..host import Host
from ..openclaw.home import Home
from .base import Platform, ServicePlan, ServiceState, account_home, canonical

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["Platform", "ServicePlan", "ServiceState", "account_home", "canonical", "choose"]


def choose(host: Host, home: Home, settings: Optional[Settings] = None) -> Platform:
    """The service manager in charge: the system's own where OpenClaw would use it for this state
    directory, else `direct`.

    A gateway_command of the user, or a state directory that is not the account's own (OpenClaw
    refuses native services there), means `direct`. So does a drill: where HOME cannot be told from
    the account's home (Windows), its watchdog would otherwise order the user's own task about.
    """
    from .direct import Direct

    if host.env.get("IFLOW_DOCTOR_SUPERVISOR") == "container":
        from .container import Container

        return Container(host, home, settings)
    drill = host.env.get("IFLOW_DOCTOR_DRILL") == "1"
    if (
        drill
        or (settings is not None and settings.get("gateway_command"))
        or not canonical(host, home)
    ):
        return Direct(host, home, settings)
    if host.system == "darwin":
        from .launchd import Launchd

        return Launchd(host, home, settings)
    if host.system == "win32":
        from .schtasks import Schtasks

        return Schtasks(host, home, settings)
    if host.system.startswith("linux"):
        from .systemctl import available
        from .systemd import Systemd

        if available(host):
            return Systemd(host, home, settings)
    return Direct(host, home, settings)
