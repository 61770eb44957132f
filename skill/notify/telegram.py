"""Telegram: a bot's message as HTML, plain text where the markup is refused. The body's `ok`
decides.
"""

from __future__ import annotations

from html import escape
from typing import Any, Dict

from ..errors import NotifyError
from ..model import Text
from ..openclaw.secrets import expand, read_private
from . import render
from .http import Answer, check, said
from .render import Doc
from .sending import Call

OFFICIAL = "https://api.telegram.org"
LIMIT = 4096  # counted with the markup, which is stricter than Telegram itself


def form(doc: Doc) -> Dict[str, Any]:
    text = str(render.fit(doc, html, lambda value: units(value) <= LIMIT))
    return {
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_web_page_preview": True,
    }


def units(text: str) -> int:
    """Telegram counts UTF-16 units: an emoji is two."""
    return len(text.encode("utf-16-le", "replace")) // 2


def html(doc: Doc) -> str:
    parts = ["<b>{}</b>".format(escape(doc.title))]
    if doc.what:
        parts.append(escape(doc.what))
    if doc.details:
        parts.append(
            "\n".join(
                "<b>{}</b>{}{}".format(escape(label), doc.colon, escape(value))
                for label, value in doc.details
            )
        )
    if doc.lines:
        rows = "\n".join(escape(row) for row in doc.lines)
        parts.append("<b>{}</b>\n{}".format(doc.word("history"), rows) if doc.what else rows)
    if doc.done:
        parts.append(
            "<b>{}</b>\n{}".format(
                doc.word("done"), "\n".join("• " + escape(row) for row in doc.done)
            )
        )
    if doc.next_step:
        parts.append("<b>👉 {}</b>\n<pre>{}</pre>".format(doc.word("next"), escape(doc.next_step)))
    if doc.log:
        parts.append("<b>{}</b>\n<pre>{}</pre>".format(doc.word("log"), escape(doc.log)))
    if doc.paths:
        parts.append(
            "<b>{}</b>\n{}".format(
                doc.word("paths"), "\n".join("<code>{}</code>".format(escape(p)) for p in doc.paths)
            )
        )
    parts.append(escape(doc.footer))
    return "\n\n".join(parts)


def send(call: Call, doc: Doc) -> str:
    base = call.base(OFFICIAL)
    chat, _, topic = call.way.to.partition(":topic:")
    address = "{}/bot{}/sendMessage".format(base, token(call))
    body: Dict[str, Any] = {"chat_id": chat, **form(doc)}
    if topic.isdigit():
        body["message_thread_id"] = int(topic)
    if call.reply_to.isdigit():
        body["reply_parameters"] = {
            "message_id": int(call.reply_to),
            "allow_sending_without_reply": True,
        }
    answer = call.post(address, body)
    if answer.status == 400 and "parse entities" in str(answer.json.get("description", "")):
        body.pop("parse_mode")
        body["text"] = render.fit(doc, render.text, lambda value: units(value) <= LIMIT)
        answer = call.post(address, body)
    return judge(answer)


def token(call: Call) -> str:
    """The file wins over the field, as in OpenClaw."""
    if "tokenFile" not in call.way.secrets:
        return call.secret("botToken")
    try:
        return read_private(expand(call.ctx.host, call.secret("tokenFile"))).strip()
    except Exception as error:
        raise NotifyError(
            "{}.tokenFile: {}".format(call.way.where, error), permanent=True
        ) from None


def judge(answer: Answer) -> str:
    data = answer.json
    if data.get("ok") is True and answer.status < 300:
        result = data.get("result")
        return str(result.get("message_id", "")) if isinstance(result, dict) else ""
    check(answer)
    number = data.get("error_code")
    permanent = isinstance(number, int) and 400 <= number < 500 and number not in (408, 429)
    raise NotifyError(
        Text.of("telegram did not accept the message{}", "Telegram 没有接受消息{}", said(answer)),
        permanent=permanent,
        retry_after=answer.retry_after,
    )
