"""Which gateway is meant: found in one place, as OpenClaw 2026.9.6 finds it (everyday 3, A4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict

import pytest

from skill.host import Host
from skill.openclaw.cli import environment
from skill.openclaw.home import derived_port, locate, selectors, state_dir_of, url_of
from skill.platforms.common import gateway_environment, watchdog_environment
from skill.platforms.keeperstate import own_env


def host(folder: Path, **env: str) -> Host:
    return Host(env={"HOME": str(folder), "PATH": "/usr/bin", **env}, system="linux")


def config(folder: Path, text: str = "{}", name: str = "openclaw.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_a_profile_without_a_port_has_the_port_that_openclaw_derives(tmp_path: Path) -> None:
    """39662 was read from the lock of a real `openclaw --profile resc gateway run`."""
    config(tmp_path / ".openclaw-resc")
    home = locate(host(tmp_path, OPENCLAW_PROFILE="resc"))
    assert (home.port, home.state_dir.name, home.profile) == (39662, ".openclaw-resc", "resc")
    assert derived_port("") == 18789 and 20000 <= derived_port("wörk") < 60000


@pytest.mark.parametrize("name", ["default", "Default", "", "  "])
def test_the_default_profile_is_no_profile(tmp_path: Path, name: str) -> None:
    home = locate(host(tmp_path, OPENCLAW_PROFILE=name))
    assert (home.port, home.state_dir.name, home.profile) == (18789, ".openclaw", "")


def test_whatever_we_start_for_a_profile_is_told_state_and_config_by_name(tmp_path: Path) -> None:
    """OPENCLAW_PROFILE alone is ignored for both: a start without them opens the default profile."""
    config(tmp_path / ".openclaw-resc")
    ours = host(tmp_path, OPENCLAW_PROFILE="resc")
    home = locate(ours)
    state = tmp_path / ".openclaw-resc"
    wanted = {
        "OPENCLAW_PROFILE": "resc",
        "OPENCLAW_STATE_DIR": str(state),
        "OPENCLAW_CONFIG_PATH": str(state / "openclaw.json"),
    }
    assert selectors(ours, home) == wanted
    for env in (environment(ours, home), gateway_environment(ours, home), own_env(ours, home)):
        assert {name: env.get(name) for name in wanted} == wanted
    again = locate(host(tmp_path, **wanted))
    assert again == home


def test_the_default_gateway_is_named_by_nothing(tmp_path: Path) -> None:
    config(tmp_path / ".openclaw")
    ours = host(tmp_path)
    assert selectors(ours, locate(ours)) == {}


@pytest.mark.parametrize(
    "url, port",
    [
        ("ws://127.0.0.1:19001", 19001),
        ("wss://localhost:8443", 8443),
        ("wss://gw.example.com:8443", 18789),
        ("ws://10.0.0.7:18790", 18789),
        ("not a url", 18789),
    ],
)
def test_a4_the_url_of_a_remote_gateway_is_not_where_ours_is(
    tmp_path: Path, url: str, port: int
) -> None:
    assert locate(host(tmp_path, OPENCLAW_GATEWAY_URL=url)).port == port


@pytest.mark.parametrize(
    "env, port",
    [
        ({"OPENCLAW_GATEWAY_PORT": "19002"}, 19002),
        ({"OPENCLAW_GATEWAY_PORT": "127.0.0.1:19003"}, 19003),
        ({"OPENCLAW_GATEWAY_PORT": "[::1]:19004"}, 19004),
        ({"OPENCLAW_GATEWAY_PORT": "many"}, 19005),
        ({}, 19005),
    ],
)
def test_the_environment_beats_the_file(tmp_path: Path, env: Dict[str, str], port: int) -> None:
    config(tmp_path / ".openclaw", json.dumps({"gateway": {"port": 19005}}))
    assert locate(host(tmp_path, **env)).port == port


def test_a4_the_watchdogs_service_is_told_the_port_of_the_environment(tmp_path: Path) -> None:
    env = watchdog_environment(host(tmp_path, OPENCLAW_GATEWAY_PORT="19002"))
    assert env["OPENCLAW_GATEWAY_PORT"] == "19002"


def test_an_old_state_directory_is_used_where_only_that_exists(tmp_path: Path) -> None:
    config(tmp_path / ".clawdbot", name="clawdbot.json")
    home = locate(host(tmp_path))
    assert (home.state_dir.name, home.config_path.name) == (".clawdbot", "clawdbot.json")
    config(tmp_path / ".openclaw")
    assert state_dir_of(host(tmp_path)).name == ".openclaw"


def test_paths_may_begin_with_a_tilde(tmp_path: Path) -> None:
    ours = host(tmp_path, OPENCLAW_STATE_DIR="~/oc", OPENCLAW_CONFIG_PATH="~/etc/oc.json")
    home = locate(ours)
    assert home.state_dir == tmp_path / "oc" and home.config_path == tmp_path / "etc" / "oc.json"


def test_a4_the_address_that_is_shown_is_where_the_gateway_really_is(tmp_path: Path) -> None:
    home = locate(host(tmp_path))
    assert url_of(home, None) == "http://127.0.0.1:18789"
    assert url_of(home, (19555, "https")) == "https://127.0.0.1:19555"
