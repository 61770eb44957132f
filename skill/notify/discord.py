"""Discord: a bot's direct message or channel, or a webhook, as an embed. Nobody can be mentioned by
it.
"""

from __future__ import annotations

import re
import time
from typing import Any, Dict
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import NotifyError
from ..model import Text
from . import render
from .http import Answer, check, said
from .render import Doc
from .sending import Call

OFFICIAL = "https://discord.com"
COLOUR = {"warning": 0xF1C40F, "error": 0xE74C3C, "critical": 0x992D22, "info": 0x3498DB}
LIMIT = (
    5600  # characters of all texts in the embeds; Discord allows 6000, and 4096 in one description
)


def form(doc: Doc) -> Dict[str, Any]:
    return dict(
        render.fit(
            doc,
            message,
            lambda value: _size(value) <= LIMIT and len(value["embeds"][0]["description"]) <= 4000,
        )
    )


def message(doc: Doc) -> Dict[str, Any]:
    parts = [escape(doc.what)] if doc.what else []
    if doc.lines:
        rows = "\n".join(escape(row) for row in doc.lines)
        parts.append("**{}**\n{}".format(doc.word("history"), rows) if doc.what else rows)
    if doc.done:
        parts.append(
            "**{}**\n{}".format(doc.word("done"), "\n".join("• " + escape(row) for row in doc.done))
        )
    if doc.next_step:
        parts.append("**👉 {}**\n{}".format(doc.word("next"), block(doc.next_step)))
    if doc.log:
        parts.append("**{}**\n{}".format(doc.word("log"), block(doc.log)))
    if doc.paths:
        parts.append("**{}**\n{}".format(doc.word("paths"), block("\n".join(doc.paths))))
    embed: Dict[str, Any] = {
        "title": escape(doc.title)[:256],
        "description": "\n\n".join(parts),
        "color": 0x2ECC71 if doc.kind == "recovered" else COLOUR.get(doc.level, 0xE74C3C),
        "fields": [
            {"name": label[:256], "value": escape(value)[:1024] or "-", "inline": len(value) < 40}
            for label, value in doc.details
        ],
        "footer": {"text": doc.footer[:2048]},
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(doc.at)),
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str) -> str:
    """Markdown, mentions and custom emoji lose their meaning; the text keeps its looks."""
    return (
        re.sub(r"([\\*_~`|>\[\]()#<])", r"\\\1", text)
        .replace("@", "@\u200b")
        .replace("@\u200b\u200b", "@\u200b")
    )


def block(text: str) -> str:
    return "```\n{}\n```".format(text.replace("```", "'''"))


def _size(value: Any) -> int:
    embed = value["embeds"][0]
    texts = [embed["title"], embed["description"], embed["footer"]["text"]]
    return sum(map(len, texts)) + sum(len(f["name"]) + len(f["value"]) for f in embed["fields"])


def send(call: Call, doc: Doc) -> str:
    body = form(doc)
    if call.way.kind == "hook":
        return _hook(call, body)
    base, headers = call.base(OFFICIAL), {"Authorization": "Bot " + call.secret("token")}
    channel = call.way.to
    if call.way.to_kind != "room":
        try:
            channel = call.token(lambda: _open(call, base, headers), "dm " + call.way.id)
        except NotifyError as error:
            if call.way.to_kind != "either" or not error.permanent:
                raise
    body.update(nonce=call.key, enforce_nonce=True)
    if call.reply_to:
        body["message_reference"] = {"message_id": call.reply_to, "fail_if_not_exists": False}
    return judge(call.post("{}/api/v10/channels/{}/messages".format(base, channel), body, headers))


def _open(call: Call, base: str, headers: Dict[str, str]) -> str:
    return judge(
        call.post(base + "/api/v10/users/@me/channels", {"recipient_id": call.way.to}, headers)
    )


def _hook(call: Call, body: Dict[str, Any]) -> str:
    parts = urlsplit(call.url())
    query = {
        **dict(parse_qsl(parts.query)),
        "wait": "true",
    }  # only then does the answer name the message
    return judge(
        call.post(urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), "")), body)
    )


def judge(answer: Answer) -> str:
    """200 with the message's id, or 204, is delivered; anything else is not."""
    if answer.status == 204:
        return ""
    if answer.status in (200, 201) and answer.json.get("id"):
        return str(answer.json["id"])
    check(answer)
    raise NotifyError(
        Text.of(
            "discord did not confirm the message{}", "Discord 没有确认收到消息{}", said(answer)
        ),
        retry_after=answer.retry_after,
    )
