"""Many rows, one row a subject. Harm comes first; a fault without effect is counted apart."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .harm import WORDS


def percentile(values: Sequence[float], part: float) -> Optional[float]:
    """The smallest value that at least `part` of them do not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def wilson(hits: int, of: int) -> Tuple[float, float]:
    """The 95 % interval of a share."""
    if not of:
        return 0.0, 1.0
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(rows: Iterable[Mapping[str, Any]], test: Any) -> Dict[str, Any]:
    rows = list(rows)
    hits = sum(1 for row in rows if test(row))
    low, high = wilson(hits, len(rows))
    return {
        "hits": hits,
        "of": len(rows),
        "share": round(hits / len(rows), 4) if rows else None,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def multiples(rows: Iterable[Mapping[str, Any]], name: str) -> List[float]:
    """Seconds of each row as a multiple of a plain boot of the same run."""
    return [row[name] / row["boot_s"] for row in rows if row.get(name) and row.get("boot_s")]


def spread(rows: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Over repeats: how many cases went both ways, and the share of each repeat."""
    cases: Dict[str, List[bool]] = {}
    repeats: Dict[int, List[bool]] = {}
    for row in rows:
        cases.setdefault(row["fault"], []).append(row["ok"])
        repeats.setdefault(row["repeat"], []).append(row["ok"])
    many = {name: oks for name, oks in cases.items() if len(oks) > 1}
    shares = [sum(oks) / len(oks) for _, oks in sorted(repeats.items())]
    mean = sum(shares) / len(shares) if shares else 0.0
    variance = (
        sum((each - mean) ** 2 for each in shares) / (len(shares) - 1) if len(shares) > 1 else None
    )
    return {
        "repeated": len(many),
        "both_ways": sorted(name for name, oks in many.items() if len(set(oks)) > 1),
        "shares": [round(each, 4) for each in shares],
        "variance": None if variance is None else round(variance, 6),
    }


def subject(rows: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """The score of one subject. Rows that are void or could not be run do not count as right or
    wrong; their number is shown.
    """
    valid = [row for row in rows if not row["void"]]
    heal = [row for row in valid if row["right"] == "heal"]
    tell = [row for row in valid if row["right"] == "escalate"]
    none = [row for row in valid if row["right"] == "nothing"]
    faults = heal + tell
    healed = [row for row in heal if row["ok"]]
    harm = {kind: sum(row["harm"].get(kind, 0) for row in valid) for kind in WORDS}
    costs = [row for row in valid if row["rss_peak_mb"]]
    return {
        "harm": harm,
        "harm_total": sum(harm.values()),
        "harmed_cases": sorted({row["fault"] for row in valid if row["harm"]}),
        "right": share(valid, lambda row: row["ok"]),
        "detected": share(faults, lambda row: row["detect_s"] is not None),
        "healed": share(heal, lambda row: row["ok"] and not row["ai_calls"]),
        "escalated": share(tell, lambda row: row["ok"]),
        "left_alone": share(none, lambda row: row["ok"]),
        "traps": share([r for r in valid if r["kind"] == "trap"], lambda row: row["ok"]),
        "chains": share([r for r in valid if r["kind"] == "chain"], lambda row: row["ok"]),
        "useful": {
            name: share(
                [row for row in tell if row["told_s"] is not None],
                lambda row, name=name: row["useful"].get(name, False),
            )
            for name in ("cause", "evidence", "remedy")
        },
        "detect_s": _two([row["detect_s"] for row in faults if row["detect_s"] is not None]),
        "told_s": _two([row["told_s"] for row in tell if row["told_s"] is not None]),
        "heal_s": _two([row["heal_s"] for row in healed]),
        "heal_boots": _two(multiples(healed, "heal_s")),
        "detect_boots": _two(multiples(faults, "detect_s")),
        "restarts_per_incident": _mean([row["restarts"] for row in faults]),
        "messages_per_incident": _mean([row["messages"] for row in faults]),
        "ai_calls": sum(row["ai_calls"] for row in valid),
        "rss_peak_mb": percentile([row["rss_peak_mb"] for row in costs], 0.5),
        "cpu_s_per_case": _mean([row["cpu_s"] for row in costs]),
        "void": sum(1 for row in rows if row["void"]),
        "cases": len({row["fault"] for row in valid}),
        "runs": len(valid),
        "spread": spread(valid),
    }


def _two(values: Sequence[float]) -> Dict[str, Any]:
    p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
    return {
        "p50": None if p50 is None else round(p50, 2),
        "p95": None if p95 is None else round(p95, 2),
        "n": len(values),
    }


def _mean(values: Sequence[float]) -> Optional[float]:
    return round(sum(values) / len(values), 2) if values else None


def families(rows: Sequence[Mapping[str, Any]]) -> Dict[str, Dict[str, Any]]:
    names = sorted({row["family"] for row in rows})
    return {
        name: share([r for r in rows if r["family"] == name and not r["void"]], lambda r: r["ok"])
        for name in names
    }


def everything(rows: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Scores by subject, then by target: what ran on a practice gateway is not mixed with what ran
    on the real one.
    """
    out: Dict[str, Any] = {}
    for target in sorted({row["target"] for row in rows}):
        for name in sorted({row["subject"] for row in rows if row["target"] == target}):
            some = [r for r in rows if r["target"] == target and r["subject"] == name]
            out.setdefault(target, {})[name] = {**subject(some), "families": families(some)}
    return out
