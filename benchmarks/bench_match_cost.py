#!/usr/bin/env python3
"""What a diagnosis costs: N cases against a log of M MB, each size in a fresh process; seconds and
peak memory.

usage: bench_match_cost.py [--cases 100,1000,10000] [--log 1,10,100] [--limit-s 1.0] [--limit-mb
150] exit 1 when the largest size is over a limit (its CPU seconds: on a quiet machine the wall
shows the same). The log is read from its end (files.tail_bytes), so its size must not matter.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LINE = (
    '{{"0":"{{\\"subsystem\\":\\"gateway/ws\\"}}","1":"res ok {} in {}ms conn={:032x} user-{}",'
    '"time":"2026-11-21T10:{:02}:{:02}.000+00:00"}}\n'
)
TROUBLE = "Error: zebra quartz unit 4242 lost its flywheel at stage nine"


def make_cases(path: Path, count: int) -> None:
    """Shipped cases, then made-up ones with a signature and keywords each; the last is the one to
    be found.
    """
    found = json.loads((ROOT / "cases.json").read_text("utf-8"))["cases"]
    dice = random.Random(7)
    syllables = ["ka", "lo", "mi", "ter", "von", "zu", "shi", "pra", "dex", "bol", "nu", "gra"]

    def word() -> str:
        return "".join(dice.choice(syllables) for _ in range(3))

    for number in range(len(found), count):
        a, b, c = word(), word(), word()
        found.append(
            {
                "id": "GEN-{}".format(number),
                "slug": "made-up-{}".format(number),
                "title": {"en": "{} {} broke".format(a, b), "zh": "{} 坏了".format(a)},
                "solution": {"en": "look at {}".format(c), "zh": "看 {}".format(c)},
                "error_signatures": [
                    "{} {} failed with \\d{{1,5}}".format(a, b),
                    "{}Error: .{{0,80}}{}".format(c, a),
                ],
                "keywords": ["{} & {} ^3".format(a, b), c],
                "repair": "tell-person",
                "risk": "read",
            }
        )
    found[-1] = dict(
        found[-1],
        id="GEN-LAST",
        slug="flywheel-lost",
        error_signatures=["unit \\d{1,6} lost its flywheel at stage \\w+"],
    )
    path.write_text(json.dumps({"version": 1, "cases": found}), "utf-8")


def make_log(path: Path, megabytes: int) -> None:
    dice = random.Random(11)
    with open(path, "w", encoding="utf-8") as out:
        size = 0
        while size < megabytes * 1_000_000:
            block = "".join(
                LINE.format(
                    dice.choice(["status", "sessions.list", "node.list"]),
                    dice.randrange(90000),
                    dice.getrandbits(128),
                    dice.getrandbits(40),
                    n % 60,
                    n % 59,
                )
                for n in range(500)
            )
            out.write(block)
            size += len(block)
        out.write("2026-11-21T10:59:59.000+00:00 [gateway] " + TROUBLE + "\n")


def one(case_file: str, log_file: str) -> Dict[str, Any]:
    """Run inside the fresh process: read, index, match; then once more, warm."""
    began, cpu = time.perf_counter(), time.process_time()
    from skill.cases import library as cases
    from skill.cases.matcher import match
    from skill.cases.signature import MAX_LOG_CHARS
    from skill.files import tail_bytes

    library = [cases.build(raw) for raw in cases.entries(Path(case_file))]
    loaded = time.perf_counter()
    log = tail_bytes(log_file, MAX_LOG_CHARS).decode("utf-8", "replace")
    found = match(library, "the gateway stopped after the flywheel was lost", log)
    done = time.perf_counter()
    cpu = time.process_time() - cpu
    match(library, "the gateway stopped after the flywheel was lost", log)
    warm = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return {
        "load_s": round(loaded - began, 3),
        "match_s": round(done - loaded, 3),
        "again_s": round(warm - done, 3),
        "total_s": round(done - began, 3),
        "cpu_s": round(cpu, 3),
        "peak_mb": round(peak, 1),
        "first": found[0].case.slug if found else "",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default="100,1000,10000")
    parser.add_argument("--log", default="1,10,100")
    parser.add_argument("--limit-s", type=float, default=1.0)
    parser.add_argument("--limit-mb", type=float, default=150.0)
    parser.add_argument("--one", nargs=2)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return 0
    counts, sizes = [[int(n) for n in text.split(",")] for text in (options.cases, options.log)]
    worst: Dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            make_cases(Path(folder) / "c{}.json".format(count), count)
        for size in sizes:
            make_log(Path(folder) / "l{}.log".format(size), size)
        grid = [(count, sizes[-1]) for count in counts] + [
            (counts[-1], size) for size in sizes[:-1]
        ]
        print(
            "{:>7} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}".format(
                "cases", "log MB", "load s", "match s", "again s", "total s", "cpu s", "peak MB"
            )
        )
        for count, size in grid:
            argv = [
                sys.executable,
                __file__,
                "--one",
                "{}/c{}.json".format(folder, count),
                "{}/l{}.log".format(folder, size),
            ]
            value = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
            print(
                "{:>7} {:>7} {load_s:>8} {match_s:>8} {again_s:>8} {total_s:>8} {cpu_s:>8} "
                "{peak_mb:>8}".format(count, size, **value)
            )
            if count >= 1000 and value["first"] != "flywheel-lost":
                print("  the planted case was not found first: {!r}".format(value["first"]))
                return 1
            if (count, size) == (counts[-1], sizes[-1]):
                worst = value
    over = worst["cpu_s"] > options.limit_s or worst["peak_mb"] > options.limit_mb
    print(
        "limits {} s, {} MB: {}".format(
            options.limit_s, options.limit_mb, "OVER" if over else "held"
        )
    )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
