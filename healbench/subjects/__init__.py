"""Subjects: whatever keeps a gateway alive. One file each; a file of your own is found by its path.

find("none") loads subjects/none.py; find("/path/to/mine.py") loads yours. The file defines a class
named Subject below base.Base.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import List, Mapping

from .base import Base


def names() -> List[str]:
    here = Path(__file__).parent
    return sorted(p.stem for p in here.glob("*.py") if p.stem not in ("__init__", "base"))


def find(name: str, options: Mapping[str, str]) -> Base:
    """Return the subject. Raise LookupError when there is none of that name."""
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location("healbench_subject", name)
        if spec is None or spec.loader is None:
            raise LookupError(name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    elif name.replace("-", "_") in names():
        module = importlib.import_module(__name__ + "." + name.replace("-", "_"))
    else:
        raise LookupError("no subject {}; there are: {}".format(name, ", ".join(names())))
    subject: Base = module.Subject(options)
    subject.name = subject.name or Path(name).stem
    return subject
