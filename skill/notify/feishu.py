"""Feishu and Lark: an app's message card, or a custom bot's webhook. The body's `code` decides,
HTTP 200 says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Dict, Mapping, Tuple

from ..errors import NotifyError
from ..model import Text
from . import render
from .http import Answer, check, said
from .render import Doc
from .sending import Call

OFFICIAL = "https://open.feishu.cn"
COLOUR = {"warning": "orange", "error": "red", "critical": "carmine", "info": "blue"}
LIMIT_BYTES = 18000  # a custom bot's request may have 20 KB, an app's card 30 KB
PERMANENT = {
    10003,
    10014,
    10015,
    11205,
    19001,
    19021,
    19022,
    19024,
    230001,
    230002,
    230006,
    230013,
    230018,
    230027,
    230034,
    99991672,
}
TOKEN = {99991661, 99991663, 99991664, 99991668}
CARD_REFUSED = {230001, 230025, 230028, 230099, 200340, 11246, 11310, 9499}


def form(doc: Doc) -> Dict[str, Any]:
    return dict(
        render.fit(
            doc,
            card,
            lambda value: (
                len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) <= LIMIT_BYTES
            ),
        )
    )


def card(doc: Doc) -> Dict[str, Any]:
    """Foreign text only ever stands in plain_text, where neither <at> nor markdown means
    anything.
    """
    rows = []
    if doc.what:
        rows.append(_plain(doc.what))
    if doc.details:
        fields = [
            {"is_short": len(value) < 30, "text": _text("{}\n{}".format(label, value))}
            for label, value in doc.details
        ]
        rows.append({"tag": "div", "fields": fields})
    if doc.lines:
        rows += _section(doc.word("history") if doc.what else "", "\n".join(doc.lines))
    if doc.done:
        rows += _section(doc.word("done"), "\n".join("• " + row for row in doc.done))
    if doc.next_step:
        rows += [{"tag": "hr"}] + _section("👉 " + doc.word("next"), doc.next_step)
    if doc.log:
        rows += [{"tag": "hr"}] + _section(doc.word("log"), doc.log)
    if doc.paths:
        rows += _section(doc.word("paths"), "\n".join(doc.paths))
    rows.append({"tag": "note", "elements": [_text(doc.footer)]})
    colour = "green" if doc.kind == "recovered" else COLOUR.get(doc.level, "red")
    return {
        "config": {"wide_screen_mode": True},
        "header": {"template": colour, "title": _text(doc.title)},
        "elements": rows,
    }


def _text(content: str) -> Dict[str, str]:
    return {"tag": "plain_text", "content": content}


def _plain(content: str) -> Dict[str, Any]:
    return {"tag": "div", "text": _text(content)}


def _section(heading: str, content: str) -> list:  # type: ignore[type-arg]
    bold = (
        [{"tag": "div", "text": {"tag": "lark_md", "content": "**{}**".format(heading)}}]
        if heading
        else []
    )
    return bold + [_plain(content)]


def send(call: Call, doc: Doc) -> str:
    """Deliver one message; return the platform's message id. Raises NotifyError."""
    return _hook(call, doc) if call.way.kind == "hook" else _app(call, doc)


def _app(call: Call, doc: Doc) -> str:
    base = call.base(OFFICIAL)
    to, kind = call.way.to, receive_id_type(call.way.to, call.way.to_kind)
    address = "{}/open-apis/im/v1/messages?receive_id_type={}".format(base, kind)
    content: Tuple[str, Any] = ("interactive", form(doc))
    for attempt in range(3):
        token = call.token(lambda: _token(call, base))
        body = {
            "receive_id": to,
            "msg_type": content[0],
            "content": json.dumps(content[1], ensure_ascii=False),
            "uuid": call.key,
        }
        answer = call.post(address, body, {"Authorization": "Bearer " + token})
        number = answer.json.get("code")
        if number in CARD_REFUSED and content[0] == "interactive" and attempt == 0:
            content = ("text", {"text": render.text(doc)[:4000]})
            continue
        if number in TOKEN and attempt < 2:
            call.forget_token()
            continue
        data = judge(answer)
        inner = data.get("data")
        return str(inner.get("message_id", "")) if isinstance(inner, Mapping) else ""
    raise NotifyError(
        Text("feishu does not accept the token it just gave", "飞书不接受它刚给出的令牌")
    )


def _token(call: Call, base: str) -> str:
    body = {"app_id": call.secret("appId"), "app_secret": call.secret("appSecret")}
    data = judge(call.post(base + "/open-apis/auth/v3/tenant_access_token/internal", body))
    if not data.get("tenant_access_token"):
        raise NotifyError(Text("feishu gave no token", "飞书没有给出令牌"))
    return str(data["tenant_access_token"])


def _hook(call: Call, doc: Doc) -> str:
    body: Dict[str, Any] = {"msg_type": "interactive", "card": form(doc)}
    if "secret" in call.way.secrets:
        stamp = str(int(call.now()))
        sign = hmac.new(
            "{}\n{}".format(stamp, call.secret("secret")).encode(), b"", hashlib.sha256
        ).digest()
        body.update(timestamp=stamp, sign=base64.b64encode(sign).decode())
    judge(call.post(call.url(), body))
    return ""


def receive_id_type(to: str, kind: str) -> str:
    """Feishu tells ids apart by their beginning."""
    for start, name in (("ou_", "open_id"), ("oc_", "chat_id"), ("on_", "union_id")):
        if to.startswith(start):
            return name
    return "email" if "@" in to else "chat_id" if kind == "room" else "user_id"


def judge(answer: Answer) -> Dict[str, Any]:
    data = answer.json
    number = data.get("code", data.get("StatusCode"))
    if number == 0 and answer.status < 300:
        return data
    if isinstance(number, int) and number != 0:
        raise NotifyError(
            Text.of("feishu code {}{}", "飞书返回码 {}{}", number, said(answer)),
            permanent=number in PERMANENT or number in TOKEN,
            retry_after=answer.retry_after,
        )
    check(answer)
    raise NotifyError(Text("feishu did not confirm the message", "飞书没有确认收到消息"))
