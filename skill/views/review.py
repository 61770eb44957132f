"""One page of a week: what happened, what healed it, what came again, what nobody saw, one advice.

Every number is counted from the records and the days on disk; tests/views/test_review.py counts
them again by another way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..model import STATE_NAMES, State, Text, count
from ..notify.incidents import span
from ..store import samples
from ..store.records import percentile
from . import drawing

DAY = 86400.0
RECOVERY_GOAL_S = 300.0
LEVELS = (1, 2, 3, 4)
CAUSES = 3


@dataclass(frozen=True)
class Goal:
    """One of the user's goals with the figure of the week. met: None where nothing is known."""

    name: Text
    wanted: Text
    found: Text
    met: Optional[bool]


@dataclass(frozen=True)
class Review:
    """The week from `since` to `until` (epoch s); seconds of it in service, out of it, unseen."""

    since: float
    until: float
    incidents: int = 0
    healed: int = 0
    up_s: float = 0.0
    down_s: float = 0.0
    unseen_s: float = 0.0
    starts: int = 0
    crashes: int = 0
    levels: Mapping[int, int] = field(default_factory=dict)
    healers: Tuple[Tuple[str, int], ...] = ()  # what healed, most first
    again: Tuple[Tuple[Text, int], ...] = ()  # causes that came more than once
    causes: Tuple[Tuple[Text, int], ...] = ()
    median_s: Optional[float] = None
    worst_s: Optional[float] = None
    rolled_back: int = 0
    ai_calls: int = 0
    waiting: int = 0  # incidents that were left to a person

    @property
    def share(self) -> Optional[float]:
        """Share of watched seconds in service."""
        seen = self.up_s + self.down_s
        return self.up_s / seen if seen else None


def week_of(now: float, calendar: bool) -> Tuple[float, float]:
    """Return begin and end: the calendar week so far (from Monday), or the last seven days."""
    today = time.localtime(now)
    midnight = time.mktime((*today[:3], 0, 0, 0, 0, 0, -1))
    back = today.tm_wday if calendar else 6
    begin = time.localtime(midnight - back * DAY + DAY / 2)  # noon: daylight saving moves midnights
    return time.mktime((*begin[:3], 0, 0, 0, 0, 0, -1)), now


def review(
    records: Sequence[Mapping[str, Any]],
    days: Mapping[str, Mapping[str, float]],
    since: float,
    until: float,
) -> Review:
    """Count one week. records: as records.json has them; days: as days.json has them."""
    rows = [row for row in records if since <= _number(row.get("opened")) <= until]
    chosen = [days[day] for day in _day_names(since, until) if day in days]
    up, down, other = (sum(day.get(group, 0.0) for day in chosen) for group in samples.GROUPS)
    healed = [row for row in rows if row.get("verified")]
    times = sorted(_number(row["healed_s"]) for row in healed if _is_number(row.get("healed_s")))
    causes: Dict[str, Tuple[Text, int]] = {}
    for row in rows:
        key, said = _cause(row)
        causes[key] = (said, causes[key][1] + 1 if key in causes else 1)
    most = sorted(causes.values(), key=lambda one: (-one[1], one[0].en))
    healers: Dict[str, int] = {}
    for row in healed:
        name = _healer(row)
        healers[name] = healers.get(name, 0) + 1
    acts = [act for row in rows for act in row.get("actions") or () if isinstance(act, Mapping)]
    return Review(
        since,
        until,
        incidents=len(rows),
        healed=len(healed),
        up_s=up,
        down_s=down,
        unseen_s=max(0.0, (until - since) - up - down - other),
        starts=int(sum(day.get("starts", 0.0) for day in chosen)),
        crashes=int(sum(day.get("crashes", 0.0) for day in chosen)),
        levels={level: sum(row.get("level") == level for row in rows) for level in LEVELS},
        healers=tuple(sorted(healers.items(), key=lambda one: (-one[1], one[0]))),
        again=tuple(one for one in most if one[1] > 1),
        causes=tuple(most[:CAUSES]),
        median_s=percentile(times, 0.5),
        worst_s=times[-1] if times else None,
        rolled_back=sum(bool(act.get("rolled_back")) for act in acts),
        ai_calls=sum(int(_number(row.get("ai_calls"))) for row in rows),
        waiting=sum(not row.get("verified") for row in rows),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> float:
    return float(value) if _is_number(value) else 0.0


def _day_names(since: float, until: float) -> List[str]:
    names: List[str] = []
    at = since + DAY / 2
    while at < until + DAY / 2:
        name = time.strftime("%Y-%m-%d", time.localtime(min(at, until)))
        if name not in names:
            names.append(name)
        at += DAY
    return names


def _cause(row: Mapping[str, Any]) -> Tuple[str, Text]:
    """What names the cause (its case, else its errors, else its state), and its words."""
    state = str(row.get("state") or "")
    known = state in State._value2member_map_
    name = STATE_NAMES[State(state)] if known else Text(state or "?", state or "?")
    said = str(row.get("cause") or name.en)[:160]
    text = Text(said, str(row.get("cause_zh") or row.get("cause") or name.zh)[:160])
    key = row.get("case") or "|".join(sorted(str(one) for one in row.get("errors") or ())) or said
    return str(key), text


def _healer(row: Mapping[str, Any]) -> str:
    acts = [
        str(act.get("repair"))
        for act in row.get("actions") or ()
        if isinstance(act, Mapping) and act.get("outcome") == "healed"
    ]
    return acts[-1] if acts else str(row.get("by") or "level {}".format(row.get("level") or "?"))


def goals(week: Review) -> List[Goal]:
    """Return the user's goals (README) with the figures of this week beside them."""
    length = max(1.0, (week.until - week.since) / DAY)
    levels = week.levels
    share = week.share

    def below(name: Text, wanted: Text, number: int, most: float) -> Goal:
        found = Text.of("{}", "{}", number)
        return Goal(name, wanted, found, number < most if most else number == 0)

    recovery = Text("none needed", "无需恢复")
    if week.median_s is not None:
        recovery = Text.of(
            "half within {}, the longest {}",
            "一半在 {} 内，最长 {}",
            span(week.median_s),
            span(week.worst_s or 0.0),
        )
    return [
        Goal(
            Text("In service", "可用率"),
            Text("more than 99 %", "高于 99%"),
            Text.of("{}", "{}", drawing.percent(share))
            if share is not None
            else Text("nothing was seen", "没有数据"),
            share > 0.99 if share is not None else None,
        ),
        below(
            Text("Level 1 (restarts of a crash)", "第一级（崩溃后重启）"),
            Text("fewer than 1 a day", "每天少于 1 次"),
            levels.get(1, 0),
            length,
        ),
        below(
            Text("Level 2 (the watchdog)", "第二级（守护进程）"),
            Text("fewer than 1 a week", "每周少于 1 次"),
            levels.get(2, 0),
            1.0,
        ),
        below(
            Text("Levels 3 and 4", "第三、四级"),
            Text("0 a month", "每月 0 次"),
            levels.get(3, 0) + levels.get(4, 0),
            0.0,
        ),
        Goal(
            Text("Recovery", "恢复用时"),
            Text("less than 5 min", "少于 5 分钟"),
            recovery,
            None if week.worst_s is None else week.worst_s < RECOVERY_GOAL_S,
        ),
    ]


def advice(week: Review) -> Text:
    """Return the one thing that would help most."""
    if not week.up_s + week.down_s:
        return Text(
            "Nobody watched this week. Start the watchdog: iflow-doctor service install",
            "本周没有值守。请启动守护进程：iflow-doctor service install",
        )
    if week.waiting:
        return Text.of(
            "{} waited for you. Look at what was left: iflow-doctor incidents",
            "有 {} 需要你处理。查看遗留事项：iflow-doctor incidents",
            Text(count(week.waiting, "incident"), "{} 起事故".format(week.waiting)),
        )
    if week.again:
        said, times = week.again[0]
        return Text.of(
            "The same cause came {} times: {}. Remove it rather than have it repaired again.",
            "同一原因出现了 {} 次：{}。请根除它，而不是反复修复。",
            times,
            said,
        )
    if week.unseen_s > 0.05 * (week.until - week.since):
        return Text.of(
            "For {} nobody watched. Does the watchdog start with the machine? iflow-doctor status",
            "有 {} 没有值守。守护进程会随系统启动吗？iflow-doctor status",
            span(week.unseen_s),
        )
    if week.crashes > 7:
        return Text.of(
            "It crashed {} times. A plugin is the usual cause: iflow-doctor diagnose",
            "崩溃了 {} 次。常见原因是插件：iflow-doctor diagnose",
            week.crashes,
        )
    return Text("Nothing. Leave it as it is.", "没有。保持现状即可。")


MARKS = {True: "✓", False: "✗", None: "–"}


def text(week: Review) -> Text:
    """Return the whole review in both languages."""
    return Text("\n".join(lines(week, "en")), "\n".join(lines(week, "zh")))


def lines(week: Review, lang: str) -> List[str]:
    """Return the review line by line."""
    first, last = (time.strftime("%Y-%m-%d", time.localtime(at)) for at in (week.since, week.until))
    out = [Text.of("OpenClaw, {} to {}", "OpenClaw，{} 至 {}", first, last).to(lang), ""]
    happened = Text(count(week.incidents, "incident"), "{} 起事故".format(week.incidents))
    out.append(
        Text.of(
            "What happened: {}, {} of them recovered and verified; out of service for {}; {} "
            "starts, {} crashes.",
            "发生了什么：{}，其中 {} 起已恢复并验证；中断共 {}；启动 {} 次，崩溃 {} 次。",
            happened,
            week.healed,
            span(week.down_s),
            week.starts,
            week.crashes,
        ).to(lang)
    )
    if week.healers:
        said = ", ".join("{} ({})".format(name, number) for name, number in week.healers[:5])
        out.append(Text.of("What healed it: {}.", "由什么修复：{}。", said).to(lang))
    if week.rolled_back:
        back = Text.of(
            "Taken back: {}.", "已撤销的修复：{} 次。", count(week.rolled_back, "repair")
        )
        out.append(back.to(lang))
    if week.ai_calls:
        out.append(Text.of("AI calls: {}.", "AI 调用：{} 次。", week.ai_calls).to(lang))
    if week.causes:
        out += ["", Text("Causes, the most frequent first:", "原因（最常见的在前）：").to(lang)]
        out += ["  {} × {}".format(number, said.to(lang)) for said, number in week.causes]
    if week.again:
        names = Text(
            "; ".join(said.en for said, _n in week.again[:3]),
            "；".join(said.zh for said, _n in week.again[:3]),
        )
        out.append(Text.of("Came again: {}", "重复出现：{}", names).to(lang))
    out += ["", Text("Goals:", "目标：").to(lang)]
    for goal in goals(week):
        row = Text.of(
            "{}: {} (wanted: {})", "{}：{}（目标：{}）", goal.name, goal.found, goal.wanted
        )
        out.append("  {} {}".format(MARKS[goal.met], row.to(lang)))
    out += ["", Text.of("Advice: {}", "建议：{}", advice(week)).to(lang)]
    unseen = Text.of(
        "Not seen: {} in which no watchdog looked; faults that leave the gateway ready and its "
        "own checks silent.",
        "未能看到：{} 没有值守；以及网关就绪且自检无异常时的故障。",
        span(week.unseen_s),
    )
    return [*out, unseen.to(lang)]


def to_json(week: Review, lang: str) -> Dict[str, Any]:
    """Return every number of the review."""
    return {
        "since": week.since,
        "until": week.until,
        "incidents": week.incidents,
        "healed": week.healed,
        "availability": week.share,
        "up_s": round(week.up_s, 1),
        "down_s": round(week.down_s, 1),
        "unseen_s": round(week.unseen_s, 1),
        "starts": week.starts,
        "crashes": week.crashes,
        "levels": {str(level): number for level, number in week.levels.items()},
        "healers": dict(week.healers),
        "again": [[said.to(lang), number] for said, number in week.again],
        "causes": [[said.to(lang), number] for said, number in week.causes],
        "median_s": week.median_s,
        "worst_s": week.worst_s,
        "rolled_back": week.rolled_back,
        "ai_calls": week.ai_calls,
        "left_to_you": week.waiting,
        "goals": [
            {
                "name": goal.name.to(lang),
                "wanted": goal.wanted.to(lang),
                "found": goal.found.to(lang),
                "met": goal.met,
            }
            for goal in goals(week)
        ],
        "advice": advice(week).to(lang),
    }
