"""Load proof of level 4: many incidents, failing platforms, and a sender that is killed -9 every
few seconds.

    E2E_TOOLS=<folder with fake_chat.py> python tests/e2e/notify_load.py [--incidents 500] [--fail
    0.3] [--platforms feishu]

Prints one JSON object: what arrived, how often, what was lost, how fast the fastest second was.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

CHANNELS = {
    "feishu": {"appId": "cli_test", "appSecret": "fs-secret", "allowFrom": ["ou_owner"]},
    "dingtalk": {"clientId": "ding_test", "clientSecret": "dt-secret", "allowFrom": ["staff1"]},
    "discord": {"token": "discord-token", "allowFrom": ["42"]},
    "telegram": {"botToken": "1:tg-token", "allowFrom": ["77"]},
    "slack": {"botToken": "xoxb-test", "defaultTo": "C1"},
}
WAYS = ["500", "429", "drop", "hang", "body-error"]


def stand_in(fail: float, seed: int):
    """The stand-in on a thread, made to fail a share of all requests in every way it knows."""
    spec = importlib.util.spec_from_file_location(
        "fake_chat", os.path.join(os.environ["E2E_TOOLS"], "fake_chat.py")
    )
    chat = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(chat)
    dice, failures = random.Random(seed), collections.Counter()

    def planned(self):
        if dice.random() >= fail:
            return None
        how = dice.choice(WAYS)
        failures[how] += 1
        return how

    chat.Handler.planned = planned
    return chat, chat.serve(0), failures


def context(home: Path, base: str, platforms):
    from skill.context import Context
    from skill.host import Host
    from skill.openclaw.home import locate
    from skill.settings import load

    state = home / ".openclaw"
    (state / "iflow-doctor").mkdir(parents=True)
    (state / "openclaw.json").write_text(
        json.dumps({"channels": {name: CHANNELS[name] for name in platforms}})
    )
    names = ("feishu", "dingtalk", "discord", "telegram", "slack", "wecom")
    (state / "iflow-doctor" / "config.json").write_text(
        json.dumps({"lang": "en", "notify": {"endpoints": {name: base for name in names}}})
    )
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH"):
        env.pop(name, None)
    host = Host(env=env)
    where = locate(host)
    return Context(host, where, load(host, where)), env


def alert(number: int, kind: str):
    from skill.model import Alert, Text

    title = (
        Text("Gateway is down", "网关停机")
        if kind == "opened"
        else Text("Gateway is back", "网关已恢复")
    )
    incident = "20261121T0315{:02d}-{:04x}".format(number % 60, number)
    return Alert(
        incident,
        kind,
        "error",
        title,
        time.time(),
        Text("The process ended.", "进程结束。"),
        log_tail="line\n" * 40,
    )


def arrived(rows):
    """(incident, kind) -> how many accepted messages told it."""
    seen = collections.Counter()
    for row in rows:
        if row.get("refused"):
            continue
        text = row["text"].replace("\\", "")
        for line in text.split("\n"):
            found = re.match(
                r"\S+ (\d{8}T\d{6}-[0-9a-f]{4}) .* · .*\d\d:\d\d",
                line.replace("• ", "").strip("- "),
            )
            if found:  # a line of a digest
                for kind in ("opened", "recovered"):
                    if kind + " " in line:
                        seen[found.group(1), kind] += 1
        found = re.search(r"Incident (\d{8}T\d{6}-[0-9a-f]{4})", text)
        if found:
            for kind, marks in (
                ("opened", ("error · ", "opened: ")),
                ("recovered", ("recovered · ",)),
            ):
                if any(mark in text for mark in marks):
                    seen[found.group(1), kind] += 1
    return seen


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--incidents", type=int, default=500)
    parser.add_argument("--fail", type=float, default=0.3)
    parser.add_argument("--platforms", default="feishu")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="over how long the incidents happen"
    )
    parser.add_argument("--kill", type=float, default=5.0, help="longest life of a sender, seconds")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    from skill.notify import enqueue
    from skill.notify.outbox import waiting

    dice = random.Random(options.seed)
    chat, server, failures = stand_in(options.fail, options.seed)
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        ctx, env = context(
            Path(folder),
            "http://127.0.0.1:{}".format(server.server_address[1]),
            options.platforms.split(","),
        )
        finished = threading.Event()

        def produce():
            for number in range(options.incidents):
                enqueue(ctx, alert(number, "opened"))
                if number % 3 == 0:
                    time.sleep(options.seconds * 3 / options.incidents)
                enqueue(ctx, alert(number, "recovered"))
            finished.set()

        threading.Thread(target=produce, daemon=True).start()
        kills = clean = 0
        while (
            waiting(ctx.home) or not finished.is_set()
        ) and time.time() - began < options.seconds + 900:
            child = subprocess.Popen(
                [sys.executable, "-m", "skill", "notify", "flush", "--deadline", "60", "--json"],
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                child.wait(dice.uniform(1.0, options.kill))
                clean += 1
                noise = child.stderr.read().decode()[-2000:]
                if child.returncode not in (0, 1) or "Traceback" in noise:
                    print(noise, file=sys.stderr)
                time.sleep(0.1)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                kills += 1
        left = len(waiting(ctx.home))
        rows = list(chat.STATE["log"])
    seen = arrived(rows)
    wanted = [
        (alert(n, "opened").incident, kind)
        for n in range(options.incidents)
        for kind in ("opened", "recovered")
    ]
    lost = [key for key in wanted if not seen[key]]
    good = [row for row in rows if not row.get("refused")]
    per_second = collections.Counter((row["to"], int(row["at"])) for row in good)
    copies = collections.Counter(seen[key] for key in wanted)
    print(
        json.dumps(
            {
                "alerts": len(wanted),
                "lost": len(lost),
                "left_in_outbox": left,
                "messages_accepted": len(good),
                "copies": dict(sorted(copies.items())),
                "refused_by_rules": sum(1 for row in rows if row.get("refused")),
                "failures_injected": dict(failures),
                "kills": kills,
                "clean_ends": clean,
                "busiest_second": max(per_second.values(), default=0),
                "seconds": round(time.time() - began, 1),
            }
        )
    )
    server.shutdown()
    return 0 if not lost and not left else 1


if __name__ == "__main__":
    sys.exit(main())
