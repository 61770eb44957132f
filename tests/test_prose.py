"""The house style (docs/style.md) over everything a person reads: Chinese with full-width
punctuation, and one word for one thing (docs/glossary.md).
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
HAN = "[\u4e00-\u9fff]"
# Code, and what may stand between Han and a mark: the marks inside belong to the code.
SPAN = re.compile(r"`[^`\n]*`")
# Full-width is wanted where a mark touches Han on either side.
HALF = re.compile(r"{0}[,:;!?()]|[,:;!?]{0}|{0}\.(?![.\w])|\({0}|{0}\)".format(HAN))
# A regular expression is no prose.
PATTERN = re.compile(r"\(\?[:!=<P]|\\[bdsw]|\[\^|{0}\|{0}".format(HAN))
# Files that hold the words of users and of logs, not ours.
FOREIGN = ("phrases.py", "scope.py", "signature.py", "masks.py", "known.py")


def of_python(path: Path) -> Iterator[Tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "{}:{}".format(path.relative_to(ROOT), node.lineno), node.value


def of_json(path: Path) -> Iterator[Tuple[str, str]]:
    def walk(value: Any, at: str) -> Iterator[Tuple[str, str]]:
        if isinstance(value, str):
            yield at, value
        elif isinstance(value, dict):
            for key, below in value.items():
                # what users wrote and what logs print is matched, not read
                if key not in (
                    "signatures",
                    "keywords",
                    "phrases",
                    "vocabulary",
                    "examples",
                    "pattern",
                ):
                    yield from walk(below, at + "." + key)
        elif isinstance(value, list):
            for number, below in enumerate(value):
                yield from walk(below, "{}[{}]".format(at, number))

    yield from walk(json.loads(path.read_text("utf-8")), path.name)


def of_markdown(path: Path) -> Iterator[Tuple[str, str]]:
    fenced = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:  # of code only its comments are prose
            yield "{}:{}".format(path.name, number), line.partition("#")[2]
        else:
            yield "{}:{}".format(path.name, number), line


@lru_cache(maxsize=None)
def all_prose() -> List[Tuple[str, str]]:
    return list(prose())


def prose() -> Iterator[Tuple[str, str]]:
    for path in sorted([*(ROOT / "skill").rglob("*.py"), *(ROOT / "healbench").rglob("*.py")]):
        if path.name not in FOREIGN:
            yield from of_python(path)
    for path in [ROOT / "cases.json", *sorted((ROOT / "skill").rglob("*.json"))]:
        yield from of_json(path)
    for path in [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*zh*.md"))]:
        yield from of_markdown(path)


def half_width(text: str) -> List[str]:
    if not re.search(HAN, text) or PATTERN.search(text):
        return []
    return [found.group(0) for found in HALF.finditer(SPAN.sub("x", text))]


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("端口被占用,请换一个", True),
        ("端口被占用，请换一个", False),
        ("自动修复(先询问)", True),
        ("{},需要你处理", True),
        ("运行 `f(x), g`，然后", False),
        ("网关:{}", True),
        ("OpenClaw is down, restart it", False),
    ],
)
def test_the_rule_itself(text: str, wrong: bool) -> None:
    assert bool(half_width(text)) is wrong


def test_chinese_has_full_width_punctuation() -> None:
    wrong = [(at, text[:80]) for at, text in all_prose() if half_width(text)]
    assert wrong == []


@lru_cache(maxsize=None)
def losers() -> List[str]:
    """The words that docs/glossary.md gives up, from its last column."""
    found: List[str] = []
    for line in (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[3] not in ("", "not", "---"):
            found += [word.strip() for word in cells[3].split(",")]
    return found


@lru_cache(maxsize=None)
def patterns() -> List[Tuple[str, "re.Pattern[str]"]]:
    made = [word if re.search(HAN, word) else r"(?i)\b{}\b".format(word) for word in losers()]
    return list(zip(losers(), map(re.compile, made)))


def given_up(text: str) -> List[str]:
    low = text.lower()
    return [
        word
        for word, pattern in patterns()
        # a plain word that is not there at all needs no regular expression
        if not (word.isalpha() and word.lower() not in low) and pattern.search(text)
    ]


def test_the_glossary_gives_up_words_and_they_are_found() -> None:
    assert len(losers()) >= 20
    assert given_up("两个守护程序") == ["守护程序"] and given_up("It was restarted in vain.")
    assert given_up("守护进程重启了网关") == [] and given_up("It was amended, forever.") == []


def pages_and_comments() -> Iterator[Tuple[str, str]]:
    """The English pages but the glossary itself, and what comments say."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "healbench").rglob("*.md")]
    pages += (ROOT / "templates" / "prompts").glob("*.md")
    for path in sorted(pages):
        if "zh-CN" not in path.name and path.name != "glossary.md":
            for at, line in of_markdown(path):
                yield at, SPAN.sub("", line)  # a name in code is no prose
    for path in sorted((ROOT / "skill").rglob("*.py")):
        if path.name not in FOREIGN:
            with path.open("rb") as source:
                for token in tokenize.tokenize(source.readline):
                    if token.type == tokenize.COMMENT:
                        yield "{}:{}".format(path.relative_to(ROOT), token.start[0]), token.string


def test_nobody_uses_a_word_that_the_glossary_gives_up() -> None:
    prose = [*all_prose(), *pages_and_comments()]
    wrong = [(at, given_up(text), text[:60]) for at, text in prose if given_up(text)]
    assert wrong == []
