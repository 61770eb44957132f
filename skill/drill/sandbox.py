"""The environment of a drill: nothing of the user's gateway, AI accounts or chat credentials comes
in, nothing goes out.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
from pathlib import Path
from typing import Any, Dict, Mapping

# every process of a drill carries this name, so that all of them can be ended
RUN_MARK = "IFLOW_DOCTOR_DRILL_RUN"
KEEP = (
    "PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL TMPDIR TMP TEMP PYTHONPATH PYTHONHOME "
    "VIRTUAL_ENV NODE_EXTRA_CA_CERTS SSL_CERT_FILE"
    " SSL_CERT_DIR SYSTEMROOT COMSPEC PATHEXT WINDIR NUMBER_OF_PROCESSORS LD_LIBRARY_PATH"
).split()
KEEP_PREFIXES = ("LC_", "IFLOW_DOCTOR_", "NPM_CONFIG_", "npm_config_")

# A drill tells nobody and asks no AI, whatever the settings beside the skill say.
QUIET_SETTINGS: Dict[str, Any] = {"ai": {"enabled": False}}


def environment(
    outer: Mapping[str, str], home: Path, state_dir: Path, port: int, run_id: str, path: str
) -> Dict[str, str]:
    """Given the caller's environment, return the drill's: an allow-list, so that no credential is
    inherited.
    """
    env = {
        name: value
        for name, value in outer.items()
        if name in KEEP or name.startswith(KEEP_PREFIXES)
    }
    env.update(
        HOME=str(home),
        USERPROFILE=str(home),
        OPENCLAW_STATE_DIR=str(state_dir),
        OPENCLAW_CONFIG_PATH=str(state_dir / "openclaw.json"),
        PATH=path,
        IFLOW_DOCTOR_DRILL="1",
    )
    env[RUN_MARK] = run_id
    return env


def free_port(outer: Mapping[str, str], low: int = 20000, high: int = 29000) -> int:
    """A loopback port that nobody listens on, below the range that systems hand out for outgoing
    connections.

    IFLOW_DOCTOR_DRILL_PORTS="21700-21799" narrows the choice.
    """
    wanted = outer.get("IFLOW_DOCTOR_DRILL_PORTS", "")
    if "-" in wanted:
        low, high = (int(part) for part in wanted.split("-", 1))
    for _ in range(200):
        port = random.randrange(low, high - 2)
        if all(
            _free(number) for number in (port, port + 1, port + 2)
        ):  # OpenClaw uses neighbours of its port
            return port
    raise OSError("no free port between {} and {}".format(low, high))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def copy_install(program: Path, prefix: Path) -> Path:
    """Given the real `openclaw` program, copy its package below `prefix`; return the package. Its
    dependencies are linked, not copied.
    """
    package = program.resolve().parent
    while not (package / "package.json").is_file() and package != package.parent:
        package = package.parent
    modules = prefix / "lib" / "node_modules"
    modules.mkdir(parents=True)
    shutil.copytree(package, modules / "openclaw", symlinks=True)
    if package.parent.name == "node_modules":
        for sibling in package.parent.iterdir():
            if sibling.name not in ("openclaw", ".bin", ".package-lock.json"):
                os.symlink(sibling, modules / sibling.name)
    (prefix / "bin").mkdir()
    os.symlink(
        modules / "openclaw" / program.resolve().relative_to(package), prefix / "bin" / "openclaw"
    )
    return modules / "openclaw"
