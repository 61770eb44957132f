"""Where the files that ship beside the package are: cases.json, config.json, records.json,
SKILL.md, templates/.
"""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_INSTALLED = Path(sys.prefix) / "share" / "openclaw-iflow-doctor"


def path(*parts: str) -> Path:
    """Beside the package in a checkout or skill directory; below sys.prefix when installed by pip.
    May not exist.
    """
    root = _CHECKOUT if (_CHECKOUT / "SKILL.md").is_file() else _INSTALLED
    return root.joinpath(*parts)
