"""Nothing secret leaves: known values, key names, shapes; what is no secret stays readable."""

from __future__ import annotations

import json
import time

import ai_world
import pytest

from skill.host import Host
from skill.openclaw import known_secrets
from skill.openclaw.home import Home
from skill.redact import Redactor, drop_chat, is_secret_key, public_ip

SHAPES = [
    "sk-ant-api03-aB3dE5fG7hJ9kL1mN3pQ5",
    "sk-proj-1234567890abcdefABCDEF12",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "ghp_1234567890abcdefghijABCDEFGHIJ123456",
    "github_pat_11ABCDEFG0abcdefghijkl_mnop",
    "glpat-abcdefgh12345678ijkl",
    "xoxb-123456789012-abcdefGHIJ",
    "xapp-1-A0123456789-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "LTAI5tAbCdEfGhIjKlMnOp",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwx",
    "ya29.a0AfH6SMBxabcdefghijklmnop",
    "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawK",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "SG.abcdefghijklmnop12.qrstuvwxyzABCDEFGHIJ1234",
    "0123456789abcdef0123456789abcdef",
    "ou_7d8a6e6df7621556ce0d21922b676706",
    "owner@example.org",
    "13812345678",
    "+86 138 1234 5678",
    "138-1234-5678",
    "+1 415 555 2671",
    "11010519900307123X",
    "8.8.4.4",
    "2a00:1450:4001:81b::200e",
    "sk_live_abcdefghijklmnop1234",
    "gsk_abcdefghijklmnopqrst1234567890",
]
IN_CONTEXT = [
    ("token=hunter2hunter", "hunter2hunter"),
    ('"appSecret": "pl@in words"', "pl@in words"),
    ("password: swordfish", "swordfish"),
    ("Cookie: sid=abc123; theme=dark", "abc123"),
    ("Authorization: Bearer opaque-thing", "opaque-thing"),
    ("https://user:pa55@host.example/x", "pa55"),
    ("https://oapi.dingtalk.com/robot/send?access_token=deadbeef&sign=xyz", "deadbeef"),
    ("https://discord.com/api/webhooks/1234567890/AbCdEf-GhIjKl", "AbCdEf-GhIjKl"),
    ("https://open.feishu.cn/open-apis/bot/v2/hook/aaaa-bbbb-cccc", "aaaa-bbbb-cccc"),
    ("https://hooks.slack.com/services/T000/B000/XXXXyyyy", "XXXXyyyy"),
    ("--token s3cr3t", "s3cr3t"),
    (r'{"body":"{\"token\":\"nested-one\"}"}', "nested-one"),
    ("-----BEGIN PRIVATE KEY-----\nMIIabc\ndef\n-----END PRIVATE KEY-----", "MIIabc"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIcut off here", "MIIcut"),
    ("OPENAI_API_KEY=abcd", "abcd"),
    ("x-api-key: opaque", "opaque"),
    ("password='it''s", "it"),
    ('"password":"a\\"b-rest"', "b-rest"),
    ("secret => zzz-top", "zzz-top"),
]
HARMLESS = [
    "gateway.auth.token is missing",
    "max_tokens=4096 total tokens: 12",
    "http://127.0.0.1:18789/healthz answered 200",
    "openclaw 2026.9.6 on node v24.16.0",
    "2026-11-21T13:05:42.677Z [gateway] config invalid at channels.telegram",
    "/home/user/.openclaw/openclaw.json line 12 column 3",
    "pid 12345 memory 723 MB",
    '{"auth":{"mode":"token","token":"${GATEWAY_TOKEN}"}}',
    "reason=token_mismatch code=1008",
    "10.0.0.5 192.168.1.1 172.16.0.9 fe80::1 12:34:56",
    "password: missing",
    "unset-config-key does not apply",
    "set-config-key = gateway.mode",
]


@pytest.mark.parametrize("secret", SHAPES)
def test_a_shape_is_masked_wherever_it_stands(secret):
    for frame in (
        "{}",
        "error near {} in line 3",
        '"x": "{}",',
        "({})",
        "配置{}错误".replace("{}", " {} "),
    ):
        assert secret not in Redactor.shapes_only().clean(frame.replace("{}", secret))


@pytest.mark.parametrize("text,secret", IN_CONTEXT)
def test_a_value_is_masked_by_its_key_or_its_place(text, secret):
    assert secret not in Redactor.shapes_only().clean(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_readable(text):
    assert Redactor.shapes_only().clean(text) == text


def test_placeholders_are_stable_idempotent_and_mapped_back():
    redactor = Redactor(["alpha-secret-1", "beta-secret-22"])
    once = redactor.clean("a=alpha-secret-1 b=beta-secret-22 again alpha-secret-1")
    assert once.count("<SECRET_1>") == 2 and once.count("<SECRET_2>") == 1
    assert redactor.clean(once) == once
    assert redactor.restore(once) == "a=alpha-secret-1 b=beta-secret-22 again alpha-secret-1"


def test_known_values_are_found_in_their_other_forms():
    redactor = Redactor(["p@ss/word?1", 'say "hi" to me'])
    for form in ("p%40ss%2Fword%3F1", "cEBzcy93b3JkPzE", 'say \\"hi\\" to me'):
        assert form not in redactor.clean("x {} y".format(form))


def test_short_values_count_as_whole_words_only():
    assert Redactor(["t0ken"]).clean("at0kenb t0ken") == "at0kenb <SECRET_1>"


def test_every_secret_of_a_gateway_is_known(tmp_path):
    config = dict(ai_world.GOOD)
    config["models"] = {
        "providers": {
            "x": {
                "apiKey": {"source": "env", "provider": "default", "id": "VENDOR"},
                "headers": {"X-Org": "org-plain-header"},
            }
        }
    }
    config["env"] = {"vars": {"SOME_NAME": "Zq81-free-form"}}
    config["secrets"] = {"providers": {"f": {"source": "file", "path": str(tmp_path / "s.json")}}}
    (tmp_path / "s.json").write_text(json.dumps({"deep": {"thing": "file-held-secret"}}))
    ctx = ai_world.context(
        tmp_path, config, env={"VENDOR": "from-the-environment", "MY_TOKEN": "plainword"}
    )
    (tmp_path / ".openclaw" / ".env").write_text(
        "FOO=Bar-from-dotenv-9\nexport DISCORD_WEBHOOK_URL='odd value'\n"
    )
    (tmp_path / ".openclaw" / "openclaw.json.bak").write_text(
        '{"channels": {"slack": {"botToken": "old-backup-token"'
    )
    text = known_secrets.redactor(ctx).clean(
        "Gw-t0ken-Canary-000001 from-the-environment plainword org-plain-header Zq81-free-form "
        "file-held-secret "
        "Bar-from-dotenv-9 |odd value| old-backup-token 55501234"
    )
    assert [word for word in text.replace("|", " ").split() if not word.startswith("<")] == []


def test_a_broken_config_still_gives_away_its_secrets_to_the_redactor(tmp_path):
    ctx = ai_world.context(tmp_path, '{gateway: {auth: {token: "broken-but-secret"}, ')
    assert "broken-but-secret" not in known_secrets.redactor(ctx).clean(
        "log says broken-but-secret"
    )


def test_chat_is_dropped_not_masked():
    for line in (
        '{"text":"my wife said hello"}',
        "[telegram] inbound message from 12: my wife said hello",
        "收到消息:my wife said hello",
        "assistant replied: my wife said hello",
    ):
        out = drop_chat(line)
        assert "wife" not in out and "<SECRET" not in out
    assert drop_chat("[gateway] listening on 18789") == "[gateway] listening on 18789"


def test_key_names():
    assert all(
        is_secret_key(name)
        for name in (
            "token",
            "botToken",
            "api_key",
            "apiKey",
            "clientSecret",
            "OPENAI_API_KEY",
            "password",
            "appSecret",
            "webhookUrl",
        )
    )
    assert not any(
        is_secret_key(name)
        for name in ("maxTokens", "tokens", "mode", "port", "publicKey", "primaryModel", "enabled")
    )


def test_public_addresses():
    assert [
        public_ip(a)
        for a in ("8.8.8.8", "10.1.2.3", "172.20.0.1", "172.32.0.1", "100.64.0.1", "169.254.1.1")
    ] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]


def test_cleaning_grows_with_the_size_only():
    line = (
        "2026-11-21T13:05:42.677Z [gateway] config invalid at channels.telegram "
        "http://127.0.0.1:18789/healthz pid 1234 memory 723 MB\n"
    )
    redactor = Redactor(["secret-number-%d-abc" % i for i in range(300)])

    def seconds(count):
        began = time.perf_counter()
        redactor.clean(line * count)
        return time.perf_counter() - began

    seconds(100)
    small, large = min(seconds(200) for _ in range(3)), min(seconds(800) for _ in range(3))
    assert large < 12 * small  # four times the text: a quadratic pattern would need sixteen times


HOSTILE = [
    "a" * 50_000,
    "token=" * 8_000,
    '"' * 20_000,
    "1." * 20_000,
    ":" * 20_000,
    "-----BEGIN A-----" * 2_000,
    "x" * 30 + "." * 20_000,
    "%s@" % ("a" * 20_000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_does_not_hang_it(text):
    began = time.perf_counter()
    Redactor.shapes_only().clean(drop_chat(text))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "hostile", ["known-12-x ", "recovery phrase is ", "token aB1cD2eF3 ", "密码 "]
)
def test_i10_hostile_text_costs_about_what_a_plain_log_does(hostile):
    """A log may repeat what 300 known values begin with, or the words before a secret."""
    size = 512 << 10
    plain = "2026-11-21T13:05:42.677Z [gateway] config valid, memory 723 MB, 5 plugins\n"

    def cost(unit):
        text, spent = (unit * (size // len(unit) + 1))[:size], []
        for _ in range(3):
            redactor = Redactor(["known-%d-value" % number for number in range(300)])
            began = time.process_time()
            redactor.clean(text)
            spent.append(time.process_time() - began)
        return min(spent)

    assert cost(hostile) < 6 * cost(plain)


BARE = (
    "braveCanaryR",
    "nickCanaryH9",
    "remCanaryZ",
    "connCanaryK",
    "dburlCanary7",
    "my dog CanaryV",
    "MIIcanary4zzAAAAAAAAAAAAAAAA",
    "p5x",
    "w",
    "queryCanary1",
    "kQ7xZ2mW9pL4vB8",
)


def test_v31_what_stands_in_config_env_or_environment_is_masked_where_it_turns_up_bare(tmp_path):
    """Whatever its key is called, and whatever it was a part of."""
    from skill.openclaw.known_secrets import values

    state = tmp_path / "s"
    state.mkdir()
    config = {
        "agents": {"list": [{"tools": {"web": {"search": {"braveKey": BARE[0]}}}}]},
        "channels": {"irc": {"nickserv": {"identify": BARE[1]}}},
        "gateway": {"remote": {"url": "wss://r.example?auth=" + BARE[2]}},
        "mcp": {"servers": {"s": {"args": ["--c", "Server=db;Uid=sa;Pwd=" + BARE[3]]}}},
        "nodes": {"remote": {"passphraseHint": BARE[5]}},
        "x": {"feed": "https://f.example/a?token=" + BARE[9], "any": BARE[10]},
    }
    (state / "openclaw.json").write_text(json.dumps(config))
    key = "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----".format(BARE[6])
    (state / ".env").write_text('MULTI="{}"\nSHORTPW={}\n'.format(key, BARE[7]))
    host = Host(env={"HOME": str(tmp_path), "DATABASE_URL": "mysql://u:" + BARE[4] + "@h/d"})
    found = values(host, Home(state, state / "openclaw.json"))
    clean = Redactor(found).clean
    leaks = [one for one in BARE if len(one) > 2 and one in clean("refused {} now".format(one))]
    assert leaks == []
    plain = "the gateway on loopback port 18789 is ready; openai/gpt-6 in agents.list"
    assert clean(plain) == plain


def test_attack_a9_what_follows_a_mask_is_no_secret() -> None:
    """<SECRET_1> was read as a key: a difference that is shown for a yes lost its next lines."""
    config = {"auth": {"mode": "token", "token": "t0k"}, "bogusKey": 1, "botToken": "t0k"}
    text = json.dumps(config, indent=1)
    shown = Redactor(["t0k"]).clean(text)
    assert shown == text.replace("t0k", "<SECRET_1>")
    said = Redactor(["t0k"]).clean('t0k: "hunter2hunter2", password: "hunter3hunter3"')
    assert "hunter3" not in said
