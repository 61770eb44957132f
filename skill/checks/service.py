"""Level 1 as its manager sees it: there, enabled, running, or parked; and what its environment does
to the gateway.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping

from ..model import Check, Finding, State, Text
from ..openclaw import cli as openclaw_program
from ..openclaw.plugins import SERVICE_NAMES
from ..platforms.base import UNUSABLE
from ..store import good_copies
from .base import Look, error, info, looking, warning

if TYPE_CHECKING:
    from .base import Seen

# Decide which gateway is started: with another value it is not the one that is watched.
WHERE = (
    "OPENCLAW_HOME",
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_CONFIG_PATH",
    "OPENCLAW_PROFILE",
    "OPENCLAW_GATEWAY_PORT",
)

# Exit codes of systemd itself, before the program runs (systemd.exec(5), "Process Exit Codes"): its
# name, and the setting to look at.
STAGES = {
    200: ("CHDIR", "WorkingDirectory="),
    201: ("NICE", "Nice="),
    203: ("EXEC", "ExecStart="),
    204: ("MEMORY", "memory is short"),
    205: ("LIMITS", "Limit...="),
    206: ("OOM_ADJUST", "OOMScoreAdjust="),
    208: ("STDIN", "StandardInput="),
    209: ("STDOUT", "StandardOutput="),
    210: ("CHROOT", "RootDirectory="),
    214: ("SETSCHEDULER", "CPUSchedulingPolicy="),
    215: ("CPUAFFINITY", "CPUAffinity="),
    216: ("GROUP", "Group="),
    217: ("USER", "User="),
    218: ("CAPABILITIES", "CapabilityBoundingSet="),
    219: ("CGROUP", "Slice="),
    222: ("STDERR", "StandardError="),
    224: ("PAM", "PAMName="),
    226: ("NAMESPACE", "ReadWritePaths=, ..."),
    228: ("SECCOMP", "SystemCallFilter="),
    233: ("RUNTIME_DIRECTORY", "RuntimeDirectory="),
    238: ("STATE_DIRECTORY", "StateDirectory="),
    240: ("LOGS_DIRECTORY", "LogsDirectory="),
    243: ("CREDENTIALS", "LoadCredential="),
}


def run(ctx: Seen) -> Iterable[Finding]:
    look = looking(ctx)
    yield from _environment(look)
    yield from _proxy(look)
    if look.platform is None:
        return
    name = str(getattr(look.platform, "name", ""))
    state = look.service
    if state is None or state.active == "unknown" and not state.exists:
        if (
            name.startswith("systemd")
            and state is not None
            and "bus" in "{} {}".format(state.result, state.detail).lower()
        ):
            yield warning(
                "service/no-user-bus",
                "The systemd user manager of this account cannot be reached",
                "无法连接本账户的 systemd 用户管理器",
                "",
                ("loginctl enable-linger $(id -un)", "loginctl enable-linger $(id -un)"),
            )
        return
    yield from _state(look, state, name)
    dies = getattr(look.platform, "dies_at_logout", None)
    if dies is not None and dies():
        from ..platforms import systemctl

        command = systemctl.ENABLE_LINGER.format(systemctl.account(look.host))
        said = systemctl.DIES_AT_LOGOUT
        yield warning("service/not-lingering", said.en, said.zh, "", (command, command))


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_OWN = re.compile(
    r"(?:^|[,\s])(?:\*|localhost|127\.(?:0\.0\.1|0\.0\.0/8|\*)|\[?::1\]?)(?:$|[,\s:])"
)


def _proxy(look: Look) -> Iterator[Finding]:
    """A proxy for everything, the machine itself included: a fact that explains, no fault."""
    seen = {name.upper(): value for name, value in look.variables.items() if value}
    named = [name for name in _PROXIES if seen.get(name)]
    if named and not _OWN.search(seen.get("NO_PROXY", "")):
        yield info(
            "service/proxy-loopback",
            "{} is set, and NO_PROXY does not except the loopback address".format(named[0]),
            "设置了 {}，而 NO_PROXY 没有排除回环地址".format(named[0]),
            "",
            ("NO_PROXY=127.0.0.1,localhost,::1", "NO_PROXY=127.0.0.1,localhost,::1"),
            names=named,
        )


def _state(look: Look, state: Any, name: str) -> Iterator[Finding]:
    path = getattr(state, "path", "")
    if not state.exists:
        say = info if name == "direct" else warning
        yield say(
            "service/missing",
            "The gateway's service is not installed: nothing starts it after a crash or a reboot",
            "未安装网关服务：崩溃或重启后无人拉起",
            path,
            ("iflow-doctor service install", "iflow-doctor service install"),
            manager=name,
        )
        return
    if state.stopped_by_operator:
        yield info(
            "service/stopped-by-operator",
            "A person stopped the gateway: it stays stopped",
            "网关由人工停止：保持停止状态",
            path,
        )
    if state.enabled is False and name != "direct":
        yield warning(
            "service/disabled",
            "The gateway's service is not enabled: it will not come back after a reboot",
            "网关服务未启用：重启后不会自动启动",
            path,
            ("iflow-doctor service install", "iflow-doctor service install"),
        )
    detail = "{} {} {}".format(state.sub, state.result, getattr(state, "detail", ""))
    if state.active == "failed" or "start-limit" in detail:
        yield error(
            "service/failed",
            "The service manager gave up: {} (exit {})".format(
                state.result or state.sub or "failed", state.exit_code
            ),
            "服务管理器已放弃：{}（退出码 {}）".format(
                state.result or state.sub or "failed", state.exit_code
            ),
            path,
            None,
            result=state.result,
            sub=state.sub,
            exit_code=state.exit_code,
            restarts=state.restarts,
        )
    if "start-limit" in detail:
        yield error(
            "service/start-limit",
            "The service hit its start limit and is parked",
            "服务达到启动次数上限，服务管理器已停止重试",
            path,
            None,
            restarts=state.restarts,
        )
    if state.exit_code == 78 and not look.up:
        yield error(
            "service/exit-78",
            "The gateway refused to start (exit 78); the service manager will not try again by "
            "itself",
            "网关拒绝启动（退出码 78）；服务管理器不会自行重试",
            path,
            None,
            exit_code=78,
        )
    yield from _unit(look, state, name)
    argv = openclaw_program.service_program(look.platform)
    if argv and not look.elsewhere and not os.path.exists(argv[0]):
        missing = "service/node-missing" if len(argv) > 1 else "installation/missing"
        yield error(
            missing,
            "The service starts {}, which is gone".format(argv[0]),
            "服务要启动的程序 {} 已不存在".format(argv[0]),
            path,
            None,
            program=argv[0],
        )


def _unit(look: Look, state: Any, name: str) -> Iterator[Finding]:
    """Its definition: the manager cannot use it, or it is another than in the last good run."""
    if name == "direct" or look.up:
        return
    why = _unusable(state) if name.startswith("systemd") else ""
    if why:
        yield error(
            "service/unit-broken",
            "systemd cannot start the gateway's program as its unit says: {}".format(why),
            "systemd 无法按单元的设置启动网关程序：{}".format(why),
            getattr(state, "path", ""),
            (
                "openclaw gateway install --force    # writes the unit again",
                "openclaw gateway install --force    # 重新生成该单元",
            ),
            exit_code=state.exit_code,
        )
    good = good_copies.newest_with_units(look.home)
    changed = (
        good_copies.differing(good_copies.units_now(look.ctx), good_copies.units_of(good))
        if good is not None
        else []
    )
    if changed:
        yield info(
            "service/unit-changed",
            "The service's definition is not what it was in the last good run: {}".format(
                ", ".join(changed)
            ),
            "服务定义与最近一次正常运行时不同：{}".format("、".join(changed)),
            changed[0],
            None,
            files=changed,
        )


def _unusable(state: Any) -> str:
    """systemd's own word for what it could not do before the program began; "" when the program
    ran.
    """
    if state.detail.startswith(UNUSABLE):
        return str(state.detail)[len(UNUSABLE) :]
    if state.result == "resources":
        return "resources (a file it names, such as EnvironmentFile=, cannot be read)"
    stage = STAGES.get(state.exit_code or 0)
    return "{}/{} ({})".format(state.exit_code, *stage) if stage else ""


def _moved(look: Look) -> Iterator[Finding]:
    """What the service's environment sets otherwise than in the last healthy run. An impostor may
    be our own service, led astray.
    """
    known, env = look.inventory.get("service_values"), look.service_env
    if not isinstance(known, Mapping) or not env:
        return
    up = look.up and look.verdict.state is not State.IMPOSTOR
    differs = {
        name: known.get(name)
        for name in SERVICE_NAMES
        if env.get(name) != known.get(name) and name != "NODE_OPTIONS"
    }
    astray = [name for name in differs if name in WHERE]
    if not differs or (up and not astray):
        return
    # One that serves from another place is green and has none of its memory: told, and never
    # restarted for it.
    say = (warning if up else error) if astray else info
    names = ", ".join(astray or differs)
    yield say(
        "service/environment" if astray else "service/environment-changed",
        "The service starts with another {} than in the last healthy run".format(names),
        "服务启动环境中的 {} 与上次健康运行时不同".format(names),
        (astray or list(differs))[0],
        None,
        name=(astray or list(differs))[0],
        restore=differs,
    )


def _environment(look: Look) -> Iterator[Finding]:
    env = look.service_env
    yield from _moved(look)
    options = env.get("NODE_OPTIONS", "")
    known = look.inventory.get("service_values")
    usual = isinstance(known, Mapping) and bool(options) and known.get("NODE_OPTIONS") == options
    if re.search(r"--(inspect|require|import|loader)\b|--max-old-space-size=\d", options) or (
        options and not look.up
    ):
        yield (error if not look.up and not usual else info)(
            "service/environment",
            "The service sets NODE_OPTIONS={}".format(options[:100]),
            "服务设置了 NODE_OPTIONS={}".format(options[:100]),
            "NODE_OPTIONS",
            None,
            name="NODE_OPTIONS",
            value=options[:200],
        )
    if (
        env
        and look.platform is not None
        and str(getattr(look.platform, "name", "")) == "direct"
        and not env.get("HOME")
        and not look.up
        and "HOME" in env
    ):
        yield error(
            "service/environment",
            "The service runs without HOME",
            "服务运行环境缺少 HOME",
            "HOME",
            None,
            name="HOME",
        )
    home = env.get("HOME")
    if (
        home
        and os.path.realpath(home) != os.path.realpath(str(look.host.home))
        and not env.get("OPENCLAW_STATE_DIR")
        and not look.up
    ):
        yield error(
            "service/environment",
            "The service's HOME is {}, and this gateway lives below {}".format(
                home, look.host.home
            ),
            "服务的 HOME 是 {}，而网关位于 {}".format(home, look.host.home),
            "HOME",
            None,
            name="HOME",
            value=home,
        )


CHECK = Check("service", Text("Service", "系统服务"), run)
