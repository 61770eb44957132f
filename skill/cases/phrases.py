"""Which case do these words speak for? Naive Bayes over each case's own texts: phrases, titles,
keywords, examples, signatures.

A word list of ideas joins the two languages and the many ways to say one thing ("keeps rebooting",
"一直重启"); beside it count word stems, Chinese character pairs and, for little, groups of four
letters. A word speaks for a case as far as it is commoner there than in the whole library (log of
the ratio, smoothed); a case's own words that stay unsaid cost nothing.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import Dict, Iterable, List, NamedTuple, Tuple

from .signature import literals

# idea -> how it is said; one stretch of text may carry several.
_IDEAS = {
    "restart": r"re-?start|reboot|respawn|重启|重新启动|kickstart",
    "loop": r"\bloop|循环|反复|不停|不断|无限|一直重|again and again|repeated|every \w+ (?:s|sec|"
    r"seconds|minutes?|min)\b|constantly|endless|climbing|stacks?\b|每隔|thousands",
    "start": r"\bstart|\bboot\b|launch|come up|comes up|启动|起来|开机",
    "notstart": r"(?:won'?t|not|cannot|can'?t|never|fails? to|refuses? to|unable to) (?:start|"
    r"boot|launch)|启动不了|起不来|无法启动|启动失败|拒绝启动|没起来",
    "exit": r"\bexit|crash|\bdies?\b|\bdied|\bquit|aborts?|terminates?|退出|崩溃|闪退|秒退|挂了|"
    r"挂掉|takes? .{0,20}down",
    "killed": r"\bkill|被杀|杀掉|sigkill|\b137\b",
    "noanswer": r"(?:no|not|never|without|stops?|won'?t|doesn'?t|does not|nothing|"
    r"isn'?t) (?:\w+ ){0,2}(?:answer|repl|respon)|silent|unresponsive|stuck on writing|apologi|"
    r"半天不|不说话|没反应|没有反应|不回复|不回|无响应|不响应|没回|没有回复|迟迟|失联|不理",
    "noreceive": r"(?:not|never|stops?|stopped|no longer|doesn'?t|won'?t|no|"
    r"without) (?:\w+ ){0,2}(?:receiv|inbound|event|message|deliver|arriv)|\bdeaf\b|收不到|"
    r"没有收到",
    "slow": r"\bslow|takes? (?:\w+ ){0,2}(?:minutes|forever|long)|delay|\blag|很慢|太慢|延迟|卡顿",
    "timeout": r"time[sd]?[ -]?out|timing out|etimedout|超时",
    "hang": r"\bhang|\bhung|freez|frozen|stall|stuck|wedge|卡死|卡住|假死|block(?:s|ed) the",
    "port": r"\bport\b|端口|18789|eaddrinuse|already in use|address in use|占用",
    "taken": r"in use|taken|occupied|占用|被占|eaddrinuse|already listening|already used",
    "refused": r"refus|econnrefused|拒绝连接|被拒绝",
    "noconnect": r"(?:can'?t|cannot|not|unable to|fails? to|won'?t|never) (?:\w+ )?(?:connect|"
    r"reach)|unreachable|连不上|无法连接|连接失败|连接不上|无法建立|not reachable|offline|离线",
    "disconnect": r"disconnect|drops?\b|断开|断线|掉线|reconnect|重连|flapp|closed before|1006|"
    r"1005",
    "memory": r"memory|\brss\b|\bram\b|内存|heap|\boom\b",
    "grow": r"grow|climb|leak|increas|上涨|泄漏|越来越|飙升|一直涨|swap",
    "session": r"session|conversation|会话|对话|transcript",
    "lock": r"\block|锁",
    "perm": r"permission|eacces|eperm|denied|not writable|owned by|权限|拒绝访问|not permitted",
    "token": r"token|令牌",
    "key": r"api[ _-]?key|\bkeys?\b|密钥|apikey|credential|凭证|凭据",
    "wrong": r"invalid|wrong|incorrect|rejected|mismatch|无效|错误|不对|不正确|不匹配|失效|"
    r"not accepted|bad\b|不合法",
    "missing": r"missing|not found|cannot find|no such|absent|缺少|找不到|缺失|不存在|enoent|"
    r"module_not_found",
    "expired": r"expire|过期|stale|revoked|invalidated",
    "config": r"config|openclaw\.json|设置|配置|schema|settings?\b",
    "lost": r"wiped|overwrit|overwrote|erased|gone\b|lost\b|deleted|dropped|removes?\b|清空|丢失|"
    r"被删|没了|覆盖|消失|shr[aiu]nk|emptied|reset to|clobber|disappear|destroy",
    "revert": r"revert|undone|roll(?:ed|s)? ?back|restored|put back|back to (?:the )?(?:old|"
    r"previous)|回滚|变回|还原|恢复成|恢复了",
    "update": r"updat|upgrad|升级|更新|升級|after installing|新版|\b20\d\d\.\d{1,2}|(?:in|on|"
    r"with|since|to|after|from|到) ?v?\d{1,2}\.\d{1,2}\b",
    "plugin": r"plug-?in|extension|插件",
    "module": r"module|package|dependenc|依赖|模块|sdk|bindings?|\.node\b",
    "channel": r"channel|频道|渠道|信道|通道",
    "bot": r"\bbot\b|机器人",
    "model": r"\bmodels?\b|\bllm\b|模型|claude|gpt|gemini|ollama|deepseek|qwen|kimi|minimax|glm|"
    r"openrouter|anthropic|openai|provider|服务商",
    "limit": r"rate.?limit|429|too many requests|throttl|限流|限速|频繁",
    "quota": r"quota|usage limit|limit (?:hit|reached)|额度|配额|套餐|用量|plan limit|exhausted|"
    r"weekly|daily limit|hour limit",
    "money": r"credit|balance|billing|payment|top(?:ped)? up|余额|欠费|充值|402|funds",
    "cooldown": r"cooldown|冷却|still block|locked out|locks? (?:the )?provider|blocks? all",
    "overload": r"overload|529|503|high demand|500|502|server error|繁忙|bad gateway|outage|过载",
    "blocked": r"403|forbidden|cloudflare|html|\bwaf\b|region|country|地区|拦截",
    "login": r"\blog ?in|login|sign in|re-?auth|oauth|登录|授权|relogin|scan|扫码|\bqr\b|relink",
    "context": r"context|prompt too|too long|compact|上下文|压缩|过长|太长|overflow|溢出",
    "docker": r"docker|container|容器|kubernetes|k8s|podman|compose|\bnas\b|synology",
    "systemd": r"systemd|systemctl|\bunit\b",
    "mac": r"\bmac|launchd|launchctl|launch ?agent|plist|苹果",
    "windows": r"windows|schtasks|scheduled task|powershell|win1[01]|计划任务|任务计划|cmd window",
    "service": r"service|daemon|服务|supervisor|守护|keepalive|pm2|watchdog",
    "two": r"\btwo\b|second|both|duplicate|twice|multiple|两个|两份|重复|多个|another|"
    r"other instance|copies",
    "old": r"\bold\b|older|legacy|leftover|previous|旧|残留|downgrad|降级",
    "version": r"version|版本",
    "ui": r"control ui|dashboard|web ?ui|web page|控制台|面板|网页|webchat|\bui\b",
    "https": r"https|secure context|http\b|安全上下文|over http|by ip",
    "origin": r"origin|cors|来源|跨域|reverse proxy|反代|反向代理|domain|域名|frp|nginx",
    "pair": r"\bpair|配对|approve|批准|scope|device request",
    "proxy": r"proxy|代理|梯子|vpn|socks|clash|firewall|内网",
    "network": r"network|网络|fetch failed|dns|econnreset|unreachable|ipv6|ipv4",
    "clock": r"clock|system time|时间不|时钟|signature|签名|\bntp\b",
    "disk": r"\bdisk|no space|enospc|磁盘",
    "cpu": r"\bcpu\b|pegg|one core|100 ?%",
    "cron": r"\bcron|schedul|reminder|定时|timer|jobs?\b",
    "notrun": r"(?:not|never|don'?t|doesn'?t|stopped) (?:\w+ )?(?:run|fir|trigger|execut)|不执行|"
    r"不触发|没执行|没有触发|没跑|idle|skipped|missed",
    "embed": r"embed|vector|向量|索引|memory (?:search|index|sync|status)|记忆",
    "browser": r"chrome|chromium|\bcdp\b|浏览器|browser (?:tool|action|control|profile|is|un)|"
    r"playwright",
    "cert": r"certificate|\bcert\b|\btls\b|\bssl\b|证书|self.?signed",
    "db": r"sqlite|database|数据库|\bdb\b",
    "corrupt": r"corrupt|malformed|损坏|坏了|unreadable|poison",
    "approval": r"approval|/approve|审批|exec approv",
    "node": r"\bnode(?:\.js|js)?\b|\bnvm\b",
    "gone": r"unload|\bremoved\b|卸载|stays (?:dead|down)|not loaded|未加载|没有加载",
    "files": r"open files|emfile|ebadf|file descriptor|inotify|文件描述符|打开文件",
    "duplicate": r"duplicate|重复",
    "silentload": r"(?:not|never|no longer|doesn'?t|isn'?t) (?:\w+ )?(?:show|list|load|appear)|"
    r"不显示|看不到|没加载|没有加载|没有生效|invisible|silently skip",
    "toolids": r"tool_use|tool_result|tool call|tool result|400",
    "every": r"every (?:message|turn|request)|each message|每条",
    "perms4014": r"4014|intents?\b|意图",
    "conflict": r"conflict|冲突|409|440|replaced",
    "telegram": r"telegram|电报|\btg\b|getupdates",
    "discord": r"discord",
    "slack": r"slack",
    "whatsapp": r"whats ?app",
    "feishu": r"feishu|\blark\b|飞书",
    "dingtalk": r"dingtalk|钉钉",
    "wecom": r"wecom|企业微信|weixin|微信|wechat|qqbot|\bqq\b",
    "imessage": r"imessage|\bimsg\b|chat\.db|full disk",
    "tailscale": r"tailscale|tailnet|funnel",
    "bind": r"\bbind|0\.0\.0\.0|\blan\b|局域网|绑定",
    "webhook": r"webhook|challenge|callback|回调|事件订阅",
    "migrate": r"migrat|迁移",
    "manifest": r"manifest|清单|plugin\.json",
    "entry": r"plugins\.(?:entries|allow|load)|refers to|stale (?:plugin )?entry|配置里的插件",
    "mode": r"gateway\.mode|start blocked|missing config|allow-unconfigured|run setup",
    "json": r"\bjson5?\b|parse|syntax|comma|bracket|语法|逗号|括号|truncated",
    "unknownkey": r"unrecogni[sz]ed|unknown (?:key|setting|field|config)|不认识|无法识别|多余的|"
    r"no longer supported",
    "unhandled": r"unhandled|uncaught|未处理",
    "bus": r"\bbus\b|xdg_runtime|linger|user session|总线|ssh|log ?out",
    "startlimit": r"start.?limit|too quickly|gave up|reset-failed|failed state|不再重启|"
    r"cannot recover",
    "stalesocket": r"stale.?socket|health.?monitor|35 ?(?:min|分)|半小时|half hour|cadence|"
    r"clockwork|健康检查",
    "sidecar": r"sidecar|helper|bridge|mcp server|voice.?call|daemon of|canvas|后台进程",
    "phone": r"phone|手机",
    "moved": r"\bmoved?\b|new (?:server|machine|computer|laptop|vps|mac|pc)|another machine|"
    r"换了?(?:一?台)?(?:新?)(?:机器|电脑|服务器)",
    "byhand": r"by hand|manual|手动|foreground|前台",
    "night": r"night|morning|早上|夜里|中午|every day|daily|每天",
    "reinstall": r"re-?install|重装|重新安装",
    "edited": r"\bedit|changed|modified|改了|修改|改成",
    "fresh": r"fresh|first (?:start|run|time|boot)|第一次|装好",
    "remote": r"remote|\bvps\b|cloud|\bserver\b|服务器|远程|公网",
    "cli": r"\bcli\b|\bcommands?\b|命令",
    "onlyone": r"(?:others?|webchat|telegram|everything else|rest) (?:\w+ ){0,2}(?:fine|ok|"
    r"works?)|only (?:one|this|slack|discord|telegram|feishu)|其他.{0,4}正常|只有",
    "cannotsend": r"(?:can(?:not|'?t)|unable to|fails? to) send|sends? (?:is |are )?(?:refused|"
    r"fail)|every send|发不出|发送失败|能收不能发|回复失败",
    "gigs": r"\d(?:\.\d+)? ?g(?:i?b)?\b|gigabyte|几个 ?g|好几个 ?g",
    "sleep": r"\bsleep|suspend|\bwake|休眠|睡眠|合盖",
    "again": r"keeps? |again|still |老是|总是|又|还是",
    "spawn": r"sub-?agents?|spawn|子任务|子代理|并发",
    "zombie": r"zombie|僵尸|process (?:is )?(?:there|alive|exists|running)|pid alive|进程还在|"
    r"进程存在|not listening|没有监听",
}
_COMPILED = [(name, re.compile(pattern, re.I)) for name, pattern in _IDEAS.items()]
# Only those regular expressions are tried whose fixed text is there: it saves a second.
_TRIED: List[int] = []
_TRIGGERS: Dict[str, List[Tuple[str, int]]] = defaultdict(list)
for _number, _pattern in enumerate(_IDEAS.values()):
    _fixed = literals(_pattern)
    if not _fixed:
        _TRIED.append(_number)
    for _text in _fixed:
        _TRIGGERS[_text[:2]].append((_text, _number))
_STOP = set(
    "the and for with that this from not has have was are but you your can its when after "
    "then than into does did will all any per get got one out off too just only still each "
    "say says said openclaw clawdbot moltbot gateway error errors failed fails fail issue "
    "problem log logs via use used using new why how what which there their them they been "
    "being because while although though where who our his her won't can't don't doesn't "
    "didn't isn't aren't wasn't hasn't haven't couldn't wouldn't shouldn't cannot could "
    "would should should've does even it's i'm on in of to is at as by or an be do so if we "
    "my me no now every about over under up down more most some such other own same 一个 出现 "
    "提示 报错 问题 怎么 什么 为什么 可以 现在 之后 以后 就是 然后 这个 那个 的时 时候".split()
)
_WORD = re.compile(r"[a-z][a-z0-9_.'-]{2,}|\d{3,5}")
_CJK = re.compile(r"[\u4e00-\u9fff]+")
_ENDING = re.compile(r"(?:ing|ed|es|s|ly)$")
_IDEA_WORTH, _PAIR_WORTH = 1.5, 0.6
# Of the library's own share mixed into each case: a word it never says is no proof against it.
_SMOOTH = 0.1
_LETTERS, _LETTERS_WORTH = 4, 0.3
_NOT_LETTERS = re.compile(r"[^a-z0-9\u4e00-\u9fff]+")


def ideas(text: str) -> Dict[str, float]:
    """token -> how much a token of its kind is worth."""
    low = text.lower()
    found, taken = {}, set()
    wanted = set(_TRIED)
    for at in range(len(low) - 1):
        for start, number in _TRIGGERS.get(low[at : at + 2], ()):
            if number not in wanted and low.startswith(start, at):
                wanted.add(number)
    for number in sorted(wanted):
        name, pattern = _COMPILED[number]
        seen = pattern.search(low)
        if seen:
            found["@" + name] = _IDEA_WORTH
            taken.update(_WORD.findall(seen.group(0)))
    for word in _WORD.findall(low):
        if word not in _STOP:
            stem = _ENDING.sub("", word) if len(word) > 5 else word
            # A word that is an idea already says a little more, but is no second sign.
            found["=" + stem if word in taken else stem] = 0.7 if word in taken else 1.0
    for run in _CJK.findall(low):
        for at in range(len(run) - 1):
            pair = run[at : at + 2]
            if pair not in _STOP:
                found[pair] = _PAIR_WORTH
    return found


def tokens(text: str) -> Dict[str, float]:
    """Ideas, stems and pairs, and groups of letters under "~": they carry inflections, compounds
    and typing mistakes.
    """
    found = ideas(text)
    for word in _NOT_LETTERS.sub(" ", text.lower()).split():
        if "a" <= word[0] <= "z" or word[0].isdigit():
            word = "^" + word + "$"
            for at in range(max(1, len(word) - _LETTERS + 1)):
                found["~" + word[at : at + _LETTERS]] = _LETTERS_WORTH
        else:
            for at in range(len(word) - 1):
                found["~" + word[at : at + 2]] = _LETTERS_WORTH
    return found


class Told(NamedTuple):
    # natural log of how much likelier these words are here than anywhere: 5 is telling, 10 plain
    weight: float
    words: str  # those that spoke most


Counts = Dict[int, Dict[str, float]]


def count(texts: Iterable[Tuple[int, str, float]]) -> Counts:
    """(number of the case, text, how much it counts) -> per case, how often each token is said."""
    counts: Counts = defaultdict(lambda: defaultdict(float))
    for number, text, worth in texts:
        for token, value in tokens(text).items():
            counts[number][token] += worth * min(1.0, value)
    return counts


class Words:
    """Built once per library."""

    def __init__(self, *several: Counts) -> None:
        counts: Counts = (
            several[0] if len(several) == 1 else defaultdict(lambda: defaultdict(float))
        )
        for one in several if len(several) > 1 else ():
            for number, added in one.items():
                into = counts[number]
                for token, value in added.items():
                    into[token] += value
        whole: Dict[str, float] = defaultdict(float)
        for said in counts.values():
            for token, value in said.items():
                whole[token] += value
        everything = sum(whole.values()) or 1.0
        mixed = _SMOOTH * len(whole)
        self._more: Dict[str, List[Tuple[int, float]]] = defaultdict(list)
        self._less: Dict[int, float] = {}
        for number, said in counts.items():
            self._less[number] = math.log(1.0 + sum(said.values()) / (mixed or 1.0))
            for token, value in said.items():
                self._more[token].append(
                    (number, math.log(1.0 + value * everything / (mixed * whole[token])))
                )

    def weigh(self, text: str) -> Dict[int, Told]:
        """case number -> what the text says for it. Cases that share no word are left out."""
        total = 0.0
        spoken: Dict[int, List[Tuple[float, str]]] = defaultdict(list)
        for token, worth in tokens(text).items():
            cases = self._more.get(token)
            if not cases:
                continue  # a word nobody has says nothing
            total += worth
            for number, more in cases:
                spoken[number].append((worth * more, token))
        found = {}
        for number, parts in spoken.items():
            weight = sum(value for value, _ in parts) - total * self._less[number]
            best = sorted((part for part in parts if part[1][0] != "~"), reverse=True)[:4]
            found[number] = Told(weight, ", ".join(token.lstrip("@=") for _, token in best))
        return found
