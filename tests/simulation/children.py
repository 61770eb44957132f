"""Programs of ours: the watchdog and the child processes that it starts, run in this process through their real entry points."""

from __future__ import annotations

from typing import Any, List

from .programs import Handle
from .scheduler import Killed

START = 0.5  # seconds that a Python of ours needs before it does anything (measured)


class Children:
    """Starts `python -m skill WORDS` as a Task, or runs it inside the caller where the caller waits for it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.counts: dict = {}

    def popen(self, words: List[str]) -> Handle:
        world, name = self.world, words[0]
        self.counts[name] = self.counts.get(name, 0) + 1
        world.trigger(name)
        proc = world.machine.start(
            "ours", ["python3", "-m", "skill", *words], ppid=world.getpid(), env=dict(world.env)
        )
        task = world.spawn(name, lambda: self._main(words), proc.pid, 0.0)
        proc.task = task

        def ended(_task: Any) -> None:
            if task.error is not None:
                world.child_failed(name, task.error)
            world.machine.exit(proc, task.code if task.code is not None else 1)

        task.on_end.append(ended)
        world.arm(task)
        return Handle(world, proc)

    def _main(self, words: List[str]) -> int:
        self.world.sleep(START * self.world.slow)
        return self.call(words)[0]

    def run_to_end(self, words: List[str], timeout: float) -> Any:
        """(code, out, err), as host.run answers."""
        world = self.world
        self.counts[words[0]] = self.counts.get(words[0], 0) + 1
        world.trigger(words[0])
        world.sleep(min(timeout, START * world.slow))
        code, out = self.call(words)
        return code, out, ""

    def call(self, words: List[str]) -> Any:
        """(exit code, what it printed)."""
        world = self.world
        if words[:2] == ["notify", "flush"]:
            world.sleep(1.0 * world.slow)
            return world.flush_alerts(), ""
        if words[0] == "check-config":
            world.sleep(1.0 * world.slow)
            return 0, ""
        try:
            return world.product.command(words, world)
        except Killed:
            raise
        except Exception as error:
            world.child_failed(words[0], error)
            return 2, ""


class Watchdogs:
    """The watchdog as a service: started again 2 s after its end (Restart=always)."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.task: Any = None
        self.ends: List[float] = []
        self.wanted = True

    def start(self) -> None:
        world = self.world
        if not self.wanted or self.task is not None and not self.task.done:
            return
        proc = world.machine.start("ours", ["python3", "-m", "skill", "watch"], env=dict(world.env))
        task = world.spawn("watchdog", lambda: self._main(), proc.pid, 0.0)
        proc.task, self.task = task, task

        def ended(_task: Any) -> None:
            world.machine.exit(proc, task.code if task.code is not None else 1)
            world.watchdog_ended(task)
            if self.task is task and self.wanted and not world.off:
                world.after(2.0, self.start)

        task.on_end.append(ended)
        world.arm(task)

    def _main(self) -> int:
        self.world.sleep(START * self.world.slow)
        return int(self.world.product.command(["watch"], self.world)[0])
