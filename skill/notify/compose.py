"""Which alerts go out now, and in how many messages: pure decisions over what waits.

One incident is one message; its alerts that waited together are folded into it. More than
FOLD_AFTER incidents at once become digests of DIGEST_SIZE incidents each, that list every id. What
needs a person is never hidden in a digest before it was seen alone.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ..model import Alert

FOLD_AFTER = 3  # incidents that still get a message each
ALONE = 2  # unsolved escalations that get their own message in a flood
DIGEST_SIZE = 12  # incidents a digest lists: fits WeCom's 4096 bytes, the smallest of all
RANK = {"info": 0, "warning": 1, "error": 2, "critical": 3}

Named = Tuple[str, Alert]


@dataclass
class Batch:
    """One message about to be sent. `names` are the outbox files it covers; `accepted` the ways
    whose platform said yes.

    unclear: attempts that ended without an answer (killed, dropped, timed out): each may have been
    delivered.
    """

    names: List[str]
    id: str = ""
    accepted: List[str] = field(default_factory=list)
    sending: str = ""
    unclear: int = 0
    first: float = 0.0
    alerts: List[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = (
            self.id
            or hashlib.sha256("\0".join(sorted(self.names)).encode("utf-8", "replace")).hexdigest()[
                :20
            ]
        )

    def to_json(self) -> Dict[str, Any]:
        return {
            key: getattr(self, key)
            for key in ("id", "names", "accepted", "sending", "unclear", "first")
        }

    @property
    def groups(self) -> List[List[Alert]]:
        return [
            group
            for _, group in by_incident(
                [(name, alert) for name, alert in zip(self.names, self.alerts)]
            )
        ]


def by_incident(named: Iterable[Named]) -> List[Tuple[List[str], List[Alert]]]:
    """(names, alerts) per incident, in the order of their first alert. Alerts without an incident
    stand alone.
    """
    groups: Dict[str, Tuple[List[str], List[Alert]]] = {}
    for name, alert in named:
        names, alerts = groups.setdefault(alert.incident or name, ([], []))
        names.append(name)
        alerts.append(alert)
    return list(groups.values())


def compose(
    named: Sequence[Named],
    now: float,
    last_sent: Mapping[str, float],
    window: float,
    quiet: Mapping[str, Any],
) -> Tuple[List[Batch], float]:
    """(messages to send now, when the next held one is due; 0 = nothing is held)."""
    urgent: List[Tuple[List[str], List[Alert]]] = []
    usual: List[Tuple[List[str], List[Alert]]] = []
    held = 0.0
    for names, alerts in by_incident(named):
        until = hold_until(alerts, now, last_sent, window, quiet)
        if until > now:
            held = min(held or until, until)
        elif any(a.kind == "escalated" or a.level == "critical" for a in alerts) and not any(
            a.kind == "recovered" for a in alerts
        ):
            urgent.append((names, alerts))
        else:
            usual.append((names, alerts))
    if len(urgent) + len(usual) <= FOLD_AFTER:
        return [Batch(names, first=now, alerts=alerts) for names, alerts in urgent + usual], held
    batches = [Batch(names, first=now, alerts=alerts) for names, alerts in urgent[:ALONE]]
    rest = urgent[ALONE:] + usual
    for start in range(0, len(rest), DIGEST_SIZE):
        chunk = rest[start : start + DIGEST_SIZE]
        batches.append(
            Batch(
                [n for names, _ in chunk for n in names],
                first=now,
                alerts=[a for _, alerts in chunk for a in alerts],
            )
        )
    return batches, held


def hold_until(
    alerts: Sequence[Alert],
    now: float,
    last_sent: Mapping[str, float],
    window: float,
    quiet: Mapping[str, Any],
) -> float:
    """Epoch seconds until which one incident's alerts wait. An escalation is never held by the
    alert window.
    """
    until = 0.0
    level = max((a.level for a in alerts), key=lambda name: RANK.get(name, 2))
    if RANK.get(level, 2) < RANK.get(str(quiet.get("let_through", "critical")), 3):
        until = quiet_end(now, str(quiet.get("start", "")), str(quiet.get("end", "")))
    if window > 0 and not any(
        a.kind in ("escalated", "reminder") or a.level == "critical" for a in alerts
    ):
        opened = next((a for a in alerts if a.kind in ("opened", "note")), None)
        if opened is not None:
            sent = last_sent.get(opened.title.en, 0.0)
            if sent <= now < sent + window:
                # never longer than the window after it happened, however many others go out
                # meanwhile
                until = max(
                    until, min(sent, opened.at) + window if opened.at <= now else sent + window
                )
    return until


def quiet_end(now: float, start: str, end: str) -> float:
    """Given "23:00" and "07:00" in local time, return when the quiet time around `now` ends; 0.0
    outside it.
    """
    begin, finish = minutes(start), minutes(end)
    if begin < 0 or finish < 0 or begin == finish:
        return 0.0
    local = time.localtime(now)
    current = local.tm_hour * 60 + local.tm_min + local.tm_sec / 60
    inside = begin <= current < finish if begin < finish else current >= begin or current < finish
    return now + ((finish - current) % 1440) * 60 if inside else 0.0


def minutes(text: str) -> int:
    """ "HH:MM" as minutes of the day; -1 for anything else."""
    hour, colon, minute = text.partition(":")
    if not colon or not hour.isdigit() or not minute.isdigit():
        return -1
    value = int(hour) * 60 + int(minute)
    return value if 0 <= value < 1440 else -1
