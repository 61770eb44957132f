"""reset-failed: see service_actions.py."""

from __future__ import annotations

from .service_actions import RESET_FAILED as REPAIR

__all__ = ["REPAIR"]
