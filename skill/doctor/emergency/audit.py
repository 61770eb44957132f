"""What stays of an AI run, 0600 and without secrets: one JSON line per call, the day's budget,
progress for a person who watches, and a Markdown report of what was found and done.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

from ...bridges.base import Spent
from ...errors import SettingsError
from ...files import (
    append_line,
    private_dir,
    read_json,
    set_aside,
    write_atomic,
    write_json,
)
from ...model import Outcome, Text
from ...openclaw.home import Home
from ...redact import Redactor, drop_chat
from ...store.incidents import Incident

if TYPE_CHECKING:
    from ...context import Context

MAX_BYTES = 2_000_000
KEEP = 5
KEEP_REPORTS = 50


def folder(home: Home) -> Any:
    return private_dir(private_dir(home.doctor_dir) / "ai")


def write(ctx: Context, redactor: Redactor, event: Mapping[str, Any], prompt: str = "") -> None:
    """Append one event. Never raises: an observer cannot break the work."""
    try:
        line: Dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(ctx.host.now()))
        }
        line.update(redactor.clean_data(dict(event)))
        if prompt:
            line["prompt_sha256"] = hashlib.sha256(prompt.encode("utf-8")).hexdigest()
            line["prompt_chars"] = len(prompt)
        append_line(
            folder(ctx.home) / "audit.jsonl",
            json.dumps(line, ensure_ascii=False, default=str),
            MAX_BYTES,
            KEEP,
        )
    except (OSError, ValueError):
        pass


def spent_today(ctx: Context) -> Dict[str, Any]:
    """{"day", "calls", "usd"} of today. A file that cannot be read counts as a day on which nothing
    was spent yet.
    """
    day = time.strftime("%Y-%m-%d", time.localtime(ctx.host.now()))
    path = folder(ctx.home) / "budget.json"
    try:
        value = read_json(path, {})
    except SettingsError:
        set_aside(path)
        value = {}
    if not isinstance(value, dict) or value.get("day") != day:
        return {"day": day, "calls": 0, "usd": 0.0}
    return {"day": day, "calls": int(value.get("calls", 0)), "usd": float(value.get("usd", 0.0))}


def spend(ctx: Context, usd: Optional[float], calls: int = 1) -> None:
    value = spent_today(ctx)
    value["calls"] += calls
    value["usd"] = round(value["usd"] + (usd or 0.0), 6)
    try:
        write_json(folder(ctx.home) / "budget.json", value)
    except OSError:
        pass


class Ledger:
    """What this incident's calls cost, over all visits: in the incident's own file, written before
    a call and after it, so that a kill -9 loses nothing.
    """

    def __init__(self, ctx: Context, incident: Incident) -> None:
        self.ctx, self.incident = ctx, incident
        row = incident.ai()
        if row.pop("open", None):  # a call whose end nobody saw: it may have cost anything
            row["unknown"] = int(row["unknown"]) + 1
            incident.keep_ai(row)
        self.calls_before, self.usd_before = int(row["calls"]), float(row["usd"])
        self.unknown_before = int(row["unknown"])

    @property
    def row(self) -> Dict[str, Any]:
        return self.incident.ai()

    @property
    def calls(self) -> int:
        """Calls of this visit."""
        return int(self.row["calls"]) - self.calls_before

    @property
    def unknown(self) -> int:
        """Calls of this visit whose cost nobody says."""
        return int(self.row["unknown"]) - self.unknown_before

    @property
    def usd(self) -> float:
        """Dollars of this visit."""
        return round(float(self.row["usd"]) - self.usd_before, 6)

    def refusal(self) -> Optional[Text]:
        """Why no more may be asked; None when it may."""
        row, today = self.row, spent_today(self.ctx)
        settings = self.ctx.settings
        most, calls = float(settings["ai.max_usd"]), int(settings.get("ai.max_calls", 6))
        if today["calls"] >= int(settings["ai.daily_budget"]):
            return Text.of(
                "{} calls today, ai.daily_budget is {}",
                "今日已调用 {} 次，ai.daily_budget 为 {}",
                today["calls"],
                settings["ai.daily_budget"],
            )
        if row["calls"] >= calls:
            return Text.of(
                "{} calls in this incident, ai.max_calls is {}",
                "本次事故已调用 {} 次，ai.max_calls 为 {}",
                row["calls"],
                calls,
            )
        if most and row["usd"] >= most:
            return Text.of(
                "{:.2f} USD in this incident, ai.max_usd is {:.2f}",
                "本次事故已花费 {:.2f} 美元，ai.max_usd 为 {:.2f}",
                row["usd"],
                most,
            )
        return None

    def left_usd(self) -> float:
        most = float(self.ctx.settings["ai.max_usd"])
        return max(0.01, most - float(self.row["usd"])) if most else 0.0

    def begin(self, bridge: str, run: str) -> None:
        row = self.row
        row["calls"] = int(row["calls"]) + 1
        row["open"] = {"bridge": bridge, "run": run, "since": self.ctx.host.now()}
        self.incident.keep_ai(row)
        spend(self.ctx, None)

    def end(self, spent: Spent) -> None:
        row = self.row
        row.pop("open", None)
        row["tokens"] = int(row["tokens"]) + spent.tokens_in + spent.tokens_out
        if spent.cost is None:
            row["unknown"] = int(row["unknown"]) + 1
        else:
            row["usd"] = round(float(row["usd"]) + spent.cost, 6)
        self.incident.keep_ai(row)
        spend(self.ctx, spent.cost, calls=0)


def cost_text(row: Mapping[str, Any]) -> Text:
    """ "0.04 USD", "unknown", or both."""
    usd, unknown = float(row.get("usd") or 0.0), int(row.get("unknown") or 0)
    if not unknown:
        return Text("{:.2g} USD".format(usd), "{:.2g} 美元".format(usd))
    if not usd:
        return Text("cost unknown", "费用未知")
    return Text.of(
        "{:.2g} USD, and {} calls of unknown cost", "{:.2g} 美元，另有 {} 次费用未知", usd, unknown
    )


def session(ctx: Context, value: Mapping[str, Any]) -> None:
    """What `ai attach` shows: the run at work or the last one."""
    try:
        write_json(folder(ctx.home) / "session.json", dict(value))
    except OSError:
        pass


def last_session(home: Home) -> Dict[str, Any]:
    try:
        value = read_json(home.doctor_dir / "ai" / "session.json", {})
    except SettingsError:
        value = {}
    return value if isinstance(value, dict) else {}


def report(
    ctx: Context,
    redactor: Redactor,
    incident: str,
    result: Any,
    tried: Sequence[Outcome],
    said: Mapping[str, Text],
    log: Sequence[Mapping[str, Any]],
) -> str:
    """Write <state dir>/iflow-doctor/reports/<incident>.md (both languages); return its path, ""
    when it could not be written. said: what may be passed on of the model's words. log: every call
    and refusal.
    """
    try:
        folder = private_dir(private_dir(ctx.home.doctor_dir) / "reports")
        stamp = time.strftime("%Y%m%dT%H%M%S", time.localtime(ctx.host.now()))
        name = re.sub(r"[^\w.-]+", "-", incident)[:60].strip("-.") or "incident"
        path = folder / "{}-{}.md".format(stamp, name)
        text = "\n\n---\n\n".join(
            _report(ctx, incident, result, tried, said, log, lang) for lang in ("zh", "en")
        )
        write_atomic(path, redactor.clean(text) + "\n")
        for old in sorted(folder.glob("*.md"))[:-KEEP_REPORTS]:
            old.unlink()
        return str(path)
    except OSError:
        return ""


def _report(
    ctx: Context,
    incident: str,
    result: Any,
    tried: Sequence[Outcome],
    said: Mapping[str, Text],
    log: Sequence[Mapping[str, Any]],
    lang: str,
) -> str:
    def say(en: str, zh: str) -> str:
        return zh if lang == "zh" else en

    verdict = ctx.verdict
    state = say("recovered", "已恢复") if result.healed else say("NOT recovered", "未恢复")
    if result.by_itself:
        state += say(" (by itself)", "（自行恢复）")
    bad = [f for f in verdict.findings if f.severity.value != "info"][:15]
    failed = [row for row in result.attempts if row[1] not in ("ok", "not-installed", "no-consent")]
    who = result.title or "AI"
    lines = [
        "# " + say("Recovery report: {}", "恢复报告：{}").format(incident),
        "",
        "- {}: **{}**".format(say("Result", "结果"), state),
        "- {}: {}".format(
            say("Time", "时间"), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ctx.host.now()))
        ),
        "- AI: "
        + say("{}, {} calls in this visit, {}", "{}，本次处理调用 {} 次，{}").format(
            result.title or say("none answered", "均未响应"),
            result.calls,
            cost_text(result.cost).to(lang),
        ),
        *(["- " + result.why.to(lang)] if result.why.en else []),
        "",
        "## " + say("Symptom", "现象"),
        "",
        "{} ({})".format(verdict.reason.to(lang), verdict.state.value),
        *("- `{}` {}".format(f.check_id, drop_chat(f.message.to(lang))) for f in bad),
        "",
        "## " + say("What was done", "做了什么"),
        "",
        *(_done(tried, lang) or [say("Nothing.", "无。")]),
        "",
        "## " + say("How it was verified", "如何验证"),
        "",
        say(
            "The gateway's own /readyz answered ready several times in a row.",
            "网关自身的 /readyz 连续多次返回就绪。",
        )
        if result.healed
        else say("Not verified: the gateway is not ready.", "未通过验证：网关仍未就绪。"),
        "",
        "## " + say("What {} says (nobody verified it)", "{} 的看法（未经核实）").format(who),
        "",
        _quote(said["root_cause"].to(lang)) or say("Nothing on the cause.", "没有说明原因。"),
        "",
        _quote(said["tell_person"].to(lang)) or say("No advice.", "暂无建议。"),
        "",
        _quote(said["prevention"].to(lang)) or say("Nothing on prevention.", "没有预防建议。"),
        "",
        "## " + say("Every call", "每次调用"),
        "",
        *(_call(row, lang) for row in log),
        *("- {}: {}".format(bridge, _kind(kind, lang)) for bridge, kind in failed),
        "",
        say("The whole session: {}", "完整记录：{}").format(
            ctx.home.doctor_dir / "ai" / "audit.jsonl"
        ),
    ]
    return "\n".join(str(line) for line in lines)


def _call(row: Mapping[str, Any], lang: str) -> str:
    """One call or refusal of a session, as a list item."""
    if row.get("event") == "refused":
        text = Text.of("- round {}: plan refused: {}", "- 第 {} 轮：方案被拒绝：{}", row["round"],
                       _inline(row["message"]))  # fmt: skip
        return text.to(lang)
    usd = row.get("cost_usd")
    cost = (
        Text("cost unknown", "费用未知")
        if usd is None
        else Text.of("{} USD", "{} 美元", "{:.2g}".format(usd))
    )
    text = Text.of(
        "- round {}: {} ({}), {} s, {} requests, {} tokens, {}: {}",
        "- 第 {} 轮：{}（{}），{} 秒，{} 次请求，{} 个 token，{}：{}",
        row.get("round", "-"),
        row.get("bridge", "-"),
        row.get("model") or Text("its default model", "默认模型"),
        row.get("seconds", "-"),
        row.get("turns", 0),
        row.get("tokens", 0),
        cost,
        row.get("outcome", "-"),
    )
    rest = [
        "  - `{}` {}".format(call.get("name"), call.get("decision"))
        for call in row.get("tool_calls") or ()
    ]
    plan = row.get("plan")
    if isinstance(plan, Mapping):
        params = json.dumps(plan.get("params"), ensure_ascii=False)[:300]
        named = _inline(plan.get("repair")), _inline(params)
        rest.append("  - {}: `{}` `{}`".format(Text("plan", "方案").to(lang), *named))
    return "\n".join([text.to(lang)] + rest)


def _inline(text: Any) -> str:
    return re.sub(r"[`\r\n<>]", " ", str(text))


def _done(tried: Sequence[Outcome], lang: str) -> List[str]:
    rows = []
    for outcome in tried:
        fate = (
            ("已恢复", "已回滚", "未恢复")
            if lang == "zh"
            else ("healed", "rolled back", "did not heal")
        )
        word = fate[0] if outcome.healed else fate[1] if outcome.rolled_back else fate[2]
        changed = " `{}`".format(", ".join(outcome.config_diff[:8])) if outcome.config_diff else ""
        rows.append(
            "- {}: {}{}. {}".format(
                outcome.plan.repair, word, changed, drop_chat(outcome.detail.to(lang))
            )
        )
    return rows


def _kind(kind: str, lang: str) -> str:
    from ...bridges.base import NAMES

    return NAMES[kind].to(lang) if kind in NAMES else kind


def _quote(text: str) -> str:
    """A model's words as a quotation: no heading, link or HTML of theirs takes effect."""
    escaped = re.sub(r"([\[\]()<>`*_#|!])", r"\\\1", text.strip())
    return "\n".join("> " + line for line in escaped.splitlines())
