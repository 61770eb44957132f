"""Whose credentials and whom to tell, and secrets in every form, on real files and real SQLite
tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys

import pytest

from skill.errors import CannotTell
from skill.host import Host
from skill.openclaw import channels, recipients
from skill.openclaw.home import locate

STATE_TABLES = """
CREATE TABLE channel_pairing_allow_entries (channel_key TEXT NOT NULL, account_id TEXT NOT NULL, entry TEXT NOT NULL,
 sort_order INTEGER NOT NULL,
 updated_at INTEGER NOT NULL, PRIMARY KEY (channel_key, account_id, entry)) STRICT;
CREATE TABLE secret_store_entries (scope_kind TEXT NOT NULL, scope_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
 kind TEXT NOT NULL,
 created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL, updated_by TEXT, deleted_at_ms INTEGER, allowed_hosts TEXT,
 PRIMARY KEY (scope_kind, scope_id, name)) STRICT;
"""
AGENT_TABLES = """
CREATE TABLE conversations (conversation_id TEXT NOT NULL PRIMARY KEY, channel TEXT NOT NULL, account_id TEXT NOT NULL, kind TEXT NOT NULL,
 peer_id TEXT NOT NULL, delivery_target TEXT NOT NULL, parent_conversation_id TEXT, thread_id TEXT, native_channel_id TEXT,
 native_direct_user_id TEXT,
 label TEXT, metadata_json TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
"""
needs_strict = pytest.mark.skipif(
    sqlite3.sqlite_version_info < (3, 37), reason="STRICT tables need SQLite 3.37"
)


@pytest.fixture
def make(tmp_path):
    def build(data, env=None, dotenv=""):
        state = tmp_path / ".openclaw"
        state.mkdir(exist_ok=True)
        (state / "openclaw.json").write_text(data if isinstance(data, str) else json.dumps(data))
        (state / ".env").write_text(dotenv)
        host = Host(env={"HOME": str(tmp_path), **(env or {})})
        return host, locate(host)

    return build


def found(make, data, **more):
    host, home = make(data, **more)
    source = channels.read(host, home)
    return channels.ways(source), source


def ids(ways):
    return [way.id for way in ways]


def test_order_is_owner_default_allow_and_group_last(make):
    ways, _ = found(
        make,
        {
            "commands": {"ownerAllowFrom": ["telegram:77", "discord:*"]},
            "channels": {
                "feishu": {
                    "appId": "a",
                    "appSecret": "s",
                    "allowFrom": ["*", "ou_1"],
                    "groups": {"oc_1": {}, "*": {}},
                },
                "telegram": {"botToken": "t", "allowFrom": ["88"], "defaultTo": "99"},
            },
        },
    )
    assert ids(ways) == [
        "telegram:bot:default:77",
        "telegram:bot:default:99",
        "feishu:app:default:ou_1",
        "telegram:bot:default:88",
        "feishu:app:default:oc_1",
    ]


def test_accounts_inherit_and_the_default_account_comes_first(make):
    ways, source = found(
        make,
        {
            "channels": {
                "feishu": {
                    "appId": "top",
                    "appSecret": "${S}",
                    "domain": "lark",
                    "defaultAccount": "b",
                    "allowFrom": ["ou_1"],
                    "accounts": {
                        "a": {"appId": "A"},
                        "b": {"appId": "B"},
                        "off": {"appId": "C", "enabled": False},
                    },
                }
            }
        },
        dotenv="S=sec\n",
    )
    assert [(w.account, w.secrets["appId"]) for w in ways] == [
        ("b", "B"),
        ("default", "top"),
        ("a", "A"),
    ]
    assert (
        ways[0].base == "https://open.larksuite.com"
        and source.secrets.reveal(ways[0].secrets["appSecret"]) == "sec"
    )


@pytest.mark.parametrize(
    "fields", [{"enabled": False, "token": "t"}, {"allowFrom": ["42"]}, {"token": ""}]
)
def test_switched_off_or_without_credentials_is_no_way(make, fields):
    assert found(make, {"channels": {"discord": {"allowFrom": ["42"], **fields}}})[0] == []


def test_the_environment_stands_in_for_the_default_account_only(make):
    env = {"DISCORD_BOT_TOKEN": "from-env"}
    ways, source = found(
        make, {"channels": {"discord": {"allowFrom": ["42"], "accounts": {"x": {}}}}}, env=env
    )
    assert (
        ids(ways) == ["discord:bot:default:42"]
        and source.secrets.reveal(ways[0].secrets["token"]) == "from-env"
    )


@pytest.mark.parametrize(
    "key", ["dingtalk", "ddingtalk", "clawdbot-dingtalk", "dingtalk-connector"]
)
@pytest.mark.parametrize("names", [("clientId", "clientSecret"), ("appKey", "appSecret")])
def test_dingtalk_plugins_by_any_name(make, key, names):
    ways, _ = found(
        make, {"channels": {key: {names[0]: "i", names[1]: "s", "allowFrom": ["staff1", "cidops"]}}}
    )
    assert [(w.to, w.to_kind) for w in ways] == [("staff1", "user"), ("cidops", "room")] and ways[
        0
    ].platform == "dingtalk"


def test_json5_include_and_variables(make, tmp_path):
    host, home = make(
        "{ // c\n channels: { $include: './c.json5' }, env: { vars: { WHO: '77' } }, }"
    )
    (home.state_dir / "c.json5").write_text(
        "{telegram: {botToken: '${TOK}', allowFrom: ['${WHO}'],}}"
    )
    assert ids(channels.ways(channels.read(host, home))) == ["telegram:bot:default:77"]


@pytest.mark.parametrize(
    "platform, entry, bare, want",
    [
        ("discord", "user:42", "user", ("42", "user")),
        ("discord", "channel:7", "user", ("7", "room")),
        ("discord", "<@!42>", "user", ("42", "user")),
        ("discord", "9", "either", ("9", "either")),
        ("feishu", "user:ou_1", "user", ("ou_1", "user")),
        ("feishu", "chat:oc_1", "user", ("oc_1", "room")),
        ("dingtalk", "cidX==", "user", ("cidX==", "room")),
        ("slack", "channel:C1", "user", ("C1", "room")),
        ("slack", "U1", "user", ("U1", "user")),
        ("telegram", "-1001:topic:4", "user", ("-1001:topic:4", "room")),
    ],
)
def test_targets_as_openclaw_writes_them(platform, entry, bare, want):
    assert recipients.split(platform, entry, bare) == want


@needs_strict
def test_pairing_rows_then_the_last_direct_conversation(make):
    host, home = make(
        {"channels": {"telegram": {"botToken": "t"}, "feishu": {"appId": "a", "appSecret": "s"}}}
    )
    (home.state_dir / "state").mkdir()
    with sqlite3.connect(str(home.state_dir / "state" / "openclaw.sqlite")) as db:
        db.executescript(STATE_TABLES)
        db.execute(
            "INSERT INTO channel_pairing_allow_entries VALUES ('telegram', 'default', '77', 0, 1)"
        )
    agent = home.state_dir / "agents" / "main" / "agent"
    agent.mkdir(parents=True)
    with sqlite3.connect(str(agent / "openclaw-agent.sqlite")) as db:
        db.executescript(AGENT_TABLES)
        row = (
            "INSERT INTO conversations VALUES (?, 'feishu', 'default', ?, ?, ?, NULL, NULL, "
            "NULL, NULL, NULL, NULL, 1, ?)"
        )
        db.executemany(
            row,
            [
                ("1", "direct", "ou_old", "user:ou_old", 5),
                ("2", "direct", "ou_new", "user:ou_new", 9),
                ("3", "group", "oc", "chat:oc", 99),
            ],
        )
    ways = channels.ways(channels.read(host, home))
    assert ids(ways) == ["telegram:bot:default:77", "feishu:app:default:ou_new"]


def test_a_damaged_database_is_no_answer_and_no_crash(make):
    host, home = make({"channels": {"telegram": {"botToken": "t"}}})
    (home.state_dir / "state").mkdir()
    (home.state_dir / "state" / "openclaw.sqlite").write_bytes(b"not a database" * 99)
    assert channels.ways(channels.read(host, home)) == []


# -- secrets ---------------------------------------------------------------------------------------
@needs_strict
def test_store_reads_team_rows_that_are_not_deleted(make):
    host, home = make({})
    (home.state_dir / "state").mkdir()
    with sqlite3.connect(str(home.state_dir / "state" / "openclaw.sqlite")) as db:
        db.executescript(STATE_TABLES)
        row = (
            "INSERT INTO secret_store_entries VALUES ('team', '', ?, ?, 'secret', 1, 1, NULL, "
            "?, NULL)"
        )
        db.executemany(row, [("GOOD", "value", None), ("GONE", "old", 5)])
    secrets = channels.read(host, home).secrets
    assert secrets.reveal({"source": "store", "provider": "default", "id": "GOOD"}) == "value"
    with pytest.raises(CannotTell, match="no such entry"):
        secrets.reveal({"source": "store", "id": "GONE"})


def test_precedence_of_variables(make):
    host, home = make(
        {"env": {"vars": {"A": "config", "B": "config", "C": "config"}}},
        env={"A": "process"},
        dotenv="A=file\nB=file\n",
    )
    secrets = channels.read(host, home).secrets
    assert [secrets.reveal({"source": "env", "id": name}) for name in "ABC"] == [
        "process",
        "file",
        "config",
    ]
    assert (
        secrets.reveal("${A}") == secrets.reveal("$A") == "process"
        and secrets.reveal("x${B}y") == "xfiley"
    )


@pytest.mark.parametrize(
    "provider, name, want",
    [
        ({"path": "{}/s.json"}, "/a/b~1c/1", "deep"),
        ({"path": "{}/one", "mode": "singleValue"}, "value", "whole"),
        ({"path": "{}/s.json"}, "/nope", None),
        ({"path": "{}/link"}, "/a", None),
        ({"path": "{}/none"}, "/a", None),
    ],
)
def test_file_provider(make, tmp_path, provider, name, want):
    (tmp_path / "s.json").write_text(json.dumps({"a": {"b/c": ["x", "deep"]}}))
    (tmp_path / "one").write_text("whole\n")
    os.symlink(str(tmp_path / "s.json"), str(tmp_path / "link"))
    entry = {"source": "file", **provider, "path": provider["path"].format(tmp_path)}
    host, home = make({"secrets": {"providers": {"f": entry}}})
    secrets = channels.read(host, home).secrets
    ask = {"source": "file", "provider": "f", "id": name}
    if want is None:
        with pytest.raises(CannotTell):
            secrets.reveal(ask)
    else:
        assert secrets.reveal(ask) == want


def program(tmp_path, body, mode=0o700):
    path = tmp_path / "vault"
    path.write_text(
        "#!{}\nimport json,os,sys\nask=json.load(sys.stdin)\n{}\n".format(
            os.path.realpath(sys.executable), body
        )
    )
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "body, mode, want",
    [
        (
            "print(json.dumps({'protocolVersion':1,'values':"
            "{i: i + os.environ['K'] for i in ask['ids']}}))",
            0o700,
            "a/b#cv",
        ),
        (
            "print(json.dumps({'protocolVersion':1,'values':{},'errors':{'a/b#c':"
            "{'code':'NOT_FOUND'}}}))",
            0o700,
            None,
        ),
        ("sys.exit(3)", 0o700, None),
        ("print(json.dumps({'values':{'a/b#c':'x'}}))", 0o722, None),
        (
            "assert 'HIDDEN' not in os.environ; print(json.dumps({'values':{'a/b#c':'clean'}}))",
            0o700,
            "clean",
        ),
    ],
)
def test_exec_provider(make, tmp_path, body, mode, want):
    entry = {
        "source": "exec",
        "command": str(program(tmp_path, body, mode)),
        "env": {"K": "v"},
        "passEnv": ["PATH"],
        "timeoutMs": 20000,
    }
    host, home = make(
        {"secrets": {"providers": {"v": entry}}}, env={"HIDDEN": "1", "PATH": os.environ["PATH"]}
    )
    secrets = channels.read(host, home).secrets
    ask = {"source": "exec", "provider": "v", "id": "a/b#c"}
    if want is None:
        with pytest.raises(CannotTell):
            secrets.reveal(ask)
    else:
        assert secrets.reveal(ask) == want


def test_the_kept_copy_holds_references_not_values(make):
    data = {
        "commands": {"ownerAllowFrom": ["feishu:ou_1"]},
        "env": {"vars": {"FROM_CONFIG": "inline", "OTHER": "unrelated"}},
        "secrets": {"providers": {"f": {"source": "file", "path": "/x"}}},
        "channels": {
            "feishu": {
                "appId": "${FROM_CONFIG}",
                "appSecret": {"source": "file", "provider": "f", "id": "/a"},
                "systemPrompt": "private words",
            },
            "imessage": {"enabled": True},
        },
    }
    host, home = make(data, env={"SECRET_ENV": "never"})
    assert channels.remember(home)
    kept = (home.doctor_dir / "channels.json").read_text()
    assert (
        "private words" not in kept
        and "unrelated" not in kept
        and "imessage" not in kept
        and "inline" in kept
    )
    home.config_path.write_text("{ channels: { feishu: {")
    source = channels.read(host, home)
    ways = channels.ways(source)
    assert source.name.endswith("channels.json") and ids(ways) == ["feishu:app:default:ou_1"]
    assert (
        source.secrets.reveal(ways[0].secrets["appId"]) == "inline"
        and ways[0].secrets["appSecret"]["source"] == "file"
    )
