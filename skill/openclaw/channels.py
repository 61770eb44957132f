"""Whose credentials, and whom to tell: the ways to a person that OpenClaw's own channels give. Read
only.

Fields and fallbacks: OpenClaw 2026.9.6 docs (channels/feishu, discord, telegram, slack); DingTalk's
community plugins by their READMEs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ..files import private_dir, read_json, write_atomic
from ..host import Host
from . import config, recipients
from .home import Home
from .secrets import Secrets

# channel key -> platform. A DingTalk plugin picks its own key, so that any key with "dingtalk" in
# it counts (see platform_of).
PLATFORMS = {
    "feishu": "feishu",
    "lark": "feishu",
    "discord": "discord",
    "telegram": "telegram",
    "slack": "slack",
}

# platform -> (fields that make an account usable: one of each tuple, variable that stands in for
# the default account)
NEEDS: Mapping[str, Tuple[Tuple[Tuple[str, ...], ...], str, str]] = {
    "feishu": ((("appId",), ("appSecret",)), "", ""),
    "dingtalk": ((("clientId", "appKey"), ("clientSecret", "appSecret")), "", ""),
    "discord": ((("token",),), "DISCORD_BOT_TOKEN", "token"),
    "telegram": ((("tokenFile", "botToken"),), "TELEGRAM_BOT_TOKEN", "botToken"),
    "slack": ((("botToken",),), "SLACK_BOT_TOKEN", "botToken"),
}
# Everything else of a channel (prompts, tools, group rules) stays out of the copy we keep.
KEPT = (
    "enabled domain appId appSecret clientId clientSecret appKey appSecret robotCode token "
    "botToken tokenFile apiRoot proxy accessToken "
    "webhookUrl webhook secret accounts defaultAccount defaultTo allowFrom dm groups"
).split()


@dataclass(frozen=True)
class Way:
    """One way to one person or room. `secrets` holds references as written; they are resolved when
    sending.

    kind: app | bot | robot | hook. to_kind: user | room | either ("" for hooks). because: which
    rule named the recipient.
    where: the config path the credentials come from. explicit: set by the owner in our settings.
    """

    platform: str
    kind: str
    to: str = ""
    to_kind: str = ""
    account: str = "default"
    secrets: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    proxy: str = ""
    because: str = ""
    where: str = ""
    explicit: bool = False
    note: str = ""  # e.g. a DingTalk robot's keyword

    @property
    def id(self) -> str:
        """Names the way in our state files and log lines. Holds no secret."""
        return ":".join(part for part in (self.platform, self.kind, self.account, self.to) if part)


@dataclass(frozen=True)
class Source:
    """Where channel fields were read: openclaw.json, or the copy kept when that one cannot be
    read.
    """

    data: Mapping[str, Any]
    name: str
    # False: the config is broken and no copy was ever kept, so "nothing found" means nothing
    complete: bool
    secrets: Secrets


def platform_of(key: str) -> str:
    return PLATFORMS.get(key) or ("dingtalk" if "dingtalk" in key.lower() else "")


def read(host: Host, home: Home) -> Source:
    """openclaw.json where it can be read and names a channel; else the kept copy."""
    view = config.load(home.config_path)
    data: Mapping[str, Any] = view.data if isinstance(view.data, Mapping) else {}
    if view.ok and any(platform_of(str(key)) for key in _mapping(data.get("channels"))):
        return _source(host, home, data, str(home.config_path), True)
    try:
        kept = read_json(home.doctor_dir / "channels.json")
    except Exception:  # a damaged copy is no copy
        kept = None
    if isinstance(kept, Mapping) and kept.get("channels"):
        return _source(host, home, kept, str(home.doctor_dir / "channels.json"), True)
    return _source(host, home, data if view.ok else {}, str(home.config_path), view.ok)


def _source(host: Host, home: Home, data: Mapping[str, Any], name: str, complete: bool) -> Source:
    view = config.ConfigView(home.config_path, dict(data))
    return Source(
        data,
        name,
        complete,
        Secrets(host, home, data, config.variables(view, host.env, home.env_file)),
    )


def remember(home: Home) -> bool:
    """Keep the channel fields (0600) for the day the config is broken. References stay references.
    False: nothing new to keep.
    """
    view = config.load(home.config_path)
    if not view.ok:
        return False
    channels: Dict[str, Any] = {}
    for key, section in _mapping(view.get("channels")).items():
        if platform_of(str(key)):
            channels[str(key)] = _only_kept(section)
    copy: Dict[str, Any] = {"channels": channels}
    owners = view.get("commands.ownerAllowFrom")
    if owners:
        copy["commands"] = {"ownerAllowFrom": owners}
    used = {
        name
        for _, value in config.leaves(copy)
        if isinstance(value, str)
        for name in config._VAR.findall(value)
    }
    if view.get("secrets"):
        copy["secrets"] = view.get("secrets")
    inline = {
        k: v
        for k, v in config.variables(view, {}, home.state_dir / "none").items()
        if k in used or _is_env_ref(channels, k)
    }
    if inline:
        copy["env"] = {"vars": inline}
    target = home.doctor_dir / "channels.json"
    try:
        if read_json(target) == copy:
            return False
    except Exception:
        pass
    import json

    private_dir(home.doctor_dir)
    write_atomic(target, json.dumps(copy, ensure_ascii=False, indent=1) + "\n", 0o600)
    return True


def _is_env_ref(channels: Mapping[str, Any], name: str) -> bool:
    leaves = dict(config.leaves(channels))
    return any(value == name and path.endswith(".id") for path, value in leaves.items())


def _only_kept(section: Any) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    for key, value in _mapping(section).items():
        if key == "accounts":
            result[key] = {name: _only_kept(account) for name, account in _mapping(value).items()}
        elif key == "groups":
            result[key] = {str(name): {} for name in _mapping(value)}
        elif key in KEPT:
            result[key] = value
    return result


def ways(source: Source) -> List[Way]:
    """Every way found, best first: by the rule that named the recipient, then in the config's own
    order.
    """
    found: List[Tuple[int, int, Way]] = []
    sections = dict(_mapping(source.data.get("channels")))
    for key, (_, variable, _field) in NEEDS.items():
        if variable and key not in sections and source.secrets.values.get(variable):
            sections[key] = {}
    for key, section in sections.items():
        platform = platform_of(str(key))
        if not platform or not isinstance(section, Mapping) or section.get("enabled") is False:
            continue
        for account, fields in accounts(section):
            for way in _of_account(source, str(key), platform, account, fields, section):
                found.append((recipients.RANK[way.because.split(" ")[0]], len(found), way))
    result: List[Way] = []
    for _, _, way in sorted(found, key=lambda item: item[:2]):
        if not any(
            (way.platform, way.to, way.secrets) == (other.platform, other.to, other.secrets)
            for other in result
        ):
            result.append(way)
    return result


def accounts(section: Mapping[str, Any]) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    """(account id, its fields over the channel's), the default account first."""
    named = {
        str(k): v for k, v in _mapping(section.get("accounts")).items() if isinstance(v, Mapping)
    }
    top = {k: v for k, v in section.items() if k not in ("accounts", "defaultAccount")}
    first = str(
        section.get("defaultAccount")
        or ("default" if "default" in named or not named else next(iter(named)))
    )
    order = [first] + [name for name in ["default", *named] if name != first]
    for name in dict.fromkeys(order):
        if name not in named and name != "default":
            continue
        own = named.get(name, {})
        if own.get("enabled") is not False:
            yield name, {**top, **own}


def _of_account(
    source: Source,
    key: str,
    platform: str,
    account: str,
    fields: Mapping[str, Any],
    section: Mapping[str, Any],
) -> Iterator[Way]:
    where = "channels.{}{}".format(
        key, ".accounts." + account if account in _mapping(section.get("accounts")) else ""
    )
    proxy = str(config.resolve(fields.get("proxy") or "", source.secrets.values))
    if platform == "dingtalk" and (
        fields.get("webhookUrl") or fields.get("webhook") or fields.get("accessToken")
    ):
        secrets = {
            "url": fields.get("webhookUrl") or fields.get("webhook"),
            "token": fields.get("accessToken"),
            "secret": fields.get("secret"),
        }
        yield Way(
            platform,
            "robot",
            account=account,
            secrets=_present(secrets),
            proxy=proxy,
            because="robot " + where,
            where=where,
        )
    needed, variable, name = NEEDS[platform]
    secrets = {}
    for choice in needed:
        field_name = next((f for f in choice if fields.get(f)), None)
        if field_name:
            secrets[field_name] = fields[field_name]
    if len(secrets) < len(needed):
        if not (variable and account == "default" and source.secrets.values.get(variable)):
            return
        secrets, where = (
            {name: {"source": "env", "provider": "default", "id": variable}},
            "environment " + variable,
        )
    if platform == "dingtalk" and fields.get("robotCode"):
        secrets["robotCode"] = fields["robotCode"]
    base = _base(platform, key, config.resolve(fields, source.secrets.values))
    blank = Way(
        platform,
        "app" if platform in ("feishu", "dingtalk") else "bot",
        "",
        "",
        account,
        secrets,
        base,
        proxy,
        "",
        where,
    )
    for to, kind, because in recipients.find(source, key, platform, account, fields):
        yield replace(blank, to=to, to_kind=kind, because=because)


def _base(platform: str, key: str, fields: Mapping[str, Any]) -> str:
    if platform == "telegram":
        return str(fields.get("apiRoot") or "")
    domain = (
        str(fields.get("domain") or ("lark" if key == "lark" else ""))
        if platform == "feishu"
        else ""
    )
    return (
        domain
        if domain.startswith("http")
        else {"lark": "https://open.larksuite.com"}.get(domain, "")
    )


def _present(values: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
