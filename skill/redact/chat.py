"""What people wrote to each other, and characters that nobody sees: both are removed, not
masked.
"""

from __future__ import annotations

import re

from .masks import Lazy

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
    "msgText|message_text|chat_text|user_input|userInput|input_text|query_text"
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
    r"|\b(?:user|assistant|human|agent|chat|owner|customer|member|guest|sender|he|she"
    r"|they)\s{1,2}(?:" + _VERBS + r"|message|reply)\b"
    r"|\b(?:processing|handling|answering|replying(?:\s{1,2}to)?|summari[sz]ing|translating"
    r"|queu(?:ed|eing)|"
    r"enqueued?|dispatch(?:ed|ing)?|deliver(?:ed|ing)?|sending|sent|posting|echo(?:ing)?"
    r"|transcribed|heard|"
    r"transcript|utterance|prompt|chat|reply|question"
    r"|dm)\s{0,2}(?:to\s\S{1,40}\s{0,2})?:?\s{0,2}(?=[\"'“「『‘])"
    r"|(?:^|\s)(?:<-{1,2}|-{1,2}>|<={1,2}|={1,2}>|←|→|⇐|⇒|«|»|<<"
    r"|>>)\s{0,2}[@+#A-Za-z\u4e00-\u9fff][^:\n(),\uff1a]{0,40}[:\uff1a]"
    r"|收到[^\n]{0,40}?(?:消息|信息|私信|回复|语音|图片)|(?:用户|客户|群友|群里|助手|机器人|对方|主人|管理员)[^\n:\uff1a]{0,20}?"
    r"(?:消息|说|问|发送|发来|回复|答)|(?:回复|答复|转发|发送)(?:给)?[^\n:\uff1a]{0,20}?(?:用户|消息)?[:\uff1a]"
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
    r"connect|startup|token"
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


def visible(text: str) -> str:
    """Without terminal escapes, control and invisible characters: nothing may move a cursor or hide
    itself.
    """
    return str(_INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


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
