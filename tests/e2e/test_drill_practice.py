"""The built-in drills, as a user runs them: the real watchdog, real processes, a gateway that
nobody needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from skill.drill import faults

ROOT = Path(__file__).resolve().parent.parent.parent
TRAPS = Path(__file__).parent / "faults"
PRACTICE = [f for f in faults.find(faults.BUILT_IN) + faults.find(TRAPS) if "practice" in f.targets]

pytestmark = pytest.mark.skipif(
    not (os.environ.get("E2E") or os.environ.get("E2E_LAB")), reason="takes minutes: set E2E=1"
)


def drill(*words: str, timeout: float = 900.0) -> Dict[str, Any]:
    """Run `drill WORDS --json`; return its JSON, with the exit code and what it said meanwhile."""
    done = subprocess.run(
        [sys.executable, "-m", "skill", "drill", *words, "--json"],
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=timeout,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.stdout, said
    return {**json.loads(done.stdout.decode("utf-8")), "code": done.returncode, "said": said}


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Iterator[Dict[str, "Future[Dict[str, Any]]"]]:
    """Every chosen fault's drill, three at a time: most of a drill is waiting."""
    wanted = [
        item.callspec.params["fault"]
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_practice"
    ]
    with ThreadPoolExecutor(3) as pool:
        yield {
            fault.id: pool.submit(drill, "--faults", str(fault.folder))
            for fault in wanted
            if not faults.missing(fault)
        }


@pytest.mark.parametrize("fault", PRACTICE, ids=lambda fault: fault.id)
def test_practice(fault: faults.Fault, reports: Dict[str, "Future[Dict[str, Any]]"]) -> None:
    if faults.missing(fault):
        pytest.skip(faults.missing(fault))
    report = reports[fault.id].result()
    row = report["faults"][0]
    assert row["outcome"] == fault.expect and row["oracle"] is not False and report["code"] == 0, (
        report["said"] + row["detail"]
    )
    assert "left behind" not in row["detail"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """After a drill that was ended in the middle by SIGTERM, no process and no folder of it is
    there.
    """
    import signal
    import time

    import psutil

    env = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "skill", "drill", "--only", "frozen"],
        cwd=str(ROOT),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(tmp_path.glob("iflow-drill-*/watchdog.out")):
        time.sleep(0.2)
    assert list(tmp_path.glob("iflow-drill-*/watchdog.out")), (
        "the drill did not get to its watchdog within 60 s"
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    assert not list(tmp_path.glob("iflow-drill-*"))
    left = [p.pid for p in psutil.process_iter() if str(tmp_path) in " ".join(_words(p))]
    assert left == []


def _words(process: Any) -> Any:
    import psutil

    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_unknown_fault_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "skill", "drill", "--only", "no-such"],
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    assert done.returncode == 2 and done.stdout == b""
