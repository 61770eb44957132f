"""The platforms, and what `notify list` and `notify test` show of them: ways, whom they reach,
whether their secrets can be read (never the secrets).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from ..context import Context
from ..errors import CannotTell, HealerError, NotifyError
from ..model import Alert, Text, count
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
from .sending import Call, Pace, redactor

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
                "host": _host(way, source),
                "signed": "secret" in way.secrets,
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


NAMES = {
    "feishu": Text("Feishu", "飞书"),
    "dingtalk": Text("DingTalk", "钉钉"),
    "discord": Text("Discord", "Discord"),
    "telegram": Text("Telegram", "Telegram"),
    "slack": Text("Slack", "Slack"),
    "wecom": Text("WeCom", "企业微信"),
    "webhook": Text("Webhook", "Webhook"),
    "apprise": Text("Apprise", "Apprise"),
}
ROLES = {
    "first": Text("used", "使用中"),
    "stand-in": Text("used if the others fail", "其他通道失败时使用"),
}


def _host(way: Way, source: Source) -> str:
    """Of a webhook its host and the last characters, by which its owner knows it again."""
    if "url" not in way.secrets:
        return ""
    try:
        parts = urlsplit(source.secrets.reveal(way.secrets["url"]))
    except HealerError:
        return ""
    tail = (parts.query or parts.path)[-4:]
    return (
        "{} ...{}".format(parts.hostname or "?", tail)
        if len(parts.path) > 12
        else str(parts.hostname)
    )


def reached(value: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """The ways that an alert would take; [] when nobody would be told."""
    used = [row for row in value["ways"] if row["role"] in ROLES]
    return used if value["enabled"] else []


def overview_text(value: Mapping[str, Any], lang: str) -> str:
    """Who is told, a line each, numbered; in bold when it is nobody."""
    import click

    if not reached(value):
        nobody = Text("Nobody would be told: ", "不会通知任何人：").to(lang) + (
            Text("no alert channel is set up", "尚未设置任何告警通道")
            if value["enabled"]
            else Text("notify.enabled is false", "notify.enabled 为 false")
        ).to(lang)
        step = (
            "iflow-doctor notify setup"
            if value["enabled"]
            else "iflow-doctor config --set notify.enabled=true"
        )
        return "{}\n{}{}".format(
            click.style(nobody, bold=True, fg="red"),
            Text("Next: ", "下一步：").to(lang),
            click.style(step, bold=True),
        )
    lines = []
    for number, row in enumerate(value["ways"], 1):
        robot = row["kind"] in ("robot", "hook")
        what = Text.of(
            "{} group robot"
            if robot and row["platform"] in ("feishu", "dingtalk", "wecom")
            else "{}",
            "{}群机器人" if robot and row["platform"] in ("feishu", "dingtalk", "wecom") else "{}",
            NAMES.get(row["platform"], Text(row["platform"], row["platform"])),
        ).to(lang)
        inside = [
            row["host"] or row["to"],
            Text("signed", "已加签").to(lang) if row["signed"] else "",
        ]
        role = ROLES.get(
            row["role"], Text("not used (notify.platform)", "未使用（notify.platform）")
        )
        lines.append(
            Text.of(
                "{}. {} ({}): {}",
                "{}. {}（{}）：{}",
                number,
                what,
                (", " if lang != "zh" else "，").join(part for part in inside if part),
                role,
            ).to(lang)
        )
        if row["problem"]:
            lines.append("   ✗ {}".format(row["problem"]))
    waiting, open_now = value["waiting"], [i for i in value["open_incidents"] if not i["acked"]]
    if waiting:
        lines.append(
            Text(count(waiting, "alert") + " not sent yet", "{} 条告警尚未发出".format(waiting)).to(
                lang
            )
        )
    for item in open_now:
        lines.append(
            Text.of(
                "Reminders go on for {0}: iflow-doctor ack {0}",
                "{0} 仍在提醒：iflow-doctor ack {0}",
                item["code"],
            ).to(lang)
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
        # one person, one language: the one they typed the command in
        doc = render.single([alert], lang, redact, render.origin(ctx.home.profile, ctx.home.port))
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
