"""opencode, headless, plan only: it allows everything by default, so everything is denied by a
config of ours in its environment.

Measured on 1.18. It hangs on 401 and 429: its log on stderr is watched. One harmless tool (its own
to-do list) stays on, because some vendors' endpoints answer differently to requests without any
tool. The person's own provider and login stay in force.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..files import json_bounded
from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = (
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


NOWHERE = "http://127.0.0.1:9/"


def find(ctx: Context) -> str:
    return child.find_program(ctx, "opencode")


def login(ctx: Context, program: str) -> Optional[bool]:
    """A key in the environment, or a login of the person's own in auth.json. Without one it would
    ask a free model of its vendor's: that is nobody's login, and is never used.
    """
    del program
    return bool(_keys(ctx) or _logins(ctx))


def _keys(ctx: Context) -> List[str]:
    values = child.variables(ctx)
    return [n for n in ENV if n.endswith("_API_KEY") and n != "OPENCODE_API_KEY" and values.get(n)]


def _logins(ctx: Context) -> List[str]:
    """The providers that the person logged in to."""
    try:
        value = json_bounded((_data(ctx) / "auth.json").read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [str(name) for name in value if name != "opencode"] if isinstance(value, dict) else []


def _data(ctx: Context) -> Path:
    base_dir = ctx.host.env.get("XDG_DATA_HOME") or ctx.host.home / ".local" / "share"
    return Path(base_dir) / "opencode"


def own_home(ctx: Context, workdir: str) -> Dict[str, str]:
    """A home that holds the logins and nothing else: no AGENTS.md, no skills, no plugins."""
    home = Path(workdir) / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / ".npmrc").write_text("registry={}\noffline=true\n".format(NOWHERE), "utf-8")
    child.linked(str(home / ".local" / "share" / "opencode"), _data(ctx), "auth.json")
    return {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
    }


def to(ctx: Context) -> str:
    values = child.variables(ctx)
    model = str((ctx.settings.get("ai.models") or {}).get("opencode", ""))
    if values.get("OPENAI_BASE_URL") and values.get("OPENAI_API_KEY") and "/" not in model:
        return base.host_of(values["OPENAI_BASE_URL"])
    if "/" in model:
        return model.partition("/")[0]
    names = _logins(ctx) + [name[: -len("_API_KEY")].lower() for name in _keys(ctx)]
    return ", ".join(dict.fromkeys(names))


def whose(ctx: Context) -> Text:
    found = _keys(ctx)
    return (
        base.key_in(found[0])
        if found
        else Text("your own login of opencode", "你自己的 opencode 登录")
    )


def config_of(values: Dict[str, str], model: str) -> Dict[str, Any]:
    """Everything denied; and, where OPENAI_BASE_URL names an endpoint of the person's own, a
    provider for it.
    """
    config: Dict[str, Any] = {
        "$schema": "https://opencode.ai/config.json",
        "share": "disabled",
        "disabled_providers": ["opencode"],
        "instructions": [],
        "agent": {"title": {"disable": True}},
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


def ask(ctx: Context, question: Question) -> Answer:
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
        # nothing fetched, nothing read, nothing shared
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_CLAUDE_CODE": "1",
        "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
        "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
        "OPENCODE_DISABLE_SHARE": "1",
        # it installs a package into every config folder; a registry that is nowhere gives it none
        "npm_config_registry": NOWHERE,
        "NPM_CONFIG_REGISTRY": NOWHERE,
        "npm_config_offline": "true",
        **own_home(ctx, question.workdir),
    }
    env = child.environment(ctx, program, ENV, question.run_id, extra)
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events: List[Dict[str, Any]] = list(base.lines(done.out))
    wrong = [e for e in events if e.get("type") == "error"]
    spent = spent_of(events, str(config.get("model") or ""))
    if done.code != 0 or wrong:
        raise base.of_completed(done, json.dumps(wrong) + done.err[-2000:] if wrong else "", spent)
    text = "".join(
        str((e.get("part") or {}).get("text", "")) for e in events if e.get("type") == "text"
    )
    data = base.find_object(text)
    if data is None:
        raise base.failure("bad-output", "no structured answer", spent)
    session = str(events[0].get("sessionID", "")) if events else ""
    calls = tuple(
        {"name": (e.get("part") or {}).get("tool"), "input": None, "decision": "own"}
        for e in events
        if e.get("type") == "tool_use"
    )
    return Answer(
        data, spent, session, done.seconds, {"permission": "deny all"}, calls, tuple(argv)
    )


def spent_of(events: List[Dict[str, Any]], model: str) -> base.Spent:
    """Its own figures; a price of zero beside tokens only says that it knows no price."""
    parts = [e.get("part") or {} for e in events if e.get("type") == "step_finish"]
    tokens = [part.get("tokens") or {} for part in parts]
    costs = [p["cost"] for p in parts if isinstance(p.get("cost"), (int, float))]
    paid = float(sum(costs))
    return base.Spent(
        paid if paid > 0 else None,
        sum(int(t.get("input") or 0) for t in tokens),
        sum(int(t.get("output") or 0) for t in tokens),
        len(parts),
        model,
    )


BRIDGE = Bridge(
    "opencode",
    "opencode",
    find,
    ask,
    login,
    ENV,
    note=Text("plan only, everything denied", "仅计划，一切工具被禁"),
    vendor="opencode",
    to=to,
    whose=whose,
)
