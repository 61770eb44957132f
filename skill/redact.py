"""Nothing secret leaves the machine or reaches a file of ours: known values, key names, shapes;
stable placeholders.

Import-light on purpose (re only at module level): the watchdog, the outbox and the record store use
it too. `Redactor.shapes_only()` needs no gateway; `openclaw.known_secrets.redactor(ctx)` also
knows the values of openclaw.json, .env, the environment and resolvable SecretRefs. Placeholders
(<SECRET_1>) stay the same for one value within one Redactor, and `restore()` maps them back
locally. Chat text of users is dropped by `drop_chat()`, not masked.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple


class _Lazy:
    """A pattern that is compiled when it is first used: importing this module must cost nothing
    (the patterns take 30 ms).
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._pattern)
        self.sub, self.search, self.fullmatch = compiled.sub, compiled.search, compiled.fullmatch
        return getattr(compiled, name)


# A key whose value is a secret, whatever it looks like. `tokens`, `tokenCount`, `authMode`, `keyId`
# are not.
SECRET_KEY = _Lazy(
    r"(?i)(?:^|[^a-z]|(?<=[a-z])(?=[A-Z]))?(?:api[_-]?keys?|access[_-]?keys?|private[_-]?key|si"
    r"gning[_-]?key|encrypt(?:ion)?[_-]?key|app[_-]?key|[a-z0-9]*token|[a-z0-9]*secret"
    r"|secret[_-]?\w{0,20}|passw(?:or)?d|passphrase|passwd|pwd|authorization|credentials?|cooki"
    r"es?|session[_-]?key|webhook(?:[_-]?url)?|bearer|sign|dsn|"
    r"connection[_-]?string|client[_-]?secret|refresh[_-]?token|[a-z0-9_]+_key|[a-z0-9_]+_pat)$"
)
_NOT_SECRET_KEY = _Lazy(
    r"(?i)(max|num|total|input|output|prompt|completion|count|limit|budget|context)[_-]?tokens?"
    r"$|public[_-]?key$|^(?:primary|foreign)_key$"
)
# Words that stand where a secret would, and are none.
_PLAIN = frozenset(
    "true false null none undefined missing required invalid is not was has the a an and or "
    "for in of to with unset empty "
    "set expired rejected mismatch unauthorized denied failed error token password secret key "
    "auth local default redacted "
    "hidden unknown string object env file exec store ok yes no openclaw gateway loopback lan "
    "production development test "
    "localhost disabled enabled plan hands bearer basic absent configured available".split()
)

_KEYED = _Lazy(
    r"""(?ix)(?P<key>(?:api[_-]?key|access[_-]?key|private[_-]?key|app[_-]?key|signing[_-]?key|encrypt(?:ion)?[_-]?key|token|secret|passw(?:or)?d|passphrase
    |\bpwd|authorization|credentials?|session[_-]?key|webhook(?:[_-]?url)?|(?<!public)(?<!primary)_key|\bsign|set-cookie|cookie)\\?["']?)
    (?P<sep>\s*(?:=>|[:=])\s*|\s+(?=["']))
    (?P<value>\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'[^'\n]*'|["'][^"'\n]+|(?:Bearer|Basic|Bot|Token)\s+[^\s"',;]+|[^\s"',;}\])]+)"""
)
_COOKIE = _Lazy(r"(?im)\b((?:set-)?cookie[\"']?\s*[:=]\s*[\"']?)([^\r\n\"']+)")
_ARGUMENT = _Lazy(
    r"(?i)((?<![\w-])--?[a-z-]*(?:token|secret|password|passwd|api-?key|key|auth)[ "
    r"=])([^\s-][^\s]*)"
)

_PEM = _Lazy(
    r"-----BEGIN [A-Z0-9 ]+-----(?:(?!-----BEGIN)[\s\S]){0,20000}?-----END [A-Z0-9 ]+-----"
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]{0,20000}"
)
_URL = _Lazy(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)([^\s\"'<>`\\)\]}|]+)")
_WEBHOOK_PATH = _Lazy(
    r"(?i)/(?:api/webhooks/\d+|services/T\w+/B\w+|open-apis/bot/v\d/hook|bot(?=\d{6,}:)|hooks?|"
    r"webhooks?)/?[A-Za-z0-9_:/-]{8,}"
)
# (kind, a cheap literal or None, pattern)
_SHAPES: Tuple[Tuple[str, str, "_Lazy"], ...] = (
    ("SECRET", "eyJ", _Lazy(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?")),
    (
        "SECRET",
        "-",
        _Lazy(
            r"\b(?:sk|pk|rk|gsk|xai|pplx|whsec|key|r8|fw|sess|tvly|nvapi|csk|ak)[-_](?=[A-Za-z0"
            r"-9_-]*\d)[A-Za-z0-9_-]{12,}|\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}"
            r"|\bglpat-[\w-]{16,}|\bpypi-[\w-]{16,}|\bAGE-SECRET-KEY-1\w{20,}|\b[tu]-[a-z0-9]{2"
            r"}[A-Za-z0-9_.-]{20,}"
        ),
    ),
    (
        "SECRET",
        "_",
        _Lazy(
            r"\b(?:gh[opusr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|npm_[A-Za-z0-9]{20,}|hf_[A-Za-"
            r"z0-9]{16,}|dckr_pat_[\w-]{16,}|(?:sk|rk|pk|whsec|gsk)_(?:live_|test_)?[A-Za-z0-9]"
            r"{16,})"
        ),
    ),
    (
        "SECRET",
        "",
        _Lazy(
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bLTAI[A-Za-z0-9]{12,}|\bAKID[A-Za-z0-9]{13,}"
            r"|\bAIza[\w-]{30,}|\bya29\.[\w-]{16,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
        ),
    ),
    ("SECRET", ":", _Lazy(r"\b\d{6,12}:[A-Za-z0-9_-]{30,}")),
    ("SECRET", ".", _Lazy(r"\b[A-Za-z\d_-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}")),
    ("SECRET", "", _Lazy(r"(?i)\b(?:bearer|basic)\s+(?=[\w+/=.-]*[\d=+/])[A-Za-z0-9+/=_.-]{8,}")),
    (
        "SECRET",
        "",
        _Lazy(r"\b(?=[0-9a-fA-F]{0,64}[a-fA-F])(?=[0-9a-fA-F]{0,64}\d)[0-9a-fA-F]{32,128}\b"),
    ),
    (
        "SECRET",
        "",
        _Lazy(
            r"(?<![\w+/=-])(?=[\w+-]*[a-z])(?=[\w+-]*[A-Z])(?=[\w+-]*\d)[A-Za-z0-9_+-]{36,}={0,2}"
        ),
    ),
    ("USER", "_", _Lazy(r"\b(?:ou|on|oc|om)_[a-f0-9]{16,}\b")),
    (
        "EMAIL",
        "@",
        _Lazy(
            r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,"
            r"24}\b"
        ),
    ),
    (
        "ID",
        "",
        _Lazy(
            r"(?<![\w.])[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\d"
            r"Xx](?!\w)"
        ),
    ),
    ("PHONE", "", _Lazy(r"(?<![\w.])(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![\w.]*\d)")),
    (
        "PHONE",
        "+",
        _Lazy(
            r"(?<![\w+])\+[1-9]\d{0,2}[ -]?(?:\(\d{1,4}\)[ -]?)?\d{2,4}(?:[ -]?\d{2,4}){1,4}(?!\w)"
        ),
    ),
    ("PHONE", "(", _Lazy(r"\(\d{3}\) ?\d{3}-\d{4}\b")),
)
_IPV4 = _Lazy(
    r"(?<![\w.-])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\w-]|\.\d)"
)
_IPV6 = _Lazy(
    r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4})(?![\w:])|(?<![\w:.])(?:[0-9a-"
    r"fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}(?![\w:])"
)
_PLACEHOLDER = _Lazy(r"<(?:SECRET|EMAIL|PHONE|IP|URL|USER|ID)_\d+>")

# Fields and lines that carry what people wrote. A line that matches _CHAT_LINE keeps its head only.
_CHAT_FIELD = _Lazy(
    r"""(?ix)(["']?\b(?:text|body|content|preview|textPreview|bodyPreview|messageText|messagePreview|rawBody|prompt|userMessage|lastMessage|transcript|caption|quote|reply|utterance|question|answer)["']?\s*[:=]\s*)
    (\\?"(?:[^"\\]|\\.)*\\?"|'[^'\n]*'|[^\n]+)"""
)
_CHAT_LINE = _Lazy(
    r"(?i)((?:inbound|incoming|outbound|received|delivered)\s+(?:chat\s+|direct\s+|group\s+|use"
    r"r\s+)?(?:message|msg|dm|text|reply)\b|(?:message|dm|reply|text)\s+(?:received\s+)?(?:from"
    r"|to)\s+(?:user\b|sender\b|@|<|\d|ou_)"
    r"|\b(?:user|assistant|human|agent|chat)\s+(?:said|says|wrote|asked|replied|message|reply)"
    r"\b|收到(?:用户)?消息|用户(?:消息|说|发送)|回复(?:用户|消息))(.*)"
)


def public_ip(text: str) -> bool:
    """True for an address that names somebody on the Internet; loopback, private, link-local and
    carrier ranges do not.
    """
    if ":" in text:
        head = text.lower()
        groups = [g for g in head.split(":") if g]
        if len(groups) < 3 or ("::" not in head and len(groups) != 8):
            return False  # a clock time, a MAC address
        return not head.startswith(
            ("fe8", "fe9", "fea", "feb", "fc", "fd", "ff", "::1", "2001:db8")
        )
    a, b, _c, _d = (int(part) for part in text.split("."))
    if (
        a in (0, 10, 127)
        or a >= 224
        or (a == 172 and 16 <= b < 32)
        or (a == 192 and b == 168)
        or (a == 169 and b == 254)
    ):
        return False
    return not (a == 100 and 64 <= b < 128)


def is_secret_key(name: str) -> bool:
    """Given the last part of a config key or a variable's name, say whether its value is a
    secret.
    """
    return bool(SECRET_KEY.search(name)) and not _NOT_SECRET_KEY.search(name)


def drop_chat(text: str) -> str:
    """What users and agents wrote to each other is removed, not masked: it explains no outage and
    belongs to them.
    """
    text = _CHAT_FIELD.sub(lambda m: m.group(1) + '"<chat text dropped>"', text)
    return _CHAT_LINE.sub(
        lambda m: m.group(1) + " <chat text dropped>" if m.group(2).strip() else m.group(0), text
    )


class Redactor:
    """Given known secret values (any order, duplicates allowed), clean() any text. Not thread-safe;
    make one per run.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._names: Dict[str, str] = {}  # value -> placeholder
        self._back: Dict[str, str] = {}
        self._counts: Dict[str, int] = {}
        known = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._known = re.compile("|".join(_bounded(v) for v in known)) if known else None

    @classmethod
    def shapes_only(cls) -> "Redactor":
        """Without a gateway: key names and shapes only."""
        return cls()

    def _mask(self, kind: str, value: str) -> str:
        found = self._names.get(value)
        if found is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            found = self._names[value] = "<{}_{}>".format(kind, self._counts[kind])
            self._back[found] = value
        return found

    def clean(self, text: str) -> str:
        """Return the text with every secret replaced. Idempotent; placeholders of this Redactor are
        left alone.
        """
        if not text:
            return text
        if self._known is not None:
            text = self._known.sub(lambda m: self._mask("SECRET", m.group(0)), text)
        if "-----BEGIN" in text:
            text = _PEM.sub(lambda m: self._mask("SECRET", m.group(0)), text)
        if "://" in text:
            text = _URL.sub(self._url, text)
        text = _COOKIE.sub(lambda m: m.group(1) + self._value(m.group(2)), text)
        text = _KEYED.sub(self._keyed, text)
        text = _ARGUMENT.sub(lambda m: m.group(1) + self._value(m.group(2)), text)
        for kind, needle, pattern in _SHAPES:
            if not needle or needle in text:
                text = pattern.sub(self._shape(kind), text)
        text = _IPV4.sub(self._ip, text)
        return _IPV6.sub(self._ip, text) if "::" in text or text.count(":") > 6 else text

    def clean_data(self, value: Any, key: str = "") -> Any:
        """The same for a JSON value: strings are cleaned, values under secret keys are masked
        whole, keys are cleaned too.
        """
        if isinstance(value, Mapping):
            return {self.clean(str(k)): self.clean_data(item, str(k)) for k, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean_data(item, key) for item in value]
        if isinstance(value, str):
            return self._value(value) if is_secret_key(key) and value else self.clean(value)
        return value

    def restore(self, text: str) -> str:
        """Placeholders back to what they stood for. Only ever for what stays on this machine."""
        return _PLACEHOLDER.sub(lambda m: self._back.get(m.group(0), m.group(0)), text)

    def restore_data(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self.restore_data(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.restore_data(item) for item in value]
        return self.restore(value) if isinstance(value, str) else value

    def _value(self, value: str) -> str:
        """A secret's place: references (${NAME}) and words that are plainly no secret stay
        readable.
        """
        bare = value.strip()
        if (
            not bare
            or _PLACEHOLDER.fullmatch(bare)
            or bare.startswith("${")
            or bare.lower().strip(".!?") in _PLAIN
            or (bare.isdigit() and len(bare) < 4)
        ):
            return value
        return self._mask("SECRET", value)

    def _keyed(self, match: "re.Match[str]") -> str:
        key, value = match.group("key"), match.group("value")
        if _PLACEHOLDER.search(value) and len(_PLACEHOLDER.sub("", value)) < 12:
            return match.group(0)
        edge = re.match(r"""\\?["']""", value)
        quote = edge.group(0) if edge else ""
        inner = (
            value[len(quote) : len(value) - len(quote)]
            if quote and value.endswith(quote) and len(value) > len(quote)
            else value[len(quote) :]
        )
        tail = quote if quote and value.endswith(quote) else ""
        return key + match.group("sep") + quote + self._value(inner) + tail

    def _url(self, match: "re.Match[str]") -> str:
        scheme, rest = match.groups()
        authority, slash, path = rest.partition("/")
        if not slash:
            authority, mark, query = rest.partition("?")
            path, slash = mark + query, ""
        if "@" in authority:
            user, _, hostname = authority.rpartition("@")
            authority = (
                self._mask("SECRET", user) + "@" + hostname
                if not _PLACEHOLDER.fullmatch(user)
                else authority
            )
        path, mark, query = (slash + path).partition("?")
        path = _WEBHOOK_PATH.sub(lambda m: self._mask("URL", m.group(0)), path)
        if query and not _PLACEHOLDER.fullmatch(query):
            query = self._mask("URL", query)
        return scheme + authority + path + mark + query

    def _shape(self, kind: str) -> Callable[["re.Match[str]"], str]:
        return lambda m: self._mask(kind, m.group(0))

    def _ip(self, match: "re.Match[str]") -> str:
        return self._mask("IP", match.group(0)) if public_ip(match.group(0)) else match.group(0)


def _forms(value: str) -> List[str]:
    """The shapes in which one value turns up: as it is, as in a URL, as in JSON, as in HTTP basic
    auth.
    """
    import base64
    import json
    from urllib.parse import quote

    value = value.strip()
    if (
        len(value) < 4
        or value.lower() in _PLAIN
        or (value.isdigit() and len(value) < 6)
        or _PLACEHOLDER.fullmatch(value)
    ):
        return []
    forms = [value]
    if len(value) >= 6:
        forms += [
            quote(value, safe=""),
            json.dumps(value)[1:-1],
            base64.b64encode(value.encode("utf-8")).decode().rstrip("="),
        ]
    if "\n" in value:
        forms += [
            line.strip()
            for line in value.splitlines()
            if len(line.strip()) >= 12 and "-----" not in line
        ]
    return forms


def _bounded(value: str) -> str:
    """Short values count as whole words only, so that `t0ken` does not blank half of a log."""
    pattern = re.escape(value)
    return pattern if len(value) >= 8 else r"(?<![A-Za-z0-9])" + pattern + r"(?![A-Za-z0-9])"
