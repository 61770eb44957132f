"""Plugins: which one stops the gateway, which failed to load, which is new. A plugin is named only
with a reason.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping

from ..model import NOT_SERVING, Check, Finding, State, Text
from ..openclaw import logs, plugins
from .base import Look, error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

# Codes that OpenClaw, node, systemd or a signal give; any other was chosen by code inside the
# gateway.
ORDINARY = (None, 0, 1, 9, 78, 130, 134, 137, 139, 143)
LAST_LINES = 6  # of the newest boot, from its end
REFUSED = 78  # OpenClaw refused config, lock or database: then nothing in the process ended it
_VARIABLE = re.compile(r"(?<![A-Za-z0-9_$.])([A-Z][A-Z0-9]*_[A-Z0-9_]{2,60})(?![A-Za-z0-9_])")


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    data = look.config.data if isinstance(look.config.data, Mapping) else {}
    here = plugins.found(look.home.state_dir, data)
    fresh = _new(look, here, data)
    crashed = plugins.crashed(look.crash_log) if not look.up else None
    if crashed:
        yield error(
            "plugins/crash",
            "Plugin {} ended the gateway: {}".format(*crashed),
            "插件 {} 使网关崩溃：{}".format(*crashed),
            "plugins.entries." + crashed[0],
            _disable(crashed[0]),
            plugin=crashed[0],
            how="exception",
            place=str(here.get(crashed[0], "")),
        )
    elif not look.up:
        yield from _suspect(look, here, fresh, data)
    for name, said in plugins.load_failures(look.log).items():
        yield warning(
            "plugins/load-failed",
            "Plugin {} failed to load: {}".format(name, said[-160:]),
            "插件 {} 加载失败：{}".format(name, said[-160:]),
            "plugins.entries." + name,
            _disable(name),
            plugin=name,
            place=str(here.get(name, "")),
        )
    if fresh:
        yield info(
            "plugins/new-since-good",
            "New or changed since the last healthy run: {}".format(", ".join(fresh)),
            "自上次健康运行以来新增或变更的插件：{}".format(", ".join(fresh)),
            "",
            None,
            plugins=fresh,
        )
    yield from _missing(look, data, here)
    yield from _last_words(look)


def _new(look: Look, here: Mapping[str, Any], data: Mapping[str, Any]) -> List[str]:
    """Enabled plugins that the last healthy run did not have, or that changed since. [] when there
    is nothing to compare with.
    """
    known = look.inventory.get("plugins")
    if not isinstance(known, Mapping):
        return []
    return [
        n
        for n, place in here.items()
        if plugins.enabled(data, n)
        and (n not in known or plugins.newest_change(place) > float(known[n] or 0) + 1)
    ]


def _suspect(
    look: Look, here: Dict[str, Any], fresh: List[str], data: Mapping[str, Any]
) -> Iterator[Finding]:
    """No exception in the log: a busy loop, or a plugin that calls exit. Blame only what is new, or
    the only one there is.
    """
    code = (
        look.verdict.exit_code
        if look.verdict.exit_code is not None
        else getattr(look.service, "exit_code", None)
    )
    chosen = not look.gateways and code not in ORDINARY and isinstance(code, int) and code > 0
    looping = (
        bool(look.gateways)
        and look.gateways[0].state not in ("stopped", "tracing-stop")
        and _loops(look)
    )
    if not chosen and not looping:
        return
    active = [n for n in here if plugins.enabled(data, n)]
    compared = isinstance(look.inventory.get("plugins"), Mapping)
    names = fresh if compared else active
    how = "exit {}".format(code) if chosen else "busy loop"
    if len(names) != 1:
        if active:
            yield info(
                "plugins/suspect",
                "A plugin may be the cause ({}): {}".format(how, ", ".join(names or active)),
                "可能由插件引起（{}）：{}".format(how, ", ".join(names or active)),
                "",
                None,
                plugins=names or active,
                how=how,
            )
        return
    yield error(
        "plugins/crash",
        "Plugin {} is the likely cause ({}): {}".format(
            names[0],
            how,
            "new since the last healthy run" if compared else "the only plugin from elsewhere",
        ),
        "插件 {} 很可能是原因（{}）：{}".format(
            names[0], how, "上次健康运行之后新增" if compared else "唯一的外部插件"
        ),
        "plugins.entries." + names[0],
        _disable(names[0]),
        plugin=names[0],
        how=how,
        place=str(here[names[0]]),
        basis="new" if compared else "only-one",
    )


def _loops(look: Look) -> bool:
    """A whole core, no answer, and either judged so by several looks or past any boot."""
    if look.verdict.state not in NOT_SERVING and look.host.now() - look.gateways[0].started < 90:
        return False
    return look.health["answer"] in ("silent", "refused") and look.busy


def _missing(look: Look, data: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[Finding]:
    for name in plugins.unfinished(look.log):
        if name not in here:
            yield warning(
                "plugins/missing",
                "Plugin {} is configured and its package is missing".format(name),
                "已配置插件 {}，但其软件包缺失".format(name),
                "plugins.entries." + name,
                (
                    "openclaw update repair, or: openclaw config unset plugins.entries.{}".format(
                        name
                    ),
                    "openclaw update repair，或：openclaw config unset plugins.entries.{}".format(
                        name
                    ),
                ),
                plugin=name,
            )
    section = data.get("plugins")
    load = section.get("load") if isinstance(section, Mapping) else None
    paths = load.get("paths") if isinstance(load, Mapping) else None
    for path in paths if isinstance(paths, list) else []:
        if not os.path.exists(os.path.expanduser(str(path))):
            yield warning(
                "plugins/missing",
                "plugins.load.paths names {}, which does not exist".format(path),
                "plugins.load.paths 中的 {} 不存在".format(path),
                "plugins.load.paths",
                None,
                file=str(path),
            )


def _last_words(look: Look) -> Iterator[Finding]:
    """What a process that is gone said last names a plugin or a variable of its service.

    Live evidence: a process ended without announcing it, and these were its last words. A line that
    somebody else wrote into a log earlier is none.
    """
    if look.up or look.gateways or look.verdict.state not in (State.DOWN, State.MISCONFIGURED):
        return
    code = look.verdict.exit_code
    if code is None:
        code = getattr(look.service, "exit_code", None)
    last = last_lines(look.log)
    if not last:
        return
    if code != REFUSED and logs.went_suddenly(look.log):
        yield from _plugin_said(look, last, code)
    if code != 0:
        yield from _variable_said(look, last)


def last_lines(log: str) -> List[str]:
    lines = [line for line in log.splitlines() if line.strip() and " stability " not in line]
    return lines[-LAST_LINES:]


def _plugin_said(look: Any, last: List[str], code: Any) -> Iterable[Finding]:
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


def _variable_said(look: Any, last: List[str]) -> Iterable[Finding]:
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


def _disable(name: str) -> "tuple[str, str]":
    text = "openclaw plugins disable {}".format(name)
    return text, text


CHECK = Check("plugins", Text("Plugins", "插件"), run)
