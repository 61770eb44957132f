"""Real OpenClaw in containers on podman, built without a registry, for test_containers.py.

Needs root, podman, buildah, runc, catatonit, debootstrap, and E2E_LAB (an npm prefix with OpenClaw).
E2E_IMAGES: a folder to build in, kept between runs (default: in the temporary folder).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, List, Optional

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "templates" / "container" / "without-registry.sh"
NEEDED = ("podman", "buildah", "runc", "catatonit", "debootstrap")
IMAGES = "localhost/openclaw-gateway", "localhost/openclaw-iflow-doctor"
STATE, PORT, TOKEN = "/home/node/.openclaw", 18789, "t0ken"
READY_WITHIN_S = float(os.environ.get("E2E_BOOT_S", "240"))


class NoBed(Exception):
    """Containers cannot be run here; the text says why."""


def folder() -> Path:
    return Path(os.environ.get("E2E_IMAGES") or Path(tempfile.gettempdir()) / "iflow-images")


def podman(*words: str, timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "CONTAINERS_CONF": str(folder() / "containers.conf")}
    return subprocess.run(
        ["podman", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=timeout,
    )


def images() -> None:
    """Build what is missing. Raise NoBed where that cannot be done."""
    lab = os.environ.get("E2E_LAB")
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or not lab or os.geteuid() != 0:
        raise NoBed("needs root, E2E_LAB and: " + ", ".join(missing or NEEDED))
    if all(podman("image", "exists", name).returncode == 0 for name in IMAGES):
        return
    done = subprocess.run(
        [str(BUILD), str(folder()), lab], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise NoBed("the images were not built: " + done.stdout.decode()[-500:])


class Pod:
    """A gateway and the doctor beside it, on one volume, without any network."""

    def __init__(self, name: str, *, memory: str = "", size: str = "", env: Any = ()) -> None:
        self.name, self.memory, self.env = name, memory, tuple(env)
        self.disk = Path(tempfile.mkdtemp(prefix="iflow-pod-"))  # the volume: the account's home
        self.disk.chmod(0o755)
        self.mounted = bool(size)
        if size:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=" + size, "pod", str(self.disk)], check=True
            )
        self.volume = self.disk / ".openclaw"
        self.volume.mkdir()
        self.config = self.volume / "openclaw.json"
        self.config.write_text(
            json.dumps(
                {
                    "gateway": {
                        "mode": "local",
                        "bind": "loopback",
                        "port": PORT,
                        "auth": {"mode": "token", "token": TOKEN},
                    }
                },
                indent=2,
            )
        )
        self.own(1000)
        # as /tmp is everywhere: OpenClaw takes no folder for it that others might have prepared
        self.tmp = Path(tempfile.mkdtemp(prefix="iflow-pod-tmp-"))
        self.tmp.chmod(0o1777)

    def own(self, uid: int) -> None:
        for path in [self.disk, *self.disk.rglob("*")]:
            os.lchown(str(path), uid, uid)

    def __enter__(self) -> "Pod":
        self.__exit__()
        made = podman(
            "pod", "create", "--name", self.name, "--share", "net,ipc,uts,pid", "--network", "none"
        )
        if made.returncode:
            raise NoBed(made.stdout[-500:])
        self.run("gateway", IMAGES[0], ["openclaw", "gateway", "run"], self.memory)
        self.run("doctor", IMAGES[1], ["/opt/doctor/bin/iflow-doctor", "watch"])
        return self

    def run(self, what: str, image: str, command: List[str], memory: str = "") -> None:
        more = ["--memory", memory] if memory else []
        for word in self.env:
            more += ["--env", word]
        done = podman(
            "run", "-d", "--pod", self.name, "--name", self.name + "-" + what,
            "--restart", "always", "--read-only", "--read-only-tmpfs=false",
            "--cpu-shares", "20480", "--cap-drop", "ALL", "--user", "1000:1000",
            "--env", "OPENCLAW_STATE_DIR=" + STATE, "--env", "HOME=/home/node",
            "--volume", "{}:/home/node".format(self.disk),
            "--volume", "{}:/tmp".format(self.tmp),
            *more, "--entrypoint", json.dumps(command), image,
        )  # fmt: skip
        if done.returncode:
            raise NoBed(done.stdout[-500:])

    def __exit__(self, *_: Any) -> None:
        podman("pod", "rm", "-f", "-t", "1", self.name)
        if _:
            if self.mounted:
                subprocess.run(["umount", "-l", str(self.disk)])
            shutil.rmtree(str(self.disk), ignore_errors=True)
            shutil.rmtree(str(self.tmp), ignore_errors=True)

    # -- looking -----------------------------------------------------------------------------------
    def doctor(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return podman("exec", self.name + "-doctor", "iflow-doctor", *words)

    def health(self) -> int:
        return self.doctor("health", "--ready", "--exit-code").returncode

    def gateway_pid(self) -> int:
        """As this machine numbers it; 0 while there is none."""
        try:
            shown = podman("inspect", "-f", "{{.State.Pid}}", self.name + "-gateway")
            return int(shown.stdout.strip())
        except ValueError:
            return 0

    def log(self) -> List[Any]:
        found = []
        path = self.volume / "logs" / "watchdog.log"
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def told(self, word: str) -> List[Any]:
        return [row for row in self.log() if word in json.dumps(row)]

    def wait_ready(self, seconds: float = READY_WITHIN_S) -> float:
        return wait("ready", lambda: self.health() == 0, seconds)


def wait(what: str, there: Callable[[], Any], seconds: float, each: float = 2.0) -> float:
    """Seconds until `there` says yes. Raise AssertionError after `seconds`."""
    began = time.monotonic()
    while not there():
        assert time.monotonic() - began < seconds, "{} not within {:.0f} s".format(what, seconds)
        time.sleep(each)
    return time.monotonic() - began


def newest(folder: Path) -> Optional[Path]:
    found = sorted(folder.glob("*")) if folder.is_dir() else []
    return found[-1] if found else None
