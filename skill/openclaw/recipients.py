"""Whom to tell on a channel, in OpenClaw's own order: owners, defaultTo, concrete allowFrom,
pairing, last direct conversation.

OpenClaw's heartbeat takes the first concrete entry and never a group; so do we. A group is used
only where nobody else is known.
Tables: channel_pairing_allow_entries in state/openclaw.sqlite, conversations in
agents/<id>/agent/openclaw-agent.sqlite (2026.9.6).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Tuple

from ..errors import CannotTell
from . import config
from .secrets import query

if TYPE_CHECKING:
    from .channels import Source

# first word of Way.because -> how much it is preferred
RANK = {
    "recipients": 0,
    "ownerAllowFrom": 1,
    "defaultTo": 2,
    "allowFrom": 3,
    "pairing": 4,
    "conversation": 5,
    "robot": 6,
    "groups": 7,
}
# people one rule may name: the first is told, the others stand in when the platform refuses the
# first
MOST = 3
_ROOM = {"feishu": r"oc_", "dingtalk": r"cid", "slack": r"[CG]", "telegram": r"-"}
_KIND = re.compile(r"^(user|dm|direct|open_id|channel|chat|group|room|conversation):(.+)$", re.I)


def split(platform: str, entry: str, bare: str = "user") -> Tuple[str, str]:
    """Given a target as OpenClaw writes it ("user:42", "channel:4242", "ou_x", "<@42>"), return
    (id, user|room|either).
    """
    entry = entry.strip()
    found = re.match(r"^<@!?(\w+)>$", entry)
    if found:
        return found.group(1), "user"
    found = _KIND.match(entry)
    if found:
        named = "user" if found.group(1).lower() in ("user", "dm", "direct", "open_id") else "room"
        return found.group(2), named if platform == "discord" else _shape(
            platform, found.group(2), named
        )
    return entry, _shape(platform, entry, bare)


def _shape(platform: str, identity: str, otherwise: str) -> str:
    return "room" if platform in _ROOM and re.match(_ROOM[platform], identity) else otherwise


def find(
    source: "Source", key: str, platform: str, account: str, fields: Mapping[str, Any]
) -> Iterator[Tuple[str, str, str]]:
    """(id, kind, "rule: where") for one account of a channel, best first, without doubles."""
    seen: Dict[str, str] = {}
    for entry, bare, because in _entries(source, key, account, fields):
        text = str(config.resolve(entry, source.secrets.values)).strip()
        channel, colon, rest = text.partition(":")
        if colon and channel.lower() in (key.lower(), platform):
            text = rest
        if (
            not text
            or text == "*"
            or "${" in text
            or text.lower().startswith(("accessgroup:", "pk:"))
        ):
            continue
        identity, kind = split(platform, text, bare)
        rule = because.split(" ")[0]
        if (
            identity
            and identity != "*"
            and identity not in seen
            and list(seen.values()).count(rule) < MOST
        ):
            seen[identity] = rule
            yield identity, kind, because


def _entries(
    source: "Source", key: str, account: str, fields: Mapping[str, Any]
) -> Iterator[Tuple[Any, str, str]]:
    owners = config.get(source.data, "commands.ownerAllowFrom", [])
    for entry in owners if isinstance(owners, list) else []:
        prefix, colon, _ = str(entry).partition(":")
        if colon and (
            prefix.lower() == key.lower()
            or (key != prefix.lower() and prefix.lower() in _aliases(key))
        ):
            yield entry, "user", "ownerAllowFrom commands.ownerAllowFrom"
    if fields.get("defaultTo"):
        yield fields["defaultTo"], "either", "defaultTo channels.{}.defaultTo".format(key)
    nested = fields.get("dm")
    for name, listed in (
        ("allowFrom", fields.get("allowFrom")),
        ("dm.allowFrom", nested.get("allowFrom") if isinstance(nested, Mapping) else None),
    ):
        for entry in listed if isinstance(listed, list) else []:
            yield entry, "user", "allowFrom channels.{}.{}".format(key, name)
    for entry in _paired(source, key, account):
        yield entry, "user", "pairing state/openclaw.sqlite"
    for entry in _conversations(source, key, account):
        yield entry, "user", "conversation openclaw-agent.sqlite"
    groups = fields.get("groups")
    for entry in groups if isinstance(groups, Mapping) else []:
        yield "group:" + str(entry), "room", "groups channels.{}.groups".format(key)


def _aliases(key: str) -> Tuple[str, ...]:
    return (
        ("dingtalk",)
        if "dingtalk" in key.lower()
        else ("feishu", "lark")
        if key in ("feishu", "lark")
        else ()
    )


def _paired(source: "Source", key: str, account: str) -> List[str]:
    sql = (
        "SELECT entry FROM channel_pairing_allow_entries WHERE channel_key=? AND account_id IN "
        "(?, '') ORDER BY sort_order, entry"
    )
    try:
        return [
            str(row[0])
            for row in query(
                source.secrets.home.state_dir / "state" / "openclaw.sqlite", sql, key, account
            )
        ]
    except CannotTell:
        return []


def _conversations(source: "Source", key: str, account: str) -> List[str]:
    """The newest direct conversation of any agent on this channel and account."""
    sql = (
        "SELECT COALESCE(NULLIF(native_direct_user_id, ''), NULLIF(delivery_target, ''), "
        "peer_id), updated_at FROM conversations "
        "WHERE kind='direct' AND channel=? AND account_id=? ORDER BY updated_at DESC LIMIT 1"
    )
    rows: List[Tuple[str, int]] = []
    for path in sorted(source.secrets.home.state_dir.glob("agents/*/agent/openclaw-agent.sqlite")):
        try:
            rows += [(str(row[0]), int(row[1])) for row in query(path, sql, key, account)]
        except CannotTell:
            continue
    return [target for target, _ in sorted(rows, key=lambda row: -row[1])[:1]]
