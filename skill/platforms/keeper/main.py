"""Level 1 where no service manager is: a small process that starts the gateway, waits for it, and
starts it again after a crash.

Runs as a script of its own (`python -I -S skill/platforms/keeper/main.py run DIR`), so it imports
nothing of ours and nothing heavy. It talks through files in DIR (= <state dir>/iflow-doctor):
keeper.spec.json says what to start, keeper.env.json what to change in the environment,
keeper.request is a wish (start | stop | restart | leave), keeper.json is what it knows, keeper.lock
is held by it.

kill -9 of the keeper leaves the gateway running; the next keeper adopts it by pid and start time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Dict, Optional, Sequence

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__))) if __name__ == "__main__" else None
try:
    from . import files
    from . import system as lib
except ImportError:
    import files  # type: ignore[import-not-found,no-redef]
    import system as lib  # type: ignore[import-not-found,no-redef]

DELAYS = (
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)  # s before the 1st, 2nd, 3rd, ... restart of a gateway that keeps dying young
YOUNG = 120.0  # s: a gateway that lived longer counts as having worked
LIMIT, WINDOW = (
    10,
    300.0,
)  # more starts than this within WINDOW seconds: give up, the watchdog decides
REFUSED = 78  # OpenClaw refuses to start until something changes: starting again cannot help
CLEAN = (0, 143, -15)  # ended because somebody asked it to
RESTARTS_AT_ONCE = (
    3  # fresh processes that a young gateway may ask for before it waits as others do
)
PORT_PATIENCE = 60.0  # s to wait for a port that another program holds, then try all the same
KILL_AGAIN = 10.0  # s between two attempts to end a gateway that outlived its grace
# s between a clean end and believing in it: a machine that goes down ends the gateway first
SETTLE = 2.0


class Keeper:
    """One gateway. step() looks once and acts; run() does so forever."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.child: Optional[subprocess.Popen[bytes]] = None
        self.ending = False
        self.kill_at = 0.0
        self.state: Dict[str, Any] = {
            "keeper_pid": os.getpid(),
            "keeper_started": time.time(),
            "boot": lib.boot_mark(),
            "pid": None,
            "ticks": None,
            "started": None,
            "exit_code": None,
            "exited_at": None,
            "restarts": 0,
            "wanted": "up",
            "phase": "starting",
            "reason": "",
            "starts": [],
            "young": 0,
            "next_at": 0.0,
            "waiting_since": 0.0,
            "request": "",
            "saves": 0,
            "stopped_mono": 0.0,
        }
        self.log = ""
        before = files.read_newest(folder, "keeper.json")
        for key in ("saves", "exit_code", "exited_at", "restarts", "starts", "young", "request"):
            if key in before:
                self.state[key] = before[key]
        if (
            before.get("boot") == self.state["boot"]
        ):  # else: machine or container was restarted, and everything with it
            self.state["wanted"] = before.get("wanted", "up")
            for key in ("pid", "ticks", "started", "stopped_mono"):
                self.state[key] = before.get(key)
            if self._running():
                self.state.update(phase="running", reason="adopted")
            if before.get("phase") in ("refused", "gave-up"):
                self.state.update(phase=before["phase"], reason=before.get("reason", ""))

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def save(self, **changes: Any) -> None:
        self.state.update(changes)
        if changes.get("phase") in ("stopped", "running"):
            since = time.monotonic() if changes["phase"] == "stopped" else 0.0
            self.state["stopped_mono"] = since
        self.state["saves"] += 1
        files.write_newest(self.folder, "keeper.json", self.state)

    def spec(self) -> Dict[str, Any]:
        return files.read_newest(self.folder, "keeper.spec.json")

    # -- one look ----------------------------------------------------------------------------------
    def step(self) -> bool:
        """Look once; False when the keeper should end. Where its folder is gone nobody wants it any
        more.
        """
        if not os.path.isdir(self.folder):
            return False
        if not self._obey():
            return False
        if self._running():
            if self.kill_at and time.monotonic() > self.kill_at:
                self._kill()
            files.rotate(self.log or self.path("gateway.log"))
        elif self.state["pid"]:
            self._after_end()
        elif self.ending:
            return False
        elif self.state["phase"] == "settling":
            if time.time() >= self.state["next_at"]:
                self.save(
                    wanted="down",
                    phase="stopped",
                    reason="ended cleanly, nobody asked for a restart",
                )
        elif (
            self.state["wanted"] == "up"
            and self.state["phase"] not in ("refused", "gave-up")
            and time.time() >= self.state["next_at"]
        ):
            self._start()
        return True

    def _obey(self) -> bool:
        wish = files.take_request(self.folder, "keeper.request", self.state["request"])
        action = wish.get("action")
        if action == "leave":
            self.save(
                phase="left", reason="asked to leave the gateway alone", request=wish.get("id", "")
            )
            return False
        if action in ("start", "restart"):
            self.save(
                wanted="up",
                request=wish.get("id", ""),
                next_at=0.0,
                waiting_since=0.0,
                starts=[],
                young=0,
            )
            if self.state["phase"] in ("refused", "gave-up", "stopped", "settling"):
                self.save(phase="starting", reason="asked to start")
        if action in ("stop", "restart"):
            self._adopt_what_runs()
            if action == "stop":
                self.save(wanted="down", request=wish.get("id", ""))
            if self._running():
                self._end(float(wish.get("grace", 60)))
            elif action == "stop":
                self.save(phase="stopped", reason="asked to stop", next_at=0.0)
        return True

    def _running(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return bool(self.state["pid"]) and lib.alive(self.state["pid"], self.state["ticks"])

    def _end(self, grace: float) -> None:
        self.save(phase="stopping", reason="asked to end")
        self.kill_at = time.monotonic() + grace
        if (
            self.state["wanted"] == "up"
        ):  # a restart: its end is ours, even if another keeper has it by then
            files.note(self.folder, "terminate", self.state["pid"], "a restart was asked for")
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        try:
            if self.child is not None:
                self.child.send_signal(number)
            elif lib.alive(self.state["pid"], self.state["ticks"]):
                os.kill(self.state["pid"], number)
        except OSError:
            pass

    def _kill(self) -> None:
        """SIGKILL, in the ledger first; the third within five minutes waits."""
        if files.may_kill(self.folder):
            files.note(self.folder, "kill", self.state["pid"], "it did not end in time")
            self._signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        self.kill_at = time.monotonic() + KILL_AGAIN

    # -- starting ----------------------------------------------------------------------------------
    def _start(self) -> None:
        spec = self.spec()
        if not spec.get("command"):
            self.save(phase="gave-up", reason="keeper.spec.json names no command")
            return
        holder, what = lib.lock_holder(spec.get("state_dir", ""), spec.get("locks") or ())
        if holder and what == "gateway":
            self._adopt(holder)
            return
        if self._must_wait(holder, what, spec):
            return
        now = time.time()
        starts = [at for at in self.state["starts"] if 0 <= now - at < WINDOW]
        if len(starts) >= LIMIT:
            self.save(
                phase="gave-up",
                reason="{} starts within {:.0f} s".format(len(starts), WINDOW),
                starts=starts,
            )
            return
        out, self.log = files.open_log(self.folder, "gateway.log")
        files.rotate(self.log)
        first = self.state["started"] is None
        try:
            files.write_line(out, "starting {}".format(spec["command"][0]))
            override = files.read_json(self.path("keeper.env.json"))
            lib.limit_files(override.get("limit_nofile"))
            env = lib.environment(spec, override)
            flags: Dict[str, Any] = (
                {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}
            )
            self.child = subprocess.Popen(
                spec["command"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=env,
                cwd=spec.get("cwd") or None,
                **flags,
            )
        except (OSError, ValueError) as error:
            files.write_line(out, "cannot start: {}".format(error))
            self.save(
                starts=starts + [now],
                exit_code=127,
                exited_at=now,
                young=self.state["young"] + 1,
                phase="waiting",
                reason="cannot start: {}".format(error),
                next_at=now + self._delay(self.state["young"] + 1),
            )
            return
        finally:
            os.close(out)
        self.kill_at = 0.0
        self.save(
            pid=self.child.pid,
            ticks=lib.ticks(self.child.pid),
            started=lib.create_time(self.child.pid) or now,
            phase="running",
            reason="",
            starts=starts + [now],
            restarts=self.state["restarts"] + (0 if first else 1),
            waiting_since=0.0,
            next_at=0.0,
        )

    def _adopt_what_runs(self) -> None:
        """A gateway that somebody else started: to stop or restart means that one."""
        if not self._running():
            spec = self.spec()
            holder, what = lib.lock_holder(spec.get("state_dir", ""), spec.get("locks") or ())
            if holder and what == "gateway":
                self._adopt(holder)

    def _adopt(self, pid: int) -> None:
        """An old gateway is alive: keep that one. Its exit code will be unknown to us."""
        self.child = None
        self.save(
            pid=pid,
            ticks=lib.ticks(pid),
            started=lib.create_time(pid) or time.time(),
            phase="running",
            reason="adopted",
            waiting_since=0.0,
        )

    def _must_wait(self, holder: int, what: str, spec: Dict[str, Any]) -> bool:
        """A doctor at work makes the gateway refuse (78); a taken port makes it fail after 30 s."""
        reason = "pid {} ({}) holds the lock".format(holder, what) if holder else ""
        if not reason and lib.port_taken(spec.get("port")):
            since = self.state["waiting_since"] or time.time()
            if time.time() - since < PORT_PATIENCE:
                reason = "port {} is taken by another program".format(spec.get("port"))
        if reason:
            self.state["next_at"] = time.time() + 1.0
            if (self.state["phase"], self.state["reason"]) != ("waiting", reason):
                self.save(
                    phase="waiting",
                    reason=reason,
                    waiting_since=self.state["waiting_since"] or time.time(),
                )
        return bool(reason)

    # -- after the end -----------------------------------------------------------------------------
    def _after_end(self) -> None:
        code, adopted = (self.child.returncode, False) if self.child is not None else (None, True)
        pid, lived = self.state["pid"], time.time() - (self.state["started"] or 0)
        self.child, asked = None, bool(self.kill_at)
        self.kill_at = 0.0
        young = self.state["young"] + 1 if lived < YOUNG else 1
        self.save(
            pid=None,
            ticks=None,
            exit_code=code,
            exited_at=time.time(),
            phase="ended",
            reason="exit code {}".format(code),
        )
        if self.ending:
            return
        if asked:
            self.save(
                phase="starting" if self.state["wanted"] == "up" else "stopped",
                reason="asked to",
                next_at=0.0,
            )
            return
        tail = files.tail(self.log or self.path("gateway.log"))
        spec = self.spec()
        place, since = str(spec.get("state_dir", "")), float(self.state["started"] or 0)
        ours = files.ended_by_us(self.folder, pid)
        mark = lib.RESTART_MARK.search(tail)
        if mark and mark.group(1) and self._adopt_named(int(mark.group(1))):
            return
        if mark and young <= RESTARTS_AT_ONCE:
            self.save(
                phase="starting",
                reason="the gateway asked for a fresh process",
                young=young,
                next_at=0.0,
            )
        elif code in CLEAN or (code is None and all(mark in tail for mark in lib.CLEAN_MARKS)):
            wanted = lib.stop_on_record(place, pid, since)
            if not spec.get("records_stops", True):
                # Up to 2026.7 `openclaw gateway stop` is nothing but a SIGTERM.
                wanted = wanted or bool(lib.TOLD_TO_END.search(tail))
            if not wanted and (ours or not adopted):
                # As Restart=always: our own child has no terminal, and anyone who wants it stopped
                # says so to OpenClaw or to us.
                delay = max(SETTLE, self._delay(young))
                reason = "ended cleanly ({}), and nobody asked OpenClaw to stop it".format(code)
                self.save(phase="waiting", reason=reason, young=young, next_at=time.time() + delay)
            elif lib.handed_over(spec, pid):
                self.save(
                    phase="starting",
                    reason="the gateway handed over to a fresh process",
                    next_at=0.0,
                )
            else:
                self.save(phase="settling", reason="ended cleanly", next_at=time.time() + SETTLE)
        elif lib.stop_on_record(place, pid, since):
            # Told to stop while it started, crashed or was deaf (and ended by us): how it ended is
            # no matter then.
            self.save(wanted="down", phase="stopped", reason="stopped on record", next_at=0.0)
        elif code == REFUSED:
            self.save(
                phase="refused",
                reason="exit 78: refuses to start until something changes",
                young=young,
            )
        else:
            delay = self._delay(young)
            self.save(
                phase="waiting",
                reason="crashed ({}), again in {:.1f} s".format(code, delay),
                young=young,
                next_at=time.time() + delay,
            )

    def _adopt_named(self, pid: int) -> bool:
        """An older version started its successor itself and named it: keep that one, not two."""
        place = str(self.spec().get("state_dir", ""))
        if not lib.serves_place(pid, place, float(self.state["started"] or 0)):
            return False
        self._adopt(pid)
        return True

    @staticmethod
    def _delay(young: int) -> float:
        return DELAYS[min(max(young, 1), len(DELAYS)) - 1]


def run(folder: str) -> int:
    """Keep the gateway of DIR until told to leave. Exit 0; 3 when another keeper is at work."""
    lock = files.take_lock(folder, "keeper.lock")
    if lock is None:
        return 3
    keeper = Keeper(folder)
    wake = lib.Wake(("SIGCHLD", "SIGUSR1", "SIGTERM", "SIGINT"))
    try:
        keeper.save()
        while keeper.step():
            wake.wait(keeper.child, 0.5)
            if wake.asked_to_end and not keeper.ending:
                keeper.ending = True
                if keeper._running():
                    keeper._end(float(keeper.spec().get("grace", 60)))
    finally:
        os.close(lock)
    return 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """`run DIR`: keep; `state DIR`: print keeper.json."""
    words = list(sys.argv[1:] if argv is None else argv)
    if len(words) != 2 or words[0] not in ("run", "state"):
        sys.stderr.write("usage: keeper run|state DIR\n")
        return 2
    if words[0] == "run":
        return run(words[1])
    sys.stdout.write(json.dumps(files.read_newest(words[1], "keeper.json"), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
