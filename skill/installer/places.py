"""Where an installation goes. Two profiles have two state directories, so two installations that
share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .. import __version__
from ..host import Host
from ..openclaw.home import state_dir_of
from .bundle import SKILL


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
