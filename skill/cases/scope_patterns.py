"""The patterns by which scope.py tells what a report is about. Data: no rule is decided here."""

from __future__ import annotations

import re

# Other programs with errors of the same words. Their lines never count.
OTHER = re.compile(
    r"claude[ -]code|claude remote|codexbar|cliproxyapi|antigravity[ -]manager|claude[ "
    r"-]desktop|one[ -]?api\b|new[ -]api\b|"
    r"litellm|(?<!:)codex[ "
    r"-](?:cli|desktop|says|reconnect|exec\b|sandbox|tui|ide|extension|app)|gemini[ "
    r"-]cli|qwen[ -]code|"
    r"continue (?:extension"
    r"|\.dev|ide|plugin)|cursor "
    r"(?:ide|editor|agent|ai|pro|cannot|can.?t|says|does|is|with)|open-?hands|hummingbot|octobo"
    r"t|"
    r"db browser|sqlitestudio|\bhermes\b|on my (?:website|web site|blog)|in "
    r"cursor\b|\bcline\b|roo[ -]?code"
    r"|kilo[ -]?code|\baider\b|windsurf|github copilot|copilot "
    r"chat|\bopencode\b(?![/:])|jetbrains|\bzed editor\b"
    r"|vs ?code|visual studio code|\bdify\b|\bn8n\b|langflow|open[ -]?webui|librechat|lobe[ "
    r"-]?chat|cherry studio"
    r"|chatbox|home[ -]assistant|nextcloud|wordpress|\bwaha\b|node-?red|hassio|noweb|evolution["
    r" -]api|whatsapp-web\.js|next\.?js\b"
    r"|^cursor\b|react native|telegraf\b|playwright mcp|\baws (?:login|cli|sso)"
    r"|\bvite\b|webpack|django|\bflask\b|\brails\b|nginx proxy manager|hermes[ "
    r"-]agent|autogpt|goose"
    r"|eliza(?:os)?\b|clawith|star[ -]office|\bcoze\b|fastgpt|ragflow|anything[ "
    r"-]?llm|nextchat|chatgpt-next-web|sillytavern|"
    r"koishi|nonebot"
    r"|astrbot|langbot|chatgpt-on-wechat|wechaty|flowise|botpress|\brasa\b|mautrix|node-red|cre"
    r"wai|langchain|autogen|minecraft|jellyfin"
    r"|express (?:app|server|js)|ghost (?:blog|cms)|shiny[ -]server|slack[ -]bolt|bolt "
    r"app|discord\.(?:js|py)|\bnode-telegram|grammy bot"
    r"|(?:spring|react|vue|angular|svelte|laravel|rails|django|flask|fastapi|electron|nest\.?js"
    r"|next\.?js|nuxt) (?:app|project|server|site)"
    r"|docker desktop itself|ollama itself|nginx (?:itself|proxy)|home ?assistant|uptime "
    r"kuma|vs ?code|visual studio|android studio|xcode\b"
    r"|my (?:\w+ ){0,3}(?:web ?site|web ?shop|blog|site|app|server rack|game|homework)\b",
    re.I,
)
# About OpenClaw's own repository, its tests, its build or its shop: nothing that runs is in
# trouble.
OWN_WORK = re.compile(
    r"pull request|(?-i:\bPRs?\b)|\bmy pr\b|\bCI "
    r"(?:is|job|run|fails?|pipeline|build|test)|\bin CI\b|\bon (?:\w+ )?CI\b"
    r"|\b(?:is|are) flaky|flaky (?:test|spec)|github actions?|tests? (?:of|in) the repo"
    r"|(?:unit|e2e|vitest|playwright|integration) (?:tests?|suite|run)\b|test suite"
    r"|单元测试|用例失败"
    r"|\bpnpm (?:[\w-]+:)?(?:build|test|check|dev)\b|(?:build|building|compil\w+) (?:\w+ "
    r")?from source|源码(?:构建|编译)(?:失败|报错|出错)"
    r"|\b(?:clawhub|npm|skill) publish\b|publish(?:ing)? (?:a|my|the) "
    r"(?:skill|plugin|package)|发布(?:技能|插件|skill)",
    re.I,
)
# A program of the person's own, or one of another name: counts only where nothing names OpenClaw.
OWN_PROGRAM = re.compile(
    r"\bmy (?:own )?(?:[\w.-]+ ){0,3}(?:scripts?|program|package|library|repo|codebase|daemon)\b"
    r"|\bmy own (?:[\w.-]+ ){0,3}(?:bot|server|client|service|code|app)\b"
    r"|\bin my (?:\w+ )?project\b"
    r"|\bmy (?:python|node(?:\.?js)?|nim|rust|go|java|php|c#|ruby|kotlin|typescript) (?:\w+ )?bot\b"
    r"|我们自己|自己(?:用 ?\w+ ?)?(?:写|开发|搭)的|我写的|自己的(?:脚本|项目|程序|服务)"
    r"|\bstarter kit\b|boilerplate"
    r"|quick-?start|\b(?:example|sample|demo|starter|tutorial) (?:app|project|repo|code|bot)s?\b",
    re.I,
)
# A tool of the person's own: counts where no word places it here either.
OWN_TOOL = re.compile(
    r"\b(?:(?:npm|yarn|pnpm|bun|vite|astro|nuxt) (?:run "
    r")?(?:dev|start|serve|build|test|lint|e2e)|next (?:dev|build|lint))\b"
    r"|\b(?:node|python3?|bun|deno) (?:run )?[\w./-]+\.(?:m?[jt]s|py)\b|\bdocker[ -]compose "
    r"(?:up|run|build)\b"
    r"|\bnpm (?:i|install|-g|uninstall) (?:-g )?(?:of )?(?!openclaw)[\w@]"
    r"|^codex (?:stopped|does|will|won|can|crash|exits?|hangs?|app|tui)|\bollama "
    r"(?:serve|run|pull|itself|crash)",
    re.I,
)
LOOKALIKE = re.compile(r"^\W*(?:hermes|nanobot|zeroclaw|nanoclaw|ironclaw)\b", re.I)
# Proxies stand between OpenClaw and the world: their name counts only where nothing of OpenClaw is
# named.
PROXY = re.compile(
    r"openclash|clash[ -]?(?:verge|meta|core)|mihomo|\bclash\b|\bv2ray|\bxray\b|sing-box|passwall",
    re.I,
)
OURS = re.compile(
    r"openclaw|clawdbot|moltbot|clawbox|picoclaw|control "
    r"ui|\[gateway\]|\bgateway\b|subsystem|agent/embedded"
    r"|lane=|channels?/|plugin-sdk|\bbot\b|机器人|网关|飞书|钉钉|"
    r"telegram|discord|whatsapp|slack|feishu|dingtalk|imessage",
    re.I,
)
CORE = re.compile(
    r"(?<![a-z])(?:openclaw(?!-windows)|clawdbot|moltbot|clawbox|picoclaw)|(?-i:\[gateway\])|ag"
    r"ent/embedded|18789"
    r"|\[(?:plugins|telegram|discord|slack|whatsapp|feishu)\]|gateway/channels|subsystem|plugin"
    r"-sdk|lane=|sessionKey="
    r"|control ui|auth-profiles|auth profiles?\b|\bFailoverError\b|clawhub"
    r"|agents\.defaults|models\.providers|agent failed before reply|gateway start blocked|"
    r"gateway failed to start|"
    r"plugins\.(?:entries|allow|slots|load)\b|gateway\.(?:startup_failed|maintenance_required)|"
    r"Memory index failed \(|"
    r"gateway\.(?:mode|auth|bind|port|controlui|remote)\b|device token|gateway token|gateway "
    r"service",
    re.I,
)
# Words of a person that place a trouble with an assistant behind a gateway, or with the models it
# talks to.
WORLD = re.compile(
    r"gateway|\bbots?\b|\b(?:sub-?)?agents?\b|channels?\b|control ui|mission "
    r"control|dashboard|web ?chat|web ?ui|plugins?\b|skills?\b"
    r"|\bcrons?\b|scheduled|\b(?:web|sessions|memory|browser|cron)_\w|heartbeat|telegram|\btg\b"
    r"|discord|whatsapp|\bwa\b|slack|feishu|lark\b|dingtalk|\bqq|wechat|weixin|wecom|imessage"
    r"|\bimsg|\bsignal\b|matrix|mattermost|\bteams\b|nostr|\bzalo|pairing|onboard|doctor|claw|m"
    r"olt|assistant|\bturns?\b|repl(?:y|ies)"
    r"|fallback|\boauth\b|keep-?alive|embedding|memory (?:search|re-?index|index|status|sync)"
    r"|models?\b|sessions?\b|messages?\b|\bchats?\b(?!-)"
    r"|conversations?\b|prompts?\b|providers?\b|profiles?\b"
    r"|anthropic|openai|openrouter|kimi|moonshot|minimax|\bglm\b|deepseek|\bopus\b|sonnet"
    r"|haiku|\bgpt-?\d|ollama|\bllama|lm ?studio|vllm|\bgrok\b|mistral"
    r"|\bqwen|\bomlx|机器人|网关|插件|飞书|钉钉|微信|企微|助手|会话|技能|回复|消息|对话|模型|渠"
    r"道|频道|记忆|龙虾|面板|定时任务",
    re.I,
)
# Words that place a trouble here whatever name stands beside them.
HOUSE = re.compile(r"\bgateway\b|网关|control ui|claw", re.I)
LATIN = re.compile(r"[A-Za-z]{2}")
# Of a log: sentences of OpenClaw's model layer that do not name it.
SPOKEN = re.compile(
    r"in cooldown|for profile|profiles unavailable|provider returned a billing|your "
    r"assistant|all models failed|failover",
    re.I,
)
NAMED = re.compile(r"openclaw|clawdbot|moltbot|clawbox|picoclaw", re.I)
# Line shapes that only other programs print.
OTHER_LINE = re.compile(
    r"^\[BUG\]|^API Error ?[:(]|^\s*⎿|· Retrying in \d+ seconds|Claude (?:CLI|OAuth|Code) "
    r"|SecKeychain|/api/oauth/usage|"
    r"\.claude/|\.codex/(?!auth)|^Status Code: \d|\bopenclash\b|\bclash\b|mihomo|claude[ -]code"
    r"|\$bunfs/|entrypoints/cli\.js|curl: \(\d|NOWEB|\bwaha\b|"
    r"^API Request Failed|^Sorry, your request failed|\[Extension "
    r"Host\]|^ERROR:root:|\((?:MainThread|Bot:\d+)|"
    r"homeassistant\.|telegram\.ext|node-telegram-bot-api|ETELEGRAM|^\* "
    r"(?:Closing|server|Connected|ALPN|TLS|Trying|SSL)|"
    r"^OpenSSL: error|Unable to establish SSL connection|^❯ ?\d|· resets \d|"
    r"stream disconnected before completion|esc to interrupt|^\W{0,4}Reconnecting\.\.\. "
    r"\d|Selected model is at capacity|"
    r"■ |^Watchpack |^webpack "
    r"|vitest|\.test\.[tj]sx?\b|RUNNER~1|/home/runner/|/runner/_work/|hermes_|hermes\."
    r"|^<stream:error|^<conflict type|\.vscode|JetBrains|at cursor",
    re.I,
)
# A runner of continuous integration, or a page's own words (Markdown): not printed by anybody's
# gateway, whomever it names.
NO_LOG = re.compile(
    r"RUNNER~1|/home/runner/|/runner/_work/|\.test\.[tj]sx?\b|^\*\*[^*]{3,60}\*\*|^#{1,4} \w"
)
ADVISORY = re.compile(
    r"\bGHSA-|security (?:scan|alert|audit report)|malicious|malware|supply chain "
    r"attack|\bCVE-\d{4}|security advisory|"
    r"vulnerabilit|changelog|release notes?\b"
    r"|\badvisory\b|\breleased?\b (?:with|v?\d|notes)|v?20\d\d\.\d+\.\d+ (?:is )?(?:released|out)\b"
    r"|安全公告|漏洞(?:公告|通告|披露)|更新日志|发布说明",
    re.I,
)
WISH = re.compile(
    r"^(?:feat|fix|docs|chore|refactor|test|ci|perf|style|build)(?:\([^)]{0,60}\))?!?: "
    r"|feature request"
    r"|^\[(?:release|solution|question|项目|分享|教程|design|discussion|rfc|proposal|enhancemen"
    r"t|docs?|idea|suggestion|建议|需求|讨论)|"
    r"\[feat(?:ure)?\b|\bfeat:|\bproposal\b|would (?:be (?:nice|great|useful)|like (?:to "
    r"see|support))"
    r"|please (?:add|support|consider)|^support |^docs?\b ?:|^question\b|does openclaw "
    r"(?:automatically |already |"
    r"also )?(?:support|fall|use|have|work)|是否支持|"
    r"^(?:add|support|allow|expose|document) (?:support|an? |for |the )|enhancement|\brfc\b|roadmap"
    r"|^(?:configurable|auto-run|improve|introduce|make .{3,60} configurable|track .{3,60} "
    r"per|option to|ability to|provide an? )"
    r"|(?:should|could) (?:support|offer|provide|allow)\b|it would (?:help|be)|wish(?:list)?\b"
    r"|功能(?:请求|建议)|希望(?:能)?(?:支持|增加|添加)|"
    r"建议(?:增加|支持|添加)|求支持|能否(?:支持|增加)"
    r"|^(?:please|pls|kindly|could we|can we have|can i have|let (?:me|us)|i wish|i would "
    r"(?:like|love|prefer)|i'd (?:like|love"
    r"|prefer))\b(?! help)"
    r"|^(?:fix|fixes|refactor|bump|chore|cover|deprecate|cleanup|clean up)\b(?! "
    r"(?:my|it|this|please|me)\b)"
    r"|^(?!.*\b(?:fail\w*|crash\w*|errors?|won.t|cannot|can.t|not "
    r"work\w*|stuck|hangs?|dies|stops)\b)(?:allow|enable|make|rename|document"
    r"|clarify|improve|reduce|increase|refactor|introduce|implement|provide|consider|extend|exp"
    r"ose|support|add|enhance)\s+(?!to\b)"
    r"(?:an? |the )?[\w-]+(?: [\w-]+)*(?: support\b| option\b| setting\b| flag\b| docs?\b| "
    r"documentation\b| guide\b| by default\b"
    r"| for | per | instead of | when | so that )"
    r"|there (?:should|ought to) be\b|should (?:be able|have an? |also|not "
    r"require|say|name|tell|warn|default)\b|needs? an? (?:option"
    r"|setting|flag|way|guide)\b"
    r"|(?:docs?|documentation|readme|schema|guide|description|help "
    r"text|wording|changelog)\b.{0,40}\b(?:says?|wrong|outdated|unclear"
    r"|misleading"
    r"|contradict\w*|typo|opposite|missing section|does not "
    r"mention|should)|\b(?:typo|wording|misleading|ambiguous (?:message|text))\b"
    r"|^i (?:want|liked|wish|would)\b(?! (?:to know|help))"
    r"|^could (?:the|we|you|openclaw|it|there|this)\b|please also\b|\bdocs? "
    r"(?:tells?|says?|mentions?|describes?|pages?)\b"
    r"|希望.{1,16}(?:能|可以|增加|支持)|能不能(?:有|让|把|给)"
    r"|^(?:suggest\w*|ideas?|hope|hoping|wish|request|would like)\b|^feature\b|feature "
    r"(?:idea|wish|suggestion)"
    r"|^low priority|: let (?:the|it|me|us)\b|some(?:body|one) wants|^(?:希望|建议)"
    r"|^(?!.*\b(?:but|however|instead|cannot|never|not)\b)(?!.*n['’]t\b).*\bshould (?!i\b|we\b)"
    r"|希望(?:可以|有|官方|能|加|以后)|建议(?:官方|加|把|做|在|提供|默认)|能不能(?:加|支持|做|"
    r"出|增加|提供)|可不可以(?:加|支持|做)|有没有(?:计划|打算)"
    r"|什么时候(?:支持|出|能支持)|求(?:教程|助攻|推荐|分享)|想要(?:一个|加)|文档(?:里|中|上)?.{"
    r"0,10}(?:写错|不对|没写|过时|不清楚)",
    re.I,
)
# It is over, or it is a recipe for others.
SOLVED = re.compile(
    r"\bhow (?:i|we) (?:fixed|solved|got|made|did)|^(?:solved|fixed|resolved)\b|\b(?:i|we) "
    r"(?:fixed|solved|resolved) (?:it|this|that|the)\b"
    r"|\b(?:looks|works|running|runs|all) (?:good|great|perfectly|smoothly|fine)(?: now| "
    r"again)?\W*$|works (?:now|again)\W*$"
    r"|is (?:fixed|solved|resolved) now"
    r"|never mind|nevermind|false alarm|my (?:own )?mistake|sharing (?:my|a|the)|in case "
    r"(?:it|this) helps|tutorial\b|walkthrough"
    r"|write-?up|tips? for|\bmy working\b|for (?:those|people|anyone|everyone|others) "
    r"(?:who|that|with|hitting|running|having)\b"
    r"|(?:已|已经)(?:解决|修复|搞定|恢复正常)|解决(?:了|方法|办法|方案)[。！!]?$|搞定了|分享(?:"
    r"一下|经验|个)|踩坑(?:记录|总结)|教程|经验(?:总结|分享)|虚惊",
    re.I,
)
# Somebody wants to know or to do something; where nothing is said to fail, nothing is to be
# repaired.
HOWTO = re.compile(
    r"^(?:how (?:to|do|can|does|should|is|are|many|much)|why (?:do|does|is|are) "
    r"(?:you|openclaw|the docs)|what (?:is|are|does)"
    r"|where (?:is|do|can)|which"
    r"|can (?:i|we|you|it|openclaw|clawdbot|moltbot|(?:the|my) (?:bot|agent|gateway))|could "
    r"you|is (?:it|there)"
    r"|does|do i|when should|best way|any (?:way|plans?)|looking for|(?:i|we) (?:want|would "
    r"like|need) to)\b"
    r"|\bhow (?:to|do i|can "
    r"i)\b|请[问教].{0,12}(?:怎么|如何|可以|支持)|^(?:如何|怎样|怎么|能不能|可不可以|是否|有没"
    r"有)"
    r"|(?:教程|方法)[?？]?$",
    re.I,
)
# A question from its first word to its mark.
ASKS = re.compile(
    r"^(?:how (?:do|does|can|should|is|are|many|much|to)|what|where|which|can "
    r"(?:i|we|you)|could|does|do i|should i|is there)\b[^.!]*[?？]$"
    r"|^(?:如何|怎样|怎么(?:样)?(?:才能|配置|设置|使用)|哪些|哪里|是否|有没有)[^。！]*[?？]?$",
    re.I,
)
# Something is said to be wrong.
COMPLAINT = re.compile(
    r"error|fail|\bnot?\b|n['’]t\b|\b(?:cant|wont|doesnt|isnt)\b|cannot|never|none\b|nothing|wi"
    r"thout|stuck|stop|\blos[est]|gone|miss|wrong"
    r"|br[eo]k|crash|\bdie|\bdead|kill|\bh[au]ng|fr[eo]+z|stall|slow|delay|time[sd]?[ "
    r"-]?out|timing out|refus|den(?:y|ied)|reject|invalid"
    r"|unauth|forbid|\bun(?:able|avail|reach|known|recog|supp|expect|handle|resp|ver|trust|pair"
    r"ed|regist|stable|usable)"
    r"|dis(?:conn|app|abl)|drop|loop|re-?start|reboot|respawn|repeat|again|leak|gr[eo]w|spike|c"
    r"limb|\bhigh|100 ?%|full\b|out of|exceed"
    r"|limit|expire|mismatch|conflict|duplic|twice|corrupt|malform|overload|busy|silen|ignor|sk"
    r"ip|empty|wipe|overwr|clobber|reset|revert"
    r"|block|lock|warn|problem|issue\b|troubl|\bbug|\b[45]\d\d\b|\bexit|abort|requir|needs?\b|"
    r"\bold|stale|\btoo\b|only|(?-i:\bE[A-Z]{4,})"
    r"|asks? for|keeps?|instead|although|though|taken|in use|exhaust|whole "
    r"core|cooldown|swap|quota|credit"
    r"|[不没無无]|失败|失敗|错|錯|异常|超时|超時|断|掉|卡|死|崩|退出|重启|重啟|重复|重複|占用|"
    r"冲突|拒绝|过期|失效|满|慢|丢|报|提示|限|欠|坏|缺|只"
    r"|一直|反复|上涨|泄漏|被杀|用量|就到|飙|耗|还是",
    re.I,
)
QUOTED = re.compile(
    r"pasted (?:an? |the |this |some )?(?:\w+ "
    r")?(?:text|logs?|messages?|errors?|sentences?|words|lines?|from|by)\b"
    r"|quot(?:es|ed|ing)|copied from|some(?:body|one) (?:wrote|asked|posted|pasted"
    r"|sent)|in the (?:chat|docs?|tutorial|article|readme)\b"
    r"|example (?:from|in)|"
    r"(?:asks?|asked|asking) (?:the bot )?(?:what|about|to explain)|(?:type|send|write"
    r"|say)s? the (?:following )?(?:sentence|words?|phrase|text)"
    r"|translate|"
    r"转发|粘贴|引用|聊天里|群里有人|有人(?:问|发)|文档里|教程里|文章里|翻译|这句话",
    re.I,
)
# The person says that nothing is broken, or that it is meant to be so.
CALM = re.compile(
    r"\bnon-?fatal\b|is (?:this|it|that) (?:normal|expected|a "
    r"problem|ok(?:ay)?)\b|\bharmless|\bbenign|cosmetic|no impact"
    r"|nothing (?:is )?(?:broken|wrong)|(?:finish|start|run|work|complet|updat|install|upgrad)"
    r"\w* (?:\w+ )?without (?:any )?(?:problems?"
    r"|errors?|issues?)\b|everything (?:still )?works|"
    r"works (?:fine|normally|perfectly|well)(?: otherwise| anyway)\W*$|but (?:\w+ ){0,4}(?:replies"
    r"|answers|is|runs|sends|all) (?:fine|ok|okay|good|well)\b"
    r"|"
    r"^normal |as usual|no (?:bad|error) (?:logs?|lines)|just "
    r"(?:curious|wondering|asking)|should i (?:worry|care)|"
    r"for information|fyi\b|all (?:is )?(?:good|fine|healthy|green|ok)"
    r"|(?:rpc|probe) (?:is )?ok\b|(?:though|although|but|and) "
    r"(?:(?:it|they|all|everything|is|are|set|that|still|each|them) ){1,4}(?:and )?"
    r"(?:works?|runs?)\W*$|clearly unrelated|false (?:positive|warning)"
    r"|\b(?:have|has|with|use|using) no openclaw\b|do(?:n.t| not|es not) (?:even "
    r")?(?:have|use|run) openclaw\b"
    r"|没(?:有)?(?:安?装|用)(?:过)? ?openclaw"
    r"|(?:the )?(?:rest|everything else) (?:is|works|runs) (?:fine|ok|well|good)|it is only "
    r"(?:the|a)\b|"
    r"on purpose|intentional|by design|i (?:really )?want (?:two|both|it "
    r"(?:so|that|this))|although i want|only because|"
    r"because it (?:only|just)|\b(?:they|it|that|which|those|these)(?: is| are|['’]s|['’]re) "
    r"(?:just|only) |"
    r"(?:但|不过|可是).{0,12}(?:正常|没问题|能用|不影响|就是要)|是正常的吗|正常吗|只是(?:问|好"
    r"奇)|^会不会|要紧吗|可以忽略"
    r"|^网关正常|gateway (?:is|works|runs) (?:healthy|fine|ok|well) (?:and|but (?:doctor|status))"
    r"|不影响使用|一切正常|没有影响|故意|我就是要|本来就",
    re.I,
)
# It works, and only a message says otherwise: FINE without LOST.
FINE = re.compile(
    r"\b(?:runs?|works?|working|continues?|starts?|behaves?|replies|answers|connects) (?:\w+ "
    r")?(?:normal(?:ly)?|fine|ok(?:ay)?|well"
    r"|anyway|correctly|perfectly)\b|\bd(?:id|oes|one) (?:its|the|their) job|\beverything "
    r"(?:\w+ )?(?:restored|works?|worked|ok|fine|done"
    r"|migrated)|\b(?:health(?: check)?|probe|ui|channels?|crons?|cron "
    r"list|rpc|gateway|bot|it|connect\w*) (?:is|are|says?|was|were)"
    r" (?:live|ok|yes|fine|healthy|good|reachable)\b|(?:\b(?:but|though|although|while|and|yet)"
    r"|,) ?(?:\w+,? ){0,7}works?\W*$"
    r"|能用|(?:执行|运行|功能|使用|工作|回复|收发)(?:都|也|是|却|很)?正常|正常(?:运行|工作|使用"
    r")|没(?:有)?影响",
    re.I,
)
LOST = re.compile(
    r"\b(?:no|not|none|cannot|never|nothing|without|fail\w*|crash\w*|exits?|stop\w*|dead|die[sd"
    r"]|hangs?|hung|stuck|los[et]\w*|gone"
    r"|drop\w*|silent|re-?start\w*|loop\w*|kill\w*|block\w*|refus\w*|reject\w*|den(?:y|ied)|dis"
    r"connect\w*|slow\w*|delay\w*|minutes"
    r"|tim(?:es?|ed|ing) ?out|ignor\w*|wrong|empty|missing|unable|only|gets?|keeps?|dup\w*|twic"
    r"e|expired?|invalid|throws?|leak\w*"
    r"|grows?|broke\w*|[45]\d\d)\b|n['’]t\b|不(?!影响|重要)|没(?!有?影响|问题)|无法|失败|挂|崩|"
    r"断|慢|卡|丢|拒|超时|反复",
    re.I,
)
WELL = re.compile(r"(?:RPC|Connectivity) probe: ok", re.I)
RUNNING = re.compile(r"Runtime: running|\[gateway\] ready\b", re.I)
# Lines that a healthy gateway prints; where nothing else is said, there is no incident.
ROUTINE = re.compile(
    r"^(?:<time> )?(?:info |debug |trace )|\"level\" ?: ?\"(?:info|debug|trace)\"|\[gateway\] "
    r"(?:starting"
    r"|ready|loading|resolving|http server listening|startup outcomes|agent model|"
    r"log file|listening on|shutdown budget|spawn broker)|\[(?:health-monitor|heartbeat)\] started"
    r"|cron: started|browser control (?:service )?(?:ready"
    r"|listening)",
    re.I,
)
TROUBLE = re.compile(
    r"error|fail|warn|refus|denied|invalid|expired|timed? "
    r"?out|timeout|crash|unhandled|exception|stale|restarting|conflict|mismatch|leak"
    r"|\brss\b|heap|(?-i:\bE[A-Z]{4,})|\bnot\b|cannot|can.t\b|\bno "
    r"(?!-|bad|error|issue|problem|change)\w|missing|unable|\blost\b|kill"
    r"|oom|exceed"
    r"|limit(?:ed|s)? (?:reached|hit|exceeded)|rate.?limit|quota|insufficient|balance|credit|bi"
    r"lling|busy|overload|block(?:ed|ing)"
    r"|lock(?:ed| held)"
    r"|disconnected \(|closed \(\d|code[= "
    r"](?:1006|1008|4\d\d\d)|unauthor|forbid|unknown|unrecogni|unsupport|unavail|unreach|disall"
    r"ow"
    r"|liveness warning|eventloop\w*max|degraded|\b(?:4(?:0[0-9]|29)|5(?:0[0-4]|29)|137)\b|refu"
    r"sing|required|stopped|in use|already"
    r"|corrupt|malformed"
    r"|too many|too (?:long|large|old)|cooldown|disabled(?:until)?\b|clobbered|auto-restored|or"
    r"phan|duplicate|exit(?:ed|ing)? (?:with"
    r"|code)|abnormal|retry \d"
    r"|reconnect|terminat|reject|stuck|stall|hung|zombie|only "
    r"|[不没无]|失败|错误|异常|超时|拒绝|断开|重启|占用|过期|无效|冲突",
    re.I,
)

NAME = re.compile(r"(?<![\w./@$%-])[A-Za-z](?:[A-Za-z'’]|-(?=[A-Za-z]))+(?![\w/@])(?!\.\w)")
# What a sentence is about, where its name is a compound.
SUBJECT = re.compile(
    r"^\W*(?:(?:my|our|the|installed|using) )?([A-Za-z]{2,}(?:[-_][A-Za-z]{2,})+)(?![\w/@.-])"
)
SNAKE = re.compile(r"(?<![\w./@$%-])[a-z]+(?:_[a-z]+){2,}(?![\w/@.])")
ENGLISH = re.compile(
    r"\b(?:the|my|at|of|from|into|already|fails?|gives?|is|does|will|not|and|with|when|after|it"
    r"s|from|every|cannot|keeps)\b",
    re.I,
)
CAMEL = re.compile(r"(?:[A-Z]+[a-z]+){2,}$|[A-Z]{2,}[a-z]+$|[A-Z][a-z]+[A-Z]{2,}$")
TWICE = re.compile(r"(.)\1")
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
OPENCLAWS = re.compile(r"claw|molt", re.I)
# A module's path that names another program: the error is that program's.
MODULES = re.compile(r"[/\\\\]node_modules[/\\\\]")
NPM = re.compile(r"npm (?:error|ERR!|warn)|clawhub", re.I)

UNIT = re.compile(r"(?<![\w/@.-])([\w@\\.-]+)\.service\b")
UNITS = re.compile(r"claw|molt|gateway|docker|containerd|systemd|dbus|user@|network|session", re.I)
PACKAGE = re.compile(
    r"(?:npm (?:error|ERR!).*[/\\]node_modules[/\\]|unlink "
    r".*[/\\]node_modules[/\\])((?:@[\w.-]+[/\\])?[\w.-]+)"
)
IN_USE = re.compile(
    r"EADDRINUSE|address (?:is )?already in use|Only one usage of each socket address|port is "
    r"already allocated",
    re.I,
)
PORTS = re.compile(r":(?:80|443|3000|3001|3306|4200|5000|5173|5432|6379|8000|11434|27017)\b")

# It was caught: only what follows is news.
HARMLESS = re.compile(
    r"(?:\[\w+\] )?Non-fatal unhandled rejection \(continuing\):?\s*(?:TypeError: fetch failed)?",
    re.I,
)
