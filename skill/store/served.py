"""With which configs a gateway came up, and how its own doctor's edits were judged.

<doctor dir>/served.json: {"up": [hash of openclaw.json, newest last], "tried": {hash: epoch
seconds}, "ours": meaning of a config that level 3 made, or ""}.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any, Dict, List, Mapping

from ..errors import SettingsError
from ..files import private_dir, read_json, write_json
from ..openclaw.config import meant
from ..openclaw.home import Home

KEEP = 20


def came_up(home: Home, raw: bytes) -> None:
    """Remember that a process which was started with this config said that it is ready."""
    value, mark = _load(home), _hash(raw)
    up = [one for one in value["up"] if one != mark] + [mark]
    if value["up"][-1:] != [mark]:
        _save(home, {**value, "up": up[-KEEP:]})


def with_config(home: Home, raw: bytes) -> bool:
    """Return whether a gateway ever came up with exactly this config."""
    return _hash(raw) in _load(home)["up"]


def put_back_once(home: Home, raw: bytes, now: float) -> bool:
    """True the first time that this edit is to be tried once more; then never again."""
    value, mark = _load(home), _hash(raw)
    if mark in value["tried"]:
        return False
    kept = sorted(value["tried"].items(), key=lambda row: row[1])[-KEEP:]
    _save(home, {**value, "tried": {**dict(kept), mark: now}})
    return True


def made(home: Home, data: Any) -> None:
    """Remember that level 3 made this config and that it lacks what its owner had written: no good
    copy before a person has seen it.
    """
    _save(home, {**_load(home), "ours": _meaning(data)})


def made_by_us(home: Home, data: Any) -> bool:
    ours = _load(home)["ours"]
    return bool(ours) and ours == _meaning(data)


def accept(home: Home) -> None:
    """A person says that the present config is right."""
    value = _load(home)
    if value["ours"] or value["tried"]:
        _save(home, {**value, "ours": "", "tried": {}})


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _meaning(data: Any) -> str:
    return _hash(json.dumps(meant(data), sort_keys=True, default=str).encode("utf-8"))


def _load(home: Home) -> Dict[str, Any]:
    try:
        value = read_json(home.doctor_dir / "served.json", {})
    except SettingsError:
        value = {}
    value = value if isinstance(value, Mapping) else {}
    up, tried = value.get("up"), value.get("tried")
    marks: List[str] = [str(one) for one in up] if isinstance(up, list) else []
    times = tried.items() if isinstance(tried, Mapping) else ()
    return {
        "up": marks[-KEEP:],
        "tried": {str(k): float(v) for k, v in times if isinstance(v, (int, float))},
        "ours": str(value.get("ours") or ""),
    }


def _save(home: Home, value: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a note: without it an edit is judged with less patience
        private_dir(home.doctor_dir)
        write_json(home.doctor_dir / "served.json", dict(value))
