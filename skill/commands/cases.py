"""list-cases, explain, add-case: the case library from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

from ..errors import SettingsError, UsageError
from ..host import Host
from ..model import Case, Risk, Text
from ..openclaw.home import Home, locate

if TYPE_CHECKING:
    from ..cli import App
    from ..store.records import Store

RISKS = {
    Risk.READ: Text("changes nothing", "不做改动"),
    Risk.SAFE: Text("may run unattended", "可无人值守执行"),
    Risk.GUARDED: Text("runs unattended only with certain evidence", "证据确凿时才无人值守执行"),
    Risk.NEVER: Text("only by hand", "只能由人执行"),
}
SOURCES = {
    "shipped": Text("shipped", "内置"),
    "user": Text("yours", "你添加的"),
    "learned": Text("learned here", "在本机学到"),
}
STANDINGS = {
    "": Text("active", "启用"),
    "rejected": Text("rejected", "已否决"),
    "demoted": Text("demoted", "已降级"),
    "proposed": Text("proposed", "待确认"),
}


def add(main: click.Group) -> None:
    for command in (list_cases, explain, add_case):
        main.add_command(command)


def _home() -> Home:

    return locate(Host())


def library_of(app: App) -> List[Case]:
    """Return every case; a damaged user file is named on stderr and the shipped ones still work."""
    from ..cases import library as cases

    found, error = cases.load_or_shipped(_home())
    if error is not None:
        said = "{}\n  -> {}".format(error.text.to(app.lang), error.todo.to(app.lang))
        click.echo(said, err=True)
    return found


@click.command("list-cases")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def list_cases(app: App, as_json: bool) -> None:
    """List the case library. / 列出案例库。"""
    from ..store.records import Store

    found, store = library_of(app), Store(_home())
    if as_json or app.as_json:
        keys = [
            dict(
                id=c.id,
                slug=c.slug,
                title=c.title._asdict(),
                repair=c.repair,
                risk=c.risk.value,
                source=c.source,
                status=_standing(c, store),
            )
            for c in found
        ]
        click.echo(json.dumps({"cases": keys}, ensure_ascii=False))
        return
    for case in found:
        status = _standing(case, store)
        tail = "  [{}]".format(status) if status else ""
        click.echo(
            "{:<9} {:<34} {:<20} {}{}".format(
                case.id, case.slug, case.repair, case.title.to(app.lang), tail
            )
        )


@click.command()
@click.argument("case_id")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def explain(app: App, case_id: str, as_json: bool) -> None:
    """Everything known about one case. / 查看一个案例的全部内容。"""
    from ..cases import library as cases

    case = cases.find(library_of(app), case_id)
    if case is None:
        raise UsageError(
            Text.of("no case {}", "没有案例 {}", case_id),
            Text("`iflow-doctor list-cases` shows all", "用 `iflow-doctor list-cases` 查看全部"),
        )
    if as_json or app.as_json:
        click.echo(json.dumps(dict(case.raw), ensure_ascii=False, indent=1))
        return
    lang = app.lang
    click.echo("{} {}".format(case.id, case.title.to(lang)))
    for label, value in _rows(case):
        if value:
            click.echo("  " + Text.of("{}: {}", "{}：{}", label, value).to(lang))


def _rows(case: Case) -> List[Tuple[Text, Any]]:
    """What `explain` says of a case, a row each; an empty value is left out."""
    from ..store.records import Store

    raw = case.raw
    proofs = ["{} {}".format(one["incident"], one["outcome"]) for one in raw.get("proofs") or ()]
    params = " " + json.dumps(dict(case.params), ensure_ascii=False) if case.params else ""
    standing = _standing(case, Store(_home()))
    return [
        (Text("class", "类别"), case.slug),
        (Text("what to do", "怎么办"), case.solution),
        (
            Text("repair", "修复"),
            Text.of("{}{} ({})", "{}{}（{}）", case.repair, params, RISKS[case.risk]),
        ),
        *(
            (label, ", ".join(getattr(case.evidence, name)))
            for label, name in (
                (Text("needs all of", "须全部成立"), "all"),
                (Text("needs one of", "至少一项成立"), "any"),
                (Text("not if", "不得成立"), "none"),
            )
        ),
        (Text("commands", "命令"), "; ".join(raw.get("commands") or ())),
        (Text("versions", "版本"), str(raw.get("versions") or "")),
        (
            Text("source", "来源"),
            Text.of("{}, {}", "{}，{}", raw.get("source") or "-", SOURCES.get(case.source, "-")),
        ),
        (Text("success rate here", "在本机的成功率"), _rate(case)),
        (Text("status", "状态"), STANDINGS.get(standing, standing)),
        (Text("tried in", "试过"), ", ".join(proofs)),
    ]


def _standing(case: Case, store: Store) -> str:
    from ..cases.library import standing

    try:
        return standing(case, store)
    except Exception:  # as _rate
        return str(case.raw.get("status") or "")


def _rate(case: Case) -> str:
    try:
        from ..store.records import Store

        rate = Store(_home()).success_rate(case.id)
    except (
        Exception
    ):  # the store may be empty, damaged or not there yet: the case can be explained without it
        rate = case.raw.get("success_rate")
    return "" if rate is None else "{:.0%}".format(rate)


@click.command("add-case")
@click.option(
    "--from", "from_file", metavar="FILE", help="A JSON file with one case. / 从 JSON 文件读入。"
)
@click.option(
    "--incident", metavar="ID", help="A case from a recorded incident. / 从事故记录生成。"
)
@click.option(
    "--approve",
    metavar="CASE-ID",
    help="A learned case may act from now on. / 批准一个学到的案例。",
)
@click.option(
    "--reject",
    metavar="CASE-ID",
    help="A learned case is wrong: never match it. / 否决一个学到的案例。",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def add_case(
    app: App,
    from_file: Optional[str],
    incident: Optional[str],
    approve: Optional[str],
    reject: Optional[str],
    as_json: bool,
) -> None:
    """Add a case of your own, or decide on one that was learned. /
    添加自己的案例，或决定学到的案例。
    """
    from ..cases import library as cases
    from ..cases.learning import decide, from_incident
    from ..cases.library import ask

    home = _home()
    if approve or reject:
        case = decide(home, str(approve or reject), bool(approve))
        status = str(case.raw["status"])
        click.echo(
            json.dumps({"id": case.id, "status": status})
            if as_json or app.as_json
            else "{}: {}".format(case.id, status)
        )
        return
    if from_file:
        raw = _case_file(from_file)
    elif incident:
        raw = from_incident(home, incident)
    elif sys.stdin.isatty():
        raw = ask(app.lang, cases.next_id(home))
    else:
        raise UsageError(
            Text(
                "add-case needs --from FILE, --incident ID, or a terminal to ask in",
                "add-case 需要 --from 文件、--incident 编号，或一个可以提问的终端",
            ),
            Text(
                "docs/adding-a-case.md shows what a FILE looks like",
                "文件格式见 docs/adding-a-case.md",
            ),
        )
    raw.setdefault("id", cases.next_id(home))
    case = cases.add(home, raw)
    path = str(home.doctor_dir / cases.USER_FILE)
    if as_json or app.as_json:
        click.echo(json.dumps({"id": case.id, "slug": case.slug, "file": path}))
    else:
        click.echo(
            ("已写入 {}：{}" if app.lang == "zh" else "{} written to {}").format(case.id, path)
        )


def _case_file(name: str) -> Dict[str, Any]:
    try:
        raw = json.loads(Path(name).read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError("{}: {}".format(name, error.strerror)) from error
    except ValueError as error:
        raise SettingsError(name, [str(error)]) from error
    if not isinstance(raw, dict):
        raise SettingsError(
            name, [Text("must be one case (a JSON object)", "必须是一个案例（JSON 对象）")]
        )
    return raw


if __name__ == "__main__":  # for trying these commands without the whole program
    group = click.Group()
    add(group)
    group()
