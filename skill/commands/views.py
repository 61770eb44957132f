"""metrics, page, report: what can be seen. All of it works while the gateway is down."""

from __future__ import annotations

import getpass
import ipaddress
import platform as machine
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Tuple

import click

from ..errors import UsageError
from ..model import FINE, STATE_NAMES, Text

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context
    from ..views.facts import Facts
    from ..views.page import Now, Protection

# The token stays in the fragment, which no server and no log ever sees; only this script reads it.
SCRIPT = """
const token = location.hash.slice(1), page = document.getElementById("page");
async function show() {
  try {
    const said = await fetch("/body", {headers: {Authorization: "Bearer " + token}});
    const text = await said.text();
    if (!said.ok) { page.textContent = text; return; }
    const open = [...page.querySelectorAll("details[open] time")].map((one) => one.textContent);
    page.innerHTML = text;
    for (const one of page.querySelectorAll("details"))
      one.open = open.includes(one.querySelector("time").textContent);
  } catch (error) { page.insertAdjacentText("afterbegin", String(error)); }
}
show(); setInterval(show, 15000);
"""


def add(main: click.Group) -> None:
    for command in (metrics, page, report):
        main.add_command(command)


@click.command()
@click.option("--listen", metavar="ADDRESS:PORT", help="Serve /metrics there. / 在该地址提供服务。")
@click.option("--textfile", metavar="PATH", help="Write it there once. / 写入文件一次。")
@click.pass_obj
def metrics(app: App, listen: Optional[str], textfile: Optional[str]) -> None:
    """Print the metrics in Prometheus' text format. / 以 Prometheus 文本格式输出指标。"""
    from ..files import write_atomic
    from ..views import facts, server
    from ..views import metrics as exposition

    ctx = app.context()
    if textfile:
        write_atomic(Path(textfile), exposition.text(facts.read(ctx)).encode(), 0o644)
        return
    if not listen:
        click.echo(exposition.text(facts.read(ctx)), nl=False)
        return
    address, port = _address(listen)
    token = str(ctx.settings["metrics.token"] or "")
    if not token and not ipaddress.ip_address(address).is_loopback:
        raise UsageError(
            Text.of(
                "{} is not loopback and metrics.token is not set",
                "{} 不是回环地址，且未设置 metrics.token",
                address,
            ),
            Text(
                "iflow-doctor config --set metrics.token=<something long>, or listen on 127.0.0.1",
                "请执行 iflow-doctor config --set metrics.token=<长随机串>，或改为监听 127.0.0.1",
            ),
        )
    routes: server.Routes = {
        "/metrics": (server.TEXT, True, lambda: exposition.text(facts.read(ctx)))
    }
    made = server.serve(address, port, token, routes)
    app.say("http://{}:{}/metrics".format(address, made.server_port))
    try:
        made.serve_forever()
    except KeyboardInterrupt:
        made.server_close()


def _address(value: str) -> Tuple[str, int]:
    """Return address and port of "127.0.0.1:9719". Raises UsageError."""
    address, _, port = value.rpartition(":")
    try:
        ip = ipaddress.ip_address(address.strip("[]") or "127.0.0.1")
        if not 0 <= int(port) <= 65535:
            raise ValueError(port)
        return str(ip), int(port)
    except ValueError as error:
        raise UsageError(
            Text.of("{!r} is no address and port", "{!r} 不是ADDRESS:PORT", value),
            Text("for example 127.0.0.1:9719", "例如 127.0.0.1:9719"),
        ) from error


@click.command()
@click.option("--port", type=int, default=0, help="0: any free one. / 0 为任意空闲端口。")
@click.option("--open", "show", is_flag=True, help="Open a browser. / 打开浏览器。")
@click.pass_obj
def page(app: App, port: int, show: bool) -> None:
    """Show the page on loopback, read-only. / 在回环地址上提供只读页面。"""
    from ..views import page as pages
    from ..views import server

    token = secrets.token_urlsafe(24)
    nonce = secrets.token_urlsafe(12)

    def body() -> str:
        seen, now, found = _seen(app)
        return pages.body(seen, now, found, app.lang)

    def shell() -> str:
        head = '<script nonce="{}" defer type="module">{}</script>'.format(nonce, SCRIPT)
        return pages.shell(app.lang, head)

    routes: server.Routes = {
        "/": (server.HTML, False, shell),
        "/body": (server.HTML, True, body),
    }
    policy = "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; "
    policy += "script-src 'nonce-{}'; base-uri 'none'; form-action 'none'".format(nonce)
    made = server.serve("127.0.0.1", port, token, routes, policy)
    url = "http://127.0.0.1:{}/#{}".format(made.server_port, token)
    app.say(url)
    app.say(Text("Ctrl-C ends it.", "按 Ctrl-C 结束。"))
    if show:
        click.launch(url)
    try:
        made.serve_forever()
    except KeyboardInterrupt:
        made.server_close()


@click.command()
@click.option(
    "--html", "target", metavar="FILE", required=True, help="- : stdout. / - 为标准输出。"
)
@click.pass_obj
def report(app: App, target: str) -> None:
    """Write the page as one self-contained file. / 把页面写成一个独立文件。"""
    from ..files import write_atomic
    from ..openclaw import known_secrets
    from ..views import page as pages

    seen, now, found = _seen(app)
    clean = known_secrets.redactor(app.context()).clean_data
    records = tuple(clean(dict(record)) for record in seen.records)
    text = pages.document(replace(seen, records=records), now, found, app.lang)
    if target == "-":
        click.echo(text, nl=False)
        return
    write_atomic(Path(target), text.encode(), 0o600)
    app.say(Text.of("Written: {}", "已写入：{}", target))


def _seen(app: App) -> Tuple[Facts, Now, List[Protection]]:
    """Look once, as `status` does, and read the rest from disk."""
    from ..views import facts
    from ..views.page import Now
    from . import status

    ctx, looked, troubles = status.examined(app)
    seen, state = facts.read(ctx), looked["verdict"].state
    tone = "good" if not troubles else "bad" if state not in FINE else "wait"
    told = tuple((one.text.to(app.lang), one.command) for one in troubles)
    headline = Text.of("{}: {}", "{}：{}", STATE_NAMES[state], looked["reason"]).to(app.lang)
    lines = tuple(text.to(app.lang) for text in status.facts(looked, seen.now))
    where = "{}@{}".format(getpass.getuser(), machine.node())
    return seen, Now(headline, tone, lines, told, where), protections(ctx, looked, seen)


def protections(ctx: Context, looked: Mapping[str, Any], seen: Facts) -> List[Protection]:
    """Return what stands between a fault at night and a dead bot in the morning, level by level."""
    from ..views.page import Protection

    service = ctx.platform.service_state() if ctx.platform else None
    kept = bool(service and service.exists)
    told = looked["would_be_told"]
    age = seen.now - seen.good_at
    return [
        Protection(
            Text("Level 1: restarts a crash", "第一级：崩溃后重启"),
            kept,
            Text.of("{}", "{}", ctx.platform.name if ctx.platform else "-"),
            "" if kept else "iflow-doctor service install",
        ),
        Protection(
            Text("Level 2: the watchdog", "第二级：守护进程"),
            bool(looked["watchdog"]["running"]),
            Text("running", "运行中")
            if looked["watchdog"]["running"]
            else Text("not running", "未运行"),
            "" if looked["watchdog"]["running"] else "iflow-doctor service install",
        ),
        Protection(
            Text("Level 3: a good copy of the config", "第三级：可用的配置备份"),
            seen.good_at > 0,
            Text.of("{:.0f} hours old", "{:.0f} 小时前", age / 3600)
            if seen.good_at
            else Text(
                "none yet: it is kept once the gateway is ready", "暂无：网关就绪后会自动保存"
            ),
        ),
        Protection(
            Text("Level 4: somebody is told", "第四级：通知到人"),
            bool(told),
            Text.of("{}", "{}", ", ".join(told) or "-"),
            "" if told else "iflow-doctor notify set-feishu",
        ),
    ]
