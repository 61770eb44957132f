"""start: see service_actions.py."""

from __future__ import annotations

from .service_actions import START as REPAIR

__all__ = ["REPAIR"]
