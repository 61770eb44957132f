"""What the watchdog tells a person about an outage: one Alert per event, in both languages. No
effects.
"""

from __future__ import annotations

import time
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

from ..model import BROKEN, Alert, State, Text, Verdict
from ..openclaw import gateway
from ..openclaw.home import Home
from ..store.watch_state import Incident, WatchState
from . import decision_texts, note_texts
from .policy_outage import Decision

KINDS = {"announce": "opened", "escalate": "escalated"}  # others are called as they are decided
# What is broken, as the first words of an alert. No numbers in here: equal titles within the alert
# window are one alert.
HEADS = {
    State.DOWN: Text("OpenClaw is down", "OpenClaw 已停机"),
    State.HUNG: Text("OpenClaw is hung", "OpenClaw 卡死"),
    State.ZOMBIE: Text(
        "OpenClaw runs, but nothing can connect to it", "OpenClaw 进程还在，但无法连接"
    ),
    State.MISCONFIGURED: Text("OpenClaw refuses to start", "OpenClaw 拒绝启动"),
    State.IMPOSTOR: Text(
        "Another program has taken OpenClaw's port", "OpenClaw 的端口被其他程序占用"
    ),
}
# by whether what fails are channels only
NOT_YET = {
    True: (
        "Not connected yet: {}. Chats there get no answer; everything else works.",
        "尚未连接：{}。那里的聊天收不到回复，其余正常。",
    ),
    False: ("Not working yet: {}. Everything else works.", "尚未正常：{}。其余正常。"),
}
LOOP = Text("OpenClaw keeps crashing", "OpenClaw 反复崩溃")
SILENT = Text("Your bot answers nobody.", "你的机器人现在谁都不回复。")
BY_ITSELF = Text("By itself", "自动处理")
WAIT = Text("Can wait till morning", "能等到早上吗")
# what happens without the reader, and whether they may sleep on
OPENED = (
    Text("it is being repaired; you will hear how it ends", "正在修复，结果会再通知你"),
    Text("yes, unless the next message says otherwise", "能，除非下一条消息另有说明"),
)
ESCALATED = (
    Text(
        "it is watched, and started as soon as that can work",
        "持续观察，一旦条件具备就自动启动",
    ),
    Text("no; until then nobody gets an answer", "不能，在此之前没有人能收到回复"),
)
HOPELESS = Text(
    "nothing more is tried; once you have fixed it, it is started within a minute",
    "不再尝试；你修好之后，一分钟内会自动启动",
)


def level(kind: str, age: float) -> str:
    """The user's table: more than 30 minutes is critical."""
    if kind in ("recovered", "note"):
        return "warning"
    return "critical" if age > 1800 else "error"


def alert(
    decision: Decision,
    verdict: Optional[Verdict],
    incident: Optional[Incident],
    state: WatchState,
    now: float,
    home: Home,
    step: Optional[Text] = None,
    words: str = "",
) -> Alert:
    """Given what was decided, return the Alert that notify sends: what broke, since when, what was
    tried, what to do. words: what the gateway itself said last of its end.
    """
    kind = KINDS.get(decision.kind, decision.kind)
    age = now - incident.opened if incident else 0.0
    if kind == "note":
        title, what, step = note_texts.words(decision, verdict)
    elif kind == "recovered":
        title, what, step = _recovered(verdict, incident, now)
    else:
        head = _head(verdict, incident)
        what = decision_texts.join(SILENT, _sentence(_why(decision, verdict, incident)))
        if words:
            said = Text.of('Its last words: "{}".', "它最后的输出：“{}”。", words.rstrip(". "))
            what = decision_texts.join(what, said)
        if kind == "opened":
            title, step = Text(head.en + "; it is being repaired", head.zh + "，正在自动修复"), None
        else:
            title = head  # the message's head says that it needs its reader
            step = (
                step if step and step.en else Text("iflow-doctor diagnose", "iflow-doctor diagnose")
            )
    lost = kind == "recovered" and bool(_loss(incident).en)
    return Alert(
        incident.id if incident else note_texts.name_of(decision),
        kind,
        "error" if lost else level(kind, age),
        title,
        now,
        what,
        _details(decision, incident, state, now, kind),
        _tried(incident, decision, kind),
        step,
    )


def quiet(name: str, rows: Sequence[Sequence[str]], now: float, home: Home) -> Alert:
    """Given damage that no health endpoint shows, as rows of quiet.json (check id, message and
    hint, each in English and Chinese), return its Alert.
    """
    lost = any(row[0].startswith("database/") for row in rows)
    title = (
        Text("OpenClaw runs, but data is missing", "OpenClaw 在运行，但有数据丢失")
        if lost
        else Text("OpenClaw looks healthy, but something is wrong", "OpenClaw 看似正常，但有问题")
    )
    what = decision_texts.join(*(_sentence(Text(row[1], row[2])) for row in rows))
    hint = Text("\n".join(row[3] for row in rows), "\n".join(row[4] for row in rows))
    waits = (
        Text(
            "no; what is written meanwhile goes into the new database",
            "不能，在此期间写入的内容会进入新的数据库",
        )
        if lost
        else Text("yes, but not for days", "能，但不要拖几天")
    )
    nothing = Text("nothing; a restart would not bring it back", "无，重启也找不回来")
    return Alert(
        name,
        "escalated",
        "critical" if lost else "error",
        title,
        now,
        what,
        ((BY_ITSELF, nothing), (WAIT, waits)),
        next_step=hint if hint.en.strip() else Text(*["iflow-doctor diagnose"] * 2),
    )


# What makes a ready gateway useless, by check: the title of its message, worst first.
DEAF = {
    "serving/database-damaged": Text(
        "OpenClaw runs on a damaged database", "OpenClaw 正在使用已损坏的数据库"
    ),
    "serving/database-unlinked": Text(
        "OpenClaw writes into a deleted database", "OpenClaw 正在写入已被删除的数据库"
    ),
    "serving/drain-stuck": Text("OpenClaw refuses all new work", "OpenClaw 拒绝所有新任务"),
    "serving/models-refused": Text(
        "OpenClaw runs, but no model responds", "OpenClaw 在线，但没有模型响应"
    ),
    "serving/clients-locked-out": Text(
        "OpenClaw runs, but lets no client in", "OpenClaw 在线，但客户端都连不上"
    ),
    "serving/channel-gave-up": Text(
        "OpenClaw runs, but a channel is dead", "OpenClaw 在线，但有频道已停用"
    ),
    "serving/ingress-unavailable": Text(
        "OpenClaw runs, but a channel takes no messages in", "OpenClaw 在线，但有频道收不到消息"
    ),
    "serving/plugins-lost": Text(
        "OpenClaw runs, but plugins are missing", "OpenClaw 在线，但缺少插件"
    ),
    "serving/session-wedged": Text(
        "OpenClaw runs, but a session is stuck", "OpenClaw 在线，但有会话卡住"
    ),
    "serving/cron-overdue": Text(
        "OpenClaw runs, but scheduled jobs do not", "OpenClaw 在线，但定时任务没有运行"
    ),
}
LOSES = ("serving/database-damaged", "serving/database-unlinked")
NOT_RESTARTED = Text(
    "nothing: a restart was not tried, because it answers", "无：它仍有响应，因此没有尝试重启"
)
MOST_ROWS = 4


def deaf(name: str, rows: Sequence[Mapping[str, Any]], now: float) -> Alert:
    """Given rows of serving.json that are new to their owner, return what they are told: what it
    costs, and what to do. A warning is told once; an error is reminded of as an outage is.
    """
    order = list(DEAF)
    sorted_rows = sorted(rows, key=lambda r: order.index(r["id"]) if r["id"] in order else 99)
    worst = sorted_rows[0]
    grave = any(row.get("severity") == "error" for row in rows)
    loses = any(row["id"] in LOSES for row in rows)
    shown = [_sentence(Text(*row["message"])) for row in sorted_rows[:MOST_ROWS]]
    more = len(sorted_rows) - MOST_ROWS
    if more > 0:
        shown.append(Text("And {} more.".format(more), "另有 {} 项。".format(more)))
    hints = list(dict.fromkeys(tuple(row["hint"]) for row in sorted_rows if row["hint"][0]))
    step = Text("\n".join(h[0] for h in hints[:3]), "\n".join(h[1] for h in hints[:3]))
    wait = (
        Text("no; what is written meanwhile may be lost", "不能，在此期间写入的内容可能丢失")
        if loses
        else Text("no; that part does not work until then", "不能，在此之前这部分无法使用")
        if grave
        else Text("yes, if nobody needs that part", "如果没人需要这部分，能")
    )
    return Alert(
        name,
        "escalated",
        "critical" if loses else "error" if grave else "warning",
        DEAF.get(
            worst["id"],
            Text("OpenClaw looks healthy, but something is wrong", "OpenClaw 看似正常，但有问题"),
        ),
        now,
        decision_texts.join(*shown),
        ((BY_ITSELF, NOT_RESTARTED), (WAIT, wait)),
        next_step=step if step.en else Text(*["iflow-doctor diagnose"] * 2),
    )


def served_again(incident: str, rows: Sequence[Sequence[str]], now: float) -> Alert:
    """Given the messages of what was told and is no longer seen, return the end of that thread."""
    return Alert(
        incident,
        "recovered",
        "warning",
        Text("OpenClaw works normally again", "OpenClaw 已恢复正常工作"),
        now,
        decision_texts.join(
            Text("Over:", "已结束："), *(_sentence(Text(*row)) for row in rows[:MOST_ROWS])
        ),
    )


def moment(at: float, now: float) -> str:
    """Local time with its offset: the reader may sit elsewhere. The day where it is another one."""
    then = time.localtime(at)
    same = then[:3] == time.localtime(now)[:3]
    offset = time.strftime("%z", then)
    return time.strftime("%H:%M:%S" if same else "%m-%d %H:%M", then) + (
        " UTC" + (offset[:3] + ":" + offset[3:]) * bool(offset.strip("+-0")) if offset else ""
    )


def _head(verdict: Optional[Verdict], incident: Optional[Incident]) -> Text:
    if incident and incident.loop:
        return LOOP
    if verdict and verdict.state in BROKEN:
        return HEADS[verdict.state]
    began = incident.state if incident else ""
    return HEADS.get(
        State(began) if began in State._value2member_map_ else State.DOWN, HEADS[State.DOWN]
    )


def _why(
    decision: Optional[Decision], verdict: Optional[Verdict], incident: Optional[Incident]
) -> Text:
    """The cause that level 3 found; else what is seen now; else how it began."""
    if incident and incident.cause.en:
        return incident.cause
    if verdict and verdict.state in BROKEN:
        return _capital(verdict.reason)
    if incident:
        if incident.began == "process-ended":
            return _capital(decision_texts.ended(incident.exit_code))
        return _capital(incident.reason)
    return _capital(decision_texts.said(decision)) if decision else Text("", "")


def _sentence(text: Text) -> Text:
    en = text.en.rstrip(". ")
    first = en.split(" ", 1)[0]
    if first.islower() and first.rstrip(":,;").isalpha():  # a key or a path keeps its letters
        en = en[:1].upper() + en[1:]
    return Text(en + ".", text.zh.rstrip("。 ") + "。") if en else text


def _loss(incident: Optional[Incident]) -> Text:
    """What the repairs of this incident cost, as they said it themselves."""
    healed = incident.healed if incident else None
    return decision_texts.join(*(one.loss for one in healed.tried)) if healed else Text("", "")


def _recovered(
    verdict: Optional[Verdict], incident: Optional[Incident], now: float
) -> Tuple[Text, Text, Optional[Text]]:
    """(title, what, step) of the end of an outage. What it cost comes before how it was healed."""
    from ..notify.incidents import span  # not at the top: a quiet watchdog does without

    healed = incident.healed if incident else None
    took = span((incident.ready_since or now) - incident.since) if incident else Text("?", "?")
    loss, rows = _loss(incident), healed.tried if healed else ()
    what = decision_texts.join(
        loss,
        _sentence(_why(None, None, incident)),
        _sentence(decision_texts.healer(healed) if healed else decision_texts.HEALERS[""]),
    )
    keys = list(dict.fromkeys(key for one in rows for key in one.keys))
    if keys:
        names = Text(", ".join(keys[:5]), "、".join(keys[:5]))
        changed = Text.of("Changed in openclaw.json: {}.", "openclaw.json 中已改动：{}。", names)
        what = decision_texts.join(what, changed)
    if verdict and verdict.state == State.DEGRADED and verdict.failing:
        only_channels = all(gateway.kind_of(name) == "channel" for name in verdict.failing)
        plain = Text(", ".join(verdict.failing), "、".join(verdict.failing))
        names = plain if only_channels else gateway.meanings(verdict.failing)
        what = decision_texts.join(
            what,
            Text.of(*NOT_YET[only_channels], names),
        )
    title = Text.of("OpenClaw is back after {}", "OpenClaw 已恢复，共中断 {}", took)
    if loss.en:
        title = Text(title.en + ", but something was lost", title.zh + "，但有内容丢失")
    step = None
    if incident and (keys or loss.en):
        line = "iflow-doctor incident {}".format(incident.id.rsplit("-", 1)[-1])
        step = Text(
            line + "    # what was changed, and how to undo it", line + "    # 改动了什么、如何撤销"
        )
    if verdict and verdict.state == State.DEGRADED:
        probe = "openclaw channels status --probe"
        step = Text(*(probe + "\n" + said if said else probe for said in step or ("", "")))
    return title, what, step


def _details(
    decision: Decision, incident: Optional[Incident], state: WatchState, now: float, kind: str
) -> Tuple[Tuple[Text, Union[str, Text]], ...]:
    from ..notify.incidents import span

    if kind == "note":
        return ((WAIT, note_texts.can_wait(decision.code)),)
    if not incident or kind == "recovered":
        return ()
    since = Text.of(
        "{} (for {})", "{}（已 {}）", moment(incident.since, now), span(now - incident.since)
    )
    rows: List[Tuple[Text, Union[str, Text]]] = [(Text("Down since", "故障开始"), since)]
    if len(state.crashes) > 1:
        label = Text("Crashes in 6 h", "6 小时内崩溃")
        rows.append((label, Text.of("{}", "{} 次", len(state.crashes))))
    by_itself, wait = OPENED if kind == "opened" else ESCALATED
    rows.append((BY_ITSELF, HOPELESS if incident.hopeless else by_itself))
    rows.append((WAIT, wait))
    return tuple(rows)


def _tried(incident: Optional[Incident], decision: Decision, kind: str) -> Tuple[Text, ...]:
    """What was done so far. What healed is told by the message itself."""
    done: List[Text] = []
    if not incident:
        return ()
    if incident.restarts and kind != "recovered":
        times = Text("once" if incident.restarts == 1 else "{} times".format(incident.restarts), "")
        # while it is being repaired, whether that helped is not known
        useless = kind == "escalated"
        done.append(
            Text.of(
                "restarted {}" + (", without success" if useless else ""),
                "已重启 {1} 次" + ("，没有恢复" if useless else ""),
                times,
                incident.restarts,
            )
        )
    elif incident.restarts > 1:
        done.append(Text.of("restarted {} times", "共重启 {} 次", incident.restarts))
    done += [decision_texts.tried(one) for one in incident.tried]
    if decision.code == "no-answer":
        done.append(
            Text(
                "looked for a repair: that did not finish",
                "查找过修复方法，但没有得出结果",
            )
        )
    elif kind == "escalated" and not incident.tried and incident.treated and incident.cause.en:
        done.append(
            Text(
                "looked for a repair: there is none that may run without you",
                "没有找到可以不经你同意就执行的修复",
            )
        )
    return tuple(done)


def _capital(text: Text) -> Text:
    return Text(text.en[:1].upper() + text.en[1:], text.zh)
