"""The simulation: the same seed gives the same run, what was found once stays away, new seeds are
clean, and each invariant notices when the code that holds it is broken.

It runs in processes of its own, for it replaces the clock, the file calls and the process table of
the whole interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEEDS = json.loads((Path(__file__).parent / "seeds.json").read_text("utf-8"))
TEETH = ("last-probe", "hard-limit", "identity", "patience", "told", "falls-over", "growth", "will")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it plays a Linux machine")


def simulate(*words: str, **env: str) -> Any:
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    argv = [sys.executable, "-m", "simulation", *words]
    return subprocess.run(
        argv,
        env={**os.environ, "PYTHONPATH": path, "IFLOW_UNMEASURED": "1", **env},
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        universal_newlines=True,
        timeout=900,
    )


def test_one_seed_gives_the_same_run_every_time() -> None:
    first, again = (simulate("--named", "A2-edit-during-repair").stdout for _ in range(2))
    assert first == again
    assert len(first.splitlines()) > 10


def test_what_was_found_once_stays_away() -> None:
    done = simulate("--named")
    assert [line for line in done.stdout.splitlines() if " at " in line] == []
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(SEEDS) + 1


@pytest.mark.parametrize("name", TEETH)
def test_an_invariant_notices_that_the_code_that_holds_it_is_broken(name: str) -> None:
    done = simulate("--teeth", name)
    assert done.returncode == 0, done.stdout
