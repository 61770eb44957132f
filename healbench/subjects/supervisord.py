"""supervisord with the [program] section of its manual: autorestart, a start counts after 10 s."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Mapping

from .base import Base, Untested

if TYPE_CHECKING:
    from ..place import Place

CONF = """[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[unix_http_server]
file={folder}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s.sock
[program:gateway]
command={run}
autostart=true
autorestart=true
startsecs=10
startretries=10
stopsignal=TERM
stopwaitsecs=60
stdout_logfile={folder}/out.log
redirect_stderr=true
"""


class Subject(Base):
    name = "supervisord"
    title = "supervisord, autorestart"
    url = "http://supervisord.org/configuration.html#program-x-section-settings"

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.program = options.get("program") or shutil.which("supervisord") or ""
        self.control = shutil.which("supervisorctl") or ""

    def install(self, folder: Path) -> None:
        if not self.program or not self.control:
            raise Untested("supervisord is not installed (apt install supervisor)")

    def version(self) -> str:
        asked = [self.program, "--version"]
        return subprocess.run(asked, stdout=subprocess.PIPE).stdout.decode().strip()

    def arm(self, place: "Place") -> None:
        run = self.rewrite_run(place)
        folder = place.root / "service"
        self.conf = folder / "s.conf"
        self.conf.write_text(CONF.format(folder=folder, run=run))
        self.loop(place, self.program, "-n", "-c", str(self.conf))

    def _ask(self, place: "Place", *words: str) -> None:
        place.run([self.control, "-c", str(self.conf), *words], 90)

    def operator_stop(self, place: "Place") -> None:
        self._ask(place, "stop", "gateway")

    def operator_restart(self, place: "Place") -> None:
        self._ask(place, "restart", "gateway")

    def disarm(self, place: "Place") -> None:
        self._ask(place, "stop", "all")
        self.end_roots(place)
