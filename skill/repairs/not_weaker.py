"""May a key get this value from somebody who is not its owner? Only one that opens nothing, runs
nothing, redirects nothing and that the last good copy or the key's own kind speaks for.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional, Tuple

from ..model import Text
from ..openclaw import json_edit
from ..openclaw.json_edit import UNSET
from ..redact import is_secret_key

# Keys whose value decides who may do what, or where something goes.
GUARDS = re.compile(
    r"(?i)auth|bind|allow|deny|policy|approv|sandbox|secur|tls|elevated|exec|proxy|expose|origin"
    r"|cors"
    r"|access|trust|danger|insecure|bypass|verif|scope|visib|owner|admin|pairing|host$|public|open$"
)
# Keys that name a program, a place or an address: never by a third party.
RUNS = re.compile(
    r"(?i)(^|\.)(command|args|argv|script|shell|env|vars|headers|url|baseUrl|apiRoot|endpoint"
    r"|path|paths"
    r"|dir|workspace|agentDir|file|\$include|extraDirs|schedule|message|prompt|systemPrompt)(\.|$)"
    r"|[a-z](Url|Path|Dir|File|Command|Script|Host)$"
)
# The strict ends of scales that are known. Anything at one of these opens nothing.
STRICT: Tuple[Tuple["re.Pattern[str]", Tuple[Any, ...]], ...] = tuple(
    (re.compile("(?i)^(?:" + key + ")$"), values)
    for key, values in (
        (r"gateway\.bind", ("loopback",)),
        (r"gateway\.auth\.mode", ("token", "password")),
        (r"gateway\.tls\.enabled", (True,)),
        (r".*\.(dmPolicy|groupPolicy)", ("disabled", "allowlist")),
        (r".*\.dm\.policy", ("disabled", "allowlist")),
        (r"(agents|tools)\..*sandbox\.mode", ("all",)),
        (r".*exec\.security", ("deny",)),
        (r".*exec\.ask", ("always",)),
        (r".*exec\.host", ("sandbox",)),
        (r".*\.requireMention", (True,)),
        (r".*(requireApproval|requirePairing|requireAuth|verify|verifySsl|strict)", (True,)),
        (
            r".*(allow\w*|dangerously\w*|insecure\w*|bypass\w*|elevated.*enabled|expose\w*)",
            (False,),
        ),
        (r"session\.dmScope", ("per-account-channel-peer", "per-channel-peer", "per-peer")),
    )
)
_WORDS = (  # free texts that name no place, no person and no program
    (
        r"(^|\.)\w*[mM]odel(\.primary|\.fallbacks\.\d+)?$",
        r"[A-Za-z][\w-]{0,40}/[A-Za-z][\w.:-]{0,60}",
    ),
    (r"(?i)(every|interval|timeout|ttl|delay|window|age|duration)$", r"\d{1,6} ?(ms|s|m|h|d)?"),
    (r"(?i)timezone$", r"[A-Z][A-Za-z]+(/[A-Za-z_]+){1,2}|UTC"),
)
_PORT = re.compile(r"(?i)port$")


def against(
    data: Any, path: Tuple[str, ...], value: Any, good: Optional[Mapping[str, Any]]
) -> Optional[Text]:
    """Why this key may not get this value (UNSET: may not be removed); None when it may."""
    name = json_edit.dotted(path)
    now = json_edit.value_at(data, path, UNSET)
    was = json_edit.value_at(good, path, UNSET) if good else UNSET
    if was is not UNSET and value == was and type(value) is type(was):
        return None  # what it was when all was well
    last = next((part for part in reversed(path) if not part.isdigit()), "")
    if is_secret_key(last):
        return Text.of("{} is a secret: only you set it", "{} 是密钥：只能由你设置", name)
    if value is UNSET:
        # what the schema does not know has no effect and no default; else the default must not open
        if GUARDS.search(name) and (not good or was is not UNSET):
            return Text.of(
                "without {} a default takes its place that may be wider",
                "移除 {} 后默认值可能更宽松",
                name,
            )
        return None
    if isinstance(value, bool) or isinstance(value, str):
        for pattern, strict in STRICT:
            if pattern.match(name):
                fits = any(value == one and type(value) is type(one) for one in strict)
                return None if fits else _weaker(name)
    if isinstance(value, bool):
        return _weaker(name) if GUARDS.search(name) and value is not _meant(now) else None
    if isinstance(value, (int, float)):
        if (GUARDS.search(name) or _PORT.search(last)) and value != _meant(now):
            if not (name == "gateway.port" and was is UNSET and value == 18789):
                return _weaker(name)
        return None
    if isinstance(value, str):
        if RUNS.search(name) or GUARDS.search(name):
            return _weaker(name)
        return None
    if value in ([], {}) and not now and not GUARDS.search(name):
        return None
    return Text.of(
        "{} would get a whole {}; only you know what belongs there",
        "{} 需要整段内容（{}）；只有你知道应填什么",
        name,
        type(value).__name__,
    )


def free_text(path: Tuple[str, ...], value: str) -> bool:
    """May this key get this text although no list of values holds it?"""
    name = json_edit.dotted(path)
    return any(
        re.search(key, name) and re.match("^(?:" + form + ")$", value) for key, form in _WORDS
    )


def _meant(now: Any) -> Any:
    """What the owner plainly meant by a text: the number or the switch that it spells."""
    text = str(now).strip().lower() if isinstance(now, str) else ""
    if re.match(r"^-?\d{1,9}$", text):
        return int(text)
    if re.match(r"^-?\d{1,9}\.\d{1,6}$", text):
        return float(text)
    return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False}.get(
        text, {"off": False}.get(text, UNSET)
    )


def _weaker(name: str) -> Text:
    return Text.of(
        "that value of {} could open or redirect something: only you set it",
        "{} 的该值可能放宽或改变去向：只能由你设置",
        name,
    )
