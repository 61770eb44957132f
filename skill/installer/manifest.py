"""install.json: what the installer did to this home, so that it can be undone exactly. And who is
at it: one installer at a time.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from .. import __version__
from ..errors import AlreadyRunning, SettingsError
from ..files import private_dir, read_json, write_json
from ..host import Host
from ..model import Text
from ..openclaw.home import state_dir_of
from .bundle import SKILL

EMPTY: Dict[str, Any] = {
    "version": "",
    "fingerprint": "",
    "prefix": "",
    # "" where the skill was there before us (installed by `openclaw skills install`, or a
    # developer's link)
    "skill_dir": "",
    "shim": "",
    "launcher": "",
    "profiles": [],
    "service": False,
    "plugin": False,
    "made_dirs": [],
}


def read(path: Path) -> Dict[str, Any]:
    """The manifest with every key; an unreadable one counts as empty: whatever can be found is then
    still undone.
    """
    try:
        found = read_json(path, {}) or {}
    except SettingsError:
        found = {}
    return dict(EMPTY, **(found if isinstance(found, dict) else {}))


def write(path: Path, value: Dict[str, Any]) -> None:
    private_dir(path.parent)
    write_json(path, value)


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the operating system's own lock (filelock is not there yet); it dies with the process.

    Raise AlreadyRunning when another installer holds it.
    """
    private_dir(path.parent)
    handle = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(Text("the installer", "安装程序"), 0, "?") from None
        yield
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            path.unlink()


@dataclass(frozen=True)
class Places:
    """source: the unpacked skill we install from. prefix: our programs; live state always stays in
    doctor_dir.
    """

    source: Path
    state_dir: Path
    prefix: Path
    windows: bool = False

    @property
    def doctor_dir(self) -> Path:
        return self.state_dir / "iflow-doctor"

    @property
    def manifest(self) -> Path:
        return self.doctor_dir / "install.json"

    @property
    def skill_dir(self) -> Path:
        return self.state_dir / "skills" / SKILL

    @property
    def bin_dir(self) -> Path:
        return self.prefix / "bin"

    @property
    def current(self) -> Path:
        """The link that services and the shim name, so that an upgrade changes none of them."""
        return self.prefix / "venv"

    def env_dir(self, fingerprint: str) -> Path:
        return self.prefix / "venv-{}-{}".format(__version__, fingerprint[:8])

    def python(self, env: Path) -> Path:
        return env / "Scripts" / "python.exe" if self.windows else env / "bin" / "python"

    def program(self, env: Path) -> Path:
        return (
            env / "Scripts" / "iflow-doctor.exe" if self.windows else env / "bin" / "iflow-doctor"
        )


def locate(host: Host, source: Path, prefix: Optional[str] = None) -> Places:
    state = state_dir_of(host)
    return Places(
        source,
        state,
        Path(prefix).absolute() if prefix else state / "iflow-doctor",
        host.system == "win32",
    )
