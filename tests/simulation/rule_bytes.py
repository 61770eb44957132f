"""I4, I5: what the owner wrote, and the gateway's data."""

from __future__ import annotations

import os

from . import ground
from .rules import Rules, read


class Bytes(Rules):
    """Called after every change that a program of ours makes to a file that is not ours."""

    def owner_wrote(self, path: str) -> None:
        """What the owner replaces himself is not ours to keep."""

    def changed(self, kind: str, path: str, before: bytes) -> None:
        """One of our programs has just replaced, moved or removed this file."""
        world = self.world
        self.checks += 1
        gateway = world.gateway()
        if path in self.databases and gateway is not None and gateway.ready and gateway.proc.alive:
            self.violated(
                "I5-data",
                "{} {}s the database under a gateway that is up".format(world.who(), kind),
            )
        if path in self.databases and before.startswith(b"SQLite format 3"):
            self.violated("I4-data", "{} {}s a sound database".format(world.who(), kind))
        if world.owner_bytes.get(path) != before and path not in self.databases:
            return
        after = read(path)
        if after == before:
            return
        self.displaced.append((path, before))
        if not self._kept(before):
            self.violated(
                "I4",
                "{} {}s {} over the owner's bytes, and no copy is kept".format(
                    world.who(), kind, os.path.basename(path)
                ),
            )

    def _kept(self, raw: bytes) -> bool:
        for folder, _folders, names in os.walk(str(self.world.state_dir)):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.getsize(path) == len(raw) and read(path) == raw:
                        return True
                except OSError:
                    continue
        return False

    def _edit_kept(self) -> None:
        """In the end a valid edit of the owner is what the gateway runs with, whatever crashed meanwhile."""
        world = self.world
        path = str(world.config_path)
        raw = world.owner_bytes.get(path)
        now = read(path)
        if raw is None or now is None or raw == now or not self.calm():
            return
        if not ground.judge_config(raw)[1] and ground.note_of(raw) != ground.note_of(now):
            self.violated(
                "I4-valid",
                "the owner's valid edit ({}) is gone from openclaw.json ({})".format(
                    ground.note_of(raw), ground.note_of(now)
                ),
            )
