"""How long one scrape of /metrics takes, with a week of minutes and 500 records on disk.

usage: bench_scrape.py [SCRAPES [PORT]]   (default 400). Prints JSON: p50 and p95 in milliseconds,
the series, and the resident memory of the server. Load it as you like meanwhile, e.g. with a drill.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "worlds")]
import life  # noqa: E402


def main(scrapes: int = 400, port: int = 19719) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        doctor = home / ".openclaw" / "iflow-doctor"
        life.write(doctor, time.time())
        rows = life.rows(time.time(), 10_080)
        lines = "".join(json.dumps(row._asdict()) + "\n" for row in rows)
        (doctor / "samples.jsonl").write_text(lines)
        records = [{**life.RECORDS[0], "id": "r{}".format(n)} for n in range(500)]
        (doctor / "records.json").write_text(json.dumps({"version": 1, "records": records}))
        (home / ".openclaw" / "openclaw.json").write_text('{"gateway": {"mode": "local"}}')
        env = {**os.environ, "HOME": folder, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", "skill", "metrics", "--listen", "127.0.0.1:%d" % port]
        server = subprocess.Popen(words, env=env, stdout=subprocess.PIPE)
        try:
            assert server.stdout
            server.stdout.readline()
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            took, text = [], ""
            for number in range(scrapes):
                if number % 20 == 10:  # the watchdog goes on writing
                    row = rows[-1]._replace(at=time.time())
                    with (doctor / "samples.jsonl").open("a") as sink:
                        sink.write(json.dumps(row._asdict()) + "\n")
                began = time.perf_counter()
                url = "http://127.0.0.1:%d/metrics" % port
                text = opener.open(url, timeout=10).read().decode()
                took.append((time.perf_counter() - began) * 1000)
                time.sleep(0.02)
            took = sorted(took[1:])  # the first reads the whole week
            series = sum(not line.startswith("#") for line in text.splitlines())
            memory = psutil.Process(server.pid).memory_info().rss / 1048576
            result = {"scrapes": scrapes, "p50_ms": round(took[len(took) // 2], 2)}
            result.update(p95_ms=round(took[int(len(took) * 0.95)], 2), series=series)
            print(json.dumps({**result, "server_mb": round(memory, 1)}))
        finally:
            server.kill()
            server.wait(20)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
