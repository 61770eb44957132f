"""What the owner of the machine does: edits, stops, starts, upgrades, at any moment."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Dict, Mapping

from . import ground
from .patch_files import REAL

Entry = Mapping[str, Any]


def _gateway(world: Any) -> Any:
    return world.gateway()


def config_of(world: Any) -> Dict[str, Any]:
    """The config as it can be read, else a plain one."""
    data, _issues = ground.judge_config(world.config_bytes())
    return data or ground.base_config()


def _reload(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and e.get("reload") and gateway.ready and gateway.deaf_left() == 0.0:
        if not ground.judge_config(world.config_bytes())[1]:
            world.after(
                0.5,
                lambda: gateway.proc.alive and not gateway.draining and gateway.restart_inside(),
            )


def edit(world: Any, e: Entry) -> None:
    """A valid edit of the config."""
    data = config_of(world)
    data.pop("bogusKey", None)
    data.setdefault("commands", {})["note"] = "owner {}".format(e["tag"])
    if e.get("drop"):
        data.pop("plugins", None)
    world.owner_writes(world.config_path, ground.dump(data))
    _reload(world, e)


def break_config(world: Any, e: Entry) -> None:
    data = config_of(world)
    data.setdefault("commands", {})["note"] = "owner {}".format(e["tag"])
    how, raw = e["how"], ground.dump(data)
    if how == "syntax":
        raw = raw.replace(b'"channels": {', b'"channels": ', 1)
    elif how == "cut":
        raw = raw[: int(len(raw) * 0.6)]
    elif how == "empty":
        raw = b""
    elif how == "key":
        raw = ground.dump({**data, "bogusKey": e["tag"]})
    elif how == "type":
        data["gateway"] = {**data.get("gateway", {}), "port": "eighteen"}
        raw = ground.dump(data)
    elif how == "mode":
        data.get("gateway", {}).pop("mode", None)
        raw = ground.dump(data)
    world.owner_writes(world.config_path, None if how == "deleted" else raw)
    if e.get("reload"):
        gateway = _gateway(world)
        if gateway is not None and gateway.ready and gateway.deaf_left() == 0.0:
            gateway.say("[reload] config is invalid, keeping the running one")


def rewrite(world: Any, e: Entry) -> None:
    """The owner puts a good config back, by hand, with something new in it."""
    data = ground.base_config()
    data["commands"] = {"note": "rewritten {}".format(e["tag"])}
    world.owner_writes(world.config_path, ground.dump(data))
    if e.get("start"):
        world.after(2.0, lambda: owner_start(world, {}))


def env_edit(world: Any, e: Entry) -> None:
    world.owner_writes(world.env_path, "NOTE={}\n".format(e["tag"]).encode())


def port_edit(world: Any, e: Entry) -> None:
    data = config_of(world)
    data.setdefault("gateway", {})["port"] = int(e.get("port", 18999))
    world.owner_writes(world.config_path, ground.dump(data))
    _reload(world, e)


def tls_edit(world: Any, e: Entry) -> None:
    data = config_of(world)
    data.setdefault("gateway", {})["tls"] = {
        "enabled": bool(e.get("on", True)),
        "autoGenerate": True,
    }
    world.owner_writes(world.config_path, ground.dump(data))
    _reload(world, e)


def owner_stop(world: Any, e: Entry) -> None:
    """`openclaw gateway stop`, `systemctl stop`; in a terminal Ctrl-C."""
    world.note("the owner stops the gateway")
    gateway = _gateway(world)
    if gateway is None and (world.manager.name == "direct" or world.manager.active == "failed"):
        return  # there is none, and nothing notes that somebody wanted it stopped
    if gateway is not None and gateway.kept_by == "terminal":
        world.machine.signal(gateway.proc.pid, signal.SIGINT, "owner")
    else:
        world.manager.owner_stop()
    world.wants("down")


def owner_start(world: Any, e: Entry) -> None:
    world.note("the owner starts the gateway")
    world.wants("up")
    world.manager.owner_start()


def by_hand(world: Any, e: Entry) -> None:
    """The owner stops it and starts it in a terminal a little later: its manager calls it stopped
    from then on.
    """
    owner_stop(world, {})

    def start() -> None:
        if world.off or world.gateway() is not None or world.intent != "down":
            return
        world.note("the owner starts it in a terminal")
        world.wants("up")
        world.direct.foreground()

    world.after(float(e.get("for", 30.0)), start)


def owner_kills(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        number = int(e.get("signal", 9))
        if number != 9:  # a polite end: whether it is to stay down nobody but the owner knows
            world.wants("down" if gateway.kept_by == "terminal" else "any")
        world.machine.signal(gateway.proc.pid, number, "owner")


def pause(world: Any, e: Entry) -> None:
    until = world.wall() + float(e.get("for", 300.0))
    world.plain_write(str(world.doctor_dir / "pause.json"), json.dumps({"until": until}).encode())
    world.watching = False
    world.after(float(e.get("for", 300.0)), lambda: setattr(world, "watching", True))


def upgrade(world: Any, e: Entry) -> None:
    """npm writes the package; the gateway is stopped for it and started after it."""
    package = world.home_dir / "lib" / "node_modules" / "openclaw"
    npm = world.machine.start(
        "npm",
        ["npm", "install", "-g", "openclaw@2026.9.7"],
        env=world.gateway_env(),
        cwd=str(world.home_dir),
    )
    world.wants("updating")
    world.manager.owner_stop()
    marker = str(package / ".openclaw-lifecycle-pending")
    world.plain_write(marker, b"{}")

    def over() -> None:
        world.machine.exit(npm, 0)
        if not e.get("killed"):
            REAL["unlink"](marker) if os.path.exists(marker) else None
            owner_start(world, {})
        else:  # npm was killed: the marker stays, and nobody starts anything
            world.wants("up")

    world.after(float(e.get("for", 90.0)), over)


def owner_heals(world: Any, e: Entry) -> None:
    """`iflow-doctor heal --yes`: the owner wants it up."""
    world.wants("up")
    world.children.popen(["heal", "--yes"])
