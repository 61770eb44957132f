"""What the documents say is there: every link leads somewhere, and every command of ours in them is one that
the program knows, with options that it has.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Iterator, List, Tuple

import click
import pytest

from skill.cli import main_group, rewrite

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "SKILL.md", ROOT / "SECURITY.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
OURS = re.compile(r"^(?:[A-Z_]+=\S+ )*iflow-doctor ([a-z].*)$")


def links() -> Iterator[Tuple[str, str]]:
    for page in PAGES:
        for found in LINK.finditer(page.read_text("utf-8")):
            if "://" not in found.group(1):
                yield page.relative_to(ROOT).as_posix(), found.group(1)


def commands() -> Iterator[Tuple[str, str]]:
    """(page, line) of every command of ours: in code blocks, and alone in a code span."""
    for page in PAGES:
        if page.name == "verification.md":  # what was typed once, with the versions of then
            continue
        text = page.read_text("utf-8")
        blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
        lines = [line for block in blocks for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in lines + spans:
            found = OURS.match(line.partition(" #")[0].strip())
            if found:
                yield page.relative_to(ROOT).as_posix(), found.group(1)


@pytest.mark.parametrize("page, target", sorted(set(links())))
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    assert ((ROOT / page).parent / target).exists()


def test_there_are_links_and_commands_to_check() -> None:
    assert len(set(links())) > 30 and len(set(commands())) > 30


def resolve(words: List[str]) -> None:
    """Parse the words as the program would, without running anything. Raise click's UsageError."""
    words = rewrite(words)
    command: click.Command = main_group
    context = click.Context(command, info_name="iflow-doctor")
    while words and words[0].startswith("--"):
        words = words[2:] if words[0] == "--lang" else words[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(context, words[0])
        if below is None:
            if command is main_group:
                raise click.UsageError("no command " + words[0])
            break
        command, words = below, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    known = {option for param in command.params for option in param.opts} | {"--help", "-h"}
    for word in words:
        if word.startswith("-") and word != "-" and word.partition("=")[0] not in known:
            raise click.UsageError("{} has no option {}".format(command.name, word))


@pytest.mark.parametrize("page, line", sorted(set(commands())))
def test_a_command_in_the_documents_is_one_of_ours(page: str, line: str) -> None:
    # of alternatives "a|b" every one stands in the same place
    choice = re.search(r"\S+(?:\|\S+)+", line)
    for word in choice.group(0).split("|") if choice else [""]:
        said = line.replace(choice.group(0), word) if choice else line
        resolve(shlex.split(re.sub(r"\[([^\]]*)\]", r"\1", said), comments=True))


@pytest.mark.parametrize("line", ["statsu", "status --nix", "notify list --colour", "incident --x"])
def test_the_check_itself_finds_what_is_not_there(line: str) -> None:
    with pytest.raises(click.UsageError):
        resolve(shlex.split(line))
