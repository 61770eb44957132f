"""One isolated gateway: a home, a state directory with an owner's config and files, a port, a
`openclaw` program. Faults work on it, subjects keep it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from . import json5, procs
from .model import Fault
from .target import Target

KEEP = "LANG LANGUAGE TZ TERM USER LOGNAME SHELL LD_LIBRARY_PATH XDG_RUNTIME_DIR".split()
WORDS = "amber birch cedar delta ember fjord grove heron iris jade kelp larch maple noble".split()
INNOCENT = """
import signal, sys, time
for number in (1, 2, 3, 10, 12, 15):
    signal.signal(number, lambda n, f: open(sys.argv[1], "a").write(str(n) + "\\n"))
while True:
    time.sleep(1)
"""


def free_port(low: int, high: int, rng: random.Random) -> int:
    """Return a loopback port whose next two are free as well. Raise OSError when there is none."""
    for _ in range(300):
        port = rng.randrange(low, high - 3)
        if all(_free(number) for number in range(port, port + 3)):
            return port
    raise OSError("no free port between {} and {}".format(low, high))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Probe:
    """One answer of a health path. status 0: nothing listens; -1: no answer in time."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body

    @property
    def ready(self) -> bool:
        return self.status == 200 and self.body.get("ready") is True


def ask(port: int, path: str = "/readyz", timeout_s: float = 1.5) -> Probe:
    """Ask a gateway on this machine; never raises."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        raw = answer.read(1 << 16)
        try:
            body = json.loads(raw.decode("utf-8", "replace"))
        except ValueError:
            body = {}
        return Probe(answer.status, body if isinstance(body, dict) else {})
    except ConnectionError:
        return Probe(0, {})
    except (OSError, http.client.HTTPException):
        return Probe(-1, {})
    finally:
        link.close()


class Place:
    """Everything of one case. Gone after clear_up()."""

    def __init__(
        self,
        fault: Fault,
        target: Target,
        folder: Path,
        seed: str,
        ports: Tuple[int, int],
        collector_url: str = "",
    ) -> None:
        self.fault, self.target, self.seed = fault, target, seed
        self.rng = random.Random("{}/{}".format(seed, fault.id))
        self.root = folder.resolve()
        self.home = self.root / "home"
        self.state = self.home / ".openclaw"
        self.config = self.state / "openclaw.json"
        self.workspace = self.state / "workspace"
        self.run_id = procs.new_mark()
        self.known = procs.Known(self.run_id, str(self.root))
        self.port = free_port(ports[0], ports[1], random.Random())
        self.collector_url = collector_url
        self.package: Optional[Path] = None
        self.intended: Any = None  # the config that must survive, by meaning
        self.words: Dict[str, str] = {}
        self.notes: Dict[str, Any] = {}
        self.injected_kills: List[float] = []
        self.owner_wrote: List[Tuple[str, bytes]] = []
        self.launch: Dict[str, str] = {}
        self.subject_roots: Dict[int, str] = {}
        self.mail_port = 0
        self.asked: Set[int] = set()  # gateways that the owner wanted ended
        self.subject: Any = None  # set by the runner of the case: faults act through it
        self._children: List["subprocess.Popen[bytes]"] = []
        self._cleanups: List[Any] = []
        self._gateways: Dict[procs.Who, bool] = {}

    # -- making it -----------------------------------------------------------------------------
    def lay_out(self) -> None:
        for folder in (self.root, self.home, self.state, self.root / "bin", self.root / "log"):
            folder.mkdir(parents=True, exist_ok=True)
            os.chmod(folder, 0o700)
        program, self.package = self.target.install(self.root / "prefix", self.fault.needs_copy)
        self.program_path = program
        self._owner_config()
        self._owner_files()
        self.words.update(
            port=str(self.port), config=str(self.config), state=str(self.state), home=str(self.home)
        )

    def name(self) -> str:
        """A word of this seed's own."""
        return "{}{}".format(self.rng.choice(WORDS), self.rng.randrange(100, 999))

    def _owner_config(self) -> None:
        rng, token = (
            self.rng,
            "hb" + "".join(self.rng.choice("0123456789abcdef") for _ in range(38)),
        )
        key = "sk-hb" + "".join(self.rng.choice("0123456789abcdef") for _ in range(32))
        self.canaries = {"gateway token": token, "service key": key}
        text = """// {note}
{{
  gateway: {{
    mode: "local",
    bind: "loopback", // never wider
    port: {port},
    auth: {{ mode: "token", token: "{token}" }},
  }},
  env: {{ vars: {{ {var}: "{key}" }} }},
  agents: {{ defaults: {{ maxConcurrent: {many}, heartbeat: {{ every: "{beat}m" }} }} }},
  messages: {{ ackReaction: "{reaction}" }}, /* the family likes it */
  logging: {{ level: "info" }},
}}
""".format(
            note=self.name(),
            port=self.port,
            token=token,
            var="HB_" + self.name().upper(),
            key=key,
            many=rng.randrange(2, 6),
            beat=rng.randrange(31, 59),
            reaction=rng.choice(("eyes", "wave", "ok_hand", "rocket")),
        )
        self.config.write_text(text, "utf-8")
        os.chmod(self.config, 0o600)
        self.intended = json5.loads(text)

    def _owner_files(self) -> None:
        rng = self.rng
        secret = "hbenv" + "".join(rng.choice("0123456789abcdef") for _ in range(32))
        self.canaries["variable of .env"] = secret
        names = {
            self.workspace / "notes" / (self.name() + ".md"): "owner's note {}\n".format(
                self.name()
            ),
            self.workspace / (self.name() + ".txt"): "".join(self.name() for _ in range(200)),
            self.state / ".env": "HB_ENV_{}={}\n".format(self.name().upper(), secret),
            self.home / ".ssh" / "id_hb": "not a key, {}\n".format(self.name()),
        }
        for path, text in names.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            os.chmod(path, 0o600)
        self.owner_files = list(names)

    # -- environment and processes ---------------------------------------------------------------
    def env(self, extra: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name in KEEP}
        path = [str(self.root / "bin")] + self.target.path(self.program_path)
        env.update(
            PATH=os.pathsep.join(path + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
            HOME=str(self.home),
            OPENCLAW_STATE_DIR=str(self.state),
            OPENCLAW_CONFIG_PATH=str(self.config),
            TMPDIR=str(self.tmp()),
        )
        env.setdefault("LANG", "C.UTF-8")
        env[procs.MARK] = self.run_id
        env.update(extra or {})
        return env

    def tmp(self) -> Path:
        folder = self.root / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def spawn(
        self,
        argv: Sequence[str],
        log: str,
        env: Optional[Mapping[str, str]] = None,
        subject: bool = False,
        cwd: Optional[Path] = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a process of this case; its output goes to log/NAME. subject: it, and all below it,
        is what is judged.
        """
        with open(self.root / "log" / log, "ab") as out:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(env if env is not None else self.env()),
                cwd=str(cwd or self.root),
                start_new_session=True,
            )
        self._children.append(child)
        if subject:
            self.subject_roots[child.pid] = log
        return child

    def run(
        self, argv: Sequence[str], timeout_s: float = 120.0, subject: bool = False
    ) -> Tuple[Optional[int], str]:
        """Run a program of this case to its end; return (exit code, output), None when it had to be
        ended.
        """
        name = "run-{}.out".format(len(self._children))
        child = self.spawn(argv, name, subject=subject)
        if not subject:  # a command of the owner's is no gateway, whatever it calls itself
            self.notes.setdefault("strangers", []).append(child.pid)
        try:
            code: Optional[int] = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            code = None
        return code, (self.root / "log" / name).read_text("utf-8", "replace")

    def reap(self) -> None:
        for child in self._children:
            child.poll()

    def bare(self) -> Dict[str, str]:
        """Nearly no environment: of the case, so that it is cleared up, and of nothing else."""
        return {"PATH": "/usr/bin:/bin", "HOME": "/", procs.MARK: self.run_id}

    def spawn_innocents(self) -> None:
        """Two processes nobody may touch: one that quotes the gateway's command, one that has its
        name in a path.
        """
        self.innocents: List[procs.Who] = []
        self.innocent_log = self.root / "innocent.log"
        for number, words in enumerate((["openclaw", "gateway", "run"], ["openclaw-gateway.log"])):
            argv = [sys.executable, "-c", INNOCENT, str(self.innocent_log), *words]
            child = self.spawn(argv, "innocent-{}.out".format(number), env=self.bare())
            row = procs.row(child.pid)
            if row:
                self.innocents.append(row.who)

    # -- the gateway -----------------------------------------------------------------------------
    def gateways(self, rows: Optional[List[procs.Row]] = None) -> List[procs.Row]:
        """Every process of this case that is a gateway of this state directory."""
        found = []
        for one in rows if rows is not None else self.known.rows():
            if not one.title.startswith(procs.GATEWAY):
                continue
            mine = self._gateways.get(one.who)
            if mine is None:
                said = procs.environ(one.pid).get("OPENCLAW_STATE_DIR", "")
                mine = not said or os.path.realpath(said) == str(self.state)
                mine = mine and one.pid not in self.notes.get("strangers", ())
                self._gateways[one.who] = mine
            if mine:
                found.append(one)
        return found

    def gateway(self) -> Optional[procs.Row]:
        rows = self.gateways()
        return max(rows, key=lambda one: one.ticks) if rows else None

    def ready(self) -> bool:
        return ask(self.port).ready

    def signal_gateway(self, number: int) -> Optional[procs.Who]:
        """The fault's own signal; noted, so that it is not blamed on the subject."""
        one = self.gateway()
        if one is None:
            return None
        self.injected_kills.append(time.monotonic())
        os.kill(one.pid, number)
        return one.who

    def owner(self, wish: str) -> None:
        """The owner asks the subject, as its manual has it, to operator_stop or operator_restart.
        What happens to the gateways that are there now is his wish.
        """
        self.asked |= {one.pid for one in self.gateways()}
        getattr(self.subject, wish)(self)

    def kill_gateway(self) -> None:
        self.signal_gateway(signal.SIGKILL)

    def wait(self, seconds: float, until: Any) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until():
                return True
            time.sleep(0.1)
        return bool(until())

    # -- what faults do --------------------------------------------------------------------------
    def read(self) -> str:
        return self.config.read_text("utf-8")

    def data(self) -> Any:
        return json5.loads(self.read())

    def write(self, text: str, meant: bool = False) -> None:
        """Write the config as a person or a program does. meant: the owner wants it so."""
        raw = text.encode("utf-8")
        self.config.write_bytes(raw)
        self.owner_wrote.append(("openclaw.json", raw))
        if meant:
            self.intended = json5.loads(text)

    def edit(self, change: Any, meant: bool = False) -> None:
        """Change the parsed config and write it as plain JSON."""
        data = self.data()
        change(data)
        self.write(json.dumps(data, indent=2) + "\n", meant)

    def owner_file(self, path: Path, text: str) -> None:
        """A file that the owner writes now and that must survive."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        self.owner_wrote.append((str(path.relative_to(self.root)), text.encode("utf-8")))

    def control(self, **changes: Any) -> None:
        """How the practice gateway is to behave; nothing on the real one."""
        path = self.state / "practice.json"
        value = json.loads(path.read_text()) if path.exists() else {}
        value.update(changes)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))
        os.replace(part, path)

    def plugin(self, name: str, do: str, after_s: float = 0.0, entry: bool = True) -> Path:
        """Put a plugin in place. do: throw, exit N, reject, block, load-block, fine."""
        folder = self.state / "extensions" / name
        folder.mkdir(parents=True)
        bodies = {
            "throw": 'throw new Error("boom {n}");',
            "reject": 'setTimeout(() => {{ Promise.reject(new Error("{n} unhandled")) }}, {ms});',
            "block": "setTimeout(() => {{ for (;;) {{}} }}, {ms});",
            "load-block": "for (;;) {{}}",
            "fine": "",
        }
        body = bodies.get(do, "setTimeout(() => {{ process.exit({code}) }}, {ms});")
        code = do.split()[1] if do.startswith("exit") else "1"
        script = body.format(n=name, ms=int(after_s * 1000), code=code)
        script += "\nexport default {{ id: {0}, name: {0}, register() {{}} }};\n".format(
            json.dumps(name)
        )
        (folder / "index.js").write_text(script)
        (folder / "package.json").write_text(
            json.dumps(
                {
                    "name": name,
                    "version": "1.0.0",
                    "type": "module",
                    "openclaw": {"extensions": ["./index.js"]},
                }
            )
        )
        (folder / "openclaw.plugin.json").write_text(
            json.dumps(
                {
                    "id": name,
                    "name": name,
                    "description": "bench",
                    "activation": {"onStartup": True},
                    "configSchema": {"type": "object", "additionalProperties": False},
                }
            )
        )
        if self.target.practice and do != "fine":
            plan = {"after_s": after_s, "do": "block" if do == "load-block" else do}
            (folder / "practice.json").write_text(json.dumps(plan))
        if entry:

            def enable(data: Any) -> None:
                data.setdefault("plugins", {}).setdefault("entries", {})[name] = {"enabled": True}

            self.edit(enable)
        self.words["plugin"] = name
        self.owner_files += [folder / "index.js"]
        self.owner_wrote.append((str(folder.relative_to(self.root)), script.encode()))
        return folder

    def database(self) -> Path:
        return self.state / "state" / "openclaw.sqlite"

    def plant_row(self) -> None:
        """A row of the owner's in OpenClaw's own state database."""
        try:
            link = sqlite3.connect(str(self.database()), timeout=10)
            try:
                if self.target.practice:
                    link.execute(
                        "insert or replace into practice values ('owner', ?)", (self.seed,)
                    )
                else:
                    link.execute(
                        "insert into secret_store_entries values ('team', '', 'HB_ROW', ?, 'env', "
                        "1, 1, 'owner', null, null)",
                        (self.seed,),
                    )
                link.commit()
                self.notes["row"] = True
            finally:
                link.close()
        except sqlite3.Error as error:
            self.notes["row"] = False
            self.notes["row_error"] = str(error)

    def row_there(self) -> Optional[bool]:
        """Whether the owner's row is still there; None when it cannot be known."""
        if not self.notes.get("row"):
            return None
        question = (
            "select count(*) from practice where name = 'owner'"
            if self.target.practice
            else "select count(*) from secret_store_entries where name = 'HB_ROW'"
        )
        try:
            link = sqlite3.connect("file:{}?mode=ro".format(self.database()), uri=True, timeout=10)
            try:
                return bool(link.execute(question).fetchone()[0])
            finally:
                link.close()
        except sqlite3.Error:
            return False

    def later(self, seconds: float, act: Any) -> None:
        """Do something in a while, beside the observation."""
        import threading

        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()
        self._cleanups.append(timer.cancel)

    def cleanup(self, act: Any) -> None:
        self._cleanups.append(act)

    # -- the end ---------------------------------------------------------------------------------
    def find_bytes(self, raw: bytes) -> List[str]:
        """Where below the home a file with exactly these bytes lies."""
        wanted = hashlib.sha256(raw).digest()
        found = []
        for base, folders, names in os.walk(str(self.home)):
            folders[:] = [name for name in folders if name not in ("node_modules", "venv")]
            for name in names:
                path = os.path.join(base, name)
                try:
                    if os.path.getsize(path) != len(raw) or not os.path.isfile(path):
                        continue
                    with open(path, "rb") as handle:
                        if hashlib.sha256(handle.read()).digest() == wanted:
                            found.append(path)
                except OSError:
                    continue
        return found

    def clear_up(self, keep: bool = False) -> int:
        """End every process, undo what faults did to the machine; return how many are left."""
        for act in reversed(self._cleanups):
            try:
                act()
            except Exception as error:  # the rest has to be undone all the same
                self.notes.setdefault("cleanup", []).append(str(error))
        left = procs.end_all(self.known)
        for who in getattr(self, "innocents", ()):
            if procs.alive(who):
                os.kill(who[0], signal.SIGKILL)
        for child in self._children:
            try:
                child.wait(0.5)
            except subprocess.TimeoutExpired:
                pass
        if not keep:
            shutil.rmtree(str(self.root), ignore_errors=True)
        return left
