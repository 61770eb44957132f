"""The values that travel between the rooms of the house. Imports nothing of ours; everything is
frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple


class Text(NamedTuple):
    """One sentence in both languages. Data (paths, names) is formatted in before it is built."""

    en: str
    zh: str

    def to(self, lang: str) -> str:
        """Given "zh" or "en", return the sentence in that language."""
        return self.zh if lang == "zh" else self.en

    @classmethod
    def of(cls, en: str, zh: str, /, *values: object, **named: object) -> "Text":
        """Return both sentences with the same values formatted in; a value that is itself a Text
        speaks each language.
        """

        def said(sentence: str, lang: str) -> str:
            def one(value: object) -> object:
                return value.to(lang) if isinstance(value, Text) else value

            return sentence.format(
                *(one(value) for value in values),
                **{name: one(value) for name, value in named.items()},
            )

        return cls(said(en, "en"), said(zh, "zh"))


def count(number: int, one: str, many: str = "") -> str:
    """Return "1 restart", "2 restarts"; `many` where an s is not enough."""
    return "{} {}".format(number, one if number == 1 else many or one + "s")


class Severity(str, Enum):
    """OpenClaw's own three."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class State(str, Enum):
    """What the gateway is doing. Only HUNG, ZOMBIE and DOWN are ever answered by a restart."""

    HEALTHY = "healthy"
    STARTING = "starting"
    DRAINING = "draining"
    DEGRADED = "degraded"  # alive, /readyz red (failing[] names why)
    HUNG = "hung"  # TCP accepts, nobody answers
    ZOMBIE = "zombie"  # process alive, port closed past the start budget
    DOWN = "down"  # no process, no port
    MISCONFIGURED = "misconfigured"  # exit 78: the gateway refuses to start until something changes
    IMPOSTOR = "impostor"  # another program, or another gateway, answers on our port
    SAFE_MODE = "safe_mode"  # OpenClaw's crash-loop breaker: green, but no channel runs
    UPDATING = "updating"  # a package manager is writing the installation
    STOPPED = "stopped_by_operator"
    SUSPENDED = "suspended"  # the host slept or its clock jumped
    UNKNOWN = "unknown"


# Groups of states. What is asked about more than one state is asked of these, nowhere else.
RESTARTABLE = (State.HUNG, State.ZOMBIE, State.DOWN)
NOT_SERVING = RESTARTABLE + (State.MISCONFIGURED,)  # our own gateway is out of service
BROKEN = NOT_SERVING + (State.IMPOSTOR,)  # an outage, no matter whose fault
SERVING = (State.HEALTHY, State.DEGRADED, State.SAFE_MODE, State.DRAINING)  # it responds
# nothing to repair
FINE = (State.HEALTHY, State.STARTING, State.DRAINING, State.STOPPED, State.UPDATING)
CANNOT_TELL = (State.UNKNOWN, State.SUSPENDED)


def exit_code(state: State) -> int:
    """Return what a command that looked exits with: 0 nothing to repair, 1 a problem, 2 it could
    not be told.
    """
    return 0 if state in FINE else 2 if state in CANNOT_TELL else 1


STATE_NAMES = {
    State.HEALTHY: Text("healthy", "健康"),
    State.STARTING: Text("starting", "正在启动"),
    State.DRAINING: Text("draining", "正在优雅退出"),
    State.DEGRADED: Text("degraded", "部分不可用"),
    State.HUNG: Text("hung", "卡死"),
    State.ZOMBIE: Text("alive but not listening", "进程存活，但未监听端口"),
    State.DOWN: Text("down", "已停机"),
    State.MISCONFIGURED: Text("refuses to start (exit 78)", "拒绝启动（退出码 78）"),
    State.IMPOSTOR: Text("another program holds the port", "端口被其他程序占用"),
    State.SAFE_MODE: Text("safe mode: channels are off", "安全模式：频道已停"),
    State.UPDATING: Text("updating", "正在更新"),
    State.STOPPED: Text("stopped on purpose", "已手动停止"),
    State.SUSPENDED: Text("the host slept", "主机刚从休眠中恢复"),
    State.UNKNOWN: Text("cannot tell", "无法判断"),
}


class Risk(str, Enum):
    """How far a repair may go unattended: READ and SAFE always; GUARDED with certain evidence;
    NEVER only by a person.
    """

    READ = "read"
    SAFE = "safe"
    GUARDED = "guarded"
    NEVER = "never-unattended"


class Confidence(str, Enum):
    CERTAIN = "certain"
    PROBABLE = "probable"
    POSSIBLE = "possible"


@dataclass(frozen=True)
class Finding:
    """One observed fact, in OpenClaw's own field names when printed: checkId, severity, message,
    path, fixHint.

    check_id: "<check>/<fact>", e.g. "config/syntax". Case evidence refers to it.
    path:     file path or dotted config path the fact is about.
    evidence: machine-readable details (pid, port, key, value shape). Never a secret.
    """

    check_id: str
    severity: Severity
    message: Text
    path: str = ""
    fix_hint: Optional[Text] = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, lang: str = "en") -> Dict[str, Any]:
        return {
            "checkId": self.check_id,
            "severity": self.severity.value,
            "message": self.message.to(lang),
            "path": self.path,
            "fixHint": self.fix_hint.to(lang) if self.fix_hint else "",
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True)
class Verdict:
    """The judged state of the gateway. `reason` is for the log line and for a person."""

    state: State
    reason: Text
    pid: Optional[int] = None
    exit_code: Optional[int] = None
    failing: Tuple[str, ...] = ()  # /readyz failing[] or suppressed[]
    # the process that was there ended by a crash or a kill, not by a planned stop or restart
    unclean: bool = False
    findings: Tuple[Finding, ...] = ()

    def has(self, check_id: str) -> bool:
        return any(f.check_id == check_id for f in self.findings)


@dataclass(frozen=True)
class Evidence:
    """What must hold on the live machine before a case may act. Terms: "<check_id>", "state:a|b",
    "exit:78|1".
    """

    all: Tuple[str, ...] = ()
    any: Tuple[str, ...] = ()
    none: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One entry of the case library (cases.json); see skill/data/case.schema.json for every
    field.
    """

    id: str
    slug: str
    title: Text
    solution: Text
    signatures: Tuple[str, ...] = ()
    keywords: Tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    repair: str = "tell-person"
    params: Mapping[str, Any] = field(default_factory=dict)
    verify: str = "ready"
    risk: Risk = Risk.READ
    source: str = "shipped"  # shipped | user | learned
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    case: Case
    score: float  # 0..1
    confidence: Confidence
    because: Tuple[str, ...] = ()  # the lines that decided it


# -- steps: nothing else can be executed -----------------------------------------------------------
@dataclass(frozen=True)
class Run:
    """Run a program in its own process group; the group is ended whole on timeout. argv holds no
    secret.
    """

    argv: Tuple[str, ...]
    timeout_s: float = 60.0
    env: Mapping[str, str] = field(default_factory=dict)
    ok_codes: Tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Write:
    """Write whole content atomically (temporary file, fsync, rename). Mode of an existing file is
    kept.
    """

    path: str
    content: bytes
    mode: int = 0o600


@dataclass(frozen=True)
class Move:
    """Rename within one filesystem; undone by the reverse rename. Used for quarantine: nothing is
    ever deleted.
    """

    path: str
    to: str


@dataclass(frozen=True)
class Delete:
    """Delete a file of our own or an old rotated log. Never anything of the user."""

    path: str


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Service:
    """action: start | stop | restart | reset-failed | reload | install. Carried out by
    platforms.
    """

    action: str
    timeout_s: float = 60.0


@dataclass(frozen=True)
class EndProcess:
    """SIGTERM, grace, SIGKILL of exactly this process: pid, start time and command line are checked
    just before.
    """

    pid: int
    started: float  # epoch seconds, as psutil's create_time
    grace_s: float = 10.0


@dataclass(frozen=True)
class Plan:
    """What a repair wants to do. Has no effect until healer.execute(). `touches`: files snapshotted
    first and restored on failure.

    config_paths: dotted paths of openclaw.json that may differ afterwards; a difference elsewhere
    means rollback.
    verify: "ready" (/readyz 200, several times), "live" (/healthz), "channels" (none suppressed any
    more), "none" (advice only).
    """

    repair: str
    steps: Tuple[Any, ...]
    risk: Risk
    why: Text
    touches: Tuple[str, ...] = ()
    config_paths: Tuple[str, ...] = ()
    verify: str = "ready"
    advice: Optional[Text] = None  # for tell-person: what to do, with the exact command
    # seconds it must stay up after it is ready: a plugin that exits later is not healed by a
    # restart
    settle_s: float = 0.0
    params: Mapping[str, Any] = field(
        default_factory=dict
    )  # what an AI asked it with: a case may be learned from it
    # path -> hash of what it was planned from ("" for no file): another content is an edit since
    seen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a plan. `healed` is set by verification alone.

    edited: files that somebody else wrote meanwhile; they stay, and the visit ends. by_itself: the
    gateway was ready before anything was done. serves: it answers. lost: config keys outside the
    plan that are gone under a gateway that is ready. removed: keys that the owner's file had and
    the repaired one has not. snapshot: where the files are as they were. set_aside: where what was
    moved is.
    """

    plan: Plan
    healed: bool
    detail: Text
    rolled_back: bool = False
    seconds: float = 0.0
    config_diff: Tuple[str, ...] = ()  # dotted paths that differ by meaning, no values
    edited: Tuple[str, ...] = ()
    by_itself: bool = False
    serves: bool = False
    lost: Tuple[str, ...] = ()
    removed: Tuple[str, ...] = ()
    snapshot: str = ""
    set_aside: Tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """healed | let-go (somebody else is at work, or nobody is needed) | failed | partly."""
        if self.healed:
            return "healed"
        if self.edited or self.by_itself:
            return "let-go"
        return "failed" if self.rolled_back else "partly"


@dataclass(frozen=True)
class Tried:
    """One repair that level 3 ran, and how it ended: healed | partly | failed | refused | let-go.

    loss: what is gone for good by it, and where the rest lies. keys: changed keys of openclaw.json.
    """

    repair: str
    outcome: str
    loss: Text = Text("", "")
    keys: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Healed:
    """Who brought the gateway back. level: 1 the service manager, 2 the watchdog, 3 the doctor.

    how: "service-manager", "restart", "after-change" (started once what it needs was changed),
    "doctor" (then `tried` says with what), "" nobody (it came back by itself).
    """

    level: int
    how: str
    tried: Tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Repair:
    """One member of the literal registry in repairs/__init__.py.

    plan(ctx, params) -> Plan: no effects. Raises errors.CannotPlan when it does not apply to what
    is seen.
    params: JSON Schema of the parameters (cases and AI plans are checked against it).
    """

    id: str
    risk: Risk
    title: Text
    plan: Callable[..., Plan]
    params: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "additionalProperties": False}
    )


@dataclass(frozen=True)
class Check:
    """One member of the literal registry in checks/__init__.py. run(ctx) -> iterable of Finding;
    changes nothing.
    """

    id: str
    title: Text
    run: Callable[..., Any]


@dataclass(frozen=True)
class Alert:
    """What a person is told. One incident is one thread of alerts.

    kind: opened | escalated | reminder | recovered | note. level: warning | error | critical.
    lines: (label, value) pairs of details in order. log_tail may be cut in the middle, nothing
    else.
    """

    incident: str
    kind: str
    level: str
    title: Text
    at: float
    what: Text
    details: Tuple[
        Tuple[Text, Any], ...
    ] = ()  # a value is a str, or a Text where it differs by language
    done: Tuple[Text, ...] = ()
    next_step: Optional[Text] = None
    log_tail: str = ""
    paths: Tuple[str, ...] = ()
