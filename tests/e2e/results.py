"""Results of end-to-end runs: kept while they are made, and shown as one table.

`python3 tests/e2e/results.py FILE... > docs/e2e-results.md` writes the table of the newest result
of every test.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Set

HERE = Path(__file__).resolve().parent
HEAD = """# End-to-end results

Made by `python3 dev.py e2e` from the runs themselves; do not edit by hand. The newest result of
every test. Seconds are those of the machine of that run.

| test | outcome | s | printed | commit | date |
|---|---|---|---|---|---|
"""


def commit() -> str:
    """Return the short id of the commit under test, with "+" where the tree differs from it."""
    words = [
        "git",
        "-C",
        str(HERE),
        "-c",
        "safe.directory=*",
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=9",
    ]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip() or "unknown"


def append(path: str, row: Dict[str, Any]) -> None:
    """Add one result to the file; "" keeps none."""
    if path:
        stamp = {"commit": commit(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({**row, **stamp}, ensure_ascii=False) + "\n")


def rows(paths: Iterable[str]) -> List[Dict[str, Any]]:
    """Return the newest row of every test, in order of the tests' names."""
    newest: Dict[str, Dict[str, Any]] = {}
    for path in paths:
        for line in Path(path).read_text("utf-8").splitlines() if Path(path).is_file() else ():
            row = json.loads(line)
            newest[row["test"]] = row
    return [newest[name] for name in sorted(newest)]


def passed(path: str) -> Set[str]:
    """Return the tests that passed already on this very commit."""
    now = commit()
    if not path or now.endswith("+") or now == "unknown":
        return set()
    found = rows([path])
    return {row["test"] for row in found if row["outcome"] == "passed" and row["commit"] == now}


def last_line(text: str) -> str:
    """Return what a test printed last, short: its measured figures."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def table(found: Iterable[Dict[str, Any]]) -> str:
    """Return the Markdown table."""
    lines = []
    for row in found:
        name = re.sub(r"^(tests/)?e2e/", "", row["test"])
        cells = [name, row["outcome"], row["seconds"], row.get("printed", "")]
        cells += [row["commit"], row["date"]]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(rows(sys.argv[1:])))
