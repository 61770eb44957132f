"""Nothing is wrong, or what is wrong is not for a machine to act on: nothing may happen."""

from __future__ import annotations

import json
import os
import signal
import time

from ..model import NOTHING
from ..place import Place
from .base import (
    BOTH,
    BURN,
    PRACTICE,
    REAL,
    ask,
    control,
    fault,
    freeze,
    pick,
    run_helper,
    seconds,
    squat,
    stall,
)
from .update import updater


@control("quiet", "process", "nothing at all happens", smoke=True)
def quiet(p: Place) -> None:
    del p


@control("old-restart-signal", "process", "SIGUSR1, which opens Node's inspector")
def usr1(p: Place) -> None:
    p.signal_gateway(signal.SIGUSR1)


@control("continued", "process", "SIGCONT to a running gateway")
def cont(p: Place) -> None:
    p.signal_gateway(signal.SIGCONT)


@control("window-change", "process", "SIGWINCH and SIGCHLD")
def winch(p: Place) -> None:
    p.signal_gateway(signal.SIGWINCH)
    p.signal_gateway(signal.SIGCHLD)


@control("neighbour-dies", "process", "another process of the same user is killed")
def neighbour(p: Place) -> None:
    pid = run_helper(p, "import time\ntime.sleep(999)")
    os.kill(pid, signal.SIGKILL)


@control(
    "one-slow-answer",
    "hang",
    "one answer takes longer than a probe waits",
    smoke=True,
    targets=PRACTICE,
)
def slow(p: Place) -> None:
    p.control(slow_s=seconds(p, 5, 8))
    p.later(1.0, lambda: p.control(slow_s=None))


@control(
    "short-freeze",
    "hang",
    "stopped for a few seconds, then continued (a debugger, a laptop's lid)",
    smoke=True,
)
def short_freeze(p: Place) -> None:
    freeze(p, seconds(p, 2, 6))


@control("two-short-freezes", "hang", "stopped twice for some seconds")
def two_freezes(p: Place) -> None:
    freeze(p, seconds(p, 2, 5))
    p.later(20, lambda: freeze(p, 4))


@control(
    "stall-20",
    "hang",
    "the event loop computes for 10 to 20 s and comes back",
    targets=PRACTICE,
    limit_s=60,
)
def stall_20(p: Place) -> None:
    stall(p, seconds(p, 10, 20))


@control(
    "stall-45",
    "hang",
    "the event loop computes for 30 to 50 s and comes back",
    targets=PRACTICE,
    limit_s=90,
    may_tell=True,
)
def stall_45(p: Place) -> None:
    stall(p, seconds(p, 30, 50))


@control("stalls-in-a-row", "hang", "four stalls of some seconds", targets=PRACTICE, limit_s=80)
def stalls(p: Place) -> None:
    for number in range(4):
        p.later(number * 14, lambda: stall(p, 5))


@control("probe-flood", "hang", "somebody asks a thousand times", limit_s=40)
def flood(p: Place) -> None:
    run_helper(
        p,
        "import sys, urllib.request\nfor _ in range(1000):\n    try:\n"
        "        urllib.request.urlopen('http://127.0.0.1:%s/healthz' % sys.argv[1], timeout=5).read()\n"
        "    except OSError:\n        pass\n",
        str(p.port),
    )


@control(
    "slow-start",
    "service",
    "the owner restarts it, and the start takes long",
    targets=PRACTICE,
    limit_s=100,
    smoke=True,
)
def slow_start(p: Place) -> None:
    p.notes["expected_starts"] = 1
    p.control(start_s=seconds(p, 30, 70))
    p.injected_kills.append(time.monotonic())
    p.signal_gateway(signal.SIGUSR2)
    p.later(80, lambda: p.control(start_s=None))


@control(
    "operator-stop",
    "service",
    "the owner stops it, as documented",
    smoke=True,
    limit_s=60,
    may_tell=True,
)
def operator_stop(p: Place) -> None:
    p.injected_kills.append(time.monotonic())
    p.owner("operator_stop")


@control("operator-restart", "service", "the owner restarts it, as documented", limit_s=60)
def operator_restart(p: Place) -> None:
    p.notes["expected_starts"] = 1
    p.injected_kills.append(time.monotonic())
    p.owner("operator_restart")


@control(
    "paused",
    "service",
    "maintenance was announced, then the owner's own hands end it",
    limit_s=60,
    may_tell=True,
    targets=PRACTICE,
)
def paused(p: Place) -> None:
    p.notes["expected_starts"] = 1  # level 1 may start what died; only a healer has to keep out
    p.subject.pause(p)
    p.wait(3, lambda: False)
    p.signal_gateway(signal.SIGTERM)


@control("second-gateway-refused", "service", "a second gateway of the same state refuses to start")
def second(p: Place) -> None:
    child = p.spawn(["openclaw", "gateway", "run"], "second.out", cwd=p.home)
    p.notes.setdefault("strangers", []).append(child.pid)
    p.notes.setdefault("helpers", []).append(child.pid)


@control(
    "other-gateway-elsewhere",
    "service",
    "a gateway of another state directory runs on another port",
    limit_s=60,
)
def other(p: Place) -> None:
    home = p.root / "other"
    state = home / ".openclaw"
    state.mkdir(parents=True)
    port = p.port + 2
    auth = {"mode": "token", "token": "t" * 20}
    value = {"gateway": {"mode": "local", "bind": "loopback", "port": port, "auth": auth}}
    (state / "openclaw.json").write_text(json.dumps(value))
    changed = {
        "HOME": str(home),
        "OPENCLAW_STATE_DIR": str(state),
        "OPENCLAW_CONFIG_PATH": str(state / "openclaw.json"),
    }
    child = p.spawn(["openclaw", "gateway", "run"], "other.out", env=p.env(changed), cwd=home)
    p.notes.setdefault("strangers", []).append(child.pid)
    p.notes.setdefault("helpers", []).append(child.pid)


@control(
    "draining",
    "service",
    "it drains: work in flight is being finished",
    targets=PRACTICE,
    limit_s=80,
    may_tell=True,
)
def draining(p: Place) -> None:
    p.control(draining=True)
    p.later(seconds(p, 30, 60), lambda: p.control(draining=None))


@control("valid-edit", "config", "the owner changes values; all is valid", smoke=True)
def valid_edit(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data["messages"]["ackReaction"] = pick(p, ("tada", "heart", "fire", "zap"))

    p.edit(change, meant=True)


@control(
    "valid-edit-drops-section",
    "config",
    "the owner takes a whole section out; all is valid",
    may_tell=True,
)
def drops(p: Place) -> None:
    p.edit(lambda data: data.pop("messages"), meant=True)


@control("comment-edit", "config", "the owner writes a comment")
def comment(p: Place) -> None:
    p.write("// {}: remember\n".format(p.name()) + p.read(), meant=True)


@control("reformatted", "config", "a tool writes the same config as plain JSON")
def reformatted(p: Place) -> None:
    p.edit(lambda data: None, meant=True)


@control("saved-in-two-steps", "config", "an editor empties the file and writes it a moment later")
def two_steps(p: Place) -> None:
    text = p.read()
    p.config.write_text("")
    p.later(seconds(p, 0.3, 1.5), lambda: p.config.write_text(text))
    p.wait(2.0, lambda: False)


@control("touched", "config", "the file's times change, nothing else")
def touched(p: Place) -> None:
    p.config.touch()


@control("made-a-link", "config", "the owner moves the config into dotfiles and links it")
def linked(p: Place) -> None:
    real = p.home / "dotfiles" / "openclaw.json"
    real.parent.mkdir()
    p.config.rename(real)
    p.config.symlink_to(real)


@control("env-file-edited", "environment", "the owner adds a line to .env")
def env_edit(p: Place) -> None:
    with open(p.state / ".env", "a") as out:
        out.write("MORE_{}=1\n".format(p.name().upper()))
    p.notes["owner_edited"] = [str(p.state / ".env")]


@control("good-plugin-added", "plugin", "the owner adds a plugin that is fine", targets=BOTH)
def good_plugin(p: Place) -> None:
    p.plugin(p.name(), "fine")
    p.intended = p.data()


@control(
    "plugin-throws-at-load",
    "plugin",
    "a plugin that cannot be loaded is skipped by the gateway itself",
    targets=PRACTICE,
    may_tell=True,
)
def throws(p: Place) -> None:
    p.plugin(p.name(), "throw")
    p.intended = p.data()


@control(
    "red-channel",
    "channel",
    "a channel is red for some time",
    targets=PRACTICE,
    may_tell=True,
    limit_s=90,
)
def red(p: Place) -> None:
    p.control(failing=[pick(p, ("telegram", "discord", "feishu", "slack"))])
    p.later(seconds(p, 40, 75), lambda: p.control(failing=None))


@control(
    "flapping-channel",
    "channel",
    "a channel is red and green by turns",
    targets=PRACTICE,
    may_tell=True,
    limit_s=90,
)
def flapping(p: Place) -> None:
    for number in range(8):
        value = ["discord"] if number % 2 == 0 else None
        p.later(number * 8 + 1, lambda value=value: p.control(failing=value))  # type: ignore[misc]


@control(
    "real-channel-red",
    "channel",
    "telegram cannot be reached: red after two minutes",
    targets=REAL,
    may_tell=True,
    limit_s=170,
)
def real_red(p: Place) -> None:
    def change(data: dict) -> None:  # type: ignore[type-arg]
        data["channels"] = {
            "telegram": {"enabled": True, "botToken": "123456:BAD", "apiRoot": "http://127.0.0.1:9"}
        }

    p.notes["expected_starts"] = 1
    p.edit(change, meant=True)


@control("machine-busy", "environment", "the machine has no CPU to spare", limit_s=60)
def busy(p: Place) -> None:
    for _ in range(pick(p, (2, 3, 4, 6))):
        run_helper(p, BURN, "40")


@control("port-scanner", "environment", "somebody opens connections and says nothing")
def scanner(p: Place) -> None:
    run_helper(
        p,
        "import socket, sys, time\nl = []\nfor _ in range(30):\n"
        "    try:\n        l.append(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2))\n"
        "    except OSError:\n        pass\n    time.sleep(0.3)\n",
        str(p.port),
    )


@control("neighbour-port-taken", "environment", "another program takes the port beside it")
def beside(p: Place) -> None:
    squat(p, p.port + 2)


@control("log-chatter", "process", "the log quotes other faults' errors", smoke=True)
def chatter(p: Place) -> None:
    log = p.root / "log" / "gateway.log"
    lines = (
        'inbound message: "Gateway failed to start: shared state database is unreadable"',
        'inbound message: "listen EADDRINUSE: address already in use 127.0.0.1"',
        'inbound message: "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"',
        'inbound message: "Config invalid. Run openclaw doctor --fix"',
    )
    with open(log, "a") as out:
        for _ in range(60):
            out.write("2026-01-01T00:00:00.000+00:00 [telegram] {}\n".format(p.rng.choice(lines)))


@control(
    "foreign-log", "process", "another gateway's shared log tells of its own end", targets=BOTH
)
def foreign_log(p: Place) -> None:
    folder = p.tmp() / "openclaw"
    folder.mkdir(exist_ok=True)
    day = time.strftime("openclaw-%Y-%m-%d.log")
    row = {
        "0": "Gateway failed to start: Invalid config at /home/else/.openclaw/openclaw.json",
        "_meta": {"logLevelName": "FATAL"},
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }
    with open(folder / day, "a") as out:
        for _ in range(50):
            out.write(json.dumps(row) + "\n")


@control("log-rotated", "disk", "the logs are removed")
def rotated(p: Place) -> None:
    for path in list((p.root / "log").glob("gateway*")):
        path.unlink()


@control("temporary-files-cleaned", "disk", "a clean-up empties the folder of temporary files")
def cleaned(p: Place) -> None:
    import shutil

    for path in list(p.tmp().iterdir()):
        shutil.rmtree(str(path), ignore_errors=True)


@control("many-files", "disk", "the workspace gets a thousand files")
def many(p: Place) -> None:
    folder = p.workspace / p.name()
    folder.mkdir()
    for number in range(1000):
        (folder / str(number)).write_text(p.seed)


@control("backup-copy", "database", "a backup program reads everything", limit_s=40)
def backup(p: Place) -> None:
    import shutil

    shutil.copytree(
        str(p.state),
        str(p.root / "backup"),
        ignore=lambda folder, names: [n for n in names if n.endswith((".sock", ".lock"))],
    )


@control("database-read", "database", "another program reads the database for long", limit_s=45)
def reads(p: Place) -> None:
    run_helper(
        p,
        "import sqlite3, sys, time\nl = sqlite3.connect('file:%s?mode=ro' % sys.argv[1], uri=True)\n"
        "l.execute('begin')\nl.execute('select * from sqlite_master').fetchall()\ntime.sleep(30)",
        str(p.database()),
    )


@control("config-validated", "config", "the owner runs `openclaw config validate`", limit_s=45)
def validated(p: Place) -> None:
    p.run(["openclaw", "config", "validate", "--json"], 100)


@control("doctor-looks", "config", "the owner runs `openclaw doctor --lint`", limit_s=45)
def lint(p: Place) -> None:
    p.run(["openclaw", "doctor", "--lint", "--json"], 100)


@control(
    "updating",
    "update",
    "an update is at work: the gateway is down on purpose, and comes back",
    targets=PRACTICE,
    limit_s=90,
    may_tell=True,
    smoke=True,
)
def updating(p: Place) -> None:
    for_s = seconds(p, 25, 45)
    updater(p, for_s)
    p.wait(2, lambda: False)
    p.notes["expected_starts"] = 1
    p.injected_kills.append(time.monotonic())
    p.owner("operator_stop")


@control("npm-elsewhere", "update", "npm updates something else entirely", limit_s=45)
def npm_elsewhere(p: Place) -> None:
    name = p.root / "npm"
    name.write_text("#!/bin/sh\nsleep 40\n")
    os.chmod(str(name), 0o755)
    child = p.spawn([str(name), "install", "-g", "typescript"], "npm.out")
    p.notes.setdefault("helpers", []).append(child.pid)


@control(
    "refused-by-owner",
    "service",
    "stopped by the owner, and the config broken while it is down",
    limit_s=70,
    may_tell=True,
    spoils=("config",),
)
def stopped_and_broken(p: Place) -> None:
    p.injected_kills.append(time.monotonic())
    p.owner("operator_stop")
    p.wait(60, lambda: ask(p.port).status == 0)
    text = p.read()
    p.write(text[: len(text) // 2])


@fault(
    "wake-from-sleep",
    "hang",
    "gateway and healer are stopped together and go on: the machine slept",
    NOTHING,
    kind="control",
    limit_s=50,
)
def slept(p: Place) -> None:
    from .. import procs

    rows = [one for one in p.known.rows() if one.who not in p.innocents]
    theirs = procs.tree(p.subject_roots, rows)
    whole = [one.pid for one in rows if one.pid in theirs]
    for number, wait in ((signal.SIGSTOP, seconds(p, 8, 25)), (signal.SIGCONT, 0.0)):
        for pid in whole:
            try:
                os.kill(pid, number)
            except OSError:
                pass
        p.wait(wait, lambda: False)
