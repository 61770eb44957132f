"""The files of the simulated machine: programs, state directory, configuration, databases."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

from .patch_files import REAL, real_open, real_rmtree

UNIT = """[Unit]
Description=OpenClaw Gateway
[Service]
ExecStart={bin}/openclaw gateway run{port}
Restart=always
RestartSec=5
RestartPreventExitStatus=78
Environment=HOME={home}
[Install]
WantedBy=default.target
"""
PORT = 18789
TOP = (
    "gateway",
    "channels",
    "agents",
    "plugins",
    "meta",
    "logging",
    "skills",
    "env",
    "secrets",
    "models",
    "commands",
)
_databases: List[bytes] = []
_hot: List[bytes] = []


def base_config() -> Dict[str, Any]:
    """A configuration as people have it."""
    return {
        "gateway": {"mode": "local", "port": PORT, "auth": {"mode": "token", "token": "t0ken"}},
        "channels": {"telegram": {"enabled": True, "botToken": "123:abc"}},
        "agents": {"list": [{"id": "main", "workspace": "~/work"}]},
        "plugins": {"entries": {"weather": {"enabled": True}}},
    }


def dump(data: Any) -> bytes:
    return json.dumps(data, indent=2).encode() + b"\n"


def judge_config(raw: bytes) -> Tuple[Dict[str, Any], List[Dict[str, str]]]:
    """(data, issues) as `openclaw config validate` tells them."""
    if not raw.strip():
        return {}, [{"path": "<root>", "message": "existing config is missing gateway.mode"}]
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except ValueError as error:
        return {}, [{"path": "<root>", "message": "JSON5: {}".format(error)}]
    issues: List[Dict[str, str]] = []
    if not isinstance(data, dict):
        return {}, [{"path": "<root>", "message": "Invalid input: expected object"}]
    gateway = data.get("gateway")
    if not isinstance(gateway, dict) or gateway.get("mode") not in ("local", "remote"):
        issues.append(
            {"path": "gateway.mode", "message": "existing config is missing gateway.mode"}
        )
    elif not isinstance(gateway.get("port", PORT), int):
        issues.append({"path": "gateway.port", "message": "Invalid input: expected number"})
    for key in data:
        if key not in TOP:
            issues.append({"path": "<root>", "message": 'Unrecognized key: "{}"'.format(key)})
    return data, issues


def template(root: Path) -> None:
    """What stays from run to run: the programs."""
    home = root / "home"
    package = home / "lib" / "node_modules" / "openclaw"
    (package / "dist").mkdir(parents=True, exist_ok=True)
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("openclaw", "node", "systemctl", "journalctl"):
        path = home / "bin" / name
        if not path.exists():
            if name == "openclaw":
                path.symlink_to(package / "openclaw.mjs")
            else:
                path.write_text("#!/bin/sh\n")
                path.chmod(0o755)
    (package / "openclaw.mjs").write_text("#!/usr/bin/env node\n")
    (package / "openclaw.mjs").chmod(0o755)
    (package / "dist" / "entry.js").write_text("//\n")
    manifest = {
        "name": "openclaw",
        "version": "2026.9.6",
        "engines": {"node": ">=24.16.0"},
        "dependencies": {},
    }
    (package / "package.json").write_text(json.dumps(manifest))


def lay(world: Any, port_argument: int = 0) -> None:
    """A fresh state directory."""
    root = world.root
    for folder in (root / "home" / ".openclaw", root / "home" / ".config", root / "tmp"):
        if folder.exists():
            real_rmtree(str(folder))
    package = root / "home" / "lib" / "node_modules" / "openclaw"
    if (package / ".openclaw-lifecycle-pending").exists():
        REAL["unlink"](str(package / ".openclaw-lifecycle-pending"))
    from hashlib import sha256

    mark = sha256(str(world.state_dir).encode()).hexdigest()[:12]
    memory = "/dev/shm/iflow-doctor-{}-{}".format(os.getuid(), mark)
    if os.path.isdir(memory):
        real_rmtree(memory)
    for folder in (world.state_dir / "state", world.state_dir / "logs", world.state_dir / "tmp"):
        folder.mkdir(parents=True)
    world.owner_writes(world.config_path, dump(base_config()))
    write_database(world, 0)
    if world.mode == "systemd":
        world.unit_path.parent.mkdir(parents=True)
        port = " --port {}".format(port_argument) if port_argument else ""
        world.plain_write(
            str(world.unit_path),
            UNIT.format(bin=world.bin, home=world.home_dir, port=port).encode(),
        )
    world.doctor_dir.mkdir()
    own = {"ai": {"enabled": False}, **getattr(world, "settings", {})}
    world.plain_write(str(world.doctor_dir / "config.json"), json.dumps(own).encode())


def database(number: int) -> bytes:
    """A sound database of the gateway, different for each number."""
    if not _databases:
        for index in range(6):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "db")
                base = sqlite3.connect(path)
                base.execute("create table pairing (id integer primary key, name text)")
                base.executemany(
                    "insert into pairing (name) values (?)", [("row {}".format(index),)] * 5
                )
                base.commit()
                base.close()
                with real_open(path, "rb") as handle:
                    _databases.append(handle.read())
    return _databases[number % len(_databases)]


def hot_database() -> Tuple[bytes, bytes]:
    """(database, journal) of a transaction that kill -9 cut off: half written, whole again when SQLite opens it."""
    if not _hot:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "db")
            base = sqlite3.connect(path, isolation_level=None)
            base.execute("pragma journal_mode = delete")
            base.execute("pragma cache_size = 1")
            base.execute("create table pairing (id integer primary key, name text unique)")
            base.execute("begin")
            rows = [("{:06d}".format(n * 7919 % 100003) + "x" * 60,) for n in range(900)]
            base.executemany("insert into pairing (name) values (?)", rows)
            base.execute("commit")
            base.execute("begin")
            base.execute("update pairing set name = substr(name, 3) || id")
            base.execute("delete from pairing where id % 3 = 0")
            for name in ("db", "db-journal"):
                with real_open(os.path.join(folder, name), "rb") as handle:
                    _hot.append(handle.read())
            base.execute("rollback")
            base.close()
    return _hot[0], _hot[1]


def database_path(world: Any) -> str:
    return str(world.state_dir / "state" / "openclaw.sqlite")


def write_database(world: Any, number: int) -> None:
    world.database_number = number
    world.plain_write(database_path(world), database(number))


def database_sound(world: Any) -> bool:
    """Whether a start can use its database; one that is gone is made again, with nothing in it."""
    path = database_path(world)
    try:
        with real_open(path, "rb") as handle:
            raw = handle.read()
    except OSError:
        try:
            write_database(world, world.database_number + 1)
        except OSError:
            return False
        return True
    journal = path + "-journal"
    if raw.startswith(b"SQLite format 3") and os.path.exists(journal):
        base = sqlite3.connect(path)  # SQLite's own recovery
        base.execute("select count(*) from pairing").fetchall()
        base.close()
        at = (world.wall(), world.wall())
        REAL["utime"](path, at)
    return bool(raw == b"" or raw.startswith(b"SQLite format 3"))


def note_of(raw: bytes) -> str:
    """What the owner wrote into it last."""
    data, _issues = judge_config(raw)
    commands = data.get("commands")
    return str(commands.get("note", "")) if isinstance(commands, dict) else ""


def opens(world: Any) -> bool:
    """Whether the database, where there is one, has a database's first bytes."""
    try:
        with real_open(database_path(world), "rb") as handle:
            return not handle.read(8).startswith(b"CORRUPT")
    except OSError:
        return True
