"""python3 -m healbench run --subject NAME [--faults SET] ... | report DIR | list"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
import zlib
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import __version__, case, faults, procs, report, subjects
from .subjects.base import Untested
from .target import Practice, Target


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="healbench", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    below = top.add_subparsers(dest="what", required=True)
    run = below.add_parser("run", help="break a gateway and judge a subject")
    run.add_argument("--subject", required=True, help="a name, or the path of an adapter of yours")
    run.add_argument("--faults", default="smoke", help="ids, families, kinds, smoke, all; commas")
    run.add_argument("--target", choices=("openclaw", "practice"), default="")
    run.add_argument("--openclaw", default=os.environ.get("E2E_LAB", ""), help="npm prefix")
    run.add_argument("--practice", default=str(Path(__file__).resolve().parent.parent))
    run.add_argument("--practice-python", default=sys.executable)
    run.add_argument("--repeat", type=int, default=1)
    run.add_argument("--first-repeat", type=int, default=1)
    run.add_argument("--seed", default="1")
    run.add_argument("--held-out", action="store_true", help="values that no published run used")
    run.add_argument("--random", type=int, default=0, help="only so many, drawn by the seed")
    run.add_argument("--out", default="build/healbench")
    run.add_argument("--shard", default="", help="i/n, by name, so that it never moves")
    run.add_argument("--resume", action="store_true", help="leave out what has a row already")
    run.add_argument("--ports", default="20700-20799")
    run.add_argument("--option", action="append", default=[], help="NAME=VALUE for the subject")
    run.add_argument("--minutes", type=float, default=0, help="begin no case after so many")
    run.add_argument("--keep", action="store_true", help="keep the folders of the cases")
    run.add_argument("--no-trace", action="store_true", help="do not use the kernel's record")
    page = below.add_parser("report", help="JSON and one HTML page")
    page.add_argument("folder")
    page.add_argument("--title", default="")
    shown = below.add_parser("list", help="what there is")
    shown.add_argument("--faults", default="all")
    return top


def in_shard(name: str, shard: str) -> bool:
    number, _, count = shard.partition("/")
    return not shard or zlib.crc32(name.encode()) % int(count) == int(number) - 1


def rows_of(path: Path) -> List[Dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def target_of(words: argparse.Namespace) -> Target:
    """Raise FileNotFoundError when the real one is wanted and not there."""
    if words.target == "practice" or (not words.target and not words.openclaw):
        return Practice(words.practice_python, Path(words.practice))
    return Target(Path(words.openclaw))


def run(words: argparse.Namespace) -> int:
    out = Path(words.out).resolve()
    (out / "cases").mkdir(parents=True, exist_ok=True)
    try:
        target = target_of(words)
        chosen = faults.choose(words.faults)
        subject = subjects.find(words.subject, dict(o.partition("=")[::2] for o in words.option))
        folder = out / "subjects" / subject.name
        folder.mkdir(parents=True, exist_ok=True)
        subject.install(folder)
    except (Untested, LookupError, FileNotFoundError) as error:
        print("cannot run: {}".format(error), file=sys.stderr)
        return 2
    low, _, high = words.ports.partition("-")
    seed = ("held-" if words.held_out else "") + words.seed
    options = case.Options(out / "cases", seed, (int(low), int(high)), words.keep)
    options.trace = not words.no_trace
    kept = out / "results.jsonl"
    done = {
        (row["subject"], row["target"], row["fault"], row["repeat"], row["seed"])
        for row in rows_of(kept)
        if not row["void"].startswith("healbench itself")
    }
    note_run(out, words, target, subject)
    todo = [
        (number, fault)
        for number in range(words.first_repeat, words.first_repeat + words.repeat)
        for fault in faults.draw(chosen, words.random, seed)
        if target.name in fault.targets and in_shard(fault.id, words.shard)
    ]
    if words.resume:
        todo = [
            (number, fault)
            for number, fault in todo
            if (subject.name, target.name, fault.id, number, "{}.{}".format(seed, number))
            not in done
        ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is running is cleared up first
    swept = procs.sweep()
    if swept:
        print("ended {} processes that an earlier run left when it was killed".format(swept))
    began, bad = time.monotonic(), 0
    for place, (number, fault) in enumerate(todo, 1):
        if words.minutes and time.monotonic() - began > words.minutes * 60:
            print("the {} minutes are used up; go on with --resume".format(words.minutes))
            break
        missing = faults.missing(fault)
        if missing:
            print("{:32s} skipped: {}".format(fault.id, missing), flush=True)
            continue
        row = case.run(subject, fault, target, number, options)
        case.write(row, kept)
        bad += not row.ok and not row.void
        print(line(place, len(todo), row), flush=True)
    return 1 if bad else 0


def line(number: int, of: int, row: Any) -> str:
    word = "void: " + row.void if row.void else "ok" if row.ok else "WRONG"
    times = " ".join(
        "{} {:.0f} s".format(name, value)
        for name, value in (
            ("boot", row.boot_s),
            ("detect", row.detect_s),
            ("heal", row.heal_s),
            ("told", row.told_s),
        )
        if value is not None
    )
    harm = (
        " HARM " + ",".join("{}={}".format(*item) for item in row.harm.items()) if row.harm else ""
    )
    why = " [{}]".format("; ".join(row.why)[:160]) if row.why and not row.ok else ""
    head = "{}/{} {:34s} {:8s} {:8s}".format(number, of, row.fault, row.right, row.outcome)
    return "{} {} {}{}{} ({:.0f} s)".format(
        head, word, times, harm, why, row.notes.get("took_s", 0)
    )


def note_run(out: Path, words: argparse.Namespace, target: Target, subject: Any) -> None:
    """What ran where, for the page."""
    path = out / "run.json"
    value: Dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    value["healbench"] = __version__
    value["machine"] = "{} {}, {} CPUs, Python {}".format(
        platform.system(), platform.release(), os.cpu_count(), platform.python_version()
    )
    value.setdefault("targets", {})[target.name] = target.version
    entry = {"title": subject.title, "version": subject.version(), "tells": subject.tells}
    value.setdefault("subjects", {})[subject.name] = {**entry, "url": subject.url}
    command = "python3 -m healbench run --subject {} --faults {} --seed {} --repeat {}".format(
        words.subject, words.faults, words.seed, words.repeat
    )
    commands = value.setdefault("commands", [])
    if command not in commands:
        commands.append(command)
    path.write_text(json.dumps(value, indent=1) + "\n")


def listing(words: argparse.Namespace) -> int:
    chosen = faults.choose(words.faults)
    for fault in chosen:
        print("{:36s} {:8s} {:12s} {:8s} {}".format(
            fault.id, fault.kind, fault.family, fault.right, fault.title
        ))  # fmt: skip
    counts: Dict[str, int] = {}
    for fault in chosen:
        counts[fault.kind] = counts.get(fault.kind, 0) + 1
    print(", ".join("{} {}s".format(number, kind) for kind, number in sorted(counts.items())))
    return 0


def main(argv: Optional[List[str]] = None) -> int:
    words = parser().parse_args(argv)
    if words.what == "run":
        return run(words)
    if words.what == "list":
        return listing(words)
    return report.make(Path(words.folder), words.title)


if __name__ == "__main__":
    sys.exit(main())
