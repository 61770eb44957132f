"""What the gateway is doing, judged from what was observed. Pure: one observation and what was
remembered give a verdict.

No single signal decides. A slow, starting, draining, updating or stopped gateway is never called
down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from ..model import State, Text, Verdict
from .gateway import REFUSED, Observation

# Longest drain of a stopping 2026.9.6 gateway: its own "shutdown budget", 325 s, and exit margin.
DRAIN_BUDGET = 340.0
# s: a restart of its own that its log does not mention yet would have closed the port by then
PORT_LOST = 15.0
# s: a slow start waits (for a registry: 259 s, idle) or speaks every few seconds; an endless loop
# does neither.
BOOT_LOOP = 60.0
SETTLE = 5.0  # s: a service manager that still counts a process as running that is gone
MUTE = 30.0  # s: one that does not answer (a call that timed out)
JUMP = (
    30.0  # wall clock against monotonic clock, seconds: the host slept, or somebody set the clock
)


@dataclass(frozen=True)
class Memory:
    """What judging needs from earlier looks. Times are monotonic seconds of this boot.

    failures: probes in a row that were not answered as they should be. closed_since: alive process,
    closed port, since.
    """

    failures: int = 0
    first_failure: Optional[float] = None
    closed_since: Optional[float] = None
    ready_pid: Optional[int] = None  # the process that was ready at least once
    last_ready: Optional[float] = None
    pid: Optional[int] = None
    pid_seen: Optional[float] = None  # when this pid was first seen
    at: Optional[float] = None
    mono: Optional[float] = None
    drain_since: Optional[float] = None
    busy_since: Optional[float] = (
        None  # runnable at every look since, as a process in an endless loop is
    )
    starts: int = 0  # the service manager's own count of automatic restarts
    ended: Optional[int] = (
        None  # exit code of the process that has just gone, where the manager was made to forget it
    )


@dataclass(frozen=True)
class Limits:
    failures_before_action: int = 3
    start_budget: float = 300.0


def jump(memory: Memory, seen: Observation) -> float:
    """Seconds by which the wall clock moved more than time passed; 0.0 for anything below JUMP."""
    if memory.at is None or memory.mono is None:
        return 0.0
    moved = (seen.at - memory.at) - (seen.mono - memory.mono)
    return moved if abs(moved) > JUMP else 0.0


def judge(seen: Observation, memory: Memory, limits: Limits) -> Tuple[Verdict, Memory]:
    """Given one look and the memory of earlier ones, answer the verdict and the new memory."""
    slept = jump(memory, seen)
    after = _remember(seen, memory)
    state, reason, code = _state(seen, after, limits)
    if slept and state in (State.HUNG, State.ZOMBIE, State.DOWN, State.UNKNOWN):
        after = replace(after, failures=0, first_failure=None, closed_since=None)
        state = State.SUSPENDED
        reason = Text(
            "the clock moved by {:.0f} s: the host slept or its clock was set".format(slept),
            "时钟跳动了 {:.0f} 秒：主机休眠过或时钟被修改".format(slept),
        )
    pid = seen.process.pid if seen.process else None
    return Verdict(
        state, reason, pid, code, seen.failing or seen.suppressed, _unclean(seen, memory)
    ), after


def _unclean(seen: Observation, memory: Memory) -> bool:
    """Whether a process ended by itself since the last look. An exit code of 0 that was announced,
    or no automatic restart, is planned.
    """
    pid = seen.process.pid if seen.process else None
    code = getattr(seen.service, "exit_code", None)
    again = memory.mono is not None and getattr(seen.service, "restarts", 0) > memory.starts
    if memory.pid is None:
        # Lives too short to be seen: the service manager's own count gives them away.
        # "resources": systemd itself could not start it (an EnvironmentFile that is gone), so there
        # is no exit code.
        return again and (
            code not in (None, 0)
            or seen.sudden
            or getattr(seen.service, "result", "") == "resources"
        )
    if pid == memory.pid:
        return False
    if memory.ended is not None:
        code = memory.ended
    if code is not None:
        return bool(code != 0 or seen.sudden)
    return seen.service is None or again


def _remember(seen: Observation, memory: Memory) -> Memory:
    pid = seen.process.pid if seen.process else None
    answered = seen.answer in ("ready", "not-ready", "live") and _ours(seen)
    running = seen.process is not None and seen.process.status == "R"
    closed = bool(pid) and seen.answer == "refused"
    draining = seen.startup == "draining"
    return Memory(
        failures=0 if answered else memory.failures + 1,
        first_failure=None
        if answered
        else (memory.first_failure if memory.first_failure is not None else seen.mono),
        closed_since=(
            memory.closed_since
            if memory.closed_since is not None and memory.pid == pid
            else seen.mono
        )
        if closed
        else None,
        ready_pid=pid if seen.answer in ("ready", "live") and _ours(seen) else memory.ready_pid,
        last_ready=seen.mono
        if seen.answer in ("ready", "live") and _ours(seen)
        else memory.last_ready,
        pid=pid,
        pid_seen=memory.pid_seen
        if memory.pid == pid and memory.pid_seen is not None
        else seen.mono,
        at=seen.at,
        mono=seen.mono,
        busy_since=(
            memory.busy_since if memory.busy_since is not None and memory.pid == pid else seen.mono
        )
        if running
        else None,
        starts=getattr(seen.service, "restarts", memory.starts) if seen.service else memory.starts,
        drain_since=(memory.drain_since if memory.drain_since is not None else seen.mono)
        if draining
        else (memory.drain_since if pid == memory.pid and closed else None),
    )


def _ours(seen: Observation) -> bool:
    """Whether the process that answers is the one that holds our state directory. Unknown counts as
    ours: it never acts.
    """
    if seen.owner and seen.holder_pid:
        return seen.owner.pid == seen.holder_pid
    if seen.owner and not seen.holder_pid and seen.process:
        return seen.owner.pid == seen.process.pid
    if seen.owner and not seen.process:
        return False
    return True


def _age(seen: Observation, memory: Memory) -> float:
    """Seconds this process has been seen alive; by its own start time where that is older (we may
    be new here).
    """
    by_sight = seen.mono - (memory.pid_seen if memory.pid_seen is not None else seen.mono)
    by_birth = seen.at - seen.process.started if seen.process and seen.process.started else 0.0
    return max(by_sight, by_birth) if 0 <= by_birth < 10 * 86400 else by_sight


def _state(seen: Observation, memory: Memory, limits: Limits) -> Tuple[State, Text, Optional[int]]:
    answers = seen.answer in ("ready", "not-ready", "live")
    if answers and not _ours(seen):
        pid = seen.owner.pid if seen.owner else 0
        return (
            State.IMPOSTOR,
            Text(
                "another gateway (pid {}) answers on our port".format(pid),
                "另一个网关（进程 {}）占用了我们的端口".format(pid),
            ),
            None,
        )
    if answers:
        return _answering(seen, memory) + (None,)
    confirmed = memory.failures >= limits.failures_before_action
    if seen.updating:
        return (
            State.UPDATING,
            Text(
                "a package manager is writing OpenClaw's files", "包管理器正在写入 OpenClaw 的文件"
            ),
            None,
        )
    if seen.answer == "foreign":
        if not confirmed:
            return (
                State.UNKNOWN,
                Text(
                    "something that is not OpenClaw answered; looking again",
                    "端口上有非 OpenClaw 的回答，再看一次",
                ),
                None,
            )
        who = "{} (pid {})".format(seen.owner.command[:80], seen.owner.pid) if seen.owner else "?"
        return (
            State.IMPOSTOR,
            Text(
                "another program answers on our port: " + who, "另一个程序占用了我们的端口：" + who
            ),
            None,
        )
    if seen.answer == "unreachable":
        return (
            State.UNKNOWN,
            Text("this machine's own network did not answer the probe", "本机网络没有回应探测"),
            None,
        )
    if seen.process:
        return _alive(seen, memory, limits, confirmed) + (None,)
    return _absent(seen, memory, confirmed)


def _answering(seen: Observation, memory: Memory) -> Tuple[State, Text]:
    if seen.startup == "draining" and seen.shutdown_stuck:
        return State.HUNG, Text(
            "its shutdown hangs: not a word for over a minute", "关闭过程卡住：一分多钟没有任何日志"
        )
    if seen.startup == "draining":
        return State.DRAINING, Text("the gateway is draining or suspended", "网关正在排空或已挂起")
    if seen.answer == "not-ready":
        names = ", ".join(seen.failing) or "?"
        if seen.startup == "starting" or "startup-sidecars" in seen.failing:
            return State.STARTING, Text("starting, waiting for " + names, "正在启动，等待 " + names)
        return State.DEGRADED, Text("alive, but not ready: " + names, "存活但未就绪：" + names)
    if seen.suppressed:
        names = ", ".join(seen.suppressed)
        return State.SAFE_MODE, Text(
            "OpenClaw's crash-loop breaker is on: {} do not run".format(names),
            "OpenClaw 的崩溃循环保护已触发：{} 未运行".format(names),
        )
    return State.HEALTHY, Text("ready", "就绪")


def _alive(
    seen: Observation, memory: Memory, limits: Limits, confirmed: bool
) -> Tuple[State, Text]:
    assert seen.process is not None
    pid, age = seen.process.pid, _age(seen, memory)
    if seen.process.status == "T" and confirmed:
        return State.HUNG, Text(
            "process {} is stopped (SIGSTOP) and does not answer".format(pid),
            "进程 {} 已被暂停（SIGSTOP），没有回应".format(pid),
        )
    busy = seen.mono - memory.busy_since if memory.busy_since is not None else 0.0
    if min(busy, age, seen.silent_s or 0.0) >= BOOT_LOOP and confirmed:
        return State.HUNG, Text(
            "process {} is busy and silent for {:.0f} s: no start looks like that".format(
                pid, busy
            ),
            "进程 {} 持续占用 CPU 且无日志已 {:.0f} 秒：正常启动不会这样".format(pid, busy),
        )
    if seen.answer == "silent":
        if seen.owner and seen.owner.pid != pid and seen.holder_pid != seen.owner.pid:
            return State.IMPOSTOR, Text(
                "another program (pid {}) holds our port and is silent".format(seen.owner.pid),
                "另一个程序（进程 {}）占着我们的端口且不回应".format(seen.owner.pid),
            )
        if memory.ready_pid != pid and age < limits.start_budget:
            return State.STARTING, Text(
                "starting for {:.0f} s, port open, no answer yet".format(age),
                "已启动 {:.0f} 秒，端口已开，尚无回应".format(age),
            )
        if not confirmed:
            return State.UNKNOWN, Text("no answer; looking again", "没有回应，再看一次")
        return State.HUNG, Text(
            "process {} accepts connections and answers nothing".format(pid),
            "进程 {} 接受连接但不回应".format(pid),
        )
    closed = seen.mono - (memory.closed_since if memory.closed_since is not None else seen.mono)
    if seen.log_says_staying_alive and confirmed:
        return State.ZOMBIE, Text(
            "process {} is alive without a port: its restart failed".format(pid),
            "进程 {} 活着但没有端口：重启失败".format(pid),
        )
    if seen.port_lost and confirmed and closed >= PORT_LOST:
        return State.ZOMBIE, Text(
            "process {} was ready and lost its port".format(pid),
            "进程 {} 曾就绪，现已失去端口".format(pid),
        )
    if seen.shutdown_stuck and confirmed:
        return State.ZOMBIE, Text(
            "process {} hangs in its shutdown".format(pid), "进程 {} 卡在关闭过程中".format(pid)
        )
    if memory.drain_since is not None and seen.mono - memory.drain_since < DRAIN_BUDGET:
        return State.DRAINING, Text(
            "the port is closed, the gateway is finishing its work",
            "端口已关闭，网关正在完成收尾工作",
        )
    if min(age, closed) < limits.start_budget or (
        seen.log_age is not None and seen.log_age < 30 and closed < 4 * limits.start_budget
    ):
        return State.STARTING, Text(
            "process {} is up for {:.0f} s, its port is not open yet".format(pid, min(age, closed)),
            "进程 {} 已运行 {:.0f} 秒，端口尚未打开".format(pid, min(age, closed)),
        )
    return State.ZOMBIE, Text(
        "process {} is alive, its port closed for {:.0f} s".format(pid, closed),
        "进程 {} 活着，端口已关闭 {:.0f} 秒".format(pid, closed),
    )


def _absent(
    seen: Observation, memory: Memory, confirmed: bool
) -> Tuple[State, Text, Optional[int]]:
    service = seen.service
    code = getattr(service, "exit_code", None)
    active = getattr(service, "active", "unknown")
    if seen.answer == "silent":
        if not confirmed:
            return State.UNKNOWN, Text("no answer; looking again", "没有回应，再看一次"), code
        return (
            State.IMPOSTOR,
            Text(
                "a program that is not our gateway holds our port and is silent",
                "一个不是我们网关的程序占着端口且不回应",
            ),
            code,
        )
    if seen.doctor_running:
        return (
            State.UPDATING,
            Text(
                "OpenClaw's own doctor is at work and holds the lock",
                "OpenClaw 自带的 doctor 正在运行并持有锁",
            ),
            code,
        )
    if getattr(service, "stopped_by_operator", None) is True:
        return (
            State.STOPPED,
            Text(
                "stopped by its operator; not started against their will",
                "由操作者停止，不会违背其意愿启动",
            ),
            code,
        )
    if active in ("activating", "deactivating"):
        return (
            State.STARTING,
            Text("the service manager is starting it", "服务管理器正在启动它"),
            code,
        )
    if code == REFUSED and active in ("failed", "inactive") and seen.was_held:
        if not confirmed:
            return (
                State.UNKNOWN,
                Text("another one held the lock; looking again", "锁曾被占用，再看一次"),
                code,
            )
        return (
            State.DOWN,
            Text(
                "the start was refused because another OpenClaw held its lock; that one is gone",
                "启动曾因锁被另一个 OpenClaw 占用而被拒；对方已退出",
            ),
            code,
        )
    if code == REFUSED and active in ("failed", "inactive"):
        return (
            State.MISCONFIGURED,
            Text("the gateway refused to start (exit 78)", "网关拒绝启动（退出码 78）"),
            code,
        )
    # It may have exited this very moment, with 78: the manager's word decides, and on a busy
    # machine that comes later.
    gone = seen.mono - (memory.pid_seen if memory.pid_seen is not None else seen.mono)
    unsettled = seen.service is not None and gone < {"active": SETTLE, "unknown": MUTE}.get(
        active, 0.0
    )
    if not confirmed or unsettled:
        return State.UNKNOWN, Text("no process; looking again", "没有进程，再看一次"), code
    said = "" if code is None else ", exit code {}".format(code)
    return (
        State.DOWN,
        Text(
            "no gateway process, port closed" + said,
            "没有网关进程，端口已关闭" + ("" if code is None else "，退出码 {}".format(code)),
        ),
        code,
    )
