"""systemd as PID 1 in a throw-away copy-on-write view of this machine's root, with a user `oc`
whose services linger.

Needs root and systemd-nspawn. Nothing of the machine is changed: writes go to a tmpfs, the network
is a loopback of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, List, Optional, Sequence

UP_WITHIN_S = 90.0
# Services of the machine itself that have no business in the bed.
QUIET = (
    "apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer "
    "e2scrub_reap.service fstrim.timer"
    " getty.target console-getty.service"
    " systemd-firstboot.service systemd-timesyncd.service systemd-networkd.service "
    "systemd-resolved.service cron.service ssh.service"
    " docker.service containerd.service postgresql.service prometheus.service "
    "prometheus-alertmanager.service"
    " prometheus-node-exporter.service"
).split()

MAKE = r"""
set -e
mount -t tmpfs -o size=5g,mode=755 bed "$1"
cd "$1"; shift
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
tr -d - < /proc/sys/kernel/random/uuid > root/etc/machine-id
rm -rf root/etc/systemd/system/*.wants
mkdir -p root/var/lib/systemd/linger root/root
chmod a+x root/root
chroot root useradd --create-home --shell /bin/bash oc
touch root/var/lib/systemd/linger/oc
for unit in $QUIET; do ln -sf /dev/null "root/etc/systemd/system/$unit"; done
for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
	group="$base/iflow-bed.$$"
	if [ -e "$base/cgroup.procs" ] && mkdir -p "$group" 2> /dev/null; then echo $$ > "$group/cgroup.procs" || true; fi
done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn -q -D root -b --register=no --keep-unit --private-network --console=pipe --machine=iflow-bed "$@"
"""


class NoBed(Exception):
    """systemd cannot be booted here; the text says why."""


class Bed:
    """with Bed(["/folder/to/see"]) as bed: bed.user("systemctl --user ...")"""

    def __init__(self, see: Sequence[str]) -> None:
        self.see = list(see)
        self.folder = tempfile.mkdtemp(prefix="iflow-bed-")
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.leader = 0

    def __enter__(self) -> "Bed":
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            raise NoBed("not root")
        if not shutil.which("systemd-nspawn") or not shutil.which("unshare"):
            raise NoBed("systemd-nspawn or unshare is missing")
        binds = ["--bind-ro=" + path for path in self.see]
        with open(os.path.join("/tmp", os.path.basename(self.folder) + ".log"), "wb") as log:
            self.log = log.name
            self.process = subprocess.Popen(
                [
                    "unshare",
                    "-m",
                    "--propagation",
                    "private",
                    "sh",
                    "-c",
                    MAKE,
                    "bed",
                    self.folder,
                    *binds,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "QUIET": " ".join(QUIET)},
                start_new_session=True,
            )
        try:
            self._wait_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_up(self) -> None:
        assert self.process
        until = time.monotonic() + UP_WITHIN_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise NoBed(
                    "systemd-nspawn ended: "
                    + Path(self.log).read_text("utf-8", "replace")[-500:].strip()
                )
            if not self.leader:
                self.leader = self._find_leader()
            elif (
                self.sh("systemctl", "is-system-running").stdout.decode().strip()
                in ("running", "degraded")
                and self._user_manager()
            ):
                return
            time.sleep(0.5)
        raise NoBed("systemd was not up within {:.0f} s".format(UP_WITHIN_S))

    def _find_leader(self) -> int:
        """The bed's PID 1, as this machine numbers it; 0 while there is none."""
        import psutil

        assert self.process
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if child.name() == "systemd":
                    return int(child.pid)
            except psutil.Error:
                continue
        return 0

    def _user_manager(self) -> bool:
        return self.user("systemctl --user is-system-running").stdout.decode().strip() in (
            "running",
            "degraded",
        )

    def sh(self, *argv: str, timeout: float = 120.0) -> Any:
        """Run argv as root in the bed."""
        enter = [
            "nsenter",
            "-t",
            str(self.leader),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            "-C",
            "-r",
            "-w",
            "--",
        ]
        clean = [
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
            "TERM=dumb",
        ]
        return subprocess.run(
            enter + clean + list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )

    def user(self, text: str, timeout: float = 120.0) -> Any:
        """Run a line of shell as the user, in a login shell, with the way to the user's own
        systemd.
        """
        line = "export XDG_RUNTIME_DIR=/run/user/$(id -u); " + text
        return self.sh("runuser", "-l", "oc", "-c", line, timeout=timeout)

    def __exit__(self, *_: Any) -> None:
        import psutil

        if self.process is None:
            return
        mine: List[Any] = []
        if self.process.poll() is None:
            mine = psutil.Process(self.process.pid).children(recursive=True) + [
                psutil.Process(self.process.pid)
            ]
            if self.leader:
                try:
                    os.kill(self.leader, signal.SIGRTMIN + 4)  # systemd's own signal for power off
                    self.process.wait(20)
                except (subprocess.TimeoutExpired, OSError):
                    pass
        for process in mine:
            try:
                process.kill()
            except psutil.Error:
                pass
        self.process.wait(20)
        for group in Path("/sys/fs/cgroup").glob("*/iflow-bed.{}".format(self.process.pid)):
            for folder in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True) + [
                group
            ]:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)
        if os.path.exists(self.log):
            os.unlink(self.log)
