"""Any other receiver: one JSON object by POST. With a secret it is signed: X-Signature-256:
sha256=<HMAC of the body>. An address that ends with /api/v2/alerts is an Alertmanager.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Dict, List, Mapping
from urllib.parse import urlsplit

from ..errors import NotifyError
from ..model import Text
from ..store import fleet
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


ALERTMANAGER = "/api/v2/alerts"
LASTS_S, NOTE_S = 86400.0, 300.0  # s until Alertmanager drops what nobody resolves; a note


def alertmanager(doc: Doc, labels: Mapping[str, str]) -> List[Dict[str, Any]]:
    """The incidents of a message as alerts. Labels are the alert's identity: the same for the
    message that opens an incident and for the one that resolves it.
    """
    rows: Dict[str, Dict[str, Any]] = {}
    for item in doc.alerts:
        incident, at = str(item.get("incident") or "-"), float(item.get("at") or doc.at)
        over = item.get("kind") == "recovered"
        lasts = NOTE_S if item.get("kind") == "note" else LASTS_S
        row = rows.setdefault(incident, {"startsAt": fleet.stamp(at)})
        row["labels"] = {"alertname": "OpenClawIncident", "incident": incident, **labels}
        row["annotations"] = {
            "summary": str(item.get("title") or doc.title),
            "description": doc.what or render.text(doc)[:2000],
            "level": str(item.get("level") or doc.level),
            "next_step": doc.next_step,
        }
        row["endsAt"] = fleet.stamp(at if over else at + lasts)
    return list(rows.values())


def send(call: Call, doc: Doc) -> str:
    if urlsplit(call.url()).path.endswith(ALERTMANAGER):
        ctx = call.ctx
        alerts = alertmanager(doc, fleet.labels_of(ctx.host, ctx.home, ctx.settings))
        body = json.dumps(alerts, ensure_ascii=False).encode("utf-8", "replace")
        return judge(call.post(call.url(), body, {}))
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
