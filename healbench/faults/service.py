"""What is to keep the gateway alive does not, or somebody else interferes."""

from __future__ import annotations

import json
import os
import signal
import sys

from .. import procs
from ..model import ESCALATE, HEAL, Facts
from ..place import Place
from .base import BOTH, REAL, fault, kill_subject, pick, pid_of, ready_again, run_helper, seconds


@fault(
    "service-healer-killed",
    "service",
    "whatever heals is killed (-9), then the gateway",
    HEAL,
    smoke=True,
)
def healer_killed(p: Place) -> None:
    kill_subject(p)
    p.wait(seconds(p, 0.1, 3), lambda: False)
    p.kill_gateway()


@fault(
    "service-healer-frozen-gateway",
    "service",
    "whatever heals is killed (-9), and the gateway freezes",
    HEAL,
    limit_s=360,
)
def healer_frozen(p: Place) -> None:
    kill_subject(p)
    p.wait(seconds(p, 0.1, 5), lambda: False)
    p.signal_gateway(signal.SIGSTOP)


@fault(
    "service-healer-killed-in-repair",
    "service",
    "frozen; whatever heals is killed (-9) while it works",
    HEAL,
    limit_s=420,
)
def healer_in_repair(p: Place) -> None:
    p.signal_gateway(signal.SIGSTOP)
    p.later(seconds(p, 4, 30), lambda: kill_subject(p))


@fault(
    "service-all-at-once",
    "service",
    "the out-of-memory killer takes gateway and healer together",
    HEAL,
)
def all_at_once(p: Place) -> None:
    p.kill_gateway()
    kill_subject(p)


PATHS = Facts(
    cause=(r"OPENCLAW_CONFIG_PATH|config|openclaw\.json",),
    evidence=(r"nonexistent|OPENCLAW_CONFIG_PATH|missing|not there|no such",),
    remedy=(r"unset|remove|correct|restore|environment|service|openclaw",),
)


@fault(
    "service-config-path",
    "service",
    "the service file points OPENCLAW_CONFIG_PATH elsewhere",
    HEAL,
    targets=REAL,
)
def config_path(p: Place) -> None:
    where = "/nonexistent/{}.json".format(p.name())
    p.subject.break_environment(p, {"OPENCLAW_CONFIG_PATH": where})
    p.kill_gateway()


@fault("service-state-dir", "service", "the service file points OPENCLAW_STATE_DIR elsewhere: another, empty gateway", ESCALATE, targets=REAL, limit_s=150, facts=Facts(
    cause=(r"OPENCLAW_STATE_DIR|state dir|different (state|home)|another",),
    evidence=(r"/|OPENCLAW_STATE_DIR",),
    remedy=(r"unset|remove|correct|environment|service|openclaw",),
))  # fmt: skip
def state_dir(p: Place) -> None:
    where = str(p.root / p.name())
    p.subject.break_environment(p, {"OPENCLAW_STATE_DIR": where})
    p.kill_gateway()


TERMINATOR = """
import os, signal, sys, time
every, mark = float(sys.argv[1]), sys.argv[2]
while True:
    time.sleep(every)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                title = open("/proc/%s/cmdline" % name).read()
                if not title.startswith("openclaw-gateway"):
                    continue
                fds = os.listdir("/proc/%s/fd" % name)
                if any(os.readlink("/proc/%s/fd/%s" % (name, fd)).startswith(mark) for fd in fds):
                    os.kill(int(name), signal.SIGTERM)
            except OSError:
                pass
"""


@fault("service-foreign-terminator", "service", "another script ends the gateway cleanly again and again", ESCALATE, limit_s=360, dies_by_itself=True, facts=Facts(
    cause=(r"SIGTERM|terminat|end(s|ed|ing)|stop(s|ped)|again and again|keeps|somebody|something else",),
    evidence=(r"times|exit|code|\d+",),
    remedy=(r"cron|script|watchdog|other|find|look|stop|service",),
))  # fmt: skip
def terminator(p: Place) -> None:
    every = pick(p, (9, 12, 15, 20)) if p.target.practice else 35
    run_helper(p, TERMINATOR, str(every), str(p.root))
    p.signal_gateway(signal.SIGTERM)


@fault(
    "service-stopped-start-limit",
    "service",
    "a dozen quick deaths, then all is well: nothing may have given up",
    HEAL,
    limit_s=420,
    dies_by_itself=True,
)
def start_limit(p: Place) -> None:
    """A start fails at once for a while, then would succeed."""
    name = "exit 1"
    flag = p.home / "not-yet"
    flag.touch()
    wrapper = p.root / "bin" / "openclaw"
    real = p.program_path / "openclaw"
    wrapper.write_text(
        "#!/bin/sh\nif [ -e '{}' ] && [ \"$1 $2\" = 'gateway run' ]; then {}; fi\n"
        "exec '{}' \"$@\"\n".format(flag, name, real)
    )
    os.chmod(str(wrapper), 0o755)
    p.later(seconds(p, 30, 75), lambda: flag.unlink())
    p.kill_gateway()


@fault(
    "service-second-supervisor",
    "service",
    "another supervisor of the same gateway starts one whenever it is down",
    HEAL,
    limit_s=300,
    targets=BOTH,
)
def second_supervisor(p: Place) -> None:
    """A cron job of the owner's: it may win; one gateway has to be the end of it."""
    code = (
        "import subprocess, sys, time\nfor _ in range(int(sys.argv[1])):\n"
        "    subprocess.call(['openclaw', 'gateway', 'run'], stdin=subprocess.DEVNULL)\n"
        "    time.sleep(3)\n"
    )
    child = p.spawn([sys.executable, "-c", code, "40"], "second.out", cwd=p.home)
    p.notes.setdefault("helpers", []).append(child.pid)
    p.cleanup(lambda: os.killpg(child.pid, 9))
    p.kill_gateway()


@fault(
    "service-limits",
    "service",
    "the service file's new limit is too small for a start (node's heap)",
    HEAL,
    targets=REAL,
    limit_s=300,
)
def limits(p: Place) -> None:
    p.subject.break_environment(
        p, {"NODE_OPTIONS": "--max-old-space-size=" + pick(p, ("48", "64", "40", "56"))}
    )
    p.kill_gateway()


def limited(p: Place, limit: str) -> None:
    """What starts the gateway, a script of the owner's, sets a limit first."""
    wrapper = p.root / "bin" / "openclaw"
    wrapper.write_text(
        "#!/bin/sh\n[ \"$1 $2\" = 'gateway run' ] && ulimit {}\nexec '{}' \"$@\"\n".format(
            limit, p.program_path / "openclaw"
        )
    )
    os.chmod(str(wrapper), 0o755)
    p.kill_gateway()


@fault("service-few-files", "service", "it may open too few files: node says that it has no SQLite", ESCALATE, targets=REAL, limit_s=200, dies_by_itself=True, facts=Facts(
    cause=(r"files|descriptors|LimitNOFILE|EMFILE",),
    evidence=(r"sqlite|open|\d+",),
    remedy=(r"LimitNOFILE|ulimit|raise",),
))  # fmt: skip
def few_files(p: Place) -> None:
    limited(p, "-n {}".format(p.rng.randrange(20, 26)))


@fault("service-file-size", "service", "it may write small files only: the kernel ends it (SIGXFSZ)", ESCALATE, targets=REAL, limit_s=240, dies_by_itself=True, facts=Facts(
    cause=(r"size of (the )?files|file size|LimitFSIZE|signal 25|SIGXFSZ",),
    evidence=(r"signal|exit|limit|database",),
    remedy=(r"LimitFSIZE|ulimit|raise|infinity",),
))  # fmt: skip
def file_size(p: Place) -> None:
    limited(p, "-f {}".format(p.rng.randrange(40, 90)))


@fault(
    "service-sudden-reboot",
    "service",
    "everything dies at once and comes back with locks of a dead boot",
    HEAL,
)
def reboot(p: Place) -> None:
    for lock in p.state.glob("tmp/openclaw-*/gateway.*.lock"):
        if lock.is_file() and not lock.name.endswith("sqlite"):
            try:
                value = json.loads(lock.read_text())
            except ValueError:
                continue
            old = pid_of(p)
            p.kill_gateway()
            kill_subject(p)
            # the pid of the dead one belongs to an innocent process after the reboot
            value["pid"] = p.innocents[0][0]
            lock.write_text(json.dumps(value))
            del old
            return
    p.kill_gateway()
    kill_subject(p)


__all__ = ["procs", "ready_again"]
