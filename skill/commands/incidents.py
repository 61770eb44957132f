"""incidents, incident, log: what happened, in words, from what was written down meanwhile."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

import click

from ..errors import UsageError
from ..model import STATE_NAMES, Healed, State, Text, Tried
from ..notify.incidents import code, span
from ..store.watch_log import entries, entry_of
from ..watchdog import decision_texts
from . import bold, clock

if TYPE_CHECKING:
    from ..cli import App
    from ..openclaw.home import Home

SHOWN = 20  # incidents that a list shows unless more are asked for
LINES = 40  # lines that `log` shows
FOLLOW_S = 1.0


def add(main: click.Group) -> None:
    for command in (incidents, incident, log):
        main.add_command(command)


# -- what is known -------------------------------------------------------------------------------
def known(home: Home) -> List[Dict[str, Any]]:
    """Return every incident that is remembered, the newest first; an open one has no "closed"."""
    from ..store import watch_state
    from ..store.records import Store

    rows = Store(home).all()
    state, _wrong = watch_state.peek(home)
    now = state.incident if state else None
    if now and not any(row.get("id") == now.id and row.get("closed") for row in rows):
        told = next((row for row in rows if row.get("id") == now.id), {})
        rows = [row for row in rows if row.get("id") != now.id]
        rows.append(
            {
                **told,
                "id": now.id,
                "opened": now.since,
                "closed": None,
                "state": now.state,
                "restarts": now.restarts,
                "cause": now.cause.en or now.reason.en,
                "cause_zh": now.cause.zh or now.reason.zh,
                "open": True,
            }
        )
    if any(not row.get("cause") for row in rows):
        # what was seen first, where nobody looked for a cause
        began = {
            str(entry.get("incident")): entry
            for entry in entries(home)
            if entry.get("event") == "decision" and entry.get("kind") == "opened"
        }
        for row in rows:
            seen = began.get(str(row["id"]))
            if seen and not row.get("cause"):
                row["cause"] = str(seen.get("reason") or "")
                row["cause_zh"] = str(seen.get("reason_zh") or row["cause"])
    return sorted(rows, key=lambda row: -float(row.get("opened") or 0))


def cause_of(row: Mapping[str, Any]) -> Text:
    """Why it happened: the cause that was found, else the state it was in."""
    if row.get("cause"):
        return Text(str(row["cause"]), str(row.get("cause_zh") or row["cause"]))
    state = str(row.get("state") or "")
    return STATE_NAMES[State(state)] if state in State._value2member_map_ else Text(state, state)


def end_of(row: Mapping[str, Any]) -> Text:
    """How it ended: who brought it back, or that it is open."""
    if row.get("open"):
        return Text("still open", "尚未恢复")
    if row.get("by") == "person":
        return Text("fixed by hand, then started", "由人修好后启动")
    if not row.get("closed"):
        return Text("left to you", "交由你处理")
    acts = tuple(
        Tried(str(act.get("repair", "")), str(act.get("outcome", "")))
        for act in row.get("actions") or ()
        if act.get("outcome") in ("healed", "partly")
    )
    level = int(row.get("level") or 0)
    how = str(row.get("by") or "")
    if level == 3 and acts:
        return decision_texts.healer(Healed(3, "doctor", acts))
    return decision_texts.healer(Healed(level, how if how in decision_texts.HEALERS else ""))


def lasted(row: Mapping[str, Any], now: float) -> Text:
    end = row.get("closed") or (now if row.get("open") else None)
    return span(float(end) - float(row["opened"])) if end else Text("-", "-")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every one that is kept. / 全部。")
@click.pass_obj
def incidents(app: App, everything: bool) -> None:
    """Outages and what became of them, the newest first. / 事故及其结果，最新在前。"""
    from ..openclaw.home import locate

    home, now = locate(app.host), app.host.now()
    rows = known(home)
    shown = rows if everything else rows[:SHOWN]
    if app.as_json:
        app.out(
            [
                {
                    "id": row["id"],
                    "code": code(str(row["id"])),
                    "opened": row.get("opened"),
                    "closed": row.get("closed"),
                    "cause": cause_of(row).to(app.lang),
                    "end": end_of(row).to(app.lang),
                    "open": bool(row.get("open")),
                }
                for row in shown
            ]
        )
        return
    if not rows:
        app.say(Text("No incident so far.", "至今没有事故。"))
        return
    for row in shown:
        line = Text.of(
            "{}  {}, {}: {}. {}.",
            "{}  {}，{}：{}。{}。",
            bold(code(str(row["id"]))),
            clock(float(row["opened"]), now),
            lasted(row, now),
            _capital(_plain(cause_of(row))),
            _capital(end_of(row)),
        )
        app.say(line)
    if len(rows) > len(shown):
        more = len(rows) - len(shown)
        app.say(Text.of("{} older: --all", "另有 {} 起更早的：--all", more))
    first = code(str(shown[0]["id"]))
    app.say(Text("More: iflow-doctor incident " + first, "详情：iflow-doctor incident " + first))


# -- one incident --------------------------------------------------------------------------------
@click.command()
@click.argument("which", metavar="CODE")
@click.pass_obj
def incident(app: App, which: str) -> None:
    """One incident: what happened when, what was changed, how to undo it. / 一起事故的全部经过。"""
    from ..openclaw.home import locate

    home, now = locate(app.host), app.host.now()
    rows = known(home)
    word = which.strip().lower()
    row = next(
        (r for r in rows if word in (str(r["id"]).lower(), code(str(r["id"])).lower())), None
    )
    if row is None:
        raise UsageError(
            Text.of("no incident {}", "没有事故 {}", which),
            Text("iflow-doctor incidents lists them", "用 iflow-doctor incidents 查看列表"),
        )
    story = timeline(home, row)
    kept = files_of(home, row)
    undo = undo_of(home, row)
    if app.as_json:
        app.out(
            {
                **row,
                "timeline": [{"at": at, "said": said.to(app.lang)} for at, said in story],
                "changes": changes_of(home, row),
                "files": kept,
                "undo": undo,
            }
        )
        return
    lang = app.lang
    opened = float(row["opened"])
    app.say(bold(Text.of("Incident {}", "事故 {}", code(str(row["id"]))).to(lang)))
    for label, value in (
        (Text("When", "时间"), clock(opened, now)),
        (Text("Out of service", "中断"), lasted(row, now)),
        (Text("Cause", "原因"), cause_of(row)),
        (Text("End", "结果"), end_of(row)),
        (Text("Evidence", "证据"), ", ".join(row.get("errors") or row.get("evidence") or ())),
    ):
        if value:
            app.say("  " + Text.of("{}: {}", "{}：{}", label, value).to(lang))
    if story:
        app.say(Text("What happened:", "经过：").to(lang))
        for at, said in story:
            app.say("  {}  {}".format(_second(at), said.to(lang)))
    changed = changes_of(home, row)
    if changed:
        app.say(Text("Changed:", "改动：").to(lang))
        for one in changed:
            app.say("  {}: {} -> {}".format(one["key"], one["before"], one["after"]))
    if kept:
        app.say(Text("Kept:", "保留的文件：").to(lang))
        for path in kept:
            app.say("  " + path)
    if undo:
        app.say(Text("Undo:", "撤销：").to(lang))
        for command in undo:
            app.say("  " + bold(command))


def timeline(home: Home, row: Mapping[str, Any]) -> List[Tuple[float, Text]]:
    """What the watchdog wrote down from shortly before it began until it was over."""
    opened = float(row["opened"])
    end = float(row.get("closed") or time.time())
    found: List[Tuple[float, Text]] = []
    for entry in entries(home):
        at = float(entry.get("at") or 0)
        if opened - 15 <= at <= end + 15:
            said = decision_texts.line(entry)
            if said and (not found or found[-1][1] != said):
                found.append((at, said))
    return found[-60:]


def _snapshots(home: Home, row: Mapping[str, Any]) -> List[Any]:
    from ..store import snapshots

    opened, closed = float(row["opened"]), float(row.get("closed") or 0)
    repairs = {str(act.get("repair")) for act in row.get("actions") or ()}
    return [
        one
        for one in snapshots.all_of(home)
        if one.repair in repairs and opened - 5 <= one.taken and (not closed or one.taken <= closed)
    ]


def changes_of(home: Home, row: Mapping[str, Any]) -> List[Dict[str, str]]:
    """Every key of openclaw.json that a repair of this incident changed, before and after. Secrets
    are named by their shape.
    """
    from ..openclaw import config
    from ..redact import Redactor, is_secret_key

    keys = [
        str(key)
        for act in row.get("actions") or ()
        if not act.get("rolled_back")
        for key in act.get("config_diff") or ()
    ]
    taken = sorted(_snapshots(home, row), key=lambda one: float(one.taken))
    if not keys or not taken:
        return []
    place = str(home.config_path)
    raw = next((one.raw(place) for one in taken if place in one.files), None)
    try:
        before = config.parse(raw.decode("utf-8", "replace")) if raw is not None else None
    except ValueError:  # what did not parse is why it was repaired
        before = None
    view = config.load(home.config_path)
    after = view.data if view.ok else None
    clean = Redactor.shapes_only().clean

    def said(data: Any, key: str) -> str:
        if data is None:
            return "?"
        value = config.get(data, key, None)
        if is_secret_key(key.rsplit(".", 1)[-1]) and isinstance(value, str):
            return "***"
        return "-" if value is None else clean(json.dumps(value, ensure_ascii=False))[:120]

    return [
        {"key": key, "before": said(before, key), "after": said(after, key)}
        for key in dict.fromkeys(keys)
    ]


def files_of(home: Home, row: Mapping[str, Any]) -> List[str]:
    """Where to look further: snapshots, what was moved aside, evidence, the AI's report."""
    name = str(row["id"])
    found = [str(one.folder) for one in _snapshots(home, row)]
    for act in row.get("actions") or ():
        found += [str(path) for path in act.get("set_aside") or ()]
    for path in (
        home.doctor_dir / "incidents" / (name + ".evidence.json"),
        home.doctor_dir / "reports" / (name + ".md"),
    ):
        if os.path.exists(path):
            found.append(str(path))
    return list(dict.fromkeys(found))


def undo_of(home: Home, row: Mapping[str, Any]) -> List[str]:
    """What to type to have it as it was before the repairs, the last one first."""
    return [
        "iflow-doctor snapshots restore " + str(one.id)
        for one in sorted(_snapshots(home, row), key=lambda one: -float(one.taken))
    ]


# -- the log in words ----------------------------------------------------------------------------
@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on as it is written. / 持续显示。")
@click.option("-n", "--lines", "count", type=int, default=LINES, help="How many. / 行数。")
@click.pass_obj
def log(app: App, follow: bool, count: int) -> None:
    """What the watchdog saw and did, in words. / 守护进程看到了什么、做了什么。"""
    from ..openclaw.home import locate

    home, now = locate(app.host), app.host.now()
    rows = [(entry, decision_texts.line(entry)) for entry in entries(home)]
    said = [(entry, text) for entry, text in rows if text][-max(count, 0) :]
    if app.as_json:
        app.out([{**entry, "said": text.to(app.lang)} for entry, text in said if text])
        return
    if not said and not follow:
        app.say(Text("The watchdog has written nothing yet.", "守护进程还没有写过日志。"))
    for entry, text in said:
        _line(app, entry, text, now)
    if follow:
        _follow(app, home.logs_dir / "watchdog.log")


def _line(app: App, entry: Mapping[str, Any], text: Optional[Text], now: float) -> None:
    if text:
        at = float(entry.get("at") or 0)
        app.say("{}  {}".format(_second(at, now), text.to(app.lang)))


def _follow(app: App, path: Path) -> None:
    """Print what is added, also over a rotation, until it is interrupted."""
    place = path.stat().st_size if os.path.exists(path) else 0
    while True:
        size = path.stat().st_size if os.path.exists(path) else 0
        if size < place:
            place = 0
        if size > place:
            with open(path, "rb") as source:
                source.seek(place)
                raw = source.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            place += len(whole)
            for entry in map(entry_of, whole.decode("utf-8", "replace").splitlines()):
                if entry:
                    _line(app, entry, decision_texts.line(entry), app.host.now())
        app.host.sleep(FOLLOW_S)


def _second(at: float, now: float = 0.0) -> str:
    """The time of a line; with its day where that is not today."""
    shape = "%H:%M:%S" if not now or now - at < 64800 else "%m-%d %H:%M:%S"
    return time.strftime(shape, time.localtime(at))


def _capital(text: Text) -> Text:
    return Text(text.en[:1].upper() + text.en[1:], text.zh)


def _plain(text: Text) -> Text:
    return Text(text.en.rstrip(". "), text.zh.rstrip("。 "))


__all__: Tuple[str, ...] = ("add", "known", "timeline")
