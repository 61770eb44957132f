"""Set or remove keys that OpenClaw's own validator names, to values that its schema takes and that
are not weaker. General: no list of keys.

The plan is made only when OpenClaw itself (or its schema) accepts the whole result.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Text, Write
from ..openclaw import config as openclaw_config
from ..openclaw import json_edit, schema, validation
from ..openclaw.json_edit import UNSET
from ..redact import is_secret_key
from . import common

NAMED_BY = (
    "config/invalid-value",
    "config/unrecognized-key",
    "config/channel-plugin-missing",
    "config/version-newer",
    "plugins/missing",
    "plugins/slot-missing",
)
# Keys whose value decides who may do what, or where something goes.
GUARDS = re.compile(
    r"(?i)auth|bind|allow|deny|policy|approv|sandbox|secur|tls|elevated|exec|proxy|expose|origin"
    r"|cors"
    r"|access|trust|danger|insecure|bypass|verif|scope|visib|owner|admin|pairing|host$|public|open$"
)
# Keys that name a program, a place or an address: never by a third party.
RUNS = re.compile(
    r"(?i)(^|\.)(command|args|argv|script|shell|env|vars|headers|url|baseUrl|apiRoot|endpoint"
    r"|path|paths"
    r"|dir|workspace|agentDir|file|\$include|extraDirs|schedule|message|prompt|systemPrompt)(\.|$)"
    r"|[a-z](Url|Path|Dir|File|Command|Script|Host)$"
)
# The strict ends of scales that are known. Anything at one of these opens nothing.
STRICT: Tuple[Tuple["re.Pattern[str]", Tuple[Any, ...]], ...] = tuple(
    (re.compile("(?i)^(?:" + key + ")$"), values)
    for key, values in (
        (r"gateway\.bind", ("loopback",)),
        (r"gateway\.auth\.mode", ("token", "password")),
        (r"gateway\.tls\.enabled", (True,)),
        (r".*\.(dmPolicy|groupPolicy)", ("disabled", "allowlist")),
        (r".*\.dm\.policy", ("disabled", "allowlist")),
        (r"(agents|tools)\..*sandbox\.mode", ("all",)),
        (r".*exec\.security", ("deny",)),
        (r".*exec\.ask", ("always",)),
        (r".*exec\.host", ("sandbox",)),
        (r".*\.requireMention", (True,)),
        (r".*(requireApproval|requirePairing|requireAuth|verify|verifySsl|strict)", (True,)),
        (
            r".*(allow\w*|dangerously\w*|insecure\w*|bypass\w*|elevated.*enabled|expose\w*)",
            (False,),
        ),
        (r"session\.scope", ("per-sender",)),
        (r"session\.dmScope", ("per-account-channel-peer", "per-channel-peer", "per-peer")),
    )
)
_WORDS = (  # free texts that name no place, no person and no program
    (
        r"(^|\.)\w*[mM]odel(\.primary|\.fallbacks\.\d+)?$",
        r"[A-Za-z][\w-]{0,40}/[A-Za-z][\w.:-]{0,60}",
    ),
    (r"(?i)(every|interval|timeout|ttl|delay|window|age|duration)$", r"\d{1,6} ?(ms|s|m|h|d)?"),
    (r"(?i)timezone$", r"[A-Z][A-Za-z]+(/[A-Za-z_]+){1,2}|UTC"),
)
_PORT = re.compile(r"(?i)port$")
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
        "fix-named-keys",
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
    if len(path) < 2 and value is UNSET and schema.at(document or {}, path):
        raise CannotPlan(Text.of("{} is a whole section", "{} 是一整段", name))
    reason = against(data, path, value, good)
    if reason:
        raise CannotPlan(reason)
    if isinstance(value, str):
        nodes = schema.at(document, path) if document else []
        was = json_edit.value_at(good, path, UNSET) if good else UNSET
        listed = schema.constants(nodes) or _allowed_by_finding(ctx, name)
        if value != was and value not in listed and not free_text(path, value):
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


def against(
    data: Any, path: Tuple[str, ...], value: Any, good: Optional[Mapping[str, Any]]
) -> Optional[Text]:
    """Why this key may not get this value (UNSET: may not be removed); None when it may."""
    name = json_edit.dotted(path)
    now = json_edit.value_at(data, path, UNSET)
    was = json_edit.value_at(good, path, UNSET) if good else UNSET
    if was is not UNSET and value == was and type(value) is type(was):
        return None  # what it was when all was well
    last = next((part for part in reversed(path) if not part.isdigit()), "")
    if is_secret_key(last):
        return Text.of("{} is a secret: only you set it", "{} 是密钥：只能由你设置", name)
    if value is UNSET:
        # what the schema does not know has no effect and no default; else the default must not open
        if GUARDS.search(name) and (not good or was is not UNSET):
            return Text.of(
                "without {} a default takes its place that may be wider",
                "移除 {} 后默认值可能更宽松",
                name,
            )
        return None
    if isinstance(value, bool) or isinstance(value, str):
        for pattern, strict in STRICT:
            if pattern.match(name):
                fits = any(value == one and type(value) is type(one) for one in strict)
                return None if fits else _weaker(name)
    if isinstance(value, bool):
        return _weaker(name) if GUARDS.search(name) and value is not _meant(now) else None
    if isinstance(value, (int, float)):
        if (GUARDS.search(name) or _PORT.search(last)) and value != _meant(now):
            if not (name == "gateway.port" and was is UNSET and value == 18789):
                return _weaker(name)
        return None
    if isinstance(value, str):
        if RUNS.search(name) or GUARDS.search(name):
            return _weaker(name)
        return None
    if value in ([], {}) and not now and not GUARDS.search(name):
        return None
    return Text.of(
        "{} would get a whole {}; only you know what belongs there",
        "{} 需要整段内容（{}）；只有你知道应填什么",
        name,
        type(value).__name__,
    )


def free_text(path: Tuple[str, ...], value: str) -> bool:
    """May this key get this text although no list of values holds it?"""
    name = json_edit.dotted(path)
    return any(
        re.search(key, name) and re.match("^(?:" + form + ")$", value) for key, form in _WORDS
    )


def _meant(now: Any) -> Any:
    """What the owner plainly meant by a text: the number or the switch that it spells."""
    text = str(now).strip().lower() if isinstance(now, str) else ""
    if re.match(r"^-?\d{1,9}$", text):
        return int(text)
    if re.match(r"^-?\d{1,9}\.\d{1,6}$", text):
        return float(text)
    return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False}.get(
        text, {"off": False}.get(text, UNSET)
    )


def _weaker(name: str) -> Text:
    return Text.of(
        "that value of {} could open or redirect something: only you set it",
        "{} 的该值可能放宽或改变去向：只能由你设置",
        name,
    )


REPAIR = Repair(
    "fix-named-keys",
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
