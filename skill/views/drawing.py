"""What a page looks like: its style, and charts as inline SVG (a line over time, a bar a day).

No script, no library; each chart also says in words what it shows.
"""

from __future__ import annotations

import time
from html import escape
from typing import List, Mapping, Optional, Sequence, Tuple

from ..model import Text

CSS = """
:root{--bg:#fbfbfa; --card:#fff; --ink:#1c1e21; --soft:#5b6068; --line:#e3e4e6; --up:#1a7f4b;
--warn:#8a5a00; --down:#b3261e; --none:#c9ccd1; --accent:#1f5fbf; color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#131417; --card:#1c1e22; --ink:#eceef1;
--soft:#a7adb6; --line:#32353b; --up:#4cc38a; --warn:#e0a83e; --down:#ff7b72; --none:#4a4e55;
--accent:#7fb0ff}}
*{box-sizing:border-box}
body{margin:0; background:var(--bg); color:var(--ink); font:16px/1.5
system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:760px; margin:0 auto; padding:16px}
h1{font-size:1.5rem; margin:.2em 0}
h2{font-size:1.05rem; margin:1.6em 0 .5em}
section,.now{background:var(--card); border:1px solid var(--line); border-radius:12px;
padding:14px 16px; margin:12px 0}
section h2{margin-top:0}
.now{border-left:6px solid var(--up)}
.now.bad{border-left-color:var(--down)}
.now.wait{border-left-color:var(--warn)}
.soft,.axis,time{color:var(--soft); font-size:.9rem}
code,pre{font:.9rem/1.45 ui-monospace,Menlo,Consolas,monospace; background:var(--bg); border:1px
solid var(--line); border-radius:6px; padding:2px 6px; overflow-wrap:anywhere}
pre{display:block; padding:10px; white-space:pre-wrap}
ul{padding-left:1.2em; margin:.4em 0}
li{margin:.35em 0}
svg{width:100%; height:110px; display:block}
svg.bars{height:36px}
.l{fill:none; stroke:var(--accent); stroke-width:2; vector-effect:non-scaling-stroke}
.f{fill:none; stroke:var(--down); stroke-width:2; stroke-dasharray:6 5;
vector-effect:non-scaling-stroke}
rect.u{fill:var(--up)}
rect.w{fill:var(--warn)}
rect.d{fill:var(--down)}
rect.n{fill:var(--none)}
.axis{display:flex; justify-content:space-between; margin:2px 0 0}
figure{margin:0 0 14px}
figcaption{font-size:.95rem}
.bad b,.no{color:var(--down)}
.yes{color:var(--up)}
details{border-top:1px solid var(--line); padding:8px 0}
summary{cursor:pointer}
summary:focus-visible,a:focus-visible{outline:3px solid var(--accent)}
table{border-collapse:collapse; width:100%}
td,th{text-align:left; padding:4px 8px 4px 0; vertical-align:top; font-weight:400}
"""
WIDE, HIGH = 600.0, 120.0
GAP = 900.0  # s without a sample after which the line is broken
MOST_POINTS = 400


def line(
    title: str,
    points: Sequence[Tuple[float, float]],
    unit: str,
    since: float,
    until: float,
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

    def at(moment: float, value: float) -> str:
        x = (moment - since) / max(1.0, right - since) * WIDE
        return "{:.1f},{:.1f}".format(x, HIGH - min(value, top) / top * HIGH)

    paths, run, before = [], [], None
    for moment, value in shown:
        if before is not None and moment - before > GAP * max(1, every):
            paths.append(run)
            run = []
        run.append(at(moment, value))
        before = moment
    paths.append(run)
    drawn = "".join('<polyline class="l" points="{}"/>'.format(" ".join(run)) for run in paths)
    if end:
        drawn += '<polyline class="f" points="{} {}"/>'.format(at(*shown[-1]), at(right, top))
    values = [value for _at, value in shown]
    told = "{}: {:.0f} {}, {:.0f}–{:.0f}".format(title, values[-1], unit, min(values), max(values))
    return (
        '<figure><figcaption>{0}</figcaption><svg viewBox="0 -4 {1:.0f} {2:.0f}" role="img" '
        'aria-label="{0}" preserveAspectRatio="none">{3}</svg>'
        '<p class="axis"><span>{4}</span><span>{5}</span></p></figure>'
    ).format(escape(told), WIDE, HIGH + 8, drawn, _stamp(since), _stamp(right))


def _stamp(moment: float) -> str:
    return time.strftime("%m-%d %H:%M", time.localtime(moment))


def bars(days: Sequence[str], known: Mapping[str, Mapping[str, float]], lang: str) -> str:
    """Return one bar a day, the way a status page shows them: green, amber, red, or grey."""
    step = WIDE / max(1, len(days))
    drawn: List[str] = []
    for place, day in enumerate(days):
        row = known.get(day)
        up, down = (row.get("up", 0.0), row.get("down", 0.0)) if row else (0.0, 0.0)
        if not up + down:
            kind = "n"
            told = Text("not watched", "无记录").to(lang)
        else:
            kind = "u" if not down else "w" if down < 900 else "d"
            told = Text.of(
                "{:.2f} % up, {:.0f} min down",
                "可用 {:.2f}%，中断 {:.0f} 分钟",
                100 * up / (up + down),
                down / 60,
            ).to(lang)
        drawn.append(
            '<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="34" rx="2">'
            "<title>{}: {}</title></rect>".format(kind, place * step, step * 0.75, day, told)
        )
    whole = Text.of("The last {} days", "最近 {} 天", len(days)).to(lang)
    return (
        '<svg class="bars" viewBox="0 0 {:.0f} 34" role="img" aria-label="{}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(WIDE, escape(whole), "".join(drawn))
