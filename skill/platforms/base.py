"""What a service manager is for us: its state, plans and methods, and whose account it serves."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple, TypeVar

from ..files import tail_bytes
from ..host import Host
from ..openclaw.home import Home
from ..openclaw.ledger import Ledger


@dataclass(frozen=True)
class ServiceState:
    """What the service manager knows.

    exists:  the service's definition is there (unit file, plist, task, keeper).
    active:  active | activating | deactivating | inactive | failed | unknown (systemd's words, used
    for all managers).
    sub, result: the manager's own finer words ("auto-restart", "start-limit-hit", "refused"), for
    logs and evidence.
    exit_code: of the last process; negative for a signal; None when unknown.
    stopped_by_operator: a person asked for it; None when that cannot be told (whose() asks on).
    blind: how a process ended cannot be asked; one that went before it served has failed.
    wait_s: seconds for which the manager may still wait by itself before it starts it.
    """

    exists: bool = False
    active: str = "unknown"
    sub: str = ""
    result: str = ""
    exit_code: Optional[int] = None
    main_pid: Optional[int] = None
    restarts: int = 0
    enabled: Optional[bool] = None
    stopped_by_operator: Optional[bool] = None
    path: str = ""
    detail: str = ""
    blind: bool = False
    wait_s: float = 0.0
    # monotonic seconds of this boot at which the manager noted that it is stopped; 0.0 unknown
    stopped_mono: float = 0.0


@dataclass(frozen=True)
class ServicePlan:
    """What installing a service would do: files to write, then programs to run. Shown by --dry-run,
    carried out by install.
    """

    files: Tuple[Tuple[str, bytes], ...] = ()
    commands: Tuple[Tuple[str, ...], ...] = ()


class Platform(Protocol):
    """One service manager in charge of one gateway. Every method may raise errors.ServiceError,
    with a hint, except service_state().
    """

    name: str
    actor: str  # who acts through it, for the ledger: "level 2", "level 3"

    def service_state(self) -> ServiceState: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def reset_failed(self) -> None: ...

    def reload(self) -> None:
        """Make the manager take up what is on disk (daemon-reload, bootstrap of a plist, a keeper
        that is gone).
        """

    def tend(self) -> bool:
        """Cheap and safe at any time, call it now and then: bring level 1 itself back (a keeper
        that was killed), keep a copy of the definition. True when something was done.
        """

    def hurry(self) -> Optional[ServiceState]:
        """Call when the gateway's process has just ended: cut short the manager's own wait. How it
        ended, None when nothing was done.
        """

    def install(self, dry_run: bool = False) -> ServicePlan:
        """Restore a lost service; never a second one beside it."""

    def command(self) -> List[str]:
        """argv of the gateway as the service starts it; [] when unknown."""

    def environment(self) -> Dict[str, str]:
        """The service's environment as far as its definition says."""

    def environment_override(
        self, set: Mapping[str, str], unset: Sequence[str]
    ) -> Tuple[Tuple[Any, ...], Tuple[str, ...]]:
        """(model steps, touched paths) that change the service's environment without editing
        OpenClaw's own files.

        The names LimitNOFILE and ExecStart[0] (the node program) are understood beside real
        variables; systemd and launchd also understand ExecStart[N], a word of the command line.
        """

    def uninstall(self, dry_run: bool = False) -> ServicePlan:
        """Remove what we added; the gateway and OpenClaw's own service stay."""

    def plan_service(self, kind: str) -> ServicePlan:
        """What install would do for "gateway" or "watchdog"."""

    def install_watchdog(self, dry_run: bool = False) -> ServicePlan: ...

    def uninstall_watchdog(self, dry_run: bool = False) -> ServicePlan: ...

    def watchdog_state(self) -> ServiceState: ...


def account_home(host: Host) -> Path:
    """The home of the account, whatever HOME says: OpenClaw ties native services to it."""
    if host.system == "win32":
        return host.home
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError):
        return host.home


def canonical(host: Host, home: Home) -> bool:
    """True when this state directory is the account's own for this profile."""
    wanted = account_home(host) / (".openclaw" + ("-" + home.profile if home.profile else ""))
    same = os.path.realpath(str(wanted)) == os.path.realpath(str(home.state_dir))
    return same and os.path.realpath(str(home.config_path)) == os.path.realpath(
        str(home.state_dir / "openclaw.json")
    )


Method = TypeVar("Method", bound=Callable[..., Any])


def noted(act: str) -> Callable[[Method], Method]:
    """Given a platform's start, stop or restart, keep it in the ledger: a stop before it is done,
    so that nobody takes it for the owner's; a start once it was asked for, which ends that.
    """

    def around(method: Method) -> Method:
        @functools.wraps(method)
        def inner(self: Any, *args: Any, **more: Any) -> Any:
            ledger = Ledger(self.host, self.home)
            if act == "stop":
                ledger.note(act, who=self.actor)
            result = method(self, *args, **more)
            if act != "stop":
                ledger.note(act, who=self.actor)
            return result

        return inner  # type: ignore[return-value]

    return around


def whose(host: Host, home: Home, state: ServiceState) -> ServiceState:
    """The state with the answer to whose stop it is.

    No stop by an operator is one of ours that still waits for its start, nor an old one: after it a
    gateway served, or was ended by us, which somebody had started by hand. Where the manager cannot
    tell, the gateway's own last words do.
    """
    unkept = not state.exists and state.active == "inactive"
    if state.stopped_by_operator is None and (unkept or _ended_cleanly(state)):
        began = host.now() - (host.monotonic() - state.stopped_mono)
        since = 0.0 if unkept else began - GRACE_AFTER_OURS
        stopped = left_by_signal(host, home, since) or _stays_stopped(host, home)
        return replace(state, stopped_by_operator=True) if stopped else state
    if state.stopped_by_operator is not True:
        return state
    ledger = Ledger(host, home)
    ours = ledger.owed_start()
    if ours is not None and not _asked_since(home, ours.at):
        said = "stopped by {}, not by a person".format(ours.who)
        return replace(state, stopped_by_operator=False, detail=said)
    later = ledger.since_stop(state.stopped_mono)
    if later is None or left_by_signal(host, home, later.at) or _stays_stopped(host, home):
        return state
    said = "a gateway was started by hand after the stop"
    # how the manager's own process ended says nothing of that one
    return replace(state, stopped_by_operator=False, detail=said, exit_code=None, result="")


def _stays_stopped(host: Host, home: Home) -> bool:
    """Whether an end by its owner that was seen once still counts: none that crashed came after."""
    from ..openclaw import lock

    return Ledger(host, home).seen_stopped() and not lock.left_lying(host, home)


def _asked_since(home: Home, at: float) -> bool:
    """Whether somebody ran `openclaw gateway stop` after this time: OpenClaw notes it."""
    from ..openclaw.logs import epoch_of_line

    raw = tail_bytes(home.logs_dir / "gateway-restart.log", 8192).decode("utf-8", "replace")
    stops = [line for line in raw.splitlines() if "action=stop" in line.split()]
    return bool(stops) and epoch_of_line(stops[-1]) > at + 1.0


GRACE_AFTER_OURS = 400.0  # s: longest drain of a gateway that a signal of ours ended


def _ended_cleanly(state: ServiceState) -> bool:
    known = state.active == "inactive" and state.stopped_mono > 0
    return known and state.exit_code in (0, 143, -15)


def left_by_signal(host: Host, home: Home, after: float = 0.0) -> bool:
    """Whether the last gateway here was ended by its owner since `after` (epoch seconds): Ctrl-C,
    or a SIGTERM that was not ours, as its own last words say.
    """
    from ..openclaw import logs

    try:
        told = logs.told_to_end(host, home)
    except Exception:  # a log that cannot be read says nothing
        return False
    if told <= 0 or told < after:
        return False
    ledger = Ledger(host, home)
    # who came after our last end of one was not told to end by it
    recent = 0 <= told - ledger.last_end() < GRACE_AFTER_OURS
    return not recent or ledger.started_since_end(told)


SHOWN = (
    "LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,ExecMainStartTimestamp,M"
    "ainPID,NRestarts,UnitFileState,FragmentPath,"
    "Restart,NeedDaemonReload,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic,"
    "ActiveExitTimestampMonotonic,InactiveEnterTimestampMonotonic"
)
# A unit file that is there and cannot be used. "masked" is a person's word, unless the file is
# simply empty.
UNUSABLE = "unusable unit: "
BROKEN = {
    name: UNUSABLE + why
    for name, why in (("bad-setting", "bad-setting"), ("error", "error"), ("masked", "empty"))
}


def read_state(seen: Mapping[str, str], file_there: bool, empty: bool = False) -> ServiceState:
    """Given `systemctl show`, return what it means. empty: the unit file holds nothing, which
    systemd calls masked.
    """
    load, active, result = (
        seen.get("LoadState", ""),
        seen.get("ActiveState", "unknown"),
        seen.get("Result", ""),
    )
    ran = bool(seen.get("ExecMainStartTimestamp", "").strip())
    status = int(seen.get("ExecMainStatus") or 0)
    ended = seen.get("ExecMainCode", "0") not in ("0", "")
    code = (-status if seen.get("ExecMainCode") in ("2", "3") else status) if ended else None
    enabled = {"enabled": True, "enabled-runtime": True, "disabled": False, "masked": False}.get(
        seen.get("UnitFileState", "")
    )
    known = {"reloading": "active"}.get(active, active)
    broken = file_there and (empty if load == "masked" else load in BROKEN)
    there = broken or load == "masked" or (load == "loaded" and (file_there or not _lost(seen)))
    return ServiceState(
        exists=there,
        active=known
        if known in ("active", "activating", "deactivating", "inactive", "failed")
        else "unknown",
        sub=seen.get("SubState", ""),
        result=result,
        exit_code=code,
        main_pid=int(seen.get("MainPID") or 0) or None,
        restarts=int(seen.get("NRestarts") or 0),
        enabled=enabled,
        stopped_by_operator=False
        if broken
        else _stopped(load, active, result, ran, code in (0, 143, -15), seen),
        path=seen.get("FragmentPath", ""),
        detail=BROKEN[load]
        if broken
        else "needs daemon-reload"
        if seen.get("NeedDaemonReload") == "yes"
        else "",
        stopped_mono=_seconds(seen.get("InactiveEnterTimestampMonotonic", ""))
        if active in ("inactive", "failed")
        else 0.0,
    )


def _seconds(microseconds: str) -> float:
    return int(microseconds) / 1e6 if microseconds.isdigit() else 0.0


def _lost(seen: Mapping[str, str]) -> bool:
    """The manager still has in memory what is no longer on disk."""
    path = seen.get("FragmentPath", "")
    return bool(path) and not os.path.exists(path)


def _stopped(
    load: str, active: str, result: str, ran: bool, clean: bool, seen: Mapping[str, str]
) -> Optional[bool]:
    """With Restart=always only a person's stop leaves a unit that ran inactive, or failed by a
    timeout. With another policy (an owner's drop-in) the order of the two ends tells.
    """
    if load == "masked":
        return True
    if load != "loaded" or active in ("active", "activating", "deactivating"):
        return False
    if active == "inactive" and not ran:
        return None
    if seen.get("Restart") != "always":
        return _by_job(seen) if active == "inactive" and result == "success" else None
    if active == "inactive":
        # Not clean and yet "success": somebody cleared a failure (reset-failed) and was interrupted
        # before the start.
        return clean or result != "success"
    return result == "timeout"


def _by_job(seen: Mapping[str, str]) -> Optional[bool]:
    """Whether the unit was stopped by a stop job: it then leaves "active" before its process ends.
    A process that ends by itself is gone first. None where systemd does not say (before 208).
    """
    try:
        left = int(seen["ActiveExitTimestampMonotonic"])
        ended = int(seen["ExecMainExitTimestampMonotonic"])
    except (KeyError, ValueError):
        return None
    return left < ended if left and ended else None


def read_print(text: str, path: str) -> ServiceState:
    """Given the answer of `launchctl print`, return what it means. Only lines of the outermost
    level count.
    """
    fields: Dict[str, str] = {}
    for line in text.splitlines():
        found = re.match(r"\t([a-z ]+?) = (.*)$", line)
        if found and found.group(1) not in fields:
            fields[found.group(1)] = found.group(2).strip()
    pid = int(fields["pid"]) if fields.get("pid", "").isdigit() else None
    code = re.match(r"-?\d+", fields.get("last exit code", fields.get("last exit status", "")))
    signal = re.search(r"(\d+)$", fields.get("last terminating signal", ""))
    runs = int(fields["runs"]) if fields.get("runs", "").isdigit() else 0
    state = fields.get("state", "")
    return ServiceState(
        exists=True,
        active="active" if pid or state == "running" else "activating",
        sub=state,
        exit_code=-int(signal.group(1)) if signal else int(code.group()) if code else None,
        main_pid=pid,
        restarts=max(0, runs - 1),
        enabled=True,
        stopped_by_operator=False,
        path=fields.get("path", path),
        detail="" if pid else "loaded; launchd starts it within ThrottleInterval (10 s)",
    )
