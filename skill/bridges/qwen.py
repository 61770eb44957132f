"""Qwen Code, headless, plan only: its allow-list can be bypassed, so it gets no tool but the
structured answer.

Measured on 0.15.10 and 0.24.4. `--bare` together with --json-schema keeps the answer tool only from
some version on, so older ones run without it (and then with no MCP server). The prompt goes in on
stdin.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ..model import Text
from . import base, child
from .base import Answer, Bridge, Question

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


def find(ctx: Any) -> str:
    return child.find_program(ctx, "qwen")


def login(ctx: Any, program: str) -> Optional[bool]:
    del program
    if child.variables(ctx).get("OPENAI_API_KEY"):
        return True
    folder = ctx.host.home / ".qwen"
    return (
        True
        if (folder / "oauth_creds.json").is_file()
        else None
        if (folder / "settings.json").is_file()
        else False
    )


def ask(ctx: Any, question: Question) -> Answer:
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
    env = child.environment(ctx, program, ENV, question.run_id, {"TMPDIR": question.workdir})
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events = _events(done.out)
    result: Dict[str, Any] = next((e for e in reversed(events) if e.get("type") == "result"), {})
    if done.missing or done.timed_out or done.code != 0 or result.get("is_error") is not False:
        error = result.get("error")
        raise base.of_completed(
            done,
            (str(error.get("message", "")) + " " + done.err[-2000:])
            if isinstance(error, dict)
            else "",
        )
    structured = result.get("structured_output")
    data = (
        structured
        if isinstance(structured, dict)
        else base.find_object(str(result.get("result") or ""))
    )
    if data is None:
        raise base.failure("bad-output", "no structured answer")
    first: Dict[str, Any] = next((e for e in events if e.get("subtype") == "init"), {})
    init: Dict[str, Any] = {
        key: first[key]
        for key in ("tools", "mcp_servers", "model", "permission_mode")
        if key in first
    }
    return Answer(
        data, None, str(result.get("session_id", "")), done.seconds, init, (), tuple(argv)
    )


def _events(out: str) -> List[Dict[str, Any]]:
    start = out.find("[{")
    try:
        value = json.loads(out[start:]) if start >= 0 else []
    except ValueError:
        value = []
    return [e for e in value if isinstance(e, dict)] or list(base.lines(out))


BRIDGE = Bridge(
    "qwen", "Qwen Code", find, ask, login, ENV, note=Text("plan only, no tools", "仅计划，无工具")
)
