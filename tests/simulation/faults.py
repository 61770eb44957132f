"""Everything that happens to the machine in a run: faults, and what its owner does. One function a kind, one table."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Callable, Dict, List, Mapping, Tuple

from . import ground
from .gateway import INF, Birth
from .machine import FIRST_PID
from .patches import REAL, real_open

Entry = Mapping[str, Any]


def _gateway(world: Any) -> Any:
    return world.gateway()


# -- the gateway ------------------------------------------------------------------------------------------------------
def crash(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        world.machine.exit(gateway.proc, int(e.get("code", 1)), "fault")


def hang(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        gateway.go_deaf(float(e.get("for") or INF), bool(e.get("busy", True)))


def freeze(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None:
        proc = gateway.proc
        gateway.ready_since = INF
        gateway.stopped_since = world.mono
        world.machine.deliver(proc, signal.SIGSTOP, "fault")
        if e.get("for"):
            world.after(
                float(e["for"]),
                lambda: proc.alive and world.machine.deliver(proc, signal.SIGCONT, "fault"),
            )


def lose_port(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.deaf_left() == 0.0:
        gateway.lose_port()


def restart_itself(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.deaf_left() == 0.0 and not gateway.draining:
        if e.get("inside", True):
            gateway.restart_inside()
        else:
            gateway.on_signal(signal.SIGUSR2)


def long_drain(world: Any, e: Entry) -> None:
    world.drains.append(float(e.get("for", 60.0)))


def channel_red(world: Any, e: Entry) -> None:
    gateway = _gateway(world)
    if gateway is not None and gateway.ready:
        gateway.failing = ["telegram"]
        gateway.ready_since = INF

        def green() -> None:
            gateway.failing = []
            if gateway.answers_ready():
                gateway.ready_since = world.mono
                world.became_ready(gateway)

        world.after(float(e.get("for", 120.0)), green)


def _birth(e: Entry) -> Birth:
    names = {k: v for k, v in e.items() if k in Birth.__dataclass_fields__}
    if names.get("deaf_for") == 0:
        names["deaf_for"] = INF
    return Birth(**names)


def next_start(world: Any, e: Entry) -> None:
    world.births.append(_birth(e))


def bad_starts(world: Any, e: Entry) -> None:
    world.bad_births = (world.mono + float(e.get("for", 120.0)), _birth(e))


# -- the owner --------------------------------------------------------------------------------------------------------
def _config(world: Any) -> Dict[str, Any]:
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
    data = _config(world)
    data.pop("bogusKey", None)
    data.setdefault("commands", {})["note"] = "owner {}".format(e["tag"])
    if e.get("drop"):
        data.pop("plugins", None)
    world.owner_writes(world.config_path, ground.dump(data))
    _reload(world, e)


def break_config(world: Any, e: Entry) -> None:
    data = _config(world)
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
    data = _config(world)
    data.setdefault("gateway", {})["port"] = int(e.get("port", 18999))
    world.owner_writes(world.config_path, ground.dump(data))
    _reload(world, e)


def tls_edit(world: Any, e: Entry) -> None:
    data = _config(world)
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
    if world.mode == "terminal" and gateway is not None and gateway.kept_by == "terminal":
        world.machine.signal(gateway.proc.pid, signal.SIGINT, "owner")
    else:
        world.manager.owner_stop()
    world.wants("down")


def owner_start(world: Any, e: Entry) -> None:
    world.note("the owner starts the gateway")
    world.wants("up")
    world.manager.owner_start()


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


# -- the machine ------------------------------------------------------------------------------------------------------
def kill9(world: Any, e: Entry) -> None:
    """kill -9 of one of our programs, now or before its n-th effect from now on."""
    name, effects = e["who"], int(e.get("effects", 0))
    if name == "keeper":
        for keeper in list(world.keepers):
            world.machine.deliver(keeper.proc, signal.SIGKILL, "fault")
        return
    living = [t for t in world.tasks if t.name == name and not t.done and not t.dead]
    if not living:
        world.fuses.setdefault(name, []).append(max(1, effects))
    elif effects:
        living[-1].fuse = effects
    else:
        world.note("kill -9 {}".format(name))
        world.kill(living[-1])


def reboot(world: Any, e: Entry) -> None:
    world.note("the machine goes down")
    world.off = True
    wanted, world.dogs.wanted = world.dogs.wanted, False
    for task in list(world.tasks):
        world.kill(task)
    old = [g.proc.pid for g in world.gateways if g.own]
    for proc in list(world.machine.table.values()):
        world.machine.exit(proc, -9, "reboot")
    if world.manager.name == "systemd":
        world.manager.reboot()

    def on() -> None:
        world.note("the machine comes up")
        machine = world.machine
        machine.boot_id += 1
        machine.boot_mono = world.mono
        machine.next_pid = FIRST_PID
        world.off = False
        world.dogs.wanted = wanted
        world.unclean.clear()
        if e.get("reuse") and old:
            machine.wanted_pids = [old[0]]
            argv = {
                "server": ["python", str(world.state_dir / "workspace" / "my-server.py")],
                "editor": ["vim", "/home/me/openclaw/notes.md"],
                "mcp": ["node", "/opt/openclaw-mcp/index.js"],
            }[e["reuse"]]
            machine.start("owner", argv, env={"HOME": str(world.home_dir)})
            machine.wanted_pids = []
        if world.manager.name == "systemd":
            if world.intent in ("up", "down"):
                world.wants("up")
            world.after(2.0 + 4.0 * world.roll("boot"), world.manager.start)
        elif world.mode == "keeper":
            world.wants("up")
        elif world.intent == "up":
            world.after(8.0, world.direct.foreground)
        world.after(1.0 + 5.0 * world.roll("dog"), world.dogs.start)

    world.after(float(e.get("for", 30.0)), on)


def suspend(world: Any, e: Entry) -> None:
    """The machine sleeps: the wall clock goes on, the monotonic one stands still."""
    world.wall_offset += float(e.get("for", 3600.0))


def clock(world: Any, e: Entry) -> None:
    world.wall_offset += float(e["by"])


def disk_full(world: Any, e: Entry) -> None:
    world.disk_full = True
    world.after(float(e.get("for", 300.0)), lambda: setattr(world, "disk_full", False))


def read_only(world: Any, e: Entry) -> None:
    world.read_only = True
    world.after(float(e.get("for", 300.0)), lambda: setattr(world, "read_only", False))


def state_refused(world: Any, e: Entry) -> None:
    """The state directory was given to another account (sudo openclaw): our programs may not write there, the gateway may."""
    world.state_refused = True
    world.after(float(e.get("for", 300.0)), lambda: setattr(world, "state_refused", False))


def slow(world: Any, e: Entry) -> None:
    before, world.slow = world.slow, float(e.get("factor", 5.0))
    world.after(float(e.get("for", 300.0)), lambda: setattr(world, "slow", before))


def network(world: Any, e: Entry) -> None:
    world.network_down = True
    world.after(float(e.get("for", 60.0)), lambda: setattr(world, "network_down", False))


def squatter(world: Any, e: Entry) -> None:
    """A foreign program takes the port while the gateway is not there."""
    if world.machine.listener(ground.PORT) is None:
        proc = world.machine.start("owner", ["python3", "-m", "http.server", str(ground.PORT)])
        proc.ports[ground.PORT] = e.get("answers", "html")
        world.after(float(e.get("for", 200.0)), lambda: world.machine.exit(proc, 0))


def bystander(world: Any, e: Entry) -> None:
    """A program whose command line merely looks like something of ours."""
    argv = {
        "editor": ["vi", "npm-install-openclaw.md"],
        "tail": ["tail", "-f", "npm", "up", "openclaw.log"],
        "dev": ["npm", "run", "dev", "--i", "/srv/openclaw-site"],
        "shell": ["sh", "-c", "echo npm install -g openclaw"],
    }[e.get("what", "editor")]
    proc = world.machine.start("owner", argv, uid=int(e.get("uid", 0)))
    world.after(float(e.get("for", 3000.0)), lambda: world.machine.exit(proc, 0))


def old_marker(world: Any, e: Entry) -> None:
    """An update that was cut off days ago left its marker."""
    path = str(world.home_dir / "lib" / "node_modules" / "openclaw" / ".openclaw-lifecycle-pending")
    world.plain_write(path, b"{}")
    at = world.wall() - 3 * 86400
    REAL["utime"](path, (at, at))


def owners_doctor(world: Any, e: Entry) -> None:
    """The owner runs `openclaw doctor`."""
    proc = world.machine.start(
        "openclaw", ["openclaw-doctor"], name="openclaw-docto", env=world.gateway_env()
    )
    world.after(float(e.get("for", 20.0)), lambda: world.machine.exit(proc, 0))


def corrupt_database(world: Any, e: Entry) -> None:
    """Its database is damaged: seen at the next start."""
    world.plain_write(ground.database_path(world), b"CORRUPT " + str(e["tag"]).encode() * 200)
    if e.get("crash", True):
        crash(world, {"code": 1})


def lost_key(world: Any, e: Entry) -> None:
    """OpenClaw migrates a legacy key at its next start: one key of the config goes by its own hand."""
    data = _config(world)
    data.get("plugins", {}).pop("entries", None)
    world.openclaw_writes(ground.dump(data))


def damaged_file(world: Any, e: Entry) -> None:
    """One of our own files is damaged."""
    raw = {
        "nested": b"[" * 60000,
        "types": b'{"crashes": 5, "incident": {"id": 3, "opened": "x"}}',
        "text": b"\xff\xfe?",
    }
    path = world.doctor_dir / e.get("file", "watch.json")
    world.plain_write(str(path), raw[e.get("how", "types")])


def hostile_port(world: Any, e: Entry) -> None:
    """Once the gateway is down, a program on its port answers what is meant to hurt."""
    crash(world, {"code": 1})
    proc = world.machine.start("owner", ["python3", "evil.py"], uid=1001)
    proc.ports[ground.PORT] = b"[" * 60000
    world.after(float(e.get("for", 120.0)), lambda: world.machine.exit(proc, 0))


def other_gateway(world: Any, e: Entry) -> None:
    """Another profile's gateway runs beside ours and logs into the same shared file."""
    from .gateway import Gateway

    place = str(world.home_dir / ".openclaw-rescue")
    env = {**world.gateway_env(), "OPENCLAW_STATE_DIR": place}
    other = Gateway(
        world,
        world.shared_log,
        ["openclaw", "gateway", "run", "--port", "19001"],
        env,
        1,
        "other",
        place,
    )

    def leave() -> None:
        if other.proc.alive:
            other.on_signal(signal.SIGTERM)

    world.after(float(e.get("for", 100.0)), leave)


def _read(path: str) -> bytes:
    with real_open(path, "rb") as handle:
        return bytes(handle.read())


# kind -> (family, what it does)
KINDS: Dict[str, Tuple[str, Callable[[Any, Entry], None]]] = {
    "crash": ("process", crash),
    "hang": ("hang", hang),
    "freeze": ("hang", freeze),
    "lose-port": ("hang", lose_port),
    "restart-itself": ("process", restart_itself),
    "long-drain": ("process", long_drain),
    "channel-red": ("channel", channel_red),
    "next-start": ("start", next_start),
    "bad-starts": ("start", bad_starts),
    "edit": ("owner", edit),
    "break-config": ("config", break_config),
    "rewrite": ("owner", rewrite),
    "env-edit": ("owner", env_edit),
    "port-edit": ("endpoint", port_edit),
    "tls-edit": ("endpoint", tls_edit),
    "owner-stop": ("owner", owner_stop),
    "owner-start": ("owner", owner_start),
    "owner-kills": ("owner", owner_kills),
    "pause": ("owner", pause),
    "upgrade": ("update", upgrade),
    "kill9": ("kill9", kill9),
    "reboot": ("machine", reboot),
    "suspend": ("clock", suspend),
    "clock": ("clock", clock),
    "disk-full": ("disk", disk_full),
    "read-only": ("disk", read_only),
    "state-refused": ("disk", state_refused),
    "slow": ("machine", slow),
    "network": ("network", network),
    "squatter": ("port", squatter),
    "bystander": ("update", bystander),
    "old-marker": ("update", old_marker),
    "owners-doctor": ("process", owners_doctor),
    "corrupt-database": ("database", corrupt_database),
    "lost-key": ("config", lost_key),
    "damaged-file": ("hostile", damaged_file),
    "hostile-port": ("hostile", hostile_port),
    "other-gateway": ("neighbour", other_gateway),
}


def families() -> List[str]:
    return sorted({family for family, _work in KINDS.values()})


def apply(world: Any, entry: Entry) -> None:
    """Let it happen, unless the machine is off."""
    if world.off:
        return
    rest = " ".join("{}={}".format(k, v) for k, v in entry.items() if k not in ("kind", "at"))
    world.note("-- {} {}".format(entry["kind"], rest))
    try:
        KINDS[entry["kind"]][1](world, entry)
    except (OSError, ProcessLookupError) as error:
        world.note("   could not happen: {}".format(error))
