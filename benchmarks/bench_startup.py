"""How long `--help` and `status` take to start, as a ratio to `python -c pass` in the same run
(medians of 11, interleaved).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "--help": ["-m", "skill", "--help"],
    "status": ["-m", "skill", "status", "--json"],
}


def main() -> int:
    seconds = {name: [] for name in COMMANDS}
    for _ in range(11):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            seconds[name].append(time.perf_counter() - began)
    base = statistics.median(seconds["python -c pass"])
    for name, row in seconds.items():
        middle = statistics.median(row)
        print(
            "{:16} median {:.3f} s  min {:.3f} s  ratio {:.1f}".format(
                name, middle, min(row), middle / base
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
