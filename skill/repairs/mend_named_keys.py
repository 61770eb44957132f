"""Set or remove keys that OpenClaw's own validator names, to values that its schema takes and that
are not weaker. General: no list of keys.

The plan is made only when OpenClaw itself (or its schema) accepts the whole result.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit, schema, schema_nodes, validation
from ..openclaw.json_edit import UNSET
from . import common, not_weaker

NAMED_BY = (
    "config/invalid-value",
    "config/unrecognized-key",
    "config/channel-plugin-missing",
    "config/version-newer",
    "plugins/missing",
    "plugins/slot-missing",
)
MOST = 8  # keys in one plan
Edit = Tuple[Tuple[str, ...], Any]


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    data = common.current(ctx).data
    good = (ctx.last_good or {}).get("config")
    document = schema.kept(ctx)
    edits = [_edit(ctx, data, document, good, change) for change in params["changes"]]
    names = [json_edit.dotted(path) for path, _value in edits]
    if len(set(names)) < len(names):
        raise CannotPlan(Text("one key is named twice", "同一个键出现了两次"))
    steps = list(common.writes(ctx, edits))
    if not steps:
        raise CannotPlan(Text("the config has these values already", "配置已是这些值"))
    _accepted(ctx, data, edits, document)
    said = [
        "{} removed".format(name)
        if value is UNSET
        else "{} = {}".format(name, json.dumps(value, ensure_ascii=False))
        for name, (_path, value) in zip(names, edits)
    ]
    return Plan(
        "mend-named-keys",
        tuple(common.rejected(ctx)) + tuple(steps) + (common.bring_up(),),
        Risk.GUARDED,
        Text(
            "OpenClaw's own validator rejects {}; {}".format(", ".join(names), "; ".join(said)),
            "OpenClaw 自身的校验不接受 {}；{}".format("、".join(names), ";".join(said)),
        ),
        touches=tuple(step.path for step in steps if isinstance(step, Write)),
        config_paths=tuple(names),
    )


def _edit(ctx: Context, data: Any, document: Any, good: Any, change: Mapping[str, Any]) -> Edit:
    name = str(change["path"])
    path = json_edit.split(data, name)
    value = change.get("value", UNSET)
    if not any(name == one or name.startswith(one + ".") for one in named(ctx)):
        raise CannotPlan(Text.of("the validator does not name {}", "校验没有指到 {}", name[:80]))
    if value is UNSET and not json_edit.has(data, path):
        raise CannotPlan(Text.of("{} is not in the config", "{} 不在配置中", name[:80]))
    if len(path) < 2 and value is UNSET and schema_nodes.at(document or {}, path):
        raise CannotPlan(Text.of("{} is a whole section", "{} 是一整段", name))
    reason = not_weaker.against(data, path, value, good)
    if reason:
        raise CannotPlan(reason)
    if isinstance(value, str):
        nodes = schema_nodes.at(document, path) if document else []
        was = json_edit.value_at(good, path, UNSET) if good else UNSET
        listed = schema_nodes.constants(nodes) or _allowed_by_finding(ctx, name)
        if value != was and value not in listed and not not_weaker.free_text(path, value):
            raise CannotPlan(
                Text.of(
                    "{} takes one of: {}",
                    "{} 只能取：{}",
                    name,
                    ", ".join(str(one) for one in listed[:12]) or Text("what you set", "由你设置"),
                )
            )
    return path, value


def named(ctx: Context) -> List[str]:
    """Dotted keys that the validator complains about now."""
    return [
        f.path
        for f in ctx.verdict.findings
        if f.check_id in NAMED_BY and f.path and f.path[0] not in "/~"
    ]


def _allowed_by_finding(ctx: Context, name: str) -> Sequence[Any]:
    for finding in ctx.verdict.findings:
        if finding.path == name and isinstance(finding.evidence.get("allowed"), (list, tuple)):
            return list(finding.evidence["allowed"])
    return []


def _accepted(ctx: Context, data: Any, edits: Sequence[Edit], document: Any) -> None:
    """Raise CannotPlan unless OpenClaw itself, or else its schema, accepts the config with these
    edits.
    """
    after = data
    for path, value in edits:
        after = (
            json_edit.without(after, path)
            if value is UNSET
            else json_edit.with_value(after, path, value)
        )
    issues = _asked(ctx, after)
    if issues is None and document is not None:
        view = openclaw_config.load(ctx.home.config_path)
        values = openclaw_config.variables(view, ctx.host.env, ctx.home.env_file)
        issues = schema.issues_of(openclaw_config.resolve(after, values), document)
    if issues is None:
        raise CannotPlan(
            Text(
                "neither OpenClaw nor its schema can say whether that is valid",
                "OpenClaw 及其 schema 都无法判断这样是否有效",
            )
        )
    if issues:
        first = issues[0]
        raise CannotPlan(
            Text.of(
                "OpenClaw would still reject {}: {}",
                "OpenClaw 仍会拒绝 {}：{}",
                str(first.get("path", ""))[:80],
                str(first.get("message", ""))[:120],
            )
        )


def _asked(ctx: Context, after: Any) -> Optional[Sequence[Mapping[str, Any]]]:
    with tempfile.TemporaryDirectory(prefix="iflow-doctor-") as folder:
        trial = Path(folder) / "openclaw.json"
        trial.write_text(json.dumps(after), "utf-8")
        trial.chmod(0o600)
        try:
            answer = validation.validate(
                replace(ctx, home=replace(ctx.home, config_path=trial), logs=""), 30.0
            )
        except Exception:  # then the schema has to say
            return None
    if not answer.known or answer.source == "parse":
        return None
    return () if answer.valid else answer.issues or ({"path": "", "message": "invalid"},)


REPAIR = Repair(
    "mend-named-keys",
    Risk.GUARDED,
    Text(
        "Set or remove keys that OpenClaw's own validator names; the result must be valid",
        "设置或移除 OpenClaw 自身校验指出的键；结果必须有效",
    ),
    plan,
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["changes"],
        "properties": {
            "changes": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["path"],
                    "properties": {
                        "path": {"type": "string", "minLength": 1, "maxLength": 300},
                        "value": {
                            "type": ["string", "number", "boolean", "array", "object"],
                            "description": "leave it out to remove the key",
                        },
                    },
                },
            }
        },
    },
)
