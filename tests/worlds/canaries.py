"""Canaries of our own making: what stands in logs, configs, findings and chats and must not leave.

LOG: (kind, line, what must not be recognisable). KNOWN: values that a config holds, and the forms in
which they turn up in a log. CHAT: lines with what somebody wrote. CONFIG: a whole openclaw.json.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, List, Tuple
from urllib.parse import quote

W = "\uff1a"  # the full-width colon

LOG: List[Tuple[str, str, str]] = [
    # keys in English, with every separator
    ("key=", "connect failed: token=kEyed0nly77zz", "kEyed0nly77zz"),
    ("key: ", "upstream said password: swordfishXI", "swordfishXI"),
    ("json", '{"accessToken":"plainword-in-json","code":401}', "plainword-in-json"),
    ("json twice", 'body "{\\"client_secret\\":\\"nested-cs-pl\\"}"', "nested-cs-pl"),
    ("yaml", "  appSecret: yaml-held-secret", "yaml-held-secret"),
    ("tab", "token\ttabTok55219", "tabTok55219"),
    ("tab compound", "client_secret\tplaintabvalue", "plaintabvalue"),
    ("blank compound", "appSecret plainblankvalue rejected", "plainblankvalue"),
    ("blank pwd", "pwd Xy12blank rejected", "Xy12blank"),
    ("arrow", "secret => zz-arrow-top", "zz-arrow-top"),
    ("walrus", "passwd := walrusPw", "walrusPw"),
    ("suffix", "backup_pw=nightlyPw", "nightlyPw"),
    ("numbered", "password2=secondPw", "secondPw"),
    ("pat", "using pat=ghOpaquePat551", "ghOpaquePat551"),
    ("pin", "device pin: 482913", "482913"),
    ("otp", "otpSeed=orange-seed-word", "orange-seed-word"),
    ("passcode", "passcode=openSesame", "openSesame"),
    ("sid", "sid=abcSESSdef", "abcSESSdef"),
    ("jsessionid", "GET /x;jsessionid=9F2C77AB1DQQ", "9F2C77AB1DQQ"),
    ("JSESSIONID", "JSESSIONID=9F2C88AB1DQQ expired", "9F2C88AB1DQQ"),
    ("cookie", "Cookie: theme=dark; app_sid=cookieVal", "cookieVal"),
    ("x-api-key", "x-api-key: xkeyplain", "xkeyplain"),
    ("x-api-key header list", "headers {'x-api-key': 'xkeyquoted'}", "xkeyquoted"),
    ("authorization", "Authorization: Digest username=bob", "username=bob"),
    ("digest", 'response="6629fae49393a05397450978507c4ef1"', "6629fae49393a05397450978507c4ef1"),
    ("docker auth", '"auths":{"r.example":{"auth":"ZG9ja2VyOnB3"}}', "ZG9ja2VyOnB3"),
    ("license", "licenseKey=LIC-AAAA-BBBB", "LIC-AAAA-BBBB"),
    ("webhook key", "webhookUrl: wss-in-house-address", "wss-in-house-address"),
    ("recovery phrase", "recovery phrase: legal winner thank year wave", "winner thank year"),
    ("mnemonic", "mnemonic=abandon ability able about", "ability able about"),
    # keys in Chinese
    ("zh colon", "密码:zhPw5518x", "zhPw5518x"),
    ("zh wide colon", "口令" + W + "zhKl7719", "zhKl7719"),
    ("zh blank", "密码 wifiPw8831zh", "wifiPw8831zh"),
    ("zh code", "验证码 839201", "839201"),
    ("zh is", "新的密钥是zhKeyAbc", "zhKeyAbc"),
    ("zh equals", "访问令牌=zhTokenDef", "zhTokenDef"),
    ("zh quoted", "授权码 '授权zhGrant12'", "zhGrant12"),
    # programs
    ("curl -u", "ran curl -u admin:Sup3rCurlPw https://10.0.0.9/x", "Sup3rCurlPw"),
    ("curl --user", "curl --user bob:hunter2Curl http://host/", "hunter2Curl"),
    ("mysql -p", "mysql -h db -u root -pMyS3qlPw1 shop", "MyS3qlPw1"),
    ("sshpass", "sshpass -p sshPassW0rd ssh host", "sshPassW0rd"),
    ("redis AUTH", "sent AUTH redisPw991 to 10.0.0.3", "redisPw991"),
    ("redis-cli", "redis-cli -h x -a cliPw772 ping", "cliPw772"),
    ("flag", "started with --token flagtokenvalue", "flagtokenvalue"),
    ("flag =", "--db-password=flagpw", "flagpw"),
    ("flag list", 'spawn ["--pat","listOpaquePat"]', "listOpaquePat"),
    ("PGPASSWORD", "PGPASSWORD=pgpw psql", "pgpw psql"),
    # addresses
    ("url user", "proxy http://user:pa55word@proxy.example:8080 refused", "pa55word"),
    ("url path", "GET https://llm.example.com/k/pathOpaque9931aa/v1 502", "pathOpaque9931aa"),
    ("url words path", "POST https://hooks.example.com/in/quietgarden 500", "quietgarden"),
    ("url query", "https://qyapi.example.com/send?key=wecom-77-88-99", "wecom-77-88-99"),
    ("local path", "http://127.0.0.1:8080/k/localOpaque77aa/v1", "localOpaque77aa"),
    ("bare query", "retry /cgi-bin/send?key=barequery99&x=1", "barequery99"),
    ("dsn", "postgres://app:dbPw77@db:5432/app failed", "dbPw77"),
    ("jdbc", "jdbc:mysql://db/app?user=a&password=jdbcPw88", "jdbcPw88"),
    ("websocket", "wss://gw.example/ws?token=wsTok12", "wsTok12"),
    # shapes
    ("uuid session", "session 6f1c2a34-9b1d-4c22-8a55-0d1f2e3a4b5c closed", "6f1c2a34-9b1d-4c22"),
    ("base62", "got Zx81kPq0Rt6yLm2v from the vault", "Zx81kPq0Rt6yLm2v"),
    ("base32", "seed JBSWY3DPEHPK3PXP accepted", "JBSWY3DPEHPK3PXP"),
    ("aws secret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "bPxRfiCYEXAMPLEKEY"),
    ("base36", "id a8f3k29dj38fk20dkf93 unknown", "a8f3k29dj38fk20dkf93"),
    ("card", "card 4111 1111 1111 1111 declined", "4111 1111 1111 1111"),
    ("cn card", "paid with 6222021234567890128", "6222021234567890128"),
    ("us phone", "call 415-555-2672 back", "415-555-2672"),
    ("cn phone", "手机 13912345678 未注册", "13912345678"),
    ("ssn", "ssn 078-05-1120 on file", "078-05-1120"),
    ("iban", "DE89 3704 0044 0532 0130 00 refused", "3704 0044 0532"),
    (
        "pem",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\n-----END EC PRIVATE KEY-----",
        "MHcCAQEEIabc",
    ),
    ("e-mail", "mail to first.last@example.org bounced", "first.last@example"),
    ("public ip", "refused by 203.0.113.9", "203.0.113.9"),
    ("bot token", "bot 987654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawQ", "AAHdqTcvCH1vGWJx"),
    # a value that is masked by its key stands bare in another line
    (
        "remembered",
        "login token=rememberedOnce\nlater: sent rememberedOnce again",
        "rememberedOnce",
    ),
]

SECRET = "correct-horse/battery staple?9"
GATEWAY = "Gw-t0ken-Canary-000001"  # the token of ai_world.GOOD
KNOWN: List[Tuple[str, str]] = [
    ("as it is", SECRET),
    ("upper case", SECRET.upper()),
    ("wrapped", SECRET[:12] + "\n    " + SECRET[12:]),
    ("wrapped with a backslash", SECRET[:9] + "\\\n" + SECRET[9:]),
    ("wrapped behind a bar", SECRET[:15] + "\n | " + SECRET[15:]),
    ("truncated", "got " + SECRET[:15] + "..."),
    ("truncated, one character", "got " + SECRET[:16] + "\u2026"),
    ("half of it", "prefix " + SECRET[:20] + " end"),
    ("its end", "..." + SECRET[-12:]),
    ("url", quote(SECRET, safe="")),
    ("url twice", quote(quote(SECRET, safe=""), safe="")),
    ("json", json.dumps('a"' + SECRET)),
    ("json twice", json.dumps(json.dumps({"x": SECRET}))),
    ("base64", base64.b64encode(SECRET.encode()).decode()),
    ("base64 of user:secret", base64.b64encode(("user:" + SECRET).encode()).decode()),
    ("base64 of bob:secret\\n", base64.b64encode(("bob:" + SECRET + "\n").encode()).decode()),
    ("base64url", base64.urlsafe_b64encode(("x" + SECRET).encode()).decode()),
    ("hex", SECRET.encode().hex()),
    ("HEX", SECRET.encode().hex().upper()),
    ("in a word", "pre" + GATEWAY + "post"),
    ("colours", SECRET[:7] + "\x1b[31m" + SECRET[7:]),
    ("invisible", SECRET[:7] + "\u200b\U000e0041\u00ad" + SECRET[7:]),
]

CHAT: List[str] = [
    "<- Alice: my salary CHATCANARY01 is late",
    "-> Bob: meet me CHATCANARY02",
    "收到 张三 的消息: 银行卡密码是 CHATCANARY03",
    '[agent] processing "please wire CHATCANARY04 to my brother"',
    "[telegram] Alice Smith: CHATCANARY05 tonight?",
    '[discord] inbound message from 12: "CHATCANARY06"',
    "assistant replied: CHATCANARY07",
    "user said CHATCANARY08 hello",
    '{"text":"CHATCANARY09 and more"}',
    "{'body': 'CHATCANARY10'}",
    'messagePreview="CHATCANARY11 ..."',
    "[feishu] 李四" + W + " CHATCANARY12 明天见",
    "用户消息: CHATCANARY13",
    "王五说" + W + "CHATCANARY14",
    "回复给 小明: CHATCANARY15",
    'dispatching to main: "CHATCANARY16 is private"',
    "[whatsapp] → +mom: CHATCANARY17",
    "sender wrote CHATCANARY18",
    'transcript: "CHATCANARY19"',
    'queued "CHATCANARY20 for later"',
    "[slack] @kate (U12): CHATCANARY21 again",
    "delivered message CHATCANARY22 to group",
    '\\"prompt\\": \\"CHATCANARY23 story\\"',
    "[matrix] @ann:home.example: CHATCANARY24",
]


def config(good: Dict[str, Any]) -> Dict[str, Any]:
    """A config with a canary at every place that is not for others."""
    made = json.loads(json.dumps(good))
    made["channels"]["discord"] = {
        "token": "discordPlainCanary",
        "proxy": "http://pxuser:pxCANARYpw@10.0.0.1:3128",
        "accounts": {"13987654321": {"enabled": True}},
    }
    made["channels"]["feishu"] = {"appId": "cli_a1CANARY", "appSecret": "feishuCANARYsecret"}
    made["plugins"] = {
        "entries": {
            "crm": {
                "enabled": True,
                "config": {
                    "pat": "crmCANARYpat",
                    "auth": "svcuser:authCANARYpw",
                    "pin": "48CANARY29",
                    "license": "licCANARYense",
                    "otpSeed": "otpCANARYseed",
                    "accessCode": "codeCANARY",
                    "quietName": "harmlessCANARYlooking",
                    "deep": [{"x": ["arrayCANARY"]}],
                },
            }
        }
    }
    made["mcp"] = {
        "servers": {
            "gh": {
                "command": "npx",
                "args": ["--pat", "argCANARYpat", "-c", "curl -u bob:argCANARYcurl x"],
                "env": {"INNOCENT": "mcpenvCANARY"},
                "headers": {"X-Org": "mcpheadCANARY"},
                "url": "https://mcp.example/in/mcpurlCANARY",
            }
        }
    }
    made["hooks"] = {
        "enabled": False,
        "path": "/hookCANARYpath",
        "token": "hookCANARYtoken",
        "mappings": [{"url": "https://hooks.example.com/in/hkCANARYpath"}],
    }
    made["models"] = {
        "providers": {
            "c": {
                "baseUrl": "https://proxy.example/k/pathCANARY31aa/v1",
                "apiKey": "modelCANARYkey",
                "headers": {"X-Team": "teamCANARY"},
            }
        }
    }
    made["env"] = {"vars": {"PLAIN_NAME": "envCANARYvalue"}}
    made["agents"]["list"] = [
        {"id": "main", "systemPrompt": "You are CANARYpersona", "name": "CANARYname of hers"}
    ]
    made["messages"] = {"greeting": "hello CANARYgreeting"}
    made["cron"] = {"jobs": [{"message": "CANARYcronmessage", "schedule": "0 7 * * *"}]}
    made["skills"] = {"entries": {"x": {"apiKey": "skillCANARY", "env": {"A": "skillenvCANARY"}}}}
    made["tls"] = {"keyPath": "/home/CANARYuser/key.pem"}
    made["unknownSection"] = {"free": "CANARYfree text", "number": 13800138000}
    made["agentz"] = "CANARYvalue of a wrong key"
    return made


CONFIG_MARK = "CANARY"
COUNT = len(LOG) + len(KNOWN) + len(CHAT) + 33
