"""Canaries of our own making: what stands in logs, configs, findings and chats and must not leave.

LOG, EVIDENCE: (kind, line, what must not be recognisable). KNOWN: values that a config holds, and the forms in
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

# Written later than the patterns, by kinds that nobody had thought of (34 and 28 of these were
# recognisable when they were first tried).
LATER: List[Tuple[str, str, str]] = [
    ("bearer lower", "authorization: bearer opq.lowr.bear77", "opq.lowr"),
    ("proxy-auth", "Proxy-Authorization: Basic cHJveHk6cHcxMjM0NTY=", "cHJveHk6cHcxMjM0"),
    ("set-cookie", "Set-Cookie: __Host-id=crumbVal88; Path=/", "crumbVal88"),
    ("npmrc", "//registry.npmjs.org/:_authToken=npm-opaque-9zz", "npm-opaque-9zz"),
    ("npmrc pw", "//reg.example/:_password=bnBtcHc5OQ==", "bnBtcHc5OQ"),
    ("netrc", "machine api.example.com login bob password netrcPw11", "netrcPw11"),
    ("pgpass", "db.example:5432:shop:app:pgpassVal77", "pgpassVal77"),
    ("git cred", "https://x-access-token:ghsOpaque5521@github.com/a/b.git", "ghsOpaque5521"),
    (
        "slack hook",
        "https://hooks.slack.com/services/T01ABCDEF/B02ABCDEF/abcdEFGHijklMNOP",
        "abcdEFGHijklMNOP",
    ),
    (
        "discord hook",
        "https://discord.com/api/webhooks/1122334455667788/aBcD-eFgH_iJkLmN",
        "aBcD-eFgH",
    ),
    ("tg url", "https://api.telegram.org/bot123456:AAEshortTok/getMe 401", "AAEshortTok"),
    ("tg file url", "GET /file/bot123456789:AAFileTok_en-x/photo.jpg", "AAFileTok"),
    ("aws akid", "AKIAIOSFODNN7EXAMPLE denied", "AKIAIOSFODNN7EXAMPLE"),
    ("gcp key", "AIzaSyA-1234567890abcdefghijklmnopqrstu", "AIzaSyA-1234567890"),
    ("gh pat", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F"),
    ("gh fine", "github_pat_11ABCDEFG0abcdefghijkl_mnop", "github_pat_11ABCDEFG0"),
    ("gitlab", "glpat-xYz12345678901234567", "glpat-xYz1234"),
    ("hf", "hf_abcdefghijklmnopqrstuvwxyzABCD", "hf_abcdefghij"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIiOiIxIn0"),
    ("stripe", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    (
        "sendgrid",
        "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",
        "ngeVfQFYQlKU",
    ),
    ("twilio sid", "AC0123456789abcdef0123456789abcdef unauthorized", "0123456789abcdef0123"),
    ("age key", "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", "QQPZRY9X8GF2"),
    ("ssh pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfxx user@laptop", "AAAAC3NzaC1lZDI1"),
    ("ssh fp", "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDYf7nJ3mXW2Q0cXkA", "uNiVztksCsDh"),
    ("mysql long", "mysql --password='quoted My Pw' -u x", "quoted My"),
    ("openssl pass", "openssl enc -pass pass:osslPw42 -in x", "osslPw42"),
    ("wget", "wget --http-password=wgetPw31 http://h/", "wgetPw31"),
    ("http -a", "http -a bob:httpiePw9 GET host/x", "httpiePw9"),
    ("docker -p", "docker login -u bob -p dockPw55 reg.example", "dockPw55"),
    ("env export", "export TELEGRAM_BOT=plainbotvalue88 STRIPE_API=zz99plain", "zz99plain"),
    ("env secret suffix", "OPENAI_KEY=plainopenaiword rejected", "plainopenaiword"),
    ("env creds", "SERVICE_CREDENTIALS=bob/credPw71", "credPw71"),
    (
        "env conn",
        "AzureWebJobsStorage=DefaultEndpointsProtocol=https;AccountName=a;AccountKey=azKey77==",
        "azKey77",
    ),
    ("sas", "https://a.blob.core.windows.net/c?sv=2020&sig=sasSig%2Babc&se=1", "sasSig"),
    ("odbc", "Driver=x;Server=db;Uid=sa;Pwd=odbcPw19;", "odbcPw19"),
    ("amqp", "amqps://guest:rabbitPw3@mq:5671/vh", "rabbitPw3"),
    ("mongodb", "mongodb+srv://u:mong0Pw@c0.example.net/db", "mong0Pw"),
    ("ldap", "bind dn cn=admin,dc=x password 'ldapPw 22'", "ldapPw 22"),
    ("xml", "<password>xmlPw77</password>", "xmlPw77"),
    ("xml attr", '<add key="ApiSecret" value="xmlAttrPw8"/>', "xmlAttrPw8"),
    ("html meta", 'name="csrf-token" content="csrfTok991"', "csrfTok991"),
    ("js obj", "{ apiKey: `tickKey44`, port: 1 }", "tickKey44"),
    ("py repr", "Config(token='pyReprTok5', port=1)", "pyReprTok5"),
    ("ruby hash", ':secret=>"rubyHash77"', "rubyHash77"),
    ("go struct", "{Token:goStructTok Port:8080}", "goStructTok"),
    ("toml", 'api_token = "tomlTok88"', "tomlTok88"),
    ("ini", "[db]\npasswd = iniPw 33", "iniPw"),
    (
        "multi yaml",
        "private_key: |\n  bXlzZWNyZXRsaW5lMQ\n  bXlzZWNyZXRsaW5lMg",
        "bXlzZWNyZXRsaW5lMQ",
    ),
    ("zh api", "接口密钥为：zhApiKey31", "zhApiKey31"),
    ("zh appsecret", "应用凭证 AppSecret：zhAppSec8x", "zhAppSec8x"),
    ("zh pairing", "配对码：PAIR-7731-XY", "PAIR-7731"),
    ("zh phone", "联系电话 0755-26881234", "26881234"),
    ("zh id", "身份证 11010519491231002X 校验失败", "11010519491231002X"),
    ("zh passport", "护照号 E12345678", "E12345678"),
    ("zh addr", "收件地址：广东省深圳市南山区科技园路1号张三", "科技园路1号"),
    ("e164", "to +8613912345678 failed", "13912345678"),
    ("wa jid", "8613912345678@s.whatsapp.net logged out", "13912345678"),
    ("wxid", "message to wxid_abc123def456 failed", "wxid_abc123def456"),
    ("feishu open id", "ou_7d8a6e6df7621556ce0d21922b676706 not found", "7d8a6e6df762"),
    ("tg chat id", "chat -1001234567890 not found", "1001234567890"),
    ("discord id", "user 112233445566778899 has no DM", "112233445566778899"),
    ("slack user", "channel_not_found U0G9QF9C6", "U0G9QF9C6"),
    ("ipv6", "peer 2a01:4f8:c17:b8f::2 reset", "2a01:4f8:c17"),
    ("mac", "device aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd"),
    ("btc", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "bc1qar0srrr7"),
    (
        "eth priv",
        "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
        "4c0883a69102",
    ),
    ("qr", "QR: 2@Abc+def/ghi==,xyZ,123", "Abc+def/ghi"),
    ("pairing code en", "pairing code K7QX-22PM expired", "K7QX-22PM"),
    ("setup code", "setup-code: eyJ1cmwiOiJ3czovL3gifQ", "eyJ1cmwiOiJ3czov"),
    ("percent json", "body=%7B%22token%22%3A%22pctTok77%22%7D", "pctTok77"),
    ("html esc", "{&quot;token&quot;:&quot;htmlTok66&quot;}", "htmlTok66"),
    ("unicode esc", "\\u0074oken: uniEscTok5", "uniEscTok5"),
    ("fullwidth", "ｔｏｋｅｎ：fwTok991x", "fwTok991x"),
    ("key then newline", "token:\n  nextLineTok12", "nextLineTok12"),
    ("is", "the password is isPw7781", "isPw7781"),
    ("was", "token was wasTok7781", "wasTok7781"),
    ("got expected", "expected token expTok771 but got gotTok881", "gotTok881"),
    ("parens", "bad token (parTok7712)", "parTok7712"),
    ("angle", "secret <angSec7712> rejected", "angSec7712"),
    ("hash", "Authorization: Token hashTok9", "hashTok9"),
    ("x-goog", "x-goog-api-key: googPlainK", "googPlainK"),
    ("sig hdr", "X-Signature: sha256=abcdef0123456789abcdef0123456789", "abcdef0123456789"),
    ("nonce", "X-Lark-Signature=larkSigVal9", "larkSigVal9"),
    ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=dd77aa", "dd77aa"),
    ("wecom corp", "corpsecret=wcSec-plain", "wcSec-plain"),
    ("encodingAESKey", "encodingAESKey: aesKeyPlainWord", "aesKeyPlainWord"),
    ("verification token", "verificationToken: verTokPlain", "verTokPlain"),
    ("signing", "signingSecret plainSigningWord", "plainSigningWord"),
    ("encryptKey", "encryptKey=encPlainK", "encPlainK"),
    ("totp", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP", "JBSWY3DPEHPK3PXP"),
    ("mailto", "mailto:bob%40example.com", "bob%40example"),
    ("k8s secret", "data:\n  password: c2VjcmV0cHc=", "c2VjcmV0cHc"),
    ("dotenv cmt", "# old key: oldKeyPlain22", "oldKeyPlain22"),
    (
        "openai",
        "401 Incorrect API key provided: plain-inc-key. You can find your API key at",
        "plain-inc-key",
    ),
    ("anthropic", "authentication_error: invalid x-api-key anthPlain77", "anthPlain77"),
    ("gemini", "API key not valid. key=AIzaShort12", "AIzaShort12"),
    (
        "discord",
        "TOKEN_INVALID: MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "Cl2FMQ",
    ),
    ("log kv", "level=error msg=x api_key=kvPlain9 host=h", "kvPlain9"),
    ("log pairs", "[auth] user=bob pass=kvPass9", "kvPass9"),
    ("pino", '{"level":50,"headers":{"authorization":"plainAuthHdr"},"msg":"x"}', "plainAuthHdr"),
    ("node inspect", "headers: { authorization: 'Bearer inspPlainTok' }", "inspPlainTok"),
    ("axios", "config: { auth: { username: 'svc', password: 'axPw77' } }", "axPw77"),
    ("undici", "Request-Line: GET /v1?api-key=undPlain", "undPlain"),
    ("env dump", "env: { FOO_TOKEN: 'envDump1', X: '1' }", "envDump1"),
    ("ps", "node gw.js --gateway-token=psTok881x --port 1", "psTok881x"),
    ("ps2", "openclaw gateway run --password psPw88", "psPw88"),
    ("ws", "ws://127.0.0.1:18789/?token=wsLoc77x", "wsLoc77x"),
    ("dash url", "Dashboard URL: http://127.0.0.1:18789/#token=dashTok991", "dashTok991"),
    ("dash url2", "open http://127.0.0.1:18789/chat?session=main&token=dashTok992", "dashTok992"),
    ("deep link", "openclaw://pair?code=PAIRdeep77", "PAIRdeep77"),
    ("zh mix", "登录失败：用户名 bob 密码 错误，当前密码：zhCur77", "zhCur77"),
    ("zh tok", "机器人令牌为 zhBotTok88", "zhBotTok88"),
    ("zh key paren", "API密钥（zhParKey77）无效", "zhParKey77"),
    ("zh acct", "账号：zhangsan2020 密码：zsPw2020", "zsPw2020"),
    ("zh secret", "应用密钥 zhAppKey9x 已过期", "zhAppKey9x"),
    (
        "zh hook",
        "Webhook地址：https://oapi.dingtalk.com/robot/send?access_token=zhDing77",
        "zhDing77",
    ),
    ("zh sign", "加签密钥 SECabcdef0123 错误", "SECabcdef0123"),
    ("dingtalk sec", "SEC0123456789abcdef0123456789abcdef0123456789abcdef", "0123456789abcdef0123"),
    ("b64 json", "payload eyJ0b2tlbiI6ImFiY2RlZiJ9 refused", "eyJ0b2tlbiI6ImFiY2RlZiJ9"),
    ("mysql uri", "Access denied: mysql://root:ro0tPw@127.0.0.1/x", "ro0tPw"),
    ("sqlite key", "PRAGMA key = 'sqKey77'", "sqKey77"),
    ("ssh key path pass", "Enter passphrase for key: ppPhrase 77 x", "ppPhrase"),
    ("vault", "X-Vault-Token: hvs.CAESIabc", "hvs.CAESI"),
    ("vault2", "VAULT_TOKEN=s.plainVault", "s.plainVault"),
    ("netlify", "nfp_aBcDeFgHiJkLmNoPqRsTuVwXyZ01", "aBcDeFgHiJk"),
    ("matrix", "access_token=syt_Ym9i_abcDEFghi_1x", "syt_Ym9i"),
    ("line", "channelAccessToken lineTok/77+x=", "lineTok/77"),
    ("qq", "qq 号 12345678 登录过期", "12345678"),
    ("wechat pay", "商户号 1900000109", "1900000109"),
    ("birthday", "生日 1990-01-01", "1990-01-01"),
]
# What only the evidence for an AI leaves out: the owner sees their own folders and tasks.
EVIDENCE: List[Tuple[str, str, str]] = [
    ("home path", "ENOENT /home/zhangsan/.openclaw/x.json", "zhangsan"),
    ("mac path", "EACCES /Users/alice.smith/.openclaw", "alice.smith"),
    ("win path", "EPERM C:\\Users\\王芳\\.openclaw\\x", "王芳"),
    ("hostname", "connect to nas-of-alice.local refused", "nas-of-alice"),
    ("tailnet", "https://my-box.tail1234.ts.net/", "tail1234"),
    ("chat7", 'Error sending text "CHATCANARY57" to chat', "CHATCANARY"),
    ("chat11", "title='CHATCANARY61 my divorce' session failed", "CHATCANARY"),
    ("chat13", 'memory write failed: "CHATCANARY63 her diagnosis"', "CHATCANARY"),
    ("chat15", "agent run failed for task 'CHATCANARY65 email boss'", "CHATCANARY"),
    ("chat16", 'cron job "CHATCANARY66 call mum" failed', "CHATCANARY"),
    ("chat22", "unable to parse command '/remind CHATCANARY72'", "CHATCANARY"),
]
LOG += LATER

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
    "[feishu] p2p text from ou_x: CHATCANARY51 明天",
    'inboundMessage: "CHATCANARY52 hello"',
    "lastUserMessage=CHATCANARY53 is here",
    '{"role":"user","content":[{"type":"text","text":"CHATCANARY54"}]}',
    'error: failed to reply to "CHATCANARY55 please call"',
    "群聊「家庭群」里 小红 说 CHATCANARY58",
    "用户输入：CHATCANARY59",
    "summary: CHATCANARY62 the user wants",
    "reminder: CHATCANARY67",
    "voice transcript (12s): CHATCANARY68 hi",
    "reply text=CHATCANARY69 blah",
    "提醒内容：CHATCANARY70",
    "invalid message body: CHATCANARY71",
    "Alice (telegram): CHATCANARY73",
    "<alice> CHATCANARY74",
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
COUNT = len(LOG) + len(EVIDENCE) + len(KNOWN) + len(CHAT) + 33
