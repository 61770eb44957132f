"""check-config: what a person sees, and the three exit codes."""

from __future__ import annotations

import json

import pytest
from checkhouse import GOOD, PORT, installed
from click.testing import CliRunner

from skill import config_checker
from skill.openclaw.processes import Listener, Process


@pytest.fixture
def house(tmp_path):
    return installed(tmp_path)


def states(house, **more):
    return {s.id: s.state for s in config_checker.check(house.ctx(), offline=True, **more)}


def test_a_good_config(house):
    steps = config_checker.check(house.ctx(), offline=True)
    assert {s.id: s.state for s in steps} == {
        "file": "ok",
        "required": "ok",
        "valid": "ok",
        "models": "ok",
        "port": "ok",
    }
    assert config_checker.exit_code(steps) == 0


def test_a_broken_file_skips_what_cannot_be_known(house):
    house.config(b"{ gateway: {")
    steps = config_checker.check(house.ctx(), offline=True)
    assert [s.state for s in steps] == ["error", "skipped", "skipped", "skipped", "ok"]
    assert config_checker.exit_code(steps) == 1


def test_required_fields_of_both_forms(house):
    house.config(dict(GOOD, models={"default": ""}))
    assert states(house)["required"] == "error"
    house.config(dict(GOOD, models={"default": "openai/x"}))
    step = config_checker.check(house.ctx(), offline=True)[1]
    assert (
        step.state == "warning"
        and step.findings[0].fix_hint.en == "openclaw config set agents.defaults.model openai/x"
    )
    house.config(dict(GOOD, models={"providers": {"own": {"models": [{"id": "a"}]}}}))
    step = config_checker.check(house.ctx(), offline=True)[1]
    assert [f.path for f in step.findings if f.check_id == "config/provider-incomplete"] == [
        "models.providers.own.baseUrl"
    ]


def test_a_misspelled_provider_of_the_default_model(house):
    providers = {"deepsek": {"baseUrl": "https://x", "models": [{"id": "m"}]}}
    house.config(
        dict(GOOD, agents={"defaults": {"model": "deepsekk/m"}}, models={"providers": providers})
    )
    step = config_checker.check(house.ctx(), offline=True)[1]
    assert [f.path for f in step.findings if f.check_id == "config/model-form"] == [
        "agents.defaults.model"
    ]


def test_offline_is_said_and_not_a_failure(house):
    house.config(
        dict(
            GOOD,
            models={"providers": {"own": {"baseUrl": "https://example.invalid", "models": [1]}}},
        )
    )
    steps = config_checker.check(house.ctx(), offline=True)
    assert (steps[3].state, steps[3].findings[0].check_id) == ("skipped", "models/offline")
    assert config_checker.exit_code(steps) == 0


def test_a_foreign_program_on_the_port(house):
    house.rows.append(Process(99, 1, "nc", ("nc", "-l"), "sleeping", 1.0, "eve"))
    house.sockets.append(Listener(PORT, "127.0.0.1", 99))
    assert states(house)["port"] == "error"


def test_not_knowing_is_exit_2(house):
    house.outputs.clear()
    assert config_checker.exit_code(config_checker.check(house.ctx(), offline=True)) == 2


class App:
    def __init__(self, house, lang="en", as_json=False):
        self.house, self.lang, self.as_json = house, lang, as_json

    def context(self):
        return self.house.ctx()


def test_the_command_speaks_both_languages_and_json(house):
    from skill.commands.config import check_config

    house.config(b"{")
    shown = CliRunner().invoke(check_config, ["--offline"], obj=App(house, "zh"))
    assert (
        shown.exit_code == 1
        and "配置文件语法错误" in shown.output
        and "iflow-doctor heal" in shown.output
    )
    shown = CliRunner().invoke(check_config, ["--offline", "--json"], obj=App(house))
    value = json.loads(shown.output)
    assert (value["ok"], value["exitCode"], value["findings"][0]["checkId"]) == (
        False,
        1,
        "config/syntax",
    )
