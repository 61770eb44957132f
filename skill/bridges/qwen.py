"""Qwen Code, headless, plan only: its allow-list can be bypassed, so it gets no tool but the
structured answer.

Measured on 0.15.10 and 0.24.4. `--bare` together with --json-schema keeps the answer tool only from
some version on, so older ones run without it (and then with no MCP server). The prompt goes in on
stdin.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from ..files import json_bounded
from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "QWEN_*",
    "DASHSCOPE_API_KEY",
    "BAILIAN_*",
)
TOOLS = (
    "agent,skill,list_directory,grep_search,glob,read_file,write_file,edit,notebook_edit,run_sh"
    "ell_command,get_goal,update_goal,web_fetch,"
    "web_search,save_memory,todo_write,"
    "ask_user_question,exit_plan_mode,enter_plan_mode,task,task_stop,cron_create,cron_list,cron"
    "_delete,monitor,send_message,lsp,"
    "tool_search,list_mcp_resources,read_mcp_resource"
)
BARE_FROM = (0, 20, 0)
_versions: Dict[str, Tuple[int, ...]] = {}


def find(ctx: Context) -> str:
    return child.find_program(ctx, "qwen")


def login(ctx: Context, program: str) -> Optional[bool]:
    del program
    if child.variables(ctx).get("OPENAI_API_KEY"):
        return True
    folder = ctx.host.home / ".qwen"
    if os.path.isfile(folder / "oauth_creds.json"):
        return True
    return None if os.path.isfile(folder / "settings.json") else False


def own_home(ctx: Context, workdir: str) -> Dict[str, str]:
    """A home with its login and endpoint only: no QWEN.md, no skills, no servers; nothing sent."""
    person = Path(ctx.host.home) / ".qwen"
    own = child.linked(str(Path(workdir) / "home" / ".qwen"), person, "oauth_creds.json")
    try:
        theirs = json_bounded((person / "settings.json").read_text("utf-8"))
    except (OSError, ValueError):
        theirs = {}
    kept = ("security", "model", "modelProviders", "env", "selectedAuthType")
    settings = {k: v for k, v in theirs.items() if k in kept} if isinstance(theirs, dict) else {}
    settings.update(
        privacy={"usageStatisticsEnabled": False},
        telemetry={"enabled": False},
        general={"enableAutoUpdate": False, "disableAutoUpdate": True},
        usageStatisticsEnabled=False,
        context={"fileName": "none-of-them.md"},
    )
    path = own / "settings.json"
    path.write_text(json.dumps(settings), "utf-8")
    path.chmod(0o600)
    return {
        "TMPDIR": workdir,
        "HOME": str(own.parent),
        "QWEN_HOME": str(own),
        "QWEN_TELEMETRY_ENABLED": "false",
        "QWEN_USAGE_STATISTICS_ENABLED": "false",
    }


def to(ctx: Context) -> str:
    values = child.variables(ctx)
    if values.get("OPENAI_API_KEY"):
        return base.host_of(values.get("OPENAI_BASE_URL", "")) or "api.openai.com"
    return "portal.qwen.ai"


def whose(ctx: Context) -> Text:
    if child.variables(ctx).get("OPENAI_API_KEY"):
        return base.key_in("OPENAI_API_KEY")
    return Text("your own login of Qwen Code", "你自己的 Qwen Code 登录")


def spent_of(events: List[Dict[str, Any]], result: Dict[str, Any], model: str) -> base.Spent:
    usage = result.get("usage") or {}
    first: Dict[str, Any] = next((e for e in events if e.get("subtype") == "init"), {})
    return base.Spent(
        None,
        int(usage.get("input_tokens") or 0),
        int(usage.get("output_tokens") or 0),
        int(result.get("num_turns") or 0),
        model or str(first.get("model") or ""),
    )


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "qwen is not installed")
    if program not in _versions:
        _versions[program] = child.version_of(ctx, program)
    schema = Path(question.workdir) / "schema.json"
    schema.write_text(json.dumps(question.strict), "utf-8")
    argv: List[str] = [
        program,
        "-o",
        "json",
        "--approval-mode",
        "plan",
        "--json-schema",
        "@" + str(schema),
        "--exclude-tools",
        TOOLS,
        "--max-session-turns",
        "4",
    ]
    argv += (
        ["--bare"]
        if _versions[program] >= BARE_FROM
        else ["--allowed-mcp-server-names", "none", "-e", "none"]
    )
    argv += ["--auth-type", "openai"] if child.variables(ctx).get("OPENAI_API_KEY") else []
    model = (ctx.settings.get("ai.models") or {}).get("qwen", "")
    argv += ["-m", model] if model else []
    env = child.environment(ctx, program, ENV, question.run_id, own_home(ctx, question.workdir))
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events = _events(done.out)
    result: Dict[str, Any] = next((e for e in reversed(events) if e.get("type") == "result"), {})
    spent = spent_of(events, result, model)
    if done.missing or done.timed_out or done.code != 0 or result.get("is_error") is not False:
        error = result.get("error")
        said = str(error.get("message", "")) if isinstance(error, dict) else ""
        raise base.of_completed(done, said + " " + done.err[-2000:], spent)
    structured = result.get("structured_output")
    data = (
        structured
        if isinstance(structured, dict)
        else base.find_object(str(result.get("result") or ""))
    )
    if data is None:
        raise base.failure("bad-output", "no structured answer", spent)
    first: Dict[str, Any] = next((e for e in events if e.get("subtype") == "init"), {})
    init: Dict[str, Any] = {
        key: first[key]
        for key in ("tools", "mcp_servers", "model", "permission_mode")
        if key in first
    }
    return Answer(
        data, spent, str(result.get("session_id", "")), done.seconds, init, (), tuple(argv)
    )


def _events(out: str) -> List[Dict[str, Any]]:
    start = out.find("[{")
    try:
        value = json_bounded(out[start:]) if start >= 0 else []
    except ValueError:
        value = []
    return [e for e in value if isinstance(e, dict)] or list(base.lines(out))


BRIDGE = Bridge(
    "qwen",
    "Qwen Code",
    find,
    ask,
    login,
    ENV,
    note=Text("plan only, no tools", "仅计划，无工具"),
    vendor="Alibaba Cloud, or the endpoint you set",
    to=to,
    whose=whose,
)
