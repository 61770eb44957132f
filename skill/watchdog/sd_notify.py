"""sd_notify: READY, WATCHDOG and STATUS lines to the service manager. Does nothing where
$NOTIFY_SOCKET is not set; never raises.
"""

from __future__ import annotations

import os
import socket

from ..host import Host


def send(host: Host, message: str) -> bool:
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


def ready(host: Host, status: str = "") -> bool:
    return send(host, "READY=1" + ("\nSTATUS=" + _one_line(status) if status else ""))


def alive(host: Host) -> bool:
    """Only when the manager watches this very process ($WATCHDOG_PID)."""
    pid = host.env.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return False
    return send(host, "WATCHDOG=1")


def status(host: Host, text: str) -> bool:
    return send(host, "STATUS=" + _one_line(text))


def stopping(host: Host) -> bool:
    return send(host, "STOPPING=1")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
