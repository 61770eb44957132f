"""watch, status, pause, resume: level 2 from the command line."""

from __future__ import annotations

import re
import sys
from typing import Any, Optional

import click

from ..errors import AlreadyRunning, ServiceError, UsageError
from ..model import STATE_NAMES, State, Text, exit_code


def add(main: click.Group) -> None:
    for command in (watch, status, pause, resume):
        main.add_command(command)


@click.command()
@click.option("--once", is_flag=True, help="Look once, act if needed, and exit. / 只看一次。")
@click.option(
    "--test",
    is_flag=True,
    help="Look, judge, and say what would be done. Acts on nothing. / 只看不动。",
)
@click.option("--echo", is_flag=True, help="Print each decision as it is made. / 打印每个决定。")
@click.pass_obj
def watch(app: Any, once: bool, test: bool, echo: bool) -> None:
    """Run the watchdog. / 运行守护进程。"""
    if test:
        return _test(app)
    import faulthandler

    from ..locks import owned_lock
    from ..openclaw.home import locate
    from ..watchdog import loop
    from ..watchdog import watch as watchdog

    if hasattr(sys.stderr, "fileno"):
        try:
            faulthandler.enable()
        except (OSError, ValueError):
            pass
    home = locate(app.host)
    from ..settings import load_or_last_good

    platform = app.platform(home, load_or_last_good(app.host, home)[0])
    if platform is None:
        raise ServiceError(
            Text("no way to start the gateway on this machine", "这台机器上没有启动网关的方式"),
            "iflow-doctor service status",
        )
    with owned_lock(home.doctor_dir / "watch.lock", "the watchdog of {}".format(home.state_dir)):
        dog = watchdog.Watchdog(app.host, home, platform, echo or sys.stderr.isatty())
        code = loop.run(dog, once)
    if once:
        _once(app, dog, code)
    raise click.exceptions.Exit(code)


def _once(app: Any, dog: Any, code: int) -> None:
    """What a single look saw, and what it left behind: an open incident, a pause."""
    from ..openclaw.gateway import clock_stamp
    from ..store import watch_state

    verdict, incident = dog.verdict, dog.state.incident
    until, _ = watch_state.pause(dog.home, app.host.now())
    if app.as_json:
        app.out(
            {
                "ok": code == 0,
                "exit_code": code,
                "state": verdict.state.value,
                "reason": verdict.reason.to(app.lang),
                "pid": verdict.pid,
                "incident": incident.id if incident else None,
                "paused_until": clock_stamp(until) if until else "",
                "log": str(dog.home.logs_dir / "watchdog.log"),
            }
        )
        return
    app.say(
        "{} {}".format(
            {0: "OK", 1: "!!", 2: "??"}[code],
            Text.of("{}: {}", "{}：{}", STATE_NAMES[verdict.state], verdict.reason).to(app.lang),
        )
    )
    if until:
        paused = Text(
            "Paused until {}: only looked, did nothing.", "已暂停至 {}：只看了一眼，没有任何动作。"
        ).to(app.lang)
        app.say("   " + paused.format(clock_stamp(until)))
    elif incident:
        app.say(
            "   "
            + Text("Incident {} is open.", "事故 {} 处理中。").to(app.lang).format(incident.id)
        )
    app.say("   " + Text("Log: ", "日志：").to(app.lang) + str(dog.home.logs_dir / "watchdog.log"))


def _test(app: Any) -> None:
    """Settings, lock, endpoints, service: everything the watchdog needs, and its verdict now. Exit
    0 fine, 1 not, 2 cannot tell.
    """
    report = look(app, strict=True)
    show(app, report)
    raise click.exceptions.Exit(report["exit_code"])


def look(app: Any, strict: bool = False) -> Any:
    """One look without any effect, as a plain value."""
    from ..locks import lock_held, lock_owner
    from ..openclaw import gateway, judge
    from ..store import watch_state

    ctx = app.context(strict)
    memory = judge.Memory()
    limits = judge.Limits(
        int(ctx.settings["failures_before_action"]), float(ctx.settings["start_budget"])
    )
    verdict = None
    for _ in range(limits.failures_before_action):
        seen = gateway.observe(
            ctx.host, ctx.home, min(3.0, float(ctx.settings["probe_timeout"])), ctx.platform
        )
        verdict, memory = judge.judge(seen, memory, limits)
        if verdict.state not in (State.UNKNOWN,):
            break
        ctx.host.sleep(0.3)
    assert verdict is not None
    lock = ctx.home.doctor_dir / "watch.lock"
    held = lock_held(lock)
    pid, since = lock_owner(lock) if held else (0, "")
    state, wrong = watch_state.peek(ctx.home)
    until, wrong_pause = watch_state.pause(ctx.home, ctx.host.now())
    code = exit_code(verdict.state)
    incident = state.incident if state else None
    return {
        "ok": code == 0,
        "exit_code": code,
        "state": verdict.state.value,
        "reason": verdict.reason,
        "pid": verdict.pid,
        "gateway_exit_code": verdict.exit_code,
        "failing": list(verdict.failing),
        "url": ctx.home.url(""),
        "state_dir": str(ctx.home.state_dir),
        "memory_mb": round(seen.process.rss / 1048576) if seen.process else None,
        "response_s": round(seen.seconds, 3),
        "manager": ctx.platform.name if ctx.platform else None,
        "watchdog": {"running": held, "pid": pid or None, "since": since},
        "paused_until": gateway.clock_stamp(until) if until else "",
        "incident": {
            "id": incident.id,
            "since": gateway.clock_stamp(incident.opened),
            "restarts": incident.restarts,
            "cause": incident.cause.to(app.lang),
            "escalated": incident.escalated,
        }
        if incident
        else None,
        "crashes_6h": len(state.crashes) if state else 0,
        "log": str(ctx.home.logs_dir / "watchdog.log"),
        "damaged": [issue for issue in (wrong, wrong_pause) if issue],
    }


def show(app: Any, report: Any) -> None:
    if app.as_json:
        return app.out({**report, "reason": report["reason"].to(app.lang)})  # type: ignore[no-any-return]
    zh = app.lang == "zh"
    state = State(report["state"])
    mark = {0: "OK", 1: "!!", 2: "??"}[report["exit_code"]]
    app.say(
        "{} {}{} - {}".format(
            mark,
            "网关：" if zh else "Gateway: ",
            STATE_NAMES[state].to(app.lang),
            report["reason"].to(app.lang),
        )
    )
    app.say(
        "   {} {}{}".format(report["url"], "进程 " if zh else "pid ", report["pid"] or "-")
        + (", {} MB".format(report["memory_mb"]) if report["memory_mb"] else "")
    )
    watch = report["watchdog"]
    if watch["running"]:
        app.say(
            (
                "   守护进程：运行中（进程 {}，自 {}）"
                if zh
                else "   Watchdog: running (pid {}, since {})"
            ).format(watch["pid"], watch["since"])
        )
    else:
        how = (
            "iflow-doctor watch"
            if report["manager"] == "direct"
            else "iflow-doctor service install"
        )
        app.say(
            ("   守护进程：未运行 -> {}" if zh else "   Watchdog: not running -> {}").format(how)
        )
    if report["paused_until"]:
        app.say(
            (
                "   已暂停至 {} -> iflow-doctor resume"
                if zh
                else "   Paused until {} -> iflow-doctor resume"
            ).format(report["paused_until"])
        )
    for issue in report["damaged"]:
        if "pause.json" in issue:
            line = (
                "   文件损坏，暂停无效：{} -> iflow-doctor resume"
                if zh
                else "   damaged, so not paused: {} -> iflow-doctor resume"
            )
            app.say(line.format(issue))
        else:
            app.say(
                (
                    "   文件损坏，守护进程会将其移开：{}"
                    if zh
                    else "   damaged, the watchdog will set it aside: {}"
                ).format(issue)
            )
    incident = report["incident"]
    if incident:
        app.say(
            (
                "   事故 {} 自 {} 起，重启 {} 次。{}"
                if zh
                else "   Incident {} since {}, {} restarts. {}"
            ).format(incident["id"], incident["since"], incident["restarts"], incident["cause"])
        )
    if report["exit_code"] == 1:
        app.say("   下一步：iflow-doctor diagnose" if zh else "   Next: iflow-doctor diagnose")


@click.command()
@click.pass_obj
def status(app: Any) -> None:
    """What the gateway and the watchdog are doing. / 当前状态。"""
    report = look(app)
    show(app, report)
    raise click.exceptions.Exit(report["exit_code"])


@click.command()
@click.argument("duration")
@click.pass_obj
def pause(app: Any, duration: str) -> None:
    """Do nothing for DURATION (30m, 2h, 1d): maintenance. / 暂停一段时间。"""
    from ..files import private_dir, write_json
    from ..openclaw.gateway import clock_stamp
    from ..openclaw.home import locate

    seconds = _seconds(duration)
    if seconds is None:
        raise UsageError(
            Text.of("{!r} is not a duration", "{!r} 不是时长", duration),
            Text("examples: 30m, 2h, 1d (at most 30d)", "例如 30m、2h、1d（最长 30d）"),
        )
    home = locate(app.host)
    private_dir(home.doctor_dir)
    until = app.host.now() + seconds
    write_json(home.doctor_dir / "pause.json", {"until": until, "since": app.host.now()})
    if app.as_json:
        app.out({"ok": True, "paused_until": clock_stamp(until)})
    else:
        app.say(
            Text(
                "Paused until {}. End it with: iflow-doctor resume".format(clock_stamp(until)),
                "已暂停至 {}。提前结束：iflow-doctor resume".format(clock_stamp(until)),
            )
        )


def _seconds(text: str) -> Optional[float]:
    found = re.match(r"^(\d+(?:\.\d+)?)(s|m|h|d)?$", text.strip())
    if not found:
        return None
    value = (
        float(found.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 60}[found.group(2)]
    )
    return value if 0 < value <= 30 * 86400 else None


@click.command()
@click.pass_obj
def resume(app: Any) -> None:
    """End a pause. / 结束暂停。"""
    from ..openclaw.home import locate

    path = locate(app.host).doctor_dir / "pause.json"
    was = path.exists()
    if was:
        path.unlink()
    if app.as_json:
        app.out({"ok": True, "was_paused": was})
    else:
        app.say(
            Text(
                "The watchdog acts again." if was else "It was not paused.",
                "守护进程已恢复工作。" if was else "当前没有暂停。",
            )
        )


__all__ = ["AlreadyRunning", "add", "look"]
