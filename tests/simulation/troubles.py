"""What happens to the machine: kill -9, reboot, sleep, clock, disk, ports, programs that merely look like something."""

from __future__ import annotations

import signal
from typing import Any, Mapping

from . import ground
from .gateway import Gateway
from .machine import FIRST_PID
from .mishaps import crash
from .owner import config_of
from .patch_files import REAL

Entry = Mapping[str, Any]


def _gateway(world: Any) -> Any:
    return world.gateway()


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
        elif (world.doctor_dir / "keeper.spec.json").exists():  # kept: it comes up with the machine
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
    data = config_of(world)
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


def hot_journal(world: Any, e: Entry) -> None:
    """A database in rollback-journal mode (NFS, SMB) whose gateway was killed in a transaction."""
    raw, journal = ground.hot_database()
    path = ground.database_path(world)
    crash(world, {"code": -9})
    world.plain_write(path, raw)
    world.plain_write(path + "-journal", journal)


def unreaped(world: Any, e: Entry) -> None:
    """A container without an init: who ends stays in the process table as a zombie entry."""
    world.machine.unreaped_for = float(e.get("lasts", 60.0))
    world.after(float(e.get("for", 600.0)), lambda: setattr(world.machine, "unreaped_for", 0.0))


def no_bus(world: Any, e: Entry) -> None:
    """systemd's user manager cannot be reached for a while."""
    if world.manager.name == "systemd":
        world.manager.reachable = False
        world.after(float(e.get("for", 120.0)), lambda: setattr(world.manager, "reachable", True))


def lock_gone(world: Any, e: Entry) -> None:
    """A cleaner of temporary files took the gateway's lock away."""
    gateway = _gateway(world)
    if gateway is not None:
        REAL["unlink"](gateway.lock_path)


def stamps(world: Any, e: Entry) -> None:
    """From now on OpenClaw stamps its config at every start."""
    world.stamps = True
