"""Keeps the watchdog's memory on disk: one small JSON file, written whole, read back after a kill -9."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Mapping, Optional, Tuple

from .errors import SettingsError
from .files import private_dir, read_json, set_aside, write_json
from .openclaw.home import Home
from .policy import Incident, WatchState


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _build(kind: Any, raw: Mapping[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    return kind(**{key: _tuples(value) for key, value in raw.items() if key in known})


def load(home: Home) -> Tuple[WatchState, Optional[str]]:
    """The state last saved, or a new one; and the new name of a damaged file that was set aside."""
    path = home.doctor_dir / "watch.json"
    try:
        raw = read_json(path, {}) or {}
        incident = raw.pop("incident", None)
        return _build(WatchState, {**raw, "incident": _build(Incident, incident) if incident else None}), None
    except (SettingsError, TypeError, AttributeError, ValueError):
        return WatchState(), set_aside(path) or str(path)


def save(home: Home, state: WatchState) -> None:
    """Write the state. Raises OSError (a full disk): the caller goes on with what it has in memory."""
    private_dir(home.doctor_dir)
    write_json(home.doctor_dir / "watch.json", asdict(state))
