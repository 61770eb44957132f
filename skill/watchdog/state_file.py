"""Keeps the watchdog's memory on disk: one small JSON file, written whole, read back after a kill
-9.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Mapping, Optional, Tuple

from ..errors import SettingsError
from ..files import private_dir, read_json, set_aside, write_json
from ..openclaw.home import Home
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
        return _build(
            WatchState, {**raw, "incident": _build(Incident, incident) if incident else None}
        ), None
    except (SettingsError, TypeError, AttributeError, ValueError):
        return WatchState(), set_aside(path) or str(path)


def peek(home: Home) -> Tuple[Optional[WatchState], str]:
    """As load(), for one who only looks: None where there is no file, and what is wrong with a
    damaged one, which stays where it is.
    """
    path = home.doctor_dir / "watch.json"
    try:
        raw = read_json(path)
        if raw is None:
            return None, ""
        incident = raw.pop("incident", None)
        return _build(
            WatchState, {**raw, "incident": _build(Incident, incident) if incident else None}
        ), ""
    except SettingsError as error:
        return None, error.message
    except (TypeError, AttributeError, ValueError) as error:
        return None, "{}: {}".format(path, error)


def pause(home: Home, now: float) -> Tuple[float, str]:
    """Epoch seconds at which a pause ends, 0.0 without one; and what is wrong with a damaged
    pause.json (then nothing is paused).
    """
    path = home.doctor_dir / "pause.json"
    try:
        until = float((read_json(path) or {}).get("until", 0))
    except SettingsError as error:
        return 0.0, error.message
    except (TypeError, AttributeError, ValueError):
        return 0.0, '{}: must be {{"until": epoch seconds}}'.format(path)
    return (until if until > now else 0.0), ""


def save(home: Home, state: WatchState) -> None:
    """Write the state. Raises OSError (a full disk): the caller goes on with what it has in
    memory.
    """
    private_dir(home.doctor_dir)
    write_json(home.doctor_dir / "watch.json", asdict(state))
