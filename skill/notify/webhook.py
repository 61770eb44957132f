"""Any other receiver: one JSON object by POST. With a secret it is signed: X-Signature-256:
sha256=<HMAC of the body>.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Dict

from ..errors import NotifyError
from ..model import Text
from . import render
from .http import Answer, check, said
from .render import Doc
from .sending import Call


def form(doc: Doc) -> Dict[str, Any]:
    return {
        "source": "openclaw-iflow-doctor",
        "incident": doc.incident,
        "kind": doc.kind,
        "level": doc.level,
        "at": doc.at,
        "title": doc.title,
        "text": render.text(doc),
        "next_step": doc.next_step,
        "alerts": [dict(item) for item in doc.alerts],
    }


def send(call: Call, doc: Doc) -> str:
    raw = json.dumps({**form(doc), "id": call.key}, ensure_ascii=False).encode("utf-8", "replace")
    headers = {"Idempotency-Key": call.key}
    if call.has("secret"):
        headers["X-Signature-256"] = (
            "sha256=" + hmac.new(call.secret("secret").encode(), raw, hashlib.sha256).hexdigest()
        )
    return judge(call.post(call.url(), raw, headers))


def judge(answer: Answer) -> str:
    """2xx is delivered, unless the body is an object that says otherwise (ok/success false, a code
    that is not 0 or 2xx).
    """
    check(answer)
    data = answer.json
    bad = any(data.get(key) is False for key in ("ok", "success"))
    bad = bad or any(
        isinstance(data.get(k), int) and data[k] != 0 and not 200 <= data[k] < 300
        for k in ("code", "errcode")
    )
    if bad:
        raise NotifyError(
            Text.of(
                "the webhook's answer says it failed{}", "webhook 的响应表示失败{}", said(answer)
            ),
            retry_after=answer.retry_after,
        )
    return ""
