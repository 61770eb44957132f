"""WeCom: a group robot's webhook, as markdown. `errcode` in the body decides."""

from __future__ import annotations

from typing import Any, Dict

from . import render
from .http import Answer, errcode
from .render import Doc
from .sending import Call

LIMIT_BYTES = 4000  # WeCom allows 4096 bytes of markdown
PERMANENT = {93000, 93004, 93008, 93017, 40008, 40035, 40058}
TOO_FAST = {45009, 45033}
COLOUR = {"warning": "warning", "error": "warning", "critical": "warning", "info": "info"}


def form(doc: Doc) -> Dict[str, Any]:
    text = render.fit(
        doc, markdown, lambda value: len(value.encode("utf-8", "replace")) <= LIMIT_BYTES
    )
    return {"msgtype": "markdown", "markdown": {"content": text}}


def markdown(doc: Doc) -> str:
    parts = [
        '## <font color="{}">{}</font>'.format(
            "info" if doc.kind == "recovered" else COLOUR.get(doc.level, "warning"),
            escape(doc.title),
        )
    ]
    if doc.what:
        parts.append(escape(doc.what))
    if doc.details:
        parts.append(
            "\n".join(
                '{}{}<font color="comment">{}</font>'.format(label, doc.colon, escape(value))
                for label, value in doc.details
            )
        )
    if doc.lines:
        parts.append(
            ("**{}**\n".format(doc.word("history")) if doc.what else "")
            + "\n".join(escape(row) for row in doc.lines)
        )
    if doc.done:
        parts.append(
            "**{}**\n{}".format(doc.word("done"), "\n".join("• " + escape(row) for row in doc.done))
        )
    if doc.next_step:
        parts.append("**👉 {}**\n{}".format(doc.word("next"), escape(doc.next_step)))
    if doc.log:
        parts.append(
            "**{}**\n{}".format(
                doc.word("log"), "\n".join("> " + escape(row) for row in doc.log.splitlines())
            )
        )
    if doc.paths:
        parts.append(
            "**{}**\n{}".format(doc.word("paths"), "\n".join(escape(row) for row in doc.paths))
        )
    parts.append(escape(doc.footer))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """No tag, no <@userid> mention, no link, no image."""
    return text.replace("<", "‹").replace(">", "›").replace("](", "] (").replace("`", "'")


def send(call: Call, doc: Doc) -> str:
    return judge(call.post(call.url(), form(doc)))


def judge(answer: Answer) -> str:
    return errcode(answer, "wecom", PERMANENT, TOO_FAST, 60.0)
