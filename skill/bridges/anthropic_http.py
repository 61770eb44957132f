"""The Anthropic Messages API, for machines without a CLI. The answer comes as a forced tool
call.
"""

from __future__ import annotations

import time
from typing import Any

from . import base, failures, http
from .base import Answer, Question

VERSION = "2023-06-01"
MAX_TOKENS = 8192


def ask(ctx: Any, question: Question) -> Answer:
    settings = http.set_up(ctx, "anthropic_http")
    key, began = http.key_of(ctx, settings), time.monotonic()
    body = {
        "model": settings["model"],
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": question.prompt}],
        "tools": [
            {"name": http.TOOL, "description": http.DESCRIPTION, "input_schema": question.schema}
        ],
        "tool_choice": {"type": "tool", "name": http.TOOL},
    }
    headers = {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}
    reply = http.post(
        ctx, http.url_of(settings["base_url"], "/messages"), headers, body, question.deadline_s
    )
    if reply.get("stop_reason") == "refusal":
        raise failures.failure("refused", "the model refused to answer")
    parts = [p for p in reply.get("content") or [] if isinstance(p, dict)]
    data = next(
        (
            p.get("input")
            for p in parts
            if p.get("type") == "tool_use" and p.get("name") == http.TOOL
        ),
        None,
    )
    if not isinstance(data, dict):
        data = base.find_object("".join(str(p.get("text", "")) for p in parts))
    if data is None or reply.get("stop_reason") == "max_tokens":
        raise failures.failure(
            "bad-output", "no structured answer ({})".format(reply.get("stop_reason"))
        )
    return http.answer(settings, reply, data, time.monotonic() - began)


BRIDGE = http.bridge("anthropic_http", "Anthropic endpoint", ask)
