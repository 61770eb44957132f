"""Which config changes an AI may cause, whatever it says: an allow-list by key, and a list of what
would be weaker than before.

Both look at the effect (config before and after), never at the request.
"""

from __future__ import annotations

import re
from typing import Any, Callable, List, Mapping, Optional, Tuple

from ...openclaw import config as openclaw_config

Rule = Tuple["re.Pattern[str]", Callable[[Any], bool]]


def _rule(pattern: str, allows: Callable[[Any], bool]) -> Rule:
    return re.compile("^" + pattern + "$"), allows


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 10_000_000
    )


def _model(value: Any) -> bool:
    return isinstance(value, str) and bool(re.match(r"^[A-Za-z0-9][\w.:/@-]{0,120}$", value))


# Keys that may get a new value, and which values. Nothing here opens, redirects, or runs anything.
SETTABLE: Tuple[Rule, ...] = (
    _rule(r"gateway\.mode", lambda v: v == "local"),
    _rule(r"gateway\.bind", lambda v: v == "loopback"),
    _rule(r"gateway\.reload\.mode", lambda v: v in ("hybrid", "hot", "restart", "off")),
    _rule(r"gateway\.reload\.debounceMs", _number),
    _rule(
        r"logging\.(level|consoleLevel)",
        lambda v: v in ("silent", "fatal", "error", "warn", "info", "debug", "trace"),
    ),
    _rule(r"agents\.defaults\.(model|imageModel)(\.primary|\.fallbacks\.\d+)?", _model),
    _rule(r"agents\.list\.\d+\.model(\.primary|\.fallbacks\.\d+)?", _model),
    _rule(r"agents\.defaults\.(maxConcurrent|timeoutSeconds|contextTokens|mediaMaxMb)", _number),
    _rule(r"models\.providers\.[^.]+\.timeoutSeconds", _number),
    _rule(r"channels\.[^.]+(\.accounts\.[^.]+)?\.enabled", _switch),
    _rule(r"plugins\.entries\.[^.]+(\.[^.]+)*\.enabled", lambda v: v is False),
    _rule(r"plugins\.slots\.[^.]+", lambda v: v == "none"),
    _rule(r"meta\..*", lambda v: isinstance(v, str)),
)
# Nothing below these may be changed or removed by an AI, even when a finding names it.
PROTECTED = re.compile(
    r"(?i)^(gateway\.(auth|tls|controlUi|trustedProxies|http|remote|tools)|env|secrets|auth|hoo"
    r"ks|mcp|tools|approvals|commands|cron|acp|skills|plugins\.(load|installs|allow|deny))"
    r"(\.|$)|(^|\.)(baseUrl|apiKey|headers|allowFrom|groupAllowFrom|ownerAllowFrom|dmPolicy|gro"
    r"upPolicy|dm|sandbox|exec|elevated|command|args|script|workspace|agentDir"
    r"|\$include|[\w-]*(token|secret|password)|dangerously\w*|allowInsecure\w*|insecure\w*)(\.|$)"
)
NAMED_BY = (
    "config/unrecognized-key",
    "config/invalid-value",
    "config/channel-plugin-missing",
    "plugins/missing",
    "plugins/slot-missing",
)
_BINDS = ("loopback", "tailnet", "custom", "auto", "lan")
_RUNS_CODE = re.compile(
    r"(?i)^(hooks|mcp|cron|approvals|tools|acp|env)\.|^skills\.(load|entries)\.|^plugins\.(load"
    r"|installs|entries\.[^.]+\.config)(\.|$)|^plugins\.entries\.[^.]+\.enabled$"
    r"|(^|\.)(command|args|exec|script|shell|elevated|sandbox)(\.|$)|\.\$include$"
)


def refusal(path: str, after: Any, removed: bool, named: List[str], good: Any) -> Optional[str]:
    """Why this one changed key may not be changed; None when it may. named: config paths that
    findings name. good: last good config.
    """
    known = openclaw_config.get(good, path, _NOTHING) if good else _NOTHING
    if known is not _NOTHING and not removed and known == after:
        return None  # back to what it was when all was well; weaker() still applies
    if PROTECTED.search(path):
        return "{} is never changed by an AI".format(path)
    if removed:
        if any(path == name or path.startswith(name + ".") for name in named):
            return None
        return "{} may only be removed when a validation finding names it".format(path)
    for pattern, allows in SETTABLE:
        if pattern.match(path):
            return None if allows(after) else "that value of {} is not allowed".format(path)
    return "{} is not on the list of keys that may be set".format(path)


_NOTHING = object()


def refusals(before: Any, after: Any, named: List[str], good: Any) -> List[str]:
    """Every changed key that may not be changed, and everything that became weaker. [] when all is
    well.
    """
    reasons = []
    now = dict(openclaw_config.leaves(after))
    for path in openclaw_config.diff(before, after):
        reason = refusal(path, now.get(path), path not in now, named, good)
        if reason:
            reasons.append(reason)
    return reasons + weaker(before, after)


def weaker(before: Any, after: Any) -> List[str]:
    """What a change opens, disarms, redirects or lets run. before: the config as it was, or the
    last good one where it did not parse.
    """
    old, new = dict(openclaw_config.leaves(before)), dict(openclaw_config.leaves(after))
    found: List[str] = []
    mode = openclaw_config.get(after, "gateway.auth.mode")
    if mode in ("none", False) and openclaw_config.get(before, "gateway.auth.mode") != mode:
        found.append("gateway.auth.mode none")
    for key in ("token", "password"):
        name = "gateway.auth." + key
        if openclaw_config.get(before, name) and not openclaw_config.get(after, name):
            found.append(name + " removed")
    if _width(after) > _width(before):
        found.append("gateway.bind wider")
    for path, value in new.items():
        last = re.sub(r"(\.\d+)+$", "", path).rsplit(".", 1)[-1]
        if old.get(path, _NOTHING) == value:
            continue
        if re.match(
            r"(?i)(dangerously|allowInsecure|insecure|bypass|disable(Device)?Auth)", last
        ) and value not in (
            False,
            None,
            "",
            [],
            {},
        ):
            found.append(path)
        elif last in ("allowFrom", "groupAllowFrom", "ownerAllowFrom") and not _was_listed(
            before, path, value
        ):
            found.append("{} lets more people in".format(path))
        elif last in ("dmPolicy", "groupPolicy", "policy") and value == "open":
            found.append("{} open".format(path))
        elif _RUNS_CODE.search(path) and not _harmless(path, value):
            found.append("{} can run code".format(path))
        elif last in ("baseUrl", "apiRoot", "proxy", "domain", "headers", "url") and value not in (
            "",
            None,
        ):
            found.append("{} would send credentials elsewhere".format(path))
    for path in old:
        last = re.sub(r"(\.\d+)+$", "", path).rsplit(".", 1)[-1]
        if path not in new and last in (
            "allowFrom",
            "dmPolicy",
            "groupPolicy",
            "groupAllowFrom",
            "deny",
            "sandbox",
            "security",
        ):
            found.append("{} removed".format(path))
    return found


def _harmless(path: str, value: Any) -> bool:
    """A number runs nothing, and neither does what is switched off."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number or (path.endswith(".enabled") and value is False)


def _was_listed(before: Any, path: str, value: Any) -> bool:
    """True when this person stood in the same list before, at whatever place."""
    parent = re.sub(r"(\.\d+)+$", "", path)
    listed = openclaw_config.get(before, parent, [])
    return isinstance(listed, list) and (value in listed or value == [])


def _width(config: Any) -> int:
    """How far a bind reaches. OpenClaw's default without a value is wider than loopback, so a
    missing value counts as the widest.
    """
    bind = openclaw_config.get(config, "gateway.bind")
    return _BINDS.index(bind) if bind in _BINDS else len(_BINDS)


def named_paths(findings: Any) -> List[str]:
    return [f.path for f in findings if f.check_id in NAMED_BY and f.path]


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
