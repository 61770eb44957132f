"""The repairs. One file each (those about one thing share one).

This literal map is the registry, and nothing else can be planned or executed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Dict, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Move, Plan, Repair, Text, Write
from ..openclaw import config as openclaw_config
from ..store.snapshots import digest_of
from . import (
    common,
    fix_named_keys,
    free_disk,
    manual_steps,
    one_key,
    one_plugin,
    openclaw_doctor_fix,
    quarantine_database,
    reinstall,
    repair_service_env,
    restart_channel,
    restore_config,
    restore_service_unit,
    revert_config_keys,
    service_actions,
    stale,
)

ALL: Dict[str, Repair] = {
    "restart": service_actions.RESTART,
    "start": service_actions.START,
    "restore-config": restore_config.REPAIR,
    "revert-config-keys": revert_config_keys.REPAIR,
    "unset-config-key": one_key.UNSET_KEY,
    "set-config-key": one_key.SET_KEY,
    "fix-named-keys": fix_named_keys.REPAIR,
    "openclaw-doctor-fix": openclaw_doctor_fix.REPAIR,
    "reinstall-service": service_actions.REINSTALL_SERVICE,
    "reload-keepalive": service_actions.RELOAD_KEEPALIVE,
    "restore-service-unit": restore_service_unit.REPAIR,
    "reset-failed": service_actions.RESET_FAILED,
    "clear-stale-lock": stale.CLEAR_LOCK,
    "end-stale-process": stale.END_PROCESS,
    "free-disk": free_disk.REPAIR,
    "repair-service-env": repair_service_env.REPAIR,
    "unset-service-variable": service_actions.UNSET_VARIABLE,
    "quarantine-database": quarantine_database.REPAIR,
    "rebuild-native-module": reinstall.NATIVE,
    "reinstall-openclaw": reinstall.OPENCLAW,
    "restart-channel": restart_channel.REPAIR,
    "resume-channels": restart_channel.RESUME,
    "disable-plugin": one_plugin.DISABLE,
    "quarantine-plugin": one_plugin.QUARANTINE,
    "tell-person": manual_steps.TELL,
}


def planned(ctx: Context, repair: str, params: Mapping[str, Any]) -> Plan:
    """Return the plan of one repair, with the hashes of what it was planned from: between plan and
    act lie minutes, in which somebody may write the same files. Raises CannotPlan.
    """
    before = {path: digest_of(path) for path in _read_by_plans(ctx)}
    plan = ALL[repair].plan(ctx, params)
    _ours_to_write(ctx, plan)
    own = str(ctx.home.doctor_dir) + os.sep
    written = [s.path for s in plan.steps if isinstance(s, Write) and not s.path.startswith(own)]
    return replace(plan, seen={**{path: digest_of(path) for path in written}, **before})


def _read_by_plans(ctx: Context) -> "tuple[str, ...]":
    return (*common.config_files(ctx), str(ctx.home.env_file))


def _ours_to_write(ctx: Context, plan: Plan) -> None:
    """A config that is managed from outside is told, never written: the next roll-out would undo
    it, or we would undo a roll-out.
    """
    owner = openclaw_config.managed_by(ctx.home.config_path, ctx.host.env, _service_env(ctx))
    if not owner:
        return
    config = {os.path.realpath(path) for path in common.config_files(ctx)}
    writes = any(isinstance(s, Write) and os.path.realpath(s.path) in config for s in plan.steps)
    moves = any(isinstance(s, Move) and s.path in config for s in plan.steps)
    if writes or moves or plan.repair == "openclaw-doctor-fix":
        raise CannotPlan(
            Text.of(
                "the config is managed from outside ({}): it is not ours to write",
                "配置由外部管理（{}）：不归我们修改",
                owner,
            )
        )


def _service_env(ctx: Context) -> Mapping[str, str]:
    try:
        return dict(ctx.platform.environment() or {}) if ctx.platform else {}
    except Exception:  # no manager, or one that does not respond
        return {}
