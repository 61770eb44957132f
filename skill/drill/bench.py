"""The isolated place of one fault: home, state directory, config, port, program; and the gateway
under our own keeper in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..errors import CannotTell, GatewayError, ToolError
from ..files import private_dir, write_atomic, write_json
from ..host import Host
from ..model import Text, Write
from ..openclaw import cli as openclaw_program
from ..openclaw import gateway
from ..openclaw.home import Home
from . import sandbox
from .faults import Fault, argv
from .practice import program as layout

BOOT_BUDGET_S = 300.0  # measured starts of the real gateway: 4 to 259 s
SCRIPT_TIMEOUT_S = 180.0
ROOT = str(Path(__file__).resolve().parent.parent.parent)


@dataclass
class Bench:
    """Made by lay_out(); everything in `root` and every process of `run_id` goes away with
    clear_up().
    """

    root: Path
    home: Home
    host: Host
    fault: Fault
    real: bool
    run_id: str
    package: Optional[Path] = None
    pids: List[int] = field(default_factory=list)

    @property
    def env(self) -> Mapping[str, str]:
        return self.host.env

    def platform(self) -> Any:
        from ..platforms.direct import Direct

        return Direct(self.host, self.home)

    def change_launch(self, changes: Mapping[str, Optional[str]]) -> None:
        """Give the keeper another environment for the gateway's next start, as a broken service
        file would.
        """
        wanted = {name: value for name, value in changes.items() if value is not None}
        steps, _ = self.platform().environment_override(
            wanted, [name for name, value in changes.items() if value is None]
        )
        for step in steps:
            if isinstance(step, Write):
                write_atomic(step.path, step.content, step.mode)

    # -- the gateway -------------------------------------------------------------------------------
    def gateway_pid(self) -> Optional[int]:
        """The process that holds this state directory's lock, alive or stopped; None when there is
        none.
        """
        holder = gateway.lock_holder(self.host, self.home)
        return holder.pid if holder else None

    def ready(self, timeout_s: float = 2.0) -> bool:
        """/readyz says so; of a version without it (up to 2026.3.6), that its own page is there."""
        reply = self.host.get(self.home.url("/readyz"), timeout_s)
        said = gateway.body_of(reply).get("ready")
        if isinstance(said, bool) or reply.error:
            return reply.status == 200 and said is True
        return bool(gateway.ask(self.host, self.home, timeout_s)["answer"] == "live")

    def start(self) -> float:
        """Start the gateway by the direct keeper; return the seconds until /readyz was 200. Raise
        GatewayError when it was not.
        """
        began = time.monotonic()
        self.platform().start()
        while time.monotonic() - began < BOOT_BUDGET_S:
            if (
                self.ready() and self.gateway_pid()
            ):  # ours: another one on this port holds another state directory's lock
                return time.monotonic() - began
            time.sleep(0.1)
        raise GatewayError(
            Text.of(
                "the gateway of the drill was not ready within {:.0f} s",
                "演练用的网关在 {:.0f} 秒内没有就绪",
                BOOT_BUDGET_S,
            ),
            Text.of("see {}", "见 {}", self.root),
        )

    def pace(self, hurry: bool) -> None:
        """Write our settings. hurry: look every second, so that the good copy is soon there; the
        fault itself meets the defaults.
        """
        values = _settings(self.fault)
        if hurry:
            values["check_interval"] = 1
        write_json(self.home.doctor_dir / "config.json", values)

    # -- the fault's scripts -----------------------------------------------------------------------
    def script_env(self, extra: Mapping[str, str]) -> Dict[str, str]:
        env = {
            **self.env,
            "GATEWAY_PORT": str(self.home.port),
            "DRILL_DIR": str(self.root),
            "DRILL_BIN": str(self.root / "bin"),
            **extra,
        }
        env["FAULT_DIR"] = str(self.fault.folder)
        # scripts work in the drill's folder and may ask our own commands
        env["PYTHONPATH"] = os.pathsep.join(p for p in (ROOT, env.get("PYTHONPATH", "")) if p)
        if self.package:
            env["OPENCLAW_PACKAGE"] = str(self.package)
        pid = self.gateway_pid()
        if pid and "GATEWAY_PID" not in env:
            env["GATEWAY_PID"] = str(pid)
        return env

    def script(self, name: str, **extra: str) -> Tuple[Optional[int], str]:
        """Run the fault's `setup`, `inject`, `oracle` or `teardown`; return (exit code, tail of its
        output); (0, "") for none.
        """
        import subprocess

        found = self.fault.script(name)
        if found is None:
            return 0, ""
        log = self.root / (name + ".out")
        # output goes to a file: what a script leaves running in the background must not keep us
        # waiting on a pipe
        with open(log, "ab") as out:
            try:
                process = subprocess.Popen(
                    argv(found.resolve()),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=self.script_env(extra),
                    cwd=str(self.root),
                    start_new_session=os.name != "nt",
                )
            except OSError as error:
                return None, str(error)
            try:
                code: Optional[int] = process.wait(SCRIPT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
        return code, log.read_bytes()[-2000:].decode("utf-8", "replace")

    # -- the end -----------------------------------------------------------------------------------
    def clear_up(self, keep: bool) -> int:
        """End every process of this fault, then remove its files; return how many processes are
        left (0, or something is wrong).
        """
        with contextlib.suppress(Exception):
            self.platform().stop()
        pid = self.gateway_pid()
        left = sandbox.end_all(self.run_id, (pid,) if pid else ())
        with contextlib.suppress(OSError):
            self.script("teardown")
        if not keep:
            for _ in range(5):
                shutil.rmtree(self.root, ignore_errors=True)
                if not self.root.exists():
                    break
                time.sleep(0.2)
        return left


def config_of(port: int, token: str) -> Dict[str, Any]:
    return {
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "port": port,
            "auth": {"mode": "token", "token": token},
        }
    }


def lay_out(fault: Fault, real: bool, outer: Host, base: Optional[Path] = None) -> Bench:
    """Make the place. Raise CannotTell when `openclaw` is wanted and not installed."""
    root = Path(tempfile.mkdtemp(prefix="iflow-drill-", dir=str(base) if base else None)).resolve()
    os.chmod(root, 0o700)
    run_id = sandbox.new_mark()
    home_dir = private_dir(root / "home")
    state_dir = private_dir(home_dir / ".openclaw")
    port = sandbox.free_port(outer.env)
    package: Optional[Path] = None
    folders = [str(private_dir(root / "bin"))]
    if real:
        program = openclaw_program.find(outer)
        if not program:
            shutil.rmtree(root, ignore_errors=True)
            raise CannotTell(
                Text("openclaw was not found in PATH", "PATH 中没有 openclaw"),
                Text(
                    "install it (npm install -g openclaw), or run the drill without --real",
                    "请安装（npm install -g openclaw），或不带 --real 演练",
                ),
            )
        if fault.copy_install:
            package = sandbox.copy_install(Path(program[-1]), root / "prefix")
            folders.append(str(root / "prefix" / "bin"))
            folders.append(str(Path(program[0]).parent))
    else:
        folders.append(str(layout.install(root / "prefix")))
        package = root / "prefix" / "lib" / "node_modules" / "openclaw"
    path = os.pathsep.join(folders + [outer.env.get("PATH", os.defpath)])
    env = sandbox.environment(outer.env, home_dir, state_dir, port, run_id, path)
    if not real:
        env[layout.PYTHON_NAME] = sys.executable
    home = Home(state_dir, state_dir / "openclaw.json", "", port)
    (state_dir / "openclaw.json").write_text(
        json.dumps(config_of(port, secrets.token_hex(16)), indent=2) + "\n", "utf-8"
    )
    os.chmod(state_dir / "openclaw.json", 0o600)
    private_dir(home.doctor_dir)
    bench = Bench(root, home, replace(outer, env=env), fault, real, run_id, package)
    bench.pace(hurry=True)
    return bench


def _settings(fault: Fault) -> Dict[str, Any]:
    """Our settings in the drill: what it forbids, and what the fault asks for. Raise ToolError when
    that is not valid.
    """
    from .. import settings as settings_module

    values: Dict[str, Any] = {key: dict(item) for key, item in sandbox.QUIET_SETTINGS.items()}
    for dotted, value in fault.settings.items():
        target = values
        *parents, last = dotted.split(".")
        for part in parents:
            target = target.setdefault(part, {})
        target[last] = value
    issues = settings_module.issues_of(values)
    if issues:
        raise ToolError(
            ["drill"],
            None,
            "settings of {}: {}".format(fault.id, "; ".join(issue.en for issue in issues)),
        )
    return values
