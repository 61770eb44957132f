#!/usr/bin/env python3
"""Score the matcher over a labelled corpus of incidents, three ways: symptom and log, log alone,
symptom alone.

usage: bench_cases.py CORPUS.jsonl [SCORER.py]      (or the environment: CORPUS, SCORER)

CORPUS: a line each: id, label, negative, symptom, log. SCORER: a program that takes CORPUS
PREDICTIONS and prints figures; without one the same figures are counted here.
tests/data/cases/heldout.jsonl is the corpus this repository carries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
WAYS = {"symptom and log": (True, True), "log alone": (False, True), "symptom alone": (True, False)}


def main(argv: List[str]) -> int:
    from skill.cases import library as cases
    from skill.cases.matcher import match

    corpus = (
        argv[1]
        if len(argv) > 1
        else os.environ.get("CORPUS") or str(ROOT / "tests" / "data" / "cases" / "heldout.jsonl")
    )
    scorer = argv[2] if len(argv) > 2 else os.environ.get("SCORER", "")
    rows = [
        json.loads(line) for line in Path(corpus).read_text("utf-8").splitlines() if line.strip()
    ]
    library = cases.shipped()
    print("{} cases, {} incidents".format(len(library), len(rows)))
    for way, (says, logs) in WAYS.items():
        began = time.perf_counter()
        found = []
        for row in rows:
            matches = match(library, row["symptom"] if says else "", row["log"] if logs else "")
            found.append(
                {
                    "id": row["id"],
                    "matches": [
                        {"slug": m.case.slug, "confidence": m.confidence.value} for m in matches
                    ],
                }
            )
        spent = (time.perf_counter() - began) * 1000 / max(1, len(rows))
        print("== {} ({:.1f} ms each)".format(way, spent))
        print(by_scorer(scorer, corpus, found) if scorer else json.dumps(figures(rows, found)))
    return 0


def by_scorer(scorer: str, corpus: str, found: List[Dict[str, Any]]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as out:
        out.write("".join(json.dumps(entry) + "\n" for entry in found))
        out.flush()
        return (
            subprocess.run(
                [sys.executable, scorer, corpus, out.name], stdout=subprocess.PIPE, check=True
            )
            .stdout.decode("utf-8")
            .rstrip()
        )


def figures(rows: List[Dict[str, Any]], found: List[Dict[str, Any]]) -> Dict[str, Any]:
    matches = {entry["id"]: entry["matches"] for entry in found}
    good, bad = [r for r in rows if not r["negative"]], [r for r in rows if r["negative"]]
    first = sum(bool(matches[r["id"]]) and matches[r["id"]][0]["slug"] == r["label"] for r in good)
    three = sum(r["label"] in [m["slug"] for m in matches[r["id"]][:3]] for r in good)
    wrong = sum(
        bool(matches[r["id"]])
        and matches[r["id"]][0]["confidence"] == "certain"
        and matches[r["id"]][0]["slug"] != r["label"]
        for r in good
    )
    return {
        "positives": len(good),
        "top1": round(first / max(1, len(good)), 3),
        "top3": round(three / max(1, len(good)), 3),
        "wrong_certain": wrong,
        "negatives": len(bad),
        "negatives_matched": sum(bool(matches[r["id"]]) for r in bad),
        "negatives_certain": sum(
            any(m["confidence"] == "certain" for m in matches[r["id"]]) for r in bad
        ),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv))
