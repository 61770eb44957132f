"""Talking to systemd's user manager: where it is, `systemctl --user`, and the datagrams that say
"ready" and "still alive" (sd_notify).
"""

from __future__ import annotations

import os
import re
import socket
from typing import Dict, Optional, Tuple

from ..errors import ServiceError
from ..host import Host
from ..model import Text
from .base import account_home
from .keeper.system import NOT_FOR_CHILDREN

NO_BUS = (
    "loginctl enable-linger {}, or log in as this user, then try again",
    "loginctl enable-linger {}，或以该用户登录，然后重试",
)


def user_environment(host: Host) -> Dict[str, str]:
    """The environment for systemctl --user: the runtime directory and bus are found where cron or
    su left them out.
    """
    env = {k: v for k, v in host.env.items() if k not in NOT_FOR_CHILDREN}
    uid = os.getuid() if hasattr(os, "getuid") else 0
    runtime = env.get("XDG_RUNTIME_DIR") or "/run/user/{}".format(uid)
    if os.path.isdir(runtime):
        env["XDG_RUNTIME_DIR"] = runtime
        if not env.get("DBUS_SESSION_BUS_ADDRESS") and os.path.exists(runtime + "/bus"):
            env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path={}/bus".format(runtime)
    return env


LINGER = "/var/lib/systemd/linger"
DIES_AT_LOGOUT = Text(
    "gateway and watchdog both end when this account's last session ends (lingering is off)",
    "本账户的最后一个会话结束时，网关与守护进程都会随之停止（未启用 linger）",
)
ENABLE_LINGER = "loginctl enable-linger {}"


def account(host: Host) -> str:
    """The account's name, as loginctl wants it."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return host.env.get("USER", "")


def lingers(host: Host, folder: str = LINGER) -> Optional[bool]:
    """Whether the user manager outlives the last session; None where that cannot be told."""
    name = account(host)
    if not name or not os.path.isdir("/run/systemd/system"):
        return None
    try:
        return name in os.listdir(folder)
    except FileNotFoundError:
        return False
    except OSError:
        return None


def available(host: Host) -> bool:
    """True when systemd runs this machine and its user manager is there, or should be (a unit of
    OpenClaw exists).
    """
    if not os.path.isdir("/run/systemd/system") or not host.which("systemctl"):
        return False
    runtime = user_environment(host).get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.exists(runtime + "/systemd/private"):
        return True
    return any((account_home(host) / ".config/systemd/user").glob("openclaw-gateway*.service"))


def unit_of(pid: int, proc: str = "/proc") -> Tuple[str, bool]:
    """The unit in whose control group a process lives, and whether it is the account's own (not the
    system's). ("", True) where it is in none: a login session, a terminal, a container.
    """
    try:
        with open(
            "{}/{}/cgroup".format(proc, int(pid)), encoding="utf-8", errors="replace"
        ) as file:
            lines = file.read(65536).splitlines()
    except OSError:
        return "", True
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number != "0" and controllers != "name=systemd":
            continue
        manager, parts = False, place.split("/")
        for part in parts:
            if re.match(r"user@\d+\.service$", part):
                manager = True
            elif part.endswith(".scope"):
                break
            elif part.endswith(".service"):
                return part, manager
    return "", True


def ctl(host: Host, about: str, *words: str, timeout: float = 30.0, user: bool = True) -> str:
    """systemctl --user, or the system's. Raise ServiceError, its hint naming the unit `about`, when
    it is refused or there is no user manager.
    """
    manager = ["--user"] if user else []
    argv = ["systemctl", *manager, "--no-pager", "--no-ask-password", *words]
    done = host.run(argv, timeout=timeout, env=user_environment(host))
    if done.ok:
        return done.out
    text = (done.err or done.out).strip()
    if "connect to" in text or "DBUS" in text or "No medium found" in text or done.missing:
        name = host.env.get("USER", "$USER")
        raise ServiceError(
            Text.of(
                "systemd's user manager cannot be reached: {}",
                "连不上 systemd 用户管理器：{}",
                text[:200],
            ),
            Text.of(*NO_BUS, name),
        )
    raise ServiceError(
        Text.of(
            "systemctl {} failed: {}",
            "systemctl {} 失败：{}",
            " ".join([*manager, *words[:2]]),
            text[-300:] or done.code,
        ),
        " ".join(["systemctl", *manager, "status", about])
        if user
        else "sudo systemctl {} {}".format(words[0], about),
    )


def tell_ready(host: Host) -> bool:
    """Say that the watchdog watches. Nothing where $NOTIFY_SOCKET is not set; never raise."""
    return _send(host, "READY=1")


def tell_alive(host: Host) -> bool:
    """Say so now and then, where the manager watches this very process ($WATCHDOG_PID)."""
    pid = host.env.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return False
    return _send(host, "WATCHDOG=1")


def _send(host: Host, message: str) -> bool:
    """Send one datagram; True when the manager took it. A leading @ means an abstract socket."""
    address = host.env.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
        return False
    target = "\0" + address[1:] if address[0] == "@" else address
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0))
    try:
        line.settimeout(1.0)
        line.sendto(message.encode("utf-8", "replace"), target)
    except OSError:
        return False
    finally:
        line.close()
    return True
