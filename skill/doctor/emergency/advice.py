"""What of a model's words a person is shown: as an opinion that nobody verified, without orders,
without links, without commands other than OpenClaw's and ours with arguments that were checked.

The safe direction: a sentence with anything that could be typed, opened or obeyed is left out
whole.
"""

from __future__ import annotations

import re
from typing import Any, List

from ...model import Text
from ...redact import PLACEHOLDER, Redactor, drop_chat, visible
from . import allowed

LIMIT = 600  # characters of one text
SENTENCES = 8
# What may be typed: commands that look, or that do what level 3 does anyway.
_WORD = r"[A-Za-z0-9][\w.:/@-]{0,80}"
_COMMANDS = re.compile(
    r"^(?:openclaw (?:status|health|doctor|doctor --lint|gateway (?:status|health|restart|start"
    r"|probe)"
    r"(?: --json)?|config (?:validate(?: --json)?|get " + _WORD + r"|unset " + _WORD + r")"
    r"|plugins (?:list|doctor|disable " + _WORD + r"|inspect " + _WORD + r")|models (?:status|list)"
    r"|channels status(?: --probe)?|logs(?: --follow)?|channels login(?: --channel "
    + _WORD
    + r")?)"
    r"|iflow-doctor (?:heal|status|diagnose|check-config|stats|ai status|ai attach|snapshots "
    r"list|service"
    r" status)(?: --dry-run| --json)?)$"
)
_SET = re.compile(r"^openclaw config (?:set|unset) (" + _WORD + r")(?: (\S{1,80}))?$")
_SPAN = re.compile(r"`([^`\n]{1,300})`")
_OWN = re.compile(r"\b(?:openclaw|iflow-doctor)(?: +[\w./:@=,-]+)+")
# Programs whose name in front of anything makes a command of a sentence.
_PROGRAMS = (
    "curl|wget|bash|zsh|sh|dash|fish|sudo|su|doas|rm|mv|cp|dd|ln|tee|npm|npx|pnpm|yarn|bun|pip3?"
    "|pipx|uvx?"
    "|python3?|node|deno|perl|ruby|php|git|chmod|chown|kill|killall|pkill|systemctl|launchctl"
    "|schtasks|sc"
    "|reg|powershell|pwsh|cmd|iex|iwr|invoke-\\w+|start-process|eval|exec|source|docker|podman"
    "|kubectl|ssh"
    "|scp|rsync|nc|ncat|netcat|telnet|socat|apt|apt-get|brew|yum|dnf|apk|snap|crontab|at|nohup"
    "|env|export"
    "|echo|printf|cat|base64|openssl|xargs|find|sed|awk|tar|unzip|mkfifo|mount"
    "|iptables|ufw"
    "|firewall-cmd|osascript|open|xdg-open|certutil|bitsadmin|mshta|rundll32|wsl"
)
_TYPED = re.compile(
    r"(?i)(?<![\w.-])(?:sudo|curl|wget|npx|powershell|pwsh|iex|iwr|invoke-\w+|chmod|chown|rm -"
    r"|sh -c|bash -c)\b"
    r"|(?:^|[\s:\uff1a$>`'\"(\u300c])(?:[\w./~-]{0,40}/)?(?:"
    + _PROGRAMS
    + r")(?:\.exe)?\s+[-/~.\w\"'<$&|]{2,}"
    r"[\w./~-]*(?:[/\-=~]|\.\w)[\w./~-]*"
    r"|\b(?:" + _PROGRAMS + r")\s+-{1,2}\w"
    r"|\b(?:docker|podman|kubectl|npm|pnpm|yarn|pip3?|git|systemctl|launchctl|brew|apt|apt-get"
    r"|apk|snap)\s+"
    r"(?:run|exec|install|i|add|start|stop|restart|enable|disable|mask|clone|pull|apply|delete"
    r"|remove)\b"
    r"|\|\s*\w|&&|\$\(|<\(|>\s*[/~.]|;\s*\w+\s+-|\\x[0-9a-f]{2}|%[0-9a-f]{2}%"
    r"|\b[A-Za-z0-9+/]{24,}={0,2}"
    r"|(?:^|\s)(?:\./|~/|/(?:bin|usr|tmp|opt|home|etc|var|dev)/)\S"
)
_LINK = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]{1,15}:\s*/\s*/|\bhxxps?\b|\bwww\.|\bdata:|\bjavascript:"
    r"|\b[a-z0-9-]{2,40}(?:\[?\.\]?|\(dot\)|\u3002|\uff0e)(?:com|net|org|io|dev|sh|xyz|top|cn|ru"
    r"|example|me|co|app|site|info|biz"
    r"|link|click|zip|tk|cc|ly|gg|to|ai)(?![\w-])"
)
_OFFICIAL = re.compile(
    r"(?i)\bhttps://docs\.openclaw\.ai(?:/[a-z0-9/_-]{0,80})?|\bdocs\.openclaw\.ai\b"
)
# Orders in prose that would open something or give something away.
_OPENS = re.compile(
    r"(?i)0\.0\.0\.0|\bdangerously|\binsecure|allowInsecure|\bbypass|--no-sandbox|\bchmod\b|\b777\b"
    r"|(?:auth\w*|sandbox|firewall|approval\w*|pairing|allow-?list\w*|tls|security|protection"
    r"|antivirus"
    r"|selinux)[^.\n]{0,40}(?:\boff\b|disable|none|remove|turn(?:ed)? off|open|switch(?:ed)? off)"
    r"|(?:disable|turn off|switch off|remove|drop|stop using|skip|without"
    r"|deactivate)[^.\n]{0,40}(?:auth|sandbox|firewall|approval|pairing"
    r"|allow-?list|tls|security|guard|protection|antivirus|verification)"
    r"|(?:bind|listen|expose|open)[^.\n]{0,40}(?:\blan\b|public|internet|all interfaces|everyone"
    r"|anyone)"
    r"|(?:allowFrom|ownerAllowFrom|dmPolicy|groupPolicy|gateway\.bind"
    r"|gateway\.auth)[^\n]{0,60}(?:\*|open|lan|none|add|append|set)"
    r"|(?:send|post|paste|e-?mail|share|upload|give|type|enter|tell|forward|message|call|contact"
    r"|reply)[^.\n]{0,60}(?:token|password|secret|key|credential"
    r"|\.env|config|code|screenshot|log|support|number)"
    r"|(?:add|put|append|include)[^.\n]{0,40}(?:allowFrom|allow-? ?list|owner)"
    r"|\b(?:install|download|update to|add the plugin|enable the (?:plugin|skill|hook))\b"
    r"|\b(?:paste|copy and run|run the following|execute)\b"
    r"|(?:delete|erase|wipe|format|drop|truncate)\b[^.\n]{0,40}(?:database|state|folder"
    r"|directory|\.openclaw|backup|snapshot|log|session|disk|file)"
    r"|关闭|停用认证|取消认证|禁用(?:认证|鉴权|防火墙|沙箱|安全|校验|审批)|放开|公开|开放|监听所有|加入白名单|改成\s*lan|改为\s*lan"
    r"|(?:发送|发给|发到|告诉|提供|粘贴|上传|分享|输入|回复|联系|拨打|加微信)[^\u3002\n]{0,30}(?:密码|密钥|令牌|口令|配置|验证码|日志|截图"
    r"|客服|微信|电话|人员|token|\.env)"
    r"|(?:下载|安装)(?!已|目录|路径|损坏|不完整)|(?:删除|清空|格式化)[^\u3002\n]{0,20}(?:数据库|目录|文件|备份|快照|会话|日志|磁盘"
    r"|\.openclaw)"
    r"|执行(?:以下|下列|下面|命令)|运行(?:以下|下列|下面|命令|脚本)"
)
_LEFT_OUT = Text("[something that was not checked is left out]", "[未经核实的内容已省略]")


def opinion(text: str, redactor: Redactor, lang: str = "en", before: Any = None) -> str:
    """The sentences that may be passed on; one mark where others were left out."""
    clean = redactor.clean(drop_chat(visible(text)))[: LIMIT * 3]
    kept: List[str] = []
    gone = False
    for sentence in _sentences(clean):
        if harmless(sentence, before):
            kept.append(sentence.strip())
        else:
            gone = True
    said = " ".join(kept[:SENTENCES])[:LIMIT].strip()
    mark = _LEFT_OUT.to(lang)
    return (said + " " + mark).strip() if gone else said


def _sentences(text: str) -> List[str]:
    """Split at ends of sentences and lines; a code span is never split."""
    spans: List[str] = []

    def keep(match: "re.Match[str]") -> str:
        spans.append(match.group(0))
        return "\x00{}\x00".format(len(spans) - 1)

    held = _SPAN.sub(keep, text)
    parts = re.split(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f\uff1b])|\n+", held)
    return [
        re.sub(r"\x00(\d+)\x00", lambda m: spans[int(m.group(1))], part)
        for part in parts
        if part and part.strip()
    ]


def harmless(sentence: str, before: Any = None) -> bool:
    """May this sentence be shown? Commands of OpenClaw's and ours are checked one by one; then
    nothing else that could be typed, opened or obeyed may be left.
    """
    if PLACEHOLDER.search(sentence):
        return False
    rest = _OFFICIAL.sub(" ", sentence)
    for found in _SPAN.findall(rest):
        words = " ".join(found.split())
        if re.match(r"^(?:openclaw|iflow-doctor)\b", words) and " " in words:
            if not command(words, before):
                return False
        elif " " in words.strip() and _TYPED.search(words + " "):
            return False
    rest = _SPAN.sub(lambda m: " " if command(m.group(1), before) else m.group(0), rest)
    for match in _OWN.finditer(rest):
        words = re.split(r" (?:to|and|or|then|for|which|it|is|shows?|says?)\b", match.group(0))[0]
        if not _prose(words) and not command(words.rstrip(".,:;"), before):
            return False
    rest = _OWN.sub(" ", rest)
    return not (_LINK.search(rest) or _TYPED.search(rest) or _OPENS.search(rest))


def _prose(words: str) -> bool:
    """ "openclaw rejects the key": a sentence, no command."""
    second = words.split()[1] if len(words.split()) > 1 else ""
    return second not in (
        "config plugins gateway doctor channels skills secrets models update security onboard "
        "setup hooks mcp "
        "approvals pairing devices nodes cron agents message memory tasks reset uninstall backup "
        "triage heal ai "
        "watch service snapshots diagnose status notify cases drill stats logs".split()
    )


def command(words: str, before: Any = None) -> bool:
    """Is this one of the commands that may be passed on, with arguments that open nothing?"""
    words = " ".join(words.split())
    found = _SET.match(words)
    if found:
        path, raw = found.group(1), found.group(2)
        if words.startswith("openclaw config unset"):
            return raw is None and not allowed.PROTECTED.search(path) and not _guards(path)
        return raw is not None and not _guards(path) and bool(_VALUE.match(raw))
    return bool(_COMMANDS.match(words))


_VALUE = re.compile(r"^(?:-?\d{1,8}|true|false|[a-z]{2,12})$")


def _guards(path: str) -> bool:
    from ...repairs import fix_named_keys

    return bool(
        allowed.PROTECTED.search(path)
        or fix_named_keys.GUARDS.search(path)
        or fix_named_keys.RUNS.search(path)
    )


def attributed(title: str, text: Text) -> Text:
    """ "Claude suggests, not verified: ..." """
    if not text.en.strip():
        return Text("", "")
    return Text(
        "{} suggests, not verified: {}".format(title, text.en),
        "{} 的看法，未经核实：{}".format(title, text.zh or text.en),
    )
