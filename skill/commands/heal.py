"""heal (a person asks), treat (the watchdog asks), stats, snapshots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Tuple

import click

if TYPE_CHECKING:
    from ..cli import App
    from ..context import Context
    from ..doctor.result import Treatment
    from ..model import Text


def add(main: click.Group) -> None:
    for command in (heal, treat, stats, snapshots):
        main.add_command(command)


@click.command()
@click.option(
    "--dry-run", is_flag=True, help="Show the plan, change nothing. / 只显示方案，不做改动。"
)
@click.option("--yes", is_flag=True, help="Carry it out without asking. / 不询问直接执行。")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def heal(app: App, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Repair what is wrong now. / 修复当前问题。"""
    from ..model import Text

    as_json = as_json or app.as_json
    ctx = app.context()
    name = "manual-{}".format(time.strftime("%Y%m%dT%H%M%S", time.gmtime(ctx.host.now())))
    say = (
        (lambda text: None)
        if as_json
        else (lambda text: app.say(Text("  " + text.en, "  " + text.zh)))
    )
    if not as_json:
        app.say(Text("Looking (a few seconds) ...", "正在检查（需几秒）……"))
    try:
        result = _healed(app, ctx, name, dry_run, yes, as_json, say)
    except (KeyboardInterrupt, click.Abort):
        _half_done(app, ctx)
        raise
    if as_json:
        app.out(result.to_json(app.lang))
    else:
        _show(app, result)
    raise click.exceptions.Exit(_code(result))


def _healed(
    app: App,
    ctx: Context,
    name: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    say: Callable[[Text], None],
) -> Treatment:
    """Plan, ask where nobody has said yes, carry out."""
    from ..doctor import steps, visit
    from ..model import Text

    budget = float(ctx.settings.get("start_budget", 300))
    result = visit.treat(ctx, name, plan_only=True, say=say, patience=budget)
    if not dry_run and result.outcome == "asked" and yes:
        result = visit.treat(ctx, name, yes=True, say=say, patience=budget)
    while not dry_run and result.outcome == "asked" and not yes and not as_json:
        # a yes to what was shown; what comes after it is shown, and waits for a yes of its own
        _show(app, result)
        if not click.confirm(Text("Carry this out?", "执行吗？").to(app.lang), default=False):
            break
        key = steps.key_of(result.plans)
        result = visit.treat(ctx, name, True, say=say, patience=budget, agreed=key)
    if not dry_run and result.outcome == "escalate" and not result.only_person:
        if not (result.ai or {}).get("asked") and _may_ask_ai(app, ctx, yes, as_json):
            result = visit.treat(ctx, name, yes=True, say=say, patience=budget)
    return result


def _half_done(app: App, ctx: Context) -> None:
    """Ctrl-C: say what a repair left that waits for its end, and how it comes to it."""
    from ..doctor import journal
    from ..model import Text

    if journal.pending(ctx.home):
        said = Text(
            "A repair was interrupted. The watchdog brings it to its end, or: iflow-doctor heal",
            "一次修复被中断。守护进程会完成收尾，也可执行：iflow-doctor heal",
        )
        click.echo(said.to(app.lang), err=True)


def _code(result: Any) -> int:
    """0 healed, or nothing was wrong; 1 something is still wrong; 2 it could not be told."""
    from ..model import State, exit_code

    if result.outcome != "nothing" or result.state not in State._value2member_map_:
        return 0 if result.outcome in ("healed", "nothing") else 1
    return exit_code(State(result.state))


def _may_ask_ai(app: App, ctx: Context, yes: bool, as_json: bool) -> bool:
    """Nothing of ours helps. Is there an AI that the owner agreed to, or agrees to now?"""
    from ..bridges import consent, offers
    from ..model import Text
    from .ai import ask_consent

    if not ctx.settings["ai.enabled"]:
        return False
    found = offers(ctx)
    agreed = [offer for offer in found if consent(ctx, offer.bridge)]
    if not agreed and not yes and not as_json:
        for offer in [o for o in found if consent(ctx, o.bridge) is None]:
            if ask_consent(app, ctx, offer, "heal"):
                return True  # the question said what happens then
    if not agreed or yes:
        return bool(agreed)
    question = Text.of(
        "No repair of ours fits. Ask {}, and carry out what passes our checks?",
        "我们的修复都不适用。要询问 {}，并执行通过检查的方案吗？",
        agreed[0].bridge.title,
    )
    return not as_json and click.confirm(question.to(app.lang), default=False)


def _show(app: App, result: Any) -> None:
    from ..doctor import steps
    from ..model import Text

    heads = {
        "healed": Text("Healed: the gateway is ready.", "已修复：网关已就绪。"),
        "nothing": Text("Nothing to repair.", "无需修复。"),
        "asked": Text("This can be repaired.", "可以修复。"),
        "escalate": Text("Your action is needed.", "需要你处理。"),
    }
    head = heads[result.outcome]
    if result.outcome == "nothing" and _code(result):
        head = Text("Nothing was repaired.", "没有修复任何东西。")
    app.say(head)
    app.say(Text("Cause: ", "原因：").to(app.lang) + result.cause.to(app.lang))
    for action in result.actions:
        app.say(
            "  - {}: {} ({} s)".format(
                action["repair"], action["outcome"], action.get("seconds", 0)
            )
        )
        if action.get("config_diff"):
            app.say(
                Text("    config differs at: ", "    配置变化：").to(app.lang)
                + ", ".join(action["config_diff"])
            )
        if action.get("advice"):
            app.say("    " + action["advice"])
    for plan in result.plans:
        app.say(
            Text("Plan: {} ({})", "方案：{}（{}）")
            .to(app.lang)
            .format(plan.repair, plan.risk.value)
        )
        app.say("  " + plan.why.to(app.lang))
        for number, step in enumerate(plan.steps, 1):
            app.say("  {}. {}".format(number, steps.describe(step, app.lang)))
    if result.next_step:
        app.say(Text("Next: ", "下一步：").to(app.lang) + result.next_step.to(app.lang))
    asked = result.ai or {}
    if asked.get("note"):
        app.say(Text(asked["note"], asked.get("note_zh") or asked["note"]))
    elif asked.get("unasked") and not asked.get("asked"):
        app.say(
            Text(
                "No AI was asked, because you have not said yes to one: iflow-doctor ai enable",
                "没有询问 AI，因为你还没有同意：iflow-doctor ai enable",
            )
        )


@click.command(hidden=True)
@click.option("--incident", required=True)
@click.option(
    "--repair",
    default="",
    help="Only this repair, for a state that needs no diagnosis (resume-channels).",
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def treat(app: App, incident: str, repair: str, as_json: bool) -> None:
    """Level 3 for one incident, called by the watchdog. The result is also written to
    incidents/<id>.treat.json.
    """
    from ..doctor import visit
    from ..errors import CannotPlan

    ctx = app.context()
    if repair:
        try:
            result: Any = visit.one(ctx, incident, repair)
        except CannotPlan as error:
            app.out({"outcome": "nothing", "cause": str(error), "actions": []})
            raise click.exceptions.Exit(0) from None
    else:
        result = visit.treat(ctx, incident)
    app.out(result.to_json("en"))
    raise click.exceptions.Exit(0 if result.outcome in ("healed", "nothing") else 1)


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def stats(app: App, as_json: bool) -> None:
    """Incidents, time to recover, success rates. / 事故、恢复时间与成功率。"""
    from ..model import Text
    from ..store.records import Store

    home = app.context().home
    value = Store(home).stats()
    older = sorted(str(path) for path in home.doctor_dir.glob("records.json.corrupt.*"))
    value["set_aside"] = value["set_aside"] or (older[-1] if older else None)
    if as_json or app.as_json:
        app.out(value)
        return
    took = value["time_to_recover_s"]
    app.say(
        Text("Incidents: {}, healed: {}", "事故：{}，已恢复：{}")
        .to(app.lang)
        .format(value["incidents"], value["healed"])
    )
    if took["n"]:
        line = Text(
            "Time to recover: half within {:.0f} s, 95 % within {:.0f} s",
            "恢复时间：一半在 {:.0f} 秒内，95% 在 {:.0f} 秒内",
        ).to(app.lang)
        app.say(line.format(took["p50"], took["p95"]))
    for title, key in (
        (Text("By level", "按级别"), "by_level"),
        (Text("By outcome", "按结果"), "by_outcome"),
    ):
        if value[key]:
            app.say(
                "{}: {}".format(
                    title.to(app.lang),
                    ", ".join("{} {}".format(k, v) for k, v in sorted(value[key].items())),
                )
            )
    for case, row in sorted(value["by_case"].items()):
        rate = "-" if row["success_rate"] is None else "{:.0%}".format(row["success_rate"])
        line = Text(
            "{}: {} incidents, {} healed, success at least {}",
            "{}：{} 次，恢复 {} 次，成功率下限 {}",
        ).to(app.lang)
        app.say(
            "  "
            + line.format(case, row["incidents"], row["healed"], rate)
            + (" (demoted)" if row["demoted"] else "")
        )
    for week, row in value["by_week"].items():
        app.say("  {}: {} / {}".format(week, row["healed"], row["incidents"]))
    if value["ai"]["calls"]:
        app.say(
            Text.of(
                "AI calls: {}, cost {} USD{}",
                "AI 调用：{} 次，费用 {} 美元{}",
                value["ai"]["calls"],
                value["ai"]["cost_usd"],
                Text.of(
                    ", {} of them of unknown cost", "，其中 {} 次费用未知", value["ai"]["unknown"]
                )
                if value["ai"]["unknown"]
                else "",
            )
        )
    if value["set_aside"]:
        app.say(
            Text("A damaged records.json was set aside: {}", "损坏的 records.json 已移至：{}")
            .to(app.lang)
            .format(value["set_aside"])
        )


@click.group(invoke_without_command=True)
@click.pass_context
def snapshots(ctx: click.Context) -> None:
    """List or restore what repairs have kept. / 列出或还原修复前的快照。"""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_snapshots)


@snapshots.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_snapshots(app: App, as_json: bool = False) -> None:
    """Newest first. / 最新在前。"""
    from ..model import Text
    from ..store import snapshots as kept

    found = kept.all_of(app.context().home)
    if as_json or app.as_json:
        app.out(
            [
                {
                    "id": s.id,
                    "repair": s.repair,
                    "taken": s.taken,
                    "files": sorted(s.files),
                    "replaced": [
                        {"path": path, "kept": str(s.folder / name)} for path, name in s.replaced
                    ],
                }
                for s in found
            ]
        )
        return
    if not found:
        app.say(
            Text(
                "No repair has changed a file yet: nothing to restore.",
                "还没有修复改动过文件：没有可还原的快照。",
            )
        )
    for snapshot in found:
        app.say("{}  {}".format(snapshot.id, ", ".join(sorted(snapshot.files))))
        for path, name in snapshot.replaced:
            kept_at = snapshot.folder / name
            app.say(Text.of("  {} before that: {}", "  {} 此前的内容：{}", path, kept_at))


@snapshots.command("restore")
@click.argument("name")
@click.option("--yes", is_flag=True)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Only this key of openclaw.json; may be repeated. / 只还原该配置项，可重复。",
)
@click.option(
    "--missing",
    is_flag=True,
    help="Only keys of openclaw.json that are gone or changed. / 只还原缺失或被改动的配置项。",
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def restore_snapshot(
    app: App, name: str, yes: bool, keys: Tuple[str, ...], missing: bool, as_json: bool
) -> None:
    """Put the files of a snapshot back; what is there now is snapshotted first. /
    还原快照（先保存现状）。
    """
    from ..doctor import recover
    from ..errors import UsageError
    from ..files import write_atomic
    from ..locks import owned_lock
    from ..model import Text
    from ..repairs import config_guard
    from ..store import snapshots as kept

    ctx = app.context()
    chosen = next((s for s in kept.all_of(ctx.home) if s.id == name), None)
    if chosen is None:
        raise UsageError(
            Text.of("no snapshot {}", "没有快照 {}", name), "iflow-doctor snapshots list"
        )
    if not yes and (as_json or app.as_json):
        raise UsageError(
            Text("--json cannot prompt; add --yes", "--json 下还原不会再询问"),
            "iflow-doctor snapshots restore {} --yes --json".format(name),
        )
    if missing or keys:
        writes, what = config_guard.bring_back(ctx, chosen, keys)
    else:
        writes, what = [], sorted(chosen.files)
    if not yes and not click.confirm(
        Text("Put back {}?", "还原 {}?").to(app.lang).format(", ".join(what))
    ):
        raise click.exceptions.Exit(1)
    with owned_lock(recover.lock_path(ctx.home), "a repair"):
        before = kept.take(ctx.home, "before-restore", list(chosen.files), ctx.host.now())
        for write in writes:
            write_atomic(write.path, write.content, keep_mode=True)
        changed = what if missing or keys else kept.restore(chosen)
    if as_json or app.as_json:
        app.out({"ok": True, "restored": changed, "as_it_was": before.id})
        return
    app.say(
        Text("Restored: {}. Previous version kept as: {}", "已还原：{}。还原前的状态：{}")
        .to(app.lang)
        .format(", ".join(changed) or "-", before.id)
    )
