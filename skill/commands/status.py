"""status: ready, watched, nothing open, nothing waiting on disk, somebody would be told; else what
is missing, and the command to type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

from ..model import CANNOT_TELL, FINE, STATE_NAMES, Severity, State, Text, Verdict, count
from ..notify.incidents import span
from . import bold, clock, epoch, mark, since

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context

BOOT_S = 60.0  # a start of 2026.9.6 takes 4 to 15 s on a quiet machine; used until one was measured
ON_DISK = "config/"  # findings about what the next start will read
LINES = 12
WAITS = (State.DRAINING, State.UPDATING, State.STARTING)


@dataclass(frozen=True)
class Trouble:
    """One thing that keeps status from being OK. code: for programs. command: what to type."""

    code: str
    text: Text
    command: str


def add(main: click.Group) -> None:
    main.add_command(status)


@click.command()
@click.pass_obj
def status(app: App) -> None:
    """Is everything all right? If not, what to type. / 一切正常吗？不正常时该输入什么。"""
    tell(app)


def tell(app: App, strict: bool = False) -> None:
    """Look, print, and exit: 0 all right, 1 not, 2 could not be found out."""
    ctx, report, troubles = examined(app, strict)
    del report["verdict"]
    code = report["exit_code"]
    if app.as_json:
        rows = [
            {"code": one.code, "text": one.text.to(app.lang), "command": one.command}
            for one in troubles
        ]
        report.update(reason=report["reason"].to(app.lang), cause=report["cause"].to(app.lang))
        app.out({**report, "problems": rows, "next": troubles[0].command if troubles else ""})
    else:
        for line in lines(report, troubles, ctx.host.now(), app.lang):
            app.say(line)
    raise click.exceptions.Exit(code)


def examined(app: App, strict: bool = False) -> Tuple[Context, Dict[str, Any], List[Trouble]]:
    """Return what is seen now and what is not all right; `status` and the page say the same."""
    report = look(app, strict)
    ctx = report.pop("ctx")
    report.update(last_incident=_last(ctx), would_be_told=_told(ctx))
    troubles = find(ctx, report)
    code = 1 if any(one.code != "cannot-tell" for one in troubles) else 2 if troubles else 0
    report.update(ok=code == 0, exit_code=code)
    return ctx, report, troubles


def look(app: App, strict: bool = False) -> Dict[str, Any]:
    """Return what the one examination saw and concluded, as plain values; has no effect."""
    from ..doctor import report

    found = report.report(app.context(strict))
    value = found.status_json(app.lang)
    for name in ("ok", "exit_code", "next"):
        del value[name]
    seen = found.ctx.seen
    return {
        **value,
        "ctx": found.ctx,
        "verdict": found.ctx.verdict,
        "reason": found.ctx.verdict.reason,
        "cause": found.conclusion.cause,
        "up_since": seen.process.started if seen and seen.process else 0.0,
    }


def find(ctx: Context, report: Dict[str, Any]) -> List[Trouble]:
    """Return what is not all right, the most urgent first."""
    now, verdict = ctx.host.now(), report["verdict"]
    troubles = [one for one in (_gateway(ctx, report, verdict, now),) if one]
    troubles += _on_disk(verdict)
    if verdict.state in FINE and report.get("finding", "").partition("/")[0] not in ("", "config"):
        troubles.append(Trouble("problem", report["cause"], "iflow-doctor diagnose"))
    incident = report["incident"]
    if incident:
        text = Text.of(
            "incident {} is open {}: {}{}",
            "事故 {} {}：{}{}",
            incident["id"].rsplit("-", 1)[-1],
            since(epoch(incident["since"]), now),
            _restarts(incident["restarts"]),
            Text(*(tail + incident["cause"] if incident["cause"] else "" for tail in ("; ", "；"))),
        )
        command = "iflow-doctor incident " + incident["id"].rsplit("-", 1)[-1]
        troubles.append(Trouble("incident", text, command))
    if not report["watchdog"]["running"]:
        direct = report["manager"] in ("direct", None)
        command = "iflow-doctor watch" if direct else "iflow-doctor service install"
        text = Text(
            "the watchdog does not run: nobody would notice", "守护进程未运行：出事无人知晓"
        )
        troubles.append(Trouble("no-watchdog", text, command))
    dies = getattr(ctx.platform, "dies_at_logout", None)
    if dies is not None and dies():
        from ..platforms import systemctl

        command = systemctl.ENABLE_LINGER.format(systemctl.account(ctx.host))
        troubles.append(Trouble("not-lingering", systemctl.DIES_AT_LOGOUT, command))
    for issue in report["damaged"]:
        paused = "pause.json" in issue
        text = Text.of(
            *(
                ("damaged, so not paused: {}", "文件损坏，暂停无效：{}")
                if paused
                else (
                    "damaged, the watchdog will set it aside: {}",
                    "文件损坏，守护进程会将其移开：{}",
                )
            ),
            issue,
        )
        troubles.append(Trouble("damaged", text, "iflow-doctor " + ("resume" if paused else "log")))
    if not report["would_be_told"]:
        text = Text("nobody would be told of an outage", "出现故障时不会通知任何人")
        troubles.append(Trouble("nobody-told", text, "iflow-doctor notify setup"))
    return troubles


def _gateway(
    ctx: Context, report: Dict[str, Any], verdict: Verdict, now: float
) -> Optional[Trouble]:
    state, diagnose = verdict.state, "iflow-doctor diagnose"
    if state is State.HEALTHY:
        return None
    if state is State.STARTING:
        took = now - report["up_since"] if report["up_since"] else 0.0
        usual = _boot(ctx)
        if took <= usual:
            return None
        text = Text.of(
            "starting for {:.0f} s; a start takes at most {:.0f} s here",
            "已启动 {:.0f} 秒；在本机一次启动最多需要 {:.0f} 秒",
            took,
            usual,
        )
        return Trouble("starting-long", text, diagnose)
    if state is State.STOPPED:
        return Trouble("stopped", verdict.reason, "openclaw gateway start")
    if state in WAITS:
        return Trouble("waiting", verdict.reason, "iflow-doctor status")
    if state in CANNOT_TELL:
        return Trouble("cannot-tell", verdict.reason, diagnose)
    return Trouble(state.value, verdict.reason, diagnose)


def _on_disk(verdict: Verdict) -> List[Trouble]:
    """What the next start will read and refuse. Of a gateway that is down this is its cause."""
    return [
        Trouble(
            "on-disk",
            Text.of("the next start will fail: {}", "下次启动会失败：{}", finding.message),
            "iflow-doctor heal --dry-run",
        )
        for finding in verdict.findings
        if finding.severity is Severity.ERROR and finding.check_id.startswith(ON_DISK)
    ][:2]


def _boot(ctx: Context) -> float:
    """Seconds within which a start is nothing to worry about here."""
    from ..files import read_json

    try:
        known = float((read_json(ctx.home.doctor_dir / "usual.json") or {}).get("boot_s") or 0)
    except Exception:  # a file of ours that is damaged is reported elsewhere
        known = 0.0
    return 3 * known if known else BOOT_S


def _told(ctx: Context) -> List[str]:
    """Who an alert would reach, as ids of ways; [] when nobody."""
    if not ctx.settings.get("notify.enabled", True):
        return []
    try:
        from ..notify import routes

        return [route[0].id for route in routes.plan(ctx)[0] if route]
    except Exception:  # a config that cannot be read names nobody; notify keeps its own copy
        return []


def _last(ctx: Context) -> Optional[Dict[str, Any]]:
    """The newest finished incident, without touching the file."""
    from ..files import read_json

    try:
        rows = (read_json(ctx.home.doctor_dir / "records.json") or {}).get("records") or []
        last = rows[-1]
        return {"id": str(last["id"]), "opened": last["opened"], "seconds": last.get("healed_s")}
    except Exception:  # none yet, or damaged: `stats` names it
        return None


def _restarts(number: int) -> Text:
    if not number:
        return Text("not restarted", "未重启")
    return Text("restarted " + count(number, "time"), "已重启 {} 次".format(number))


def lines(report: Dict[str, Any], troubles: List[Trouble], now: float, lang: str) -> List[str]:
    """Return at most LINES lines, the command to type last."""
    state, zh = State(report["state"]), lang == "zh"
    code = report["exit_code"]
    head = Text.of("Gateway: {} - {}", "网关：{} - {}", STATE_NAMES[state], report["reason"])
    out = ["{} {}".format(mark(code), bold(head.to(lang)))]
    cause = report.get("cause", report["reason"])
    if code and cause != report["reason"] and state not in FINE:
        out.append("   " + Text.of("Cause: {}", "原因：{}", cause).to(lang))
    out += ["   " + text.to(lang) for text in facts(report, now)]
    for one in troubles:
        if one.text != report["reason"]:
            out.append("!! " + one.text.to(lang))
    if report["paused_until"]:
        until = clock(epoch(report["paused_until"]), now)
        paused = Text.of(
            "Paused until {}: the watchdog only looks (end it: iflow-doctor resume)",
            "已暂停至 {}：守护进程只观察（结束暂停：iflow-doctor resume）",
            until,
        )
        out.append("   " + paused.to(lang))
    out = out[: LINES - 1]
    if troubles:
        out.append(("下一步：" if zh else "Next: ") + bold(troubles[0].command))
    else:
        out.append("   " + ("无需处理。" if zh else "Nothing to do."))
    return out


def facts(report: Dict[str, Any], now: float) -> List[Text]:
    watch, rows = report["watchdog"], []
    where: List[Text] = [Text(report["url"], report["url"])]
    if report["pid"]:
        where.append(Text.of("pid {}", "进程 {}", report["pid"]))
    if report["memory_mb"]:
        where.append(Text("{} MB".format(report["memory_mb"]), "{} MB".format(report["memory_mb"])))
    if report["up_since"]:
        where.append(since(report["up_since"], now))
    rows.append(Text(", ".join(t.en for t in where), "，".join(t.zh for t in where)))
    if watch["running"]:
        began = epoch(watch["since"])
        when = since(began, now) if began else Text(watch["since"], watch["since"])
        rows.append(
            Text.of(
                "Watchdog: running {} (pid {})",
                "守护进程：运行中，{}（进程 {}）",
                when,
                watch["pid"],
            )
        )
    if report["would_be_told"]:
        names = ", ".join(report["would_be_told"][:3])
        rows.append(Text.of("Alerts go to: {}", "告警发送至：{}", names))
    if report["crashes_6h"]:
        many = report["crashes_6h"]
        rows.append(
            Text(count(many, "crash", "crashes") + " in 6 h", "6 小时内崩溃 {} 次".format(many))
        )
    last = report["last_incident"]
    if last and not report["incident"]:
        rows.append(_ended(last, now))
    return rows


def _ended(last: Dict[str, Any], now: float) -> Text:
    short, when = last["id"].rsplit("-", 1)[-1], clock(float(last["opened"]), now)
    if last["seconds"] is None:
        return Text.of("Last incident: {}, {}", "上次事故：{}，{}", short, when)
    return Text.of(
        "Last incident: {}, {}, back after {}",
        "上次事故：{}，{}，{}后恢复",
        short,
        when,
        span(float(last["seconds"])),
    )


__all__: Tuple[str, ...] = ("add", "find", "lines", "look", "status", "tell")
