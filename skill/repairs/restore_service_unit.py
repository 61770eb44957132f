"""Put the service's definition back as it was in the last good run: a unit that systemd cannot
start, or that was changed since.
"""

from __future__ import annotations

from typing import Any, List, Mapping

from ..context import Context
from ..errors import CannotPlan
from ..model import Plan, Repair, Risk, Service, Text, Write
from ..store import good_copies

# A drop-in that came later is not deleted: it stays in its place without effect, and its content is
# in the snapshot.
NEUTRAL = (
    b"# Set aside by iflow-doctor: with this drop-in the gateway did not start. Its content is "
    b"in iflow-doctor/snapshots.\n"
)


def plan(ctx: Context, params: Mapping[str, Any]) -> Plan:
    now = good_copies.units_now(ctx)
    good = good_copies.other_units(ctx.home, now)
    if not now or good is None:
        raise CannotPlan(
            Text(
                "no other definition of the service is known to have worked",
                "没有已知可用的其他服务定义",
            )
        )
    then = good_copies.units_of(good)
    paths = good_copies.differing(now, then)
    steps: List[Any] = [Write(path, then.get(path, NEUTRAL), 0o644) for path in paths]
    names = ", ".join(paths)
    return Plan(
        "restore-service-unit",
        (*steps, Service("reload"), Service("restart", 120.0)),
        Risk.GUARDED,
        Text.of(
            "{0} put back as in {1}, with which the gateway was ready",
            "将 {0} 恢复为 {1} 中网关正常运行时的版本",
            names,
            good.source,
        ),
        touches=tuple(paths),
    )


REPAIR = Repair(
    "restore-service-unit",
    Risk.GUARDED,
    Text(
        "Put the service's definition back as in the last good run",
        "将服务定义恢复为最近一次正常运行时的版本",
    ),
    plan,
)
