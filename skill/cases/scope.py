"""Is this about an OpenClaw gateway that is in trouble at all? Other products, advisories, wishes
and quotations are not.

The patterns are those that carry weight: each alternative here speaks in at least one of the
corpora it was not written for (docs/verification.md says how that was measured).
"""

from __future__ import annotations

import re
from typing import FrozenSet, List, NamedTuple, Sequence

from .index import again, misspelt, stem, subsystems

EXCERPT = 60  # lines whose words are weighed

# Line shapes that only other programs print.
OTHER_LINE = re.compile(
    r"^\[BUG\]|^API Error ?[:(]|Claude (?:CLI|OAuth|Code) |^Status Code: \d|\bopenclash\b|"
    r"claude[ -]code|\$bunfs/|entrypoints/cli\.js|NOWEB|\bwaha\b|^<stream:error|"
    # a unit, and a process that the kernel killed, of another name
    r"(?<![\w@.-])(?![\w@.-]*(?:claw|moltbot|gateway))[\w@-][\w@.-]{0,60}"
    r"\.(?:service|timer|socket): |"
    r"Killed process \d+ \((?!node|npm|MainThread|chrom|[\w@.-]*(?:claw|moltbot|gateway))",
    re.I,
)
# What the head or the build of a line says of the program that wrote it. OpenClaw writes
# "[subsystem] message", bare sentences, Node's errors and JSON of tslog; none of these.
FOREIGN_SHAPE = re.compile(
    r"\blevel=\w+ .*\bmsg=|^(?:ts|time|level)=\S+ \w+=|"  # logfmt (Go)
    r'^(?:\S+: )?\{"(?:t|ts|level|msg)" ?: ?(?:\{|"[a-z]+", ?"msg|\d+\.\d+,)|'  # zap, MongoDB
    r"^(?:\S+ )?(?:<time> )?\[(?:alert|crit|critical|emerg|error|notice|warn)\]"
    r"(?:\[| \d+#)|"  # nginx, Kong, Envoy
    r"^(?:\S+ ){0,3}(?:[a-z]\w*\.){2,}[A-Z]\w+ *:|^\s*Caused by: (?:[a-z]\w*\.)+|"  # Java
    r"^Traceback \(most recent|^\s*File \"[^\"]+\", line \d|"  # Python
    r"^(?:[a-z_]\w*\.)+[A-Z]\w*(?:Error|Exception|Conflict)\b|"
    r"^(?:\S+ )?(?:ERROR|WARNING) \([\w.-]+\) \[|"
    r"^(?:\[[\w/-]+\] )?(?:user|assistant|human|用户|助手) ?[:：]"  # somebody speaks in a chat
)
# A port that somebody else takes: OpenClaw's, of each profile too, lie between 18000 and 19999.
OTHER_PORT = re.compile(
    r"EADDRINUSE.*:(?!1[89]\d{3}\b)\d{2,5}\b|^Port (?!1[89]\d{3}\b)\d+ is in use"
)
# A stack that leads through files of a program, and through none of OpenClaw's.
STACK = re.compile(r"^\s*at .*[/\\\\](?!.*(?:claw|moltbot))[^/\\\\\s:]+\.[cm]?[jt]sx?:\d+:\d+")
# Programs that OpenClaw's documentation names and that write lines of their own.
NEIGHBOURS = frozenset(
    "caddy containerd curl docker dockerd envoy ffmpeg git haproxy nginx npx podman psql rsync "
    "smbd snapd ssh sshd sudo wget".split()
)
# Programs of others, unless the words speak of a bot.
OTHER_CLIENT = re.compile(
    r"\b(?:codex|qwen|aws|azure|gcloud|github|gh|heroku|vercel) cli\b|\b\w+ desktop\b|"
    r"(?:微信|飞书|钉钉|企业微信|qq|telegram) ?(?:电脑版|桌面版|客户端|手机版)",
    re.I,
)
BOT = re.compile(r"\bbots?\b|\bagents?\b|assistant|机器人|助手|智能体", re.I)
# What else is called a gateway.
OTHER_GATEWAY = re.compile(
    r"\b(?:api(?: management)?|cloud|default|egress|ingress|internet|iot|mail|nat|payment|sms|"
    r"transit|voip|vpn|zigbee)[ -]?gateways?\b|\bgateway (?:api|router)\b|"
    r"(?:支付|接口|短信|默认|云|智能家居) ?网关|"
    r"网关路由",
    re.I,
)
# Other programs with errors of the same words.
OTHER = re.compile(
    r"claude[ -]code|gemini[ -]cli|continue (?:extension|\.dev|ide|plugin)|"
    r"cursor (?:ide|editor|agent|ai|pro|cannot|can.?t|says|does|is|with)|"
    r"on my (?:website|web site|blog)|in cursor\b|github copilot|copilot chat|"
    r"\bopencode\b(?![/:])|vs ?code|\bn8n\b|lobe[ -]?chat|cherry studio|\bwaha\b|noweb|"
    r"evolution[ -]api|next\.?js\b|^cursor\b|mautrix|jellyfin|ghost (?:blog|cms)|slack[ -]bolt|"
    r"bolt app|discord\.(?:js|py)|"
    r"(?:spring|react|vue|angular|svelte|laravel|rails|django|flask|fastapi|electron|n"
    r"est\.?js|next\.?js|nuxt) (?:app|project|server|site)|ollama itself|vs ?code|"
    r"my (?:\w+ ){0,3}(?:web ?site|web ?shop|blog|site|app|server rack|game|homework)\b",
    re.I,
)
# Whose trouble it is: what stands behind "my" must be something that OpenClaw runs with.
POSSESSED = re.compile(
    r"\b(?:my|our) ((?:[\w.'-]+[ ,]?){1,3})|我(?:的|家的|们的)?"
    r"(?=\w{2,8}(?:一直|总是|老是|突然|用不了|不能|无法|打不开))(\w{2,10})"
    # who does it: the first word, where what it does follows at once
    r"|^(?:the )?(?!\w+ing )([a-z][\w-]+ (?:\w+ )?)(?:won['’]?t|can['’]?t|cannot|keeps?|"
    r"crash\w*|stuck|refuses?|fails?|hangs?|dies|quits|freezes|disappear\w*|logs me|says|"
    r"runs|returns|locked|doesn['’]?t|reports|shows|throws|stops?|complains)\b",
    re.I,
)
NEUTRAL = re.compile(
    r"own\b|server|machine|vps|\bmac|laptop|\bpc\b|phone|computer|\bbox\b|docker|container|host|pi\b|"
    r"config|settings?|json|account|\bkeys?\b|tokens?|password|node|npm|disk|drive|logs?\b|terminal|"
    r"shell|network|proxy|wi-?fi|set-?up|install|update|upgrade|version|browser|chrome|windows|linux|"
    r"ubuntu|debian|wsl|\bnas\b|home\b|folder|files?\b|database|memory|\bram\b|cpu|lan\b|vpn|user|"
    r"instance|service|process|\bport|system|job|task|plan|credits?|subscription|quota|\bapp\b|messag|"
    r"storage|every|connect|client|panel|console|last|new|old|first|second|two|other|chang|edit|work|data|answer|cred|"
    r"\b(?:it|its?elf|this|that|everything|nothing|something|all|nobody|they|he|she|i|we|which|there|and|but)\b|"
    r"start|boot|launch|\bpods?\b|cluster|volume|pid|respon|connection|listener|restart|stop|reinstall|command|cli\b|status|auth|"
    r"log-?in|sign-?in|服务|电脑|机器|主机|配置|账[号户]|密钥|手机|网络|系统|端口|文件|进程|程序|代理|日志|内存|磁盘",
    re.I,
)
# What a line of a log begins with: the program that wrote it.
WRITER = re.compile(
    r"(?:<time> )?(?:[\w.-]+ (?=[\w.-]+\[))?(?:([a-z][a-z_-]{2,30})|([\w-]{3,30})(?=\[))"
    r"(?:\[\w+\])?: "
)
# The subsystem that a line of OpenClaw begins with.
HEAD = re.compile(r"(?:(?:<time>|\d\S*) ){0,3}(?:[A-Z]+ )?\[([a-z][\w/-]+)")
# Words that place a text near OpenClaw.
OURS = re.compile(
    r"openclaw|clawdbot|moltbot|clawbox|picoclaw|control ui|\[gateway\]|\bgateway\b|subsystem|"
    r"agent/embedded|lane=|channels?/|plugin-sdk|\bbot\b|机器人|网关|飞书|钉钉|telegram|discord|"
    r"whatsapp|slack|feishu|dingtalk|imessage|for pro(?:vider|file)\b|failover",
    re.I,
)
# Names OpenClaw itself, or is printed by it alone.
CORE = re.compile(
    r"(?<![a-z])(?:openclaw(?!-windows)|clawdbot|moltbot|clawbox|picoclaw)|(?-i:\[gateway\])|"
    r"agent/embedded|18789|\[(?:plugins|telegram|discord|slack|whatsapp|feishu)\]|"
    r"gateway/channels|subsystem|plugin-sdk|lane=|sessionKey=|control ui|auth-profiles|"
    r"auth profiles?\b|\bFailoverError\b|clawhub|agents\.defaults|models\.providers|"
    r"agent failed before reply|gateway start blocked|gateway failed to start|"
    r"plugins\.(?:entries|allow|slots|load)\b|gateway\.(?:startup_failed|maintenance_required)|"
    r"Memory index failed \(|gateway\.(?:mode|auth|bind|port|controlui|remote)\b|device token|"
    r"gateway token|gateway service",
    re.I,
)
# Words of a person that place a trouble with an assistant behind a gateway.
WORLD = re.compile(
    r"gateway|\bbots?\b|\b(?:sub-?)?agents?\b|channels?\b|control ui|dashboard|web ?chat|web ?ui|"
    r"plugins?\b|skills?\b|\bcrons?\b|scheduled|\b(?:web|sessions|memory|browser|cron)_\w|"
    r"heartbeat|telegram|discord|whatsapp|slack|feishu|dingtalk|\bqq|weixin|wecom|imessage|\bimsg|"
    r"matrix|mattermost|pairing|onboard|doctor|claw|assistant|\bturns?\b|repl(?:y|ies)|fallback|"
    r"\boauth\b|keep-?alive|embedding|memory (?:search|re-?index|index|status|sync)|models?\b|"
    r"sessions?\b|messages?\b|\bchats?\b(?!-)|conversations?\b|prompts?\b|providers?\b|"
    r"profiles?\b|claude|anthropic|openai|openrouter|kimi|minimax|deepseek|\bopus\b|sonnet|\bgpt-?\d|"
    r"ollama|lm ?studio|\bqwen|机器人|网关|插件|飞书|钉钉|微信|回复|消息|对话|模型|频道|面板|"
    r"定时任务",
    re.I,
)
# A module's path that names another program.
MODULES = re.compile(r"[/\\\\]node_modules[/\\\\]")
# News about OpenClaw: nothing that runs is in trouble.
ADVISORY = re.compile(
    r"\bGHSA-|malicious|\bCVE-\d{4}|security advisory|changelog|\badvisory\b|"
    r"\breleased?\b (?:with|v?\d|notes)|v?20\d\d\.\d+\.\d+ (?:is )?(?:released|out)\b",
    re.I,
)
# Somebody wants something else than a repair.
WISH = re.compile(
    r"^(?:feat|fix|docs|chore|refactor|test|ci|perf|style|build)(?:\([^)]{0,60}\))?!?: |"
    r"feature request|\[feat(?:ure)?\b|would (?:be (?:nice|great|useful)|like (?:to see|support))|"
    r"please (?:add|support|consider)|^docs?\b ?:|"
    r"does openclaw (?:automatically |already |also )?(?:support|fall|use|have|work)|"
    r"it would (?:help|be)|希望(?:能)?(?:支持|增加|添加)|"
    r"^(?:please|pls|kindly|could we|can we have|can i have|let (?:me|us)|i wish|i wou"
    r"ld (?:like|love|prefer)|i'd (?:like|love|prefer))\b(?! help)|"
    r"^(?:fix|fixes|refactor|bump|chore|cover|deprecate|cleanup|clean up)\b(?! (?:my|i"
    r"t|this|please|me)\b)|"
    r"^(?!.*\b(?:fail\w*|crash\w*|errors?|won.t|cannot|can.t|not work\w*|stuck|hangs?|"
    r"dies|stops)\b)(?:allow|enable|make|rename|document|clarify|improve|reduce|increa"
    r"se|refactor|introduce|implement|provide|consider|extend|expose|support|add|enhan"
    r"ce)\s+(?!to\b)(?:an? |the )?[\w-]+(?: [\w-]+)*(?: support\b| option\b| setting"
    r"\b| flag\b| docs?\b| documentation\b| guide\b| by default\b| for | per | instead"
    r" of | when | so that )|"
    r"(?:docs?|documentation|readme|schema|guide|description|help text|wording|changel"
    r"og)\b.{0,40}\b(?:says?|wrong|outdated|unclear|misleading|contradict\w*|typo|oppo"
    r"site|missing section|does not mention|should)|"
    r"\bdocs? (?:tells?|says?|mentions?|describes?|pages?)\b|希望.{1,16}(?:能|可以|增加|支持)|"
    r"^(?:suggest\w*|ideas?|hope|hoping|wish|request|would like)\b|^feature\b|^(?:希望|建议)|"
    r"^(?!.*\b(?:but|however|instead|cannot|never|not)\b)(?!.*n['’]t\b).*\bshould (?!i\b|we\b)|"
    r"希望(?:可以|有|官方|能|加|以后)",
    re.I,
)
# It is over, or it is a recipe for others.
SOLVED = re.compile(
    r"\bhow (?:i|we) (?:fixed|solved|got|made|did)|"
    r"\b(?:i|we) (?:fixed|solved|resolved) (?:it|this|that|the)\b|"
    r"\b(?:looks|works|running|runs|all) (?:good|great|perfectly|smoothly|fine)(?: now"
    r"| again)?\W*$|\bmy working\b|(?:已|已经)(?:解决|修复|搞定|恢复正常)|"
    r"解决(?:了|方法|办法|方案)[。！!]?$|\b(?:it|everything) works (?:now|again)\W*$",
    re.I,
)
# Thanks, an act of one's own, work for the assistant: unless something is said to be wrong.
SMALL_TALK = re.compile(
    r"^(?:many )?(?:thanks|thank you|thx)\b|^(?:谢谢|多谢|感谢)|\bnever ?mind\b|"
    r"\bon purpose\b|\b(?:stop|shutdown|restart)\w* by me\b|"
    r"^(?:please |pls )?remind me|写(?:一|个|首|篇|段)|讲(?:一?个|段)|翻译|总结一下|提醒我",
    re.I,
)
# A sentence that begins as an order to the assistant, or as the end of a trouble, is one.
BEGINS = re.compile(
    r"^(?:(?:please|pls|hey|could you|can you)[, ]+)*(?:tell me an? |"
    r"(?:write|compose|draw|sing|translate|summari[sz]e) (?:me |us )?(?:an?|the|this|some)\b)|"
    r"^(?:(?:谢谢|多谢|感谢)[，,！! ]*)?(?:已经?(?:好|正常|可以)|搞定|修好|弄好)了"
    r"(?!.*(?:又|但|可是|还是|再次|今天|后来|现在|却))",
    re.I,
)
# Somebody else's words.
QUOTED = re.compile(
    r"\b(?:told|tells|wrote|writes|explain(?:s|ed)) (?:me |us )?(?:(?:an?|the) )?(?:story|joke|"
    r"poem|essay|song|about\b)|^what (?:do|does|is|are) .{1,60}\b(?:do|mean|for)\W*$|"
    r"some(?:body|one) (?:wrote|asked|posted|pasted|sent)|"
    r"in the (?:chat|docs?|tutorial|article|readme)\b|"
    r"(?:asks?|asked|asking) (?:the bot )?(?:what|about|to explain)|"
    r"(?:type|send|write|say)s? the (?:following )?(?:sentence|words?|phrase|text)",
    re.I,
)
# The person says that nothing is broken.
CALM = re.compile(
    r"\bnon-?fatal\b|is (?:this|it|that) (?:normal|expected|a problem|ok(?:ay)?)\b|"
    r"(?:finish|start|run|work|complet|updat|install|upgrad)\w* (?:\w+ )?without (?:an"
    r"y )?(?:problems?|errors?|issues?)\b|everything (?:still )?works|"
    r"but (?:\w+ ){0,4}(?:replies|answers|is|runs|sends|all) (?:fine|ok|okay|good|well)\b|"
    r"all (?:is )?(?:good|fine|healthy|green|ok)|(?:rpc|probe) (?:is )?ok\b|intentional|"
    r"(?:但|不过|可是).{0,12}(?:正常|没问题|能用|不影响|就是要)|我就是要",
    re.I,
)
# Somebody wants to know or to do something.
HOWTO = re.compile(
    r"^how (?:much|many) .{1,40}\b(?:cost|needs?|takes?|uses?)\b|"
    r"^(?:how (?:to|do|can|does|should|is|are|many|much)|why (?:do|does|is|are) (?:you"
    r"|openclaw|the docs)|what (?:is|are|does)|where (?:is|do|can)|which|can (?:i|we|y"
    r"ou|it|openclaw|clawdbot|moltbot|(?:the|my) (?:bot|agent|gateway))|could you|is ("
    r"?:it|there)|does|do i|when should|best way|any (?:way|plans?)|looking for|(?:i|w"
    r"e) (?:want|would like|need) to)\b|\bhow (?:to|do i|can i)\b|"
    r"^(?:如何|怎样|怎么|能不能|可不可以|是否|有没有)|请问|想问|想知道|(?:怎么|如何)(?!会|又|老|总|还)",
    re.I,
)
# Something is said to be wrong, by a person or by a log.
COMPLAINT = re.compile(
    r"error|fail|\bnot?\b|n['’]t\b|cannot|never|none\b|nothing|without|stuck|stop|\blos[est]|gone|"
    r"miss|wrong|br[eo]k|crash|\bdie|\bdead|kill|\bh[au]ng|fr[eo]+z|stall|slow|delay|"
    r"time[sd]?[ -]?out|refus|den(?:y|ied)|reject|invalid|unauth|"
    r"\bun(?:able|avail|reach|known|recog|supp|expect|handle|resp|ver|trust|paired|reg"
    r"ist|stable|usable)|dis(?:conn|app|abl)|drop|loop|re-?start|reboot|respawn|repeat|again|leak|"
    r"spike|\bhigh|100 ?%|full\b|out of|exceed|limit|expire|mismatch|conflict|duplic|malform|"
    r"overload|busy|silen|skip|empty|overwr|clobber|reset|revert|block|lock|warn|problem|issue\b|"
    r"\bbug|\b[45]\d\d\b|\bexit|abort|requir|needs?\b|\bold|stale|\btoo\b|only|(?-i:\bE[A-Z]{4,})|"
    r"keeps?|although|though|in use|exhaust|cooldown|quota|credit|[不没無无]|失败|错|断|掉|卡|"
    r"重启|重复|占用|丢|报|提示|限|坏|只|一直|被杀|"
    r"\bred\b|unhealthy|崩|挂|死|慢|满|超|异常|失效|过期|冲突|退出|拒绝|消失|闪|泄漏",
    re.I,
)
# Words of trouble that a question may hold without any.
MILD = re.compile(r"\b(?:again|full|needs?|old|only|requir\w*|too|without)\b|只|一直|限", re.I)
# It was caught, or it is the day's work: only what follows is news.
HARMLESS = re.compile(
    r"(?:received|signal) SIG\w+(?: received)?(?:; (?:shutting down|restarting))?|"
    r"completed cleanly|[\w-]+ (?:watcher |monitor )?stopped$|"
    r"(?:\[\w+\] )?Non-fatal unhandled rejection \(continuing\):?\s*(?:TypeError: fetch failed)?",
    re.I,
)
NAME = re.compile(
    r"(?<![\w./@$%-])[A-Za-z](?:[A-Za-z'’]|-(?=[A-Za-z]))+(?![\w/@])(?!\.\w)",
)
SNAKE = re.compile(r"(?<![\w./@$%-])[a-z]+(?:_[a-z]+){2,}(?![\w/@.])")
CAMEL = re.compile(r"(?:[A-Z]+[a-z]+){2,}$|[A-Z]{2,}[a-z]+$|[A-Z][a-z]+[A-Z]{2,}$")
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


PATTERNS = (WISH, SOLVED, QUOTED, CALM, ADVISORY, BEGINS)


class Scope(NamedTuple):
    nothing: bool  # not ours, or nothing that can be repaired
    ours: bool  # the log or the words name OpenClaw: without it nothing is certain
    foreign: FrozenSet[int]  # numbers of log lines of other products
    doubt: bool  # nothing is said to be wrong


def judge(
    symptom: str, lines: Sequence[str], known: FrozenSet[str] = frozenset(), own_log: bool = False
) -> Scope:
    """Given what was said, the log's lines and the stems of the words of OpenClaw's world, return
    what may count at all.

    own_log: the lines are this machine's gateway's, whether they name OpenClaw or not.
    """
    foreign = frozenset(
        n for n, line in enumerate(lines) if _foreign(line, known) and not _core(line)
    )
    whole = symptom + "\n" + "\n".join(lines[:400])
    core = own_log or bool(CORE.search(symptom)) or any(_core(line) for line in lines[:400])
    placed = bool(WORLD.search(symptom))
    if len(foreign) == len(lines) and placed:
        foreign = frozenset()  # the person says whose they are
    own = [line for n, line in enumerate(lines) if n not in foreign]
    trouble = any(COMPLAINT.search(HARMLESS.sub("", line)) for line in own)
    asked = HOWTO.sub(" ", symptom)
    named = OTHER.sub(" ", whole)
    question = asked != symptom or symptom.endswith(("?", "？"))
    nothing = (
        not (symptom.strip() or own)
        or bool(lines and not own)
        or any(pattern.search(symptom) for pattern in PATTERNS)
        or SMALL_TALK.search(symptom) is not None
        and not COMPLAINT.search(symptom)
        or len(own) <= 20
        and any(ADVISORY.search(line) for line in own)
        or not trouble
        and question
        and not COMPLAINT.search(MILD.sub("", asked) if asked != symptom else asked)
    )
    if not core:
        nothing = (
            nothing
            or bool(OTHER.search(symptom))
            or named != whole
            and not OURS.search(named)
            or bool(foreign)
            and len(lines) <= 15
            and not placed
            or any(MODULES.search(line) or STACK.search(line) for line in own)
            or bool(OTHER_GATEWAY.search(symptom))
            or OTHER_CLIENT.search(symptom) is not None
            and not BOT.search(symptom)
            or not placed
            and any(
                not NEUTRAL.search(found.group(found.lastindex or 0))
                for found in POSSESSED.finditer(symptom)
            )
            or bool(strange(symptom, known))
        )
    doubt = not trouble and not COMPLAINT.search(symptom)
    return Scope(bool(nothing), core, foreign, doubt)


def _core(line: str) -> bool:
    """Does this line name OpenClaw, or begin as only OpenClaw's lines do?"""
    if CORE.search(line):
        return True
    head = HEAD.match(line)
    return head is not None and head.group(1) in subsystems()


def _foreign(line: str, known: FrozenSet[str]) -> bool:
    """Was this line written by a program that is not of OpenClaw's world?"""
    if OTHER_LINE.search(line) or FOREIGN_SHAPE.search(line):
        return True
    found = WRITER.match(line)
    name = (found.group(1) or found.group(2)).lower() if found else ""
    return bool(known) and (
        bool(name)
        and (name in NEIGHBOURS or stem(name) not in known)
        or bool(OTHER_PORT.search(line))
    )


def strange(symptom: str, known: FrozenSet[str]) -> str:
    """The first word that nobody of OpenClaw's world uses: the name of another program. "" when
    there is none.

    Many words being unknown is another language and says nothing.
    """
    if not known:
        return ""
    names = NAME.findall(symptom)
    words = [part for name in names for part in HUMP.split(name) if len(part) > 3 or "-" in name]
    words = [part for word in words for part in word.split("-") if len(part) > 2]
    unknown = [
        word
        for word in words
        if stem(word) not in known
        and not again(word, known)
        and not (word.isupper() and len(word) > 5)
    ]
    if len(unknown) > 1 and len(unknown) * 3 >= len(words):
        return ""
    made_up = [
        name
        for name in names + SNAKE.findall(symptom)
        if (name.count("-") > 1 or name.count("_") > 1 or CAMEL.match(name))
        and name.lower() not in known
        and stem(name) not in known
    ]
    if made_up:
        return str(made_up[0])
    return next((word for word in unknown if not misspelt(word, known)), "")


def routine(line: str) -> bool:
    """Is this line the day's work, in which nothing is wrong?"""
    rest = HARMLESS.sub("", line)
    return rest != line and not COMPLAINT.search(rest)


def telling(lines: Sequence[str]) -> List[str]:
    """The lines (newest first) whose words count: those that speak of trouble; all of a short
    excerpt.
    """
    lines = [line for line in (HARMLESS.sub("", line) for line in lines) if line.strip()]
    if len(lines) > EXCERPT:
        lines = [line for line in lines if COMPLAINT.search(line)]
    return lines[:EXCERPT]
