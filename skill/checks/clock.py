"""Is the clock believable: not before the installed build was made, not years after, not before our
own last copy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Iterable

from ..files import json_bounded
from ..model import Check, Finding, Text
from .base import looking, warning

if TYPE_CHECKING:
    from .base import Seen

YEARS = 5 * 365.25 * 86400
DAY = 86400.0


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    now, built = look.host.now(), _built(look.package)
    taken = float((look.last_good or {}).get("taken") or 0)
    fix = (
        "Set the clock (timedatectl set-ntp true), then restart the gateway",
        "校准系统时钟（timedatectl set-ntp true），然后重启网关",
    )
    if built and (now < built - 2 * DAY or now > built + YEARS):
        when = datetime.fromtimestamp(now).strftime("%Y-%m-%d")
        yield warning(
            "clock/implausible",
            "The clock says {}, and the installed OpenClaw was built in {}".format(
                when, datetime.fromtimestamp(built).strftime("%Y-%m")
            ),
            "系统时钟显示 {}，而已安装的 OpenClaw 构建于 {}".format(
                when, datetime.fromtimestamp(built).strftime("%Y-%m")
            ),
            "",
            fix,
            now=int(now),
            built=int(built),
        )
    elif taken and now < taken - 600:
        yield warning(
            "clock/jumped",
            "The clock is {:.0f} minutes behind the last healthy run".format((taken - now) / 60),
            "系统时钟比上次健康运行时还早 {:.0f} 分钟".format((taken - now) / 60),
            "",
            fix,
            seconds=int(taken - now),
        )


def _built(package: Any) -> float:
    """When the installed build was made (dist/build-info.json), epoch seconds; 0.0 when unknown."""
    try:
        value = json_bounded((package / "dist" / "build-info.json").read_text("utf-8"))
        return datetime.fromisoformat(
            str(value["builtAt"]).replace("Z", "+00:00").split(".")[0] + "+00:00"
        ).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


CHECK = Check("clock", Text("Clock", "系统时钟"), run)
