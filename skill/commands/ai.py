"""ai: which AIs are there (status), how to look into a session (attach), ask now (run)."""

from __future__ import annotations

import time
from typing import Any, Dict, List

import click

from ..openclaw import known_secrets


def add(main: click.Group) -> None:
    main.add_command(ai)


@click.group(no_args_is_help=False)  # the versions of click do not agree on its exit code
def ai() -> None:
    """The AI emergency doctor. / AI 急救医生。"""


@ai.command()
@click.pass_obj
def status(app: Any) -> None:
    """Which AIs are there, version, logged in or not. Costs nothing. / 有哪些
    AI、版本、是否登录，不产生费用。
    """
    from concurrent.futures import ThreadPoolExecutor

    from ..bridges import preferred
    from ..bridges import status as status_of
    from ..doctor.emergency import audit
    from ..model import Text

    ctx = app.context()
    bridges = preferred(ctx)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda bridge: _safe(status_of, ctx, bridge), bridges))
    spent = audit.spent_today(ctx)
    settings = ctx.settings
    usable = [row for row in rows if row.installed and row.logged_in is not False]
    if app.as_json:
        app.out(
            {
                "enabled": settings["ai.enabled"],
                "mode": settings["ai.mode"],
                "today": spent,
                "daily_budget": settings["ai.daily_budget"],
                "bridges": [_json(row, app.lang) for row in rows],
                "usable": [row.id for row in usable],
            }
        )
    else:
        head = Text(
            "AI stage: {}, mode {}, {} of {} calls used today",
            "AI 阶段：{}，模式 {}，今日已用 {}/{} 次调用",
        ).to(app.lang)
        on = Text("on", "开启") if settings["ai.enabled"] else Text("off", "关闭")
        app.say(
            head.format(
                on.to(app.lang), settings["ai.mode"], spent["calls"], settings["ai.daily_budget"]
            )
        )
        for bridge, row in zip(bridges, rows):
            app.say("  {:<28} {}".format(bridge.title, _words(row).to(app.lang)))
        if not usable:
            app.say(
                Text(
                    "No AI can be asked. Install one and log in, or set ai.anthropic_http / "
                    "ai.openai_http.",
                    "没有可用的 AI。请安装并登录其中之一，或设置 ai.anthropic_http / "
                    "ai.openai_http。",
                )
            )
    raise click.exceptions.Exit(0 if usable else 1)


def _safe(status_of: Any, ctx: Any, bridge: Any) -> Any:
    from ..bridges.base import Status

    try:
        return status_of(ctx, bridge)
    except Exception:  # one broken CLI must not hide the others
        return Status(bridge.id, True, bridge.find(ctx), "", None, bridge.note)


def _json(row: Any, lang: str) -> Dict[str, Any]:
    return {
        "id": row.id,
        "installed": row.installed,
        "program": row.program,
        "version": row.version,
        "logged_in": row.logged_in,
        "note": row.note.to(lang) if row.note else "",
    }


def _words(row: Any) -> Any:
    from ..model import Text

    note = Text(" - " + row.note.en, " - " + row.note.zh) if row.note else Text("", "")
    if not row.installed:
        return Text("not installed" + note.en, "未安装" + note.zh)
    login = {
        True: Text("logged in", "已登录"),
        False: Text("NOT logged in", "未登录"),
        None: Text("login not known without a call", "不调用无法得知是否登录"),
    }[row.logged_in]
    return Text(
        "{} {}{}".format(row.version, login.en, note.en).strip(),
        "{} {}{}".format(row.version, login.zh, note.zh).strip(),
    )


@ai.command()
@click.pass_obj
def attach(app: Any) -> None:
    """How to look into the session at work, or the last one. / 如何查看正在进行或上一次的会话。"""
    from ..doctor.emergency import audit
    from ..model import Text
    from ..openclaw.home import locate

    home = locate(app.host)
    last = audit.last_session(home)
    if not last:
        if app.as_json:
            app.out({"ok": False, "asked": False})
            raise click.exceptions.Exit(1)
        app.say(Text("No AI was asked yet.", "还没有询问过 AI。"))
        raise click.exceptions.Exit(1)
    lines: List[str] = [Text("Asked: ", "询问对象：").to(app.lang) + str(last.get("bridge"))]
    resume = _resume(last)
    if resume:
        lines += [
            Text(
                "Look into the session (for watching; nothing is confirmed for you):",
                "查看会话（仅供查看，不会替你确认任何操作）：",
            ).to(app.lang)
        ]
        lines += ["  cd '{}' && {}".format(last.get("workdir"), resume)]
        lines += [
            "  tmux new-session -s iflow-doctor \"cd '{}' && {}\"".format(
                last.get("workdir"), resume
            )
        ]
    lines += [
        "{}: tail -f '{}'".format(
            Text("Every call as it is made", "实时查看每次调用").to(app.lang),
            home.doctor_dir / "ai" / "audit.jsonl",
        )
    ]
    if app.as_json:
        app.out(dict(last, resume=resume, audit=str(home.doctor_dir / "ai" / "audit.jsonl")))
    else:
        for line in lines:
            app.say(line)


def _resume(last: Dict[str, Any]) -> str:
    """The CLI's own command; only sessions with hands are kept by the CLI, a plan leaves no session
    behind.
    """
    session = str(last.get("session") or "")
    if not session:
        return ""
    return {"claude": "claude --resume " + session}.get(str(last.get("bridge")), "")


@ai.command()
@click.option(
    "--dry-run",
    is_flag=True,
    help="Ask, show the plan, carry nothing out. / 只询问并显示计划，不执行。",
)
@click.option(
    "--mode",
    type=click.Choice(["plan", "hands"]),
    default=None,
    help="Instead of ai.mode. / 覆盖 ai.mode。",
)
@click.option(
    "--show-prompt",
    is_flag=True,
    help="Print what would be sent, send nothing. / 只显示将要发送的内容。",
)
@click.pass_obj
def run(app: Any, dry_run: bool, mode: Any, show_prompt: bool) -> None:
    """Ask an AI about what is wrong now. / 就当前问题询问 AI。"""
    from dataclasses import replace

    from ..doctor import emergency, examine
    from ..doctor import execute as healer
    from ..model import Outcome, Plan, Text
    from ..settings import Settings

    ctx = app.context()
    if mode:
        values = dict(ctx.settings.values, ai=dict(ctx.settings.values["ai"], mode=mode))
        ctx = replace(ctx, settings=Settings(values, ctx.settings.sources))
    if not app.as_json:
        app.say(Text("Looking (a few seconds) ...", "正在检查（需几秒）……"))
    patience = float(ctx.settings["start_budget"])
    ctx = examine.examine(ctx, patience=patience)
    if show_prompt:
        from ..doctor.emergency import evidence

        prompt = evidence.prompt(ctx, known_secrets.redactor(ctx), (), "", "0" * 16)
        return app.out({"prompt": prompt}) if app.as_json else app.say(prompt)  # type: ignore[no-any-return]

    def execute(plan: Plan) -> Outcome:
        return healer.execute(ctx, plan, dry_run=dry_run)

    say = None if app.as_json else (lambda text: app.say(Text("  " + text.en, "  " + text.zh)))
    incident = "ai-{}".format(time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now())))
    result = emergency.ask(ctx, (), incident, execute, look=lambda: examine.examine(ctx), say=say)
    if app.as_json:
        app.out(
            {
                "healed": result.healed,
                "by_itself": result.by_itself,
                "bridge": result.bridge,
                "rounds": result.rounds,
                "calls": result.calls,
                "cost_usd": result.cost_usd,
                "attempts": [list(row) for row in result.attempts],
                "root_cause": result.root_cause.to(app.lang),
                "tell_person": result.tell_person.to(app.lang),
                "prompt_after_s": result.prompt_after_s,
                "report": result.report,
                "repairs": [
                    {"repair": o.plan.repair, "healed": o.healed, "rolled_back": o.rolled_back}
                    for o in result.outcomes
                ],
            }
        )
    else:
        app.say(Text("Healed.", "已修复。") if result.healed else Text("Not healed.", "未修复。"))
        for head, text in (
            (Text("Cause: ", "原因："), result.root_cause),
            (Text("For you: ", "需要你："), result.tell_person),
        ):
            if text.en:
                app.say(head.to(app.lang) + text.to(app.lang))
        if result.report:
            app.say(Text("Report: ", "报告：").to(app.lang) + result.report)
    raise click.exceptions.Exit(0 if result.healed else 1)
