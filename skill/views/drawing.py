"""What a page looks like: its style, and charts as inline SVG (a line over time, a bar a day).

No script, no library; each chart also says in words what it shows.
"""

from __future__ import annotations

import time
from html import escape
from typing import List, Mapping, Optional, Sequence, Tuple

from ..model import Text
from ..notify.incidents import span

CSS = """
:root{--bg:#f6f6f4; --card:#fff; --ink:#1c1e21; --soft:#565b63; --line:#e0e1e4; --up:#1a7f4b;
--warn:#8a5a00; --down:#b3261e; --none:#c3c6cc; --accent:#1f5fbf; --tint:#edf6f0;
color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#111215; --card:#1b1d21; --ink:#eceef1;
--soft:#a9b0ba; --line:#32353b; --up:#4cc38a; --warn:#e0a83e; --down:#ff8f87; --none:#4a4e55;
--accent:#7fb0ff; --tint:#17251d}}
*{box-sizing:border-box}
body{margin:0; background:var(--bg); color:var(--ink); font:16px/1.5
system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",
"WenQuanYi Micro Hei",sans-serif}
main{max-width:780px; margin:0 auto; padding:14px}
h1{font-size:1.55rem; line-height:1.25; margin:.15em 0; display:flex; gap:.5em; align-items:center}
h2{font-size:1.05rem; margin:1.2em 0 .4em}
p{margin:.45em 0}
section{background:var(--card); border:1px solid var(--line); border-radius:14px;
padding:14px 18px; margin:12px 0}
section h2:first-child{margin-top:0}
.now{border-left:8px solid var(--up)}
.now.bad{border-left-color:var(--down)}
.now.wait{border-left-color:var(--warn)}
.dot{flex:none; width:1.35em; height:1.35em; line-height:1.35em; text-align:center;
font-size:1.1rem; font-weight:700; border-radius:50%; color:var(--card); background:var(--up)}
.bad .dot{background:var(--down)}
.wait .dot{background:var(--warn)}
.since{font-size:1.05rem}
.next{background:var(--bg); border-radius:10px; padding:10px 12px; margin:10px 0}
.soft,.axis,time{color:var(--soft); font-size:.9rem}
code,pre{font:.88rem/1.5 ui-monospace,Menlo,Consolas,monospace; background:var(--bg); border:1px
solid var(--line); border-radius:6px; padding:1px 6px; overflow-wrap:anywhere}
.next code{background:var(--card)}
pre{padding:10px; white-space:pre-wrap}
ul,ol{padding-left:1.2em; margin:.4em 0}
li{margin:.35em 0}
.plain{list-style:none; padding:0}
.plain li{margin:.1em 0}
.tiles{display:flex; flex-wrap:wrap; gap:6px 26px; margin:0 0 12px}
.tiles dt{color:var(--soft); font-size:.85rem}
.tiles dd{margin:0; font-size:1.25rem; font-weight:600}
svg{width:100%; height:84px; display:block}
svg.bars{height:38px}
svg.few{height:64px}
.l{fill:none; stroke:var(--accent); stroke-width:2; vector-effect:non-scaling-stroke}
.a{fill:var(--accent); opacity:.12}
.f{fill:none; stroke:var(--down); stroke-width:2; stroke-dasharray:6 5;
vector-effect:non-scaling-stroke}
.z{stroke:var(--line); vector-effect:non-scaling-stroke}
rect.u{fill:var(--up)}
rect.w{fill:var(--warn)}
rect.d{fill:var(--down)}
rect.n{fill:var(--none)}
rect.c{fill:var(--accent)}
.cols span{flex:1; text-align:center}
.axis{display:flex; justify-content:space-between; margin:2px 0 0; font-size:.8rem}
figure{margin:0 0 16px}
figcaption{display:flex; flex-wrap:wrap; justify-content:space-between; gap:0 12px;
font-size:.95rem}
.no{color:var(--down)}
.yes{color:var(--up)}
details{border-top:1px solid var(--line); padding:9px 0}
section>details:last-child{padding-bottom:0}
summary{cursor:pointer; padding:2px 0}
summary .line b{font-weight:600}
summary:focus-visible,a:focus-visible,button:focus-visible,pre:focus-visible{outline:3px solid
var(--accent); outline-offset:2px}
.steps{list-style:none; padding:0 0 0 14px; margin:.6em 0; border-left:2px solid var(--line)}
.steps time{font-variant-numeric:tabular-nums; margin-right:.4em}
.changes{list-style:none; padding:0}
del{color:var(--down)}
ins{color:var(--up); text-decoration:none}
.guards{list-style:none; padding:0; margin:0}
.guards li{display:flex; gap:.7em; padding:8px 0; margin:0; border-top:1px solid var(--line)}
.guards li:first-child{border-top:0}
.sign{flex:none; width:1.2em; font-weight:700; text-align:center}
button{font:inherit; font-weight:600; min-height:44px; padding:8px 18px; border:0;
border-radius:10px; background:var(--accent); color:var(--card); cursor:pointer}
button:disabled{opacity:.5}
@media(max-width:480px){main{padding:8px} section{padding:12px 13px} h1{font-size:1.3rem}
.tiles{gap:6px 18px}}
@media print{body{background:#fff} section{break-inside:avoid}}
"""
WIDE, HIGH = 600.0, 84.0
GAP = 900.0  # s without a sample after which the line is broken
MOST_POINTS = 400
BAD_DAY = 900.0  # s of outage from which a day's bar is red


def percent(share: float) -> str:
    """Return a share as a percentage that never rounds an outage away: 0.999999 is 99.99%."""
    if share >= 1.0:
        return "100%"
    return "{:.2f}%".format(min(99.99, 100 * share))


def line(
    title: str,
    points: Sequence[Tuple[float, float]],
    unit: str,
    since: float,
    until: float,
    lang: str = "en",
    end: Optional[Tuple[float, float]] = None,
) -> str:
    """Return one chart. points: (epoch s, value). end: where a forecast leads, drawn dashed."""
    if not points:
        return ""
    every = max(1, len(points) // MOST_POINTS)
    shown = [point for place, point in enumerate(points) if place % every == 0]
    right = max(until, min(end[0], until + (until - since) / 2)) if end else until
    top = max([value for _at, value in shown] + ([min(end[1], 4 * shown[-1][1])] if end else []))
    top = top * 1.1 or 1.0

    def x_of(moment: float) -> float:
        return (moment - since) / max(1.0, right - since) * WIDE

    def at(moment: float, value: float) -> str:
        return "{:.1f},{:.1f}".format(x_of(moment), HIGH - min(value, top) / top * HIGH)

    runs: List[List[Tuple[float, float]]] = [[]]
    for moment, value in shown:
        if runs[-1] and moment - runs[-1][-1][0] > GAP * max(1, every):
            runs.append([])
        runs[-1].append((moment, value))
    drawn = '<line class="z" x1="0" x2="{0:.0f}" y1="{1:.0f}" y2="{1:.0f}"/>'.format(WIDE, HIGH)
    for run in runs:
        path = " ".join(at(*point) for point in run)
        drawn += '<polygon class="a" points="{:.1f},{:.0f} {} {:.1f},{:.0f}"/>'.format(
            x_of(run[0][0]), HIGH, path, x_of(run[-1][0]), HIGH
        )
        drawn += '<polyline class="l" points="{}"/>'.format(path)
    if end:
        reach = shown[-1][1] + (end[1] - shown[-1][1]) * min(
            1.0, (right - shown[-1][0]) / max(1.0, end[0] - shown[-1][0])
        )
        drawn += '<polyline class="f" points="{} {}"/>'.format(at(*shown[-1]), at(right, reach))
    values = [value for _at, value in shown]
    now = "{} {}".format(_number(values[-1]), unit)
    told = Text.of(
        "lowest {}, highest {}", "最低 {}，最高 {}", _number(min(values)), _number(max(values))
    ).to(lang)
    return (
        '<figure><figcaption><span>{0}: <b>{1}</b></span><span class="soft">{2}</span>'
        '</figcaption><svg viewBox="0 -4 {3:.0f} {4:.0f}" role="img" '
        'aria-label="{0}: {1}, {2}" preserveAspectRatio="none">{5}</svg>'
        '<p class="axis"><span>{6}</span><span>{7}</span></p></figure>'
    ).format(escape(title), now, escape(told), WIDE, HIGH + 8, drawn, _stamp(since), _stamp(right))


def _number(value: float) -> str:
    return "{:.0f}".format(value) if value >= 100 else "{:.1f}".format(value)


def _stamp(moment: float) -> str:
    return time.strftime("%m-%d %H:%M", time.localtime(moment))


def columns(title: str, names: Sequence[str], values: Mapping[str, float], lang: str) -> str:
    """Return one column a name, with its number above it in the words of the label."""
    most = max([values.get(name, 0.0) for name in names] + [1.0])
    step = WIDE / max(1, len(names))
    drawn = '<line class="z" x1="0" x2="{0:.0f}" y1="60" y2="60"/>'.format(WIDE)
    for place, name in enumerate(names):
        high = 56.0 * values.get(name, 0.0) / most
        drawn += (
            '<rect class="c" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>'
        ).format(place * step + step * 0.15, 60.0 - high, step * 0.7, high)
    told = ", ".join("{:.0f}".format(values.get(name, 0.0)) for name in names)
    ticks = "".join(
        "<span>{}<br><b>{:.0f}</b></span>".format(name[5:], values.get(name, 0.0)) for name in names
    )
    return (
        '<figure><figcaption>{0}</figcaption><svg class="few" viewBox="0 0 {1:.0f} 64" role="img" '
        'aria-label="{0}: {2}" preserveAspectRatio="none">{3}</svg>'
        '<p class="axis cols">{4}</p></figure>'
    ).format(escape(title), WIDE, told, drawn, ticks)


def day_words(row: Mapping[str, float]) -> Text:
    """Say what a day was: its share in service, and how long it was out."""
    up, down = row.get("up", 0.0), row.get("down", 0.0)
    if not up + down:
        return Text("not watched", "无记录")
    share = percent(up / (up + down))
    if not down:
        return Text.of("{} in service", "可用 {}", share)
    return Text.of("{} in service, out for {}", "可用 {}，中断 {}", share, span(down))


def bars(days: Sequence[str], known: Mapping[str, Mapping[str, float]], lang: str) -> str:
    """Return one bar a day, the way a status page shows them: green, amber, red, or grey."""
    step = WIDE / max(1, len(days))
    drawn: List[str] = []
    counts = {"u": 0, "w": 0, "d": 0, "n": 0}
    for place, day in enumerate(days):
        row = known.get(day) or {}
        down = row.get("down", 0.0)
        kind = "n" if not row.get("up", 0.0) + down else "u"
        if down:
            kind = "w" if down < BAD_DAY else "d"
        counts[kind] += 1
        drawn.append(
            '<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="34" rx="2">'
            "<title>{}: {}</title></rect>".format(
                kind, place * step, step * 0.75, day, escape(day_words(row).to(lang))
            )
        )
    whole = Text.of(
        "{} days: {} without an outage, {} with a short one, {} with a long one, {} not watched",
        "{} 天：{} 天无中断，{} 天短暂中断，{} 天长时间中断，{} 天无记录",
        len(days),
        counts["u"],
        counts["w"],
        counts["d"],
        counts["n"],
    ).to(lang)
    return (
        '<svg class="bars" viewBox="0 0 {:.0f} 34" role="img" aria-label="{}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(WIDE, escape(whole), "".join(drawn))


__all__ = ("CSS", "bars", "columns", "day_words", "line", "percent", "span")
