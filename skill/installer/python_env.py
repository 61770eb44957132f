"""The private virtual environment: made once per content, never changed afterwards, switched by one
atomic rename.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple, Union

from ..errors import HealerError
from ..host import Host
from ..model import Text
from . import bundle
from .manifest import Places

INSTALL_S = 900.0  # a slow mirror and a source build of psutil on a small machine


def build(host: Host, places: Places, env: Path, wheelhouse: Optional[str]) -> None:
    """Make `env` and install the shipped tree in it. Raise HealerError with what pip said. A
    half-made one is made again.
    """
    if os.path.isfile(env / ".complete"):
        return
    shutil.rmtree(str(env), ignore_errors=True)
    env.parent.mkdir(parents=True, exist_ok=True)
    _make(host, places, env, wheelhouse)
    stage = env / "stage"  # a copy, because building writes beside the sources
    try:
        bundle.copy(places.source, stage, drill=True)
        pip = _pip(host, places, env)
        hint = Text(
            "behind a proxy or mirror set pip's own settings (PIP_INDEX_URL, PIP_PROXY, "
            "pip.conf), or use --wheelhouse DIR",
            "在代理或镜像之后，请设置 pip 自己的配置（PIP_INDEX_URL、PIP_PROXY、pip.conf），或"
            "用 --wheelhouse 目录",
        )
        failed = Text("the packages could not be installed", "软件包没有装上")
        for more in _installs(stage, wheelhouse):
            _run(host, pip + more, failed, hint)
    except BaseException:
        shutil.rmtree(str(env), ignore_errors=True)
        raise
    finally:
        shutil.rmtree(str(stage), ignore_errors=True)
    (env / ".complete").write_text("ok\n")


def _installs(stage: Path, wheelhouse: Optional[str]) -> List[Tuple[str, ...]]:
    """Return what pip is asked for, call by call.

    From an index: only files whose hashes were noted when this version was tested, whatever the
    mirror. From the owner's own folder: the same versions; wheels built there have hashes of their
    own.
    """
    if wheelhouse:
        folder = ("--no-index", "--find-links", os.path.abspath(wheelhouse))
        pins = stage / "constraints.txt"
        pins.write_text(_pins((stage / "requirements.sha256").read_text("utf-8")), "utf-8")
        return [("--constraint", str(pins)) + folder + (str(stage),)]
    hashed = ("--require-hashes", "-r", str(stage / "requirements.sha256"))
    return [hashed, ("--no-deps", str(stage))]


def _pins(hashed: str) -> str:
    """Return the versions of a list with hashes, without them."""
    lines = (line.rstrip(" \\") for line in hashed.splitlines())
    return "".join(line + "\n" for line in lines if re.match(r"[a-z0-9]", line))


def _make(host: Host, places: Places, env: Path, wheelhouse: Optional[str]) -> None:
    failed = Text("the virtual environment could not be made", "虚拟环境没有建成")
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
        import venv  # noqa: F401

        return _run(host, (sys.executable, "-I", "-m", "venv", str(env)), failed)
    except ImportError:
        pass
    uv = host.which("uv")
    if uv:
        return _run(host, (uv, "venv", "--quiet", "--python", sys.executable, str(env)), failed)
    if _outer_pip(host):
        return _run(host, (sys.executable, "-I", "-m", "venv", "--without-pip", str(env)), failed)
    raise HealerError(
        Text.of(
            "{} cannot make environments: it has no ensurepip",
            "{} 不能创建虚拟环境：缺少 ensurepip",
            sys.executable,
        ),
        Text(
            "Debian, Ubuntu: apt install python3-venv · or install uv "
            "(https://docs.astral.sh/uv/) · then run this again",
            "Debian、Ubuntu:apt install python3-venv · 或安装 uv(https://docs.astral.sh/uv/)· "
            "然后再运行一次",
        ),
    )


PIP_FLAGS = (
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-input",
    "--no-warn-script-location",
)


def _pip(host: Host, places: Places, env: Path) -> Tuple[str, ...]:
    python = str(places.python(env))
    if host.run((python, "-I", "-c", "import pip"), timeout=60).ok:
        return (python, "-I", "-m", "pip") + PIP_FLAGS
    uv = host.which("uv")
    if uv:
        return (uv, "pip", "install", "--quiet", "--python", python)
    if _outer_pip(host):
        return (sys.executable, "-m", "pip", "--python", python) + PIP_FLAGS
    raise HealerError(
        Text.of("neither pip nor uv can install into {}", "pip 与 uv 都不能向 {} 安装", env)
    )


def _outer_pip(host: Host) -> bool:
    """Whether the Python that runs us has a pip that can install into another environment (22.3 or
    newer).
    """
    said = host.run((sys.executable, "-m", "pip", "--version"), timeout=60).out.split()[1:2]
    return bool(said) and [int(part) for part in re.findall(r"\d+", said[0])[:2]] >= [22, 3]


def _uv_env(env: Mapping[str, str]) -> Dict[str, str]:
    """pip's own settings (pip.conf, PIP_*) under the names uv reads: a mirror set for pip works
    with uv too. uv's own names win.
    """
    found: Dict[str, str] = {}
    home = Path(env.get("HOME", "/"))
    files = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        Path(env.get("PIP_CONFIG_FILE") or os.devnull),
    ]
    for path in files:
        config = configparser.RawConfigParser(strict=False)
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            config.read_string(path.read_text("utf-8"))
        for section in ("global", "install"):
            found.update(config.items(section) if config.has_section(section) else ())
    found.update(
        {
            key[4:].lower().replace("_", "-"): value
            for key, value in env.items()
            if key.startswith("PIP_") and value
        }
    )
    names = {
        "index-url": "UV_INDEX_URL",
        "extra-index-url": "UV_EXTRA_INDEX_URL",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    values = {
        uv: ("," if key == "find-links" else " ").join(found.get(key, "").split())
        for key, uv in names.items()
    }
    if values["UV_EXTRA_INDEX_URL"]:
        values["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # how pip looks through several indexes
    return {name: value for name, value in values.items() if value and name not in env}


OFFLINE = re.compile(
    r"NewConnectionError|Failed to establish a new connection|Temporary failure in name resolution"
    r"|ProxyError|ConnectTimeout|Read timed out|No matching distribution found"
    r"|error sending request|dns error|Could not connect",
    re.I,
)
MIRROR = Text(
    "behind a mirror: PIP_INDEX_URL=https://YOUR-MIRROR/simple ./install.sh; behind a proxy: "
    "PIP_PROXY=http://HOST:PORT ./install.sh; without a network: ./install.sh --wheelhouse DIR",
    "使用镜像：PIP_INDEX_URL=https://镜像地址/simple ./install.sh；使用代理："
    "PIP_PROXY=http://HOST:PORT ./install.sh；离线：./install.sh --wheelhouse 目录",
)


def _run(host: Host, argv: Tuple[str, ...], what: Text, hint: Union[str, Text] = "") -> None:
    env = {
        key: value
        for key, value in host.env.items()
        if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    }
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    if Path(argv[0]).stem == "uv":
        env.update(_uv_env(env))
    done = host.run(argv, timeout=INSTALL_S, env=env)
    if not done.ok:
        tail = "timeout" if done.timed_out else (done.err or done.out).strip()[-800:]
        if done.timed_out or OFFLINE.search(tail):
            # the reason first: a page of pip's retries hides it
            reason = Text(
                "the package index cannot be reached from this machine",
                "本机无法访问软件包索引",
            )
            raise HealerError(Text.of("{}: {}", "{}：{}", what, reason), MIRROR)
        raise HealerError(Text.of("{}: {}", "{}：{}", what, tail), hint)


def target_of(places: Places) -> Optional[Path]:
    """The environment in use, None when there is none."""
    link = places.current
    if places.windows:
        try:
            return Path((places.prefix / "venv.txt").read_text("utf-8").strip())
        except OSError:
            return None
    return Path(os.path.realpath(str(link))) if link.is_symlink() and os.path.exists(link) else None


def switch(places: Places, env: Optional[Path]) -> None:
    """Make `env` the one in use with one rename; None takes the link away. Raises OSError.

    Windows has no links without privileges: there `venv` is a copy-free junction by name, written
    in venv.txt.
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
    return [
        path
        for path in sorted(places.prefix.glob("venv-*"))
        if os.path.isdir(path) and str(path) not in kept
    ]
