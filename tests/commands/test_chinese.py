"""Under --lang zh no English sentence is left: in what the commands print, in their help, in the
errors they can raise.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import click
import pytest

from skill import cli, errors

ROOT = Path(__file__).resolve().parent.parent.parent
HAN = re.compile("[\u4e00-\u9fff]")
# What stays as it is in any language: code, paths, options, ids, names of keys, the operating
# system's own words.
CODE = re.compile(
    r"`[^`]*`|\"[^\"]*\"|https?://\S+|[~/.]?[\w.@-]*[/\\][\w./\\@<>-]*|--?[\w-]+|\b[A-Z]{2,}[\w-]*\b"
    r"|\b\w+[._-][\w._-]+\b|\b[a-z]+=[^\s,]*|\[[^\]]*\]|No such file or directory"
)
SENTENCE = re.compile(r"(?:\b[A-Za-z][A-Za-z']*\b[ ]+){3,}[A-Za-z]+")
# Commands to type and names of others' things: said as they are in any language.
PROPER = re.compile(
    r"\b(?:openclaw|iflow-doctor|systemctl|npm|nvm|docker|sudo|python3|ollama)(?: [\w<>.:-]+)+"
    r"|Claude Code|Task Scheduler|Clear stale lock"
)
COMMANDS = """status|diagnose 网关起不来|diagnose|heal --dry-run|watch --test|pause 3x|pause 30m|resume|drill --list|drill --only nix
service status|service install --dry-run|check-config|explain CASE-001|explain CASE-004|explain NIX|list-cases|explain CASE-017|explain CASE-023|add-case|add-case --from /nix|stats|incidents|incident nix|log
snapshots list|snapshots restore x|ai status|ai attach|notify list|notify set-feishu nix|notify preview --kind nix|ack|config --list
config --get nix|config --set nix=1|config --set auto_heal=maybe|config --set check_interval=-3|config --unset auto_heal|nix|status --nix"""


# A mark that a program put between two Chinese words, where no literal shows it.
HALF = re.compile("[\u4e00-\u9fff][,:;!?](?!//)")


def english(text: str) -> List[str]:
    plain = (PROPER.sub(" ", CODE.sub(" ", line)) for line in text.splitlines())
    return [line for line, bare in zip(text.splitlines(), plain) if SENTENCE.search(bare)]


def test_the_search_itself_finds_a_sentence_and_spares_code() -> None:
    assert english("网关：The gateway is down now") and english("Nothing to repair here at all.")
    assert not english("下一步：`openclaw gateway status --deep`") and not english("/a/b c=d --e-f")


def run(home: Path, words: List[str]) -> str:
    """What the command prints in Chinese, on both streams."""
    before, said = dict(os.environ), io.StringIO()
    os.environ.clear()
    os.environ.update(HOME=str(home), USERPROFILE=str(home), PATH="/usr/bin:/bin")
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            with pytest.raises(SystemExit):
                cli.main(["--lang", "zh", *words])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return said.getvalue()


@pytest.mark.empty_machine
@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
@pytest.mark.parametrize("words", COMMANDS.replace("\n", "|").split("|"))
@pytest.mark.parametrize("world", ["empty", "broken"])
def test_no_command_prints_an_english_sentence(tmp_path: Path, world: str, words: str) -> None:
    if world == "broken":
        own = tmp_path / ".openclaw" / "iflow-doctor"
        own.mkdir(parents=True)
        (tmp_path / ".openclaw" / "openclaw.json").write_text('{gateway:{mode:"local",port:1')
        (own / "config.json").write_text(
            '{"check_interval": "often", "autoheal": true, "start_budget": 9}'
        )
        (own / "cases.json").write_text('{"cases": [1')
    said = run(tmp_path, words.split(" "))
    assert english(said) == []
    assert HALF.findall(CODE.sub("x", said)) == []


def every(command: click.Command, name: str = "") -> Iterator[Tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), below)
            assert found is not None
            yield from every(found, name + " " + below)


def test_the_help_of_everything_has_both_languages() -> None:
    import importlib

    group = cli.Group()
    for module in sorted({row[0] for row in cli.COMMANDS.values()}):
        importlib.import_module("skill.commands." + module).add(group)
    for name, command in every(group):
        for text in [command.help or ""] + [
            option.help or "" for option in command.params if isinstance(option, click.Option)
        ]:
            if SENTENCE.search(text) and "feishu, dingtalk" not in text:
                assert HAN.search(text), (name, text)


FAMILY = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.HealerError)
}


def said(node: Any) -> Iterator[str]:
    """The literal sentences of an argument that is not a Text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
    ):
        yield from said(node.func.value)
    elif isinstance(node, (ast.BinOp, ast.IfExp, ast.List)):
        for child in ast.iter_child_nodes(node):
            yield from said(child)


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "skill").rglob("*.py")),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_errors_speak_both_languages(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = getattr(getattr(node, "func", None), "id", "")
        if isinstance(node, ast.Call) and name in FAMILY:
            for argument in list(node.args) + [
                word.value for word in node.keywords if word.arg == "hint"
            ]:
                for text in said(argument):
                    words = re.findall(r"[a-z]{2,}", CODE.sub(" ", text))
                    assert len(words) < 3 or text.startswith(
                        ("openclaw ", "iflow-doctor ", "systemctl ", "schtasks ", "see ")
                    ), (
                        node.lineno,
                        text,
                    )
