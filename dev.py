"""Set up .venv and do one thing in it: python3 dev.py demo | test | cover | lint | docs | rooms |
texts | e2e | simulate | healbench.

Standard library only.

demo: break the embedded practice gateway in several ways and watch it heal. No OpenClaw, no Node,
no configuration needed.
test: the tests. Everything is installed into .venv from requirements.lock; pip's own settings
(proxy, mirror) are honoured.
cover: the tests, measured by branch, with every process that they start; the floor is in
pyproject.toml.
texts: every sentence of the program in both languages, as one sheet.
simulate: seeds of the deterministic simulation (docs/simulation.md): --seeds N, --seed K, --shrink,
--family NAME, --jobs J.
healbench: break a gateway and judge us, at most 40 minutes (healbench/README.md): what `healbench
run` takes, or --report.
"""

from __future__ import print_function

import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
DEMO = ("killed", "frozen", "config-syntax", "config-deleted", "one-slow-probe")
DEV = ("pytest", "pytest-xdist", "hypothesis", "responses")
LINT = ("ruff", "mypy", "types-jsonschema", "types-psutil", "types-requests")


def run(*argv):
    """Run a program here and return its exit code."""
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
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if run(*pip + ("--require-hashes", "-r", "requirements.sha256")):
        sys.exit(2)
    if packages and run(*pip + ("-c", "requirements.lock") + packages):
        sys.exit(2)
    open(note, "w").close()


def at_once():
    """Return pytest's words for several tests at once, one worker a core and two at least; none
    where pytest-xdist is not there.
    """
    with open(os.devnull, "wb") as nowhere:
        if subprocess.call((PYTHON, "-c", "import xdist"), stdout=nowhere, stderr=nowhere):
            return ()
    return ("-n", str(max(2, os.cpu_count() or 2)), "--dist", "worksteal")


# Every Python of .venv measures itself, whatever environment a test gives it, and leaves no trace
# there. The simulation replaces the file calls of its whole process: it is left out.
STARTUP = (
    "import os; os.environ.update(COVERAGE_PROCESS_START={!r}, COVERAGE_FILE={!r}); "
    "'IFLOW_UNMEASURED' in os.environ or __import__('coverage').process_startup(); "
    "[os.environ.pop(name, None) for name in ('COVERAGE_PROCESS_START', 'COVERAGE_FILE')]\n"
)


def covered(words):
    """Run the tests under coverage, processes of their own included; 2 below the floor."""
    folder = os.path.join(HERE, "build", "coverage")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.check_output([PYTHON, "-c", where]).decode().strip()
    startup = os.path.join(site, "measured.pth")
    with open(startup, "w") as line:
        line.write(STARTUP.format(os.path.join(HERE, "pyproject.toml"), os.path.join(folder, "d")))
    try:
        code = run(PYTHON, "-m", "pytest", *words)
    finally:
        os.unlink(startup)
    data = "--data-file=" + os.path.join(folder, "d")
    run(PYTHON, "-m", "coverage", "combine", "-q", data, folder)
    return run(PYTHON, "-m", "coverage", "report", data) or code


def end_to_end(words):
    """Run the whole end-to-end matrix: [--shard 1/4] [--smoke] [--table] [pytest's own words].
    --versions [LIST|all|latest] runs it on other versions of OpenClaw (tests/e2e/versions.py).

    Resumable: what passed on this commit is not run again. E2E_LAB names a folder with OpenClaw
    (sh .ci/lab.sh DIR makes one). The table of all results is written to docs/e2e-results.md.
    """
    if "--versions" in words:
        place = words.index("--versions")
        script = os.path.join(HERE, "tests", "e2e", "versions.py")
        return run(PYTHON, script, *(words[:place] + words[place + 1 :]))
    kept = os.path.join(HERE, "build", "e2e-results.jsonl")
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    env = dict(os.environ, E2E="1", E2E_SET="all", E2E_RESULTS=kept)
    words, only_table = list(words), "--table" in words
    if "--smoke" in words:
        env["E2E_SET"] = "smoke"
    if "--shard" in words:
        place = words.index("--shard")
        env["E2E_SHARD"] = words[place + 1]
        del words[place : place + 2]
    words = [word for word in words if word not in ("--smoke", "--table")]
    code = 0
    if not only_table:
        argv = [PYTHON, "-m", "pytest", "tests/e2e", "-vv", "-ra", "-p", "no:cacheprovider"]
        code = subprocess.call(argv + words, cwd=HERE, env=env)
    with open(os.path.join(HERE, "docs", "e2e-results.md"), "wb") as page:
        made = [PYTHON, os.path.join("tests", "e2e", "results.py"), kept]
        page.write(subprocess.check_output(made, cwd=HERE))
    return code


def healbench(words):
    """The smoke of HealBench on us, resumable: the practice gateway, or the real one in E2E_LAB."""
    out = os.path.join(HERE, "build", "healbench")
    if "--report" in words:
        return run(PYTHON, "-m", "healbench", "report", out)
    argv = [PYTHON, "-m", "healbench", "run", "--subject", "ours", "--practice-python", PYTHON]
    code = run(*argv + ["--out", out, "--minutes", "40", "--resume"] + list(words))
    return run(PYTHON, "-m", "healbench", "report", out) or code


def main(words):
    """Return the exit code of what was asked for."""
    what, more = (words[0] if words else ""), words[1:]
    if what == "demo":
        ready(())
        only = [word for fault in DEMO for word in ("--only", fault)]
        return run(PYTHON, "-m", "skill", "drill", *(more or only))
    if what == "test":
        ready(DEV)
        return run(PYTHON, "-m", "pytest", *(more or at_once() + ("tests", "--ignore=tests/e2e")))
    if what == "cover":
        ready(DEV + ("coverage[toml]",))
        return covered(more or at_once() + ("tests", "--ignore=tests/e2e"))
    if what == "lint":
        ready(DEV + LINT)
        return (
            run(PYTHON, "-m", "ruff", "check", ".")
            or run(PYTHON, "-m", "ruff", "format", "--check", "-q", ".")
            or run(PYTHON, "-m", "mypy")
            or run(PYTHON, "docs/generate_reference.py", "--check")
        )
    if what == "docs":
        ready(())
        return run(PYTHON, os.path.join("docs", "generate_reference.py"), *more)
    if what == "e2e":
        ready(DEV)
        return end_to_end(more)
    if what == "healbench":
        ready(())
        return healbench(more)
    if what == "texts":
        ready(())
        return run(PYTHON, os.path.join("docs", "generate_reference.py"), "--texts")
    if what == "rooms":
        ready(())
        return run(PYTHON, os.path.join("tests", "worlds", "rooms.py"))
    if what == "simulate":
        ready(())
        os.environ["PYTHONPATH"] = os.pathsep.join((HERE, os.path.join(HERE, "tests")))
        return run(PYTHON, "-m", "simulation", *more)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
