"""The page: one gateway at a glance, as one self-contained HTML document.

One source for three ways to it: the local server, the plugin's route, and a file for a ticket. It
needs no build, no font, no script of anybody else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..model import STATE_NAMES, Text
from ..store import samples
from . import drawing
from . import facts as fact

DAYS = 90
HOURS = 24.0
INCIDENTS = 12
NOT_OURS = Text("not recovered by us", "未由我们恢复")


@dataclass(frozen=True)
class Protection:
    """One thing that protects the owner: whether it holds, and what to do where it does not."""

    title: Text
    holds: Optional[bool]
    detail: Text
    fix: str = ""


@dataclass(frozen=True)
class Now:
    """The state in a person's words, made by the asker. tone: good, wait or bad."""

    headline: str
    tone: str
    lines: Tuple[str, ...] = ()
    troubles: Tuple[Tuple[str, str], ...] = ()  # (what, the command that helps or "")
    machine: str = ""


def shell(lang: str, head: str) -> str:
    """Return an empty page that a script fills."""
    return _frame("OpenClaw", lang, head, "")


def document(
    seen: fact.Facts, now: Now, protections: Sequence[Protection], lang: str, head: str = ""
) -> str:
    """Return the whole document."""
    title = Text.of("OpenClaw on {}", "{} 上的 OpenClaw", now.machine or "-").to(lang)
    return _frame(title, lang, head, body(seen, now, protections, lang))


def _frame(title: str, lang: str, head: str, inner: str) -> str:
    return (
        '<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        "<title>{title}</title><style>{css}</style>{head}</head>"
        '<body><main id="page">{inner}</main></body></html>\n'
    ).format(
        lang="zh-CN" if lang == "zh" else "en",
        title=escape(title),
        css=drawing.CSS,
        head=head,
        inner=inner,
    )


def body(seen: fact.Facts, now: Now, protections: Sequence[Protection], lang: str) -> str:
    """Return what stands inside <main>."""
    parts = [
        _now(seen, now, lang),
        _history(seen, lang),
        _incidents(seen, lang),
        _charts(seen, lang),
        _protections(protections, lang),
        '<p class="soft">{}</p>'.format(
            escape(
                Text.of("Made {}.", "生成于 {}。", _clock(seen.now)).to(lang)
                + ("" if seen.watched else " " + _unwatched(seen).to(lang))
            )
        ),
    ]
    return "".join(parts)


def _unwatched(seen: fact.Facts) -> Text:
    if not seen.watched_at:
        return Text("The watchdog has not written anything yet.", "守护进程尚未写入任何记录。")
    return Text.of(
        "The watchdog last wrote at {}.", "守护进程最后一次写入是 {}。", _clock(seen.watched_at)
    )


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _now(seen: fact.Facts, now: Now, lang: str) -> str:
    tone = {"good": "", "wait": " wait", "bad": " bad"}[now.tone]
    lines = "".join("<li>{}</li>".format(escape(line)) for line in now.lines)
    troubles = "".join(
        "<li><b>{}</b>{}</li>".format(
            escape(what), "<br><code>{}</code>".format(escape(fix)) if fix else ""
        )
        for what, fix in now.troubles
    )
    return (
        '<header class="now{}"><p class="soft">{}</p><h1>{}</h1>'.format(
            tone, escape(now.machine), escape(now.headline)
        )
        + ("<ul>{}</ul>".format(troubles) if troubles else "")
        + ("<ul class='soft'>{}</ul>".format(lines) if lines else "")
        + "</header>"
    )


def _section(title: Text, lang: str, inner: str) -> str:
    return "<section><h2>{}</h2>{}</section>".format(escape(title.to(lang)), inner)


def _history(seen: fact.Facts, lang: str) -> str:
    words = []
    for name, count in (("24 h", 1), ("7 d", 7), ("30 d", 30), ("90 d", 90)):
        share = samples.availability(seen.days, count)
        shown = "{:.2f}%".format(100 * share) if share is not None else "–"
        words.append("{} <b>{}</b>".format(name, shown))
    healed = sorted(
        float(record["healed_s"])
        for record in seen.records
        if record.get("verified") and isinstance(record.get("healed_s"), (int, float))
    )
    recover = ""
    if healed:
        half = healed[len(healed) // 2]
        recover = Text.of(
            "Half of {} incidents were over within {:.0f} s.",
            "{} 次事故中，一半在 {:.0f} 秒内恢复。",
            len(healed),
            half,
        ).to(lang)
    chart = drawing.bars(fact.day_names(DAYS, seen.now), seen.days, lang)
    ends = '<p class="axis"><span>{}</span><span>{}</span></p>'.format(
        Text.of("{} days ago", "{} 天前", DAYS).to(lang), Text("today", "今天").to(lang)
    )
    line = "<p>{}</p><p class='soft'>{}</p>".format(" · ".join(words), escape(recover))
    return _section(Text("Availability", "可用率"), lang, chart + ends + line)


def _incidents(seen: fact.Facts, lang: str) -> str:
    rows: List[str] = []
    for record in sorted(seen.records, key=_opened, reverse=True)[:INCIDENTS]:
        rows.append(_incident(record, lang))
    if not rows:
        none = Text("None on record.", "没有记录。").to(lang)
        return _section(Text("Incidents", "事故"), lang, "<p>{}</p>".format(escape(none)))
    return _section(Text("Incidents", "事故"), lang, "".join(rows))


def _opened(record: Mapping[str, Any]) -> float:
    value = record.get("first_failed_probe") or record.get("at") or 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _text(value: Any, lang: str) -> str:
    if isinstance(value, Mapping):
        return str(value.get(lang) or value.get("en") or "")
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return str(value[1 if lang == "zh" else 0])
    return str(value or "")


def _incident(record: Mapping[str, Any], lang: str) -> str:
    """One incident as a line that opens: what was seen, what was tried, how it ended."""
    seconds = record.get("healed_s")
    good = bool(record.get("verified"))
    took = "{:.0f} s".format(seconds) if isinstance(seconds, (int, float)) else ""
    state = str(record.get("state") or "")
    name = next((text.to(lang) for one, text in STATE_NAMES.items() if one.value == state), state)
    ended = (
        Text("recovered", "已恢复") if good else Text("not recovered by us", "未由我们恢复")
    ).to(lang)
    cause = _text(record.get("cause"), lang) or _text(record.get("symptom"), lang)
    lines = [escape(cause)] if cause else []
    for action in record.get("actions") or ():
        if isinstance(action, Mapping):
            lines.append(
                escape("{}: {}".format(action.get("repair", "-"), action.get("outcome", "-")))
            )
        else:
            lines.append(escape(_text(action, lang)))
    if record.get("by"):
        lines.append(escape(_text(record["by"], lang)))
    changed = [str(path) for path in record.get("config_diff") or ()]
    if changed:
        told = Text("Changed keys:", "已更改的键：").to(lang)
        lines.append("{} <code>{}</code>".format(escape(told), escape(", ".join(changed[:20]))))
    inner = "".join("<li>{}</li>".format(line) for line in lines)
    return (
        "<details><summary><time>{}</time> {} · <span class='{}'>{}</span> {}</summary>"
        "<ul>{}</ul><p class='soft'><code>iflow-doctor incident {}</code></p></details>"
    ).format(
        _clock(_opened(record)),
        escape(name),
        "yes" if good else "no",
        escape(ended),
        escape(took),
        inner,
        escape(str(record.get("id", ""))),
    )


def _charts(seen: fact.Facts, lang: str) -> str:
    since = seen.now - HOURS * 3600.0
    rows = [row for row in seen.rows if row.at >= since]
    if not rows:
        return ""
    memory = [(row.at, row.rss + row.children) for row in rows if row.pid]
    end = seen.memory_end
    lead = (end.at, end.limit) if end else None
    drawn = drawing.line(Text("Memory", "内存").to(lang), memory, "MB", since, seen.now, lead)
    answer = [(row.at, row.ms) for row in rows if row.ms]
    drawn += drawing.line(Text("Response time", "响应时间").to(lang), answer, "ms", since, seen.now)
    space = [(row.at, row.disk_free) for row in rows if row.disk_free]
    drawn += drawing.line(
        Text("Free disk space", "磁盘剩余空间").to(lang), space, "MB", since, seen.now
    )
    for name, found in (
        (Text("Memory", "内存"), end),
        (Text("Disk space", "磁盘空间"), seen.disk_end),
    ):
        if found:
            told = Text.of(
                "{} will be used up around {} if it goes on like this ({:+.0f} MB an hour).",
                "按目前的趋势，{} 将在 {} 左右耗尽（每小时 {:+.0f} MB）。",
                name,
                _clock(found.at),
                found.per_hour,
            )
            drawn += "<p class='no'><b>{}</b></p>".format(escape(told.to(lang)))
    return _section(Text("The last 24 hours", "最近 24 小时"), lang, drawn)


def _protections(found: Sequence[Protection], lang: str) -> str:
    if not found:
        return ""
    rows = []
    for one in found:
        kind = {True: ("yes", "✓"), False: ("no", "✗"), None: ("soft", "?")}[one.holds]
        fix = "<br><code>{}</code>".format(escape(one.fix)) if one.fix else ""
        rows.append(
            "<tr><th scope='row'><span class='{}' aria-hidden='true'>{}</span> {}</th>"
            "<td>{}{}</td></tr>".format(
                kind[0], kind[1], escape(one.title.to(lang)), escape(one.detail.to(lang)), fix
            )
        )
    return _section(
        Text("What protects you", "保护措施"), lang, "<table>{}</table>".format("".join(rows))
    )
