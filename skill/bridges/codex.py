"""OpenAI's codex, headless: no shell, read-only sandbox, structured answer. The prompt goes in on
stdin.

Measured on 0.169. A base URL of one's own needs a provider definition (the built-in provider spends
8 s on a WebSocket first).
It is never offered hands: its sandbox keeps writes inside the working directory, but a shell in it
reads the whole disk, the live config and its secrets included, and without the shell this version
has no way to edit (measured).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..model import Text
from . import base, child
from .base import PLAN, Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORGANIZATION",
    "OPENAI_PROJECT",
    "CODEX_HOME",
    "CODEX_API_KEY",
    "CODEX_ACCESS_TOKEN",
)
# Without these the model would have hands, eyes on the disk, or helpers. Unknown names are an error
# in codex, so the list is intersected.
OFF = (
    "shell_tool",
    "unified_exec",
    "multi_agent",
    "goals",
    "apps",
    "plugins",
    "browser_use",
    "computer_use",
    "image_generation",
    "view_image",
    "hooks",
    "memories",
    "skill_search",
    "tool_suggest",
    "in_app_browser",
    "workspace_dependencies",
    "shell_snapshot",
)
OWN_MODEL = "gpt-5"  # for an endpoint of one's own: codex's newest default is rarely known there
_features: Dict[str, str] = {}


def find(ctx: Context) -> str:
    return child.find_program(ctx, "codex")


def login(ctx: Context, program: str) -> Optional[bool]:
    """A key in the environment, or `codex login status` (0.15 s, no model call)."""
    values = child.variables(ctx)
    if values.get("CODEX_API_KEY") or values.get("OPENAI_API_KEY"):
        return True
    done = ctx.host.run(
        [program, "login", "status"],
        timeout=20,
        env=child.environment(ctx, program, ENV, ""),
        cwd=str(ctx.host.home),
        stdin=b"",
    )
    return (
        False
        if "not logged in" in (done.out + done.err).lower()
        else True
        if done.code == 0
        else None
    )


def features(ctx: Context, program: str) -> str:
    if program not in _features:
        env = child.environment(ctx, program, ENV, "")
        _features[program] = ctx.host.run(
            [program, "features", "list"], timeout=20, env=env, cwd=str(ctx.host.home), stdin=b""
        ).out
    return _features[program]


def argv_of(
    program: str, known: str, question: Question, base_url: str = "", model: str = ""
) -> List[str]:
    folder = Path(question.workdir)
    argv = [
        program,
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--ignore-user-config",
        "--ignore-rules",
        "--color",
        "never",
    ]
    argv += ["-s", "read-only", "-C", question.workdir]
    argv += ["-o", str(folder / "last.txt"), "--output-schema", str(folder / "schema.json")]
    argv += ["--ephemeral"]
    names = {line.split()[0] for line in known.splitlines() if line.strip()}
    for name in OFF:
        argv += ["--disable", name] if name in names else []
    argv += [
        # nothing of the person's: no AGENTS.md, no figures and no traces sent to anybody
        "-c",
        "project_doc_max_bytes=0",
        "-c",
        "analytics.enabled=false",
        "-c",
        'otel.exporter="none"',
        "-c",
        'otel.metrics_exporter="none"',
        "-c",
        'otel.trace_exporter="none"',
        "-c",
        "check_for_update_on_startup=false",
        "-c",
        'web_search="disabled"',
        "-c",
        "allow_login_shell=false",
        "-c",
        'shell_environment_policy.inherit="core"',
        "-c",
        'approval_policy="never"',
    ]
    if base_url:
        provider = '{{name="own",base_url={},env_key="CODEX_API_KEY",wire_api="responses",'
        provider += "request_max_retries=2,stream_max_retries=1,stream_idle_timeout_ms=90000}}"
        argv += [
            "-c",
            'model_provider="own"',
            "-c",
            "model_providers.own=" + provider.format(json.dumps(base_url)),
        ]
    argv += ["-m", model] if model else []
    return argv + ["-"]  # "-": the prompt comes on stdin


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "codex is not installed")
    known = features(ctx, program)
    if "shell_tool" not in known:
        raise base.failure(
            "refused", "this version of codex cannot be asked without a shell; update it"
        )
    values = child.variables(ctx)
    base_url = values.get("OPENAI_BASE_URL", "")
    model = (ctx.settings.get("ai.models") or {}).get("codex", "") or (
        values.get("OPENAI_MODEL") or OWN_MODEL if base_url else ""
    )
    argv = argv_of(program, known, question, base_url, model)
    folder = Path(question.workdir)
    (folder / "schema.json").write_text(json.dumps(question.strict), "utf-8")
    env = child.environment(ctx, program, ENV, question.run_id, own_home(ctx, question.workdir))
    if values.get("OPENAI_API_KEY"):
        env.setdefault("CODEX_API_KEY", values["OPENAI_API_KEY"])
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events = list(base.lines(done.out))
    spent = spent_of(events, model)
    finished = any(e.get("type") == "turn.completed" for e in events)
    wrong = " ".join(_message(e) for e in events if e.get("type") in ("error", "turn.failed"))
    if done.missing or done.timed_out or done.code != 0 or not finished:
        raise base.of_completed(done, wrong or done.err[-4000:], spent)
    said = [
        e["item"].get("text", "")
        for e in events
        if e.get("type") == "item.completed"
        and (e.get("item") or {}).get("type") == "agent_message"
    ]
    data = base.find_object(said[-1]) if said else None
    if data is None:
        raise base.failure("bad-output", "no structured answer", spent)
    calls = [
        e["item"]
        for e in events
        if e.get("type") == "item.completed"
        and (e.get("item") or {}).get("type")
        in ("command_execution", "file_change", "mcp_tool_call")
    ]
    session = next(
        (str(e.get("thread_id", "")) for e in events if e.get("type") == "thread.started"), ""
    )
    shown = tuple(
        {
            "name": c["type"],
            "input": c.get("command") or c.get("changes"),
            "decision": str(c.get("status", "")),
        }
        for c in calls
    )
    return Answer(data, spent, session, done.seconds, {"sandbox": "read-only"}, shown, tuple(argv))


def spent_of(events: List[Dict[str, Any]], model: str) -> base.Spent:
    """Tokens of every turn that was finished; it never says what they cost."""
    usages = [e.get("usage") or {} for e in events if e.get("type") == "turn.completed"]
    return base.Spent(
        None,
        sum(int(u.get("input_tokens") or 0) for u in usages),
        sum(int(u.get("output_tokens") or 0) for u in usages),
        len(usages),
        model,
    )


def own_home(ctx: Context, workdir: str) -> Dict[str, str]:
    """A home that holds the login and nothing else: no instructions, no skills of the person."""
    person = Path(ctx.host.env.get("CODEX_HOME") or ctx.host.home / ".codex")
    home = child.linked(str(Path(workdir) / "home" / ".codex"), person, "auth.json")
    return {"HOME": str(home.parent), "CODEX_HOME": str(home)}


def to(ctx: Context) -> str:
    values = child.variables(ctx)
    keyed = values.get("CODEX_API_KEY") or values.get("OPENAI_API_KEY")
    return base.host_of(values.get("OPENAI_BASE_URL", "")) or (
        "api.openai.com" if keyed else "chatgpt.com"
    )


def whose(ctx: Context) -> Text:
    values = child.variables(ctx)
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        if values.get(name):
            return base.key_in(name)
    return Text("your own login of Codex", "你自己的 Codex 登录")


def _message(event: Dict[str, Any]) -> str:
    error = event.get("error")
    return str(
        event.get("message") or (error.get("message") if isinstance(error, dict) else error) or ""
    )


BRIDGE = Bridge(
    "codex",
    "OpenAI Codex",
    find,
    ask,
    login,
    ENV,
    frozenset({PLAN}),
    Text("no shell, read-only sandbox", "无 shell，只读沙箱"),
    "OpenAI",
    to,
    whose,
)
