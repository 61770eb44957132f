"""watch, pause, resume, health: level 2 from the command line, and one look for other watchers."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING, Optional

import click

from ..errors import HealerError, ServiceError, UsageError
from ..model import STATE_NAMES, Text

if TYPE_CHECKING:
    from ..cli import App
    from ..openclaw.home import Home
    from ..settings import Settings
    from ..watchdog.watch import Watchdog


def add(main: click.Group) -> None:
    for command in (watch, pause, resume, health):
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
def watch(app: App, once: bool, test: bool, echo: bool) -> None:
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
        code = _once(app, dog)
    raise click.exceptions.Exit(code)


def _once(app: App, dog: Watchdog) -> int:
    """Say what a look saw, its cause, and what it left behind: an open incident, a pause."""
    from ..doctor import examine, report
    from ..openclaw.gateway import clock_stamp
    from ..store import watch_state

    # the gateway as it was looked at, before anything was done
    found = report.of(examine.checked(dog.context()))
    code = found.conclusion.exit_code
    verdict, incident = found.ctx.verdict, dog.state.incident
    until, _ = watch_state.pause(dog.home, app.host)
    if app.as_json:
        app.out(
            {
                "ok": code == 0,
                "exit_code": code,
                "state": verdict.state.value,
                "reason": verdict.reason.to(app.lang),
                "cause": found.conclusion.cause.to(app.lang),
                "finding": found.conclusion.finding.check_id if found.conclusion.finding else "",
                "pid": verdict.pid,
                "incident": incident.id if incident else None,
                "paused_until": clock_stamp(until) if until else "",
                "log": str(dog.home.logs_dir / "watchdog.log"),
            }
        )
        return code
    state = Text.of("{}: {}", "{}：{}", STATE_NAMES[verdict.state], verdict.reason)
    app.say("{} {}".format({0: "OK", 1: "!!", 2: "??"}[code], state.to(app.lang)))
    if code and found.conclusion.cause != verdict.reason:
        app.say(Text.of("   Cause: {}", "   原因：{}", found.conclusion.cause))
    if until:
        paused = (
            "   Paused until {}: only looked, did nothing.",
            "   已暂停至 {}：只看了一眼，没有任何动作。",
        )
        app.say(Text.of(*paused, clock_stamp(until)))
    elif incident:
        app.say(Text.of("   Incident {} is open.", "   事故 {} 处理中。", incident.id))
    app.say(Text.of("   Log: {}", "   日志：{}", dog.home.logs_dir / "watchdog.log"))
    return code


def _test(app: App) -> None:
    """Settings, lock, endpoints, service: everything the watchdog needs, and its verdict now. Exit
    0 fine, 1 not, 2 cannot tell.
    """
    from . import status

    status.tell(app, strict=True)


@click.command()
@click.argument("duration")
@click.pass_obj
def pause(app: App, duration: str) -> None:
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
    silence = _silence(app, home, until)
    write_json(
        home.doctor_dir / "pause.json",
        {
            "until": until,
            "since": app.host.now(),
            "mono": app.host.monotonic(),
            "boot": app.host.boot(),
            **({"silence": silence} if silence else {}),
        },
    )
    if app.as_json:
        app.out({"ok": True, "paused_until": clock_stamp(until)})
    else:
        app.say(
            Text(
                "Paused until {}. End it with: iflow-doctor resume".format(clock_stamp(until)),
                "已暂停至 {}。提前结束：iflow-doctor resume".format(clock_stamp(until)),
            )
        )


def _silence(app: App, home: Home, until: float) -> str:
    """Have the fleet's Alertmanager say nothing of this gateway meanwhile; the silence's id, ""
    where there is no Alertmanager. One that does not answer is said, and pauses all the same.
    """
    settings = _settings(app, home)
    base = str(settings.get("fleet.alertmanager", "")).rstrip("/")
    if not base:
        return ""
    from ..notify.http import client
    from ..store import fleet

    body = fleet.silence(fleet.labels_of(app.host, home, settings), app.host.now(), until)
    try:
        answer = client(app.host.env)(base + "/api/v2/silences", body, {}, "")
        found = str(answer.json.get("silenceID") or "")
    except HealerError:
        found = ""
    if not found and not app.as_json:
        app.say(Text("Alertmanager made no silence.", "Alertmanager 未创建静默。"))
    return found


def _settings(app: App, home: Home) -> Settings:
    from .. import settings as settings_module

    return settings_module.load_or_last_good(app.host, home)[0]


def _unsilence(app: App, home: Home, silence: str) -> None:
    """End the silence that `pause` made."""
    import urllib.request

    base = str(_settings(app, home).get("fleet.alertmanager", "")).rstrip("/")
    if not base or not re.fullmatch(r"[0-9a-f-]{8,64}", silence):
        return
    request = urllib.request.Request(base + "/api/v2/silence/" + silence, method="DELETE")
    with contextlib.suppress(OSError, ValueError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5)


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
def resume(app: App) -> None:
    """End a pause. / 结束暂停。"""
    from ..files import read_json
    from ..openclaw.home import locate

    home = locate(app.host)
    path = home.doctor_dir / "pause.json"
    was = os.path.exists(path)
    if was:
        with contextlib.suppress(HealerError, OSError):
            _unsilence(app, home, str((read_json(path) or {}).get("silence") or ""))
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


# -- one question with an exit code, for HEALTHCHECK lines, kubelet probes and scripts -------------
ALIVE = ("ready", "not-ready", "live")
ANSWERS = {
    "ready": Text("ready", "就绪"),
    "not-ready": Text("alive, not ready", "存活，未就绪"),
    "live": Text("alive", "存活"),
    "silent": Text("accepts connections but does not respond", "能建立连接，但没有响应"),
    "refused": Text("nothing listens on the port", "没有进程监听该端口"),
    "foreign": Text("another program answers on the port", "端口上响应的是其他程序"),
    "unreachable": Text("cannot be asked", "无法询问"),
}


@click.command()
@click.option(
    "--ready", is_flag=True, help="Demand ready: for routing traffic. / 要求就绪，用于接入流量。"
)
@click.option("--started", is_flag=True, help="Demand a finished start. / 要求启动已完成。")
@click.option("--timeout", type=float, default=4.0, show_default=True, help="Seconds. / 秒数。")
@click.option("--exit-code", is_flag=True, hidden=True, help="Accepted; always the case.")
@click.pass_obj
def health(app: App, ready: bool, started: bool, timeout: float, exit_code: bool) -> None:
    """Ask the gateway once: 0 alive, 1 not, 2 cannot tell. / 询问一次网关。

    Alive means that OpenClaw's own JSON says so: an open port, or HTTP 200 with a page, is not
    enough. A dead channel is no reason to end a gateway: demand --ready for traffic only.
    """
    from ..openclaw import gateway

    ctx = app.context()
    found = gateway.ask(ctx.host, ctx.home, timeout)
    answer, startup = str(found["answer"]), str(found.get("startup", ""))
    good = answer in ALIVE
    if ready:
        good = answer in ("ready", "live")
    elif started:
        good = answer in ("ready", "live") or (answer == "not-ready" and startup == "started")
    code = 0 if good else 2 if answer == "unreachable" else 1
    failing = list(found.get("failing") or ())
    if app.as_json:
        value = {"ok": good, "exit_code": code, "answer": answer, "startup": startup}
        app.out({**value, "failing": failing, "port": ctx.home.port})
    else:
        mark = {0: "OK", 1: "!!", 2: "??"}[code]
        told = "{} {}".format(mark, ANSWERS[answer].to(app.lang))
        app.say(told + (" ({})".format(", ".join(failing)) if failing else ""))
    raise click.exceptions.Exit(code)
