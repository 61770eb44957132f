"""The many other services, through the optional package apprise (pip install
openclaw-iflow-doctor[apprise]).
"""

from __future__ import annotations

from typing import Any, Dict

from ..errors import NotifyError
from ..model import Text
from . import render
from .render import Doc
from .sending import Call


def form(doc: Doc) -> Dict[str, Any]:
    text = str(render.fit(doc, render.text, lambda value: len(value) <= 3500))
    return {"title": doc.title, "body": text}


def send(call: Call, doc: Doc) -> str:
    try:
        import apprise
    except ImportError:
        raise NotifyError(
            Text(
                "the package apprise is not installed: pip install apprise",
                "没有安装 apprise:pip install apprise",
            ),
            permanent=True,
        ) from None
    service = apprise.Apprise()
    if not service.add(call.secret("url")):
        raise NotifyError(
            Text("apprise does not know this kind of address", "apprise 不认识这种地址"),
            permanent=True,
        )
    if not service.notify(**form(doc), body_format=apprise.NotifyFormat.TEXT):
        raise NotifyError(Text("apprise could not deliver the message", "apprise 没能送出消息"))
    return ""
