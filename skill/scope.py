"""Is this about an OpenClaw gateway that is in trouble at all? Other products, advisories, wishes and quotations are not."""

from __future__ import annotations

import re
from typing import FrozenSet, NamedTuple, Sequence

# Other programs with errors of the same words. Their lines never count.
_OTHER = re.compile(
    r"claude[ -]code|codex (?:cli|desktop|ide|extension|app)|gemini[ -]cli|qwen[ -]code|continue (?:extension|\.dev|ide|plugin)|cursor (?:ide|editor|agent)|in cursor\b"
    r"|\bcline\b|roo[ -]?code|kilo[ -]?code|\baider\b|windsurf|github copilot|copilot chat|\bopencode\b|openclash|clash[ -]?(?:verge|meta|for windows|core)|mihomo|\bclash\b"
    r"|\bv2ray|\bxray\b|sing-box|passwall|\bdify\b|\bn8n\b|langflow|open[ -]?webui|librechat|lobe[ -]?chat|cherry studio|chatbox|home[ -]assistant|nextcloud|wordpress"
    r"|vs ?code|visual studio code|jetbrains|\bzed editor\b|litellm|new-api|one-api|\bnextjs\b|next\.js|\bvite\b|webpack|django|\bflask\b|rails|postgres|mysql|mongodb|redis(?!tr)",
    re.I,
)
_OURS = re.compile(
    r"openclaw|clawdbot|moltbot|clawbox|picoclaw|\[gateway\]|\bgateway[/.:-]|subsystem|agent/embedded|lane=|channels?/|plugin-sdk|\bbot\b|机器人|网关|飞书|钉钉|"
    r"telegram|discord|whatsapp|slack|feishu|dingtalk|imessage|\bgateway\b",
    re.I,
)
_CORE = re.compile(r"openclaw|clawdbot|moltbot|\[gateway\]|agent/embedded|18789", re.I)
# Line shapes that only other programs print.
_OTHER_LINE = re.compile(r"^\[BUG\]|^API Error[:(]|^\s*⎿|^Status Code: \d|\bopenclash\b|\bclash\b|mihomo|claude[ -]code", re.I)
_ADVISORY = re.compile(
    r"\bGHSA-|\bCVE-\d{4}|security advisory|vulnerabilit|changelog|release notes?\b|\badvisory\b|安全公告|漏洞(?:公告|通告|披露)|更新日志|发布说明", re.I
)
_WISH = re.compile(
    r"feature request|\[feature\]|\[feat\]|\bfeat:|\bproposal\b|would (?:be (?:nice|great|useful)|like (?:to see|support))|please (?:add|support|consider)|"
    r"^(?:add|support|allow|expose|document) (?:support|an? |for |the )|enhancement|\brfc\b|roadmap|功能(?:请求|建议)|希望(?:能)?(?:支持|增加|添加)|建议(?:增加|支持|添加)|求支持|能否(?:支持|增加)",
    re.I,
)
_QUOTED = re.compile(
    r"pasted|quot(?:es|ed|ing)|copied from|somebody (?:wrote|asked)|someone (?:wrote|asked|posted|pasted)|in the (?:chat|docs?|tutorial|article|readme)\b|example (?:from|in)|"
    r"(?:asks?|asked|asking) (?:the bot )?(?:what|about|to explain)|translate|转发|粘贴|引用|聊天里|群里有人|有人(?:问|发)|文档里|教程里|文章里|翻译",
    re.I,
)
_CALM = re.compile(
    r"is (?:this|it|that) (?:normal|expected|a problem|ok(?:ay)?)\b|\bharmless|\bbenign|cosmetic|no impact|nothing (?:is )?(?:broken|wrong)|everything (?:still )?works|"
    r"works (?:fine|normally|perfectly|well)(?: otherwise| anyway)?\W*$|but (?:\w+ ){0,4}(?:replies|works|answers|is|runs|sends|all) (?:fine|ok|okay|good|well|healthy)|"
    r"just (?:curious|wondering|asking)|should i (?:worry|care)|for information|fyi\b|all (?:good|healthy|green)|is healthy|"
    r"(?:但|不过|可是).{0,12}(?:正常|没问题|能用|不影响)|是正常的吗|正常吗|要紧吗|可以忽略|不影响使用|一切正常|没有影响",
    re.I,
)


class Scope(NamedTuple):
    nothing: bool  # not ours, or nothing that can be repaired
    calm: bool  # the person says that it works: only a decisive signature counts, and never as certain
    has_log: bool
    foreign: FrozenSet[int]  # numbers of log lines of other products


def judge(symptom: str, lines: Sequence[str]) -> Scope:
    """Given what was said and the log's lines, answer what may count at all."""
    foreign = frozenset(n for n, line in enumerate(lines) if _OTHER_LINE.search(line) and not _CORE.search(line))
    own = [line for n, line in enumerate(lines) if n not in foreign]
    whole = symptom + "\n" + "\n".join(lines[:400])
    nothing = bool(_OTHER.search(whole)) and not _OURS.search(whole)
    nothing = nothing or bool(_OTHER.search(symptom) and not _CORE.search(whole) and not _OURS.search(symptom))
    nothing = nothing or bool(lines and not own)
    nothing = nothing or bool(_ADVISORY.search(symptom) or any(_ADVISORY.search(line) for line in own[:20]) and len(own) <= 20)
    nothing = nothing or bool(_WISH.search(symptom)) or bool(_QUOTED.search(symptom))
    nothing = nothing or not (symptom.strip() or own)
    return Scope(nothing, bool(_CALM.search(symptom)), bool(own), foreign)
