"""Any OpenAI-compatible endpoint (Chat Completions), for machines without a CLI. The answer comes as a forced tool call."""

from __future__ import annotations

import json
import time
from typing import Any, Optional

from . import failures, http, jsontext
from .base import Answer, Bridge, Question


def find(ctx: Any) -> str:
    return str(http.endpoint(ctx, "openai_http").get("base_url", ""))


def login(ctx: Any, program: str) -> Optional[bool]:
    del program
    return http.login(ctx, "openai_http")


def ask(ctx: Any, question: Question) -> Answer:
    settings = http.endpoint(ctx, "openai_http")
    if not settings:
        raise failures.failure("not-installed", "ai.openai_http is not set up")
    key, began = http.key_of(ctx, settings), time.monotonic()
    tool = {"type": "function", "function": {"name": http.TOOL, "description": http.DESCRIPTION, "parameters": question.strict}}
    body = {
        "model": settings["model"],
        "messages": [{"role": "user", "content": question.prompt}],
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": http.TOOL}},
    }
    headers = {"Authorization": "Bearer " + key} if key else {}
    reply = http.post(ctx, http.url_of(settings["base_url"], "/chat/completions"), headers, body, question.deadline_s)
    choice = (reply.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise failures.failure("refused", "the model refused to answer")
    data = None
    for call in message.get("tool_calls") or []:
        if (call.get("function") or {}).get("name") == http.TOOL:
            data = data or _parse(call["function"].get("arguments"))
    data = data or jsontext.find_object(str(message.get("content") or ""))
    if data is None:
        raise failures.failure("bad-output", "no structured answer ({})".format(choice.get("finish_reason")))
    return Answer(
        data,
        None,
        str(reply.get("id", "")),
        time.monotonic() - began,
        {"model": reply.get("model"), "usage": reply.get("usage")},
        (),
        ("POST", settings["base_url"]),
    )


def _parse(raw: Any) -> Any:
    if isinstance(raw, dict):
        return raw
    try:
        value = json.loads(raw or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


BRIDGE = Bridge("openai_http", "OpenAI-compatible endpoint", find, ask, login)
