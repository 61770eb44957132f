"""The command line: many seeds, one seed with its timeline, shrinking, the count of what ran."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence

clock = time.perf_counter


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Exit code 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one and print its timeline")
    parser.add_argument(
        "--shrink", action="store_true", help="leave out what the violation does not need"
    )
    parser.add_argument("--family", help="only scenarios that have this family of faults")
    parser.add_argument("--scenario", help="run a scenario from a JSON file")
    parser.add_argument("--named", nargs="?", const="", help="run the named seeds (one, or all)")
    parser.add_argument("--teeth", metavar="NAME", help="break the code that holds an invariant")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--keep-going", action="store_true", help="do not stop a run at its first violation"
    )
    parser.add_argument("--minutes", type=float, help="stop after so long, and report what ran")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args(argv)
    if (
        os.environ.get("PYTHONHASHSEED") != "0"
    ):  # the order of sets must be the same in every process
        os.environ["PYTHONHASHSEED"] = "0"
        os.environ["TZ"] = "UTC"
        os.execv(
            sys.executable,
            [sys.executable, "-m", "simulation", *(sys.argv[1:] if argv is None else argv)],
        )
    if words.teeth:
        return teeth(words.teeth)
    if words.named is not None:
        return named(words)
    if words.seed is not None or words.scenario:
        return one(words)
    return many(words)


def one(words: Any) -> int:
    from .faults import KINDS
    from .run import run
    from .scenario import Scenario, draw
    from .shrink import shrink

    if words.scenario:
        with open(words.scenario, encoding="utf-8") as handle:
            scenario = Scenario.of(json.load(handle))
    else:
        scenario = draw(words.seed, kinds_of(words.family, KINDS))
    result = run(scenario, not words.keep_going)
    if words.shrink and result.violations:
        scenario = shrink(scenario, result.violations[0].invariant)
        result = run(scenario, not words.keep_going)
    print(json.dumps(scenario.to_json(), indent=None))
    for at, text in result.notes:
        print("{:9.2f}  {}".format(at - 1000.0, text))
    count = "{} events, {} checks, {:.3f} s, children {}\n"
    sys.stderr.write(count.format(result.events, result.checks, result.seconds, result.children))
    for violation in result.violations:
        print(
            "VIOLATION {} at {:.1f}: {}".format(
                violation.invariant, violation.at - 1000.0, violation.what
            )
        )
    return 1 if result.violations else 0


def teeth(name: str) -> int:
    """0 when the broken code was noticed, and the whole one was not complained about."""
    from .teeth import TEETH, bite

    sound, broken = bite(name)
    for title, result in (("as it is", sound), ("broken", broken)):
        said = ["{}: {}".format(v.invariant, v.what) for v in result.violations]
        print("{:9} {}".format(title, "; ".join(said) or "clean"))
    noticed = any(v.invariant == TEETH[name].invariant for v in broken.violations)
    return 0 if noticed and not sound.violations else 1


def named(words: Any) -> int:
    """The seeds that have shown a defect once."""
    from .run import run
    from .scenario import Scenario

    with open(os.path.join(os.path.dirname(__file__), "seeds.json"), encoding="utf-8") as handle:
        known = json.load(handle)
    wrong = 0
    for name, entry in known.items():
        if words.named not in ("", name):
            continue
        result = run(Scenario.of(entry["scenario"]), stop_at_first=False)
        said = "; ".join(
            "{} at {:.0f} s: {}".format(v.invariant, v.at - 1000.0, v.what)
            for v in result.violations
        )
        wrong += bool(result.violations)
        print("{:28} {}".format(name, said or "clean"))
        if words.named:
            for at, text in result.notes:
                print("{:9.2f}  {}".format(at - 1000.0, text))
    print("{} of {} violate".format(wrong, len(known)))
    return 1 if wrong else 0


def kinds_of(family: Optional[str], kinds: Dict[str, Any]) -> Optional[List[str]]:
    if not family:
        return None
    found = [name for name, (own, _work) in kinds.items() if family in (own, name)]
    if not found:
        raise SystemExit("no family {}".format(family))
    return found


def span(first: int, count: int, family: Optional[str]) -> Dict[str, Any]:
    """Run these seeds: what a worker does."""
    from .faults import KINDS
    from .run import run
    from .scenario import draw

    only = kinds_of(family, KINDS)
    ran: Counter = Counter()
    bad: List[Any] = []
    checks = events = 0
    virtual = 0.0
    for seed in range(first, first + count):
        scenario = draw(seed, only)
        result = run(scenario)
        for entry in scenario.script:
            ran[KINDS[entry["kind"]][0]] += 1
        checks += result.checks
        events += result.events
        virtual += scenario.seconds
        bad += [(seed, v.invariant, v.what) for v in result.violations]
    return {
        "ran": dict(ran),
        "bad": bad,
        "checks": checks,
        "events": events,
        "virtual": virtual,
        "seeds": count,
    }


def many(words: Any) -> int:
    began = clock()
    parts: List[Dict[str, Any]] = []
    step = 50
    chunks = [
        (first, min(step, words.first + words.seeds - first), words.family)
        for first in range(words.first, words.first + words.seeds, step)
    ]
    if words.jobs > 1:
        import multiprocessing

        with multiprocessing.get_context("spawn").Pool(words.jobs, maxtasksperchild=40) as pool:
            for part in pool.imap_unordered(_span, chunks):
                parts.append(part)
                _progress(parts, words.seeds, began)
                if _late(words, began):
                    pool.terminate()
                    break
    else:
        for chunk in chunks:
            parts.append(span(*chunk))
            _progress(parts, words.seeds, began)
            if _late(words, began):
                break
    return report(parts, clock() - began, words)


def _late(words: Any, began: float) -> bool:
    return bool(words.minutes) and clock() - began > words.minutes * 60.0


def _span(chunk: Any) -> Dict[str, Any]:
    return span(*chunk)


def _progress(parts: List[Dict[str, Any]], total: int, began: float) -> None:
    done, bad = sum(p["seeds"] for p in parts), sum(len(p["bad"]) for p in parts)
    sys.stderr.write(
        "\r{} of {} seeds, {:.1f}/s, {} violations ".format(
            done, total, done / (clock() - began), bad
        )
    )
    sys.stderr.flush()


def report(parts: List[Dict[str, Any]], took: float, words: Any) -> int:
    ran: Counter = Counter()
    for part in parts:
        ran.update(part["ran"])
    bad = sorted((tuple(b) for p in parts for b in p["bad"]))
    seeds = sum(p["seeds"] for p in parts)
    sys.stderr.write("\n")
    print(
        "{} seeds in {:.1f} s ({:.1f} a second), {:.0f} simulated hours, {} events, {} checks".format(
            seeds,
            took,
            seeds / took,
            sum(p["virtual"] for p in parts) / 3600.0,
            sum(p["events"] for p in parts),
            sum(p["checks"] for p in parts),
        )
    )
    print("families: " + ", ".join("{} {}".format(k, v) for k, v in sorted(ran.items())))
    kinds = Counter(b[1] for b in bad)
    print("violations: {}{}".format(len(bad), "  " + str(dict(kinds)) if bad else ""))
    shown: Counter = Counter()
    for seed, invariant, what in bad:
        shown[invariant] += 1
        if shown[invariant] <= 5:
            family = " --family " + words.family if words.family else ""
            print(
                "  {} {}\n      python3 dev.py simulate --seed {}{} --shrink".format(
                    invariant, what, seed, family
                )
            )
    return 1 if bad else 0
