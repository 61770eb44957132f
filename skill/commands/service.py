"""service install | uninstall | status: level 1 and the watchdog's own service, from the command
line.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

from ..errors import HealerError, ServiceError
from ..model import Text

if TYPE_CHECKING:
    from ..cli import App
    from ..platforms.base import Platform


def add(main: click.Group) -> None:
    main.add_command(service)


@click.group(no_args_is_help=False)  # the versions of click do not agree on its exit code
def service() -> None:
    """Install, remove or show the services. / 安装、移除或查看系统服务。"""


def _both(function: Any) -> Any:
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="Show every change, make none. / 只列出将要做的更改。"
        ),
        click.option(
            "--only",
            type=click.Choice(["gateway", "watchdog"]),
            help="Only this one of the two. / 只处理其中一个。",
        ),
        click.pass_obj,
    ):
        function = option(function)
    return function


@service.command()
@_both
def install(app: App, dry_run: bool, only: Any) -> None:
    """Keep the gateway and the watchdog alive from now on. / 让网关与守护进程保持运行。"""
    platform = _platform(app)
    steps = [("gateway", platform.install), ("watchdog", platform.install_watchdog)]
    _carry_out(app, platform, steps, dry_run, only, "install")


@service.command()
@_both
def uninstall(app: App, dry_run: bool, only: Any) -> None:
    """Remove our services; OpenClaw's own stay. / 移除我们的服务，保留 OpenClaw 自己的。"""
    platform = _platform(app)

    def watchdog(plan_only: bool) -> Any:
        plan = platform.uninstall_watchdog(plan_only)
        if not plan_only:
            _end_by_hand(app)
            _wait_for_repair(app)
        return plan

    steps = [("watchdog", watchdog), ("gateway", platform.uninstall)]
    _carry_out(app, platform, steps, dry_run, only, "uninstall")


def _end_by_hand(app: App) -> None:
    """A watchdog that still holds the lock was started by hand or by a container: it would bring
    back what is removed.
    """
    import contextlib
    import os
    import signal

    from ..locks import lock_held, lock_owner, owner_is
    from ..openclaw.home import locate
    from ..openclaw.lock import same_place
    from ..openclaw.processes import state_dir

    home = locate(app.host)
    lock = home.doctor_dir / "watch.lock"
    told = False
    for _ in range(40):
        if not lock_held(lock):
            return
        pid, _ = lock_owner(lock)
        # the lock is there a moment before its owner's note, which may still name an earlier one
        if not told:
            with contextlib.suppress(OSError):
                row = app.host.process(pid) if pid > 1 and pid != os.getpid() else None
                ours = row is not None and owner_is(lock, pid) and "watch" in row.argv[1:]
                place = state_dir(row) if row is not None else None
                if row is not None and ours and place and same_place(place, home.state_dir):
                    told = app.host.signal(row, signal.SIGTERM)
        app.host.sleep(0.25)


REPAIR_S = 120.0  # one that verifies what it did is through by then


def _wait_for_repair(app: App) -> None:
    """Level 3 at work outlives the watchdog that called it. Without a gateway to verify it would
    undo what it did, and start what is being removed: it is waited for, within a bound.
    """
    from ..locks import lock_held
    from ..openclaw.home import locate

    lock = locate(app.host).doctor_dir / "treat.lock"
    until, told = app.host.monotonic() + REPAIR_S, False
    while lock_held(lock) and app.host.monotonic() < until:
        if not told:
            told = True
            said = Text(
                "A repair is at work: waiting for it to end, at most two minutes.",
                "修复正在进行：等待其结束，最多两分钟。",
            )
            click.echo(said.to(app.lang), err=True)
        app.host.sleep(0.5)


@service.command()
@click.pass_obj
def status(app: App) -> None:
    """What the service manager says. Exit 0 both run, 1 not, 2 cannot tell. / 服务管理器的说法。"""
    platform = _platform(app)
    states = {"gateway": platform.service_state(), "watchdog": platform.watchdog_state()}
    unknown = any(state.active == "unknown" for state in states.values())
    code = 2 if unknown else 0 if all(state.active == "active" for state in states.values()) else 1
    if app.as_json:
        app.out(
            {
                "manager": platform.name,
                "exit_code": code,
                "dies_at_logout": bool(_dies_at_logout(app, platform)),
                **{kind: asdict(state) for kind, state in states.items()},
            }
        )
    else:
        app.say(Text("service manager: " + platform.name, "服务管理器：" + platform.name))
        for kind, state in states.items():
            app.say(_line(kind, state))
        dies = _dies_at_logout(app, platform)
        if dies:
            app.say(dies)
    raise click.exceptions.Exit(code)


WORDS_ZH = {
    "active": "运行中",
    "activating": "正在启动",
    "deactivating": "正在停止",
    "inactive": "未运行",
    "failed": "失败",
    "unknown": "未知",
}
# what the platforms add to a state, see platforms/
DETAILS_ZH = {
    "started by somebody else; nothing keeps it alive": "由别处启动，没有保活",
    "no keeper was ever started here": "这里从未启动过守护器",
    "not a service: started by hand or by the container": "不是系统服务：由人或容器启动",
    "needs daemon-reload": "需要 daemon-reload",
    "loaded; launchd starts it within ThrottleInterval (10 s)": (
        "已加载，launchd 会在 ThrottleInterval（10 秒）内启动它"
    ),
    "schtasks did not answer": "schtasks 没有响应",
}


def _line(kind: str, state: Any) -> Text:
    parts: List[str] = [state.active] + [
        part for part in (state.sub, state.result) if part and part not in (state.active, "success")
    ]
    en, zh = ", ".join(parts), "、".join([WORDS_ZH.get(parts[0], parts[0])] + parts[1:])
    if state.main_pid:
        en, zh = en + ", pid {}".format(state.main_pid), zh + "，进程 {}".format(state.main_pid)
    if state.restarts:
        en, zh = (
            en + ", restarted {} times".format(state.restarts),
            zh + "，已重启 {} 次".format(state.restarts),
        )
    if state.stopped_by_operator:
        en, zh = en + ", stopped by a person", zh + "，由人停止"
    if not state.exists:
        en, zh = en + ", not installed", zh + "，未安装"
    tail = (
        Text.of("  [{}]", "  [{}]", Text(state.detail, DETAILS_ZH.get(state.detail, state.detail)))
        if state.detail
        else Text("", "")
    )
    return Text(
        "{:9s} {}{}".format(kind, en, tail.en),
        "{} {}{}".format({"gateway": "网关", "watchdog": "守护进程"}[kind], zh, tail.zh),
    )


def _platform(app: App) -> Any:
    from ..openclaw.home import locate
    from ..settings import load_or_last_good

    home = locate(app.host)
    platform = app.platform(home, load_or_last_good(app.host, home)[0])
    if platform is None:
        raise ServiceError(
            Text(
                "no way to keep a gateway alive was found on this machine",
                "这台机器上没有可用于保活网关的方式",
            )
        )
    return platform


def _carry_out(
    app: App,
    platform: Platform,
    steps: List[Tuple[str, Any]],
    dry_run: bool,
    only: Any,
    what: str,
) -> None:
    """Do each step; a failure of one does not keep the other from being done. Exit 1 when one
    failed.
    """
    report: Dict[str, Any] = {"manager": platform.name, "action": what, "dry_run": dry_run}
    failed = False
    for kind, act in steps:
        if only and kind != only:
            continue
        try:
            plan = act(dry_run)
        except HealerError as error:
            failed = (
                failed
                or not isinstance(error, ServiceError)
                or kind == "gateway"
                or platform.name != "direct"
            )
            report[kind] = {"ok": False, "error": error.message, "hint": error.hint}
            if not app.as_json:
                app.say("{}: {}".format(kind, error.told(app.lang)))
            continue
        report[kind] = {
            "ok": True,
            "files": [path for path, _ in plan.files],
            "commands": [list(argv) for argv in plan.commands],
        }
        if not app.as_json:
            _show(app, kind, plan, dry_run)
    dies = _dies_at_logout(app, platform) if what == "install" else None
    if app.as_json:
        app.out(dict(report, ok=not failed, dies_at_logout=bool(dies)))
    elif dies:
        app.say(dies)
    raise click.exceptions.Exit(1 if failed else 0)


def _dies_at_logout(app: App, platform: Platform) -> Optional[Text]:
    """What is missing for both to outlive a logout, with the command; None where nothing is."""
    dies = getattr(platform, "dies_at_logout", None)
    if dies is None or not dies():
        return None
    from ..platforms import systemctl

    command = systemctl.ENABLE_LINGER.format(systemctl.account(app.host))
    return Text.of("{}: {}", "{}：{}", systemctl.DIES_AT_LOGOUT, command)


def _show(app: App, kind: str, plan: Any, dry_run: bool) -> None:
    app.say(
        Text(
            "{}: {}".format(kind, "would do" if dry_run else "done"),
            "{}：{}".format(kind, "将执行" if dry_run else "完成"),
        )
    )
    for path, content in plan.files:
        app.say(Text.of("  write {} ({} bytes)", "  写入 {}（{} 字节）", path, len(content)))
        if dry_run:
            text = content.decode(
                "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace"
            )
            for line in text.splitlines():
                app.say("    | " + line)
    for argv in plan.commands:
        app.say(Text.of("  run   {}", "  运行  {}", " ".join(argv)))
