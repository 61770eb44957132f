"""Is this about an OpenClaw gateway that is in trouble at all? Other products, advisories, wishes and quotations are not."""

from __future__ import annotations

import re
from typing import FrozenSet, NamedTuple, Sequence

# Other programs with errors of the same words. Their lines never count.
_OTHER = re.compile(
    r"claude[ -]code|claude remote|codexbar|cliproxyapi|antigravity[ -]manager|claude[ -]desktop|one[ -]?api\b|new[ -]api\b|"
    r"litellm|codex[ -](?:cli|desktop|says|reconnect|exec\b|sandbox|tui|ide|extension|app)|gemini[ -]cli|qwen[ -]code|"
    r"continue (?:extension"
    r"|\.dev|ide|plugin)|cursor (?:ide|editor|agent|ai|pro|cannot|can.?t|says|does|is|with)|open-?hands|hummingbot|octobot|"
    r"db browser|sqlitestudio|\bhermes\b|on my (?:website|web site|blog)|in cursor\b|\bcline\b|roo[ -]?code"
    r"|kilo[ -]?code|\baider\b|windsurf|github copilot|copilot chat|\bopencode\b(?![/:])|jetbrains|\bzed editor\b"
    r"|vs ?code|visual studio code|\bdify\b|\bn8n\b|langflow|open[ -]?webui|librechat|lobe[ -]?chat|cherry studio"
    r"|chatbox|home[ -]assistant|nextcloud|wordpress|\bwaha\b|node-?red|hassio|noweb|evolution[ -]api|whatsapp-web\.js|next\.?js\b"
    r"|\bvite\b|webpack|django|\bflask\b|\brails\b|nginx proxy manager|hermes[ -]agent|autogpt|goose"
    r"|eliza(?:os)?\b|clawith|star[ -]office|\bcoze\b|fastgpt|ragflow|anything[ -]?llm|nextchat|chatgpt-next-web|sillytavern|"
    r"koishi|nonebot"
    r"|astrbot|langbot|chatgpt-on-wechat|wechaty|flowise|botpress|\brasa\b|mautrix|node-red|crewai|langchain|autogen|minecraft|jellyfin"
    r"|my (?:\w+ ){0,3}(?:web ?site|web ?shop|blog|site|app|server rack|game|homework)\b",
    re.I,
)
# Proxies stand between OpenClaw and the world: their name counts only where nothing of OpenClaw is named.
_PROXY = re.compile(r"openclash|clash[ -]?(?:verge|meta|core)|mihomo|\bclash\b|\bv2ray|\bxray\b|sing-box|passwall", re.I)
_OURS = re.compile(
    r"openclaw|clawdbot|moltbot|clawbox|picoclaw|control ui|\[gateway\]|\bgateway\b|subsystem|agent/embedded"
    r"|lane=|channels?/|plugin-sdk|\bbot\b|机器人|网关|飞书|钉钉|"
    r"telegram|discord|whatsapp|slack|feishu|dingtalk|imessage",
    re.I,
)
_CORE = re.compile(
    r"(?<![a-z])(?:openclaw(?!-windows)|clawdbot|moltbot|clawbox|picoclaw)|\[gateway\]|agent/embedded|18789"
    r"|\[(?:plugins|telegram|discord|slack|whatsapp|feishu)\]|gateway/channels|subsystem|plugin-sdk|lane=|sessionKey="
    r"|control ui|auth-profiles|clawhub|agents\.defaults|models\.providers|agent failed before reply|gateway start blocked|"
    r"gateway failed to start|"
    r"gateway\.(?:mode|auth|bind|port|controlui|remote)\b|device token|gateway token|gateway service",
    re.I,
)
# Line shapes that only other programs print.
_OTHER_LINE = re.compile(
    r"^\[BUG\]|^API Error ?[:(]|^\s*⎿|· Retrying in \d+ seconds|Claude (?:CLI|OAuth|Code) |SecKeychain|/api/oauth/usage|"
    r"\.claude/|\.codex/(?!auth)|^Status Code: \d|\bopenclash\b|\bclash\b|mihomo|claude[ -]code"
    r"|\$bunfs/|entrypoints/cli\.js|curl: \(\d|NOWEB|\bwaha\b|"
    r"^API Request Failed|^Sorry, your request failed|\[Extension Host\]|^ERROR:root:|\((?:MainThread|Bot:\d+)|"
    r"homeassistant\.|telegram\.ext|node-telegram-bot-api|ETELEGRAM|^\* (?:Closing|server|Connected|ALPN|TLS|Trying|SSL)|"
    r"^OpenSSL: error|Unable to establish SSL connection|^❯ ?\d|· resets \d|"
    r"stream disconnected before completion|esc to interrupt|^\W{0,4}Reconnecting\.\.\. \d|Selected model is at capacity|"
    r"^<stream:error|^<conflict type|\.vscode|JetBrains|at cursor",
    re.I,
)
_ADVISORY = re.compile(
    r"\bGHSA-|security (?:scan|alert|audit report)|malicious|malware|supply chain attack|\bCVE-\d{4}|security advisory|"
    r"vulnerabilit|changelog|release notes?\b"
    r"|\badvisory\b|安全公告|漏洞(?:公告|通告|披露)|更新日志|发布说明",
    re.I,
)
_WISH = re.compile(
    r"^(?:feat|fix|docs|chore|refactor|test|ci|perf|style|build)(?:\([^)]{0,60}\))?!?: |feature request"
    r"|^\[(?:release|solution|question|项目|分享|教程|design|discussion|rfc|proposal|enhancement|docs?|idea|suggestion|建议|需求|讨论)|"
    r"\[feat(?:ure)?\b|\bfeat:|\bproposal\b|would (?:be (?:nice|great|useful)|like (?:to see|support))"
    r"|please (?:add|support|consider)|^support |^docs?\b ?:|^question\b|does openclaw (?:automatically |already |"
    r"also )?(?:support|fall|use|have|work)|是否支持|"
    r"^(?:add|support|allow|expose|document) (?:support|an? |for |the )|enhancement|\brfc\b|roadmap"
    r"|^(?:configurable|auto-run|improve|introduce|make .{3,60} configurable|track .{3,60} per|option to|ability to|provide an? )"
    r"|(?:should|could) (?:support|offer|provide|allow)\b|it would (?:help|be)|wish(?:list)?\b"
    r"|功能(?:请求|建议)|希望(?:能)?(?:支持|增加|添加)|"
    r"建议(?:增加|支持|添加)|求支持|能否(?:支持|增加)",
    re.I,
)
_QUOTED = re.compile(
    r"pasted|quot(?:es|ed|ing)|copied from|some(?:body|one) (?:wrote|asked|posted|pasted"
    r"|sent)|in the (?:chat|docs?|tutorial|article|readme)\b"
    r"|example (?:from|in)|"
    r"(?:asks?|asked|asking) (?:the bot )?(?:what|about|to explain)|(?:type|send|write"
    r"|say)s? the (?:following )?(?:sentence|words?|phrase|text)"
    r"|translate|"
    r"转发|粘贴|引用|聊天里|群里有人|有人(?:问|发)|文档里|教程里|文章里|翻译|这句话",
    re.I,
)
# The person says that nothing is broken, or that it is meant to be so.
_CALM = re.compile(
    r"is (?:this|it|that) (?:normal|expected|a problem|ok(?:ay)?)\b|\bharmless|\bbenign|cosmetic|no impact"
    r"|nothing (?:is )?(?:broken|wrong)|everything (?:still )?works|"
    r"works (?:fine|normally|perfectly|well)(?: otherwise| anyway)\W*$|but (?:\w+ ){0,4}(?:replies"
    r"|answers|is|runs|sends|all) (?:fine|ok|okay|good|well)\b"
    r"|"
    r"^normal |as usual|no (?:bad|error) (?:logs?|lines)|just (?:curious|wondering|asking)|should i (?:worry|care)|"
    r"for information|fyi\b|all (?:is )?(?:good|fine|healthy|green|ok)"
    r"|(?:rpc|probe) (?:is )?ok\b|"
    r"on purpose|intentional|by design|i (?:really )?want (?:two|both)|"
    r"(?:但|不过|可是).{0,12}(?:正常|没问题|能用|不影响|就是要)|是正常的吗|正常吗|只是(?:问|好奇)|^会不会|要紧吗|可以忽略"
    r"|不影响使用|一切正常|没有影响|故意|我就是要|本来就",
    re.I,
)
_WELL = re.compile(r"(?:RPC|Connectivity) probe: ok", re.I)
_RUNNING = re.compile(r"Runtime: running|\[gateway\] ready\b", re.I)
# Lines that a healthy gateway prints; where nothing else is said, there is no incident.
_ROUTINE = re.compile(
    r"^(?:<time> )?(?:info |debug |trace )|\"level\" ?: ?\"(?:info|debug|trace)\"|\[gateway\] (?:starting"
    r"|ready|loading|resolving|http server listening|startup outcomes|agent model|"
    r"log file|listening on|shutdown budget|spawn broker)|\[(?:health-monitor|heartbeat)\] started"
    r"|cron: started|browser control (?:service )?(?:ready"
    r"|listening)",
    re.I,
)
_TROUBLE = re.compile(
    r"error|fail|warn|refus|denied|invalid|expired|timed? ?out|timeout|crash|unhandled|exception|stale"
    r"|restarting|conflict|mismatch|leak|\brss\b|heap|E[A-Z]{4,}",
    re.I,
)


# A module's path that names another program: the error is that program's.
_MODULES = re.compile(r"[/\\\\]node_modules[/\\\\]")
_NPM = re.compile(r"npm (?:error|ERR!|warn)|clawhub", re.I)


class Scope(NamedTuple):
    nothing: bool  # not ours, or nothing that can be repaired
    calm: bool  # the gateway's own status is good: only a decisive signature counts, and never as certain
    has_log: bool
    ours: bool  # the log or the words name OpenClaw: without it nothing is certain
    foreign: FrozenSet[int]  # numbers of log lines of other products


def judge(symptom: str, lines: Sequence[str]) -> Scope:
    """Given what was said and the log's lines, answer what may count at all."""
    foreign = frozenset(n for n, line in enumerate(lines) if _OTHER_LINE.search(line) and not _CORE.search(line))
    own = [line for n, line in enumerate(lines) if n not in foreign]
    whole = symptom + "\n" + "\n".join(lines[:400])
    core = bool(_CORE.search(whole))
    named = _PROXY.sub(" ", _OTHER.sub(" ", whole))
    nothing = named != whole and not _OURS.search(named)
    nothing = nothing or bool(_OTHER.search(symptom) and not core)
    nothing = nothing or bool(lines and (not own or foreign and len(lines) <= 15 and not core))
    nothing = nothing or bool(not core and any(_MODULES.search(line) for line in own) and not any(_NPM.search(line) for line in own))
    nothing = nothing or bool(_ADVISORY.search(symptom) or len(own) <= 20 and any(_ADVISORY.search(line) for line in own))
    nothing = nothing or any(bool(pattern.search(symptom)) for pattern in (_WISH, _QUOTED, _CALM))
    nothing = nothing or not (symptom.strip() or own)
    nothing = nothing or bool(not symptom.strip() and own and all(_ROUTINE.search(line) and not _TROUBLE.search(line) for line in own))
    text = "\n".join(own[:400])
    return Scope(nothing, bool(_WELL.search(text) and _RUNNING.search(text)), bool(own), core, foreign)
