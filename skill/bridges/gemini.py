"""Google's gemini CLI, headless, with a policy that denies every tool. Measured on 0.61. The prompt
goes in on stdin.

With an API key it gets a home of its own (GEMINI_CLI_HOME), clean of the person's extensions and
servers; with a Google login it has to use the person's home. It never gives up on a lasting 429:
base.hopeless ends it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GEMINI_MODEL",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_APPLICATION_CREDENTIALS",
)
DENY_ALL = '[[rule]]\ntoolName = "*"\ndecision = "deny"\npriority = 999\n'


def find(ctx: Context) -> str:
    return child.find_program(ctx, "gemini")


def login(ctx: Context, program: str) -> Optional[bool]:
    del program
    values = child.variables(ctx)
    return bool(
        values.get("GEMINI_API_KEY")
        or values.get("GOOGLE_API_KEY")
        or os.path.isfile(ctx.host.home / ".gemini" / "oauth_creds.json")
    )


def own_home(ctx: Context, folder: Path) -> Dict[str, str]:
    """A home with its login only: no GEMINI.md, extensions, servers, hooks; no figures sent."""
    own = child.linked(
        str(folder / "home" / ".gemini"),
        Path(ctx.host.home) / ".gemini",
        "oauth_creds.json",
        "google_accounts.json",
        "installation_id",
    )
    values = child.variables(ctx)
    keyed = values.get("GEMINI_API_KEY") or values.get("GOOGLE_API_KEY")
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key" if keyed else "oauth-personal"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "hooksConfig": {"enabled": False},
        "context": {"fileName": "none-of-them.md"},
    }
    (own / "settings.json").write_text(json.dumps(settings), "utf-8")
    return {
        "TMPDIR": str(folder),
        "GEMINI_CLI_HOME": str(folder / "home"),
        "HOME": str(folder / "home"),
    }


def to(ctx: Context) -> str:
    base_url = child.variables(ctx).get("GOOGLE_GEMINI_BASE_URL", "")
    return base.host_of(base_url) or "generativelanguage.googleapis.com"


def whose(ctx: Context) -> Text:
    values = child.variables(ctx)
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        if values.get(name):
            return base.key_in(name)
    return Text("your own Google login of Gemini CLI", "你自己在 Gemini CLI 中的 Google 登录")


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "gemini is not installed")
    folder = Path(question.workdir)
    (folder / "deny.toml").write_text(DENY_ALL, "utf-8")
    extra = own_home(ctx, folder)
    argv = [
        program,
        "-o",
        "json",
        "--skip-trust",
        "--policy",
        str(folder / "deny.toml"),
        "-e",
        "none",
        "-p",
        "",
    ]
    model = (ctx.settings.get("ai.models") or {}).get("gemini", "")
    argv += ["-m", model] if model else []
    env = child.environment(ctx, program, ENV, question.run_id, extra)
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    found = base.find_object(done.out)
    spent = spent_of(found or {})
    if done.code != 0 or not found or found.get("error"):
        error = (found or {}).get("error")
        said = str(error.get("message", "")) if isinstance(error, dict) else ""
        raise base.of_completed(done, said + " " + done.err[-3000:], spent)
    data = base.find_object(str(found.get("response") or ""))
    if data is None:
        raise base.failure("bad-output", "no structured answer", spent)
    session = str(found.get("session_id", ""))
    return Answer(data, spent, session, done.seconds, {"policy": "deny all"}, (), tuple(argv))


def spent_of(found: Dict[str, Any]) -> base.Spent:
    """Tokens and requests of every model that it asked (its router asks a small one first)."""
    models = (found.get("stats") or {}).get("models") or {}
    rows = [(name, row) for name, row in models.items() if isinstance(row, dict)]
    tokens = [row.get("tokens") or {} for _name, row in rows]
    return base.Spent(
        None,
        sum(int(t.get("prompt") or t.get("input") or 0) for t in tokens),
        sum(int(t.get("candidates") or 0) + int(t.get("thoughts") or 0) for t in tokens),
        sum(int((row.get("api") or {}).get("totalRequests") or 0) for _name, row in rows),
        ", ".join(str(name) for name, _row in rows),
    )


BRIDGE = Bridge(
    "gemini",
    "Gemini CLI",
    find,
    ask,
    login,
    ENV,
    note=Text("every tool denied by policy", "策略禁止一切工具"),
    vendor="Google",
    to=to,
    whose=whose,
)
