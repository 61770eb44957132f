"""The facts in Prometheus' text format.

What OpenClaw's own plugin measures (traffic, cost, models) is not measured again: these families
are about being up, ready, repaired and told.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import __version__
from ..model import SERVING, State
from ..store import samples
from ..watchdog.alert_texts import DEAF
from . import facts as fact

PREFIX = "openclaw_doctor_"
BUCKETS = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
WINDOWS = (("1d", 1), ("7d", 7), ("30d", 30), ("90d", 90))
MOST_CASES = 40  # series of one family that a hostile or broken record may make

Labels = Sequence[Tuple[str, str]]
Line = Tuple[str, Labels, float]


class Family:
    """One family of metrics: its name, kind, help and samples."""

    def __init__(self, name: str, kind: str, help_text: str) -> None:
        self.name, self.kind, self.help = PREFIX + name, kind, help_text
        self.lines: List[Line] = []

    def add(self, value: Optional[float], labels: Labels = (), suffix: str = "") -> "Family":
        if value is not None and not math.isnan(value):
            self.lines.append((self.name + suffix, labels, value))
        return self

    def text(self) -> str:
        head = "# HELP {0} {1}\n# TYPE {0} {2}\n".format(self.name, self.help, self.kind)
        return head + "".join(
            "{}{} {}\n".format(name, _labels(labels), _number(value))
            for name, labels, value in self.lines
        )


def _labels(labels: Labels) -> str:
    escaped = (
        '{}="{}"'.format(
            key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")[:120]
        )
        for key, value in labels
    )
    joined = ",".join(escaped)
    return "{" + joined + "}" if joined else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _gauge(name: str, help_text: str, value: Optional[float]) -> Family:
    return Family(name, "gauge", help_text).add(value)


def families(seen: fact.Facts) -> Iterator[Family]:
    """Yield every family; one without a value now has no line, and its help all the same."""
    row, state = seen.row, seen.state
    yield _gauge("up", "1 while the gateway responds.", _flag(state in SERVING if state else None))
    ready = _flag(state is State.HEALTHY if state else None)
    yield _gauge("ready", "1 while the gateway is ready and nothing is suppressed.", ready)
    states = Family("state", "gauge", "1 for the state the watchdog judges, 0 for every other.")
    for one in State:
        states.add(float(one is state) if state else None, [("state", one.value)])
    yield states
    failing = Family("failing", "gauge", "1 for each name that /readyz calls failing.")
    for name in (row.failing if row else ())[:20]:
        failing.add(1.0, [("name", str(name))])
    yield failing
    yield _unserved(seen)
    safe = _flag(state is State.SAFE_MODE if state else None)
    yield _gauge("suppressed", "1 while the crash-loop breaker keeps channels off.", safe)
    tick = seen.watched_at or None
    yield _gauge("last_tick_timestamp", "When the watchdog last wrote that it looked.", tick)
    yield from _incidents(seen)
    yield from _history(seen)
    yield from _resources(seen)
    yield _gauge("alerts_waiting", "Alerts that no platform has accepted yet.", seen.waiting)
    sent = Family("alerts_sent_total", "counter", "Deliveries in the log, by platform and result.")
    for (platform, result), count in sorted(seen.sent.items())[:MOST_CASES]:
        sent.add(count, [("channel", platform), ("result", result)])
    yield sent
    yield _gauge("paused_until", "End of a pause, 0 without one.", seen.paused_until)
    build = Family("build_info", "gauge", "The version of the doctor.")
    yield build.add(1.0, [("version", __version__)])


def _unserved(seen: fact.Facts) -> Family:
    """One line a check that knows how a ready gateway can be useless; none while nobody looked."""
    family = Family("unserved", "gauge", "1 where a ready gateway fails somebody, by finding.")
    for check in DEAF if seen.unserved is not None else ():
        found = check in (seen.unserved or ())
        family.add(float(found), [("finding", check.partition("/")[2])])
    return family


def _flag(value: Optional[bool]) -> Optional[float]:
    return None if value is None else float(value)


def _incidents(seen: fact.Facts) -> Iterator[Family]:
    opened = Family("incident_open", "gauge", "1 while an incident is open; its case where known.")
    now = seen.incident
    mine = [r for r in seen.records if now and r.get("id") == now.id]
    yield opened.add(
        float(now is not None),
        [("case", str(mine[-1].get("case") or "none") if mine else "none")] if now else (),
    )
    since = now.opened if now else 0.0
    yield _gauge("incident_since_timestamp", "When the open incident began, 0 without.", since)
    yield from _of_records(seen)


_made: Dict[str, Any] = {"of": None, "families": []}


def _of_records(seen: fact.Facts) -> List[Family]:
    """What is counted over all records: made again only when they have changed."""
    if _made["of"] is not seen.records:
        _made.update(of=seen.records, families=list(_counted(seen)))
    return list(_made["families"])


def _counted(seen: fact.Facts) -> Iterator[Family]:
    total = Family("incidents_total", "counter", "Closed incidents that are on record.")
    counts: Dict[Tuple[str, str], int] = {}
    for record in seen.records:
        key = (str(record.get("case") or "none"), str(record.get("outcome") or "unknown"))
        counts[key] = counts.get(key, 0) + 1
    for (case, outcome), count in sorted(counts.items())[:MOST_CASES]:
        total.add(count, [("case", case), ("outcome", outcome)])
    yield total
    healed = _numbers(seen.records, "healed_s")
    yield _histogram("heal_seconds", "From the last good response to ready.", healed)
    detected = _numbers(seen.records, "detected_s")
    yield _histogram("detect_seconds", "From the last good response to the incident.", detected)
    level = Family("healed_total", "counter", "Verified recoveries by the level that did it.")
    levels: Dict[str, int] = {}
    for record in seen.records:
        if record.get("verified"):
            name = str(record.get("level") or "unknown")
            levels[name] = levels.get(name, 0) + 1
    for name, count in sorted(levels.items())[:10]:
        level.add(count, [("level", name)])
    yield level


def _numbers(records: Sequence[Mapping[str, Any]], key: str) -> List[float]:
    values = (record.get(key) for record in records if record.get("verified"))
    return [float(value) for value in values if isinstance(value, (int, float))]


def _histogram(name: str, help_text: str, values: Sequence[float]) -> Family:
    family = Family(name, "histogram", help_text)
    for bound in BUCKETS:
        count = sum(value <= bound for value in values)
        family.add(count, [("le", _number(bound))], "_bucket")
    family.add(len(values), [("le", "+Inf")], "_bucket")
    return family.add(sum(values), (), "_sum").add(len(values), (), "_count")


def _history(seen: fact.Facts) -> Iterator[Family]:
    restarts = Family("restarts", "gauge", "Restarts and crashes that the watchdog remembers.")
    restarts.add(len(seen.restarts), [("reason", "watchdog")])
    yield restarts.add(len(seen.crashes), [("reason", "crash")])
    ever = Family("restarts_total", "counter", "Starts of the gateway that were seen, by reason.")
    for reason, name in (("watchdog", "restarts"), ("crash", "crashes"), ("any", "starts")):
        ever.add(sum(day.get(name, 0.0) for day in seen.days.values()), [("reason", reason)])
    yield ever
    down = sum(day.get("down", 0.0) for day in seen.days.values())
    total = Family("downtime_seconds_total", "counter", "Watched seconds out of service.")
    yield total.add(down)
    ratio = Family("availability_ratio", "gauge", "Share of watched seconds in service.")
    for name, count in WINDOWS:
        ratio.add(samples.availability(seen.days, count), [("window", name)])
    yield ratio
    update = fact.last_update(seen.home)
    failed = Family("update_failed_timestamp", "gauge", "When OpenClaw last noted a failed update.")
    yield failed.add(update["at"], [("reason", update["reason"])]) if update else failed
    code = seen.row.exit_code if seen.row and seen.row.exit_code is not None else None
    yield _gauge("exit_code_last", "Exit code of the last process; negative: a signal.", code)
    age = seen.now - seen.good_at if seen.good_at else None
    yield _gauge("good_copy_age_seconds", "Age of the newest verified copy of the config.", age)
    valid = _flag(seen.config_valid)
    yield _gauge("config_valid", "1 while openclaw.json can be read and parsed.", valid)
    age = seen.now - seen.backup_at if seen.backup_at else None
    yield _gauge("backup_age_seconds", "Age of OpenClaw's last good backup, as it noted it.", age)
    yield _gauge("cron_overdue", "Cron jobs whose time has passed without a run.", seen.late_jobs)
    silent = Family("channel_silent_seconds", "gauge", "Since a channel last brought a message.")
    for channel, at in sorted(seen.heard.items())[:MOST_CASES]:
        silent.add(max(0.0, seen.now - at), [("channel", channel)])
    yield silent


def _resources(seen: fact.Facts) -> Iterator[Family]:
    row = seen.row
    memory = Family("memory_bytes", "gauge", "Resident memory of the gateway and its children.")
    if row and row.pid:
        memory.add(row.rss * 1048576, [("of", "gateway")])
        memory.add(row.children * 1048576, [("of", "children")])
    yield memory
    most = seen.memory_limit * 1048576 or None
    yield _gauge("memory_limit_bytes", "What the gateway can get at most.", most)
    for name, end in (("memory", seen.memory_end), ("disk", seen.disk_end)):
        help_text = "When {} is used up at the present pace; 0 while none is foreseen.".format(name)
        at = end.at if end else 0.0
        yield _gauge(name + "_exhaustion_timestamp", help_text, at if row else None)
    free = row.disk_free * 1048576 if row and row.disk_free else None
    yield _gauge("disk_free_bytes", "Free space where the state directory lies.", free)
    size = row.databases * 1048576 if row and row.databases else None
    yield _gauge("database_bytes", "Size of OpenClaw's databases with their journals.", size)
    yield _gauge("probe_seconds", "How long the last probe took.", row.ms / 1000 if row else None)


def text(seen: fact.Facts) -> str:
    """Return the whole exposition."""
    return "".join(family.text() for family in families(seen))
