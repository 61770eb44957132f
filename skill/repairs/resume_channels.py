"""resume-channels: see restart_channel.py."""

from __future__ import annotations

from .restart_channel import RESUME as REPAIR

__all__ = ["REPAIR"]
