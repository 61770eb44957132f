"""Green, and is anybody served? What makes a gateway useless while every endpoint is fine: told
once, with what it costs.

Only the running boot's own lines count, only while they are new, and only where nothing newer says
that it is over. Costs one read of the log and one of the cron table; no command is started.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple

from ..model import Check, Finding, Severity, State, Text
from ..openclaw import database, logs, plugins
from ..openclaw.config import get
from .base import Look, error, looking, warning

if TYPE_CHECKING:
    from .base import Seen

RECENT_S = 900.0  # a line older than this is history
LONG_S = 900.0  # what lasts shorter than this may end by itself
HOUR_S = 3600.0
CRON_LATE_S = 1200.0  # a job may be staggered, or wait for one that runs
SETTLED_S = 1800.0  # after a start OpenClaw spreads what it missed
WAITING = 8  # refused clients in RECENT_S before it is no single stale browser page

LOOKED_AT = (State.HEALTHY, State.DEGRADED, State.SAFE_MODE)

_GAVE_UP = re.compile(r"giving up after \d+ restart attempts|\bterminal-disconnect\b")
_NO_INGRESS = re.compile(
    r"cannot admit inbound events|\bingress-unavailable\b|ChannelIngressUnavailableError"
)
_WORKS = re.compile(
    r"\b(?:connected|logged in|ready|listening|polling started|starting provider)\b", re.I
)
_CHANNEL = re.compile(r"\[(?:gateway/)?(?:channels/)?([a-z][a-z0-9-]*)\]|\[([a-z0-9-]+):[^\]\s]+\]")
_STUCK = re.compile(r"stuck session recovery\b.{0,400}?sessionKey=(\S+)")
_FREED = re.compile(r"\breleased=(?:true|[1-9])")
_NOT_FREED = re.compile(r"\breleased=(?:false|0)\b|recovery (?:skipped|failed)")
_DRAINING = re.compile(r"GatewayDrainingError|[Gg]ateway is draining")
_DAMAGED = re.compile(
    r"database disk image is malformed|file is not a database|SQLITE_(?:CORRUPT|NOTADB)"
)
_FILE = re.compile(r"(/[^\s'\"]+\.sqlite|[A-Za-z]:\\[^\s'\"]+\.sqlite)")
_MADE_UP = re.compile(r"Generated a runtime token for this startup")
# one line for each refused client; where it says "closed before connect" it is told again
_REFUSED = re.compile(
    r"\bunauthorized conn=.{0,700}?\breason=(?:token|password|device_token)_\w+", re.I
)
_CLIENT = re.compile(r"\b(?:remote|client)=(\S+)")
_LET_IN = re.compile(r"\b(?:webchat|client|device|node|user) connected\b|hello-ok", re.I)
_NO_MODEL = re.compile(r"All models failed|No available auth profile|all in cooldown", re.I)
_ANSWERED = re.compile(r"replies=[1-9]|delivered=true|isError=false|sent message", re.I)


class Row(NamedTuple):
    at: float  # epoch seconds; 0.0 when the line carries no time
    text: str


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    if not look.up or look.verdict.state not in LOOKED_AT:
        return
    # of this very process: a version whose log does not say where a boot begins mixes them
    began = max((row.started for row in look.gateways), default=0.0)
    rows = [row for row in _rows(look.log) if not row.at or row.at >= began - 2.0]
    now = look.host.now()
    data = look.config.data if isinstance(look.config.data, Mapping) else {}
    yield from _channels(rows, data, now)
    yield from _sessions(rows, now)
    yield from _fence(rows, now)
    yield from _database(rows, now)
    yield from _unlinked(look)
    yield from _plugins(rows, look, data)
    yield from _clients(rows, now)
    yield from _models(_agents(look.log), now)
    yield from _cron(look, data, now)


def _rows(log: str) -> List[Row]:
    """The program's own lines with their times: chat and tool output are talk, not events."""
    return [
        Row(logs.epoch_of_line(line), line)
        for line in log.splitlines()[-4000:]
        if not logs.quoted(line)
    ]


def _agents(log: str) -> List[Row]:
    """The model layer's lines, up to the first quotation mark: behind it somebody else speaks."""
    return [
        Row(logs.epoch_of_line(line), re.split(r"[\"“「]", line, maxsplit=1)[0])
        for line in log.splitlines()[-4000:]
        if not re.search(r"\[(?:tools?|chat|message|inbound|outbound)[/\]]", line)
    ]


def _new(rows: List[Row], pattern: "re.Pattern[str]", since: float) -> List[Row]:
    return [row for row in rows if row.at >= since and pattern.search(row.text)]


def _channels(rows: List[Row], data: Mapping[str, Any], now: float) -> Iterator[Finding]:
    """The last word about each configured channel: given up, cannot take messages in, or works."""
    section = data.get("channels")
    named = set(section) if isinstance(section, Mapping) else set()
    last: Dict[str, Tuple[str, Row]] = {}
    for row in rows:
        kind = (
            "gave-up"
            if _GAVE_UP.search(row.text)
            else "no-ingress"
            if _NO_INGRESS.search(row.text)
            else "works"
            if _WORKS.search(row.text)
            else ""
        )
        if kind:
            for pair in _CHANNEL.findall(row.text):
                name = pair[0] or pair[1]
                if name in named:
                    last[name] = (kind, row)
    for name, (kind, row) in sorted(last.items()):
        if kind == "gave-up":
            yield warning(
                "serving/channel-gave-up",
                "OpenClaw has given up on channel {}: it hears nothing and sends nothing".format(
                    name
                ),
                "OpenClaw 已放弃频道 {}：它收不到也发不出任何消息".format(name),
                "channels." + name,
                ("openclaw channels status --probe", "openclaw channels status --probe"),
                channel=name,
                line=row.text[:300],
            )
        elif kind == "no-ingress" and now - row.at <= RECENT_S:
            yield warning(
                "serving/ingress-unavailable",
                "Channel {} cannot take messages in; sending may still work".format(name),
                "频道 {} 无法接收消息；发送可能仍然正常".format(name),
                "channels." + name,
                ("openclaw channels status --probe", "openclaw channels status --probe"),
                channel=name,
                line=row.text[:300],
            )


def _sessions(rows: List[Row], now: float) -> Iterator[Finding]:
    """Recovery tries again and again, and frees nothing."""
    tried: Dict[str, List[Row]] = {}
    for row in rows:
        found = _STUCK.search(row.text)
        if not found:
            continue
        if _FREED.search(row.text):
            tried.pop(found.group(1), None)
        elif _NOT_FREED.search(row.text):
            tried.setdefault(found.group(1), []).append(row)
    for key, several in tried.items():
        first, last = several[0], several[-1]
        if len(several) >= 3 and last.at - first.at >= LONG_S and now - last.at <= RECENT_S:
            minutes = int((now - first.at) / 60)
            yield warning(
                "serving/session-wedged",
                "A session has been stuck for {} min, and OpenClaw's own recovery frees "
                "nothing: what is written to it waits".format(minutes),
                "有会话已卡住 {} 分钟，OpenClaw 自身的恢复没有效果：发给它的消息会一直等待".format(
                    minutes
                ),
                "",
                ("type /new in that chat", "在该聊天中发送 /new"),
                session=key[:80],
                times=len(several),
                line=last.text[:300],
            )


def _fence(rows: List[Row], now: float) -> Iterator[Finding]:
    """Work is refused for a restart that never came, although readiness says nothing of it."""
    seen = _new(rows, _DRAINING, now - HOUR_S)
    if len(seen) >= 3 and now - seen[-1].at <= RECENT_S and seen[-1].at - seen[0].at >= LONG_S:
        minutes = int((now - seen[0].at) / 60)
        yield error(
            "serving/drain-stuck",
            "New work has been refused for {} min because of a restart that does not come".format(
                minutes
            ),
            "因为一次迟迟没有发生的重启，新任务已被拒绝 {} 分钟".format(minutes),
            "",
            ("openclaw gateway restart", "openclaw gateway restart"),
            line=seen[-1].text[:300],
        )


def _database(rows: List[Row], now: float) -> Iterator[Finding]:
    seen = _new(rows, _DAMAGED, now - RECENT_S)
    if len(seen) < 2:
        return
    file = next((m.group(1) for row in reversed(seen) for m in [_FILE.search(row.text)] if m), "")
    yield error(
        "serving/database-damaged",
        "A database is damaged while the gateway runs{}: requests fail, and pairings, cron jobs "
        "or conversations may be lost".format(" (" + file + ")" if file else ""),
        "网关运行时数据库已损坏{}：请求会失败，配对、定时任务或会话可能丢失".format(
            "（" + file + "）" if file else ""
        ),
        file,
        (
            "keep a copy of the state directory before any restart",
            "在任何重启之前先备份状态目录",
        ),
        times=len(seen),
        line=seen[-1].text[:300],
    )


def _unlinked(look: Look) -> Iterator[Finding]:
    """Its database, or the log beside it, was deleted or replaced while it writes there: what is
    written goes away with the process.
    """
    known = {str(path) + part for path in database.paths(look.home) for part in database.PARTS}
    for row in look.gateways[:1]:
        held = {path: fd for path, fd in look.host.deleted(row.pid).items() if path in known}
        if held:
            path = sorted(held)[0]
            yield error(
                "serving/database-unlinked",
                "The gateway writes into a database file that was deleted or replaced under it "
                "({}): what is written since then is lost with the next restart".format(path),
                "网关正在写入一个已被删除或替换的数据库文件（{}）：此后写入的内容会在下次重启时丢失".format(
                    path
                ),
                path,
                (
                    "copy it before any restart:\ncp /proc/{}/fd/{} {}.rescued".format(
                        row.pid, held[path], path
                    ),
                    "重启之前先复制出来：\ncp /proc/{}/fd/{} {}.rescued".format(
                        row.pid, held[path], path
                    ),
                ),
                files=sorted(held),
                pid=row.pid,
            )


def _plugins(rows: List[Row], look: Look, data: Mapping[str, Any]) -> Iterator[Finding]:
    """Plugins that the last good run had loaded, that the config still wants, and that this one
    lacks.
    """
    before = look.inventory.get("loaded")
    now = plugins.loaded(look.log)
    if not isinstance(before, list) or not now:
        return
    gone = [name for name in before if name not in now and plugins.enabled(data, str(name))]
    ran = look.inventory.get("version")
    if ran and look.version and ran != look.version:
        # Another OpenClaw brings other plugins of its own (2026.9.6 no phone-control any more):
        # what counts is what its owner installed or named.
        theirs = {*look.inventory.get("plugins", ()), *look.inventory.get("plugin_entries", ())}
        gone = [name for name in gone if name in theirs]
    if gone:
        yield warning(
            "serving/plugins-lost",
            "Loaded in the last good run and missing now: {}. What they do is off".format(
                ", ".join(gone)
            ),
            "上次正常运行时已加载、现在缺失的插件：{}。它们的功能不可用".format(", ".join(gone)),
            "plugins",
            ("openclaw plugins list", "openclaw plugins list"),
            plugins=gone,
        )


def _clients(rows: List[Row], now: float) -> Iterator[Finding]:
    made_up = any(_MADE_UP.search(row.text) for row in rows)
    refused = _new(rows, _REFUSED, now - RECENT_S)
    let_in = _new(rows, _LET_IN, now - RECENT_S)
    # What a command or an app does is not logged when it succeeds: one client alone that is refused
    # again and again may be a stale one.
    kinds = {tuple(_CLIENT.findall(row.text)) for row in refused}
    waiting = len(refused) >= WAITING and len(kinds) > 1
    if refused and not let_in and (made_up or waiting):
        yield warning(
            "serving/clients-locked-out",
            "Clients are refused for their token ({} times in {} min) and none was seen to "
            "connect".format(len(refused), int(RECENT_S / 60)),
            "客户端因令牌被拒绝（{1} 分钟内 {0} 次），没有看到任何一个连接成功".format(
                len(refused), int(RECENT_S / 60)
            ),
            "gateway.auth",
            ("openclaw gateway status --deep", "openclaw gateway status --deep"),
            random_token=made_up,
            times=len(refused),
        )


def _models(rows: List[Row], now: float) -> Iterator[Finding]:
    seen = [row for row in rows if _NO_MODEL.search(row.text)]
    for index in range(len(rows) - 1, -1, -1):
        if _ANSWERED.search(rows[index].text):
            seen = [row for row in seen if row.at > rows[index].at]
            break
    if len(seen) >= 5 and seen[-1].at - seen[0].at >= HOUR_S and now - seen[-1].at <= SETTLED_S:
        minutes = int((now - seen[0].at) / 60)
        yield warning(
            "serving/models-refused",
            "No model has replied for {} min: every message ends in an error".format(minutes),
            "{} 分钟以来没有任何模型响应：每条消息都以错误结束".format(minutes),
            "",
            ("openclaw models status --probe", "openclaw models status --probe"),
            times=len(seen),
            line=seen[-1].text[:300],
        )


def _cron(look: Look, data: Mapping[str, Any], now: float) -> Iterator[Finding]:
    """Jobs whose time has passed with no run: OpenClaw tells of failed runs only."""
    rows = look.gateways
    if get(data, "cron.enabled", True) is False or not rows or now - rows[0].started < SETTLED_S:
        return
    late = [job for job in database.cron_jobs(look.home) if _overdue(job, now)]
    if late:
        minutes = int((now - min(job.next_run for job in late)) / 60)
        yield warning(
            "serving/cron-overdue",
            "{} scheduled job(s) did not run, the first for {} min: {}".format(
                len(late), minutes, ", ".join(job.name for job in late[:3])
            ),
            "{} 个定时任务没有运行，最早的已晚 {} 分钟：{}".format(
                len(late), minutes, "、".join(job.name for job in late[:3])
            ),
            "",
            ("openclaw cron list", "openclaw cron list"),
            jobs=[job.id for job in late[:10]],
        )


def _overdue(job: "database.CronJob", now: float) -> bool:
    return 0 < job.next_run < now - CRON_LATE_S and not job.running


def key_of(found: Finding) -> str:
    """What a finding is called from look to look: its sentence counts minutes and times."""
    about = [str(found.evidence.get(name) or "") for name in ("channel", "session")]
    lost = found.evidence.get("plugins")
    about += sorted(map(str, lost)) if isinstance(lost, list) else []
    return "|".join([found.check_id, found.path, *about])


def worth_telling(findings: Iterable[Finding]) -> List[Finding]:
    """What the watchdog tells of these findings: everything of this check but what could not be
    told.
    """
    return [
        one
        for one in findings
        if one.check_id.startswith("serving/") and one.severity is not Severity.INFO
    ]


CHECK = Check("serving", Text("Whether anybody is served", "是否真的在提供服务"), run)
