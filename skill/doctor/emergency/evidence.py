"""The prompt: what is known about the outage, redacted, chat text dropped, terminal escapes
removed, between lines with a nonce.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Sequence

from ...files import shipped_path
from ...model import Outcome, Text
from ...openclaw import config as openclaw_config
from ...redact import Redactor, drop_chat
from . import plan as plans

LOG_LIMIT = 24_000  # characters of log; the middle goes first, the first error and the end stay
FINDINGS_LIMIT = 60
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|.)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_ERROR = re.compile(
    r"(?i)error|fatal|failed|refus|invalid|exception|cannot|unable|exit|panic|warn|错误|失败|无法"
)
_REPEATED = 3


def plain(text: str) -> str:
    """Without terminal escapes, control and invisible characters: nothing in a log may move a
    cursor or hide itself.
    """
    return _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def log_excerpt(text: str, limit: int = LOG_LIMIT) -> str:
    """Repeated lines folded; too long: the first errors, then the end. Lines are cut at 600
    characters.
    """
    folded: List[str] = []
    seen: Dict[str, int] = {}
    for line in plain(text).splitlines():
        line = line.rstrip()[:600]
        key = re.sub(r"\d+", "#", line)
        seen[key] = seen.get(key, 0) + 1
        if line and seen[key] <= _REPEATED:
            folded.append(line)
    whole = "\n".join(folded)
    if len(whole) <= limit:
        return whole
    errors, used = [], 0
    for line in folded:
        if _ERROR.search(line) and used + len(line) < limit // 3:
            errors.append(line)
            used += len(line) + 1
    return (
        "\n".join(errors)
        + "\n[... {} characters left out ...]\n".format(len(whole) - limit)
        + whole[-(limit - used) :]
    )


def config_shape(ctx: Any, redactor: Redactor) -> Any:
    """The config with its keys and harmless values; long texts, free texts and secrets are not
    shown.
    """
    view = openclaw_config.load(ctx.home.config_path)
    if not view.ok:
        return {
            "error": view.error,
            "message": redactor.clean(plain(view.message))[:300],
            "line": view.line,
            "column": view.column,
        }
    return _shape(redactor.clean_data(view.data))


def _shape(value: Any, key: str = "", depth: int = 0) -> Any:
    if isinstance(value, Mapping):
        if depth > 7:
            return "<object of {} keys>".format(len(value))
        return {str(k): _shape(v, str(k), depth + 1) for k, v in list(value.items())[:80]}
    if isinstance(value, list):
        return [_shape(v, key, depth + 1) for v in value[:20]] + (
            ["<{} more>".format(len(value) - 20)] if len(value) > 20 else []
        )
    if isinstance(value, str):
        if re.search(
            r"(?i)prompt|instruction|description|message|greeting|persona|soul|template", key
        ):
            return "<text of {} characters>".format(len(value))
        return plain(value) if len(value) <= 120 else "<text of {} characters>".format(len(value))
    return value


def collect(ctx: Any, redactor: Redactor, more: str = "") -> str:
    """Everything the AI is told about the machine, as JSON with one log excerpt. more: evidence of
    `openclaw triage`.
    """
    verdict = ctx.verdict
    facts = {
        "state": verdict.state.value,
        "reason": verdict.reason.en,
        "exit_code": verdict.exit_code,
        "failing": list(verdict.failing),
        "system": ctx.host.system,
        "port": ctx.home.port,
        "findings": [f.to_json("en") for f in verdict.findings[:FINDINGS_LIMIT]],
        "config_changed_since_last_good": _changed(ctx),
        "config": config_shape(ctx, redactor),
    }
    text = json.dumps(redactor.clean_data(facts), ensure_ascii=False, indent=1, default=str)
    text += "\n\nLog of the newest boot, oldest line first:\n" + (
        log_excerpt(redactor.clean(drop_chat(plain(ctx.logs)))) or "(no log)"
    )
    if more:
        text += "\n\nCollected by `openclaw triage`:\n" + redactor.clean(drop_chat(plain(more)))
    return text.replace(str(ctx.host.home), "~")


def _changed(ctx: Any) -> List[str]:
    good = (ctx.last_good or {}).get("config")
    now = openclaw_config.load(ctx.home.config_path)
    return openclaw_config.diff(good, now.data)[:40] if good and now.ok else []


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
    return redactor.clean(plain("\n".join(rows)))


def prompt(
    ctx: Any,
    redactor: Redactor,
    tried: Sequence[Outcome],
    feedback: str,
    nonce: str,
    template: str = "plan",
    more: str = "",
    **places: str,
) -> str:
    """The whole prompt. The data can neither close its own frame (the nonce is new each time) nor
    reach the instructions.
    """
    text = shipped_path("templates", "prompts", template + ".md").read_text("utf-8")
    data = collect(ctx, redactor, more).replace(nonce, "")
    data = re.sub(r"(?m)^={3,}", "==", data)
    values = {
        "nonce": nonce,
        "repairs": json.dumps(plans.repairs_table(ctx), ensure_ascii=False),
        "tried": tried_lines(tried, redactor),
        "feedback": redactor.clean(plain(feedback)) or "(this is your first plan)",
        "evidence": data,
        "fields": ", ".join(plans.schema()["properties"]),
        **places,
    }
    if "copy" in values:
        values["copy"] = re.sub(r"(?m)^={3,}", "==", values["copy"].replace(nonce, ""))
    return re.sub(r"\{(\w+)\}", lambda m: values.get(m.group(1), m.group(0)), text)


def summary(ctx: Any) -> Text:
    """What is wrong, in one line, for the report."""
    return ctx.verdict.reason  # type: ignore[no-any-return]
