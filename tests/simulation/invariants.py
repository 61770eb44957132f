"""What must hold at every moment (docs/safety.md, I1 to I10), checked at every event of a run."""

from __future__ import annotations

import os
from typing import Any

from .rule_bytes import Bytes
from .rule_outages import Outages
from .rule_signals import Signals
from .rules import BYTES, FILES, Violation, read

__all__ = ["Invariants", "Violation"]


class Invariants(Signals, Outages, Bytes):
    """Listens to the world: all rules, with those about the owner's wish and about our own programs."""

    # -- whose wish (I5) ----------------------------------------------------------------------------------------------
    def asked_start(self, by: str) -> None:
        world = self.world
        if self.ours(by) and world.intent == "down" and world.mono - world.intent_since > 3.0:
            self.violated(
                "I5-will",
                "{} starts the gateway {:.0f} s after its owner stopped it".format(
                    by, world.mono - world.intent_since
                ),
            )

    def intent_changed(self) -> None:
        """A start that fails begins no new outage: who was told of it once knows. A start after a stop
        does.
        """
        if self.world.intent != "up":
            self.down_since = None
        elif self.down_since is None:
            self.down_since = self.world.mono

    def after_tick(self, dog: Any) -> None:
        world = self.world
        self.checks += 1
        self.dog = dog
        self.failed_ticks = 0
        state = dog.verdict.state.value if dog.verdict else ""
        if (
            state == "stopped_by_operator"
            and world.intent == "up"
            and world.mono - world.intent_since > 30.0
        ):
            if self.ours(self.stopped_by):
                self.violated(
                    "I5",
                    "stopped by our {} {:.0f} s ago, and called the owner's stop".format(
                        self.stopped_by, world.mono - self.stopped_at
                    ),
                )

    # -- our own programs (I9, I10) -----------------------------------------------------------------------------------
    def child_failed(self, name: str, error: BaseException) -> None:
        if not isinstance(error, OSError):
            self.violated("I9-child", "{} fell over: {!r}".format(name, error))

    def watchdog_ended(self, task: Any) -> None:
        world = self.world
        if task.error is not None:
            self.violated("I9", "the watchdog died of {!r}".format(task.error))
        elif task.code not in (0, -9):
            self.ends.append(world.mono)
            recent = [t for t in self.ends if world.mono - t < 300.0]
            if len(recent) >= 5:
                self.violated(
                    "I9",
                    "the watchdog ended with {} for the {}th time in 5 minutes".format(
                        task.code, len(recent)
                    ),
                )

    def at_end(self) -> None:
        """What a finished run has to leave behind."""
        world = self.world
        self.look()
        for path, raw in self.displaced:
            if read(path) != raw and not self._kept(raw):
                self.violated(
                    "I4",
                    "the owner's bytes of {} were kept and are gone again".format(
                        os.path.basename(path)
                    ),
                )
        self._edit_kept()
        files = size = 0
        for folder, _folders, names in os.walk(str(world.doctor_dir)):
            for name in names:
                files += 1
                try:
                    size += os.path.getsize(os.path.join(folder, name))
                except OSError:
                    continue
        if files > FILES or size > BYTES:
            self.violated("I10", "{} files, {} bytes in our directory".format(files, size))
