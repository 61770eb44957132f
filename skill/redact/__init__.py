"""Nothing secret leaves the machine or reaches a file of ours: known values, key names, shapes;
stable placeholders.

Import-light on purpose: the watchdog, the outbox and the record store use it too.
`Redactor.shapes_only()` needs no gateway; `openclaw.known_secrets.redactor(ctx)` also knows the
values of openclaw.json, .env, the environment and resolvable SecretRefs. Placeholders (<SECRET_1>)
stay the same for one value within one Redactor; what was masked once stays masked wherever it turns
up again; `restore()` maps them back locally. Chat text of users is dropped by `drop_chat()`, not
masked. A text of more than LIMIT characters loses its middle, so that none costs more than a blink.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

from . import known, masks
from .known import LIMIT, drop_chat, shortened, visible
from .masks import PLAIN, Lazy, is_secret_key

__all__ = [
    "LIMIT",
    "PLACEHOLDER",
    "Redactor",
    "drop_chat",
    "is_secret_key",
    "public_ip",
    "sentences",
    "visible",
]

REMEMBERED = 5  # characters from which a masked value is masked everywhere

# A key and what stands between it and its value. The value is looked at only where the key says so.
_KEY = Lazy(
    r"(?<![\w-])((?:(?i:recovery|seed|backup|secret|pass|api|access|auth|private|pairing|setup|invite"
    r"|verification|security|device|session|signing|chat|user|group) )?-{0,2}[A-Za-z_][\w-]{0,63})"
    r"(\\{0,3}[\"']?(?:\s{0,3}(?:=>|:=|[:=\uff1a])\s{0,3}|[ ]?\t[ \t]{0,3}|>(?=[^<\s]))| (?=[\"'])"
    r"|(?: (?:provided|given|received|supplied|used|value))?(?: (?:is|was|of)|:)? [\[<({]?)"
)
_BINDING = (":", "=", "=>", "\uff1a", "\t")  # what can only stand between a key and its value
_CHINESE = Lazy(
    masks.CHINESE_KEY._pattern + r"[\"'\u300d]?(?:\s{0,2}(?:[:=\uff1a]|是|为|=>)\s{0,2}|[ \t]{1,4})"
)
_VALUE = Lazy(
    r"""\\{1,3}"(?:[^"\\\n]|\\{1,3}[^"\\]){0,4000}\\{1,3}"|"(?:[^"\\]|\\.){0,4000}"|'[^'\n]{0,4000}'|["'][^"'\n]{1,4000}"""
    r"""|[|>][+-]?[ \t]*\n(?:[ \t]{1,20}\S[^\n]{0,400}\n?){1,60}"""  # a block of YAML
    r"""|(?:[Bb]earer|[Bb]asic|Bot|Token)\s{1,3}[^\s"',;]{1,4000}|[^\s"',;}\])]{1,4000}"""
)
_REST = Lazy(r"[^\r\n\"']{1,4000}")  # cookies and recovery phrases go to the end of the line
_PHRASES = Lazy(r"(?i)^(?:set-)?cookies?$|mnemonic|phrase$|^(?:proxy-)?authorization$")
_FLAG_IN_LIST = Lazy(r"""(["'])-{1,2}([\w-]{1,40})\1\s{0,3},\s{0,3}(["'])([^"'\n]{1,400})\3""")
# <add key="ApiSecret" value="...">
_ATTRIBUTE = Lazy(
    r"""\b(?:key|name|id|property)=(["'])([\w.-]{1,60})\1\s{1,4}"""
    r"""(?:value|content)=(["'])([^"'\n]{1,400})\3"""
)
# NAME=value: what an environment holds is private, but for numbers, switches and these names.
_VARIABLE = Lazy(
    r"(?<![\w&?;.-])([A-Z][A-Z0-9]{0,30}(?:_[A-Z0-9]{1,30}){1,6})=([^\s\"',;<>]{4,4000})"
)
_SHOWN = Lazy(
    r"^(?:OPENCLAW|NODE|NPM|XDG|LC|SSL|SYSTEMD|HTTPS?|NO|UV)_(?!.*(?:KEY|TOKEN|SECRET|PASS))"
)
_SETTING = Lazy(r"^(?:[\d.:]{1,12}[A-Za-z%]{0,3}|true|false|yes|no|on|off|[~/.][\w./~-]*|<\w+>?)$")
# A line that names a secret: a word of three kinds of characters in it is likely to be one.
_NAMES_ONE = Lazy(
    r"(?i)\b(?:token|secret|password|passwd|passphrase|api ?key|credentials?|cookie)\b"
    r"|口令|密码|密钥|令牌"
)
_MIXED = Lazy(
    r"(?<![\w/.:@<-])(?=[A-Za-z0-9]{0,40}\d)(?=[A-Za-z0-9]{0,40}[a-z])(?=[A-Za-z0-9]{0,40}[A-Z])"
    r"[A-Za-z0-9]{8,64}(?![\w/(@>-]|\.\w)"
)
# Programs that take a password in a way of their own.
_PROGRAMS = Lazy(
    r"(?<!\S)(?:-u|-a|--auth|--user|--proxy-user)[ =]?(?=[^\s:]{1,80}:\S)(\S{3,200})"
    r"|\bmy?sql\w{0,10}\b[^\n]{0,80}?\s-p(\S{1,200})|\bsshpass\s{1,3}-p\s{0,3}(\S{1,200})"
    r"|\bredis-cli\b[^\n]{0,80}?\s-a\s{1,3}(\S{1,200})"
    r"|\b(?:AUTH|IDENTIFIED BY)\s{1,3}(['\"]?[^\s]{0,80}(?=\S{0,80}\d)[^\s]{1,80})"
    r"|\b(?:docker|podman|skopeo|az|oc|helm)\b[^\n]{0,40}?\blogin\b[^\n]{0,80}?\s-p[ =]?(\S{1,200})"
    r"|\bPRAGMA\s{1,3}(?:hex)?key\s{0,3}=\s{0,3}(\S{1,200})"
    r"|\bpass:(\S{1,200})|\b(?:un)?zip\b[^\n]{0,80}?\s-P ?(\S{1,200})"
    r"|\bsmbclient\b[^\n]{0,80}?%(\S{1,200})|\b(?:PGPASSWORD|MYSQL_PWD)=(\S{1,200})"
)
_URL = Lazy(r"(?i)(?<![a-z0-9])([a-z][a-z0-9+.-]{1,20}://)([^\s\"'<>`\\)\]}|]{1,4000})")
_QUERY = Lazy(r"(?<=[?&;])([\w.-]{1,40})=([^\s&;\"'<>]{4,400})")
_PUBLIC = ("docs.openclaw.ai", "github.com/openclaw/openclaw", "json-schema.org", "nodejs.org/docs")
_LOCAL = Lazy(
    r"^(?:[^@/]{0,200}@)?(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1?\]"
    r"|0\.0\.0\.0)(?::\d{1,5})?$"
)
_LOCAL_PATH = Lazy(r"^(?:/(?:[a-z][a-z_-]{0,23}|v\d{1,2}(?:beta)?|__\w{1,20}))*/?$")
_PEM = Lazy(
    r"-----BEGIN [A-Z0-9 ]{1,60}-----(?:(?!-----BEGIN)[\s\S]){0,20000}?-----END [A-Z0-9 "
    r"]{1,60}-----"
    r"|-----BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY-----[\s\S]{0,20000}"
)
_IPV4 = Lazy(
    r"(?<![\w.-])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\w-]|\.\d)"
)
_IPV6 = Lazy(
    r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4})(?![\w:])|(?<![\w:.])(?:[0-9a-"
    r"fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}(?![\w:])"
)
PLACEHOLDER = Lazy(r"<(?:SECRET|EMAIL|PHONE|IP|URL|USER|ID)_\d+>")


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


def _in_placeholder(text: str, at: int) -> bool:
    """Whether a word stands in a placeholder: <SECRET_1> is no key, and what follows no value."""
    begin = text.rfind("<", max(0, at - 16), at)
    found = PLACEHOLDER.match(text, begin) if begin >= 0 else None
    return found is not None and found.end() > at


class Redactor:
    """Given known secret values (any order, duplicates allowed), clean() any text. Not thread-safe;
    make one per run.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._names: Dict[str, str] = {}  # value -> placeholder
        self._back: Dict[str, str] = {}
        self._counts: Dict[str, int] = {}
        self._known = known.Known()
        for value in values:
            if not PLACEHOLDER.fullmatch(value):
                self._known.add(value)

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
            bare = value.strip().strip("\"'\\")
            if (
                len(bare) >= REMEMBERED
                and bare.lower() not in PLAIN
                and not PLACEHOLDER.search(bare)
            ):
                self._known.add(bare, all_forms=len(self._names) < 200)
        return found

    def clean(self, text: str) -> str:
        """Return the text with every secret replaced. Idempotent; placeholders of this Redactor are
        left alone.
        """
        if not text:
            return text
        text = self._hide_known(shortened(text))
        before = len(self._names)
        if "-----BEGIN" in text:
            text = _PEM.sub(lambda m: self._mask("SECRET", m.group(0)), text)
        if "://" in text:
            text = _URL.sub(self._url, text)
        if "=" in text and ("?" in text or "&" in text or ";" in text):
            text = _QUERY.sub(self._query, text)
        text = _PROGRAMS.sub(self._program, text)
        text = self._keyed(text)
        if not text.isascii():
            text = self._walk(_CHINESE, text, lambda m: ("", m.group(0)))
        text = _FLAG_IN_LIST.sub(self._flag, text)
        if "=" in text:
            text = _ATTRIBUTE.sub(self._attribute, text)
            text = _VARIABLE.sub(self._variable, text)
        for kind, needles, pattern, test in masks.SHAPES:
            if not needles or any(needle in text for needle in needles):
                text = pattern.sub(self._shape(kind, test), text)
        text = self._mixed(text)
        if "." in text:
            text = _IPV4.sub(self._ip, text)
        if "::" in text or text.count(":") > 6:
            text = _IPV6.sub(self._ip, text)
        # what was found by its key or its shape here may stand elsewhere in the same text, bare
        return self._hide_known(text) if len(self._names) != before else text

    def _hide_known(self, text: str) -> str:
        parts, last = [], 0
        for begin, end in self._known.spans(text):
            if text[max(0, begin - 1)] == "<" and PLACEHOLDER.match(text, begin - 1):
                continue
            parts += [text[last:begin], self._mask("SECRET", text[begin:end])]
            last = end
        return "".join(parts) + text[last:] if parts else text

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
        for _nested in range(3):
            whole = PLACEHOLDER.sub(lambda m: self._back.get(m.group(0), m.group(0)), text)
            if whole == text:
                break
            text = whole
        return str(text)

    def _value(self, value: str) -> str:
        """A secret's place: references (${NAME}) and words that are plainly no secret stay
        readable.
        """
        bare = value.strip()
        if (
            not bare
            or PLACEHOLDER.fullmatch(bare)
            or bare.startswith(("${", "<text of ", "<chat text"))
            or bare.lower().strip(".!?") in PLAIN
            or (bare.isdigit() and len(bare) < 4)
        ):
            return value
        return self._mask("SECRET", value)

    def _keyed(self, text: str) -> str:
        return self._walk(_KEY, text, _secret_key)

    def _walk(
        self, pattern: Lazy, text: str, key_of: "Callable[[re.Match[str]], Tuple[str, str]]"
    ) -> str:
        """Mask the values behind the keys that `key_of` takes for secret: (key, separator), or
        ("", "") for any other.
        """
        parts: List[str] = []
        last = 0
        for match in pattern.finditer(text):
            if match.start() < last or _in_placeholder(text, match.start()):
                continue
            key, sep = key_of(match)
            if not sep:
                continue
            loose = sep[:1] == " " and not sep.strip(" [<({").endswith(_BINDING)
            whole = _PHRASES.search(key) and not (loose and "horiz" in key)
            found = _REST.match(text, match.end()) if whole else None
            found = found or _VALUE.match(text, match.end())
            if found is None or (loose and not _looks_secret(key, found.group(0))):
                continue
            masked = self._inner(found.group(0))
            if masked != found.group(0):
                parts += [text[last : found.start()], masked]
                last = found.end()
        return "".join(parts) + text[last:] if parts else text

    def _inner(self, value: str) -> str:
        """The value of a key, inside its quotes."""
        if value[0] in "{[<" or (
            PLACEHOLDER.search(value) and len(PLACEHOLDER.sub("", value)) < 12
        ):
            return value
        edge = re.match(r"""\\{0,3}["']""", value)
        quote = edge.group(0) if edge else ""
        closed = bool(quote) and len(value) > len(quote) and value.endswith(quote)
        inner = value[len(quote) : len(value) - len(quote)] if closed else value[len(quote) :]
        return quote + self._value(inner) + (quote if closed else "")

    def _flag(self, match: "re.Match[str]") -> str:
        one, flag, two, value = match.groups()
        if not is_secret_key(flag):
            return match.group(0)
        at = match.start(4) - match.start(0)
        return match.group(0)[:at] + self._value(value) + two

    def _attribute(self, match: "re.Match[str]") -> str:
        if not is_secret_key(match.group(2)):
            return match.group(0)
        at = match.start(4) - match.start(0)
        return match.group(0)[:at] + self._value(match.group(4)) + match.group(3)

    def _variable(self, match: "re.Match[str]") -> str:
        name, value = match.groups()
        if _SHOWN.match(name) or _SETTING.match(value) or "://" in value:
            return match.group(0)
        return name + "=" + self._value(value)

    def _mixed(self, text: str) -> str:
        parts: List[str] = []
        last = 0
        for match in _NAMES_ONE.finditer(text):
            if match.start() < last:
                continue
            begin = text.rfind("\n", last, match.start()) + 1 or last
            end = text.find("\n", match.end())
            end = end if end >= 0 else len(text)
            line = _MIXED.sub(lambda m: self._mask("SECRET", m.group(0)), text[begin:end])
            parts += [text[last:begin], line]
            last = end
        return "".join(parts) + text[last:] if parts else text

    def _program(self, match: "re.Match[str]") -> str:
        at = next(n for n in range(1, (match.lastindex or 0) + 1) if match.group(n))
        whole, value = match.group(0), match.group(at)
        begin = match.start(at) - match.start(0)
        return whole[:begin] + self._value(value) + whole[begin + len(value) :]

    def _query(self, match: "re.Match[str]") -> str:
        name, value = match.groups()
        secret = is_secret_key(name) or name.lower() in (
            "key",
            "k",
            "t",
            "s",
            "sig",
            "code",
            "state",
        )
        return name + "=" + self._value(value) if secret else match.group(0)

    def _url(self, match: "re.Match[str]") -> str:
        scheme, rest = match.groups()
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        after = rest[len(authority) :]
        user, at, hostname = authority.rpartition("@")
        if at and not PLACEHOLDER.fullmatch(user):
            authority = self._mask("SECRET", user) + "@" + hostname
        path, mark, query = after.partition("?")
        if scheme.lower() == "file://" or rest.startswith(_PUBLIC):
            pass
        elif not (_LOCAL.match(hostname) and _LOCAL_PATH.match(path)) and path.strip("/"):
            path = "/" + self._value(path[1:]) if path[0] == "/" else self._value(path)
        if query and not PLACEHOLDER.fullmatch(query):
            query = self._mask("URL", query)
        return str(scheme + authority + path + mark + query)

    def _shape(self, kind: str, test: Callable[[str], bool]) -> "Callable[[re.Match[str]], str]":
        return lambda m: self._mask(kind, m.group(0)) if test(m.group(0)) else m.group(0)

    def _ip(self, match: "re.Match[str]") -> str:
        return self._mask("IP", match.group(0)) if public_ip(match.group(0)) else match.group(0)


def sentences(value: Any) -> Any:
    """A JSON value that is about to be kept, with its sentences clean by key names and shapes;
    names, paths and numbers (what has no blank) stay as they are.
    """
    redactor = Redactor.shapes_only()

    def clean(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {key: clean(one) for key, one in item.items()}
        if isinstance(item, (list, tuple)):
            return [clean(one) for one in item]
        if isinstance(item, str) and (" " in item or not item.isascii()):
            return redactor.clean(item)
        return item

    return clean(value)


def _secret_key(match: "re.Match[str]") -> Tuple[str, str]:
    key, sep = match.groups()
    return (key, sep) if is_secret_key(key) else ("", "")


def _looks_secret(key: str, value: str) -> bool:
    """A word behind a key and a blank is its value only when it looks like one ("token expired" is
    none); behind a flag it always is.
    """
    bare = value.strip("\"'")
    if key.startswith("-"):
        return not bare.startswith("-")
    if len(bare) < 4 or bare.lower().strip(".,;:!?()") in PLAIN or not bare.isascii():
        return False
    mixed = bool(re.search(r"[0-9]", bare)) or bare != bare.lower() and bare != bare.capitalize()
    compound = bool(re.search(r"[a-z][A-Z]|[_-]", key))
    return (mixed or compound) and not re.match(
        r"^[\w.-]+[.:][\w.-]*$|^\d{1,3}$|^[a-z]\w{1,20}=[^=]", bare
    )
