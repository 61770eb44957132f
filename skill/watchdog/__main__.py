"""Run as `python3 -m skill.watchdog --test`, as the user's documents write it."""

from __future__ import annotations

import sys

from ..cli import main

main(["watch", *sys.argv[1:]])
