"""psutil as the product sees it: the simulated process table behind psutil's own names."""

from __future__ import annotations

import signal
import types
from typing import Any, Dict, Iterator, List, Optional

WORDS = {"R": "running", "S": "sleeping", "D": "disk-sleep", "T": "stopped", "Z": "zombie"}


class Error(Exception):
    pass


class NoSuchProcess(Error):
    pass


class AccessDenied(Error):
    pass


class TimeoutExpired(Error):
    pass


class _Oneshot:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None


def make(world: Any) -> types.ModuleType:
    """A module object for sys.modules["psutil"] that speaks about this world."""
    machine = world.machine
    ns = types.SimpleNamespace

    def create_time(proc: Any) -> float:
        task = world.current
        base = machine.boot_epoch()
        if task is not None:
            if task.boot_epoch is None:
                task.boot_epoch = base
            base = task.boot_epoch
        return float(round(base + proc.ticks / 100.0, 2))

    class Process:
        def __init__(self, pid: Optional[int] = None) -> None:
            self.pid = world.getpid() if pid is None else pid
            found = machine.table.get(self.pid)
            if found is None:
                raise NoSuchProcess(self.pid)
            self._proc = found
            self.info: Dict[str, Any] = {}

        def _now(self) -> Any:
            if machine.table.get(self.pid) is not self._proc:
                raise NoSuchProcess(self.pid)
            return self._proc

        def oneshot(self) -> _Oneshot:
            return _Oneshot()

        def status(self) -> str:
            return WORDS[world.state_of(self._now())]

        def name(self) -> str:
            return str(self._now().name)

        def cmdline(self) -> List[str]:
            return list(self._now().argv)

        def create_time(self) -> float:
            return create_time(self._now())

        def uids(self) -> Any:
            uid = self._now().uid
            return ns(real=uid, effective=uid, saved=uid)

        def username(self) -> str:
            return "user{}".format(self._now().uid)

        def ppid(self) -> int:
            return int(self._now().ppid)

        def parent(self) -> Any:
            return Process(self._now().ppid) if self._now().ppid in machine.table else None

        def parents(self) -> List[Any]:
            found, above = [], self.parent()
            while above is not None:
                found.append(above)
                above = above.parent()
            return found

        def environ(self) -> Dict[str, str]:
            proc = self._now()
            if proc.uid != 0:
                raise AccessDenied(self.pid)
            return dict(proc.env)

        def cwd(self) -> str:
            return str(self._now().cwd)

        def exe(self) -> str:
            return str(self._now().argv[0])

        def memory_info(self) -> Any:
            return ns(rss=self._now().rss, vms=self._now().rss)

        def cpu_times(self) -> Any:
            return ns(user=world.cpu_of(self._now()), system=0.0)

        def io_counters(self) -> Any:
            used = world.io_of(self._now())
            return ns(
                read_bytes=used,
                write_bytes=used,
                read_count=1,
                write_count=1,
                read_chars=used,
                write_chars=used,
            )

        def num_fds(self) -> int:
            return 40

        def num_threads(self) -> int:
            return 11

        def open_files(self) -> List[Any]:
            return [ns(path=p, fd=9) for p in world.open_files(self._now())]

        def rlimit(self, _which: int) -> Any:
            return (65536, 65536)

        def is_running(self) -> bool:
            return machine.table.get(self.pid) is self._proc

        def children(self, recursive: bool = False) -> List[Any]:
            self._now()
            found = [Process(p.pid) for p in machine.children(self.pid)]
            return found + [c for f in found for c in f.children(True)] if recursive else found

        def net_connections(self, kind: str = "tcp") -> List[Any]:
            return [_row(port, self._now()) for port in self._now().ports]

        connections = net_connections

        def send_signal(self, number: int) -> None:
            self._now()
            world.kill_call(self.pid, int(number))

        def terminate(self) -> None:
            self.send_signal(signal.SIGTERM)

        def kill(self) -> None:
            self.send_signal(signal.SIGKILL)

        def suspend(self) -> None:
            self.send_signal(signal.SIGSTOP)

        def resume(self) -> None:
            self.send_signal(signal.SIGCONT)

        def wait(self, timeout: Optional[float] = None) -> None:
            until = world.mono + (timeout if timeout is not None else 60.0)
            while self.is_running():
                if world.mono >= until:
                    raise TimeoutExpired(self.pid)
                world.sleep(0.1)

        def nice(self, value: Any = None) -> int:
            return 0

        def __eq__(self, other: Any) -> bool:
            return isinstance(other, Process) and other._proc is self._proc

        def __hash__(self) -> int:
            return hash(self.pid)

        def as_dict(self, attrs: Any = None) -> Dict[str, Any]:
            found: Dict[str, Any] = {}
            for attr in attrs or ("pid", "ppid", "name", "cmdline", "status", "create_time"):
                if attr == "pid":
                    found[attr] = self.pid
                    continue
                try:
                    value = getattr(self, attr)
                    found[attr] = value() if callable(value) else value
                except AccessDenied:
                    found[attr] = None
            return found

    def _row(port: int, proc: Any) -> Any:
        return ns(
            status="LISTEN", laddr=ns(ip="127.0.0.1", port=port), raddr=(), pid=proc.pid, fd=7
        )

    def process_iter(attrs: Any = None, ad_value: Any = None) -> Iterator[Any]:
        for pid in sorted(machine.table):
            try:
                item = Process(pid)
                if attrs:
                    item.info = item.as_dict(attrs)
                yield item
            except NoSuchProcess:
                continue

    def wait_procs(procs: Any, timeout: float = 1.0, callback: Any = None) -> Any:
        until = world.mono + timeout
        alive = [p for p in procs if p.is_running()]
        while alive and world.mono < until:
            world.sleep(0.1)
            alive = [p for p in alive if p.is_running()]
        return [p for p in procs if p not in alive], alive

    module = types.ModuleType("psutil")
    for name, value in dict(
        Error=Error,
        NoSuchProcess=NoSuchProcess,
        ZombieProcess=NoSuchProcess,
        AccessDenied=AccessDenied,
        TimeoutExpired=TimeoutExpired,
        Process=Process,
        process_iter=process_iter,
        wait_procs=wait_procs,
        pid_exists=lambda pid: pid in machine.table,
        pids=lambda: sorted(machine.table),
        net_connections=lambda kind="tcp": [_row(port, proc) for port, proc in machine.sockets()],
        boot_time=lambda: machine.boot_epoch(),
        cpu_count=lambda logical=True: 2,
        cpu_percent=lambda interval=None: 5.0,
        getloadavg=lambda: (0.5, 0.5, 0.5),
        RLIMIT_NOFILE=7,
        RLIMIT_AS=9,
        RLIMIT_NPROC=6,
        virtual_memory=lambda: ns(
            total=8 << 30, available=4 << 30, percent=50.0, used=4 << 30, free=4 << 30
        ),
        swap_memory=lambda: ns(total=0, used=0, free=0, percent=0.0),
        disk_usage=lambda path: world.disk_usage(path),
        CONN_LISTEN="LISTEN",
        LINUX=True,
        WINDOWS=False,
        MACOS=False,
        STATUS_ZOMBIE="zombie",
        STATUS_RUNNING="running",
        STATUS_STOPPED="stopped",
        STATUS_SLEEPING="sleeping",
        STATUS_DISK_SLEEP="disk-sleep",
        STATUS_DEAD="dead",
        STATUS_TRACING_STOP="tracing-stop",
        STATUS_IDLE="idle",
        version_info=(6, 0, 0),
        __version__="6.0.0",
    ).items():
        setattr(module, name, value)
    return module
