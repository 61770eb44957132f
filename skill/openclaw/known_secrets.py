"""Every secret value that is written down for one gateway: config and its kept copies, .env,
environment, SecretRefs. Read only.

For redaction: a value too many costs nothing, a value too few leaks. Nothing here calls a program
(exec providers are skipped).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Set
from urllib.parse import unquote

from ..files import json_bounded, read_file
from ..host import Host
from ..redact import Redactor, is_secret_key
from ..redact.masks import opaque
from . import config as openclaw_config
from .home import Home

if TYPE_CHECKING:
    from ..context import Context

# Sections in which every text is private, no matter what its key is called: the authors of plugins,
# servers and hooks decide what lies in them.
_PRIVATE = re.compile(
    r"^(env|hooks|mcp|secrets\.values|auth|proxy)\.|^plugins\.entries\.[^.]+\.config\."
    r"|^skills\.entries\.[^.]+\.(env|config|apiKey)|(^|\.)(headers|cookies|credentials|env|vars|args)(\.|$)",
    re.I,
)
_RECIPIENT = re.compile(r"(allowFrom|groupAllowFrom|ownerAllowFrom|defaultTo|allowlist)(\.\d+)?$")
_QUOTED = re.compile(r"""["']?([A-Za-z_][\w-]*)["']?\s*:\s*["']([^"'\n]{4,})["']""")
_HARMLESS_ENV = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|LANG|LC_\w+|TERM|TZ|TMPDIR|DISPLAY|NODE_ENV|NOD"
    r"E_OPTIONS|HOSTNAME|OPENCLAW_(PROFILE|STATE_DIR|CONFIG_PATH|HOME|GATEWAY_PORT)|XDG_\w+)$"
)
_PUBLIC_URL = re.compile(r"^\w+://[^@?]*$")


def redactor(ctx: Context) -> Redactor:
    """A Redactor with every secret value that can be found for this gateway.

    Never raises: what cannot be read adds nothing. One that cannot be built would let everything
    through or stop the work: then shapes remain.
    """
    try:
        return Redactor(values(ctx.host, ctx.home, ctx.last_good))
    except Exception:
        return Redactor()


def values(host: Host, home: Home, last_good: Optional[Mapping[str, Any]] = None) -> List[str]:
    """All values, in no order. Never raises."""
    found: Set[str] = set()
    env_file = openclaw_config.read_env_file(home.env_file)
    found.update(_of_env_file(env_file))
    for name, value in host.env.items():
        if _HARMLESS_ENV.match(name):
            continue
        if is_secret_key(name):
            found.update((value, *_parts(value)))
        found.update(_of_url(value) if "://" in value else ())
    found.update(_of_config(openclaw_config.load(home.doctor_dir / "config.json").data))
    copies = [home.config_path] + sorted(
        home.config_path.parent.glob(home.config_path.name + ".*")
    )[:12]
    for path in copies:
        view = openclaw_config.load(path)
        if view.raw and not view.ok:
            found.update(_of_broken(view.raw.decode("utf-8", "replace")))
        found.update(_of_config(view.data))
        if path == home.config_path:
            found.update(_of_references(host, home, view, env_file))
    if isinstance(last_good, Mapping):
        found.update(_of_config(last_good.get("config")))
    return [value for value in found if value]


def _of_config(data: Any) -> Iterator[str]:
    for path, value in openclaw_config.leaves(data):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            continue
        text = str(value)
        last = re.sub(r"\.\d+$", "", path).rsplit(".", 1)[-1]
        if text.startswith("${") or not text:
            continue
        if (is_secret_key(last) or _LIKELY.search(last)) and not re.search(
            r"(^|\.)(source|provider|id|mode)$", path
        ):
            yield text
            yield from _parts(text)
        elif isinstance(value, str) and _PRIVATE.search(path) and not _plain(last, text):
            yield text
            yield from _parts(text)
        elif _RECIPIENT.search(path) and len(text) > 5 and text != "*":
            yield text.split(":", 1)[-1]
        elif isinstance(value, str) and _drawn(text):
            yield text
        if isinstance(value, str) and "://" in text:
            yield from _of_url(text)
        elif isinstance(value, str):
            yield from _of_pairs(text)


# Keys that hold a secret although their name says less than "token": braveKey, identify, keyHint.
_LIKELY = re.compile(
    r"(?:^k|[a-z]K)ey$|identify$|(?i:pass|secret|key|token)[A-Za-z]{0,12}(?:Hint|Phrase)$"
)
_PAIR = re.compile(r"(?:^|[\s;&,?])([A-Za-z_][\w .-]{0,40}?)\s?=\s?([^;&,\s]{3,400})")


def _drawn(text: str) -> bool:
    """A text of one word in which letters, digits and cases change as in no name."""
    return 12 <= len(text) <= 400 and not re.search(r"[\s/\\]", text) and opaque(text)


def _parts(text: str) -> Iterator[str]:
    """The password of user:password, the value of name=value, the lines of a key: they turn up
    alone.
    """
    for mark in (":", "="):
        left, found, right = text.partition(mark)
        if found and len(right) >= 6 and " " not in text and "://" not in text and left:
            yield right
    yield from _of_pairs(text)
    if "\\n" in text:
        lines = text.replace("\\r", "").split("\\n")
        yield from (line for line in lines if len(line) >= 12 and "-----" not in line)


def _of_pairs(text: str) -> Iterator[str]:
    """The secret values of a connection string: Server=db;Uid=sa;Pwd=..."""
    for name, value in _PAIR.findall(text):
        if is_secret_key(name.strip()):
            yield value


def _of_url(text: str) -> Iterator[str]:
    """What of an address may let somebody in: user and password, segments that nobody would choose
    as a name, values of the query. Several addresses may stand in one text.
    """
    for rest in text.split("://")[1:]:
        rest = re.split(r"[\s\"'<>]", rest, maxsplit=1)[0]
        address, _, query = rest.partition("?")
        query, _, fragment = query.partition("#")
        authority, _, path = address.partition("/")
        login = unquote(authority.rpartition("@")[0])
        user, _, password = login.partition(":")
        yield from (part for part in (user,) if len(part) >= 6)
        yield from (part for part in (password,) if part)
        pairs = [pair.partition("=") for pair in re.split("[&;]", query) + [fragment]]
        yield from (value for name, _, value in pairs if is_secret_key(name) and value)
        segments = path.split("/") + [value or name for name, _, value in pairs]
        yield from (s for s in segments if len(s) >= 8 and re.search(r"\d|[a-z][A-Z]", s))


def _of_broken(raw: str) -> Iterator[str]:
    """A config that does not parse still holds its secrets."""
    for name, value in _QUOTED.findall(raw):
        if is_secret_key(name) and not value.startswith("${"):
            yield value


_SECRET_END = re.compile(r"(?i)(?:pw|pwd|pass|pin|key|token|secret)$")


def _of_env_file(found: Mapping[str, str]) -> Iterator[str]:
    for name, value in found.items():
        if is_secret_key(name) or _SECRET_END.search(name) or not _plain(name, value):
            yield value
            yield from _parts(value)
        if "://" in value:
            yield from _of_url(value)


def _plain(name: str, value: str) -> bool:
    """A value that is plainly configuration: a number, a switch, a path, an address without
    credentials, a word.
    """
    if _HARMLESS_ENV.match(name) or len(value) < 6:
        return True
    return bool(
        re.match(r"^(\d{1,6}|true|false|[a-z]{1,12}|[~/.][\w./~-]*|[A-Z]:\\.*)$", value)
        or _PUBLIC_URL.match(value)
    )


def _of_references(host: Host, home: Home, view: Any, env_file: Mapping[str, str]) -> Iterator[str]:
    variables: Dict[str, str] = openclaw_config.variables(view, host.env, home.env_file)
    del env_file
    for name in set(re.findall(r"\$\{([A-Z_][A-Z0-9_]*)\}", view.raw.decode("utf-8", "replace"))):
        if variables.get(name) and not _HARMLESS_ENV.match(name):
            yield variables[name]
    for ref in _references(view.data):
        if ref.get("source") == "exec":
            continue
        try:
            from .secrets import Secrets

            yield Secrets(host, home, view.data, variables).reveal(ref)
        except Exception:  # unresolvable: then it is not known to anybody here either
            continue
    yield from _of_files(host, view.data)


def _of_files(host: Host, data: Any) -> Iterator[str]:
    """Everything in the files of file providers: one of them may hold more than is referenced."""
    providers = openclaw_config.get(data, "secrets.providers", {})
    for provider in providers.values() if isinstance(providers, Mapping) else ():
        if not isinstance(provider, Mapping) or not isinstance(provider.get("path"), str):
            continue
        raw = provider["path"]
        path = Path(str(host.home) + raw[1:] if raw.startswith("~/") else raw)
        try:
            text = read_file(path).decode("utf-8")[:1_000_000]
            yield from (
                v for _, v in openclaw_config.leaves(json_bounded(text)) if isinstance(v, str)
            )
        except ValueError:
            yield text.strip()
        except OSError:
            continue


def _references(data: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(data, Mapping):
        if "source" in data and "id" in data:
            yield data
        for item in data.values():
            yield from _references(item)
    elif isinstance(data, list):
        for item in data:
            yield from _references(item)
