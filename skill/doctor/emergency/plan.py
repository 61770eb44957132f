"""The AI's plan: its JSON Schema, and the check that turns it into a model.Plan or says why not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Tuple

from ...errors import HealerError
from ...files import read_file
from ...model import (
    NOT_SERVING,
    Delete,
    EndProcess,
    Move,
    Outcome,
    Plan,
    Risk,
    Service,
    State,
    Text,
    Write,
)
from ...openclaw import config as openclaw_config
from ...redact import PLACEHOLDER
from ...repairs import fix_named_keys
from . import allowed

if TYPE_CHECKING:
    from ...context import Context

LIMIT = 2000  # characters of any text in a plan
# Findings that come from OpenClaw's own validator: the keys that it complains about.
NAMED_BY_VALIDATOR = fix_named_keys.NAMED_BY
# What points at a plugin by what it did, not by what somebody could have written into a log.
LIVE_PLUGIN = ("plugins/crash", "plugins/last-words")
# A GUARDED repair runs unattended only when one of these findings is there (a trailing * matches
# any). Not in this table: refused.
NEEDS: Mapping[str, Tuple[str, ...]] = {
    "restore-config": ("config/*",),
    "revert-config-keys": ("config/*",),
    "set-config-key": ("config/*",),
    "fix-named-keys": ("config/*", "plugins/missing", "plugins/slot-missing"),
    "openclaw-doctor-fix": ("config/*", "installation/*", "plugins/*"),
    "reinstall-service": (
        "service/missing",
        "service/failed",
        "service/duplicate",
        "service/node-missing",
        "service/environment",
    ),
    "repair-service-env": ("service/*", "node/*", "resources/*"),
    "restore-service-unit": ("service/unit-broken", "service/unit-changed"),
    "quarantine-database": ("database/*",),
    "disable-plugin": LIVE_PLUGIN,
    "quarantine-plugin": LIVE_PLUGIN,
    "unset-service-variable": ("service/environment*",),
    "rebuild-native-module": ("installation/native-module",),
    "reinstall-openclaw": ("installation/missing-file", "installation/missing"),
    "ai-hands": ("*",),
}
# States in which a running gateway may be restarted or ended. DEGRADED: only together with a
# change, never a bare restart.
UNTOUCHABLE = {
    State.HEALTHY: "healthy",
    State.STARTING: "starting",
    State.DRAINING: "draining",
    State.UPDATING: "being updated",
    State.STOPPED: "stopped by a person",
    State.SUSPENDED: "on a host that just slept",
    State.IMPOSTOR: "another program's port",
    State.UNKNOWN: "unknown",
}


def schema(strict: bool = False) -> Dict[str, Any]:
    """The schema of an answer. strict: for vendors that demand every property and no free objects
    (params is then a JSON string).
    """
    from ...repairs import ALL

    text = {"type": "string", "maxLength": LIMIT} if not strict else {"type": "string"}
    params: Dict[str, Any] = {
        "type": "string",
        "description": "The repair's parameters as a JSON object in a string, e.g. {}",
    }
    if not strict:
        params = {
            "type": "object",
            "description": "The repair's parameters, as the list of repairs describes them",
        }
    properties: Dict[str, Any] = {
        "repair": {"type": "string", "enum": list(ALL)},
        "params": params,
        "root_cause": dict(text, description="One or two sentences, English"),
        "root_cause_zh": dict(text, description="The same in Chinese"),
        "confidence": {"type": "string", "enum": ["certain", "probable", "possible"]},
        "tell_person": dict(text, description="What the owner should know or do, English"),
        "tell_person_zh": dict(text, description="The same in Chinese"),
        "prevention": dict(text, description="How to prevent it, English"),
    }
    required = (
        list(properties)
        if strict
        else ["repair", "params", "root_cause", "confidence", "tell_person"]
    )
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required,
    }


class Refused(HealerError):
    """The plan may not be carried out. The message goes back to the model as feedback."""


def read(data: Mapping[str, Any]) -> Dict[str, Any]:
    """Given an answer, check its form. Raise Refused with every fault."""
    import jsonschema

    value = dict(data)
    if isinstance(value.get("params"), str):
        try:
            value["params"] = json.loads(value["params"] or "{}")
        except ValueError:
            raise Refused(Text("params is not a JSON object", "params 不是 JSON 对象")) from None
    errors = sorted(
        jsonschema.Draft7Validator(schema()).iter_errors(value),
        key=lambda e: [str(p) for p in e.absolute_path],
    )
    if errors:
        raise Refused(
            "; ".join(
                "{}: does not fit {}".format(
                    ".".join(map(str, e.absolute_path))[:40] or "answer", e.validator
                )
                for e in errors[:5]
            )
        )
    return value


_HIDDEN = re.compile(r"<(?:text of \d+|number|list of|object of|key|HIDDEN_\d+|chat text|\d+ char)")


def no_placeholders(value: Any) -> None:
    """Raise Refused when any text in it holds a placeholder: no repair needs one, and whatever
    comes of it could tell what stood there. Before anything is put back.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            no_placeholders(str(key))
            no_placeholders(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            no_placeholders(item)
    elif isinstance(value, str) and (PLACEHOLDER.search(value) or _HIDDEN.search(value)):
        raise Refused(
            Text(
                "params may not hold a placeholder: name keys, never hidden values",
                "参数中不得含有占位符：请写键名，不要写被隐藏的值",
            )
        )


def texts(value: Mapping[str, Any], name: str) -> Text:
    english = str(value.get(name) or "").strip()
    return Text(english, str(value.get(name + "_zh") or "").strip() or english)


def prepare(ctx: Context, value: Mapping[str, Any], tried: Sequence[Outcome]) -> Plan:
    """Given a well-formed answer, return the plan that may be executed. Raise Refused with the
    reason.
    """
    import jsonschema

    from ...repairs import ALL, planned

    no_placeholders(value["params"])
    repair = ALL.get(str(value["repair"]))
    if repair is None:
        raise Refused(Text.of("{} is not a repair", "不存在名为 {} 的修复", value["repair"]))
    error = next(
        iter(jsonschema.Draft7Validator(dict(repair.params)).iter_errors(value["params"])), None
    )
    if error is not None:
        raise Refused(
            Text.of(
                "params of {} do not fit its schema ({})",
                "{} 的 params 不符合其格式（{}）",
                repair.id,
                error.validator,
            )
        )
    try:
        plan = planned(ctx, repair.id, value["params"])
    except HealerError as refused:
        raise Refused(
            Text.of("{} does not apply: {}", "{} 不适用：{}", repair.id, refused.message)
        ) from None
    plan = replace(plan, params=dict(value["params"]))
    check(ctx, plan, tried)
    return plan


def check(ctx: Context, plan: Plan, tried: Sequence[Outcome]) -> None:
    """The rules that hold for every plan an AI caused. Raise Refused."""
    if plan.risk is Risk.NEVER:
        raise Refused(Text.of("{} is only ever done by a person", "{} 只能由人来做", plan.repair))
    if plan.risk is Risk.GUARDED and not _has_finding(ctx, NEEDS.get(plan.repair, ())):
        raise Refused(
            Text.of(
                "{} needs a finding that asks for it, and there is none",
                "当前检查结果不支持执行 {}",
                plan.repair,
            )
        )
    if any(same(plan, old.plan) and not old.healed for old in tried):
        raise Refused(
            Text.of(
                "{} was tried already in this incident and did not heal it",
                "{} 在本次事故中已试过，没有修好",
                plan.repair,
            )
        )
    if plan.repair in ("disable-plugin", "quarantine-plugin"):
        _check_plugin(ctx, plan)
    disruptive = [step for step in plan.steps if isinstance(step, (Service, EndProcess))]
    state = ctx.verdict.state
    if disruptive and state in UNTOUCHABLE:
        raise Refused(
            Text.of(
                "a gateway that is {} is not restarted",
                "状态为 {} 的网关不重启",
                UNTOUCHABLE[state],
            )
        )
    if disruptive and state not in NOT_SERVING and len(disruptive) == len(plan.steps):
        raise Refused(
            Text.of(
                "a gateway that is {} is not restarted without a change",
                "状态为 {} 的网关在没有改动时不重启",
                state.value,
            )
        )
    if disruptive and ready(ctx):
        raise Refused(
            Text("the gateway is ready now: it is not restarted", "网关现在已就绪：不重启")
        )
    _check_writes(ctx, plan)


def same(one: Plan, other: Plan) -> bool:
    """The same repair of the same things. Steps alone say nothing: they hold time stamps."""
    if one.repair != other.repair or _things(one) != _things(other):
        return False
    params = dict(one.params or {}), dict(other.params or {})
    return params[0] == params[1] or not all(params)


def _things(plan: Plan) -> List[str]:
    """What a plan changes: keys, and files by their own names (not the names of copies)."""
    moved = [step.path for step in plan.steps if isinstance(step, (Move, Delete))]
    return sorted(list(plan.config_paths) + moved)


def _check_plugin(ctx: Context, plan: Plan) -> None:
    """A plugin is switched off for what it did: its process is gone (or computes without end) and
    that finding names it. Lines of a log alone are no evidence: strangers write into logs.
    """
    named = [
        finding
        for check in LIVE_PLUGIN
        for finding in ctx.findings(check)
        if plugin_of(plan) == str(finding.evidence.get("plugin", ""))
    ]
    state, code = ctx.verdict.state, ctx.verdict.exit_code
    gone = state in (State.DOWN, State.MISCONFIGURED) and not ctx.verdict.pid and code != 78
    busy = state in (State.HUNG, State.ZOMBIE) and any(
        "busy" in str(finding.evidence.get("how", "")) for finding in named
    )
    if not named or not (gone or busy):
        raise Refused(
            Text.of(
                "nothing that happened (only a line in a log, if that) points at the plugin {}",
                "没有实际发生的迹象指向插件 {}（日志里的一行不算）",
                plugin_of(plan) or "-",
            )
        )


def plugin_of(plan: Plan) -> str:
    """The plugin that a plan switches off; "" for any other plan."""
    if plan.params and plan.params.get("plugin"):
        return str(plan.params["plugin"])
    found = [path for path in plan.config_paths if path.startswith("plugins.entries.")]
    return found[0].split(".", 2)[2] if found else ""


def _check_writes(ctx: Context, plan: Plan) -> None:
    """What the config would become: it must parse, and nothing may be weaker or off the list."""
    target = str(ctx.home.config_path)
    write = next(
        (step for step in reversed(plan.steps) if isinstance(step, Write) and step.path == target),
        None,
    )
    if write is None:
        return
    try:
        after = openclaw_config.parse(write.content.decode("utf-8-sig"))
    except (ValueError, UnicodeDecodeError, RecursionError):
        raise Refused(Text("the config would not parse any more", "改后配置将无法解析")) from None
    if not isinstance(after, Mapping):
        raise Refused(Text("the config would not be an object any more", "改后配置将不再是对象"))
    good = allowed.as_mapping((ctx.last_good or {}).get("config"))
    before = _as_written(ctx)
    found = allowed.weaker(before or good, after) if before or good else []
    if (
        plan.repair == "restore-config" and good
    ):  # back to the person's own verified config, whatever the clobbered one says
        found = allowed.weaker(good, after)
    if plan.repair == "ai-hands":
        found += allowed.refusals(
            before or good, after, allowed.named_paths(ctx.verdict.findings), good
        )
    if found:
        raise Refused("the config would be weaker: {}".format("; ".join(dict.fromkeys(found[:5]))))


def _as_written(ctx: Context) -> Mapping[str, Any]:
    """The main config file alone (no includes), {} when it does not parse: what a Write of it is
    compared with.
    """
    try:
        return allowed.as_mapping(
            openclaw_config.parse(read_file(ctx.home.config_path).decode("utf-8-sig"))
        )
    except (OSError, ValueError, RecursionError):
        return {}


def _has_finding(ctx: Context, wanted: Sequence[str]) -> bool:
    ids = [f.check_id for f in ctx.verdict.findings]
    return any(
        w == "*" or any(i.startswith(w[:-1]) if w.endswith("*") else i == w for i in ids)
        for w in wanted
    )


def ready(ctx: Context) -> bool:
    """Does the gateway answer /readyz with ready and nothing suppressed, right now?"""
    reply = ctx.host.get(ctx.home.url("/readyz"), 5.0)
    try:
        body = json.loads(reply.body.decode("utf-8")) if reply.status == 200 else {}
    except ValueError:
        body = {}
    return bool(isinstance(body, dict) and body.get("ready") is True and not body.get("suppressed"))


def repairs_table(ctx: Context) -> str:
    """The registry as the prompt shows it, one line a repair: id, what it does, the JSON Schema of
    its parameters, the findings it needs.
    """
    from ...repairs import ALL

    del ctx
    rows: List[str] = []
    for repair in ALL.values():
        if repair.risk is Risk.NEVER:
            continue
        needs = NEEDS.get(repair.id, ()) if repair.risk is Risk.GUARDED else ()
        schema = dict(repair.params).get("properties") or {}
        rows.append(
            "- {}: {}. params {}{}".format(
                repair.id,
                repair.title.en,
                json.dumps(schema) if schema else "{}",
                ". Needs one of: " + ", ".join(needs) if needs else "",
            )
        )
    return "\n".join(rows)
