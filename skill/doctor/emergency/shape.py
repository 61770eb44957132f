"""What of a config an AI may see: the values of keys that OpenClaw's own schema lists and that
cannot hold a secret. Of everything else a type and a length.

The safe direction: a key that nobody here knows is private. Nothing below a plugin's config, mcp,
env, headers, hooks is shown; comments are not part of a parsed config.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...openclaw import schema
from ...redact import is_secret_key

if TYPE_CHECKING:
    from ...context import Context

# Sections whose values belong to somebody else's program, person or network.
PRIVATE = re.compile(
    r"(?i)^(env|hooks|mcp|secrets|proxy|acp|cron|bindings|broadcast|accessGroups|approvals|nodeHost"
    r"|cloudWorkers|commands|ui|talk|tts)(\.|$)|^plugins\.entries\.[^.]+\.(config|env|hooks)(\.|$)"
    r"|^skills\.entries\.[^.]+\.(env|config)(\.|$)|(^|\.)(headers|cookies|credentials|env|vars|args"
    r"|allowFrom|groupAllowFrom|ownerAllowFrom|groups|guilds|defaultTo|sources|identityLinks)(\.|$)"
    r"|prompt|instruction|description|message|greeting|persona|soul|template|identity\."
)
# Free texts that name no person and open nothing. Each with what it may look like.
HARMLESS: Tuple[Tuple["re.Pattern[str]", "re.Pattern[str]"], ...] = tuple(
    (re.compile("^(?:" + key + ")$"), re.compile("^(?:" + value + ")$"))
    for key, value in (
        (
            r"agents\.(defaults|list\.\d+)\.\w*[mM]odel(\.primary|\.fallbacks\.\d+)?",
            r"[A-Za-z][\w-]{0,40}/[A-Za-z][\w.:-]{0,60}",
        ),
        (r"(agents|channels)\..*\.\w*(every|interval|timeout|ttl|delay)\w*", r"[\w .:-]{0,20}"),
        (r".*\.(timezone|userTimezone)", r"[A-Z][A-Za-z]+(/[A-Za-z_]+){1,2}|UTC"),
        (r"channels\.(feishu|lark)(\.accounts\.\w+)?\.domain", r"feishu|lark"),
        (r"(meta|wizard)\.\w*[vV]ersion", r"\d{4}\.\d{1,2}\.\d{1,2}[\w.-]{0,12}"),
        (r"plugins\.slots\.\w+", r"[a-z][a-z0-9-]{0,40}"),
    )
)
# Without a schema: the few keys that every version has.
FEW = re.compile(
    r"^(gateway\.(mode|bind|port|auth\.mode|reload\.(mode|debounceMs)|tls\.enabled"
    r"|controlUi\.enabled)"
    r"|logging\.(level|consoleLevel|consoleStyle)|channels\.[a-z]+(\.accounts\.[^.]+)?\.(enabled"
    r"|dmPolicy"
    r"|groupPolicy)|plugins\.(enabled|entries\.[^.]+\.enabled)|agents\.defaults\.(maxConcurrent"
    r"|timeoutSeconds|contextTokens|mediaMaxMb)|session\.(scope|dmScope))$"
)
_SWITCH = re.compile(r"^(-?\d{1,8}(\.\d{1,4})?|true|false|yes|no|on|off|null|none|auto)$", re.I)
_KEY = re.compile(r"^[A-Za-z$@][A-Za-z_$@/-]{0,39}$")
_PLUGIN = re.compile(r"^plugins\.(entries|slots)$")


class Shape:
    """One look at one schema. document None: none could be had."""

    def __init__(self, document: Optional[Mapping[str, Any]]) -> None:
        self.document = document

    @classmethod
    def of(cls, ctx: Context) -> "Shape":
        """With the kept schema of the installed version, fetched now when there is none."""
        try:
            document = schema.kept(ctx)
            if document is None and schema.keep(ctx, 20.0):
                document = schema.kept(ctx)
        except Exception:  # without it less is shown
            document = None
        return cls(document)

    def value(self, path: Sequence[str], value: Any) -> Any:
        """The value where it may be seen, else what kind of value it is."""
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, Mapping):
            return "<object of {} keys>".format(len(value)) if value else {}
        if isinstance(value, list):
            return "<list of {}>".format(len(value)) if value else []
        if self._may_show(path, value):
            return value
        if isinstance(value, (int, float)):
            return "<number>"
        return "<text of {} characters>".format(len(value))

    def _may_show(self, path: Sequence[str], value: Any) -> bool:
        dotted = ".".join(path)
        last = next((part for part in reversed(path) if not part.isdigit()), "")
        if PRIVATE.search(dotted) or is_secret_key(last):
            return False
        nodes = schema.at(self.document, path) if self.document else []
        if isinstance(value, (int, float)):
            return bool(nodes) or bool(FEW.match(dotted))
        text = str(value)
        listed = [item for item in schema.constants(nodes) if isinstance(item, str)]
        if text in listed:
            return True
        if listed and len(text) <= 20 and difflib.get_close_matches(text, listed, 1, 0.5):
            return True  # a slip of the pen: "lam" for "lan"
        if nodes and "string" not in _free(nodes) and _SWITCH.match(text):
            return True  # a number or a switch that was written as text
        if not self.document and FEW.match(dotted):
            return bool(re.match(r"^[a-z0-9-]{1,20}$", text))
        return any(key.match(dotted) and form.match(text) for key, form in HARMLESS)

    def key(self, path: Sequence[str]) -> str:
        """A key's name, unless the owner chose one that may say more than a name."""
        name, above = path[-1], ".".join(path[:-1])
        if self.document and schema.named(self.document, path):
            return name
        if _PLUGIN.match(above) and re.match(r"^[A-Za-z@][\w@/.-]{0,60}$", name):
            return name
        return name if _KEY.match(name) and not PRIVATE.search(above) else "<key>"

    def tree(self, value: Any, path: Tuple[str, ...] = (), depth: int = 3, most: int = 24) -> Any:
        """A part of the config, some levels deep."""
        if isinstance(value, Mapping) and value:
            if depth <= 0 or PRIVATE.search(".".join(path) + "."):
                return self.value(path, value)
            shown: Dict[str, Any] = {}
            for number, (key, item) in enumerate(list(value.items())[:most]):
                name = self.key(path + (str(key),))
                name = name if name != "<key>" else "<key {}>".format(number + 1)
                shown[name] = self.tree(item, path + (str(key),), depth - 1, most)
            if len(value) > most:
                shown["..."] = "{} more keys".format(len(value) - most)
            return shown
        if isinstance(value, list) and value and depth > 0:
            items = [
                self.tree(item, path + (str(n),), depth - 1, most)
                for n, item in enumerate(value[:6])
            ]
            return items + (["{} more".format(len(value) - 6)] if len(value) > 6 else [])
        return self.value(path, value)

    def wants(self, path: Sequence[str]) -> Dict[str, Any]:
        """What the schema takes at this key; {} when it does not know it."""
        nodes = schema.at(self.document, path) if self.document else []
        return schema.describe(nodes)


def _free(nodes: Sequence[Mapping[str, Any]]) -> List[str]:
    """Types of a key for which no values are listed."""
    return schema.types([n for n in nodes if "const" not in n and not n.get("enum")])
