"""The updater, the largest source of outages by its own reports."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from ..model import ESCALATE, HEAL, Facts
from ..place import Place
from .base import BOTH, PRACTICE, REAL, fault, pick, seconds


def updater(p: Place, for_s: float) -> int:
    """A process that looks like npm updating this very installation, for so many seconds."""
    prefix = str(p.program_path.parent)
    name = str(p.root / "bin" / "npm")
    with open(name, "w") as out:
        out.write(
            "#!{}\nimport sys, time, os\nend = time.time() + {}\n"
            "d = os.path.join({!r}, 'node_modules.tmp')\nn = 0\n"
            "while time.time() < end:\n    open(d, 'a').write('x' * 4096); time.sleep(0.5)\n"
            "os.unlink(d)\n".format(sys.executable, for_s, str(p.root))
        )
    os.chmod(name, 0o755)
    child = p.spawn([name, "install", "-g", "--prefix", prefix, "openclaw@latest"], "npm.out")
    p.notes.setdefault("helpers", []).append(child.pid)
    p.notes.setdefault("strangers", []).append(child.pid)
    return child.pid


@fault(
    "update-left-stopped",
    "update",
    "the updater stopped the gateway, was killed, and nothing started it again",
    HEAL,
    limit_s=420,
    targets=BOTH,
    source="openclaw#140230",
)
def left_stopped(p: Place) -> None:
    pid = updater(p, 600)
    p.wait(2, lambda: False)
    p.signal_gateway(signal.SIGTERM)
    p.wait(seconds(p, 3, 12), lambda: False)
    os.kill(pid, signal.SIGKILL)


@fault(
    "update-marker-left",
    "update",
    "an update's marker lies there, nobody updates, and the gateway is dead",
    HEAL,
    limit_s=420,
    targets=PRACTICE,
)
def marker(p: Place) -> None:
    assert p.package
    mark = p.package / ".openclaw-lifecycle-pending"
    mark.touch()
    old = time.time() - 3600 * pick(p, (2, 9, 30, 100))
    os.utime(str(mark), (old, old))
    p.kill_gateway()


@fault(
    "update-rejects-a-key",
    "update",
    "after an update a key of the old version is refused",
    HEAL,
    source="openclaw#83679",
)
def rejects(p: Place) -> None:
    key = p.name()
    p.edit(lambda data: data["gateway"].update({key: pick(p, (True, "on", 5, ["x"]))}))
    p.kill_gateway()


@fault(
    "update-interrupted-config-write",
    "update",
    "killed while it wrote the config: half of it, and a .tmp beside",
    HEAL,
    spoils=("config",),
)
def interrupted(p: Place) -> None:
    text = p.read()
    (p.state / "openclaw.json.tmp").write_text(text[:50])
    p.write(text[: int(len(text) * p.rng.uniform(0.5, 0.9))])
    p.kill_gateway()


@fault(
    "update-failed-report",
    "update",
    "a failed update's report lies in logs, and the gateway is down",
    HEAL,
    limit_s=300,
)
def failed_report(p: Place) -> None:
    folder = p.state / "logs" / "support"
    folder.mkdir(parents=True, exist_ok=True)
    reason = pick(
        p,
        (
            "readyz-unhealthy",
            "state-migrated-no-rollback",
            "unexpected-error",
            "post-update-plugins",
        ),
    )
    (folder / "openclaw-update-failure-{}.json".format(p.rng.randrange(10**9))).write_text(
        json.dumps({"reason": reason, "from": "2026.9.5", "to": "2026.9.6"})
    )
    p.kill_gateway()


@fault(
    "update-killed-midway",
    "update",
    "npm is killed half-way: parts of dist are missing",
    HEAL,
    targets=REAL,
    needs_copy=True,
    limit_s=560,
    source="openclaw#154449",
)
def midway(p: Place) -> None:
    assert p.package
    files = sorted((p.package / "dist").glob("*.mjs")) or sorted((p.package / "dist").glob("*.js"))
    for path in p.rng.sample(files, max(1, len(files) // 5)):
        path.unlink()
    p.kill_gateway()


@fault("update-never-ends", "update", "an update that hangs forever holds the gateway down: a person is told", ESCALATE, limit_s=1500, targets=PRACTICE, facts=Facts(
    cause=(r"updat",),
    evidence=(r"npm|pid|minutes|min|since|{updater}|\d+ ?s",),
    remedy=(r"stop|end|kill|finish|wait|openclaw update|repair",),
))  # fmt: skip
def never_ends(p: Place) -> None:
    p.words["updater"] = str(updater(p, 3600))
    p.wait(1, lambda: False)
    p.signal_gateway(signal.SIGTERM)


@fault("update-schema-tightened", "update", "after an update a value's type is refused", HEAL)
def tightened(p: Place) -> None:
    p.edit(
        lambda data: data["gateway"].update(
            reload={"mode": pick(p, ("sometimes", "yes", "never", "on"))}
        )
    )
    p.kill_gateway()


@fault(
    "update-old-process",
    "update",
    "the files are new, the process is old and freezes",
    HEAL,
    limit_s=360,
)
def old_process(p: Place) -> None:
    pid = updater(p, 4)
    p.wait(20, lambda: not os.path.exists("/proc/{}/stat".format(pid)) or _ended(p))
    p.signal_gateway(signal.SIGSTOP)


def _ended(p: Place) -> bool:
    p.reap()
    return not (p.root / "node_modules.tmp").exists()
