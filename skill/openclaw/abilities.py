"""What a version of OpenClaw can do, and which node it needs: data, measured on each version named
in TESTED. Whatever is not the same on all of them is asked here and not assumed.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Dict, Optional, Tuple

from ..host import Host
from ..model import Text
from . import cli as openclaw_program

if TYPE_CHECKING:
    from ..platforms.base import Platform

# The versions that the end-to-end matrix runs on, oldest first.
TESTED: Tuple[str, ...] = (
    "2026.2.9",
    "2026.3.13",
    "2026.4.15",
    "2026.5.28",
    "2026.6.11",
    "2026.7.1",
    "2026.8.2",
    "2026.9.1",
    "2026.9.6",
)

# ability -> (first version with it, first version without it again or "")
ABILITIES: Dict[str, Tuple[str, str]] = {
    # /healthz and /readyz as JSON; before it every path is the page, and a page from our own
    # listener counts as live
    "json-health": ("2026.3.7", ""),
    "startupz": ("2026.8.2", ""),
    # the lock lies in the state directory; before it in <tmp>/openclaw-<uid>
    "state-lock": ("2026.8.2", ""),
    "lock-port": ("2026.7.1", ""),
    # a supervisor may forbid restarts that spawn another process; before it OPENCLAW_NO_RESPAWN
    "supervisor-mode": ("2026.8", ""),
    # `gateway stop` leaves a record; before it a stop is an orderly end after SIGTERM
    "records-stops": ("2026.8", ""),
    "stop-force": ("2026.8.2", ""),
    # exit code 78: for a config without a mode, a broken one, an unknown key
    "exit-78-mode": ("2026.4.10", ""),
    "exit-78-broken": ("2026.5.28", ""),
    "exit-78-invalid": ("2026.7.1", ""),
    # `backup create --verify --no-include-workspace`, run on 2026.9.6 and in the manual since
    "backup-create": ("2026.3.13", ""),
    "config-validate": ("2026.3.2", ""),
    "config-schema": ("2026.3.28", ""),
    # the validator says only "gateway: Invalid input", without the key, in these
    "validator-without-key": ("2026.5.28", "2026.8.2"),
    # `doctor --fix` leaves a file alone that does not parse; elsewhere it replaces it by a stub
    "fix-spares-broken": ("2026.8.2", ""),
    "log-says-ready": ("2026.4.15", ""),
    "last-good-at-start": ("2026.5.28", "2026.9.6"),
    # `openclaw gateway run` is a launcher with the gateway as its child
    "launcher": ("2026.2.9", "2026.5.28"),
    # the process calls itself openclaw-gateway; in between just openclaw
    "title-short": ("2026.5.28", "2026.7.1"),
}


def can(version: str, ability: str) -> Optional[bool]:
    """Whether this version has an ability; None where the version is not known."""
    since, until = ABILITIES[ability]
    if not version:
        return None
    return not newer(since, version) and not (until and not newer(until, version))


def standing(version: str) -> str:
    """How well this version is known: "tested", "between" (older and newer ones are), "older",
    "newer", or "unknown".
    """
    if not _numbers(version)[0]:
        return "unknown"
    if version.partition("-")[0] in TESTED:
        return "tested"
    if newer(TESTED[0], version):
        return "older"
    return "newer" if newer(version, TESTED[-1]) else "between"


def about(version: str) -> Optional[Text]:
    """What a person should know of an OpenClaw that nobody tested this product on; None of one that
    was tested.
    """
    said = {
        "older": Text.of(
            "OpenClaw {} is older than any version this was tested on: watched by its process, its "
            "port and whatever it answers",
            "OpenClaw {} 比所有测试过的版本都旧：只按进程、端口和任何响应来守护",
            version,
        ),
        "newer": Text.of(
            "OpenClaw {} is newer than {}, the newest version this was tested on",
            "OpenClaw {} 比测试过的最新版本 {} 更新",
            version,
            TESTED[-1],
        ),
        "between": Text.of(
            "OpenClaw {} itself was not tested; {} and {} were",
            "OpenClaw {} 本身没有测试过；测试过 {} 和 {}",
            version,
            max((one for one in TESTED if newer(version, one)), key=_numbers, default=""),
            min((one for one in TESTED if newer(one, version)), key=_numbers, default=""),
        ),
        "unknown": Text(
            "The version of OpenClaw cannot be told: watched by its process, its port and whatever "
            "it answers",
            "无法得知 OpenClaw 的版本：只按进程、端口和任何响应来守护",
        ),
    }
    return said.get(standing(version))


# -- node ------------------------------------------------------------------------------------------
# package.json "engines" of 2026.9.6; used when the package itself does not say.
ENGINES = ">=24.16.0 <25 || >=26.1.0"


def node_of(host: Host, platform: Optional[Platform] = None) -> Optional[str]:
    """The node that the service uses: named by it; else the first in its PATH where a script asks
    `env`; else the one beside it.
    """
    program = openclaw_program.service_program(platform)
    if len(program) > 1:
        return program[0]
    found = openclaw_program.find(host, platform)
    if found:
        if _asks_env(found[0]):
            return shutil.which("node", path=_service_path(host, platform))
        beside = os.path.join(os.path.dirname(found[0]), "node")
        if os.access(beside, os.X_OK):
            return beside
    return host.which("node")


def _asks_env(program: str) -> bool:
    """A script whose first line is `#!/usr/bin/env node`: npm's own launchers are."""
    try:
        with open(os.path.realpath(program), "rb") as handle:
            first = handle.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"env" in first and b"node" in first


def _service_path(host: Host, platform: Optional[Platform]) -> Optional[str]:
    try:
        own = (platform.environment() if platform else {}).get("PATH")
    except Exception:  # the manager cannot tell: then ours is the best guess
        own = None
    return own or host.env.get("PATH")


def node_version(host: Host, node: str) -> str:
    """ "24.21.0"; "" when it cannot be run. 0.05 s."""
    env = {k: v for k, v in host.env.items() if k != "NODE_OPTIONS"}
    done = host.run([node, "--version"], timeout=4.0, env=env)
    found = re.match(r"v(\d+\.\d+\.\d+)", done.out.strip()) if done.ok else None
    return found.group(1) if found else ""


_NO_SQLITE = re.compile(
    r"Node v?(\d[\w.-]*): node:sqlite is unavailable(?:; use ([^\n]{1,60}?) or)?"
)


def without_sqlite(log: str) -> str:
    """The node version whose SQLite could not be loaded although it is new enough for what the same
    line asks for; "" where no line says so.
    """
    for found in _NO_SQLITE.finditer(log):
        asked = " || ".join(
            ">={} <{}".format(least.strip("+ "), int(least.split(".")[0]) + 1)
            for least in re.findall(r"\d+\.\d+\+?", found.group(2) or "")
        )
        if satisfies(found.group(1), asked or ENGINES):
            return found.group(1)
    return ""


def satisfies(found: str, wanted: str) -> bool:
    """Does a version satisfy an npm range of the form ">=A <B || >=C"? True when the range is of
    another form.
    """
    have = _numbers(found)
    for part in wanted.split("||"):
        terms = re.findall(r"(>=|<=|>|<|=)?\s*v?(\d+(?:\.\d+)*)", part)
        if not terms:
            return True
        if all(_holds(have, op or ">=", _numbers(number)) for op, number in terms):
            return True
    return False


def _holds(have: Tuple[int, ...], operator: str, want: Tuple[int, ...]) -> bool:
    return {
        ">=": have >= want,
        "<=": have <= want,
        ">": have > want,
        "<": have < want,
        "=": have == want,
    }[operator]


def _numbers(text: str) -> Tuple[int, ...]:
    parts = [int(n) for n in re.findall(r"\d+", text)[:3]]
    return tuple(parts + [0] * (3 - len(parts)))


def newer(one: str, other: str) -> bool:
    """Is calendar version `one` newer than `other`? Suffixes such as -beta.2 do not count."""
    return bool(one and other) and _numbers(one) > _numbers(other)
