"""What the gateway is doing, judged from what was observed. Pure: one observation and what was
remembered give a verdict.

No single signal decides. A slow, starting, draining, updating or stopped gateway is never called
down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Tuple

from ..model import State, Text, Verdict
from .gateway import REFUSED, Observation, meanings
from .judge_memory import (
    Limits,
    Memory,
    age,
    jump,
    may_start,
    ours,
    patience,
    remember,
    rests,
    unclean,
)

__all__ = ["Limits", "Memory", "judge", "jump"]

# Longest drain of a stopping 2026.9.6 gateway: its own "shutdown budget", 325 s, and exit margin.
DRAIN_BUDGET = 340.0
DRAIN_SEEN = 10.0  # s that it must have been seen draining before its log alone can say it hangs
# s: a restart of its own that its log does not mention yet would have closed the port by then
PORT_LOST = 15.0
SETTLE = 5.0  # s: a service manager that still counts a process as running that is gone
MUTE = 30.0  # s: one that does not answer (a call that timed out)
# s: a package manager or a doctor that is still at work by then is not believed any more
UPDATE_BUDGET = 900.0
# s that a service manager may be "starting" without a process: a keeper waits 60 s for a port
START_WITHOUT_PROCESS = 120.0
NOT_STARTABLE = (126, 127, 203)  # exit codes that say that the program itself is missing
JUMPS = 5  # looks in a row with a jumping clock after which no more heed is paid to it


def judge(seen: Observation, memory: Memory, limits: Limits) -> Tuple[Verdict, Memory]:
    """Given one look and the memory of earlier ones, return the verdict and the new memory."""
    slept = jump(memory, seen)
    after = remember(seen, memory)
    state, reason, code = _state(seen, after, limits)
    quiet = (State.HUNG, State.ZOMBIE, State.DOWN, State.UNKNOWN)
    if slept and state in quiet and after.jumps <= JUMPS:
        after = replace(after, failures=0, first_failure=None, closed_since=None)
        state = State.SUSPENDED
        reason = Text(
            "the clock moved by {:.0f} s: the host slept or its clock was set".format(slept),
            "时钟跳动了 {:.0f} 秒：主机休眠过或时钟被修改".format(slept),
        )
    pid = seen.process.pid if seen.process else None
    return Verdict(
        state, reason, pid, code, seen.failing or seen.suppressed, unclean(seen, memory)
    ), after


def _state(seen: Observation, memory: Memory, limits: Limits) -> Tuple[State, Text, Optional[int]]:
    confirmed = memory.failures >= limits.failures_before_action
    if seen.answer in ("ready", "not-ready", "live"):
        if ours(seen):
            return _answering(seen, memory) + (None,)
        pid = seen.owner.pid if seen.owner else 0
        return _stranger(
            confirmed,
            Text(
                "another gateway (pid {}) answers on our port".format(pid),
                "另一个网关（进程 {}）占用了我们的端口".format(pid),
            ),
        )
    if seen.updating and _believed(seen, memory):
        return (
            State.UPDATING,
            Text(
                "a package manager is writing OpenClaw's files", "包管理器正在写入 OpenClaw 的文件"
            ),
            None,
        )
    if seen.answer == "foreign":
        who = "{} (pid {})".format(seen.owner.command[:80], seen.owner.pid) if seen.owner else "?"
        return _stranger(
            confirmed,
            Text(
                "another program answers on our port: " + who, "另一个程序占用了我们的端口：" + who
            ),
        )
    if seen.answer == "unreachable":
        return (
            State.UNKNOWN,
            Text("this machine's own network did not answer the probe", "本机网络没有响应探测"),
            None,
        )
    if seen.process:
        return _alive(seen, memory, limits, confirmed) + (None,)
    return _absent(seen, memory, confirmed)


def _stranger(confirmed: bool, reason: Text) -> Tuple[State, Text, Optional[int]]:
    """Somebody else holds our port: said when it was seen several times, as everything is."""
    if confirmed:
        return State.IMPOSTOR, reason, None
    again = Text(
        "something that is not our gateway responded; checking again",
        "端口上的响应不是来自我们的网关，正在复查",
    )
    return State.UNKNOWN, again, None


def _believed(seen: Observation, memory: Memory) -> bool:
    """Whether an update, or OpenClaw's doctor, may still be what keeps the gateway down."""
    since = memory.updating_since
    return since is not None and seen.mono - since < UPDATE_BUDGET


def _answering(seen: Observation, memory: Memory) -> Tuple[State, Text]:
    drains = seen.mono - (memory.drain_since if memory.drain_since is not None else seen.mono)
    stuck = seen.shutdown_stuck and drains >= DRAIN_SEEN and rests(seen, memory)
    if seen.startup == "draining" and stuck:
        return State.HUNG, Text(
            "it hangs while shutting down: nothing logged for over a minute",
            "关闭过程卡住：一分多钟没有任何日志",
        )
    if seen.startup == "draining":
        return State.DRAINING, Text(
            "the gateway is draining or suspended", "网关正在优雅退出（等待任务完成），或已暂停"
        )
    if seen.answer == "not-ready":
        names = ", ".join(seen.failing) or "?"
        if seen.startup == "starting" or "startup-sidecars" in seen.failing:
            return State.STARTING, Text("starting, waiting for " + names, "正在启动，等待 " + names)
        return State.DEGRADED, Text.of(
            "alive, but not ready: {}",
            "存活但未就绪：{}",
            meanings(seen.failing) if seen.failing else names,
        )
    if seen.suppressed:
        names = ", ".join(seen.suppressed)
        return State.SAFE_MODE, Text(
            "OpenClaw's crash-loop breaker is on: {} not running".format(names),
            "OpenClaw 的崩溃循环保护已触发：{} 未运行".format(names),
        )
    return State.HEALTHY, Text("ready", "就绪")


def _alive(
    seen: Observation, memory: Memory, limits: Limits, confirmed: bool
) -> Tuple[State, Text]:
    assert seen.process is not None
    pid = seen.process.pid
    if getattr(seen.service, "active", "") == "deactivating":
        # Somebody has the manager stop it, with a time limit of its own.
        return State.DRAINING, Text(
            "its service manager is stopping process {}".format(pid),
            "服务管理器正在停止进程 {}".format(pid),
        )
    if seen.process.status == "T" and confirmed:
        return State.HUNG, Text(
            "process {} is stopped (SIGSTOP) and does not respond".format(pid),
            "进程 {} 已被暂停（SIGSTOP），没有响应".format(pid),
        )
    if seen.answer == "silent":
        return _deaf(seen, memory, limits, confirmed)
    closed = seen.mono - (memory.closed_since if memory.closed_since is not None else seen.mono)
    # else it may just be a start, whatever a log says; one that works is never cut short by a log
    idle = confirmed and rests(seen, memory)
    served = memory.ready_pid == pid or memory.drain_since is not None
    if seen.log_says_staying_alive and idle:
        return State.ZOMBIE, Text(
            "process {} is alive but not listening: its restart failed".format(pid),
            "进程 {} 存活，但未监听端口：重启失败".format(pid),
        )
    if seen.port_lost and served and idle and closed >= PORT_LOST:
        return State.ZOMBIE, Text(
            "process {} was ready and lost its port".format(pid),
            "进程 {} 曾就绪，现已失去端口".format(pid),
        )
    if seen.shutdown_stuck and served and idle:
        return State.ZOMBIE, Text(
            "process {} hung while shutting down".format(pid), "进程 {} 卡在关闭过程中".format(pid)
        )
    if memory.drain_since is not None and seen.mono - memory.drain_since < DRAIN_BUDGET:
        return State.DRAINING, Text(
            "the port is closed, the gateway is finishing its work",
            "端口已关闭，网关正在完成收尾工作",
        )
    waited = min(age(seen, memory), closed)
    if may_start(seen, memory, limits, waited):
        return State.STARTING, Text(
            "process {} has been up for {:.0f} s; its port is not open yet".format(pid, waited),
            "进程 {} 已运行 {:.0f} 秒，端口尚未打开".format(pid, waited),
        )
    return State.ZOMBIE, Text(
        "process {} is alive, its port closed for {:.0f} s".format(pid, closed),
        "进程 {} 存活，端口已关闭 {:.0f} 秒".format(pid, closed),
    )


def _deaf(seen: Observation, memory: Memory, limits: Limits, confirmed: bool) -> Tuple[State, Text]:
    """It accepts connections and says nothing: a start, a busy event loop, or a hang."""
    assert seen.process is not None
    pid, waited = seen.process.pid, age(seen, memory)
    if seen.owner and seen.owner.pid != pid and seen.holder_pid != seen.owner.pid and confirmed:
        return State.IMPOSTOR, Text(
            "another program (pid {}) holds our port and is silent".format(seen.owner.pid),
            "另一个程序（进程 {}）占着我们的端口但没有响应".format(seen.owner.pid),
        )
    if memory.ready_pid != pid and may_start(seen, memory, limits, waited):
        return State.STARTING, Text(
            "has been starting for {:.0f} s: its port is open, no response yet".format(waited),
            "已启动 {:.0f} 秒，端口已开，尚无响应".format(waited),
        )
    if not confirmed:
        return State.UNKNOWN, Text("no response; checking again", "没有响应，正在复查")
    since = memory.first_failure
    stalled = seen.mono - since if since is not None else 0.0
    if stalled < patience(seen, memory):
        return State.UNKNOWN, Text(
            "process {} is busy and has not responded for {:.0f} s; "
            "such stalls end by themselves".format(pid, stalled),
            "进程 {} 正忙，已 {:.0f} 秒没有响应；这种停顿通常会自行结束".format(pid, stalled),
        )
    return State.HUNG, Text(
        "process {} accepts connections but does not respond".format(pid),
        "进程 {} 可以连接，但没有响应".format(pid),
    )


def _absent(
    seen: Observation, memory: Memory, confirmed: bool
) -> Tuple[State, Text, Optional[int]]:
    service = seen.service
    code = getattr(service, "exit_code", None)
    active = getattr(service, "active", "unknown")
    if seen.answer == "silent":
        if not confirmed:
            return State.UNKNOWN, Text("no response; checking again", "没有响应，正在复查"), code
        return (
            State.IMPOSTOR,
            Text(
                "a program that is not our gateway holds our port and is silent",
                "一个不是我们网关的程序占着端口但没有响应",
            ),
            code,
        )
    if seen.doctor_running and _believed(seen, memory):
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
                "stopped on purpose; it will not be restarted automatically",
                "已被手动停止，不会自动启动",
            ),
            code,
        )
    if active in ("activating", "deactivating") and not _never_comes(seen, memory, confirmed):
        return (
            State.STARTING,
            Text("the service manager is starting it", "服务管理器正在启动它"),
            code,
        )
    if code == REFUSED and active in ("failed", "inactive") and seen.was_held:
        if not confirmed:
            return (
                State.UNKNOWN,
                Text("another one held the lock; checking again", "锁此前被占用，正在复查"),
                code,
            )
        return (
            State.DOWN,
            Text(
                "the start was refused because another OpenClaw held the lock; it has exited",
                "另一个 OpenClaw 占用了锁，导致启动被拒；该进程现已退出",
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
        return State.UNKNOWN, Text("no process; checking again", "没有进程，正在复查"), code
    said = "" if code is None else ", exit code {}".format(code)
    return (
        State.DOWN,
        Text(
            "no gateway process, port closed" + said,
            "没有网关进程，端口已关闭" + ("" if code is None else "，退出码 {}".format(code)),
        ),
        code,
    )


def _never_comes(seen: Observation, memory: Memory, confirmed: bool) -> bool:
    """Whether a service manager that says "starting" brings no process: there is no program to
    start, or it has waited too long for something.
    """
    if getattr(seen.service, "exit_code", None) in NOT_STARTABLE and confirmed:
        return True
    since = memory.absent_since
    return since is not None and seen.mono - since >= START_WITHOUT_PROCESS
