"""What goes whatever it looks like: values that are known, in every form in which they turn up
(wrapped, upper-cased, truncated, encoded once or twice); what people wrote to each other;
characters that nobody sees.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Sequence, Set, Tuple

from .masks import PLAIN, Lazy

GRAM = 6  # characters by which a form is looked up
LEAST_PART = 12  # a truncated copy counts from here on (6 where an ellipsis says that it was cut)
_BREAK = Lazy(r"\\?[ \t]*\r?\n[ \t]*(?:[|>] )?")
_CUT = Lazy(r"(?:\.{2,3}|…|\*{2,}|\[\.\.\.\]|<cut|\[truncated)")
_CUTS = frozenset(".…*[<")  # what _CUT begins with
_ASCII = {ord(c): ord(c.lower()) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def lower(text: str) -> str:
    """Lower case without a change of length (İ has two lower-case characters)."""
    return text.translate(_ASCII)


def forms(value: str) -> List[str]:
    """The shapes in which one value turns up: as it is, in a URL, in JSON (each once and twice), in
    base64 at any offset, in hex.
    """
    import base64
    import json
    from urllib.parse import quote

    value = value.strip()
    if len(value) < 3 or value.lower() in PLAIN or (value.isdigit() and len(value) < 6):
        return []
    found = [value]
    if len(value) >= 6:
        url = quote(value, safe="")
        once, ascii_once = json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1]
        found += [url, quote(url, safe=""), quote(value), once, ascii_once]
        found += [json.dumps(once)[1:-1], json.dumps(ascii_once)[1:-1]]
        raw = value.encode("utf-8")
        found.append(raw.hex())
        for offset in range(3):
            coded = base64.b64encode(b"\0" * offset + raw).decode()
            first = (0, 2, 3)[offset]
            last = len(coded) - (0, 3, 2)[(offset + len(raw)) % 3]
            inner = coded[first:last].rstrip("=")
            found += [inner, inner.replace("+", "-").replace("/", "_")] if len(inner) > 6 else []
    if "\n" in value:
        lines = [line.strip() for line in value.splitlines()]
        found += [line for line in lines if len(line) >= 12 and "-----" not in line]
    return list(dict.fromkeys(found))


class Known:
    """Values that must not be seen, looked up by their first characters."""

    def __init__(self) -> None:
        self._forms: Dict[
            str, List[Tuple[str, bool]]
        ] = {}  # gram -> (lower-cased form, whole value?)
        self._short: Set[str] = set()
        self._tails: Dict[str, List[str]] = {}  # last characters -> values
        self._seen: Set[str] = set()

    def add(self, value: str, all_forms: bool = True) -> None:
        if value in self._seen or len(self._seen) > 20_000:
            return
        self._seen.add(value)
        for number, form in enumerate(forms(value) if all_forms else [value.strip()]):
            small = lower(form)
            if len(small) < GRAM:
                self._short.add(small)
                continue
            rows = self._forms.setdefault(small[:GRAM], [])
            if all(small != row[0] for row in rows):
                rows.append((small, number == 0))
            if number == 0 and len(small) >= GRAM + 2:
                self._tails.setdefault(small[-GRAM:], []).append(small)

    def spans(self, text: str) -> List[Tuple[int, int]]:
        """Where known values stand, as (begin, end), sorted and without overlaps."""
        if not self._seen:
            return []
        joined, places = _joined(text)
        small = lower(joined)
        grams = {small[i : i + GRAM] for i in range(len(small) - GRAM + 1)}
        found: List[Tuple[int, int]] = []

        def alone(begin: int, end: int = -1) -> bool:
            """No letter or digit right before it (and, with an end, right after it)?"""
            before, after = places(begin), places(end - 1) + 1 if end > 0 else len(text)
            return not (
                before and text[before - 1].isalnum() or after < len(text) and text[after].isalnum()
            )

        for gram in grams & self._forms.keys():
            # our own placeholders spell "secret": they are no place of a value
            at = [n for n in _places(small, gram) if not small.startswith("<", n - 1)]
            rows = self._forms[gram]
            reach = max(len(form) for form, _whole in rows) + len("[truncated)")
            same: Dict[Tuple[bool, str], int] = {}  # what is alike goes as far
            for begin in at:
                end = min(begin + reach, len(small))
                around = (not begin, text[max(0, places(begin) - 1) : places(end - 1) + 2])
                size = same.get(around)
                if size is None:
                    ends = (
                        last - begin
                        for form, whole in rows
                        for _first, last in _matches(small, joined, form, whole, alone, [begin])
                    )
                    size = same[around] = max(ends, default=0)
                if size:
                    found.append((begin, begin + size))
        for gram in grams & self._tails.keys():
            for value in self._tails[gram]:
                found += _cut_heads(small, value)
        for word in self._short:
            found += [
                (at, at + len(word)) for at in _places(small, word) if alone(at, at + len(word))
            ]
        return _merged([_whole(text, places(begin), places(end - 1) + 1) for begin, end in found])


def _whole(text: str, begin: int, end: int) -> Tuple[int, int]:
    """Up to the ends of the run it stands in: half of a longer secret must not stay."""
    while (
        begin
        and (text[begin - 1].isalnum() or text[begin - 1] in "_-")
        and text[begin - 1] < "\x7f"
    ):
        begin -= 1
    while end < len(text) and (text[end].isalnum() or text[end] in "_-=") and text[end] < "\x7f":
        end += 1
    return begin, end


def _matches(
    small: str,
    joined: str,
    form: str,
    whole: bool,
    alone: Callable[..., bool],
    places: Sequence[int],
) -> Iterator[Tuple[int, int]]:
    """Where this form stands, whole or (a value itself) cut off, of the places where it begins."""
    head = form[:LEAST_PART]
    for at in places:
        if not small.startswith(head, at):
            # too short for a part, unless something says that it was cut
            if not whole:
                continue
            size = GRAM
            while size < len(head) and small[at + size : at + size + 1] == head[size]:
                size += 1
            if (
                joined[at + size : at + size + 1] in _CUTS
                and _CUT.match(joined, at + size)
                and alone(at)
            ):
                yield at, at + size
            continue
        size = _common(small, at, form)
        if size == len(form):
            # short values count as whole words only, so that one does not blank half of a log
            if size >= 8 or alone(at, at + size):
                yield at, at + size
        elif whole and alone(at):
            if size * 2 >= len(form) or _CUT.match(joined, at + size):
                yield at, at + size


def _cut_heads(small: str, value: str) -> Iterator[Tuple[int, int]]:
    """The end of a value behind an ellipsis: "...tail-of-it"."""
    for at in _places(small, value[-GRAM:]):
        size = GRAM
        while (
            size < len(value)
            and at + GRAM - size > 0
            and (small[at + GRAM - size - 1] == value[-size - 1])
        ):
            size += 1
        begin = at + GRAM - size
        if size < len(value) and small[max(0, begin - 1) : begin] in ("…", ".", "*"):
            yield begin, at + GRAM


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _common(text: str, at: int, form: str) -> int:
    if text.startswith(form, at):
        return len(form)
    size = 0
    while size < len(form) and at + size < len(text) and text[at + size] == form[size]:
        size += 1
    return size


def _joined(text: str) -> Tuple[str, Callable[[int], int]]:
    """The text without its line breaks (a value may be wrapped over two lines), and where a place
    in it was before.
    """
    if "\n" not in text:
        return text, lambda at: at
    from bisect import bisect_right

    parts, starts, shifts, size, last = [], [0], [0], 0, 0
    for match in _BREAK.finditer(text):
        parts.append(text[last : match.start()])
        size += match.start() - last
        last = match.end()
        starts.append(size)
        shifts.append(last - size)
    parts.append(text[last:])
    return "".join(parts), lambda at: at + shifts[bisect_right(starts, at) - 1]


def _merged(spans: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    merged: List[Tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


# -- what people wrote to each other, and what nobody sees ---------------
LIMIT = 32_000  # characters of one text that are looked at: its beginning and its end
HEAD = 12_000
# Control, bidirectional, zero-width, tag and selector characters: a reader does not see them, a
# model reads them.
_INVISIBLE = Lazy(
    "\x1b(?:\\[[0-?]{0,40}[ -/]{0,10}[@-~]|\\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\\\)?"
    "|[PX^_][^\x1b\n]{0,2000}"
    "(?:\x1b\\\\)?|.)"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)

_FIELDS = (
    "text|body|content|preview|textPreview|bodyPreview|messageText|messagePreview|rawBody|prompt|"
    "userMessage|lastMessage|transcript|caption|quote|reply|utterance|question|answer|subject"
    "|snippet|"
    "msgText|message_text|chat_text|user_input|userInput|input_text|query_text|summary|title|reminder"
    r"|(?:in|out)boundMessage|\w{0,20}(?:[uU]ser|[aA]gent|[aA]ssistant|[cC]hat|[iI]nput|[oO]utput"
    r"|[iI]nbound|[oO]utbound|[qQ]uoted)_?(?:[mM]essage|[tT]ext|[cC]ontent|[pP]rompt|[bB]ody)"
)
_CHAT_FIELD = Lazy(
    r"""(?x)(\\{0,3}["']?\b(?:"""
    + _FIELDS
    + r""")\\{0,3}["']?\s{0,3}[:=]\s{0,3})
    (\\{1,3}"(?:[^"\\\n]|\\{1,3}[^"\\]){0,4000}\\{0,3}"|"(?:[^"\\]|\\.){0,4000}"?|'[^'\n]{0,4000}'?|[^\n{\[]{1,4000})"""
)
_VERBS = (
    r"said|says|wrote|writes|asked|asks|replied|replies|answered|responded|texted|typed|told|sent"
    r"|whispered"
)
_CHAT_LINE = Lazy(
    r"(?i)((?:inbound|incoming|outbound|outgoing|received|delivered|forwarded|quoted"
    r"|relayed)\s{1,2}"
    r"(?:chat\s{1,2}|direct\s{1,2}|group\s{1,2}|user\s{1,2}|voice\s{1,2}|text\s{1,2})?"
    r"(?:message|msg|dm|text|reply|note|mail|comment)\b"
    r"|(?:message|msg|dm|reply|text|comment|note)\s{1,2}(?:received\s{1,2})?(?:from|to|by)\b"
    r"|\btranscript\b[^:\n]{0,20}:"
    # <alice> hello; not <time> and the other marks that we and stack traces put into a line
    r"|(?:^|\s)<(?!https?:|(?:time|date|path|file|root|pid|port|id|n|uuid|hex|ip|number|address"
    r"|anonymous|native|unknown|none|null)>)[\w.\u4e00-\u9fff-]{1,32}>(?=\s\S)"
    r"|[\w\u4e00-\u9fff]{1,32}\s\((?:telegram|discord|feishu|lark|slack|dingtalk|wecom|whatsapp"
    r"|signal|imessage|matrix|line|qq|wechat|teams)\)\s?[:\uff1a]"
    r"|\b(?:user|assistant|human|agent|chat|owner|customer|member|guest|sender|he|she"
    r"|they)\s{1,2}(?:" + _VERBS + r"|message|reply)\b"
    r"|\b(?:processing|handling|answering|replying(?:\s{1,2}to)?|summari[sz]ing|translating"
    r"|queu(?:ed|eing)|"
    r"enqueued?|dispatch(?:ed|ing)?|deliver(?:ed|ing)?|sending|sent|posting|echo(?:ing)?"
    r"|transcribed|heard|"
    r"transcript|utterance|prompt|chat|reply|question"
    r"|dm)\s{0,2}(?:(?:text|message|reply|to\s\S{1,40})\s{0,2})?:?\s{0,2}(?=[\"'“「『‘])"
    r"|(?:^|\s)(?:<-{1,2}|-{1,2}>|<={1,2}|={1,2}>|←|→|⇐|⇒|«|»|<<"
    r"|>>)\s{0,2}[@+#A-Za-z\u4e00-\u9fff][^:\n(),\uff1a]{0,40}[:\uff1a]"
    r"|收到[^\n]{0,40}?(?:消息|信息|私信|回复|语音|图片)|(?:用户|客户|群友|群里|助手|机器人|对方|主人|管理员)[^\n:\uff1a]{0,20}?"
    r"(?:消息|说|问|发送|发来|回复|答|输入)|(?:提醒|消息|正文|备注|日程)(?:内容|标题)?(?=[:\uff1a])|群[^\n]{0,40}?说|(?:回复|答复|转发|发送)(?:给)?[^\n:\uff1a]{0,20}?(?:用户|消息)?[:\uff1a]"
    r"|[\u4e00-\u9fffA-Za-z0-9_]{1,12}(?:说|问道|回答|回复|发来|写道|留言)[:\uff1a])([^\n]{0,4000})"
)
# [telegram] Alice: ... ; [chat] ... ; (group) 张三:...
_CHAT_NAME = Lazy(
    r"(?im)((?:\[(?:telegram|discord|feishu|lark|slack|dingtalk|wecom|whatsapp|signal|imessage"
    r"|matrix|line|qq|"
    r"wechat|teams|chat|chats|dm|group|session|agent|conversation|message|messages|inbox|inbound"
    r"|outbound)"
    r"[^\]\n]{0,40}\])\s{1,2}"
    r"(?:[@#]?(?!error\b|warn|fail|config|channel|account|gateway|provider|plugin|reason|status"
    r"|code|http|"
    r"connect|startup|token|health|monitor|polling|socket|stream|client|webhook|login|probe|restart"
    r"|api\b)[\w\u4e00-\u9fff.:-]{1,48}?(?:\s(?-i:[A-Z])[\w.-]{1,20})?\s{0,2}(?:\([^)\n]{0,40}\))?)"
    r"\s{0,2}[:\uff1a>\u00bb]\s)([^\n]{1,4000})"
)
DROPPED = "<chat text dropped>"


def shortened(text: str) -> str:
    """At most LIMIT characters: the middle goes, at line or word boundaries, so that no half of a
    secret stays.
    """
    if len(text) <= LIMIT:
        return text
    head, tail = text[:HEAD], text[-(LIMIT - HEAD) :]
    for mark in ("\n", " "):
        at = head.rfind(mark, HEAD - 2000)
        if at >= 0:
            head = head[:at]
            break
    else:
        head = head[: HEAD - 2000]
    for mark in ("\n", " "):
        at = tail.find(mark, 0, 2000)
        if at >= 0:
            tail = tail[at + 1 :]
            break
    else:
        tail = ""
    return "{}\n<{} characters left out>\n{}".format(head, len(text) - len(head) - len(tail), tail)


# Other spellings of plain characters: full-width letters and digits, HTML and JSON escapes.
_WIDE = {wide: wide - 0xFEE0 for wide in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF5B))}
_WIDE = {wide: narrow for wide, narrow in _WIDE.items() if chr(narrow).isalnum()}
_ESCAPED = Lazy(r"\\{1,3}u00([2-7][0-9a-fA-F])|&#x?0{0,4}(\d{2,3});|&(quot|apos|amp);")
_ENTITIES = {"quot": '"', "apos": "'", "amp": "&"}


def visible(text: str) -> str:
    """Without terminal escapes, control and invisible characters, and with every plain character in
    its plain spelling: nothing may move a cursor or hide itself.
    """
    text = str(_INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    if "\\u00" in text or "&" in text:
        text = str(_ESCAPED.sub(_plain_character, text))
    return text if text.isascii() else text.translate(_WIDE)


def _plain_character(match: "re.Match[str]") -> str:
    code, number, name = match.groups()
    if name:
        return _ENTITIES[name]
    value = int(code, 16) if code else int(number, 10)
    return chr(value) if 32 <= value < 127 else str(match.group(0))


def drop_chat(text: str) -> str:
    """What users and agents wrote to each other is removed, not masked: it explains no outage and
    belongs to them.
    """
    text = shortened(text)
    text = _CHAT_FIELD.sub(lambda m: m.group(1) + '"' + DROPPED + '"', text)

    def cut(match: "re.Match[str]") -> str:
        rest = match.group(2).strip()
        return match.group(1) + " " + DROPPED if rest and rest != DROPPED else match.group(0)

    return str(_CHAT_LINE.sub(cut, _CHAT_NAME.sub(cut, text)))
