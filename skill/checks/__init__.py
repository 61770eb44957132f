"""Every check there is. A new check is one file and one line here; see docs/design.md for the
finding ids.
"""

from __future__ import annotations

from typing import Tuple

from ..model import Check
from . import (
    channels,
    clock,
    config,
    database,
    disk,
    health,
    installation,
    log,
    models,
    node,
    permissions,
    plugins,
    process,
    resources,
    rivals,
    service,
    serving,
    validation,
)

ALL: Tuple[Check, ...] = (
    process.CHECK,
    health.CHECK,
    config.CHECK,
    validation.CHECK,
    rivals.PORT,
    process.LOCK,
    service.CHECK,
    node.CHECK,
    installation.CHECK,
    disk.CHECK,
    permissions.CHECK,
    resources.CHECK,
    database.CHECK,
    plugins.CHECK,
    channels.CHECK,
    models.CHECK,
    serving.CHECK,
    clock.CHECK,
    rivals.CHECK,
    log.CHECK,
)
