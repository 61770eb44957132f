"""The files that define the gateway's service (unit, drop-ins, plist): as they are, as they were in
a good run, and what differs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ..openclaw.home import Home
from .good_copies import Good, candidates, service_files

# our own drop-in: repair-service-env writes it, and takes it back by itself
OWN = "iflow-doctor.conf"


def defines_service(path: str) -> bool:
    return path.endswith((".service", ".plist")) or os.path.dirname(path).endswith(".service.d")


def is_one(path: str) -> bool:
    return defines_service(path) and os.path.basename(path) != OWN


def present(ctx: Any) -> Dict[str, bytes]:
    """path -> content. What cannot be read counts as empty: it is not what it was."""
    return {str(path): _read(path) for path in service_files(ctx) if is_one(str(path))}


def of(good: Good) -> Dict[str, bytes]:
    return {path: raw for path, raw in good.files.items() if is_one(path)}


def differing(now: Mapping[str, bytes], then: Mapping[str, bytes]) -> List[str]:
    """Files with another content, files that are gone, files that are new."""
    return sorted(path for path in {*now, *then} if now.get(path) != then.get(path))


def newest(home: Home) -> Optional[Good]:
    """The newest verified copy that holds a definition of the service."""
    return next((good for good in candidates(home) if good.verified and of(good)), None)


def other(home: Home, now: Mapping[str, bytes]) -> Optional[Good]:
    """The newest verified copy whose definition differs from the present one.

    Not always the newest of all: a unit that was edited under a running gateway has not started one
    yet, and is kept all the same.
    """
    return next(
        (
            good
            for good in candidates(home)
            if good.verified and of(good) and differing(now, of(good))
        ),
        None,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
