"""health: one question with an exit code, for HEALTHCHECK lines, kubelet probes and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..model import Text

if TYPE_CHECKING:
    from ..cli import App

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


def add(main: click.Group) -> None:
    main.add_command(health)


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
