"""Carries out what the policy decided: restart, call level 3, take in its answer, tell. Each act is
saved before it is done.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any, Dict, Optional, Set

from ..errors import HealerError
from ..files import lock_held
from ..model import Text
from ..openclaw import gateway
from ..store import snapshots
from ..store.ledger import end_gateway
from .alerts import Teller
from .children import Children
from .policy import BAD, Decision

SOFT_GRACE, HARD_GRACE = 20.0, 5.0  # s between SIGTERM and SIGKILL
UNANSWERED = 2  # calls of level 3 without an answer before a person is told


class Acts:
    """The hands of one Watchdog (`watch`): they read its state, and change it only through
    `watch.state`.
    """

    def __init__(self, watch: Any, children: Children, teller: Teller) -> None:
        self.watch, self.children, self.teller = watch, children, teller
        self._rivals: Set[str] = set()

    def carry_out(self, decision: Decision, now: float) -> None:
        """Log, save, do. A failure to act is a log line: the next look decides again."""
        watch, incident = self.watch, self.watch.state.incident
        state = watch.verdict.state.value if watch.verdict else ""
        name = (incident or watch.before).id if (incident or watch.before) else ""
        watch.log.line(
            "decision",
            now,
            kind=decision.kind,
            reason=decision.reason,
            state=state,
            incident=name,
            hard=decision.hard,
        )
        action = getattr(self, "do_" + decision.kind.replace("-", "_"), None)
        if action is None:
            return
        watch.save()  # before the act: a kill -9 in the middle must not make us do it twice
        try:
            action(decision, now)
        except (HealerError, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
                snapshots.drop(watch.home)
            watch.log.line(
                "action-failed",
                watch.host.now(),
                kind=decision.kind,
                error=str(error),
                hint=getattr(error, "hint", ""),
            )

    def repairing(self) -> bool:
        """True while level 3 is at work, for us or for a person."""
        folder = self.watch.home.doctor_dir
        return (
            self.children.busy("treat")
            or lock_held(folder / "treat.lock")
            or lock_held(folder / "healer.lock")
        )

    # -- one method a kind of decision -------------------------------------------------------------
    def do_restart(self, decision: Decision, now: float) -> None:
        watch = self.watch
        process = watch.seen.process if watch.seen else None
        rival = self.children.answer(["rival"], 15)
        if rival:
            self._leave_to(rival, now)
            return
        if process:
            self.children.run_to_end(["evidence", "--incident", self._incident()], 20)
            ended = end_gateway(
                watch.host,
                watch.home,
                process,
                HARD_GRACE if decision.hard else SOFT_GRACE,
                who="level 2",
                why=decision.reason,
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
            if not ended.gone:
                return
        service = gateway.service_of(watch.platform)
        active = getattr(service, "active", "")
        if process and active in ("activating", "active"):
            watch.log.line("restart", watch.host.now(), by="level 1: the service manager starts it")
            return
        if gateway.doctor_running(watch.home):
            watch.log.line(
                "restart", watch.host.now(), by="nobody: OpenClaw's doctor holds the lock"
            )
            return
        if active == "failed":
            watch.platform.reset_failed()
        self.children.start("preflight", ["check-config", "--offline", "--json"])
        watch.platform.start()
        watch.log.line(
            "restart",
            watch.host.now(),
            by=watch.platform.name,
            seconds=round(watch.host.now() - now, 1),
        )

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
        self._tell("opened", decision.reason)

    def do_escalate(self, decision: Decision, now: float) -> None:
        self._tell("escalated", decision.reason)

    def do_note(self, decision: Decision, now: float) -> None:
        self._tell("note", decision.reason)

    def do_recovered(self, decision: Decision, now: float) -> None:
        watch, incident = self.watch, self.watch.before
        if not incident:
            return
        ours = (
            "level 2: restart"
            if incident.restarts
            else "level 2: started after a change"
            if incident.retries
            else ""
        )
        by = incident.healed_by or ours or "level 1: restarted by the service manager"
        watch.log.line(
            "recovered",
            now,
            incident=incident.id,
            by=by,
            seconds=round(now - incident.opened, 1),
            restarts=incident.restarts,
        )
        numbers = [
            "--opened",
            repr(incident.opened),
            "--closed",
            repr(now),
            "--restarts",
            str(incident.restarts),
        ]
        self.children.start(
            "record",
            ["record", "--incident", incident.id, "--by", by, "--state", incident.state, *numbers],
        )
        self.teller.event("recovered", by, watch.verdict, incident, watch.state)

    # -- what children answered --------------------------------------------------------------------
    def take_in(self, now: float) -> None:
        """Take in what finished children answered; and what a doctor left whose watchdog was killed
        meanwhile.
        """
        watch = self.watch
        for child in self.children.finished():
            watch.log.line(
                "child", now, what=child.name, code=child.code, seconds=round(child.seconds, 1)
            )
            if child.name in ("keep-good", "inspect") and child.code == 3:
                open_now = watch.state.incident
                self.teller.quiet_damage(open_now.id if open_now else watch.new_name(now), now)
                if open_now:
                    watch.state = replace(watch.state, incident=replace(open_now, escalated=True))
            elif child.name == "keep-good" and child.code == 0:
                watch.kept_good()
        incident = watch.state.incident
        if not incident or self.repairing():
            return
        result = self.children.result(incident.id)
        if result:
            self._treated(result, now)
            self.children.drop_result(incident.id)
        elif incident.pending:
            self._no_answer(now)

    def _treated(self, result: Dict[str, Any], now: float) -> None:
        watch, incident = self.watch, self.watch.state.incident
        outcome, cause = str(result.get("outcome", "")), str(result.get("cause", ""))[:500]
        facts = {key: result.get(key) for key in ("cause", "actions", "seconds", "only_person")}
        watch.log.line("treated", now, incident=incident.id, outcome=outcome, **facts)
        if outcome == "nothing" and watch.verdict and watch.verdict.state in BAD:
            return self._call_again(
                now, cause or "level 3 found nothing to do, and the gateway is still down"
            )
        both = Text(cause, str(result.get("cause_zh") or cause)[:500])
        incident = replace(incident, cause=both.en, cause_zh=both.zh, pending="", unanswered=0)
        if outcome == "healed":
            incident = replace(
                incident,
                healed_by="level 3: " + ", ".join(str(a) for a in result.get("actions") or []),
            )
            watch.state = replace(watch.state, expected_new_pid=True, crashes=())
        tell = outcome in ("escalate", "asked") and not incident.escalated
        if outcome in ("escalate", "asked"):
            state = watch.verdict.state.value if watch.verdict else ""
            tried = incident.tried + tuple(str(a) for a in result.get("actions") or [])
            incident = replace(
                incident,
                escalated=True,
                hopeless=state if result.get("only_person") else "",
                tried=tried[-6:],
            )
        # What the doctor itself wrote is no reason to try again: the next look sets a new base
        # line.
        watch.state = replace(watch.state, incident=incident, fingerprint="")
        watch.save()
        if tell:
            watch.log.line(
                "decision",
                now,
                kind="escalate",
                reason=cause,
                incident=incident.id,
                state=incident.state,
            )
            step = Text(
                str(result.get("next_step") or ""),
                str(result.get("next_step_zh") or result.get("next_step") or ""),
            )
            self._tell("escalated", cause, step)

    def _no_answer(self, now: float) -> None:
        """Level 3 was called and is gone without an answer (killed with us, or it crashed): call it
        again, not for ever.
        """
        watch, incident = self.watch, self.watch.state.incident
        watch.log.line("unanswered", now, incident=incident.id, calls=incident.unanswered + 1)
        self._call_again(
            now, "level 3 gave no answer; see {}".format(watch.home.doctor_dir / "children.log")
        )

    def _call_again(self, now: float, otherwise: str) -> None:
        """Level 3 did nothing for an outage that goes on: once more, then a person is told at
        once.
        """
        watch, incident = self.watch, self.watch.state.incident
        calls, treated = incident.unanswered + 1, incident.treated
        if calls < UNANSWERED:
            treated = tuple(key for key in treated if key != incident.pending)
        tell = calls >= UNANSWERED and not incident.escalated
        incident = replace(
            incident,
            treated=treated,
            pending="",
            unanswered=calls,
            escalated=incident.escalated or tell,
        )
        watch.state = replace(watch.state, incident=incident)
        if tell:
            watch.log.line(
                "decision",
                now,
                kind="escalate",
                reason=otherwise,
                incident=incident.id,
                state=incident.state,
            )
            watch.save()
            self._tell("escalated", otherwise)

    def _leave_to(self, rival: str, now: float) -> None:
        """Another watchdog tends this gateway: two would fight each other. It is named, and told
        once.
        """
        self.watch.log.line("left-alone", now, rival=rival)
        if rival not in self._rivals:
            self._rivals.add(rival)
            self._tell("note", "rival:" + rival)

    # -- small things ------------------------------------------------------------------------------
    def _tell(self, kind: str, reason: str, step: Optional[Text] = None) -> None:
        self.teller.event(
            kind, reason, self.watch.verdict, self.watch.state.incident, self.watch.state, step
        )

    def _incident(self) -> str:
        incident = self.watch.state.incident
        return str(incident.id) if incident else str(self.watch.new_name(self.watch.host.now()))
