"""What systemd does with OpenClaw's own unit, for machines without systemd: unit_loop.py RUN.

Restart=always, RestartSec=5, RestartPreventExitStatus=78, StartLimitBurst=10 in 300 s,
TimeoutStopSec=30 (the unit says 330). SIGTERM stops it and the gateway; SIGUSR1 is
`systemctl stop`, SIGUSR2 `systemctl restart`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import List, Optional

WAIT_S, BURST, WINDOW_S, STOP_S = 5.0, 10, 300.0, 30.0
REFUSED = 78


def main(run: str) -> int:
    child: Optional["subprocess.Popen[bytes]"] = None
    starts: List[float] = []
    wanted = True
    halted = False

    def end_child() -> None:
        if child and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    def stop(*_: object) -> None:
        nonlocal wanted
        wanted = False
        end_child()

    def halt(*_: object) -> None:
        nonlocal halted
        halted = True
        end_child()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, halt)
    signal.signal(signal.SIGUSR2, lambda *_: end_child())
    while wanted:
        now = time.monotonic()
        starts = [at for at in starts if now - at < WINDOW_S] + [now]
        if len(starts) > BURST:
            print("start limit hit", flush=True)
            break
        child = subprocess.Popen([run])
        while child.poll() is None:
            try:
                child.wait(0.5 if wanted else STOP_S)
            except subprocess.TimeoutExpired:
                if not wanted:
                    child.kill()
        print("gateway ended with", child.returncode, flush=True)
        if halted or child.returncode == REFUSED:
            break
        until = time.monotonic() + WAIT_S
        while wanted and time.monotonic() < until:
            time.sleep(0.1)
    while wanted:
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
