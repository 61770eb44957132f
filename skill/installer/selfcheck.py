"""Proof by running: an environment that cannot do its work is never switched to, and never
stays.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..host import Completed, Host
from .manifest import Places

DRILL = (
    "drill",
    "--only",
    "killed",
)  # the practice gateway is killed with -9 and must answer again


class Proof(NamedTuple):
    """One command that was run, whether it did its work, and the line worth showing."""

    name: str
    ok: bool
    line: str
    seconds: float


def run(
    host: Host,
    places: Places,
    env: Path,
    arguments: Tuple[str, ...],
    timeout: float = 120.0,
    more: Optional[Mapping[str, str]] = None,
) -> Completed:
    """Run our command line out of `env`, isolated from PYTHONPATH and the working directory."""
    environment = {key: value for key, value in host.env.items() if not key.startswith("PYTHON")}
    environment.update(more or {})
    return host.run(
        (str(places.python(env)), "-I", "-m", "skill") + arguments, timeout=timeout, env=environment
    )


def before(host: Host, places: Places, env: Path, drill: bool = True) -> List[Proof]:
    """What must pass before anything of the user's is changed. Runs in a state directory of its
    own, touches no gateway.
    """
    practice = tempfile.mkdtemp(prefix="iflow-doctor-check-")
    try:
        own = {
            "OPENCLAW_STATE_DIR": practice,
            "OPENCLAW_CONFIG_PATH": str(Path(practice) / "openclaw.json"),
            "OPENCLAW_PROFILE": "",
        }
        proofs = [_proof("cases", run(host, places, env, ("list-cases", "--json"), more=own), (0,))]
        if drill and proofs[-1].ok:
            proofs.append(_proof("drill", run(host, places, env, DRILL, 300.0, own), (0,)))
        return proofs
    finally:
        shutil.rmtree(practice, ignore_errors=True)


def after(host: Host, places: Places, env: Path) -> List[Proof]:
    """What must run on the real home. A gateway that is down is news (1 or 2), not a failed
    installation.
    """
    commands = (
        ("status", ("status", "--json")),
        ("watch", ("watch", "--test", "--json")),
        ("notify", ("notify", "list", "--json")),
    )
    return [
        _proof(name, run(host, places, env, arguments), (0, 1, 2)) for name, arguments in commands
    ]


def _proof(name: str, done: Completed, ok_codes: Tuple[int, ...]) -> Proof:
    crashed = any(
        word in done.err + done.out
        for word in ("Traceback (most recent call last)", "internal error", "内部错误")
    )
    ok = done.code in ok_codes and not crashed
    lines = (done.out if ok else done.err or done.out).strip().splitlines()
    return Proof(
        name,
        ok,
        "" if ok else (lines[-1][:300] if lines else "no answer ({})".format(done.code)),
        done.seconds,
    )


def channels(host: Host, places: Places, env: Path) -> List[Dict[str, Any]]:
    """The ways to a person that are configured, as `notify list --json` found them; [] when none or
    unknown.
    """
    try:
        found = json.loads(run(host, places, env, ("notify", "list", "--json")).out or "[]")
    except ValueError:
        return []
    if isinstance(found, dict):
        found = next((value for value in found.values() if isinstance(value, list)), [])
    return [entry for entry in found if isinstance(entry, dict)]
