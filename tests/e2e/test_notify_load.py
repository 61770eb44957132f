"""A short run of notify_load.py: failing platforms, a sender that is killed, nothing lost. Needs
E2E_TOOLS (a folder with fake_chat.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not os.environ.get("E2E_TOOLS"), reason="needs E2E_TOOLS")


def test_nothing_is_lost_while_requests_fail_and_the_sender_is_killed():
    script = str(Path(__file__).with_name("notify_load.py"))
    words = ["--incidents", "60", "--seconds", "15", "--platforms", "feishu,telegram,discord"]
    argv = [sys.executable, script, *words]
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        universal_newlines=True,
        timeout=600,
    )
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["lost"] == 0 and result["left_in_outbox"] == 0
    assert (
        result["kills"] > 0
        and sum(result["failures_injected"].values()) > 0
        and result["refused_by_rules"] == 0
    )
    assert max(int(copies) for copies in result["copies"]) <= 1 + result["kills"]
