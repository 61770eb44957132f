"""I5, I7: every outage ends, healed or told, and none of them is our own stop."""

from __future__ import annotations

from typing import Any

from .rules import AT_ONCE, BOUND, HARD_WINDOW, LATE, PLAIN, QUIET, UNSTARTED, Rules


class Outages(Rules):
    """Follows when the gateway is up, and who was told."""

    def became_ready(self, gateway: Any) -> None:
        self.down_since = None

    def ended(self, gateway: Any) -> None:
        """A start by hand that is refused at once is read where it was typed: whether it is to be
        tried again nobody but its owner knows, and no look of ours has seen it.
        """
        at_once = self.world.mono - gateway.began < AT_ONCE
        if gateway.kept_by == "terminal" and at_once and not gateway.ever_ready:
            self.world.wants("any")
        if self.down_since is None and self.world.intent == "up":
            self.down_since = self.world.mono

    def look(self) -> None:
        """Called now and then: is there an outage that nobody heals and nobody was told of?"""
        world = self.world
        self.checks += 1
        gateway = world.gateway()
        up = gateway is not None and gateway.answers_ready()
        if up or world.intent != "up" or world.off:
            self.down_since = None
            return
        if self.down_since is None:
            self.down_since = world.mono
        if not world.watching:
            self.down_since = world.mono
        lasted = world.mono - self.down_since
        self._late(gateway)
        if gateway is None and self.ours(self.stopped_by) and not self._told(lasted):
            if min(lasted, world.mono - self.stopped_at) > UNSTARTED and not world.bad_births:
                self.violated(
                    "I5",
                    "stopped by our {} {:.0f} s ago, not started, nobody told".format(
                        self.stopped_by, world.mono - self.stopped_at
                    ),
                )
        if lasted > BOUND and not self._told(lasted):
            self.violated(
                "I7",
                "not ready for {:.0f} s, and nobody was told ({})".format(
                    lasted, self._why(gateway)
                ),
            )

    def _told(self, lasted: float) -> bool:
        return any(at >= self.world.mono - lasted - 60.0 for at, _alert in self.world.told)

    def _late(self, gateway: Any) -> None:
        """Where nothing else is wrong, a gateway that is deaf for good is ended."""
        world = self.world
        if gateway is None or not gateway.ever_ready or not all(f in PLAIN for f in world.families):
            return
        since = min(gateway.deaf_since, gateway.stopped_since)
        if gateway.deaf_left() < 1e6 or world.mono - since < LATE or not world.watching:
            return
        told = self.down_since is not None and self._told(world.mono - self.down_since)
        if (
            told
            or any(world.mono - t < 2 * HARD_WINDOW for t in self.hard)
            or world.waiting_children()
        ):
            return
        self.violated(
            "I7-late",
            "deaf for {:.0f} s (state {}), and nothing was done".format(
                world.mono - since, gateway.proc.state
            ),
        )

    def calm(self) -> bool:
        """Whether nothing is under way: a gateway that is ready with nothing left to happen to it, or one that its owner stopped."""
        world, dog = self.world, self.dog
        if self._given_up():
            return True
        if (
            dog is None
            or dog.state.incident is not None
            or world.bad_births
            or world.waiting_children()
        ):
            return False
        gateway = world.gateway()
        if gateway is None:
            return bool(
                world.intent == "down"
                and dog.verdict
                and dog.verdict.state.value == "stopped_by_operator"
            )
        birth = gateway.birth
        more = birth.exit_at or birth.deaf_after and gateway.deaf_since == float("inf")
        return bool(
            gateway.answers_ready()
            and not more
            and dog.verdict
            and dog.verdict.state.value == "healthy"
        )

    def _given_up(self) -> bool:
        """It refuses to start, its owner was told, and for five minutes nothing was done about it."""
        world, dog = self.world, self.dog
        if dog is None or dog.verdict is None or world.intent != "up" or self.down_since is None:
            return False
        return bool(
            world.gateway() is None
            and not world.bad_births
            and not world.waiting_children()
            and dog.verdict.state.value == "misconfigured"
            and dog.state.incident is not None
            and dog.state.incident.escalated
            and self._told(world.mono - self.down_since)
            and world.notes
            and world.mono - world.notes[-1][0] > QUIET
        )

    @staticmethod
    def _why(gateway: Any) -> str:
        if gateway is None:
            return "no process"
        return "pid {} ready {} deaf {:.0f} draining {}".format(
            gateway.proc.pid, gateway.ready, min(gateway.deaf_left(), 1e6), gateway.draining
        )
