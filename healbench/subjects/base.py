"""What a subject has to be able to do. Everything is called from one thread, in this order:

install once a run; then for each case arm, (the gateway gets ready), settled, (the fault), collect,
disarm.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

if TYPE_CHECKING:
    from ..place import Place

LOOP = 'while :; do "$@"; sleep 1; done'


class Untested(Exception):
    """This subject cannot be run here; the text says what is missing."""


class NotApplicable(Exception):
    """This fault or control means nothing to this subject (it has no such thing)."""


class Base:
    """name, title (for the table), url (where its documentation recommends this configuration)."""

    name = ""
    title = ""
    url = ""
    tells = False  # it has a way to send a message
    calm_s = 5.0  # how long the gateway is ready before the fault

    def __init__(self, options: Mapping[str, str]) -> None:
        self.options = dict(options)

    def version(self) -> str:
        return ""

    def install(self, folder: Path) -> None:
        """Once a run, into a folder that is kept. Raise Untested when it cannot be had."""

    def arm(self, place: "Place") -> None:
        """Begin to keep the gateway of this place alive, which also starts it. Use
        place.spawn(..., subject=True), so that what it does is known to be its doing.
        """
        raise NotImplementedError

    def settled(self, place: "Place") -> bool:
        """Whether it has seen the gateway ready and done what it does at first."""
        return True

    def at_rest(self, place: "Place") -> bool:
        """Whether it has finished what it does after an outage; waited for, at most two minutes."""
        return True

    def disarm(self, place: "Place") -> None:
        """Stop keeping it, as its documentation says. What is left of it afterwards is counted."""
        raise NotImplementedError

    def collect(self, place: "Place") -> Dict[str, Any]:
        """Its own account: {"detected_at": monotonic seconds, ...}; shown, never judged by."""
        return {}

    # -- the owner, as this subject's documentation has him act ----------------------------------
    def operator_stop(self, place: "Place") -> None:
        self._openclaw(place, "stop", "--force")

    def operator_restart(self, place: "Place") -> None:
        self._openclaw(place, "restart")

    @staticmethod
    def _openclaw(place: "Place", *words: str) -> None:
        """OpenClaw's own command. The real one refuses outside of the account's home."""
        code, said = place.run(["openclaw", "gateway", *words], 400)
        if code and "service management skipped" in said:
            raise NotApplicable("OpenClaw manages no service outside of the account's home")

    def pause(self, place: "Place") -> None:
        """Maintenance: hands off from now on."""
        raise NotApplicable("it has no maintenance mode")

    def break_environment(self, place: "Place", changes: Mapping[str, Optional[str]]) -> None:
        """The service's definition gives the gateway another environment from its next start on."""
        path = place.root / "service" / "env.json"
        value = json.loads(path.read_text()) if path.exists() else {}
        value.update(changes)
        path.write_text(json.dumps(value))
        self.rewrite_run(place)

    # -- a service directory as plain supervisors use it -----------------------------------------
    def rewrite_run(self, place: "Place") -> Path:
        """(Re)write service/run, the script that becomes the gateway; return its path."""
        folder = place.root / "service"
        folder.mkdir(exist_ok=True)
        changes = folder / "env.json"
        value = json.loads(changes.read_text()) if changes.exists() else {}
        lines = ["#!/bin/sh", "cd {} || exit 1".format(shlex.quote(str(place.home)))]
        for name, item in value.items():
            if item is None:
                lines.append("unset " + name)
            else:
                lines.append("export {}={}".format(name, shlex.quote(item)))
        lines.append("exec openclaw gateway run >> {} 2>&1".format(self.log(place)))
        run = folder / "run"
        part = folder / "run.part"
        part.write_text("\n".join(lines) + "\n")
        os.chmod(part, 0o755)
        os.replace(part, run)
        return run

    def log(self, place: "Place") -> str:
        return shlex.quote(str(place.root / "log" / "gateway.log"))

    def loop(self, place: "Place", *argv: str, log: str = "subject.log", **env: str) -> None:
        """Run a program of the subject without end, as its own service manager would: one second
        after it ended it is started again.
        """
        argv = ("sh", "-c", LOOP, "loop", *argv)
        place.spawn(argv, log, env=place.env(env), subject=True)

    def end_roots(self, place: "Place", grace_s: float = 20.0) -> None:
        """End what arm() spawned, politely."""
        import signal

        for pid in list(place.subject_roots):
            try:
                os.killpg(pid, signal.SIGTERM)
            except OSError:
                pass
        until = time.monotonic() + grace_s
        while time.monotonic() < until:
            place.reap()
            if not any(self._group_there(pid) for pid in place.subject_roots):
                return
            time.sleep(0.1)

    @staticmethod
    def _group_there(pid: int) -> bool:
        try:
            os.killpg(pid, 0)
        except OSError:
            return False
        return True
