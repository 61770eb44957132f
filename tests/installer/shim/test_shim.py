"""The shim with real shells: what it catches, and that everything else reaches the real program
unchanged.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skill.host import Completed, Host
from skill.installer.shim import place, text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the POSIX shim")
SHELLS = [
    shell
    for shell in (["sh"], ["dash"], ["busybox", "ash"], ["mksh"], ["bash", "--posix"])
    if shutil.which(shell[0])
]
REAL = (
    "#!/bin/sh\nprintf 'real'; for a in \"$@\"; do printf '|%s' \"$a\"; done; echo; cat; exit 7\n"
)


@pytest.fixture()
def world(tmp_path: Path) -> Path:
    """front/ with the shim, back/ with a real program; a private Python that prints what it was
    asked.
    """
    for name in ("front", "back", "a b's"):
        (tmp_path / name).mkdir()
    fake = tmp_path / "a b's" / "python"
    fake.write_text(
        "#!/bin/sh\nprintf 'ours'; for a in \"$@\"; do printf '|%s' \"$a\"; done; echo\n"
    )
    (tmp_path / "back" / "openclaw").write_text(REAL)
    (tmp_path / "front" / "openclaw").write_bytes(text.render(str(fake), "linux"))
    for path in (fake, tmp_path / "back" / "openclaw", tmp_path / "front" / "openclaw"):
        path.chmod(0o755)
    return tmp_path


def call(world: Path, *words: str, shell=(), stdin: str = "", **more: str):
    path = "{0}/front:{0}/back:/usr/bin:/bin".format(world)
    return subprocess.run(
        [*shell, str(world / "front" / "openclaw"), *words],
        input=stdin,
        capture_output=True,
        text=True,
        env=dict({"PATH": path}, **more),
        timeout=20,
    )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_catches_exactly_two_forms(world: Path, shell) -> None:
    for verb in ("run", "config"):
        done = call(
            world,
            "skills",
            verb,
            "openclaw-iflow-doctor",
            "--diagnose",
            'it\'s "down" $HOME',
            shell=shell,
        )
        assert (
            done.stdout
            == "ours|-I|-m|skill.installer.shim|answer|skills|{}|openclaw-iflow-doctor|--diagnose|"
            'it\'s "down" $HOME\n'.format(verb)
        )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["skills"],
        ["skills", "run"],
        ["skills", "run", "other"],
        ["skills", "run", "openclaw-iflow-doctor2"],
        ["skills", "list", "openclaw-iflow-doctor"],
        ["skills run", "openclaw-iflow-doctor"],
        ["skills", "run openclaw-iflow-doctor"],
        ["", "skills", "run", "openclaw-iflow-doctor"],
        ["a b", "c'd", 'e"f', "*", "$(id)", "line\nbreak", "", "\\", "张 三"],
    ],
)
def test_everything_else_is_handed_over_unchanged(world: Path, shell, words) -> None:
    done = call(world, *words, shell=shell, stdin="typed\n")
    assert done.stdout == "real" + "".join("|" + word for word in words) + "\ntyped\n"
    assert done.returncode == 7


def test_two_shims_do_not_call_each_other(world: Path) -> None:
    (world / "second").mkdir()
    shutil.copy(str(world / "front" / "openclaw"), str(world / "second" / "openclaw"))
    path = "{0}/front:{0}/second:{0}/back:/usr/bin:/bin".format(world)
    assert call(world, "x", PATH=path).stdout == "real|x\n"
    lost = call(world, "x", PATH="{0}/second:{0}/front:/usr/bin:/bin".format(world))
    assert lost.returncode == 127 and "not found" in lost.stderr


def test_links_and_folders_with_spaces_in_path(world: Path) -> None:
    (world / "with space").mkdir()
    os.symlink(str(world / "front" / "openclaw"), str(world / "with space" / "openclaw"))
    assert (
        call(world, "x", PATH="{0}/with space::{0}/back:/usr/bin:/bin".format(world)).stdout
        == "real|x\n"
    )


def test_without_our_environment_the_real_program_answers(world: Path) -> None:
    (world / "a b's" / "python").unlink()
    assert call(world, "skills", "run", "openclaw-iflow-doctor").stdout.startswith(
        "real|skills|run"
    )


def test_signals_reach_the_real_program(world: Path) -> None:
    (world / "back" / "openclaw").write_text(
        "#!/bin/sh\ntrap 'echo got; exit 9' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    path = "{0}/front:{0}/back:/usr/bin:/bin".format(world)
    process = subprocess.Popen(
        [str(world / "front" / "openclaw")], stdout=subprocess.PIPE, env={"PATH": path}
    )
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 9 and process.stdout.read() == b"got\n"
    process.stdout.close()


def test_adds_little_time(world: Path) -> None:
    (world / "back" / "openclaw").write_text("#!/bin/sh\nexit 0\n")

    def best(program: Path) -> float:
        env = {"PATH": "{0}/front:{0}/back:".format(world) + os.environ["PATH"]}
        times = []
        for _ in range(15):
            began = time.perf_counter()
            subprocess.call([str(program)], env=env)
            times.append(time.perf_counter() - began)
        return min(times)

    assert best(world / "front" / "openclaw") - best(world / "back" / "openclaw") < 0.020


def test_render_quotes_and_refuses() -> None:
    assert b"'/x/it'\"'\"'s here/python'" in text.render("/x/it's here/python", "linux")
    windows = text.render("C:\\Users\\100%\\venv\\python.exe", "win32")
    assert (
        b"100%%" in windows
        and windows.count(b"\n") == windows.count(b"\r\n")
        and b"chcp" not in windows
    )
    assert b"chcp 65001" in text.render("C:\\Users\\张 三\\python.exe", "win32")
    far = text.render("D:\\100%\\venv\\python.exe", "win32", "C:\\Users\\张 三\\bin")
    assert b'"IFLOW_DOCTOR_PYTHON=D:\\100%%\\venv\\python.exe"' in far
    state = "C:\\Users\\张 三\\.openclaw\\iflow-doctor\\"
    near = text.render(state + "venv-1\\Scripts\\python.exe", "win32", state + "bin")
    assert (
        b'"IFLOW_DOCTOR_PYTHON=%~dp0..\\venv-1\\Scripts\\python.exe"' in near
        and near.isascii()
        and b"chcp" not in near
    )
    with pytest.raises(ValueError):
        text.render("/a\nb", "linux")
    with pytest.raises(ValueError):
        text.render('C:\\"x', "win32")


# -- where -----------------------------------------------------------------------------------------
def host(home: Path, path: str, **more) -> Host:
    return Host(env=dict({"HOME": str(home), "PATH": path}, **more), system="linux")


def test_prefers_a_folder_of_the_users_that_precedes_the_real_one(
    world: Path, tmp_path: Path
) -> None:
    home, own = tmp_path / "home", tmp_path / "home" / ".openclaw" / "iflow-doctor" / "bin"
    for name in (".local/bin", ".nvm/versions/node/bin", "late"):
        (home / name).mkdir(parents=True)
    late = "{0}/.nvm/versions/node/bin:{0}/.local/bin:{1}/back:{0}/late".format(home, world)
    assert place.choose(host(home, late), own) == (home / ".local" / "bin", True)
    assert place.choose(host(home, "{1}/back:{0}/.local/bin".format(home, world)), own) == (
        own,
        False,
    )
    (home / ".local" / "bin" / "openclaw").write_text(
        REAL
    )  # somebody else's program of that name stays
    (home / ".local" / "bin" / "openclaw").chmod(0o644)
    assert place.choose(host(home, late), own) == (own, False)


def test_real_skips_shims(world: Path) -> None:
    assert (
        place.real(host(world, "{0}/front:{0}/back".format(world))) == world / "back" / "openclaw"
    )
    assert place.real(host(world, "{0}/front".format(world))) is None


# -- profiles --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "before", ["", "export A=1", "export A=1\n", "a\n\n\n", "# caf\u00e9 \udcff\n"]
)
def test_a_profile_is_as_before_after_removal(tmp_path: Path, before: str) -> None:
    profile = tmp_path / ".bashrc"
    profile.write_bytes(before.encode("utf-8", "surrogateescape"))
    assert place.add(profile, tmp_path / "bin dir") and not place.add(profile, tmp_path / "bin dir")
    shown = subprocess.run(
        ["sh", "-c", '. ./.bashrc; echo "$PATH"'],
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert shown.stdout.strip().startswith(str(tmp_path / "bin dir") + ":") or "\udcff" in before
    assert place.remove(profile)
    left = profile.read_bytes() if profile.exists() else b""
    assert left == before.encode("utf-8", "surrogateescape")


def test_profile_files_follow_the_shell(tmp_path: Path) -> None:
    def names(shell):
        return [path.name for path in place.files(host(tmp_path, "", SHELL=shell))]

    assert (
        names("/bin/zsh") == [".zshrc"]
        and names("/bin/bash") == [".bashrc", ".profile"]
        and names("/usr/bin/fish") == ["iflow-doctor.fish"]
    )


# -- stepping aside --------------------------------------------------------------------------------
def test_steps_aside_when_the_real_one_learns_the_verb_and_asks_once_per_version(
    world: Path, tmp_path: Path
) -> None:
    asked = []

    def run(argv, timeout=0.0, **_):
        asked.append(argv)
        return Completed(argv, 0, "Commands:\n  list    List\n  run     Run a skill\n")

    here = Host(
        env={
            "HOME": str(tmp_path),
            "PATH": str(world / "back"),
            "OPENCLAW_STATE_DIR": str(tmp_path / "s"),
        },
        system="linux",
        run=run,
    )
    assert place.learned(here, "run") and not place.learned(here, "config") and len(asked) == 1
    (world / "back" / "openclaw").write_text(REAL + "# a newer version\n")
    assert place.learned(here, "run") and len(asked) == 2


def test_stays_when_the_real_one_cannot_be_asked(world: Path, tmp_path: Path) -> None:
    env = {
        "HOME": str(tmp_path),
        "PATH": str(world / "back"),
        "OPENCLAW_STATE_DIR": str(tmp_path / "s"),
    }
    assert not place.learned(
        Host(env=env, system="linux", run=lambda argv, **_: Completed(argv, None, timed_out=True)),
        "run",
    )
    assert not place.learned(Host(env=dict(env, PATH=""), system="linux"), "run")


def test_a_caught_call_runs_the_command_line(tmp_path: Path) -> None:
    env = dict(
        os.environ,
        OPENCLAW_STATE_DIR=str(tmp_path),
        PATH="/usr/bin:/bin",
        PYTHONPATH=str(Path(__file__).parents[3]),
    )
    env.pop("PYTHONHOME", None)
    words = [
        sys.executable,
        "-m",
        "skill.installer.shim",
        "answer",
        "skills",
        "config",
        "openclaw-iflow-doctor",
    ]
    assert (
        subprocess.run(
            words + ["--set", "auto_heal=false"],
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
        ).returncode
        == 0
    )
    assert (
        subprocess.run(
            words + ["--get", "auto_heal"], env=env, capture_output=True, text=True, timeout=30
        ).stdout.strip()
        == "false"
    )
