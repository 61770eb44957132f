"""python3 -m skill.notify test, as the user's documents write it."""

from __future__ import annotations

import sys

from ..cli import main

main(["notify", *sys.argv[1:]])
