"""Minutes and days of a gateway's life: counted once, bounded, and lost without harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from skill.host import Host
from skill.model import State
from skill.openclaw.home import locate
from skill.store import samples
from skill.store.samples import Row, Samples


@pytest.fixture
def kept(tmp_path: Path) -> Samples:
    return Samples(locate(Host(env={"HOME": str(tmp_path)})))


def test_each_second_counts_once_for_its_group(kept: Samples) -> None:
    looks = [
        (0.0, State.HEALTHY, False),
        (10.0, State.HEALTHY, False),
        (11.0, State.DOWN, True),
        (31.0, State.STARTING, True),  # the start that ends the outage belongs to it
        (41.0, State.HEALTHY, True),
        (51.0, State.STARTING, False),  # a start of its own
        (500.0, State.HEALTHY, False),  # nobody watched for 449 s
        (510.0, State.STOPPED, False),
    ]
    due = [kept.look(1_700_000_000.0 + at, state, outage) for at, state, outage in looks]
    assert due[0] is True
    kept.write(Row(1_700_000_510.0, "healthy"))
    (day,) = samples.days(kept.home).values()
    assert day == {"up": 20.0, "down": 21.0, "other": 20.0}
    assert samples.availability({"d": day}, 7) == pytest.approx(20 / 41)
    assert samples.availability({}, 7) is None


def test_a_row_a_minute_and_what_is_written_is_read(kept: Samples) -> None:
    start = 1_700_000_000.0
    written = 0
    for second in range(0, 600, 10):
        if kept.look(start + second, State.HEALTHY, False):
            kept.write(Row(start + second, "healthy", 7, failing=("telegram",)))
            written += 1
    found = samples.rows(kept.home)
    assert written == len(found) == 10
    assert found[-1].pid == 7 and found[-1].failing == ("telegram",)


def test_the_file_stays_bounded(kept: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "ROWS_MAX", 20_000)
    for minute in range(400):
        kept.write(Row(1_700_000_000.0 + 60 * minute, "healthy", minute))
    path = kept.home.doctor_dir / "samples.jsonl"
    assert path.stat().st_size <= 20_000
    assert samples.rows(kept.home)[-1].pid == 399


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": "x"}', '{"at": 1}\n\0\n[1]', "null"])
def test_damaged_files_lose_charts_and_nothing_else(kept: Samples, text: str) -> None:
    folder = kept.home.doctor_dir
    folder.mkdir(parents=True)
    (folder / "samples.jsonl").write_text(text)
    (folder / "days.json").write_text(text)
    samples.rows(kept.home)
    samples.days(kept.home)
    kept.look(1_700_000_000.0, State.HEALTHY, False)
    kept.look(1_700_000_010.0, State.HEALTHY, False)
    kept.write(Row(1_700_000_010.0, "healthy"))
    assert samples.rows(kept.home)[-1].at == 1_700_000_010.0


@pytest.mark.skipif(
    not hasattr(os, "geteuid"), reason="a file in the folder's place works anywhere"
)
def test_a_folder_that_cannot_be_written_is_no_error(kept: Samples) -> None:
    kept.home.doctor_dir.parent.mkdir(parents=True)
    kept.home.doctor_dir.write_text("a file where the folder should be")
    kept.look(1_700_000_000.0, State.HEALTHY, False)
    kept.write(Row(1_700_000_000.0, "healthy"))
    assert json.dumps(samples.days(kept.home)) == "{}"
