"""What a repair does, on disk before each act: which step, what it wrote, whether it stopped the
gateway. From it a repair that kill -9 interrupted is finished or rolled back.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..errors import SettingsError
from ..files import read_json, write_json
from ..model import Text
from ..openclaw import config as openclaw_config
from ..openclaw.home import Home
from ..repairs.config_guard import OWN_STAMPS, allowed
from ..store.snapshots import UNREADABLE, digest_of

NAME = re.compile(r"healer\.journal(?:\.(\d+))?\.json$")
RING = (".bak", ".bak.1", ".bak.2", ".bak.3", ".bak.4")  # what OpenClaw keeps of its own writes


@dataclass(frozen=True)
class Journal:
    """One repair on its way.

    known: path -> hashes of what the file held before and of all that we put there since. Any other
    content is somebody else's. stopped: the gateway was stopped by us and nothing started it since.
    served: it was up when the repair began. runs: a foreign program may be at work.
    """

    repair: str
    snapshot: str
    why: Text = Text("", "")
    phase: str = "steps"  # steps | starting | verify
    step: int = 0
    pid: int = 0
    started: float = 0.0
    moves: Tuple[Tuple[str, str], ...] = ()
    verify: str = "ready"
    runs: bool = False
    ran: bool = False
    stopped: bool = False
    served: bool = False
    config_paths: Tuple[str, ...] = ()
    known: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)

    def wrote(self, path: str, digest: str) -> "Journal":
        """Return the journal that knows this content of a file as ours."""
        before = self.known.get(path, (UNREADABLE,))
        return replace(self, known={**self.known, path: tuple(dict.fromkeys((*before, digest)))})

    def edited(self) -> Tuple[str, ...]:
        """Return the files that hold what neither was there before nor came from us."""
        return tuple(path for path in self.known if not self.ours(path))

    def ours(self, path: str) -> bool:
        """Return whether a file holds what we know, or that with nothing but OpenClaw's stamps."""
        return digest_of(path) in self.known.get(path, ()) or _only_stamped(self, path)


def by_openclaw(journal: Journal, path: str) -> bool:
    """Return whether OpenClaw itself replaced content that we know: it keeps what it replaces in
    its ring. An editor does not.
    """
    return path.endswith((".json", ".json5")) and _replaced(journal, path) is not None


def _replaced(journal: Journal, path: str) -> Optional[Path]:
    known = journal.known.get(path, ())
    for end in RING:
        kept = Path(path + end)
        with contextlib.suppress(OSError):
            if digest_of(kept) in known and kept.stat().st_mtime >= int(journal.started):
                return kept
    return None


def _only_stamped(journal: Journal, path: str) -> bool:
    before = _replaced(journal, path)
    if before is None:
        return False
    was, now = openclaw_config.load(before), openclaw_config.load(Path(path))
    return (
        was.ok
        and now.ok
        and all(allowed(key, OWN_STAMPS) for key in openclaw_config.diff(was.data, now.data))
    )


# -- on disk ---------------------------------------------------------------------------------------
def path_of(home: Home, number: int = 1) -> Path:
    end = "" if number == 1 else ".{}".format(number)
    return home.doctor_dir / "healer.journal{}.json".format(end)


def pending(home: Home) -> List[Path]:
    """Return the journals of repairs that came to no end, newest first."""
    found: List[Tuple[int, Path]] = []
    with contextlib.suppress(OSError):
        for path in home.doctor_dir.iterdir():
            match = NAME.match(path.name)
            if match:
                found.append((int(match.group(1) or 1), path))
    return [path for _number, path in sorted(found, reverse=True)]


def next_path(home: Home) -> Path:
    """Return where a new journal goes: never over one that is still there."""
    numbers = [int(NAME.match(path.name).group(1) or 1) for path in pending(home)]  # type: ignore[union-attr]
    return path_of(home, max(numbers) + 1 if numbers else 1)


def save(path: Path, journal: Journal) -> None:
    """Raise OSError."""
    value = {name: getattr(journal, name) for name in Journal.__dataclass_fields__}
    write_json(path, {**value, "why": list(journal.why)})


def load(path: Path) -> Journal:
    """Raise SettingsError for a file that is no journal."""
    value: Any = read_json(path)
    try:
        why = list(value.get("why") or ("", ""))
        known: Dict[str, Tuple[str, ...]] = {
            str(name): tuple(str(one) for one in hashes)
            for name, hashes in (value.get("known") or {}).items()
        }
        return Journal(
            repair=str(value.get("repair", "?")),
            snapshot=str(value["snapshot"]),
            why=Text(str(why[0]), str(why[1])),
            phase=str(value.get("phase", "steps")),
            step=int(value.get("step", 0)),
            pid=int(value.get("pid", 0)),
            started=float(value.get("started", 0.0)),
            moves=tuple((str(one), str(to)) for one, to in value.get("moves") or ()),
            verify=str(value.get("verify", "ready")),
            runs=bool(value.get("runs")),
            ran=bool(value.get("ran")),
            stopped=bool(value.get("stopped")),
            served=bool(value.get("served")),
            config_paths=tuple(str(one) for one in value.get("config_paths") or ()),
            known=known,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise SettingsError(
            str(path), [Text.of("is no journal: {}", "不是日志：{}", error)]
        ) from error


def forget(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(str(path))
