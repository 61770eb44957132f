"""Carries out what the policy decided: restart, call level 3, tell. Each act is saved before it is
done.
"""

from __future__ import annotations

import errno
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Optional, Set, Tuple

from ..errors import HealerError
from ..files import json_bounded, tail_bytes
from ..locks import lock_held, lock_owner, owner_is
from ..model import Healed, State, Text
from ..openclaw import gateway
from ..openclaw.gateway_process import STOPPED
from ..store import snapshots
from ..store.watch_state import Incident
from .alerts import Teller
from .children import Children
from .decision_texts import said
from .policy_outage import Decision

if TYPE_CHECKING:
    from .watch import Watchdog

SUSPENDED_FOR = 300.0  # s a suspended repair is waited for
SOFT_GRACE, HARD_GRACE = 20.0, 5.0  # s between SIGTERM and SIGKILL


def sender(name: str, raw: bytes) -> Optional[Text]:
    """Who asked for the last end, as OpenClaw's own record of restarts says; None without one."""
    for line in reversed(raw.decode("utf-8", "replace").splitlines()):
        said = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if said.get("action") in ("stop", "restart"):
            asked = "{} ({})".format(said["action"], said.get("source", "?"))[:80]
            return Text.of("{} says: {}", "{} 中记录：{}", name, asked)
    return None


class Acts:
    """The hands of one Watchdog (`watch`): they read its state, and change it only through
    `watch.state`.
    """

    def __init__(self, watch: Watchdog, children: Children, teller: Teller) -> None:
        self.watch, self.children, self.teller = watch, children, teller
        self._rivals: Set[str] = set()
        self._stopped_since: Optional[Tuple[int, float]] = None  # (pid, monotonic) of a repair's
        self._told_suspended = 0  # its pid, once a person was told

    def carry_out(self, decision: Decision, now: float) -> None:
        """Log, save, do. A failure to act is a log line: the next look decides again."""
        watch, incident = self.watch, self.watch.state.incident
        state = watch.verdict.state.value if watch.verdict else ""
        about = incident or watch.before
        self.log(decision, now, state, about.id if about else "")
        action = getattr(self, "do_" + decision.kind.replace("-", "_"), None)
        if action is None:
            return
        watch.save()  # before the act: a kill -9 in the middle must not make us do it twice
        try:
            action(decision, now)
        except (HealerError, OSError) as error:
            if errno.ENOSPC in (getattr(error, "errno", 0), getattr(error.__cause__, "errno", 0)):
                snapshots.drop(watch.home)
            watch.log.line(
                "action-failed",
                watch.host.now(),
                kind=decision.kind,
                error=str(error),
                hint=getattr(error, "hint", ""),
            )

    def repairing(self) -> bool:
        """True while level 3 is at work, for us or for a person. One that was suspended (Ctrl-Z, a
        lost terminal) is told after SUSPENDED_FOR, and no longer waited for unless it is in the
        middle of a change.
        """
        folder = self.watch.home.doctor_dir
        changing = lock_held(folder / "healer.lock")
        visiting = lock_held(folder / "treat.lock")
        if visiting and self._suspended(folder / "treat.lock", changing):
            return changing
        return self.children.busy("treat") or visiting or changing

    def _suspended(self, lock: Path, changing: bool) -> bool:
        """Whether who holds this lock has been stopped by a signal for SUSPENDED_FOR."""
        pid, since = lock_owner(lock)
        row = self.watch.host.process(pid) if pid else None
        if row is None or row.state not in STOPPED or not owner_is(lock, pid):
            self._stopped_since = None
            return False
        now = self.watch.host.monotonic()
        if self._stopped_since is None or self._stopped_since[0] != pid:
            self._stopped_since = (pid, now)
        if now - self._stopped_since[1] < SUSPENDED_FOR:
            return False
        if self._told_suspended != pid:
            self._told_suspended = pid
            facts = {"pid": pid, "since": since, "changing": changing}
            self.teller.guarded(
                "tell", lambda: self.tell(Decision("note", "repair-suspended", facts))
            )
        return True

    def _before_restart(self, ends: bool) -> Mapping[str, object]:
        """Return {"name", "pid"} of another watchdog of this gateway; {} where there is none, and
        what it looks like is kept where a process is ended next. One child for both: each costs
        half a second.
        """
        keep = ["--evidence", self._incident()] if ends else []
        try:
            found = json_bounded(self.children.answer(["before-restart", *keep], 25) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    # -- one method a kind of decision -------------------------------------------------------------
    def do_restart(self, decision: Decision, now: float) -> None:
        watch = self.watch
        process = watch.seen.process if watch.seen else None
        rival = self._before_restart(process is not None)
        if rival:
            self._leave_to(rival, now)
            return
        if process:
            ended = gateway.end_gateway(
                watch.host,
                watch.home,
                process,
                HARD_GRACE if decision.hard else SOFT_GRACE,
                who="level 2",
                why=said(decision).en,
                incident=self._incident(),
                keepalive=watch.alive,
            )
            watch.log.line(
                "ended",
                watch.host.now(),
                pid=process.pid,
                gone=ended.gone,
                how=ended.value,
                seconds=round(watch.host.now() - now, 1),
            )
            spared = ended in (gateway.Ended.ANSWERS, gateway.Ended.RUNS, gateway.Ended.LIMIT)
            if spared and decision.code == "verdict":
                self._not_done(now)
            if not ended.gone:
                return
        service = gateway.service_of(watch.platform)
        active = getattr(service, "active", "")
        if active == "deactivating" or getattr(service, "stopped_by_operator", None) is True:
            # While we were at it: the owner's wish counts more than our decision.
            watch.log.line("restart", watch.host.now(), by="nobody: its operator stopped it")
            return
        if process and active in ("activating", "active"):
            watch.log.line("restart", watch.host.now(), by="level 1: the service manager starts it")
            return
        if gateway.doctor_running(watch.host, watch.home):
            watch.log.line(
                "restart", watch.host.now(), by="nobody: OpenClaw's doctor holds the lock"
            )
            return
        if active == "failed":
            watch.platform.reset_failed()
        watch.platform.start()
        watch.log.line(
            "restart",
            watch.host.now(),
            by=watch.platform.name,
            seconds=round(watch.host.now() - now, 1),
        )

    def _not_done(self, now: float) -> None:
        """A restart that was decided and not made: it neither counts nor gets the credit."""
        watch, incident = self.watch, self.watch.state.incident
        if incident:
            incident = replace(incident, restarts=max(0, incident.restarts - 1), next_restart=now)
        restarts = watch.state.restarts[:-1]
        watch.state = replace(
            watch.state, incident=incident, restarts=restarts, expected_new_pid=False
        )
        watch.save()

    def do_heal(self, decision: Decision, now: float) -> None:
        self.children.start("treat", ["treat", "--incident", self._incident(), "--json"])

    def do_resume_channels(self, decision: Decision, now: float) -> None:
        self.children.start(
            "treat",
            [
                "treat",
                "--incident",
                self.watch.new_name(now),
                "--repair",
                "resume-channels",
                "--json",
            ],
        )

    def do_announce(self, decision: Decision, now: float) -> None:
        self.tell(decision)

    def do_escalate(self, decision: Decision, now: float) -> None:
        self.tell(decision)

    def do_note(self, decision: Decision, now: float) -> None:
        if decision.code == "ended-again":
            log = self.watch.home.logs_dir / "gateway-restart.log"
            facts = {**decision.facts, "sender": sender(log.name, tail_bytes(log, 4096))}
            decision = replace(decision, facts=facts)
        self.tell(decision)

    def do_recovered(self, decision: Decision, now: float) -> None:
        watch, incident = self.watch, self.watch.before
        if not incident:
            return
        healed = incident.healed or self._healed(incident)
        watch.log.line(
            "recovered",
            now,
            incident=incident.id,
            level=healed.level,
            how=healed.how,
            tried=[asdict(one) for one in healed.tried],
            seconds=round((incident.ready_since or now) - incident.since, 1),
            restarts=incident.restarts,
        )
        numbers = [
            "--opened",
            repr(incident.since),
            "--closed",
            repr(incident.ready_since or now),
            "--restarts",
            str(incident.restarts),
            "--detected",
            repr(round(incident.opened - incident.since, 1)),
        ]
        self.children.start(
            "record",
            [
                "record",
                "--incident",
                incident.id,
                "--level",
                str(healed.level),
                "--how",
                healed.how,
                "--state",
                incident.state,
                *numbers,
            ],
        )
        told = replace(incident, healed=healed)
        self.teller.event(decision, watch.verdict, told, watch.state)

    def _healed(self, incident: Incident) -> Healed:
        """Return who brought it back when level 3 did not."""
        if incident.restarts:
            return Healed(2, "restart")
        if incident.retries:
            return Healed(2, "after-change")
        stalled = incident.state in (State.HUNG.value, State.ZOMBIE.value)
        if stalled and not any(at >= incident.opened for at in self.watch.state.crashes):
            return Healed(0, "")  # the very process that did not respond responds again
        return Healed(1, "service-manager")

    def _leave_to(self, rival: Mapping[str, object], now: float) -> None:
        """Another watchdog tends this gateway: two would fight each other. It is named, and told
        once.
        """
        self.watch.log.line("left-alone", now, rival=dict(rival))
        name = str(rival.get("name", ""))
        if name not in self._rivals:
            self._rivals.add(name)
            self.tell(Decision("note", "rival", {"name": name, "pid": rival.get("pid")}))

    # -- small things ------------------------------------------------------------------------------
    def log(self, decision: Decision, now: float, state: str, incident: str) -> None:
        self.watch.log.line(
            "decision",
            now,
            kind=decision.kind,
            code=decision.code,
            reason=said(decision).en,
            reason_zh=said(decision).zh,
            state=state,
            incident=incident,
            hard=decision.hard,
        )

    def tell(self, decision: Decision, step: Optional[Text] = None) -> None:
        self.teller.event(
            decision, self.watch.verdict, self.watch.state.incident, self.watch.state, step
        )

    def _incident(self) -> str:
        incident = self.watch.state.incident
        return str(incident.id) if incident else str(self.watch.new_name(self.watch.host.now()))
