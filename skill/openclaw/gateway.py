"""The gateway as seen from outside: its endpoints, its process, the owner of its port. Reads only,
except end_gateway().
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple

from ..host import Host
from ..machine import children
from ..model import Text
from . import lock, logs
from .endpoint import SERVING, ask, body_of, serves
from .gateway_process import (
    Ended,
    ProcessInfo,
    active_runs,
    doctor_running,
    end_process,
    info_of,
    is_ours,
    listens,
    lock_holder,
    look_at,
    port_owner,
)
from .home import Home
from .ledger import Ledger
from .processes import is_main, state_dir

if TYPE_CHECKING:
    from ..platforms.base import Platform

__all__ = [  # with what holder.py knows of the process: callers need one door
    "Ended",
    "Observation",
    "ProcessInfo",
    "active_runs",
    "ask",
    "body_of",
    "clock_stamp",
    "doctor_running",
    "end_gateway",
    "info_of",
    "is_ours",
    "listens",
    "lock_holder",
    "look_at",
    "meaning",
    "meanings",
    "observe",
    "port_owner",
    "serves",
    "service_of",
    "wait_ready",
]
READY_IN_A_ROW = 3
STARTS_IN_VAIN = 2  # automatic restarts during one wait after which the start has failed
REFUSED = 78  # exit code of a refusal to start


@dataclass(frozen=True)
class Observation:
    """One look. Fields that were not looked at keep their defaults.

    answer: "ready" | "not-ready" | "live" | "foreign" (answers, not OpenClaw) | "silent" (accepts,
    no answer) | "refused" | "unreachable". owner: who listens on the port, when that was looked up.
    holder: who holds our state directory's lock.
    """

    at: float
    mono: float
    answer: str
    failing: Tuple[str, ...] = ()
    suppressed: Tuple[str, ...] = ()
    startup: str = ""  # started | starting | draining
    event_loop_degraded: bool = False
    seconds: float = 0.0
    process: Optional[ProcessInfo] = None
    owner: Optional[ProcessInfo] = None
    owner_known: bool = False
    holder_pid: Optional[int] = None
    service: Any = None  # platforms.ServiceState
    updating: bool = False
    doctor_running: bool = False
    log_says_staying_alive: bool = False
    shutdown_stuck: bool = (
        False  # it was told to end, and has neither ended nor said a word for SILENT_S
    )
    # it said that it is ready, nobody told it to end or restart since, and its port is closed
    port_lost: bool = False
    # the start was refused (exit 78) for a lock or port that another OpenClaw held; looked up while
    # nobody runs
    was_held: bool = False
    # a process that ended with code 0 had not said that it would; looked up when one is gone or
    # replaced. None: nobody knows the code either, and it left no line.
    sudden: Optional[bool] = False
    silent_s: Optional[float] = (
        None  # since the last line of this very process; looked up while it does not answer
    )
    # CPU seconds and bytes read and written by this process and its children; looked up while it
    # does not answer
    cpu_s: Optional[float] = None
    moved: Optional[float] = None
    # (port, scheme) where it really answers, when that is not what config and environment say
    endpoint: Optional[Tuple[int, str]] = None


def end_gateway(
    host: Host,
    home: Home,
    target: ProcessInfo,
    grace_s: float,
    *,
    who: str,
    why: str = "",
    incident: str = "",
    keepalive: Any = None,
) -> Ended:
    """End the gateway's process, the same way in every level: one last probe before each signal, on
    disk before each signal, and at most two hard kills in five minutes.
    """
    ledger = Ledger(host, home)

    def note(act: str) -> bool:
        if act == "kill" and not ledger.may_kill():
            return False
        ledger.note(act, who=who, why=why, incident=incident, pid=target.pid)
        return True

    return end_process(
        host,
        target,
        grace_s,
        keepalive,
        probe=lambda: serves(host, home),
        ours=lambda row: is_ours(host, home, row),
        note=note,
    )


def kind_of(failing: str) -> str:
    """What a name in failing[] speaks of: "agent-database", "plugin-reload", "starting",
    "draining", or "channel".
    """
    if failing == "startup-sidecars":
        return "starting"
    if failing == "gateway-draining":
        return "draining"
    name = failing.partition(":")[0]
    return name if name in ("agent-database", "plugin-reload") else "channel"


def meaning(failing: str) -> Text:
    """What a name in failing[] says is not ready, for a person."""
    kind, name = kind_of(failing), failing.partition(":")[2]
    if kind == "starting":
        return Text("its helper programs are still starting", "辅助程序还在启动")
    if kind == "draining":
        return Text("it finishes its work before a restart", "正在重启前完成手头的任务")
    if kind == "agent-database":
        return Text.of(
            "the database of agent {} is refused", "智能体 {} 的数据库被拒绝打开", name or "?"
        )
    if kind == "plugin-reload":
        return Text("a plugin reload has not ended", "插件重新加载尚未结束")
    return Text.of("channel {}", "频道 {}", failing)


def meanings(failing: Sequence[str]) -> Text:
    """Every name of failing[] with its meaning, in one line."""
    found = [meaning(name) for name in failing]
    return Text(", ".join(one.en for one in found), "、".join(one.zh for one in found))


def observe(
    host: Host,
    home: Home,
    timeout: float = 5.0,
    platform: Optional[Platform] = None,
    known: Optional[Observation] = None,
) -> Observation:
    """Look once. Healthy and known: one request and one glance at the process. Anything else: the
    whole picture.
    """
    found = ask(host, home, timeout)
    holder = lock_holder(host, home)
    base: Dict[str, Any] = {
        "at": host.now(),
        "mono": host.monotonic(),
        "holder_pid": holder.pid if holder else None,
    }
    same = (
        known
        and known.process
        and holder
        and (known.process.pid, known.process.started) == (holder.pid, holder.started)
    )
    # who answered then: ours may live beside another one that answers on its port
    owner = known.owner if known else None
    if found["answer"] == "ready" and same and holder and owner and owner.pid == holder.pid:
        return Observation(process=holder, owner=holder, owner_known=True, **base, **found)
    here = replace(home, port=found["endpoint"][0]) if "endpoint" in found else home
    process, could, owner = holder, False, None
    if found["answer"] not in ("refused", "unreachable"):
        if holder and listens(host, holder.pid, here.port):
            could, owner = True, holder
        else:
            could, owner = port_owner(host, here.port)
    service = service_of(platform)
    if process is None:
        process = _unlocked(host, home, service, known, owner)
    if process and owner and owner.pid != process.pid and _below(host, process.pid, owner.pid):
        process = owner  # up to 2026.4 a launcher starts the gateway as its child
    cpu_s = moved = None
    draining = found.get("startup") == "draining"
    if process and (found["answer"] not in SERVING or draining):
        cpu_s, moved = _work_of(host, process.pid)
    staying = stuck = lost = False
    silent: Optional[float] = None
    if process and (found["answer"] in ("refused", "silent") or draining):
        said = _newest_log(host, home)
        staying = found["answer"] == "refused" and logs.stays_alive(said, process.started)
        silent = logs.silence(said, host.now(), process.started)
        stuck = logs.shutdown_stuck(said, host.now(), process.started)
        lost = found["answer"] == "refused" and logs.port_lost(said, process.started)
    held = False
    if (
        process is None
        and found["answer"] == "refused"
        and getattr(service, "exit_code", None) == REFUSED
    ):
        same_refusal = known and known.process is None and known.service == service
        held = known.was_held if known and same_refusal else logs.was_held(_newest_log(host, home))
    gone = (
        known is not None
        and known.process is not None
        and (process is None or process.pid != known.process.pid)
    )
    return Observation(
        process=process,
        owner=owner,
        owner_known=could,
        was_held=held,
        sudden=_sudden(host, home, service, process is None) if gone else False,
        service=service,
        updating=_updating(host, home),
        doctor_running=process is None and doctor_running(host, home),
        log_says_staying_alive=staying,
        shutdown_stuck=stuck,
        port_lost=lost,
        silent_s=silent,
        cpu_s=cpu_s,
        moved=moved,
        **base,
        **found,
    )


def _sudden(host: Host, home: Home, service: Any, nobody: bool) -> Optional[bool]:
    """Whether a process that is gone had not said that it would go: asked where its exit code does
    not tell. Where a new one runs already, the newest boot's lines are not those of the old one.
    """
    if getattr(service, "exit_code", None) == 0:
        return logs.went_suddenly(_newest_log(host, home))
    if not getattr(service, "blind", False):
        return False
    said = _newest_log(host, home) if nobody else ""
    return logs.went_suddenly(said) if said.strip() else None


def _unlocked(
    host: Host,
    home: Home,
    service: Any,
    known: Optional[Observation],
    owner: Optional[ProcessInfo],
) -> Optional[ProcessInfo]:
    """The gateway's process where no lock names it: the service's main process, the one of the last
    look, or the listener, where it is OpenClaw and not of another state directory.
    """
    kept = (
        getattr(service, "main_pid", None),
        known.process.pid if known and known.process else None,
    )
    for pid in kept:
        row = host.process(pid) if pid else None
        if row is not None and is_main(row) and row.pid != os.getpid():
            place = state_dir(row)
            if place is None or lock.same_place(place, home.state_dir):
                return info_of(row)
    row = host.process(owner.pid) if owner else None
    if row is None or not is_main(row):
        return None
    place = state_dir(row)
    if place is not None:
        return info_of(row) if lock.same_place(place, home.state_dir) else None
    # it does not say: a stranger only when it is provably not ours
    me = host.process(os.getpid())
    stranger = me is not None and row.user and row.user != me.user
    return None if stranger or lock.files(host, home) else info_of(row)


def _work_of(host: Host, pid: int) -> Tuple[Optional[float], Optional[float]]:
    """CPU seconds and bytes moved by this process and its children."""
    used = [host.usage(each) for each in [pid] + [r.pid for r in children(pid, host.processes())]]
    cpu = [each["cpu_s"] for each in used if "cpu_s" in each]
    # what the disk's cache served counts as well, where the system counts it
    moved = [each.get("moved_mb", each.get("io_mb")) for each in used]
    known = [value * 1e6 for value in moved if value is not None]
    return (sum(cpu) if cpu else None), (sum(known) if known else None)


def _below(host: Host, pid: int, child: int) -> bool:
    row = host.process(child)
    return row is not None and row.ppid == pid and is_main(row)


def service_of(platform: Optional[Platform]) -> Any:
    try:
        return platform.service_state() if platform else None
    except (
        Exception
    ):  # the manager may be gone; that is a fact for the checks, not a reason to stop looking
        return None


def _updating(host: Host, home: Home) -> bool:
    try:
        from .install import updating

        return bool(updating(host, home))
    except Exception:
        return False


def _newest_log(host: Host, home: Home) -> str:
    """The newest boot's lines of this gateway; "" where they cannot be read."""
    try:
        from .logs import newest_boot

        return newest_boot(host, home)
    except Exception:
        return ""


def wait_ready(
    host: Host,
    home: Home,
    budget_s: float,
    platform: Optional[Platform] = None,
    progress: Any = None,
) -> bool:
    """True once /readyz says ready three times in a row, one second apart, from the process that
    holds our state.

    False after `budget_s` seconds, or at once when the start clearly failed: no process for 15 s
    and the service manager is not bringing one, the gateway exited with 78, or the manager had to
    start it twice more.
    """
    began, streak, gone_since = host.monotonic(), 0, None
    starts = getattr(service_of(platform), "restarts", 0)
    while host.monotonic() - began < budget_s:
        seen = ask(host, home, 5.0)
        holder = lock_holder(host, home)
        ours = holder is not None or not lock.files(host, home)
        streak = streak + 1 if seen["answer"] in ("ready", "live") and ours else 0
        if streak >= READY_IN_A_ROW:
            return True
        if progress:
            progress(seen["answer"])
        if holder is None and seen["answer"] == "refused":
            gone_since = gone_since if gone_since is not None else host.monotonic()
            if host.monotonic() - gone_since > 3:
                state = service_of(platform)
                active = getattr(state, "active", "unknown")
                if active in ("failed", "inactive") or (
                    active == "unknown" and host.monotonic() - gone_since > 15
                ):
                    return False
            if getattr(service_of(platform), "restarts", 0) - starts > STARTS_IN_VAIN:
                return False
        else:
            gone_since = None
        host.sleep(1.0)
    return False


def clock_stamp(now: float) -> str:
    """Local time with offset, as every log line and record writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(now))
