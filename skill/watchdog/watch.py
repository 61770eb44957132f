"""Level 2: look, judge, decide, act, remember; forever. Owns no rule of its own: judge.py judges,
policy.py decides, acts.py does.

Stays small: whatever needs a heavy import (level 3, alerts, good copies) is a child process of its
own.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional, Tuple

from .. import settings as settings_module
from ..context import Context
from ..files import read_file
from ..host import Host
from ..model import FINE, State, Text, Verdict
from ..openclaw import config as openclaw_config
from ..openclaw import gateway, look
from ..openclaw.home import Home, locate, remember
from ..openclaw.judge import Memory
from ..openclaw.judge_memory import ours, serves
from ..openclaw.ledger import LIVING, STOPPED, UNKEPT, Ledger
from ..store import fleet, served, snapshots, watch_state
from ..store.watch_log import WatchLog
from ..store.watch_state import Incident
from . import fingerprint, policy
from .actions import Acts
from .alerts import Teller
from .answers import Answers
from .children import Children
from .policy_outage import Decision, Rules
from .recorder import Recorder

if TYPE_CHECKING:
    from ..platforms.base import Platform

GOOD_AFTER = 60.0  # s a gateway has to be ready before its config counts as good
GOOD_AFTER_IN_DRILLS = 3.0
GOOD_CALM = 300.0  # s without a crash or a restart of ours before a configuration counts as good
SERVED_EVERY = 700.0  # s between two looks at whether anybody is served: 0.7 s of CPU each
SERVED_SOON = 60.0  # s after which what such a look found is looked at once more
IN_DRILLS = 0.05  # of those two, in a drill
GOOD_AGAIN = 86400.0  # s after which a good copy is taken again although nothing changed
# s after which one that came to no verdict (the machine too busy) is tried again; doubled each time
GOOD_RETRY, GOOD_RETRY_MOST = 60.0, 3600.0
FLEET_EVERY = 10.0  # s between two questions to the fleet's monitoring, while something is wrong
# s after a stop of ours at which a gateway that still serves is not being stopped any more
OWED_AFTER = 15.0
LEVELS_EVERY = 6  # looks between two glances at memory, response time and crash frequency
UP = (State.HEALTHY, State.DEGRADED, State.SAFE_MODE)
EVERYTHING_EVERY = 30  # looks between two that also look up the port's owner and the service


class Watchdog:
    """One gateway's watchdog. tick() looks once and acts; run() ticks forever."""

    def __init__(self, host: Host, home: Home, platform: Platform, echo: bool = False) -> None:
        self.host, self.platform = host, platform
        platform.actor = "level 2"
        self.settings, self.complaint = settings_module.load_or_last_good(host, home)
        self.home = home = settings_module.place(home, self.settings)
        self.ledger = Ledger(host, home)
        self.log = WatchLog(home.logs_dir / "watchdog.log", int(self.settings["log_days"]), echo)
        self.state, damaged = watch_state.load(home)
        self.saved = self.state
        self.before: Optional[Incident] = (
            None  # the incident as it was before this look's decisions
        )
        self.memory = Memory(ready_pid=self.state.ready_pid)
        self.seen: Optional[gateway.Observation] = None
        self.verdict: Optional[Verdict] = None
        children = Children(host, home)
        self.teller = Teller(self.context, children, self.log)
        # what waits are measured by: the monotonic clock, as a time of day for people
        self._began = host.now() - host.monotonic()
        self.children, self.acts = children, Acts(self, children, self.teller)
        self.answers = Answers(self, self.acts)
        self.recorder = Recorder(host, home, children)
        self._unwritable = ""  # why our own state cannot be kept, as it was told
        self._said: Tuple[str, str] = ("", "")
        self._good_for: Tuple[Any, ...] = ()
        self._good_at = 0.0
        self._good_pending = self._config_for = ""
        self._good_misses, self._config_wait = 0, 0.0
        self._ready_with: Tuple[str, float] = ("", 0.0)
        self._ready_at: Optional[float] = None
        self._served_at: Optional[float] = None  # monotonic: when to look next
        self._ledger_mark = ""
        self._stop_noted: Optional[bool] = None  # None: the ledger was not asked yet
        self._ticks = 0
        self._inspected = self._inspect_began = ""
        self._start = fingerprint.Start()
        self._pause: Tuple[float, str] = (0.0, "")
        self._fleet: Tuple[float, str] = (0.0, "")  # when it was asked last, and why it holds us
        if damaged:
            self.log.line("state-damaged", host.now(), set_aside=damaged)
        if self.complaint:
            self.log.line(
                "settings", host.now(), error=str(self.complaint), using="the last good settings"
            )
        self._settings_mark = self._mark_settings()

    # -- one look ----------------------------------------------------------------------------------
    def tick(self) -> Verdict:
        """Look once, decide, act. Raises nothing but KeyboardInterrupt."""
        now = self.host.now()
        self._ticks += 1
        self._reload_settings()
        known = None if self._ticks % EVERYTHING_EVERY == 0 else self.seen
        looked = look.once(self.host, self.home, self.settings, self.platform, self.memory, known)
        if looked.moved:
            self.state = watch_state.shift(self.state, looked.moved)
            self._began += looked.moved
            self.log.line("clock", now, moved_s=round(looked.moved, 1))
        self.seen, self.verdict, self.memory = looked.seen, looked.verdict, looked.memory
        self.state = replace(
            self.state,
            looks=look.lasting(self.memory, look.limits(self.settings)),
            boot=self.state.boot if self._same_boot() else now - self.host.monotonic(),
        )
        self._log_change(now)
        self._note_serving()
        self._note_stopped()
        self.recorder.look(now, self.verdict, self.seen, self.state, self.home, self.settings)
        if self._paused(now):
            self.teller.looked(now, True, paused=True)
            return self.verdict
        if self._held(now):
            self.teller.looked(now, True, paused=True)
            return self.verdict
        self.answers.take_in(now)
        # While somebody repairs: only look. A watchdog that was killed finds its doctor still at
        # work here.
        if not self.acts.repairing():
            self._decide()
        else:
            self._look_on()
        self.teller.looked(now, self.verdict.state in FINE)
        self.save()
        return self.verdict

    def _note_serving(self) -> None:
        """Keep that it serves: a stop of ours waits for no start any more, and where the manager
        calls it stopped, somebody started it by hand (platforms.base.whose).
        """
        seen = self.seen
        if seen is None or not (ours(seen) and serves(seen)):
            return
        mark = self.ledger.mark()
        if mark != self._ledger_mark and not self.acts.repairing():
            owed = self.ledger.owed_start()
            if owed is not None and self.ledger.age(owed) >= OWED_AFTER:
                self.ledger.note("serving", who="level 2", pid=self._pid())
                owed = None
            self._ledger_mark = mark if owed is None else ""
        state = getattr(seen, "service", None)
        if state is None:
            return
        if state.stopped_by_operator is True:
            self.ledger.note("serving", who="level 2", why=UNKEPT, pid=self._pid())
        elif state.active == "active" and state.main_pid == self._pid():
            if self.ledger.since_stop(0.0) is not None:  # kept again: its stops count again
                self.ledger.note("serving", who="level 2", pid=self._pid())

    def _note_stopped(self) -> None:
        """Keep that its owner ended it, until a process is there again (platforms.base.whose)."""
        if self.verdict is None:
            return
        if self.verdict.state is State.STOPPED:
            if not self._stop_noted and not self.ledger.seen_stopped():
                self.ledger.note(STOPPED, who="owner")
            self._stop_noted = True
        elif self._pid() and self._stop_noted is not False:
            if self.ledger.seen_stopped():
                self.ledger.note(LIVING, who="level 2", pid=self._pid())
            self._stop_noted = False

    def _pid(self) -> Optional[int]:
        return self.verdict.pid if self.verdict else None

    def _same_boot(self) -> bool:
        """Whether the clock still says that this boot began when it said so before."""
        began = self.host.now() - self.host.monotonic()
        return abs(began - self.state.boot) < watch_state.SAME_BOOT / 2

    def _decide(self) -> None:
        assert self.verdict is not None
        now = self.steady()  # the look itself may have taken seconds
        if self._inspecting():
            return
        self.before = self.state.incident
        # No matter who made them: level 3 and the keeper kill as well.
        self.state = replace(self.state, hard_kills=tuple(self.ledger.hard_kills()))
        self.state, decisions = policy.step(
            self.state, self.verdict, now, self._rules(), self._fingerprint(), self.new_name(now)
        )
        for decision in decisions:
            self.acts.carry_out(decision, now)
        if self.verdict.state == State.HEALTHY:
            self._healthy(now)
        else:
            self._ready_at = None
        self._look_served()
        if self._ticks % LEVELS_EVERY == 1:
            self.teller.guarded("tend", self.platform.tend)

    def _look_served(self) -> None:
        """While it is up: now and then, in a child, whether anybody is served. The first look comes
        a whole interval after it came up; after an outage it is the same.
        """
        up = self.verdict is not None and self.verdict.state in UP
        if not up or self.state.incident:
            self._served_at = None
            return
        if self._served_at is None:
            self.look_soon(False)
        elif self.host.monotonic() >= self._served_at and not self.children.busy("served"):
            self.look_soon(False)
            self.children.start("served", ["keep-good", "--served"])

    def look_soon(self, soon: bool) -> None:
        """Plan the next look at whether anybody is served."""
        wait = SERVED_SOON if soon else SERVED_EVERY
        wait *= IN_DRILLS if self.host.env.get("IFLOW_DOCTOR_DRILL") == "1" else 1.0
        self._served_at = self.host.monotonic() + wait

    def _look_on(self) -> None:
        """Somebody repairs: nothing is done, but told in time."""
        assert self.verdict is not None
        now = self.steady()
        self.before = self.state.incident
        self.state, decisions = policy.look_on(
            self.state, self.verdict, now, self._rules(), self.new_name(now)
        )
        for decision in decisions:
            self.acts.carry_out(decision, now)

    def steady(self) -> float:
        """Epoch seconds by which the rule measures: they go on where the wall clock stands still,
        and follow it where it jumps (watch_state.shift).
        """
        return self._began + self.host.monotonic()

    def _inspecting(self) -> bool:
        """Before an outage is called over: what is green may be wrong all the same (a variable, a
        token, a database that is gone).
        """
        ready = (
            self.verdict is not None
            and self.verdict.state == State.HEALTHY
            and self.state.streak >= policy.STREAK - 1
        )
        # A copy counts as soon as it is there: what kept it may have been interrupted by the outage
        # itself.
        if (
            not ready
            or not self.state.incident
            or not (self.state.good or os.path.isdir(self.home.doctor_dir / "good"))
        ):
            return False
        now = self.state.incident.id + self._fingerprint()
        if self._inspected == now:
            return False
        if not self.children.busy("inspect"):
            if self._inspect_began == now:
                self._inspected = now  # it has answered; answers.take_in() has told what it found
                return False
            self._inspect_began = now
            self.children.start("inspect", ["keep-good", "--look"])
        return True

    def pause_for(self) -> float:
        """Seconds until the next look."""
        calm = (State.HEALTHY, State.STOPPED)
        if not self.verdict or self.verdict.state not in calm or self.state.incident:
            return float(self.settings["retry_delay"])
        interval = float(self.settings["check_interval"])
        return interval if self._good_for else min(interval, max(1.0, self._good_after() / 2))

    def sleep(self) -> None:
        """Wait for the next look; a process that goes away ends the wait."""
        until = self.host.monotonic() + self.pause_for()
        pid = self.verdict.pid if self.verdict else None
        while True:
            left = until - self.host.monotonic()
            if left <= 0:
                return
            self.alive()
            self.host.sleep(min(1.0, left))
            if pid and self.host.process(pid) is None:
                if self._paused(self.host.now()):
                    return
                # Just gone: level 1 is brought back itself, and its own wait is cut short.
                tended = self.teller.guarded("tend", self.platform.tend)
                ended = self.teller.guarded("hurry", self.platform.hurry)
                if ended:
                    self.memory = replace(self.memory, ended=ended.exit_code)
                if ended or tended:
                    self.log.line(
                        "hurry",
                        self.host.now(),
                        pid=pid,
                        by=self.platform.name,
                        exit_code=ended.exit_code if ended else None,
                    )
                return

    # -- what decisions need -----------------------------------------------------------------------
    def _rules(self) -> Rules:
        s = self.settings
        delays, quiet = (
            tuple(float(delay) for delay in s["restart_delays"]),
            float(s["channels_quiet"]),
        )
        return Rules(
            delays,
            int(s["max_restarts"]),
            float(s["crash_window"]),
            int(s["crash_limit"]),
            float(s["escalation_time"]),
            quiet,
            starts=self.platform.name != "container",
        )

    def new_name(self, now: float) -> str:
        return time.strftime("%Y%m%dT%H%M%S", time.localtime(now)) + "-" + os.urandom(2).hex()

    def _fingerprint(self) -> str:
        """Changes when somebody changed what a start depends on."""
        path = str(getattr(getattr(self.seen, "service", None), "path", "") or "")
        return self._start.mark(
            self.home, path, self.platform if self._ticks % EVERYTHING_EVERY == 1 else None
        )

    def _paused(self, now: float) -> bool:
        # os.path: Path.exists() raises where the folder may not be entered (a volume of root's)
        if not os.path.exists(self.home.doctor_dir / "pause.json"):
            return False
        until, damaged = watch_state.pause(self.home, self.host)
        before = self._pause
        if abs(until - before[0]) >= watch_state.CLOCK_SET or damaged != before[1]:
            self._pause = (until, damaged)
            self.log.line(
                "pause", now, until=gateway.clock_stamp(until) if until else "", error=damaged
            )
        return bool(until)

    def _held(self, now: float) -> bool:
        """Whether the fleet says that nothing is healed now. Asked only while something is wrong,
        and not at every look; no answer holds nobody.
        """
        named = self.settings.get("fleet.prometheus", "") or self.settings.get(
            "fleet.alertmanager", ""
        )
        if not named or self.verdict is None or self.verdict.state in FINE:
            self._fleet = (0.0, "")
            return False
        asked, why = self._fleet
        if not 0 <= now - asked < FLEET_EVERY:
            was, (why, how) = why, fleet.held(self.host, self.home, self.settings)
            self._fleet = (now, why)
            if why != was:
                self.log.line("fleet", now, held=why, how=how)
                if why == "storm":
                    self.acts.tell(Decision("note", "fleet-storm", {"share": how}))
        return bool(why)

    def context(self) -> Context:
        return Context(
            self.host,
            self.home,
            self.settings,
            self.verdict or Verdict(State.UNKNOWN, Text("", "")),
            platform=self.platform,
            seen=self.seen,
        )

    # -- keeping -----------------------------------------------------------------------------------
    def _healthy(self, now: float) -> None:
        if self._ready_at is None:
            self._ready_at = now
            self.teller.guarded("endpoint", lambda: remember(self.home))
            self.teller.guarded("tend", self.platform.tend)  # who keeps this one, while it lives
            self.teller.guarded("served", self._came_up)
        mark = (self.verdict.pid if self.verdict else None, self._fingerprint())
        if mark[1] != self._ready_with[0]:
            self._ready_with = (mark[1], now)
        proven = now - max(self._ready_at, self._ready_with[1]) >= self._good_after()
        # A config that it is ready with is good, whatever happened before. Plugins and databases
        # are another matter: what ran only since the last crash may hang it in a minute.
        shaken = any(now - at < GOOD_CALM for at in self.state.crashes + self.state.restarts)
        calm = not self.state.incident and not shaken
        again = mark != self._good_for or now - self._good_at > GOOD_AGAIN
        if proven and calm and again:
            self._good_for, self._good_at = mark, now
            self._good_pending = mark[1]
            if not self.state.good:  # until there is one, a broken config cannot be restored
                self.children.hurried.add("keep-good")
            self.children.start("keep-good", ["keep-good"])
        elif (
            proven
            and not calm
            and now >= self._config_wait
            and mark[1] not in (self._config_for, self.state.good)
        ):
            self._config_for = mark[1]
            self.children.start("keep-config", ["keep-good", "--config-only"])
        if self._ticks % LEVELS_EVERY == 1:
            self.teller.judge_levels(self.seen, self.state, now, self.recorder.end)

    def _came_up(self) -> None:
        """The process that is ready was started with the config as it is now."""
        process = self.seen.process if self.seen else None
        path = self.home.config_path
        if process and process.started and process.started >= path.stat().st_mtime:
            served.came_up(self.home, read_file(path))

    def kept_good(self) -> None:
        """The child that was to keep a good copy has kept it."""
        self._good_misses = 0
        self.children.hurried.clear()
        self.state = replace(self.state, good=self._good_pending)

    def not_kept(self, name: str, now: float) -> None:
        """The child came to no verdict: it took too long, or the gateway did not answer it in
        time. Without another try there would be no good copy for a day.
        """
        wait = min(GOOD_RETRY * 2.0**self._good_misses, GOOD_RETRY_MOST)
        self._good_misses = min(self._good_misses + 1, 10)
        self.children.hurried.add(name)
        if name == "keep-config":
            self._config_for, self._config_wait = "", now + wait
        else:
            self._good_at = now - GOOD_AGAIN + wait

    def _good_after(self) -> float:
        return (
            GOOD_AFTER_IN_DRILLS if self.host.env.get("IFLOW_DOCTOR_DRILL") == "1" else GOOD_AFTER
        )

    def save(self) -> None:
        """Write the state where it changed. A full disk must not stop the watch."""
        if self.state != self.saved:
            self.saved = self.state
            try:
                watch_state.save(self.home, self.state)
                self._unwritable = ""
            except OSError as error:
                snapshots.drop(self.home)  # a full disk: the next save has room again
                self._cannot_write(error)

    def _cannot_write(self, error: OSError) -> None:
        """Our own state cannot be kept on the disk: told once, with the disk's name for it."""
        why = error.strerror or str(error)
        if why == self._unwritable:
            return
        self._unwritable = why
        self.log.line("state-not-saved", self.host.now(), error=str(error))
        facts = {"folder": str(self.home.doctor_dir), "why": why}
        self.teller.event(Decision("note", "unwritable", facts), None, None, self.state)

    def forget(self) -> None:
        """Set what the watch remembers aside: the same place failed again and again."""
        moved = watch_state.set_state_aside(self.home)
        self.log.line("state-damaged", self.host.now(), set_aside=moved)
        self.state = watch_state.WatchState()

    def alive(self) -> None:
        """Tell systemd (WatchdogSec); without it this is nothing."""
        if self.host.env.get("NOTIFY_SOCKET"):
            from ..platforms import systemctl

            systemctl.tell_alive(self.host)

    def _log_change(self, now: float) -> None:
        seen = self.verdict
        if seen and (seen.state.value, str(seen.pid)) != self._said:
            self._said = (seen.state.value, str(seen.pid))
            facts = {"pid": seen.pid, "exit_code": seen.exit_code, "failing": list(seen.failing)}
            said = {"reason": seen.reason.en, "reason_zh": seen.reason.zh}
            self.log.line("state", now, state=seen.state.value, **said, **facts)

    # -- settings ----------------------------------------------------------------------------------
    def _mark_settings(self) -> Tuple[Any, ...]:
        return tuple(
            fingerprint.of_file(path)
            for path in (
                self.home.doctor_dir / "config.json",
                self.home.config_path,
                self.home.env_file,
            )
        )

    def _reload_settings(self) -> None:
        mark = self._mark_settings()
        if mark == self._settings_mark:
            return
        self._settings_mark, before = mark, self.complaint
        self.settings, self.complaint = settings_module.load_or_last_good(self.host, self.home)
        if self.complaint and str(self.complaint) != str(before):
            self.log.line(
                "settings",
                self.host.now(),
                error=str(self.complaint),
                using="the last good settings",
            )
        fresh = settings_module.place(locate(self.host), self.settings)
        if (
            fresh != self.home
            and fresh.state_dir == self.home.state_dir
            and openclaw_config.load(self.home.config_path).ok
        ):
            self.log.line("endpoint", self.host.now(), port=fresh.port, before=self.home.port)
            self.home = fresh
