"""openclaw-iflow-doctor from a checkout, rules only: its keeper as level 1, its watchdog beside it
as in a container. Options: checkout=DIR (default: the folder beside healbench), plain=1.

Without plain=1 it runs with IFLOW_DOCTOR_DRILL=1. That shortens the time after which a config
counts as good from 60 to 3 s, so that a case need not wait for it, and keeps it away from this
machine's own service manager; plain=1 waits 75 s instead.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from .base import Base, Untested

if TYPE_CHECKING:
    from ..place import Place

ROOT = Path(__file__).resolve().parent.parent.parent


def held(path: Path) -> bool:
    """Whether a process holds this lock."""
    try:
        with open(str(path), "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class Subject(Base):
    name = "ours"
    title = "openclaw-iflow-doctor, rules only"
    url = "docs/handbook.md, Containers"
    tells = True

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.checkout = Path(options.get("checkout", str(ROOT))).resolve()
        self.plain = bool(options.get("plain"))
        self.calm_s = 75.0 if self.plain else 5.0

    def version(self) -> str:
        asked = ["git", "-C", str(self.checkout), "describe", "--always", "--dirty"]
        try:
            return subprocess.check_output(asked, stderr=subprocess.DEVNULL).decode().strip()
        except (OSError, subprocess.CalledProcessError):
            return "?"

    def _tree(self) -> str:
        """The state of the code that is installed: a commit that touches only documents is none."""
        git = ["git", "-C", str(self.checkout)]
        try:
            tree = subprocess.check_output(git + ["rev-parse", "HEAD:skill"]).decode().strip()
            changed = subprocess.check_output(git + ["status", "--porcelain", "skill"]).strip()
        except (OSError, subprocess.CalledProcessError):
            return "?"
        return tree[:12] + ("-dirty" if changed else "")

    def install(self, folder: Path) -> None:
        if not (self.checkout / "skill").is_dir():
            raise Untested("no checkout of openclaw-iflow-doctor at {}".format(self.checkout))
        self.venv = folder / "venv"
        mark = self.venv / ("installed-" + self._tree())
        if mark.exists():
            return
        python = self.venv / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        lock = ["-c", str(self.checkout / "requirements.lock")]
        done = subprocess.run(pip + ["--force-reinstall", "--no-deps", str(self.checkout)])
        done = done.returncode or subprocess.run(pip + lock + [str(self.checkout)]).returncode
        if done:
            raise Untested("pip could not install {}".format(self.checkout))
        mark.touch()

    def settings(self, place: "Place") -> Dict[str, Any]:
        hook = place.collector_url + "/alert"
        return {
            "lang": "en",
            "ai": {"enabled": False},
            "notify": {"platform": "webhook", "webhooks": {"webhook": hook}},
        }

    def env(self, place: "Place") -> Dict[str, str]:
        return place.env({} if self.plain else {"IFLOW_DOCTOR_DRILL": "1"})

    def arm(self, place: "Place") -> None:
        folder = place.state / "iflow-doctor"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.settings(place)))
        program = str(self.venv / "bin" / "iflow-doctor")
        env = self.env(place)
        keeper = [program, "service", "install", "--only", "gateway"]
        place.spawn(keeper, "install.log", env=env, subject=True).wait(120)
        argv = ["sh", "-c", 'while :; do "$@"; sleep 1; done', "loop", program, "watch"]
        place.spawn(argv, "watch.log", env=env, subject=True)

    def settled(self, place: "Place") -> bool:
        """A good copy of the config is there: what it was ready with is known."""
        good = (place.state / "iflow-doctor" / "good").glob("*/manifest.json")
        return self.plain or any(True for _ in good)

    def at_rest(self, place: "Place") -> bool:
        """No repair is at work, which may verify for half a minute after the gateway is ready."""
        return not held(place.state / "iflow-doctor" / "treat.lock")

    def disarm(self, place: "Place") -> None:
        self.end_roots(place)
        program = str(self.venv / "bin" / "iflow-doctor")
        env = self.env(place)
        for words in (["service", "uninstall"],):
            done = place.spawn([program, *words], "uninstall.log", env=env)
            try:
                done.wait(240)
            except subprocess.TimeoutExpired:
                done.kill()

    def pause(self, place: "Place") -> None:
        program = str(self.venv / "bin" / "iflow-doctor")
        place.spawn([program, "pause", "30m"], "pause.log", env=self.env(place)).wait(60)

    def break_environment(self, place: "Place", changes: Mapping[str, Optional[str]]) -> None:
        """keeper.env.json is where its keeper reads what a service file says elsewhere."""
        path = place.state / "iflow-doctor" / "keeper.env.json"
        value = json.loads(path.read_text()) if path.exists() else {}
        value.setdefault("set", {}).update({k: v for k, v in changes.items() if v is not None})
        gone = [name for name, item in changes.items() if item is None]
        value["unset"] = sorted(set(value.get("unset", [])) | set(gone))
        path.write_text(json.dumps(value))

    def collect(self, place: "Place") -> Dict[str, Any]:
        found: Dict[str, Any] = {"acts": []}
        shift = time.time() - time.monotonic()
        log = place.state / "logs" / "watchdog.log"
        for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            at = float(entry.get("at") or 0) - shift
            if entry.get("event") == "decision" and entry.get("kind") == "opened":
                found.setdefault("opened", []).append(at)
            if entry.get("event") in ("decision", "treated", "restart", "recovered"):
                words = ("event", "kind", "state", "reason", "outcome", "cause", "tried", "how")
                short = {k: entry[k] for k in words if k in entry}
                found["acts"].append({"at": at, **short})
        return found
