"""Level 4: tell a person. Light to import: the watchdog uses enqueue, due, remind and heartbeat;
sending runs in a child process.

enqueue(ctx, alert) -> bool      write one alert to the outbox (no network)
due(ctx, now) -> bool            is a flush worth starting now?
remind(ctx, now) -> int          enqueue "still down" reminders that are due
remember_channels(ctx) -> bool   keep the channel fields for the day the config is broken
flush(ctx, deadline_s)           send what waits; `python -m skill notify flush --json` as a child
of the watchdog
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .incidents import remind
from .outbox import due, enqueue

if TYPE_CHECKING:
    from ..context import Context
    from .deliver import FlushReport

__all__ = ["due", "enqueue", "flush", "remember_channels", "remind"]


def flush(ctx: "Context", deadline_s: float = 60.0) -> "FlushReport":
    from .deliver import flush as deliver

    return deliver(ctx, deadline_s)


def remember_channels(ctx: "Context") -> bool:
    from ..openclaw.channels import remember

    return remember(ctx.home)
