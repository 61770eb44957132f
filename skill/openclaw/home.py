"""Where OpenClaw keeps things: state directory, config file, profile, port. OpenClaw's own
precedence.

Source: OpenClaw 2026.9.6 docs (help/environment, gateway/multiple-gateways) and its behaviour.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from ..host import Host

DEFAULT_PORT = 18789
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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


def url_of(home: Home, endpoint: Optional[Tuple[int, str]]) -> str:
    """Where the gateway really is: at this (port, scheme), else where its config says."""
    port, scheme = endpoint or (home.port, home.scheme)
    return replace(home, port=port, scheme=scheme).url("")


def state_dir_of(host: Host) -> Path:
    """OPENCLAW_STATE_DIR, else ~/.openclaw[-<profile>] below OPENCLAW_HOME or HOME; ~/.clawdbot
    where only that exists, as OpenClaw does.
    """
    base = _base(host)
    explicit = host.env.get("OPENCLAW_STATE_DIR", "").strip()
    if explicit:
        return _user_path(explicit, base)
    profile = profile_of(host.env)
    if profile:
        return base / (".openclaw-" + profile)
    usual, legacy = base / ".openclaw", base / ".clawdbot"
    return legacy if not os.path.exists(usual) and os.path.exists(legacy) else usual


def profile_of(env: Mapping[str, str]) -> str:
    """The named profile; "" for the default one and for a name that OpenClaw refuses."""
    name = env.get("OPENCLAW_PROFILE", "").strip()
    return name if name.lower() != "default" and _PROFILE.match(name) else ""


_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


def _base(host: Host) -> Path:
    own = host.env.get("OPENCLAW_HOME", "").strip()
    return _user_path(own, Path(host.home)) if own else Path(host.home)


def _user_path(text: str, base: Path) -> Path:
    if text == "~":
        return base
    return base / text[2:] if text.startswith(("~/", "~\\")) else Path(os.path.abspath(text))


def config_path_of(host: Host, state_dir: Path) -> Path:
    """OPENCLAW_CONFIG_PATH, else openclaw.json (or an old clawdbot.json) in the state directory."""
    explicit = host.env.get("OPENCLAW_CONFIG_PATH", "").strip()
    if explicit:
        return _user_path(explicit, _base(host))
    usual, legacy = state_dir / "openclaw.json", state_dir / "clawdbot.json"
    return legacy if not os.path.exists(usual) and os.path.exists(legacy) else usual


def selectors(host: Host, home: Home) -> Dict[str, str]:
    """The variables that name this very gateway to any OpenClaw program.

    OPENCLAW_PROFILE alone decides neither state directory nor config (2026.9.6: only the option
    --profile sets those), so they are always named beside it.
    """
    found = {"OPENCLAW_PROFILE": home.profile} if home.profile else {}
    env = {k: v for k, v in host.env.items() if not k.startswith("OPENCLAW_") or k == _HOME}
    plain = Host(env=env, system=host.system)
    state_dir = state_dir_of(plain)
    if home.profile or "OPENCLAW_STATE_DIR" in host.env or home.state_dir != state_dir:
        found["OPENCLAW_STATE_DIR"] = str(home.state_dir)
    usual = config_path_of(plain, home.state_dir)
    if home.profile or "OPENCLAW_CONFIG_PATH" in host.env or home.config_path != usual:
        found["OPENCLAW_CONFIG_PATH"] = str(home.config_path)
    return found


_HOME = "OPENCLAW_HOME"


def derived_port(profile: str) -> int:
    """The port of a gateway that nothing else names one for: 18789, or what OpenClaw derives from
    a profile's name (FNV-1a, 20000 to 59999).
    """
    if not profile:
        return DEFAULT_PORT
    value = 2166136261
    for byte in profile.encode("utf-8"):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return 20000 + value % 40000


def locate(host: Host, port: Optional[int] = None) -> Home:
    """Find this user's gateway. Never raises: an unreadable config leaves the last known or the
    derived port.

    Port: argument, OPENCLAW_GATEWAY_PORT, OPENCLAW_GATEWAY_URL (this machine's only), gateway.port,
    the port last seen, the derived one. What a living gateway really uses: gateway.endpoint().
    """
    state_dir = state_dir_of(host)
    home = Home(state_dir, config_path_of(host, state_dir), profile_of(host.env))
    from .config import load  # here, because config needs Home

    view = load(home.config_path, host.env)
    gateway = view.data.get("gateway") if isinstance(view.data, Mapping) else None
    gateway = gateway if isinstance(gateway, Mapping) else {}
    tls = gateway.get("tls")
    scheme = "https" if isinstance(tls, Mapping) and tls.get("enabled") is True else "http"
    found = (
        port
        or _number(host.env.get("OPENCLAW_GATEWAY_PORT", "").rpartition(":")[2])
        or _port_of_url(host.env.get("OPENCLAW_GATEWAY_URL", ""))
    )
    found = found or _number(gateway.get("port"))
    if not found and (not view.ok or "port" in gateway):  # unreadable, or there and no port number
        found, scheme = _last_seen(home) or (None, scheme)
    return replace(home, port=found or derived_port(home.profile), scheme=scheme)


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
        parts = urlsplit(url)
        return parts.port if (parts.hostname or "") in LOOPBACK else None
    except ValueError:
        return None
