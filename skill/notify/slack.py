"""Slack: a bot's message or an incoming webhook, as blocks with the whole text as fallback. `ok` in
the body decides.
"""

from __future__ import annotations

from typing import Any, Dict, List

from ..errors import NotifyError
from ..model import Text
from . import render
from .http import Answer, check, said
from .render import Doc
from .sending import Call

OFFICIAL = "https://slack.com"
PERMANENT = (
    "invalid_auth account_inactive token_revoked token_expired not_authed no_permission "
    "missing_scope "
    "channel_not_found not_in_channel is_archived "
    "restricted_action user_not_found users_not_found invalid_blocks msg_too_long no_text "
    "cannot_dm_bot messages_tab_disabled"
).split()
BLOCKED = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long")


def form(doc: Doc) -> Dict[str, Any]:
    return dict(
        render.fit(
            doc, message, lambda value: all(_length(block) <= 2900 for block in value["blocks"])
        )
    )


def message(doc: Doc) -> Dict[str, Any]:
    """Foreign text stands in plain_text objects only; the fallback text is escaped."""
    blocks: List[Dict[str, Any]] = [{"type": "header", "text": _plain(doc.title[:150])}]
    if doc.what:
        blocks.append({"type": "section", "text": _plain(doc.what)})
    for start in range(0, len(doc.details), 10):
        pairs = doc.details[start : start + 10]
        blocks.append(
            {
                "type": "section",
                "fields": [_plain(label + doc.colon + value) for label, value in pairs],
            }
        )
    if doc.lines:
        rows = "\n".join(doc.lines)
        blocks += (
            _section(doc.word("history"), rows)
            if doc.what
            else [{"type": "section", "text": _plain(rows)}]
        )
    if doc.done:
        blocks += _section(doc.word("done"), "\n".join("• " + row for row in doc.done))
    if doc.next_step:
        blocks += [{"type": "divider"}] + _section("👉 " + doc.word("next"), doc.next_step)
    if doc.log:
        blocks += _section(doc.word("log"), doc.log)
    if doc.paths:
        blocks += _section(doc.word("paths"), "\n".join(doc.paths))
    blocks.append({"type": "context", "elements": [_plain(doc.footer)]})
    text = escape(render.text(doc))
    return {
        "text": text if len(text) <= 3500 else text[:3499] + "…",
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> Dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def _section(heading: str, text: str) -> List[Dict[str, Any]]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": "*{}*".format(heading)}},
        {"type": "section", "text": _plain(text)},
    ]


def _length(block: Dict[str, Any]) -> int:
    texts = [block["text"]] if "text" in block else []
    return max(
        [len(t["text"]) for t in [*texts, *block.get("elements", [])]]
        + [len(f["text"]) + 900 for f in block.get("fields", [])]
        + [0]
    )


def send(call: Call, doc: Doc) -> str:
    body = form(doc)
    if call.way.kind == "hook":
        return judge(call.post(call.url(), body), hook=True)
    address, headers = (
        call.base(OFFICIAL) + "/api/chat.postMessage",
        {"Authorization": "Bearer " + call.secret("botToken")},
    )
    body["channel"] = call.way.to
    if call.reply_to:
        body.update(thread_ts=call.reply_to, reply_broadcast=True)
    answer = call.post(address, body, headers)
    if answer.json.get("error") in BLOCKED:
        answer = call.post(address, {k: v for k, v in body.items() if k != "blocks"}, headers)
    return judge(answer)


def judge(answer: Answer, hook: bool = False) -> str:
    data = answer.json
    if data.get("ok") is True and answer.status < 300:
        return str(data.get("ts") or "")
    if hook and answer.status == 200 and answer.body.strip() == b"ok":
        return ""
    error = str(data.get("error") or "")
    if error:
        raise NotifyError(
            "slack: {}".format(error[:100]),
            permanent=error in PERMANENT,
            retry_after=answer.retry_after,
        )
    check(answer)
    raise NotifyError(
        Text.of("slack did not confirm the message{}", "Slack 没有确认收到消息{}", said(answer)),
        retry_after=answer.retry_after,
    )
