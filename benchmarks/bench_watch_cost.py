"""What the watchdog costs while the gateway is healthy: resident memory, CPU, and which programs it
started.

usage: bench_watch_cost.py [SECONDS]      (default 600; a gateway must be running where
OPENCLAW_STATE_DIR points, or a practice one)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    watch = subprocess.Popen(
        [sys.executable, "-m", "skill", "watch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process = psutil.Process(watch.pid)
    began, peak, children = time.time(), 0, set()
    try:
        while time.time() - began < seconds:
            time.sleep(0.25)
            peak = max(peak, process.memory_info().rss)
            for child in process.children(recursive=True):
                try:
                    children.add(" ".join(child.cmdline()[-3:])[:80])
                except psutil.Error:
                    continue
        times = process.cpu_times()
        print(
            json.dumps(
                {
                    "seconds": round(time.time() - began),
                    "rss_mb": round(process.memory_info().rss / 1048576, 1),
                    "peak_mb": round(peak / 1048576, 1),
                    "cpu_s": round(times.user + times.system, 2),
                    "cpu_percent_of_a_core": round(
                        100 * (times.user + times.system) / (time.time() - began), 3
                    ),
                    "cpu_s_of_children": round(times.children_user + times.children_system, 2)
                    if hasattr(times, "children_user")
                    else None,
                    "children": sorted(children),
                }
            )
        )
    finally:
        watch.terminate()
        watch.wait(20)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.exit(main())
