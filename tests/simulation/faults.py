"""Everything that can happen in a run, by name: what a script's entries mean."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Tuple

from . import mishaps, owner, troubles

Entry = Mapping[str, Any]

# kind -> (family, what it does)
KINDS: Dict[str, Tuple[str, Callable[[Any, Entry], None]]] = {
    "crash": ("process", mishaps.crash),
    "hang": ("hang", mishaps.hang),
    "freeze": ("hang", mishaps.freeze),
    "lose-port": ("hang", mishaps.lose_port),
    "restart-itself": ("process", mishaps.restart_itself),
    "long-drain": ("process", mishaps.long_drain),
    "channel-red": ("channel", mishaps.channel_red),
    "next-start": ("start", mishaps.next_start),
    "bad-starts": ("start", mishaps.bad_starts),
    "edit": ("owner", owner.edit),
    "break-config": ("config", owner.break_config),
    "rewrite": ("owner", owner.rewrite),
    "env-edit": ("owner", owner.env_edit),
    "port-edit": ("endpoint", owner.port_edit),
    "tls-edit": ("endpoint", owner.tls_edit),
    "owner-stop": ("owner", owner.owner_stop),
    "owner-start": ("owner", owner.owner_start),
    "by-hand": ("owner", owner.by_hand),
    "owner-kills": ("owner", owner.owner_kills),
    "pause": ("owner", owner.pause),
    "upgrade": ("update", owner.upgrade),
    "kill9": ("kill9", troubles.kill9),
    "reboot": ("machine", troubles.reboot),
    "suspend": ("clock", troubles.suspend),
    "clock": ("clock", troubles.clock),
    "disk-full": ("disk", troubles.disk_full),
    "read-only": ("disk", troubles.read_only),
    "state-refused": ("disk", troubles.state_refused),
    "slow": ("machine", troubles.slow),
    "network": ("network", troubles.network),
    "squatter": ("port", troubles.squatter),
    "bystander": ("update", troubles.bystander),
    "old-marker": ("update", troubles.old_marker),
    "owners-doctor": ("process", troubles.owners_doctor),
    "corrupt-database": ("database", troubles.corrupt_database),
    "lost-key": ("config", troubles.lost_key),
    "damaged-file": ("hostile", troubles.damaged_file),
    "hostile-port": ("hostile", troubles.hostile_port),
    "hot-journal": ("database", troubles.hot_journal),
    "unreaped": ("process", troubles.unreaped),
    "no-bus": ("machine", troubles.no_bus),
    "lock-gone": ("process", troubles.lock_gone),
    "stamps": ("config", troubles.stamps),
    "owner-heals": ("owner", owner.owner_heals),
    "other-gateway": ("neighbour", troubles.other_gateway),
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
