"""monit with the configuration its manual and wiki recommend: a process by its pid file, an HTTP
test of /healthz, restart after three failures, give up after five restarts, mail to the owner.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Mapping

from .base import Base, Untested

if TYPE_CHECKING:
    from ..place import Place

WRAPPER = """#!/bin/sh
case $1 in
start) echo $$ > {pid}; exec {run} ;;
stop) kill $(cat {pid}); rm {pid} ;;
esac
"""
RC = """set daemon 30
set logfile {folder}/monit.log
set pidfile {folder}/monit.pid
set idfile {folder}/monit.id
set statefile {folder}/monit.state
set httpd unixsocket {folder}/monit.sock
  allow user:pass
set mailserver 127.0.0.1 port {smtp}
set mail-format {{ from: monit@localhost }}
set alert owner@localhost not on {{ instance }}
check process gateway with pidfile {folder}/gateway.pid
  start program = "{folder}/wrapper start" with timeout 60 seconds
  stop program = "{folder}/wrapper stop" with timeout 60 seconds
  if failed host 127.0.0.1 port {port} protocol http request "/healthz" with timeout 10 seconds
    for 3 cycles then restart
  if 5 restarts within 5 cycles then unmonitor
"""


class Subject(Base):
    name = "monit"
    title = "monit, process and HTTP test"
    url = "https://mmonit.com/monit/documentation/, wiki: FAQ, pid files"
    tells = True

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.program = options.get("program") or shutil.which("monit") or ""

    def install(self, folder: Path) -> None:
        if not self.program:
            raise Untested("monit is not installed (apt install monit)")

    def version(self) -> str:
        said = subprocess.run([self.program, "-V"], stdout=subprocess.PIPE).stdout.decode()
        return said.splitlines()[0].replace("This is Monit version ", "") if said else ""

    def arm(self, place: "Place") -> None:
        run = self.rewrite_run(place)
        folder = place.root / "service"
        wrapper = folder / "wrapper"
        wrapper.write_text(WRAPPER.format(pid=folder / "gateway.pid", run=run))
        os.chmod(str(wrapper), 0o755)
        smtp = place.mail_port
        rc = folder / "monitrc"
        rc.write_text(RC.format(folder=folder, port=place.port, smtp=smtp))
        os.chmod(str(rc), 0o600)
        self.rc = str(rc)
        # monit gives its children no PATH of ours: the run script sets the place's environment
        self.keep_environment(place)
        self.loop(place, self.program, "-I", "-c", self.rc)

    def keep_environment(self, place: "Place") -> None:
        import json

        env = place.env()
        (place.root / "service" / "env.json").write_text(json.dumps(env))
        self.rewrite_run(place)

    def operator_stop(self, place: "Place") -> None:
        place.run([self.program, "-c", self.rc, "stop", "gateway"], 60)

    def operator_restart(self, place: "Place") -> None:
        place.run([self.program, "-c", self.rc, "restart", "gateway"], 60)

    def pause(self, place: "Place") -> None:
        place.run([self.program, "-c", self.rc, "unmonitor", "gateway"], 60)

    def disarm(self, place: "Place") -> None:
        place.run([self.program, "-c", self.rc, "stop", "all"], 60)
        place.wait(20, lambda: place.gateway() is None)
        self.end_roots(place)
