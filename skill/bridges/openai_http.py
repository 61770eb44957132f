"""Any OpenAI-compatible endpoint (Chat Completions), for machines without a CLI. The answer comes
as a forced tool call.
"""

from __future__ import annotations

import json
import time
from typing import Any

from . import base, failures, http
from .base import Answer, Question


def ask(ctx: Any, question: Question) -> Answer:
    settings = http.set_up(ctx, "openai_http")
    key, began = http.key_of(ctx, settings), time.monotonic()
    tool = {
        "type": "function",
        "function": {
            "name": http.TOOL,
            "description": http.DESCRIPTION,
            "parameters": question.strict,
        },
    }
    body = {
        "model": settings["model"],
        "messages": [{"role": "user", "content": question.prompt}],
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": http.TOOL}},
    }
    headers = {"Authorization": "Bearer " + key} if key else {}
    reply = http.post(
        ctx,
        http.url_of(settings["base_url"], "/chat/completions"),
        headers,
        body,
        question.deadline_s,
    )
    choice = (reply.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise failures.failure("refused", "the model refused to answer")
    data = None
    for call in message.get("tool_calls") or []:
        if (call.get("function") or {}).get("name") == http.TOOL:
            data = data or _parse(call["function"].get("arguments"))
    data = data or base.find_object(str(message.get("content") or ""))
    if data is None:
        raise failures.failure(
            "bad-output", "no structured answer ({})".format(choice.get("finish_reason"))
        )
    return http.answer(settings, reply, data, time.monotonic() - began)


def _parse(raw: Any) -> Any:
    if isinstance(raw, dict):
        return raw
    try:
        value = json.loads(raw or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


BRIDGE = http.bridge("openai_http", "OpenAI-compatible endpoint", ask)
