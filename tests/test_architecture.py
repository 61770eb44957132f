"""The rooms and who may call whom, held against the real imports, function-level ones included."""

from __future__ import annotations

import ast
from typing import Dict, List, Set, Tuple

import pytest
import rooms

# Arrows that are still to be cut.
LEFT: Set[Tuple[str, str]] = set()
GROUND = "cli config_checker context errors files host locks machine model settings".split()
# A room may import those further right, and the ground below it; nothing imports to its left.
ORDER = (
    "installer commands drill views watchdog doctor notify bridges cases repairs checks store "
    "settings platforms openclaw redact files host errors model"
).split()
LOOSE = 13
LINES = 300
# Entry points: `python -m skill.watchdog` and the like hand over to the command line.
ENTRIES = ("__main__",)


def test_only_the_ground_lies_loose() -> None:
    loose = sorted(path.stem for path in rooms.PACKAGE.glob("*.py") if path.stem[:2] != "__")
    assert loose == sorted(GROUND)
    assert len(list(rooms.PACKAGE.glob("*.py"))) <= LOOSE


def test_arrows_run_one_way() -> None:
    arrows = rooms.arrows()
    assert rooms.circles(rooms.graph(arrows)) == []
    upward: List[str] = []
    for arrow in arrows:
        if arrow.room in ORDER and arrow.target_room in ORDER:
            if ORDER.index(arrow.target_room) < ORDER.index(arrow.room):
                upward.append("{}:{} imports {}".format(arrow.file, arrow.line, arrow.target))
    assert upward == []


def test_every_room_has_its_place_in_the_order() -> None:
    known = set(ORDER) | set(GROUND) | {"skill"}
    assert {arrow.room for arrow in rooms.arrows()} - known == set()


def test_the_ground_imports_no_room_but_what_is_named() -> None:
    allowed: Dict[str, Set[str]] = {
        "settings": {"openclaw"},
        "context": {"openclaw", "platforms"},
        "cli": {"commands", "openclaw", "platforms", "store", "watchdog"},
        "config_checker": {"checks", "openclaw", "platforms"},
    }
    for arrow in rooms.arrows():
        if arrow.room in GROUND and arrow.target_room not in GROUND + ["skill"]:
            assert arrow.target_room in allowed.get(arrow.room, set()), arrow


@pytest.mark.parametrize(
    "text, found",
    [
        ("from .. import judge", ["skill.judge"]),
        ("def f():\n    from ..openclaw import cli as c, home", ["skill.openclaw"]),
        ("import skill.host as h", ["skill.host"]),
        ("if TYPE_CHECKING:\n    from ..doctor import visit", []),
        ('if __name__ == "__main__":\n    from ..cli import main', []),
    ],
)
def test_the_reader_of_imports_sees_what_runs(text: str, found: List[str]) -> None:
    seen = [target for target, _line in rooms.imports_of(text, "skill.watchdog")]
    assert sorted({".".join(name.split(".")[:2]) for name in seen}) == found


# What is handed around has a type: `Any` is for what comes out of a JSON file.
TYPED = ("ctx", "app", "platform", "visit", "watch", "incident", "verdict", "home", "host")


def test_what_has_a_type_is_not_any() -> None:
    loose = []
    for module, path in rooms.modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for one in (*node.args.args, *node.args.kwonlyargs):
                kind = one.annotation
                if one.arg in TYPED and isinstance(kind, ast.Name) and kind.id == "Any":
                    loose.append("{}.{}({}: Any)".format(module, node.name, one.arg))
    assert loose == []


def test_a_circle_is_found() -> None:
    assert rooms.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_question_about_a_path_raises() -> None:
    """Path.exists, is_file and is_dir raise PermissionError below a folder that may not be entered
    (until Python 3.14): a state directory of root's ended every command and the watchdog. The
    functions of os.path answer no.
    """
    asked = [
        "{}:{}".format(path.relative_to(rooms.PACKAGE), node.lineno)
        for path in sorted(rooms.PACKAGE.rglob("*.py"))
        if "drill" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("exists", "is_file", "is_dir")
        and not node.args + node.keywords
    ]
    assert asked == []
