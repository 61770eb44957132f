"""diagnose, list-cases, explain, add-case: the case library from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import click

from ..errors import SettingsError, UsageError
from ..model import Case, Match, Risk, Text

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
LOG_BYTES = 262_144  # the end of a log file; the rest is older than the newest boot


def add(main: click.Group) -> None:
    for command in (diagnose, list_cases, explain, add_case):
        main.add_command(command)


def _home() -> Any:
    from ..host import Host
    from ..openclaw.home import locate

    return locate(Host())


def _library(app: Any = None) -> List[Case]:
    """Return every case; a damaged user file is named on stderr and the shipped ones still work."""
    from ..cases import library as cases

    found, error = cases.load_or_shipped(_home())
    if error is not None:
        lang = _lang(app)
        click.echo("{}\n  -> {}".format(error.text.to(lang), error.todo.to(lang)), err=True)
    return found


def _lang(app: Any) -> str:
    return str(getattr(app, "lang", "") or "en")


def _json(app: Any, flag: bool) -> bool:
    return bool(flag or getattr(app, "json", False) or getattr(app, "as_json", False))


@click.command()
@click.argument("text", required=False, default="")
@click.option(
    "--log",
    "log_file",
    metavar="FILE|-",
    help="A log to read (its end); - is standard input. / 日志文件，- 为标准输入。",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Only the words and the log; look at nothing on this machine. / "
    "只看文字与日志，不检查本机。",
)
@click.option(
    "--batch", metavar="FILE.jsonl", help="A line each: id, symptom, log. / 批量：每行一个 JSON。"
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def diagnose(
    app: Any, text: str, log_file: Optional[str], offline: bool, batch: Optional[str], as_json: bool
) -> None:
    """Say what is wrong and what to type next. / 诊断：哪里坏了，下一步输入什么。"""
    if batch:
        sys.exit(_batch(batch))
    log = _read_log(log_file) if log_file else ""
    if not offline:
        from ..doctor.report import diagnose_live

        sys.exit(diagnose_live(app, text, log, _json(app, as_json)) or 0)
    if not text.strip() and not log.strip():
        raise UsageError(
            Text(
                "nothing to diagnose: give a TEXT or --log FILE",
                "没有可诊断的内容：请给出一段描述，或 --log 文件",
            ),
            Text(
                'e.g. iflow-doctor diagnose "gateway will not start"',
                '例如 iflow-doctor diagnose "网关起不来"',
            ),
        )
    from ..cases.matcher import match

    found = match(_library(app), text, log)
    if _json(app, as_json):
        click.echo(
            json.dumps({"matches": [as_dict(one, _lang(app)) for one in found]}, ensure_ascii=False)
        )
    else:
        click.echo(render(found, _lang(app)))
    sys.exit(1 if found else 0)


def _read_log(name: str) -> str:
    from ..files import tail_bytes

    if name == "-":
        raw = sys.stdin.buffer.read()[-LOG_BYTES:]
    else:
        if not Path(name).is_file():
            raise UsageError(
                Text.of("no such log file: {}", "没有这个日志文件：{}", name),
                Text(
                    "openclaw logs --limit 200 shows the gateway's own",
                    "网关自己的日志：openclaw logs --limit 200",
                ),
            )
        raw = tail_bytes(name, LOG_BYTES)
    return raw.decode("utf-8", "replace")


def _batch(name: str) -> int:
    """A line of JSON in, a line of JSON out, in order; a broken line stops with its number."""
    from ..cases.matcher import match

    library = _library()
    if name != "-" and not Path(name).is_file():
        raise UsageError(
            Text.of("no such file: {}", "没有这个文件：{}", name),
            Text('a line each: {"id", "symptom", "log"}', '每行一个：{"id", "symptom", "log"}'),
        )
    source = sys.stdin if name == "-" else open(name, encoding="utf-8", errors="replace")
    with source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                ident, symptom, log = (
                    entry["id"],
                    str(entry.get("symptom") or ""),
                    str(entry.get("log") or ""),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    Text.of("{} line {}: {!r}", "{} 第 {} 行：{!r}", name, number, error),
                    Text('each line: {"id", "symptom", "log"}', '每行：{"id", "symptom", "log"}'),
                ) from error
            found = match(library, symptom, log)
            click.echo(
                json.dumps(
                    {"id": ident, "matches": [as_dict(one) for one in found]}, ensure_ascii=False
                )
            )
    return 0


def as_dict(one: Match, lang: str = "") -> Dict[str, Any]:
    value: Dict[str, Any] = {
        "slug": one.case.slug,
        "case": one.case.id,
        "confidence": one.confidence.value,
        "score": one.score,
        "because": list(one.because),
    }
    if lang:
        value.update(
            title=one.case.title.to(lang),
            solution=one.case.solution.to(lang),
            repair=one.case.repair,
        )
    return value


def render(found: Sequence[Match], lang: str) -> str:
    """What a tired person reads: the first case with its next step, the others by name."""
    zh = lang == "zh"
    if not found:
        return (
            "没有已知案例符合。下一步：`openclaw gateway status "
            "--deep`，或带上日志再试：`iflow-doctor diagnose --log FILE`。"
            if zh
            else "No known case fits. Next: `openclaw gateway status --deep`, or try again with a "
            "log: `iflow-doctor diagnose --log FILE`."
        )
    from ..doctor.report import SURE

    first = found[0]
    sure = SURE[first.confidence].to(lang)
    out = [
        "{} [{}] {}".format(first.case.id, sure, first.case.title.to(lang)),
        "  " + first.case.solution.to(lang),
    ]
    deciding = list(dict.fromkeys(line[:160] for line in first.because))[
        :3
    ]  # the same line may have decided several times
    out += ["  {} {}".format("依据：" if zh else "because:", line) for line in deciding]
    rest = [one for one in found[1:] if one.case.slug != first.case.slug][:3]
    if rest:
        out.append("也可能是：" if zh else "It could also be:")
        out += [
            "  {} {} (iflow-doctor explain {})".format(
                one.case.id, one.case.title.to(lang), one.case.id
            )
            for one in rest
        ]
    return "\n".join(out)


@click.command("list-cases")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def list_cases(app: Any, as_json: bool) -> None:
    """List the case library. / 列出案例库。"""
    found = _library(app)
    if _json(app, as_json):
        keys = [
            dict(
                id=c.id,
                slug=c.slug,
                title=c.title._asdict(),
                repair=c.repair,
                risk=c.risk.value,
                source=c.source,
                status=_standing(c),
            )
            for c in found
        ]
        click.echo(json.dumps({"cases": keys}, ensure_ascii=False))
        return
    for case in found:
        status = _standing(case)
        tail = "  [{}]".format(status) if status else ""
        click.echo(
            "{:<9} {:<34} {:<20} {}{}".format(
                case.id, case.slug, case.repair, case.title.to(_lang(app)), tail
            )
        )


@click.command()
@click.argument("case_id")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable. / 机器可读。")
@click.pass_obj
def explain(app: Any, case_id: str, as_json: bool) -> None:
    """Everything known about one case. / 查看一个案例的全部内容。"""
    from ..cases import library as cases

    case = cases.find(_library(app), case_id)
    if case is None:
        raise UsageError(
            Text.of("no case {}", "没有案例 {}", case_id),
            Text("`iflow-doctor list-cases` shows all", "用 `iflow-doctor list-cases` 查看全部"),
        )
    if _json(app, as_json):
        click.echo(json.dumps(dict(case.raw), ensure_ascii=False, indent=1))
        return
    lang = _lang(app)
    click.echo("{} {}".format(case.id, case.title.to(lang)))
    for label, value in _rows(case):
        if value:
            click.echo("  " + Text.of("{}: {}", "{}：{}", label, value).to(lang))


def _rows(case: Case) -> List[Tuple[Text, Any]]:
    """What `explain` says of a case, a row each; an empty value is left out."""
    raw = case.raw
    proofs = ["{} {}".format(one["incident"], one["outcome"]) for one in raw.get("proofs") or ()]
    params = " " + json.dumps(dict(case.params), ensure_ascii=False) if case.params else ""
    standing = _standing(case)
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


def _standing(case: Case) -> str:
    from ..cases.learning import standing
    from ..store.records import Store

    try:
        return standing(case, Store(_home()))
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
    app: Any,
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
    from ..cases.learning import ask, decide, from_incident

    home = _home()
    if approve or reject:
        case = decide(home, str(approve or reject), bool(approve))
        status = str(case.raw["status"])
        click.echo(
            json.dumps({"id": case.id, "status": status})
            if _json(app, as_json)
            else "{}: {}".format(case.id, status)
        )
        return
    if from_file:
        raw = _case_file(from_file)
    elif incident:
        raw = from_incident(home, incident)
    elif sys.stdin.isatty():
        raw = ask(_lang(app), cases.next_id(home))
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
    if _json(app, as_json):
        click.echo(json.dumps({"id": case.id, "slug": case.slug, "file": path}))
    else:
        click.echo(
            ("已写入 {}：{}" if _lang(app) == "zh" else "{} written to {}").format(case.id, path)
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
