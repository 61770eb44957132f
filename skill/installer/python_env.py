"""The private virtual environment: made once per content, never changed afterwards, switched by one atomic rename."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import List, Optional, Tuple

from ..errors import HealerError, ToolError, ToolMissing
from ..host import Host
from . import bundle
from .places import Places

INSTALL_S = 900.0  # a slow mirror and a source build of psutil on a small machine


def build(host: Host, places: Places, env: Path, wheelhouse: Optional[str]) -> None:
    """Make `env` and install the shipped tree in it. Raise HealerError with what pip said. A half-made one is made again."""
    if (env / ".complete").is_file():
        return
    shutil.rmtree(str(env), ignore_errors=True)
    env.parent.mkdir(parents=True, exist_ok=True)
    _make(host, places, env, wheelhouse)
    stage = env / "stage"  # a copy, because building writes beside the sources
    try:
        bundle.copy(places.source, stage)
        argv = list(_pip(host, places, env)) + ["--constraint", str(stage / "requirements.lock")]
        if wheelhouse:
            argv += ["--no-index", "--find-links", os.path.abspath(wheelhouse)]
        _run(
            host,
            tuple(argv + [str(stage)]),
            "installing the packages failed",
            "behind a proxy or mirror set pip's own settings (PIP_INDEX_URL, PIP_PROXY, pip.conf), or use --wheelhouse DIR",
        )
    except BaseException:
        shutil.rmtree(str(env), ignore_errors=True)
        raise
    finally:
        shutil.rmtree(str(stage), ignore_errors=True)
    (env / ".complete").write_text("ok\n")


def _make(host: Host, places: Places, env: Path, wheelhouse: Optional[str]) -> None:
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
        import venv  # noqa: F401

        _run(host, (sys.executable, "-I", "-m", "venv", str(env)), "the virtual environment could not be made", "")
        return
    except ImportError:
        pass
    uv = host.which("uv")
    if uv:
        _run(host, (uv, "venv", "--quiet", "--python", sys.executable, str(env)), "uv could not make the environment", "")
        return
    raise ToolMissing(
        (sys.executable, "-m", "venv"),
        None,
        "this Python has no ensurepip",
        "Debian, Ubuntu: apt install python3-venv · or install uv (https://docs.astral.sh/uv/) · then run this again",
    )


def _pip(host: Host, places: Places, env: Path) -> Tuple[str, ...]:
    python = places.python(env)
    if host.run((str(python), "-I", "-c", "import pip"), timeout=60).ok:
        return (
            str(python),
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-warn-script-location",
        )
    uv = host.which("uv")
    if uv:
        return (uv, "pip", "install", "--quiet", "--python", str(python))
    raise HealerError("neither pip nor uv can install into {}".format(env))


def _run(host: Host, argv: Tuple[str, ...], what: str, hint: str) -> None:
    env = {key: value for key, value in host.env.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    done = host.run(argv, timeout=INSTALL_S, env=env)
    if not done.ok:
        tail = (done.err or done.out).strip()[-800:]
        raise ToolError((what,), "timeout" if done.timed_out else done.code, tail, hint)  # type: ignore[arg-type]


def target_of(places: Places) -> Optional[Path]:
    """The environment in use, None when there is none."""
    link = places.current
    if places.windows:
        try:
            return Path((places.prefix / "venv.txt").read_text("utf-8").strip())
        except OSError:
            return None
    return Path(os.path.realpath(str(link))) if link.is_symlink() and link.exists() else None


def switch(places: Places, env: Optional[Path]) -> None:
    """Make `env` the one in use with one rename; None takes the link away. Raises OSError.

    Windows has no links without privileges: there `venv` is a copy-free junction by name, written in venv.txt.
    """
    if places.windows:
        note = places.prefix / "venv.txt"
        if env is None:
            note.unlink()
        else:
            note.write_text(str(env), "utf-8")
        return
    if env is None:
        places.current.unlink()
        return
    temporary = places.prefix / ".venv.{}".format(os.getpid())
    if temporary.is_symlink():
        temporary.unlink()
    temporary.symlink_to(env.name)
    os.replace(str(temporary), str(places.current))


def old(places: Places, keep: List[Path]) -> List[Path]:
    """Environments nobody uses any more."""
    kept = {str(path) for path in keep}
    return [path for path in sorted(places.prefix.glob("venv-*")) if path.is_dir() and str(path) not in kept]
