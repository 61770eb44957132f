"""What both HTTP endpoints share: settings, key from a SecretRef, one POST with short retries,
errors by status. No CLI is needed.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional
from urllib.parse import urlsplit

from ..files import json_bounded
from ..model import Text
from ..openclaw import config as openclaw_config
from . import base
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

TOOL = "submit_plan"
DESCRIPTION = "Hand in the repair plan. This is the only way to answer."
ATTEMPTS = 3
LONGEST_PAUSE_S = 20.0  # a vendor that asks for more is left for the next bridge


def endpoint(ctx: Context, name: str) -> Mapping[str, Any]:
    """{base_url, model, key} of ai.<name>; {} when it is not set up."""
    found = ctx.settings.get("ai." + name) or {}
    return found if found.get("base_url") and found.get("model") else {}


def set_up(ctx: Context, name: str) -> Mapping[str, Any]:
    """As endpoint(). Raise BridgeError when it is not set up."""
    settings = endpoint(ctx, name)
    if not settings:
        raise base.failure("not-installed", "ai.{} is not set up".format(name))
    return settings


def bridge(name: str, title: str, ask: Callable[[Any, Question], Answer]) -> Bridge:
    """The bridge of the endpoint ai.<name>."""
    return Bridge(
        name,
        title,
        lambda ctx: str(endpoint(ctx, name).get("base_url", "")),
        ask,
        lambda ctx, program: login(ctx, name),
        vendor="the endpoint you set",
        to=lambda ctx: base.host_of(str(endpoint(ctx, name).get("base_url", ""))),
        whose=lambda ctx: Text.of("the key in ai.{}", "ai.{} 中的密钥", name),
    )


def answer(
    settings: Mapping[str, Any], reply: Mapping[str, Any], data: Mapping[str, Any], seconds: float
) -> Answer:
    """What an endpoint said, as every bridge says it."""
    init = {"model": reply.get("model"), "usage": reply.get("usage")}
    return Answer(
        data,
        spent_of(settings, reply),
        str(reply.get("id", "")),
        seconds,
        init,
        (),
        ("POST", settings["base_url"]),
    )


def spent_of(settings: Mapping[str, Any], reply: Mapping[str, Any]) -> base.Spent:
    usage = reply.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return base.Spent(
        None,
        int(usage.get("input_tokens") or usage.get("prompt_tokens") or 0),
        int(usage.get("output_tokens") or usage.get("completion_tokens") or 0),
        1,
        str(reply.get("model") or settings.get("model") or ""),
    )


def key_of(ctx: Context, settings: Mapping[str, Any]) -> str:
    """The key's text. "" when there is none (a local model needs none). Raise BridgeError when it
    cannot be resolved.
    """
    raw = settings.get("key")
    if not raw:
        return ""
    view = openclaw_config.load(ctx.home.config_path)
    values = openclaw_config.variables(view, ctx.host.env, ctx.home.env_file)
    try:
        from ..openclaw.secrets import Secrets

        return Secrets(ctx.host, ctx.home, view.data, values).reveal(raw)
    except Exception as error:
        raise base.failure(
            "not-logged-in", "the key cannot be resolved: {}".format(error)
        ) from None


def login(ctx: Context, name: str) -> Optional[bool]:
    """Whether the key resolves; whether the vendor takes it would cost a call."""
    settings = endpoint(ctx, name)
    if not settings:
        return False
    try:
        return None if key_of(ctx, settings) or not settings.get("key") else False
    except Exception:
        return False


def url_of(address: str, path: str) -> str:
    """Join, whether or not the base already ends in /v1. Plain http only to this machine: a key
    must not travel in the clear.
    """
    parts = urlsplit(address)
    if parts.scheme == "http" and not re.match(
        r"^(127\.|localhost$|\[?::1|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)",
        parts.hostname or "",
    ):
        raise base.failure(
            "refused", "plain http is only allowed to this machine or a private network"
        )
    address = address.rstrip("/")
    return (
        address + path
        if re.search(r"/v\d+$|/v\d+beta$|compatible-mode", address)
        else address + "/v1" + path
    )


def post(
    ctx: Context, url: str, headers: Mapping[str, str], body: Mapping[str, Any], deadline_s: float
) -> Dict[str, Any]:
    """POST JSON; return the JSON body of a 200. Overload and short rate limits are waited for;
    everything else raises BridgeError.
    """
    import requests

    until = time.monotonic() + deadline_s
    last = base.failure("timeout", "no time left")
    for attempt in range(ATTEMPTS):
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            session = requests.Session()
            session.trust_env = False  # a ~/.netrc entry would replace the key
            session.proxies.update(requests.utils.get_environ_proxies(url))
            reply = session.post(
                url,
                json=body,
                headers=dict(headers),
                timeout=(min(15.0, left), min(180.0, left)),
                allow_redirects=False,
            )
        except requests.Timeout:
            raise base.failure(
                "timeout", "no answer from {}".format(urlsplit(url).netloc.rpartition("@")[2])
            ) from None
        except requests.RequestException as error:
            last = base.failure("network", type(error).__name__)
            _pause(ctx, 1.0 + attempt, until)
            continue
        if reply.status_code == 200:
            try:
                value = reply.json()
            except ValueError:
                raise base.failure("bad-output", "the body is not JSON") from None
            if isinstance(value, dict):
                return value
            raise base.failure("bad-output", "the body is not an object")
        last = base.failure(
            base.kind_of_status(reply.status_code),
            "HTTP {}: {}".format(reply.status_code, reply.text[:200]),
        )
        pause = _seconds(reply.headers.get("retry-after"), 2.0 * (attempt + 1))
        if reply.status_code not in (429, 500, 502, 503, 504, 529) or pause > LONGEST_PAUSE_S:
            break
        _pause(ctx, pause, until)
    raise last


def _seconds(raw: Optional[str], otherwise: float) -> float:
    try:
        return max(0.0, float(raw or ""))
    except ValueError:
        return otherwise


def _pause(ctx: Context, seconds: float, until: float) -> None:
    sleep: Callable[[float], None] = ctx.host.sleep
    sleep(max(0.0, min(seconds, until - time.monotonic())))


# -- the two dialects: the answer comes as a forced tool call ---------------
VERSION = "2023-06-01"
MAX_TOKENS = 8192


def ask_anthropic(ctx: Context, question: Question) -> Answer:
    settings = set_up(ctx, "anthropic_http")
    key, began = key_of(ctx, settings), time.monotonic()
    body = {
        "model": settings["model"],
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": question.prompt}],
        "tools": [{"name": TOOL, "description": DESCRIPTION, "input_schema": question.schema}],
        "tool_choice": {"type": "tool", "name": TOOL},
    }
    headers = {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}
    reply = post(ctx, url_of(settings["base_url"], "/messages"), headers, body, question.deadline_s)
    if reply.get("stop_reason") == "refusal":
        raise base.failure("refused", "the model refused to answer", spent_of(settings, reply))
    parts = [p for p in reply.get("content") or [] if isinstance(p, dict)]
    data = next(
        (p.get("input") for p in parts if p.get("type") == "tool_use" and p.get("name") == TOOL),
        None,
    )
    if not isinstance(data, dict):
        data = base.find_object("".join(str(p.get("text", "")) for p in parts))
    if data is None or reply.get("stop_reason") == "max_tokens":
        raise base.failure(
            "bad-output",
            "no structured answer ({})".format(reply.get("stop_reason")),
            spent_of(settings, reply),
        )
    return answer(settings, reply, data, time.monotonic() - began)


ANTHROPIC = bridge("anthropic_http", "Anthropic endpoint", ask_anthropic)


def ask_openai(ctx: Context, question: Question) -> Answer:
    settings = set_up(ctx, "openai_http")
    key, began = key_of(ctx, settings), time.monotonic()
    tool = {
        "type": "function",
        "function": {
            "name": TOOL,
            "description": DESCRIPTION,
            "parameters": question.strict,
        },
    }
    body = {
        "model": settings["model"],
        "messages": [{"role": "user", "content": question.prompt}],
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": TOOL}},
    }
    headers = {"Authorization": "Bearer " + key} if key else {}
    reply = post(
        ctx,
        url_of(settings["base_url"], "/chat/completions"),
        headers,
        body,
        question.deadline_s,
    )
    choice = (reply.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise base.failure("refused", "the model refused to answer", spent_of(settings, reply))
    data = None
    for call in message.get("tool_calls") or []:
        if (call.get("function") or {}).get("name") == TOOL:
            data = data or _parse(call["function"].get("arguments"))
    data = data or base.find_object(str(message.get("content") or ""))
    if data is None:
        raise base.failure(
            "bad-output",
            "no structured answer ({})".format(choice.get("finish_reason")),
            spent_of(settings, reply),
        )
    return answer(settings, reply, data, time.monotonic() - began)


def _parse(raw: Any) -> Any:
    if isinstance(raw, dict):
        return raw
    try:
        value = json_bounded(raw or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


OPENAI = bridge("openai_http", "OpenAI-compatible endpoint", ask_openai)
