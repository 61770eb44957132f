"""ai: which AIs are there (status), say yes or no to one (enable, disable), watch a session
(attach), ask now (run).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import click

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context
    from ..openclaw.home import Home


def add(main: click.Group) -> None:
    main.add_command(ai)


@click.group(no_args_is_help=False)  # the versions of click do not agree on its exit code
def ai() -> None:
    """The AI emergency doctor. / AI 急救医生。"""


@ai.command()
@click.pass_obj
def status(app: App) -> None:
    """Which AIs are there, logged in, agreed to. / 有哪些 AI、是否登录、是否已同意。"""
    from concurrent.futures import ThreadPoolExecutor

    from ..bridges import consent, preferred
    from ..bridges import status as status_of
    from ..doctor.emergency import audit
    from ..model import Text

    ctx = app.context()
    bridges = preferred(ctx)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda bridge: _safe(status_of, ctx, bridge), bridges))
    agreed = {bridge.id: consent(ctx, bridge) for bridge in bridges}
    spent, last = audit.spent_today(ctx), audit.last_session(ctx.home)
    settings = ctx.settings
    there = [row for row in rows if row.installed and row.logged_in is not False]
    usable = [row for row in there if agreed[row.id] and settings["ai.enabled"]]
    if app.as_json:
        app.out(
            {
                "enabled": settings["ai.enabled"],
                "mode": settings["ai.mode"],
                "today": spent,
                "daily_budget": settings["ai.daily_budget"],
                "bridges": [_json(row, agreed[row.id], app.lang) for row in rows],
                "usable": [row.id for row in usable],
                "at_work": last.get("state") == "asking",
            }
        )
        raise click.exceptions.Exit(0 if usable else 1)
    on = Text("on", "开启") if settings["ai.enabled"] else Text("off", "关闭")
    app.say(
        Text.of(
            "AI stage: {}, mode {}, {} of {} calls and {:.2f} USD used today",
            "AI 阶段：{}，模式 {}，今日已用 {}/{} 次调用，{:.2f} 美元",
            on,
            settings["ai.mode"],
            spent["calls"],
            settings["ai.daily_budget"],
            spent["usd"],
        )
    )
    for bridge, row in zip(bridges, rows):
        app.say("  {:<28} {}".format(bridge.title, _words(row, agreed[row.id]).to(app.lang)))
    if last.get("state") == "asking":
        app.say(Text("An AI is being asked now: iflow-doctor ai attach",
                     "正在询问 AI：iflow-doctor ai attach"))  # fmt: skip
    if not there:
        app.say(
            Text(
                "No AI can be asked. Install one and log in, or set ai.anthropic_http / "
                "ai.openai_http.",
                "没有可用的 AI。请安装并登录其中之一，或设置 ai.anthropic_http / ai.openai_http。",
            )
        )
    elif not usable:
        app.say(
            Text(
                "None is asked, because you have not said yes to one: iflow-doctor ai enable",
                "不会询问任何 AI，因为你还没有同意：iflow-doctor ai enable",
            )
        )
    raise click.exceptions.Exit(0 if usable else 1)


def _safe(status_of: Any, ctx: Context, bridge: Any) -> Any:
    from ..bridges.base import Status

    try:
        return status_of(ctx, bridge)
    except Exception:  # one broken CLI must not hide the others
        return Status(bridge.id, True, bridge.find(ctx), "", None, bridge.note)


def _json(row: Any, agreed: Optional[bool], lang: str) -> Dict[str, Any]:
    return {
        "id": row.id,
        "installed": row.installed,
        "program": row.program,
        "version": row.version,
        "logged_in": row.logged_in,
        "agreed": agreed,
        "note": row.note.to(lang) if row.note else "",
    }


def _words(row: Any, agreed: Optional[bool]) -> Any:
    from ..model import Text

    note = Text(" - " + row.note.en, " - " + row.note.zh) if row.note else Text("", "")
    if not row.installed:
        return Text("not installed" + note.en, "未安装" + note.zh)
    login = {
        True: Text("logged in", "已登录"),
        False: Text("NOT logged in", "未登录"),
        None: Text("login not known without a call", "不调用无法得知是否登录"),
    }[row.logged_in]
    word = {
        True: Text("you said yes", "你已同意"),
        False: Text("you said no", "你已拒绝"),
        None: Text("not agreed to", "尚未同意"),
    }[agreed]
    return Text(
        "{} {}, {}{}".format(row.version, login.en, word.en, note.en).strip(),
        "{} {}，{}{}".format(row.version, login.zh, word.zh, note.zh).strip(),
    )


@ai.command()
@click.argument("vendor", required=False)
@click.option("--yes", is_flag=True, help="Only with a vendor's name. / 只能与服务商名称一起使用。")
@click.pass_obj
def enable(app: App, vendor: Optional[str], yes: bool) -> None:
    """Say yes (or no) to asking an AI, one question a vendor. / 是否同意询问 AI。"""
    from ..bridges import BRIDGES, consent, offers, remember
    from ..errors import UsageError
    from ..model import Text
    from ..settings import save

    if vendor and vendor not in BRIDGES:
        raise UsageError(
            Text.of("no AI is called {}", "没有名为 {} 的 AI", vendor), ", ".join(BRIDGES)
        )
    if yes and not vendor:
        raise UsageError(
            Text("--yes needs a vendor's name", "--yes 需要写明服务商"),
            "iflow-doctor ai enable claude --yes",
        )
    ctx = app.context()
    found = [o for o in offers(ctx) if not vendor or o.bridge.id == vendor]
    if not found:
        if app.as_json:
            app.out({"ok": False, "agreed": []})
        else:
            app.say(
                Text(
                    "Nothing to agree to: no AI program with a login of its own is here "
                    "(iflow-doctor ai status).",
                    "没有可同意的对象：这里没有已登录的 AI 程序（iflow-doctor ai status）。",
                )
            )
        raise click.exceptions.Exit(1)
    if app.as_json and not yes:
        raise UsageError(
            Text("under --json nothing is asked", "--json 下不会提问"),
            "iflow-doctor ai enable {} --yes --json".format(vendor or "claude"),
        )
    agreed: List[str] = []
    for offer in found:
        answer = True if yes else ask_consent(app, ctx, offer, "ai enable")
        if yes:
            remember(ctx, offer.bridge, True, "ai enable --yes")
        agreed += [offer.bridge.id] if answer else []
    if agreed and not ctx.settings["ai.enabled"]:
        save(ctx.home, "ai.enabled", True)
    if app.as_json:
        app.out({"ok": bool(agreed), "agreed": agreed})
    else:
        for offer in found:
            word = consent(ctx, offer.bridge)
            app.say(
                Text.of(
                    "{}: {}",
                    "{}：{}",
                    offer.bridge.title,
                    Text("may be asked", "可以询问") if word else Text("is not asked", "不会询问"),
                )
            )
    raise click.exceptions.Exit(0 if agreed else 1)


def ask_consent(app: App, ctx: Context, offer: Any, where: str) -> bool:
    """Say what would be sent to whom, ask once, keep the answer. Anything but yes is a no."""
    from ..bridges import remember, told
    from ..model import Text

    for line in told(ctx, offer):
        app.say(line)
    question = Text.of("May {} be asked?", "可以询问 {} 吗？", offer.bridge.title).to(app.lang)
    try:
        answer = click.confirm(question, default=False)
    except click.exceptions.Abort:  # nobody answers: that is no yes, and no lasting no either
        return False
    remember(ctx, offer.bridge, answer, where)
    return answer


@ai.command()
@click.argument("vendor", required=False)
@click.pass_obj
def disable(app: App, vendor: Optional[str]) -> None:
    """Take your yes back, from one vendor or from all. / 收回同意（某一个或全部）。"""
    from ..bridges import BRIDGES, remember
    from ..errors import UsageError
    from ..model import Text
    from ..settings import save

    if vendor and vendor not in BRIDGES:
        raise UsageError(
            Text.of("no AI is called {}", "没有名为 {} 的 AI", vendor), ", ".join(BRIDGES)
        )
    ctx = app.context()
    for name in [vendor] if vendor else list(BRIDGES):
        remember(ctx, BRIDGES[name], False if vendor else None, "ai disable")
    if not vendor:
        save(ctx.home, "ai.enabled", False)
    if app.as_json:
        app.out({"ok": True, "disabled": [vendor] if vendor else list(BRIDGES)})
        return
    app.say(
        Text.of("{} is not asked any more.", "不再询问 {}。", BRIDGES[vendor].title)
        if vendor
        else Text("No AI is asked any more.", "不再询问任何 AI。")
    )


@ai.command()
@click.option("--no-follow", is_flag=True, help="Show once, then end. / 只显示一次。")
@click.pass_obj
def attach(app: App, no_follow: bool) -> None:
    """Who is asked, since when, at work or over; follows. / 正在询问谁、何时开始（持续显示）。"""
    from ..bridges.child import doctor_lives
    from ..doctor.emergency import audit
    from ..model import Text
    from ..openclaw.home import locate

    home = locate(app.host)
    log = home.doctor_dir / "ai" / "audit.jsonl"
    last = audit.last_session(home)
    if not last:
        if app.as_json:
            app.out({"ok": False, "asked": False})
        else:
            app.say(Text("No AI was asked yet.", "还没有询问过 AI。"))
        raise click.exceptions.Exit(1)
    alive = last.get("state") == "asking" and doctor_lives(app.host, last)
    resume = _resume(last)
    if app.as_json:
        app.out(dict(last, at_work=alive, resume=resume, audit=str(log)))
        return
    for line in _session(last, alive, app.host.now()):
        app.say(line)
    if resume:
        app.say(
            Text(
                "Look into the session (for watching; nothing is confirmed for you):",
                "查看会话（仅供查看，不会替你确认任何操作）：",
            )
        )
        app.say("  cd '{}' && {}".format(last.get("workdir"), resume))
    if os.path.exists(log):
        app.say(Text.of("Every call: {}", "每次调用：{}", log))
    if alive and not no_follow:
        _follow(app, home, last)


def _session(last: Dict[str, Any], alive: bool, now: float) -> List[Any]:
    """What is known of the call at work or the last one, line by line."""
    from ..bridges.base import NAMES
    from ..model import Text

    state, since = str(last.get("state", "")), float(last.get("since") or last.get("at") or now)
    name = last.get("title") or last.get("bridge")
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    if alive:
        line = Text.of(
            "Asking {}: round {}, for {:.0f} s of at most {:.0f} s, since {} (pid {})",
            "正在询问 {}：第 {} 轮，已用 {:.0f} 秒（最多 {:.0f} 秒），始于 {}（pid {}）",
            name,
            last.get("round", "-"),
            max(0.0, now - since),
            float(last.get("deadline_s") or 0),
            clock,
            last.get("pid", "-"),
        )
    else:
        ended = {
            "answered": Text("it answered", "已返回结果"),
            "asking": Text("its doctor was killed", "处理进程被强制结束"),
            "killed": Text("its doctor was killed; it was ended", "处理进程被强制结束；已结束它"),
        }.get(state) or NAMES.get(state, Text(state, state))
        line = Text.of(
            "Over: {} was asked at {} (round {}): {}",
            "已结束：于 {1} 询问了 {0}（第 {2} 轮）：{3}",
            name,
            clock,
            last.get("round", "-"),
            ended,
        )
    return [line, Text.of("Incident: {}", "事故：{}", last.get("incident", "-"))]


def _follow(app: App, home: Home, last: Dict[str, Any]) -> None:
    """One line whenever something changes, until the run is over or the person has seen enough."""
    from ..bridges.child import doctor_lives
    from ..doctor.emergency import audit

    seen = (last.get("run"), last.get("state"))
    try:
        while True:
            app.host.sleep(1.0)
            last = audit.last_session(home)
            alive = last.get("state") == "asking" and doctor_lives(app.host, last)
            if (last.get("run"), last.get("state")) != seen or not alive:
                app.say(_session(last, alive, app.host.now())[0])
                seen = (last.get("run"), last.get("state"))
            if not alive:
                return
    except KeyboardInterrupt:
        return


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
    help="Ask, show the plan, carry nothing out. / 只询问并显示方案，不执行。",
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
def run(app: App, dry_run: bool, mode: Any, show_prompt: bool) -> None:
    """Ask an AI about what is wrong now. / 就当前问题询问 AI。"""
    from dataclasses import replace

    from ..bridges import consent, offers
    from ..doctor import emergency, examine
    from ..doctor import execute as healer
    from ..doctor.conclude import conclude
    from ..doctor.result import Treatment, record
    from ..model import Outcome, Plan, Text
    from ..settings import Settings
    from ..store import watch_state
    from ..store.incidents import Incident

    ctx = app.context()
    if mode:
        values = dict(ctx.settings.values, ai=dict(ctx.settings.values["ai"], mode=mode))
        ctx = replace(ctx, settings=Settings(values, ctx.settings.sources))
    if not app.as_json:
        app.say(Text("Looking (a few seconds) ...", "正在检查（需几秒）……"))
    patience = float(ctx.settings["start_budget"])
    ctx = examine.examine(ctx, patience=patience)
    if show_prompt:
        prompt = _prompt(ctx)
        return app.out({"prompt": prompt}) if app.as_json else app.say(prompt)
    if not app.as_json and ctx.settings["ai.enabled"]:
        found = offers(ctx)
        if found and not any(consent(ctx, offer.bridge) for offer in found):
            for offer in [o for o in found if consent(ctx, o.bridge) is None]:
                if ask_consent(app, ctx, offer, "ai run"):
                    break

    def execute(plan: Plan) -> Outcome:
        return healer.execute(ctx, plan, dry_run=dry_run)

    say = None if app.as_json else (lambda text: app.say(Text("  " + text.en, "  " + text.zh)))
    # what it costs counts for the incident that is open, else for today's
    watched, _wrong = watch_state.peek(ctx.home)
    name = watched.incident.id if watched and watched.incident else ""
    name = name or "ai-" + time.strftime("%Y%m%d", time.localtime(ctx.host.now()))
    memory, began = Incident(ctx.home, name), ctx.host.monotonic()
    result = emergency.ask(ctx, (), memory, execute, look=lambda: examine.examine(ctx), say=say)
    if result.calls and not dry_run:
        done = tuple(
            {
                "repair": o.plan.repair,
                "by": "ai",
                "why": o.plan.why.en,
                "outcome": "healed" if o.healed else "failed",
                "config_diff": list(o.config_diff)[:50],
            }
            for o in result.outcomes
        )
        record(
            ctx,
            memory,
            Treatment(
                "healed" if result.healed else "escalate",
                3 if result.healed else 4,
                conclude(ctx).cause,
                done,
                seconds=ctx.host.monotonic() - began,
                by="ai",
                ai_calls=result.calls,
                cost_usd=result.usd,
                state=ctx.verdict.state.value,
                ai=result.to_json(),
            ),
        )
    if app.as_json:
        app.out(
            dict(
                result.to_json(),
                calls=result.calls,
                cost_usd=result.usd,
                prompt_after_s=result.prompt_after_s,
                repairs=[
                    {"repair": o.plan.repair, "healed": o.healed, "rolled_back": o.rolled_back}
                    for o in result.outcomes
                ],
            )
        )
    else:
        app.say(Text("Healed.", "已修复。") if result.healed else Text("Not healed.", "未修复。"))
        for text in (result.why, result.note()):
            if text.en:
                app.say(text)
        if result.unasked and not result.calls:
            app.say(
                Text(
                    "Say yes to one: iflow-doctor ai enable", "同意其中之一：iflow-doctor ai enable"
                )
            )
    raise click.exceptions.Exit(0 if result.healed else 1)


def _prompt(ctx: Context) -> str:
    """Exactly what would be sent now, in the mode that is set."""
    import tempfile

    from ..bridges import BRIDGES, offers
    from ..doctor.emergency.asking import Asking

    found = [offer.bridge for offer in offers(ctx)] or [BRIDGES["claude"]]
    asking = Asking(ctx, (), "show-prompt", lambda plan: None)  # type: ignore[arg-type,return-value]
    with tempfile.TemporaryDirectory(prefix="iflow-doctor-") as folder:
        return asking.question(found[0], "", "", folder, "show")[0].prompt
