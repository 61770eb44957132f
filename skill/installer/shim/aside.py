"""Has the real openclaw learned `skills run`? Asked once per installed version, remembered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

from ...errors import SettingsError
from ...files import private_dir, read_json, write_json
from ...host import Host
from ...openclaw.home import state_dir_of
from . import place

PROBE_S = 15.0  # `openclaw skills --help` takes 1.5 s; a broken installation may hang


def _identity(program: Path) -> Dict[str, Any]:
    """What changes when openclaw is updated: the resolved program and its package.json."""
    whole = program.resolve()
    marks = [whole] + [folder / "package.json" for folder in list(whole.parents)[:2]]
    return {
        str(mark): [mark.stat().st_mtime_ns, mark.stat().st_size]
        for mark in marks
        if mark.is_file()
    }


def learned(host: Host, verb: str) -> bool:
    """True when the real openclaw itself offers `skills <verb>`. False where it cannot be asked.
    Never raises.
    """
    program = place.real(host)
    if program is None:
        return False
    kept = state_dir_of(host) / "iflow-doctor" / "shim.json"
    try:
        identity = _identity(program)
        known = read_json(kept, {}) or {}
        if known.get("identity") != identity:
            answer = host.run((str(program), "skills", "--help"), timeout=PROBE_S)
            verbs = re.findall(r"^\s{2}([a-z]+)\b", answer.out, re.M) if answer.ok else []
            known = {"identity": identity, "verbs": verbs}
            private_dir(kept.parent)
            write_json(kept, known)
        return verb in known.get("verbs", [])
    except (OSError, SettingsError, AttributeError):
        return False
