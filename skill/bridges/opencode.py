"""opencode, headless, plan only: it allows everything by default, so everything is denied by a
config of ours in its environment.

Measured on 1.18. It hangs on 401 and 429: its log on stderr is watched. One harmless tool (its own
to-do list) stays on, because some vendors' endpoints answer differently to requests without any
tool. The person's own provider and login stay in force.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

ENV = (
    "OPENCODE_CONFIG",
    "OPENCODE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "DEEPSEEK_API_KEY",
    "MOONSHOT_API_KEY",
    "ZHIPU_API_KEY",
    "DASHSCOPE_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
)


def find(ctx: Any) -> str:
    return child.find_program(ctx, "opencode")


def login(ctx: Any, program: str) -> Optional[bool]:
    """A key in the environment or a non-empty auth.json; a provider in a config file cannot be
    judged for free.
    """
    del program
    values = child.variables(ctx)
    if any(values.get(name) for name in ENV if name.endswith("_API_KEY")):
        return True
    from pathlib import Path

    base = Path(ctx.host.env.get("XDG_DATA_HOME") or ctx.host.home / ".local" / "share")
    try:
        return bool(json.loads((base / "opencode" / "auth.json").read_text("utf-8"))) or None
    except (OSError, ValueError):
        return None


def config_of(values: Dict[str, str], model: str) -> Dict[str, Any]:
    """Everything denied; and, where OPENAI_BASE_URL names an endpoint of the person's own, a
    provider for it.
    """
    config: Dict[str, Any] = {
        "$schema": "https://opencode.ai/config.json",
        "share": "disabled",
        "autoupdate": False,
        "snapshot": False,
        "permission": {"*": "deny", "todowrite": "allow"},
        "tools": {"*": False, "todowrite": True},
        "mcp": {},
        "plugin": [],
    }
    if values.get("OPENAI_BASE_URL") and values.get("OPENAI_API_KEY") and "/" not in model:
        name = model or values.get("OPENAI_MODEL") or "default"
        options = {"baseURL": "{env:OPENAI_BASE_URL}", "apiKey": "{env:OPENAI_API_KEY}"}
        config["provider"] = {
            "own": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "own",
                "options": options,
                "models": {name: {"name": name}},
            }
        }
        config["model"] = config["small_model"] = "own/" + name
    elif model:
        config["model"] = model
    return config


def ask(ctx: Any, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "opencode is not installed")
    values = child.variables(ctx)
    config = config_of(values, (ctx.settings.get("ai.models") or {}).get("opencode", ""))
    argv = [program, "run", "--format", "json", "--pure", "--print-logs", "--log-level", "WARN"]
    extra = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }
    env = child.environment(ctx, program, ENV, question.run_id, extra)
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events: List[Dict[str, Any]] = list(base.lines(done.out))
    wrong = [e for e in events if e.get("type") == "error"]
    if done.code != 0 or wrong:
        raise base.of_completed(done, json.dumps(wrong) + done.err[-2000:] if wrong else "")
    text = "".join(
        str((e.get("part") or {}).get("text", "")) for e in events if e.get("type") == "text"
    )
    data = base.find_object(text)
    if data is None:
        raise base.failure("bad-output", "no structured answer")
    costs = [(e.get("part") or {}).get("cost") for e in events if e.get("type") == "step_finish"]
    cost = sum(c for c in costs if isinstance(c, (int, float))) if costs else None
    session = str(events[0].get("sessionID", "")) if events else ""
    calls = tuple(
        {"name": (e.get("part") or {}).get("tool"), "input": None, "decision": "own"}
        for e in events
        if e.get("type") == "tool_use"
    )
    return Answer(data, cost, session, done.seconds, {"permission": "deny all"}, calls, tuple(argv))


BRIDGE = Bridge(
    "opencode",
    "opencode",
    find,
    ask,
    login,
    ENV,
    note=Text("plan only, everything denied", "仅计划，一切工具被禁"),
)
