"""Carries out what the policy decided: restart, call level 3, take in its answer, tell. Each act is
saved before it is done.
"""

from __future__ import annotations

import errno
from dataclasses import asdict, replace
from typing import Any, Dict, Mapping, Optional, Set

from ..errors import HealerError
from ..files import json_bounded
from ..locks import lock_held
from ..model import Healed, State, Text
from ..openclaw import gateway
from ..store import snapshots
from . import decision_texts
from .alerts import Teller
from .children import Children
from .decision_texts import said
from .policy_outage import Decision

SETTLED = (State.HEALTHY, State.DEGRADED, State.SAFE_MODE, State.STOPPED)
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
        self._log(decision, now, state, name)
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

    def _rival(self) -> Mapping[str, object]:
        """Return {"name", "pid"} of another watchdog of this gateway; {} where there is none."""
        try:
            found = json_bounded(self.children.answer(["rival"], 15) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    # -- one method a kind of decision -------------------------------------------------------------
    def do_restart(self, decision: Decision, now: float) -> None:
        watch = self.watch
        process = watch.seen.process if watch.seen else None
        rival = self._rival()
        if rival:
            self._leave_to(rival, now)
            return
        if process:
            self.children.run_to_end(["evidence", "--incident", self._incident()], 20)
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
            spared = ended in (gateway.Ended.ANSWERS, gateway.Ended.LIMIT)
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
        self._tell(decision)

    def do_escalate(self, decision: Decision, now: float) -> None:
        self._tell(decision)

    def do_note(self, decision: Decision, now: float) -> None:
        self._tell(decision)

    def do_recovered(self, decision: Decision, now: float) -> None:
        watch, incident = self.watch, self.watch.before
        if not incident:
            return
        healed = incident.healed or (
            Healed(2, "restart")
            if incident.restarts
            else Healed(2, "after-change")
            if incident.retries
            else Healed(1, "service-manager")
        )
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
                # an incident of its own: a loss is still there when the outage is over
                self.teller.quiet_damage(watch.new_name(now), now)
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
        both = Text(cause, str(result.get("cause_zh") or cause)[:500])
        both = _with_ai(both, result.get("ai"))
        acts = tuple(decision_texts.tried_of(act) for act in result.get("details") or [])
        watch.log.line(
            "treated",
            now,
            incident=incident.id,
            outcome=outcome,
            cause=cause,
            cause_zh=both.zh,
            tried=[asdict(act) for act in acts],
            seconds=result.get("seconds"),
            only_person=result.get("only_person"),
        )
        # Also where it looked in a quiet moment (a doctor at work, a start): that is no last word.
        if outcome == "nothing" and watch.verdict and watch.verdict.state not in SETTLED:
            asks = Decision("escalate", "doctor-asks", {"cause": both})
            return self._call_again(now, asks if cause else Decision("escalate", "found-nothing"))
        incident = replace(incident, cause=both, pending="", unanswered=0)
        if outcome == "healed":
            # one that found it ready, or somebody else at work, has healed nothing
            own = any(act.outcome in ("healed", "partly") for act in acts)
            incident = replace(incident, healed=Healed(3, "doctor", acts) if own else Healed(0, ""))
            watch.state = replace(watch.state, expected_new_pid=True, crashes=())
        tell = outcome in ("escalate", "asked") and not incident.escalated
        if outcome in ("escalate", "asked"):
            state = watch.verdict.state.value if watch.verdict else ""
            incident = replace(
                incident,
                escalated=True,
                hopeless=state if result.get("only_person") else "",
                tried=(incident.tried + acts)[-6:],
            )
        # What the doctor itself wrote is no reason to try again: the next look sets a new base
        # line.
        watch.state = replace(watch.state, incident=incident, fingerprint="")
        watch.save()
        if tell:
            asks = Decision("escalate", "doctor-asks", {"cause": both})
            self._log(asks, now, incident.state, incident.id)
            step = Text(
                str(result.get("next_step") or ""),
                str(result.get("next_step_zh") or result.get("next_step") or ""),
            )
            self._tell(asks, step)

    def _no_answer(self, now: float) -> None:
        """Level 3 was called and is gone without an answer (killed with us, or it crashed): call it
        again, not forever.
        """
        watch, incident = self.watch, self.watch.state.incident
        watch.log.line("unanswered", now, incident=incident.id, calls=incident.unanswered + 1)
        log = str(watch.home.doctor_dir / "children.log")
        self._call_again(now, Decision("escalate", "no-answer", {"log": log}))

    def _call_again(self, now: float, otherwise: Decision) -> None:
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
            self._log(otherwise, now, incident.state, incident.id)
            watch.save()
            self._tell(otherwise)

    def _leave_to(self, rival: Mapping[str, object], now: float) -> None:
        """Another watchdog tends this gateway: two would fight each other. It is named, and told
        once.
        """
        self.watch.log.line("left-alone", now, rival=dict(rival))
        name = str(rival.get("name", ""))
        if name not in self._rivals:
            self._rivals.add(name)
            self._tell(Decision("note", "rival", {"name": name, "pid": rival.get("pid")}))

    # -- small things ------------------------------------------------------------------------------
    def _log(self, decision: Decision, now: float, state: str, incident: str) -> None:
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

    def _tell(self, decision: Decision, step: Optional[Text] = None) -> None:
        self.teller.event(
            decision, self.watch.verdict, self.watch.state.incident, self.watch.state, step
        )

    def _incident(self) -> str:
        incident = self.watch.state.incident
        return str(incident.id) if incident else str(self.watch.new_name(self.watch.host.now()))


def _with_ai(cause: Text, asked: Any) -> Text:
    """The cause, and below it that an AI was asked, what it cost, where the report is and what it
    suggests. Never part of what to do now.
    """
    asked = asked if isinstance(asked, dict) else {}
    note = str(asked.get("note") or "")[:900]
    if not note:
        return cause
    return Text(
        "{}\n{}".format(cause.en, note),
        "{}\n{}".format(cause.zh, str(asked.get("note_zh") or note)[:900]),
    )
