"""Every fault that is shipped can be read and run; a wrong one is refused with everything that is
wrong.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from skill.drill import bench, faults
from skill.errors import SettingsError, UsageError
from skill.host import Host

REPLAY = Path(__file__).parent.parent / "e2e" / "faults"
SHIPPED = [
    fault
    for folder in (faults.BUILT_IN, REPLAY)
    if folder.is_dir()
    for fault in faults.find(folder)
]


def make(folder: Path, inject: bool = True, **value: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "fault.json").write_text(json.dumps(value))
    if inject:
        (folder / "inject").write_text("#!/bin/sh\n")
        (folder / "inject").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "fault", SHIPPED, ids=lambda fault: "{}/{}".format(fault.folder.parent.parent.name, fault.id)
)
def test_shipped_fault_is_complete(fault: faults.Fault) -> None:
    assert fault.id == fault.folder.name
    assert fault.family and fault.title.en and fault.title.zh != fault.title.en
    for name in ("inject", "setup", "oracle", "teardown"):
        script = fault.script(name)
        if script and script.suffix != ".py":  # a .py is run by our own interpreter
            assert os.access(script, os.X_OK), script
            assert script.read_text("utf-8").split("\n")[0] in (
                "#!/bin/sh",
                "#!/usr/bin/env python3",
            ), script
    if fault.folder.parent == faults.BUILT_IN:
        assert "practice" in fault.targets


def test_a_directory_that_is_a_fault_is_the_only_one(tmp_path: Path) -> None:
    make(tmp_path / "one", id="a", expect="heal", timeout_s=5)
    make(tmp_path / "deep" / "two", id="b", expect="nothing", timeout_s=5)
    assert [fault.id for fault in faults.find(tmp_path / "one")] == ["a"]
    assert sorted(fault.id for fault in faults.find(tmp_path)) == ["a", "b"]


def test_title_may_be_plain_text_and_id_defaults_to_the_folder(tmp_path: Path) -> None:
    fault = faults.read(make(tmp_path / "mine", title="x", expect="heal"))
    assert (fault.id, fault.title.zh, fault.timeout_s) == ("mine", "x", faults.DEFAULT_TIMEOUT_S)


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    place = make(tmp_path / "bad", inject=False, expect="win", timeout_s=-1, targets="moon")
    with pytest.raises(SettingsError) as caught:
        faults.read(place)
    text = str(caught.value)
    assert (
        "expect = 'win'" in text
        and "timeout_s = -1" in text
        and "targets" in text
        and "inject" in text
    )


def test_inject_that_cannot_be_executed_is_refused(tmp_path: Path) -> None:
    place = make(tmp_path / "bad", expect="heal")
    (place / "inject").write_text("what am I\n")
    (place / "inject").chmod(0o644)
    with pytest.raises(SettingsError, match="not executable"):
        faults.read(place)


def test_inject_whose_x_bit_was_lost_in_a_copy_is_run_by_its_interpreter(tmp_path: Path) -> None:
    place = make(tmp_path / "copied", expect="heal")
    (place / "inject").chmod(0o644)
    assert faults.argv(faults.read(place).folder / "inject")[1:] == [str(place / "inject")]


@pytest.mark.real_processes
def test_a_script_may_ask_our_own_commands_wherever_the_drill_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(tmp_path / "asks", expect="heal")
    (place / "inject").write_text("#!/usr/bin/env python3\nimport skill, click, psutil\n")
    (place / "inject").chmod(0o755)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    made = bench.lay_out(faults.read(place), False, Host(), tmp_path)
    try:
        assert made.script("inject") == (0, "")
    finally:
        made.clear_up(False)


def test_no_fault_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        faults.find(tmp_path)
    with pytest.raises(UsageError):
        faults.find(tmp_path / "nowhere")


def test_needs(tmp_path: Path) -> None:
    fault = faults.read(make(tmp_path / "a", expect="heal", needs=["no-such-program-here"]))
    assert faults.missing(fault) == "needs no-such-program-here"
    assert faults.missing(faults.read(make(tmp_path / "b", expect="heal", needs=["sh"]))) == ""
