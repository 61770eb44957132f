"""An agent's plist: which command and environment it starts, and the same with other values. Reads
and plans; launchd.py acts.
"""

from __future__ import annotations

import os
import plistlib
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..errors import ServiceError
from ..model import Text, Write


def read(paths: Iterable[Path]) -> Dict[str, Any]:
    """The first of these plists that can be read; {} when none can."""
    for path in paths:
        try:
            value = plistlib.loads(path.read_bytes())
        except Exception:
            continue
        if isinstance(value, dict):
            return value
    return {}


def command(value: Mapping[str, Any]) -> Tuple[List[str], Optional[Path]]:
    """(argv, env file): OpenClaw wraps the command into `[/bin/sh] <wrapper> <env file> node
    ...`.
    """
    argv = [str(word) for word in value.get("ProgramArguments") or ()]
    rest = argv[1:] if argv[:1] == ["/bin/sh"] else argv
    if len(rest) > 2 and rest[0].endswith("-env-wrapper.sh"):
        return rest[2:], Path(rest[1])
    return argv, None


def environment(value: Mapping[str, Any]) -> Dict[str, str]:
    values = {str(k): str(v) for k, v in (value.get("EnvironmentVariables") or {}).items()}
    env_file = command(value)[1]
    if env_file is not None:
        from ..openclaw.config import read_env_file

        values.update(read_env_file(env_file))
    return values


def changed(
    path: Path, value: Dict[str, Any], set: Mapping[str, str], unset: Sequence[str]
) -> List[Write]:
    """The writes that put these values into the plist at `path` (and into OpenClaw's env file).
    Raises ServiceError for an empty one.
    """
    if not value:
        raise ServiceError(
            Text.of("{} cannot be read", "{} 无法读取", path), "openclaw gateway install --force"
        )
    argv, env_file = command(value)
    changes = dict(set)
    if "LimitNOFILE" in changes:
        value.setdefault("SoftResourceLimits", {})["NumberOfFiles"] = int(
            changes.pop("LimitNOFILE")
        )
    for name in [name for name in changes if name.startswith("ExecStart[") and argv]:
        whole = list(value["ProgramArguments"])
        whole[len(whole) - len(argv) + int(name[len("ExecStart[") : -1])] = changes.pop(name)
        value["ProgramArguments"] = whole
    variables = {
        k: v for k, v in (value.get("EnvironmentVariables") or {}).items() if k not in unset
    }
    value["EnvironmentVariables"] = {**variables, **changes}
    writes = [Write(str(path), plistlib.dumps(value, sort_keys=False))]
    if env_file is not None and os.path.isfile(env_file):
        names = {*changes, *unset}
        kept = [
            line
            for line in env_file.read_text("utf-8").splitlines()
            if not re.match(r"export\s+({})=".format("|".join(map(re.escape, names))), line)
        ]
        kept += ["export {}='{}'".format(k, v.replace("'", "'\\''")) for k, v in changes.items()]
        writes.append(Write(str(env_file), ("\n".join(kept) + "\n").encode("utf-8")))
    return writes
