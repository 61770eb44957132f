"""The platforms, and what `notify list` and `notify test` show of them: ways, whom they reach,
whether their secrets can be read (never the secrets).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, Optional

from ..context import Context
from ..errors import CannotTell, HealerError, NotifyError
from ..model import Alert, Text
from ..openclaw.channels import Source, Way
from . import (
    apprise,
    dingtalk,
    discord,
    feishu,
    incidents,
    outbox,
    render,
    routes,
    slack,
    telegram,
    webhook,
    wecom,
)
from .http import Post, client
from .sending import Call, Pace, language, redactor

# The platforms: a literal registry. A member has form(doc) -> what the platform gets, and
# send(call, doc) -> message id.
SENDERS: Dict[str, Any] = {
    "feishu": feishu,
    "dingtalk": dingtalk,
    "discord": discord,
    "telegram": telegram,
    "slack": slack,
    "wecom": wecom,
    "webhook": webhook,
    "apprise": apprise,
}
THREADS = ("discord", "telegram", "slack")  # whose messages can answer the incident's first one
TEST = Text(
    "This is a test: alerts about your OpenClaw gateway arrive here.",
    "这是测试：OpenClaw 网关的告警会发到这里。",
)


def overview(ctx: Context) -> Dict[str, Any]:
    plan, every, source = routes.plan(ctx)
    pace = Pace.load(ctx.home.doctor_dir / "outbox" / "ways.json")
    first = {route[0].id for route in plan}
    rows = []
    for way in every:
        secrets = {name: _masked(raw) for name, raw in way.secrets.items()}
        trouble = ""
        for name, raw in way.secrets.items():
            try:
                source.secrets.reveal(raw)
            except HealerError as error:
                trouble = "{}: {}".format(name, error.message)
        rows.append(
            {
                "way": way.id,
                "platform": way.platform,
                "kind": way.kind,
                "account": way.account,
                "to": way.to,
                "because": way.because,
                "where": way.where,
                "secrets": secrets,
                "role": "first"
                if way.id in first
                else "stand-in"
                if any(way in r for r in plan)
                else "not used (notify.platform)",
                "problem": trouble or pace.ways.get(way.id, {}).get("error", ""),
            }
        )
    opened = [
        {k: item[k] for k in ("incident", "code", "level", "acked")}
        for item in incidents.open_incidents(ctx.home)
    ]
    return {
        "enabled": bool(ctx.settings.get("notify.enabled", True)),
        "platform": ctx.settings.get("notify.platform", "auto"),
        "read_from": source.name,
        "ways": rows,
        "waiting": len(outbox.waiting(ctx.home)),
        "open_incidents": opened,
    }


def _masked(raw: Any) -> str:
    """What kind of secret it is, never what it is."""
    if isinstance(raw, Mapping):
        return "SecretRef {}:{}".format(raw.get("source"), raw.get("id"))
    text = str(raw)
    return (
        text
        if text.startswith("${") and text.endswith("}")
        else "text, {} characters".format(len(text))
    )


def overview_text(value: Mapping[str, Any], lang: str) -> str:
    zh = lang == "zh"
    if not value["ways"]:
        return (
            "没有找到可用的通道或 Webhook：不会发送告警。\n设置一个：iflow-doctor notify "
            "set-feishu URL [--secret]"
            if zh
            else "No channel with a known recipient and no webhook: nobody will be told.\n"
            "Set one: iflow-doctor notify set-feishu URL [--secret]"
        )
    lines = [("读取自 {}" if zh else "read from {}").format(value["read_from"])]
    for row in value["ways"]:
        role = (
            {"first": "首选", "stand-in": "候补"}.get(row["role"], row["role"])
            if zh
            else row["role"]
        )
        lines.append("- {} [{}]".format(row["way"], role))
        lines.append("    {}{}".format("依据：" if zh else "found by: ", row["because"]))
        lines.append(
            "    {}: {} ({})".format(
                "凭据" if zh else "credentials",
                row["where"],
                ", ".join("{} {}".format(k, v) for k, v in row["secrets"].items()),
            )
        )
        if row["problem"]:
            lines.append("    ✗ {}".format(row["problem"]))
    lines.append(
        (
            "等待发送 {} 条，未恢复的事故 {} 起" if zh else "{} alerts waiting, {} incidents open"
        ).format(value["waiting"], len(value["open_incidents"]))
    )
    for item in value["open_incidents"]:
        lines.append(
            "  {} {}{}".format(item["code"], item["incident"], " (ack)" if item["acked"] else "")
        )
    return "\n".join(lines)


def test(ctx: Context, lang: str, everyone: bool = False) -> List[Dict[str, Any]]:
    """One test message per way; of several recipients that one rule names only the first, unless
    everyone. [] without any way.
    """
    _, every, source = routes.plan(ctx)
    chosen: Dict[Any, Way] = {}
    for way in every:
        chosen.setdefault(
            way.id if everyone or way.explicit else (way.platform, way.account, way.because), way
        )
    alert = Alert("", "note", "info", Text("Test message", "测试消息"), ctx.host.now(), TEST)
    redact, post = redactor(ctx), client(ctx.host.env)

    def one(way: Way) -> Dict[str, Any]:
        spoken = (
            lang
            if ctx.settings.get("lang", "auto") == "auto" and lang == "zh"
            else language(ctx, way.platform)
        )
        doc = render.single([alert], spoken, redact, render.origin(ctx.home.profile, ctx.home.port))
        try:
            error = try_way(ctx, way, doc, source, post)
        except CannotTell as problem:
            error = problem.message
        return {
            "way": way.id,
            "platform": way.platform,
            "to": way.to,
            "ok": error is None,
            "answer": error or "accepted",
        }

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(one, chosen.values()))


def try_way(ctx: Context, way: Way, doc: render.Doc, source: Source, post: Post) -> Optional[str]:
    """Send one message by one way, outside the outbox. None when the platform accepted it, else
    what it said.
    """
    call = Call(ctx, way, source.secrets, post, "test-{}".format(ctx.host.now()))
    try:
        SENDERS[way.platform].send(call, doc)
    except NotifyError as error:
        return error.message
    return None
