"""What a secret looks like: the words of keys that hold one, and shapes of values.

No state and no gateway here. Linear in the text: every pattern starts at a word's beginning and has
bounded repetitions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Callable, Dict, FrozenSet, Tuple


class Lazy:
    """A pattern that is compiled when it is first used: importing this module must cost nothing
    (the patterns take 30 ms).
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._pattern)
        for method in ("sub", "search", "fullmatch", "match", "finditer", "findall", "split"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


# -- keys ------------------------------------------------------------------------------------------
_WORD = Lazy(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    "token secret password passwd passwort pwd pw passphrase passcode passkey credential "
    "credentials "
    "cookie cookies authorization apikey accesskey privatekey appkey secretkey webhook dsn "
    "bearer sign "
    "signature otp totp pat pin cvv cvc jwt mnemonic jsessionid phpsessid sessionid sid ssn iban "
    "appsecret clientsecret bottoken accesstoken refreshtoken authkey license userpass "
    "qr pass".split()
)
# The last word alone says little; with the word before it, it does.
_SECRET_PAIRS: Dict[str, FrozenSet[str]] = {
    "key": frozenset(
        "api access private signing encrypt encryption app secret session license client account "
        "auth "
        "recovery master webhook storage service admin deploy ssh host shared pre aes rsa hmac "
        "crypto verify".split()
    ),
    "code": frozenset(
        "access auth verification verify security recovery invite pairing pass pin sms otp "
        "login setup device activation".split()
    ),
    "string": frozenset(("connection",)),
    "url": frozenset(("webhook", "database", "redis", "connection")),
    "seed": frozenset("otp totp wallet secret".split()),
    "phrase": frozenset("pass seed recovery".split()),
    "id": frozenset(
        "session chat user open union sender group peer member guild conversation".split()
    ),
    "pass": frozenset("db user smtp mail admin ftp proxy http login my".split()),
    "number": frozenset("card account phone bank".split()),
    "auth": frozenset("basic http proxy user docker".split()),
}
# A name in one case: corpsecret, dbpassword.
_ENDINGS = ("secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey")
_NO_ENDING = frozenset(("nopassword", "nosecret"))
# What may follow the word that matters: secretValue, password2, tokenHash.
_AFTER = frozenset("value hash plain text raw old new current previous base64 hex env v".split())
_NOT_KEYS = frozenset(
    "public primary foreign sort cache config unrecognized unknown lookup".split()
)
_COUNTED = frozenset(
    "max num total input output prompt completion count limit budget context".split()
)
CHINESE_KEY = Lazy(
    r"(?:密码|口令|密钥|秘钥|密匙|令牌|验证码|校验码|授权码|访问码|动态码|凭证|凭据|助记词|卡号|账号密码|身份证号?"
    r"|手机号码?|pin码|PIN码|配对码|邀请码|激活码|恢复码|安全码|绑定码|设备码|私钥|护照号?码?|住址|(?:收件|家庭|详细)地址"
    r"|收件人|联系人|真实姓名|微信号|[Qq][Qq] ?号码?|商户号|生日|出生日期)"
)


@lru_cache(maxsize=8192)
def is_secret_key(name: str) -> bool:
    """Given the last part of a config key or a variable's name, say whether its value is a
    secret.
    """
    if CHINESE_KEY.search(name):
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    while words and (words[-1].isdigit() or (len(words) > 1 and words[-1] in _AFTER)):
        words.pop()
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "token" and before in _COUNTED:
        return False
    if last == "key" and before:
        # API_KEY, x_foo_key: with an underscore or a dash any key but a few is one
        return before in _SECRET_PAIRS["key"] or (
            before not in _NOT_KEYS and bool(re.search(r"[_-](?i:key)", name))
        )
    if last in _SECRET_WORDS or any(before + last == word for word in _SECRET_WORDS):
        return True
    if last.endswith(_ENDINGS) and last not in _NO_ENDING:
        return True
    if last in ("auth",):
        return before != "" and before in _SECRET_PAIRS["auth"] or name.lower() in ("auth", "_auth")
    if before == "secret" and len(words) == 2:
        return last not in ("ref", "refs", "provider", "providers", "source", "store", "mode")
    return before in _SECRET_PAIRS.get(last, ())


# -- values ----------------------------------------------------------------------------------------
# Words that stand where a secret would, and are none.
PLAIN = frozenset(
    "true false null none undefined missing required invalid is not was has the a an and or for "
    "in of to "
    "with unset empty set expired rejected mismatch unauthorized denied failed error token "
    "password "
    "secret key auth local default redacted hidden unknown string object env file exec store ok "
    "yes no "
    "openclaw gateway loopback lan production development test localhost disabled enabled plan "
    "hands "
    "bearer basic digest absent configured available trusted-proxy tailnet mode wrong incorrect "
    "authentication refresh verification validation provided given found bot telegram discord "
    "feishu "
    "slack dingtalk wecom channel channels plugin plugins config model models agents".split()
)


def opaque(word: str) -> bool:
    """Does this run of letters and digits look drawn by lot? Its classes change too often for a
    name, a version or a date.
    """
    digits = sum(c.isdigit() for c in word)
    upper = sum(c.isupper() for c in word)
    letters = sum(c.isalpha() for c in word)
    if digits < 2 or letters < 2:
        return len(word) >= 40 and upper > 3 and letters - upper > 3 and _changes(word) > 0.35
    if len(word) >= 32 and not word.strip("0123456789abcdefABCDEF"):
        return True
    if not letters - upper and len(word) >= 16 and re.match(r"^[A-Z2-7]+$", word):
        return True  # base32: the seed of one-time passwords
    return _changes(word) >= 0.3 or (len(word) >= 24 and digits > 3 and upper > 1)


def _changes(word: str) -> float:
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 for c in word if c.isalnum()]
    changed = sum(a != b for a, b in zip(kinds, kinds[1:]))
    return changed / max(1, len(kinds) - 1)


def luhn(text: str) -> bool:
    """The check digit of payment cards."""
    digits = [int(c) for c in text if c.isdigit()]
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(odd) + sum(sum(divmod(2 * d, 10)) for d in even)) % 10 == 0


def _always(word: str) -> bool:
    return True


def _card(word: str) -> bool:
    count = sum(c.isdigit() for c in word)
    return 15 <= count <= 19 and word[0] in "3456" and luhn(word)


# (kind, needles of which one must be in the text, or (), pattern, further test)
SHAPES: Tuple[Tuple[str, Tuple[str, ...], Lazy, Callable[[str], bool]], ...] = (
    (
        "SECRET",
        ("eyJ",),
        Lazy(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?"),
        _always,
    ),
    (
        "SECRET",
        ("-", "_"),
        Lazy(
            r"\b(?:(?:sk|pk|rk|gsk|xai|pplx|whsec|key|r8|fw|sess|tvly|nvapi|csk|ak|tskey|dop"
            r"|figd|lin)[-_]"
            r"(?=[A-Za-z0-9_-]{0,80}\d)[A-Za-z0-9_-]{12,}|xox[a-z]-[A-Za-z0-9-]{8,}"
            r"|xapp-[A-Za-z0-9-]{8,}"
            r"|glpat-[\w-]{16,}|pypi-[\w-]{16,}|AGE-SECRET-KEY-1\w{20,}"
            r"|[tu]-[a-z0-9]{2}[A-Za-z0-9_.-]{20,}"
            r"|gh[opusr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|npm_[A-Za-z0-9]{20,}"
            r"|hf_[A-Za-z0-9]{16,}"
            r"|dckr_pat_[\w-]{16,}|shp(?:at|ss)_\w{16,}|(?:ou|on|oc|om)_[a-f0-9]{16,})"
        ),
        _always,
    ),
    (
        "SECRET",
        ("AKIA", "ASIA", "LTAI", "AKID", "AIza", "ya29.", "SG."),
        Lazy(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}\b|LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}"
            r"|AIza[\w-]{30,}"
            r"|ya29\.[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,})"
        ),
        _always,
    ),
    (
        "SECRET",
        (":",),
        Lazy(
            r"\b\d{6,12}:[A-Za-z0-9_-]{30,}|(?<=/bot)\d{5,12}:[\w-]{5,}"
            # a line of .pgpass
            r"|(?<=:)\d{2,5}:[A-Za-z*][\w.*-]{0,40}:[A-Za-z*][\w.*-]{0,40}:[^\s:]{4,200}"
        ),
        _always,
    ),
    ("SECRET", (".",), Lazy(r"\b[A-Za-z\d_-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), _always),
    (
        "SECRET",
        ("earer ", "asic ", "EARER ", "ASIC "),
        Lazy(r"\b(?i:bearer|basic)\s{1,3}(?=[\w+/=.-]{0,80}[\d=+/])[A-Za-z0-9+/=_.-]{8,}"),
        _always,
    ),
    (
        "ID",
        ("-",),
        Lazy(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
        _always,
    ),
    (
        "EMAIL",
        ("%40",),
        Lazy(
            r"(?<![\w.%+-])[A-Za-z0-9._+-]{1,64}%40[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}"
        ),
        _always,
    ),
    (
        "EMAIL",
        ("@",),
        Lazy(
            r"(?<![\w.%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}"
            r"\.[A-Za-z]{2,24}\b"
        ),
        _always,
    ),
    (
        "ID",
        (),
        Lazy(
            # people and rooms of chat services, network cards
            r"(?<![\w.:/-])-100\d{7,12}(?!\w)|(?<![\w.])[1-9]\d{16,19}(?![\w.])"
            r"|(?<![\w-])[UWCDGT]0(?=[A-Z0-9]{0,9}\d)[A-Z0-9]{7,10}(?![\w-])"
            r"|(?<![\w:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])"
        ),
        _always,
    ),
    (
        "ID",
        (),
        Lazy(
            r"(?<![\w.])[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d"
            r"|3[01])\d{3}[\dXx](?!\w)"
            r"|(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"
            r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
        ),
        _always,
    ),
    ("ID", (), Lazy(r"(?<![\w.])\d(?:[ -]?\d){14,18}(?![\w.])"), _card),
    (
        "PHONE",
        (),
        Lazy(
            r"(?<![\w.+])(?:(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![\w.]{0,9}\d)"
            r"|\+[1-9]\d{0,2}[ -]?(?:\(\d{1,4}\)[ -]?)?\d{2,4}(?:[ -]?\d{2,4}){1,4}(?!\w)"
            r"|\(\d{3}\) ?\d{3}-\d{4}\b|\d{3}-\d{3}-\d{4}(?![\w-])|0\d{2,3}-\d{7,8}(?![\w-]))"
        ),
        _always,
    ),
    # the rest: long runs that were drawn by lot
    (
        "SECRET",
        (),
        Lazy(r"(?<![A-Za-z0-9+/=_~.-])[A-Za-z0-9/+]{40}={0,2}(?![A-Za-z0-9+/=])"),
        lambda w: opaque(w) and w[0] != "/" and w.count("/") < 5,
    ),
    ("SECRET", (), Lazy(r"(?<![A-Za-z0-9+])[A-Za-z0-9+]{12,}={0,2}"), opaque),
)
