"""Do nothing but say exactly what only a person can do: keys, billing, QR login, permissions that
need root.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..context import Context
from ..model import Plan, Repair, Risk, Text
from . import manual_steps


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    """params: {"en": ..., "zh": ...} as a case's solution gives it; the findings' own remedies
    follow.
    """
    errors = [f for f in ctx.verdict.findings if f.severity.value == "error"]
    hints = [hint for hint in (manual_steps.hint(ctx, f) or f.fix_hint for f in errors) if hint][:3]
    en = [str(params["en"])] if params.get("en") else []
    zh = [str(params["zh"])] if params.get("zh") else []
    en += [hint.en for hint in hints if hint.en not in en]
    zh += [hint.zh for hint in hints if hint.zh not in zh]
    said = Text(
        "; ".join(part.rstrip(". ") for part in en), "；".join(part.rstrip("。 ") for part in zh)
    )
    advice = Text(
        said.en or "Look at: iflow-doctor diagnose", said.zh or "请查看：iflow-doctor diagnose"
    )
    return Plan("tell-person", (), Risk.READ, ctx.verdict.reason, verify="none", advice=advice)


_TEXT = {"type": "string", "maxLength": 2000}
REPAIR = Repair(
    "tell-person",
    Risk.READ,
    Text("Tell the person what to do", "告诉用户该怎么做"),
    plan,
    {"type": "object", "additionalProperties": False, "properties": {"en": _TEXT, "zh": _TEXT}},
)
