"""The gateway as seen from outside: its endpoints, its process, the owner of its port. Reads only;
holder.end_process() does not.

Facts (measured on 2026.9.6): `/` and unknown paths answer 200 HTML, so only JSON with the right
fields counts; /readyz 503 names failing[]; a tripped crash-loop breaker is /readyz 200 with
suppressed[].
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ..host import Host, Reply
from . import lastwords
from .gateway_process import (
    Ended,
    ProcessInfo,
    active_runs,
    doctor_running,
    end_process,
    is_gateway,
    is_practice,
    listens,
    lock_files,
    lock_holder,
    look_at,
    port_owner,
    read_lock,
    work_of,
)
from .home import Home
from .ledger import Ledger

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
    "is_gateway",
    "listens",
    "lock_files",
    "lock_holder",
    "look_at",
    "observe",
    "port_owner",
    "read_lock",
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
    # replaced
    sudden: bool = False
    silent_s: Optional[float] = (
        None  # since the last line of this very process; looked up while it does not answer
    )
    # CPU seconds and bytes read and written by this process and its children; looked up while it
    # does not answer
    cpu_s: Optional[float] = None
    moved: Optional[float] = None


def body_of(reply: Reply) -> Dict[str, Any]:
    """The JSON object of a reply; {} for anything else."""
    try:
        value = json.loads(reply.body.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def ask(host: Host, home: Home, timeout: float) -> Dict[str, Any]:
    """The endpoints, as fields of an Observation. One request when all is well, up to three
    otherwise.
    """
    reply = host.get(home.url("/readyz"), timeout)
    body = body_of(reply)
    if reply.error:
        answer = {"refused": "refused", "timeout": "silent", "reset": "silent"}.get(
            reply.error, "unreachable"
        )
        if reply.error == "garbled":
            answer = "foreign"
        return {"answer": answer, "seconds": reply.seconds}
    loop = body.get("eventLoop")
    found: Dict[str, Any] = {
        "seconds": reply.seconds,
        "event_loop_degraded": isinstance(loop, Mapping) and loop.get("degraded") is True,
        "failing": _names(body.get("failing")),
        "suppressed": _names(body.get("suppressed")),
    }
    if isinstance(body.get("ready"), bool):
        found["answer"] = "ready" if body["ready"] and reply.status == 200 else "not-ready"
        if found["answer"] == "ready":
            found["startup"] = "started"
            return found
    else:
        # Older gateways know no /readyz (404, or the 200 HTML of the control page): liveness is all
        # they offer.
        live = host.get(home.url("/healthz"), timeout)
        said = body_of(live)
        if live.status == 200 and said.get("ok") is True and said.get("status") == "live":
            found["answer"] = "live"
        elif live.error in ("timeout", "reset"):
            found["answer"] = "silent"
        elif live.error == "refused":
            found["answer"] = "refused"
        else:
            found["answer"] = "foreign"
        return found
    startup = body_of(host.get(home.url("/startupz"), timeout))
    found["startup"] = str(startup.get("status", ""))
    if "gateway-draining" in found["failing"]:
        found["startup"] = "draining"
    return found


LAST_PROBE = 1.0  # s: what the probe before a signal, a stop or a restart may take


def serves(host: Host, home: Home) -> bool:
    """Whether the gateway answers at this very moment and is not on its way out: the last question
    before each signal, stop and restart.
    """
    found = ask(host, home, LAST_PROBE)
    return found["answer"] in ("ready", "live", "not-ready") and found.get("startup") != "draining"


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
        host, target, grace_s, keepalive, probe=lambda: serves(host, home), note=note
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


def _names(value: Any) -> Tuple[str, ...]:
    return tuple(str(item)[:80] for item in value[:50]) if isinstance(value, list) else ()


def observe(
    host: Host,
    home: Home,
    timeout: float = 5.0,
    platform: Any = None,
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
    if found["answer"] == "ready" and same and known and known.owner_known:
        return Observation(process=holder, owner=holder, owner_known=True, **base, **found)
    process, owner, could = holder, None, False
    if found["answer"] not in ("refused", "unreachable"):
        if holder and listens(host, holder.pid, home.port):
            could, owner = True, holder
        else:
            could, owner = port_owner(host, home.port)
    service = service_of(platform)
    if process is None:
        for pid in (
            getattr(service, "main_pid", None),
            known.process.pid if known and known.process else None,
        ):
            candidate = look_at(host, pid) if pid else None
            if is_gateway(candidate) or (candidate and is_practice(candidate)):
                process = candidate
                break
    if process is None and owner and is_gateway(owner) and not read_lock(home):
        process = owner
    staying = stuck = lost = False
    silent: Optional[float] = None
    cpu_s: Optional[float] = None
    moved: Optional[float] = None
    if process and found["answer"] in ("refused", "silent"):
        cpu_s, moved = work_of(host, process.pid)
    if process and (found["answer"] in ("refused", "silent") or found.get("startup") == "draining"):
        said = _newest_log(host, home)
        own = lastwords.of_process(said, process.started)
        staying = found["answer"] == "refused" and any(
            "Process will stay alive" in row for row in own
        )
        silent = lastwords.silence(said, host.now(), process.started)
        stuck = lastwords.shutdown_stuck(said, host.now(), process.started)
        lost = found["answer"] == "refused" and lastwords.port_lost(said, process.started)
    held = False
    if (
        process is None
        and found["answer"] == "refused"
        and getattr(service, "exit_code", None) == REFUSED
    ):
        same_refusal = known and known.process is None and known.service == service
        held = (
            known.was_held
            if known and same_refusal
            else lastwords.was_held(_newest_log(host, home))
        )
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
        sudden=gone
        and getattr(service, "exit_code", None) == 0
        and lastwords.went_suddenly(_newest_log(host, home)),
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


def service_of(platform: Any) -> Any:
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
    host: Host, home: Home, budget_s: float, platform: Any = None, progress: Any = None
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
        ours = holder is not None or not read_lock(home)
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
