"""Real OpenClaw in a pod on podman, the doctor beside it: what the engine and the doctor heal, and
what is only told. Skipped where containers cannot be run.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from containers import IMAGES, NoBed, Pod, images, podman, wait

HEAL_S = 4 * float(os.environ.get("E2E_BOOT_S", "90"))
GOOD_AFTER_S = 70.0  # the watchdog keeps a good copy after 60 s of being ready


@pytest.fixture(scope="module")
def built() -> None:
    try:
        images()
    except NoBed as error:
        pytest.skip(str(error))


@pytest.fixture
def pod(built: None, request: Any) -> Iterator[Pod]:
    more = getattr(request, "param", {})
    try:
        with Pod("iflow-{}".format(os.getpid()), **more) as made:
            made.wait_ready()
            yield made
    except NoBed as error:
        pytest.skip(str(error))


def packed_size(image: str) -> int:
    """Bytes of an image as a registry would store it."""
    saved = subprocess.Popen(["podman", "save", image], stdout=subprocess.PIPE)
    packed = subprocess.Popen(["gzip", "-1"], stdin=saved.stdout, stdout=subprocess.PIPE)
    assert packed.stdout
    return sum(len(part) for part in iter(lambda: packed.stdout.read(1 << 20), b""))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def replaced(pod: Pod, pid: int) -> bool:
    return pod.gateway_pid() not in (0, pid)


def acts(pod: Pod) -> Any:
    return [row for row in pod.log() if row.get("event") in ("ended", "restart", "treated")]


def test_killed_and_frozen(pod: Pod) -> None:
    """The engine brings back what died, the doctor ends what is frozen; both are ready again."""
    first = pod.gateway_pid()
    os.kill(first, signal.SIGKILL)
    wait("another process", lambda: replaced(pod, first), 60)
    print("killed: ready again after {:.0f} s".format(pod.wait_ready(HEAL_S)))
    frozen = pod.gateway_pid()
    began = time.monotonic()
    os.kill(frozen, signal.SIGSTOP)
    wait("the frozen one ended", lambda: replaced(pod, frozen), 90)
    ended = time.monotonic() - began
    pod.wait_ready(HEAL_S)
    print("frozen: ended after {:.0f} s, ready {:.0f} s".format(ended, time.monotonic() - began))
    assert [row for row in pod.log() if row.get("event") == "ended"]


def test_a_truncated_config_is_healed_although_only_the_engine_starts(pod: Pod) -> None:
    time.sleep(GOOD_AFTER_S)
    wait("a good copy", lambda: list((pod.volume / "iflow-doctor" / "good").glob("*")), 120)
    good = pod.config.read_text()
    pod.config.write_text(good[: len(good) // 2])
    os.chown(str(pod.config), 1000, 1000)
    began = time.monotonic()
    os.kill(pod.gateway_pid(), signal.SIGKILL)
    wait("the config as it was", lambda: "t0ken" in pod.config.read_text(), HEAL_S)
    pod.wait_ready(HEAL_S)
    print("truncated config: ready after {:.0f} s".format(time.monotonic() - began))
    assert not [row for row in pod.log() if row.get("kind") == "restart"]


@pytest.mark.parametrize("pod", [{"size": "48m"}], indirect=True)
def test_a_full_volume_is_told_and_nothing_of_the_owner_is_touched(pod: Pod) -> None:
    filler = pod.volume / "film.bin"
    with open(str(filler), "wb") as handle:
        try:
            while True:
                handle.write(b"\0" * 65536)
        except OSError:
            pass
    config, size = digest(pod.config), filler.stat().st_size
    os.kill(pod.gateway_pid(), signal.SIGKILL)
    wait("told", lambda: "disk" in pod.doctor("diagnose", "--json").stdout.lower(), HEAL_S)
    assert digest(pod.config) == config and filler.stat().st_size == size
    filler.unlink()
    print("full volume: ready {:.0f} s after room was made".format(pod.wait_ready(HEAL_S)))


def test_a_volume_of_root_is_told_and_not_touched(pod: Pod) -> None:
    pod.own(0)
    config = digest(pod.config)
    os.kill(pod.gateway_pid(), signal.SIGKILL)

    def told() -> bool:
        said = pod.doctor("--json", "diagnose").stdout
        return "permissions/" in said or "config/unreadable" in said

    wait("told", told, HEAL_S)
    assert digest(pod.config) == config
    pod.own(1000)
    print("root's volume: ready {:.0f} s after it was given back".format(pod.wait_ready(HEAL_S)))


def test_the_image_is_small_and_quick_and_says_how_it_is(built: None) -> None:
    shown = podman("image", "inspect", "-f", "{{.Size}} {{.User}}", IMAGES[1]).stdout.split()
    packed = packed_size(IMAGES[1])
    run = ("run", "--rm", "--network", "none", "--read-only", "--entrypoint", "/bin/sh", IMAGES[1])
    line = "cat /proc/self/stat >/dev/null; times; iflow-doctor health; echo code $?; times"
    said = podman(*run, "-c", line).stdout
    used = [part for part in said.replace("\n", " ").split() if part.endswith("s") and "m" in part]
    seconds = sum(float(part.split("m")[1][:-1]) for part in used[-2:])
    print("sidecar: {:.1f} MB packed, health {:.2f} s of CPU".format(packed / 1e6, seconds))
    assert packed <= 100e6 and shown[1] == "1000:1000" and "code 1" in said and seconds <= 1.0
