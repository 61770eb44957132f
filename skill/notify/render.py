"""From alerts to one platform-neutral message in one language: redacted, harmless, bounded. The
platform files give it their form.
"""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, List, Mapping, Sequence, Tuple

from ..model import Alert, Text
from .incidents import code, span

ICON = {"warning": "⚠️", "error": "🔴", "critical": "🚨", "info": "ℹ️"}
WORDS: Mapping[str, Text] = {
    "warning": Text("warning", "警告"),
    "error": Text("error", "错误"),
    "critical": Text("critical", "严重"),
    "info": Text("note", "通知"),
    "recovered": Text("recovered", "已恢复"),
    "escalated": Text("your action is needed", "需要你处理"),
    "reminder": Text("still down", "仍未恢复"),
    "time": Text("Time", "时间"),
    "level": Text("Level", "级别"),
    "lasted": Text("Lasted", "持续时间"),
    "history": Text("What happened", "经过"),
    "done": Text("Done automatically", "已自动处理"),
    "next": Text("What to do now", "现在请这样做"),
    "look": Text("Nothing to do now. To look closer", "现在无需处理。想了解详情"),
    "yours": Text("Your part", "你要做的"),
    "log": Text("Last log lines", "最近的日志"),
    "paths": Text("Files", "相关文件"),
    "cut": Text("lines left out", "行已省略"),
    "ack": Text(
        "Seen it? Stop the reminders: iflow-doctor ack {}", "已知晓？停止提醒：iflow-doctor ack {}"
    ),
    "incident": Text("Incident", "事故"),
    "digest": Text("{} incidents since {}", "{} 起事故（自 {} 起）"),
    "opened_line": Text("opened", "发生"),
    "note_line": Text("note", "通知"),
    "test": Text("test", "测试"),
}
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_ONLY_LOOKS = re.compile(r"iflow-doctor incident \S+(?:\s+#.*)?")
_MENTION = re.compile(r"[@＠](?=(?:everyone|here|all|channel|所有人|全体成员|[&!]?\d))", re.I)
_COMMAND = re.compile(
    r"(?!.*。)(?:sudo )?(?:openclaw|iflow-doctor|chmod|chown|cp|curl|df|dmesg|docker|du|export|kill"
    r"|launchctl|loginctl|ls|mkdir|mv|nano|npm|nvm|python3|schtasks|systemctl|timedatectl)(?: |$)"
)
_LINK = re.compile(r"\b([a-z][a-z0-9+.-]{1,20})://(?!(?:127\.|localhost|\[::1\]|0\.0\.0\.0))", re.I)
_INVITE = re.compile(r"\b(discord\.gg|t\.me|discord\.com/invite|bit\.ly)/", re.I)


@dataclass(frozen=True)
class Doc:
    """One message, ready for a platform's form. Every text is clean; `trusted` parts (next_step)
    may hold working links.
    """

    title: str
    level: str
    kind: str
    at: float
    what: str = ""
    lines: Tuple[str, ...] = ()  # what happened before, or the entries of a digest
    details: Tuple[Tuple[str, str], ...] = ()
    done: Tuple[str, ...] = ()
    next_step: str = ""
    log: str = ""
    paths: Tuple[str, ...] = ()
    footer: str = ""
    lang: str = "en"
    key: str = ""  # idempotency key of the batch, for platforms that know one
    incident: str = ""
    alerts: Tuple[Mapping[str, Any], ...] = ()

    def word(self, name: str) -> str:
        over = self.kind == "recovered" and self.level not in ("error", "critical")
        if name == "next" and over and _ONLY_LOOKS.fullmatch(self.next_step.strip()):
            name = "look"  # what can be typed is no duty
        return WORDS[name].to(self.lang)

    @property
    def colon(self) -> str:
        return "：" if self.lang == "zh" else ": "


def clean(text: str, redact: Callable[[str], str], limit: int, links: bool = False) -> str:
    """Make foreign text harmless: secrets and control characters out, no mention, no live link. Cut
    at `limit` characters.
    """
    text = _CONTROL.sub(
        lambda m: "\n" if m.group(0) in "\r" else "", redact(text).replace("\r\n", "\n")
    )
    text = _MENTION.sub("@\u200b", text)
    if not links:
        text = _INVITE.sub(
            lambda m: m.group(1).replace(".", "[.]") + "/",
            _LINK.sub(lambda m: m.group(1) + "[:]//", text),
        )
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def when(at: float, lang: str, seconds: bool = True) -> str:
    """Local time with its offset: the reader may sit elsewhere."""
    del lang
    moment = time.localtime(at)
    offset = time.strftime("%z", moment)
    shape = "%Y-%m-%d %H:%M:%S" if seconds else "%m-%d %H:%M"
    return time.strftime(shape, moment) + (
        " (UTC{})".format((offset[:3] + ":" + offset[3:]) * bool(offset.strip("+-0")))
        if seconds and offset
        else ""
    )


def head(alert: Alert, lang: str) -> str:
    """Icon and word that say at a glance what kind of message this is."""
    if alert.kind == "recovered":  # good news with a loss is no green light
        loss = alert.level in ("error", "critical")
        return ("⚠️ " if loss else "✅ ") + WORDS["recovered"].to(lang)
    icon = "⏰" if alert.kind == "reminder" else ICON.get(alert.level, "🔴")
    name = alert.kind if alert.kind in ("escalated", "reminder") else alert.level
    return "{} {}".format(icon, WORDS.get(name, WORDS["info"]).to(lang))


def single(alerts: Sequence[Alert], lang: str, redact: Callable[[str], str], origin: str) -> Doc:
    """One incident's message. Given several alerts of it, the most telling one is shown and the
    others become its history.
    """
    order = {"recovered": 4, "escalated": 3, "opened": 2, "reminder": 1}
    main = max(alerts, key=lambda a: (order.get(a.kind, 0), a.at))
    earlier = [alert for alert in sorted(alerts, key=lambda a: a.at) if alert is not main]
    heading = (
        head(main, lang) if main.kind != "note" or main.level in ICON else WORDS["info"].to(lang)
    )
    title = "{} · {}".format(heading, clean(main.title.to(lang), redact, 120))
    over = main.kind == "recovered"  # short: what, how, how long
    details: List[Tuple[str, str]] = (
        [] if over or main.details else [(WORDS["time"].to(lang), when(main.at, lang))]
    )
    first = next((alert.at for alert in earlier if alert.kind == "opened"), None)
    if over and first is not None and not main.details:
        details.append((WORDS["lasted"].to(lang), span(main.at - first).to(lang)))
    details += [
        (
            clean(label.to(lang), redact, 40),
            clean(value.to(lang) if isinstance(value, Text) else value, redact, 300),
        )
        for label, value in main.details[:12]
    ]
    outage = bool(main.incident) and main.kind != "note"
    footer = (
        "{} {} · {}".format(WORDS["incident"].to(lang), code(main.incident), origin)
        if outage
        else origin
    )
    if main.kind in ("opened", "escalated", "reminder") and main.incident:
        footer += "\n" + WORDS["ack"].to(lang).format(code(main.incident))
    said, commands = parts(main.next_step.to(lang)) if main.next_step else ("", "")
    if said:
        details.append((WORDS["yours"].to(lang), clean(said, redact, 400, links=True)))
    return Doc(
        title,
        main.level,
        main.kind,
        main.at,
        clean(main.what.to(lang), redact, 900),
        tuple(line(alert, lang, redact) for alert in earlier[-8:]),
        tuple(details),
        tuple(clean(text.to(lang), redact, 240) for text in main.done[:10]),
        clean(commands, redact, 700, links=True),
        "" if over else tail(clean(main.log_tail, redact, 20000), 2600, lang),
        tuple(clean(path, redact, 200) for path in (() if over else main.paths[:6])),
        footer,
        lang,
        incident=main.incident,
        alerts=facts(alerts, lang, redact),
    )


def parts(step: str) -> Tuple[str, str]:
    """Split a next step into what is said and what can be pasted: a line is a command when it
    begins with a program that is known here.
    """
    rows = [row.strip() for row in step.splitlines() if row.strip()]
    commands = [row for row in rows if _COMMAND.match(row)]
    said = [row.lstrip("# ") for row in rows if not _COMMAND.match(row)]
    return " ".join(said), "\n".join(commands)


def line(alert: Alert, lang: str, redact: Callable[[str], str]) -> str:
    name = {"opened": "opened_line", "note": "note_line"}.get(alert.kind, alert.kind)
    return "{} {}{}{}".format(
        when(alert.at, lang, False),
        WORDS.get(name, WORDS["info"]).to(lang),
        "：" if lang == "zh" else ": ",
        clean(alert.title.to(lang), redact, 60),
    )


def digest(
    groups: Sequence[Sequence[Alert]], lang: str, redact: Callable[[str], str], origin: str
) -> Doc:
    """Many incidents in one message: a line each, with the full id, what opened and how it
    stands.
    """
    alerts = [alert for group in groups for alert in group]
    lines: List[str] = []
    for group in groups:
        ordered = sorted(group, key=lambda a: a.at)
        marks = {"opened": "opened_line", "note": "note_line"}
        steps = " → ".join(
            "{} {}".format(
                WORDS.get(marks.get(a.kind, a.kind), WORDS["info"]).to(lang),
                when(a.at, lang, False)[6:],
            )
            for a in ordered[-5:]
        )
        icon = (
            "✅" if any(a.kind == "recovered" for a in group) else ICON.get(ordered[-1].level, "🔴")
        )
        lines.append(
            "{} {} {} · {}".format(
                icon,
                ordered[0].incident or "-",
                clean(ordered[0].title.to(lang), redact, 40),
                steps,
            )
        )
    level = next(
        (name for name in ("critical", "error", "warning") if any(a.level == name for a in alerts)),
        "info",
    )
    unsolved = any(not any(a.kind in ("recovered", "note") for a in group) for group in groups)
    start = min(alert.at for alert in alerts)
    title = "{} {}".format(
        ICON.get(level, "ℹ️") if unsolved else "✅",
        WORDS["digest"].to(lang).format(len(groups), when(start, lang, False)),
    )
    kind = "opened" if unsolved else "recovered"
    return Doc(
        title,
        level,
        kind,
        max(a.at for a in alerts),
        lines=tuple(lines),
        footer=origin,
        lang=lang,
        alerts=facts(alerts, lang, redact),
    )


def facts(
    alerts: Sequence[Alert], lang: str, redact: Callable[[str], str]
) -> Tuple[Mapping[str, Any], ...]:
    """The alerts as data, for the generic webhook."""
    return tuple(
        {
            "incident": a.incident,
            "kind": a.kind,
            "level": a.level,
            "at": a.at,
            "title": clean(a.title.to(lang), redact, 200),
        }
        for a in alerts[:50]
    )


def origin(profile: str, port: int) -> str:
    """Which machine and which gateway: one owner may have several."""
    return "{}@{} · gateway {}{}".format(
        _user(), socket.gethostname()[:60], port, " ({})".format(profile) if profile else ""
    )


def _user() -> str:
    """The account: one machine may run a gateway for each of several people."""
    import getpass

    try:
        return getpass.getuser()[:32]
    except (OSError, KeyError, ImportError):  # an uid without a name, in a container
        return str(os.getuid()) if hasattr(os, "getuid") else "?"


def tail(text: str, limit: int, lang: str) -> str:
    """Cut the middle of a log by whole lines: the first third and the last two thirds of `limit`
    characters stay.
    """
    if len(text) <= limit:
        return text
    if limit < 80:
        return ""
    rows = [row[:300] for row in text.splitlines()]
    start: List[str] = []
    end: List[str] = []
    while rows and sum(map(len, start)) + len(start) + len(rows[0]) < limit // 3:
        start.append(rows.pop(0))
    while rows and sum(map(len, end)) + len(end) + len(rows[-1]) < limit * 2 // 3 - 30:
        end.insert(0, rows.pop())
    return "\n".join([*start, "… {} {} …".format(len(rows), WORDS["cut"].to(lang)), *end])


def text(doc: Doc) -> str:
    """The plain form: the fallback everywhere, and what `notify preview` prints."""
    parts = [doc.title]
    if doc.what:
        parts.append(doc.what)
    colon = doc.colon
    parts.append("\n".join(label + colon + value for label, value in doc.details))
    for name, rows in (("history", doc.lines if doc.what else ()), ("done", doc.done)):
        if rows:
            parts.append(
                doc.word(name) + colon.strip() + "\n" + "\n".join("- " + row for row in rows)
            )
    if doc.lines and not doc.what:
        parts.append("\n".join(doc.lines))
    for name, value in (("next", doc.next_step), ("log", doc.log), ("paths", "\n".join(doc.paths))):
        if value:
            parts.append(doc.word(name) + colon.strip() + "\n" + value)
    parts.append(doc.footer)
    return "\n\n".join(part for part in parts if part)


def fit(doc: Doc, build: Callable[[Doc], Any], fits: Callable[[Any], bool]) -> Any:
    """Build the platform's form, giving up the middle of the log first, then side matters; verdict
    and next step last of all.
    """
    form = build(doc)
    for limit in (1600, 900, 500, 250, 0):
        if fits(form):
            return form
        form = build(replace(doc, log=tail(doc.log, limit, doc.lang)))
    small = replace(doc, log="")
    for change in (
        {"paths": small.paths[:2]},
        {"lines": small.lines[-3:] if small.what else small.lines},
        {"details": tuple((k, v[:80]) for k, v in small.details[:6])},
        {"done": tuple(row[:100] for row in small.done[:4])},
        {"what": small.what[:400]},
        {"paths": (), "done": (), "next_step": small.next_step[:350]},
    ):
        if fits(form):
            return form
        small = replace(small, **change)
        form = build(small)
    while not fits(form) and len(small.lines) > 1:
        small = replace(small, lines=small.lines[:-1])
        form = build(small)
    return form
