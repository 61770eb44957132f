"""Everything that a view shows, read once from what the watchdog and the doctor keep on disk.

No program is started and the gateway is not asked: it works while the gateway is down, in a few
milliseconds, also while a repair runs.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar, cast

from ..context import Context
from ..errors import SettingsError
from ..files import json_bounded, read_json, tail_bytes
from ..model import State
from ..notify import incidents as open_alerts
from ..notify import outbox
from ..openclaw import config as openclaw_config
from ..openclaw import database
from ..openclaw.home import Home
from ..store import good_copies, samples, watch_state
from ..store.records import Store
from ..watchdog import forecast

SERVED_LATE = 1800.0  # s after which the last look at whether anybody is served says nothing
TICK_LATE = 120.0  # s after which nobody seems to watch
MOST_MINUTES = 1500  # of a forecast: a day and a little
Value = TypeVar("Value")


@dataclass(frozen=True)
class Facts:
    """One gateway, now and before. Times are epoch seconds; what is not known is None or empty."""

    now: float
    home: Home
    watched_at: float = 0.0  # the last row that the watchdog wrote
    state: Optional[State] = None
    since: float = 0.0
    row: Optional[samples.Row] = None
    rows: Tuple[samples.Row, ...] = ()
    days: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    incident: Optional[watch_state.Incident] = None
    restarts: Tuple[float, ...] = ()
    crashes: Tuple[float, ...] = ()
    records: Tuple[Mapping[str, Any], ...] = ()
    good_at: float = 0.0
    paused_until: float = 0.0
    waiting: int = 0
    sent: Mapping[Tuple[str, str], int] = field(default_factory=dict)  # (platform, result): count
    told: Tuple[Mapping[str, Any], ...] = ()  # open alerts, and who acknowledged them
    memory_end: Optional[forecast.Forecast] = None
    disk_end: Optional[forecast.Forecast] = None
    memory_limit: float = 0.0  # MB
    backup_at: float = 0.0  # OpenClaw's last good backup, as it noted it itself
    late_jobs: int = 0  # cron jobs whose time has passed without a run
    config_valid: Optional[bool] = None  # openclaw.json can be read and parsed; None: there is none
    heard: Mapping[str, float] = field(default_factory=dict)  # channel: when it last brought a word
    proven_at: float = 0.0  # when a platform last accepted a message of ours
    # checks that say that the ready gateway is useless to somebody; None: nobody looked lately
    unserved: Optional[Tuple[str, ...]] = None

    @property
    def watched(self) -> bool:
        return 0.0 <= self.now - self.watched_at <= TICK_LATE


def read(ctx: Context) -> Facts:
    """Return the facts of this user's gateway."""
    now, home = ctx.host.now(), ctx.home
    kept = _READERS.setdefault(str(home.state_dir), samples.Reader()).rows(home)
    last = kept[-1] if kept else None
    memory, _damaged = watch_state.peek(home)
    memory = memory or watch_state.WatchState()
    limit = forecast.memory_limit(ctx.host.system)
    state = _state(last)
    return Facts(
        now=now,
        home=home,
        watched_at=last.at if last else 0.0,
        state=state,
        since=_since(kept),
        row=last,
        rows=tuple(kept),
        days=samples.days(home),
        incident=memory.incident,
        restarts=memory.restarts,
        crashes=memory.crashes,
        records=_once(home.doctor_dir / "records.json", lambda: tuple(Store(home).all()), ()),
        good_at=_good_at(home),
        paused_until=watch_state.pause(home, ctx.host)[0],
        waiting=len(outbox.waiting(home)),
        sent=_once(home.doctor_dir / "notify.log", lambda: _sent(home), {}),
        told=tuple(open_alerts.open_incidents(home)),
        **_ends(kept, limit),
        memory_limit=limit,
        unserved=_unserved(home, now),
        config_valid=_once(home.config_path, lambda: _config_valid(home), None),
        heard=_heard(home),
        proven_at=_proven(home),
        **_from_database(home, now),
    )


_READERS: Dict[str, samples.Reader] = {}
_files: Dict[str, Tuple[Tuple[int, int, int], Any]] = {}


def _once(path: Path, read: Callable[[], Value], missing: Value) -> Value:
    """Return what `read` made of this file, made again only when the file has changed."""
    try:
        seen = path.stat()
    except OSError:
        return missing
    mark = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    known = _files.get(str(path))
    if known is None or known[0] != mark:
        known = (mark, read())
        _files[str(path)] = known
    return cast(Value, known[1])


_ended: Dict[str, Any] = {"for": None}


def _ends(kept: List[samples.Row], limit: float) -> Dict[str, Any]:
    """What the forecasts say; they change with a new row only."""
    mark = (id(kept), len(kept), kept[-1].at if kept else 0.0, limit)
    if _ended["for"] != mark:
        ends = {"memory_end": _memory_end(_of_process(kept), limit), "disk_end": _disk_end(kept)}
        _ended.update({"for": mark, "ends": ends})
    return dict(_ended["ends"])


def _of_process(kept: List[samples.Row]) -> List[samples.Row]:
    """The newest rows, as long as they are of the process that runs now."""
    mine: List[samples.Row] = []
    for row in reversed(kept):
        if row.pid and row.pid != kept[-1].pid or len(mine) > MOST_MINUTES:
            break
        if row.pid:
            mine.append(row)
    return mine[::-1]


CRON_LATE_S = 1200.0  # as checks/serving.py
KEPT_S = 60.0  # OpenClaw's database is not asked more often, however often we are
_kept: Dict[str, Tuple[float, Dict[str, Any]]] = {}


def _from_database(home: Home, now: float) -> Dict[str, Any]:
    """What only OpenClaw's database knows; never waited for: where it is busy the last answer."""
    key = str(home.state_dir)
    at, known = _kept.get(key, (0.0, {"backup_at": 0.0, "late_jobs": 0}))
    if not 0.0 <= now - at < KEPT_S:
        late = sum(
            0 < job.next_run < now - CRON_LATE_S and not job.running
            for job in database.cron_jobs(home, 0.0)
        )
        known = {"backup_at": database.last_backup(home, 0.0) or known["backup_at"]}
        known["late_jobs"] = late
        _kept[key] = (now, known)
    return known


def _config_valid(home: Home) -> Optional[bool]:
    try:
        return (
            openclaw_config.load(home.config_path).ok if os.path.exists(home.config_path) else None
        )
    except OSError:
        return None


def _heard(home: Home) -> Dict[str, float]:
    """When each channel last brought a message, as our plugin in the gateway noted it."""
    try:
        value = read_json(home.doctor_dir / "gateway-facts.json", {})
    except (SettingsError, OSError):
        return {}
    rows = value.get("heard") if isinstance(value, dict) else None
    return {
        str(name)[:40]: float(at)
        for name, at in list((rows or {}).items())[:20]
        if isinstance(at, (int, float))
    }


def _proven(home: Home) -> float:
    """When a platform last accepted a message: an alert, or the test of `notify test`."""
    for line in reversed(tail_bytes(home.doctor_dir / "notify.log", 100_000).splitlines()):
        try:
            row = json_bounded(line)
            if row.get("event") in ("sent", "tested"):
                return float(row["at"])
        except (ValueError, AttributeError, KeyError, TypeError):
            continue
    return 0.0


def _unserved(home: Home, now: float) -> Optional[Tuple[str, ...]]:
    """What the watchdog's last look at whether anybody is served found."""
    try:
        value = read_json(home.doctor_dir / "serving.json") or {}
        if not 0.0 <= now - float(value["at"]) <= SERVED_LATE:
            return None
        return tuple(str(row["id"]) for row in value["findings"])
    except (KeyError, TypeError, ValueError, SettingsError, OSError):
        return None


def _sent(home: Home) -> Dict[Tuple[str, str], int]:
    """Count what the log of deliveries holds; a rotation starts the count again."""
    counts: Dict[Tuple[str, str], int] = {}
    for line in tail_bytes(home.doctor_dir / "notify.log", 1_000_000).splitlines():
        try:
            row = json_bounded(line)
            way, event = str(row.get("way") or ""), str(row.get("event"))
        except (ValueError, AttributeError):
            continue
        if way and event in ("sent", "failed"):
            key = (re.split(r"[^a-z_]", way.lower())[0][:20] or "other", event)
            counts[key] = counts.get(key, 0) + 1
    return counts


def _state(row: Optional[samples.Row]) -> Optional[State]:
    try:
        return State(row.state) if row else None
    except ValueError:
        return None


def _since(kept: List[samples.Row]) -> float:
    """Since when the newest state holds without a break."""
    since = 0.0
    for row in reversed(kept):
        if row.state != kept[-1].state:
            break
        since = row.at
    return since


def _good_at(home: Home) -> float:
    newest = good_copies.newest(home)
    try:
        return float((newest or {}).get("taken") or 0.0)
    except (TypeError, ValueError):
        return 0.0


def _memory_end(mine: List[samples.Row], limit: float) -> Optional[forecast.Forecast]:
    series = [forecast.Sample(row.at, row.rss + row.children) for row in mine]
    return forecast.forecast(series, limit, started=mine[-1].started if mine else 0.0)


def _disk_end(kept: List[samples.Row]) -> Optional[forecast.Forecast]:
    known = [row for row in kept[-MOST_MINUTES:] if row.disk_free > 0]
    if not known:
        return None
    most = max(row.disk_free for row in known)
    used = [forecast.Sample(row.at, most - row.disk_free) for row in known]
    return forecast.forecast(used, most, forecast.DISK)


def last_update(home: Home) -> Dict[str, Any]:
    """Return what the newest update failure of OpenClaw says: {"reason", "at"}; {} for none."""
    folder = home.state_dir / "logs" / "support"
    try:
        newest = max(folder.glob("openclaw-update-failure-*.json"), key=lambda p: p.stat().st_mtime)
        value = read_json(newest)
    except (OSError, ValueError, SettingsError):
        return {}
    if not isinstance(value, dict):
        return {}
    reason = str(value.get("reason") or value.get("reasonCode") or "unknown")[:60]
    return {"reason": reason, "at": newest.stat().st_mtime}


def day_names(count: int, now: float) -> List[str]:
    """Return the last `count` days, oldest first, as days.json names them."""
    return [
        time.strftime("%Y-%m-%d", time.localtime(now - 86400.0 * back))
        for back in reversed(range(count))
    ]
