"""What a process that is gone said last: the plugin or the variable that its very last lines name.

Live evidence: a process ended, without announcing it, and these were its last words. A line that
somebody else wrote into a log earlier is none.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, Mapping

from ..model import Check, Finding, State, Text
from ..openclaw import lastwords, plugins
from .base import info, looking, warning

LINES = 6  # of the newest boot, from its end
REFUSED = 78  # OpenClaw refused config, lock or database: then nothing in the process ended it
_VARIABLE = re.compile(r"(?<![A-Za-z0-9_$.])([A-Z][A-Z0-9]*_[A-Z0-9_]{2,60})(?![A-Za-z0-9_])")


def run(ctx: Any) -> Iterable[Finding]:
    look = looking(ctx)
    if look.up or look.gateways or look.verdict.state not in (State.DOWN, State.MISCONFIGURED):
        return
    code = look.verdict.exit_code
    if code is None:
        code = getattr(look.service, "exit_code", None)
    last = last_lines(look.log)
    if not last:
        return
    if code != REFUSED and lastwords.went_suddenly(look.log):
        yield from _plugin(look, last, code)
    if code != 0:
        yield from _variable(look, last)


def last_lines(log: str) -> List[str]:
    lines = [line for line in log.splitlines() if line.strip() and " stability " not in line]
    return lines[-LINES:]


def _plugin(look: Any, last: List[str], code: Any) -> Iterable[Finding]:
    data = look.config.data if isinstance(look.config.data, Mapping) else {}
    for name, place in plugins.found(look.home.state_dir, data).items():
        said = [line for line in last if re.search(_word(name), line) or str(place) in line]
        if said and plugins.enabled(data, name):
            yield warning(
                "plugins/last-words",
                "The gateway ended (exit {}) right after a line of the plugin {}".format(
                    code, name
                ),
                "网关在插件 {} 的输出之后立即结束（退出码 {}）".format(name, code),
                "plugins.entries." + name,
                ("openclaw plugins disable " + name,) * 2,
                plugin=name,
                place=str(place),
                said=said[-1][-160:],
            )


def _word(name: str) -> str:
    return r"(?<![\w@/.-])" + re.escape(name) + r"(?![\w/-])"


def _variable(look: Any, last: List[str]) -> Iterable[Finding]:
    names = [n for line in last for n in _VARIABLE.findall(line) if n in look.service_env]
    for name in dict.fromkeys(names):
        yield info(
            "service/environment-named",
            "The gateway's last words name {}, which its service sets".format(name),
            "网关的最后输出提到了由其服务设置的 {}".format(name),
            "",
            None,
            name=name,
        )


CHECK = Check(
    "last-words", Text("Last words of a process that is gone", "已结束进程的最后输出"), run
)
