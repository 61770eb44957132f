"""Virtual time. Programs of the simulated machine take turns on one clock; nothing ever waits for real time.

A program (Task) runs in a thread of its own, but only one runs at any moment: the baton goes from hand to hand, in the
order of the events on the heap. A program that sleeps while nobody else is due goes on without a change of threads.
"""

from __future__ import annotations

import _thread
import heapq
import itertools
from typing import Any, Callable, Dict, List, Optional, Tuple


class Killed(BaseException):
    """kill -9: no `except Exception` sees it, and whatever a `finally` still wants to do has no effect any more."""


class Task:
    """One program under way."""

    def __init__(self, name: str, work: Callable[[], Any], pid: int) -> None:
        self.name, self.work, self.pid = name, work, pid
        self.lock = _thread.allocate_lock()
        self.lock.acquire()
        self.wake = 0  # number of the event that may wake it; older ones are void
        self.started = self.done = self.dead = False
        self.inline = False  # driven by events: time does not pass inside one of its steps
        self.fuse: Optional[int] = None  # effects until it is killed
        self.last_effect = ""
        self.on_end: List[Callable[["Task"], None]] = []
        self.code: Optional[int] = None
        self.error: Optional[BaseException] = None
        self.boot_epoch: Optional[float] = None  # as psutil keeps it: once per process


class Scheduler:
    """The clock, the heap of events, and who runs now."""

    def __init__(self) -> None:
        self.mono = 1000.0
        self.heap: List[Tuple[float, int, Any, int]] = []
        self.numbers = itertools.count(1)
        self.driver = Task("driver", lambda: None, 0)
        self.driver.started = True
        self.current: Optional[Task] = None
        self.tasks: List[Task] = []
        self.ending = False
        self.events = self.switches = 0
        self.fault: Optional[Exception] = None
        self.seen_files: Dict[str, Any] = {}  # stat results; void as soon as somebody else may act

    def at(self, when: float, work: Callable[[], Any]) -> None:
        """Do `work` at that time. It may not sleep."""
        heapq.heappush(self.heap, (when, next(self.numbers), work, 0))

    def after(self, seconds: float, work: Callable[[], Any]) -> None:
        self.at(self.mono + seconds, work)

    def spawn(self, name: str, work: Callable[[], Any], pid: int, delay: float = 0.0) -> Task:
        task = Task(name, work, pid)
        self.tasks.append(task)
        self._wake_at(task, self.mono + delay)
        return task

    def _wake_at(self, task: Task, when: float) -> None:
        number = next(self.numbers)
        task.wake = number
        heapq.heappush(self.heap, (when, number, task, number))

    def sleep(self, seconds: float) -> None:
        """Called by a program: let that much time pass."""
        task = self.current
        if task is None or self.ending:
            if task is not None:
                raise Killed()
            return
        if task.dead:
            raise Killed()
        if task.inline:
            return
        heap = self.heap
        when = self.mono + max(0.0, seconds)
        if not heap or heap[0][0] > when:  # nobody else is due
            self.mono = when
            return
        self._wake_at(task, when)
        self._pass_baton(task)
        if task.dead or self.ending:
            raise Killed()

    def run_until(self, when: float) -> None:
        """Called once, by the driver."""
        self._wake_at(self.driver, when)
        self._pass_baton(self.driver)
        self.ending = True
        for task in self.tasks:
            if task.started and not task.done:
                task.dead = True
                self.current = task
                task.lock.release()
                self.driver.lock.acquire()
        self.current = None

    def stop(self) -> None:
        """End the run as soon as the present event is over."""
        self._wake_at(self.driver, self.mono)

    def kill(self, task: Task) -> None:
        """kill -9. A program that kills itself must raise Killed afterwards."""
        if task.done or task.dead:
            return
        task.dead = True
        if not task.started:
            self._finish(task)
        elif task is not self.current:
            self._wake_at(task, self.mono)

    def _pass_baton(self, me: Optional[Task]) -> None:
        heap = self.heap
        while True:
            when, _number, item, wake = heapq.heappop(heap)
            if when > self.mono:
                self.mono = when
            self.events += 1
            self.seen_files.clear()
            if type(item) is not Task:
                self.current = None
                try:
                    item()
                except Exception as error:  # a fault of the simulation itself ends the run
                    self.fault = self.fault or error
                    self.stop()
                continue
            if item.done or item.wake != wake:
                continue
            self.current = item
            if item is me:
                return
            self.switches += 1
            if item.started:
                item.lock.release()
            else:
                item.started = True
                _thread.start_new_thread(self._main, (item,))
            if me is not None:
                me.lock.acquire()
            return

    def _main(self, task: Task) -> None:
        try:
            task.code = task.work()
        except Killed:
            task.code = -9
        except BaseException as error:  # a fault of the simulated program, judged by the invariants
            task.error = error
            task.code = 1
        self._finish(task)
        if self.ending:
            self.driver.lock.release()
        else:
            self._pass_baton(None)

    def _finish(self, task: Task) -> None:
        task.done = True
        self.current = None
        for work in task.on_end:
            work(task)
