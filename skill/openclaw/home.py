"""Where OpenClaw keeps things: state directory, config file, profile, port. OpenClaw's own
precedence.

Source: OpenClaw 2026.9.6 docs (help/environment, gateway/multiple-gateways) and its behaviour.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

from ..host import Host

DEFAULT_PORT = 18789


@dataclass(frozen=True)
class Home:
    """One gateway's places. Two profiles have two Homes and share nothing.

    doctor_dir: our live state, inside the state directory so that profiles never mix and updates
    never touch it.
    """

    state_dir: Path
    config_path: Path
    profile: str = ""
    port: int = DEFAULT_PORT
    scheme: str = "http"

    @property
    def doctor_dir(self) -> Path:
        return self.state_dir / "iflow-doctor"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def env_file(self) -> Path:
        return self.state_dir / ".env"

    def url(self, path: str = "/healthz") -> str:
        return "{}://127.0.0.1:{}{}".format(self.scheme, self.port, path)


def state_dir_of(host: Host) -> Path:
    """OPENCLAW_STATE_DIR, else ~/.openclaw[-<profile>] below OPENCLAW_HOME or HOME."""
    explicit = host.env.get("OPENCLAW_STATE_DIR", "").strip()
    base = Path(host.env.get("OPENCLAW_HOME", "").strip() or host.home)
    if explicit:
        return Path(
            str(base / explicit[2:]) if explicit.startswith("~/") else os.path.abspath(explicit)
        )
    profile = host.env.get("OPENCLAW_PROFILE", "").strip()
    suffix = "-" + profile if profile and profile != "default" else ""
    return base / (".openclaw" + suffix)


def locate(host: Host, port: Optional[int] = None) -> Home:
    """Find this user's gateway. Never raises: an unreadable config leaves the last known or the
    default port.

    Port: argument, OPENCLAW_GATEWAY_PORT, OPENCLAW_GATEWAY_URL, gateway.port, the port last seen,
    18789.
    """
    state_dir = state_dir_of(host)
    config_path = Path(
        host.env.get("OPENCLAW_CONFIG_PATH", "").strip() or state_dir / "openclaw.json"
    )
    profile = host.env.get("OPENCLAW_PROFILE", "").strip()
    home = Home(state_dir, config_path, "" if profile == "default" else profile)
    from .config import load  # here, because config needs Home

    view = load(home.config_path, host.env)
    gateway = view.data.get("gateway") if isinstance(view.data, Mapping) else None
    gateway = gateway if isinstance(gateway, Mapping) else {}
    tls = gateway.get("tls")
    scheme = "https" if isinstance(tls, Mapping) and tls.get("enabled") is True else "http"
    found = (
        port
        or _number(host.env.get("OPENCLAW_GATEWAY_PORT"))
        or _port_of_url(host.env.get("OPENCLAW_GATEWAY_URL", ""))
    )
    found = found or _number(gateway.get("port"))
    if not found and (not view.ok or "port" in gateway):  # unreadable, or there and no port number
        found, scheme = _last_seen(home) or (None, scheme)
    return Home(state_dir, config_path, home.profile, found or DEFAULT_PORT, scheme)


def remember(home: Home) -> None:
    """Keep port and scheme for the day the config cannot be read any more."""
    from ..files import private_dir, read_json, write_json

    target = home.doctor_dir / "endpoint.json"
    value = {"port": home.port, "scheme": home.scheme}
    try:
        if read_json(target) != value:
            private_dir(home.doctor_dir)
            write_json(target, value)
    except Exception:  # an observer: losing this note must not stop the watch
        pass


def _last_seen(home: Home) -> Any:
    from ..files import read_json

    try:
        value = read_json(home.doctor_dir / "endpoint.json") or {}
        return int(value["port"]), str(value["scheme"])
    except Exception:
        return None


def _number(value: Any) -> Optional[int]:
    try:
        number = int(str(value).strip())
    except (TypeError, ValueError):
        return None
    return number if 0 < number < 65536 else None


def _port_of_url(url: str) -> Optional[int]:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).port
    except ValueError:
        return None
