"""Any other program, from the settings: ai.command = {"argv": [...], "env": [...]}. Prompt on
stdin, a JSON object on stdout.

In argv, {workdir} and {schema} stand for the private directory and a file with the JSON Schema.
Never a shell.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Mapping, Optional

from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context


def _settings(ctx: Context) -> Mapping[str, Any]:
    return ctx.settings.get("ai.command") or {}


def find(ctx: Context) -> str:
    argv = _settings(ctx).get("argv") or []
    if not argv:
        return ""
    return (
        argv[0]
        if os.path.isabs(argv[0]) and os.access(argv[0], os.X_OK)
        else child.find_program(ctx, argv[0], "command")
    )


def login(ctx: Context, program: str) -> Optional[bool]:
    del ctx, program
    return None


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "ai.command is not set or its program is missing")
    schema = Path(question.workdir) / "schema.json"
    schema.write_text(json.dumps(question.schema), "utf-8")
    places = {"{workdir}": question.workdir, "{schema}": str(schema)}
    argv: List[str] = [program]
    for word in list(_settings(ctx)["argv"])[1:]:
        for place, value in places.items():
            word = word.replace(place, value)
        argv.append(word)
    env = child.environment(ctx, program, tuple(_settings(ctx).get("env") or ()), question.run_id)
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    data = base.find_object(done.out) if done.code == 0 else None
    if data is None:
        raise base.of_completed(done)
    return Answer(data, base.Spent(), "", done.seconds, {}, (), tuple(argv))


BRIDGE = Bridge(
    "command",
    "ai.command",
    find,
    ask,
    login,
    note=Text(
        "runs without our rules: what it may do is up to it",
        "不受我们的规则约束，其权限由它自己决定",
    ),
    vendor="your own program",
    to=lambda ctx: " ".join(str(word) for word in _settings(ctx).get("argv") or ())[:200],
    whose=lambda ctx: Text("whatever that program uses", "由该程序自己决定"),
)
