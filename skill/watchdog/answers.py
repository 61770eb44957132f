"""Takes in what the watchdog's children returned: above all level 3, and what becomes of an outage
by it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Mapping

from ..model import Healed, State, Text
from ..store.watch_state import Incident
from . import decision_texts
from .actions import Acts
from .policy_outage import Decision

if TYPE_CHECKING:
    from .watch import Watchdog

SETTLED = (State.HEALTHY, State.DEGRADED, State.SAFE_MODE, State.STOPPED)
VERDICTS = (0, 3, 4, 5)  # of keep-good: kept, damage, an edit that is refused, made by level 3
UNANSWERED = 2  # calls of level 3 without an answer before a person is told


class Answers:
    """What children of one Watchdog (`watch`) returned; what has to be told goes through `acts`."""

    def __init__(self, watch: Watchdog, acts: Acts) -> None:
        self.watch, self.acts = watch, acts
        self.children, self.teller = acts.children, acts.teller

    def take_in(self, now: float) -> None:
        """Take in what finished children returned; and what a doctor left whose watchdog was killed
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
            elif child.name in ("keep-good", "keep-config") and child.code not in VERDICTS:
                watch.not_kept(child.name, now)
            elif child.name == "served" and child.code in (0, 3):
                watch.look_soon(self.teller.serving(watch.new_name(now), now))
        incident = watch.state.incident
        if not incident or self.acts.repairing():
            return
        result = self.children.result(incident.id)
        if result:
            self._treated(incident, result, now)
            self.children.drop_result(incident.id)
        elif incident.pending:
            self._no_answer(incident, now)

    def _treated(self, incident: Incident, result: Mapping[str, Any], now: float) -> None:
        watch = self.watch
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
            return self._call_again(
                incident, now, asks if cause else Decision("escalate", "found-nothing")
            )
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
            self.acts.log(asks, now, incident.state, incident.id)
            step = Text(
                str(result.get("next_step") or ""),
                str(result.get("next_step_zh") or result.get("next_step") or ""),
            )
            self.acts.tell(asks, step)

    def _no_answer(self, incident: Incident, now: float) -> None:
        """Level 3 was called and is gone without an answer (killed with us, or it crashed): call it
        again, not forever.
        """
        watch = self.watch
        watch.log.line("unanswered", now, incident=incident.id, calls=incident.unanswered + 1)
        log = str(watch.home.doctor_dir / "children.log")
        self._call_again(incident, now, Decision("escalate", "no-answer", {"log": log}))

    def _call_again(self, incident: Incident, now: float, otherwise: Decision) -> None:
        """Level 3 did nothing for an outage that goes on: once more, then a person is told at
        once.
        """
        watch = self.watch
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
            self.acts.log(otherwise, now, incident.state, incident.id)
            watch.save()
            self.acts.tell(otherwise)


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
