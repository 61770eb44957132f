"""What both HTTP endpoints share: settings, key from a SecretRef, one POST with short retries,
errors by status. No CLI is needed.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Dict, Mapping, Optional
from urllib.parse import urlsplit

from ..openclaw import config as openclaw_config
from . import failures
from .base import Answer, Bridge, Question

TOOL = "submit_plan"
DESCRIPTION = "Hand in the repair plan. This is the only way to answer."
ATTEMPTS = 3
LONGEST_PAUSE_S = 20.0  # a vendor that asks for more is left for the next bridge


def endpoint(ctx: Any, name: str) -> Mapping[str, Any]:
    """{base_url, model, key} of ai.<name>; {} when it is not set up."""
    found = ctx.settings.get("ai." + name) or {}
    return found if found.get("base_url") and found.get("model") else {}


def set_up(ctx: Any, name: str) -> Mapping[str, Any]:
    """As endpoint(). Raise BridgeError when it is not set up."""
    settings = endpoint(ctx, name)
    if not settings:
        raise failures.failure("not-installed", "ai.{} is not set up".format(name))
    return settings


def bridge(name: str, title: str, ask: Callable[[Any, Question], Answer]) -> Bridge:
    """The bridge of the endpoint ai.<name>."""
    return Bridge(
        name,
        title,
        lambda ctx: str(endpoint(ctx, name).get("base_url", "")),
        ask,
        lambda ctx, program: login(ctx, name),
    )


def answer(
    settings: Mapping[str, Any], reply: Mapping[str, Any], data: Mapping[str, Any], seconds: float
) -> Answer:
    """What an endpoint said, as every bridge says it."""
    init = {"model": reply.get("model"), "usage": reply.get("usage")}
    return Answer(
        data, None, str(reply.get("id", "")), seconds, init, (), ("POST", settings["base_url"])
    )


def key_of(ctx: Any, settings: Mapping[str, Any]) -> str:
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
        raise failures.failure(
            "not-logged-in", "the key cannot be resolved: {}".format(error)
        ) from None


def login(ctx: Any, name: str) -> Optional[bool]:
    """Whether the key resolves; whether the vendor takes it would cost a call."""
    settings = endpoint(ctx, name)
    if not settings:
        return False
    try:
        return None if key_of(ctx, settings) or not settings.get("key") else False
    except Exception:
        return False


def url_of(base: str, path: str) -> str:
    """Join, whether or not the base already ends in /v1. Plain http only to this machine: a key
    must not travel in the clear.
    """
    parts = urlsplit(base)
    if parts.scheme == "http" and not re.match(
        r"^(127\.|localhost$|\[?::1|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)",
        parts.hostname or "",
    ):
        raise failures.failure(
            "refused", "plain http is only allowed to this machine or a private network"
        )
    base = base.rstrip("/")
    return (
        base + path
        if re.search(r"/v\d+$|/v\d+beta$|compatible-mode", base)
        else base + "/v1" + path
    )


def post(
    ctx: Any, url: str, headers: Mapping[str, str], body: Mapping[str, Any], deadline_s: float
) -> Dict[str, Any]:
    """POST JSON; return the JSON body of a 200. Overload and short rate limits are waited for;
    everything else raises BridgeError.
    """
    import requests

    until = time.monotonic() + deadline_s
    last = failures.failure("timeout", "no time left")
    for attempt in range(ATTEMPTS):
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            reply = requests.post(
                url,
                json=body,
                headers=dict(headers),
                timeout=(min(15.0, left), min(180.0, left)),
                allow_redirects=False,
            )
        except requests.Timeout:
            raise failures.failure(
                "timeout", "no answer from {}".format(urlsplit(url).netloc.rpartition("@")[2])
            ) from None
        except requests.RequestException as error:
            last = failures.failure("network", type(error).__name__)
            _pause(ctx, 1.0 + attempt, until)
            continue
        if reply.status_code == 200:
            try:
                value = reply.json()
            except ValueError:
                raise failures.failure("bad-output", "the body is not JSON") from None
            if isinstance(value, dict):
                return value
            raise failures.failure("bad-output", "the body is not an object")
        last = failures.failure(
            failures.kind_of_status(reply.status_code),
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


def _pause(ctx: Any, seconds: float, until: float) -> None:
    sleep: Callable[[float], None] = ctx.host.sleep
    sleep(max(0.0, min(seconds, until - time.monotonic())))
