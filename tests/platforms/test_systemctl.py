"""sd_notify over real datagram sockets, by path and abstract."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from skill.host import Host
from skill.platforms import systemctl

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX") or os.name == "nt", reason="no datagram sockets of this kind"
)


def listen(address: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind("\0" + address[1:] if address[0] == "@" else address)
    line.settimeout(2)
    return line


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_messages_arrive(tmp_path, kind):
    if kind == "abstract" and not sys.platform.startswith("linux"):
        pytest.skip("abstract sockets are Linux")
    address = str(tmp_path / "n") if kind == "path" else "@iflow-test-{}".format(os.getpid())
    line = listen(address)
    host = Host(env={"NOTIFY_SOCKET": address, "WATCHDOG_PID": str(os.getpid())})
    assert systemctl.tell_ready(host) and line.recv(500) == b"READY=1"
    assert systemctl.tell_alive(host) and line.recv(500) == b"WATCHDOG=1"
    line.close()


def test_a_child_does_not_speak_for_its_parent(tmp_path):
    line = listen(str(tmp_path / "n"))
    assert (
        systemctl.tell_alive(Host(env={"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_PID": "1"}))
        is False
    )
    line.close()


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1234"])
def test_nobody_listens(address):
    assert systemctl.tell_ready(Host(env={"NOTIFY_SOCKET": address})) is False
