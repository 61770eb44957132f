"""Google's gemini CLI, headless, with a policy that denies every tool. Measured on 0.61. The prompt
goes in on stdin.

With an API key it gets a home of its own (GEMINI_CLI_HOME), clean of the person's extensions and
servers; with a Google login it has to use the person's home. It never gives up on a lasting 429:
base.hopeless ends it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Optional

from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

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


def find(ctx: Any) -> str:
    return child.find_program(ctx, "gemini")


def login(ctx: Any, program: str) -> Optional[bool]:
    del program
    values = child.variables(ctx)
    return bool(
        values.get("GEMINI_API_KEY")
        or values.get("GOOGLE_API_KEY")
        or (ctx.host.home / ".gemini" / "oauth_creds.json").is_file()
    )


def ask(ctx: Any, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "gemini is not installed")
    folder = Path(question.workdir)
    (folder / "deny.toml").write_text(DENY_ALL, "utf-8")
    extra: Dict[str, str] = {"TMPDIR": question.workdir}
    if child.variables(ctx).get("GEMINI_API_KEY"):
        own = folder / "home" / ".gemini"
        own.mkdir(parents=True, exist_ok=True)
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "general": {"enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "hooksConfig": {"enabled": False},
        }
        (own / "settings.json").write_text(json.dumps(settings), "utf-8")
        extra["GEMINI_CLI_HOME"] = str(folder / "home")
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
    if done.code != 0 or not found or found.get("error"):
        error = (found or {}).get("error")
        raise base.of_completed(
            done,
            str(error.get("message", "")) + " " + done.err[-3000:]
            if isinstance(error, dict)
            else "",
        )
    data = base.find_object(str(found.get("response") or ""))
    if data is None:
        raise base.failure("bad-output", "no structured answer")
    return Answer(
        data,
        None,
        str(found.get("session_id", "")),
        done.seconds,
        {"policy": "deny all"},
        (),
        tuple(argv),
    )


BRIDGE = Bridge(
    "gemini",
    "Gemini CLI",
    find,
    ask,
    login,
    ENV,
    note=Text("every tool denied by policy", "策略禁止一切工具"),
)
