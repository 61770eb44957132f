"""Grafana's dashboard: valid by Grafana's own types, made by its generator, every metric is ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import life
import pytest

from skill.context import Context
from skill.host import Host
from skill.openclaw.home import locate
from skill.settings import load
from skill.views import facts, metrics

ROOT = Path(__file__).resolve().parent.parent.parent
BOARD = ROOT / "templates" / "dashboards" / "grafana.json"


def expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("expr"), str):
            yield value["expr"]
        for below in value.values():
            yield from expressions(below)
    elif isinstance(value, list):
        for below in value:
            yield from expressions(below)


def test_every_expression_asks_for_metrics_that_exist(tmp_path: Path) -> None:
    host = Host(env={"HOME": str(tmp_path)}, now=lambda: life.NOW)
    home = locate(host)
    life.write(home.doctor_dir)
    seen = facts.read(Context(host, home, load(host, home)))
    names = {family.name for family in metrics.families(seen)}
    asked = list(expressions(json.loads(BOARD.read_text("utf-8"))))
    assert len(asked) >= 20
    for expression in asked:
        for name in re.findall(r"openclaw_doctor_\w+", expression):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in names or name in names, name


def test_grafanas_own_types_accept_it_and_it_is_up_to_date() -> None:
    sdk = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    board = sdk.Dashboard.from_json(json.loads(BOARD.read_text("utf-8")))
    assert board.uid == "openclaw-doctor" and len(board.panels) >= 20
    words = [sys.executable, str(ROOT / "docs" / "generate_dashboard.py"), "--check"]
    assert subprocess.run(words).returncode == 0
