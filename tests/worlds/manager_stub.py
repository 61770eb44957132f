"""A service manager that answers from a table and remembers what it was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from skill.host import Completed, Host
from skill.openclaw.home import Home


class Manager:
    """answers: the first key whose words all occur in argv, in order -> (code, out, err), or a list
    of them used up one by one.
    """

    def __init__(self, answers: Dict[Tuple[str, ...], Any]) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        self.asked.append(list(argv))
        for words, answer in self.answers.items():
            if all(word in argv for word in words):
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if callable(answer):
                    answer = answer(argv)
                code, out, err = answer
                return Completed(argv, code, out, err)
        return Completed(argv, 0)

    def said(self, *words: str) -> List[List[str]]:
        return [argv for argv in self.asked if all(word in argv for word in words)]


def world(
    root: Path, manager: Manager, system: str = "linux", profile: str = "", **env: str
) -> Tuple[Host, Home]:
    clock = [1000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    folder = root / (".openclaw" + ("-" + profile if profile else ""))
    folder.mkdir(parents=True, exist_ok=True)
    given = {"HOME": str(root), "USERPROFILE": str(root), "PATH": "/usr/bin", **env}
    host = Host(
        now=lambda: clock[0],
        monotonic=lambda: clock[0],
        sleep=sleep,
        run=manager.run,
        env=given,
        system=system,
    )
    return host, Home(folder, folder / "openclaw.json", profile, 18789)


def program(folder: Path, name: str = "openclaw") -> Path:
    """An installed program that does nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    target.write_text("#!/bin/sh\n")
    target.chmod(0o755)
    return target
