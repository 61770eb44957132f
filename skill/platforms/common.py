"""What the service managers share: names, the watchdog's command line and environment, filling in
templates.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Tuple

from .. import files as shipped
from ..errors import ServiceError
from ..files import private_dir, write_atomic
from ..host import Host
from ..model import Text
from ..openclaw import cli as openclaw_program
from ..openclaw.home import Home, selectors
from .base import ServicePlan, canonical

# What a gateway or a watchdog needs of the environment it was installed from. Nothing secret: a
# unit file is not a vault.
_PASSED = (
    "HOME",
    "USERPROFILE",
    "PATH",
    "LANG",
    "LC_ALL",
    "OPENCLAW_HOME",
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_CONFIG_PATH",
    "OPENCLAW_PROFILE",
    "OPENCLAW_GATEWAY_PORT",
    "OPENCLAW_NIX_MODE",
    "OPENCLAW_CONFIG_READONLY",
)


def suffix(host: Host, home: Home, joint: str = "-") -> str:
    """What a service's name gets so that two gateways of one account never share one: the profile,
    or a mark of the directory.
    """
    if canonical(host, home):
        return joint + home.profile if home.profile else ""
    mark = hashlib.sha256(
        os.path.realpath(str(home.state_dir)).encode("utf-8", "surrogateescape")
    ).hexdigest()[:8]
    return joint + (home.profile + "-" if home.profile else "") + mark


def package_root() -> str:
    """The folder in which our package lies."""
    return str(Path(__file__).resolve().parent.parent.parent)


def installed() -> bool:
    """Whether this Python finds our package by itself, in isolated mode as well."""
    parts = Path(package_root()).parts
    return "site-packages" in parts or "dist-packages" in parts


def watchdog_command() -> List[str]:
    """This very Python, so that the virtual environment is the right one."""
    return [sys.executable, *(["-I"] if installed() else []), "-m", "skill", "watch"]


def watchdog_environment(host: Host) -> Dict[str, str]:
    """The environment the watchdog's service gets. PYTHONPATH only when the package is not
    installed but run from a checkout.
    """
    env = {name: host.env[name] for name in _PASSED if host.env.get(name)}
    if not installed():
        env["PYTHONPATH"] = package_root()
    return env


def gateway_environment(host: Host, home: Home) -> Dict[str, str]:
    passed = {name: host.env[name] for name in _PASSED if host.env.get(name)}
    return {**passed, **selectors(host, home)}


def gateway_command(host: Host) -> List[str]:
    """`openclaw gateway run` of the program that is installed. Raise ServiceError when there is
    none.
    """

    found = openclaw_program.find(host)
    if not found:
        raise ServiceError(
            Text("the openclaw program was not found", "找不到 openclaw 程序"),
            Text("put it into PATH and try again", "请把它加入 PATH 后重试"),
        )
    return [*found, "gateway", "run"]


def render(folder: str, name: str, values: Mapping[str, str]) -> str:
    """Given a file of templates/, return it with every @NAME@ filled in; a line of its own that
    becomes empty goes.
    """
    place = shipped.shipped_path("templates", folder, name)
    try:
        text = place.read_text("utf-8")
    except OSError as error:
        raise ServiceError(
            Text.of(
                "the template {} cannot be read: {}", "模板 {} 无法读取：{}", place, error.strerror
            ),
            Text("install openclaw-iflow-doctor again", "请重新安装 openclaw-iflow-doctor"),
        ) from error
    lines = []
    for line in text.splitlines():
        filled = re.sub(r"@([A-Z_]+)@", lambda m: values[m.group(1)], line)
        if filled.strip() or not re.fullmatch(r"\s*@[A-Z_]+@\s*", line):
            lines.append(filled)
    return "\n".join(lines) + "\n"


def write_files(files: Tuple[Tuple[str, bytes], ...], mode: int = 0o600) -> None:
    """Write every file whose content differs. Raise ServiceError naming the one that could not be
    written.
    """
    for path, content in files:
        target = Path(path)
        try:
            if os.path.isfile(target) and target.read_bytes() == content:
                continue
            private_dir(target.parent)
            write_atomic(target, content, mode)
        except OSError as error:
            raise ServiceError(
                Text.of(
                    "{} cannot be written: {}", "{} 无法写入：{}", path, error.strerror or error
                ),
                Text("check the rights of that directory", "请检查该目录的权限"),
            ) from error


def keep_copy(source: Path, copy: Path, worth: Callable[[], bool] = lambda: True) -> bool:
    """Keep what `source` holds now as `copy`. False where it is kept already, cannot be read, or is
    not worth it (asked only when it differs). Raise ServiceError as write_files.
    """
    try:
        content = source.read_bytes()
        if os.path.isfile(copy) and copy.read_bytes() == content:
            return False
    except OSError:
        return False
    if not worth():
        return False
    write_files(((str(copy), content),))
    return True


def run_plan(host: Host, plan: ServicePlan, env: Mapping[str, str], timeout: float = 60.0) -> None:
    """Write the files, run the programs in order. Raise ServiceError at the first that fails."""
    write_files(plan.files)
    for argv in plan.commands:
        done = host.run(list(argv), timeout=timeout, env=dict(env))
        if not done.ok:
            raise ServiceError(
                Text.of(
                    "{} failed: {}",
                    "{} 失败：{}",
                    " ".join(argv),
                    (done.err or done.out).strip()[-300:] or done.code,
                )
            )
