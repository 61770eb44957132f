"""What was already tried in one incident: <doctor dir>/incidents/<id>.json. Survives kill -9, so
that nothing fails twice.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from ..errors import SettingsError
from ..files import memory, memory_dir, private_dir, read_json, write_json
from ..openclaw.home import Home
from ..redact import sentences
from . import watch_state

INTERRUPTED = 2  # a repair that was interrupted this often is not begun again


class Incident:
    """One incident's memory. Every change is on disk before the act that it is about."""

    def __init__(self, home: Home, name: str) -> None:
        self.id = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:80] or "incident"
        self.home, self.folder = home, home.doctor_dir / "incidents"
        self.path = self.folder / (self.id + ".json")
        try:
            value = read_json(self.path, {})
        except SettingsError:
            value = {}
        self.value: Dict[str, Any] = value if isinstance(value, dict) else {}
        self.value.setdefault("id", self.id)
        self.value.setdefault("tried", {})

    def opened(self, now: float) -> float:
        """When it began: as the watchdog knows, else the first time we saw it."""
        state, _damaged = watch_state.peek(self.home)
        known = state.incident if state and state.incident else None
        self.value.setdefault("opened", known.opened if known and known.id == self.id else now)
        return float(self.value["opened"])

    def may_try(self, key: str) -> bool:
        row = self.value["tried"].get(key)
        return not row or (row["outcome"] == "begun" and row["times"] < INTERRUPTED)

    def begin(self, key: str) -> None:
        row = self.value["tried"].get(key) or {"times": 0}
        self.value["tried"][key] = {"times": int(row["times"]) + 1, "outcome": "begun"}
        self._save()

    def end(self, key: str, outcome: str) -> None:
        self.value["tried"].setdefault(key, {"times": 1})["outcome"] = outcome
        self._save()

    def forget(self, key: str) -> None:
        """It was begun and let go before it could help or fail: it may be tried again."""
        self.value["tried"].pop(key, None)
        self._save()

    def ai(self) -> Dict[str, Any]:
        """What AIs were asked in this incident, over all of its visits: calls, usd, unknown (calls
        whose cost nobody says), tokens, open (the call at work now).
        """
        row = self.value.get("ai")
        row = row if isinstance(row, dict) else {}
        self.value["ai"] = {"calls": 0, "usd": 0.0, "unknown": 0, "tokens": 0, **row}
        return dict(self.value["ai"])

    def keep_ai(self, row: Mapping[str, Any]) -> None:
        self.value["ai"] = dict(row)
        self._save()

    def write_result(self, result: Mapping[str, Any]) -> Path:
        """Write what `treat` returned, where the watchdog looks for it: in memory where the disk
        refuses, since its disk may be what is wrong.
        """
        target, spare = result_files(self.home, self.id)
        try:
            private_dir(self.folder)
            write_json(target, sentences(result))
            return target
        except OSError:
            memory(self.home.state_dir)
            write_json(spare, sentences(result))
            return spare

    def _save(self) -> None:
        private_dir(self.folder)
        write_json(self.path, sentences(self.value))


def result_files(home: Home, incident: str) -> Tuple[Path, Path]:
    """Where a visit's result lies: on the disk, else in memory."""
    name = incident + ".treat.json"
    return home.doctor_dir / "incidents" / name, memory_dir(home.state_dir) / name


def key_of(repair: str, params: Mapping[str, Any]) -> str:
    return (
        "{} {}".format(repair, json.dumps(dict(params), sort_keys=True, ensure_ascii=False))
        if params
        else repair
    )
