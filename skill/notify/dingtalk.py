"""DingTalk: an app's robot (person or group), or a group's custom robot. The body decides; a list
of invalid staff is a refusal.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Dict
from urllib.parse import quote, urlencode, urlsplit

from ..errors import NotifyError
from ..model import Text
from . import render
from .http import Answer, check, errcode, said
from .render import Doc
from .sending import Call

APP, ROBOT = "https://api.dingtalk.com", "https://oapi.dingtalk.com"
LIMIT_BYTES = 15000  # a message may have 20 000 bytes; JSON in JSON costs some
PERMANENT = {300005, 310000, 400013, 400014, 40035, 400101, 400102, 400105, 88, 33001}
TOO_FAST = {130101, 130102, 410100, 11232}


def form(doc: Doc) -> Dict[str, str]:
    return dict(
        render.fit(
            doc,
            markdown,
            lambda value: (
                len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) <= LIMIT_BYTES
            ),
        )
    )


def markdown(doc: Doc) -> Dict[str, str]:
    parts = ["### " + escape(doc.title)]
    if doc.what:
        parts.append(escape(doc.what))
    if doc.details:
        parts.append(
            "\n".join(
                "- **{}**{}{}".format(label, doc.colon, escape(value))
                for label, value in doc.details
            )
        )
    if doc.lines:
        parts.append(
            ("**{}**\n\n".format(doc.word("history")) if doc.what else "")
            + "\n".join("- " + escape(row) for row in doc.lines)
        )
    if doc.done:
        parts.append(
            "**{}**\n\n{}".format(
                doc.word("done"), "\n".join("- " + escape(row) for row in doc.done)
            )
        )
    if doc.next_step:
        parts.append(
            "**👉 {}**\n\n{}".format(
                doc.word("next"), "  \n".join(escape(doc.next_step).splitlines())
            )
        )
    if doc.log:
        parts.append(
            "**{}**\n\n{}".format(
                doc.word("log"), "  \n".join("> " + escape(row) for row in doc.log.splitlines())
            )
        )
    if doc.paths:
        parts.append(
            "**{}**\n\n{}".format(
                doc.word("paths"), "\n".join("- " + escape(row) for row in doc.paths)
            )
        )
    parts.append("  \n".join(escape(doc.footer).splitlines()))
    return {"title": escape(doc.title)[:64], "text": "\n\n".join(parts)}


def escape(text: str) -> str:
    """DingTalk knows no escape character: break what would become a tag, an image or a link."""
    return (
        text.replace("<", "‹")
        .replace(">", "›")
        .replace("![", "! [")
        .replace("](", "] (")
        .replace("`", "'")
    )


def send(call: Call, doc: Doc) -> str:
    return _robot(call, doc) if call.way.kind == "robot" else _app(call, doc)


def _app(call: Call, doc: Doc) -> str:
    base = call.base(APP)
    name = next(key for key in ("clientId", "appKey") if key in call.way.secrets)
    client_id = call.secret(name)
    code = call.secret("robotCode") if call.has("robotCode") else client_id
    token = call.token(lambda: _token(call, base, client_id))
    body: Dict[str, Any] = {
        "robotCode": code,
        "msgKey": "sampleMarkdown",
        "msgParam": json.dumps(form(doc), ensure_ascii=False),
    }
    headers = {"x-acs-dingtalk-access-token": token}
    if call.way.to_kind == "room":
        answer = call.post(
            base + "/v1.0/robot/groupMessages/send",
            {**body, "openConversationId": call.way.to},
            headers,
        )
    else:
        answer = call.post(
            base + "/v1.0/robot/oToMessages/batchSend", {**body, "userIds": [call.way.to]}, headers
        )
    if answer.status == 401 or answer.json.get("code") == "InvalidAuthentication":
        call.forget_token()
    data = answer.json
    if answer.status >= 300:
        text = "dingtalk {}{}".format(data.get("code", answer.status), said(answer))
        slow = answer.status == 429 or "throttl" in text.lower() or "qps" in text.lower()
        if answer.status >= 500 or slow:
            raise NotifyError(text, retry_after=answer.retry_after or (5.0 if slow else None))
        raise NotifyError(text, permanent=answer.status != 401)
    if call.way.to in (data.get("invalidStaffIdList") or []):
        raise NotifyError(
            Text.of("dingtalk does not know the staff id {}", "钉钉不认识员工 ID {}", call.way.to),
            permanent=True,
        )
    if call.way.to in (data.get("flowControlledStaffIdList") or []):
        raise NotifyError(
            Text.of(
                "dingtalk holds messages to {} back (flow control)", "钉钉对 {} 限流", call.way.to
            ),
            retry_after=60.0,
        )
    if not data.get("processQueryKey"):
        raise NotifyError(
            Text.of(
                "dingtalk did not confirm the message{}", "钉钉没有确认收到消息{}", said(answer)
            ),
            retry_after=answer.retry_after,
        )
    return str(data["processQueryKey"])


def _token(call: Call, base: str, client_id: str) -> str:
    name = next(key for key in ("clientSecret", "appSecret") if key in call.way.secrets)
    answer = call.post(
        base + "/v1.0/oauth2/accessToken", {"appKey": client_id, "appSecret": call.secret(name)}
    )
    check(answer)
    if not answer.json.get("accessToken"):
        raise NotifyError(
            Text.of("dingtalk gave no token{}", "钉钉没有给出令牌{}", said(answer)),
            retry_after=answer.retry_after,
        )
    return str(answer.json["accessToken"])


def address(call: Call) -> str:
    """The robot's address with timestamp (ms) and signature, from a whole URL or from an access
    token.
    """
    if call.has("url"):
        url = call.url()
    else:
        url = call.base(ROBOT) + "/robot/send?" + urlencode({"access_token": call.secret("token")})
    if call.has("secret"):
        stamp, secret = str(int(call.now() * 1000)), call.secret("secret")
        sign = hmac.new(
            secret.encode(), "{}\n{}".format(stamp, secret).encode(), hashlib.sha256
        ).digest()
        mark = "&" if urlsplit(url).query else "?"
        url += "{}timestamp={}&sign={}".format(
            mark, stamp, quote(base64.b64encode(sign).decode(), safe="")
        )
    return url


def _robot(call: Call, doc: Doc) -> str:
    body = form(doc)
    if call.way.note and call.way.note not in body["text"]:
        body["text"] += "\n\n" + call.way.note  # the keyword the robot was told to demand
    return judge(
        call.post(
            address(call), {"msgtype": "markdown", "markdown": body, "at": {"isAtAll": False}}
        )
    )


def judge(answer: Answer) -> str:
    return errcode(answer, "dingtalk", PERMANENT, TOO_FAST, 20.0)
