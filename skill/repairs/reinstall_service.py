"""reinstall-service: see service_actions.py."""

from __future__ import annotations

from .service_actions import REINSTALL_SERVICE as REPAIR

__all__ = ["REPAIR"]
