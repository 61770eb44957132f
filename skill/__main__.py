"""python -m skill"""

from __future__ import annotations

import sys

if len(sys.argv) > 2 and sys.argv[1:3] == ["keeper", "run"]:
    # Level 1 for machines without a service manager: small on purpose, so it does not pass through
    # the command line's imports.
    from .platforms.keeper.main import main as keeper_main

    sys.exit(keeper_main(sys.argv[3:]))

from .cli import main

main()
