"""I1, I2, I6: whom a signal, a stop or a restart reaches, and how often it is a hard one."""

from __future__ import annotations

import signal
from typing import Any

from .rules import DEADLY, DOOMED, HARD, HARD_WINDOW, PATIENCE, STARTS, SURE, Rules


class Signals(Rules):
    """Called before every signal and every order to the service manager."""

    def signalled(self, proc: Any, number: int, by: str) -> None:
        self.checks += 1
        if not self.ours(by) or number not in DEADLY:
            if proc.kind == "gateway" and number in DEADLY and by == "owner":
                self.stopped_by, self.stopped_at = "owner", self.world.mono
            return
        if proc.kind in ("ours", "helper") and (
            proc.kind == "helper" or number == signal.SIGUSR1 or self._child(proc, by)
        ):
            return
        gateway = next((g for g in self.world.gateways if g.proc is proc), None)
        if gateway is None or not gateway.own:
            self.violated(
                "I2",
                "{} sent {} to {} (pid {}, {})".format(
                    by, signal.Signals(number).name, " ".join(proc.argv)[:80], proc.pid, proc.kind
                ),
            )
            return
        self._touched(gateway, by, signal.Signals(number).name)
        if number == signal.SIGKILL:
            self.hard.append(self.world.mono)
            recent = [t for t in self.hard if self.world.mono - t < HARD_WINDOW]
            if len(recent) > HARD:
                self.violated(
                    "I6",
                    "{} hard kills within {:.0f} s".format(len(recent), recent[-1] - recent[0]),
                )

    def _child(self, proc: Any, by: str) -> bool:
        """A program that the sender itself started."""
        return proc.kind == "ours" and proc.ppid != 1 or by == "keeper"

    def asked(self, by: str, what: str, gateway: Any) -> None:
        """Somebody has the service manager stop or restart the gateway."""
        if by == "owner":
            self.stopped_by, self.stopped_at = "owner", self.world.mono
        elif self.ours(by):
            self._touched(gateway, by, what)

    def _touched(self, gateway: Any, by: str, how: str) -> None:
        world = self.world
        self.stopped_by, self.stopped_at = by, world.mono
        since = world.mono - gateway.ready_since
        if gateway.answers_ready() and since > SURE:
            self.violated(
                "I1",
                "{}: {} to gateway {} that answers ready for {:.1f} s on {}://:{}".format(
                    by, how, gateway.proc.pid, since, gateway.scheme, gateway.port
                ),
            )
        stalled = world.mono - gateway.deaf_since
        ends_in = gateway.deaf_until - world.mono
        if (
            gateway.ready
            and gateway.deaf_busy
            and gateway.proc.state == "R"
            and 0 < ends_in
            and stalled + ends_in <= PATIENCE
        ):
            self.violated(
                "I1-stall",
                "{}: {} to a gateway that is busy for {:.0f} s and free in {:.0f} s".format(
                    by, how, stalled, ends_in
                ),
            )
        birth = gateway.birth
        starting = (
            not gateway.ready
            and not gateway.draining
            and not gateway.lost_port
            and not birth.never_ready
        )
        dies = birth.exit_at and birth.exit_at < birth.boot + DOOMED
        if starting and not dies and gateway.deaf_left() == 0.0 and gateway.config_raw:
            if birth.boot <= (STARTS if birth.busy and birth.talks else 300.0):
                self.violated(
                    "I1-start",
                    "{}: {} to a start of {:.0f} s after {:.0f} s (busy {}, talks {})".format(
                        by, how, birth.boot, gateway.age, birth.busy, birth.talks
                    ),
                )
