"""The one door to the world: clock, processes, HTTP, environment. A fake is a Host with other
functions in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from . import machine
from .machine import WINDOWS, Listener, Process

__all__ = [  # with the rows that its tables hold: callers need one door
    "WINDOWS",
    "Completed",
    "Host",
    "Listener",
    "Process",
    "Reply",
    "end_group",
    "ended_politely",
    "http_get",
    "locale_lang",
    "run_program",
    "start_program",
]


@dataclass(frozen=True)
class Completed:
    """What a program did. code is None when it was ended on timeout or could not be started
    (`missing`).
    """

    argv: Sequence[str]
    code: Optional[int]
    out: str = ""
    err: str = ""
    timed_out: bool = False
    missing: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Reply:
    """What a loopback HTTP probe got. error is "" or one of refused, timeout, reset, garbled,
    unreachable.
    """

    status: int = 0
    body: bytes = b""
    error: str = ""
    seconds: float = 0.0


def end_group(process: "subprocess.Popen[bytes]", grace_s: float = 5.0) -> None:
    """End a process we started and everything in its group: an orphan of `openclaw doctor` would
    hold the lock.
    """
    if WINDOWS:
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    else:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sig)
            except (ProcessLookupError, PermissionError):
                break
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                continue
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        pass


@contextlib.contextmanager
def ended_politely() -> Iterator[None]:
    """SIGTERM becomes an exception for the block, so that what it runs is ended before we go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_program(
    argv: Sequence[str],
    timeout: float = 30.0,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    stdin: Optional[bytes] = None,
) -> Completed:
    """Run argv (never a shell) in its own process group; end the whole group after `timeout`
    seconds.
    """
    began = time.monotonic()
    flags: Dict[str, Any] = (
        {"creationflags": 0x00000200} if WINDOWS else {"start_new_session": True}
    )
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            **flags,
        )
    except (OSError, ValueError) as error:
        return Completed(argv, None, "", str(error), missing=True, seconds=time.monotonic() - began)
    timed_out = False
    try:
        out, err = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        end_group(process)
        try:
            out, err = process.communicate(timeout=5)
        except (subprocess.TimeoutExpired, ValueError):
            out, err = b"", b""
    except BaseException:  # we are being ended, and nobody else knows of this group
        end_group(process, 2.0)
        raise
    return Completed(
        argv,
        None if timed_out else process.returncode,
        out.decode("utf-8", "replace"),
        err.decode("utf-8", "replace"),
        timed_out=timed_out,
        seconds=time.monotonic() - began,
    )


def start_program(
    argv: Sequence[str],
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    log: Optional[str] = None,
) -> int:
    """Start argv detached from us, output appended to `log`; return its pid. Raises OSError."""
    flags: Dict[str, Any] = (
        {"creationflags": 0x00000200 | 0x00000008} if WINDOWS else {"start_new_session": True}
    )
    out = (
        os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if log
        else os.open(os.devnull, os.O_WRONLY)
    )
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=None if env is None else dict(env),
            cwd=cwd,
            **flags,
        )
    finally:
        os.close(out)
    return process.pid


def http_get(url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
    """GET a loopback URL within `timeout` seconds altogether, however slowly the other side drips;
    at most `limit` bytes.

    A probe, not a client: HTTP/1.0, no proxies, no redirects. By hand, because http.client bounds
    each read and not the whole, and costs 15 ms and 5 MB to import (measured with `python -X
    importtime`).
    """
    began = time.monotonic()
    until = began + timeout
    parts = urlsplit(url)
    host, port = (
        parts.hostname or "127.0.0.1",
        parts.port or (443 if parts.scheme == "https" else 80),
    )
    request = (
        "GET {} HTTP/1.0\r\nHost: {}:{}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    ).format((parts.path or "/") + ("?" + parts.query if parts.query else ""), host, port)
    raw, error = b"", ""
    try:
        with socket.create_connection((host, port), timeout) as plain:
            channel = _tls(plain) if parts.scheme == "https" else plain
            channel.sendall(request.encode("ascii", "replace"))
            while len(raw) < limit:
                channel.settimeout(max(0.001, until - time.monotonic()))
                part = channel.recv(16384)
                if not part:
                    break
                raw += part
                if _complete(raw):
                    break
                if time.monotonic() >= until:
                    raise socket.timeout()
    except ConnectionRefusedError:
        error = "refused"
    except socket.timeout:
        error = "timeout"
    except (ConnectionResetError, BrokenPipeError):
        error = "reset"
    except OSError:
        error = "unreachable"
    seconds = time.monotonic() - began
    if error:
        return Reply(error=error, seconds=seconds)
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if not raw:
        return Reply(error="reset", seconds=seconds)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return Reply(body=raw[:200], error="garbled", seconds=seconds)
    return Reply(int(words[1]), body, "", seconds)


def _tls(plain: socket.socket) -> socket.socket:
    """The gateway's own certificate is self-signed and the address is this machine; nothing secret
    is sent.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _complete(raw: bytes) -> bool:
    """Whether the announced body is all there, so that a keep-alive server need not be waited
    for.
    """
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


@dataclass(frozen=True)
class Host:
    """Every effect and every reading of the outer world that is not a plain file goes through one
    of these fields.
    """

    now: Callable[[], float] = time.time  # epoch seconds
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    run: Callable[..., Completed] = run_program
    start: Callable[..., int] = start_program
    get: Callable[..., Reply] = http_get
    # process and socket tables
    processes: Callable[[], List[Process]] = machine.process_table
    process: Callable[[int], Optional[Process]] = machine.process_of
    environ: Callable[[int], Optional[Mapping[str, str]]] = machine.environ_of
    deleted: Callable[[int], Mapping[str, int]] = machine.deleted_files
    usage: Callable[[int], Dict[str, float]] = machine.usage_of
    family: Callable[[int], int] = machine.family_rss
    # of one pid, or with None of all; raises OSError where the system does not tell
    listeners: Callable[[Optional[int]], List[Listener]] = machine.listeners
    signal: Callable[[Process, int], bool] = machine.send_signal  # False: gone, or another one
    boot: Callable[[], str] = machine.boot_mark  # differs after a reboot; "" unknown
    hostname: Callable[[], str] = socket.gethostname
    tmp: str = "/tmp"  # where every account may write
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    system: str = sys.platform  # linux | darwin | win32

    @property
    def home(self) -> Path:
        """The account's home as the environment says, else as the operating system says."""
        name = "USERPROFILE" if self.system == "win32" else "HOME"
        return Path(self.env.get(name) or os.path.expanduser("~"))

    def which(self, program: str) -> Optional[str]:
        import shutil

        return shutil.which(program, path=self.env.get("PATH"))


def locale_lang(env: Mapping[str, str]) -> str:
    """ "zh" or "en", as the environment's locale says; where none is set, on Windows, the language
    of the user's desktop.
    """
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "LANG"):
        if env.get(name):
            return "zh" if env[name].lower().startswith("zh") else "en"
    if WINDOWS:
        import ctypes

        if ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 4:  # type: ignore[attr-defined]  # LANG_CHINESE
            return "zh"
    return "en"
