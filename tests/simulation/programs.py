"""What other programs and the network answer: host.run, host.get, subprocess, sockets of the simulated machine."""

from __future__ import annotations

import json
import os
import subprocess
import types
from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import ground
from .gateway import Gateway, find
from .keeping import KeeperProcess


class Programs:
    """A part of World."""

    def run_program(
        self,
        argv: Sequence[str],
        timeout: float = 30.0,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        stdin: Optional[bytes] = None,
    ) -> Any:
        world: Any = self
        world.effect("run " + os.path.basename(str(argv[0])))
        began = world.mono
        code, out, err = self._answer([str(a) for a in argv], timeout)
        seconds = world.mono - began
        make = world.product.Completed
        if code == "missing":
            return make(argv, None, "", "not found", missing=True, seconds=seconds)
        if code is None or seconds > timeout:
            return make(argv, None, out, err, timed_out=True, seconds=seconds)
        return make(argv, code, out, err, seconds=seconds)

    def _answer(self, argv: List[str], timeout: float) -> Any:
        world: Any = self
        name = os.path.basename(argv[0])
        if "-m" in argv[:3] and "skill" in argv[:4]:
            return world.children.run_to_end(argv[argv.index("skill") + 1 :], timeout)
        if name == "systemctl":
            if world.manager.name != "systemd":
                return "missing", "", ""
            return world.manager.systemctl(argv[1:], world.who(), timeout)
        if name == "journalctl":
            if world.manager.name != "systemd":
                return "missing", "", ""
            world.sleep(0.05 * world.slow)
            return 0, "\n".join(world.manager.journal[-1500:]) + "\n", ""
        if name == "node":
            world.sleep(0.05 * world.slow)
            return 0, "v24.16.0\n", ""
        if name == "openclaw":
            return self._openclaw(argv[1:], timeout)
        if name == "loginctl":
            return 0, "Linger=yes\n", ""
        return "missing", "", ""

    def _openclaw(self, words: List[str], timeout: float) -> Any:
        world: Any = self
        took = {"--version": 0.6, "config": 1.5, "doctor": 8.0, "gateway": 1.2}.get(
            words[0], 1.0
        ) * world.slow
        if took > timeout:
            world.sleep(timeout)
            return None, "", ""
        if words[0] == "doctor":
            proc = world.machine.start(
                "openclaw", ["openclaw-doctor"], name="openclaw-docto", env=world.gateway_env()
            )
            world.sleep(took)
            world.machine.exit(proc, 0)
            return world.doctor_fix()
        world.sleep(took)
        if words[0] == "--version":
            return 0, world.version + "\n", ""
        if words[:2] == ["config", "validate"]:
            _data, issues = world.read_config()
            if not ground.opens(world):  # it reads its database first
                issues = [
                    {"path": "<root>", "message": "read failed: Error: file is not a database"}
                ]
            body = {
                "ok": not issues,
                "valid": not issues,
                "path": str(world.config_path),
                "issues": issues,
            }
            return (1 if issues else 0), json.dumps(body) + "\n", ""
        if words[:2] == ["gateway", "stop"]:
            world.manager.owner_stop()
            return 0, "", ""
        return 1, "", "unknown"

    # -- the network --------------------------------------------------------------------------------------------------
    def http_get(self, url: str, timeout: float = 5.0, limit: int = 65536, **_more: Any) -> Any:
        world: Any = self
        world.effect("get")
        reply = world.product.Reply
        scheme, rest = url.split("://", 1)
        address, _slash, path = rest.partition("/")
        port = int(address.rsplit(":", 1)[1])
        if world.network_down:
            return reply(error="unreachable", seconds=0.0)
        proc = world.machine.listener(port)
        if proc is None:
            world.sleep(0.001)
            return reply(error="refused", seconds=0.001)
        served = proc.ports[port]
        began = world.mono
        if isinstance(served, Gateway):
            left = served.deaf_left()
            world.sleep(min(timeout, left) if left else 0.004 * world.slow)
            if not proc.alive or port not in proc.ports:
                return reply(error="reset", seconds=world.mono - began)
            if served.deaf_left() > 0.0:
                return reply(error="timeout", seconds=world.mono - began)
            if served.scheme != scheme:
                return reply(
                    error="reset" if scheme == "http" else "unreachable", seconds=world.mono - began
                )
            status, body = served.answer("/" + path)
            raw = b"<html>OpenClaw</html>" if body is None else json.dumps(body).encode()
            return reply(status, raw, "", world.mono - began)
        kind = served  # a foreign program: "html" | "silent" | "garbled" | bytes
        if kind == "silent":
            world.sleep(timeout)
            return reply(error="timeout", seconds=timeout)
        if kind == "garbled":
            return reply(body=b"SSH-2.0", error="garbled", seconds=0.01)
        raw = kind if isinstance(kind, bytes) else b"<html>hello</html>"
        return reply(200, raw, "", 0.01)

    def no_network(self, *_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError(111, "Connection refused")

    def make_socket(self, *_: Any, **__: Any) -> Any:
        world: Any = self

        def connect_ex(address: Any) -> int:
            return 0 if world.machine.listener(address[1]) is not None else 111

        def refuse(*_a: Any) -> None:
            raise ConnectionRefusedError(111, "Connection refused")

        quiet = lambda *a, **k: None  # noqa: E731
        return types.SimpleNamespace(
            settimeout=quiet,
            connect_ex=connect_ex,
            connect=refuse,
            close=quiet,
            bind=quiet,
            sendall=refuse,
            sendto=refuse,
            setsockopt=quiet,
        )

    # -- subprocesses -------------------------------------------------------------------------------------------------
    def popen(self, argv: Sequence[str], **more: Any) -> Any:
        world: Any = self
        words = [str(a) for a in argv]
        world.effect("start " + os.path.basename(words[0]))
        if "-m" in words[:3] and "skill" in words[:4]:
            return world.children.popen(words[words.index("skill") + 1 :])
        if "gateway" in words[1:3]:
            if not os.path.exists(words[0]):
                raise FileNotFoundError(2, "No such file", words[0])
            world.asked_start(world.who())
            return Handle(
                world, world.direct.spawn(words, more.get("stdout"), more.get("env")).proc
            )
        raise FileNotFoundError(2, "No such file", words[0])

    def start_program(
        self, argv: Sequence[str], env: Any = None, cwd: Any = None, log: Any = None
    ) -> int:
        world: Any = self
        words = [str(a) for a in argv]
        world.effect("start " + os.path.basename(words[0]))
        if "keeper" in " ".join(words) and "run" in words:
            keeper = KeeperProcess(world, words[-1])
            world.keepers.append(keeper)
            return keeper.proc.pid
        if "-m" in words[:3] and "skill" in words[:4]:
            return int(world.children.popen(words[words.index("skill") + 1 :]).pid)
        raise FileNotFoundError(2, "No such file", words[0])

    def subprocess_run(self, argv: Sequence[str], **more: Any) -> Any:
        done = self.run_program(argv, float(more.get("timeout") or 30.0))
        if done.missing:
            raise FileNotFoundError(2, "No such file", str(argv[0]))
        return subprocess.CompletedProcess(argv, done.code, done.out.encode(), done.err.encode())

    def doctor_fix(self) -> Any:
        """`openclaw doctor --fix`: takes an unknown key away; leaves a file that does not parse alone."""
        world: Any = self
        try:
            data = json.loads(world.config_bytes())
        except ValueError:
            return 1, "", "config is not valid JSON"
        if "bogusKey" in data:
            data.pop("bogusKey")
            data["wizard"] = {"lastRunAt": world.iso(), "lastRunCommand": "doctor"}
            world.openclaw_writes(json.dumps(data, indent=2).encode())
        return 0, "ok", ""


class Handle:
    """A Popen of a simulated process."""

    def __init__(self, world: Any, proc: Any) -> None:
        self.world, self.proc, self.pid = world, proc, proc.pid
        self.stdin = self.stdout = self.stderr = None

    @property
    def returncode(self) -> Optional[int]:
        return None if self.proc.alive else self.proc.code

    def poll(self) -> Optional[int]:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.proc.alive:
            self.world.kill_call(self.pid, int(number))

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self.send_signal(9)

    def wait(self, timeout: Optional[float] = None) -> Optional[int]:
        until = self.world.mono + (timeout if timeout is not None else 3600.0)
        while self.proc.alive:
            if self.world.mono >= until:
                raise subprocess.TimeoutExpired("program", timeout or 0.0)
            self.world.sleep(0.2)
        return self.returncode

    def communicate(self, _input: Any = None, timeout: Optional[float] = None) -> Any:
        self.wait(timeout)
        return b"", b""


def gateway_of(world: Any) -> Optional[Gateway]:
    return find(world)


def environment(world: Any) -> Dict[str, str]:
    return dict(world.env)
