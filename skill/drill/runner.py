"""One fault from start to end: lay out, start, watch, break, follow, judge, clear up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from ..errors import CannotTell, HealerError, Said, both
from ..host import Host
from ..model import Healed, Text, Tried
from ..store import good_copies
from . import bench as benches
from . import evidence as ledger
from . import sandbox
from .evidence import NOTHING, WORDS, Evidence
from .faults import Fault
from .watcher import LogReader, Watcher

LOOK_EVERY_S = 0.3
# the watchdog keeps its good copy 3 s after ready in a drill; starting a child takes the rest
GOOD_COPY_WAIT_S = 40.0
CALM_S = 2.0  # in which it takes up its default pace
SETTLE_S = {False: 5.0, True: 12.0}  # practice, real: how long a healed gateway must stay ready
AFTER_ESCALATION_S = 60.0  # a heal that was hoped for may still come after a person was told
QUIET_DAMAGE_S = 90.0  # within which a damage that /readyz does not show has to be told, twice seen
CLOSING_S = 45.0  # a crash loop's incident is closed after 30 s of calm
ORACLE_TRIES = 4
Say = Callable[[float, Text], None]


@dataclass
class Result:
    """One row. Seconds count from the end of `inject`; None where it did not happen."""

    fault: Fault
    outcome: str = "failed"
    detected_s: Optional[float] = None
    healed_s: Optional[float] = None
    boot_s: Optional[float] = None
    restarts: int = 0
    actions: List[Tried] = field(default_factory=list)
    config_diff: List[str] = field(default_factory=list)
    files_changed: List[str] = field(default_factory=list)
    by: Optional[Healed] = None
    cause: str = ""
    oracle: Optional[bool] = None
    detail: Said = NOTHING
    kept: str = ""
    timeline: List[Dict[str, Any]] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        return (
            self.outcome == self.fault.expect
            and self.oracle is not False
            and not both(self.detail).en.startswith("left behind")
        )


def run(
    fault: Fault,
    real: bool,
    host: Host,
    say: Say,
    keep: bool = False,
    base: Optional[Path] = None,
    watch: Optional[List[str]] = None,
) -> Result:
    """Carry out one fault. Raise CannotTell when the drill itself could not be done (no openclaw,
    gateway does not start).
    """
    result = Result(fault)
    began = time.time()

    def tell(text: Text) -> None:
        result.timeline.append({"s": round(time.time() - began, 1), "text": text.en})
        say(time.time() - began, text)

    bench = benches.lay_out(fault, real, host, base)
    watcher = Watcher(bench, watch)
    try:
        _prepare(bench, watcher, result, tell)
        _follow(bench, watcher, result, tell)
    finally:
        watcher.stop()
        left = bench.clear_up(keep)
        if keep:
            result.kept = str(bench.root)
        if left:
            result.detail = Text.of("left behind: {} processes", "遗留 {} 个进程", left)
    return result


def _prepare(
    bench: benches.Bench, watcher: Watcher, result: Result, tell: Callable[[Text], None]
) -> None:
    """Setup, first start, watchdog, good copy."""
    tell(Text.of("state in {}, port {}", "状态目录 {}，端口 {}", bench.root, bench.home.port))
    code, words = bench.script("setup")
    if code != 0:
        raise CannotTell(
            Text.of(
                "setup of {} ended with {}: {}",
                "{} 的 setup 以 {} 结束：{}",
                result.fault.id,
                code,
                words.strip()[-300:],
            )
        )
    result.boot_s = round(bench.start(), 1)
    tell(
        Text.of(
            "gateway ready after {:.1f} s (pid {})",
            "网关 {:.1f} 秒后就绪（进程 {}）",
            result.boot_s,
            bench.gateway_pid(),
        )
    )
    watcher.start()
    until = time.monotonic() + GOOD_COPY_WAIT_S
    while time.monotonic() < until and not good_copies.newest(bench.home):
        if watcher.pid is None:
            raise CannotTell(
                Text.of(
                    "the watchdog ended by itself: {}",
                    "守护进程自己结束了：{}",
                    watcher.words()[-400:],
                )
            )
        time.sleep(0.2)
    kept = bool(good_copies.newest(bench.home))
    log = LogReader(bench.home.logs_dir / "watchdog.log")
    while (
        kept
        and time.monotonic() < until
        and not any(entry.get("what") == "keep-good" for entry in log.new())
    ):
        time.sleep(
            0.2
            # the child that keeps it also asks for OpenClaw's schema: a core that the fault's boot
            # would miss
        )
    bench.pace(hurry=False)
    time.sleep(CALM_S)
    missing = (
        Text("", "")
        if kept
        else Text(", without a good copy of the config", "，但没有配置的可用副本")
    )
    tell(Text.of("the watchdog is on guard{}", "守护进程已就位{}", missing))


def _follow(
    bench: benches.Bench, watcher: Watcher, result: Result, tell: Callable[[Text], None]
) -> None:
    """Break it, and look until the outcome is certain or the time is over."""
    fault = result.fault
    before = ledger.take(bench.home)
    reader = LogReader(bench.home.logs_dir / "watchdog.log")
    list(reader.new())
    first = sandbox.identity(bench.gateway_pid())
    evidence = Evidence(time.time(), first, time.time())
    tell(Text.of("inject: {}", "注入故障：{}", fault.title))
    if fault.gateway_env:
        bench.change_launch(fault.gateway_env)
    code, words = bench.script("inject", WATCHDOG_PID=str(watcher.pid or 0))
    if code != 0:
        result.detail = Text.of(
            "inject ended with {}: {}", "inject 以 {} 结束：{}", code, words.strip()[-300:]
        )
        return
    evidence.injected = time.time()
    broken = ledger.take(bench.home)
    settle = fault.settle_s if fault.settle_s is not None else SETTLE_S[bench.real]
    deadline = evidence.injected + fault.timeout_s
    while True:
        at = time.time()
        for entry in reader.new():
            text = evidence.line(entry)
            if text.en:
                tell(text)
        evidence.look(at, bench.ready(1.0), sandbox.identity(bench.gateway_pid()))
        if watcher.keep_alive():
            tell(Text("the watchdog was gone and was started again", "守护进程不见了，已重新启动"))
        if _over(evidence, fault, at, settle) or (
            at >= deadline and not _closing(evidence, fault, at, deadline)
        ):
            break
        time.sleep(LOOK_EVERY_S)
    _judge(bench, result, evidence, before, broken, settle, tell)


def _over(evidence: Evidence, fault: Fault, now: float, settle: float) -> bool:
    """Whether nothing more is to be learned before the time is over. A fault that expects nothing
    is watched to its end.
    """
    if fault.expect == "nothing":
        return False
    if evidence.healed(now, settle) and evidence.restarts + len(evidence.changing_actions):
        # Ready is not yet right: where a person has to be told, that may come only after it was
        # ready again.
        return (
            fault.expect != "escalate"
            or bool(evidence.escalated)
            or now - evidence.ready_since >= QUIET_DAMAGE_S
        )
    if not evidence.escalated:
        return False
    return now - evidence.escalated >= (3.0 if fault.expect == "escalate" else AFTER_ESCALATION_S)


def _closing(evidence: Evidence, fault: Fault, now: float, deadline: float) -> bool:
    """Ready in time, but not yet for long enough to be sure, or the watchdog has not closed its
    incident yet.
    """
    return (
        fault.expect != "nothing"
        and 0 < evidence.ready_since <= deadline
        and now < deadline + CLOSING_S
    )


def _judge(
    bench: benches.Bench,
    result: Result,
    evidence: Evidence,
    before: ledger.Ledger,
    broken: ledger.Ledger,
    settle: float,
    tell: Callable[[Text], None],
) -> None:
    now = time.time()
    after = ledger.take(bench.home)
    result.files_changed = ledger.changed_files(broken, after)
    result.config_diff = ledger.config_diff(before, after)
    result.outcome = evidence.outcome(now, settle, bool(result.files_changed))
    found = evidence.opened or (evidence.down_seen if evidence.new_processes else 0.0)
    result.detected_s = round(max(0.0, found - evidence.injected), 1) if found else None
    if result.outcome == "heal":
        result.healed_s = round(max(0.0, evidence.ready_since - evidence.injected), 1)
        result.by = evidence.healer
    result.restarts, result.actions = evidence.restarts, evidence.actions
    result.cause = next((cause for cause in reversed(evidence.causes) if cause), "")
    if result.fault.script("oracle"):
        for _ in range(ORACLE_TRIES):
            code, words = bench.script("oracle", OUTCOME=result.outcome)
            result.oracle = code == 0
            if result.oracle:
                break
            time.sleep(1.0)
        if not result.oracle:
            result.detail = Text.of(
                "oracle ended with {}: {}", "oracle 以 {} 结束：{}", code, words.strip()[-300:]
            )
    refused = (
        Text(", but the oracle says no", "，但 oracle 认为不对")
        if result.oracle is False
        else Text("", "")
    )
    tell(
        Text.of(
            "outcome: {}{}", "结果：{}{}", Text(result.outcome, WORDS[result.outcome].zh), refused
        )
    )


def run_all(
    faults: List[Fault],
    real: bool,
    host: Host,
    say: Say,
    keep: bool = False,
    base: Optional[Path] = None,
    watch: Optional[List[str]] = None,
) -> List[Result]:
    """Every fault, one after another. A fault whose drill broke down is a failed one; the others go
    on.
    """
    results: List[Result] = []
    swept = sandbox.sweep()
    if swept:
        say(
            0.0,
            Text.of(
                "ended {} processes that an earlier drill left behind when it was killed",
                "结束了先前演练被强杀时遗留的 {} 个进程",
                swept,
            ),
        )
    for fault in faults:
        say(
            -1.0,
            Text.of(
                "{}/{}  {}: {}",
                "{}/{}  {}:{}",
                len(results) + 1,
                len(faults),
                fault.id,
                fault.title,
            ),
        )
        try:
            results.append(run(fault, real, host, say, keep, base, watch))
        except HealerError as error:
            say(0.0, Text.of("could not be run: {}", "无法演练：{}", error.text))
            results.append(Result(fault, detail=error.text))
    return results
