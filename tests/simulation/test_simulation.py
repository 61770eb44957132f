"""The simulation itself: it is deterministic, and it ends with what it found.

It runs in processes of its own, for it replaces the clock, the file calls and the process table of
the whole interpreter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it plays a Linux machine")


def simulate(*words: str) -> Any:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    argv = [sys.executable, "-m", "simulation", *words]
    return subprocess.run(argv, env=env, cwd=str(ROOT), stdout=subprocess.PIPE, timeout=600)


def test_one_seed_gives_the_same_run_every_time() -> None:
    first, again = (simulate("--seed", "26").stdout for _ in range(2))
    assert first == again
    assert len(first.splitlines()) > 10
