"""What is shipped: complete, small, consistent, and safe to publish."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Set

import pytest

from skill import __version__
from skill.installer import bundle

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "skill").rglob("*.py"))


def test_the_users_layout_is_complete() -> None:
    names = [
        "SKILL.md",
        "skill",
        "cases.json",
        "records.json",
        "config.json",
        "install.sh",
        "install.bat",
        "templates",
        "tests",
    ]
    assert [name for name in names if not (ROOT / name).exists()] == [] and bundle.missing(
        ROOT
    ) == []


# OpenClaw takes 256; what is left is for the day a release needs it
ROOM = bundle.MAX_FILES - 2


def test_the_bundle_fits_openclaws_limits() -> None:
    files = list(bundle.files(ROOT))
    assert len(files) <= ROOM
    sizes = [(ROOT / path).stat().st_size for path in files]
    assert sum(sizes) <= bundle.MAX_BYTES and max(sizes) <= 1024 * 1024


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_what_clawhub_gets_is_what_the_installer_copies() -> None:
    def tracked(*more: str) -> Set[str]:
        words = [
            "git",
            "-C",
            str(ROOT),
            "-c",
            "safe.directory=*",
            "-c",
            "core.quotepath=off",
            "ls-files",
            *more,
        ]
        return set(
            subprocess.run(words, stdout=subprocess.PIPE, check=True)
            .stdout.decode("utf-8")
            .split("\n")
        ) - {""}

    published = {
        name
        for name in tracked() - tracked("-i", "-c", "--exclude-from=.clawhubignore")
        if (ROOT / name).is_file()
    }
    copied = {path.as_posix() for path in bundle.files(ROOT)} & tracked()
    assert published - {".clawhubignore"} == copied
    assert len(published) <= ROOM


def frontmatter() -> Dict[str, str]:
    head = (ROOT / "SKILL.md").read_text("utf-8").split("---\n")[1]
    return dict(line.split(": ", 1) for line in head.strip().splitlines())


def test_the_skill_card() -> None:
    head = frontmatter()
    assert head["name"] == "openclaw-iflow-doctor" and head["user-invocable"] == "true"
    description = json.loads(head["description"])
    assert len(description) < 160 and "<" not in description
    assert set(json.loads(head["metadata"])["openclaw"]) <= {
        "emoji",
        "homepage",
        "os",
        "requires",
        "install",
    }
    assert set(head) <= {"name", "description", "homepage", "license", "user-invocable", "metadata"}


def test_the_skill_card_names_real_commands() -> None:
    from skill.cli import COMMANDS

    named = set(re.findall(r"iflow-doctor ([a-z][a-z-]+)", (ROOT / "SKILL.md").read_text("utf-8")))
    named |= set(
        re.findall(r"^iflow-doctor ([a-z][a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.M)
    )
    assert named and named - set(COMMANDS) == set()


def test_versions_agree() -> None:
    assert json.loads((ROOT / "package.json").read_text("utf-8"))["version"] == __version__
    assert "## {}\n".format(__version__) in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_plugin_declares_what_it_registers() -> None:
    manifest = json.loads((ROOT / "openclaw.plugin.json").read_text("utf-8"))
    code = (ROOT / "index.js").read_text("utf-8")
    assert manifest["contracts"]["tools"] == ["gateway_doctor"] and 'name: "gateway_doctor"' in code
    assert [row["name"] for row in manifest["cliCommands"]] == [
        "heal"
    ] and '.command("heal")' in code
    assert re.findall(r'from "([^"]+)"', code) == [
        "node:child_process",
        "node:fs",
        "node:os",
        "node:path",
    ]
    assert (
        "shell: true" not in code
        and "eval(" not in code
        and "exec(" not in code.replace("RegExp.exec(", "")
    )


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node")
def test_the_plugin_refuses_what_is_not_on_its_list() -> None:
    script = """
import plugin from %s;
const seen = {};
plugin.register({pluginConfig: {python: "/nonexistent"}, registerCli() {}, registerService() {}, registerHttpRoute(r) { seen.route = r; },
  registerCommand(c) { seen.command = c; }, registerTool(t) { seen.tool = t; }});
const guest = seen.tool({senderIsOwner: false});
const out = [];
for (const action of ["repair", "constructor", "__proto__", "treat"]) out.push((await guest.execute("1", {action})).details);
out.push((await seen.command.handler({args: "repair", senderIsOwner: false})).text);
out.push((await seen.command.handler({args: "service uninstall"})).text);
out.push(seen.route.auth, seen.command.requireAuth);
console.log(JSON.stringify(out));
""" % json.dumps((ROOT / "index.js").as_uri())
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    repair, constructor, proto, treat, chat, service, auth, required = json.loads(done.stdout)
    assert "owner" in repair["refused"] and "owner" in chat and service.startswith("/heal ")
    assert [value["exitCode"] for value in (constructor, proto, treat)] == [2, 2, 2]
    assert auth == "gateway" and required is True


def lock_lines() -> List[str]:
    return [
        line
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if line and not line.startswith("#")
    ]


def test_the_hashed_list_holds_the_versions_of_the_lock() -> None:
    hashed = (ROOT / "requirements.sha256").read_text()
    pins = set(re.findall(r"^([a-z0-9-]+==[\w.]+)", hashed, re.M))
    locked = {line.partition(";")[0].strip() for line in lock_lines()}
    only_windows = {"colorama==0.4.6"}
    assert pins - only_windows <= locked
    names = {pin.partition("==")[0] for pin in locked}
    assert {pin.partition("==")[0] for pin in pins} - {"colorama"} == names
    blocks = re.split(r"^(?=[a-z0-9-]+==)", hashed, flags=re.M)[1:]
    assert all(block.count("--hash=sha256:") >= 1 for block in blocks)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_the_lock_pins_each_package_once_for_each_python(version: str) -> None:
    def holds(marker: str) -> bool:
        key = tuple(map(int, version.split(".")))
        tests = {"<": key.__lt__, ">=": key.__ge__}
        return all(
            tests[op](tuple(map(int, v.split("."))))
            for op, v in re.findall(r'python_version (<|>=) "([\d.]+)"', marker)
        )

    chosen = [line.split("==")[0] for line in lock_lines() if holds(line.partition(";")[2])]
    assert len(chosen) == len(set(chosen))
    wanted = re.findall(
        r'^  "([a-z0-9]+)>=',
        (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0],
        re.M,
    )
    assert len(wanted) == 7 and set(wanted) <= set(chosen)


def test_what_runs_here_is_what_the_lock_names() -> None:
    from importlib import metadata

    key = sys.version_info[:2]
    for line in lock_lines():
        pin, _, marker = line.partition(";")
        bounds = re.findall(r'python_version (<|>=) "(\d+)\.(\d+)"', marker)
        if all(
            (key < (int(a), int(b))) if op == "<" else (key >= (int(a), int(b)))
            for op, a, b in bounds
        ):
            name, _, version = pin.strip().partition("==")
            try:
                found = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
            assert found.split(".")[0] == version.split(".")[0] or name == "certifi", name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_shell_no_eval(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.id
            if isinstance(node.func, ast.Name)
            else node.func.attr
            if isinstance(node.func, ast.Attribute)
            else ""
        )
        owner: Any = (
            node.func.value.id
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
            else ""
        )
        assert not (isinstance(node.func, ast.Name) and name in ("eval", "exec")), node.lineno
        assert (owner, name) not in (("os", "system"), ("os", "popen")), node.lineno
        assert not any(
            word.arg == "shell" and getattr(word.value, "value", None) is True
            for word in node.keywords
        ), node.lineno


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate_reference.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")),
    ids=lambda path: path.name,
)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


@pytest.mark.skipif(
    not shutil.which("shellcheck") or not shutil.which("checkbashisms"),
    reason="needs shellcheck and devscripts",
)
@pytest.mark.parametrize("name", ["install.sh", "skill/installer/shim/openclaw.sh.in"])
def test_shell_scripts_are_plain_posix(name: str) -> None:
    for tool in (["shellcheck", "-s", "sh"], ["checkbashisms"]):
        done = subprocess.run(tool + [str(ROOT / name)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_batch_files_have_windows_line_ends_and_need_no_powershell() -> None:
    raw = (ROOT / "install.bat").read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n") > 20
    text = (
        raw.decode("ascii").lower()
        + (ROOT / "skill/installer/shim/openclaw.cmd.in").read_text("ascii").lower()
    )
    commands = [line for line in text.splitlines() if not line.strip().startswith("rem ")]
    assert not any(word in line for line in commands for word in ("powershell", "timeout ", "wmic"))
