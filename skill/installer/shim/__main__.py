"""`python -m skill.installer.shim answer skills run|config openclaw-iflow-doctor ARGS...`: what the
shim runs for a call it caught.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import List, Sequence

from ...host import Host
from . import place


def answer(host: Host, words: Sequence[str]) -> int:
    """Step aside when the real openclaw knows the verb itself, else run our own command line in
    this process.
    """
    verb, rest = words[1], list(words[3:])
    if place.learned(host, verb):
        return hand_over(host, words)
    from ...cli import main

    arguments: List[str] = (["config"] if verb == "config" else []) + rest
    sys.argv = ["iflow-doctor"] + arguments
    main()
    return 0


def hand_over(host: Host, words: Sequence[str]) -> int:
    program = place.real(host)
    assert program is not None  # place.learned() asked it
    if host.system == "win32":
        return subprocess.call(
            [str(program)] + list(words), env=dict(host.env, IFLOW_DOCTOR_SHIM_PASS="1")
        )
    sys.stdout.flush()
    os.execv(str(program), [str(program)] + list(words))
    return 127


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[1] != "answer":
        sys.exit(
            "usage: python -m skill.installer.shim answer skills run|config "
            "openclaw-iflow-doctor ARGS..."
        )
    sys.exit(answer(Host(), sys.argv[2:]))
