"""The commonest incidents, as values that go through the same sentences as real ones: for `notify
preview`, the documents and the tests. Nothing here is a text of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from ..model import Alert, Finding, Healed, Severity, State, Text, Tried, Verdict
from ..openclaw.home import Home
from ..store.watch_state import Incident, WatchState
from . import alert_texts
from .decision_texts import tried_of
from .policy_outage import Decision

NOW = 1795230900.0  # 2026-11-21 03:15 UTC
KINDS = (
    "killed",
    "hung",
    "config-restored",
    "config-broken",
    "port-taken",
    "disk-full",
    "crash-loop",
    "plugin-disabled",
    "secret-missing",
    "database-lost",
    "data-missing",
    "channels-off",
    "channel-red",
    "stopped",
    "memory",
)


def alerts(home: Optional[Home] = None) -> Dict[str, Alert]:
    """Return an Alert a kind, in the order of KINDS."""
    place = home or Home(Path("/home/you/.openclaw"), Path("/home/you/.openclaw/openclaw.json"))
    made = _Samples(place)
    return {kind: getattr(made, kind.replace("-", "_"))() for kind in KINDS}


class _Samples:
    def __init__(self, home: Home) -> None:
        self.home = home
        self.config = str(home.config_path)

    def _told(
        self,
        decision: Decision,
        incident: Optional[Incident],
        verdict: Verdict,
        step: Optional[Text] = None,
        crashes: int = 0,
    ) -> Alert:
        state = WatchState(crashes=tuple(NOW - 60.0 * n for n in range(crashes)))
        return alert_texts.alert(decision, verdict, incident, state, NOW, self.home, step)

    def _by_hand(self, check_id: str, path: str, **evidence: Any) -> Optional[Text]:
        """What `doctor` says of this finding when a person has to act."""
        from ..repairs import manual_steps

        ctx = _Place(self.home)
        found = Finding(check_id, Severity.ERROR, Text("", ""), path, None, evidence)
        return manual_steps.hint(ctx, found)  # type: ignore[arg-type]

    # -- outages that ended ------------------------------------------------------------------------
    def killed(self) -> Alert:
        incident = _incident("3f2a", 24, began="process-ended", exit_code=-9)
        healed = replace(incident, healed=Healed(1, "service-manager"))
        return self._told(READY, healed, _ready())

    def config_restored(self) -> Alert:
        act = {"repair": "restore-config", "outcome": "healed", "config_diff": ["gateway.port"]}
        return self._told(READY, _healed("8f11", 48, self._syntax(), act), _ready())

    def plugin_disabled(self) -> Alert:
        act = {
            "repair": "disable-plugin",
            "outcome": "healed",
            "config_diff": ["plugins.entries.weather-pro.enabled"],
        }
        cause = Text(
            "The plugin weather-pro crashes the gateway (TypeError at weather-pro/index.js:88)",
            "插件 weather-pro 使网关崩溃（TypeError，weather-pro/index.js:88）",
        )
        healed = replace(_healed("c4a5", 96, cause, act), loop=True)
        return self._told(READY, healed, _ready())

    def database_lost(self) -> Alert:
        path = str(self.home.state_dir / "agents" / "main" / "agent" / "agent.sqlite")
        where = str(self.home.doctor_dir / "quarantine")
        act = {
            "repair": "quarantine-database",
            "outcome": "healed",
            "advice": "Lost: the index of this agent's conversations; workspace and memory files "
            "are untouched. The damaged file is in {}.".format(where),
            "advice_zh": "丢失：该智能体的会话索引；工作区与记忆文件不受影响。"
            "损坏的文件在 {}。".format(where),
        }
        cause = Text.of("The database {} is damaged", "数据库 {} 已损坏", path)
        return self._told(READY, _healed("db07", 71, cause, act), _ready())

    # -- outages that go on ------------------------------------------------------------------------
    def hung(self) -> Alert:
        incident = _incident("4e6b", 46, State.HUNG)
        seen = Verdict(
            State.HUNG,
            Text(
                "process 2207 accepts connections but does not respond",
                "进程 2207 可以连接，但没有响应",
            ),
        )
        return self._told(Decision("announce", "lasting", {"seconds": 46.0}), incident, seen)

    def config_broken(self) -> Alert:
        step = self._by_hand("config/syntax", self.config, line=14, column=3)
        incident = _asked("81c0", 348, State.MISCONFIGURED, self._syntax(), hopeless=True)
        return self._told(ASKS, incident, _seen(State.MISCONFIGURED), step)

    def port_taken(self) -> Alert:
        cause = Text(
            "Another program holds port 18789: pid 4711 (deploy): python3 -m http.server 18789",
            "端口 18789 被其他程序占用：pid 4711（deploy）：python3 -m http.server 18789",
        )
        from ..checks import rivals

        move = "openclaw config set gateway.port {} && openclaw gateway install --force".format(
            rivals.free(18789)
        )
        step = Text(
            "Stop that program, or move the gateway: one of the two.\n"
            "kill 4711    # stops that program\n" + move + rivals.OR_MOVE.en,
            "请停止该程序，或给网关换端口，二选一。\nkill 4711    # 停止该程序\n"
            + move
            + rivals.OR_MOVE.zh,
        )
        incident = _asked("5a17", 180, State.IMPOSTOR, cause, hopeless=True)
        return self._told(ASKS, incident, _seen(State.IMPOSTOR), step)

    def disk_full(self) -> Alert:
        cause = Text(
            "The disk of {} is full (0 MB free)".format(self.home.state_dir),
            "{} 所在磁盘已满（剩余 0 MB）".format(self.home.state_dir),
        )
        step = self._by_hand("disk/full", str(self.home.state_dir))
        incident = replace(
            _asked("d15c", 280, State.DOWN, cause), tried=(Tried("free-disk", "failed"),)
        )
        return self._told(ASKS, incident, _seen(State.DOWN), step)

    def crash_loop(self) -> Alert:
        cause = Text(
            "The gateway dies 20 s after each start: out of heap memory",
            "网关每次启动约 20 秒后退出：堆内存不足",
        )
        incident = replace(_asked("c4a6", 1020, State.DOWN, cause), loop=True, restarts=3)
        return self._told(ASKS, incident, _seen(State.DOWN), None, crashes=5)

    def secret_missing(self) -> Alert:
        cause = Text(
            "gateway.auth.token needs the variable OPENCLAW_GATEWAY_TOKEN, and nothing sets it",
            "gateway.auth.token 需要变量 OPENCLAW_GATEWAY_TOKEN，但没有任何地方设置它",
        )
        step = Text(
            "Set OPENCLAW_GATEWAY_TOKEN in this file.\nnano {}".format(self.home.env_file),
            "请在这个文件中设置 OPENCLAW_GATEWAY_TOKEN。\nnano {}".format(self.home.env_file),
        )
        incident = _asked("5ec7", 65, State.MISCONFIGURED, cause, hopeless=True)
        return self._told(ASKS, incident, _seen(State.MISCONFIGURED), step)

    # -- no outage ---------------------------------------------------------------------------------
    def data_missing(self) -> Alert:
        path = str(self.home.state_dir / "state" / "openclaw.sqlite")
        step = self._by_hand("database/zero-bytes", path)
        row = (
            "database/zero-bytes",
            "The database {} has no content: OpenClaw starts with an empty one".format(path),
            "数据库 {} 内容为空：OpenClaw 会以空数据启动".format(path),
            step.en if step else "",
            step.zh if step else "",
        )
        return alert_texts.quiet("20261121T031500-0b17", (row,), NOW, self.home)

    def channels_off(self) -> Alert:
        return self._note("safe_mode", State.SAFE_MODE, ("telegram", "feishu"))

    def channel_red(self) -> Alert:
        return self._note("degraded", State.DEGRADED, ("telegram",))

    def stopped(self) -> Alert:
        return self._note("stopped", State.STOPPED)

    def memory(self) -> Alert:
        return self._note("memory", State.HEALTHY, mb=2048.0, limit=1400.0)

    def _note(
        self, code: str, state: State, failing: Tuple[str, ...] = (), **facts: float
    ) -> Alert:
        seen = Verdict(state, Text("", ""), failing=failing)
        return self._told(Decision("note", code, facts), None, seen)

    def _syntax(self) -> Text:
        return Text(
            "The config file does not parse (line 14 column 3): a comma is missing",
            "配置文件语法错误（第 14 行第 3 列）：缺少逗号",
        )


class _Place:
    """As much of a Context as the ways by hand need."""

    class host:
        home = "/home/you"

    def __init__(self, home: Home) -> None:
        self.home = home

    def finding(self, check_id: str) -> Optional[Finding]:
        return None


READY = Decision("recovered", "ready", {"times": 3})
ASKS = Decision("escalate", "doctor-asks")


def _incident(code: str, ago: float, state: State = State.DOWN, **more: Any) -> Incident:
    opened = NOW - ago + 8
    return Incident("20261121T031500-" + code, opened, state.value, last_good=NOW - ago, **more)


def _asked(code: str, ago: float, state: State, cause: Text, hopeless: bool = False) -> Incident:
    made = _incident(code, ago, state, reason=_seen(state).reason)
    return replace(
        made, cause=cause, escalated=True, hopeless=state.value if hopeless else "", treated=("x",)
    )


def _healed(code: str, ago: float, cause: Text, act: Dict[str, Any]) -> Incident:
    made = _incident(code, ago, cause=cause)
    return replace(made, healed=Healed(3, "doctor", (tried_of(act),)))


def _ready() -> Verdict:
    return Verdict(State.HEALTHY, Text("ready", "就绪"))


def _seen(state: State) -> Verdict:
    return Verdict(state, alert_texts.HEADS.get(state, Text("", "")))
