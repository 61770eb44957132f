"""Set up .venv and do one thing in it: python3 dev.py demo | test | lint | docs | rooms.

Standard library only.

demo: break the embedded practice gateway in several ways and watch it heal. No OpenClaw, no Node,
no configuration needed.
test: the tests. Everything is installed into .venv from requirements.lock; pip's own settings
(proxy, mirror) are honoured.
"""

from __future__ import print_function

import hashlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
DEMO = ("killed", "frozen", "config-syntax", "config-deleted", "one-slow-probe")
DEV = ("pytest", "hypothesis", "responses")
LINT = ("ruff", "mypy", "types-jsonschema", "types-psutil", "types-requests")


def run(*argv):
    """Run a program here and answer its exit code."""
    return subprocess.call(list(argv), cwd=HERE)


def ready(packages):
    """Make .venv once; install again when the lock or the wish changed. Exits with 2 and a hint
    where that is impossible.
    """
    if sys.version_info < (3, 8):
        sys.exit("Python 3.8 or newer is needed, this is " + sys.version.split()[0])
    with open(os.path.join(HERE, "requirements.lock"), "rb") as lock:
        mark = hashlib.sha256(lock.read() + " ".join(packages).encode()).hexdigest()
    note = os.path.join(VENV, ".ready-" + mark[:12])
    if os.path.exists(note):
        return
    if not os.path.exists(PYTHON):
        try:
            import ensurepip  # noqa: F401
        except ImportError:
            sys.exit(
                "this Python cannot make virtual environments; Debian, Ubuntu: apt install "
                "python3-venv"
            )
        print("making .venv ...", flush=True)
        if run(sys.executable, "-m", "venv", VENV):
            sys.exit(2)
    print("installing ...", flush=True)
    runtime = ("click", "filelock", "json5", "jsonschema", "psutil", "rapidfuzz", "requests")
    if run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-c",
        "requirements.lock",
        *(runtime + packages),
    ):
        sys.exit(2)
    open(note, "w").close()


def main(words):
    """Answer the exit code of what was asked for."""
    what, more = (words[0] if words else ""), words[1:]
    if what == "demo":
        ready(())
        only = [word for fault in DEMO for word in ("--only", fault)]
        return run(PYTHON, "-m", "skill", "drill", *(more or only))
    if what == "test":
        ready(DEV)
        return run(PYTHON, "-m", "pytest", *more)
    if what == "lint":
        ready(DEV + LINT)
        return (
            run(PYTHON, "-m", "ruff", "check", ".")
            or run(PYTHON, "-m", "mypy")
            or run(PYTHON, "docs/generate_reference.py", "--check")
        )
    if what == "docs":
        ready(())
        return run(PYTHON, os.path.join("docs", "generate_reference.py"), *more)
    if what == "rooms":
        ready(())
        return run(PYTHON, os.path.join("tests", "worlds", "rooms.py"))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
