"""reload-keepalive: see service_actions.py."""

from __future__ import annotations

from .service_actions import RELOAD_KEEPALIVE as REPAIR

__all__ = ["REPAIR"]
