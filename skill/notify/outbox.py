"""The outbox on disk: one file per alert, its name is its identity, so that kill -9 can neither
lose nor double it.

    <doctor_dir>/outbox/new/<incident>.<kind>[.<digest>].json waits <doctor_dir>/outbox/done/<same
    name> accepted by a platform (or skipped); kept to recognise a repeat
    <doctor_dir>/outbox/batches/<id>.json a message about to be sent, and who accepted it (see
    deliver.py)

When the disk is full the alert goes to a directory in memory (/dev/shm, else the temporary
directory), which flush reads too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from .. import files
from ..files import json_bounded, private_dir, write_atomic
from ..model import Alert, Text
from ..redact import sentences
from . import incidents

if TYPE_CHECKING:
    from ..context import Context
    from ..openclaw.home import Home

KEEP_DONE = 4000  # newest names kept, about 8 MB; older repeats cannot be recognised any more
KEEP_DAYS = 30
NOTE_AGAIN_S = 3600  # the same note is news again after this long


def enqueue(ctx: "Context", alert: Alert) -> bool:
    """Keep one alert for sending. False: notifications are off, not wanted at this level, or this
    alert was already taken.

    Raises OSError only when neither the state directory nor the memory directory can be written.
    """
    settings = ctx.settings
    if not settings.get("notify.enabled", True):
        return False
    if settings.get("notify.escalation_only", False) and not _wanted_by_escalation_only(
        ctx.home, alert
    ):
        return False
    name = name_of(alert)
    if any(
        os.path.exists(folder / name)
        for folder in (*_waiting(ctx.home), done_dir(ctx.home), memory_dir(ctx.home) / "done")
    ):
        return False
    if alert.kind in ("opened", "escalated"):
        with contextlib.suppress(OSError):
            incidents.opened(ctx.home, alert)
    content = json.dumps(sentences(to_json(alert)), ensure_ascii=False) + "\n"
    try:
        private_dir(new_dir(ctx.home).parent)
        write_atomic(private_dir(new_dir(ctx.home)) / name, content)
    except OSError:
        write_atomic(_memory(ctx.home) / name, content)
    if alert.kind == "recovered":
        incidents.closed(ctx.home, alert.incident)
    return True


def _wanted_by_escalation_only(home: "Home", alert: Alert) -> bool:
    """Escalations, and what follows one: a person who was called is also told that it is over."""
    if alert.kind == "escalated":
        return True
    if alert.kind not in ("recovered", "reminder"):
        return False
    prefix = safe(alert.incident) + ".escalated."
    return any(
        name.startswith(prefix)
        for folder in (*_waiting(home), done_dir(home))
        for name in _names(folder)
    )


def name_of(alert: Alert) -> str:
    """opened and recovered exist once per incident, escalated once per level, a note once per
    content and hour.
    """
    if alert.kind in ("opened", "recovered"):
        parts = [alert.kind]
    elif alert.kind == "escalated":
        parts = [alert.kind, alert.level]
    else:
        stamp = int(alert.at // NOTE_AGAIN_S) if alert.kind == "note" else alert.at
        content = "\0".join((alert.title.en, alert.what.en, str(stamp)))
        parts = [alert.kind, hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:12]]
    return ".".join([safe(alert.incident) or "note", *(safe(part) for part in parts), "json"])


def safe(text: str) -> str:
    """A file name part: other characters become "_" and a digest keeps two of them apart."""
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:80]
    return (
        clean
        if clean == text
        else "{}-{}".format(
            clean[:60], hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
        )
    )


def new_dir(home: "Home") -> Path:
    return home.doctor_dir / "outbox" / "new"


def done_dir(home: "Home") -> Path:
    return home.doctor_dir / "outbox" / "done"


def memory_dir(home: "Home") -> Path:
    """Where an alert about a full disk can still be written."""
    return files.memory_dir(home.state_dir) / "outbox"


def _memory(home: "Home") -> Path:
    """memory_dir(), made. Raise OSError when somebody else made it: alerts are not for them."""
    return private_dir(files.memory(home.state_dir) / "outbox")


def _waiting(home: "Home") -> Tuple[Path, ...]:
    memory = memory_dir(home)
    return (new_dir(home), memory) if files.is_private(memory) else (new_dir(home),)


def _names(folder: Path) -> List[str]:
    try:
        return [
            name
            for name in os.listdir(folder)
            if name.endswith(".json") and not name.startswith(".")
        ]
    except OSError:
        return []


def waiting(home: "Home") -> Dict[str, Path]:
    """name -> file of every alert that was not accepted yet."""
    sent = set(_names(memory_dir(home) / "done")) if files.is_private(memory_dir(home)) else set()
    return {
        name: folder / name
        for folder in _waiting(home)
        for name in _names(folder)
        if name not in sent
    }


def known(home: "Home", incident: str, kind: str) -> bool:
    name = "{}.{}.json".format(safe(incident), kind)
    return any(os.path.exists(folder / name) for folder in (*_waiting(home), done_dir(home)))


def due(ctx: "Context", now: float) -> bool:
    """Something waits and its time has come (a new alert, or the time the last flush named). Cheap:
    one directory listing.
    """
    count = len(waiting(ctx.home))
    if not count:
        return False
    try:
        plan = json_bounded((ctx.home.doctor_dir / "outbox" / "next.json").read_text())
        return bool(plan["count"] != count or now >= plan["at"] or plan["at"] > now + 86400)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def load(home: "Home") -> List[Tuple[str, Alert]]:
    """(name, alert) of everything that waits, oldest first. A damaged file is set aside, the rest
    goes on.
    """
    found = []
    for name, path in waiting(home).items():
        try:
            found.append((name, from_json(json_bounded(path.read_text("utf-8")))))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            with contextlib.suppress(OSError):
                os.replace(path, str(path) + ".damaged")
    return sorted(found, key=lambda item: (item[1].at, item[0]))


def finish(home: "Home", names: Iterator[str]) -> None:
    """Move accepted alerts to done/ by a rename, which needs no free space. On a read-only disk a
    mark in memory stands for it.
    """
    done, paths = done_dir(home), waiting(home)
    with contextlib.suppress(OSError):
        private_dir(done)
    for name in names:
        if name not in paths:
            continue
        try:
            os.replace(paths[name], done / name)
            continue
        except OSError:
            pass
        with contextlib.suppress(
            OSError
        ):  # from memory to disk is a copy; where the disk refuses, the mark stays in memory
            writable = os.path.isdir(done) and os.access(done, os.W_OK)
            write_atomic(
                (done if writable else private_dir(_memory(home) / "done")) / name,
                "{}",
            )
        if paths[name].parent == memory_dir(home):
            with contextlib.suppress(OSError):
                os.unlink(paths[name])


def prune(home: "Home", now: float) -> None:
    """Forget the oldest accepted alerts, and what a killed write left behind."""
    for folder in (new_dir(home), done_dir(home), new_dir(home).parent / "batches"):
        for path in folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < now - 3600:
                    path.unlink()
    entries = []
    for name in _names(done_dir(home)):
        with contextlib.suppress(OSError):
            entries.append((os.stat(done_dir(home) / name).st_mtime, name))
    entries.sort(reverse=True)
    for number, (modified, name) in enumerate(entries):
        if number >= KEEP_DONE or modified < now - KEEP_DAYS * 86400:
            with contextlib.suppress(OSError):
                os.unlink(done_dir(home) / name)


def to_json(alert: Alert) -> Dict[str, Any]:
    return {
        "incident": alert.incident,
        "kind": alert.kind,
        "level": alert.level,
        "at": alert.at,
        "title": list(alert.title),
        "what": list(alert.what),
        "details": [
            [list(label), list(value) if isinstance(value, Text) else value]
            for label, value in alert.details
        ],
        "done": [list(text) for text in alert.done],
        "next_step": list(alert.next_step) if alert.next_step else None,
        "log_tail": alert.log_tail,
        "paths": list(alert.paths),
    }


def from_json(raw: Mapping[str, Any]) -> Alert:
    """Raises KeyError, TypeError or ValueError when the file is not one of ours."""
    step: Optional[Any] = raw["next_step"]
    return Alert(
        str(raw["incident"]),
        str(raw["kind"]),
        str(raw["level"]),
        Text(*raw["title"]),
        float(raw["at"]),
        Text(*raw["what"]),
        tuple(
            (Text(*label), Text(*value) if isinstance(value, list) else str(value))
            for label, value in raw["details"]
        ),
        tuple(Text(*text) for text in raw["done"]),
        Text(*step) if step else None,
        str(raw["log_tail"]),
        tuple(raw["paths"]),
    )
