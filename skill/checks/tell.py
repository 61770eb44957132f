"""Findings in one line each."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from ..model import Finding, Severity, Text

Fix = Optional[Tuple[str, str]]


def _finding(
    severity: Severity, check_id: str, en: str, zh: str, path: str, fix: Fix, evidence: Any
) -> Finding:
    return Finding(
        check_id, severity, Text(en, zh), str(path), Text(*fix) if fix else None, evidence
    )


def error(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """It stops the gateway, or is about to."""
    return _finding(Severity.ERROR, check_id, en, zh, path, fix, evidence)


def warning(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """Something does not work as it should, and the gateway lives with it."""
    return _finding(Severity.WARNING, check_id, en, zh, path, fix, evidence)


def info(
    check_id: str, en: str, zh: str, path: Any = "", fix: Fix = None, **evidence: Any
) -> Finding:
    """A fact that explains, and asks for nothing."""
    return _finding(Severity.INFO, check_id, en, zh, path, fix, evidence)
