"""iFlow CLI. Its service closed on 2026-04-17 and the npm package is gone; where the binary still
exists it works with an endpoint of the person's own (settings.json or IFLOW_* variables). Public
reports only: the real binary could not be had any more.

Its prompt is an argument (`-p`): it is redacted, so no secret is on the command line, but any user
can see it while it runs; `-y` (approve everything) is never given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from ..files import json_bounded
from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = ("IFLOW_*",)
MAX_ARGUMENT = 100_000  # bytes; Linux allows 131,072 for one argument
CLOSED = Text(
    "the iFlow service closed on 2026-04-17; works only with your own endpoint",
    "iFlow 服务已于 2026-04-17 关闭，仅可配合自有接口使用",
)


def find(ctx: Context) -> str:
    return child.find_program(ctx, "iflow")


def login(ctx: Context, program: str) -> Optional[bool]:
    """An endpoint of one's own: base URL and key, from the environment or its settings file."""
    del program
    return all(_endpoint(ctx))


def _endpoint(ctx: Context) -> Tuple[str, str]:
    """(base URL, key), "" for what is not set."""
    values = child.variables(ctx)
    if values.get("IFLOW_apiKey") and values.get("IFLOW_baseUrl"):
        return values["IFLOW_baseUrl"], values["IFLOW_apiKey"]
    try:
        settings = json_bounded((ctx.host.home / ".iflow" / "settings.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "", ""
    if not isinstance(settings, dict):
        return "", ""
    return str(settings.get("baseUrl") or ""), str(settings.get("apiKey") or "")


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "iflow is not installed; " + CLOSED.en)
    if not login(ctx, program):
        raise base.failure("not-logged-in", CLOSED.en)
    prompt = question.prompt.encode("utf-8")[:MAX_ARGUMENT].decode("utf-8", "ignore")
    env = child.environment(ctx, program, ENV, question.run_id)
    done = child.run(
        ctx,
        [program, "-p", prompt],
        env,
        question.deadline_s,
        question.workdir,
        "",
        base.hopeless,
    )
    data = base.find_object(done.out) if done.code == 0 else None
    if data is None:
        raise base.of_completed(done)
    return Answer(data, base.Spent(), "", done.seconds, {}, (), (program, "-p", "<prompt>"))


def to(ctx: Context) -> str:
    return base.host_of(_endpoint(ctx)[0])


def whose(ctx: Context) -> Text:
    return Text("the key of your own endpoint", "你自有接口的密钥")


BRIDGE = Bridge(
    "iflow",
    "iFlow CLI",
    find,
    ask,
    login,
    ENV,
    note=CLOSED,
    vendor="the endpoint you set",
    to=to,
    whose=whose,
)
