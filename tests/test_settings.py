"""Settings: sources and their precedence, every error at once, the last good ones; and that each
key has an effect.
"""

from __future__ import annotations

import json
import os

import pytest

from skill import settings
from skill.errors import SettingsError
from skill.host import Host
from skill.openclaw.home import locate


@pytest.fixture()
def world(tmp_path):
    state = tmp_path / ".openclaw"
    (state / "iflow-doctor").mkdir(parents=True)

    def make(own=None, openclaw=None, dotenv="", **env):
        (state / "iflow-doctor" / "config.json").write_text(
            own if isinstance(own, str) else json.dumps(own or {})
        )
        (state / "openclaw.json").write_text(json.dumps(openclaw or {}))
        (state / ".env").write_text(dotenv)
        host = Host(env={"HOME": str(tmp_path), **env}, system="linux")
        return host, locate(host)

    return make


def entry(**config):
    return {"skills": {"entries": {settings.SKILL: {"config": config}}}}


def test_precedence_from_default_to_environment(world):
    assert settings.load(*world())["escalation_time"] == 300
    assert settings.load(*world(openclaw=entry(escalation_time=100)))["escalation_time"] == 100
    assert (
        settings.load(*world({"escalation_time": 200}, entry(escalation_time=100)))[
            "escalation_time"
        ]
        == 200
    )
    both = {"own": {"escalation_time": 200}, "dotenv": "HEALTH_CHECK_ESCALATION_WAIT=250\n"}
    assert settings.load(*world(**both))["escalation_time"] == 250
    loaded = settings.load(*world(**both, HEALTH_CHECK_ESCALATION_WAIT="275"))
    assert loaded["escalation_time"] == 275 and loaded.sources["escalation_time"] == "environment"


def test_every_fault_at_once_with_file_key_value_and_nearest_key(world):
    host, home = world({"chek_interval": 3, "max_restarts": "many", "notify": {"enabld": True}})
    with pytest.raises(SettingsError) as caught:
        settings.load(host, home)
    text = str(caught.value)
    assert "iflow-doctor/config.json" in text and len(caught.value.issues) == 3
    assert (
        "did you mean check_interval" in text
        and "did you mean notify.enabled" in text
        and '"many"' in text
    )
    assert caught.value.exit_code == 2


def test_broken_json_names_line_and_column(world):
    with pytest.raises(SettingsError, match="line 2 column"):
        settings.load(*world('{"check_interval": 5,\n oops}'))


def test_impossible_combination(world):
    with pytest.raises(SettingsError, match="start_budget"):
        settings.load(*world({"probe_timeout": 60, "start_budget": 30}))


def test_a_gateway_of_another_machine_is_refused(world):
    with pytest.raises(SettingsError, match="this machine"):
        settings.load(*world({"gateway_url": "http://192.0.2.7:18789"}))


def test_the_watch_goes_on_with_the_last_good_settings(world):
    settings.load_or_last_good(*world({"check_interval": 7}))
    loaded, complaint = settings.load_or_last_good(*world({"check_interval": -1}))
    assert loaded["check_interval"] == 7 and "check_interval" in str(complaint)


def test_a_wrong_secret_is_not_repeated(world):
    with pytest.raises(SettingsError) as caught:
        settings.load(*world({"ai": {"openai_http": {"key": ["sk-canary-12345"]}}}))
    assert "canary" not in str(caught.value) and "ai.openai_http.key" in str(caught.value)


def test_save_writes_nothing_wrong(world):
    host, home = world({"check_interval": 7})
    with pytest.raises(SettingsError):
        settings.save(home, "check_interval", "often")
    settings.save(home, "notify.escalation_only", True)
    assert json.loads((home.doctor_dir / "config.json").read_text()) == {
        "check_interval": 7,
        "notify": {"escalation_only": True},
    }
    settings.save(home, "check_interval", None)
    assert settings.load(host, home)["check_interval"] == 10


def test_gateway_url_moves_the_probe(world):
    host, home = world({"gateway_url": "https://localhost:4443"})
    placed = settings.place(home, settings.load(host, home))
    assert (placed.port, placed.scheme) == (4443, "https")


VALUES = {
    "OPENCLAW_GATEWAY_URL": "http://127.0.0.1:4000",
    "EMERGENCY_RECOVERY_TIMEOUT": "700",
    "HEALTH_CHECK_INTERVAL": "17",
}


@pytest.mark.parametrize(
    "name,dotted", [(name, row[0]) for name, row in settings.ENVIRONMENT.items()]
)
def test_each_documented_environment_variable_is_read(world, name, dotted):
    raw = VALUES.get(name, "7")
    loaded = settings.load(*world(**{name: raw}))
    assert (
        loaded[dotted] == (raw if dotted == "gateway_url" else float(raw))
        and loaded.sources[dotted] == "environment"
    )


def test_a_websocket_address_names_the_same_gateway(world):
    assert (
        settings.load(*world(OPENCLAW_GATEWAY_URL="ws://127.0.0.1:4000"))["gateway_url"]
        == "http://127.0.0.1:4000"
    )


def test_a_variable_that_is_no_number_is_named(world):
    with pytest.raises(SettingsError, match="HEALTH_CHECK_MAX_RETRIES"):
        settings.load(*world(HEALTH_CHECK_MAX_RETRIES="often"))


def test_every_key_says_what_it_does_in_both_languages():
    def walk(node, prefix=""):
        for key, item in node.get("properties", {}).items():
            if "properties" in item:
                yield from walk(item, prefix + key + ".")
            else:
                yield prefix + key, item

    rows = dict(walk(settings.schema()))
    assert len(rows) > 20
    assert [
        key for key, item in rows.items() if not item.get("description") or not item.get("x-zh")
    ] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_file_is_told_and_never_waited_for(tmp_path):
    from skill.errors import SettingsError
    from skill.files import read_file, read_json
    from skill.openclaw import config as openclaw_config

    path = tmp_path / "config.json"
    os.mkfifo(str(path))
    with pytest.raises(OSError):
        read_file(path)
    with pytest.raises(SettingsError) as told:
        read_json(path)
    assert "not a regular file" in str(told.value)
    assert (
        openclaw_config.load(path).error == "unreadable"
        and openclaw_config.read_env_file(path) == {}
    )
