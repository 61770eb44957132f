"""records.json: what happened, what was done, how it was verified. Bounded, atomic; a damaged file
is set aside and named.
"""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ..errors import AlreadyRunning, SettingsError
from ..files import private_dir, read_json, set_aside, write_json
from ..locks import owned_lock
from ..model import Healed, Text
from ..openclaw.home import Home
from ..redact import sentences

KEEP = (
    500  # incidents; older ones go to records.1.json, which is overwritten when it is full itself
)
DEMOTE_TRIES = 3
DEMOTE_BELOW = 0.34
PROVEN = 3  # verified heals before a proposed case may act
Z = 1.96  # 95 % interval


class Store:
    """One gateway's memory. Every method rereads the file: watchdog, doctor and command line are
    different processes.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.path = home.doctor_dir / "records.json"
        self.older = home.doctor_dir / "records.1.json"
        self.set_aside = ""  # where a damaged file went, for the person who asks

    def all(self) -> List[Dict[str, Any]]:
        """Every record, oldest first; [] after a damaged file was set aside."""
        try:
            value = read_json(self.path, {})
            records = value.get("records", []) if isinstance(value, dict) else None
            if not isinstance(records, list):
                raise SettingsError(
                    str(self.path), [Text("has no list of records", "没有记录列表")]
                )
        except SettingsError:
            self.set_aside = set_aside(self.path) or str(self.path)
            return []
        return [item for item in records if isinstance(item, dict) and item.get("id")]

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, or replace the one with the same id. Raises OSError."""
        private_dir(self.path.parent)
        with _patient_lock(self.path.with_name("records.lock")):
            records = [item for item in self.all() if item.get("id") != record.get("id")]
            records.append(sentences(record))
            if len(records) > KEEP:
                old = records[:-KEEP]
                records = records[-KEEP:]
                self._archive(old)
            write_json(self.path, {"version": 1, "records": records})

    def close_incident(
        self,
        incident: str,
        healed: Healed,
        opened: float,
        closed: float,
        state: str = "",
        restarts: int = 0,
        detected: Optional[float] = None,
        learn: Optional[Callable[[Home, Dict[str, Any]], object]] = None,
    ) -> None:
        """The watchdog saw the gateway ready again: complete what level 3 wrote, or record a heal
        of level 1 or 2. detected: s from the last good look to the incident. Raises OSError.
        """
        known = next((item for item in self.all() if item.get("id") == incident), {})
        record = {
            "id": incident,
            "opened": opened,
            "first_failed_probe": opened,
            "closed": closed,
            "healed_s": round(closed - opened, 1),
            "state": state,
            "restarts": restarts,
            "detected_s": detected,
            "by": healed.how,
            "level": healed.level,
            "verified": True,
            "outcome": "healed",
        }
        if known.get("outcome") == "escalate":
            after = {"level": healed.level, "how": healed.how}
            record.update(level=4, by="person", after=after)
        whole = {**known, **record}
        if known.get("outcome") == "escalate" and learn:
            with contextlib.suppress(Exception):  # what proposes a case must not break the record
                learn(self.home, whole)
        self.add(whole)

    def _archive(self, old: List[Dict[str, Any]]) -> None:
        try:
            kept = (read_json(self.older, {}) or {}).get("records", [])
        except (SettingsError, AttributeError):
            kept = []
        write_json(self.older, {"version": 1, "records": (list(kept) + old)[-KEEP:]})

    def tries(self, case_id: str) -> Tuple[int, int]:
        """(verified heals, attempts) of a case. Only acts count: a record where the case was merely
        shown does not.
        """
        good = tried = 0
        for record in self.all():
            for action in record.get("actions", []):
                if (
                    isinstance(action, dict)
                    and action.get("case") == case_id
                    and action.get("outcome") in ("healed", "failed")
                ):
                    tried += 1
                    good += action.get("outcome") == "healed"
        return good, tried

    def success_rate(self, case_id: str) -> Optional[float]:
        """Lower bound of the 95 % Wilson interval: 1 of 1 is 0.21, 10 of 10 is 0.72. None when it
        was never tried.
        """
        good, tried = self.tries(case_id)
        return wilson(good, tried) if tried else None

    def demoted(self, case_id: str) -> bool:
        """A case that keeps failing no longer acts unattended: tried at least three times, fewer
        than a third verified.
        """
        good, tried = self.tries(case_id)
        return tried >= DEMOTE_TRIES and good / tried < DEMOTE_BELOW

    def proven(self, case_id: str) -> bool:
        """A proposed case may act once it healed several times and never failed as often as it
        healed.
        """
        good, tried = self.tries(case_id)
        return good >= PROVEN and good > tried - good

    def stats(self) -> Dict[str, Any]:
        """Incidents, by outcome, by level, time to recover p50/p95 in seconds, by case, by week, AI
        calls and cost.
        """
        records = self.all()
        times = sorted(
            float(r["healed_s"])
            for r in records
            if r.get("verified") and isinstance(r.get("healed_s"), (int, float))
        )
        by_case: Dict[str, Dict[str, Any]] = {}
        for record in records:
            case = record.get("case")
            if case:
                row = by_case.setdefault(str(case), {"incidents": 0, "healed": 0})
                row["incidents"] += 1
                row["healed"] += bool(record.get("verified"))
        for case, row in by_case.items():
            row["success_rate"] = self.success_rate(case)
            row["demoted"] = self.demoted(case)
        return {
            "incidents": len(records),
            "healed": sum(bool(r.get("verified")) for r in records),
            "by_outcome": _count(records, "outcome"),
            "by_level": _count([r for r in records if r.get("verified")], "level"),
            "by_case": by_case,
            "by_week": _weeks(records),
            "time_to_recover_s": {
                "p50": percentile(times, 0.5),
                "p95": percentile(times, 0.95),
                "n": len(times),
            },
            "ai": {
                "calls": sum(int(r.get("ai_calls") or 0) for r in records),
                "unknown": sum(int(r.get("ai_unknown") or 0) for r in records),
                "cost_usd": round(sum(float(r.get("cost_usd") or 0) for r in records), 4),
            },
            "set_aside": self.set_aside,
        }


@contextlib.contextmanager
def _patient_lock(path: Path) -> Iterator[None]:
    """owned_lock, waited for up to 5 s: a writer needs milliseconds."""
    for attempt in range(100):
        try:
            with owned_lock(path, "the record store"):
                yield
                return
        except AlreadyRunning:
            if attempt == 99:
                raise
            time.sleep(0.05)


def wilson(good: int, tried: int) -> float:
    if tried <= 0:
        return 0.0
    share = good / tried
    middle = share + Z * Z / (2 * tried)
    width = Z * math.sqrt(share * (1 - share) / tried + Z * Z / (4 * tried * tried))
    return round(max(0.0, (middle - width) / (1 + Z * Z / tried)), 4)


def percentile(ordered: List[float], share: float) -> Optional[float]:
    """Nearest rank; None without values."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _count(records: List[Dict[str, Any]], key: str) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for record in records:
        name = str(record.get(key) if record.get(key) is not None else "?")
        counts[name] = counts.get(name, 0) + 1
    return counts


def _weeks(records: List[Dict[str, Any]]) -> Dict[str, Dict[str, int]]:
    from datetime import datetime, timezone

    weeks: Dict[str, Dict[str, int]] = {}
    for record in records:
        try:
            year, week, _day = datetime.fromtimestamp(
                float(record["opened"]), timezone.utc
            ).isocalendar()
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            continue
        row = weeks.setdefault("{}-W{:02d}".format(year, week), {"incidents": 0, "healed": 0})
        row["incidents"] += 1
        row["healed"] += bool(record.get("verified"))
    return dict(sorted(weeks.items()))
