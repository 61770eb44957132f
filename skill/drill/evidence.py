"""What was seen after a fault was injected, and what that amounts to. Pure: times are arguments,
nothing is read here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from ..model import STATE_NAMES, Healed, State, Text, Tried
from ..openclaw import config as openclaw_config
from ..openclaw.home import Home
from ..watchdog import decision_texts

NOTHING = Text("", "")
Process = Tuple[int, float]
# the watchdog's own words in its log are English; a person who reads Chinese gets the kind of each
# line
KINDS = {
    "opened": "发现异常",
    "restart": "决定重启",
    "heal": "交给第三级诊断",
    "escalate": "通知主人（第四级）",
    "resume-channels": "恢复频道",
    "action-failed": "动作失败",
    "notify-failed": "通知失败",
    "clock": "时钟跳变",
    "endpoint": "端口改变",
    "level": "指标越线",
}
WORDS = {
    "heal": Text("healed", "已修复"),
    "escalate": Text("told a person", "已通知人"),
    "nothing": Text("left alone", "未干预"),
    "failed": Text("failed", "失败"),
}
OUTCOMES = {"healed": "已修复", "escalate": "需要人", "failed": "没修好", "nothing": "无需处理"}
READY_IN_A_ROW = 3
# repairs that change nothing on the machine
HARMLESS = ("tell-person", "none", "")


@dataclass
class Evidence:
    """Collected while a fault is followed. Times are epoch seconds, 0.0 for never.

    injected: when `inject` ended; seconds are counted from there. began: when it began; what was
    logged before is old news.
    first: the gateway before the fault.
    """

    injected: float
    first: Optional[Process] = None
    began: float = 0.0
    opened: float = 0.0
    recovered: float = 0.0
    escalated: float = 0.0
    damage: float = (
        0.0  # told of a gateway that is ready and wrong all the same: being ready is no heal then
    )
    open_incident: bool = False
    by: Optional[Healed] = None
    restart_events: int = 0
    actions: List[Tried] = field(default_factory=list)
    causes: List[str] = field(default_factory=list)
    new_processes: Set[Process] = field(default_factory=set)
    down_seen: float = 0.0
    ready_since: float = 0.0
    ready_streak: int = 0

    # -- what comes in -----------------------------------------------------------------------------
    def line(self, entry: Mapping[str, Any]) -> Text:
        """Take in one line of the watchdog's log; return what a person should read about it, empty
        for nothing.
        """
        at, event = float(entry.get("at") or 0.0), str(entry.get("event", ""))
        if at < (self.began or self.injected) - 0.5:
            return NOTHING
        if event == "decision":
            if entry.get("kind") == "escalate" and entry.get("state") == "healthy":
                self.damage = self.damage or at
            return self._decision(at, str(entry.get("kind", "")), str(entry.get("reason", "")))
        if event == "state":
            state = str(entry.get("state"))
            name = (
                STATE_NAMES[State(state)]
                if state in State._value2member_map_
                else Text(state, state)
            )
            return Text(
                "{}: {}".format(entry.get("state"), entry.get("reason", "")),
                "状态：{}".format(name.zh),
            )
        if event == "restart":
            return Text.of("restart by {}", "重启，由 {}", entry.get("by", "?"))
        if event == "treated":
            acts = _acts(entry)
            self.actions += acts
            self.causes.append(str(entry.get("cause") or ""))
            outcome, cause = str(entry.get("outcome", "?")), str(entry.get("cause") or "")
            names = ["{} ({})".format(one.repair, one.outcome) for one in acts]
            english = "doctor: {} {} {}".format(outcome, ", ".join(names), cause).strip()
            chinese = "第三级诊断：{} {}".format(OUTCOMES.get(outcome, outcome), "、".join(names))
            return Text(english, chinese.strip())
        if event == "recovered":
            self.recovered, self.open_incident = at, False
            self.by = Healed(int(entry.get("level") or 0), str(entry.get("how", "")), _acts(entry))
            return Text.of("recovered: {}", "已恢复：{}", decision_texts.healer(self.by))
        if event in ("action-failed", "notify-failed", "clock", "endpoint", "level"):
            said = entry.get("error") or entry.get("detail") or entry.get("reason") or ""
            return Text("{}: {}".format(event, said), KINDS[event])
        return NOTHING

    def _decision(self, at: float, kind: str, reason: str) -> Text:
        if kind == "opened":
            self.opened = self.opened or at
            self.open_incident, self.recovered = True, 0.0
            return Text("detected: " + reason, KINDS[kind])
        if kind == "restart":
            self.restart_events += 1
            self.actions.append(Tried("restart", ""))
        elif kind == "escalate":
            self.escalated = self.escalated or at
        elif kind == "resume-channels":
            self.actions.append(Tried("resume-channels", ""))
        elif kind == "recovered":
            self.recovered, self.open_incident = at, False
            return NOTHING
        if kind == "none":
            return Text(reason, "继续观察")
        return Text("{}: {}".format(kind, reason), KINDS.get(kind, kind))

    def look(self, at: float, ready: bool, process: Optional[Process]) -> None:
        """Take in one probe of our own: the gateway's answer, and which process it is."""
        if process and process != self.first:
            self.new_processes.add(process)
        if ready:
            self.ready_since = self.ready_since or at
            self.ready_streak += 1
        else:
            self.ready_since, self.ready_streak = 0.0, 0
            self.down_seen = self.down_seen or at

    # -- what it means -----------------------------------------------------------------------------
    @property
    def restarts(self) -> int:
        """Starts of the gateway since the fault, as far as the watchdog logged them or we saw the
        new process.
        """
        return max(self.restart_events, len(self.new_processes))

    @property
    def changing_actions(self) -> List[str]:
        return [one.repair for one in self.actions if one.repair not in HARMLESS]

    def healed(self, now: float, settle_s: float) -> bool:
        """Ready again after harm was done, no open incident, and stayed so for settle_s seconds."""
        harmed = bool(self.opened) or (bool(self.new_processes) and bool(self.down_seen))
        steady = self.ready_streak >= READY_IN_A_ROW and now - self.ready_since >= settle_s
        return (
            harmed
            and steady
            and not self.open_incident
            and (not self.opened or bool(self.recovered))
        )

    def outcome(self, now: float, settle_s: float, changed: bool) -> str:
        """heal | escalate | nothing | failed, as it stands. changed: the config or a file differs
        from what the fault left.
        """
        acted = self.restarts > 0 or bool(self.changing_actions) or changed
        if self.healed(now, settle_s) and acted and not self.damage:
            return "heal"
        if self.escalated:
            return "escalate"
        return "failed" if acted else "nothing"

    @property
    def healer(self) -> Optional[Healed]:
        """By what it was healed; None as far as nothing healed it."""
        if self.by:
            return self.by
        repairs = tuple(
            one for one in self.actions if one.repair not in HARMLESS and one.repair != "restart"
        )
        if repairs:
            return Healed(3, "doctor", repairs)
        if self.restart_events:
            return Healed(2, "restart")
        return Healed(1, "service-manager") if self.new_processes else None


def _acts(entry: Mapping[str, Any]) -> Tuple[Tried, ...]:
    """The repairs that a line of the watchdog's log lists."""
    return tuple(
        Tried(str(one.get("repair", "")), str(one.get("outcome", "")))
        for one in entry.get("tried") or ()
    )


@dataclass(frozen=True)
class Ledger:
    """data: the config by meaning, None where it cannot be read. files: name -> hash."""

    data: Any = None
    files: Dict[str, str] = field(default_factory=dict)


def take(home: Home) -> Ledger:
    """Note the config, its includes, .env and the plugins. Databases and logs change by themselves
    and are left out.
    """
    view = openclaw_config.load(home.config_path)
    paths: List[Path] = [home.config_path, home.env_file, *view.files]
    extensions = home.state_dir / "extensions"
    if extensions.is_dir():
        paths += [path for path in sorted(extensions.rglob("*")) if path.is_file()][:500]
    return Ledger(view.data if view.ok else None, {str(path): _hash(path) for path in paths})


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return "unreadable {}".format(error.errno)


def config_diff(before: Ledger, after: Ledger) -> List[str]:
    """Dotted paths that differ by meaning; ["<file>"] when one of the two cannot be read. Values
    are left out: they may be secrets.
    """
    if before.data is None or after.data is None:
        return [] if before.data is None and after.data is None else ["<file>"]
    return openclaw_config.diff(before.data, after.data)


def changed_files(before: Ledger, after: Ledger) -> List[str]:
    names = set(before.files) | set(after.files)
    return sorted(
        name
        for name in names
        if before.files.get(name, "missing") != after.files.get(name, "missing")
    )
