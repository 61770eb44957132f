"""The rooms of the package and the imports between them, read from the source.

`python3 dev.py rooms` prints the numbers. What only type checkers read (`if TYPE_CHECKING`) and what
only an entry point runs (`if __name__ == "__main__"`, `__main__.py`) is no arrow.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Set, Tuple

PACKAGE = Path(__file__).resolve().parents[2] / "skill"
TOP = PACKAGE.name


class Arrow(NamedTuple):
    """One import of one of our modules by another room."""

    file: str
    line: int
    room: str
    target: str
    target_room: str


def modules() -> Dict[str, Path]:
    """Return dotted name -> file of every module that is imported (injected faults are data)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "faults" in parts or parts[-1] == "__main__":
            continue
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _never_runs(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id in ("TYPE_CHECKING", "__name__")
        for part in ast.walk(node.test)
    )


def imports_of(source: str, package: str) -> Iterator[Tuple[str, int]]:
    """Yield (dotted name, line) of everything of ours that `source`, a module of `package`, imports."""
    waiting: List[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        waiting += [child for child in ast.iter_child_nodes(node) if not _never_runs(child)]
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == TOP:
                    yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            whole = ".".join(base + ([node.module] if node.module else []))
            if whole.split(".")[0] == TOP:
                for name in node.names:
                    yield whole + "." + name.name, node.lineno


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


@lru_cache(maxsize=None)
def arrows() -> List[Arrow]:
    """Return every import that leaves its room."""
    known, found = modules(), []
    for module, path in known.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for target, line in imports_of(path.read_text("utf-8"), package):
            real = target if target in known else target.rpartition(".")[0]
            if room_of(real) != room_of(module):
                file = path.relative_to(PACKAGE.parent).as_posix()
                found.append(Arrow(file, line, room_of(module), real, room_of(real)))
    return found


def graph(found: List[Arrow]) -> Dict[str, Set[str]]:
    drawn: Dict[str, Set[str]] = {}
    for arrow in found:
        drawn.setdefault(arrow.room, set()).add(arrow.target_room)
        drawn.setdefault(arrow.target_room, set())
    return drawn


def circles(drawn: Mapping[str, Set[str]]) -> List[List[str]]:
    """Return the groups of rooms that reach each other, each sorted."""

    def reached(start: str) -> Set[str]:
        seen: Set[str] = set()
        waiting = list(drawn.get(start, ()))
        while waiting:
            room = waiting.pop()
            if room not in seen:
                seen.add(room)
                waiting += drawn.get(room, ())
        return seen

    reach = {room: reached(room) for room in drawn}
    groups = {
        tuple(sorted(other for other in reach[room] if room in reach[other]))
        for room in drawn
        if room in reach[room]
    }
    return [list(group) for group in sorted(groups)]


def numbers() -> Dict[str, int]:
    """Return the size of the house: what architecture reviews compare."""
    found, known = arrows(), modules()
    lines = {name: path.read_text("utf-8").count("\n") for name, path in known.items()}
    drawn = graph(found)
    return {
        "files": len(known),
        "lines": sum(lines.values()),
        "longest file": max(lines.values()),
        "files over 300 lines": sum(count > 300 for count in lines.values()),
        "loose modules": sum(
            name.count(".") <= 1 and known[name].parent == PACKAGE for name in known
        ),
        "rooms": len(drawn),
        "arrows between rooms": sum(len(targets) for targets in drawn.values()),
        "circles of rooms": len(circles(drawn)),
        "function-level imports": sum(_hidden(path.read_text("utf-8")) for path in known.values()),
    }


def _hidden(source: str) -> int:
    tree = ast.parse(source)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    return sum(
        isinstance(node, ast.ImportFrom) and node.level > 0 and id(node) in inside
        for node in ast.walk(tree)
    )


if __name__ == "__main__":
    for title, value in numbers().items():
        print("{:>7}  {}".format(value, title))
    for circle in circles(graph(arrows())):
        print("circle: " + ", ".join(circle))
