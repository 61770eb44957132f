"""From settings and channels to the ways a message goes: what the owner set is reached each, what
was found is a chain.

A route is a list of ways, tried in order until one accepts. The owner's own webhooks and recipients
are one route each, with the found channels behind them; without any, the found channels are one
route. notify.platform narrows this.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple
from urllib.parse import urlsplit, urlunsplit

from ..context import Context
from ..openclaw import channels, recipients
from ..openclaw.channels import Source, Way

Routes = List[List[Way]]

# platform -> (variables that hold a webhook, variables that hold its secret)
VARIABLES: Mapping[str, Tuple[Tuple[str, ...], Tuple[str, ...]]] = {
    "feishu": (("FEISHU_WEBHOOK_URL", "FEISHU_WEBHOOK"), ("FEISHU_WEBHOOK_SECRET",)),
    "dingtalk": (
        ("DINGTALK_WEBHOOK_URL", "DINGTALK_WEBHOOK"),
        ("DINGTALK_WEBHOOK_SECRET", "DINGTALK_SECRET"),
    ),
    "discord": (("DISCORD_WEBHOOK_URL", "DISCORD_WEBHOOK"), ()),
    "slack": (("SLACK_WEBHOOK_URL",), ()),
    "wecom": (("WECOM_WEBHOOK_URL", "WECOM_WEBHOOK"), ()),
    "webhook": (("ALERT_WEBHOOK_URL",), ("ALERT_WEBHOOK_SECRET",)),
}
OFFICIAL = {
    "feishu": ("open.feishu.cn", "open.larksuite.com"),
    "dingtalk": ("oapi.dingtalk.com", "api.dingtalk.com"),
    "discord": ("discord.com", "discordapp.com"),
    "slack": ("hooks.slack.com",),
    "wecom": ("qyapi.weixin.qq.com",),
}


def plan(ctx: Context) -> Tuple[Routes, List[Way], Source]:
    """(routes, every way, where they were read)."""
    source = channels.read(ctx.host, ctx.home)
    found = channels.ways(source)
    own = _own_recipients(ctx, found) + _webhooks(ctx, source)
    rest = [way for way in found if not any(way.id == mine.id for mine in own)]
    wanted = str(ctx.settings.get("notify.platform", "auto")).strip().lower()
    names = (
        ["feishu", "dingtalk"]
        if wanted == "both"
        else [name.strip() for name in wanted.split(",") if name.strip()]
    )
    if wanted in ("", "auto"):
        groups = [(own, rest)]
    else:
        if wanted == "all":
            names = list(dict.fromkeys(way.platform for way in own + rest))
        groups = [
            ([w for w in own if w.platform == name], [w for w in rest if w.platform == name])
            for name in names
        ]
    if not any(mine or others for mine, others in groups):
        groups = [
            (own, rest)
        ]  # the platforms asked for are not there: any other way is better than silence
    routes: Routes = []
    for mine, others in groups:
        routes += [[way] + others for way in mine] or ([others] if others else [])
    return routes, own + rest, source


def _own_recipients(ctx: Context, found: List[Way]) -> List[Way]:
    """notify.recipients {"feishu": ["ou_..."]}: sent with the first account of that platform."""
    from dataclasses import replace

    result = []
    for platform, entries in (ctx.settings.get("notify.recipients", {}) or {}).items():
        carrier = next(
            (way for way in found if way.platform == platform and way.kind != "robot"), None
        ) or _carrier(ctx, platform)
        for entry in entries if carrier else []:
            account, slash, target = str(entry).partition("/")
            use = (
                next(
                    (way for way in found if way.platform == platform and way.account == account),
                    None,
                )
                if slash
                else carrier
            )
            to, kind = recipients.split(platform, target if slash and use else str(entry), "either")
            result.append(
                replace(
                    use or carrier,
                    to=to,
                    to_kind=kind,
                    because="recipients notify.recipients",
                    explicit=True,
                )
            )
    return result


def _carrier(ctx: Context, platform: str) -> Any:
    """A platform whose config names nobody still lends its credentials to our own recipients."""
    source = channels.read(ctx.host, ctx.home)
    data = dict(source.data)
    sections = dict(data.get("channels") or {})
    variable = channels.NEEDS[platform][1] if platform in channels.NEEDS else ""
    if variable and source.secrets.values.get(variable):
        sections.setdefault(platform, {})
    data["channels"] = {
        k: {**v, "allowFrom": ["carrier"]}
        for k, v in sections.items()
        if channels.platform_of(k) == platform and isinstance(v, Mapping)
    }
    from dataclasses import replace

    return next(
        (way for way in channels.ways(replace(source, data=data)) if way.kind != "robot"), None
    )


def _webhooks(ctx: Context, source: Source) -> List[Way]:
    result = []
    configured: Dict[str, Any] = dict(ctx.settings.get("notify.webhooks", {}) or {})
    values = source.secrets.values
    for platform, (urls, secrets) in VARIABLES.items():
        if platform not in configured:
            url = next((name for name in urls if values.get(name)), "")
            secret = next((name for name in secrets if values.get(name)), "")
            if url:
                configured[platform] = {
                    "url": "${" + url + "}",
                    **({"secret": "${" + secret + "}"} if secret else {}),
                    "where": url,
                }
    for platform, entries in configured.items():
        for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            entry = (
                entry if isinstance(entry, Mapping) and "source" not in entry else {"url": entry}
            )
            kind = "robot" if platform == "dingtalk" else "hook"
            account = "webhook" + (str(number + 1) if number else "")
            where = str(entry.get("where") or "notify.webhooks." + platform)
            held = {key: entry[key] for key in ("url", "secret") if entry.get(key)}
            result.append(
                Way(
                    platform,
                    kind,
                    account=account,
                    secrets=held,
                    because="webhook " + where,
                    where=where,
                    explicit=True,
                    note=str(entry.get("keyword") or ""),
                )
            )
    for number, url in enumerate(ctx.settings.get("notify.apprise", []) or []):
        result.append(
            Way(
                "apprise",
                "hook",
                account="apprise" + str(number + 1),
                secrets={"url": url},
                because="webhook notify.apprise",
                where="notify.apprise",
                explicit=True,
            )
        )
    return result


def base(ctx: Context, way: Way, official: str) -> str:
    """The API address: notify.endpoints.<platform>, else the channel's own (Lark, apiRoot), else
    the official one.
    """
    override = (ctx.settings.get("notify.endpoints", {}) or {}).get(way.platform)
    return str(override or way.base or official).rstrip("/")


def redirected(ctx: Context, way: Way, url: str) -> str:
    """A webhook of the official host moved to notify.endpoints.<platform>; any other address stays
    as it is.
    """
    override = (ctx.settings.get("notify.endpoints", {}) or {}).get(way.platform)
    parts = urlsplit(url)
    if not override or parts.hostname not in OFFICIAL.get(way.platform, ()):
        return url
    target = urlsplit(str(override).rstrip("/"))
    return urlunsplit((target.scheme, target.netloc, target.path + parts.path, parts.query, ""))
