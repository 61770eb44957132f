"""A fault is a directory: fault.json, an executable `inject`, optionally `setup` and `oracle`."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, List, Mapping, Optional, Tuple

from ..errors import SettingsError, UsageError
from ..files import read_json
from ..model import Text

BUILT_IN = Path(__file__).resolve().parent / "faults"
EXPECT = ("heal", "escalate", "nothing")
TARGETS = ("practice", "real")
DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Fault:
    """One way to break a gateway.

    timeout_s: how long to wait for heal or escalate; for "nothing" the length of the observation.
    settle_s: how long a healed gateway must stay ready before the heal counts; None: the drill's
    own.
    gateway_env: changes of the gateway's launch environment that the fault makes (None removes a
    name).
    copy_install: the fault breaks the installation, so it gets a private copy ($OPENCLAW_PACKAGE).
    needs: "root", or names of programs without which it cannot be run.
    settings: our own settings for this fault (dotted key: value).
    """

    folder: Path
    id: str
    title: Text
    family: str
    expect: str
    timeout_s: float = DEFAULT_TIMEOUT_S
    targets: Tuple[str, ...] = TARGETS
    settle_s: Optional[float] = None
    gateway_env: Mapping[str, Optional[str]] = field(default_factory=dict)
    copy_install: bool = False
    needs: Tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def script(self, name: str) -> Optional[Path]:
        """The path of `inject`, `setup` or `oracle`; None where the fault has none."""
        for candidate in (self.folder / name, self.folder / (name + ".py")):
            if candidate.is_file():
                return candidate
        return None


def read(folder: Path) -> Fault:
    """Given a fault's directory, return the fault. Raise SettingsError naming everything that is
    wrong with it.
    """
    path = folder / "fault.json"
    value = read_json(path, {})
    issues: List[str] = []
    if not isinstance(value, dict):
        raise SettingsError(str(path), [Text("is not an object", "不是对象")])
    name = str(value.get("id") or folder.name)
    expect = value.get("expect")
    if expect not in EXPECT:
        issues.append("expect = {!r}: must be one of {}".format(expect, ", ".join(EXPECT)))
    timeout = value.get("timeout_s", DEFAULT_TIMEOUT_S)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
        issues.append("timeout_s = {!r}: must be a number of seconds above 0".format(timeout))
    targets = value.get("targets", list(TARGETS))
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    if not set(targets) <= set(TARGETS):
        issues.append("targets = {!r}: must be practice, real or both".format(targets))
    title = value.get("title", name)
    text = (
        Text(str(title.get("en", name)), str(title.get("zh", title.get("en", name))))
        if isinstance(title, dict)
        else Text(str(title), str(title))
    )
    fault = Fault(
        folder,
        name,
        text,
        str(value.get("family", "")),
        str(expect),
        float(timeout) if not issues else 1.0,
        targets,
        value.get("settle_s"),
        value.get("gateway_env") or {},
        bool(value.get("copy_install")),
        tuple(value.get("needs") or ()),
        value.get("settings") or {},
    )
    inject = fault.script("inject")
    if inject is None:
        issues.append("there is no `inject` beside it")
    elif not argv(inject) and os.name != "nt":  # Windows has no sh: there missing() says so
        issues.append("{} is not executable".format(inject))
    if issues:
        raise SettingsError(str(path), issues)
    return fault


def find(folder: Path) -> List[Fault]:
    """Every fault below a directory, or the directory itself when it is one. Raise UsageError when
    there is none.
    """
    if not folder.is_dir():
        raise UsageError(Text.of("no such directory: {}", "没有这个目录：{}", folder))
    places = (
        [folder]
        if (folder / "fault.json").is_file()
        else sorted({path.parent for path in folder.rglob("fault.json")})
    )
    if not places:
        raise UsageError(
            Text.of("no fault.json in or below {}", "{} 及其下没有 fault.json", folder),
            Text(
                "a fault is a directory with fault.json and an executable inject",
                "一个故障是一个目录，内有 fault.json 和可执行的 inject",
            ),
        )
    return [read(place) for place in places]


def missing(fault: Fault) -> str:
    """What this machine lacks to run the fault; "" when nothing."""
    for need in fault.needs:
        if need == "root":
            if not hasattr(os, "geteuid") or os.geteuid() != 0:
                return "needs root"
        elif not shutil.which(need) and not os.path.exists(need):
            return "needs {}".format(need)
    scripts = [fault.script(name) for name in ("setup", "inject", "oracle")]
    return "" if all(argv(script) for script in scripts if script) else "needs a POSIX shell"


def argv(script: Path) -> List[str]:
    """How to run a script: a Python one by this very interpreter (it may ask our own commands), any
    other as it is, or by sh where a copy lost its x bit; [] when neither goes.
    """
    if script.suffix == ".py":
        return [sys.executable, str(script)]
    with open(script, "rb") as handle:
        first = handle.readline(80).strip()
    if first.startswith(b"#!") and b"python" in first:
        return [sys.executable, str(script)]
    if os.name != "nt" and os.access(script, os.X_OK):
        return [str(script)]
    shell = shutil.which("sh") if first.startswith(b"#!") and first.endswith(b"sh") else None
    return [shell, str(script)] if shell else []
