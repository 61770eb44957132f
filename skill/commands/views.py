"""metrics, page, report: what can be seen. All of it works while the gateway is down."""

from __future__ import annotations

import getpass
import ipaddress
import platform as machine
import secrets
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Tuple, TypeVar

import click

from ..errors import UsageError
from ..model import CANNOT_TELL, FINE, STATE_NAMES, State, Text

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context
    from ..openclaw.home import Home
    from ..views.facts import Facts
    from ..views.page import Now, Protection, Shown, Story
    from .status import Trouble

Shape = TypeVar("Shape", "Now", "Story")

# The token stays in the fragment, which no server and no log ever sees; only this script reads it.
SCRIPT = """
const token = location.hash.slice(1), page = document.getElementById("page");
const headers = {Authorization: "Bearer " + token};
let busy = false;
async function show() {
  if (busy) return;
  busy = true;
  try {
    const said = await fetch("/body", {headers}), text = await said.text();
    if (!said.ok) { page.textContent = text; return; }
    const all = () => [...page.querySelectorAll("details")];
    const open = all().filter((one) => one.open).map((one) => one.firstChild.textContent);
    const focus = all().findIndex((one) => one.firstChild === document.activeElement);
    page.innerHTML = text;
    for (const one of all()) one.open = one.open || open.includes(one.firstChild.textContent);
    if (focus >= 0) all()[focus]?.firstChild.focus();
    document.title = page.querySelector("h1").textContent.slice(1) + " - OpenClaw";
  } catch (error) {
    document.body.style.opacity = 0.6;
    return;
  } finally { busy = false; }
  document.body.style.opacity = 1;
}
page.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  button.disabled = true;
  const body = JSON.stringify({key: button.dataset.key ?? ""});
  const kind = {"Content-Type": "application/json"};
  await fetch("/repair", {method: "POST", headers: {...headers, ...kind}, body});
  await show();
});
show(); setInterval(show, 5000);
"""
# The examination itself takes seconds of CPU: an open page may not become a load.
EXAMINED_EVERY = 10.0
STORIES = 12


def add(main: click.Group) -> None:
    for command in (metrics, page, report, fleet, review, issue):
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
@click.option(
    "--allow-repair",
    is_flag=True,
    help="Offer repairs with a button. / 提供带按钮的修复方案。",
)
@click.pass_obj
def page(app: App, port: int, show: bool, allow_repair: bool) -> None:
    """Show the page on loopback; read-only unless --allow-repair. / 在回环地址上提供页面。"""
    from ..views import page as pages
    from ..views import server

    token = secrets.token_urlsafe(24)
    nonce = secrets.token_urlsafe(12)
    desk = server.Desk(app.context, app.lang) if allow_repair else None
    look = Looking(app)

    def body() -> str:
        shown = look.shown()
        if desk:
            shown = replace(shown, extra=pages.offer(desk.offer(), app.lang))
        return pages.body(shown, app.lang)

    def shell() -> str:
        head = '<script nonce="{}" defer type="module">{}</script>'.format(nonce, SCRIPT)
        return pages.shell(app.lang, head)

    routes: server.Routes = {
        "/": (server.HTML, False, shell),
        "/body": (server.HTML, True, body),
    }
    policy = "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; "
    policy += "script-src 'nonce-{}'; base-uri 'none'; form-action 'none'".format(nonce)
    posts: server.Posts = {"/repair": desk.asked} if desk else {}
    made = server.serve("127.0.0.1", port, token, routes, policy, posts)
    url = "http://127.0.0.1:{}/#{}".format(made.server_port, token)
    app.say(url)
    app.say(Text("Ctrl-C ends it.", "按 Ctrl-C 结束。"))
    if show:
        click.launch(url)
    try:
        made.serve_forever()
    except KeyboardInterrupt:
        made.server_close()
        if desk:
            desk.finish(app.say)


@click.command()
@click.option(
    "--html", "target", metavar="FILE", required=True, help="- : stdout. / - 为标准输出。"
)
@click.pass_obj
def report(app: App, target: str) -> None:
    """Write the page as one self-contained file. / 把页面写成一个独立文件。"""
    from ..files import write_atomic
    from ..views import page as pages

    text = pages.document(_shown(app), app.lang)
    if target == "-":
        click.echo(text, nl=False)
        return
    write_atomic(Path(target), text.encode(), 0o600)
    app.say(Text.of("Written: {}", "已写入：{}", target))


@click.command()
@click.option("--week", is_flag=True, help="The calendar week, from Monday. / 自然周（周一起）。")
@click.option("--send", is_flag=True, help="Also send it as a message. / 同时作为消息发送。")
@click.pass_obj
def review(app: App, week: bool, send: bool) -> None:
    """The last seven days on one page. / 一页看完最近七天。"""
    from ..store import samples
    from ..store.records import Store
    from ..views import review as reviews

    ctx = app.context()
    begin, end = reviews.week_of(ctx.host.now(), week)
    made = reviews.review(Store(ctx.home).all(), samples.days(ctx.home), begin, end)
    if send:
        from .. import notify
        from ..model import Alert

        stamp = time.strftime("%Y-%m-%d", time.localtime(begin))
        title = Text("The week of your OpenClaw", "OpenClaw 本周回顾")
        text = reviews.text(made)
        notify.enqueue(ctx, Alert("review-" + stamp, "note", "warning", title, end, text))
        notify.flush(ctx)
    if app.as_json:
        app.out(reviews.to_json(made, app.lang))
        return
    for line in reviews.lines(made, app.lang):
        app.say(line)


@click.command()
@click.argument("code", required=False)
@click.option("--print", "show", is_flag=True, help="Only show the text. / 只显示文本。")
@click.option("--send", is_flag=True, help="Open, comment or close on GitHub. / 在 GitHub 上处理。")
@click.pass_obj
def issue(app: App, code: Optional[str], show: bool, send: bool) -> None:
    """What is left to you, as an issue on GitHub. / 需要你处理的问题，作为 GitHub issue。"""
    from ..errors import CannotTell, NotifyError
    from ..notify import issues

    if show == send:
        raise UsageError(
            Text("say --print or --send", "请指定 --print 或 --send"),
            Text("--print shows the text and sends nothing", "--print 只显示文本，不发送"),
        )
    ctx = app.context()
    if show:
        row = issues.chosen(ctx, code or "")
        if row is None:
            app.say(Text("No incident is left to you.", "没有需要你处理的事故。"))
            return
        title, body = issues.text_of(ctx, row)
        if app.as_json:
            app.out({"title": title, "body": body})
        else:
            app.say(title + "\n\n" + body)
        return
    try:
        done = issues.sync(ctx)
    except (NotifyError, CannotTell) as error:
        if app.as_json:
            app.out({"ok": False, "error": str(error)})
        else:
            app.say(Text.of("Nothing more was sent: {}", "未继续发送：{}", error))
        raise click.exceptions.Exit(1) from None
    if app.as_json:
        app.out({"ok": True, "done": done})
    elif not done:
        app.say(Text("Nothing to send.", "没有需要发送的内容。"))
    for line in [] if app.as_json else done:
        app.say(line)


# -- what the page shows --------------------------------------------------------------------------
class Looking:
    """One examination for however many readers."""

    def __init__(self, app: App) -> None:
        self.app, self.at, self.lock = app, 0.0, threading.Lock()
        self.known: Optional[Shown] = None

    def shown(self) -> Shown:
        with self.lock:
            now = self.app.host.monotonic()
            if self.known is None or now - self.at >= EXAMINED_EVERY:
                self.known, self.at = _shown(self.app), self.app.host.monotonic()
            return self.known


def _shown(app: App) -> Shown:
    """Look once, as `status` does, and read the rest from disk. No secret is in what it returns."""
    from ..openclaw import known_secrets
    from ..views import facts
    from ..views.page import Shown
    from . import incidents, status

    ctx, looked, troubles = status.examined(app)
    seen = facts.read(ctx)
    rows = incidents.known(ctx.home)
    clean = known_secrets.redactor(ctx).clean_data
    told = [_story(ctx.home, row, seen.now, app.lang) for row in rows[:STORIES]]
    guards = protections(ctx, looked, seen)
    return Shown(
        seen,
        _cleaned(_now(app, looked, troubles, seen), clean),
        tuple(_cleaned(one, clean) for one in told),
        tuple(replace(one, detail=Text(*clean([one.detail.en, one.detail.zh]))) for one in guards),
        more=max(0, len(rows) - STORIES),
    )


def _cleaned(value: Shape, clean: Callable[[Any], Any]) -> Shape:
    return replace(value, **{f.name: _tuples(clean(getattr(value, f.name))) for f in fields(value)})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, (list, tuple)) else value


def _now(app: App, looked: Mapping[str, Any], troubles: List[Trouble], seen: Facts) -> Now:
    """The state in a person's words: what, since when, why, and what to do next."""
    from ..views.page import Now
    from . import clock, epoch, rough, status

    state, lang, now = looked["verdict"].state, app.lang, seen.now
    open_now = looked["incident"]
    at_work = bool(
        open_now
        and looked["watchdog"]["running"]
        and not open_now["escalated"]
        and not looked["paused_until"]
    )
    began = epoch(open_now["since"]) if open_now else 0.0
    if not began and seen.state is state and seen.watched:
        began = seen.since
    if state is State.HEALTHY and looked["up_since"]:
        began = max(began, looked["up_since"]) if began else looked["up_since"]
    when = (
        Text.of("Since {} ({})", "自 {} 起（{}）", clock(began, now), rough(now - began))
        if began
        else Text("", "")
    )
    rest = [one for one in troubles if one.text != looked["reason"] and one.code != "incident"]
    if not troubles:
        head, tone = Text("Everything works", "一切正常"), "good"
        step = Text("Nothing to do.", "无需处理。")
    elif state is State.HEALTHY:
        head = Text("It works, but not everything is all right", "网关正常，但有待处理事项")
        tone = "wait"
        step = Text("See the list below.", "见下方列表。")
    elif state in FINE:
        head, tone = STATE_NAMES[state], "wait"
        step = Text("", "")
    elif state in CANNOT_TELL:
        head, tone = Text("Whether it works cannot be told", "无法判断是否正常"), "wait"
        step = Text("", "")
    else:
        head = Text.of("OpenClaw does not work: {}", "OpenClaw 不可用：{}", STATE_NAMES[state])
        tone, step = "bad", Text("", "")
    if open_now and state is State.HEALTHY:
        head = Text("It works again; being watched for a moment", "已恢复，正在观察")
    if at_work and tone == "bad":
        step = Text(
            "Wait a moment: the watchdog is repairing it, and tells you when it is over or when "
            "you are needed. To see more:",
            "请稍候：守护进程正在修复，恢复或需要你处理时会通知你。查看详情：",
        )
    elif tone == "bad":
        step = Text("This shows what can be done:", "查看可用的处理方法：")
    why = looked["cause"] if troubles and looked["cause"] != looked["reason"] else looked["reason"]
    command = troubles[0].command if troubles else ""
    if tone == "bad" and not at_work:
        command = "iflow-doctor heal --dry-run" if state not in CANNOT_TELL else command
    where = "{}@{}".format(getpass.getuser(), machine.node())
    if not troubles or (state is State.HEALTHY and why == looked["reason"]):
        why = Text("", "")
    lines = tuple(text.to(lang) for text in status.facts(dict(looked), now))
    return Now(
        _capital(head.to(lang)),
        tone,
        lines,
        tuple((_capital(one.text.to(lang)), one.command) for one in rest),
        where,
        when.to(lang) if when.en else "",
        _capital(why.to(lang)),
        step.to(lang),
        "" if state is State.HEALTHY else command,
    )


def _capital(text: str) -> str:
    """With a capital first; a name such as openclaw.json stays as it is."""
    return text[:1].upper() + text[1:] if text.split(" ")[0].rstrip(",:").isalpha() else text


def _story(home: Home, row: Mapping[str, Any], now: float, lang: str) -> Story:
    """One incident as `iflow-doctor incident` tells it."""
    from ..notify.incidents import code
    from ..views.page import Story
    from . import clock, incidents

    first = row.get("opened") or row.get("first_failed_probe")
    opened = float(first) if isinstance(first, (int, float)) else 0.0
    row = {**row, "opened": opened}
    kind = "open" if row.get("open") else "ok" if row.get("verified") else "bad"
    steps = [
        (time.strftime("%H:%M:%S", time.localtime(at)), said.to(lang))
        for at, said in incidents.timeline(home, row)
    ]
    return Story(
        code(str(row["id"])),
        clock(opened, now).to(lang),
        incidents.lasted(row, now).to(lang),
        _capital(incidents.cause_of(row).to(lang)).rstrip(".。"),
        incidents.end_of(row).to(lang),
        kind,
        tuple(str(one) for one in row.get("errors") or row.get("evidence") or ()),
        tuple(steps),
        tuple((one["key"], one["before"], one["after"]) for one in incidents.changes_of(home, row)),
        tuple(incidents.undo_of(home, row)) if row.get("verified") else (),
    )


def protections(ctx: Context, looked: Mapping[str, Any], seen: Facts) -> List[Protection]:
    """Return what stands between a fault at night and a dead bot in the morning, level by level."""
    return [
        *_levels_1_and_2(ctx, looked),
        *_level_3(ctx, seen),
        _backup(seen),
        *_level_4(looked, seen),
    ]


def _levels_1_and_2(ctx: Context, looked: Mapping[str, Any]) -> List[Protection]:
    from ..views.page import Protection

    service = ctx.platform.service_state() if ctx.platform else None
    kept = bool(service and service.exists)
    name = ctx.platform.name if ctx.platform else "-"
    found = [
        Protection(
            Text("Level 1: a crash is restarted", "第一级：崩溃后重启"),
            kept,
            Text.of("by {}", "由 {} 负责", name)
            if kept
            else Text("nothing starts the gateway again", "没有任何服务会重启网关"),
            "" if kept else "iflow-doctor service install",
        )
    ]
    dies = getattr(ctx.platform, "dies_at_logout", None)
    if dies is not None:
        from ..platforms import systemctl

        gone = bool(dies())
        found.append(
            Protection(
                Text("It goes on when you log out", "退出登录后继续运行"),
                not gone,
                systemctl.DIES_AT_LOGOUT if gone else Text("lingering is on", "linger 已启用"),
                systemctl.ENABLE_LINGER.format(systemctl.account(ctx.host)) if gone else "",
            )
        )
    running, paused = bool(looked["watchdog"]["running"]), bool(looked["paused_until"])
    detail = Text("running", "运行中") if running else Text("not running", "未运行")
    if running and paused:
        detail = Text("paused: it only looks", "已暂停：只观察")
    direct = looked["manager"] in ("direct", None)
    start = "iflow-doctor watch" if direct else "iflow-doctor service install"
    title = Text("Level 2: the watchdog", "第二级：守护进程")
    fix = start if not running else "iflow-doctor resume" if paused else ""
    return [*found, Protection(title, running and not paused, detail, fix)]


def _level_3(ctx: Context, seen: Facts) -> List[Protection]:
    from ..views.page import Protection
    from . import rough

    heals = bool(ctx.settings.get("auto_heal", True))
    age = seen.now - seen.good_at
    if not seen.good_at:
        copy = Text("none yet: it is kept once the gateway is ready", "暂无：网关就绪后自动保存")
    else:
        copy = Text.of("{} old", "{} 前", rough(age))
    return [
        Protection(
            Text("Level 3: repairs by itself", "第三级：自动修复"),
            heals,
            Text("on", "已启用")
            if heals
            else Text(
                "off: only restarts, everything else waits for a yes",
                "已关闭：仅重启，其余等待同意",
            ),
            "" if heals else "iflow-doctor config --set auto_heal=true",
        ),
        Protection(
            Text("A good copy of the config", "配置的可用副本"),
            seen.good_at > 0 and age < GOOD_COPY_OLD_S,
            copy,
            "" if not seen.good_at or age < GOOD_COPY_OLD_S else "iflow-doctor status",
        ),
    ]


GOOD_COPY_OLD_S = 14 * 86400.0
BACKUP_OLD_S = 14 * 86400.0  # as OpenClaw's own doctor counts
TEST_OLD_S = 90 * 86400.0


def _backup(seen: Facts) -> Protection:
    from ..views.page import Protection
    from . import rough

    age = seen.now - seen.backup_at
    fresh = bool(seen.backup_at) and age < BACKUP_OLD_S
    return Protection(
        Text("A backup of OpenClaw's data", "OpenClaw 数据备份"),
        fresh,
        Text.of("{} old", "{} 前", rough(age))
        if seen.backup_at
        else Text("OpenClaw has noted none", "OpenClaw 没有备份记录"),
        "" if fresh else "openclaw backup create --output ~/Backups --verify",
    )


def _level_4(looked: Mapping[str, Any], seen: Facts) -> List[Protection]:
    from ..views.page import Protection
    from . import clock

    told = looked["would_be_told"]
    proven = bool(seen.proven_at) and seen.now - seen.proven_at < TEST_OLD_S
    return [
        Protection(
            Text("Level 4: somebody is told", "第四级：通知到人"),
            bool(told),
            Text.of("{}", "{}", ", ".join(told))
            if told
            else Text("nobody would be told of an outage", "出现故障时不会通知任何人"),
            "" if told else "iflow-doctor notify setup",
        ),
        Protection(
            Text("A message has arrived", "消息确实送达过"),
            proven,
            Text.of(
                "the last one was accepted {}", "最近一次送达：{}", clock(seen.proven_at, seen.now)
            )
            if seen.proven_at
            else Text("none was ever sent: try it", "从未发送过：试一次"),
            "" if proven else "iflow-doctor notify test" if told else "iflow-doctor notify setup",
        ),
    ]


# -- many gateways ---------------------------------------------------------------------------------
@click.group(no_args_is_help=False)
def fleet() -> None:
    """Which gateways there are, for Prometheus and for you. / 机群中有哪些网关。"""


def _file(function: Any) -> Any:
    return click.option(
        "--file", "path", type=Path, envvar="IFLOW_DOCTOR_FLEET", metavar="PATH",
        help="The list, for file_sd_configs. / 目标列表文件。",
    )(click.pass_obj(function))  # fmt: skip


def _list_file(app: App, path: Optional[Path]) -> Path:
    from ..openclaw.home import locate

    return path or locate(app.host).doctor_dir / "fleet.json"


@fleet.command("add")
@click.argument("gateway")
@click.argument("address", metavar="HOST:PORT")
@click.option("--host", default="", help="Its machine. / 所在机器。")
@click.option("--cluster", default="", help="Its cluster. / 所属集群。")
@_file
def fleet_add(
    app: App, gateway: str, address: str, host: str, cluster: str, path: Optional[Path]
) -> None:
    """Add a gateway, or change one: where its `metrics --listen` answers. / 添加或修改一个网关。"""
    from ..store import fleet as store

    name, colon, port = address.rpartition(":")
    if not colon or not name or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(
            Text.of("{} is no HOST:PORT", "{} 不是“主机加端口”", address),
            Text("as in 10.0.0.7:9719", "例如 10.0.0.7:9719"),
        )
    target = store.Target(address, gateway, host or name.strip("[]"), cluster)
    where = _list_file(app, path)
    others = [one for one in store.read(where) if one.gateway != gateway]
    store.write(where, [*others, target])
    if app.as_json:
        app.out({"ok": True, "file": str(where), **target._asdict(), "gateways": len(others) + 1})
    else:
        app.say(Text.of("{} is in {}", "{} 已写入 {}", gateway, where))


@fleet.command("remove")
@click.argument("gateway")
@_file
def fleet_remove(app: App, gateway: str, path: Optional[Path]) -> None:
    """Take a gateway off the list. Exit 1 where it is not on it. / 从列表中移除一个网关。"""
    from ..store import fleet as store

    where = _list_file(app, path)
    before = store.read(where)
    after = [one for one in before if one.gateway != gateway]
    found = len(after) < len(before)
    if found:
        store.write(where, after)
    if app.as_json:
        app.out({"ok": found, "file": str(where), "gateways": len(after)})
    else:
        gone = (
            ("{} is off the list", "{} 已移除") if found else ("{} is not on it", "{} 不在列表中")
        )
        app.say(Text.of(*gone, gateway))
    raise SystemExit(0 if found else 1)


@fleet.command("list")
@_file
def fleet_list(app: App, path: Optional[Path]) -> None:
    """Every gateway and how it is now. Exit 1 one is sick, 2 cannot tell. / 列出并查询每个网关。"""
    from concurrent.futures import ThreadPoolExecutor

    from ..store import fleet as store

    where = _list_file(app, path)
    targets = store.read(where)
    with ThreadPoolExecutor(16) as pool:
        states = list(pool.map(lambda one: store.state_of(app.host, one), targets))
    rows = [{**one._asdict(), "state": state} for one, state in zip(targets, states)]
    sick = [one for one in rows if one["state"] not in ("healthy", "stopped", "?")]
    code = 1 if sick else 2 if not rows or any(one["state"] == "?" for one in rows) else 0
    if app.as_json:
        app.out({"ok": code == 0, "file": str(where), "gateways": rows, "sick": len(sick)})
        raise SystemExit(code)
    for row in rows:
        app.say(
            Text.of(
                "{}  {}  {}  {}", "{}  {}  {}  {}", row["gateway"], row["address"], row["cluster"],
                STATE_NAMES[State(row["state"])] if row["state"] != "?" else Text("?", "?"),
            )
        )  # fmt: skip
    app.say(
        Text.of(
            "{} of {} are sick. List: {}", "{} / {} 异常。列表：{}", len(sick), len(rows), where
        )
    )
    raise SystemExit(code)
