"""restart: see service_actions.py."""

from __future__ import annotations

from .service_actions import RESTART as REPAIR

__all__ = ["REPAIR"]
