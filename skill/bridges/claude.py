"""Claude Code, headless. Flags differ across versions: `--help` is read (free of charge) and only
known flags are given.

Measured on 2.1.197 and 2.1.330. Success is rc 0 and is_error false and terminal_reason "completed"
and a structured answer, together: 401, 403 and 429 say subtype "success"; a stalled stream, an
interrupt and a missing structured answer all end with rc 0.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..model import Text
from . import base, child
from .base import HANDS, PLAN, Answer, Bridge, Question

if TYPE_CHECKING:
    from ..context import Context

ENV = (
    "ANTHROPIC_*",
    "CLAUDE_CODE_*",
    "CLAUDE_CONFIG_DIR",
    "AWS_*",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "CLOUD_ML_REGION",
    "VERTEX_*",
)
# Few retries and short silences: the next bridge is better than three minutes of waiting (defaults
# measured: 3 min, 300 s).
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_ENABLE_STREAM_WATCHDOG": "1",
    "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "60000",
    "API_TIMEOUT_MS": "120000",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
NEEDED = (
    "--print",
    "--tools",
    "--json-schema",
    "--output-format",
    "--permission-mode",
    "--strict-mcp-config",
)
_help: Dict[str, str] = {}


def find(ctx: Context) -> str:
    return child.find_program(ctx, "claude")


def login(ctx: Context, program: str) -> Optional[bool]:
    """`claude auth status` (0.5 s, no model call): exit 0 and loggedIn."""
    done = ctx.host.run(
        [program, "auth", "status"],
        timeout=20,
        env=child.environment(ctx, program, ENV, "", QUIET),
        cwd=str(ctx.host.home),
        stdin=b"",
    )
    found = base.find_object(done.out)
    if found is None or "loggedIn" not in found:
        return None
    return bool(found["loggedIn"])


def to(ctx: Context) -> str:
    values = child.variables(ctx)
    for name, host in (("CLAUDE_CODE_USE_BEDROCK", "Amazon Bedrock"),
                       ("CLAUDE_CODE_USE_VERTEX", "Google Vertex AI")):  # fmt: skip
        if values.get(name, "") not in ("", "0", "false"):
            return host
    return base.host_of(values.get("ANTHROPIC_BASE_URL", "")) or "api.anthropic.com"


def whose(ctx: Context) -> Text:
    values = child.variables(ctx)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"):
        if values.get(name):
            return base.key_in(name)
    return Text("your own login of Claude Code", "你自己的 Claude Code 登录")


def flags_of(ctx: Context, program: str) -> str:
    if program not in _help:
        env = child.environment(ctx, program, (), "", QUIET)
        done = ctx.host.run(
            [program, "--help"], timeout=20, env=env, cwd=str(ctx.host.home), stdin=b""
        )
        _help[program] = done.out
    return _help[program]


def argv_of(program: str, known: str, question: Question, model: str = "") -> List[str]:
    """The command line; it never holds the prompt nor a secret. Raise BridgeError when this version
    lacks what makes it safe.
    """
    missing = [flag for flag in NEEDED if known and flag not in known]
    if missing:
        raise base.failure(
            "refused", "this version of Claude Code has no {}; update it".format(", ".join(missing))
        )
    argv = (
        [program, "-p", "--output-format", "stream-json", "--verbose"]
        if question.hands
        else [program, "-p", "--output-format", "json"]
    )
    argv += [
        "--tools",
        "Read,Edit" if question.hands else "",
        "--strict-mcp-config",
        "--permission-mode",
        "dontAsk",
    ]
    argv += [
        "--max-turns",
        "40" if question.hands else "4",
        "--json-schema",
        json.dumps(question.schema, ensure_ascii=True),
    ]
    for flag in ("--restricted", "--disable-slash-commands"):
        argv += [flag] if flag in known else []
    if (
        "--restricted" not in known
    ):  # older: no hooks, plugins, CLAUDE.md of the person; else at least no settings files
        argv += (
            ["--safe-mode"]
            if "--safe-mode" in known
            else ["--setting-sources", ""]
            if "--setting-sources" in known
            else []
        )
    argv += ["--permission-prompts", "none"] if "--permission-prompts" in known else []
    if not question.hands and "--no-session-persistence" in known:
        argv.append("--no-session-persistence")
    if question.max_usd > 0 and "--max-budget-usd" in known:
        argv += ["--max-budget-usd", "{:.2f}".format(question.max_usd)]
    if model:
        argv += ["--model", model]
    if question.hands:
        # one file, by Read and Edit; no shell, so no process table and no sockets either
        argv += ["--allowedTools", "Read(/{0})".format(question.edit)]
        argv += ["Edit(/{0})".format(question.edit)]
    return argv


def ask(ctx: Context, question: Question) -> Answer:
    program = find(ctx)
    if not program:
        raise base.failure("not-installed", "claude is not installed")
    model = (ctx.settings.get("ai.models") or {}).get("claude", "")
    argv = argv_of(program, flags_of(ctx, program), question, model)
    env = child.environment(ctx, program, ENV, question.run_id, QUIET)
    done = child.run(
        ctx, argv, env, question.deadline_s, question.workdir, question.prompt, base.hopeless
    )
    events = list(base.lines(done.out)) if question.hands else [base.find_object(done.out) or {}]
    result: Mapping[str, Any] = next((e for e in reversed(events) if e.get("type") == "result"), {})
    spent, calls = spent_of(result), _calls(events, result)
    data = usable(done, result, spent, calls)
    return Answer(
        data,
        spent,
        session=str(result.get("session_id", "")),
        seconds=done.seconds,
        init=_init(events),
        tool_calls=calls,
        argv=tuple("<schema>" if a.startswith("{") else a for a in argv),
    )


def spent_of(result: Mapping[str, Any]) -> base.Spent:
    """What it says that it cost, also in a result that is an error."""
    usd, usage = result.get("total_cost_usd"), result.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    models = result.get("modelUsage")
    return base.Spent(
        float(usd) if isinstance(usd, (int, float)) else None,
        sum(
            int(usage.get(name) or 0)
            for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        ),
        int(usage.get("output_tokens") or 0),
        int(result.get("num_turns") or 0),
        next(iter(models), "") if isinstance(models, Mapping) else "",
    )


def usable(
    done: Any,
    result: Mapping[str, Any],
    spent: Optional[base.Spent] = None,
    calls: Tuple[Any, ...] = (),
) -> Mapping[str, Any]:
    """The structured answer when every sign of success is there; else the right BridgeError."""
    if done.missing or done.timed_out or not result:
        raise base.of_completed(done, done.err[-4000:], spent, calls)
    said = "{} {} {}".format(
        result.get("api_error_status") or "",
        result.get("subtype") or "",
        (result.get("result") or result.get("errors") or "") if result.get("is_error") else "",
    )
    if result.get("stop_reason") == "refusal":
        raise base.failure("refused", "the model refused to answer", spent, calls)
    if done.code != 0 or result.get("is_error") is not False or result.get("subtype") != "success":
        raise base.of_completed(done, said + " " + done.err[-500:], spent, calls)
    if result.get("terminal_reason") not in (None, "completed"):
        message = "ended as {}".format(result.get("terminal_reason"))
        raise base.failure(base.kind_of(said), message, spent, calls)
    data = result.get("structured_output")
    if not isinstance(data, dict):
        text = str(result.get("result", ""))
        kind = base.kind_of(text) if "API Error" in text else "bad-output"
        raise base.failure(kind, "no structured answer", spent, calls)
    return data


def _init(events: List[Dict[str, Any]]) -> Mapping[str, Any]:
    first = next(
        (e for e in events if e.get("type") == "system" and e.get("subtype") == "init"), {}
    )
    return {
        key: first[key]
        for key in (
            "tools",
            "mcp_servers",
            "model",
            "permissionMode",
            "claude_code_version",
            "session_id",
        )
        if key in first
    }


def _calls(
    events: List[Dict[str, Any]], result: Mapping[str, Any]
) -> Tuple[Mapping[str, Any], ...]:
    """Every tool call of a session with hands, and whether its rules denied it."""
    denied = {
        d.get("tool_use_id") for d in result.get("permission_denials") or [] if isinstance(d, dict)
    }
    failed = {
        part.get("tool_use_id")
        for part in _parts(events, "user")
        if part.get("type") == "tool_result" and part.get("is_error")
    }
    calls = []
    for part in _parts(events, "assistant"):
        if part.get("type") == "tool_use":
            decision = (
                "denied"
                if part.get("id") in denied
                else "failed"
                if part.get("id") in failed
                else "allowed"
            )
            calls.append(
                {"name": part.get("name"), "input": part.get("input"), "decision": decision}
            )
    return tuple(calls)


def _parts(events: List[Dict[str, Any]], kind: str) -> Iterator[Dict[str, Any]]:
    for event in events:
        content = (event.get("message") or {}).get("content") if event.get("type") == kind else None
        yield from (part for part in content or [] if isinstance(part, dict))


BRIDGE = Bridge(
    "claude",
    "Claude Code",
    find,
    ask,
    login,
    ENV,
    frozenset({PLAN, HANDS}),
    Text(
        'runs without tools; in "hands" mode it edits one file and has no shell',
        "不带工具提问；放手模式只编辑一个文件，没有 shell",
    ),
    vendor="Anthropic",
    to=to,
    whose=whose,
)
