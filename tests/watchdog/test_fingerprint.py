"""What a person changes so that a start can work is seen as a change; what a start makes is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skill.openclaw.home import Home
from skill.watchdog.fingerprint import Start

CONFIG = (
    "{gateway: {auth: {mode: 'token', token: {source: 'file', provider: 'f', id: 'value'}}}, "
    "secrets: {providers: {f: {source: 'file', path: '%s'}, x: {source: 'exec', command: '%s'}}}}"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    state = tmp_path / ".openclaw"
    state.mkdir()
    for name in ("token", "give"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o644)
    (state / "openclaw.json").write_text(CONFIG % (tmp_path / "token", tmp_path / "give"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return Home(state, state / "openclaw.json", "", 1)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("name", ["token", "give"])
def test_the_mode_of_a_file_of_secrets_is_part_of_it(place: Home, name: str) -> None:
    start = Start()
    before = start.mark(place, "")
    assert start.mark(place, "") == before
    (place.state_dir.parent / name).chmod(0o600)
    assert start.mark(place, "") != before


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_a_cache_folder_that_can_be_written_again_is_a_change(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = place.state_dir.parent / ".cache"
    start = Start()
    before = start.mark(place, "")
    (cache / "openclaw").mkdir(parents=True)
    assert start.mark(place, "") == before, "a start makes it"
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, m: str(p) != str(cache) and real(p, m))
    assert start.mark(place, "") != before, "root may write everywhere: asked in another way"
