"""Log lines made comparable: unwrapped, masked, deduplicated, bounded; chat text and other
products' lines taken out.
"""

from __future__ import annotations

import json
import re
from typing import List, NamedTuple, Tuple

from ..files import json_bounded

MAX_LOG_CHARS = 262_144  # only the end of a log is read: the newest boot is there
MAX_LINE_CHARS = 2_000  # a hostile or binary line cannot make a regex slow
MAX_LINES = 2_000

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\ufeff]")
_BOX = re.compile(r"^[\s│┌└├╮╯╭╰─┐┘◇◆■▲●✗✓•]+|[\s│┐┘╮╯─]+$")
_JOURNAL = re.compile(
    r"^[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \S{1,64} ([\w.@/-]{1,64})\[\d{1,9}\]: "
)
_TIME = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d"
    r":\d\d(?:[.,]\d{1,6})?(?:[+-]\d\d:\d\d)?"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I)
_HEX = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,64}\b", re.I)
_PID = re.compile(r"\b(pid|PID)([ =:]{1,3})\d{1,9}")
_HOME = re.compile(
    r"(?:/home/[^/\s'\":]{1,64}|/Users/[^/\s'\":]{1,64}|/root(?=/)|[A-Za-z]:\\{1,2}Users\\{1,2}"
    r"[^\\\s'\":]{1,64})"
)
_ESCAPED = re.compile(
    r"\\n(?=- |Run |Fix: | {2,}at )"
)  # one record that holds several lines, as JSON writes them
_DIGITS = re.compile(r"\d+")
_VARIES = re.compile(r"[0-9a-f]{6,}|\d+")  # what two lines that say the same may differ in, cheaply
_QUOTED_START = re.compile(
    r"^\s{0,8}(?:>|&gt;|「|“|@\w{2,32}\s)|^\s{0,8}(?:user|assistant|human|用户|助手)\s?[:：]", re.I
)
# Where somebody else's words begin inside a log line: what follows is data, never a symptom.
_QUOTED_FROM = re.compile(
    r"(?:inbound|incoming|received|new|user|chat|dm)\s(?:message|msg|text|dm)\s?(?:from\b|[:：="
    r"(\"“])"
    r"|\bmessage from\b|\b(?:said|wrote|says|asked|pasted|quoted|replied)\s?[:：]"
    r"|收到(?:一条|了)?(?:消息|私信|文本|群消息)|用户(?:说|发送|消息|输入)|聊天(?:内容|记录)"
    r"|\btool(?:[ _-](?:result|output|response))\s?[:：=]|\bexec (?:stdout|output)\s?[:：=]"
    r"|\"?\b(?:text|body|preview|snippet|prompt|transcript|quote)\"?\s?[=:：]\s?[\"“'`]"
    r"|\"role\"\s?:\s?\"(?:user|assistant|tool)\"",
    re.I,
)
BOOT = re.compile(
    r"\[gateway\] (?:loading configuration|starting(?:\.\.\.|…| HTTP)?$)|systemd\[\d+\]: "
    r"Start(?:ed|ing) OpenClaw",
    re.I,
)
# What a healthy gateway prints that reads like trouble.
_NOISE = re.compile(
    r"remote model catalog refresh failed|staggering missed jobs|deferring missed agent "
    r"jobs|Copy to clipboard unavailable"
    r"|command already registered|can't verify where this plugin came from",
    re.I,
)
# Said by a boot before its own first marker.
_PRELUDE = re.compile(
    r"^(?:<time> )?(?:Config |\[config\]|Missing config|Migrated |\[state-migrations\])", re.I
)
READY = re.compile(r"\[gateway\] (?:ready|http server listening|listening on ws)", re.I)

GRAM = 3  # characters of the prefilter's grams
_GROUP = re.compile(r"\((?:[^()\\]|\\.)*\)[*+?]?(?:\{[^}]*\})?")
_PLAIN_GROUP = re.compile(r"\((?:\?:)?((?:[^()\\]|\\.)*)\)(?![*?]|\{0)")
_OPTIONAL = re.compile(r"(?:\\.|\[(?:[^\]\\]|\\.)*\]|.)(?:[?*]|\{0[^}]*\})\??")
_LOOSE = re.compile(
    r"\\[bBAZ]|\\[dDsSwW](?:[+]|\{[^}]*\})?|\[(?:[^\]\\]|\\.)*\](?:[+]|\{[^}]*\})?|\.(?:[+]|\{["
    r"^}]*\})?|[\^$]"
)


class Line(NamedTuple):
    text: str  # masked, as shown in `because`
    fresh: bool  # belongs to the newest boot
    age: int  # 0 = newest kept line


def unwrap(raw: str) -> str:
    """Given one line of a log file (JSONL), console or journal, return the message with its
    [subsystem].
    """
    line = raw.strip()
    if line.startswith("{") and line.endswith("}"):
        try:
            entry = json_bounded(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and ("_meta" in entry or "0" in entry):
            line = _of_entry(entry)
    line = _JOURNAL.sub(
        lambda m: (
            "" if m.group(1).startswith(("node", "openclaw", "bash", "sh")) else m.group(1) + ": "
        ),
        line,
    )
    line = _CONTROL.sub("", _ANSI.sub("", line))
    return _BOX.sub("", line)


def _of_entry(entry: "dict[str, object]") -> str:
    parts: List[str] = []
    for number in range(6):
        value = entry.get(str(number))
        if value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if number == 0 and text.startswith("{"):
            try:
                subsystem = json_bounded(text).get("subsystem") or ""
            except (ValueError, AttributeError):
                subsystem = ""
            text = "[{}]".format(subsystem) if subsystem else text
        parts.append(text)
    message = entry.get("message")
    if isinstance(message, str) and message and message not in parts:
        parts.append(message)
    return " ".join(parts)


def mask(line: str) -> str:
    """Replace what differs between two machines: times, ids, pids, homes. Codes and ports stay:
    they are the meaning.
    """
    line = _TIME.sub("<time>", line)
    line = _UUID.sub("<id>", line)
    line = _HEX.sub("<id>", line)
    line = _PID.sub(r"\1\2<pid>", line)
    return _HOME.sub("~", line)


def key(masked: str) -> str:
    """The same for two lines that say the same thing."""
    return _DIGITS.sub("#", masked).lower()


def unquoted(line: str) -> str:
    """Return the part of a line that the program itself said: quoted chat and tool output are cut
    off.
    """
    if _QUOTED_START.match(line):
        return ""
    found = _QUOTED_FROM.search(line)
    return line[: found.start()] if found else line


def lines(log: str) -> List[Line]:
    """Given a log of any size, return its distinct lines, newest first, bounded by MAX_LOG_CHARS
    and MAX_LINES.
    """
    if len(log) > MAX_LOG_CHARS:
        log = log[-MAX_LOG_CHARS:]
        log = log[log.find("\n") + 1 :]
    kept: List[Line] = []
    seen, looked_at = set(), set()
    fresh, ready, fence, boots = True, False, False, 0
    for raw in reversed(_ESCAPED.sub("\n", log).split("\n")):
        if not raw or raw.isspace():
            continue
        rough = _VARIES.sub("#", raw[: MAX_LINE_CHARS * 4])
        if rough in looked_at and not (fresh and BOOT.search(raw)):
            continue
        looked_at.add(rough)
        if raw.lstrip().startswith("```"):
            fence = not fence
            continue
        whole = unwrap(
            raw[:MAX_LINE_CHARS] if not raw.startswith('{"0"') else raw[: MAX_LINE_CHARS * 4]
        )
        text = mask(unquoted(whole[:MAX_LINE_CHARS])).strip()
        if text and len(kept) < MAX_LINES:
            mark = key(text)
            if mark not in seen and not _NOISE.search(text):
                seen.add(mark)
                kept.append(
                    Line(text, fresh or bool(_PRELUDE.match(text)) and boots == 1, len(kept))
                )
        ready = ready or bool(fresh and READY.search(whole))
        if fresh and ready and BOOT.search(whole):
            fresh, boots = (
                False,
                1,
            )  # an older boot's trouble is history once a newer boot became ready
        elif not fresh and (READY.search(whole) or "shutdown" in whole):
            boots = 2
    return kept


def literals(pattern: str) -> Tuple[str, ...]:
    """Given a regular expression, return fixed texts (lower case) of which each matching line
    contains one; () when there is none.
    """
    flat = pattern
    for _ in range(4):
        flat, changed = _GROUP.subn("\x00", flat)
        if not changed:
            break
    found = []
    for branch in flat.split("|"):
        branch = _LOOSE.sub("\x00", _OPTIONAL.sub("\x00", branch))
        branch = re.sub(r"\\(.)", r"\1", branch.replace("+", "\x00"))
        found.append(max(branch.split("\x00"), key=len).lower())
    if all(_telling(text) for text in found):
        return tuple(found)
    if len(found) > 1:
        return ()
    for group in _PLAIN_GROUP.findall(
        pattern
    ):  # no text of its own: a group whose every branch has one
        inside = [literals(branch) for branch in group.split("|")]
        if all(inside):
            return tuple(text for branch in inside for text in branch)
    return ()


def _telling(text: str) -> bool:
    """Three characters, or two Chinese ones."""
    return len(text) >= GRAM or len(text) == 2 and all("\u4e00" <= c <= "\u9fff" for c in text)


def pattern_of(line: str) -> str:
    """Given one log line, return a regular expression that fits it on another machine: numbers and
    masked parts are left open.
    """
    text = re.sub(r"^(?:<time>|\s)+", "", mask(unwrap(line)))[:160]
    pattern = (
        re.escape(text)
        .replace(r"\ ", " ")
        .replace("<time>", ".{1,40}")
        .replace("<id>", ".{1,64}")
        .replace("<pid>", ".{1,9}")
    )
    return re.sub(
        r"\d+",
        r"\\d{1,9}",
        re.sub(r"\.\{\d+,\d+\}", lambda m: m.group(0).replace("1", "\x01"), pattern),
    ).replace("\x01", "1")


def usable(pattern: str) -> bool:
    """Return whether it compiles and holds a fixed text."""
    try:
        return bool(re.compile(pattern)) and bool(literals(pattern))
    except re.error:  # cut in the middle of an escape
        return False
