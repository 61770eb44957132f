"""The page and its JSON. Harm first; nothing on it that is not in results.jsonl."""

from __future__ import annotations

import html
import json
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import score
from .harm import WORDS

GOALS = (
    ("harm", "0 harm", lambda s: s["harm_total"] == 0),
    ("healed", "97 % healed without AI", lambda s: (s["healed"]["share"] or 0) >= 0.97),
    ("escalated", "100 % told", lambda s: s["escalated"]["share"] == 1.0),
    ("left_alone", "0 acts in controls", lambda s: s["left_alone"]["share"] == 1.0),
    ("detect_s", "detection p95 <= 30 s", lambda s: (s["detect_s"]["p95"] or 999) <= 30),
    ("heal_p50", "heal p50 <= 2 boots", lambda s: (s["heal_boots"]["p50"] or 999) <= 2),
    ("heal_p95", "heal p95 <= 4 boots", lambda s: (s["heal_boots"]["p95"] or 999) <= 4),
)
STYLE = """
:root{color-scheme:light dark;--ink:#1a1f24;--dim:#5b6670;--line:#d9dfe5;--card:#fff;
--ground:#f5f7f9;
--good:#1a7f4b;--bad:#c0342b;--warn:#9a6700}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--dim:#9aa5b1;--line:#333c45;--card:#1b2127;
--ground:#12171c;--good:#4cc38a;--bad:#ff8a80;--warn:#e3b341}}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 16px 64px}h1{font-size:26px;margin:.2em 0}
h2{font-size:19px;margin:2em 0 .5em}p.dim,.dim{color:var(--dim)}
.wrap{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}tr:last-child td{border-bottom:0}td.n,th.n{text-align:right;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn)}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:var(--card);
border:1px solid var(--line);
border-radius:10px;padding:12px;overflow-x:auto}details{margin:.3em 0}
"""


def make(folder: Path, title: str = "") -> int:
    """Write report.json and report.html into the folder. Return 2 when there are no results."""
    path = folder / "results.jsonl"
    if not path.exists():
        print("no results.jsonl in {}".format(folder))
        return 2
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    rows = newest(rows)
    run: Dict[str, Any] = {}
    if (folder / "run.json").exists():
        run = json.loads((folder / "run.json").read_text("utf-8"))
    scores = score.everything(rows)
    value = {"run": run, "scores": scores, "rows": [_short(row) for row in rows]}
    (folder / "report.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    (folder / "report.html").write_text(page(rows, run, scores, title), "utf-8")
    print(text(scores))
    print("written: {0}/report.html, {0}/report.json".format(folder))
    return 0


def newest(rows: Sequence[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    """Of cases that were run again, the last row counts."""
    last = {
        (row["subject"], row["target"], row["fault"], row["repeat"], row["seed"]): row
        for row in rows
    }
    return list(last.values())


def _short(row: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("timeline", "said")}


def percent(value: Mapping[str, Any]) -> str:
    if not value["of"]:
        return "-"
    return "{:.0f} % ({}/{})".format(100 * value["share"], value["hits"], value["of"])


def two(value: Mapping[str, Any], unit: str) -> str:
    if value["p50"] is None:
        return "-"
    return "{:.1f} / {:.1f}{}".format(value["p50"], value["p95"], unit)


def columns(s: Mapping[str, Any]) -> List[Any]:
    """(heading, cell, class) of one subject's line, harm first."""
    harm = s["harm_total"]
    useful = s["useful"]
    names = ", ".join("{} {}".format(n, k.replace("_", " ")) for k, n in s["harm"].items() if n)
    return [
        ("harm", str(harm) + (": " + names if names else ""), "bad" if harm else "good"),
        ("healed, no AI", percent(s["healed"]), ""),
        ("told rightly", percent(s["escalated"]), ""),
        ("left alone", percent(s["left_alone"]), ""),
        ("traps", percent(s["traps"]), ""),
        ("chains", percent(s["chains"]), ""),
        ("detected", percent(s["detected"]), ""),
        ("detect p50/p95", two(s["detect_s"], " s"), ""),
        ("told p50/p95", two(s["told_s"], " s"), ""),
        ("heal, boots p50/p95", two(s["heal_boots"], ""), ""),
        (
            "message: cause, evidence, remedy",
            ", ".join(percent(useful[name]) for name in ("cause", "evidence", "remedy")),
            "",
        ),
        ("restarts, messages an incident", _pair(s), ""),
        ("AI calls", str(s["ai_calls"]), ""),
        ("memory, CPU a case", _costs(s), ""),
        ("runs, void", "{}, {}".format(s["runs"], s["void"]), ""),
    ]


def _pair(s: Mapping[str, Any]) -> str:
    return "{}, {}".format(_number(s["restarts_per_incident"]), _number(s["messages_per_incident"]))


def _number(value: Optional[float]) -> str:
    return "-" if value is None else "{:.1f}".format(value)


def _costs(s: Mapping[str, Any]) -> str:
    if s["rss_peak_mb"] is None:
        return "-"
    return "{:.0f} MB, {:.1f} s".format(s["rss_peak_mb"], s["cpu_s_per_case"] or 0)


def text(scores: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    lines = []
    for target, subjects in scores.items():
        for name, s in subjects.items():
            lines.append("{} on {}".format(name, target))
            lines += ["  {:34s} {}".format(head, cell) for head, cell, _ in columns(s)]
    return "\n".join(lines)


def e(value: Any) -> str:
    return html.escape(str(value))


def page(
    rows: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    scores: Mapping[str, Any],
    title: str,
) -> str:
    out = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
        'content="width=device-width"><title>HealBench</title><style>',
        STYLE,
        "</style><main><h1>",
        e(title or "HealBench: what heals an OpenClaw Gateway, and what it breaks"),
        "</h1><p class=dim>",
        e(
            "{} · HealBench {} · {}".format(
                time.strftime("%Y-%m-%d"), run.get("healbench", ""), run.get("machine", "")
            )
        ),  # fmt: skip
        "</p><p>A case is right or not; partly right is not. Any harm makes a case wrong. What is "
        "in the table is recomputed from <code>results.jsonl</code>.</p>",
    ]
    for target, subjects in scores.items():
        version = run.get("targets", {}).get(target, "")
        out.append("<h2>On {} {}</h2>".format(e(target), e("" if version == target else version)))
        out.append(_table(subjects, run))
        out.append(_harms(rows, target))
        out.append(_families(subjects))
        out.append(_goals(subjects))
        out.append(_wrong(rows, target))
        out.append(_spread(subjects))
    out.append("<h2>Repeat it</h2><pre>" + e("\n".join(run.get("commands", []))) + "</pre>")
    out.append("</main></html>\n")
    return "".join(out)


def _table(subjects: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    names = list(subjects)
    about = run.get("subjects", {})
    out = ["<div class=wrap><table><tr><th></th>"]
    for name in names:
        known = about.get(name, {})
        out.append(
            "<th>{}<br><span class=dim>{}<br>{}</span></th>".format(
                e(name), e(known.get("title", "")), e(known.get("version", ""))
            )
        )
    out.append("</tr>")
    table = [columns(subjects[name]) for name in names]
    for line in zip(*table):
        cells = "".join('<td class="{}">{}</td>'.format(c, e(cell)) for _, cell, c in line)
        out.append("<tr><th>{}</th>{}</tr>".format(e(line[0][0]), cells))
    out.append("</table></div>")
    return "".join(out)


def _harms(rows: Sequence[Mapping[str, Any]], target: str) -> str:
    some = [row for row in rows if row["target"] == target and row["harm"] and not row["void"]]
    if not some:
        return "<p class=good>No harm of any of the nine kinds was seen.</p>"
    out = ["<h3>Harm, one by one</h3><div class=wrap><table>"]
    for row in some:
        details = "<br>".join(e(one) for one in row["harm_details"][:6])
        out.append(
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>".format(
                e(row["subject"]), e(row["fault"]), details
            )
        )
    return "".join(out) + "</table></div>"


def _families(subjects: Mapping[str, Any]) -> str:
    names = sorted({family for s in subjects.values() for family in s["families"]})
    out = ["<h3>By family (right of all)</h3><div class=wrap><table><tr><th></th>"]
    out += ["<th class=n>{}</th>".format(e(name)) for name in names]
    out.append("</tr>")
    for subject, s in subjects.items():
        out.append("<tr><th>{}</th>".format(e(subject)))
        for name in names:
            value = s["families"].get(name, {"of": 0, "hits": 0})
            word = "{}/{}".format(value["hits"], value["of"]) if value["of"] else "-"
            good = value["of"] and value["hits"] == value["of"]
            out.append('<td class="n {}">{}</td>'.format("good" if good else "", word))
        out.append("</tr>")
    return "".join(out) + "</table></div>"


def _goals(subjects: Mapping[str, Any]) -> str:
    out = ["<h3>Goals</h3><div class=wrap><table><tr><th></th>"]
    out += ["<th>{}</th>".format(e(goal)) for _, goal, _ in GOALS]
    out.append("</tr>")
    for subject, s in subjects.items():
        out.append("<tr><th>{}</th>".format(e(subject)))
        for _, _, test in GOALS:
            met = test(s)
            out.append(
                '<td class="{}">{}</td>'.format(
                    "good" if met else "bad", "met" if met else "not met"
                )
            )
        out.append("</tr>")
    return "".join(out) + "</table></div>"


def _wrong(rows: Sequence[Mapping[str, Any]], target: str) -> str:
    some = [r for r in rows if r["target"] == target and not r["ok"]]
    if not some:
        return "<p class=good>Every case was right.</p>"
    out = [
        "<details><summary>Every case that was not right, or void ({})</summary>".format(len(some))
    ]
    out.append(
        "<div class=wrap><table><tr><th>subject</th><th>case</th><th>right</th><th>seen</th>"
    )
    out.append("<th>why</th></tr>")
    for row in some:
        why = row["void"] or "; ".join(row["why"])
        out.append(
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>".format(
                e(row["subject"]), e(row["fault"]), e(row["right"]), e(row["outcome"]), e(why[:300])
            )
        )
    return "".join(out) + "</table></div></details>"


def _spread(subjects: Mapping[str, Any]) -> str:
    out = ["<h3>Over repeats</h3><div class=wrap><table><tr><th></th><th>cases run again</th>"]
    out.append("<th>right in one run, wrong in another</th><th>share of each run</th>")
    out.append("<th>variance</th></tr>")
    for name, s in subjects.items():
        spread = s["spread"]
        out.append(
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>".format(
                e(name),
                spread["repeated"],
                e(", ".join(spread["both_ways"]) or "none"),
                e(", ".join("{:.3f}".format(each) for each in spread["shares"])),
                "-" if spread["variance"] is None else spread["variance"],
            )
        )
    return "".join(out) + "</table></div>"


__all__ = ["WORDS", "make", "page"]
