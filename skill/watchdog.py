"""Level 2: look, judge, decide, act, remember; for ever. Owns no rule of its own: judge.py judges, policy.py decides.

Stays small: whatever needs a heavy import (level 3, alerts, good copies) is a child process of its own.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import judge as judging
from . import policy, watchstate
from . import settings as settings_module
from .children import Children
from .context import Context
from .errors import HealerError
from .files import lock_held, read_json, write_json
from .host import Host
from .model import Alert, State, Text, Verdict
from .openclaw import config as openclaw_config
from .openclaw import gateway
from .openclaw.home import Home, locate, remember
from .policy import Decision, Rules
from .watchlog import WatchLog

GOOD_AFTER = 60.0  # s a gateway has to be ready before its config counts as good
GOOD_AGAIN = 3600.0
MEMORY_EVERY = 6  # looks between two glances at memory


class Watchdog:
    """One gateway's watchdog. tick() looks once and acts; run() ticks for ever."""

    def __init__(self, host: Host, home: Home, platform: Any, echo: bool = False) -> None:
        self.host, self.home, self.platform = host, home, platform
        self.settings, self.complaint = settings_module.load_or_last_good(host, home)
        self.log = WatchLog(home.logs_dir / "watchdog.log", int(self.settings["log_days"]), echo)
        self.state, damaged = watchstate.load(home)
        self.saved = self.state
        self.memory = judging.Memory()
        self.seen: Optional[gateway.Observation] = None
        self.verdict: Optional[Verdict] = None
        self.children = Children(host, home)
        self.last_verdict_key: Tuple[str, str] = ("", "")
        self.good_for: Tuple[Any, ...] = ()
        self.good_at = 0.0
        self.ready_at: Optional[float] = None
        self.ticks = 0
        self.levels: Dict[str, bool] = {}
        self.before: Optional[policy.Incident] = None
        if damaged:
            self.log.line("state-damaged", host.now(), set_aside=damaged)
        if self.complaint:
            self.log.line("settings", host.now(), error=str(self.complaint), using="the last good settings")
        self._settings_mark = self._mark_settings()

    # -- one look -----------------------------------------------------------------------------------------------------
    def tick(self) -> Verdict:
        """Look once, decide, act. Raises nothing but KeyboardInterrupt."""
        now = self.host.now()
        self.ticks += 1
        self._reload_settings()
        known = None if self.ticks % 30 == 0 else self.seen
        self.seen = gateway.observe(self.host, self.home, float(self.settings["probe_timeout"]), self.platform, known)
        limits = judging.Limits(int(self.settings["failures_before_action"]), float(self.settings["start_budget"]))
        moved = judging.jump(self.memory, self.seen)
        if moved:
            self.state = policy.shift(self.state, moved)
            self.log.line("clock", now, moved_s=round(moved, 1))
        self.verdict, self.memory = judging.judge(self.seen, self.memory, limits)
        self._log_change(now)
        if self._paused(now):
            return self.verdict
        self._after_children(now)
        if self.children.busy("treat") or lock_held(self.home.doctor_dir / "healer.lock"):
            # Somebody is repairing: only look. A watchdog that was killed finds its doctor still at work here.
            self._save()
            return self.verdict
        self.before = self.state.incident
        self.state, decisions = policy.step(self.state, self.verdict, self.host.now(), self._rules(), self._fingerprint(), self._name(now))
        for decision in decisions:
            self._carry_out(decision, now)
        if self.verdict.state == State.HEALTHY:
            self._healthy(now)
        else:
            self.ready_at = None
        self._save()
        return self.verdict

    def pause_for(self) -> float:
        """Seconds until the next look."""
        if self.verdict and self.verdict.state == State.HEALTHY and not self.state.incident:
            interval = float(self.settings["check_interval"])
            return interval if self.good_for or self._good_after() > interval else min(interval, self._good_after())
        return float(self.settings["retry_delay"])

    def sleep(self) -> None:
        """Wait for the next look; a process that goes away, or a config that changes while one is down, ends the wait."""
        until = self.host.monotonic() + self.pause_for()
        pid = self.verdict.pid if self.verdict else None
        while True:
            left = until - self.host.monotonic()
            if left <= 0:
                return
            self._alive()
            self.host.sleep(min(1.0, left))
            if pid and not _exists(pid):
                return

    # -- deciding -----------------------------------------------------------------------------------------------------
    def _rules(self) -> Rules:
        s = self.settings
        return Rules(
            tuple(s["restart_delays"]), int(s["max_restarts"]), float(s["crash_window"]), int(s["crash_limit"]), float(s["escalation_time"])
        )

    def _name(self, now: float) -> str:
        import time

        return time.strftime("%Y%m%dT%H%M%S", time.localtime(now)) + "-" + os.urandom(2).hex()

    def _fingerprint(self) -> str:
        """Changes when somebody changed what a start depends on. Only stat() calls: it is computed at every look."""
        parts: List[str] = []
        for path in (self.home.config_path, self.home.env_file, *self._service_files()):
            try:
                stat = os.stat(path)
                parts.append("{}:{}:{}".format(stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except OSError:
                parts.append("-")
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]

    def _service_files(self) -> Tuple[str, ...]:
        path = str(getattr(getattr(self.seen, "service", None), "path", "") or "")
        if not path.endswith((".service", ".plist")):
            return ()  # the keeper's own notes change with every start
        return (path, path + ".d", path + ".d/iflow-doctor.conf")

    def _paused(self, now: float) -> bool:
        until = (
            (read_json(self.home.doctor_dir / "pause.json") or {}).get("until", 0) if (self.home.doctor_dir / "pause.json").exists() else 0
        )
        return bool(until and now < float(until))

    # -- acting -------------------------------------------------------------------------------------------------------
    def _carry_out(self, decision: Decision, now: float) -> None:
        incident = self.state.incident
        self.log.line(
            "decision",
            now,
            kind=decision.kind,
            reason=decision.reason,
            state=self.verdict.state.value if self.verdict else "",
            incident=incident.id if incident else "",
            hard=decision.hard,
        )
        action = getattr(self, "_do_" + decision.kind.replace("-", "_"), None)
        if action is None:
            return
        self._save()  # before the act: a kill -9 in the middle must not make us do it twice
        try:
            action(decision, now)
        except (HealerError, OSError) as error:
            self.log.line("action-failed", self.host.now(), kind=decision.kind, error=str(error), hint=getattr(error, "hint", ""))

    def _do_restart(self, decision: Decision, now: float) -> None:
        process = self.seen.process if self.seen else None
        if process:
            self.children.run_to_end("evidence", ["evidence", "--incident", self._incident_id()], 20)
            gone = gateway.end_process(self.host, process, 5.0 if decision.hard else 20.0, self._alive)
            self.log.line("ended", self.host.now(), pid=process.pid, gone=gone, seconds=round(self.host.now() - now, 1))
            if not gone:
                return
        state = gateway._service(self.platform)
        if process and getattr(state, "active", "") in ("activating", "active"):
            self.log.line("restart", self.host.now(), by="level 1: the service manager starts it")
            return
        if gateway.doctor_running(self.home):
            self.log.line("restart", self.host.now(), by="nobody: OpenClaw's doctor holds the lock")
            return
        if getattr(state, "active", "") == "failed":
            self.platform.reset_failed()
        self.platform.start()
        self.log.line("restart", self.host.now(), by=self.platform.name, seconds=round(self.host.now() - now, 1))

    def _do_heal(self, decision: Decision, now: float) -> None:
        self.children.start("treat", ["treat", "--incident", self._incident_id(), "--json"], keep_result=self._incident_id())

    def _do_resume_channels(self, decision: Decision, now: float) -> None:
        self.children.start(
            "treat", ["treat", "--incident", self._name(now), "--repair", "resume-channels", "--json"], keep_result="resume"
        )

    def _do_opened(self, decision: Decision, now: float) -> None:
        self.children.forget("treat")

    def _do_announce(self, decision: Decision, now: float) -> None:
        self._tell("opened", self.state.incident.reason if self.state.incident else decision.reason)

    def _do_escalate(self, decision: Decision, now: float) -> None:
        self._tell("escalated", decision.reason)

    def _do_recovered(self, decision: Decision, now: float) -> None:
        incident = self.before
        if incident:
            by = incident.healed_by or ("level 2: restart" if incident.restarts else "level 1: restarted by the service manager")
            took = now - incident.opened
            self.log.line("recovered", now, incident=incident.id, by=by, seconds=round(took, 1), restarts=incident.restarts)
            self.children.start(
                "record",
                [
                    "record",
                    "--incident",
                    incident.id,
                    "--by",
                    by,
                    "--opened",
                    repr(incident.opened),
                    "--closed",
                    repr(now),
                    "--state",
                    incident.state,
                    "--restarts",
                    str(incident.restarts),
                ],
            )
            self._tell("recovered", by, incident)

    def _do_note(self, decision: Decision, now: float) -> None:
        self._tell("note", decision.reason)

    def _after_children(self, now: float) -> None:
        """Take in what finished children answered; and what a doctor left whose watchdog was killed meanwhile."""
        for child in self.children.finished():
            self.log.line("child", now, what=child.name, code=child.code, seconds=round(child.seconds, 1))
            if child.name == "keep-good" and child.code == 3:
                self._tell_quiet_damage(now)
        incident = self.state.incident
        result = self.children.result(incident.id) if incident else None
        if incident and result and not lock_held(self.home.doctor_dir / "healer.lock") and not self.children.busy("treat"):
            outcome = str(result.get("outcome", ""))
            self.log.line(
                "treated",
                now,
                incident=incident.id,
                outcome=outcome,
                cause=result.get("cause"),
                actions=result.get("actions"),
                seconds=result.get("seconds"),
            )
            incident = replace(incident, cause=str(result.get("cause", ""))[:500])
            if outcome == "healed":
                incident = replace(incident, healed_by="level 3: " + ", ".join(str(a) for a in result.get("actions", [])))
                self.state = replace(self.state, expected_new_pid=True, crashes=())
            elif outcome in ("escalate", "asked"):
                first = not incident.escalated
                only_person = bool(result.get("only_person"))
                incident = replace(incident, escalated=True, hopeless=self.verdict.state.value if only_person and self.verdict else "")
                self.state = replace(self.state, incident=incident)
                if first:
                    self.log.line(
                        "decision",
                        now,
                        kind="escalate",
                        reason=str(result.get("cause", "")),
                        incident=incident.id,
                        state=self.verdict.state.value if self.verdict else "",
                    )
                    self._save()
                    self._tell("escalated", str(result.get("cause", "")))
            # What the doctor itself wrote is no reason to try again: the next look sets a new base line.
            self.state = replace(self.state, incident=incident, fingerprint="")
            self.children.drop_result(incident.id)

    def _tell_quiet_damage(self, now: float) -> None:
        """Everything is green, and something is wrong all the same: tell it once, until it is something else."""
        found = (read_json(self.home.doctor_dir / "quiet.json") or {}).get("findings") or []
        key = "|".join(sorted(str(row[0]) + str(row[1]) for row in found))
        told = self.home.doctor_dir / "quiet.told.json"
        if not found or (read_json(told) or {}).get("key") == key:
            return
        write_json(told, {"key": key, "at": now})
        what = Text("; ".join(row[1] for row in found), ";".join(row[2] for row in found))
        hint = Text("; ".join(row[3] for row in found), ";".join(row[4] for row in found))
        self.log.line("decision", now, kind="escalate", reason=what.en, state="healthy", incident="")
        self._send(lambda messages: messages.quiet(self._name(now), what, hint, now, self.home))

    # -- telling ------------------------------------------------------------------------------------------------------
    def _tell(self, kind: str, reason: str, incident: Any = None) -> None:
        """Queue an alert and send it from a child process. Nothing here may stop the watch."""
        incident = incident or self.state.incident
        self._send(lambda messages: messages.alert(kind, reason, self.verdict, incident, self.state, self.host.now(), self.home))

    def _send(self, build: Callable[[Any], Alert]) -> None:
        try:
            from . import messages, notify

            if notify.enqueue(self.context(), build(messages)):
                self.children.start("notify", ["notify", "flush", "--json"])
        except Exception as error:
            self.log.line("notify-failed", self.host.now(), error=repr(error))

    def context(self) -> Context:
        return Context(self.host, self.home, self.settings, self.verdict or Verdict(State.UNKNOWN, Text("", "")), platform=self.platform)

    # -- keeping ------------------------------------------------------------------------------------------------------
    def _healthy(self, now: float) -> None:
        if self.ready_at is None:
            self.ready_at = now
            remember(self.home)
        after = self._good_after()
        mark = (self.verdict.pid if self.verdict else None, self._fingerprint())
        if now - self.ready_at >= after and not self.state.incident and not policy.looping(self.state, now, self._rules()):
            if mark != self.good_for or now - self.good_at > GOOD_AGAIN * 24:
                self.good_for, self.good_at = mark, now
                self.children.start("keep-good", ["keep-good"])
        if self.ticks % MEMORY_EVERY == 1:
            self._judge_levels(now)

    def _good_after(self) -> float:
        return 3.0 if self.host.env.get("IFLOW_DOCTOR_DRILL") == "1" else GOOD_AFTER

    def _judge_levels(self, now: float) -> None:
        """Memory, response time and crash frequency against the user's table; told when one changes, not at every look."""
        seen = self.seen
        if not seen or not seen.process:
            return
        usual = float((read_json(self.home.doctor_dir / "usual.json") or {}).get("rss_mb", 0))
        limit = float(self.settings["memory_warning_mb"]) or max(1024.0, 2 * usual)
        rss = seen.process.rss / 1048576
        hour = sum(now - t < 3600 for t in self.state.crashes)
        for name, bad, text in (
            ("memory", rss > limit, "memory {:.0f} MB (warning above {:.0f})".format(rss, limit)),
            ("response", seen.seconds > float(self.settings["response_warning_s"]), "response took {:.1f} s".format(seen.seconds)),
            ("crashes", hour > 5, "{} crashes within an hour".format(hour)),
        ):
            if bad != self.levels.get(name, False):
                self.levels[name] = bad
                self.log.line("level", now, name=name, bad=bad, detail=text)
                if bad:
                    self._tell("note", "level:{}:{}".format(name, text))

    # -- small things ---------------------------------------------------------------------------------------------------
    def _incident_id(self) -> str:
        return self.state.incident.id if self.state.incident else self._name(self.host.now())

    def _alive(self) -> None:
        _beat(self.host, "WATCHDOG=1")

    def _log_change(self, now: float) -> None:
        assert self.verdict is not None
        key = (self.verdict.state.value, str(self.verdict.pid))
        if key != self.last_verdict_key:
            self.last_verdict_key = key
            self.log.line(
                "state",
                now,
                state=self.verdict.state.value,
                reason=self.verdict.reason.en,
                pid=self.verdict.pid,
                exit_code=self.verdict.exit_code,
                failing=list(self.verdict.failing),
            )

    def _mark_settings(self) -> Tuple[Any, ...]:
        marks: List[Any] = []
        for path in (self.home.doctor_dir / "config.json", self.home.config_path, self.home.env_file):
            try:
                stat = os.stat(path)
                marks.append((stat.st_mtime_ns, stat.st_size))
            except OSError:
                marks.append(None)
        return tuple(marks)

    def _reload_settings(self) -> None:
        mark = self._mark_settings()
        if mark == self._settings_mark:
            return
        self._settings_mark = mark
        before = self.complaint
        self.settings, self.complaint = settings_module.load_or_last_good(self.host, self.home)
        if self.complaint and str(self.complaint) != str(before):
            self.log.line("settings", self.host.now(), error=str(self.complaint), using="the last good settings")
        fresh = locate(self.host)
        readable = openclaw_config.load(self.home.config_path).ok
        if fresh != self.home and readable and fresh.state_dir == self.home.state_dir:
            self.log.line("endpoint", self.host.now(), port=fresh.port, before=self.home.port)
            self.home = fresh

    def _save(self) -> None:
        if self.state != self.saved:
            try:
                watchstate.save(self.home, self.state)
                self.saved = self.state
            except OSError as error:
                self.saved = self.state
                self.log.line("state-not-saved", self.host.now(), error=str(error))


def _exists(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


def run(watchdog: Watchdog, once: bool = False) -> int:
    """Tick for ever (or once); answer the exit code for `--once`: 0 healthy or rightly left alone, 1 not."""
    watchdog.log.line(
        "watch",
        watchdog.host.now(),
        pid=os.getpid(),
        port=watchdog.home.port,
        manager=watchdog.platform.name,
        python=sys.version.split()[0],
    )
    _beat(watchdog.host, "READY=1")
    while True:
        verdict = watchdog.tick()
        watchdog._alive()
        if once:
            return 0 if verdict.state in (State.HEALTHY, State.STARTING, State.DRAINING, State.STOPPED, State.UPDATING) else 1
        watchdog.sleep()


def _beat(host: Host, word: str) -> None:
    """Tell systemd; without systemd this is nothing."""
    if host.env.get("NOTIFY_SOCKET"):
        from . import sdnotify

        sdnotify.notify(host, word)
