"""The installer against a home of its own; only building the environment and running our command
line are stood in for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest

from skill.errors import AlreadyRunning, HealerError
from skill.host import Completed, Host
from skill.installer import bundle, install, manifest, python_env, uninstall

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(os.name == "nt", reason="links")


class Machine:
    """A home, a source tree, and a run() that answers for pip and for our own command line."""

    def __init__(self, tmp: Path) -> None:
        self.home, self.source, self.calls, self.broken = tmp / "张 三", tmp / "source", [], set()  # type: ignore[var-annotated]
        (self.home / ".local" / "bin").mkdir(parents=True)
        self.source.mkdir()
        for name in bundle.REQUIRED + bundle.OPTIONAL:
            target = self.source / name
            target.mkdir(parents=True) if name in ("skill", "templates") else target.write_text(
                "x" if name != "SKILL.md" else "card"
            )
        (self.source / "skill" / "a.py").write_text("A = 1\n")
        (self.source / "skill" / "__pycache__").mkdir()
        (self.source / "skill" / "__pycache__" / "a.pyc").write_text("no")
        (self.source / ".git").mkdir()
        self.env = {
            "HOME": str(self.home),
            "PATH": "{}/.local/bin:/usr/bin".format(self.home),
            "SHELL": "/bin/bash",
        }
        self.host = Host(env=self.env, run=self.run, system="linux")

    def run(self, argv: Any, **_: Any) -> Completed:
        words = [str(word) for word in argv]
        self.calls.append(words)
        if words[-3:-1] == ["-m", "venv"]:
            (Path(words[-1]) / "bin").mkdir(parents=True)
            (Path(words[-1]) / "bin" / "python").write_text("")
        bad = any(word in words for word in self.broken)
        return Completed(
            argv, 1 if bad else 0, "[]", "Traceback (most recent call last)\nboom" if bad else ""
        )

    def install(self, **options: Any) -> install.Install:
        run = install.Install(
            self.host, manifest.locate(self.host, self.source), install.Options(**options)
        )
        run.begin()
        try:
            for step in run.steps():
                step.do()
        except BaseException:
            run.roll_back()
            raise
        return run

    def uninstall(self, purge: bool = False) -> None:
        for step in uninstall.steps(self.host, manifest.locate(self.host, self.source), purge):
            step.do()

    def tree(self) -> List[str]:
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))

    def said(self, *words: str) -> int:
        return sum(1 for call in self.calls if all(word in call for word in words))


@pytest.fixture()
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_planning_changes_nothing(machine: Machine) -> None:
    before = machine.tree()
    steps = install.Install(
        machine.host,
        manifest.locate(machine.host, machine.source),
        install.Options(plugin=True, profile=True),
    ).steps()
    assert machine.tree() == before and not machine.calls
    assert all(step.what.en and step.what.zh for step in steps)


def test_installs_and_takes_everything_back_but_records(machine: Machine) -> None:
    before = machine.tree()
    machine.install()
    state = machine.home / ".openclaw"
    assert (state / "skills" / bundle.SKILL / "skill" / "a.py").is_file()
    assert not (state / "skills" / bundle.SKILL / ".git").exists() and not list(
        state.rglob("*.pyc")
    )
    assert "iflow-doctor shim" in (machine.home / ".local/bin/openclaw").read_text() and os.access(
        str(machine.home / ".local/bin/iflow-doctor"), os.X_OK
    )
    assert (state / "iflow-doctor" / "venv" / "bin" / "python").is_file()
    assert machine.said("service", "install") == 1
    (state / "iflow-doctor" / "records.json").write_text("{}")
    machine.uninstall()
    assert machine.said("service", "uninstall") == 1
    assert sorted(set(machine.tree()) - set(before)) == [
        ".openclaw",
        ".openclaw/iflow-doctor",
        ".openclaw/iflow-doctor/records.json",
    ]
    machine.uninstall(purge=True)
    assert [name for name in machine.tree() if name != ".openclaw"] == before


def test_a_first_run_that_fails_leaves_nothing(machine: Machine) -> None:
    before = machine.tree()
    machine.broken.add("list-cases")
    with pytest.raises(HealerError):
        machine.install()
    install.Install(
        machine.host, manifest.locate(machine.host, machine.source), install.Options()
    )  # planning makes nothing
    left = [
        name for name in machine.tree() if name not in before and not (machine.home / name).is_dir()
    ]
    assert left == []


def test_what_the_lock_makes_is_taken_away_too(machine: Machine) -> None:
    """A first install makes ~/.openclaw itself: nothing of it may stay when everything is taken
    back.
    """
    found = manifest.locate(machine.host, machine.source)
    run = install.Install(machine.host, found, install.Options(profile=True))
    with manifest.only_one(found.doctor_dir / "install.lock"):
        run.begin()
    assert (
        str(found.state_dir) in run.done["made_dirs"]
        and str(found.doctor_dir) in run.done["made_dirs"]
    )
    machine.uninstall(purge=True)
    assert not found.state_dir.exists()


def test_installing_twice_builds_once_and_changes_nothing(machine: Machine) -> None:
    machine.install()
    first = machine.tree()
    machine.install()
    assert (
        machine.tree() == first
        and sum(1 for call in machine.calls if call[-3:-1] == ["-m", "venv"]) == 1
    )


def test_what_repairs_took_from_the_owner_survives_an_uninstall(machine: Machine) -> None:
    machine.install()
    own = machine.home / ".openclaw/iflow-doctor"
    for name in ("snapshots/1-x/00-openclaw.json", "quarantine/1-openclaw.sqlite/openclaw.sqlite"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text("the owner's bytes")
    machine.uninstall()
    assert (own / "snapshots/1-x/00-openclaw.json").read_text() == "the owner's bytes"
    assert (own / "quarantine/1-openclaw.sqlite/openclaw.sqlite").exists()
    machine.uninstall(purge=True)
    assert not (own / "snapshots").exists() and not (own / "quarantine").exists()


def test_upgrade_switches_and_keeps_records(machine: Machine) -> None:
    old = machine.install().env
    (machine.home / ".openclaw/iflow-doctor/records.json").write_text('{"kept": 1}')
    (machine.source / "skill" / "a.py").write_text("A = 2\n")
    new = machine.install().env
    assert (
        new != old
        and not old.exists()
        and python_env.target_of(manifest.locate(machine.host, machine.source)) == new
    )
    assert (
        machine.home / ".openclaw/skills" / bundle.SKILL / "skill/a.py"
    ).read_text() == "A = 2\n"
    assert json.loads((machine.home / ".openclaw/iflow-doctor/records.json").read_text()) == {
        "kept": 1
    }


@pytest.mark.parametrize(
    "broken, switched", [("list-cases", False), ("drill", False), ("status", True)]
)
def test_a_version_that_fails_its_check_leaves_the_old_one_in_place(
    machine: Machine, broken: str, switched: bool
) -> None:
    old = machine.install().env
    before = machine.tree()
    services = machine.said("service", "install")
    (machine.source / "skill" / "a.py").write_text("A = 2\n")
    machine.broken = {broken}
    with pytest.raises(HealerError):
        machine.install()
    where = manifest.locate(machine.host, machine.source)
    assert python_env.target_of(where) == old and machine.tree() == before
    assert (where.skill_dir / "skill" / "a.py").read_text() == "A = 1\n"
    assert machine.said("service", "install") - services == (
        2 if switched else 0
    )  # once by the new one, once back


@pytest.mark.parametrize("at", range(8))
def test_interrupted_anywhere_it_can_be_run_again_or_undone(machine: Machine, at: int) -> None:
    before = machine.tree()
    run = install.Install(
        machine.host, manifest.locate(machine.host, machine.source), install.Options()
    )
    run.begin()
    for step in run.steps()[:at]:  # then kill -9: no roll back
        step.do()
    copy = shutil.copytree(str(machine.home), str(machine.home.parent / "copy"), symlinks=True)
    machine.uninstall(purge=True)
    assert [name for name in machine.tree() if name != ".openclaw"] == before
    shutil.rmtree(str(machine.home))
    os.rename(copy, str(machine.home))
    machine.install()
    assert (machine.home / ".openclaw/skills" / bundle.SKILL / "SKILL.md").is_file()


def test_a_half_made_environment_is_made_again(machine: Machine) -> None:
    where = manifest.locate(machine.host, machine.source)
    env = where.env_dir(bundle.fingerprint(machine.source))
    (env / "bin").mkdir(parents=True)
    (env / "left-over").write_text("")
    machine.install()
    assert (env / ".complete").is_file() and not (env / "left-over").exists()


def test_profile_lines_only_where_agreed_and_needed(machine: Machine) -> None:
    machine.env["PATH"] = "/usr/bin:/bin"
    machine.install()
    assert not (machine.home / ".bashrc").exists()
    machine.install(profile=True)
    assert "iflow-doctor shim" in (machine.home / ".bashrc").read_text()
    machine.uninstall(purge=True)
    assert not (machine.home / ".bashrc").exists()


def test_flags(machine: Machine) -> None:
    machine.install(service=False, shim=False)
    assert not (machine.home / ".local/bin/openclaw").exists() and not machine.said(
        "service", "install"
    )


def test_files_of_others_stay(machine: Machine) -> None:
    theirs = machine.home / ".local/bin/iflow-doctor"
    theirs.write_text("#!/bin/sh\necho mine\n")
    run = machine.install()
    assert theirs.read_text().endswith("mine\n") and run.notes
    machine.uninstall()
    assert theirs.exists()


def test_a_developers_link_and_an_in_place_skill_are_not_replaced(machine: Machine) -> None:
    target = machine.home / ".openclaw/skills" / bundle.SKILL
    target.parent.mkdir(parents=True)
    target.symlink_to(machine.source)
    machine.install()
    assert target.is_symlink()
    machine.uninstall(purge=True)
    assert target.is_symlink() and (machine.source / "SKILL.md").is_file()


def test_wheelhouse_needs_no_index(machine: Machine) -> None:
    machine.install(wheelhouse="/w h")
    pip = next(call for call in machine.calls if "--find-links" in call)
    assert (
        "--no-index" in pip
        and pip[pip.index("--find-links") + 1] == "/w h"
        and "--constraint" in pip
    )


def test_what_comes_from_an_index_must_have_a_known_hash(machine: Machine) -> None:
    machine.install()
    first, second = [call for call in machine.calls if "pip" in call and "install" in call][:2]
    assert "--require-hashes" in first and first[first.index("-r") + 1].endswith(".sha256")
    assert "--no-deps" in second


def test_an_incomplete_copy_is_refused(machine: Machine) -> None:
    (machine.source / "cases.json").unlink()
    with pytest.raises(HealerError, match="cases.json"):
        install.Install(
            machine.host, manifest.locate(machine.host, machine.source), install.Options()
        )


def test_profiles_of_openclaw_do_not_mix(machine: Machine) -> None:
    machine.env["OPENCLAW_PROFILE"] = "work"
    assert (
        manifest.locate(machine.host, machine.source).doctor_dir
        == machine.home / ".openclaw-work" / "iflow-doctor"
    )


def test_one_installer_at_a_time(tmp_path: Path) -> None:
    with manifest.only_one(tmp_path / "x.lock"):
        with pytest.raises(AlreadyRunning):
            with manifest.only_one(tmp_path / "x.lock"):
                pass
    with manifest.only_one(tmp_path / "x.lock"):
        pass


def test_an_unreadable_manifest_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "install.json").write_text("{")
    assert manifest.read(tmp_path / "install.json") == manifest.EMPTY


SHELLS = [
    ["sh"],
    ["dash"],
    ["busybox", "ash"],
    ["mksh"],
    ["bash", "--posix"],
    ["zsh", "--emulate", "sh"],
]


@pytest.mark.parametrize(
    "shell", [shell for shell in SHELLS if shutil.which(shell[0])], ids=lambda shell: shell[0]
)
def test_install_sh_in_every_shell(tmp_path: Path, shell: List[str]) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.path.dirname(sys.executable) + ":/usr/bin:/bin"}
    done = subprocess.run(
        shell + [str(ROOT / "install.sh"), "--dry-run", "--lang", "zh"],
        capture_output=True,
        text=True,
        env=env,
        timeout=30,
    )
    assert done.returncode == 0 and not list(tmp_path.iterdir())
    assert "没有改动任何东西" in done.stdout and "不会询问任何 AI" in done.stdout


def test_install_sh_through_a_pipe_or_cut_short_does_nothing(tmp_path: Path) -> None:
    text, env = (
        (ROOT / "install.sh").read_text("utf-8"),
        {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    whole = subprocess.run(
        ["sh"], input=text, capture_output=True, text=True, env=env, cwd=str(tmp_path), timeout=30
    )
    assert whole.returncode == 2 and "clone the repository" in whole.stderr
    cut = subprocess.run(
        ["sh"],
        input=text[: text.rindex("main ")],
        capture_output=True,
        text=True,
        env=env,
        cwd=str(tmp_path),
        timeout=30,
    )
    assert cut.returncode == 0 and not cut.stdout and not list(tmp_path.iterdir())


def test_install_sh_without_python_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("id", "dirname", "uname", "readlink"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "install.sh")],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")},
    )
    assert done.returncode == 2 and "Python 3.8" in done.stderr and "uv" in done.stderr


def test_a_published_copy_has_no_practice_gateway_and_installs_all_the_same(
    machine: Machine,
) -> None:
    names = {path.as_posix() for path in bundle.files(ROOT)}
    assert not any(name.startswith("skill/drill/") for name in names)
    more = {path.as_posix() for path in bundle.files(ROOT, drill=True)} - names
    assert "skill/drill/faults/killed/fault.json" in more and bundle.has_drill(ROOT)
    target = machine.home / "published"
    bundle.copy(ROOT, target)
    assert not bundle.has_drill(target) and not bundle.missing(target)
