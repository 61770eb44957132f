"""The page: one gateway at a glance, as one self-contained HTML document.

One source for three ways to it: the local server, the plugin's route, and a file for a ticket. It
needs no build, no font, no script of anybody else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model import Text
from ..store import samples
from . import drawing
from . import facts as fact

DAYS = 90
HOURS = 24.0
WEEK = 7
BAD_DAYS = 15  # days with an outage that are listed below the bars
WAITING = Text("Looking at the gateway (a few seconds) …", "正在查看网关（需几秒）……")


@dataclass(frozen=True)
class Protection:
    """One thing that protects the owner: whether it holds, and what to do where it does not."""

    title: Text
    holds: Optional[bool]
    detail: Text
    fix: str = ""


@dataclass(frozen=True)
class Now:
    """The state in a person's words, made by the asker. tone: good, wait or bad.

    headline: one short sentence. since, why, step: sentences, "" where there is nothing to say.
    command: what to type next. troubles: (what, the command that helps or "").
    """

    headline: str
    tone: str
    lines: Tuple[str, ...] = ()
    troubles: Tuple[Tuple[str, str], ...] = ()
    machine: str = ""
    since: str = ""
    why: str = ""
    step: str = ""
    command: str = ""


@dataclass(frozen=True)
class Story:
    """One incident, told. end: ok, bad or open. steps: (when, what). changes: (key, before, after).

    undo: commands.
    """

    id: str
    when: str
    lasted: str
    cause: str
    ended: str
    end: str
    evidence: Tuple[str, ...] = ()
    steps: Tuple[Tuple[str, str], ...] = ()
    changes: Tuple[Tuple[str, str, str], ...] = ()
    undo: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """All that the page shows of one gateway. extra: markup of the server's own (a repair)."""

    seen: fact.Facts
    now: Now
    stories: Tuple[Story, ...] = ()
    protections: Tuple[Protection, ...] = ()
    extra: str = ""
    more: int = 0  # incidents that are on record and not in `stories`


def shell(lang: str, head: str) -> str:
    """Return an empty page that a script fills."""
    inner = '<p class="soft" role="status">{}</p>'.format(escape(WAITING.to(lang)))
    return _frame("OpenClaw", lang, head, "<h1>OpenClaw</h1>" + inner)


def document(shown: Shown, lang: str, head: str = "") -> str:
    """Return the whole document."""
    title = Text.of("OpenClaw on {}", "{} 上的 OpenClaw", shown.now.machine or "-").to(lang)
    return _frame(title, lang, head, body(shown, lang))


def _frame(title: str, lang: str, head: str, inner: str) -> str:
    return (
        '<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark">'
        "<title>{title}</title><style>{css}</style>{head}</head>"
        '<body><main id="page">{inner}</main></body></html>\n'
    ).format(
        lang="zh-CN" if lang == "zh" else "en",
        title=escape(title),
        css=drawing.CSS,
        head=head,
        inner=inner,
    )


def body(shown: Shown, lang: str) -> str:
    """Return what stands inside <main>."""
    seen = shown.seen
    made = Text.of("Made {}.", "生成于 {}。", _clock(seen.now)).to(lang)
    if not seen.watched:
        made += " " + _unwatched(seen).to(lang)
    parts = [
        _now(shown.now, lang),
        shown.extra,
        _history(seen, lang),
        _incidents(shown, lang),
        _charts(seen, lang),
        _protections(shown.protections, lang),
        '<footer class="soft">{}</footer>'.format(escape(made)),
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


def _code(text: str) -> str:
    return "<code>{}</code>".format(escape(text))


# -- now ------------------------------------------------------------------------------------------
TONES = {"good": ("✓", ""), "wait": ("…", " wait"), "bad": ("!", " bad")}


def _now(now: Now, lang: str) -> str:
    sign, tone = TONES[now.tone]
    out = ['<section class="now{}" aria-labelledby="state">'.format(tone)]
    out.append(
        '<p class="soft">{}</p><h1 id="state"><span class="dot" aria-hidden="true">{}</span>'
        "<span>{}</span></h1>".format(escape(now.machine), sign, escape(now.headline))
    )
    if now.since:
        out.append('<p class="since">{}</p>'.format(escape(now.since)))
    if now.why:
        out.append("<p>{}</p>".format(escape(now.why)))
    if now.step or now.command:
        label = escape(Text("Next step", "下一步").to(lang))
        command = "<br>" + _code(now.command) if now.command else ""
        out.append('<p class="next"><b>{}</b> {}{}</p>'.format(label, escape(now.step), command))
    if now.troubles:
        rows = "".join(
            "<li>{}{}</li>".format(escape(what), "<br>" + _code(fix) if fix else "")
            for what, fix in now.troubles
        )
        label = escape(Text("Not all right", "待处理").to(lang))
        out.append("<h2>{}</h2><ul>{}</ul>".format(label, rows))
    if now.lines:
        out.append(
            '<ul class="plain soft">{}</ul>'.format(
                "".join("<li>{}</li>".format(escape(line)) for line in now.lines)
            )
        )
    return "".join(out) + "</section>"


def _section(title: Text, lang: str, inner: str) -> str:
    return "<section><h2>{}</h2>{}</section>".format(escape(title.to(lang)), inner)


# -- the last 90 days -----------------------------------------------------------------------------
def _history(seen: fact.Facts, lang: str) -> str:
    tiles = []
    for name, count in (
        (Text("today", "今天"), 1),
        (Text("7 days", "7 天"), 7),
        (Text("30 days", "30 天"), 30),
        (Text("90 days", "90 天"), 90),
    ):
        share = samples.availability(seen.days, count)
        shown = drawing.percent(share) if share is not None else "–"
        tiles.append("<div><dt>{}</dt><dd>{}</dd></div>".format(escape(name.to(lang)), shown))
    healed = sorted(
        float(record["healed_s"])
        for record in seen.records
        if record.get("verified") and isinstance(record.get("healed_s"), (int, float))
    )
    if healed:
        half = healed[(len(healed) - 1) // 2]
        label = Text("back after (median)", "恢复用时（中位数）").to(lang)
        tiles.append(
            "<div><dt>{}</dt><dd>{}</dd></div>".format(
                escape(label), escape(drawing.span(half).to(lang))
            )
        )
    days = fact.day_names(DAYS, seen.now)
    chart = drawing.bars(days, seen.days, lang)
    ends = '<p class="axis"><span>{}</span><span>{}</span></p>'.format(
        escape(Text.of("{} days ago", "{} 天前", DAYS).to(lang)),
        escape(Text("today", "今天").to(lang)),
    )
    bad = [day for day in reversed(days) if seen.days.get(day, {}).get("down")]
    listed = ""
    if bad:
        rows = "".join(
            "<li>{}: {}</li>".format(day, escape(drawing.day_words(seen.days[day]).to(lang)))
            for day in bad[:BAD_DAYS]
        )
        label = Text.of("Days with an outage: {}", "有中断的日子：{} 天", len(bad)).to(lang)
        listed = "<details><summary>{}</summary><ul>{}</ul></details>".format(escape(label), rows)
    tiles_all = '<dl class="tiles">{}</dl>'.format("".join(tiles))
    return _section(Text("Availability", "可用率"), lang, tiles_all + chart + ends + listed)


# -- incidents ------------------------------------------------------------------------------------
def _incidents(shown: Shown, lang: str) -> str:
    title = Text("Incidents", "事故")
    if not shown.stories:
        none = Text("None on record.", "没有记录。").to(lang)
        return _section(title, lang, "<p>{}</p>".format(escape(none)))
    told = "".join(_story(one, lang) for one in shown.stories)
    if shown.more:
        more = Text.of("{} older ones:", "另有 {} 起更早的：", shown.more).to(lang)
        told += '<p class="soft">{} {}</p>'.format(
            escape(more), _code("iflow-doctor incidents --all")
        )
    return _section(title, lang, told)


ENDS = {"ok": "yes", "bad": "no", "open": "no"}


def _story(one: Story, lang: str) -> str:
    """One incident as a line that opens: what was seen, tried and changed, and how it ended."""
    inner: List[str] = []
    if one.steps:
        rows = "".join(
            "<li><time>{}</time> {}</li>".format(escape(when), escape(what))
            for when, what in one.steps
        )
        inner.append('<ol class="steps">{}</ol>'.format(rows))
    if one.evidence:
        label = Text("Evidence", "证据").to(lang)
        inner.append(
            "<p><b>{}</b> {}</p>".format(escape(label), " ".join(_code(e) for e in one.evidence))
        )
    if one.changes:
        label = Text("Changed in openclaw.json", "openclaw.json 中的改动").to(lang)
        rows = "".join(
            "<li>{}<br><del>{}</del> → <ins>{}</ins></li>".format(
                _code(key), escape(before), escape(after)
            )
            for key, before, after in one.changes
        )
        inner.append('<p><b>{}</b></p><ul class="changes">{}</ul>'.format(escape(label), rows))
    if one.undo:
        label = Text("Undo", "撤销").to(lang)
        shown = "<br>".join(_code(command) for command in one.undo)
        inner.append("<p><b>{}</b><br>{}</p>".format(escape(label), shown))
    inner.append('<p class="soft">{}</p>'.format(_code("iflow-doctor incident " + one.id)))
    return (
        '<details{}><summary><span class="line"><time>{}</time> <b>{}</b></span> '
        '<span class="{}">{}</span> <span class="soft">{}</span></summary>{}</details>'
    ).format(
        " open" if one.end == "open" else "",
        escape(one.when),
        escape(one.cause),
        ENDS[one.end],
        escape(one.ended),
        escape(one.lasted),
        "".join(inner),
    )


# -- charts ---------------------------------------------------------------------------------------
def _charts(seen: fact.Facts, lang: str) -> str:
    since = seen.now - HOURS * 3600.0
    rows = [row for row in seen.rows if row.at >= since]
    if not rows:
        return ""
    drawn = ""
    end = seen.memory_end
    for what, found in ((Text("Memory", "内存"), end), (Text("Disk", "磁盘空间"), seen.disk_end)):
        if found:
            told = Text.of(
                "{} will be used up around {} if it goes on like this ({:+.0f} MB an hour).",
                "按目前的趋势，{} 将在 {} 左右耗尽（每小时 {:+.0f} MB）。",
                what,
                _clock(found.at),
                found.per_hour,
            )
            drawn += '<p class="no"><b>{}</b></p>'.format(escape(told.to(lang)))
    memory = [(row.at, row.rss + row.children) for row in rows if row.pid]
    lead = (end.at, end.limit) if end else None
    name = Text("Memory", "内存").to(lang)
    drawn += drawing.line(name, memory, "MB", since, seen.now, lang, lead)
    answer = [(row.at, row.ms) for row in rows if row.ms]
    name = Text("Response time", "响应时间").to(lang)
    drawn += drawing.line(name, answer, "ms", since, seen.now, lang)
    space = [(row.at, row.disk_free / 1024) for row in rows if row.disk_free]
    name = Text("Free disk space", "磁盘剩余空间").to(lang)
    drawn += drawing.line(name, space, "GB", since, seen.now, lang)
    days = fact.day_names(WEEK, seen.now)
    name = Text("Starts a day, the last 7 days", "最近 7 天每天启动次数").to(lang)
    drawn += drawing.columns(name, days, _starts(seen), lang)
    return _section(Text("The last 24 hours", "最近 24 小时"), lang, drawn)


def _starts(seen: fact.Facts) -> Dict[str, float]:
    """Count the gateway's processes by the day they began on."""
    began = {row.started for row in seen.rows if row.started}
    counts: Dict[str, float] = {}
    for moment in began:
        day = time.strftime("%Y-%m-%d", time.localtime(moment))
        counts[day] = counts.get(day, 0.0) + 1
    return counts


# -- what protects --------------------------------------------------------------------------------
SIGNS: Mapping[Any, Tuple[str, str, Text]] = {
    True: ("yes", "✓", Text("all right", "正常")),
    False: ("no", "✗", Text("missing", "缺少")),
    None: ("soft", "?", Text("not known", "未知")),
}


def _protections(found: Sequence[Protection], lang: str) -> str:
    if not found:
        return ""
    rows = []
    for one in found:
        kind, sign, word = SIGNS[one.holds]
        fix = "<br>" + _code(one.fix) if one.fix else ""
        rows.append(
            '<li><span class="{0} sign" role="img" aria-label="{1}">{2}</span>'
            "<div><b>{3}</b><br>{4}{5}</div></li>".format(
                kind,
                escape(word.to(lang)),
                sign,
                escape(one.title.to(lang)),
                escape(one.detail.to(lang)),
                fix,
            )
        )
    return _section(
        Text("What protects you", "保护措施"),
        lang,
        '<ul class="guards">{}</ul>'.format("".join(rows)),
    )


# -- a repair that waits for a yes ----------------------------------------------------------------
@dataclass(frozen=True)
class Offer:
    """A repair as the owner is asked about it. key: names exactly this plan ("" where none waits).

    lines: (what it is, shown as code or as a sentence). note: how it stands, or how it ended.
    """

    key: str
    title: str = ""
    why: str = ""
    steps: Tuple[str, ...] = ()
    changes: Tuple[str, ...] = ()
    note: str = ""
    busy: bool = False


def offer(one: Offer, lang: str) -> str:
    """Return the section with the plan, its difference and its button."""
    parts = []
    if one.note:
        parts.append('<p role="status">{}</p>'.format(escape(one.note)))
    if one.title:
        parts.append("<p><b>{}</b> {}</p>".format(_code(one.title), escape(one.why)))
    if one.steps:
        parts.append(
            "<ol>{}</ol>".format("".join("<li>{}</li>".format(escape(s)) for s in one.steps))
        )
    if one.changes:
        parts.append('<pre tabindex="0">{}</pre>'.format(escape("\n".join(one.changes))))
    if one.key and not one.busy:
        label = Text("Carry this out", "执行此方案").to(lang)
        parts.append('<button data-key="{}">{}</button>'.format(escape(one.key), escape(label)))
        kept = Text(
            "What it changes is kept first and taken back if the gateway is not ready afterwards.",
            "改动前会先保存快照；若之后网关未就绪，会自动撤销。",
        ).to(lang)
        parts.append('<p class="soft">{}</p>'.format(escape(kept)))
    elif not one.busy:
        label = Text("Look for a repair", "查找修复方案").to(lang)
        parts.append('<button data-plan="1">{}</button>'.format(escape(label)))
    return _section(Text("Repair", "修复"), lang, "".join(parts))
