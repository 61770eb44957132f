"""Is this about an OpenClaw gateway that is in trouble at all? Other products, advisories, wishes and quotations are not."""

from __future__ import annotations

import re
from typing import FrozenSet, List, NamedTuple, Sequence

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
    r"|express (?:app|server|js)|ghost (?:blog|cms)|shiny[ -]server|slack[ -]bolt|bolt app|discord\.(?:js|py)|\bnode-telegram|grammy bot"
    r"|(?:spring|react|vue|angular|svelte|laravel|rails|django|flask|fastapi|electron|nest\.?js|next\.?js|nuxt) (?:app|project|server|site)"
    r"|docker desktop itself|ollama itself|nginx (?:itself|proxy)|home ?assistant|uptime kuma|vs ?code|visual studio|android studio|xcode\b"
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
    r"|\badvisory\b|\breleased?\b (?:with|v?\d|notes)|v?20\d\d\.\d+\.\d+ (?:is )?(?:released|out)\b"
    r"|安全公告|漏洞(?:公告|通告|披露)|更新日志|发布说明",
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
    r"建议(?:增加|支持|添加)|求支持|能否(?:支持|增加)"
    r"|^(?:please|pls|kindly|could we|can we have|can i have|let (?:me|us)|i wish|i would (?:like|love|prefer)|i'd (?:like|love"
    r"|prefer))\b(?! help)"
    r"|^(?:fix|fixes|refactor|bump|chore|cover|deprecate|cleanup|clean up)\b(?! (?:my|it|this|please|me)\b)"
    r"|^(?!.*\b(?:fail\w*|crash\w*|errors?|won.t|cannot|can.t|not work\w*|stuck|hangs?|dies|stops)\b)(?:allow|enable|make|rename|document"
    r"|clarify|improve|reduce|increase|refactor|introduce|implement|provide|consider|extend|expose|support|add|enhance)\s+(?!to\b)"
    r"(?:an? |the )?[\w-]+(?: [\w-]+)*(?: support\b| option\b| setting\b| flag\b| docs?\b| documentation\b| guide\b| by default\b"
    r"| for | per | instead of | when | so that )"
    r"|there (?:should|ought to) be\b|should (?:be able|have an? |also|not require|say|name|tell|warn|default)\b|needs? an? (?:option"
    r"|setting|flag|way|guide)\b"
    r"|(?:docs?|documentation|readme|schema|guide|description|help text|wording|changelog)\b.{0,40}\b(?:says?|wrong|outdated|unclear"
    r"|misleading"
    r"|contradict\w*|typo|opposite|missing section|does not mention|should)|\b(?:typo|wording|misleading|ambiguous (?:message|text))\b"
    r"|希望(?:可以|有|官方|能|加|以后)|建议(?:官方|加|把|做|在|提供|默认)|能不能(?:加|支持|做|出|增加|提供)|可不可以(?:加|支持|做)|有没有(?:计划|打算)"
    r"|什么时候(?:支持|出|能支持)|求(?:教程|助攻|推荐|分享)|想要(?:一个|加)|文档(?:里|中|上)?.{0,10}(?:写错|不对|没写|过时|不清楚)",
    re.I,
)
# It is over, or it is a recipe for others.
_SOLVED = re.compile(
    r"\bhow (?:i|we) (?:fixed|solved|got|made|did)|^(?:solved|fixed|resolved)\b|\b(?:i|we) (?:fixed|solved|resolved) (?:it|this|that|the)\b"
    r"|\b(?:looks|works|running|runs|all) (?:good|great|perfectly|smoothly|fine)(?: now| again)?\W*$|works (?:now|again)\W*$"
    r"|is (?:fixed|solved|resolved) now"
    r"|never mind|nevermind|false alarm|my (?:own )?mistake|sharing (?:my|a|the)|in case (?:it|this) helps|tutorial\b|walkthrough"
    r"|write-?up|tips? for"
    r"|(?:已|已经)(?:解决|修复|搞定|恢复正常)|解决(?:了|方法|办法|方案)[。！!]?$|搞定了|分享(?:一下|经验|个)|踩坑(?:记录|总结)|教程|经验(?:总结|分享)|虚惊",
    re.I,
)
# Somebody wants to know or to do something; where nothing is said to fail, nothing is to be repaired.
_HOWTO = re.compile(
    r"^(?:how (?:to|do|can|does|should|is|are|many|much)|why (?:do|does|is|are) (?:you|openclaw|the docs)|what (?:is|are|does)"
    r"|where (?:is|do|can)|which|can (?:i|we|you|openclaw)|could you|is (?:it|there)"
    r"|does|do i|when should|best way|any (?:way|plans?)|looking for|(?:i|we) (?:want|would like|need) to)\b"
    r"|\bhow (?:to|do i|can i)\b|请问.{0,12}(?:怎么|如何|可以|支持)|^(?:如何|怎样|怎么|能不能|可不可以|是否|有没有)|(?:教程|方法)[?？]?$",
    re.I,
)
# Something is said to be wrong.
_COMPLAINT = re.compile(
    r"error|fail|\bnot?\b|n['’]t\b|\b(?:cant|wont|doesnt|isnt)\b|cannot|never|none\b|nothing|without|stuck|stop|\blos[est]|gone|miss|wrong"
    r"|br[eo]k|crash|\bdie|\bdead|kill|\bh[au]ng|fr[eo]+z|stall|slow|delay|time[sd]?[ -]?out|timing out|refus|den(?:y|ied)|reject|invalid"
    r"|unauth|forbid|\bun(?:able|avail|reach|known|recog|supp|expect|handle|resp|ver|trust|paired|regist|stable|usable)"
    r"|dis(?:conn|app|abl)|drop|loop|re-?start|reboot|respawn|repeat|again|leak|gr[eo]w|spike|climb|\bhigh|100 ?%|full\b|out of|exceed"
    r"|limit|expire|mismatch|conflict|duplic|twice|corrupt|malform|overload|busy|silen|ignor|skip|empty|wipe|overwr|clobber|reset|revert"
    r"|block|lock|warn|problem|issue\b|troubl|\bbug|\b[45]\d\d\b|\bexit|abort|requir|needs?\b|\bold|stale|\btoo\b|only|(?-i:\bE[A-Z]{4,})"
    r"|asks? for|keeps?|instead|although|though|taken|in use|exhaust|whole core|cooldown|swap|quota|credit"
    r"|[不没無无]|失败|失敗|错|錯|异常|超时|超時|断|掉|卡|死|崩|退出|重启|重啟|重复|重複|占用|冲突|拒绝|过期|失效|满|慢|丢|报|提示|限|欠|坏|缺|只"
    r"|一直|反复|上涨|泄漏|被杀|用量|就到|飙|耗|还是",
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
    r"\bnon-?fatal\b|is (?:this|it|that) (?:normal|expected|a problem|ok(?:ay)?)\b|\bharmless|\bbenign|cosmetic|no impact"
    r"|nothing (?:is )?(?:broken|wrong)|(?:finish|start|run|work|complet|updat|install|upgrad)\w* (?:\w+ )?without (?:any )?(?:problems?"
    r"|errors?|issues?)\b|everything (?:still )?works|"
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
    r"error|fail|warn|refus|denied|invalid|expired|timed? ?out|timeout|crash|unhandled|exception|stale|restarting|conflict|mismatch|leak"
    r"|\brss\b|heap|(?-i:\bE[A-Z]{4,})|\bnot\b|cannot|can.t\b|\bno (?!-|bad|error|issue|problem|change)\w|missing|unable|\blost\b|kill"
    r"|oom|exceed"
    r"|limit(?:ed|s)? (?:reached|hit|exceeded)|rate.?limit|quota|insufficient|balance|credit|billing|busy|overload|block(?:ed|ing)"
    r"|lock(?:ed| held)"
    r"|disconnected \(|closed \(\d|code[= ](?:1006|1008|4\d\d\d)|unauthor|forbid|unknown|unrecogni|unsupport|unavail|unreach|disallow"
    r"|liveness warning|eventloop\w*max|degraded|\b(?:4(?:0[0-9]|29)|5(?:0[0-4]|29)|137)\b|refusing|required|stopped|in use|already"
    r"|corrupt|malformed"
    r"|too many|too (?:long|large|old)|cooldown|disabled(?:until)?\b|clobbered|auto-restored|orphan|duplicate|exit(?:ed|ing)? (?:with"
    r"|code)|abnormal|retry \d"
    r"|reconnect|terminat|reject|stuck|stall|hung|zombie|only |[不没无]|失败|错误|异常|超时|拒绝|断开|重启|占用|过期|无效|冲突",
    re.I,
)


_NAME = re.compile(r"(?<![\w./@$%-])[A-Za-z](?:[A-Za-z'’]|-(?=[A-Za-z]))+(?![\w/@])(?!\.\w)")
_SNAKE = re.compile(r"(?<![\w./@$%-])[a-z]+(?:_[a-z]+){2,}(?![\w/@.])")
_CAMEL = re.compile(r"(?:[A-Z]+[a-z]+){2,}$|[A-Z]{2,}[a-z]+$")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OPENCLAWS = re.compile(r"claw|molt", re.I)
# A module's path that names another program: the error is that program's.
_MODULES = re.compile(r"[/\\\\]node_modules[/\\\\]")
_NPM = re.compile(r"npm (?:error|ERR!|warn)|clawhub", re.I)

# It was caught: only what follows is news.
_HARMLESS = re.compile(r"(?:\[\w+\] )?Non-fatal unhandled rejection \(continuing\):?\s*(?:TypeError: fetch failed)?", re.I)
EXCERPT = 60  # lines whose words are weighed


class Scope(NamedTuple):
    nothing: bool  # not ours, or nothing that can be repaired
    calm: bool  # the gateway's own status is good: only a decisive signature counts, and never as certain
    has_log: bool
    ours: bool  # the log or the words name OpenClaw: without it nothing is certain
    foreign: FrozenSet[int]  # numbers of log lines of other products
    doubt: bool  # nothing is said to be wrong


def judge(symptom: str, lines: Sequence[str], known: FrozenSet[str] = frozenset()) -> Scope:
    """Given what was said, the log's lines and the stems of the words of OpenClaw's world, answer what may count at all."""
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
    nothing = nothing or any(bool(pattern.search(symptom)) for pattern in (_WISH, _SOLVED, _QUOTED, _CALM))
    nothing = nothing or not (symptom.strip() or own)
    trouble = any(_TROUBLE.search(_HARMLESS.sub("", line)) for line in own)
    doubt = not trouble and not _COMPLAINT.search(symptom)
    asked = _HOWTO.sub(" ", symptom)
    nothing = nothing or bool(own and doubt and all(_ROUTINE.search(line) for line in own))
    nothing = nothing or bool(not trouble and (asked != symptom or symptom.endswith(("?", "？"))) and not _COMPLAINT.search(asked))
    nothing = nothing or bool(not core and strange(symptom, known))
    text = "\n".join(own[:400])
    return Scope(nothing, bool(_WELL.search(text) and _RUNNING.search(text)), bool(own), core, foreign, doubt)


def strange(symptom: str, known: FrozenSet[str]) -> str:
    """The first word that nobody of OpenClaw's world uses: the name of another program. "" when there is none.

    Most words being unknown is another language, and says nothing.
    """
    if not known:
        return ""
    names = _NAME.findall(symptom)
    words = [part for name in names for part in _HUMP.split(name) if len(part) > 3 or "-" in name]
    words = [part for word in words for part in word.split("-") if len(part) > 2]
    unknown = [word for word in words if stem(word) not in known and not (word.isupper() and len(word) > 5)]
    if len(unknown) > 1 and len(unknown) * 3 >= len(words):
        return ""
    made_up = [
        name
        for name in names + _SNAKE.findall(symptom)
        if (name.count("-") > 1 or name.count("_") > 1 or _CAMEL.match(name)) and name.lower() not in known and stem(name) not in known
    ]
    if made_up:
        return str(made_up[0])
    return next((word for word in unknown if not _misspelt(word, known)), "")


def _misspelt(word: str, known: FrozenSet[str]) -> bool:
    """One slip away from a known word of six letters or more that begins the same."""
    if len(word) < 6:
        return False
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    low = stem(word)
    alike = [other for other in known if other[:1] == low[:1] and len(other) >= 6 and abs(len(other) - len(low)) <= 1]
    return process.extractOne(low, alike, scorer=OSA.distance, score_cutoff=1) is not None


def stem(word: str) -> str:
    """Without an English ending: what is kept of a word in the vocabulary."""
    word = re.sub(r"['’]s?$|n['’]t$", "", word.lower())
    for end in ("ing", "ed", "es", "ly", "er", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word


def telling(lines: Sequence[str]) -> List[str]:
    """The lines (newest first) whose words count: those that speak of trouble; of a short excerpt all that are no routine."""
    lines = [line for line in (_HARMLESS.sub("", line) for line in lines) if line.strip()]
    trouble = [line for line in lines if _TROUBLE.search(line)]
    return (trouble if len(lines) > EXCERPT else [line for line in lines if line in trouble or not _ROUTINE.search(line)])[:EXCERPT]
