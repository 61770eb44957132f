"""The command's answers: JSON alone on stdout, honest exit codes, a table that lines up in Chinese
too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Tuple

import pytest

from skill.drill import faults, report
from skill.drill.runner import Result
from skill.model import Healed, Tried

ROOT = Path(__file__).resolve().parent.parent.parent


def drill(*words: str, **env: str) -> Tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "skill", *words],
        cwd=str(ROOT),
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def a_fault(folder: Path, inject: str = "#!/bin/sh\n", **value: Any) -> Path:
    folder.mkdir()
    (folder / "fault.json").write_text(
        json.dumps({"title": "t", "family": "f", "expect": "heal", "timeout_s": 5, **value})
    )
    (folder / "inject").write_text(inject)
    (folder / "inject").chmod(0o755)
    return folder


def test_list_runs_nothing() -> None:
    code, out, _ = drill("drill", "--list", "--json")
    rows = json.loads(out)["faults"]
    assert code == 0 and {"killed", "frozen", "config-truncated", "foreign-port"} <= {
        row["id"] for row in rows
    }


def test_unknown_id_is_wrong_usage() -> None:
    code, out, err = drill("drill", "--only", "kiled")
    assert code == 2 and out == "" and "kiled" in err


def test_real_without_openclaw_could_not_run(tmp_path: Path) -> None:
    if any(
        os.path.exists(p + "/openclaw") for p in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
    ):
        pytest.skip("openclaw is installed system-wide here")
    code, out, err = drill(
        "drill",
        "--real",
        "--faults",
        str(a_fault(tmp_path / "x")),
        "--json",
        PATH=str(tmp_path),
        HOME=str(tmp_path),
    )
    row = json.loads(out)["faults"][0]
    assert (
        code == 2
        and row["outcome"] == "failed"
        and "openclaw was not found" in row["detail"]
        and "openclaw was not found" in err
    )


@pytest.mark.skipif(os.name == "nt", reason="faults are scripts of a POSIX shell")
def test_setup_that_fails_could_not_run_and_leaves_nothing(tmp_path: Path) -> None:
    place = a_fault(tmp_path / "x")
    (place / "setup").write_text("#!/bin/sh\necho no such luck\nexit 3\n")
    (place / "setup").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    code, out, _ = drill("drill", "--faults", str(place), "--json", TMPDIR=str(tmp_path / "tmp"))
    assert code == 2 and "no such luck" in json.loads(out)["faults"][0]["detail"]
    assert list((tmp_path / "tmp").iterdir()) == []


RESTART = [Tried("restart", "")]


def results(tmp_path: Path) -> Any:
    fault = faults.read(a_fault(tmp_path / "fault", id="fault"))
    return [
        Result(fault, "heal", 0.5, 9.0, 2.0, 1, RESTART, [], [], Healed(2, "restart")),
        Result(fault, "escalate", 1.0, None, 2.0, 0, [], ["gateway.mode"]),
        Result(
            fault,
            "heal",
            1.0,
            3.0,
            2.0,
            1,
            RESTART,
            oracle=False,
            detail="oracle ended with 1: no",
        ),
    ]


def test_expected_means_outcome_and_oracle(tmp_path: Path) -> None:
    assert [r.as_expected for r in results(tmp_path)] == [True, False, False]


def test_json_row_has_every_promised_field(tmp_path: Path) -> None:
    row = report.to_json(results(tmp_path))["faults"][1]
    promised = (
        "id outcome expected detected_s healed_s restarts actions config_changed boot_s".split()
    )
    assert all(name in row for name in promised)
    assert (row["config_changed"], row["config_diff"], row["healed_s"]) == (
        True,
        ["gateway.mode"],
        None,
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_table_lines_up(tmp_path: Path, lang: str) -> None:
    lines = report.table(results(tmp_path), lang).splitlines()
    head, rule, first = lines[0], lines[1], lines[2]
    assert report.width(head) <= report.width(rule) and report.width(first) <= report.width(rule)
    column = len(rule.split("  ")[0]) + 2
    assert _from(first, column).startswith("healed" if lang == "en" else "已修复")
    assert "oracle ended with 1" in lines[-1]


def _from(text: str, column: int) -> str:
    """The text from a terminal column on."""
    at = 0
    for index, letter in enumerate(text):
        if at >= column:
            return text[index:]
        at += report.width(letter)
    return ""
