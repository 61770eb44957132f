"""The prompt: what a person would need to find the fault, redacted, chat text dropped, terminal
escapes removed, between lines with a nonce.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ...files import shipped_path
from ...model import Finding, Outcome, Severity
from ...openclaw import config as openclaw_config
from ...openclaw import json_edit
from ...redact import Redactor, drop_chat, visible
from . import plan as plans
from .shape import Shape

if TYPE_CHECKING:
    from ...context import Context

TOKENS = 4000  # what all of the evidence may cost
LINE = 240  # characters of one line of log
LAST_WORDS = 14  # lines
FINDINGS = 24
_ERROR = re.compile(
    r"(?i)error|fatal|failed|refus|invalid|exception|cannot|unable|exit|panic|unrecognized|denied"
    r"|missing|not found|错误|失败|无法"
)
_LIFE = re.compile(
    r"^(?:\S+ )?\[(?:gateway|plugins?|reload|config|health|ready|state|service|boot|startup"
    r"|secrets)\b"
)
_STACK = re.compile(r"^\s+at |^\s*(?:node:|file:///|/\S+:\d+$)")
_REPEATED = 3
plain = visible
# What stands in quotes and is more than a name, unless it is what a program reports.
_PHRASE = re.compile(
    r"""(?<![\w"'])(?P<key>"?\b(?:msg|message|error|err|reason|cause|code|detail|stack)"?\s?[:=]\s?)?"""
    r"""(?P<quote>["'\u201c\u2018\u300c])(?P<said>[^"'\n\u201d\u2019\u300d]{1,400}?\s[^"'\n\u201d\u2019\u300d]{1,400})"""
    r"""["'\u201d\u2019\u300d]"""
)
_REPORT = re.compile(
    _ERROR.pattern + r"|time(?:d )?out|conflict|limit|exceeded|closed|abort|expired|unauthorized"
    r"|not allowed|overflow|pending|^(?:openclaw|iflow-doctor) |超时|拒绝|断开"
)
_FOLDER = re.compile(r"(?i)(/home/|/Users/|\b[A-Z]:\\{1,2}Users\\{1,2})([^/\\\s\"':]{1,64})")
_MACHINE = re.compile(
    r"(?<![\w.@-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}\.(?:local|lan|home|internal|corp|ts\.net)(?![\w-])"
)


def outgoing(redactor: Redactor, text: str) -> str:
    """The text as a stranger may read it: no secret, chat, name of a user or of a machine."""
    text = redactor.clean(drop_chat(visible(text)))
    return _MACHINE.sub("<machine>", _FOLDER.sub(r"\1<user>", text))


def without_phrases(text: str) -> str:
    """A log's lines without sentences in quotes: titles, tasks and messages are somebody's."""

    def cut(match: "re.Match[str]") -> str:
        if match.group("key") or _REPORT.search(match.group("said")):
            return match.group(0)
        return match.group("quote") + "<text>" + match.group("quote")

    return _PHRASE.sub(cut, text)


def tokens(text: str) -> int:
    """About how many tokens a model counts in this text."""
    wide = sum(1 for c in text if c > "\x7f")
    return int((len(text) - wide) / 3.3 + wide * 1.1) + 1


def fitting(text: str, most: int) -> str:
    """The text within so many tokens: its beginning and, longer, its end."""
    if tokens(text) <= most:
        return text
    lines = text.splitlines()
    head: List[str] = []
    tail: List[str] = []
    left = most - 12
    for line in lines:
        if tokens(line) + 1 > left * 0.4:
            break
        head.append(line)
        left -= tokens(line) + 1
    for line in reversed(lines[len(head) :]):
        if tokens(line) + 1 > left:
            break
        tail.append(line)
        left -= tokens(line) + 1
    gone = len(lines) - len(head) - len(tail)
    return "\n".join(head + ["[... {} lines left out ...]".format(gone)] + tail[::-1])


def folded(text: str) -> List[str]:
    """Lines; what repeats but for its numbers comes three times."""
    rows: List[str] = []
    seen: Dict[str, int] = {}
    for line in text.splitlines():
        line = line.rstrip()
        key = re.sub(r"\d+", "#", line[:1000])
        seen[key] = seen.get(key, 0) + 1
        if line and seen[key] <= _REPEATED:
            rows.append(line)
    return rows


def log_parts(log: str, redactor: Redactor) -> Tuple[str, str]:
    """(the last words before the end, what failed before them). Only lines that report a failure or
    the gateway's own life: what passes through it is nobody's business.
    """
    # cut only after it was cleaned: half of a secret would be no secret that anybody knows
    text = without_phrases(outgoing(redactor, "\n".join(folded(visible(log)))))
    rows = [row[:LINE] for row in text.splitlines()]
    own = [r for r in rows if _ERROR.search(r) or _LIFE.search(r) or _STACK.search(r)]
    last = own[-LAST_WORDS:]
    failed = [row for row in own[: -len(last) or None] if _ERROR.search(row)]
    return "\n".join(last), "\n".join(failed[:12] + failed[12:][-6:])


_CLEANED = ("The process's last words, newest last", "What failed before")


def collect(ctx: Context, redactor: Redactor, more: str = "") -> str:
    """Everything the AI is told about the machine. more: evidence of `openclaw triage`."""
    shape = Shape.of(ctx)
    last, failed = log_parts(ctx.logs.replace(str(ctx.host.home), "~"), redactor)
    parts: List[Tuple[str, str, int]] = [
        ("What it does now", _state(ctx), 300),
        ("OpenClaw's own validator says of the config", _issues(ctx, shape), 700),
        (_CLEANED[0], last or "(no log)", 900),
        (_CLEANED[1], failed, 500),
        ("What differs from the last healthy run", _changed(ctx, shape), 700),
        ("Findings of our checks", _findings(ctx), 1100),
        ("The config around what is named (values that may be private as type and length)",
         _config(ctx, shape), 800),
    ]  # fmt: skip
    if more:
        parts.append(("Collected by `openclaw triage`", without_phrases(visible(more)), 600))
    text, left = "", TOKENS - 40
    for title, body, most in parts:
        body = body.replace(str(ctx.host.home), "~")
        body = outgoing(redactor, body) if title not in _CLEANED else body
        body = fitting(body, min(most, left - 30))
        if body.strip() and left > 60:
            text += "## {}\n{}\n\n".format(title, body)
            left = TOKENS - 40 - tokens(text)
    return text.rstrip()


def _state(ctx: Context) -> str:
    verdict = ctx.verdict
    rows = ["state: {} ({})".format(verdict.state.value, verdict.reason.en)]
    rows += ["exit code: {}".format(verdict.exit_code)] if verdict.exit_code is not None else []
    rows += ["failing: {}".format(", ".join(verdict.failing))] if verdict.failing else []
    rows.append("system: {}, port {}".format(ctx.host.system, ctx.home.port))
    return "\n".join(rows)


def _issues(ctx: Context, shape: Shape) -> str:
    """Its issues with what the schema takes there instead."""
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok:
        place = " (line {}, column {})".format(view.line, view.column) if view.line else ""
        return "the file does not parse: {}{}".format(view.error, place)
    rows: List[str] = []
    for finding in ctx.verdict.findings:
        if not finding.check_id.startswith("config/") or not finding.path or finding.path[0] == "/":
            continue
        if finding.check_id not in plans.NAMED_BY_VALIDATOR:
            continue
        path = json_edit.split(view.data, finding.path)
        now = json_edit.value_at(view.data, path, "<not set>")
        row = "- {}: {}; now {}".format(
            finding.path,
            str(finding.evidence.get("message") or finding.message.en)[:160],
            json.dumps(shape.value(path, now), ensure_ascii=False),
        )
        wants = shape.wants(path)
        allowed = finding.evidence.get("allowed")
        if allowed:
            wants = dict(wants, one_of=list(allowed)[:20])
        rows.append(row + ("; takes {}".format(json.dumps(wants)) if wants else ""))
    return "\n".join(dict.fromkeys(rows)) or "nothing"


def _changed(ctx: Context, shape: Shape) -> str:
    good = (ctx.last_good or {}).get("config")
    view = openclaw_config.load(ctx.home.config_path)
    rows: List[str] = []
    if good and view.ok:
        for path in json_edit.changes(good, view.data)[:20]:
            if path[:1] in (("meta",), ("wizard",)):
                continue
            old, new = (json_edit.value_at(data, path, "<not set>") for data in (good, view.data))
            rows.append(
                "- config {}: was {}, is {}".format(
                    ".".join(shape.key(path[: n + 1]) for n in range(len(path))),
                    json.dumps(_there(shape, path, old), ensure_ascii=False, default=str),
                    json.dumps(_there(shape, path, new), ensure_ascii=False, default=str),
                )
            )
    elif not good:
        rows.append("- no copy of a config with which it was healthy is known")
    now = ctx.host.now()
    for name, file in (("openclaw.json", ctx.home.config_path), (".env", ctx.home.env_file)):
        try:
            age = now - file.stat().st_mtime
        except (OSError, AttributeError):
            continue
        rows.append("- {} was last written {} ago".format(name, _ago(age)))
    taken = (ctx.last_good or {}).get("taken")
    if isinstance(taken, (int, float)):
        rows.append("- the last healthy run was seen {} ago".format(_ago(now - taken)))
    return "\n".join(rows)


def _there(shape: Shape, path: Sequence[str], value: Any) -> Any:
    return value if value == "<not set>" else shape.tree(value, tuple(path), 2, 8)


def _ago(seconds: float) -> str:
    if seconds < 120:
        return "{:.0f} s".format(max(0.0, seconds))
    if seconds < 7200:
        return "{:.0f} min".format(seconds / 60)
    return (
        "{:.0f} h".format(seconds / 3600)
        if seconds < 172800
        else "{:.0f} days".format(seconds / 86400)
    )


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1}


def _findings(ctx: Context) -> str:
    """The most severe first, one line each: id, message, place, and what of its evidence a person
    would ask for.
    """
    found: Sequence[Finding] = sorted(ctx.verdict.findings, key=lambda f: _ORDER.get(f.severity, 2))
    rows = []
    for finding in found[:FINDINGS]:
        more = {
            key: value
            for key, value in finding.evidence.items()
            if key in ("plugin", "plugins", "how", "name", "names", "allowed", "since", "version")
            and len(str(value)) < 160
        }
        rows.append(
            "- {} [{}] {}{}{}".format(
                finding.check_id,
                finding.severity.value,
                finding.message.en[:200],
                " ({})".format(finding.path) if finding.path else "",
                " " + json.dumps(more, ensure_ascii=False, default=str) if more else "",
            )
        )
    return "\n".join(rows)


def _config(ctx: Context, shape: Shape) -> str:
    """An outline, and the neighbourhood of every key that a finding or a difference names."""
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok or not isinstance(view.data, Mapping):
        return ""
    outline = ", ".join(
        "{} ({})".format(shape.key((str(key),)), len(list(openclaw_config.leaves(item))))
        for key, item in list(view.data.items())[:40]
    )
    rows = ["sections (values in each): " + outline]
    for path in _near(ctx, view.data):
        part = json_edit.value_at(view.data, path)
        name = ".".join(shape.key(path[: n + 1]) for n in range(len(path))) or "(top)"
        if name != "(top)":
            rows.append(
                "{}: {}".format(
                    name, json.dumps(shape.tree(part, path, 2), ensure_ascii=False, default=str)
                )
            )
    return "\n".join(rows)


def _near(ctx: Context, data: Any) -> Iterable[Tuple[str, ...]]:
    named: List[Tuple[str, ...]] = [("gateway",), ("logging",)]
    for finding in ctx.verdict.findings:
        if finding.path and finding.path[0] not in "/~" and "config" in finding.check_id:
            path = json_edit.split(data, finding.path)
            if len(path) > 1:
                named.append(tuple(path[:-1]))
    return [path for path in dict.fromkeys(named) if json_edit.has(data, path)][:8]


def tried_lines(tried: Sequence[Outcome], redactor: Redactor) -> str:
    if not tried:
        return "(nothing)"
    rows = []
    for outcome in tried:
        fate = (
            "healed" if outcome.healed else "rolled back" if outcome.rolled_back else "did not heal"
        )
        changed = (
            " (config: {})".format(", ".join(outcome.plan.config_paths[:6]))
            if outcome.plan.config_paths
            else ""
        )
        rows.append("- {}{}: {}. {}".format(outcome.plan.repair, changed, fate, outcome.detail.en))
    return outgoing(redactor, "\n".join(rows[-10:]))


def prompt(
    ctx: Context,
    redactor: Redactor,
    tried: Sequence[Outcome],
    feedback: str,
    nonce: str,
    mode: str = "plan",
    more: str = "",
    **places: str,
) -> str:
    """The whole prompt. The data can neither close its own frame (the nonce is new each time) nor
    reach the instructions.
    """
    text = shipped_path("templates", "prompts", "plan.md").read_text("utf-8")
    other = "plan" if mode == "hands" else "hands"
    text = re.sub(r"(?m)^\[{}\].*\n".format(other), "", text)
    text = re.sub(r"(?m)^\[{}\] ?".format(mode), "", text)
    values = {
        "nonce": nonce,
        "repairs": plans.repairs_table(ctx),
        "tried": _framed(tried_lines(tried, redactor), nonce),
        "feedback": _framed(outgoing(redactor, feedback), nonce) or "(this is your first plan)",
        "evidence": _framed(collect(ctx, redactor, more), nonce),
        "fields": ", ".join(plans.schema()["properties"]),
        "now": time.strftime("%Y-%m-%d %H:%M", time.localtime(ctx.host.now())),
        **{name: _framed(value, nonce) for name, value in places.items()},
    }
    return re.sub(r"\{(\w+)\}", lambda m: values.get(m.group(1), m.group(0)), text)


def _framed(text: str, nonce: str) -> str:
    return re.sub(r"(?m)^={3,}", "==", text.replace(nonce, ""))
