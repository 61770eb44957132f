"""Add up the closing lines of several pytest runs: totals.py SECONDS LOG... Exit 1 when a run has
none, or one of them failed.
"""

import re
import sys

WORDS = ("failed", "passed", "skipped", "xfailed", "xpassed", "warnings", "errors", "rerun")


def closing(text):
    """The counts in the last line such as `3 failed, 12 passed, 1 skipped in 4.56s`; None when
    there is no such line.
    """
    lines = re.findall(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", text, re.M)
    if not lines:
        return None
    return {
        word if word != "error" else "errors": int(count)
        for count, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])
    }


def main(seconds, logs):
    total, bad = dict.fromkeys(WORDS, 0), False
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as handle:
            counts = closing(handle.read())
        if counts is None:
            print("{}: no closing line, this run did not get to its end".format(log))
            bad = True
            continue
        for word, count in counts.items():
            total[word] = total.get(word, 0) + count
    bad = bad or total["failed"] + total["errors"] > 0
    shown = ", ".join("{} {}".format(total[word], word) for word in WORDS if total[word])
    print("{0} {1} in {2:.2f}s {0}".format("=" * 20, shown or "no tests ran", float(seconds)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
