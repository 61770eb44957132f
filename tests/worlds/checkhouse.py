"""A gateway's home in a temporary folder, with a Host whose processes, sockets and answers are
values. Used by the checks' tests.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

from skill.context import Context
from skill.host import Completed, Host, Listener, Process, Reply
from skill.model import State, Text, Verdict
from skill.openclaw.home import Home
from skill.settings import Settings

PORT = 18955
NOW = 1_800_000_000.0
GOOD = {
    "gateway": {
        "mode": "local",
        "bind": "loopback",
        "port": PORT,
        "auth": {"mode": "token", "token": "t"},
    }
}


@dataclass(frozen=True)
class FakeHost(Host):
    """`calls` collects every argv that was run."""

    connect: Optional[Callable[..., None]] = None
    calls: List[Any] = field(default_factory=list)


class House:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".openclaw"
        (self.state / "state").mkdir(parents=True)
        self.package = folder / "lib" / "node_modules" / "openclaw"
        self.rows: List[Process] = []
        self.sockets: List[Listener] = []
        self.answers: Dict[str, Reply] = {}
        self.outputs: Dict[str, Completed] = {}
        self.env: Dict[str, str] = {"HOME": str(folder), "PATH": str(folder / "bin")}
        self.calls: List[Any] = []
        self.busy = False
        self.deleted: Dict[str, int] = {}
        self.used: Dict[str, float] = {"cpu_s": 1.0}
        self.now = NOW
        self.config(GOOD)

    def config(self, value: Any) -> Path:
        path = self.state / "openclaw.json"
        path.write_bytes(
            value if isinstance(value, bytes) else json.dumps(value, indent=1).encode()
        )
        path.chmod(0o600)
        return path

    def install(
        self, version: str = "2026.9.6", engines: str = ">=24.16.0 <25 || >=26.1.0"
    ) -> Path:
        """A package with an inventory of two files, found through PATH."""
        dist = self.package / "dist"
        dist.mkdir(parents=True)
        own = {"schemaVersions": {"state": 18, "agent": 23}}
        manifest = {
            "name": "openclaw",
            "version": version,
            "engines": {"node": engines},
            "openclaw": own,
        }
        (self.package / "package.json").write_text(json.dumps(manifest))
        (self.package / "openclaw.mjs").write_text("//")
        for name in ("entry.js", "chunk.mjs"):
            (dist / name).write_text("x" * 10)
        rows = [
            {"path": "dist/" + n, "sha256": "", "mode": 420, "size": 10}
            for n in ("entry.js", "chunk.mjs")
        ]
        (dist / "postinstall-content-inventory.json").write_text(json.dumps(rows))
        (dist / "build-info.json").write_text(
            json.dumps({"version": version, "builtAt": "2026-09-23T16:33:12.144Z"})
        )
        (self.folder / "bin").mkdir()
        (self.package / "openclaw.mjs").chmod(0o755)
        (self.folder / "bin" / "openclaw").symlink_to(self.package / "openclaw.mjs")
        return self.package

    def database(self, version: int = 18, name: str = "state/openclaw.sqlite") -> Path:
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(str(path))
        connection.execute("CREATE TABLE schema_meta (meta_key TEXT, created_at INTEGER)")
        connection.execute("INSERT INTO schema_meta VALUES ('primary', 1000)")
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
        connection.execute("PRAGMA user_version={}".format(version))
        connection.commit()
        connection.close()
        return path

    def log(self, *lines: str) -> None:
        (self.state / "iflow-doctor").mkdir(exist_ok=True)
        (self.state / "iflow-doctor" / "gateway.log").write_text("\n".join(lines) + "\n")

    def gateway(
        self,
        pid: int = 4242,
        state: str = "sleeping",
        age: float = 1000.0,
        home: Optional[Path] = None,
    ) -> Process:
        env = {"HOME": str(home or self.folder)}
        row = Process(
            pid, 1, "openclaw-gatewa", ("openclaw-gateway",), state, self.now - age, "oc", env
        )
        self.rows.append(row)
        return row

    def answer(self, path: str, value: Any, status: int = 200) -> None:
        self.answers[path] = Reply(status, json.dumps(value).encode(), "", 0.01)

    def healthy(self, age: float = 1000.0) -> None:
        self.gateway(age=age)
        self.sockets.append(Listener(PORT, "127.0.0.1", 4242))
        self.answer("/readyz", {"ready": True, "failing": []})

    def plugin(self, name: str) -> Path:
        folder = self.state / "extensions" / name
        folder.mkdir(parents=True)
        (folder / "openclaw.plugin.json").write_text(json.dumps({"id": name}))
        (folder / "index.js").write_text("")
        return folder

    # -- the context
    def _process(self, pid: int) -> Optional[Process]:
        row = next((row for row in self.rows if row.pid == pid), None)
        if row and self.busy:
            self.used["cpu_s"] += 0.1
            return replace(row, state="running")
        return row

    def _get(self, url: str, timeout: float = 5.0, limit: int = 65536) -> Reply:
        path = "/" + url.split("/", 3)[3]
        return self.answers.get(
            path, Reply(404, b"{}") if self.answers else Reply(0, b"", "refused")
        )

    def _run(self, argv: Any, timeout: float = 30.0, **_: Any) -> Completed:
        self.calls.append(list(argv))
        for words, done in self.outputs.items():
            if words in " ".join(argv):
                return done
        return Completed(argv, None, missing=True)

    def ctx(
        self, state: State = State.UNKNOWN, exit_code: Optional[int] = None, **more: Any
    ) -> Context:
        host = FakeHost(
            now=lambda: self.now,
            sleep=lambda s: None,
            get=self._get,
            run=self._run,
            env=self.env,
            system="linux",
            processes=lambda: self.rows,
            process=self._process,
            environ=lambda pid: None,
            deleted=lambda pid: self.deleted,
            usage=lambda pid: dict(self.used),
            listeners=lambda pid: [s for s in self.sockets if pid in (None, s.pid)],
            boot=lambda: "boot",
            hostname=lambda: "vm",
            tmp=str(self.folder / "tmp"),
            calls=self.calls,
        )
        home = Home(self.state, self.state / "openclaw.json", "", PORT)
        return Context(
            host, home, Settings({}, {}), Verdict(state, Text("", ""), exit_code=exit_code), **more
        )


def service(argv: Any = (), env: Any = None, name: str = "systemd", **state: Any) -> Any:
    """A Platform with given answers."""
    values = dict(
        exists=True,
        active="active",
        sub="",
        result="",
        exit_code=None,
        main_pid=None,
        restarts=0,
        enabled=True,
        detail="",
    )
    values.update(path="/u/g.service", stopped_by_operator=None)
    values.update(state)
    return SimpleNamespace(
        name=name,
        service_state=lambda: SimpleNamespace(**values),
        command=lambda: list(argv),
        environment=lambda: dict(env or {}),
    )


def ids(found: Any) -> List[str]:
    return [f.check_id for f in found]


def errors(found: Any) -> List[str]:
    return [f.check_id for f in found if f.severity.value == "error"]


def installed(folder: Path) -> House:
    """A house with OpenClaw in it, whose config OpenClaw finds valid."""
    house = House(folder)
    house.install()
    valid(house)
    return house


def valid(house: House, **answer: Any) -> None:
    """What `openclaw config validate --json` answers from now on."""
    value = dict({"valid": True, "issues": []}, **answer)
    house.outputs["config validate"] = Completed([], 0 if value["valid"] else 1, json.dumps(value))
