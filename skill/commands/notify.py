"""notify setup|test|list|flush|preview|set-*, ack: level 4 from the command line."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import click

from ..errors import UsageError
from ..model import Text

if TYPE_CHECKING:
    from ..cli import App

WEBHOOKS = ("feishu", "dingtalk", "discord", "slack", "wecom", "webhook")


def add(main: click.Group) -> None:
    main.add_command(notify)
    main.add_command(ack)


@click.group(no_args_is_help=False)  # the versions of click do not agree on its exit code
def notify() -> None:
    """Alerts: who is told, and how. / 告警：通知谁、如何通知。"""


@notify.command("list")
@click.pass_obj
def list_ways(app: App) -> None:
    """What was found, where, and whom it would reach. / 找到了哪些通道，会通知谁。"""
    from ..notify import report

    value = report.overview(app.context())
    app.out(value) if app.as_json else click.echo(report.overview_text(value, app.lang))
    raise click.exceptions.Exit(0 if report.reached(value) else 1)


@notify.command()
@click.option(
    "--all",
    "everyone",
    is_flag=True,
    help="Also the recipients that only stand in for others. / 也测试候补接收人。",
)
@click.pass_obj
def test(app: App, everyone: bool) -> None:
    """Send a test message by every way that is configured. / 向每个已配置的通道发测试消息。"""
    from ..notify import report, sending

    ctx = app.context()
    results = report.test(ctx, app.lang, everyone)
    if any(row["ok"] for row in results):
        sending.log(ctx, "tested", ways=[row["way"] for row in results if row["ok"]])
    if app.as_json:
        app.out({"ok": bool(results) and all(row["ok"] for row in results), "ways": results})
    elif not results:
        click.echo(report.overview_text(report.overview(app.context()), app.lang))
    for row in [] if app.as_json else results:
        click.echo("{} {}  {}".format("✓" if row["ok"] else "✗", row["way"], row["answer"]))
    fine = bool(results) and all(row["ok"] for row in results)
    raise click.exceptions.Exit(0 if fine else 1)


@notify.command()
@click.option("--deadline", type=float, default=60.0, help="Seconds. / 秒。")
@click.pass_obj
def flush(app: App, deadline: float) -> None:
    """Send what waits in the outbox. / 发送等待中的告警。"""
    from ..notify import flush as send

    ctx = app.context()
    done = send(ctx, deadline)
    with contextlib.suppress(Exception):  # an issue is kept for later; alerts are what matters here
        from ..notify import issues

        issues.sync(ctx)
    if app.as_json:
        app.out(done.to_json())
    elif done.waiting or done.delivered or done.errors:
        app.say(
            Text(
                "{} alerts delivered, {} waiting".format(done.delivered, done.waiting),
                "已送达 {} 条，等待 {} 条".format(done.delivered, done.waiting),
            )
        )
        for way, error in done.errors[-5:]:
            click.echo("  {}: {}".format(way, error))
    raise click.exceptions.Exit(1 if done.waiting and not done.busy and done.errors else 0)


@notify.command()
@click.argument("kind", default="all")
@click.option(
    "--platform", default="", help="feishu, dingtalk, discord, telegram, slack, wecom, webhook"
)
@click.pass_obj
def preview(app: App, kind: str, platform: str) -> None:
    """Show alerts as they would be sent: all, or one KIND. / 预览告警：全部，或其中一种。"""
    from ..notify import render
    from ..notify.report import SENDERS
    from ..notify.sending import redactor
    from ..watchdog import samples

    if kind != "all" and kind not in samples.KINDS:
        raise UsageError(
            Text.of("no such kind: {}", "没有这种消息：{}", kind),
            Text.of("one of: all, {}", "可选：all, {}", ", ".join(samples.KINDS)),
        )
    if platform and platform not in SENDERS:
        raise UsageError(
            Text.of("no such platform: {}", "没有这个平台：{}", platform),
            Text.of("one of: {}", "可选：{}", ", ".join(SENDERS)),
        )
    ctx = app.context()
    made = samples.alerts(ctx.home)
    shown: List[Dict[str, Any]] = []
    for name in made if kind == "all" else [kind]:
        doc = render.single(
            [made[name]], app.lang, redactor(ctx), render.origin(ctx.home.profile, ctx.home.port)
        )
        form = SENDERS[platform].form(doc) if platform else None
        shown.append({"kind": name, "text": render.text(doc), "form": form})
        if not app.as_json:
            click.echo("── {} ──\n{}\n".format(name, render.text(doc)))
            if form is not None:
                click.echo(json.dumps(form, ensure_ascii=False, indent=1))
    if app.as_json:
        app.out(shown)


@click.command()
@click.argument("code", default="")
@click.option("--all", "everyone", is_flag=True, help="Every open incident. / 所有未恢复的事故。")
@click.pass_obj
def ack(app: App, code: str, everyone: bool) -> None:
    """Acknowledge an incident: no more reminders. / 确认事故，不再提醒。"""
    from ..notify import incidents
    from ..openclaw.home import locate

    home = locate(app.host)
    known = incidents.open_incidents(home)
    if not code and len(known) > 1 and not everyone:
        raise UsageError(
            Text.of(
                "several incidents are open: {}",
                "有多个未结束的事故：{}",
                ", ".join(item["code"] for item in known),
            ),
            Text("iflow-doctor ack CODE, or ack --all", "iflow-doctor ack 代码，或 ack --all"),
        )
    done = incidents.ack(home, code, app.host.now())
    if app.as_json:
        app.out({"ok": bool(done), "acknowledged": done})
    elif done:
        app.say(
            Text(
                "No more reminders for {}.".format(", ".join(done)),
                "已确认 {}，不再提醒。".format("、".join(done)),
            )
        )
    else:
        app.say(
            Text(
                "No such open incident." if code else "No incident is open.",
                "没有这个未恢复的事故。" if code else "没有未恢复的事故。",
            )
        )
    raise click.exceptions.Exit(0 if done or not code else 1)


def _set(app: App, platform: str, url: str, secret: Optional[str], keyword: str) -> None:
    from urllib.parse import urlsplit

    from .. import settings
    from ..openclaw.home import locate

    if url == "-":
        url = _ask("URL")
    if secret == "":
        secret = _ask("secret")
    home = locate(app.host)
    if url.lower() in ("off", "none", "remove"):
        settings.save(home, "notify.webhooks." + platform, None)
        if app.as_json:
            app.out({"ok": True, "platform": platform, "removed": True})
            return
        app.say(Text("{}: removed".format(platform), "{}：已移除".format(platform)))
        return
    if not url.startswith("${"):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                Text.of("not a web address: {}", "不是网址：{}", url[:60]),
                Text("it starts with https://", "应以 https:// 开头"),
            )
    value: Dict[str, Any] = {"url": url}
    value.update({k: v for k, v in (("secret", secret), ("keyword", keyword)) if v})
    settings.save(home, "notify.webhooks." + platform, value)
    if app.as_json:
        app.out({"ok": True, "platform": platform})
        return
    app.say(
        Text(
            "{}: saved. Try it: iflow-doctor notify test".format(platform),
            "{}：已保存。试一下：iflow-doctor notify test".format(platform),
        )
    )


def _ask(what: str) -> str:
    """From a person without echo, from a pipe as one line: a secret need not stand on a command
    line.
    """
    return (
        str(click.prompt(what, hide_input=True))
        if sys.stdin.isatty()
        else sys.stdin.readline().strip()
    )


def _setter(platform: str) -> click.Command:
    @click.pass_obj
    def command(app: App, url: str, secret: Optional[str], keyword: str) -> None:
        _set(app, platform, url, secret, keyword)

    command.__doc__ = (
        "Set your {0} webhook: URL, - to be asked, or off. / 设置 {0} 的 Webhook。".format(platform)
    )
    made = click.command("set-" + platform)(command)
    made.params = [
        click.Argument(["url"]),
        click.Option(
            ["--secret"],
            is_flag=False,
            flag_value="",
            default=None,
            help="Signing secret; without a value it is asked for. / 加签密钥。",
        ),
        click.Option(
            ["--keyword"],
            default="",
            help="A word the robot demands (DingTalk). / 机器人要求的关键词。",
        ),
    ]
    return made


for _platform in WEBHOOKS:
    notify.add_command(_setter(_platform))


@notify.command("set-telegram")
@click.argument("chat")
@click.pass_obj
def set_telegram(app: App, chat: str) -> None:
    """Alert this Telegram CHAT id through OpenClaw's own bot, or off. / 用 OpenClaw 的机器人通知。

    Messages are only sent, never fetched: the gateway's polling is not disturbed.
    """
    from .. import settings
    from ..openclaw.home import locate

    off = chat.lower() in ("off", "none", "remove")
    if not off and not re.match(r"^(?:-?\d{5,20}|@\w{4,64})(?::topic:\d+)?$", chat):
        raise UsageError(
            Text.of("not a chat id: {}", "不是聊天 ID：{}", chat[:40]),
            Text(
                "a number such as 123456789: write to @userinfobot to see yours",
                "形如 123456789 的数字：给 @userinfobot 发消息即可看到自己的",
            ),
        )
    settings.save(locate(app.host), "notify.recipients.telegram", None if off else [chat])
    if app.as_json:
        app.out({"ok": True, "platform": "telegram", "removed": off})
        return
    app.say(
        Text("telegram: removed", "telegram：已移除")
        if off
        else Text(
            "telegram: saved. Try it: iflow-doctor notify test",
            "telegram：已保存。试一下：iflow-doctor notify test",
        )
    )


@notify.command()
@click.pass_obj
def setup(app: App) -> None:
    """Set up who is told: asks, sends a test, asks whether it arrived. / 一步步设置通知谁。"""
    from .. import settings
    from ..notify import report
    from ..openclaw.home import locate

    home, lang = locate(app.host), app.lang
    names = [*WEBHOOKS, "telegram"]
    for number, name in enumerate(names, 1):
        click.echo("{}. {}".format(number, report.NAMES[name].to(lang)))
    while True:
        word = click.prompt(Text("Which one", "选择哪一个").to(lang), default="1").strip().lower()
        if word.isdigit() and 1 <= int(word) <= len(names):
            word = names[int(word) - 1]
        if word not in names:
            app.say(Text("Not in the list: {}", "不在列表中：{}").to(lang).format(word))
            continue
        key = ("notify.recipients." if word == "telegram" else "notify.webhooks.") + word
        before = settings.load_or_last_good(app.host, home)[0].get(key)
        if not _asked(app, word):
            continue
        # the language of the one who set it up is theirs from now on
        settings.save(home, "lang", lang)
        results = [row for row in report.test(app.context(), lang) if row["platform"] == word]
        for row in results:
            click.echo("{} {}  {}".format("✓" if row["ok"] else "✗", row["way"], row["answer"]))
        sent = bool(results) and all(row["ok"] for row in results)
        if sent and click.confirm(Text("Did it arrive?", "收到了吗？").to(lang), default=True):
            app.say(Text("Done: alerts go there.", "完成：告警会发到那里。"))
            return
        settings.save(home, key, before)
        app.say(Text("Not kept. Once more (Ctrl-C ends).", "没有保存。请再试一次（Ctrl-C 结束）。"))


def _asked(app: App, platform: str) -> bool:
    """Ask for what this platform needs, and save it. False when it was refused, with the reason."""
    try:
        if platform == "telegram":
            chat = str(click.prompt("Telegram chat id"))
            click.get_current_context().invoke(set_telegram, chat=chat.strip())
            return True
        url = str(click.prompt(Text("Webhook URL", "Webhook 网址").to(app.lang))).strip()
        secret = ""
        if platform in ("feishu", "dingtalk", "webhook"):
            ask = Text("Signing secret (empty: none)", "加签密钥（没有则留空）").to(app.lang)
            secret = str(click.prompt(ask, default="", show_default=False, hide_input=True))
        _set(app, platform, url, secret.strip() or None, "")
        return True
    except UsageError as error:
        click.echo("{}\n  -> {}".format(error.text.to(app.lang), error.todo.to(app.lang)), err=True)
        return False
